//! Asks for rows one at a time, as callers of a service do.
//!
//! Batches decide the metrics. A model that mixes the rows of a batch (it standardises by the
//! batch's own mean, say) or cannot take a single row would be judged on what no caller gets.

use ndarray::{ArrayView2, s};

use crate::scorer::{ElementType, RawScores, Scorer, ScorerError};

/// Rows of the batch that single rows are compared with.
const BATCH_ROWS_MAX: usize = 64;
/// Rows that are scored one at a time.
const SINGLE_ROWS_MAX: usize = 4;
/// Difference that counts, as a share of the spread of the batch's scores.
const SPREAD_SHARE: f64 = 0.01;

/// A row whose score depends on the rows around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Its score by itself.
    pub alone: f64,
    /// Its score in a batch.
    pub in_batch: f64,
}

/// Scores some of `rows`, shape `[rows, width]`, alone and in a batch; returns the first whose
/// scores differ by more than rounding explains.
///
/// # Errors
/// [`ScorerError`] as the scorer gives it; [`ScorerError::UnsupportedOutput`] when a row that
/// has a score in a batch has none alone.
pub fn compare(
    scorer: &mut dyn Scorer,
    rows: ArrayView2<'_, f32>,
) -> Result<Option<Difference>, ScorerError> {
    let batch_rows = rows.nrows().min(BATCH_ROWS_MAX);
    let batch = scorer.score(rows.slice(s![..batch_rows, ..]))?;
    let columns = batch.columns.max(1);
    if batch.values.len() != batch_rows * columns {
        return Err(unsupported(batch.values.len(), batch_rows));
    }
    let tolerance = tolerance(&batch);
    let mut difference = None;
    let in_batch = batch.values.chunks_exact(columns);
    for (row, in_batch) in in_batch.enumerate().take(SINGLE_ROWS_MAX) {
        let single = scorer.score(rows.slice(s![row..=row, ..]))?;
        if single.values.len() != columns {
            return Err(unsupported(single.values.len(), 1));
        }
        for (&alone, &in_batch) in single.values.iter().zip(in_batch) {
            if alone.is_nan() {
                return Err(ScorerError::UnsupportedOutput {
                    what: format!("it is NaN for a single row, which scores {in_batch} in a batch"),
                });
            }
            // Equal infinities have no difference that is a number.
            let is_same = alone == in_batch || (alone - in_batch).abs() <= tolerance;
            if !is_same && difference.is_none() {
                difference = Some(Difference { alone, in_batch });
            }
        }
    }
    Ok(difference)
}

/// Returns what rounding may change: other sizes of a batch sum in another order.
fn tolerance(batch: &RawScores) -> f64 {
    let rounding = match batch.element_type {
        ElementType::Bf16 => 2e-2,
        ElementType::F16 => 3e-3,
        ElementType::F32 => 1e-5,
        ElementType::F64 => 1e-9,
    };
    let (mut least, mut largest) = (f64::INFINITY, f64::NEG_INFINITY);
    for &value in batch.values.iter().filter(|value| value.is_finite()) {
        least = least.min(value);
        largest = largest.max(value);
    }
    if least > largest {
        return 0.0;
    }
    SPREAD_SHARE * (largest - least) + rounding * least.abs().max(largest.abs())
}

fn unsupported(values: usize, rows: usize) -> ScorerError {
    ScorerError::UnsupportedOutput {
        what: format!("it has {values} values for {rows} rows"),
    }
}
