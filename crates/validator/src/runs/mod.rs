//! Runs of scores in files: what is spilled while rows are gathered, and what shards hand over.
//!
//! Between [`crate::evaluate`] and [`crate::judge`]: rows beyond a budget of memory are sorted and
//! written as runs, and are read back as one. Nothing here decides anything.

mod part;
mod scores;
mod spill;

pub use part::{RunPart, merge_into};
pub use scores::Scores;
pub use spill::{SPILL_ROWS, Spill};
