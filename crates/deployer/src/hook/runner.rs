//! The contract of a hook runner.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::progress::ProgressSink;
use crate::release::{GateVerdict, Hook, HookEvent, HookPhase, Namespace, ReleaseName, Revision};
use crate::storage::BoxedError;

/// Runs one hook at a time; the order and the delete policies are the caller's.
#[async_trait]
pub trait HookRunner: Send + Sync + std::fmt::Debug {
    /// Tells whether hooks need the objects of the cluster that they name, such as a ConfigMap.
    fn needs_cluster_objects(&self) -> bool {
        false
    }

    /// Removes what an earlier run of this hook left behind, and waits until it is gone.
    ///
    /// Called before every run, whatever the delete policy says: only what this revision creates
    /// may count. Nothing there is no error.
    async fn clear(&self, hook: &Hook, context: &HookContext<'_>) -> Result<(), HookError>;

    /// Runs the hook to its end. Its logs go to `context.progress` while it runs and are in the
    /// result in any case. A hook that ran and failed is an `Ok` with [`HookPhase::Failed`].
    ///
    /// On cancellation what was started is stopped, and the phase is [`HookPhase::Unknown`].
    ///
    /// # Errors
    /// Only when the hook could not be started or watched.
    async fn run(&self, hook: &Hook, context: &HookContext<'_>) -> Result<HookResult, HookError>;

    /// Deletes the object that [`HookRunner::run`] made, and only that one.
    async fn remove(
        &self,
        hook: &Hook,
        object: &HookObject,
        context: &HookContext<'_>,
    ) -> Result<(), HookError>;

    /// Returns what a run of this hook for this revision left, whose deployer died before it could
    /// keep it: log, verdict and how far it came. Nothing is deleted; none where nothing is there.
    async fn salvage(&self, _hook: &Hook, _context: &HookContext<'_>) -> Option<HookResult> {
        None
    }
}

/// For what a hook runs.
pub struct HookContext<'a> {
    /// The release.
    pub release: &'a ReleaseName,
    /// Its namespace.
    pub namespace: &'a Namespace,
    /// The revision that is being brought about.
    pub revision: Revision,
    /// The event.
    pub event: HookEvent,
    /// How long one hook may take.
    pub timeout: Duration,
    /// Where its log lines go.
    pub progress: &'a dyn ProgressSink,
    /// Tells that the operation is to stop.
    pub cancel: &'a CancellationToken,
}

/// The object or process that a run made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookObject {
    /// The UID in the cluster; none for a local process.
    pub uid: Option<String>,
}

/// How a hook's run went.
#[derive(Debug, Clone, PartialEq)]
pub struct HookResult {
    /// How far it came.
    pub phase: HookPhase,
    /// What it made, to be deleted by its policy.
    pub object: HookObject,
    /// The verdict, when the hook is a gate that wrote one.
    pub verdict: Option<GateVerdict>,
    /// What it wrote, and what the cluster had to say about it (events, conditions).
    pub log: String,
    /// Why it failed, such as `exit code 1` or `BackoffLimitExceeded`; absent on success.
    pub reason: Option<String>,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub completed_at: DateTime<Utc>,
}

/// Why a hook could not be run.
#[derive(Debug, Error)]
pub enum HookError {
    /// The hook's manifest is not what this runner can run.
    #[error("hook `{hook}` cannot be run: {reason}")]
    Unsupported {
        hook: String,
        reason: String,
        hint: String,
    },
    /// What an earlier run left behind did not go away.
    #[error("hook `{hook}`: {left_behind} of an earlier run did not go away within {} s", .after.as_secs())]
    NotCleared {
        hook: String,
        left_behind: String,
        after: Duration,
    },
    /// It could not be started.
    #[error("hook `{hook}` could not be started: {doing}")]
    Start {
        hook: String,
        doing: String,
        #[source]
        source: BoxedError,
    },
    /// It was started and then lost from sight.
    #[error("hook `{hook}` could not be watched: {doing}")]
    Watch {
        hook: String,
        doing: String,
        #[source]
        source: BoxedError,
    },
}

impl HookError {
    /// Returns what a person can do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Unsupported { hint, .. } => vec![hint.clone()],
            Self::NotCleared { left_behind, .. } => {
                vec![format!(
                    "see what keeps {left_behind}: its finalizers, or pods that do not end"
                )]
            }
            _ => Vec::new(),
        }
    }
}
