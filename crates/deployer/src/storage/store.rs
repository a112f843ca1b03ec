//! The contract of a store.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::release::{CodecError, Evidence, Namespace, RecordSize, Release, ReleaseName, Revision};

/// Keeps the release records of one namespace.
#[async_trait]
pub trait ReleaseStore: Send + Sync + std::fmt::Debug {
    /// Says in words where the records are, such as ``secrets in namespace `prod` ``.
    fn describe(&self) -> String;

    /// Returns the most bytes that a stored record may have; none when any size does.
    fn record_bytes_max(&self) -> Option<usize> {
        None
    }

    /// Returns one revision.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] when there is none.
    async fn get(&self, name: &ReleaseName, revision: Revision) -> Result<Stored, StorageError>;

    /// Returns every revision of a release, oldest first; none is an empty list.
    async fn history(&self, name: &ReleaseName) -> Result<Vec<Stored>, StorageError>;

    /// Returns every revision of every release, by namespace, name and revision.
    ///
    /// Records that cannot be read are left out with a `tracing` warning: one damaged record
    /// must not hide the others.
    async fn list(&self, scope: ListScope) -> Result<Vec<Stored>, StorageError>;

    /// Writes a revision that does not exist yet.
    ///
    /// # Errors
    /// [`StorageError::AlreadyExists`] when another was quicker.
    async fn create(&self, release: &Release, now: DateTime<Utc>) -> Result<Stored, StorageError>;

    /// Rewrites a revision that was read, or written, at `expected`.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] when somebody wrote it since; nothing was written.
    async fn update(
        &self,
        release: &Release,
        expected: &ResourceVersion,
        now: DateTime<Utc>,
    ) -> Result<Stored, StorageError>;

    /// Deletes a revision that was read, or written, at `expected`, and the evidence that it owns;
    /// one that is not there is no error.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] when somebody wrote it since; it is still there.
    async fn delete(
        &self,
        name: &ReleaseName,
        revision: Revision,
        expected: &ResourceVersion,
    ) -> Result<(), StorageError>;

    /// Writes the evidence of a revision, in place of any before. New evidence stands alone until
    /// [`ReleaseStore::adopt_evidence`]; what is owned stays so.
    async fn put_evidence(&self, evidence: &Evidence) -> Result<(), StorageError>;

    /// Returns the evidence of a revision, if there is any.
    async fn evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<Option<EvidenceRecord>, StorageError>;

    /// Returns all evidence of a release, oldest revision first.
    async fn list_evidence(&self, name: &ReleaseName) -> Result<Vec<EvidenceRecord>, StorageError>;

    /// Makes the record of a revision the owner of its evidence, which stood alone until then.
    async fn adopt_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<(), StorageError>;

    /// Deletes the evidence of a revision; none is no error.
    async fn delete_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<(), StorageError>;

    /// Takes the lease of a release when it is free, already ours, or as dead as the request says.
    ///
    /// # Errors
    /// [`StorageError::LeaseHeld`] says by whom.
    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Lease, StorageError>;

    /// Prolongs a lease that we hold.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] when another holds it by now: stop writing.
    async fn renew_lease(&self, lease: &Lease, now: DateTime<Utc>) -> Result<Lease, StorageError>;

    /// Gives a lease back; one that was lost is no error, and the other's is left alone.
    async fn release_lease(&self, lease: &Lease) -> Result<(), StorageError>;

    /// Returns the lease of a release as it stands, its holder alive or not; `None` when nobody
    /// holds it.
    async fn lease(&self, name: &ReleaseName) -> Result<Option<Lease>, StorageError>;
}

/// A record with what the store knows about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The record; its `labels` are the user's own.
    pub release: Release,
    /// All labels, Helm's included.
    pub labels: BTreeMap<String, String>,
    /// The version that it was read at.
    pub resource_version: ResourceVersion,
}

impl Stored {
    /// Returns what [`ReleaseStore::list`] sorts by.
    pub(super) fn place(&self) -> (&Namespace, &ReleaseName, Revision) {
        let release = &self.release;
        (&release.namespace, &release.name, release.version)
    }
}

/// The version of a stored object; only equality means anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceVersion(pub String);

/// Which namespaces are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListScope {
    /// That of the store.
    Namespace,
    /// All that we may see.
    AllNamespaces,
}

/// Evidence with what the store knows about it.
#[derive(Debug, Clone, PartialEq)]
pub struct EvidenceRecord {
    /// The evidence.
    pub evidence: Evidence,
    /// Whether a release record owns it; alone it stays after a failed first install.
    pub owned: bool,
}

/// Asks for the lease of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The release.
    pub name: ReleaseName,
    /// Who asks: unique per process, and readable (`alice@laptop/4711/5f3a`).
    pub holder: String,
    /// For how long it is taken.
    pub duration: Duration,
    /// The time of asking.
    pub now: DateTime<Utc>,
    /// Another's lease that did not change for its whole duration, by the asker's own clock: it
    /// may be taken as long as it still reads so.
    pub dead: Option<Lease>,
}

/// The right to write a release, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The release.
    pub name: ReleaseName,
    /// Who holds it.
    pub holder: String,
    /// For how long it is taken at a time.
    pub duration: Duration,
    /// When it was taken or last prolonged, by the holder's clock.
    pub renewed_at: DateTime<Utc>,
    /// Grows with every change of holder; the fencing token.
    pub transitions: u64,
}

/// Why a store did not do what was asked.
#[derive(Debug, Error)]
pub enum StorageError {
    /// There is no such revision.
    #[error("release `{name}` has no revision {revision}")]
    NotFound {
        name: ReleaseName,
        revision: Revision,
    },
    /// The revision exists already.
    #[error("revision {revision} of release `{name}` exists already")]
    AlreadyExists {
        name: ReleaseName,
        revision: Revision,
    },
    /// Somebody wrote the revision since it was read.
    #[error("revision {revision} of release `{name}` was written by somebody else meanwhile")]
    Conflict {
        name: ReleaseName,
        revision: Revision,
    },
    /// Another process works on the release.
    #[error(
        "another operation (install/upgrade/rollback) is in progress: `{}` holds release `{}`", .lease.holder, .lease.name
    )]
    LeaseHeld { lease: Box<Lease> },
    /// Another process took the release over.
    #[error("the lease on release `{name}` was lost to {}", .holder.as_deref().unwrap_or("nobody: it is gone"))]
    LeaseLost {
        name: ReleaseName,
        holder: Option<String>,
    },
    /// The record is larger than the store takes.
    #[error(
        "the record of revision {revision} of release `{name}` is too large: it takes {} bytes, {} when the operation has ended, and at most {bytes_max} fit", .size.bytes, .size.bytes_at_end
    )]
    TooLarge {
        name: ReleaseName,
        revision: Revision,
        size: Box<RecordSize>,
        bytes_max: usize,
    },
    /// A record cannot be read or written.
    #[error("record `{key}` cannot be read")]
    Codec {
        key: String,
        #[source]
        source: CodecError,
    },
    /// The namespace of the store does not exist.
    #[error("namespace `{namespace}` not found")]
    NamespaceNotFound { namespace: Namespace },
    /// We may not do that.
    #[error("not allowed to {verb} {resource}")]
    Forbidden {
        verb: String,
        resource: String,
        #[source]
        source: BoxedError,
    },
    /// The server or disk behind the store failed.
    #[error("{doing} failed")]
    Backend {
        doing: String,
        #[source]
        source: BoxedError,
    },
}

/// A cause whose type does not matter to the caller.
pub type BoxedError = Box<dyn std::error::Error + Send + Sync>;

impl StorageError {
    /// Returns what a person can do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::LeaseHeld { .. } => {
                vec![
                    "nothing was changed; run the command again when it has ended".into(),
                    "its holder is alive: it prolonged the lease, or gave it back, while this command looked on".into(),
                ]
            }
            Self::Conflict { name, .. } | Self::LeaseLost { name, .. } => {
                vec![format!(
                    "look at the present state with `deployer history {name}` and run the command again"
                )]
            }
            Self::TooLarge { size, .. } => {
                let mut hints = vec!["nothing was changed".to_owned()];
                hints.extend(size.parts.iter().map(ToString::to_string));
                hints.push("leave what no template reads out of the chart (`.helmignore`), and keep large data in an object that the chart does not render".into());
                hints
            }
            Self::NamespaceNotFound { namespace } => {
                vec![format!(
                    "create it with `kubectl create namespace {namespace}`, or pass `--create-namespace`"
                )]
            }
            Self::Forbidden { verb, resource, .. } => {
                vec![format!(
                    "ask for the right with `kubectl auth can-i {verb} {resource}`"
                )]
            }
            _ => Vec::new(),
        }
    }
}
