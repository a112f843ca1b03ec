//! From what the model returned to one value, or one row of values, for each row of the batch.

use validator::scorer::protocol::Failure;
use validator::scorer::{ColumnChoice, ElementType, OutputKind, OutputSelection};

use crate::torch::{Matrix, Output};

/// Largest deviation from one of the sum of two probabilities (half precision rounds to 5e-4).
const PAIR_SUM_TOLERANCE: f64 = 4e-3;

/// Scores of one batch.
pub(crate) struct Scores {
    pub(crate) values: Vec<f64>,
    pub(crate) columns: usize,
    pub(crate) element_type: ElementType,
    pub(crate) kind: OutputKind,
}

/// Picks the scores out of `output`; `earlier` is what the batch before was.
pub(crate) fn select(
    output: Output,
    selection: &OutputSelection,
    rows: usize,
    earlier: Option<OutputKind>,
) -> Result<Scores, Failure> {
    let matrix = tensor(output, selection)?;
    let element_type = matrix.element_type().map_err(|name| {
        unsupported(format!(
            "its element type is {name}; scores are floating-point numbers (class numbers cannot be ranked)"
        ))
    })?;
    let size = matrix.size();
    let columns = columns(&size, rows)?;
    let values = matrix.values().map_err(|error| Failure::Raised {
        message: error.message,
    })?;
    let (values, columns, kind) = pick(values, columns, selection.column, earlier)?;
    Ok(Scores {
        values,
        columns,
        element_type,
        kind,
    })
}

fn tensor(output: Output, selection: &OutputSelection) -> Result<Matrix, Failure> {
    match output {
        Output::Tensor(matrix) => Ok(matrix),
        Output::Several(items) => {
            let count = items.len();
            let index = selection.index.unwrap_or(0);
            let item = items.into_iter().nth(index).ok_or_else(|| {
                unsupported(format!("it has {count} elements and no element {index}"))
            })?;
            tensor(item, selection)
        }
        Output::Named(entries) => tensor(entry(entries, selection)?, selection),
        Output::Other(what) => Err(unsupported(format!("it is {what}"))),
    }
}

fn entry(
    mut entries: Vec<(String, Output)>,
    selection: &OutputSelection,
) -> Result<Output, Failure> {
    let names = || {
        entries
            .iter()
            .map(|(name, _)| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let position = match &selection.key {
        Some(key) => entries
            .iter()
            .position(|(name, _)| name == key)
            .ok_or_else(|| unsupported(format!("it has no entry `{key}`, but {}", names())))?,
        None if entries.len() == 1 => 0,
        None => {
            return Err(unsupported(format!(
                "it is a dictionary of {}; name the entry by `model.output_key`",
                names()
            )));
        }
    };
    Ok(entries.swap_remove(position).1)
}

/// Returns the number of columns of an output of this size for `rows` rows.
fn columns(size: &[i64], rows: usize) -> Result<usize, Failure> {
    let wrong = || {
        unsupported(format!(
            "its shape is {size:?} for {rows} rows; expected [{rows}], [{rows}, 1] or [{rows}, 2]"
        ))
    };
    let size: Vec<usize> = size
        .iter()
        .map(|length| usize::try_from(*length))
        .collect::<Result<_, _>>()
        .map_err(|_| wrong())?;
    match size.as_slice() {
        // What `squeeze()` leaves of a single row.
        [] if rows == 1 => Ok(1),
        [length] if *length == rows => Ok(1),
        [length, columns] if *length == rows && *columns > 0 => Ok(*columns),
        [length, columns, rest @ ..]
            if *length == rows && *columns > 0 && rest.iter().all(|length| *length == 1) =>
        {
            Ok(*columns)
        }
        _ => Err(wrong()),
    }
}

fn pick(
    values: Vec<f64>,
    columns: usize,
    choice: ColumnChoice,
    earlier: Option<OutputKind>,
) -> Result<(Vec<f64>, usize, OutputKind), Failure> {
    let column = |wanted: usize| {
        values
            .chunks_exact(columns)
            .map(|row| row[wanted])
            .collect()
    };
    match (choice, columns) {
        (ColumnChoice::All, _) => Ok((values, columns, OutputKind::AllColumns)),
        (ColumnChoice::Column(wanted), _) if wanted < columns => {
            Ok((column(wanted), 1, OutputKind::Column))
        }
        (ColumnChoice::Column(wanted), _) => Err(unsupported(format!(
            "it has {columns} columns and no column {wanted}"
        ))),
        (ColumnChoice::Auto, 1) => Ok((values, 1, OutputKind::Single)),
        // Few logits may look like probabilities by chance, most of all those of a single row.
        (ColumnChoice::Auto, 2)
            if earlier != Some(OutputKind::LogitDifference) && are_probabilities(&values) =>
        {
            Ok((column(1), 1, OutputKind::PairOfProbabilities))
        }
        (ColumnChoice::Auto, 2) => {
            let differences = values.chunks_exact(2).map(|row| row[1] - row[0]).collect();
            Ok((differences, 1, OutputKind::LogitDifference))
        }
        (ColumnChoice::Auto, _) => Err(unsupported(format!(
            "it has {columns} columns; choose the positive one"
        ))),
    }
}

/// Tells whether all pairs are probabilities of two classes; NaN tells nothing either way.
fn are_probabilities(values: &[f64]) -> bool {
    values.chunks_exact(2).all(|row| {
        let [negative, positive] = [row[0], row[1]];
        if negative.is_nan() || positive.is_nan() {
            return true;
        }
        let in_range = |value| (0.0..=1.0).contains(&value);
        in_range(negative)
            && in_range(positive)
            && (negative + positive - 1.0).abs() <= PAIR_SUM_TOLERANCE
    })
}

fn unsupported(what: String) -> Failure {
    Failure::UnsupportedOutput { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_with_one_row_of_values_for_each_row_are_taken() {
        assert_eq!(columns(&[], 1).unwrap(), 1);
        assert_eq!(columns(&[3], 3).unwrap(), 1);
        assert_eq!(columns(&[3, 1], 3).unwrap(), 1);
        assert_eq!(columns(&[3, 1, 1], 3).unwrap(), 1);
        assert_eq!(columns(&[3, 2], 3).unwrap(), 2);
        for size in [&[4][..], &[], &[1, 3], &[3, 0], &[3, 2, 2]] {
            assert!(columns(size, 3).is_err(), "{size:?}");
        }
    }

    #[test]
    fn two_probabilities_give_the_second_and_two_logits_their_difference() {
        let (values, _, kind) =
            pick(vec![0.25, 0.75, 0.5, 0.5], 2, ColumnChoice::Auto, None).unwrap();
        assert_eq!(
            (values, kind),
            (vec![0.75, 0.5], OutputKind::PairOfProbabilities)
        );
        let (values, _, kind) =
            pick(vec![2.0, 3.0, 0.5, 0.25], 2, ColumnChoice::Auto, None).unwrap();
        assert_eq!(
            (values, kind),
            (vec![1.0, -0.25], OutputKind::LogitDifference)
        );
    }

    #[test]
    fn what_was_logits_stays_logits_though_a_row_may_look_like_probabilities() {
        let earlier = Some(OutputKind::LogitDifference);
        let (values, _, kind) = pick(vec![0.25, 0.75], 2, ColumnChoice::Auto, earlier).unwrap();
        assert_eq!((values, kind), (vec![0.5], OutputKind::LogitDifference));
    }

    #[test]
    fn columns_beyond_two_must_be_chosen() {
        let values = vec![1.0, 2.0, 3.0];
        assert!(pick(values.clone(), 3, ColumnChoice::Auto, None).is_err());
        assert!(pick(values.clone(), 3, ColumnChoice::Column(3), None).is_err());
        let (picked, count, _) = pick(values.clone(), 3, ColumnChoice::Column(2), None).unwrap();
        assert_eq!((picked, count), (vec![3.0], 1));
        let (all, count, _) = pick(values.clone(), 3, ColumnChoice::All, None).unwrap();
        assert_eq!((all, count), (values, 3));
    }
}
