//! A runner for `--hooks skip`: every hook counts as not run.

use async_trait::async_trait;

use super::{HookContext, HookError, HookObject, HookResult, HookRunner};
use crate::clock::{Clock, SystemClock};
use crate::release::{Hook, HookPhase};

/// Runs nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct SkippedHooks;

#[async_trait]
impl HookRunner for SkippedHooks {
    async fn clear(&self, _hook: &Hook, _context: &HookContext<'_>) -> Result<(), HookError> {
        Ok(())
    }

    async fn run(&self, _hook: &Hook, _context: &HookContext<'_>) -> Result<HookResult, HookError> {
        let now = SystemClock.now();
        Ok(HookResult {
            phase: HookPhase::Unset,
            object: HookObject::default(),
            verdict: None,
            log: String::new(),
            reason: None,
            started_at: now,
            completed_at: now,
        })
    }

    async fn remove(
        &self,
        _hook: &Hook,
        _object: &HookObject,
        _context: &HookContext<'_>,
    ) -> Result<(), HookError> {
        Ok(())
    }
}
