//! Rows without a value where one is needed: they end the run, or are left out and counted.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::columns::ColumnSelection;
use super::values::{RowNumbers, ValueError};

/// At most this many columns are named in a sentence.
const COLUMNS_SHOWN_MAX: usize = 5;

/// What becomes of rows with nulls in label, features, or the columns that every row needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NullPolicy {
    /// The first one ends the run.
    #[default]
    Refuse,
    /// They are left out.
    Drop,
}

/// Rows that were left out for nulls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// How many rows.
    pub rows: u64,
    /// How many rows had a null in each column; a row may count in several.
    pub columns: BTreeMap<String, u64>,
}

impl Dropped {
    /// Tells whether no row was left out.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.rows == 0
    }

    /// Adds what was left out elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        for (column, rows) in &other.columns {
            *self.columns.entry(column.clone()).or_default() += rows;
        }
    }

    /// Returns the columns and their rows, those with the most first.
    #[must_use]
    pub fn columns_by_rows(&self) -> Vec<(&str, u64)> {
        let columns = self.columns.iter();
        let mut columns: Vec<(&str, u64)> = columns.map(|(name, &rows)| (&**name, rows)).collect();
        columns.sort_by_key(|&(name, rows)| (std::cmp::Reverse(rows), name));
        columns
    }
}

impl std::fmt::Display for Dropped {
    /// Writes the columns that held the nulls, such as ``nulls in `age` (12) and `label` (3)``.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.columns_by_rows();
        let mut texts: Vec<String> = columns
            .iter()
            .take(COLUMNS_SHOWN_MAX)
            .map(|(column, rows)| format!("`{column}` ({rows})"))
            .collect();
        let more = columns.len() - texts.len();
        if more > 0 {
            texts.push(format!("{more} more"));
        }
        let last = texts.pop().unwrap_or_default();
        match texts.as_slice() {
            [] => write!(formatter, "nulls in {last}"),
            texts => write!(formatter, "nulls in {} and {last}", texts.join(", ")),
        }
    }
}

/// Returns the columns in which each row needs a value, each once; none where nulls are refused as
/// they are met. `features` are the names of the feature columns.
pub(super) fn needed_columns(selection: &ColumnSelection, features: &[String]) -> Vec<String> {
    if selection.nulls == NullPolicy::Refuse {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    std::iter::once(&selection.label)
        .chain(features)
        .chain(&selection.needed)
        .filter(|name| seen.insert(*name))
        .cloned()
        .collect()
}

/// Leaves out the rows without a value in one of the `needed` columns, and counts them; where there
/// are none, nothing is copied.
///
/// `is_constant` tells whether a column that is not in the batch has one value for the whole file.
///
/// # Errors
/// [`ValueError::Rows`] for a type whose rows cannot be told apart.
pub(super) fn complete_rows<'a>(
    batch: &'a RecordBatch,
    needed: &[String],
    first_row: u64,
    is_constant: impl Fn(&str) -> bool,
    dropped: &mut Dropped,
) -> Result<(Cow<'a, RecordBatch>, RowNumbers), ValueError> {
    let rows = batch.num_rows();
    let mut complete: Option<BooleanBuffer> = None;
    for name in needed {
        let present = match batch.column_by_name(name) {
            Some(array) => present(array),
            None if is_constant(name) => None,
            None => Some(BooleanBuffer::new_unset(rows)),
        };
        let Some(present) = present.filter(|present| present.count_set_bits() < rows) else {
            continue;
        };
        let missing = rows - present.count_set_bits();
        *dropped.columns.entry(name.clone()).or_default() += missing as u64;
        complete = Some(match complete {
            Some(complete) => &complete & &present,
            None => present,
        });
    }
    let Some(complete) = complete else {
        return Ok((Cow::Borrowed(batch), RowNumbers::from(first_row)));
    };
    dropped.rows += (rows - complete.count_set_bits()) as u64;
    let numbers = RowNumbers::of_kept(first_row, complete.set_indices_u32());
    let kept = filter_record_batch(batch, &BooleanArray::new(complete, None));
    let kept = kept.map_err(|error| ValueError::Rows {
        why: error.to_string(),
    })?;
    Ok((Cow::Owned(kept), numbers))
}

/// Returns which rows have a value; a vector with a null in it is none. Nothing where all have.
fn present(array: &ArrayRef) -> Option<BooleanBuffer> {
    let of_rows = array.logical_nulls().map(|nulls| nulls.inner().clone());
    let (items, is_whole): (&ArrayRef, Box<dyn Fn(usize) -> bool + '_>) = match array.data_type() {
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list();
            let is_whole = |row| list.value(row).logical_null_count() == 0;
            (list.values(), Box::new(is_whole))
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let is_whole = |row| list.value(row).logical_null_count() == 0;
            (list.values(), Box::new(is_whole))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let is_whole = |row| list.value(row).logical_null_count() == 0;
            (list.values(), Box::new(is_whole))
        }
        _ => return of_rows,
    };
    if items.logical_null_count() == 0 {
        return of_rows;
    }
    Some(BooleanBuffer::collect_bool(array.len(), |row| {
        of_rows.as_ref().is_none_or(|rows| rows.value(row)) && is_whole(row)
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        DictionaryArray, FixedSizeListArray, Float32Array, Float64Array, Int32Array, ListArray,
        NullArray,
    };
    use arrow::datatypes::{Float32Type, Int32Type};

    use super::super::columns::FeatureSelection;
    use super::super::values::{Place, convert};
    use super::*;

    fn selection(features: &[String], needed: &[&str]) -> ColumnSelection {
        ColumnSelection {
            needed: needed.iter().map(|&name| name.to_owned()).collect(),
            nulls: NullPolicy::Drop,
            ..ColumnSelection::new("label", FeatureSelection::Named(features.to_vec()))
        }
    }

    /// Drops rows of a batch that begins at row 100; returns what is left, and what is not.
    fn drop_rows(columns: Vec<(&str, ArrayRef)>) -> (RecordBatch, RowNumbers, Dropped) {
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let needed: Vec<String> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let mut dropped = Dropped::default();
        let (left, numbers) =
            complete_rows(&batch, &needed, 100, |_| false, &mut dropped).expect("a filter");
        (left.into_owned(), numbers, dropped)
    }

    fn floats(values: &[Option<f64>]) -> ArrayRef {
        Arc::new(Float64Array::from(values.to_vec()))
    }

    fn numbered(numbers: &RowNumbers, rows: usize) -> Vec<u64> {
        (0..rows).map(|row| numbers.of(row)).collect()
    }

    fn counts(dropped: &Dropped) -> Vec<(&str, u64)> {
        dropped.columns_by_rows()
    }

    #[test]
    fn a_row_with_several_nulls_is_dropped_once_and_counts_in_each_column() {
        let (left, numbers, dropped) = drop_rows(vec![
            (
                "label",
                floats(&[Some(1.0), None, Some(0.0), Some(1.0), Some(0.0)]),
            ),
            ("x", floats(&[Some(1.0), None, None, Some(4.0), Some(5.0)])),
        ]);
        assert_eq!(numbered(&numbers, left.num_rows()), [100, 103, 104]);
        assert_eq!(dropped.rows, 2);
        assert_eq!(counts(&dropped), [("x", 2), ("label", 1)]);
        assert_eq!(dropped.to_string(), "nulls in `x` (2) and `label` (1)");
    }

    #[test]
    fn nulls_behind_dictionaries_within_vectors_and_of_no_type_are_nulls() {
        let values = Int32Array::from(vec![Some(7), None]);
        let keys = Int32Array::from(vec![Some(0), Some(1), Some(0), None]);
        let dictionary: DictionaryArray<Int32Type> = DictionaryArray::new(keys, Arc::new(values));
        let vectors = vec![
            Some(vec![Some(1.0), Some(2.0)]),
            Some(vec![Some(1.0), Some(2.0)]),
            Some(vec![None, Some(2.0)]),
            None,
        ];
        let fixed: ArrayRef = Arc::new(
            FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(vectors.clone(), 2),
        );
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(vectors));
        let (left, numbers, dropped) = drop_rows(vec![
            ("code", Arc::new(dictionary)),
            ("v", fixed),
            ("w", list),
        ]);
        assert_eq!(numbered(&numbers, left.num_rows()), [100]);
        assert_eq!(counts(&dropped), [("code", 2), ("v", 2), ("w", 2)]);

        let (left, _, dropped) = drop_rows(vec![("all", Arc::new(NullArray::new(4)))]);
        assert_eq!((left.num_rows(), dropped.rows), (0, 4));
    }

    #[test]
    fn a_slice_of_vectors_is_looked_at_where_it_lies() {
        let list = ListArray::from_iter_primitive::<Float32Type, _, _>(vec![
            Some(vec![None]),
            Some(vec![Some(2.0)]),
            Some(vec![None]),
        ]);
        let (left, numbers, dropped) = drop_rows(vec![("v", Arc::new(list.slice(1, 2)))]);
        assert_eq!(numbered(&numbers, left.num_rows()), [100]);
        assert_eq!(dropped.rows, 1);
    }

    #[test]
    fn without_nulls_nothing_is_copied() {
        let batch = RecordBatch::try_from_iter([("x", floats(&[Some(f64::NAN), Some(1.0)]))])
            .expect("fits");
        let mut dropped = Dropped::default();
        let left = complete_rows(&batch, &["x".to_owned()], 5, |_| false, &mut dropped);
        let (left, numbers) = left.expect("nothing to do");
        assert!(matches!(left, Cow::Borrowed(_)), "NaN is no null");
        assert_eq!((numbers.of(1), dropped.is_none()), (6, true));
    }

    #[test]
    fn a_folder_without_a_value_has_no_row_that_counts() {
        let batch =
            RecordBatch::try_from_iter([("x", floats(&[Some(1.0), Some(2.0)]))]).expect("fits");
        let needed = ["x".to_owned(), "customer".to_owned()];
        for (is_constant, rows) in [(true, 2), (false, 0)] {
            let mut dropped = Dropped::default();
            let left = complete_rows(&batch, &needed, 0, |_| is_constant, &mut dropped);
            let (left, _) = left.expect("a filter");
            assert_eq!((left.num_rows(), dropped.rows), (rows, 2 - rows as u64));
        }
    }

    #[test]
    fn only_what_is_read_as_numbers_or_keys_is_needed() {
        let features = ["x".to_owned(), "amount".to_owned()];
        let mut selection = selection(&features, &["amount", "customer"]);
        selection.along = vec!["country".to_owned()];
        let needed = needed_columns(&selection, &features);
        assert_eq!(needed, ["label", "x", "amount", "customer"]);
        selection.nulls = NullPolicy::Refuse;
        assert!(needed_columns(&selection, &features).is_empty());
    }

    /// What is wrong with a row that is left is told by its place in the file.
    #[test]
    fn rows_in_errors_are_those_of_the_file() {
        let file = Arc::from("part");
        let features = ["x".to_owned()];
        let selection = selection(&features, &[]);
        let x: ArrayRef = Arc::new(Float32Array::from(vec![
            None,
            Some(1.0),
            None,
            Some(f32::NAN),
        ]));
        let (left, numbers, _) = drop_rows(vec![("label", floats(&[Some(1.0); 4])), ("x", x)]);
        let place = Place {
            file: &file,
            numbers,
            vector_width: Some(1),
            partitions: &[],
        };
        let error = convert(&left, &selection, &features, &place).expect_err("NaN");
        assert!(matches!(error, ValueError::Nan { row: 103, .. }), "{error}");
    }

    #[test]
    fn many_columns_are_told_by_their_number() {
        let columns = (0..8).map(|column| (format!("c{column}"), 10 - column));
        let dropped = Dropped {
            rows: 10,
            columns: columns.collect(),
        };
        assert_eq!(
            dropped.to_string(),
            "nulls in `c0` (10), `c1` (9), `c2` (8), `c3` (7), `c4` (6) and 3 more"
        );
    }
}
