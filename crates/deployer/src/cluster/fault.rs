//! Faults for tests: a cluster and a store that fail, or whose process dies, at call k.
//!
//! One [`FaultPlan`] counts the calls of both, in the order in which they are made. A death is
//! an error on that call and on every one after it, as nothing more reaches the server from a
//! process that is gone; whether the fatal call took effect is part of the plan.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::{
    Applied, ApplyOptions, Capabilities, Cluster, ClusterError, DeleteOptions, Diagnosis, DryRun,
    ObjectId, RevisionScope, WaitOptions, object_id,
};
use crate::progress::ProgressSink;
use crate::release::{ReleaseName, Revision};
use crate::storage::StorageError;

/// What happens at the call that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails without effect; later calls work.
    Fails,
    /// The call takes effect, and its answer is lost; later calls work.
    AnswerLost,
    /// The call answers as if somebody had changed the object meanwhile; later calls work.
    Conflicts,
    /// The process dies before the call.
    DiesBefore,
    /// The process dies after the call took effect.
    DiesAfter,
}

/// Counts calls and fails the one that was chosen; clones share the count.
#[derive(Debug, Clone)]
pub struct FaultPlan {
    calls: Arc<AtomicU64>,
    at: u64,
    fault: Fault,
}

/// What a wrapped call has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    Proceed,
    FailFirst,
    ConflictFirst,
    FailAfterwards,
}

impl FaultPlan {
    /// Fails call number `at`, the first being 1; 0 never fails and only counts.
    pub fn new(at: u64, fault: Fault) -> Self {
        Self {
            calls: Arc::default(),
            at,
            fault,
        }
    }

    /// Returns how many calls were made.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Tells whether the process is dead.
    pub fn is_dead(&self) -> bool {
        matches!(self.fault, Fault::DiesBefore | Fault::DiesAfter)
            && self.at != 0
            && self.calls() >= self.at
    }

    pub(crate) fn next_call(&self) -> Course {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if self.at == 0 || call < self.at {
            return Course::Proceed;
        }
        match (self.fault, call == self.at) {
            (Fault::Fails, true) | (Fault::DiesBefore, _) | (Fault::DiesAfter, false) => {
                Course::FailFirst
            }
            (Fault::Conflicts, true) => Course::ConflictFirst,
            (Fault::AnswerLost | Fault::DiesAfter, true) => Course::FailAfterwards,
            (Fault::Fails | Fault::AnswerLost | Fault::Conflicts, false) => Course::Proceed,
        }
    }
}

/// The cause of every injected failure.
#[derive(Debug, thiserror::Error)]
#[error("connection reset (injected)")]
struct Injected;

pub(crate) fn cluster_fault(call: &str) -> ClusterError {
    ClusterError::Request {
        doing: call.to_owned(),
        source: Box::new(Injected),
    }
}

pub(crate) fn storage_fault(call: &str) -> StorageError {
    StorageError::Backend {
        doing: call.to_owned(),
        source: Box::new(Injected),
    }
}

pub(crate) fn storage_conflict(name: &ReleaseName, revision: Revision) -> StorageError {
    StorageError::Conflict {
        name: name.clone(),
        revision,
    }
}

/// A cluster whose calls fail by a plan.
#[derive(Debug, Clone)]
pub struct FaultyCluster<C> {
    inner: C,
    plan: FaultPlan,
}

impl<C: Cluster> FaultyCluster<C> {
    /// Wraps a cluster.
    pub fn new(inner: C, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }

    /// Makes one call, or fails it before or after it took effect.
    async fn call<T>(
        &self,
        what: &str,
        object: Option<ObjectId>,
        call: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        match self.plan.next_call() {
            Course::Proceed => call.await,
            Course::FailFirst => Err(cluster_fault(what)),
            Course::ConflictFirst => Err(object.map_or_else(
                || cluster_fault(what),
                |object| ClusterError::Conflict { object },
            )),
            Course::FailAfterwards => call.await.and(Err(cluster_fault(what))),
        }
    }
}

#[async_trait]
impl<C: Cluster> Cluster for FaultyCluster<C> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn capabilities(&self) -> Result<Capabilities, ClusterError> {
        self.call("capabilities", None, self.inner.capabilities())
            .await
    }

    async fn get(&self, id: &ObjectId) -> Result<Option<Value>, ClusterError> {
        self.call("get", Some(id.clone()), self.inner.get(id)).await
    }

    async fn get_many(&self, ids: &[ObjectId]) -> Result<Vec<Option<Value>>, ClusterError> {
        self.call("get_many", None, self.inner.get_many(ids)).await
    }

    async fn apply(&self, object: &Value, options: &ApplyOptions) -> Result<Applied, ClusterError> {
        self.call(
            "apply",
            object_id(object),
            self.inner.apply(object, options),
        )
        .await
    }

    async fn create(&self, object: &Value, dry_run: DryRun) -> Result<Value, ClusterError> {
        self.call(
            "create",
            object_id(object),
            self.inner.create(object, dry_run),
        )
        .await
    }

    async fn delete(&self, id: &ObjectId, options: &DeleteOptions) -> Result<bool, ClusterError> {
        self.call("delete", Some(id.clone()), self.inner.delete(id, options))
            .await
    }

    async fn wait_ready(
        &self,
        ids: &[ObjectId],
        options: &WaitOptions,
        progress: &dyn ProgressSink,
    ) -> Result<(), ClusterError> {
        self.call(
            "wait_ready",
            None,
            self.inner.wait_ready(ids, options, progress),
        )
        .await
    }

    async fn wait_deleted(
        &self,
        ids: &[(ObjectId, Option<String>)],
        timeout: Duration,
    ) -> Result<(), ClusterError> {
        self.call("wait_deleted", None, self.inner.wait_deleted(ids, timeout))
            .await
    }

    async fn diagnose(&self, ids: &[ObjectId]) -> Vec<Diagnosis> {
        match self.plan.next_call() {
            Course::Proceed => self.inner.diagnose(ids).await,
            _ => Vec::new(),
        }
    }

    async fn namespace_exists(&self) -> Result<bool, ClusterError> {
        self.call("namespace_exists", None, self.inner.namespace_exists())
            .await
    }

    async fn ensure_namespace(&self) -> Result<(), ClusterError> {
        self.call("ensure_namespace", None, self.inner.ensure_namespace())
            .await
    }

    async fn begin(&self, scope: &RevisionScope) -> Result<(), ClusterError> {
        self.call("begin", None, self.inner.begin(scope)).await
    }

    async fn commit(&self, scope: &RevisionScope) -> Result<(), ClusterError> {
        self.call("commit", None, self.inner.commit(scope)).await
    }

    async fn abort(&self, scope: &RevisionScope) -> Result<(), ClusterError> {
        self.call("abort", None, self.inner.abort(scope)).await
    }
}
