//! Why the summaries of shards give no verdict.

use verdict::exit::ExitCode;
use verdict::summary::RunError;
use verdict::summary::shards::ShardError;

use crate::dataset::CoverageError;

/// Why the summaries of shards give no verdict.
#[derive(Debug, thiserror::Error)]
pub enum ShardsError {
    /// There is nothing to merge.
    #[error("there are no summaries of shards: no name ends in `.shard`")]
    None,
    /// The file cannot be read.
    #[error("`{name}` cannot be read")]
    Io {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something else has that name.
    #[error("`{name}` is no summary of a shard")]
    Foreign {
        /// The file.
        name: String,
    },
    /// The file ends too early.
    #[error("`{name}` is cut off")]
    Truncated {
        /// The file.
        name: String,
    },
    /// A newer program wrote it.
    #[error("`{name}` has version {found}; this program reads version {expected}")]
    Version {
        /// The file.
        name: String,
        /// Its version.
        found: u32,
        /// The one that is read.
        expected: u32,
    },
    /// The bytes were changed, or were never right.
    #[error("`{name}` is damaged: {what}")]
    Damaged {
        /// The file.
        name: String,
        /// What does not hold.
        what: String,
    },
    /// A run of it does not read.
    #[error("`{name}` holds a run that cannot be read")]
    Run {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: RunError,
    },
    /// Two shards of different runs.
    #[error(
        "`{first}` and `{second}` do not belong together: {what} is {left} in one and {right} in the other"
    )]
    Differs {
        /// What differs.
        what: &'static str,
        /// A file.
        first: String,
        /// Another.
        second: String,
        /// What the first says.
        left: String,
        /// What the second says.
        right: String,
    },
    /// The shards were made under another gate.
    #[error("the shards were scored under the gate {found}, and this run asks for {expected}")]
    OtherGate {
        /// The shards' gate.
        found: String,
        /// This run's.
        expected: String,
    },
    /// The shards read something else than this run names.
    #[error("the shards read the {what} `{found}`, and this run names `{expected}`")]
    OtherPlace {
        /// `model` or `dataset`.
        what: &'static str,
        /// What the shards read.
        found: String,
        /// What this run names.
        expected: String,
    },
    /// A shard too few or too many.
    #[error(transparent)]
    Set(#[from] ShardError),
    /// The shards are there, and their row groups are not the dataset's.
    #[error("the shards do not make up the dataset")]
    Coverage(#[from] CoverageError),
}

impl ShardsError {
    /// Returns the exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::OtherGate { .. } | Self::OtherPlace { .. } => ExitCode::Usage,
            Self::Io { .. } => ExitCode::Infrastructure,
            _ => ExitCode::Data,
        }
    }

    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::None => "name the place that `validator shard --summaries` wrote to".into(),
            Self::OtherPlace { what, .. } => {
                format!("leave `--{what}` out of `validator merge`, or name what the shards read")
            }
            Self::OtherGate { .. } => {
                "give `validator merge` the gate file, flags and variables of the shards".into()
            }
            Self::Set(ShardError::Missing { shard, shards }) => format!(
                "see why it did not end well, and run it again: `validator shard --index {shard} --of {shards}`"
            ),
            Self::Differs { .. } | Self::Set(_) => {
                "let each run write to an empty place of its own".into()
            }
            Self::Coverage(_)
            | Self::Truncated { .. }
            | Self::Damaged { .. }
            | Self::Run { .. }
            | Self::Foreign { .. } => "run that shard again".into(),
            Self::Version { .. } => "use one version of the validator for shards and merge".into(),
            Self::Io { .. } => return None,
        })
    }
}
