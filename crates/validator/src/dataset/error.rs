//! Why a dataset cannot be judged.

use verdict::exit::ExitCode;

use super::columns::ColumnError;
use super::nulls::Dropped;
use super::source::{Cause, SourceError};
use super::values::ValueError;

/// Why a dataset cannot be judged; each names the file where one is at fault.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// Listing or reading failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is nothing to read.
    #[error("`{uri}` holds no Parquet files{}", others_text(*others, example.as_deref()))]
    NoFiles {
        /// The dataset.
        uri: String,
        /// How many files of another kind there are.
        others: usize,
        /// One of them.
        example: Option<String>,
    },
    /// Files, and none of those that were asked for.
    #[error(
        "`{uri}` holds {files} files, and none that the pattern and the conditions on partitions admit"
    )]
    NoneAdmitted {
        /// The dataset.
        uri: String,
        /// How many files there are.
        files: usize,
    },
    /// Files, but not a single row.
    #[error("the dataset `{uri}` has no rows (files: {files})")]
    NoRows {
        /// The dataset.
        uri: String,
        /// How many files it has.
        files: u64,
    },
    /// Rows were left out for nulls, and what is left cannot be judged.
    #[error("no {of} are left: {} rows were dropped for {dropped}", dropped.rows)]
    NothingLeft {
        /// Which rows, such as `rows of the positive class`.
        of: String,
        /// What was left out.
        dropped: Dropped,
    },
    /// The file has no readable Parquet footer.
    #[error("`{file}` is not a readable Parquet file")]
    NotParquet {
        /// The file.
        file: String,
        /// What the reader said.
        #[source]
        source: Cause,
    },
    /// The footer reads, but the data behind it does not.
    #[error("row group {row_group} of `{file}` is damaged")]
    Damaged {
        /// The file.
        file: String,
        /// The row group, counted from 0.
        row_group: usize,
        /// What the reader said.
        #[source]
        source: Cause,
    },
    /// The task that reads has died before it had handed over every file.
    #[error("reading ended before all files were read{}", after_text(after.as_deref()))]
    CutShort {
        /// The file that came last.
        after: Option<String>,
    },
    /// The columns do not fit.
    #[error("the columns of `{file}` cannot be used")]
    Columns {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: ColumnError,
    },
    /// A value does not fit.
    #[error("the values of `{file}` cannot be used")]
    Values {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: ValueError,
    },
}

impl DatasetError {
    /// Returns the exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Source(error) => error.exit_code(),
            _ => ExitCode::Data,
        }
    }

    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source(error) => error.hint(),
            Self::NoFiles { uri, others: 0, .. } if uri.starts_with("s3://") => Some(format!(
                "list what is there: `aws s3 ls {uri}`; names that start with `_` or `.` do not count"
            )),
            Self::NoFiles { .. } => {
                Some("Parquet files end in .parquet, .parq or .pq; name a file to read it whatever its name".into())
            }
            Self::NoneAdmitted { .. } => Some(
                "partitions are folders such as `date=2026-01-09`; compare their names with `dataset.where`".into(),
            ),
            Self::NoRows { .. } => Some("check the job that writes the dataset".into()),
            Self::NothingLeft { .. } => Some(
                "fill these columns where the dataset is written, or leave them out of the features by `--ignore-columns`".into(),
            ),
            Self::NotParquet { .. } | Self::Damaged { .. } | Self::CutShort { .. } => Some(
                "write the file again and compare its size with the original's; `parquet-tools inspect` shows what is readable".into(),
            ),
            Self::Columns { source, .. } => source.hint(),
            Self::Values { source, .. } => source.hint(),
        }
    }
}

fn others_text(others: usize, example: Option<&str>) -> String {
    match (others, example) {
        (0, _) | (_, None) => String::new(),
        (1, Some(example)) => format!(", only `{example}`"),
        (others, Some(example)) => format!(", only {others} other files such as `{example}`"),
    }
}

fn after_text(after: Option<&str>) -> String {
    after.map_or_else(String::new, |file| format!("; the last one was `{file}`"))
}
