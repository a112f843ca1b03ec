//! Brings an earlier revision back, as a new one: what a rollback, a failed atomic upgrade and a
//! recovery have in common.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::attempt::{Attempt, AttemptSettings};
use super::change::stamp;
use super::lease::LeaseGuard;
use super::planning::{PlanRequest, plan};
use super::touched::{ObjectSet, Traces};
use super::{ActionError, Aftermath, Deployer, DryRunMode, Operation, Outcome, VerdictDemand};
use crate::cluster::WaitStrategy;
use crate::release::{HookExecution, Info, RecoverySettings, Release, Status};
use crate::storage::Stored;
use crate::words::chain;

/// What is brought back, and how.
pub(super) struct Restore<'a> {
    pub(super) target: &'a Release,
    pub(super) history: &'a [Stored],
    /// What the change that this undoes had touched, where that is known.
    pub(super) undone: Option<ObjectSet>,
    pub(super) wait: WaitStrategy,
    pub(super) wait_for_jobs: bool,
    pub(super) timeout: Duration,
    pub(super) run_hooks: bool,
    pub(super) force_conflicts: bool,
    /// Whether what cannot be changed is deleted and created anew.
    pub(super) recreate: bool,
}

/// Brings a revision back. It is not stopped by Ctrl-C: it is what Ctrl-C leads to.
pub(super) async fn restore(
    deployer: &Deployer,
    lease: &LeaseGuard,
    request: Restore<'_>,
) -> Result<Outcome, ActionError> {
    let release = rollback_record(deployer, request.target, request.history, None);
    deployer.stage(format!(
        "rolling back to revision {}",
        request.target.version
    ));
    let plan = plan(
        deployer,
        &PlanRequest {
            operation: Operation::Rollback,
            release: &release,
            history: request.history,
            run_hooks: request.run_hooks,
            take_ownership: true,
            recreate: request.recreate,
            // Undoing leaves alone what it may not change, and says so then.
            force_conflicts: true,
            wait: request.wait != WaitStrategy::HookOnly,
            show_secrets: false,
            marks: false,
        },
    )
    .await?;
    let settings = AttemptSettings {
        wait: request.wait,
        wait_for_jobs: request.wait_for_jobs,
        timeout: request.timeout,
        run_hooks: request.run_hooks,
        force_conflicts: request.force_conflicts,
        force_replace: false,
        recovery: RecoverySettings {
            atomic: true,
            keep_history: false,
            run_hooks: request.run_hooks,
            timeout_s: request.timeout.as_secs(),
            recreate: request.recreate,
            ..RecoverySettings::default()
        },
        verdict: VerdictDemand::None,
        provenance: None,
        cancel: CancellationToken::new(),
    };
    let description = release.info.description.clone();
    let mut attempt =
        Attempt::open(deployer, lease, Operation::Rollback, release, settings).await?;
    attempt.traces = Traces::of_undoing(request.undone);
    let outcome = match Box::pin(attempt.carry_out(&plan)).await {
        Ok(()) => attempt
            .complete(request.history, &description)
            .await
            .map_err(super::Cause::from),
        Err(cause) => Err(cause),
    };
    if let Err(cause) = outcome {
        if let Err(error) = attempt.record_failure(&cause, true).await {
            attempt.also.push(format!(
                "writing down the failure failed: {}",
                chain(&error)
            ));
        }
        let deployed = super::undo::deployed(request.history);
        return Err(attempt.into_failure(cause, Aftermath::Left { deployed }));
    }
    Ok(Outcome {
        made_anew: Vec::new(),
        release: attempt.record.release,
        evidence: Some(attempt.evidence),
        plan,
        shown: None,
        dry_run: DryRunMode::Off,
        warnings: attempt.also,
    })
}

/// Makes the pending record of a rollback: everything of the target under the next number.
pub(super) fn rollback_record(
    deployer: &Deployer,
    target: &Release,
    history: &[Stored],
    description: Option<&str>,
) -> Release {
    let mut release = target.clone();
    let last = history
        .last()
        .map_or(target.version, |stored| stored.release.version);
    release.version = last.next();
    // Only the notes are the target's: when it was deleted, say, is not true of its successor.
    release.info = Info {
        description: description
            .map_or_else(|| format!("Rollback to {}", target.version), str::to_owned),
        notes: target.info.notes.clone(),
        ..Info::default()
    };
    // As Helm 4 notes it down.
    release
        .info
        .other
        .insert("rollback_revision".to_owned(), target.version.0.into());
    for hook in &mut release.hooks {
        hook.last_run = HookExecution::default();
    }
    stamp(
        deployer,
        &mut release,
        Status::PendingRollback,
        Some(target.info.first_deployed),
    );
    release
}
