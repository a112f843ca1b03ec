//! What can go wrong in an action, the state it leaves and the exit code that tells.

use thiserror::Error;

use super::{ExitCode, Operation, RenderError};
use crate::cluster::ClusterError;
use crate::hook::{HookError, HookFailure, UnmetNeed};
use crate::plan::PlanError;
use crate::plan::rights::{Right, told};
use crate::release::{
    Evidence, GateOutcome, GateVerdict, HookEvent, LabelError, Namespace, ReleaseName, Revision,
    Status,
};
use crate::storage::StorageError;
use crate::words::chain;

/// Why an action did not do what was asked.
#[derive(Debug, Error)]
pub enum ActionError {
    /// There is no such release.
    #[error("release: not found: `{name}` in namespace `{namespace}`")]
    NotFound {
        name: ReleaseName,
        namespace: Namespace,
    },
    /// There is no such revision.
    #[error("release `{name}` has no revision {revision}")]
    RevisionNotFound {
        name: ReleaseName,
        revision: Revision,
        known: Vec<Revision>,
    },
    /// Install of a name that is taken.
    #[error(
        "cannot reuse a name that is still in use: release `{name}` is {status} in namespace `{namespace}`"
    )]
    NameInUse {
        name: ReleaseName,
        namespace: Namespace,
        status: Status,
    },
    /// Upgrade of what was never deployed.
    #[error("\"{name}\" has no deployed releases")]
    NoDeployedReleases {
        name: ReleaseName,
        last: Option<Status>,
    },
    /// Uninstall of what is uninstalled.
    #[error("the release named `{name}` is already deleted")]
    AlreadyUninstalled { name: ReleaseName },
    /// Rollback without anything to go back to.
    #[error("release `{name}` has no revision to roll back to")]
    NothingToRollBackTo { name: ReleaseName },
    /// Left pending by something that is not us.
    #[error(
        "another operation (install/upgrade/rollback) is in progress: revision {revision} of release `{name}` is {status}"
    )]
    PendingElsewhere {
        name: ReleaseName,
        namespace: Namespace,
        revision: Revision,
        status: Status,
    },
    /// The namespace is not there.
    #[error("namespace `{namespace}` not found")]
    NamespaceNotFound { namespace: Namespace },
    /// Labels that Helm sets itself.
    #[error(transparent)]
    Labels(#[from] LabelError),
    /// The chart does not render.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The manifests cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A hook cannot run: what it needs is created only after it.
    #[error("{event} hooks cannot run: {}", unmet_text(.needs))]
    UnmetNeeds {
        event: HookEvent,
        needs: Vec<UnmetNeed>,
    },
    /// The records cannot be read or written; nothing was changed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The target cannot be asked; nothing was changed.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// We may not do what has to be done.
    #[error("this account may not do all that is needed; it lacks:{}", told(.missing).iter().map(|line| format!("\n  {line}")).collect::<String>())]
    MissingRights { missing: Vec<Right> },
    /// We may not hand out the rights that objects of the chart give.
    #[error("this account may not hand out the rights that the chart gives:{}", refusals.iter().map(|refusal| format!("\n  {refusal}")).collect::<String>())]
    MissingGrants { refusals: Vec<ClusterError> },
    /// What was approved is not what would be done now.
    #[error("the plan does not hold any more: {}", .moved.join("; "))]
    PlanMoved { moved: Vec<String> },
    /// The operation began, was recorded, and failed.
    #[error(transparent)]
    Operation(Box<OperationFailure>),
}

fn unmet_text(needs: &[UnmetNeed]) -> String {
    let parts = needs.iter().map(|need| {
        format!(
            "{} needs {} `{}`, which the chart creates only after it",
            need.hook, need.kind, need.name
        )
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// An operation that began and failed.
#[derive(Debug, Error)]
#[error("{operation} of release `{release}` in namespace `{namespace}` {}", verb(.cause, .after))]
pub struct OperationFailure {
    /// What was done.
    pub operation: Operation,
    /// To which release.
    pub release: ReleaseName,
    /// Where.
    pub namespace: Namespace,
    /// The revision that did not come to be.
    pub revision: Revision,
    /// Why.
    #[source]
    pub cause: Cause,
    /// The state left behind.
    pub after: Aftermath,
    /// What is kept of it: verdicts, logs, journal.
    pub evidence: Box<Evidence>,
    /// Clean-ups that failed besides.
    pub also: Vec<String>,
}

fn verb(cause: &Cause, after: &Aftermath) -> String {
    let failed = match cause {
        Cause::Hook {
            hook,
            verdict: Some(verdict),
            ..
        } => match verdict.outcome() {
            GateOutcome::Fail => format!("rejected by hook `{hook}`"),
            _ => format!("stopped: hook `{hook}` could not judge"),
        },
        Cause::Cancelled => "cancelled".to_owned(),
        _ => "failed".to_owned(),
    };
    match after {
        Aftermath::RolledBack { .. } if matches!(cause, Cause::Cancelled) => {
            format!("{failed}, and has been rolled back")
        }
        Aftermath::Uninstalled if matches!(cause, Cause::Cancelled) => {
            format!("{failed}, and what it made has been removed")
        }
        Aftermath::RolledBack { .. } => {
            format!("{failed}, and has been rolled back due to rollback-on-failure being set")
        }
        Aftermath::Uninstalled => {
            format!("{failed}, and has been uninstalled due to rollback-on-failure being set")
        }
        Aftermath::RollbackFailed { .. } => format!("{failed}, and rolling back failed too"),
        Aftermath::Untouched { .. } | Aftermath::Left { .. } | Aftermath::Unfinished => failed,
    }
}

/// Why an operation failed.
#[derive(Debug, Error)]
pub enum Cause {
    /// A hook ran and failed; a gate's verdict is there when it wrote one.
    #[error("{event} hooks failed: {kind} {hook} failed: {reason}")]
    Hook {
        event: HookEvent,
        hook: String,
        kind: String,
        reason: String,
        verdict: Option<Box<GateVerdict>>,
    },
    /// A hook could not be run.
    #[error("{event} hooks failed")]
    HookNotRun {
        event: HookEvent,
        #[source]
        source: HookError,
    },
    /// The target refused a change, or objects did not become ready.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A record could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A gate is demanded and none gave its verdict.
    #[error("no gate passed a model, and one is demanded here")]
    NoVerdict,
    /// The gate's verdict is not signed by whom it has to be signed.
    #[error("a signed verdict is demanded here, and none counts: {problem}")]
    NotSigned { problem: String },
    /// The gate judged another model than the one that is promoted.
    #[error("the gate judged model sha256:{found}, and sha256:{wanted} is what was promoted")]
    OtherModel { wanted: String, found: String },
    /// Ctrl-C.
    #[error("interrupted by the user")]
    Cancelled,
    /// The time of the whole operation was up.
    #[error("the deadline of the whole operation (`--deadline`) has passed")]
    DeadlineExceeded,
}

impl Cause {
    /// Says why the hooks of an event failed.
    pub(super) fn of_hooks(event: HookEvent, failure: HookFailure) -> Self {
        match failure {
            HookFailure::Cancelled => Self::Cancelled,
            HookFailure::NotRun(source) => Self::HookNotRun { event, source },
            HookFailure::Failed {
                hook,
                kind,
                reason,
                verdict,
            } => Self::Hook {
                event,
                hook,
                kind,
                reason,
                verdict,
            },
        }
    }
}

/// The state that a failed operation left behind.
#[derive(Debug)]
pub enum Aftermath {
    /// No object was changed.
    Untouched { deployed: Option<Revision> },
    /// Objects were changed and stay so.
    Left { deployed: Option<Revision> },
    /// An uninstall was begun and did not come to its end.
    Unfinished,
    /// Everything is as in revision `to`, recorded as `revision`.
    RolledBack { to: Revision, revision: Revision },
    /// What a first install made was removed.
    Uninstalled,
    /// Undoing failed.
    RollbackFailed {
        error: Box<ActionError>,
        deployed: Option<Revision>,
    },
}

impl ActionError {
    /// Returns the exit code that tells this error to scripts.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Operation(failure) => failure.exit_code(),
            Self::Labels(_)
            | Self::Render(_)
            | Self::Plan(_)
            | Self::UnmetNeeds { .. }
            | Self::Storage(StorageError::TooLarge { .. }) => ExitCode::Usage,
            _ => ExitCode::Failed,
        }
    }

    /// Returns what a person can do about it, and, where no operation was begun, the state left
    /// behind; see [`OperationFailure::state`] for the others.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Operation(failure) => failure.next_steps(),
            Self::NotFound { namespace, .. } => vec![format!(
                "see what is there with `deployer list -n {namespace}`, or `deployer list -A`"
            )],
            Self::RevisionNotFound { name, known, .. } => {
                let known = known
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                vec![format!("the revisions of `{name}` are: {known}")]
            }
            Self::NameInUse {
                name, namespace, ..
            } => vec![
                format!(
                    "change it with `deployer upgrade {name} CHART -n {namespace}`, or choose another name"
                ),
                "nothing was changed".into(),
            ],
            Self::NoDeployedReleases {
                name,
                last: Some(Status::Uninstalling),
            } => vec![
                "an uninstall was begun and not ended; nothing was changed".into(),
                format!("carry it to its end with `deployer uninstall {name}`"),
            ],
            Self::NoDeployedReleases { name, .. } => vec![format!(
                "install it with `deployer upgrade --install {name} CHART`"
            )],
            Self::PendingElsewhere {
                name, namespace, ..
            } => vec![
                "nothing was changed".into(),
                "it was not begun by this deployer, so nothing tells whether it still runs".into(),
                format!(
                    "when nothing works on it any more, take it over with `deployer recover {name} -n {namespace} --takeover`"
                ),
            ],
            Self::NamespaceNotFound { namespace } => {
                vec![format!(
                    "pass `--create-namespace`, or create it with `kubectl create namespace {namespace}`"
                )]
            }
            Self::MissingRights { .. } => vec![
                "nothing was changed".into(),
                "`deployer rbac CHART --command COMMAND` prints the smallest Role that suffices; have it applied by somebody who may".into(),
            ],
            Self::MissingGrants { .. } => vec![
                "nothing was changed".into(),
                "whoever hands out rights must have them, or may `escalate` the role and `bind` it; `deployer rbac CHART --command COMMAND` prints these too".into(),
            ],
            Self::PlanMoved { .. } => vec![
                "nothing was changed".into(),
                "make a new plan with `deployer plan`, look at it, and use that".into(),
                "a chart that renders differently each time (random passwords, certificates) cannot be planned ahead".into(),
            ],
            Self::Labels(_) | Self::Render(_) => vec!["nothing was changed".into()],
            Self::UnmetNeeds { event, needs } => {
                let mut hints = vec!["nothing was changed".to_owned()];
                hints.extend(needs.iter().map(|need| {
                    format!(
                        "make {} `{}` a hook too, before that one: annotations `helm.sh/hook: {event}` and `helm.sh/hook-weight: \"{}\"`",
                        need.kind,
                        need.name,
                        need.weight - 1
                    )
                }));
                hints
            }
            Self::Plan(error) => error.hints(),
            Self::Storage(error) => error.hints(),
            Self::Cluster(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}

impl OperationFailure {
    /// Returns the exit code by what failed and what it left behind.
    pub fn exit_code(&self) -> ExitCode {
        match (&self.after, self.gate_outcome()) {
            (Aftermath::RollbackFailed { .. }, _) => ExitCode::RollbackFailed,
            (Aftermath::Left { .. } | Aftermath::Unfinished, _) => ExitCode::Failed,
            (_, Some(GateOutcome::Fail)) => ExitCode::GateRefused,
            (_, Some(GateOutcome::Inconclusive | GateOutcome::Error)) => {
                ExitCode::GateCouldNotJudge
            }
            (Aftermath::RolledBack { .. } | Aftermath::Uninstalled, _) => ExitCode::RolledBack,
            (Aftermath::Untouched { .. }, _) => ExitCode::Failed,
        }
    }

    fn gate_outcome(&self) -> Option<GateOutcome> {
        match &self.cause {
            Cause::Hook { verdict, .. } => verdict.as_ref().map(|verdict| verdict.outcome()),
            Cause::NoVerdict | Cause::NotSigned { .. } => Some(GateOutcome::Error),
            Cause::OtherModel { .. } => Some(GateOutcome::Fail),
            _ => None,
        }
    }

    /// Returns the state that is left behind, in sentences.
    pub fn state(&self) -> Vec<String> {
        let mut state = match &self.after {
            Aftermath::Untouched {
                deployed: Some(deployed),
            } => {
                vec![format!(
                    "nothing was changed; revision {deployed} is still deployed"
                )]
            }
            Aftermath::Untouched { deployed: None } => {
                vec!["nothing was changed; nothing is deployed".into()]
            }
            Aftermath::Left { deployed } => {
                let deployed = deployed.map_or("no revision is deployed".to_owned(), |revision| {
                    format!("the record still names revision {revision} as deployed")
                });
                vec![format!(
                    "what revision {} changed stays as it is; {deployed}",
                    self.revision
                )]
            }
            Aftermath::Unfinished => vec![
                "what was deleted does not come back; the release is recorded as uninstalling"
                    .into(),
            ],
            Aftermath::RolledBack { to, revision } => {
                vec![format!(
                    "everything is as in revision {to} again (recorded as revision {revision})"
                )]
            }
            Aftermath::Uninstalled => {
                vec!["what the install made was removed; nothing is deployed".into()]
            }
            Aftermath::RollbackFailed { error, deployed } => {
                let deployed = deployed.map_or("no revision is deployed".to_owned(), |revision| {
                    format!("the record still names revision {revision} as deployed")
                });
                vec![format!("rolling back failed: {}; {deployed}", chain(error))]
            }
        };
        state.extend(self.also.iter().map(|also| format!("besides, {also}")));
        state
    }

    /// Returns what can be done now, each a command or a fact.
    pub fn next_steps(&self) -> Vec<String> {
        let mut hints = match &self.after {
            Aftermath::Left { deployed: None } => vec![format!(
                "mend the cause and upgrade again, or remove it with `deployer uninstall {} -n {}`",
                self.release, self.namespace
            )],
            Aftermath::Left { .. } => vec![format!(
                "go back with `deployer rollback {} -n {}`, or upgrade again",
                self.release, self.namespace
            )],
            Aftermath::Unfinished => vec![format!(
                "when the cause is mended, carry it to its end with `deployer uninstall {} -n {}`; `--no-hooks` leaves the hooks out",
                self.release, self.namespace
            )],
            Aftermath::RollbackFailed { .. } => vec![format!(
                "when the cause is mended, run `deployer recover {} -n {}`",
                self.release, self.namespace
            )],
            Aftermath::Untouched { .. } | Aftermath::RolledBack { .. } | Aftermath::Uninstalled => {
                Vec::new()
            }
        };
        hints.push(format!(
            "logs and verdict are kept: `deployer history {} --revision {} -n {}`",
            self.release, self.revision, self.namespace
        ));
        match &self.cause {
            Cause::Cluster(error) => hints.extend(error.hints()),
            Cause::Storage(error) => hints.extend(error.hints()),
            Cause::HookNotRun { source, .. } => hints.extend(source.hints()),
            Cause::NoVerdict => hints.push(
                "the chart needs a hook on pre-install and pre-upgrade that writes a verdict, as `deployer create` makes one; is its gate switched off by the values?".into(),
            ),
            Cause::NotSigned { .. } => hints.extend([
                "let the gate sign what it finds (`gate.signing.secret` in the chart, `validator --sign-key`)".into(),
                "or give the verdict that was signed elsewhere for this very model, dataset and gate: `--verdict FILE`".into(),
            ]),
            Cause::OtherModel { .. } => hints.push(
                "the file was replaced since: deploy it to the environment before, and promote again".into(),
            ),
            Cause::DeadlineExceeded => {
                hints.push("give it longer with `--deadline`; `--timeout` is for each step".into());
            }
            Cause::Hook { .. } | Cause::Cancelled => {}
        }
        hints
    }
}
