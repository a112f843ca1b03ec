//! Our evidence of a revision: verdicts, logs, the reason of a failure, the journal.
//!
//! It lives in a record of its own beside Helm's, so that Helm's stays byte-compatible.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::cluster::{ObjectId, Propagation};

use super::{GateVerdict, HookEvent, HookPhase, Provenance, Release, ReleaseName, Revision};

/// The `owner` label of the companion record; Helm selects `owner=helm` and never sees it.
pub const EVIDENCE_LABEL_OWNER: &str = "deployer";
/// The most that is kept of one log, in bytes: its end, where failures are explained.
pub const LOG_BYTES_MAX: usize = 32 << 10;

/// The most that is kept of all logs of a revision, in bytes: evidence must fit into one object.
const LOGS_BYTES_MAX: usize = 512 << 10;

/// What is known about how a revision came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The version of this format.
    pub schema_version: u32,
    /// The release.
    pub release: ReleaseName,
    /// The revision.
    pub revision: Revision,
    /// What was done: `install`, `upgrade`, `rollback`, `uninstall`, `recover`.
    pub operation: String,
    /// Who did it: user and host.
    pub operator: String,
    /// How far it came; what recovery goes by.
    #[serde(default)]
    pub milestone: Milestone,
    /// How it is to be recovered.
    #[serde(default)]
    pub settings: RecoverySettings,
    /// Objects that belonged to somebody else before; they are never deleted to undo.
    #[serde(default)]
    pub adopted: Vec<ObjectId>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; absent while it runs or when it was killed.
    #[serde(default)]
    pub finished_at: Option<DateTime<Utc>>,
    /// The verdicts of its gates.
    #[serde(default)]
    pub verdicts: Vec<RecordedVerdict>,
    /// Logs, events and conditions of hooks and of failing pods.
    #[serde(default)]
    pub logs: Vec<EvidenceLog>,
    /// Where it comes from; absent from what was made before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Why it failed.
    #[serde(default)]
    pub failure: Option<String>,
    /// The steps, in order.
    #[serde(default)]
    pub journal: Vec<JournalEntry>,
}

/// How far an operation came. Written before what it names begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Milestone {
    /// Recorded as pending; no object was changed.
    #[default]
    Begun,
    /// Objects may have been changed.
    Changing,
    /// Everything was done, and only the records remain to be written.
    Completed,
}

/// What a recovery must know of the operation that it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverySettings {
    /// Whether what was changed is to be undone.
    pub atomic: bool,
    /// Whether an uninstall keeps the records.
    pub keep_history: bool,
    /// Whether hooks run.
    pub run_hooks: bool,
    /// How long each hook and each wait may take, in seconds.
    pub timeout_s: u64,
    /// What an uninstall does with the objects that deleted ones own.
    #[serde(default)]
    pub propagation: Propagation,
    /// Whether what cannot be changed is deleted and created anew.
    #[serde(default)]
    pub recreate: bool,
}

impl Default for RecoverySettings {
    fn default() -> Self {
        Self {
            atomic: false,
            keep_history: false,
            run_hooks: true,
            timeout_s: 300,
            propagation: Propagation::Background,
            recreate: false,
        }
    }
}

/// The verdict of one gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedVerdict {
    /// The hook that gave it.
    pub hook: String,
    /// The event that it ran on.
    pub event: HookEvent,
    /// The UID of the Job that this revision created; absent for a local process.
    #[serde(default)]
    pub job_uid: Option<String>,
    /// The verdict.
    pub verdict: GateVerdict,
}

/// One captured text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvidenceLog {
    /// What it is about, such as `hook web-validate` or `pod web-7f (container app)`.
    pub source: String,
    /// How far its source came, for a hook.
    #[serde(default)]
    pub phase: HookPhase,
    /// The end of the text, at most [`LOG_BYTES_MAX`] bytes.
    pub text: String,
    /// Whether its beginning is missing.
    #[serde(default)]
    pub truncated: bool,
}

impl EvidenceLog {
    /// Keeps the end of `text`.
    pub fn bounded(source: impl Into<String>, phase: HookPhase, text: &str) -> Self {
        let mut start = text.len().saturating_sub(LOG_BYTES_MAX);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        Self {
            source: source.into(),
            phase,
            text: text[start..].to_owned(),
            truncated: start > 0,
        }
    }
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub text: String,
}

impl Evidence {
    /// Returns it with every text passed through `hide`, which masks secrets.
    pub fn masked(&self, hide: impl Fn(&str) -> String) -> Self {
        let mut masked = self.clone();
        masked.failure = masked.failure.as_deref().map(&hide);
        for log in &mut masked.logs {
            log.text = hide(&log.text);
        }
        for entry in &mut masked.journal {
            entry.text = hide(&entry.text);
        }
        masked
    }

    /// The version of the format that is written.
    pub const SCHEMA_VERSION: u32 = 1;
    /// The most lines that a journal keeps.
    const JOURNAL_ENTRIES_MAX: usize = 500;
    /// How far the clock may have been set back between a record and its evidence.
    const CLOCK_STEP_MAX: TimeDelta = TimeDelta::seconds(5);

    /// Tells whether this is the evidence of how `record` came about. A record is stamped before
    /// its evidence is begun; a later record of the same number was made by somebody else, after
    /// ours was removed (a failed first install leaves its evidence alone).
    pub fn tells_of(&self, record: &Release) -> bool {
        self.release == record.name
            && self.revision == record.version
            && record
                .info
                .last_deployed
                .utc()
                .is_none_or(|made| made - self.started_at <= Self::CLOCK_STEP_MAX)
    }

    /// Begins the evidence of an operation.
    pub fn begin(
        release: ReleaseName,
        revision: Revision,
        operation: impl Into<String>,
        operator: impl Into<String>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            schema_version: Self::SCHEMA_VERSION,
            release,
            revision,
            operation: operation.into(),
            operator: operator.into(),
            milestone: Milestone::Begun,
            settings: RecoverySettings::default(),
            adopted: Vec::new(),
            started_at: now,
            finished_at: None,
            verdicts: Vec::new(),
            logs: Vec::new(),
            provenance: None,
            failure: None,
            journal: Vec::new(),
        }
    }

    /// Adds a log; the oldest ones lose their text when all together are too long.
    pub fn keep_log(&mut self, log: EvidenceLog) {
        self.logs.push(log);
        let mut bytes: usize = self.logs.iter().map(|log| log.text.len()).sum();
        for log in &mut self.logs {
            if bytes <= LOGS_BYTES_MAX {
                break;
            }
            bytes -= log.text.len();
            log.truncated |= !log.text.is_empty();
            log.text.clear();
        }
    }

    /// Adds a line to the journal, until it is full.
    pub fn note(&mut self, at: DateTime<Utc>, text: impl Into<String>) {
        if self.journal.len() < Self::JOURNAL_ENTRIES_MAX {
            self.journal.push(JournalEntry {
                at,
                text: text.into(),
            });
        }
    }
}
