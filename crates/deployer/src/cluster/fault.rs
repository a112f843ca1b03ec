//! Faults for tests: a cluster, a store and a runner of hooks that fail, or whose process dies, is
//! interrupted or freezes, at call k.
//!
//! One [`FaultPlan`] counts the calls of all three, in the order in which they are made. A death
//! is an error on that call and on every one after it, as nothing more reaches the server from a
//! process that is gone; whether the fatal call took effect is part of the plan.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    Applied, ApplyOptions, Capabilities, Cluster, ClusterError, DeleteOptions, Diagnosis, DryRun,
    ObjectId, RevisionScope, WaitOptions, object_id,
};
use crate::progress::ProgressSink;
use crate::release::{ReleaseName, Revision};
use crate::storage::StorageError;

/// How long an answer takes that does not come: the timeout of a request to a real server.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How many calls an outage lasts.
const OUTAGE_CALLS: u64 = 10;

/// What happens at the call that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server refuses with this status (409, 429, 500), without effect; later calls work.
    Answers(u16),
    /// The connection is reset before the call takes effect; later calls work.
    Reset,
    /// The call takes effect, and its answer is lost; later calls work.
    AnswerLost,
    /// No answer comes for a minute, and the call had no effect; later calls work.
    TimesOut,
    /// No answer comes for a minute, and the call took effect; later calls work.
    TimesOutAfter,
    /// A wait or a hook's watch ends early; other calls work.
    DropsWatch,
    /// The server is away for several calls.
    Outage,
    /// Ctrl-C arrives during the call, which works.
    Interrupts,
    /// The process dies before the call.
    DiesBefore,
    /// The process dies after the call took effect.
    DiesAfter,
    /// The process freezes before the call, until [`FaultPlan::thaw`].
    FreezesBefore,
    /// The process freezes after the call took effect, until [`FaultPlan::thaw`].
    FreezesAfter,
}

/// Counts calls and fails the one that was chosen; clones share the count.
#[derive(Debug, Clone)]
pub struct FaultPlan {
    calls: Arc<AtomicU64>,
    injected: Arc<AtomicBool>,
    frozen: Arc<watch::Sender<bool>>,
    cancel: CancellationToken,
    at: u64,
    fault: Fault,
}

/// How a call appears to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    Status(u16),
    Connection,
}

/// Whether a call waits for something to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    Request,
    Watch,
}

impl FaultPlan {
    /// Fails call number `at`, the first being 1; 0 never fails and only counts.
    pub fn new(at: u64, fault: Fault) -> Self {
        Self {
            calls: Arc::default(),
            injected: Arc::default(),
            frozen: Arc::new(watch::Sender::new(false)),
            cancel: CancellationToken::new(),
            at,
            fault,
        }
    }

    /// Returns how many calls were made.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Tells whether the fault came about: not every call is a watch.
    pub fn was_injected(&self) -> bool {
        self.injected.load(Ordering::SeqCst)
    }

    /// Returns the token that [`Fault::Interrupts`] cancels, for the process.
    pub fn cancel(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Tells whether the process is dead.
    pub fn is_dead(&self) -> bool {
        matches!(self.fault, Fault::DiesBefore | Fault::DiesAfter) && self.was_injected()
    }

    /// Waits until the process is frozen.
    pub async fn frozen(&self) {
        // The sender lives as long as the plan, so the wait cannot fail.
        let _ = self.frozen.subscribe().wait_for(|frozen| *frozen).await;
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    async fn freeze(&self) {
        self.frozen.send_replace(true);
        self.awake().await;
    }

    /// A frozen process makes no call, that of its heartbeat included.
    async fn awake(&self) {
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }

    /// Makes one call, or fails it before or after it took effect.
    pub(crate) async fn call<T, E>(
        &self,
        kind: CallKind,
        call: impl Future<Output = Result<T, E>>,
        fail: impl FnOnce(Broken) -> E,
    ) -> Result<T, E> {
        self.awake().await;
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let is_after = self.at != 0 && number > self.at;
        match self.fault {
            Fault::DiesBefore | Fault::DiesAfter if is_after => {
                return Err(fail(Broken::Connection));
            }
            Fault::Outage if is_after && number < self.at + OUTAGE_CALLS => {
                return Err(fail(Broken::Status(503)));
            }
            Fault::DropsWatch if kind != CallKind::Watch => return call.await,
            _ if self.at == 0 || number != self.at => return call.await,
            _ => {}
        }
        self.injected.store(true, Ordering::SeqCst);
        match self.fault {
            Fault::Answers(status) => Err(fail(Broken::Status(status))),
            Fault::Outage => Err(fail(Broken::Status(503))),
            Fault::Reset | Fault::DropsWatch | Fault::DiesBefore => Err(fail(Broken::Connection)),
            Fault::AnswerLost | Fault::DiesAfter => call.await.and(Err(fail(Broken::Connection))),
            Fault::TimesOut => {
                tokio::time::sleep(TIMEOUT).await;
                Err(fail(Broken::Connection))
            }
            Fault::TimesOutAfter => {
                let answer = call.await;
                tokio::time::sleep(TIMEOUT).await;
                answer.and(Err(fail(Broken::Connection)))
            }
            Fault::Interrupts => {
                self.cancel.cancel();
                call.await
            }
            Fault::FreezesBefore => {
                self.freeze().await;
                call.await
            }
            Fault::FreezesAfter => {
                let answer = call.await;
                self.freeze().await;
                answer
            }
        }
    }
}

/// The cause of every injected failure.
#[derive(Debug, thiserror::Error)]
#[error("{0} (injected)")]
pub(crate) struct Injected(String);

impl From<Broken> for Injected {
    fn from(broken: Broken) -> Self {
        Self(match broken {
            Broken::Status(status) => format!("the server answered with status {status}"),
            Broken::Connection => "connection reset".to_owned(),
        })
    }
}

fn cluster_fault(call: &str, object: Option<ObjectId>, broken: Broken) -> ClusterError {
    match (broken, object) {
        (Broken::Status(409), Some(object)) => ClusterError::Conflict { object },
        _ => ClusterError::Request {
            doing: call.to_owned(),
            source: Box::new(Injected::from(broken)),
        },
    }
}

pub(crate) fn storage_fault(
    call: &str,
    written: Option<(&ReleaseName, Revision)>,
    broken: Broken,
) -> StorageError {
    match (broken, written) {
        (Broken::Status(409), Some((name, revision))) => StorageError::Conflict {
            name: name.clone(),
            revision,
        },
        _ => StorageError::Backend {
            doing: call.to_owned(),
            source: Box::new(Injected::from(broken)),
        },
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

    async fn call<T>(
        &self,
        what: &str,
        object: Option<ObjectId>,
        call: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let fail = |broken| cluster_fault(what, object, broken);
        self.plan.call(CallKind::Request, call, fail).await
    }

    async fn watch<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let fail = |broken| cluster_fault(what, None, broken);
        self.plan.call(CallKind::Watch, call, fail).await
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

    async fn get_many(&self, ids: &[ObjectId]) -> Result<Vec<Option<Arc<Value>>>, ClusterError> {
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
        self.watch("wait_ready", self.inner.wait_ready(ids, options, progress))
            .await
    }

    async fn wait_deleted(
        &self,
        ids: &[(ObjectId, Option<String>)],
        timeout: Duration,
    ) -> Result<(), ClusterError> {
        self.watch("wait_deleted", self.inner.wait_deleted(ids, timeout))
            .await
    }

    async fn diagnose(&self, ids: &[ObjectId]) -> Vec<Diagnosis> {
        let diagnosis = async { Ok(self.inner.diagnose(ids).await) };
        self.call("diagnose", None, diagnosis)
            .await
            .unwrap_or_default()
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
