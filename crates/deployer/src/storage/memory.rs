//! Records in memory: for tests, and for `--storage memory` as Helm has it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    EvidenceRecord, Lease, LeaseRequest, ListScope, ReleaseStore, ResourceVersion, StorageError,
    Stored, lease,
};
use crate::release::{
    Evidence, LabelStamp, Namespace, Release, ReleaseName, Revision, decode, encode, record_key,
    record_labels, user_labels,
};

/// Records of all namespaces in memory; clones share them.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    namespace: Namespace,
    state: Arc<Mutex<State>>,
}

type Place = (Namespace, ReleaseName);

#[derive(Debug, Default)]
struct State {
    writes: u64,
    records: BTreeMap<(Place, Revision), Record>,
    evidence: BTreeMap<(Place, Revision), EvidenceRecord>,
    leases: BTreeMap<Place, Lease>,
}

/// A record as it would be stored: encoded, so that nothing survives that the format loses.
#[derive(Debug)]
struct Record {
    text: String,
    labels: BTreeMap<String, String>,
    version: u64,
}

impl MemoryStore {
    /// Makes an empty store that serves `namespace`.
    pub fn new(namespace: Namespace) -> Self {
        Self {
            namespace,
            state: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, name: &ReleaseName) -> Place {
        (self.namespace.clone(), name.clone())
    }
}

fn stored(key: &str, record: &Record) -> Result<Stored, StorageError> {
    let mut release: Release =
        decode(record.text.as_bytes()).map_err(|source| StorageError::Codec {
            key: key.to_owned(),
            source,
        })?;
    release.labels = user_labels(&record.labels);
    Ok(Stored {
        release,
        labels: record.labels.clone(),
        resource_version: ResourceVersion(record.version.to_string()),
    })
}

impl State {
    fn write(
        &mut self,
        place: Place,
        release: &Release,
        stamp: LabelStamp,
    ) -> Result<Stored, StorageError> {
        let key = record_key(&release.name, release.version);
        let text = encode(release).map_err(|source| StorageError::Codec {
            key: key.clone(),
            source,
        })?;
        self.writes += 1;
        let record = Record {
            text,
            labels: record_labels(release, stamp),
            version: self.writes,
        };
        let answer = stored(&key, &record);
        self.records.insert((place, release.version), record);
        answer
    }
}

#[async_trait]
impl ReleaseStore for MemoryStore {
    fn describe(&self) -> String {
        format!("memory, namespace `{}`", self.namespace)
    }

    async fn get(&self, name: &ReleaseName, revision: Revision) -> Result<Stored, StorageError> {
        let state = self.state();
        let record = state.records.get(&(self.place(name), revision));
        let record = record.ok_or_else(|| StorageError::NotFound {
            name: name.clone(),
            revision,
        })?;
        stored(&record_key(name, revision), record)
    }

    async fn history(&self, name: &ReleaseName) -> Result<Vec<Stored>, StorageError> {
        let place = self.place(name);
        let state = self.state();
        let records = state.records.iter().filter(|((of, _), _)| *of == place);
        records
            .map(|((_, revision), record)| stored(&record_key(name, *revision), record))
            .collect()
    }

    async fn list(&self, scope: ListScope) -> Result<Vec<Stored>, StorageError> {
        let state = self.state();
        let wanted = |namespace: &Namespace| {
            scope == ListScope::AllNamespaces || *namespace == self.namespace
        };
        let records = state
            .records
            .iter()
            .filter(|(((namespace, _), _), _)| wanted(namespace));
        Ok(records
            .filter_map(|(((_, name), revision), record)| {
                let key = record_key(name, *revision);
                stored(&key, record)
                    .inspect_err(|error| tracing::warn!(key, %error, "record left out"))
                    .ok()
            })
            .collect())
    }

    async fn create(&self, release: &Release, now: DateTime<Utc>) -> Result<Stored, StorageError> {
        let mut state = self.state();
        let place = self.place(&release.name);
        if state
            .records
            .contains_key(&(place.clone(), release.version))
        {
            return Err(StorageError::AlreadyExists {
                name: release.name.clone(),
                revision: release.version,
            });
        }
        state.write(place, release, LabelStamp::Created(now))
    }

    async fn update(
        &self,
        release: &Release,
        expected: &ResourceVersion,
        now: DateTime<Utc>,
    ) -> Result<Stored, StorageError> {
        let mut state = self.state();
        let place = self.place(&release.name);
        let (name, revision) = (release.name.clone(), release.version);
        match state.records.get(&(place.clone(), revision)) {
            None => Err(StorageError::NotFound { name, revision }),
            Some(record) if record.version.to_string() != expected.0 => {
                Err(StorageError::Conflict { name, revision })
            }
            Some(_) => state.write(place, release, LabelStamp::Modified(now)),
        }
    }

    async fn delete(
        &self,
        name: &ReleaseName,
        revision: Revision,
        expected: &ResourceVersion,
    ) -> Result<(), StorageError> {
        let mut state = self.state();
        let key = (self.place(name), revision);
        if let Some(record) = state.records.get(&key)
            && record.version.to_string() != expected.0
        {
            return Err(StorageError::Conflict {
                name: name.clone(),
                revision,
            });
        }
        state.records.remove(&key);
        if state.evidence.get(&key).is_some_and(|record| record.owned) {
            state.evidence.remove(&key);
        }
        Ok(())
    }

    async fn put_evidence(&self, evidence: &Evidence) -> Result<(), StorageError> {
        let mut state = self.state();
        let key = (self.place(&evidence.release), evidence.revision);
        // Evidence of an earlier attempt of that number has another owner, or none.
        let owned = state.evidence.get(&key).is_some_and(|record| {
            record.owned && record.evidence.started_at == evidence.started_at
        });
        state.evidence.insert(
            key,
            EvidenceRecord {
                evidence: evidence.clone(),
                owned,
            },
        );
        Ok(())
    }

    async fn evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<Option<EvidenceRecord>, StorageError> {
        Ok(self
            .state()
            .evidence
            .get(&(self.place(name), revision))
            .cloned())
    }

    async fn list_evidence(&self, name: &ReleaseName) -> Result<Vec<EvidenceRecord>, StorageError> {
        let place = self.place(name);
        let state = self.state();
        Ok(state
            .evidence
            .iter()
            .filter(|((of, _), _)| *of == place)
            .map(|(_, record)| record.clone())
            .collect())
    }

    async fn adopt_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<(), StorageError> {
        let mut state = self.state();
        let key = (self.place(name), revision);
        if state.records.contains_key(&key)
            && let Some(record) = state.evidence.get_mut(&key)
        {
            record.owned = true;
        }
        Ok(())
    }

    async fn delete_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<(), StorageError> {
        self.state().evidence.remove(&(self.place(name), revision));
        Ok(())
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Lease, StorageError> {
        let mut state = self.state();
        let place = self.place(&request.name);
        let taken = lease::take(state.leases.get(&place), request)?;
        state.leases.insert(place, taken.clone());
        Ok(taken)
    }

    async fn renew_lease(&self, held: &Lease, now: DateTime<Utc>) -> Result<Lease, StorageError> {
        let mut state = self.state();
        let place = self.place(&held.name);
        let renewed = lease::renew(state.leases.get(&place), held, now)?;
        state.leases.insert(place, renewed.clone());
        Ok(renewed)
    }

    async fn release_lease(&self, held: &Lease) -> Result<(), StorageError> {
        let mut state = self.state();
        let place = self.place(&held.name);
        if state
            .leases
            .get(&place)
            .is_some_and(|present| lease::is_same(present, held))
        {
            state.leases.remove(&place);
        }
        Ok(())
    }

    async fn lease(&self, name: &ReleaseName) -> Result<Option<Lease>, StorageError> {
        Ok(self.state().leases.get(&self.place(name)).cloned())
    }
}
