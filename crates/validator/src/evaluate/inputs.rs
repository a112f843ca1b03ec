//! From the columns of a batch to the arguments of a model's `forward`.

use super::EvaluateError;
use crate::dataset::RowBatch;
use crate::scorer::{InputPart, ModelInput, Scorer};
use crate::settings::InputSetting;

/// From here on single precision does not tell all whole numbers apart.
const WHOLE_NUMBERS_END: f32 = 16_777_216.0;

/// Returns the arguments and where their columns lie in a batch.
fn model_inputs(inputs: &[InputSetting], batch: &RowBatch) -> Vec<ModelInput> {
    let mut widths = batch.column_widths.iter();
    let mut first = 0;
    inputs
        .iter()
        .map(|input| {
            let width = widths.by_ref().take(input.columns.len()).sum();
            let part = InputPart {
                first,
                width,
                whole_numbers: input.whole_numbers,
                flat: input.flat && width == 1,
            };
            first += width;
            ModelInput {
                name: input.name.clone(),
                part,
            }
        })
        .collect()
}

/// Tells a model how batches like this one become its arguments.
pub(super) fn arrange(
    model: &mut dyn Scorer,
    inputs: &[InputSetting],
    batch: &RowBatch,
) -> Result<(), EvaluateError> {
    if inputs.is_empty() {
        return Ok(());
    }
    model
        .set_inputs(&model_inputs(inputs, batch))
        .map_err(|source| super::scoring_error(source, batch))
}

/// Refuses fractions, and numbers that single precision has rounded, where a model takes whole
/// numbers: an embedding would be looked up in another row.
pub(super) fn refuse_fractions(
    inputs: &[InputSetting],
    batch: &RowBatch,
) -> Result<(), EvaluateError> {
    if !inputs.iter().any(|input| input.whole_numbers) {
        return Ok(());
    }
    let features = batch.features();
    for (input, arranged) in inputs.iter().zip(model_inputs(inputs, batch)) {
        let InputPart { first, width, .. } = arranged.part;
        if !input.whole_numbers {
            continue;
        }
        for (row, values) in features.rows().into_iter().enumerate() {
            let values = values.iter().skip(first).take(width);
            let is_whole = |value: f32| value.fract() == 0.0 && value.abs() < WHOLE_NUMBERS_END;
            if let Some(&value) = values.into_iter().find(|&&value| !is_whole(value)) {
                return Err(EvaluateError::WholeNumbers {
                    input: input
                        .name
                        .clone()
                        .unwrap_or_else(|| input.columns.join(",")),
                    file: batch.file.to_string(),
                    row: batch.numbers.of(row),
                    value,
                });
            }
        }
    }
    Ok(())
}
