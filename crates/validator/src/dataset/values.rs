//! From Arrow columns to rows of single-precision numbers and labels, with every value checked.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use ndarray::ArrayView2;

use super::columns::{ColumnSelection, FeatureSelection};

/// Rows are stacked this many at a time, so that the rows being written stay in the cache
/// while the columns are walked.
const BLOCK_ROWS: usize = 64;
/// At most this many offending values are shown.
const VALUES_SHOWN_MAX: usize = 5;

/// Some rows of one file, checked and ready to be scored.
#[derive(Clone, Debug)]
pub struct RowBatch {
    /// The file's whole location.
    pub file: Arc<str>,
    /// Where the rows lie within the file.
    pub numbers: RowNumbers,
    /// One label a row; true is the positive class, of several classes every one but 0.
    pub labels: Vec<bool>,
    /// One class a row, from 0, where the label tells several apart; else empty.
    pub classes: Vec<u32>,
    /// How many numbers each feature column gave where columns of vectors and of numbers mix;
    /// else empty.
    pub column_widths: Vec<usize>,
    /// Which spellings of the negative class occurred.
    pub labels_seen: LabelsSeen,
    /// The columns that were read along, by name.
    pub along: Vec<(String, ArrayRef)>,
    values: ScalarBuffer<f32>,
    width: usize,
}

impl RowBatch {
    /// Returns the features, shape `[rows, width]`; a vector column is a view of the bytes
    /// that the reader decoded.
    #[must_use]
    pub fn features(&self) -> ArrayView2<'_, f32> {
        ArrayView2::from_shape((self.labels.len(), self.width), &self.values)
            .expect("values are rows times width by construction")
    }

    /// Returns the labels as they go into digests.
    pub(super) fn label_bytes(&self) -> Vec<u8> {
        if self.classes.is_empty() {
            return self.labels.iter().map(|&label| label.into()).collect();
        }
        let classes = self.classes.iter();
        classes.flat_map(|class| class.to_le_bytes()).collect()
    }

    /// Returns the features as they lie in memory, for digests.
    pub(super) fn feature_bytes(&self) -> &[u8] {
        self.values.inner().as_slice()
    }
}

/// Where the rows of a batch lie within their file, counted from 0; some may have been left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowNumbers {
    first: u64,
    /// The rows that are left, from the first on; nothing where all are.
    kept: Option<Vec<u32>>,
}

impl RowNumbers {
    /// Returns the numbers of rows of which only some are left, counted from `first` on.
    pub(super) fn of_kept(first: u64, kept: impl Iterator<Item = u32>) -> Self {
        Self {
            first,
            kept: Some(kept.collect()),
        }
    }

    /// Returns where a row of the batch lies within the file.
    #[must_use]
    pub fn of(&self, row: usize) -> u64 {
        let kept = self.kept.as_ref().and_then(|kept| kept.get(row));
        self.first + kept.map_or(row as u64, |&row| row.into())
    }
}

impl From<u64> for RowNumbers {
    /// Returns the numbers of rows that follow each other.
    fn from(first: u64) -> Self {
        Self { first, kept: None }
    }
}

/// Which spellings of the negative class occurred: a dataset uses 0 or -1, not both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelsSeen {
    /// Some label was 0 (or false).
    pub zero: bool,
    /// Some label was -1.
    pub minus_one: bool,
}

impl LabelsSeen {
    /// Adds what was seen elsewhere.
    ///
    /// # Errors
    /// [`ValueError::MixedLabels`] when both spellings occurred.
    pub fn merge(&mut self, other: Self, label: &str) -> Result<(), ValueError> {
        self.zero |= other.zero;
        self.minus_one |= other.minus_one;
        if self.zero && self.minus_one {
            return Err(ValueError::MixedLabels {
                column: label.to_owned(),
            });
        }
        Ok(())
    }
}

/// Why a value cannot be used; rows are counted from 0 within the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// A value is missing.
    #[error("column `{column}` has {count} null {}, the first in row {row}", plural(*count))]
    Null {
        /// The column.
        column: String,
        /// How many in the rows that were looked at together.
        count: usize,
        /// The first row.
        row: u64,
    },
    /// A value is NaN.
    #[error("column `{column}` has {count} NaN {}, the first in row {row}", plural(*count))]
    Nan {
        /// The column.
        column: String,
        /// How many in the rows that were looked at together.
        count: usize,
        /// The first row.
        row: u64,
    },
    /// A double-precision number that would become infinite.
    #[error(
        "column `{column}` has the value {value:e} in row {row}, which no single-precision number holds"
    )]
    OutOfRange {
        /// The column.
        column: String,
        /// The row.
        row: u64,
        /// The value.
        value: f64,
    },
    /// A label that is no label.
    #[error("label column `{column}` has values other than 0 and 1: {}, the first in row {row}", values.join(", "))]
    Label {
        /// The column.
        column: String,
        /// Some of them.
        values: Vec<String>,
        /// The first row.
        row: u64,
    },
    /// A label that is no class.
    #[error("label column `{column}` has values other than the {classes} classes 0 to {}: {}, the first in row {row}", classes - 1, values.join(", "))]
    Class {
        /// The column.
        column: String,
        /// How many classes there are.
        classes: u32,
        /// Some of the values.
        values: Vec<String>,
        /// The first row.
        row: u64,
    },
    /// Labels of two conventions.
    #[error("label column `{column}` mixes -1 and 0: one of them must be the negative class")]
    MixedLabels {
        /// The column.
        column: String,
    },
    /// A vector of another length.
    #[error(
        "column `{column}` has a vector of {found} numbers in row {row} where others have {expected}"
    )]
    VectorWidth {
        /// The column.
        column: String,
        /// The row.
        row: u64,
        /// Its length.
        found: usize,
        /// The length of the others.
        expected: usize,
    },
    /// Rows of this type cannot be told apart.
    #[error("rows with nulls cannot be left out: {why}")]
    Rows {
        /// What Arrow said.
        why: String,
    },
    /// The column's type has no conversion.
    #[error("column `{column}` of type {data_type} cannot be converted to numbers")]
    Conversion {
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
    },
}

impl ValueError {
    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Null { .. } => {
                "fill these rows where the dataset is written, or leave them out by `--nulls drop`: the gate invents no values"
                    .into()
            }
            Self::Nan { .. } => {
                "fill or drop these rows where the dataset is written: the gate invents no values"
                    .into()
            }
            Self::Rows { .. } => "drop these rows where the dataset is written".into(),
            Self::OutOfRange { .. } => "scale the column as the model's training did".into(),
            Self::Label { .. } => {
                "write the label as 0 and 1 (or -1 and 1), name another column by `--label NAME`, or say how many classes there are by `model.classes` of a gate file"
                    .into()
            }
            Self::Class { .. } => {
                "number the classes from 0 in the order of the model's columns, and let `model.classes` be their number".into()
            }
            Self::MixedLabels { .. } => "write the negative class as 0 throughout".into(),
            Self::VectorWidth { .. } | Self::Conversion { .. } => {
                "write vectors of one length".into()
            }
        })
    }
}

impl ValueError {
    /// Counts rows from elsewhere: `place` returns where a row lies.
    fn at(mut self, place: impl Fn(u64) -> u64) -> Self {
        match &mut self {
            Self::Null { row, .. }
            | Self::Nan { row, .. }
            | Self::OutOfRange { row, .. }
            | Self::Label { row, .. }
            | Self::Class { row, .. }
            | Self::VectorWidth { row, .. } => *row = place(*row),
            Self::MixedLabels { .. } | Self::Rows { .. } | Self::Conversion { .. } => {}
        }
        self
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "value" } else { "values" }
}

/// Converts a batch whose columns are those of the selection, found by name.
///
/// `features` are the feature columns' names in the model's order.
///
/// # Errors
/// [`ValueError`] for the first value that cannot be used.
pub(super) fn convert(
    batch: &RecordBatch,
    selection: &ColumnSelection,
    features: &[String],
    place: &Place<'_>,
) -> Result<RowBatch, ValueError> {
    converted(batch, selection, features, place)
        .map_err(|error| error.at(|row| place.numbers.of(row as usize)))
}

/// The same; rows in errors are counted from 0 within the batch.
fn converted(
    batch: &RecordBatch,
    selection: &ColumnSelection,
    features: &[String],
    place: &Place<'_>,
) -> Result<RowBatch, ValueError> {
    let label = column(batch, &selection.label)?;
    let (labels, labels_seen, classes) = match selection.classes {
        None => {
            let (labels, seen) = labels(label, &selection.label)?;
            (labels, seen, Vec::new())
        }
        Some(count) => {
            let classes = classes(label, &selection.label, count)?;
            let labels = classes.iter().map(|&class| class > 0).collect();
            (labels, LabelsSeen::default(), classes)
        }
    };
    let arrays = features
        .iter()
        .map(|name| column(batch, name).map(|array| (name.as_str(), array)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut column_widths = Vec::new();
    let (values, width) = match arrays.as_slice() {
        arrays if matches!(selection.features, FeatureSelection::Inputs(_)) => {
            let (values, widths) = mixed(arrays, labels.len())?;
            let width = widths.iter().sum();
            column_widths = widths;
            (values, width)
        }
        [(name, array)] if is_list(array.data_type()) => vectors(name, array, place.vector_width)?,
        _ => (stack(&arrays, labels.len())?, arrays.len()),
    };
    let along = selection.along.iter().map(|name| {
        let array = batch.column_by_name(name).cloned();
        let array = array.unwrap_or_else(|| place.constant(name, batch.num_rows()));
        (name.clone(), array)
    });
    let along = along.collect();
    Ok(RowBatch {
        along,
        file: Arc::clone(place.file),
        numbers: place.numbers.clone(),
        labels,
        labels_seen,
        classes,
        column_widths,
        values,
        width,
    })
}

/// Where a batch comes from.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    pub(super) file: &'a Arc<str>,
    pub(super) numbers: RowNumbers,
    /// The length that vectors must have; the first vector's where nothing else says.
    pub(super) vector_width: Option<usize>,
    /// The `key=value` folders that the file lies in.
    pub(super) partitions: &'a [(String, Option<String>)],
}

impl Place<'_> {
    /// Returns a column that the names of the folders hold, and the file does not.
    fn constant(&self, name: &str, rows: usize) -> ArrayRef {
        Arc::new(StringArray::from(vec![
            constant(self.partitions, name);
            rows
        ]))
    }
}

/// Returns what the names of the folders say of a column.
pub(super) fn constant<'a>(
    partitions: &'a [(String, Option<String>)],
    name: &str,
) -> Option<&'a str> {
    let value = partitions.iter().find(|(key, _)| key == name);
    value.and_then(|(_, value)| value.as_deref())
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ValueError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| ValueError::Conversion {
            column: name.to_owned(),
            data_type: "absent".to_owned(),
        })
}

fn is_list(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::FixedSizeList(..) | DataType::List(_) | DataType::LargeList(_)
    )
}

fn refuse_nulls(column: &str, array: &dyn Array) -> Result<(), ValueError> {
    let Some(nulls) = array.logical_nulls().filter(|nulls| nulls.null_count() > 0) else {
        return Ok(());
    };
    let row = (0..nulls.len())
        .find(|&row| nulls.is_null(row))
        .unwrap_or(0);
    Err(ValueError::Null {
        column: column.to_owned(),
        count: nulls.null_count(),
        row: row as u64,
    })
}

fn cast_to(column: &str, array: &dyn Array, to: &DataType) -> Result<ArrayRef, ValueError> {
    cast(array, to).map_err(|_| ValueError::Conversion {
        column: column.to_owned(),
        data_type: array.data_type().to_string(),
    })
}

fn labels(array: &ArrayRef, column: &str) -> Result<(Vec<bool>, LabelsSeen), ValueError> {
    refuse_nulls(column, array)?;
    let mut seen = LabelsSeen::default();
    if let Some(booleans) = array.as_boolean_opt() {
        let labels: Vec<bool> = booleans.values().iter().collect();
        seen.zero = labels.contains(&false);
        return Ok((labels, seen));
    }
    let numbers = cast_to(column, array, &DataType::Float64)?;
    let numbers = numbers.as_primitive::<Float64Type>().values();
    let mut labels = Vec::with_capacity(numbers.len());
    let mut wrong: Vec<(usize, f64)> = Vec::new();
    for (row, &number) in numbers.iter().enumerate() {
        if number == 1.0 {
            labels.push(true);
        } else if number == 0.0 {
            seen.zero = true;
            labels.push(false);
        } else if number == -1.0 {
            seen.minus_one = true;
            labels.push(false);
        } else {
            wrong.push((row, number));
        }
    }
    let Some(&(row, first)) = wrong.first() else {
        seen.merge(LabelsSeen::default(), column)?;
        return Ok((labels, seen));
    };
    let row = row as u64;
    if first.is_nan() {
        return Err(ValueError::Nan {
            column: column.to_owned(),
            count: wrong.iter().filter(|(_, number)| number.is_nan()).count(),
            row,
        });
    }
    Err(ValueError::Label {
        column: column.to_owned(),
        values: shown(wrong.into_iter().map(|(_, number)| number)),
        row,
    })
}

/// Returns the first few different numbers as texts.
fn shown(numbers: impl Iterator<Item = f64>) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for number in numbers {
        let text = number.to_string();
        if !values.contains(&text) && values.len() < VALUES_SHOWN_MAX {
            values.push(text);
        }
    }
    values
}

/// Reads the classes of rows: whole numbers from 0 to below `count`, in any numeric type.
fn classes(array: &ArrayRef, column: &str, count: u32) -> Result<Vec<u32>, ValueError> {
    refuse_nulls(column, array)?;
    let numbers = cast_to(column, array, &DataType::Float64)?;
    let numbers = numbers.as_primitive::<Float64Type>().values();
    let is_class =
        |number: f64| number >= 0.0 && number < f64::from(count) && number.fract() == 0.0;
    match numbers.iter().position(|&number| !is_class(number)) {
        None => Ok(numbers.iter().map(|&number| number as u32).collect()),
        Some(row) => Err(ValueError::Class {
            column: column.to_owned(),
            classes: count,
            values: shown(numbers.iter().copied().filter(|&number| !is_class(number))),
            row: row as u64,
        }),
    }
}

/// The numbers of a column in their own type.
enum Numbers<'a> {
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    /// Double precision, so that what single precision cannot hold is noticed.
    Converted(ScalarBuffer<f64>),
}

impl<'a> Numbers<'a> {
    fn of(column: &str, array: &'a ArrayRef) -> Result<Self, ValueError> {
        Ok(match array.data_type() {
            DataType::Int8 => Self::I8(array.as_primitive::<Int8Type>().values()),
            DataType::Int16 => Self::I16(array.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Self::I32(array.as_primitive::<Int32Type>().values()),
            DataType::Int64 => Self::I64(array.as_primitive::<Int64Type>().values()),
            DataType::UInt8 => Self::U8(array.as_primitive::<UInt8Type>().values()),
            DataType::UInt16 => Self::U16(array.as_primitive::<UInt16Type>().values()),
            DataType::UInt32 => Self::U32(array.as_primitive::<UInt32Type>().values()),
            DataType::UInt64 => Self::U64(array.as_primitive::<UInt64Type>().values()),
            DataType::Float32 => Self::F32(array.as_primitive::<Float32Type>().values()),
            DataType::Float64 => Self::F64(array.as_primitive::<Float64Type>().values()),
            _ => {
                let converted = cast_to(column, array, &DataType::Float64)?;
                Self::Converted(converted.as_primitive::<Float64Type>().values().clone())
            }
        })
    }

    /// Refuses NaN and what overflows single precision.
    fn check(&self, column: &str) -> Result<(), ValueError> {
        match self {
            Self::F32(values) => refuse_nan(column, values, |value| value.is_nan()),
            Self::F64(values) => check_double(column, values),
            Self::Converted(values) => check_double(column, values),
            _ => Ok(()),
        }
    }

    /// Writes the numbers of `rows` to every `width`-th place of `block`, from `offset` on.
    fn write(&self, rows: Range<usize>, block: &mut [f32], offset: usize, width: usize) {
        let places = block[offset..].iter_mut().step_by(width);
        match self {
            Self::I8(values) => scatter(places, &values[rows], f32::from),
            Self::I16(values) => scatter(places, &values[rows], f32::from),
            Self::I32(values) => scatter(places, &values[rows], |value| value as f32),
            Self::I64(values) => scatter(places, &values[rows], |value| value as f32),
            Self::U8(values) => scatter(places, &values[rows], f32::from),
            Self::U16(values) => scatter(places, &values[rows], f32::from),
            Self::U32(values) => scatter(places, &values[rows], |value| value as f32),
            Self::U64(values) => scatter(places, &values[rows], |value| value as f32),
            Self::F32(values) => scatter(places, &values[rows], |value| value),
            Self::F64(values) => scatter(places, &values[rows], |value| value as f32),
            Self::Converted(values) => scatter(places, &values[rows], |value| value as f32),
        }
    }
}

fn scatter<'a, T: Copy>(
    places: impl Iterator<Item = &'a mut f32>,
    values: &[T],
    convert: impl Fn(T) -> f32,
) {
    for (place, &value) in places.zip(values) {
        *place = convert(value);
    }
}

/// Refuses NaN and what overflows single precision.
fn check_double(column: &str, values: &[f64]) -> Result<(), ValueError> {
    refuse_nan(column, values, |value| value.is_nan())?;
    let overflows = |value: &f64| value.is_finite() && (*value as f32).is_infinite();
    match values.iter().position(overflows) {
        Some(row) => Err(ValueError::OutOfRange {
            column: column.to_owned(),
            row: row as u64,
            value: values[row],
        }),
        None => Ok(()),
    }
}

fn refuse_nan<T: Copy>(
    column: &str,
    values: &[T],
    is_nan: impl Fn(T) -> bool,
) -> Result<(), ValueError> {
    let Some(row) = values.iter().position(|&value| is_nan(value)) else {
        return Ok(());
    };
    Err(ValueError::Nan {
        column: column.to_owned(),
        count: values.iter().filter(|&&value| is_nan(value)).count(),
        row: row as u64,
    })
}

fn stack(arrays: &[(&str, &ArrayRef)], rows: usize) -> Result<ScalarBuffer<f32>, ValueError> {
    let mut columns = Vec::with_capacity(arrays.len());
    for (name, array) in arrays {
        refuse_nulls(name, array)?;
        let numbers = Numbers::of(name, array)?;
        numbers.check(name)?;
        columns.push(numbers);
    }
    let width = columns.len();
    let mut values = vec![0.0f32; rows * width];
    for (block_index, block) in values.chunks_mut((BLOCK_ROWS * width).max(1)).enumerate() {
        let start = block_index * BLOCK_ROWS;
        let end = start + block.len() / width;
        for (offset, numbers) in columns.iter().enumerate() {
            numbers.write(start..end, block, offset, width);
        }
    }
    Ok(ScalarBuffer::from(values))
}

/// Lays columns of numbers and of vectors next to each other; also returns how many numbers
/// each gave.
fn mixed(
    arrays: &[(&str, &ArrayRef)],
    rows: usize,
) -> Result<(ScalarBuffer<f32>, Vec<usize>), ValueError> {
    let columns = arrays
        .iter()
        .map(|(name, array)| {
            if is_list(array.data_type()) {
                vectors(name, array, None)
            } else {
                stack(&[(*name, *array)], rows).map(|values| (values, 1))
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    let widths: Vec<usize> = columns.iter().map(|(_, width)| *width).collect();
    let mut values = Vec::with_capacity(rows * widths.iter().sum::<usize>());
    for row in 0..rows {
        for (column, width) in &columns {
            values.extend_from_slice(&column[row * width..(row + 1) * width]);
        }
    }
    Ok((ScalarBuffer::from(values), widths))
}

/// Takes a vector column as it is: the numbers of all rows already lie one after the other.
fn vectors(
    name: &str,
    array: &ArrayRef,
    expected: Option<usize>,
) -> Result<(ScalarBuffer<f32>, usize), ValueError> {
    refuse_nulls(name, array)?;
    let wrong_width = |row: usize, found, expected| ValueError::VectorWidth {
        column: name.to_owned(),
        row: row as u64,
        found,
        expected,
    };
    let (items, width) = match array.data_type() {
        DataType::FixedSizeList(_, width) => {
            let list = array.as_fixed_size_list();
            let width = usize::try_from(*width).unwrap_or_default();
            let items = list
                .values()
                .slice(list.value_offset_at(0), list.len() * width);
            (items, width)
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            list_items(list.value_offsets(), list.values(), expected, wrong_width)?
        }
        _ => {
            let list = array.as_list::<i64>();
            list_items(list.value_offsets(), list.values(), expected, wrong_width)?
        }
    };
    if let Some(expected) = expected.filter(|&expected| expected != width) {
        return Err(wrong_width(0, width, expected));
    }
    // Rows of the items are numbers of the flattened vectors.
    let row_of = |error: ValueError| error.at(|number| number / width.max(1) as u64);
    refuse_nulls(name, &items).map_err(row_of)?;
    let numbers = Numbers::of(name, &items)?;
    numbers.check(name).map_err(row_of)?;
    let values = match numbers {
        Numbers::F32(_) => items.as_primitive::<Float32Type>().values().clone(),
        other => {
            let mut values = vec![0.0f32; items.len()];
            other.write(0..items.len(), &mut values, 0, 1);
            ScalarBuffer::from(values)
        }
    };
    Ok((values, width))
}

fn list_items<O: Copy + TryInto<usize>>(
    offsets: &[O],
    values: &ArrayRef,
    expected: Option<usize>,
    wrong_width: impl Fn(usize, usize, usize) -> ValueError,
) -> Result<(ArrayRef, usize), ValueError> {
    let at = |index: usize| offsets[index].try_into().unwrap_or_default();
    let rows = offsets.len().saturating_sub(1);
    if rows == 0 {
        return Ok((values.slice(0, 0), expected.unwrap_or_default()));
    }
    let width = expected.unwrap_or_else(|| at(1) - at(0));
    for row in 0..rows {
        let found = at(row + 1) - at(row);
        if found != width {
            return Err(wrong_width(row, found, width));
        }
    }
    Ok((values.slice(at(0), at(rows) - at(0)), width))
}
