//! The record of one revision of a release, in Helm's own format, and our evidence beside it.
//!
//! Pure: no clock, no network, no files. Records made by Helm 3 and 4 are read, rewritten without
//! losing a field that we do not know, and written so that both read ours.

mod codec;
mod evidence;
mod hook;
mod labels;
mod name;
mod provenance;
mod record;
mod signature;
mod size;
mod status;
mod time;
mod verdict;

pub use codec::{CodecError, decode, encode};
pub use evidence::{
    EVIDENCE_LABEL_OWNER, Evidence, EvidenceLog, JournalEntry, LOG_BYTES_MAX, Milestone,
    RecordedVerdict, RecoverySettings,
};
pub use hook::{Hook, HookDeletePolicy, HookEvent, HookExecution, HookOutputLogPolicy, HookPhase};
pub use labels::{
    LabelError, LabelStamp, SYSTEM_LABELS, check_user_labels, record_labels, user_labels,
};
pub use name::{NameError, Namespace, ReleaseName, Revision, evidence_key, record_key};
pub use provenance::{Promotion, Provenance};
pub use record::{ApplyMethod, Info, Release};
pub use signature::SignatureDemand;
pub use size::{DESCRIPTION_BYTES_MAX, RecordPart, RecordSize};
pub use status::Status;
pub use time::RecordTime;
pub use verdict::{GateCheck, GateOutcome, GateVerdict};
