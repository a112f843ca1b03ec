//! Charts in OCI registries: pulled, pushed and listed with Helm's media types.
//!
//! Source: Helm 3.22 `pkg/registry/client.go`.

use std::collections::HashMap;
use std::sync::Arc;

use ::http::HeaderValue;
use chart::Metadata;
use chart::version::{Constraint, Version};
use oci_client::RegistryOperation;
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciImageManifest};
use tokio::sync::Mutex;

use super::access::Access;
use super::connection::Connection;
use super::credentials;
use super::error::RegistryError;
use super::manifest::{self, Blob, Push};
use super::places::Places;
use super::reference::OciReference;

const TAG_PAGES_MAX: usize = 1000;

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
        let image = reference.to_client();
        let failed = |error| connection.explain(reference, "pull", error);
        let (body, digest) = connection
            .client
            .pull_manifest_raw(&image, &connection.auth, &[OCI_IMAGE_MEDIA_TYPE])
            .await
            .map_err(failed)?;
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
        connection
            .client
            .fetch_manifest_digest(&reference.to_client(), &connection.auth)
            .await
            .map_err(|error| connection.explain(reference, "find", error))
    }

    /// Returns the versions among the tags of a repository, newest first.
    ///
    /// # Errors
    /// A registry that cannot be asked, or does not know the repository.
    pub async fn versions(&self, reference: &OciReference) -> Result<Vec<String>, RegistryError> {
        let connection = self.connection(&reference.registry).await?;
        let image = reference.to_client();
        let mut tags: Vec<String> = Vec::new();
        for _ in 0..TAG_PAGES_MAX {
            // Registries part their lists at sizes of their own: a page that brings nothing new is
            // the end.
            let last = tags.last().cloned();
            let page = connection
                .client
                .list_tags(&image, &connection.auth, None, last.as_deref())
                .await
                .map_err(|error| connection.explain(reference, "list", error))?;
            let before = tags.len();
            for tag in page.tags {
                if !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
            if tags.len() == before {
                break;
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
        let image = reference.to_client();
        let failed = |error| connection.explain(&reference, "push", error);
        let push = Push::new(metadata, archive, provenance, created);
        connection
            .client
            .auth(&image, &connection.auth, RegistryOperation::Push)
            .await
            .map_err(failed)?;
        for Blob { data, digest, .. } in push.blobs {
            let is_there = connection.client.blob_exists(&image, &digest).await;
            if !is_there.map_err(failed)? {
                let pushed = connection.client.push_blob(&image, data, &digest).await;
                pushed.map_err(failed)?;
            }
        }
        let media_type = HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
        connection
            .client
            .push_manifest_raw(&image, push.manifest.data, media_type)
            .await
            .map_err(failed)?;
        Ok(Pushed {
            reference,
            digest: push.manifest.digest,
        })
    }

    async fn connection(&self, registry: &str) -> Result<Arc<Connection>, RegistryError> {
        let mut connected = self.connected.lock().await;
        if let Some(connection) = connected.get(registry) {
            return Ok(Arc::clone(connection));
        }
        let has_flags =
            !self.access.username.is_empty() && !self.access.password.reveal().is_empty();
        let connection = if has_flags {
            let login = (self.access.username.as_str(), &self.access.password);
            Connection::open(&self.access, registry, Some(login)).await?
        } else {
            let (places, name) = (self.places.clone(), registry.to_owned());
            // A helper is a program that may ask somebody.
            let found = tokio::task::spawn_blocking(move || credentials::find(&places, &name));
            let login = found.await.map_err(|error| RegistryError::Credentials {
                registry: registry.to_owned(),
                problem: error.to_string(),
            })??;
            let login = login
                .as_ref()
                .map(|login| (login.username.as_str(), &login.password));
            Connection::open(&self.access, registry, login).await?
        };
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
