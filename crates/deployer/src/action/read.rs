//! `history`, `status`, `list` and `get`: what the records say, and what became of it.

use super::{ActionError, Deployer};
use crate::cluster::{ObjectId, Shown};
use crate::plan::read_manifest_of;
use crate::release::{Evidence, Release, ReleaseName, Revision, Status};
use crate::storage::{Lease, ListScope, StorageError, Stored};

/// A revision with what is known about how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct RevisionReport {
    /// The revision; none for evidence that outlived its record, as after a failed first install.
    pub release: Option<Release>,
    /// Its evidence, when it was made by this deployer.
    pub evidence: Option<Evidence>,
}

impl RevisionReport {
    /// Returns the number of the revision.
    pub fn revision(&self) -> Revision {
        let of_evidence = self.evidence.as_ref().map(|evidence| evidence.revision);
        self.release
            .as_ref()
            .map(|release| release.version)
            .or(of_evidence)
            .unwrap_or_default()
    }
}

/// A release with its present lease.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseStatus {
    /// The revision.
    pub report: RevisionReport,
    /// Who works on it, or did so when they died.
    pub lease: Option<Lease>,
}

/// Returns the revisions of a release, oldest first, with evidence that outlived its record.
///
/// # Errors
/// [`ActionError::NotFound`] when there is neither a record nor evidence.
pub async fn history(
    deployer: &Deployer,
    name: &ReleaseName,
) -> Result<Vec<RevisionReport>, ActionError> {
    let (records, evidence) = tokio::join!(
        deployer.store.history(name),
        deployer.store.list_evidence(name)
    );
    let (records, mut evidence) = (records?, evidence?);
    let mut reports: Vec<RevisionReport> = Vec::new();
    for stored in records {
        let own = evidence
            .iter()
            .position(|record| record.evidence.tells_of(&stored.release));
        let own = own.map(|index| evidence.swap_remove(index).evidence);
        reports.push(RevisionReport {
            release: Some(stored.release),
            evidence: own,
        });
    }
    reports.extend(evidence.into_iter().map(|record| RevisionReport {
        release: None,
        evidence: Some(record.evidence),
    }));
    reports.sort_by_key(RevisionReport::revision);
    if reports.is_empty() {
        return Err(not_found(deployer, name));
    }
    Ok(reports)
}

/// Returns a revision, the last unless told otherwise, with its evidence and lease.
///
/// # Errors
/// [`ActionError::NotFound`] or [`ActionError::RevisionNotFound`].
pub async fn status(
    deployer: &Deployer,
    name: &ReleaseName,
    revision: Option<Revision>,
) -> Result<ReleaseStatus, ActionError> {
    let release = get(deployer, name, revision).await?;
    let evidence = deployer
        .store
        .evidence(name, release.version)
        .await?
        .map(|record| record.evidence)
        .filter(|evidence| evidence.tells_of(&release));
    let lease = deployer.store.lease(name).await?;
    Ok(ReleaseStatus {
        report: RevisionReport {
            release: Some(release),
            evidence,
        },
        lease,
    })
}

/// Returns the objects of a revision as they are in the cluster now, and their pods.
///
/// # Errors
/// When the manifest cannot be read or the cluster not be asked.
pub async fn resources(deployer: &Deployer, release: &Release) -> Result<Shown, ActionError> {
    let objects = read_manifest_of(&release.manifest, "release manifest")?;
    let ids: Vec<ObjectId> = objects.into_iter().map(|object| object.id).collect();
    Ok(deployer.cluster.show(&ids).await?)
}

/// Returns a revision, the last unless told otherwise.
///
/// # Errors
/// [`ActionError::NotFound`] or [`ActionError::RevisionNotFound`].
pub async fn get(
    deployer: &Deployer,
    name: &ReleaseName,
    revision: Option<Revision>,
) -> Result<Release, ActionError> {
    if let Some(revision) = revision.filter(|revision| *revision != Revision(0)) {
        match deployer.store.get(name, revision).await {
            Ok(stored) => return Ok(stored.release),
            Err(StorageError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let known: Vec<Revision> = deployer
            .store
            .history(name)
            .await?
            .iter()
            .map(|stored| stored.release.version)
            .collect();
        return Err(if known.is_empty() {
            not_found(deployer, name)
        } else {
            ActionError::RevisionNotFound {
                name: name.clone(),
                revision,
                known,
            }
        });
    }
    let last = deployer.store.history(name).await?.pop();
    last.map(|stored| stored.release)
        .ok_or_else(|| not_found(deployer, name))
}

/// Which revisions are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// The last of every release.
    Last,
    /// All of them: where superseded ones are asked for, which are never the last.
    All,
}

/// Returns the revisions in scope whose state passes `wanted`.
///
/// # Errors
/// When the records cannot be read.
pub async fn list(
    deployer: &Deployer,
    scope: ListScope,
    listed: Listed,
    wanted: impl Fn(Status) -> bool,
) -> Result<Vec<Stored>, ActionError> {
    let mut found: Vec<Stored> = Vec::new();
    for stored in deployer.store.list(scope).await? {
        let is_same = |earlier: &Stored| {
            earlier.release.name == stored.release.name
                && earlier.release.namespace == stored.release.namespace
        };
        // A store lists the revisions of a release one after the other, the last one last.
        match found.last_mut() {
            Some(earlier) if listed == Listed::Last && is_same(earlier) => *earlier = stored,
            _ => found.push(stored),
        }
    }
    found.retain(|stored| wanted(stored.release.info.status));
    Ok(found)
}

fn not_found(deployer: &Deployer, name: &ReleaseName) -> ActionError {
    ActionError::NotFound {
        name: name.clone(),
        namespace: deployer.namespace.clone(),
    }
}
