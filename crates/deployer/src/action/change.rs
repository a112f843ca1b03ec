//! What install, upgrade and rollback share: from a rendered revision to its end.

use super::apply::{StepOptions, execute};
use super::attempt::{Attempt, AttemptSettings, events_of};
use super::deadline::Deadline;
use super::lease::LeaseGuard;
use super::planning::{PlanRequest, fresh_salt, plan, plan_offline, secrets_of};
use super::preflight::{demand_rights, explain_forbidden};
use super::retry::repeated;
use super::touched::Traces;
use super::undo::{newest_good, undo};
use super::{ActionError, ChangeOptions, Deployer, DryRunMode, Operation, Outcome};
use crate::cluster::{DryRun, Propagation, WaitStrategy};
use crate::hook::unmet_needs;
use crate::plan::Plan;
use crate::progress::ProgressEvent;
use crate::release::{
    ApplyMethod, RecordSize, RecordTime, RecoverySettings, Release, ReleaseName, Status,
};
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
            recreate: self.options.force_replace,
            force_conflicts: self.options.force_conflicts,
            wait: self.wait() != WaitStrategy::HookOnly,
            show_secrets: self.options.show_secrets,
            marks: self.options.dry_run != DryRunMode::Off || self.options.expected.is_some(),
        }
    }

    /// Makes sure that the plan is the one that was approved, where one was.
    fn check(&self, deployer: &Deployer, plan: &Plan) -> Result<(), ActionError> {
        let Some(expected) = &self.options.expected else {
            return Ok(());
        };
        let now = self.request().saved(deployer, plan, expected.salt());
        match expected.moved(&now) {
            moved if moved.is_empty() => Ok(()),
            moved => Err(ActionError::PlanMoved { moved }),
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
    let deadline = Deadline::watch(&deployer.cancel, change.options.deadline);
    hide(deployer, &change.release, &change.history);
    let plan = match plan(deployer, &change.request()).await {
        Ok(plan) => plan,
        Err(error) => {
            return Err(explain_forbidden(
                deployer,
                &change.release,
                error,
                change.operation,
                change.options.force_replace,
            )
            .await);
        }
    };
    change.check(deployer, &plan)?;
    check_hooks(deployer, &change, &plan)?;
    // Large parts of a command lie on the heap: they nest, and an unoptimised build would keep the
    // room of all of them on the stack.
    Box::pin(demand_rights(
        deployer,
        &change.release,
        &plan,
        change.options.force_replace,
    ))
    .await?;
    check_size(deployer, &change.release)?;
    let settings = settings(&deadline, &change);
    let mut attempt = Attempt::open(
        deployer,
        lease,
        change.operation,
        change.release.clone(),
        settings,
    )
    .await?;
    let outcome = match Box::pin(attempt.carry_out(&plan)).await {
        Ok(()) => attempt
            .complete(&change.history, &change.description)
            .await
            .map_err(super::Cause::from),
        Err(cause) => Err(cause),
    };
    if let Err(cause) = outcome {
        let cause = deadline.explain(cause);
        let undone = undo(attempt, cause, &plan, &change.history, change.options);
        let failure = Box::pin(undone).await;
        // A release that another has taken over is not ours to prune.
        if matches!(failure, ActionError::Operation(_)) {
            prune(deployer, lease, &change).await;
        }
        return Err(failure);
    }
    prune(deployer, lease, &change).await;
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

/// Names what must not be shown from here on, in whatever is printed.
pub(super) fn hide(deployer: &Deployer, release: &Release, history: &[Stored]) {
    deployer.tell(ProgressEvent::Sensitive {
        values: secrets_of(release, history),
    });
}

/// Shows what a change would do: planned against what is live unless the target is not to be asked,
/// and, with `is_tried`, every object is tried on it.
pub(super) async fn preview(
    deployer: &Deployer,
    mut change: Change<'_>,
    is_tried: bool,
) -> Result<Outcome, ActionError> {
    if !change.options.show_secrets {
        hide(deployer, &change.release, &change.history);
    }
    let plan = if change.options.dry_run.asks_target() {
        plan(deployer, &change.request()).await?
    } else {
        plan_offline(&change.request())?
    };
    check_hooks(deployer, &change, &plan)?;
    if change.options.dry_run == DryRunMode::Server {
        check_size(deployer, &change.release)?;
    }
    if is_tried {
        try_on_server(deployer, &change, &plan).await?;
    }
    change.check(deployer, &plan)?;
    let shown = change
        .request()
        .saved(deployer, &plan, &fresh_salt(deployer));
    change.release.info.description = "Dry run complete".into();
    Ok(Outcome {
        made_anew: Vec::new(),
        release: change.release,
        evidence: None,
        plan,
        shown: Some(shown),
        dry_run: change.options.dry_run,
        warnings: Vec::new(),
    })
}

/// Demands that the record fits where it is stored, before anything is written.
fn check_size(deployer: &Deployer, release: &Release) -> Result<(), StorageError> {
    let Some(bytes_max) = deployer.store.record_bytes_max() else {
        return Ok(());
    };
    let size = RecordSize::of(release, bytes_max).map_err(|source| StorageError::Codec {
        key: format!("{} revision {}", release.name, release.version),
        source,
    })?;
    let Some(size) = size else { return Ok(()) };
    if size.bytes_at_end > bytes_max {
        return Err(StorageError::TooLarge {
            name: release.name.clone(),
            revision: release.version,
            size: Box::new(size),
            bytes_max,
        });
    }
    let parts: Vec<String> = size.parts.iter().map(ToString::to_string).collect();
    deployer.warn(format!(
        "the record of release `{}` takes {} of the {bytes_max} bytes that fit; its largest parts are: {}",
        release.name,
        size.bytes,
        parts.join("; ")
    ));
    Ok(())
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
        force_replace: change.options.force_replace,
        dry_run: DryRun::Server,
        cancel: deployer.cancel.clone(),
        traces: Traces::default(),
    };
    match execute(deployer, &plan.applies, &options).await {
        Err(super::Cause::Cluster(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Demands that the hooks before the change find what they need.
fn check_hooks(deployer: &Deployer, change: &Change<'_>, plan: &Plan) -> Result<(), ActionError> {
    if !change.options.run_hooks || !deployer.hooks.needs_cluster_objects() {
        return Ok(());
    }
    let (event, _) = events_of(change.operation);
    let needs = unmet_needs(&change.release.hooks, &event, &plan.applies);
    if needs.is_empty() {
        Ok(())
    } else {
        Err(ActionError::UnmetNeeds { event, needs })
    }
}

fn settings(deadline: &Deadline, change: &Change<'_>) -> AttemptSettings {
    AttemptSettings {
        wait: change.wait(),
        wait_for_jobs: change.options.wait_for_jobs,
        timeout: change.options.timeout,
        run_hooks: change.options.run_hooks,
        force_conflicts: change.options.force_conflicts,
        force_replace: change.options.force_replace,
        recovery: RecoverySettings {
            // A rollback that was begun is finished, come what may.
            atomic: change.options.atomic || change.operation == Operation::Rollback,
            keep_history: false,
            run_hooks: change.options.run_hooks,
            timeout_s: change.options.timeout.as_secs(),
            recreate: change.options.force_replace,
            ..RecoverySettings::default()
        },
        verdict: change.options.verdict.clone(),
        provenance: change.options.provenance.clone(),
        cancel: deadline.stop(),
    }
}

/// Chooses by whom objects are merged.
pub(super) fn method(options: &ChangeOptions, last: Option<&Release>) -> ApplyMethod {
    if options.force_replace {
        return ApplyMethod::ClientSide;
    }
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

/// Deletes the oldest revisions beyond the limit; never the deployed one, nor the one that a
/// rollback would go back to. A failure is told and does no harm: the next change prunes again.
async fn prune(deployer: &Deployer, lease: &LeaseGuard, change: &Change<'_>) {
    let limit = change.options.history_max as usize;
    // This change made one revision, and another one if it was rolled back.
    if limit == 0 || change.history.len() + 2 <= limit {
        return;
    }
    if let Err(error) = try_to_prune(deployer, lease, &change.release.name, limit).await {
        deployer.warn(format!("old revisions were not pruned: {error}"));
    }
}

async fn try_to_prune(
    deployer: &Deployer,
    lease: &LeaseGuard,
    name: &ReleaseName,
    limit: usize,
) -> Result<(), StorageError> {
    let history = deployer.store.history(name).await?;
    let good = newest_good(&history).map(|release| release.version);
    let surplus = history.len().saturating_sub(limit);
    let is_spared = |stored: &&Stored| {
        let release = &stored.release;
        release.info.status == Status::Deployed || Some(release.version) == good
    };
    for stored in history
        .iter()
        .take(history.len().saturating_sub(1))
        .filter(|stored| !is_spared(stored))
        .take(surplus)
    {
        lease.ensure().await?;
        let (revision, version) = (stored.release.version, &stored.resource_version);
        repeated(|| deployer.store.delete(name, revision, version)).await?;
    }
    Ok(())
}
