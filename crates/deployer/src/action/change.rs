//! What install, upgrade and rollback share: from a rendered revision to its end.

use super::apply::{StepOptions, execute};
use super::attempt::{Attempt, AttemptSettings};
use super::lease::LeaseGuard;
use super::planning::{PlanRequest, plan, plan_offline};
use super::retry::repeated;
use super::undo::undo;
use super::{ActionError, ChangeOptions, Deployer, DryRunMode, Operation, Outcome};
use crate::cluster::{DryRun, Propagation, WaitStrategy};
use crate::plan::Plan;
use crate::release::{ApplyMethod, RecordTime, RecoverySettings, Release, Status};
use crate::storage::{StorageError, Stored};

/// A revision to be brought about.
pub(super) struct Change<'a> {
    pub(super) operation: Operation,
    /// The record, pending.
    pub(super) release: Release,
    /// The revisions before it, oldest first.
    pub(super) history: Vec<Stored>,
    pub(super) options: &'a ChangeOptions,
    /// The description on success.
    pub(super) description: String,
}

impl Change<'_> {
    fn request(&self) -> PlanRequest<'_> {
        PlanRequest {
            operation: self.operation,
            release: &self.release,
            history: &self.history,
            run_hooks: self.options.run_hooks,
            take_ownership: self.options.take_ownership,
            wait: self.wait() != WaitStrategy::HookOnly,
        }
    }

    /// An atomic change waits: a failure that is not seen cannot be undone.
    fn wait(&self) -> WaitStrategy {
        match self.options.wait {
            WaitStrategy::HookOnly if self.options.atomic => WaitStrategy::Watcher,
            wait => wait,
        }
    }
}

/// Plans, records, carries out, and completes or undoes a change.
pub(super) async fn bring_about(
    deployer: &Deployer,
    lease: &LeaseGuard,
    change: Change<'_>,
) -> Result<Outcome, ActionError> {
    let plan = plan(deployer, &change.request()).await?;
    let settings = settings(deployer, &change);
    let mut attempt = Attempt::open(
        deployer,
        lease,
        change.operation,
        change.release.clone(),
        settings,
    )
    .await?;
    let outcome = match attempt.carry_out(&plan).await {
        Ok(()) => attempt
            .complete(&change.history, &change.description)
            .await
            .map_err(super::Cause::from),
        Err(cause) => Err(cause),
    };
    if let Err(cause) = outcome {
        return Err(undo(attempt, cause, &plan, &change.history, change.options).await);
    }
    prune(deployer, lease, &change.history, change.options.history_max).await;
    Ok(Outcome {
        release: attempt.record.release,
        evidence: Some(attempt.evidence),
        plan,
        dry_run: DryRunMode::Off,
        warnings: attempt.also,
    })
}

/// Shows what a change would do; with [`DryRunMode::Server`] it is planned against what is live
/// and, with `is_tried`, every object is tried on the target.
pub(super) async fn preview(
    deployer: &Deployer,
    mut change: Change<'_>,
    is_tried: bool,
) -> Result<Outcome, ActionError> {
    let plan = match change.options.dry_run {
        DryRunMode::Server => plan(deployer, &change.request()).await?,
        _ => plan_offline(&change.request())?,
    };
    if is_tried {
        try_on_server(deployer, &change, &plan).await?;
    }
    change.release.info.description = "Dry run complete".into();
    Ok(Outcome {
        release: change.release,
        evidence: None,
        plan,
        dry_run: change.options.dry_run,
        warnings: Vec::new(),
    })
}

async fn try_on_server(
    deployer: &Deployer,
    change: &Change<'_>,
    plan: &Plan,
) -> Result<(), ActionError> {
    let options = StepOptions {
        propagation: Propagation::Background,
        method: change.release.applied_by(),
        force_conflicts: change.options.force_conflicts,
        dry_run: DryRun::Server,
        cancel: deployer.cancel.clone(),
    };
    match execute(deployer, &plan.applies, &options).await {
        Err(super::Cause::Cluster(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

fn settings(deployer: &Deployer, change: &Change<'_>) -> AttemptSettings {
    AttemptSettings {
        wait: change.wait(),
        wait_for_jobs: change.options.wait_for_jobs,
        timeout: change.options.timeout,
        run_hooks: change.options.run_hooks,
        force_conflicts: change.options.force_conflicts,
        recovery: RecoverySettings {
            // A rollback that was begun is finished, come what may.
            atomic: change.options.atomic || change.operation == Operation::Rollback,
            keep_history: false,
            run_hooks: change.options.run_hooks,
            timeout_s: change.options.timeout.as_secs(),
            ..RecoverySettings::default()
        },
        verdict: change.options.verdict.clone(),
        provenance: change.options.provenance.clone(),
        cancel: deployer.cancel.clone(),
    }
}

/// Chooses by whom objects are merged.
pub(super) fn method(options: &ChangeOptions, last: Option<&Release>) -> ApplyMethod {
    match (options.server_side, last) {
        (super::ServerSide::On, _) | (super::ServerSide::Auto, None) => ApplyMethod::ServerSide,
        (super::ServerSide::Off, _) => ApplyMethod::ClientSide,
        (super::ServerSide::Auto, Some(last)) => last.applied_by(),
    }
}

/// Fills in what every new record has alike.
pub(super) fn stamp(
    deployer: &Deployer,
    release: &mut Release,
    status: Status,
    first: Option<RecordTime>,
) {
    let now = RecordTime::from(deployer.clock.now());
    release.info.first_deployed = first.filter(|first| !first.is_never()).unwrap_or(now);
    release.info.last_deployed = now;
    release.info.status = status;
}

/// Deletes the oldest revisions beyond the limit; never the deployed one. A failure is told and
/// does no harm: the next change prunes again.
pub(super) async fn prune(
    deployer: &Deployer,
    lease: &LeaseGuard,
    history: &[Stored],
    history_max: u32,
) {
    let limit = history_max as usize;
    // The revision that was just made is not in `history`.
    if limit == 0 || history.len() < limit {
        return;
    }
    let surplus = history.len() + 1 - limit;
    for stored in history.iter().take(surplus) {
        let (name, revision) = (&stored.release.name, stored.release.version);
        let delete = async {
            lease.ensure().await?;
            repeated(|| deployer.store.delete(name, revision)).await
        };
        let outcome: Result<(), StorageError> = delete.await;
        if let Err(error) = outcome {
            deployer.warn(format!("revision {revision} was not pruned: {error}"));
            return;
        }
    }
}
