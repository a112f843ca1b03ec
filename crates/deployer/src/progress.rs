//! What an operation tells while it runs; `output/` decides how a person sees it.

use std::time::Duration;

use crate::cluster::ObjectId;
use crate::plan::sensitive::SensitiveValues;
use crate::release::{HookEvent, HookPhase, ReleaseName, Revision, Status};

/// Receives what happens, in order; called from several tasks.
pub trait ProgressSink: Send + Sync {
    /// Takes one event; must neither block nor fail.
    fn event(&self, event: ProgressEvent);
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum ProgressEvent {
    /// A stage of the operation begins, such as "waiting for 3 objects to be ready".
    Stage { text: String, work: Work },
    /// A change of an object is sent.
    Sent { object: ObjectId },
    /// An object was changed, or found to be as wanted.
    Applied {
        object: ObjectId,
        change: AppliedChange,
    },
    /// An object was deleted.
    Deleted { object: ObjectId },
    /// The readiness of an object changed; `message` says why it is not ready.
    Readiness {
        object: ObjectId,
        ready: bool,
        message: String,
    },
    /// A hook starts; it may run for `timeout`.
    HookStarted {
        event: HookEvent,
        hook: String,
        kind: String,
        timeout: Duration,
    },
    /// What a hook is held up by changed, such as an image that is pulled; empty while it runs.
    /// `is_trouble` tells that it may stay so.
    HookState {
        hook: String,
        message: String,
        is_trouble: bool,
    },
    /// A line that a hook wrote.
    HookLog { hook: String, line: String },
    /// A hook ended.
    HookFinished {
        hook: String,
        phase: HookPhase,
        elapsed: Duration,
    },
    /// A release record was written.
    Recorded {
        release: ReleaseName,
        revision: Revision,
        status: Status,
    },
    /// Something odd that does not stop the operation.
    Warning { text: String },
    /// Values that must not be shown from here on.
    Sensitive { values: SensitiveValues },
    /// A plain note to the person.
    Note { text: String },
}

/// What a stage consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Nothing that can be counted.
    Other,
    /// So many objects are changed, or found to be as wanted.
    Changes { objects: usize },
    /// Objects get ready, or the stage ends, within `timeout`.
    Wait { objects: usize, timeout: Duration },
}

/// What applying an object did to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppliedChange {
    /// It did not exist.
    Created,
    /// It differed.
    Changed,
    /// It was deleted and created anew.
    Recreated,
    /// It was as wanted already.
    Unchanged,
}

/// Forgets everything; for readers and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct SilentProgress;

impl ProgressSink for SilentProgress {
    fn event(&self, _event: ProgressEvent) {}
}
