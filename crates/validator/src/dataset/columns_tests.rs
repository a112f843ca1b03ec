use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};

use super::columns::*;

fn schema(columns: &[(&str, DataType)]) -> Schema {
    Schema::new(
        columns
            .iter()
            .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
            .collect::<Vec<_>>(),
    )
}

fn vector(width: i32) -> DataType {
    DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, true)), width)
}

fn all() -> ColumnSelection {
    ColumnSelection::new("label", FeatureSelection::AllBut(vec![]))
}

fn select(names: &[&str]) -> ColumnSelection {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    ColumnSelection::new("label", FeatureSelection::Named(names))
}

#[test]
fn every_numeric_column_in_file_order_is_a_feature() {
    let schema = schema(&[
        ("b", DataType::Float64),
        ("when", DataType::Utf8),
        ("label", DataType::Int8),
        ("a", DataType::Int32),
    ]);
    let columns = resolve(&schema, &all(), &[]).expect("resolves");
    assert_eq!(columns.feature_names(), ["b", "a"]);
    assert_eq!(columns.unused, ["when"]);
    assert_eq!(columns.width(), Some(2));
}

#[test]
fn named_features_keep_the_order_that_was_asked_for() {
    let schema = schema(&[
        ("b", DataType::Float64),
        ("label", DataType::Boolean),
        ("a", DataType::Boolean),
    ]);
    let columns = resolve(&schema, &select(&["a", "b"]), &[]).expect("resolves");
    assert_eq!(columns.feature_names(), ["a", "b"]);
}

#[test]
fn a_single_vector_column_is_the_row() {
    let schema = schema(&[("features", vector(16)), ("label", DataType::Int64)]);
    let columns = resolve(&schema, &all(), &[]).expect("resolves");
    assert_eq!(columns.width(), Some(16));
}

#[test]
fn what_does_not_fit_is_named() {
    let plain = schema(&[("a", DataType::Float32), ("label", DataType::Utf8)]);
    assert!(matches!(
        resolve(&plain, &all(), &[]),
        Err(ColumnError::LabelType { data_type, .. }) if data_type == "Utf8"
    ));
    let unlabelled = schema(&[("a", DataType::Float32)]);
    assert!(matches!(
        resolve(&unlabelled, &all(), &[]),
        Err(ColumnError::NoLabel { .. })
    ));
    let bare = schema(&[("t", DataType::Utf8), ("label", DataType::Int8)]);
    assert!(matches!(
        resolve(&bare, &all(), &[]),
        Err(ColumnError::NoFeatures { .. })
    ));
    assert!(matches!(
        resolve(&bare, &select(&["t"]), &[]),
        Err(ColumnError::FeatureType { .. })
    ));
    assert!(matches!(
        resolve(&bare, &select(&["x"]), &[]),
        Err(ColumnError::NoFeature { .. })
    ));
    assert!(matches!(
        resolve(&bare, &select(&["label"]), &[]),
        Err(ColumnError::LabelAsFeature { .. })
    ));
    let mixed = schema(&[
        ("v", vector(4)),
        ("id", DataType::Int64),
        ("label", DataType::Int8),
    ]);
    assert!(matches!(
        resolve(&mixed, &all(), &[]),
        Err(ColumnError::Ambiguous { scalars: 1, .. })
    ));
    let twice = schema(&[
        ("a", DataType::Int64),
        ("a", DataType::Int64),
        ("label", DataType::Int8),
    ]);
    assert!(matches!(
        resolve(&twice, &all(), &[]),
        Err(ColumnError::Duplicate { .. })
    ));
}

#[test]
fn later_files_may_order_columns_differently_but_not_add_or_lack_one() {
    let first = schema(&[
        ("a", DataType::Float32),
        ("b", DataType::Float32),
        ("label", DataType::Int8),
    ]);
    let first = resolve(&first, &all(), &[]).expect("resolves");
    let like = |schema: &Schema| resolve_like_first(schema, &all(), &first, "part-0", &[]);
    let turned = schema(&[
        ("label", DataType::Int8),
        ("b", DataType::Float64),
        ("a", DataType::Float32),
    ]);
    assert_eq!(like(&turned).expect("resolves").feature_names(), ["a", "b"]);
    let lacking = schema(&[("a", DataType::Float32), ("label", DataType::Int8)]);
    assert!(matches!(
        like(&lacking),
        Err(ColumnError::NoFeature { name, .. }) if name == "b"
    ));
    let extra = schema(&[
        ("a", DataType::Float32),
        ("b", DataType::Float32),
        ("c", DataType::Float32),
        ("label", DataType::Int8),
    ]);
    assert!(matches!(
        like(&extra),
        Err(ColumnError::ExtraFeatures { names, .. }) if names == ["c"]
    ));
}
