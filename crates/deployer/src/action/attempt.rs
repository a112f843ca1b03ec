//! A revision that is being brought about: its record, its evidence, and the steps between.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::apply::{StepOptions, deleted, execute};
use super::lease::LeaseGuard;
use super::retry::{create, repeated, update};
use super::touched::Traces;
use super::{ActionError, Cause, Deployer, Operation, OperationFailure, VerdictDemand};
use crate::action::Aftermath;
use crate::cluster::{DryRun, ObjectId, Propagation, RevisionScope, WaitOptions, WaitStrategy};
use crate::hook::{is_workload, remove_hooks, run_event};
use crate::plan::sensitive::SensitiveValues;
use crate::plan::{ObjectAction, Plan};
use crate::progress::{ProgressEvent, Work};
use crate::release::{
    DESCRIPTION_BYTES_MAX, Evidence, EvidenceLog, GateOutcome, GateVerdict, Hook, HookEvent,
    HookPhase, Milestone, Provenance, RecordTime, RecordedVerdict, RecoverySettings, Release,
    Status,
};
use crate::storage::{StorageError, Stored};
use crate::words::{chain, counted};

/// How an attempt goes about its work.
#[derive(Debug, Clone)]
pub(super) struct AttemptSettings {
    pub(super) wait: WaitStrategy,
    pub(super) wait_for_jobs: bool,
    pub(super) timeout: Duration,
    pub(super) run_hooks: bool,
    pub(super) force_conflicts: bool,
    pub(super) force_replace: bool,
    pub(super) recovery: RecoverySettings,
    pub(super) verdict: VerdictDemand,
    pub(super) provenance: Option<Provenance>,
    pub(super) cancel: CancellationToken,
}

/// An operation on one revision, from its pending record to its end.
pub(super) struct Attempt<'a> {
    pub(super) deployer: &'a Deployer,
    pub(super) lease: &'a LeaseGuard,
    pub(super) operation: Operation,
    /// The record as it is stored.
    pub(super) record: Stored,
    /// Its hooks with the outcomes that are not stored yet.
    hooks: Vec<Hook>,
    pub(super) evidence: Evidence,
    pub(super) settings: AttemptSettings,
    pub(super) also: Vec<String>,
    /// Which objects it got to.
    pub(super) traces: Traces,
    /// What no record and no evidence may tell in its messages.
    sensitive: SensitiveValues,
}

impl<'a> Attempt<'a> {
    /// Writes the evidence, then the pending record: a pending record without our evidence is
    /// somebody else's.
    pub(super) async fn open(
        deployer: &'a Deployer,
        lease: &'a LeaseGuard,
        operation: Operation,
        release: Release,
        settings: AttemptSettings,
    ) -> Result<Self, StorageError> {
        let now = deployer.clock.now();
        let operator = deployer.operator.clone();
        let mut evidence = Evidence::begin(
            release.name.clone(),
            release.version,
            operation.to_string(),
            operator,
            now,
        );
        evidence.settings = settings.recovery.clone();
        evidence.provenance.clone_from(&settings.provenance);
        evidence.note(now, format!("{operation} begun"));
        lease.ensure().await?;
        repeated(|| deployer.store.put_evidence(&evidence)).await?;
        let record = create(deployer, &release).await?;
        deployer.tell(recorded(&release));
        Ok(Self::resume(
            deployer, lease, operation, record, evidence, settings,
        ))
    }

    /// Continues with a record that exists.
    pub(super) fn resume(
        deployer: &'a Deployer,
        lease: &'a LeaseGuard,
        operation: Operation,
        record: Stored,
        evidence: Evidence,
        settings: AttemptSettings,
    ) -> Self {
        let hooks = record.release.hooks.clone();
        let sensitive = SensitiveValues::of_release(&record.release);
        Self {
            deployer,
            lease,
            operation,
            record,
            hooks,
            evidence,
            settings,
            also: Vec::new(),
            traces: Traces::default(),
            sensitive,
        }
    }

    /// Runs the plan: pre hooks, changes, the wait, post hooks.
    pub(super) async fn carry_out(&mut self, plan: &Plan) -> Result<(), Cause> {
        let (before, after) = events_of(self.operation);
        self.run_hooks(before).await?;
        self.demand_verdict()?;
        self.change(plan).await?;
        self.await_ready(plan).await?;
        self.run_hooks(after).await
    }

    /// Refuses to go on without the verdict that is demanded. A chart that has lost its gate, or one
    /// that was judged under another model, changes nothing.
    fn demand_verdict(&mut self) -> Result<(), Cause> {
        let passed = self
            .evidence
            .verdicts
            .iter()
            .map(|recorded| &recorded.verdict);
        let mut passed = passed.filter(|verdict| verdict.outcome() == GateOutcome::Pass);
        match &self.settings.verdict {
            VerdictDemand::None => Ok(()),
            VerdictDemand::Pass => match passed.next() {
                Some(_) => Ok(()),
                None => Err(Cause::NoVerdict),
            },
            VerdictDemand::Signed(demand) => {
                let passed: Vec<&GateVerdict> = passed.collect();
                if passed.is_empty() {
                    return Err(Cause::NoVerdict);
                }
                let now = self.deployer.clock.now();
                let key = demand.check(&passed, now);
                let key = key.map_err(|problem| Cause::NotSigned { problem })?;
                self.evidence
                    .note(now, format!("the verdict is signed by key {key}"));
                Ok(())
            }
            VerdictDemand::SameModels { sha256 } => {
                let judged: BTreeSet<&str> = passed.filter_map(GateVerdict::model_digest).collect();
                let wanted: BTreeSet<&str> = sha256.iter().map(String::as_str).collect();
                if judged.is_empty() {
                    return Err(Cause::NoVerdict);
                }
                if judged == wanted {
                    return Ok(());
                }
                let list =
                    |digests: BTreeSet<&str>| digests.into_iter().collect::<Vec<_>>().join(", ");
                Err(Cause::OtherModel {
                    wanted: list(wanted),
                    found: list(judged),
                })
            }
        }
    }

    /// Runs the hooks of an event and keeps their logs and verdicts.
    pub(super) async fn run_hooks(&mut self, event: HookEvent) -> Result<(), Cause> {
        let has_hooks = self.hooks.iter().any(|hook| hook.events.contains(&event));
        if !self.settings.run_hooks || !has_hooks {
            return Ok(());
        }
        self.deployer.stage(format!("running {event} hooks"));
        let release = self.record.release.clone();
        let (timeout, cancel) = (self.settings.timeout, &self.settings.cancel);
        let context = self
            .deployer
            .hook_context(&release, event.clone(), timeout, cancel);
        let report = run_event(&*self.deployer.hooks, &mut self.hooks, &context).await;
        for log in report.logs {
            self.evidence.keep_log(log);
        }
        self.evidence.verdicts.extend(report.verdicts);
        // Killed from here on, the logs and verdicts are kept already.
        if !report.removals.is_empty()
            && let Err(error) = self.save_evidence().await
        {
            let text = chain(&error);
            self.also.push(format!("keeping the logs failed: {text}"));
        }
        let runner = &*self.deployer.hooks;
        let warnings = remove_hooks(runner, &self.hooks, &report.removals, &context).await;
        self.also.extend(warnings);
        let outcome = match report.failure {
            None => Ok(()),
            Some(failure) => Err(Cause::of_hooks(event.clone(), failure)),
        };
        let word = if outcome.is_ok() {
            "ended well"
        } else {
            "failed"
        };
        self.evidence
            .note(self.deployer.clock.now(), format!("{event} hooks {word}"));
        outcome
    }

    /// Applies and removes objects. From here on there is something to undo.
    pub(super) async fn change(&mut self, plan: &Plan) -> Result<(), Cause> {
        if self.settings.cancel.is_cancelled() {
            return Err(Cause::Cancelled);
        }
        self.evidence.adopted = plan
            .applies
            .iter()
            .filter(|step| step.action == ObjectAction::Adopt)
            .map(|step| step.object.clone())
            .collect();
        self.reach(Milestone::Changing).await?;
        let (applied, removed) = (plan.applies.len(), deleted(&plan.removals).len());
        self.deployer.stage_of(
            changing(applied, removed),
            Work::Changes {
                objects: applied + removed,
            },
        );
        let scope = self.scope();
        self.deployer.cluster.begin(&scope).await?;
        let options = StepOptions {
            propagation: Propagation::Background,
            method: self.record.release.applied_by(),
            force_conflicts: self.settings.force_conflicts,
            force_replace: self.settings.force_replace,
            dry_run: DryRun::Off,
            cancel: self.settings.cancel.clone(),
            traces: self.traces.clone(),
        };
        let mut outcome = execute(self.deployer, &plan.applies, &options).await;
        if outcome.is_ok() {
            outcome = execute(self.deployer, &plan.removals, &options).await;
        }
        self.also.extend(self.traces.left_because());
        if outcome.is_ok() {
            outcome = self.lease.ensure().await.map_err(Cause::from);
        }
        match outcome {
            Ok(()) => Ok(self.deployer.cluster.commit(&scope).await?),
            Err(cause) => {
                if let Err(error) = self.deployer.cluster.abort(&scope).await {
                    self.also
                        .push(format!("dropping the unfinished change failed: {error}"));
                }
                Err(cause)
            }
        }
    }

    /// Waits until everything is ready, where that is asked for; what explains a failure is
    /// captured before anything is undone.
    pub(super) async fn await_ready(&mut self, plan: &Plan) -> Result<(), Cause> {
        // Undoing a change does not answer for what it had to leave as it was.
        let awaited: Vec<ObjectId> = plan
            .awaited
            .iter()
            .filter(|object| !self.traces.has_left(object))
            .cloned()
            .collect();
        if self.settings.wait == WaitStrategy::HookOnly || awaited.is_empty() {
            return Ok(());
        }
        self.deployer.stage_of(
            format!("waiting for {} to be ready", counted(awaited.len())),
            Work::Wait {
                objects: awaited.len(),
                timeout: self.settings.timeout,
            },
        );
        let options = WaitOptions {
            timeout: self.settings.timeout,
            wait_for_jobs: self.settings.wait_for_jobs,
            strategy: self.settings.wait,
        };
        let outcome = tokio::select! {
            outcome = self.deployer.cluster.wait_ready(&awaited, &options, &*self.deployer.progress) => {
                outcome.map_err(Cause::from)
            }
            () = self.settings.cancel.cancelled() => Err(Cause::Cancelled),
        };
        if outcome.is_err() {
            for diagnosis in self.deployer.cluster.diagnose(&awaited).await {
                let mut text = diagnosis.summary.clone();
                for line in &diagnosis.lines {
                    text.push('\n');
                    text.push_str(line);
                }
                let log = EvidenceLog::bounded(diagnosis.source, HookPhase::Failed, &text);
                self.evidence.keep_log(log);
            }
        }
        outcome
    }

    /// Keeps what hooks said whose deployer died, as far as it is not kept yet.
    pub(super) async fn salvage_hooks(&mut self) {
        let release = self.record.release.clone();
        for hook in release.hooks.iter().filter(|hook| is_workload(hook)) {
            let source = format!("hook {}", hook.name);
            let event = hook.events.first().cloned();
            let (Some(event), false) = (
                event,
                self.evidence.logs.iter().any(|log| log.source == source),
            ) else {
                continue;
            };
            let (timeout, cancel) = (self.settings.timeout, &self.settings.cancel);
            let context = self
                .deployer
                .hook_context(&release, event.clone(), timeout, cancel);
            let Some(found) = self.deployer.hooks.salvage(hook, &context).await else {
                continue;
            };
            let log = EvidenceLog::bounded(source, found.phase, &found.log);
            self.evidence.keep_log(log);
            if let Some(verdict) = found.verdict {
                self.evidence.verdicts.push(RecordedVerdict {
                    hook: hook.name.clone(),
                    event,
                    job_uid: found.object.uid,
                    verdict,
                });
            }
        }
    }

    /// Writes the evidence with how far it came.
    pub(super) async fn reach(&mut self, milestone: Milestone) -> Result<(), StorageError> {
        self.evidence.milestone = milestone;
        self.save_evidence().await
    }

    /// Writes the evidence as it is.
    pub(super) async fn save_evidence(&self) -> Result<(), StorageError> {
        self.lease.ensure().await?;
        let evidence = self.evidence.masked(|text| self.sensitive.mask(text));
        repeated(|| self.deployer.store.put_evidence(&evidence)).await
    }

    /// Writes the record with a state and a description.
    pub(super) async fn record(
        &mut self,
        status: Status,
        description: impl Into<String>,
    ) -> Result<(), StorageError> {
        let mut release = self.record.release.clone();
        release.hooks.clone_from(&self.hooks);
        release.info.status = status;
        release.info.description = shortened(description.into());
        if status == Status::Uninstalling && release.info.deleted.is_never() {
            release.info.deleted = RecordTime::from(self.deployer.clock.now());
        }
        self.lease.ensure().await?;
        self.record = update(self.deployer, &self.record, &release).await?;
        self.deployer.tell(recorded(&release));
        Ok(())
    }

    /// Ends an attempt that did everything: evidence first, so that a process killed between the
    /// records is known to have been done; then the earlier deployed revisions, then ours. Never
    /// are two revisions deployed.
    pub(super) async fn complete(
        &mut self,
        history: &[Stored],
        description: &str,
    ) -> Result<(), StorageError> {
        let now = self.deployer.clock.now();
        self.evidence.finished_at = Some(now);
        self.evidence.note(now, format!("{} done", self.operation));
        self.reach(Milestone::Completed).await?;
        supersede(
            self.deployer,
            self.lease,
            history,
            self.record.release.version,
        )
        .await?;
        self.record(Status::Deployed, description).await?;
        let (name, revision) = (&self.record.release.name, self.record.release.version);
        repeated(|| self.deployer.store.adopt_evidence(name, revision)).await
    }

    /// Writes down that the attempt failed, and why.
    pub(super) async fn record_failure(
        &mut self,
        cause: &Cause,
        adopt: bool,
    ) -> Result<(), StorageError> {
        let text = self.sensitive.mask(&chain(cause));
        let now = self.deployer.clock.now();
        self.evidence.failure = Some(text.clone());
        if self.evidence.milestone == Milestone::Completed {
            self.evidence.milestone = Milestone::Changing;
        }
        self.evidence.finished_at = Some(now);
        self.evidence
            .note(now, format!("{} failed: {text}", self.operation));
        self.save_evidence().await?;
        let name = &self.record.release.name;
        let description = match self.operation {
            Operation::Upgrade => format!("Upgrade \"{name}\" failed: {text}"),
            _ => format!("Release \"{name}\" failed: {text}"),
        };
        self.record(Status::Failed, description).await?;
        if adopt {
            let (name, revision) = (&self.record.release.name, self.record.release.version);
            repeated(|| self.deployer.store.adopt_evidence(name, revision)).await?;
        }
        Ok(())
    }

    /// Tells whether objects may have been changed.
    pub(super) fn has_changed(&self) -> bool {
        self.evidence.milestone != Milestone::Begun
    }

    pub(super) fn scope(&self) -> RevisionScope {
        RevisionScope {
            release: self.record.release.name.clone(),
            namespace: self.record.release.namespace.clone(),
            revision: self.record.release.version,
        }
    }

    /// Turns the attempt into the error that tells of it.
    pub(super) fn into_failure(self, cause: Cause, after: Aftermath) -> ActionError {
        ActionError::Operation(Box::new(OperationFailure {
            operation: self.operation,
            release: self.record.release.name.clone(),
            namespace: self.record.release.namespace.clone(),
            revision: self.record.release.version,
            cause,
            after,
            evidence: Box::new(self.evidence),
            also: self.also,
        }))
    }
}

/// Marks every deployed revision but `except` as superseded; returns the records as they are then.
pub(super) async fn supersede(
    deployer: &Deployer,
    lease: &LeaseGuard,
    history: &[Stored],
    except: crate::release::Revision,
) -> Result<Vec<Stored>, StorageError> {
    let mut records = history.to_vec();
    for stored in &mut records {
        if stored.release.info.status != Status::Deployed || stored.release.version == except {
            continue;
        }
        let mut release = stored.release.clone();
        release.info.status = Status::Superseded;
        lease.ensure().await?;
        *stored = update(deployer, stored, &release).await?;
        deployer.tell(recorded(&release));
    }
    Ok(records)
}

/// Returns the events before and after an operation.
pub(super) fn events_of(operation: Operation) -> (HookEvent, HookEvent) {
    match operation {
        Operation::Install => (HookEvent::PreInstall, HookEvent::PostInstall),
        Operation::Upgrade => (HookEvent::PreUpgrade, HookEvent::PostUpgrade),
        Operation::Rollback => (HookEvent::PreRollback, HookEvent::PostRollback),
        Operation::Uninstall => (HookEvent::PreDelete, HookEvent::PostDelete),
        Operation::Test => (HookEvent::Test, HookEvent::Test),
    }
}

/// Keeps the beginning of a description: a record has a limit, and the evidence has the rest.
fn shortened(mut text: String) -> String {
    if text.len() > DESCRIPTION_BYTES_MAX {
        let end = text.floor_char_boundary(DESCRIPTION_BYTES_MAX);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Words what is about to be done to objects.
fn changing(applied: usize, removed: usize) -> String {
    match (applied, removed) {
        (0, 0) => "nothing to apply".to_owned(),
        (applied, 0) => format!("applying {}", counted(applied)),
        (0, removed) => format!("deleting {}", counted(removed)),
        (applied, removed) => format!("applying {}, deleting {removed}", counted(applied)),
    }
}

fn recorded(release: &Release) -> ProgressEvent {
    ProgressEvent::Recorded {
        release: release.name.clone(),
        revision: release.version,
        status: release.info.status,
    }
}

#[cfg(test)]
mod tests {
    use super::changing;

    #[test]
    fn a_stage_names_what_it_does_and_nothing_that_it_does_not() {
        for (applied, removed, text) in [
            (0, 0, "nothing to apply"),
            (1, 0, "applying 1 object"),
            (4, 0, "applying 4 objects"),
            (0, 1, "deleting 1 object"),
            (0, 3, "deleting 3 objects"),
            (1, 2, "applying 1 object, deleting 2"),
        ] {
            assert_eq!(changing(applied, removed), text);
        }
    }
}
