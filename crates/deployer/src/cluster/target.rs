//! The contract of a target.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::{ObjectId, ObjectTable, Shown};
use crate::plan::rights::{KindTable, Right};
use crate::progress::{AppliedChange, ProgressSink};
use crate::release::{Namespace, ReleaseName, Revision};
use crate::storage::BoxedError;
use crate::words::counted;

/// The field manager of server-side apply, the same as Helm's so that both may work on a release.
pub const FIELD_MANAGER: &str = "helm";

/// Changes and watches objects.
///
/// Every call may be the last that the process makes; every wait has a timeout. A future that is
/// dropped must leave nothing running behind.
#[async_trait]
pub trait Cluster: Send + Sync + std::fmt::Debug {
    /// Says in words what is deployed to, such as a server's address or a folder.
    fn describe(&self) -> String;

    /// Returns what charts may ask of `.Capabilities`.
    async fn capabilities(&self) -> Result<Capabilities, ClusterError>;

    /// Returns an object as it is, or `None`.
    async fn get(&self, id: &ObjectId) -> Result<Option<Value>, ClusterError>;

    /// Returns many objects, concurrently; the answer has the order of `ids`.
    async fn get_many(&self, ids: &[ObjectId]) -> Result<Vec<Option<Arc<Value>>>, ClusterError>;

    /// Makes an object be as described.
    async fn apply(&self, object: &Value, options: &ApplyOptions) -> Result<Applied, ClusterError>;

    /// Creates an object.
    ///
    /// # Errors
    /// [`ClusterError::AlreadyExists`] when there is one of that name.
    async fn create(&self, object: &Value, dry_run: DryRun) -> Result<Value, ClusterError>;

    /// Deletes an object; tells whether there was one (with that UID).
    async fn delete(&self, id: &ObjectId, options: &DeleteOptions) -> Result<bool, ClusterError>;

    /// Waits until all objects are ready, and fails as soon as one cannot become so.
    async fn wait_ready(
        &self,
        ids: &[ObjectId],
        options: &WaitOptions,
        progress: &dyn ProgressSink,
    ) -> Result<(), ClusterError>;

    /// Waits until the objects are gone. With a UID, a successor of that name counts as gone.
    async fn wait_deleted(
        &self,
        ids: &[(ObjectId, Option<String>)],
        timeout: Duration,
    ) -> Result<(), ClusterError>;

    /// Collects what explains why objects are not well: conditions, events, the last log lines of
    /// failing pods. Never fails: what cannot be had is left out.
    async fn diagnose(&self, ids: &[ObjectId]) -> Vec<Diagnosis>;

    /// Returns objects for people to look at, with their pods where the target runs any.
    ///
    /// What is not there is told beside the others.
    async fn show(&self, ids: &[ObjectId]) -> Result<Shown, ClusterError> {
        let mut shown = Shown::default();
        for id in ids {
            let object = self.get(id).await?;
            shown.add_read(id, object.map(ObjectTable::of_name));
        }
        Ok(shown)
    }

    /// Tells whether the default namespace exists.
    async fn namespace_exists(&self) -> Result<bool, ClusterError>;

    /// Creates the default namespace when it does not exist.
    async fn ensure_namespace(&self) -> Result<(), ClusterError>;

    /// Returns those rights that we have not; a target without accounts misses none.
    async fn missing_rights(&self, _rights: &[Right]) -> Result<Vec<Right>, ClusterError> {
        Ok(Vec::new())
    }

    /// Returns how the kinds of objects stand in paths, where the target knows it.
    async fn kind_names(&self, _ids: &[ObjectId]) -> KindTable {
        KindTable::new()
    }

    /// Begins a change of a revision. A target that can change everything at once collects the
    /// changes from here on; the Kubernetes API has nothing to do.
    async fn begin(&self, scope: &RevisionScope) -> Result<(), ClusterError>;

    /// Makes the changes since [`Cluster::begin`] take effect at once.
    async fn commit(&self, scope: &RevisionScope) -> Result<(), ClusterError>;

    /// Forgets the changes since [`Cluster::begin`]; harmless when there is nothing to forget.
    async fn abort(&self, scope: &RevisionScope) -> Result<(), ClusterError>;
}

/// What charts may ask of `.Capabilities`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Such as `v1.34.4`.
    pub kube_version: String,
    /// Such as `apps/v1` and `apps/v1/Deployment`; empty means the chart crate's defaults.
    pub api_versions: Vec<String>,
}

/// Which revision of what is being changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionScope {
    /// The release.
    pub release: ReleaseName,
    /// Its namespace.
    pub namespace: Namespace,
    /// The revision that is being brought about.
    pub revision: Revision,
}

/// Whether a request is only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DryRun {
    /// It takes effect.
    #[default]
    Off,
    /// The server checks and answers as if, and changes nothing.
    Server,
}

/// How an object is applied.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplyOptions {
    /// By whom the merge is made.
    pub strategy: ApplyStrategy,
    /// Whether fields of other managers are taken over.
    pub force_conflicts: bool,
    /// Whether it is only tried.
    pub dry_run: DryRun,
}

/// By whom the merge is made.
#[derive(Debug, Clone, PartialEq)]
pub enum ApplyStrategy {
    /// By the server, as field manager [`FIELD_MANAGER`].
    ServerSide,
    /// Here, from the manifest of the previous revision (`None`: there was none), the new one and
    /// the live object.
    ClientSide { original: Option<Box<Value>> },
    /// By nobody: the object becomes what the manifest says, whatever others have set.
    Replace,
}

/// What applying did.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// Whether the object is new, changed or as before.
    pub change: AppliedChange,
    /// The object as it is now.
    pub object: Arc<Value>,
    /// Fields of the manifest that an autoscaler sets and that were left to it.
    pub yielded: Vec<&'static str>,
}

/// How an object is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteOptions {
    /// Only the object with this UID; another of the same name is left alone.
    pub uid: Option<String>,
    /// What happens to the objects that it owns.
    pub propagation: Propagation,
}

/// What happens to the objects that a deleted one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    /// They are deleted afterwards; Helm's default.
    #[default]
    Background,
    /// They are deleted first.
    Foreground,
    /// They stay.
    Orphan,
}

/// How readiness is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitOptions {
    /// How long at most.
    pub timeout: Duration,
    /// Whether a Job must have completed rather than merely exist.
    pub wait_for_jobs: bool,
    /// Helm's strategy.
    pub strategy: WaitStrategy,
}

/// What is waited for after applying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitStrategy {
    /// Only hooks; Helm 4's default when `--wait` is absent.
    #[default]
    HookOnly,
    /// Every object, by the rules of kstatus.
    Watcher,
    /// Every object, by Helm 3's rules.
    Legacy,
}

/// What explains why an object is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What it is about, such as `Deployment web` or `pod web-7f (container app)`.
    pub source: String,
    /// One sentence, such as `ImagePullBackOff: ...`.
    pub summary: String,
    /// Conditions, events or log lines.
    pub lines: Vec<String>,
}

/// An object that did not become ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// Which.
    pub object: ObjectId,
    /// Why.
    pub reason: String,
}

/// Why a target did not do what was asked.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The server or folder cannot be reached.
    #[error("{target} cannot be reached")]
    Unreachable {
        target: String,
        #[source]
        source: BoxedError,
    },
    /// The kind is not known there.
    #[error("resource mapping not found for {object}: no matches for kind `{}` in version `{}`", .object.kind, .object.api_version)]
    UnknownKind { object: ObjectId },
    /// The document is no object.
    #[error("manifest is not an object: {reason}")]
    InvalidObject { reason: String },
    /// The object exists already.
    #[error("{object} already exists")]
    AlreadyExists { object: ObjectId },
    /// Other managers own fields that we want to set.
    #[error("{object} has fields that others manage: {}", .conflicts.join("; "))]
    FieldConflict {
        object: ObjectId,
        conflicts: Vec<String>,
    },
    /// The object changed under our hands.
    #[error("{object} was changed by somebody else meanwhile")]
    Conflict { object: ObjectId },
    /// The server refuses the object.
    #[error("{object} was refused: {message}")]
    Rejected { object: ObjectId, message: String },
    /// We may not do that.
    #[error("not allowed to {verb} {object}: {message}")]
    Forbidden {
        verb: String,
        object: ObjectId,
        message: String,
    },
    /// The namespace does not exist.
    #[error("namespace `{namespace}` not found")]
    NamespaceNotFound { namespace: String },
    /// Objects cannot become ready.
    #[error("{}", failed_text(.failed))]
    Failed { failed: Vec<NotReady> },
    /// Objects were not ready in time.
    #[error("{}", timeout_text(.pending, *.after))]
    Timeout {
        pending: Vec<NotReady>,
        after: Duration,
    },
    /// A request failed for another reason.
    #[error("{doing} failed")]
    Request {
        doing: String,
        #[source]
        source: BoxedError,
    },
}

fn failed_text(failed: &[NotReady]) -> String {
    format!(
        "{} cannot become ready: {}",
        counted(failed.len()),
        list_not_ready(failed)
    )
}

fn timeout_text(pending: &[NotReady], after: Duration) -> String {
    format!(
        "timed out waiting for the condition: {} not ready after {} s: {}",
        counted(pending.len()),
        after.as_secs(),
        list_not_ready(pending)
    )
}

fn list_not_ready(objects: &[NotReady]) -> String {
    objects
        .iter()
        .map(|entry| format!("{}: {}", entry.object, entry.reason))
        .collect::<Vec<_>>()
        .join("; ")
}

/// The words by which validations say that a field cannot be changed.
///
/// Source: `pkg/apis/*/validation` of Kubernetes 1.34.
fn is_immutable(message: &str) -> bool {
    [
        "field is immutable",
        "may not change once set",
        "cannot change",
        "updates to statefulset spec for fields other than",
        "is immutable after creation",
        "primary clusterIP can not be",
    ]
    .iter()
    .any(|words| message.contains(words))
}

impl ClusterError {
    /// Returns what a person can do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Unreachable { .. } => vec![
                "check the server with `kubectl cluster-info`, the context with `--kube-context`, or deploy to a folder with `--target dir:PATH`".into(),
            ],
            Self::UnknownKind { .. } => {
                vec!["install the custom resource definition of that kind first".into()]
            }
            Self::FieldConflict { .. } => {
                vec!["take the fields over with `--force-conflicts`, or leave them out of the chart".into()]
            }
            Self::NamespaceNotFound { namespace } => {
                vec![format!("pass `--create-namespace`, or create it with `kubectl create namespace {namespace}`")]
            }
            Self::Rejected { message, .. } if is_immutable(message) => vec![
                "`--force-replace` deletes the object and creates it anew; what it holds is lost".into(),
            ],
            Self::Timeout { .. } => vec!["give it longer with `--timeout`".into()],
            _ => Vec::new(),
        }
    }
}
