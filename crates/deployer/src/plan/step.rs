//! The steps of a change.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compare::Comparison;
use super::saved::Mark;
use crate::action::Operation;
use crate::cluster::ObjectId;
use crate::release::{HookEvent, Namespace, ReleaseName, Revision};

/// What an operation will do, in order: pre hooks, applies by wave, removals by wave, the wait,
/// post hooks.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What is done.
    pub operation: Operation,
    /// The release.
    pub release: ReleaseName,
    /// Its namespace.
    pub namespace: Namespace,
    /// The revision that it brings about.
    pub revision: Revision,
    /// Hooks before anything is changed, in order.
    pub pre_hooks: Vec<HookStep>,
    /// Objects that are created, patched or adopted, and those left as they are; wave by wave.
    pub applies: Vec<ObjectStep>,
    /// Objects that are deleted or kept back; wave by wave.
    pub removals: Vec<ObjectStep>,
    /// Objects whose readiness is awaited.
    pub awaited: Vec<ObjectId>,
    /// Hooks after everything, in order.
    pub post_hooks: Vec<HookStep>,
    /// What is odd about it.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Returns the steps on objects, in the order of their execution.
    pub fn object_steps(&self) -> impl Iterator<Item = &ObjectStep> {
        self.applies.iter().chain(&self.removals)
    }

    /// Tells whether every object stays as it is.
    pub fn changes_nothing(&self) -> bool {
        self.object_steps()
            .all(|step| matches!(step.action, ObjectAction::Unchanged | ObjectAction::Keep))
    }

    /// Counts the steps of a kind.
    pub fn count(&self, action: ObjectAction) -> usize {
        self.object_steps()
            .filter(|step| step.action == action)
            .count()
    }
}

/// What happens to one object.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectStep {
    /// Which.
    pub object: ObjectId,
    /// What.
    pub action: ObjectAction,
    /// When: steps of one wave run in parallel.
    pub wave: usize,
    /// The object as wanted, ownership included; absent when it is deleted.
    pub desired: Option<Value>,
    /// The object as the previous revision described it: the base of a three-way merge, where one
    /// is made.
    pub original: Option<Value>,
    /// What takes the step back.
    pub undo: Undo,
    /// How the live object differs from what is wanted, masked; where both are there.
    pub comparison: Option<Comparison>,
    /// Stands for the live object when a saved plan is checked; absent where there is none.
    pub live: Option<Mark>,
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectAction {
    /// It does not exist.
    Create,
    /// It exists and belongs to the release.
    Patch,
    /// It exists and is as wanted: no request is sent.
    Unchanged,
    /// It exists, and differs in what cannot be changed: it is deleted and created anew.
    Recreate,
    /// It exists, belonged to somebody else and is taken over.
    Adopt,
    /// The release has it no longer.
    Delete,
    /// The release has it no longer, and its resource policy keeps it.
    Keep,
}

impl ObjectAction {
    /// Returns its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Unchanged => "unchanged",
            Self::Recreate => "recreate",
            Self::Adopt => "adopt",
            Self::Delete => "delete",
            Self::Keep => "keep",
        }
    }
}

/// What takes a step back.
#[derive(Debug, Clone, PartialEq)]
pub enum Undo {
    /// There is nothing to take back.
    Nothing,
    /// Delete what was created.
    Delete,
    /// Apply what was there before: the object of the revision that is gone back to.
    Restore,
    /// Create again what was deleted.
    Recreate { object: Value },
}

impl Undo {
    /// Returns its word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Recreate { .. } => "recreate",
        }
    }
}

/// A hook that will run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookStep {
    /// The event.
    pub event: HookEvent,
    /// The kind of its object.
    pub kind: String,
    /// The name of its object.
    pub name: String,
    /// Its weight.
    pub weight: i64,
}
