//! What happens when a change failed: what was changed is rolled back, and nothing else.

use super::apply::{StepOptions, deleted, execute};
use super::attempt::Attempt;
use super::lease::LeaseGuard;
use super::planning::{PlanRequest, plan};
use super::restore::{Restore, restore};
use super::retry::repeated;
use super::touched::Traces;
use super::{ActionError, Aftermath, Cause, ChangeOptions, Deployer, Operation};
use crate::cluster::{DryRun, Propagation, RevisionScope};
use crate::hook::is_workload;
use crate::plan::{ObjectAction, Plan};
use crate::release::{Evidence, HookEvent, Milestone, Release, Revision, Status};
use crate::storage::{StorageError, Stored};
use crate::words::chain;

/// Records the failure, undoes it where that is asked for, and returns the error that tells all.
pub(super) async fn undo(
    mut attempt: Attempt<'_>,
    cause: Cause,
    plan: &Plan,
    history: &[Stored],
    options: &ChangeOptions,
) -> ActionError {
    if let Cause::Storage(
        error @ (StorageError::LeaseLost { .. } | StorageError::Conflict { .. }),
    ) = cause
    {
        // Somebody else has the release now: whatever we wrote would be wrong.
        return error.into();
    }
    // Ctrl-C means "as if I had not started", whatever the flags; it is written down so that a
    // process killed meanwhile is recovered the same way.
    let wanted = options.atomic || matches!(cause, Cause::Cancelled);
    attempt.evidence.settings.atomic |= wanted;
    let first_install = attempt.operation == Operation::Install;
    if let Err(error) = attempt
        .record_failure(&cause, !(first_install && wanted))
        .await
    {
        attempt.also.push(format!(
            "writing down the failure failed: {}",
            chain(&error)
        ));
    }
    let after = match attempt.operation {
        Operation::Install if wanted => undo_install(&mut attempt, history).await,
        Operation::Upgrade if wanted && needs_rollback(&attempt) => {
            roll_back(&mut attempt, history, options).await
        }
        // A rollback that failed is looked at by a person; one that was stopped never happened.
        Operation::Rollback if matches!(cause, Cause::Cancelled) && attempt.has_changed() => {
            roll_back(&mut attempt, history, options).await
        }
        _ => {
            if options.cleanup_on_fail && attempt.has_changed() {
                clean_up(&mut attempt, plan).await;
            }
            left(&attempt, history)
        }
    };
    attempt.into_failure(cause, after)
}

/// A change whose pre hooks failed has nothing to roll back, unless the chart wants to hear of it.
fn needs_rollback(attempt: &Attempt<'_>) -> bool {
    let rollback_hook =
        |event: &HookEvent| matches!(event, HookEvent::PreRollback | HookEvent::PostRollback);
    let has_hooks = attempt
        .record
        .release
        .hooks
        .iter()
        .any(|hook| hook.events.iter().any(rollback_hook));
    attempt.has_changed() || (has_hooks && attempt.settings.run_hooks)
}

fn left(attempt: &Attempt<'_>, history: &[Stored]) -> Aftermath {
    let deployed = deployed(history);
    if attempt.has_changed() {
        Aftermath::Left { deployed }
    } else {
        Aftermath::Untouched { deployed }
    }
}

/// Returns the newest deployed revision.
pub(super) fn deployed(history: &[Stored]) -> Option<Revision> {
    let deployed = |stored: &&Stored| stored.release.info.status == Status::Deployed;
    history
        .iter()
        .rev()
        .find(deployed)
        .map(|stored| stored.release.version)
}

async fn roll_back(
    attempt: &mut Attempt<'_>,
    history: &[Stored],
    options: &ChangeOptions,
) -> Aftermath {
    let mut history = history.to_vec();
    history.push(attempt.record.clone());
    let Some(target) = newest_good(&history).cloned() else {
        return left(attempt, &history);
    };
    let request = Restore {
        target: &target,
        history: &history,
        undone: Some(attempt.traces.touched.clone()),
        wait: attempt.settings.wait,
        wait_for_jobs: attempt.settings.wait_for_jobs,
        timeout: attempt.settings.timeout,
        run_hooks: attempt.settings.run_hooks,
        force_conflicts: options.force_conflicts,
        recreate: options.force_replace,
    };
    match Box::pin(restore(attempt.deployer, attempt.lease, request)).await {
        Ok(outcome) => {
            attempt.also.extend(outcome.warnings);
            Aftermath::RolledBack {
                to: target.version,
                revision: outcome.release.version,
            }
        }
        Err(error) => Aftermath::RollbackFailed {
            error: Box::new(error),
            deployed: deployed(&history),
        },
    }
}

/// Returns the newest revision that is or once was good.
pub(super) fn newest_good(history: &[Stored]) -> Option<&Release> {
    history
        .iter()
        .rev()
        .map(|stored| &stored.release)
        .find(|release| release.info.status.was_good())
}

async fn undo_install(attempt: &mut Attempt<'_>, history: &[Stored]) -> Aftermath {
    let changed = attempt.has_changed();
    let record = attempt.record.clone();
    match remove_install(
        attempt.deployer,
        attempt.lease,
        &record,
        &attempt.evidence,
        history,
    )
    .await
    {
        Ok(()) if changed => Aftermath::Uninstalled,
        Ok(()) => Aftermath::Untouched {
            deployed: deployed(history),
        },
        Err(error) => Aftermath::RollbackFailed {
            error: Box::new(error),
            deployed: deployed(history),
        },
    }
}

/// Removes everything that an install made: objects (none before it changed anything), hook
/// objects, and last its record. Its evidence stays, and tells why.
pub(super) async fn remove_install(
    deployer: &Deployer,
    lease: &LeaseGuard,
    record: &Stored,
    evidence: &Evidence,
    history: &[Stored],
) -> Result<(), ActionError> {
    let release = &record.release;
    if evidence.milestone != Milestone::Begun {
        remove_what_was_made(deployer, lease, record, evidence, history).await?;
    }
    clear_hooks(deployer, release).await;
    lease.ensure().await?;
    let version = &record.resource_version;
    repeated(|| {
        deployer
            .store
            .delete(&release.name, release.version, version)
    })
    .await?;
    Ok(())
}

async fn remove_what_was_made(
    deployer: &Deployer,
    lease: &LeaseGuard,
    record: &Stored,
    evidence: &Evidence,
    history: &[Stored],
) -> Result<(), ActionError> {
    let release = &record.release;
    let mut all: Vec<Stored> = history
        .iter()
        .filter(|stored| stored.release.version != release.version)
        .cloned()
        .collect();
    all.push(record.clone());
    let request = PlanRequest {
        operation: Operation::Uninstall,
        release,
        history: &all,
        run_hooks: false,
        take_ownership: false,
        recreate: false,
        force_conflicts: false,
        wait: true,
        show_secrets: false,
        marks: false,
    };
    let mut plan = plan(deployer, &request).await?;
    plan.removals
        .retain(|step| !evidence.adopted.contains(&step.object));
    lease.ensure().await?;
    remove_objects(deployer, release, &plan, Propagation::Background).await
}

/// Deletes the objects of a plan's removals and, on a target that collects changes, commits.
pub(super) async fn remove_objects(
    deployer: &Deployer,
    release: &Release,
    plan: &Plan,
    propagation: Propagation,
) -> Result<(), ActionError> {
    let scope = RevisionScope {
        release: release.name.clone(),
        namespace: release.namespace.clone(),
        revision: release.version,
    };
    deployer.cluster.begin(&scope).await?;
    let options = StepOptions {
        propagation,
        method: release.applied_by(),
        force_conflicts: false,
        force_replace: false,
        dry_run: DryRun::Off,
        cancel: tokio_util::sync::CancellationToken::new(),
        traces: Traces::default(),
    };
    match execute(deployer, &plan.removals, &options).await {
        Ok(()) => Ok(deployer.cluster.commit(&scope).await?),
        Err(cause) => {
            deployer.cluster.abort(&scope).await?;
            match cause {
                Cause::Cluster(error) => Err(error.into()),
                other => Err(ActionError::Cluster(
                    crate::cluster::ClusterError::Request {
                        doing: "removing objects".into(),
                        source: other.into(),
                    },
                )),
            }
        }
    }
}

/// Deletes the Jobs and Pods that hooks of a release left behind; their logs are in the evidence.
pub(super) async fn clear_hooks(deployer: &Deployer, release: &Release) {
    let cancel = tokio_util::sync::CancellationToken::new();
    let timeout = std::time::Duration::from_secs(60);
    let context = deployer.hook_context(release, HookEvent::PreDelete, timeout, &cancel);
    for hook in release.hooks.iter().filter(|hook| is_workload(hook)) {
        if let Err(error) = deployer.hooks.clear(hook, &context).await {
            deployer.warn(format!(
                "{} `{}` of a hook was not deleted: {error}",
                hook.kind, hook.name
            ));
        }
    }
}

/// Deletes what the failed change created, and only that.
async fn clean_up(attempt: &mut Attempt<'_>, plan: &Plan) {
    let mut plan = plan.clone();
    plan.applies
        .retain(|step| step.action == ObjectAction::Create);
    plan.applies.reverse();
    for step in &mut plan.applies {
        step.action = ObjectAction::Delete;
    }
    plan.removals = std::mem::take(&mut plan.applies);
    let release = &attempt.record.release;
    let removal = remove_objects(attempt.deployer, release, &plan, Propagation::Background);
    if let Err(error) = removal.await {
        attempt.also.push(format!(
            "cleaning up {} objects failed: {error}",
            deleted(&plan.removals).len()
        ));
    }
}
