//! `deployer test`: runs the test hooks of a release as it is deployed.

use std::time::Duration;

use super::lease::{LeaseGuard, with_lease};
use super::preflight::demand_hook_rights;
use super::retry::{repeated, update};
use super::{ActionError, Aftermath, Cause, Deployer, Operation, OperationFailure};
use crate::hook::{EventReport, HookFailure, remove_hooks, run_event};
use crate::release::{Evidence, EvidenceLog, Hook, HookEvent, Release, ReleaseName};
use crate::storage::Stored;

/// What `test` is told.
#[derive(Debug, Clone)]
pub struct TestOptions {
    /// The name of the release.
    pub release: ReleaseName,
    /// Names of the only tests that run; none means all.
    pub only: Vec<String>,
    /// Names of tests that do not run.
    pub except: Vec<String>,
    /// How long each test may take.
    pub timeout: Duration,
}

impl TestOptions {
    fn runs(&self, hook: &Hook) -> bool {
        hook.events.contains(&HookEvent::Test)
            && !self.except.contains(&hook.name)
            && (self.only.is_empty() || self.only.contains(&hook.name))
    }
}

/// A release whose tests ran.
#[derive(Debug)]
pub struct Tested {
    /// The record with the outcome of each test.
    pub release: Release,
    /// What the tests wrote, in the order in which they ran.
    pub logs: Vec<EvidenceLog>,
    /// Clean-ups that failed.
    pub warnings: Vec<String>,
    /// Why the tests failed; none when they passed.
    pub failure: Option<ActionError>,
}

/// Runs the test hooks of the last revision and writes down how they ended.
///
/// # Errors
/// When there is no such release, or another process works on it. A test that fails is no error of
/// this kind: it is in [`Tested::failure`].
pub async fn test(deployer: &Deployer, options: &TestOptions) -> Result<Tested, ActionError> {
    with_lease(deployer, &options.release, async |lease| {
        test_leased(deployer, lease, options).await
    })
    .await
}

async fn test_leased(
    deployer: &Deployer,
    lease: &LeaseGuard,
    options: &TestOptions,
) -> Result<Tested, ActionError> {
    let history = deployer.store.history(&options.release).await?;
    let Some(last) = history.last() else {
        return Err(ActionError::NotFound {
            name: options.release.clone(),
            namespace: deployer.namespace.clone(),
        });
    };
    if last.release.info.status.is_pending() {
        return Err(ActionError::PendingElsewhere {
            name: options.release.clone(),
            namespace: deployer.namespace.clone(),
            revision: last.release.version,
            status: last.release.info.status,
        });
    }
    let mut release = last.release.clone();
    let (mut chosen, others): (Vec<Hook>, Vec<Hook>) =
        release.hooks.drain(..).partition(|hook| options.runs(hook));
    demand_hook_rights(deployer, &last.release, Operation::Test, &chosen).await?;
    let (timeout, cancel) = (options.timeout, &deployer.cancel);
    let context = deployer.hook_context(&last.release, HookEvent::Test, timeout, cancel);
    let report = run_event(&*deployer.hooks, &mut chosen, &context).await;
    let mut warnings = Vec::new();
    let evidence = keep(deployer, lease, last, &report, &mut warnings).await;
    warnings.extend(remove_hooks(&*deployer.hooks, &chosen, &report.removals, &context).await);
    // As Helm orders them: first those that were left out.
    release.hooks = others;
    release.hooks.extend(chosen);
    lease.ensure().await?;
    let stored = update(deployer, last, &release).await?;
    let failure = report
        .failure
        .map(|failure| failed(&stored.release, failure, evidence));
    Ok(Tested {
        release: stored.release,
        logs: report.logs,
        warnings,
        failure,
    })
}

/// Adds what the tests wrote to the evidence of the revision, in place of an earlier run's.
async fn keep(
    deployer: &Deployer,
    lease: &LeaseGuard,
    last: &Stored,
    report: &EventReport,
    warnings: &mut Vec<String>,
) -> Evidence {
    let (name, revision) = (&last.release.name, last.release.version);
    let now = deployer.clock.now();
    let kept = match deployer.store.evidence(name, revision).await {
        Ok(kept) => kept.map(|record| record.evidence),
        Err(error) => {
            warnings.push(format!("the evidence cannot be read: {error}"));
            None
        }
    };
    let kept = kept.filter(|evidence| evidence.tells_of(&last.release));
    let mut evidence = kept.unwrap_or_else(|| {
        Evidence::begin(
            name.clone(),
            revision,
            Operation::Test.to_string(),
            deployer.operator.clone(),
            now,
        )
    });
    let is_new = |log: &EvidenceLog| report.logs.iter().any(|new| new.source == log.source);
    evidence.logs.retain(|log| !is_new(log));
    evidence.logs.extend(report.logs.iter().cloned());
    let word = match report.failure {
        None => "ended well",
        Some(_) => "failed",
    };
    evidence.note(now, format!("test hooks {word}"));
    let write = async {
        lease.ensure().await?;
        repeated(|| deployer.store.put_evidence(&evidence)).await?;
        repeated(|| deployer.store.adopt_evidence(name, revision)).await
    };
    if let Err(error) = write.await {
        warnings.push(format!("the tests' logs were not kept: {error}"));
    }
    evidence
}

fn failed(release: &Release, failure: HookFailure, evidence: Evidence) -> ActionError {
    ActionError::Operation(Box::new(OperationFailure {
        operation: Operation::Test,
        release: release.name.clone(),
        namespace: release.namespace.clone(),
        revision: release.version,
        cause: Cause::of_hooks(HookEvent::Test, failure),
        after: Aftermath::Untouched {
            deployed: Some(release.version),
        },
        evidence: Box::new(evidence),
        also: Vec::new(),
    }))
}
