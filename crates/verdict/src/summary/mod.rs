//! Exact summaries of scores and labels that merge: however rows are split into shards, the
//! merged summary, and every metric of it, has the same bits as that of one machine.
//!
//! A run is a list of [`Entry`]: a raw output, a weight, and how many rows of each class have
//! both; ascending and without repeats. Counts are integers, so merging commutes exactly.
//!
//! - [`RunWriter`] and [`RunReader`]: the compact, versioned, checksummed encoding. They work
//!   on any `Write` and `Read`, so that spilling to disk and moving through object storage
//!   stay with the caller.
//! - [`merge`]: any number of runs into one, in memory that does not grow with the rows.
//! - [`stream`]: metrics of a merged run that is never in memory.
//! - [`shards`]: whether a set of runs is complete and belongs together.

mod codec;
mod entry;
mod merging;
pub mod shards;
pub mod stream;

pub use codec::{KeyWidth, RunError, RunHeader, RunReader, RunTotals, RunWriter, checksum};
pub use entry::Entry;
pub use merging::{Merge, merge};
