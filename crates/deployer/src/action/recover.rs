//! `deployer recover`, and the first thing that every change does: ends what a process that died
//! left unfinished.

use std::time::Duration;

use super::attempt::{Attempt, AttemptSettings, supersede};
use super::lease::{LeaseGuard, with_lease};
use super::restore::{Restore, restore};
use super::retry::update;
use super::undo::{clear_hooks, deployed, newest_good, remove_install};
use super::uninstall::{purge, uninstall_leased};
use super::{ActionError, Deployer, DryRunMode, Operation, UninstallOptions, VerdictDemand};
use crate::cluster::WaitStrategy;
use crate::progress::ProgressEvent;
use crate::release::{Evidence, Milestone, ReleaseName, Revision, Status};
use crate::storage::{ListScope, Stored};
use crate::words::chain;
use tokio_util::sync::CancellationToken;

/// What to do with a revision that something other than this deployer left pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It may still be worked on: refuse.
    Refuse,
    /// The user says that nobody works on it: undo it.
    Recover,
    /// Take it as failed and go on.
    MarkFailed,
}

/// What a release needs before anything else may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    Nothing,
    /// Somebody else's; refuse.
    Refuse,
    /// Everything was done but the records: write them.
    RollForward,
    /// Nothing was changed: the revision failed.
    MarkFailed,
    /// Something was changed: the revision failed, and the newest good one is brought back.
    RollBack,
    /// A first install: remove what it made.
    RemoveInstall,
    /// Go on uninstalling.
    Uninstall,
    /// Delete the records that remain.
    Purge,
    /// Several revisions are deployed: all but the newest of them are superseded.
    Supersede,
    /// Revisions before the last are pending, as Helm's rollback leaves them: they failed.
    FailEarlier,
    /// An uninstall ended while its first hooks ran: they are stopped, and the revision stays.
    StopHooks,
}

/// Says what was done about a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The release.
    pub release: ReleaseName,
    /// What was done; none when there was nothing to do.
    pub done: Option<String>,
    /// The state afterwards; none when no record is left.
    pub status: Option<Status>,
    /// The last revision afterwards.
    pub revision: Option<Revision>,
}

/// Recovers one release, or all of the namespace.
///
/// `takeover` includes what Helm left pending.
///
/// # Errors
/// The first release that cannot be recovered.
pub async fn recover(
    deployer: &Deployer,
    name: Option<&ReleaseName>,
    takeover: bool,
) -> Result<Vec<Recovered>, ActionError> {
    let names: Vec<ReleaseName> = match name {
        Some(name) => vec![name.clone()],
        None => {
            let all = deployer.store.list(ListScope::Namespace).await?;
            let mut names: Vec<ReleaseName> =
                all.into_iter().map(|stored| stored.release.name).collect();
            names.dedup();
            names
        }
    };
    let mut report = Vec::new();
    for name in names {
        let foreign = if takeover {
            Foreign::Recover
        } else {
            Foreign::Refuse
        };
        let recovered = with_lease(deployer, &name, async |lease| {
            Box::pin(recover_leased(deployer, lease, &name, foreign)).await
        });
        report.push(recovered.await?);
    }
    Ok(report)
}

async fn recover_leased(
    deployer: &Deployer,
    lease: &LeaseGuard,
    name: &ReleaseName,
    foreign: Foreign,
) -> Result<Recovered, ActionError> {
    let before = deployer.store.history(name).await?;
    let after = settle_or(deployer, lease, name, foreign, false).await?;
    let last = after.last().map(|stored| &stored.release);
    let done = (before != after).then(|| match last {
        Some(last) => format!(
            "revision {} is {}: {}",
            last.version, last.info.status, last.info.description
        ),
        None => "what an unfinished operation had made was removed".to_owned(),
    });
    Ok(Recovered {
        release: name.clone(),
        done,
        status: last.map(|last| last.info.status),
        revision: last.map(|last| last.version),
    })
}

/// Ends what is unfinished and returns the records as they are then.
///
/// # Errors
/// [`ActionError::PendingElsewhere`] when it is somebody else's.
pub(super) async fn settle(
    deployer: &Deployer,
    lease: &LeaseGuard,
    name: &ReleaseName,
    foreign: Foreign,
) -> Result<Vec<Stored>, ActionError> {
    Box::pin(settle_or(deployer, lease, name, foreign, true)).await
}

async fn settle_or(
    deployer: &Deployer,
    lease: &LeaseGuard,
    name: &ReleaseName,
    foreign: Foreign,
    goes_on: bool,
) -> Result<Vec<Stored>, ActionError> {
    // One remedy may lead to another: a rollback that was begun and failed, then the rollback.
    const REMEDIES_MAX: usize = 6;
    for _ in 0..REMEDIES_MAX {
        let history = deployer.store.history(name).await?;
        let Some(last) = history.last().cloned() else {
            return Ok(history);
        };
        let evidence = evidence_of(deployer, &last).await?;
        let before = match (&evidence, history.len()) {
            (Some(evidence), 2..) if evidence.operation == "rollback" => {
                evidence_of(deployer, &history[history.len() - 2]).await?
            }
            _ => None,
        };
        let remedy = remedy(&history, evidence.as_ref(), before.as_ref(), foreign);
        if remedy == Remedy::Nothing {
            return Ok(history);
        }
        if remedy == Remedy::StopHooks {
            deployer.tell(ProgressEvent::Note {
                text: format!("an uninstall of release `{name}` ended before it deleted anything"),
            });
        } else if !matches!(remedy, Remedy::Refuse | Remedy::FailEarlier) {
            deployer.tell(ProgressEvent::Note {
                text: format!(
                    "recovering release `{name}`: revision {} was left {}",
                    last.release.version, last.release.info.status
                ),
            });
        }
        match apply(deployer, lease, remedy, last, evidence, &history).await {
            // The change that comes now brings everything to where it is wanted anyway.
            Err(error @ ActionError::Operation(_)) if remedy == Remedy::RollBack && goes_on => {
                deployer.warn(format!("recovering failed: {}", chain(&error)));
                return Ok(deployer.store.history(name).await?);
            }
            other => other?,
        }
    }
    Ok(deployer.store.history(name).await?)
}

async fn evidence_of(
    deployer: &Deployer,
    stored: &Stored,
) -> Result<Option<Evidence>, ActionError> {
    let record = deployer
        .store
        .evidence(&stored.release.name, stored.release.version)
        .await?;
    Ok(record
        .map(|record| record.evidence)
        .filter(|evidence| evidence.tells_of(&stored.release)))
}

/// Decides what a release needs (pure). `before` is the evidence of the last revision but one, and
/// tells whether a rollback that did not get far was to undo something.
fn remedy(
    history: &[Stored],
    evidence: Option<&Evidence>,
    before: Option<&Evidence>,
    foreign: Foreign,
) -> Remedy {
    let Some(last) = history.last() else {
        return Remedy::Nothing;
    };
    let status = last.release.info.status;
    let milestone = evidence.map(|evidence| evidence.milestone);
    let operation = evidence.map(|evidence| evidence.operation.as_str());
    let owed = before
        .is_some_and(|before| before.settings.atomic && before.milestone == Milestone::Changing);
    let is_at_work = status.is_pending() && milestone.is_none() && foreign == Foreign::Refuse;
    if !is_at_work && earlier_pending(history).next().is_some() {
        return Remedy::FailEarlier;
    }
    let deployed = history
        .iter()
        .filter(|stored| stored.release.info.status == Status::Deployed);
    if !is_at_work && deployed.count() > 1 {
        return Remedy::Supersede;
    }
    let is_left = operation == Some("uninstall")
        && milestone == Some(Milestone::Begun)
        && evidence.is_some_and(|evidence| evidence.finished_at.is_none());
    if is_left && !matches!(status, Status::Uninstalling | Status::Uninstalled) {
        return Remedy::StopHooks;
    }
    match status {
        status if status.is_pending() => match (milestone, foreign) {
            (None, Foreign::Refuse) => Remedy::Refuse,
            (None, Foreign::MarkFailed) => Remedy::MarkFailed,
            (None, Foreign::Recover) if status == Status::PendingInstall => Remedy::MarkFailed,
            (None, Foreign::Recover) => Remedy::RollBack,
            (Some(Milestone::Completed), _) => Remedy::RollForward,
            (Some(_), _) if status == Status::PendingInstall => Remedy::RemoveInstall,
            (Some(Milestone::Begun), _) if owed => Remedy::RollBack,
            (Some(Milestone::Begun), _) => Remedy::MarkFailed,
            (Some(Milestone::Changing), _) => Remedy::RollBack,
        },
        Status::Failed => match (milestone, operation) {
            (Some(_), Some("install"))
                if evidence.is_some_and(|evidence| evidence.settings.atomic) =>
            {
                Remedy::RemoveInstall
            }
            (Some(Milestone::Changing), Some("upgrade" | "rollback"))
                if evidence.is_some_and(|evidence| evidence.settings.atomic)
                    && newest_good(history).is_some() =>
            {
                Remedy::RollBack
            }
            (Some(Milestone::Begun), Some("rollback")) if owed => Remedy::RollBack,
            _ => Remedy::Nothing,
        },
        Status::Uninstalling if operation == Some("uninstall") || foreign == Foreign::Recover => {
            Remedy::Uninstall
        }
        // Only an uninstall of ours that was to keep nothing: what Helm uninstalled and kept stays.
        Status::Uninstalled
            if operation == Some("uninstall")
                && evidence.is_some_and(|evidence| !evidence.settings.keep_history) =>
        {
            Remedy::Purge
        }
        _ => Remedy::Nothing,
    }
}

async fn apply(
    deployer: &Deployer,
    lease: &LeaseGuard,
    remedy: Remedy,
    last: Stored,
    evidence: Option<Evidence>,
    history: &[Stored],
) -> Result<(), ActionError> {
    let release = &last.release;
    let evidence = evidence.unwrap_or_else(|| unknown_evidence(deployer, &last));
    match remedy {
        Remedy::Nothing => Ok(()),
        Remedy::Refuse => Err(ActionError::PendingElsewhere {
            name: release.name.clone(),
            namespace: release.namespace.clone(),
            revision: release.version,
            status: release.info.status,
        }),
        Remedy::Supersede => {
            let newest = deployed(history).unwrap_or(release.version);
            supersede(deployer, lease, history, newest).await?;
            Ok(())
        }
        Remedy::FailEarlier => fail_earlier(deployer, lease, history).await,
        Remedy::StopHooks => Box::pin(stop_hooks(deployer, lease, last, evidence)).await,
        Remedy::Purge => Ok(purge(deployer, lease, history).await?),
        Remedy::Uninstall => {
            let options = uninstall_options(&last, &evidence);
            uninstall_leased(deployer, lease, &options)
                .await
                .map(|_| ())
        }
        Remedy::RemoveInstall => {
            let mut attempt = resume(deployer, lease, last.clone(), evidence);
            attempt.evidence.settings.atomic = true;
            note_interrupted(&mut attempt).await?;
            remove_install(deployer, lease, &last, &attempt.evidence, history).await
        }
        Remedy::RollForward => {
            let description = match release.info.status {
                Status::PendingInstall => "Install complete".to_owned(),
                Status::PendingUpgrade => "Upgrade complete".to_owned(),
                _ => release.info.description.clone(),
            };
            Ok(resume(deployer, lease, last.clone(), evidence)
                .complete(history, &description)
                .await?)
        }
        Remedy::MarkFailed => mark_failed(deployer, lease, last, evidence, false)
            .await
            .map(|_| ()),
        Remedy::RollBack => {
            let settings = evidence.settings.clone();
            let failed = match last.release.info.status {
                Status::Failed => last,
                _ => mark_failed(deployer, lease, last, evidence, true).await?,
            };
            bring_back(
                deployer,
                lease,
                failed,
                history,
                settings.timeout_s,
                settings.run_hooks,
                settings.recreate,
            )
            .await
        }
    }
}

/// Returns the revisions before the last that are pending.
fn earlier_pending(history: &[Stored]) -> impl Iterator<Item = &Stored> {
    let before = &history[..history.len().saturating_sub(1)];
    before
        .iter()
        .filter(|stored| stored.release.info.status.is_pending())
}

/// Marks pending revisions that a later one has overtaken as failed; what they changed, the later
/// one has seen to.
async fn fail_earlier(
    deployer: &Deployer,
    lease: &LeaseGuard,
    history: &[Stored],
) -> Result<(), ActionError> {
    for stored in earlier_pending(history) {
        let mut release = stored.release.clone();
        release.info.status = Status::Failed;
        release.info.description = format!(
            "Release \"{}\" failed: interrupted, and a later revision took its place",
            release.name
        );
        lease.ensure().await?;
        update(deployer, stored, &release).await?;
    }
    Ok(())
}

/// Stops what an uninstall left running that ended before it deleted anything; the revision stays.
async fn stop_hooks(
    deployer: &Deployer,
    lease: &LeaseGuard,
    last: Stored,
    evidence: Evidence,
) -> Result<(), ActionError> {
    let release = last.release.clone();
    let mut attempt = resume(deployer, lease, last, evidence);
    note_interrupted(&mut attempt).await?;
    clear_hooks(deployer, &release).await;
    Ok(())
}

async fn mark_failed(
    deployer: &Deployer,
    lease: &LeaseGuard,
    last: Stored,
    evidence: Evidence,
    atomic: bool,
) -> Result<Stored, ActionError> {
    let release = last.release.clone();
    let mut attempt = resume(deployer, lease, last, evidence);
    attempt.evidence.settings.atomic |= atomic;
    note_interrupted(&mut attempt).await?;
    let word = if attempt.operation == Operation::Upgrade {
        "Upgrade"
    } else {
        "Release"
    };
    let reason = attempt.evidence.failure.clone().unwrap_or_default();
    attempt
        .record(
            Status::Failed,
            format!("{word} \"{}\" failed: {reason}", release.name),
        )
        .await?;
    deployer
        .store
        .adopt_evidence(&release.name, release.version)
        .await?;
    clear_hooks(deployer, &release).await;
    Ok(attempt.record)
}

/// Brings the newest good revision back; without one, the failure stays as it is.
async fn bring_back(
    deployer: &Deployer,
    lease: &LeaseGuard,
    failed: Stored,
    history: &[Stored],
    timeout_s: u64,
    run_hooks: bool,
    recreate: bool,
) -> Result<(), ActionError> {
    let mut history = history.to_vec();
    if let Some(last) = history.last_mut() {
        *last = failed;
    }
    let Some(target) = newest_good(&history).cloned() else {
        return Ok(());
    };
    let request = Restore {
        target: &target,
        history: &history,
        undone: None,
        // Whether the old revision gets ready is not ours to judge now: it was good before.
        wait: WaitStrategy::HookOnly,
        wait_for_jobs: false,
        timeout: Duration::from_secs(timeout_s),
        run_hooks,
        force_conflicts: true,
        recreate,
    };
    Box::pin(restore(deployer, lease, request))
        .await
        .map(|_| ())
}

async fn note_interrupted(attempt: &mut Attempt<'_>) -> Result<(), ActionError> {
    attempt.salvage_hooks().await;
    let now = attempt.deployer.clock.now();
    let by = attempt.evidence.operator.clone();
    if attempt.evidence.failure.is_none() {
        attempt.evidence.failure = Some(format!(
            "interrupted: the process of {by} ended before it was done"
        ));
    }
    attempt.evidence.finished_at.get_or_insert(now);
    attempt
        .evidence
        .note(now, format!("recovered by {}", attempt.deployer.operator));
    Ok(attempt.save_evidence().await?)
}

fn resume<'a>(
    deployer: &'a Deployer,
    lease: &'a LeaseGuard,
    last: Stored,
    evidence: Evidence,
) -> Attempt<'a> {
    let operation = match (last.release.info.status, evidence.operation.as_str()) {
        (Status::PendingInstall, _) | (Status::Failed, "install") => Operation::Install,
        (Status::PendingRollback, _) | (Status::Failed, "rollback") => Operation::Rollback,
        (Status::Uninstalling | Status::Uninstalled, _) => Operation::Uninstall,
        _ => Operation::Upgrade,
    };
    let settings = AttemptSettings {
        wait: WaitStrategy::HookOnly,
        wait_for_jobs: false,
        timeout: Duration::from_secs(evidence.settings.timeout_s),
        run_hooks: evidence.settings.run_hooks,
        force_conflicts: true,
        force_replace: false,
        recovery: evidence.settings.clone(),
        verdict: VerdictDemand::None,
        provenance: None,
        cancel: CancellationToken::new(),
    };
    Attempt::resume(deployer, lease, operation, last, evidence, settings)
}

fn unknown_evidence(deployer: &Deployer, last: &Stored) -> Evidence {
    let release = &last.release;
    let operation = match release.info.status {
        Status::PendingInstall => "install",
        Status::PendingRollback => "rollback",
        _ => "upgrade",
    };
    let mut evidence = Evidence::begin(
        release.name.clone(),
        release.version,
        operation,
        "another deployer (no evidence)",
        deployer.clock.now(),
    );
    evidence.milestone = Milestone::Changing;
    evidence
}

fn uninstall_options(last: &Stored, evidence: &Evidence) -> UninstallOptions {
    UninstallOptions {
        release: last.release.name.clone(),
        keep_history: evidence.settings.keep_history,
        ignore_not_found: true,
        wait: WaitStrategy::HookOnly,
        timeout: Duration::from_secs(evidence.settings.timeout_s),
        run_hooks: evidence.settings.run_hooks,
        dry_run: DryRunMode::Off,
        propagation: evidence.settings.propagation,
        description: None,
    }
}
