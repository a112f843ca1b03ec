//! Hooks as a record holds them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::RecordTime;

/// One hook of a revision, with the outcome of its last run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Hook {
    /// The name of the object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The kind of the object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The template that it came from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The object as YAML.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// When it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<HookEvent>,
    /// How its last run went.
    #[serde(default)]
    pub last_run: HookExecution,
    /// Lower weights run first, among objects of one kind.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight: i64,
    /// When its object is deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delete_policies: Vec<HookDeletePolicy>,
    /// When Helm 4 prints its log; we keep the log in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_log_policies: Vec<HookOutputLogPolicy>,
    /// Fields of other versions, kept on rewriting.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// How a hook's last run went.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HookExecution {
    /// When it was started.
    #[serde(default, skip_serializing_if = "RecordTime::is_never")]
    pub started_at: RecordTime,
    /// When it ended.
    #[serde(default, skip_serializing_if = "RecordTime::is_never")]
    pub completed_at: RecordTime,
    /// How far it came.
    #[serde(default)]
    pub phase: HookPhase,
    /// Fields of other versions, kept on rewriting.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How far a hook came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum HookPhase {
    /// It has not been started.
    #[default]
    #[serde(rename = "")]
    Unset,
    /// It runs.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
    /// It was started, and nobody saw its end.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for HookPhase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unset => "",
            Self::Unknown => "Unknown",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        })
    }
}

/// When a hook runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookEvent {
    PreInstall,
    PostInstall,
    PreDelete,
    PostDelete,
    PreUpgrade,
    PostUpgrade,
    PreRollback,
    PostRollback,
    Test,
    /// An event of another version.
    #[serde(untagged)]
    Other(String),
}

impl fmt::Display for HookEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreDelete => "pre-delete",
            Self::PostDelete => "post-delete",
            Self::PreUpgrade => "pre-upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::PreRollback => "pre-rollback",
            Self::PostRollback => "post-rollback",
            Self::Test => "test",
            Self::Other(event) => event,
        })
    }
}

/// When a hook's object is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookDeletePolicy {
    /// Before the next one of that name is made; the default when a hook names no policy.
    BeforeHookCreation,
    /// When it has ended well.
    HookSucceeded,
    /// When it has ended badly.
    HookFailed,
    /// A policy of another version.
    #[serde(untagged)]
    Other(String),
}

/// When Helm 4 prints a hook's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookOutputLogPolicy {
    /// When it has ended well.
    HookSucceeded,
    /// When it has ended badly.
    HookFailed,
    /// A policy of another version.
    #[serde(untagged)]
    Other(String),
}
