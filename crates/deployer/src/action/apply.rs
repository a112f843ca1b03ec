//! Executes the object steps of a plan: wave after wave, in parallel inside a wave.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::touched::{Traces, is_refusal};
use super::{Cause, Deployer};
use crate::cluster::{
    Applied, ApplyOptions, ApplyStrategy, ClusterError, DeleteOptions, DryRun, ObjectId,
    Propagation,
};
use crate::plan::{ObjectAction, ObjectStep};
use crate::progress::{AppliedChange, ProgressEvent};
use crate::release::ApplyMethod;

/// How many steps are under way at once; the target may take fewer requests.
const CONCURRENCY_MAX: usize = 64;

/// How often a step is tried whose object others change at the same time.
const RACES_MAX: u32 = 5;
/// How long an object that is created anew may take to go, with the pods that it owns.
const RECREATION_MAX: Duration = Duration::from_secs(120);
/// The pause after the first such race; the later ones are longer.
const PAUSE: Duration = Duration::from_millis(50);

/// How steps are executed.
#[derive(Debug, Clone)]
pub(super) struct StepOptions {
    /// By whom objects are merged.
    pub(super) method: ApplyMethod,
    /// Whether fields of other managers are taken over.
    pub(super) force_conflicts: bool,
    /// Whether objects are replaced whole.
    pub(super) force_replace: bool,
    /// What happens to the objects that deleted ones own.
    pub(super) propagation: Propagation,
    /// Whether it is only tried.
    pub(super) dry_run: DryRun,
    /// Stops it between two steps; what is under way is waited for.
    pub(super) cancel: CancellationToken,
    /// What is noted down on the way.
    pub(super) traces: Traces,
}

/// Executes steps, which are sorted by wave.
///
/// After a failure or a cancellation no further step begins, and this returns only when those
/// under way have ended: nothing changes any more behind the caller's back.
pub(super) async fn execute(
    deployer: &Deployer,
    steps: &[ObjectStep],
    options: &StepOptions,
) -> Result<(), Cause> {
    for wave in steps.chunk_by(|left, right| left.wave == right.wave) {
        execute_wave(deployer, wave, options).await?;
    }
    Ok(())
}

async fn execute_wave(
    deployer: &Deployer,
    wave: &[ObjectStep],
    options: &StepOptions,
) -> Result<(), Cause> {
    let mut waiting = wave.iter();
    let mut running = FuturesUnordered::new();
    let mut failure: Option<Cause> = None;
    loop {
        while failure.is_none() && running.len() < CONCURRENCY_MAX {
            let Some(step) = waiting.next() else { break };
            if options.cancel.is_cancelled() {
                failure = Some(Cause::Cancelled);
                break;
            }
            running.push(execute_step(deployer, step, options));
        }
        match running.next().await {
            Some(Err(error)) => failure = failure.or(Some(Cause::Cluster(error))),
            Some(Ok(())) => {}
            None => break,
        }
    }
    failure.map_or(Ok(()), Err)
}

async fn execute_step(
    deployer: &Deployer,
    step: &ObjectStep,
    options: &StepOptions,
) -> Result<(), ClusterError> {
    let traces = &options.traces;
    match (step.action, &step.desired) {
        (ObjectAction::Create | ObjectAction::Patch | ObjectAction::Adopt, Some(desired)) => {
            let strategy = match options.method {
                _ if options.force_replace => ApplyStrategy::Replace,
                ApplyMethod::ServerSide => ApplyStrategy::ServerSide,
                ApplyMethod::ClientSide => ApplyStrategy::ClientSide {
                    original: step.original.clone().map(Box::new),
                },
            };
            let apply = ApplyOptions {
                strategy,
                force_conflicts: options.force_conflicts,
                dry_run: options.dry_run,
            };
            traces.touched.insert(&step.object);
            deployer.tell(ProgressEvent::Sent {
                object: step.object.clone(),
            });
            let applied = unless_raced(async || deployer.cluster.apply(desired, &apply).await);
            match applied.await {
                Ok(applied) => {
                    for field in yielded(step, &applied) {
                        let text =
                            format!("{} keeps its {field}: an autoscaler sets it", step.object);
                        deployer.tell(ProgressEvent::Note { text });
                    }
                    deployer.tell(told(step, applied.change, options.dry_run));
                }
                Err(error) if is_refusal(&error) && traces.refused(&step.object, &error) => {}
                Err(error) => return Err(error),
            }
        }
        (ObjectAction::Recreate, Some(desired)) => {
            recreate(deployer, step, desired, options).await?
        }
        // The plan found it as wanted: that is all there is to do.
        (ObjectAction::Unchanged, _) => {
            deployer.tell(told(step, AppliedChange::Unchanged, options.dry_run));
        }
        (ObjectAction::Delete, _) if options.dry_run == DryRun::Off => {
            let options = DeleteOptions {
                uid: None,
                propagation: options.propagation,
            };
            traces.touched.insert(&step.object);
            deployer.tell(ProgressEvent::Sent {
                object: step.object.clone(),
            });
            let deleted =
                unless_raced(async || deployer.cluster.delete(&step.object, &options).await);
            let was_there = deleted.await?;
            if was_there {
                deployer.tell(ProgressEvent::Deleted {
                    object: step.object.clone(),
                });
            }
        }
        (ObjectAction::Keep, _) => deployer.tell(ProgressEvent::Note {
            text: format!("{} was kept due to the resource policy", step.object),
        }),
        _ => {}
    }
    Ok(())
}

/// Returns the fields that were left to an autoscaler: by the plan, or only when it was applied.
fn yielded(step: &ObjectStep, applied: &Applied) -> BTreeSet<String> {
    let planned = step.comparison.iter().flat_map(|found| &found.yielded);
    let found = applied.yielded.iter().map(|field| (*field).to_owned());
    planned
        .map(|field| field.path.to_string())
        .chain(found)
        .collect()
}

/// Deletes an object, waits until it is gone, and creates it anew.
///
/// Killed in between, the object is absent, and whatever follows creates it.
async fn recreate(
    deployer: &Deployer,
    step: &ObjectStep,
    desired: &serde_json::Value,
    options: &StepOptions,
) -> Result<(), ClusterError> {
    let object = &step.object;
    if options.dry_run == DryRun::Server {
        // The server cannot be asked as if it were gone.
        let text = format!("{object} would be deleted and created anew");
        deployer.tell(ProgressEvent::Note { text });
        return Ok(());
    }
    options.traces.touched.insert(object);
    deployer.tell(ProgressEvent::Sent {
        object: object.clone(),
    });
    let deletion = DeleteOptions {
        uid: None,
        propagation: Propagation::Foreground,
    };
    let deleted = unless_raced(async || deployer.cluster.delete(object, &deletion).await);
    deleted.await?;
    let gone = [(object.clone(), None)];
    deployer.cluster.wait_deleted(&gone, RECREATION_MAX).await?;
    let apply = ApplyOptions {
        strategy: match options.method {
            ApplyMethod::ServerSide => ApplyStrategy::ServerSide,
            ApplyMethod::ClientSide => ApplyStrategy::ClientSide { original: None },
        },
        force_conflicts: options.force_conflicts,
        dry_run: options.dry_run,
    };
    unless_raced(async || deployer.cluster.apply(desired, &apply).await).await?;
    deployer.tell(ProgressEvent::Applied {
        object: object.clone(),
        change: AppliedChange::Recreated,
    });
    Ok(())
}

/// Makes a request again that came between the writes of others, a few times: each time it is made
/// on what is there by then.
async fn unless_raced<T>(
    request: impl AsyncFn() -> Result<T, ClusterError>,
) -> Result<T, ClusterError> {
    let mut attempt = 1;
    loop {
        match request().await {
            Err(ClusterError::Conflict { object }) if attempt < RACES_MAX => {
                tracing::debug!(%object, attempt, "changed meanwhile; trying again");
                tokio::time::sleep(PAUSE * attempt).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Words what became of an object; what was only tried must not read as done.
fn told(step: &ObjectStep, change: AppliedChange, dry_run: DryRun) -> ProgressEvent {
    let would = match change {
        AppliedChange::Created => "would be created",
        AppliedChange::Changed => "would be changed",
        AppliedChange::Recreated => "would be deleted and created anew",
        AppliedChange::Unchanged => "would stay as it is",
    };
    match dry_run {
        DryRun::Off => ProgressEvent::Applied {
            object: step.object.clone(),
            change,
        },
        DryRun::Server => ProgressEvent::Note {
            text: format!("{} {would}", step.object),
        },
    }
}

/// Returns what a plan's steps delete.
pub(super) fn deleted(steps: &[ObjectStep]) -> Vec<(ObjectId, Option<String>)> {
    let deleted = steps
        .iter()
        .filter(|step| step.action == ObjectAction::Delete);
    deleted.map(|step| (step.object.clone(), None)).collect()
}
