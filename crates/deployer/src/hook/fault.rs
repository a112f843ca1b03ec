//! A runner of hooks whose calls fail by a plan, for tests; see [`crate::cluster::FaultPlan`].

use async_trait::async_trait;

use super::{HookContext, HookError, HookObject, HookResult, HookRunner};
use crate::cluster::FaultPlan;
use crate::cluster::fault::{CallKind, Injected};
use crate::release::Hook;

/// A runner of hooks whose calls fail by a plan.
#[derive(Debug, Clone)]
pub struct FaultyHooks<R> {
    inner: R,
    plan: FaultPlan,
}

impl<R: HookRunner> FaultyHooks<R> {
    /// Wraps a runner.
    pub fn new(inner: R, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }

    async fn call<T>(
        &self,
        kind: CallKind,
        hook: &Hook,
        doing: &str,
        call: impl Future<Output = Result<T, HookError>>,
    ) -> Result<T, HookError> {
        let fail = |broken| HookError::Watch {
            hook: hook.name.clone(),
            doing: doing.to_owned(),
            source: Box::new(Injected::from(broken)),
        };
        self.plan.call(kind, call, fail).await
    }
}

#[async_trait]
impl<R: HookRunner> HookRunner for FaultyHooks<R> {
    async fn clear(&self, hook: &Hook, context: &HookContext<'_>) -> Result<(), HookError> {
        let call = self.inner.clear(hook, context);
        self.call(CallKind::Request, hook, "clearing", call).await
    }

    async fn run(&self, hook: &Hook, context: &HookContext<'_>) -> Result<HookResult, HookError> {
        let call = self.inner.run(hook, context);
        self.call(CallKind::Watch, hook, "following", call).await
    }

    async fn remove(
        &self,
        hook: &Hook,
        object: &HookObject,
        context: &HookContext<'_>,
    ) -> Result<(), HookError> {
        let call = self.inner.remove(hook, object, context);
        self.call(CallKind::Request, hook, "deleting", call).await
    }

    async fn salvage(&self, hook: &Hook, context: &HookContext<'_>) -> Option<HookResult> {
        let call = async { Ok(self.inner.salvage(hook, context).await) };
        let salvaged = self.call(CallKind::Request, hook, "salvaging", call).await;
        salvaged.ok().flatten()
    }
}
