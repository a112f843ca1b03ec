//! The contract of a store, kept by Secrets or ConfigMaps of one namespace.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tracing::warn;

use super::{lease, record};
use crate::cluster::kube::{KubeError, Rest, escape, list_pages};
use crate::release::{
    Evidence, LabelStamp, Namespace, RecordSize, Release, ReleaseName, Revision, record_key,
};
use crate::storage::{
    EvidenceRecord, Lease, LeaseRequest, ListScope, ReleaseStore, ResourceVersion, StorageError,
    Stored,
};

/// The most bytes that an API object may have.
const OBJECT_BYTES_MAX: usize = 1 << 20;

/// As which kind of object records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// Secrets of type `helm.sh/release.v1`, Helm's default.
    Secret,
    /// ConfigMaps, for `HELM_DRIVER=configmap`.
    ConfigMap,
}

impl RecordKind {
    /// The type of the Secrets that hold records.
    pub const SECRET_TYPE: &'static str = "helm.sh/release.v1";

    pub(super) fn plural(self) -> &'static str {
        match self {
            RecordKind::Secret => "secrets",
            RecordKind::ConfigMap => "configmaps",
        }
    }

    pub(super) fn kind(self) -> &'static str {
        match self {
            RecordKind::Secret => "Secret",
            RecordKind::ConfigMap => "ConfigMap",
        }
    }
}

/// The records of one namespace of a cluster.
#[derive(Debug, Clone)]
pub struct KubeStore {
    pub(super) rest: Arc<Rest>,
    /// The same connection, with requests that never queue behind those of an apply: a lease must
    /// be prolonged in time.
    pub(super) lease_rest: Arc<Rest>,
    pub(super) kind: RecordKind,
    pub(super) namespace: Namespace,
}

impl KubeStore {
    /// Makes a store over a prepared connection; nothing is sent yet.
    pub fn new(rest: Arc<Rest>, kind: RecordKind, namespace: Namespace) -> Self {
        Self {
            lease_rest: Arc::new(rest.with_own_slots()),
            rest,
            kind,
            namespace,
        }
    }

    pub(super) fn collection(&self) -> String {
        format!(
            "/api/v1/namespaces/{}/{}",
            self.namespace,
            self.kind.plural()
        )
    }

    pub(super) fn object(&self, key: &str) -> String {
        format!("{}/{key}", self.collection())
    }

    /// Says in the words of the seam what a failed request means.
    pub(super) fn explain(&self, error: KubeError, verb: &str, doing: &str) -> StorageError {
        match &error {
            KubeError::Api { code: 403, .. } => StorageError::Forbidden {
                verb: verb.to_owned(),
                resource: format!("{} -n {}", self.kind.plural(), self.namespace),
                source: Box::new(error),
            },
            KubeError::Api {
                code: 404, message, ..
            } if message.starts_with("namespaces ") => StorageError::NamespaceNotFound {
                namespace: self.namespace.clone(),
            },
            _ => StorageError::Backend {
                doing: doing.to_owned(),
                source: Box::new(error),
            },
        }
    }

    async fn select(
        &self,
        path: &str,
        selector: &str,
        doing: &str,
    ) -> Result<Vec<Stored>, StorageError> {
        let query = format!("labelSelector={}", escape(selector));
        let objects = list_pages(&self.rest, path, &query)
            .await
            .map_err(|error| match error {
                KubeError::Api { code: 403, .. } if path != self.collection() => {
                    StorageError::Forbidden {
                        verb: "list".to_owned(),
                        resource: format!("{} --all-namespaces", self.kind.plural()),
                        source: Box::new(error),
                    }
                }
                error => self.explain(error, "list", doing),
            })?;
        let mut records = Vec::with_capacity(objects.len());
        for object in objects {
            match record::from_object(self.kind, &object) {
                Ok(stored) => records.push(stored),
                Err(error) => {
                    let name = object["metadata"]["name"].as_str().unwrap_or_default();
                    warn!(record = name, %error, "release record cannot be read and is left out");
                }
            }
        }
        Ok(records)
    }

    /// Checks the size before anything is sent: the server's own error does not say what is large.
    fn checked(&self, release: &Release, stamp: LabelStamp) -> Result<Value, StorageError> {
        let object =
            record::to_object(self.kind, release, stamp).map_err(|source| StorageError::Codec {
                key: record_key(&release.name, release.version),
                source,
            })?;
        let data = object["data"]["release"].as_str().unwrap_or_default();
        // The limit counts the decoded bytes of a Secret, and the text of a ConfigMap.
        let bytes = match self.kind {
            RecordKind::Secret => {
                data.len() / 4 * 3 - data.bytes().rev().take_while(|byte| *byte == b'=').count()
            }
            RecordKind::ConfigMap => data.len(),
        };
        let size = match bytes > OBJECT_BYTES_MAX {
            true => RecordSize::of(release, OBJECT_BYTES_MAX).ok().flatten(),
            false => None,
        };
        match size {
            None => Ok(object),
            Some(size) => Err(StorageError::TooLarge {
                name: release.name.clone(),
                revision: release.version,
                size: Box::new(size),
                bytes_max: OBJECT_BYTES_MAX,
            }),
        }
    }

    fn stored(&self, release: &Release, object: &Value) -> Stored {
        let labels = object["metadata"]["labels"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        Stored {
            release: release.clone(),
            labels,
            resource_version: ResourceVersion(
                object["metadata"]["resourceVersion"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            ),
        }
    }

    /// A repeated write may meet its own first attempt: the same bytes are ours.
    async fn is_already_written(&self, key: &str, wanted: &Value) -> Option<Value> {
        let live = self.rest.get(&self.object(key)).await.ok()?;
        let same = live["data"] == wanted["data"]
            && live["metadata"]["labels"] == wanted["metadata"]["labels"];
        same.then_some(live)
    }
}

#[async_trait]
impl ReleaseStore for KubeStore {
    fn describe(&self) -> String {
        format!("{} in namespace `{}`", self.kind.plural(), self.namespace)
    }

    fn record_bytes_max(&self) -> Option<usize> {
        Some(OBJECT_BYTES_MAX)
    }

    async fn get(&self, name: &ReleaseName, revision: Revision) -> Result<Stored, StorageError> {
        let key = record_key(name, revision);
        match self.rest.get(&self.object(&key)).await {
            Ok(object) => record::from_object(self.kind, &object)
                .map_err(|source| StorageError::Codec { key, source }),
            Err(error) if error.is_not_found() => Err(StorageError::NotFound {
                name: name.clone(),
                revision,
            }),
            Err(error) => Err(self.explain(error, "get", &format!("reading record `{key}`"))),
        }
    }

    async fn history(&self, name: &ReleaseName) -> Result<Vec<Stored>, StorageError> {
        let mut records = self
            .select(
                &self.collection(),
                &format!("name={name},owner=helm"),
                &format!("reading the history of release `{name}`"),
            )
            .await?;
        records.sort_by_key(|stored| stored.release.version);
        Ok(records)
    }

    async fn list(&self, scope: ListScope) -> Result<Vec<Stored>, StorageError> {
        let path = match scope {
            ListScope::Namespace => self.collection(),
            ListScope::AllNamespaces => format!("/api/v1/{}", self.kind.plural()),
        };
        let mut records = self.select(&path, "owner=helm", "listing releases").await?;
        records.sort_by(|left, right| left.place().cmp(&right.place()));
        Ok(records)
    }

    async fn create(&self, release: &Release, now: DateTime<Utc>) -> Result<Stored, StorageError> {
        let object = self.checked(release, LabelStamp::Created(now))?;
        let key = record_key(&release.name, release.version);
        match self.rest.post(&self.collection(), &object).await {
            Ok(created) => Ok(self.stored(release, &created)),
            Err(error) if error.is_already_exists() => {
                let retried = matches!(&error, KubeError::Api { retried: true, .. });
                match self.is_already_written(&key, &object).await {
                    Some(live) if retried => Ok(self.stored(release, &live)),
                    _ => Err(StorageError::AlreadyExists {
                        name: release.name.clone(),
                        revision: release.version,
                    }),
                }
            }
            Err(error) => Err(self.explain(error, "create", &format!("writing record `{key}`"))),
        }
    }

    async fn update(
        &self,
        release: &Release,
        expected: &ResourceVersion,
        now: DateTime<Utc>,
    ) -> Result<Stored, StorageError> {
        let key = record_key(&release.name, release.version);
        let mut object = self.checked(release, LabelStamp::Modified(now))?;
        object["metadata"]["resourceVersion"] = json!(expected.0);
        match self.rest.put(&self.object(&key), &object).await {
            Ok(updated) => Ok(self.stored(release, &updated)),
            Err(error) if error.is_not_found() => Err(StorageError::NotFound {
                name: release.name.clone(),
                revision: release.version,
            }),
            Err(error) if error.is_conflict() => {
                let retried = matches!(&error, KubeError::Api { retried: true, .. });
                match self.is_already_written(&key, &object).await {
                    Some(live) if retried => Ok(self.stored(release, &live)),
                    _ => Err(StorageError::Conflict {
                        name: release.name.clone(),
                        revision: release.version,
                    }),
                }
            }
            Err(error) => Err(self.explain(error, "update", &format!("writing record `{key}`"))),
        }
    }

    async fn delete(
        &self,
        name: &ReleaseName,
        revision: Revision,
        expected: &ResourceVersion,
    ) -> Result<(), StorageError> {
        let key = record_key(name, revision);
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
            "preconditions": {"resourceVersion": expected.0}});
        match self.rest.delete(&self.object(&key), &options).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) if error.is_conflict() => {
                return Err(StorageError::Conflict {
                    name: name.clone(),
                    revision,
                });
            }
            Err(error) => {
                return Err(self.explain(error, "delete", &format!("deleting record `{key}`")));
            }
        }
        // Evidence that has this record as its owner goes in the background; it is deleted here
        // too, since where no garbage collector runs nothing else would.
        self.delete_owned_evidence(name, revision).await
    }

    async fn put_evidence(&self, evidence: &Evidence) -> Result<(), StorageError> {
        self.write_evidence(evidence).await
    }

    async fn evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<Option<EvidenceRecord>, StorageError> {
        self.read_evidence(name, revision).await
    }

    async fn list_evidence(&self, name: &ReleaseName) -> Result<Vec<EvidenceRecord>, StorageError> {
        self.select_evidence(name).await
    }

    async fn adopt_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<(), StorageError> {
        self.own_evidence(name, revision).await
    }

    async fn delete_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<(), StorageError> {
        self.delete_object(&crate::release::evidence_key(name, revision))
            .await
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Lease, StorageError> {
        lease::acquire(self, request).await
    }

    async fn renew_lease(&self, lease: &Lease, now: DateTime<Utc>) -> Result<Lease, StorageError> {
        lease::renew(self, lease, now).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), StorageError> {
        lease::give_back(self, lease).await
    }

    async fn lease(&self, name: &ReleaseName) -> Result<Option<Lease>, StorageError> {
        lease::look(self, name).await
    }
}

impl KubeStore {
    pub(super) async fn delete_object(&self, key: &str) -> Result<(), StorageError> {
        let options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
        match self.rest.delete(&self.object(key), &options).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(self.explain(error, "delete", &format!("deleting record `{key}`"))),
        }
    }
}
