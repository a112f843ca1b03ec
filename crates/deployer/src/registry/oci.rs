//! Charts in OCI registries: pulled, pushed and listed with Helm's media types.
//!
//! Source: Helm 3.22 `pkg/registry/client.go`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chart::Metadata;
use chart::version::{Constraint, Version};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciImageManifest};
use tokio::sync::Mutex;

use super::access::Access;
use super::connection::Connection;
use super::credentials::{self, Credentials};
use super::error::RegistryError;
use super::manifest::{self, Push};
use super::places::Places;
use super::reference::OciReference;

const TAG_PAGES_MAX: usize = 1000;
/// A repository with more tags is not one of charts.
const TAGS_MAX: usize = 200_000;

/// The registries of one command, each asked for its protocol and credentials once.
#[derive(Debug)]
pub struct Registries {
    access: Access,
    places: Places,
    connected: Mutex<HashMap<String, Arc<Connection>>>,
}

/// What a chart in a registry consists of.
#[derive(Debug, Clone)]
pub(crate) struct Pulled {
    pub(crate) chart: Vec<u8>,
    pub(crate) provenance: Option<Vec<u8>>,
    /// Of the manifest.
    pub(crate) digest: String,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// With the tag as the registry holds it.
    pub reference: OciReference,
    /// Of the manifest.
    pub digest: String,
}

impl Registries {
    /// Prepares; nothing is asked yet.
    pub fn new(access: Access, places: Places) -> Self {
        Self {
            access,
            places,
            connected: Mutex::default(),
        }
    }

    /// Fetches a chart, and its provenance where it has one and it is wanted.
    pub(crate) async fn pull(
        &self,
        reference: &OciReference,
        with_provenance: bool,
    ) -> Result<Pulled, RegistryError> {
        let connection = self.connection(&reference.registry).await?;
        let (body, digest) = connection
            .manifest(reference, OCI_IMAGE_MEDIA_TYPE, "pull")
            .await?;
        let manifest: OciImageManifest =
            serde_json::from_slice(&body).map_err(|_| not_a_chart(reference))?;
        if manifest.config.media_type != manifest::CONFIG {
            return Err(not_a_chart(reference));
        }
        let layer = |media_type: &str| {
            let mut layers = manifest.layers.iter();
            layers.find(|layer| layer.media_type == media_type)
        };
        let chart = layer(manifest::CHART)
            .or_else(|| layer(manifest::LEGACY_CHART))
            .ok_or_else(|| not_a_chart(reference))?;
        let chart = connection.blob(reference, chart).await?;
        let provenance = match layer(manifest::PROVENANCE).filter(|_| with_provenance) {
            Some(layer) => Some(connection.blob(reference, layer).await?),
            None => None,
        };
        Ok(Pulled {
            chart,
            provenance,
            digest,
        })
    }

    /// Returns the digest that a tag stands for.
    pub(crate) async fn digest(&self, reference: &OciReference) -> Result<String, RegistryError> {
        let connection = self.connection(&reference.registry).await?;
        let (_, digest) = connection
            .manifest(reference, OCI_IMAGE_MEDIA_TYPE, "find")
            .await?;
        Ok(digest)
    }

    /// Returns the versions among the tags of a repository, newest first.
    ///
    /// # Errors
    /// A registry that cannot be asked, or does not know the repository.
    pub async fn versions(&self, reference: &OciReference) -> Result<Vec<String>, RegistryError> {
        let connection = self.connection(&reference.registry).await?;
        let mut tags: Vec<String> = Vec::new();
        let mut known = HashSet::new();
        for _ in 0..TAG_PAGES_MAX {
            // Registries part their lists at sizes of their own: a page that brings nothing new is
            // the end.
            let last = tags.last().map(String::as_str);
            let page = connection.tags(reference, last).await?;
            let before = tags.len();
            tags.extend(page.into_iter().filter(|tag| known.insert(tag.clone())));
            if tags.len() == before {
                break;
            }
            if tags.len() > TAGS_MAX {
                return Err(RegistryError::Registry {
                    registry: reference.registry.clone(),
                    doing: format!("list `{reference}`"),
                    problem: format!("it names more than {TAGS_MAX} tags"),
                });
            }
        }
        let mut versions: Vec<Version> = tags
            .iter()
            .filter_map(|tag| Version::parse_strict(&tag.replace('_', "+")).ok())
            .collect();
        versions.sort_by(|one, other| other.compare(one));
        Ok(versions
            .into_iter()
            .map(|version| version.original)
            .collect())
    }

    /// Returns the address of the newest version in a range.
    ///
    /// # Errors
    /// No such version, or a range that contradicts the address.
    pub async fn resolve(
        &self,
        reference: &OciReference,
        range: &str,
    ) -> Result<OciReference, RegistryError> {
        let given = reference.version().unwrap_or_default();
        if !range.is_empty() && !given.is_empty() && given != range {
            return Err(RegistryError::Request(format!(
                "chart reference and version mismatch: {range} is not {given}"
            )));
        }
        let range = if range.is_empty() { &given } else { range };
        if let Some(digest) = &reference.digest {
            return self.pinned(reference, digest, range).await;
        }
        if Version::parse(range).is_ok() {
            return Ok(reference.with_version(range));
        }
        let versions = self.versions(reference).await?;
        if versions.is_empty() {
            return Err(RegistryError::not_found(format!(
                "Unable to locate any tags in provided repository: oci://{}/{}",
                reference.registry, reference.repository
            )));
        }
        let constraint = Constraint::parse(if range.is_empty() { "*" } else { range })
            .map_err(|error| RegistryError::Request(error.to_string()))?;
        let is_in_range =
            |text: &&String| Version::parse(text).is_ok_and(|version| constraint.check(&version));
        let found = versions.iter().find(is_in_range).ok_or_else(|| {
            RegistryError::not_found(format!(
                "Could not locate a version matching provided version string {range}"
            ))
        })?;
        Ok(reference.with_version(found))
    }

    /// A digest decides; a version beside it must be tagged with the same one, if it is at all.
    async fn pinned(
        &self,
        reference: &OciReference,
        digest: &str,
        version: &str,
    ) -> Result<OciReference, RegistryError> {
        let pinned = OciReference {
            tag: None,
            ..reference.clone()
        };
        if version.is_empty() {
            return Ok(pinned);
        }
        match self.digest(&reference.with_version(version)).await {
            Ok(tagged) if tagged != digest => Err(RegistryError::Request(format!(
                "chart reference digest mismatch: {tagged} is not {digest}"
            ))),
            _ => Ok(pinned),
        }
    }

    /// Pushes an archive, with its provenance where there is one, below `folder`.
    ///
    /// # Errors
    /// A registry that refuses or cannot be reached; what was pushed of it has no tag.
    pub async fn push(
        &self,
        reference: OciReference,
        metadata: &Metadata,
        archive: Vec<u8>,
        provenance: Option<Vec<u8>>,
        created: &str,
    ) -> Result<Pushed, RegistryError> {
        let connection = self.connection(&reference.registry).await?;
        let Push { blobs, manifest } = Push::new(metadata, archive, provenance, created);
        let digest = manifest.digest.clone();
        for blob in blobs {
            connection.push_blob(&reference, blob).await?;
        }
        connection.push_manifest(&reference, manifest).await?;
        Ok(Pushed { reference, digest })
    }

    async fn connection(&self, registry: &str) -> Result<Arc<Connection>, RegistryError> {
        let mut connected = self.connected.lock().await;
        if let Some(connection) = connected.get(registry) {
            return Ok(Arc::clone(connection));
        }
        let has_flags =
            !self.access.username.is_empty() && !self.access.password.reveal().is_empty();
        let credentials = if has_flags {
            Some(Credentials::User {
                name: self.access.username.clone(),
                password: self.access.password.clone(),
            })
        } else {
            credentials::find(&self.places, registry).await?
        };
        let connection = Connection::open(&self.access, registry, credentials).await?;
        let connection = Arc::new(connection);
        connected.insert(registry.to_owned(), Arc::clone(&connection));
        Ok(connection)
    }
}

fn not_a_chart(reference: &OciReference) -> RegistryError {
    RegistryError::Content {
        doing: format!("`oci://{reference}` is not a Helm chart"),
        problem: format!(
            "its manifest has no configuration and layer of the types {} and {}",
            manifest::CONFIG,
            manifest::CHART
        ),
    }
}
