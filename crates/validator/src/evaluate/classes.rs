//! Scores all rows of a model that tells several classes apart.

use super::{
    EvaluateError, RowSample, along_error, check_scores, inputs, refuse_other_width, scoring_error,
};
use crate::dataset::RowBatches;
use crate::judge::{ClassGatherer, ScoredClasses};
use crate::scorer::{ElementType, Scorer};
use crate::settings::InputSetting;

/// What scoring all rows gave.
#[derive(Debug)]
pub struct ClassEvaluation {
    /// All raw outputs and labels.
    pub gathered: ClassGatherer,
    /// Rows from all over the dataset, for measuring latency.
    pub sample: RowSample,
    /// Numbers a row.
    pub width: usize,
    /// Element type of the model's output.
    pub element_type: ElementType,
}

/// Scores every row that `batches` yields; `progress` is told of each batch's rows. Nothing
/// where there is no row.
///
/// Blocks; must run outside of async tasks.
///
/// # Errors
/// [`EvaluateError`] for the first problem in file order. The scorer may be gone then.
pub fn evaluate_classes(
    batches: &mut RowBatches,
    scorer: &mut dyn Scorer,
    settings: &[InputSetting],
    classes: usize,
    id: Option<&str>,
    mut progress: impl FnMut(u64),
) -> Result<Option<ClassEvaluation>, EvaluateError> {
    let mut evaluation: Option<ClassEvaluation> = None;
    while let Some(batch) = batches.next_blocking()? {
        if batch.labels.is_empty() {
            continue;
        }
        let width = batch.features().ncols();
        if evaluation.is_none() {
            refuse_other_width(width, scorer.model().expected_width)?;
            inputs::arrange(scorer, settings, &batch)?;
        }
        inputs::refuse_fractions(settings, &batch)?;
        let raw = scorer
            .score(batch.features())
            .map_err(|error| scoring_error(error, &batch))?;
        if raw.columns != classes {
            return Err(EvaluateError::Classes {
                columns: raw.columns,
                classes,
            });
        }
        check_scores(&raw, &batch)?;
        let evaluation = evaluation.get_or_insert_with(|| ClassEvaluation {
            gathered: ClassGatherer::new(classes, id),
            sample: RowSample::new(width),
            width,
            element_type: raw.element_type,
        });
        evaluation
            .gathered
            .take(ScoredClasses {
                outputs: &raw.values,
                labels: &batch.classes,
                along: &batch.along,
            })
            .map_err(|source| along_error(source, &batch))?;
        evaluation.sample.offer(batch.features());
        progress(batch.labels.len() as u64);
    }
    Ok(evaluation)
}
