//! `oci://host/path:tag@digest`, taken apart.
//!
//! Source: Helm 3.22 `pkg/registry/reference.go`.

use oci_client::Reference;

use super::error::{RegistryError, shown};

/// What an address in a registry begins with.
pub const OCI_PREFIX: &str = "oci://";

/// Tells whether a chart is in a registry.
pub fn is_oci(reference: &str) -> bool {
    reference.starts_with(OCI_PREFIX)
}

/// The address of a chart in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciReference {
    /// Host, with its port where it has one.
    pub registry: String,
    pub repository: String,
    /// As registries hold it: `_` for the `+` of a version.
    pub tag: Option<String>,
    pub digest: Option<String>,
}

impl OciReference {
    /// Reads an address, with or without `oci://`.
    ///
    /// # Errors
    /// What is no address of a registry.
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        let plain = text.strip_prefix(OCI_PREFIX).unwrap_or(text);
        let (plain, digest) = match plain.rsplit_once('@') {
            Some((before, digest)) => (before, Some(digest.to_owned())),
            None => (plain, None),
        };
        let invalid = |problem: &str| {
            let shown = shown(text);
            RegistryError::Request(format!("`{shown}` is no address in a registry: {problem}"))
        };
        let (registry, rest) = plain
            .split_once('/')
            .filter(|(_, rest)| !rest.is_empty())
            .ok_or_else(|| invalid("it names no repository, as `oci://host/path` does"))?;
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((before, tag)) if !tag.contains('/') => (before, Some(tag.replace('+', "_"))),
            _ => (rest, None),
        };
        let reference = Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.filter(|tag| !tag.is_empty()),
            digest,
        };
        // The library's grammar is that of the registries.
        let digest = reference.digest.as_ref();
        let whole = match digest.filter(|_| reference.tag.is_some()) {
            Some(digest) => format!("{reference}@{digest}"),
            None => reference.to_string(),
        };
        let read = whole.parse::<Reference>();
        read.map_err(|error| invalid(&error.to_string()))?;
        if registry.is_empty() {
            return Err(invalid("it names no host"));
        }
        Ok(reference)
    }

    /// The version that the tag stands for.
    pub fn version(&self) -> Option<String> {
        self.tag.as_ref().map(|tag| tag.replace('_', "+"))
    }

    /// Returns the same repository with another tag, and no digest.
    #[must_use]
    pub fn with_version(&self, version: &str) -> Self {
        Self {
            tag: Some(version.replace('+', "_")),
            digest: None,
            ..self.clone()
        }
    }

    /// The address as the library takes it; the digest wins over the tag.
    pub(crate) fn to_client(&self) -> Reference {
        let (registry, repository) = (self.registry.clone(), self.repository.clone());
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Reference::with_digest(registry, repository, digest.clone()),
            (None, Some(tag)) => Reference::with_tag(registry, repository, tag.clone()),
            (None, None) => Reference::with_tag(registry, repository, "latest".to_owned()),
        }
    }
}

impl std::fmt::Display for OciReference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)?;
        match (&self.tag, &self.digest) {
            (Some(tag), _) => write!(formatter, ":{tag}"),
            (None, Some(digest)) => write!(formatter, "@{digest}"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_a_plus_becomes_an_underscore() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let reference =
            OciReference::parse("oci://localhost:5000/my/web:1.0.0+b").expect("an address");
        assert_eq!(reference.registry, "localhost:5000");
        assert_eq!(reference.repository, "my/web");
        assert_eq!(reference.to_string(), "localhost:5000/my/web:1.0.0_b");
        assert_eq!(reference.version().as_deref(), Some("1.0.0+b"));
        let pinned = OciReference::parse(&format!("oci://h.io/web@{digest}")).expect("pinned");
        assert_eq!(pinned.to_string(), format!("h.io/web@{digest}"));
        assert_eq!(pinned.to_client().digest(), Some(digest.as_str()));
        for wrong in [
            "oci://host",
            "oci:///web",
            "oci://h/We b",
            "oci://h.io/web@sha256:1",
            "oci://h.io/Web",
        ] {
            assert!(OciReference::parse(wrong).is_err(), "{wrong}");
        }
    }
}
