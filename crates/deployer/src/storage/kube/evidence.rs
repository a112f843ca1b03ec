//! Our evidence of a revision, in an object of its own that the release record owns: when Helm
//! prunes the record, the cluster collects the evidence.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tracing::warn;

use super::{KubeStore, RecordKind};
use crate::cluster::kube::{KubeError, escape, list_pages};
use crate::release::{
    CodecError, EVIDENCE_LABEL_OWNER, Evidence, ReleaseName, Revision, decode, encode,
    evidence_key, record_key,
};
use crate::storage::{EvidenceRecord, StorageError};

/// The type of the Secrets that hold evidence.
const SECRET_TYPE: &str = "deployer/evidence.v1";
/// How often a write is tried again because somebody wrote meanwhile.
const ATTEMPTS_MAX: u32 = 4;

impl KubeStore {
    pub(super) async fn write_evidence(&self, evidence: &Evidence) -> Result<(), StorageError> {
        let key = evidence_key(&evidence.release, evidence.revision);
        let doing = format!("writing evidence `{key}`");
        let mut object = self.evidence_object(evidence)?;
        let mut attempt = 1;
        loop {
            let result = match self.rest.get(&self.object(&key)).await {
                Ok(live) => {
                    object["metadata"]["resourceVersion"] =
                        live["metadata"]["resourceVersion"].clone();
                    object["metadata"]["ownerReferences"] = self.kept_owner(&live, evidence);
                    self.rest.put(&self.object(&key), &object).await
                }
                Err(error) if error.is_not_found() => {
                    if let Some(metadata) = object["metadata"].as_object_mut() {
                        metadata.retain(|field, _| field == "name" || field == "labels");
                    }
                    self.rest.post(&self.collection(), &object).await
                }
                Err(error) => Err(error),
            };
            let is_raced = |error: &KubeError| {
                error.is_conflict() || error.is_not_found() || error.is_already_exists()
            };
            match result {
                Ok(_) => return Ok(()),
                Err(error) if attempt < ATTEMPTS_MAX && is_raced(&error) => attempt += 1,
                Err(error) => return Err(self.explain(error, "create", &doing)),
            }
        }
    }

    /// Returns the owner that evidence keeps when it is written again: its own, or none until it is
    /// adopted. The owner of evidence of an earlier release of that name is gone, and the garbage
    /// collector would take the new evidence along.
    fn kept_owner(&self, live: &Value, evidence: &Evidence) -> Value {
        match self.evidence_from(live) {
            Ok(present) if present.evidence.started_at == evidence.started_at => {
                live["metadata"]["ownerReferences"].clone()
            }
            _ => Value::Null,
        }
    }

    /// Deletes evidence that a record owns; what stands alone stays, to say why there is nothing.
    pub(super) async fn delete_owned_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<(), StorageError> {
        let key = evidence_key(name, revision);
        match self.rest.get(&self.object(&key)).await {
            Ok(object) if is_owned(&object) => self.delete_object(&key).await,
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(self.explain(error, "get", &format!("reading evidence `{key}`"))),
        }
    }

    pub(super) async fn read_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<Option<EvidenceRecord>, StorageError> {
        let key = evidence_key(name, revision);
        match self.rest.get(&self.object(&key)).await {
            Ok(object) => self
                .evidence_from(&object)
                .map(Some)
                .map_err(|source| StorageError::Codec { key, source }),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.explain(error, "get", &format!("reading evidence `{key}`"))),
        }
    }

    pub(super) async fn select_evidence(
        &self,
        name: &ReleaseName,
    ) -> Result<Vec<EvidenceRecord>, StorageError> {
        let selector = format!("name={name},owner={EVIDENCE_LABEL_OWNER}");
        let query = format!("labelSelector={}", escape(&selector));
        let doing = format!("reading the evidence of release `{name}`");
        let objects = list_pages(&self.rest, &self.collection(), &query)
            .await
            .map_err(|error| self.explain(error, "list", &doing))?;
        let mut records: Vec<EvidenceRecord> = objects
            .iter()
            .filter_map(|object| match self.evidence_from(object) {
                Ok(record) => Some(record),
                Err(error) => {
                    let name = object["metadata"]["name"].as_str().unwrap_or_default();
                    warn!(evidence = name, %error, "evidence cannot be read and is left out");
                    None
                }
            })
            .collect();
        records.sort_by_key(|record| record.evidence.revision);
        Ok(records)
    }

    pub(super) async fn own_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<(), StorageError> {
        let key = evidence_key(name, revision);
        let Some(owner) = self.owner(name, revision).await? else {
            return Ok(());
        };
        let patch = json!({"metadata": {"ownerReferences": [owner]}});
        let kind = crate::cluster::kube::PatchKind::Merge;
        match self.rest.patch(&self.object(&key), kind, &patch).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(self.explain(error, "patch", &format!("writing evidence `{key}`"))),
        }
    }

    /// Returns a reference to the record of a revision, if there is one.
    async fn owner(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<Option<Value>, StorageError> {
        let key = record_key(name, revision);
        match self.rest.get(&self.object(&key)).await {
            Ok(object) => Ok(Some(json!({
                "apiVersion": "v1",
                "kind": self.kind.kind(),
                "name": key,
                "uid": object["metadata"]["uid"],
            }))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.explain(error, "get", &format!("reading record `{key}`"))),
        }
    }

    fn evidence_object(&self, evidence: &Evidence) -> Result<Value, StorageError> {
        let key = evidence_key(&evidence.release, evidence.revision);
        // The text is base64 of gzip, just what `data` of a Secret wants for gzip bytes.
        let text = encode(evidence).map_err(|source| StorageError::Codec {
            key: key.clone(),
            source,
        })?;
        let metadata = json!({
            "name": key,
            "labels": {
                "owner": EVIDENCE_LABEL_OWNER,
                "name": evidence.release.as_str(),
                "version": evidence.revision.to_string(),
            },
        });
        Ok(match self.kind {
            RecordKind::Secret => {
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata,
                "type": SECRET_TYPE, "data": {"evidence": text}})
            }
            RecordKind::ConfigMap => {
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
                "binaryData": {"evidence": text}})
            }
        })
    }

    fn evidence_from(&self, object: &Value) -> Result<EvidenceRecord, CodecError> {
        let field = match self.kind {
            RecordKind::Secret => &object["data"]["evidence"],
            RecordKind::ConfigMap => &object["binaryData"]["evidence"],
        };
        let text = field.as_str().unwrap_or_default();
        // Refuse what is no base64 at all before it is taken for a record.
        STANDARD.decode(text).map_err(CodecError::Base64)?;
        Ok(EvidenceRecord {
            evidence: decode(text.as_bytes())?,
            owned: is_owned(object),
        })
    }
}

fn is_owned(object: &Value) -> bool {
    object["metadata"]["ownerReferences"]
        .as_array()
        .is_some_and(|owners| !owners.is_empty())
}
