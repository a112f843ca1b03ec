//! Columns that are read along: weights, names of rows, groups; and why they cannot be used.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use sha2::{Digest, Sha256};
use verdict::exit::ExitCode;
use verdict::summary::RunError;

use super::gather::PARTS_MAX;

/// Why rows cannot be gathered; rows are counted from 0, first within the batch and then by
/// [`GatherError::at`] within the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GatherError {
    /// A weight that is none.
    #[error(
        "the weight column `{column}` has {value} in row {row}; a weight is a finite number above 0"
    )]
    Weight {
        /// The column.
        column: String,
        /// What is there.
        value: String,
        /// The row.
        row: u64,
    },
    /// A row that belongs to no group.
    #[error("the column `{column}` is null in row {row}")]
    Null {
        /// The column.
        column: String,
        /// The row.
        row: u64,
    },
    /// Two rows of one name.
    #[error("the column `{column}` names rows, and {count} of its values come more than once")]
    Duplicates {
        /// The column.
        column: String,
        /// How many values.
        count: usize,
    },
    /// More parts than can be judged.
    #[error("the column `{column}` has more than {PARTS_MAX} values")]
    TooManyParts {
        /// The column.
        column: String,
    },
    /// A type that has no place there.
    #[error("the column `{column}` of type {data_type} cannot be read as {wanted}")]
    Type {
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
        /// What it is needed as.
        wanted: &'static str,
    },
    /// Rows beyond the memory for them.
    #[error("sorted rows cannot be kept in a temporary file: {why}")]
    Spill {
        /// What the disk said, or what the file holds.
        why: String,
    },
    /// Sorted rows that do not read.
    #[error("sorted rows cannot be read: {why}")]
    Run {
        /// What is wrong with them.
        why: String,
    },
    /// Scores that do not belong to the rows.
    #[error("{scores} scores came for {rows} rows")]
    Length {
        /// How many scores.
        scores: usize,
        /// How many rows.
        rows: usize,
    },
}

impl From<RunError> for GatherError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Io(_) => Self::lost(&error),
            other => Self::Run {
                why: other.to_string(),
            },
        }
    }
}

impl GatherError {
    /// Says why what this process has written itself does not read, which is nobody's data.
    pub(super) fn lost(error: &RunError) -> Self {
        Self::Spill {
            why: match error {
                RunError::Io(cause) => cause.to_string(),
                other => other.to_string(),
            },
        }
    }

    /// Counts rows from elsewhere: `place` returns where a row lies.
    #[must_use]
    pub fn at(mut self, place: impl Fn(u64) -> u64) -> Self {
        if let Self::Weight { row, .. } | Self::Null { row, .. } = &mut self {
            *row = place(*row);
        }
        self
    }

    /// Returns the exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Spill { .. } => ExitCode::Infrastructure,
            _ => ExitCode::Data,
        }
    }

    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Weight { value, .. } if value != "null" => {
                "drop rows without weight where the dataset is written".into()
            }
            Self::Weight { .. } | Self::Null { .. } => {
                "fill the column where the dataset is written, or leave these rows out by `--nulls drop`".into()
            }
            Self::Duplicates { .. } => {
                "remove repeated rows, or name the column under `group` if rows belong together"
                    .into()
            }
            Self::TooManyParts { .. } => {
                "cut a numeric column by `edges`, or slice by a coarser column".into()
            }
            Self::Spill { .. } => {
                "give the folder that TMPDIR names room on a disk; docs/gate.md says how much".into()
            }
            Self::Run { .. } | Self::Type { .. } | Self::Length { .. } => return None,
        })
    }
}

pub(super) fn cast_to(
    column: &str,
    array: &ArrayRef,
    to: &DataType,
    wanted: &'static str,
) -> Result<ArrayRef, GatherError> {
    cast(array, to).map_err(|_| GatherError::Type {
        column: column.to_owned(),
        data_type: array.data_type().to_string(),
        wanted,
    })
}

pub(super) fn weights(column: &str, array: &ArrayRef) -> Result<Vec<f64>, GatherError> {
    let numbers = cast_to(column, array, &DataType::Float64, "weights")?;
    let numbers = numbers.as_primitive::<Float64Type>();
    (0..numbers.len())
        .map(|row| {
            let value = numbers.is_valid(row).then(|| numbers.value(row));
            value
                .filter(|value| value.is_finite() && *value > 0.0)
                .ok_or_else(|| GatherError::Weight {
                    column: column.to_owned(),
                    value: value.map_or_else(|| "null".to_owned(), |value| value.to_string()),
                    row: row as u64,
                })
        })
        .collect()
}

/// Returns a hash of each value that is the same in every run and on every machine.
pub(super) fn hashes(column: &str, array: &ArrayRef) -> Result<Vec<u128>, GatherError> {
    let texts = cast_to(column, array, &DataType::Utf8, "text")?;
    let texts = texts.as_string::<i32>();
    (0..texts.len())
        .map(|row| {
            if texts.is_null(row) {
                return Err(GatherError::Null {
                    column: column.to_owned(),
                    row: row as u64,
                });
            }
            let digest = Sha256::digest(texts.value(row).as_bytes());
            let (first, _) = digest.split_at(16);
            Ok(u128::from_le_bytes(
                first.try_into().expect("sixteen bytes"),
            ))
        })
        .collect()
}
