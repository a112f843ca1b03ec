//! What an action is told, typed and validated before it starts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ChartSource;
use crate::cluster::{Propagation, WaitStrategy};
use crate::plan::SavedPlan;
use crate::release::{Provenance, ReleaseName, Revision, SignatureDemand};

/// Which operation an action is, in the words of messages and evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    Install,
    Upgrade,
    Rollback,
    Uninstall,
    Test,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Rollback => "rollback",
            Self::Uninstall => "uninstall",
            Self::Test => "test",
        })
    }
}

/// Whether a change is only shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DryRunMode {
    /// It is made.
    #[default]
    Off,
    /// It is rendered here; the cluster is not asked.
    Client,
    /// It is rendered and planned against live objects.
    Plan,
    /// It is rendered, planned against live objects and tried on the server.
    Server,
}

impl DryRunMode {
    /// Tells whether what is live is looked at.
    pub fn asks_target(self) -> bool {
        self != Self::Client
    }
}

/// By whom objects are merged (`--server-side`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerSide {
    /// By the server on install; as the last revision did on upgrade and rollback.
    #[default]
    Auto,
    /// By the server.
    On,
    /// By us.
    Off,
}

/// What becomes of the values of the previous revision on upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValuesReuse {
    /// They are kept when the user gives none, and dropped otherwise.
    #[default]
    WhenNoneGiven,
    /// `--reset-values`: they are dropped.
    Reset,
    /// `--reuse-values`: the user's are merged into them and the old chart's defaults.
    Reuse,
    /// `--reset-then-reuse-values`: the user's are merged into them over the new chart's defaults.
    ResetThenReuse,
}

/// What install, upgrade and rollback are told alike.
#[derive(Debug, Clone)]
pub struct ChangeOptions {
    /// What is waited for after applying; `atomic` waits for every object in any case.
    pub wait: WaitStrategy,
    /// Whether Jobs must have completed.
    pub wait_for_jobs: bool,
    /// How long each hook and each wait may take.
    pub timeout: Duration,
    /// Whether a failure is undone (`--atomic`, `--rollback-on-failure`).
    pub atomic: bool,
    /// Whether objects that a failed upgrade created are deleted (`--cleanup-on-fail`).
    pub cleanup_on_fail: bool,
    /// Whether the change is only shown.
    pub dry_run: DryRunMode,
    /// Whether hooks run (`--no-hooks` says no).
    pub run_hooks: bool,
    /// Whether fields of other managers are taken over.
    pub force_conflicts: bool,
    /// Whether objects are replaced whole instead of patched (`--force-replace`).
    pub force_replace: bool,
    /// When the whole operation has to be over (`--deadline`); what undoes it is not stopped.
    pub deadline: Option<tokio::time::Instant>,
    /// Whether objects that belong to nobody or another release are taken over.
    pub take_ownership: bool,
    /// By whom objects are merged.
    pub server_side: ServerSide,
    /// The description of the revision in place of the usual one.
    pub description: Option<String>,
    /// Labels of the record; the value `null` removes one on upgrade.
    pub labels: BTreeMap<String, String>,
    /// How many revisions are kept; 0 keeps all.
    pub history_max: u32,
    /// Whether a release that Helm left pending is taken over (`--recover`).
    pub recover: bool,
    /// Whether a dry run shows secrets.
    pub show_secrets: bool,
    /// The plan that was approved: anything else is refused (`--use-plan`).
    pub expected: Option<Arc<SavedPlan>>,
    /// What a gate has to have said before anything is changed.
    pub verdict: VerdictDemand,
    /// Where the revision comes from, for its evidence.
    pub provenance: Option<Provenance>,
}

/// What a gate has to have said before anything is changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum VerdictDemand {
    /// A chart without a gate is fine.
    #[default]
    None,
    /// A model passed.
    Pass,
    /// A model passed, and who may vouch for it has signed that.
    Signed(Arc<SignatureDemand>),
    /// The very models passed that passed before.
    SameModels {
        /// Their SHA-256.
        sha256: Vec<String>,
    },
}

impl Default for ChangeOptions {
    fn default() -> Self {
        Self {
            wait: WaitStrategy::HookOnly,
            wait_for_jobs: false,
            timeout: Duration::from_secs(300),
            atomic: false,
            cleanup_on_fail: false,
            dry_run: DryRunMode::Off,
            run_hooks: true,
            force_conflicts: false,
            force_replace: false,
            deadline: None,
            take_ownership: false,
            server_side: ServerSide::Auto,
            description: None,
            labels: BTreeMap::new(),
            history_max: 10,
            recover: false,
            show_secrets: false,
            expected: None,
            verdict: VerdictDemand::None,
            provenance: None,
        }
    }
}

/// What becomes of the definitions in a chart's `crds/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CrdPolicy {
    /// They are created on install where they are missing; Helm's way.
    #[default]
    Create,
    /// They are brought up to date on every change (`--upgrade-crds`).
    Upgrade,
    /// They are left out (`--skip-crds`).
    Skip,
}

/// What `install` is told.
#[derive(Clone)]
pub struct InstallOptions {
    /// The name of the release.
    pub release: ReleaseName,
    /// The chart with the user's values.
    pub chart: Arc<dyn ChartSource>,
    /// What it shares with the other changes.
    pub change: ChangeOptions,
    /// Whether the namespace is created when it is not there.
    pub create_namespace: bool,
    /// What becomes of `crds/`.
    pub crds: CrdPolicy,
    /// Whether the name of an uninstalled or failed release may be used again (`--replace`).
    pub replace: bool,
}

/// What `upgrade` is told.
#[derive(Clone)]
pub struct UpgradeOptions {
    /// The name of the release.
    pub release: ReleaseName,
    /// The chart with the user's values.
    pub chart: Arc<dyn ChartSource>,
    /// What it shares with the other changes.
    pub change: ChangeOptions,
    /// What becomes of the previous values.
    pub reuse: ValuesReuse,
    /// Whether a release that is not there is installed (`--install`).
    pub install: bool,
    /// Whether the namespace is created when it is installed.
    pub create_namespace: bool,
    /// What becomes of `crds/`.
    pub crds: CrdPolicy,
}

/// What `rollback` is told.
#[derive(Debug, Clone)]
pub struct RollbackOptions {
    /// The name of the release.
    pub release: ReleaseName,
    /// The revision to go back to; none means the one before the last.
    pub revision: Option<Revision>,
    /// What it shares with the other changes.
    pub change: ChangeOptions,
}

/// What `uninstall` is told.
#[derive(Debug, Clone)]
pub struct UninstallOptions {
    /// The name of the release.
    pub release: ReleaseName,
    /// Whether the records stay.
    pub keep_history: bool,
    /// Whether a release that is not there is no error.
    pub ignore_not_found: bool,
    /// Whether the end of the objects is awaited.
    pub wait: WaitStrategy,
    /// How long each hook and each wait may take.
    pub timeout: Duration,
    /// Whether hooks run.
    pub run_hooks: bool,
    /// Whether it is only shown.
    pub dry_run: DryRunMode,
    /// What happens to what the objects own.
    pub propagation: Propagation,
    /// The description in place of the usual one.
    pub description: Option<String>,
}
