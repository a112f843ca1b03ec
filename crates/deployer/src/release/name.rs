//! Names as types: a release, a namespace, a revision, and the keys that records are stored under.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest release name that Helm accepts, in bytes.
const RELEASE_NAME_BYTES_MAX: usize = 53;
/// The longest namespace name that Kubernetes accepts, in bytes.
const NAMESPACE_BYTES_MAX: usize = 63;

/// Why a name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// The release name is empty, too long or has a character that is not allowed.
    #[error(
        "release name `{name}` is not valid: it must be 1 to {RELEASE_NAME_BYTES_MAX} characters, \
         lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit"
    )]
    Release { name: String },
    /// The namespace is empty, too long or has a character that is not allowed.
    #[error(
        "namespace `{name}` is not valid: it must be 1 to {NAMESPACE_BYTES_MAX} characters, \
         lower-case letters, digits and `-`, beginning and ending with a letter or digit"
    )]
    Namespace { name: String },
}

/// The name of a release, valid by construction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseName(String);

impl ReleaseName {
    /// Checks a name by Helm's rule (a DNS-1123 subdomain of at most 53 characters).
    ///
    /// # Errors
    /// [`NameError::Release`] says the rule.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        let valid = name.len() <= RELEASE_NAME_BYTES_MAX && name.split('.').all(is_dns_label);
        if valid {
            Ok(Self(name))
        } else {
            Err(NameError::Release { name })
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a namespace, valid by construction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Namespace(String);

impl Namespace {
    /// Checks a name by Kubernetes' rule (a DNS-1123 label).
    ///
    /// # Errors
    /// [`NameError::Namespace`] says the rule.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        let valid = name.len() <= NAMESPACE_BYTES_MAX && is_dns_label(&name);
        if valid {
            Ok(Self(name))
        } else {
            Err(NameError::Namespace { name })
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn is_dns_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = label.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            allowed(*first)
                && allowed(*last)
                && bytes.iter().all(|byte| allowed(*byte) || *byte == b'-')
        }
        _ => false,
    }
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }
        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}
text_newtype!(ReleaseName);
text_newtype!(Namespace);

/// The number of a revision; the first is 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u32);

impl Revision {
    /// The revision that an install makes.
    pub const FIRST: Self = Self(1);

    /// Returns the revision after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl std::str::FromStr for Revision {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Returns the name under which Helm stores a revision (`storage.makeKey`, Helm 3 and 4).
pub fn record_key(name: &ReleaseName, revision: Revision) -> String {
    format!("sh.helm.release.v1.{name}.v{revision}")
}

/// Returns the name of the companion record that holds our evidence of a revision.
pub fn evidence_key(name: &ReleaseName, revision: Revision) -> String {
    format!("sh.deployer.evidence.v1.{name}.v{revision}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_names_follow_helms_rule() {
        for good in ["a", "fraud-model", "a.b-c.d9", &"x".repeat(53)] {
            assert!(ReleaseName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "A",
            "-a",
            "a-",
            "a..b",
            "a_b",
            ".a",
            &"x".repeat(54),
            "ä",
        ] {
            assert!(ReleaseName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_the_names_that_helm_looks_for() {
        let name = ReleaseName::new("web").unwrap();
        assert_eq!(
            record_key(&name, Revision(12)),
            "sh.helm.release.v1.web.v12"
        );
        assert_eq!(
            evidence_key(&name, Revision(12)),
            "sh.deployer.evidence.v1.web.v12"
        );
    }
}
