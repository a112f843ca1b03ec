//! Runs of scores and of rows in files: what is spilled while rows are gathered, and what shards hand over.
//!
//! Between [`crate::evaluate`] and [`crate::judge`]: rows beyond a budget of memory are sorted and
//! written as runs, and are read back as one. Nothing here decides anything.

mod fault;
mod part;
mod record;
mod scores;
mod sorted;
mod spill;

pub use part::{RunPart, merge_into};
pub use scores::Scores;
pub use sorted::{SortedRows, Sorter};
pub use spill::{SCORES_PER_ROW, SPILL_ROWS, Spill, Spills};
