//! `deployer uninstall`: everything of a release goes, its records last.

use tokio_util::sync::CancellationToken;

use super::apply::deleted;
use super::attempt::{Attempt, AttemptSettings, supersede};
use super::lease::{LeaseGuard, with_lease};
use super::planning::{PlanRequest, plan};
use super::preflight::{demand_rights, explain_forbidden};
use super::retry::repeated;
use super::undo::{clear_hooks, deployed, remove_objects};
use super::{
    ActionError, Aftermath, Cause, Deployer, DryRunMode, Operation, UninstallOptions, Uninstalled,
    VerdictDemand,
};
use crate::cluster::{ObjectId, WaitStrategy};
use crate::plan::{ObjectAction, Plan};
use crate::progress::Work;
use crate::release::{Evidence, HookEvent, Milestone, RecoverySettings, Release, Status};
use crate::storage::{StorageError, Stored};
use crate::words::{chain, counted};

/// Uninstalls a release.
///
/// # Errors
/// An [`ActionError::Operation`] tells of an uninstall that began and can be repeated.
pub async fn uninstall(
    deployer: &Deployer,
    options: &UninstallOptions,
) -> Result<Option<Uninstalled>, ActionError> {
    if options.dry_run != DryRunMode::Off {
        let history = deployer.store.history(&options.release).await?;
        let Some(last) = history.last() else {
            return nothing(deployer, options);
        };
        let plan = plan_removal(deployer, &last.release, &history, options.run_hooks).await?;
        return Ok(Some(done(
            last.release.clone(),
            plan,
            options.dry_run,
            Vec::new(),
        )));
    }
    with_lease(deployer, &options.release, async |lease| {
        uninstall_leased(deployer, lease, options).await
    })
    .await
}

/// Uninstalls while the caller holds the lease. A release that something left pending is taken
/// as it is: uninstalling is a way out.
pub(super) async fn uninstall_leased(
    deployer: &Deployer,
    lease: &LeaseGuard,
    options: &UninstallOptions,
) -> Result<Option<Uninstalled>, ActionError> {
    let history = deployer.store.history(&options.release).await?;
    let Some(last) = history.last() else {
        return nothing(deployer, options);
    };
    if last.release.info.status == Status::Uninstalled {
        if options.keep_history {
            return Err(ActionError::AlreadyUninstalled {
                name: options.release.clone(),
            });
        }
        // Its objects went before: without a history the plan is empty, and nothing is asked.
        let plan = plan_removal(deployer, &last.release, &[], false).await?;
        purge(deployer, lease, &history).await?;
        return Ok(Some(done(
            last.release.clone(),
            plan,
            DryRunMode::Off,
            Vec::new(),
        )));
    }
    let plan = match plan_removal(deployer, &last.release, &history, options.run_hooks).await {
        Ok(plan) => plan,
        Err(error) => {
            let operation = Operation::Uninstall;
            return Err(explain_forbidden(deployer, &last.release, error, operation, false).await);
        }
    };
    Box::pin(demand_rights(deployer, &last.release, &plan, false)).await?;
    let mut attempt = begin(deployer, lease, options, last.clone()).await?;
    let outcome = carry_out(&mut attempt, &plan, options).await;
    if let Err(cause) = outcome {
        return Err(failed(attempt, cause, &history).await);
    }
    clear_hooks(deployer, &last.release).await;
    finish(&mut attempt, &history, options).await?;
    Ok(Some(done(
        attempt.record.release.clone(),
        plan,
        DryRunMode::Off,
        attempt.also,
    )))
}

fn nothing(
    deployer: &Deployer,
    options: &UninstallOptions,
) -> Result<Option<Uninstalled>, ActionError> {
    if options.ignore_not_found {
        return Ok(None);
    }
    Err(ActionError::NotFound {
        name: options.release.clone(),
        namespace: deployer.namespace.clone(),
    })
}

async fn plan_removal(
    deployer: &Deployer,
    release: &Release,
    history: &[Stored],
    run_hooks: bool,
) -> Result<Plan, ActionError> {
    super::change::hide(deployer, release, history);
    let request = PlanRequest {
        operation: Operation::Uninstall,
        release,
        history,
        run_hooks,
        take_ownership: false,
        recreate: false,
        force_conflicts: false,
        wait: true,
        show_secrets: false,
        marks: false,
    };
    plan(deployer, &request).await
}

/// Notes down that the last revision is to be uninstalled; what its evidence says of its making stays.
async fn begin<'a>(
    deployer: &'a Deployer,
    lease: &'a LeaseGuard,
    options: &UninstallOptions,
    last: Stored,
) -> Result<Attempt<'a>, ActionError> {
    let now = deployer.clock.now();
    let (name, revision) = (last.release.name.clone(), last.release.version);
    let kept = deployer.store.evidence(&name, revision).await?;
    let kept = kept
        .map(|record| record.evidence)
        .filter(|evidence| evidence.tells_of(&last.release));
    let mut evidence = kept.unwrap_or_else(|| {
        Evidence::begin(name, revision, "uninstall", deployer.operator.clone(), now)
    });
    evidence.operation = Operation::Uninstall.to_string();
    evidence.milestone = Milestone::Begun;
    evidence.finished_at = None;
    evidence.settings = RecoverySettings {
        atomic: false,
        keep_history: options.keep_history,
        run_hooks: options.run_hooks,
        timeout_s: options.timeout.as_secs(),
        propagation: options.propagation,
        recreate: false,
    };
    evidence.note(now, format!("uninstall begun by {}", deployer.operator));
    let settings = AttemptSettings {
        wait: options.wait,
        wait_for_jobs: false,
        timeout: options.timeout,
        run_hooks: options.run_hooks,
        force_conflicts: false,
        force_replace: false,
        recovery: evidence.settings.clone(),
        verdict: VerdictDemand::None,
        provenance: None,
        cancel: deployer.cancel.clone(),
    };
    let attempt = Attempt::resume(
        deployer,
        lease,
        Operation::Uninstall,
        last,
        evidence,
        settings,
    );
    attempt.save_evidence().await?;
    Ok(attempt)
}

async fn carry_out(
    attempt: &mut Attempt<'_>,
    plan: &Plan,
    options: &UninstallOptions,
) -> Result<(), Cause> {
    attempt.run_hooks(HookEvent::PreDelete).await?;
    if attempt.settings.cancel.is_cancelled() {
        return Err(Cause::Cancelled);
    }
    // Until here nothing was changed, and the revision counts as what it was. From here on the
    // uninstall goes to its end: what is deleted does not come back.
    attempt.settings.cancel = CancellationToken::new();
    attempt
        .record(
            Status::Uninstalling,
            "Deletion in progress (or silently failed)",
        )
        .await?;
    attempt.reach(Milestone::Changing).await?;
    let objects = deleted(&plan.removals).len();
    attempt.deployer.stage_of(
        format!("deleting {}", counted(objects)),
        Work::Changes { objects },
    );
    let release = &attempt.record.release;
    match remove_objects(attempt.deployer, release, plan, options.propagation).await {
        Ok(()) => {}
        Err(ActionError::Cluster(error)) => return Err(error.into()),
        Err(other) => {
            return Err(Cause::Cluster(crate::cluster::ClusterError::Request {
                doing: "deleting objects".into(),
                source: Box::new(other),
            }));
        }
    }
    if options.wait != WaitStrategy::HookOnly {
        attempt
            .deployer
            .cluster
            .wait_deleted(&deleted(&plan.removals), options.timeout)
            .await?;
    }
    attempt.run_hooks(HookEvent::PostDelete).await
}

/// Keeps why an uninstall failed. One whose pre-delete hooks failed has changed nothing: the revision
/// stays what it was.
async fn failed(mut attempt: Attempt<'_>, cause: Cause, history: &[Stored]) -> ActionError {
    if let Cause::Storage(error) = cause {
        return error.into();
    }
    let info = attempt.record.release.info.clone();
    let is_begun = info.status == Status::Uninstalling;
    let text = chain(&cause);
    let now = attempt.deployer.clock.now();
    attempt.evidence.failure = Some(text.clone());
    attempt.evidence.finished_at = Some(now);
    attempt
        .evidence
        .note(now, format!("uninstall failed: {text}"));
    let written = match attempt.save_evidence().await {
        // With how the hooks ended.
        Ok(()) => attempt.record(info.status, info.description).await,
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        attempt.also.push(format!(
            "writing down the failure failed: {}",
            chain(&error)
        ));
    }
    let after = if is_begun {
        Aftermath::Unfinished
    } else {
        Aftermath::Untouched {
            deployed: deployed(history),
        }
    };
    attempt.into_failure(cause, after)
}

async fn finish(
    attempt: &mut Attempt<'_>,
    history: &[Stored],
    options: &UninstallOptions,
) -> Result<(), ActionError> {
    attempt.evidence.finished_at = Some(attempt.deployer.clock.now());
    attempt.reach(Milestone::Completed).await?;
    // Earlier revisions must not look deployed once the last one is gone.
    let mut records = supersede(
        attempt.deployer,
        attempt.lease,
        history,
        attempt.record.release.version,
    )
    .await?;
    let description = options
        .description
        .clone()
        .unwrap_or_else(|| "Uninstallation complete".into());
    attempt.record(Status::Uninstalled, description).await?;
    let (name, revision) = (&attempt.record.release.name, attempt.record.release.version);
    repeated(|| attempt.deployer.store.adopt_evidence(name, revision)).await?;
    if !options.keep_history {
        if let Some(last) = records.last_mut() {
            *last = attempt.record.clone();
        }
        purge(attempt.deployer, attempt.lease, &records).await?;
    }
    Ok(())
}

/// Deletes every record, the last revision's last: as long as it is there, it is known that the
/// rest is to go.
pub(super) async fn purge(
    deployer: &Deployer,
    lease: &LeaseGuard,
    history: &[Stored],
) -> Result<(), StorageError> {
    for stored in history {
        lease.ensure().await?;
        repeated(|| {
            deployer.store.delete(
                &stored.release.name,
                stored.release.version,
                &stored.resource_version,
            )
        })
        .await?;
    }
    Ok(())
}

fn done(release: Release, plan: Plan, dry_run: DryRunMode, warnings: Vec<String>) -> Uninstalled {
    let kept: Vec<ObjectId> = plan
        .removals
        .iter()
        .filter(|step| step.action == ObjectAction::Keep)
        .map(|step| step.object.clone())
        .collect();
    Uninstalled {
        release,
        kept,
        plan,
        dry_run,
        warnings,
    }
}
