//! Tells a batch of the wrong width from a model that raises for another reason.
//!
//! TorchScript does not declare the width of its input, so the model is asked: rows of zeros of
//! other widths, likely ones first. Only ever done after a call has failed, or for a single
//! column, so that the first call of a sound model stays cold.

use std::time::{Duration, Instant};

use validator::scorer::protocol::Rows;

use crate::torch::Model;

/// Widest input that is looked for one by one.
const WIDTH_MAX: usize = 1_024;
/// Longest search; a model that works long before it fails ends it.
const SEARCH_MAX: Duration = Duration::from_secs(3);

/// Explains a failed call by the width: `None` when the width is not to blame, otherwise the
/// width that the model takes, where there is exactly one and it was found.
pub(crate) fn explain(model: &Model, given: usize, message: &str) -> Option<Option<usize>> {
    if takes(model, given) {
        return None;
    }
    let started = Instant::now();
    let likely = widths_in_message(message, given)
        .into_iter()
        .chain(model.weight_widths().iter().copied())
        .filter(|width| (1..1 << 20).contains(width));
    let found = likely
        .chain(1..=WIDTH_MAX)
        .take_while(|_| started.elapsed() < SEARCH_MAX)
        .find(|width| *width != given && takes(model, *width));
    match found {
        Some(width) if !takes(model, width + 1) => Some(Some(width)),
        Some(_) => Some(None),
        None => None,
    }
}

/// Returns the one width above 1 that the model takes, where there is exactly one: such a model
/// has stretched a single column to its own width.
pub(crate) fn only_other(model: &Model) -> Option<usize> {
    let started = Instant::now();
    let mut widths = (2..=WIDTH_MAX)
        .take_while(|_| started.elapsed() < SEARCH_MAX)
        .filter(|width| takes(model, *width));
    let width = widths.next()?;
    widths.next().is_none().then_some(width)
}

fn takes(model: &Model, width: usize) -> bool {
    model
        .zeros(Rows { rows: 2, width })
        .and_then(|input| model.call(&input))
        .is_ok()
}

/// Reads widths that the model may want out of libtorch's text about sizes that do not match.
fn widths_in_message(message: &str, given: usize) -> Vec<usize> {
    let product = message
        .split_once("shapes cannot be multiplied (")
        .and_then(|(_, rest)| rest.split_once(')'))
        .and_then(|(shapes, _)| {
            let (left, right) = shapes.split_once(" and ")?;
            let left: usize = left.split_once('x')?.1.parse().ok()?;
            let right: usize = right.split_once('x')?.0.parse().ok()?;
            Some((left, right))
        });
    let sizes = || {
        let number = |name: &str| -> Option<usize> {
            let (_, rest) = message.split_once(name)?;
            rest.split_once(')')?.0.parse().ok()
        };
        Some((number("of tensor a (")?, number("of tensor b (")?))
    };
    let Some((found, wanted)) = product.or_else(sizes) else {
        return Vec::new();
    };
    // A model may have doubled its columns, say, before they met what does not fit.
    let scaled = given
        .checked_mul(wanted)
        .filter(|product| found != 0 && product % found == 0)
        .map(|product| product / found);
    scaled.into_iter().chain([wanted]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_widths_are_read_from_what_libtorch_says() {
        let product = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x30 and 512x8)";
        assert_eq!(widths_in_message(product, 30), [512, 512]);
        let sizes = "The size of tensor a (18) must match the size of tensor b (20) at non-singleton dimension 1";
        assert_eq!(widths_in_message(sizes, 9), [10, 20]);
        assert!(widths_in_message("negative amounts", 30).is_empty());
    }
}
