//! Runs all hooks of an event, one after the other, and keeps what they had to say.

use super::{
    HookContext, HookError, HookObject, HookResult, HookRunner, has_policy, is_workload,
    ordered_hooks,
};
use crate::progress::ProgressEvent;
use crate::release::{
    EvidenceLog, GateOutcome, GateVerdict, Hook, HookDeletePolicy, HookExecution, HookPhase,
    RecordTime, RecordedVerdict,
};

/// What the hooks of an event left behind.
#[derive(Debug, Default)]
pub struct EventReport {
    /// Their logs, in order.
    pub logs: Vec<EvidenceLog>,
    /// Their verdicts.
    pub verdicts: Vec<RecordedVerdict>,
    /// What the delete policies want gone, in order; to be deleted by [`remove_hooks`] once logs and
    /// verdicts are kept.
    pub removals: Vec<HookRemoval>,
    /// Why the event failed.
    pub failure: Option<HookFailure>,
}

/// An object of a hook that its delete policy wants gone.
#[derive(Debug)]
pub struct HookRemoval {
    index: usize,
    object: HookObject,
}

/// Why an event failed.
#[derive(Debug)]
pub enum HookFailure {
    /// A hook ran and failed.
    Failed {
        hook: String,
        kind: String,
        reason: String,
        verdict: Option<Box<GateVerdict>>,
    },
    /// A hook could not be run.
    NotRun(HookError),
    /// The operation was stopped.
    Cancelled,
}

/// Runs the hooks of `context.event` in order, and writes their outcome into `hooks`.
///
/// Each workload is created anew, whatever an earlier revision left behind: only what this
/// revision creates may count. Nothing is deleted before the caller has kept the logs.
pub async fn run_event(
    runner: &dyn HookRunner,
    hooks: &mut [Hook],
    context: &HookContext<'_>,
) -> EventReport {
    let mut report = EventReport::default();
    let mut succeeded: Vec<(usize, HookObject)> = Vec::new();
    for index in ordered_hooks(hooks, &context.event) {
        if context.cancel.is_cancelled() {
            report.failure = Some(HookFailure::Cancelled);
            break;
        }
        let (failure, object) = run_one(runner, &mut hooks[index], context, &mut report).await;
        match (failure, object) {
            (None, Some(object)) => succeeded.push((index, object)),
            (None, None) => {}
            (Some(failure), object) => {
                if let Some(object) = object
                    && has_policy(&hooks[index], &HookDeletePolicy::HookFailed)
                {
                    report.removals.push(HookRemoval { index, object });
                }
                report.failure = Some(failure);
                break;
            }
        }
    }
    let passed = succeeded
        .into_iter()
        .rev()
        .filter(|(index, _)| has_policy(&hooks[*index], &HookDeletePolicy::HookSucceeded))
        .map(|(index, object)| HookRemoval { index, object });
    report.removals.extend(passed);
    report
}

/// Deletes what the delete policies want gone; returns what could not be deleted, in words.
pub async fn remove_hooks(
    runner: &dyn HookRunner,
    hooks: &[Hook],
    removals: &[HookRemoval],
    context: &HookContext<'_>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for HookRemoval { index, object } in removals {
        let hook = &hooks[*index];
        if let Err(error) = runner.remove(hook, object, context).await {
            warnings.push(format!(
                "{} `{}` of a hook was not deleted: {error}",
                hook.kind, hook.name
            ));
        }
    }
    warnings
}

async fn run_one(
    runner: &dyn HookRunner,
    hook: &mut Hook,
    context: &HookContext<'_>,
    report: &mut EventReport,
) -> (Option<HookFailure>, Option<HookObject>) {
    if (is_workload(hook) || has_policy(hook, &HookDeletePolicy::BeforeHookCreation))
        && let Err(error) = runner.clear(hook, context).await
    {
        return (Some(HookFailure::NotRun(error)), None);
    }
    context.progress.event(ProgressEvent::HookStarted {
        event: context.event.clone(),
        hook: hook.name.clone(),
        kind: hook.kind.clone(),
        timeout: context.timeout,
    });
    let result = match runner.run(hook, context).await {
        Ok(result) => result,
        Err(error) => return (Some(HookFailure::NotRun(error)), None),
    };
    if result.phase != HookPhase::Unset {
        keep(hook, &result, context, report);
    }
    let failure = judge(hook, &result, context);
    (failure, Some(result.object))
}

fn keep(hook: &mut Hook, result: &HookResult, context: &HookContext<'_>, report: &mut EventReport) {
    hook.last_run = HookExecution {
        started_at: RecordTime::from(result.started_at),
        completed_at: RecordTime::from(result.completed_at),
        phase: result.phase,
        ..HookExecution::default()
    };
    let elapsed = (result.completed_at - result.started_at)
        .to_std()
        .unwrap_or_default();
    context.progress.event(ProgressEvent::HookFinished {
        hook: hook.name.clone(),
        phase: result.phase,
        elapsed,
    });
    if !result.log.is_empty() {
        report.logs.push(EvidenceLog::bounded(
            format!("hook {}", hook.name),
            result.phase,
            &result.log,
        ));
    }
    if let Some(verdict) = &result.verdict {
        report.verdicts.push(RecordedVerdict {
            hook: hook.name.clone(),
            event: context.event.clone(),
            job_uid: result.object.uid.clone(),
            verdict: verdict.clone(),
        });
    }
}

/// Decides whether a hook's end stops the operation. A verdict other than pass always does, even
/// when the process ended with 0: a gate fails closed.
fn judge(hook: &Hook, result: &HookResult, context: &HookContext<'_>) -> Option<HookFailure> {
    let refused = result
        .verdict
        .as_ref()
        .is_some_and(|verdict| verdict.outcome() != GateOutcome::Pass);
    match result.phase {
        HookPhase::Unset => None,
        HookPhase::Succeeded if !refused => None,
        HookPhase::Unknown if context.cancel.is_cancelled() => Some(HookFailure::Cancelled),
        _ => Some(HookFailure::Failed {
            hook: hook.name.clone(),
            kind: hook.kind.to_lowercase(),
            reason: reason(result),
            verdict: result.verdict.clone().map(Box::new),
        }),
    }
}

/// A verdict says why by itself; how its container ended is then no news, unless it passed.
fn reason(result: &HookResult) -> String {
    let verdict = result.verdict.as_ref();
    let verdict = verdict.filter(|verdict| verdict.outcome() != GateOutcome::Pass);
    let reasons = verdict.map(|verdict| verdict.reasons().join("; "));
    let plain = || result.reason.clone();
    reasons
        .filter(|text| !text.is_empty())
        .or_else(plain)
        .unwrap_or_else(|| "it ended badly".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::progress::SilentProgress;
    use crate::release::{HookEvent, Namespace, ReleaseName, Revision};

    #[test]
    fn a_hook_that_ends_well_with_a_verdict_other_than_pass_stops_the_operation() {
        let (name, namespace) = (
            ReleaseName::new("web").expect("a name"),
            Namespace::new("prod").expect("a namespace"),
        );
        let cancel = CancellationToken::new();
        let context = HookContext {
            release: &name,
            namespace: &namespace,
            revision: Revision::FIRST,
            event: HookEvent::PreUpgrade,
            timeout: Duration::from_secs(1),
            progress: &SilentProgress,
            cancel: &cancel,
        };
        let stops = |outcome: Option<&str>| {
            let verdict = outcome.map(|outcome| {
                json!({"kind": "validator/verdict", "outcome": outcome}).to_string()
            });
            let result = super::super::HookResult {
                phase: HookPhase::Succeeded,
                object: HookObject::default(),
                verdict: verdict.and_then(|text| GateVerdict::parse(&text)),
                log: String::new(),
                reason: None,
                started_at: DateTime::UNIX_EPOCH,
                completed_at: DateTime::UNIX_EPOCH,
            };
            judge(&Hook::default(), &result, &context).is_some()
        };
        assert!(!stops(None), "a hook that is no gate");
        assert!(!stops(Some("pass")));
        for outcome in ["fail", "inconclusive", "error", "no such outcome"] {
            assert!(stops(Some(outcome)), "{outcome}");
        }
    }
}
