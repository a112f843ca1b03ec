//! Scores all rows and gathers what the metrics and the latency measurement need.
//!
//! Raw outputs are ranked as they come: nothing here squashes, rounds or averages them.

mod alone;
mod classes;
mod inputs;
mod sample;
#[cfg(test)]
mod tests;

use ndarray::{ArrayView2, Axis};
use verdict::exit::ExitCode;

use crate::dataset::{DatasetError, RowBatch, RowBatches};
use crate::judge::{GatherError, GatherPlan, Gatherer, ScoredRows};
use crate::scorer::{ElementType, OutputKind, RawScores, Scorer, ScorerError};
use crate::settings::InputSetting;

pub use alone::{Difference, compare as compare_alone};
pub use classes::{ClassEvaluation, evaluate_classes};
pub use sample::RowSample;

/// What scoring all rows gave.
#[derive(Debug)]
pub struct Evaluation {
    /// All raw outputs and labels, by population.
    pub gathered: Gatherer,
    /// How many rows were scored.
    pub rows: u64,
    /// Rows from all over the dataset, for measuring latency.
    pub sample: RowSample,
    /// Numbers a row.
    pub width: usize,
    /// Element type of the model's output.
    pub element_type: ElementType,
    /// Which part of the model's output was ranked.
    pub kind: OutputKind,
    /// How many outputs were infinite.
    pub infinite: u64,
}

/// Why rows cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The rows cannot be had.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The dataset's rows are not what the model takes.
    #[error("the dataset has {given} features a row, but the model takes {}", expected_text(*expected))]
    Width {
        /// Numbers a row in the dataset.
        given: usize,
        /// Numbers a row that the model takes, where it tells.
        expected: Option<usize>,
        /// What the model itself said, where it did.
        #[source]
        source: Option<ModelSaid>,
    },
    /// The model failed on some rows.
    #[error("scoring rows {first_row} to {last_row} of `{file}` failed")]
    Scoring {
        /// The file.
        file: String,
        /// The first row, counted from 0 within the file.
        first_row: u64,
        /// The last row.
        last_row: u64,
        /// What happened.
        #[source]
        source: ScorerError,
    },
    /// A NaN from finite features.
    #[error(
        "the model returned NaN for row {row} of `{file}`, whose features are all finite ({count} such rows in this batch of {rows})"
    )]
    NanScore {
        /// The file.
        file: String,
        /// The first row, counted from 0 within the file.
        row: u64,
        /// How many there were in the batch.
        count: usize,
        /// The size of the batch.
        rows: usize,
    },
    /// A NaN from infinite features.
    #[error("the model returned NaN for row {row} of `{file}`, which has infinite features")]
    NanFromInfiniteFeatures {
        /// The file.
        file: String,
        /// The row, counted from 0 within the file.
        row: u64,
    },
    /// An input of whole numbers that gets others.
    #[error(
        "the input `{input}` takes whole numbers below 2^24, and row {row} of `{file}` has {value}"
    )]
    WholeNumbers {
        /// The input's name or columns.
        input: String,
        /// The file.
        file: String,
        /// The row, counted from 0 within the file.
        row: u64,
        /// What is there.
        value: f32,
    },
    /// Outputs that are no columns of classes.
    #[error(
        "the model returns {columns} columns, and the gate file says that there are {classes} classes"
    )]
    Classes {
        /// Columns that came back.
        columns: usize,
        /// Classes that were declared.
        classes: usize,
    },
    /// The champion failed.
    #[error("the champion cannot score what the model scores")]
    Champion(#[source] Box<Self>),
    /// Rows cannot be gathered, such as for a column that was read along.
    #[error("the rows of `{file}` cannot be used")]
    Along {
        /// The file.
        file: String,
        /// Why; its rows are counted from 0 within the file.
        #[source]
        source: GatherError,
    },
    /// More or fewer outputs than rows.
    #[error("the model returned {values} outputs for {rows} rows of `{file}`")]
    Shape {
        /// The file.
        file: String,
        /// How many numbers came back.
        values: usize,
        /// How many rows went in.
        rows: usize,
    },
}

/// A model's own words.
#[derive(Debug, thiserror::Error)]
#[error("the model said: {0}")]
pub struct ModelSaid(pub String);

impl EvaluateError {
    /// Returns the exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Dataset(error) => error.exit_code(),
            Self::Champion(source) => source.exit_code(),
            Self::WholeNumbers { .. } => ExitCode::Data,
            Self::Classes { .. } => ExitCode::Model,
            Self::Along { source, .. } => source.exit_code(),
            Self::Width { .. } | Self::NanFromInfiniteFeatures { .. } => ExitCode::Data,
            Self::Scoring { source, .. } => scorer_exit_code(source),
            Self::NanScore { .. } | Self::Shape { .. } => ExitCode::Model,
        }
    }

    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Dataset(error) => error.hint(),
            Self::Champion(source) => source.hint(),
            Self::Along { source, .. } => source.hint(),
            Self::WholeNumbers { .. } => Some(
                "write the column as whole numbers from 0 on, or leave `dtype: int64` out".into(),
            ),
            Self::Classes { .. } => Some(
                "let `model.classes` be the number of the model's columns; `output_index` or `output_key` picks another output".into(),
            ),
            Self::Width { .. } => Some(
                "name the features by `--features A,B,C`, leave columns out by `--ignore-columns ID`, or use the dataset that belongs to this model".into(),
            ),
            Self::Scoring { source, .. } => source.hint(),
            Self::NanScore { .. } => Some(
                "look for divisions by zero, logarithms or unfinished training in the model; it would serve NaN too".into(),
            ),
            Self::NanFromInfiniteFeatures { .. } => {
                Some("drop or cap infinite features where the dataset is written".into())
            }
            Self::Shape { .. } => {
                Some("a model for this gate returns one number for each row".into())
            }
        }
    }
}

fn expected_text(expected: Option<usize>) -> String {
    expected.map_or_else(|| "another number".to_owned(), |width| width.to_string())
}

/// Returns the exit code for a failure of the scorer.
#[must_use]
pub fn scorer_exit_code(error: &ScorerError) -> ExitCode {
    match error {
        ScorerError::WrongWidth { .. } => ExitCode::Data,
        ScorerError::ScorerMissing { .. }
        | ScorerError::Plan { .. }
        | ScorerError::Inputs { .. }
        | ScorerError::NoDevice { .. } => ExitCode::Usage,
        ScorerError::ModelUnreadable { source, .. } => match source.kind() {
            std::io::ErrorKind::NotFound
            | std::io::ErrorKind::NotADirectory
            | std::io::ErrorKind::IsADirectory
            | std::io::ErrorKind::InvalidInput
            | std::io::ErrorKind::PermissionDenied => ExitCode::Usage,
            _ => ExitCode::Infrastructure,
        },
        ScorerError::Spawn { .. } | ScorerError::DidNotStart { .. } => ExitCode::Infrastructure,
        _ => ExitCode::Model,
    }
}

/// The models of a run.
pub struct Scorers<'a> {
    /// The model that is judged.
    pub model: &'a mut dyn Scorer,
    /// The one that serves now.
    pub champion: Option<&'a mut dyn Scorer>,
    /// The arguments of both; empty where all features are the only one.
    pub inputs: &'a [InputSetting],
}

/// Scores every row that `batches` yields, with each model once; `progress` is told of each
/// batch's rows.
///
/// Blocks; must run outside of async tasks.
///
/// # Errors
/// [`EvaluateError`] for the first problem in file order. The scorers may be gone then.
pub fn evaluate(
    batches: &mut RowBatches,
    mut scorers: Scorers<'_>,
    plan: &GatherPlan,
    mut progress: impl FnMut(u64),
) -> Result<Option<Evaluation>, EvaluateError> {
    let mut evaluation: Option<Evaluation> = None;
    while let Some(batch) = batches.next_blocking()? {
        if batch.labels.is_empty() {
            continue;
        }
        let width = batch.features().ncols();
        if evaluation.is_none() {
            refuse_other_width(width, scorers.model.model().expected_width)?;
            inputs::arrange(scorers.model, scorers.inputs, &batch)?;
            if let Some(champion) = &mut scorers.champion {
                inputs::arrange(*champion, scorers.inputs, &batch)
                    .map_err(|error| EvaluateError::Champion(Box::new(error)))?;
            }
        }
        inputs::refuse_fractions(scorers.inputs, &batch)?;
        let (raw, of_champion) = score_with_all(&mut scorers, &batch)?;
        let evaluation = evaluation.get_or_insert_with(|| Evaluation {
            gathered: Gatherer::new(plan.clone()),
            rows: 0,
            sample: RowSample::new(width),
            width,
            element_type: raw.element_type,
            kind: raw.kind,
            infinite: 0,
        });
        let rows = ScoredRows {
            scores: &raw.values,
            exact_in_f32: raw.exact_in_f32(),
            champion: of_champion.as_ref().map(|raw| raw.values.as_slice()),
            labels: &batch.labels,
            along: &batch.along,
        };
        evaluation
            .gathered
            .take(rows)
            .map_err(|source| along_error(source, &batch))?;
        evaluation.rows += batch.labels.len() as u64;
        evaluation.infinite += raw.values.iter().filter(|v| v.is_infinite()).count() as u64;
        evaluation.sample.offer(batch.features());
        progress(batch.labels.len() as u64);
    }
    Ok(evaluation)
}

/// Scores a batch with both models at a time: each has a process of its own.
fn score_with_all(
    scorers: &mut Scorers<'_>,
    batch: &RowBatch,
) -> Result<(RawScores, Option<RawScores>), EvaluateError> {
    let Some(champion) = &mut scorers.champion else {
        return Ok((score_with(scorers.model, batch)?, None));
    };
    let model = &mut scorers.model;
    let (of_model, of_champion) = std::thread::scope(|scope| {
        let other = scope.spawn(|| score_with(*champion, batch));
        let of_model = score_with(*model, batch);
        (of_model, other.join())
    });
    let of_champion = of_champion.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let of_champion = of_champion.map_err(|error| EvaluateError::Champion(Box::new(error)));
    Ok((of_model?, Some(of_champion?)))
}

fn score_with(scorer: &mut dyn Scorer, batch: &RowBatch) -> Result<RawScores, EvaluateError> {
    let raw = scorer
        .score(batch.features())
        .map_err(|error| scoring_error(error, batch))?;
    if raw.columns != 1 {
        return Err(shape_error(&raw, batch));
    }
    check_scores(&raw, batch)?;
    Ok(raw)
}

fn refuse_other_width(given: usize, expected: Option<usize>) -> Result<(), EvaluateError> {
    match expected {
        Some(expected) if expected != given => Err(EvaluateError::Width {
            given,
            expected: Some(expected),
            source: None,
        }),
        _ => Ok(()),
    }
}

fn scoring_error(error: ScorerError, batch: &RowBatch) -> EvaluateError {
    match error {
        ScorerError::WrongWidth {
            given,
            expected,
            message,
        } => EvaluateError::Width {
            given,
            expected,
            source: message.map(ModelSaid),
        },
        source => EvaluateError::Scoring {
            file: batch.file.to_string(),
            first_row: batch.numbers.of(0),
            last_row: batch.numbers.of(batch.labels.len().saturating_sub(1)),
            source,
        },
    }
}

fn along_error(source: GatherError, batch: &RowBatch) -> EvaluateError {
    EvaluateError::Along {
        file: batch.file.to_string(),
        source: source.at(|row| batch.numbers.of(row as usize)),
    }
}

fn shape_error(raw: &RawScores, batch: &RowBatch) -> EvaluateError {
    EvaluateError::Shape {
        file: batch.file.to_string(),
        values: raw.values.len(),
        rows: batch.labels.len(),
    }
}

fn check_scores(raw: &RawScores, batch: &RowBatch) -> Result<(), EvaluateError> {
    let rows = batch.labels.len();
    if raw.values.len() != rows * raw.columns {
        return Err(shape_error(raw, batch));
    }
    let Some(position) = raw.values.iter().position(|value| value.is_nan()) else {
        return Ok(());
    };
    let position = position / raw.columns.max(1);
    let row = batch.numbers.of(position);
    let file = batch.file.to_string();
    if !is_finite_row(batch.features(), position) {
        return Err(EvaluateError::NanFromInfiniteFeatures { file, row });
    }
    Err(EvaluateError::NanScore {
        file,
        row,
        count: raw
            .values
            .chunks(raw.columns.max(1))
            .filter(|row| row.iter().any(|value| value.is_nan()))
            .count(),
        rows,
    })
}

fn is_finite_row(features: ArrayView2<'_, f32>, row: usize) -> bool {
    features
        .index_axis(Axis(0), row)
        .iter()
        .all(|value| value.is_finite())
}
