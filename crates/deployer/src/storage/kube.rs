//! Release records in the cluster: Helm's Secrets or ConfigMaps, our evidence beside them, and the
//! lease of a release.
//!
//! Byte-compatible with Helm's storage drivers, with one thing more: every write names the
//! version that it read, so that no process overwrites what another wrote since.

mod evidence;
mod lease;
mod record;
mod store;

pub use store::{KubeStore, RecordKind};
