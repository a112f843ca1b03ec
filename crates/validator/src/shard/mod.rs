//! What a shard hands over: everything that a verdict needs of its rows, as one file.
//!
//! [`crate::run::score_shard`] writes it, [`crate::run::judge_shards`] reads all of them. Runs merge
//! exactly, so that the merged verdict has the bits of one machine's; what does not merge is refused
//! before a row is read.

mod error;
mod file;
mod set;
mod store;

use verdict::exit::ExitCode;

pub use error::ShardsError;
pub use file::{Facts, Identity, LatencyOfShard, PopulationAt, ShardFile, write};
pub use set::check;
pub use store::{FetchError, fetch_all, file_name, keep};

use crate::settings::{Settings, Subject};

/// Something that a gate asks for and that shards cannot answer exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMergeable {
    /// A cluster's rows may lie in several shards.
    #[error("`dataset.group` draws whole groups of rows, which may lie in several shards")]
    Group,
    /// Repeated names may lie in different shards.
    #[error("`dataset.id` compares the names of all rows, which shards do not hand over")]
    Id,
    /// Outputs of several classes are not handed over.
    #[error(
        "a model of several classes is judged by all outputs of a row, which shards do not hand over"
    )]
    Classes,
    /// Pairs of outputs are not handed over.
    #[error(
        "checks against the champion compare two outputs of each row, which shards do not hand over"
    )]
    Champion,
}

impl NotMergeable {
    /// Returns the exit code.
    #[must_use]
    pub const fn exit_code(self) -> ExitCode {
        ExitCode::Usage
    }

    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(self) -> String {
        match self {
            Self::Classes => "judge a smaller dataset on one machine".into(),
            Self::Group => "leave `group` out, or judge a smaller dataset on one machine".into(),
            Self::Id => {
                "leave `id` out; look for repeated rows where the dataset is written".into()
            }
            Self::Champion => {
                "leave these checks out, or make them in a gate of their own on a smaller dataset"
                    .into()
            }
        }
    }
}

/// Refuses a gate that shards cannot answer exactly.
///
/// # Errors
/// [`NotMergeable`]; nothing was read.
pub fn refuse_unmergeable(settings: &Settings) -> Result<(), NotMergeable> {
    if settings.classes.is_some() {
        return Err(NotMergeable::Classes);
    }
    if settings.data.group.is_some() {
        return Err(NotMergeable::Group);
    }
    if settings.data.id.is_some() {
        return Err(NotMergeable::Id);
    }
    let compares = |subject: &Subject| *subject == Subject::ChangeFromChampion;
    if settings.checks.iter().any(|check| compares(&check.subject)) {
        return Err(NotMergeable::Champion);
    }
    Ok(())
}
