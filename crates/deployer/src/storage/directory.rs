//! Records in a folder: `PATH/<namespace>/<release>/releases/`, one file per revision.
//!
//! Each record file is the Secret that Helm would keep, as JSON, so that `kubectl apply -f` hands
//! a release over to a cluster. Evidence is plain JSON in `evidence/`. Every file is written beside
//! and renamed; a lock file makes compare-and-write one step for all processes of the machine.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    EvidenceRecord, Lease, LeaseRequest, ListScope, ReleaseStore, ResourceVersion, StorageError,
    Stored, lease,
};
use crate::release::{
    Evidence, LabelStamp, Namespace, Release, ReleaseName, Revision, decode, encode, evidence_key,
    record_key, record_labels, user_labels,
};

const RECORDS: &str = "releases";
const EVIDENCE: &str = "evidence";
const LEASE: &str = "lease.json";
const LOCK: &str = ".lock";

/// Records below a folder.
#[derive(Debug, Clone)]
pub struct DirectoryStore {
    root: PathBuf,
    namespace: Namespace,
}

/// The Secret of a record, with the fields that Helm sets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretFile {
    api_version: String,
    kind: String,
    metadata: SecretMetadata,
    #[serde(rename = "type")]
    secret_type: String,
    data: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SecretMetadata {
    name: String,
    namespace: String,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct EvidenceFile {
    owned: bool,
    #[serde(flatten)]
    evidence: Evidence,
}

impl DirectoryStore {
    /// Uses the folder `root`, which is made when the first record is written.
    pub fn new(root: impl Into<PathBuf>, namespace: Namespace) -> Self {
        Self {
            root: root.into(),
            namespace,
        }
    }

    fn home(&self, name: &ReleaseName) -> PathBuf {
        self.root.join(self.namespace.as_str()).join(name.as_str())
    }

    fn record_path(&self, name: &ReleaseName, revision: Revision) -> PathBuf {
        self.home(name)
            .join(RECORDS)
            .join(format!("{}.json", record_key(name, revision)))
    }

    fn evidence_path(&self, name: &ReleaseName, revision: Revision) -> PathBuf {
        self.home(name)
            .join(EVIDENCE)
            .join(format!("{}.json", evidence_key(name, revision)))
    }

    /// Holds the release's lock until dropped; a process that dies lets go of it.
    fn lock(&self, name: &ReleaseName) -> Result<File, StorageError> {
        let home = self.home(name);
        let path = home.join(LOCK);
        let open = || {
            fs::create_dir_all(&home)?;
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(|error| backend("locking", &path, error))
    }

    fn read_record(&self, path: &Path) -> Result<Option<Stored>, StorageError> {
        let Some(bytes) = read_if_there(path)? else {
            return Ok(None);
        };
        let damaged = |source| StorageError::Codec {
            key: path.display().to_string(),
            source,
        };
        let file: SecretFile = serde_json::from_slice(&bytes)
            .map_err(|error| damaged(crate::release::CodecError::Json(error)))?;
        let text = file
            .data
            .get("release")
            .map(String::as_str)
            .unwrap_or_default();
        let text = STANDARD
            .decode(text)
            .map_err(|error| damaged(crate::release::CodecError::Base64(error)))?;
        let mut release: Release = decode(&text).map_err(damaged)?;
        release.labels = user_labels(&file.metadata.labels);
        Ok(Some(Stored {
            release,
            labels: file.metadata.labels,
            resource_version: version_of(&bytes),
        }))
    }

    fn write_record(&self, release: &Release, stamp: LabelStamp) -> Result<Stored, StorageError> {
        let key = record_key(&release.name, release.version);
        let text = encode(release).map_err(|source| StorageError::Codec {
            key: key.clone(),
            source,
        })?;
        let labels = record_labels(release, stamp);
        let file = SecretFile {
            api_version: "v1".into(),
            kind: "Secret".into(),
            metadata: SecretMetadata {
                name: key,
                namespace: self.namespace.to_string(),
                labels: labels.clone(),
            },
            secret_type: "helm.sh/release.v1".into(),
            data: BTreeMap::from([("release".to_owned(), STANDARD.encode(text))]),
        };
        let bytes = write_json(&self.record_path(&release.name, release.version), &file)?;
        Ok(Stored {
            release: release.clone(),
            labels,
            resource_version: version_of(&bytes),
        })
    }

    fn read_evidence(&self, path: &Path) -> Result<Option<EvidenceRecord>, StorageError> {
        let file: Option<EvidenceFile> = read_json(path)?;
        Ok(file.map(|file| EvidenceRecord {
            evidence: file.evidence,
            owned: file.owned,
        }))
    }

    fn releases_of(&self, folder: &Path) -> Result<Vec<Stored>, StorageError> {
        let mut records: Vec<Stored> = Vec::new();
        for path in files_in(&folder.join(RECORDS))? {
            match self.read_record(&path) {
                Ok(record) => records.extend(record),
                Err(error) => tracing::warn!(path = %path.display(), %error, "record left out"),
            }
        }
        Ok(records)
    }
}

#[async_trait]
impl ReleaseStore for DirectoryStore {
    fn describe(&self) -> String {
        format!(
            "folder `{}`, namespace `{}`",
            self.root.display(),
            self.namespace
        )
    }

    async fn get(&self, name: &ReleaseName, revision: Revision) -> Result<Stored, StorageError> {
        let record = self.read_record(&self.record_path(name, revision))?;
        record.ok_or_else(|| StorageError::NotFound {
            name: name.clone(),
            revision,
        })
    }

    async fn history(&self, name: &ReleaseName) -> Result<Vec<Stored>, StorageError> {
        let mut records = Vec::new();
        for path in files_in(&self.home(name).join(RECORDS))? {
            records.extend(self.read_record(&path)?);
        }
        records.sort_by_key(|record: &Stored| record.release.version);
        Ok(records)
    }

    async fn list(&self, scope: ListScope) -> Result<Vec<Stored>, StorageError> {
        let namespaces = match scope {
            ListScope::Namespace => vec![self.root.join(self.namespace.as_str())],
            ListScope::AllNamespaces => folders_in(&self.root)?,
        };
        let mut records = Vec::new();
        for namespace in namespaces {
            for folder in folders_in(&namespace)? {
                records.extend(self.releases_of(&folder)?);
            }
        }
        records.sort_by(|left, right| left.place().cmp(&right.place()));
        Ok(records)
    }

    async fn create(&self, release: &Release, now: DateTime<Utc>) -> Result<Stored, StorageError> {
        let _lock = self.lock(&release.name)?;
        if self.record_path(&release.name, release.version).exists() {
            return Err(StorageError::AlreadyExists {
                name: release.name.clone(),
                revision: release.version,
            });
        }
        self.write_record(release, LabelStamp::Created(now))
    }

    async fn update(
        &self,
        release: &Release,
        expected: &ResourceVersion,
        now: DateTime<Utc>,
    ) -> Result<Stored, StorageError> {
        let _lock = self.lock(&release.name)?;
        let (name, revision) = (release.name.clone(), release.version);
        match read_if_there(&self.record_path(&name, revision))? {
            None => Err(StorageError::NotFound { name, revision }),
            Some(bytes) if version_of(&bytes) != *expected => {
                Err(StorageError::Conflict { name, revision })
            }
            Some(_) => self.write_record(release, LabelStamp::Modified(now)),
        }
    }

    async fn delete(
        &self,
        name: &ReleaseName,
        revision: Revision,
        expected: &ResourceVersion,
    ) -> Result<(), StorageError> {
        let _lock = self.lock(name)?;
        let present = read_if_there(&self.record_path(name, revision))?;
        if present.is_some_and(|bytes| version_of(&bytes) != *expected) {
            return Err(StorageError::Conflict {
                name: name.clone(),
                revision,
            });
        }
        let evidence = self.evidence_path(name, revision);
        // The evidence first: killed in between, the record is still there to be deleted again.
        if self
            .read_evidence(&evidence)?
            .is_some_and(|record| record.owned)
        {
            remove_if_there(&evidence)?;
        }
        remove_if_there(&self.record_path(name, revision))
    }

    async fn put_evidence(&self, evidence: &Evidence) -> Result<(), StorageError> {
        let _lock = self.lock(&evidence.release)?;
        let path = self.evidence_path(&evidence.release, evidence.revision);
        let owned = self
            .read_evidence(&path)
            .ok()
            .flatten()
            // Evidence of an earlier attempt of that number has another owner, or none.
            .is_some_and(|record| {
                record.owned && record.evidence.started_at == evidence.started_at
            });
        write_json(
            &path,
            &EvidenceFile {
                owned,
                evidence: evidence.clone(),
            },
        )
        .map(|_| ())
    }

    async fn evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<Option<EvidenceRecord>, StorageError> {
        self.read_evidence(&self.evidence_path(name, revision))
    }

    async fn list_evidence(&self, name: &ReleaseName) -> Result<Vec<EvidenceRecord>, StorageError> {
        let mut records = Vec::new();
        for path in files_in(&self.home(name).join(EVIDENCE))? {
            records.extend(self.read_evidence(&path)?);
        }
        records.sort_by_key(|record: &EvidenceRecord| record.evidence.revision);
        Ok(records)
    }

    async fn adopt_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<(), StorageError> {
        let _lock = self.lock(name)?;
        let path = self.evidence_path(name, revision);
        if let Some(record) = self.read_evidence(&path)?
            && !record.owned
            && self.record_path(name, revision).exists()
        {
            write_json(
                &path,
                &EvidenceFile {
                    owned: true,
                    evidence: record.evidence,
                },
            )?;
        }
        Ok(())
    }

    async fn delete_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<(), StorageError> {
        let _lock = self.lock(name)?;
        remove_if_there(&self.evidence_path(name, revision))
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Lease, StorageError> {
        let _lock = self.lock(&request.name)?;
        let path = self.home(&request.name).join(LEASE);
        let taken = lease::take(read_json(&path)?.as_ref(), request)?;
        write_json(&path, &taken)?;
        Ok(taken)
    }

    async fn renew_lease(&self, held: &Lease, now: DateTime<Utc>) -> Result<Lease, StorageError> {
        let _lock = self.lock(&held.name)?;
        let path = self.home(&held.name).join(LEASE);
        let renewed = lease::renew(read_json(&path)?.as_ref(), held, now)?;
        write_json(&path, &renewed)?;
        Ok(renewed)
    }

    async fn release_lease(&self, held: &Lease) -> Result<(), StorageError> {
        let _lock = self.lock(&held.name)?;
        let path = self.home(&held.name).join(LEASE);
        let present: Option<Lease> = read_json(&path)?;
        if present.is_some_and(|present| lease::is_same(&present, held)) {
            remove_if_there(&path)?;
        }
        Ok(())
    }

    async fn lease(&self, name: &ReleaseName) -> Result<Option<Lease>, StorageError> {
        read_json(&self.home(name).join(LEASE))
    }
}

fn version_of(bytes: &[u8]) -> ResourceVersion {
    ResourceVersion(hex::encode(Sha256::digest(bytes)))
}

fn backend(doing: &str, path: &Path, error: io::Error) -> StorageError {
    StorageError::Backend {
        doing: format!("{doing} `{}`", path.display()),
        source: error.into(),
    }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(backend("reading", path, error)),
    }
}

fn remove_if_there(path: &Path) -> Result<(), StorageError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(backend("deleting", path, error))
        }
        _ => Ok(()),
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StorageError> {
    let Some(bytes) = read_if_there(path)? else {
        return Ok(None);
    };
    let value = serde_json::from_slice(&bytes).map_err(|error| StorageError::Codec {
        key: path.display().to_string(),
        source: crate::release::CodecError::Json(error),
    })?;
    Ok(Some(value))
}

/// Writes a file beside and renames it, so that no reader and no crash ever sees half of it.
fn write_json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, StorageError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| StorageError::Codec {
        key: path.display().to_string(),
        source: crate::release::CodecError::Json(error),
    })?;
    bytes.push(b'\n');
    let write = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".next");
        let beside = folder.join(name);
        let mut file = File::create(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| backend("writing", path, error))?;
    Ok(bytes)
}

/// Returns the files of a folder whose names do not begin with a dot; none when it is not there.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, StorageError> {
    entries(folder, false)
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>, StorageError> {
    entries(folder, true)
}

fn entries(folder: &Path, folders: bool) -> Result<Vec<PathBuf>, StorageError> {
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(backend("reading", folder, error)),
    };
    let mut paths = Vec::new();
    for entry in read {
        let path = entry
            .map_err(|error| backend("reading", folder, error))?
            .path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.is_dir() == folders {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
