use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, FixedSizeListArray, Float32Array, Float64Array,
    Int8Array, Int32Array, Int64Array, ListArray, RecordBatch,
};
use arrow::datatypes::{Float32Type, Float64Type};
use ndarray::array;

use super::columns::{ColumnSelection, FeatureSelection};
use super::values::{Place, RowBatch, RowNumbers, ValueError, convert};

fn run(columns: Vec<(&str, ArrayRef)>, features: &[&str]) -> Result<RowBatch, ValueError> {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let selection = ColumnSelection::new("label", FeatureSelection::AllBut(vec![]));
    let features: Vec<String> = features.iter().map(|&name| name.to_owned()).collect();
    let place = Place {
        file: &Arc::from("part"),
        numbers: RowNumbers::from(100),
        vector_width: None,
        partitions: &[],
    };
    convert(&batch, &selection, &features, &place)
}

fn label() -> (&'static str, ArrayRef) {
    ("label", Arc::new(Int64Array::from(vec![0, 1, 1])))
}

#[test]
fn scalar_columns_of_any_number_type_become_rows() {
    let batch = run(
        vec![
            label(),
            ("a", Arc::new(Int8Array::from(vec![1, 2, 3]))),
            ("b", Arc::new(Float64Array::from(vec![0.5, 1.5, 2.5]))),
            ("c", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ],
        &["b", "a", "c"],
    )
    .expect("converts");
    assert_eq!(
        batch.features(),
        array![[0.5, 1.0, 1.0], [1.5, 2.0, 0.0], [2.5, 3.0, 1.0]]
    );
    assert_eq!(batch.labels, [false, true, true]);
}

#[test]
fn more_rows_than_a_block_keep_their_places() {
    let rows = 150;
    let numbers = |shift: i32| -> ArrayRef {
        Arc::new(Int32Array::from_iter_values(
            (0..rows).map(|row| row * 10 + shift),
        ))
    };
    let labels: ArrayRef = Arc::new(BooleanArray::from(vec![true; 150]));
    let batch = run(
        vec![("label", labels), ("x", numbers(1)), ("y", numbers(2))],
        &["x", "y"],
    )
    .expect("converts");
    for (row, values) in batch.features().rows().into_iter().enumerate() {
        let row = row as f32 * 10.0;
        assert_eq!(values.to_vec(), [row + 1.0, row + 2.0]);
    }
}

fn three_vectors() -> ListArray {
    ListArray::from_iter_primitive::<Float32Type, _, _>(vec![
        Some(vec![Some(1.0), Some(2.0)]),
        Some(vec![Some(3.0), Some(4.0)]),
        Some(vec![Some(5.0), Some(6.0)]),
    ])
}

#[test]
fn vector_columns_are_views_of_the_decoded_numbers() {
    let fixed = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
        vec![
            Some(vec![Some(1.0), Some(2.0)]),
            Some(vec![Some(3.0), Some(4.0)]),
            Some(vec![Some(5.0), Some(6.0)]),
        ],
        2,
    );
    let address = fixed
        .values()
        .as_any()
        .downcast_ref::<Float32Array>()
        .expect("single precision")
        .values()
        .as_ptr();
    let fixed: ArrayRef = Arc::new(fixed);
    let batch = run(vec![label(), ("v", fixed)], &["v"]).expect("converts");
    assert_eq!(batch.features(), array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    assert_eq!(
        batch.features().as_ptr(),
        address,
        "the numbers were copied"
    );
    let list: ArrayRef = Arc::new(three_vectors());
    let batch = run(vec![label(), ("v", list)], &["v"]).expect("converts");
    assert_eq!(batch.features(), array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
}

#[test]
fn a_slice_of_a_vector_column_starts_where_the_slice_does() {
    let list: ArrayRef = Arc::new(three_vectors());
    let whole = RecordBatch::try_from_iter(vec![label(), ("v", list)]).expect("a batch");
    let part = whole.slice(1, 2);
    let columns = vec![
        ("label", Arc::clone(part.column(0))),
        ("v", Arc::clone(part.column(1))),
    ];
    let batch = run(columns, &["v"]).expect("converts");
    assert_eq!(batch.features(), array![[3.0, 4.0], [5.0, 6.0]]);
}

#[test]
fn missing_numbers_are_counted_and_located() {
    let with_null: ArrayRef = Arc::new(Float32Array::from(vec![Some(1.0), None, Some(2.0)]));
    let error = run(vec![label(), ("a", with_null)], &["a"]).expect_err("a null");
    assert_eq!(
        error.to_string(),
        "column `a` has 1 null value, the first in row 101"
    );
    let with_nan: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN, f64::NAN]));
    let error = run(vec![label(), ("a", with_nan)], &["a"]).expect_err("a NaN");
    assert_eq!(
        error.to_string(),
        "column `a` has 2 NaN values, the first in row 101"
    );
    let in_vector = ListArray::from_iter_primitive::<Float64Type, _, _>(vec![
        Some(vec![Some(1.0), Some(2.0)]),
        Some(vec![Some(1.0), Some(2.0)]),
        Some(vec![Some(f64::NAN), Some(2.0)]),
    ]);
    let error = run(vec![label(), ("v", Arc::new(in_vector))], &["v"]).expect_err("a NaN");
    assert!(matches!(error, ValueError::Nan { row: 102, .. }), "{error}");
    let in_vector = ListArray::from_iter_primitive::<Float64Type, _, _>(vec![
        Some(vec![Some(1.0), Some(2.0)]),
        Some(vec![Some(1.0), None]),
        Some(vec![Some(1.0), Some(2.0)]),
    ]);
    let error = run(vec![label(), ("v", Arc::new(in_vector))], &["v"]).expect_err("a null");
    assert!(
        matches!(error, ValueError::Null { row: 101, .. }),
        "{error}"
    );
}

#[test]
fn a_number_too_large_for_the_model_is_refused_and_infinity_is_kept() {
    let huge: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 1e300, 2.0]));
    let error = run(vec![label(), ("a", huge)], &["a"]).expect_err("too large");
    assert!(
        matches!(error, ValueError::OutOfRange { row: 101, .. }),
        "{error}"
    );
    let values: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 1e300]));
    let huge: ArrayRef = Arc::new(DictionaryArray::new(Int8Array::from(vec![0, 1, 0]), values));
    let error = run(vec![label(), ("a", huge)], &["a"]).expect_err("too large");
    assert!(
        matches!(error, ValueError::OutOfRange { row: 101, .. }),
        "{error}"
    );
    let in_vector = ListArray::from_iter_primitive::<Float64Type, _, _>(vec![
        Some(vec![Some(1.0), Some(2.0)]),
        Some(vec![Some(1.0), Some(1e300)]),
        Some(vec![Some(1.0), Some(2.0)]),
    ]);
    let error = run(vec![label(), ("v", Arc::new(in_vector))], &["v"]).expect_err("too large");
    assert!(
        matches!(error, ValueError::OutOfRange { row: 101, .. }),
        "{error}"
    );
    let infinite: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::INFINITY, 2.0]));
    let batch = run(vec![label(), ("a", infinite)], &["a"]).expect("converts");
    assert!(batch.features()[[1, 0]].is_infinite());
}

#[test]
fn vectors_of_unequal_length_are_refused() {
    let ragged = ListArray::from_iter_primitive::<Float32Type, _, _>(vec![
        Some(vec![Some(1.0), Some(2.0)]),
        Some(vec![Some(3.0)]),
        Some(vec![Some(5.0), Some(6.0)]),
    ]);
    let error = run(vec![label(), ("v", Arc::new(ragged))], &["v"]).expect_err("ragged");
    assert_eq!(
        error,
        ValueError::VectorWidth {
            column: "v".to_owned(),
            row: 101,
            found: 1,
            expected: 2
        }
    );
}

fn with_labels(labels: ArrayRef) -> Result<RowBatch, ValueError> {
    let numbers: ArrayRef = Arc::new(Float32Array::from(vec![1.0; labels.len()]));
    run(vec![("label", labels), ("a", numbers)], &["a"])
}

#[test]
fn labels_may_be_booleans_zero_and_one_or_minus_one_and_one() {
    let expected = [true, false];
    for labels in [
        Arc::new(BooleanArray::from(vec![true, false])) as ArrayRef,
        Arc::new(Int8Array::from(vec![1, 0])),
        Arc::new(Int64Array::from(vec![1, -1])),
        Arc::new(Float64Array::from(vec![1.0, 0.0])),
    ] {
        assert_eq!(with_labels(labels).expect("labels").labels, expected);
    }
}

#[test]
fn labels_of_any_other_value_are_refused_with_the_values() {
    let error = with_labels(Arc::new(Int64Array::from(vec![1, 2, 3, 2]))).expect_err("labels");
    assert_eq!(
        error.to_string(),
        "label column `label` has values other than 0 and 1: 2, 3, the first in row 101"
    );
    let error = with_labels(Arc::new(Float64Array::from(vec![0.0, 0.5]))).expect_err("soft");
    assert!(matches!(error, ValueError::Label { .. }), "{error}");
    let error = with_labels(Arc::new(Float64Array::from(vec![0.0, f64::NAN]))).expect_err("NaN");
    assert!(matches!(error, ValueError::Nan { row: 101, .. }), "{error}");
    let error = with_labels(Arc::new(Int64Array::from(vec![-1, 0, 1]))).expect_err("mixed");
    assert!(matches!(error, ValueError::MixedLabels { .. }), "{error}");
    let error = with_labels(Arc::new(Int64Array::from(vec![Some(1), None]))).expect_err("null");
    assert!(
        matches!(error, ValueError::Null { row: 101, .. }),
        "{error}"
    );
}
