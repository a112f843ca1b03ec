//! Which columns of a file are the label and the features.

use arrow::datatypes::{DataType, Field, Schema};

/// Which columns to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSelection {
    /// The label column's name.
    pub label: String,
    /// Which columns are features.
    pub features: FeatureSelection,
}

/// Which columns are features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureSelection {
    /// Every numeric column but the label and these, in file order; or the single vector
    /// column.
    AllBut(Vec<String>),
    /// These, in this order.
    Named(Vec<String>),
}

/// The columns of one file, by position in its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The label column.
    pub label: Column,
    /// The feature columns.
    pub features: FeatureColumns,
    /// Names of columns that are neither, in file order.
    pub unused: Vec<String>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its position among the file's top-level columns.
    pub index: usize,
}

/// The features of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureColumns {
    /// One number a column.
    Scalars(Vec<Column>),
    /// One column of vectors.
    Vector {
        /// The column.
        column: Column,
        /// The length of the vectors, where the type fixes it.
        width: Option<usize>,
    },
}

impl Columns {
    /// Returns the names of the feature columns in the order that the model sees.
    #[must_use]
    pub fn feature_names(&self) -> Vec<String> {
        match &self.features {
            FeatureColumns::Scalars(columns) => {
                columns.iter().map(|column| column.name.clone()).collect()
            }
            FeatureColumns::Vector { column, .. } => vec![column.name.clone()],
        }
    }

    /// Returns the positions of all columns that must be read.
    #[must_use]
    pub fn indices(&self) -> Vec<usize> {
        let mut indices = vec![self.label.index];
        match &self.features {
            FeatureColumns::Scalars(columns) => {
                indices.extend(columns.iter().map(|column| column.index));
            }
            FeatureColumns::Vector { column, .. } => indices.push(column.index),
        }
        indices
    }

    /// Returns how many numbers a row has, where the columns alone tell.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        match &self.features {
            FeatureColumns::Scalars(columns) => Some(columns.len()),
            FeatureColumns::Vector { width, .. } => *width,
        }
    }
}

/// Why columns cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// No label column.
    #[error(
        "there is no label column `{label}`; the columns are {}",
        list(columns)
    )]
    NoLabel {
        /// The name that was looked for.
        label: String,
        /// What there is.
        columns: Vec<String>,
    },
    /// A feature that was asked for, or that other files have, is missing.
    #[error(
        "there is no feature column `{name}`; the columns are {}",
        list(columns)
    )]
    NoFeature {
        /// The name that was looked for.
        name: String,
        /// What there is.
        columns: Vec<String>,
    },
    /// A column that the other files do not have.
    #[error(
        "there is an extra numeric column {}, which the first file `{first_file}` does not have",
        list(names)
    )]
    ExtraFeatures {
        /// The columns.
        names: Vec<String>,
        /// The file that sets the columns.
        first_file: String,
    },
    /// Two columns share a name.
    #[error("there are several columns named `{name}`")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A column has a type that is no number.
    #[error(
        "the feature column `{name}` has type {data_type}; expected numbers or vectors of numbers"
    )]
    FeatureType {
        /// The column.
        name: String,
        /// Its type.
        data_type: String,
    },
    /// The label column has a type that is no label.
    #[error(
        "the label column `{name}` has type {data_type}; expected booleans or the numbers 0 and 1, or -1 and 1"
    )]
    LabelType {
        /// The column.
        name: String,
        /// Its type.
        data_type: String,
    },
    /// No numeric column at all.
    #[error(
        "there is no numeric feature column besides the label `{label}`; the columns are {}",
        list(columns)
    )]
    NoFeatures {
        /// The label column.
        label: String,
        /// What there is.
        columns: Vec<String>,
    },
    /// Vectors among other features.
    #[error(
        "there is more than one way to make rows: vector columns {} and {scalars} numeric columns",
        list(vectors)
    )]
    Ambiguous {
        /// The vector columns.
        vectors: Vec<String>,
        /// How many numeric columns there are.
        scalars: usize,
    },
    /// The label is a feature too.
    #[error("the label column `{name}` is named as a feature too")]
    LabelAsFeature {
        /// The column.
        name: String,
    },
}

impl ColumnError {
    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoLabel { .. } => "name the label column by `--label NAME`".into(),
            Self::NoFeature { .. } => {
                "every file of a dataset needs the same feature columns; name them by `--features A,B,C`".into()
            }
            Self::ExtraFeatures { names, .. } => format!(
                "leave it out by `--ignore-columns {}`, or name the features by `--features A,B,C`",
                names.join(",")
            ),
            Self::Duplicate { .. } => "rename one of them".into(),
            Self::FeatureType { .. } => "encode the column as numbers, or leave it out".into(),
            Self::LabelType { .. } => "write the label as 0 and 1, or name another column by `--label NAME`".into(),
            Self::NoFeatures { .. } => "check that the file holds the features and not only labels".into(),
            Self::Ambiguous { .. } => "name the features by `--features NAME` (one vector column, or scalar columns)".into(),
            Self::LabelAsFeature { .. } => "take it out of `--features`: a model that sees the label proves nothing".into(),
        })
    }
}

/// At most this many names are listed in a message.
const NAMES_LISTED_MAX: usize = 12;

fn list(names: &[String]) -> String {
    let mut quoted: Vec<String> = names
        .iter()
        .take(NAMES_LISTED_MAX)
        .map(|name| format!("`{name}`"))
        .collect();
    if names.len() > NAMES_LISTED_MAX {
        quoted.push(format!("and {} more", names.len() - NAMES_LISTED_MAX));
    }
    if quoted.is_empty() {
        "none".to_owned()
    } else {
        quoted.join(", ")
    }
}

/// Tells whether a column of this type is one number a row.
#[must_use]
pub(super) fn is_numeric(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_numeric(values),
        other => other.is_numeric(),
    }
}

/// Tells whether a column of this type is one vector of numbers a row.
fn is_vector(data_type: &DataType) -> bool {
    match data_type {
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            item.data_type().is_numeric()
        }
        _ => false,
    }
}

fn vector_width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::FixedSizeList(_, width) => usize::try_from(*width).ok(),
        _ => None,
    }
}

fn names(schema: &Schema) -> Vec<String> {
    schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect()
}

fn find<'a>(schema: &'a Schema, name: &str) -> Result<Option<(usize, &'a Field)>, ColumnError> {
    let mut found = schema
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| field.name() == name);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err(ColumnError::Duplicate {
            name: name.to_owned(),
        }),
        (first, _) => Ok(first.map(|(index, field)| (index, field.as_ref()))),
    }
}

/// Finds label and features in a file's schema.
///
/// # Errors
/// [`ColumnError`] when the file does not have what was asked for.
pub(super) fn resolve(
    schema: &Schema,
    selection: &ColumnSelection,
) -> Result<Columns, ColumnError> {
    let (label_index, label_field) =
        find(schema, &selection.label)?.ok_or_else(|| ColumnError::NoLabel {
            label: selection.label.clone(),
            columns: names(schema),
        })?;
    if !is_numeric(label_field.data_type()) && *label_field.data_type() != DataType::Boolean {
        return Err(ColumnError::LabelType {
            name: selection.label.clone(),
            data_type: label_field.data_type().to_string(),
        });
    }
    let features = match &selection.features {
        FeatureSelection::Named(wanted) => named(schema, wanted, &selection.label)?,
        FeatureSelection::AllBut(ignored) => all_numeric(schema, &selection.label, ignored)?,
    };
    let mut columns = Columns {
        label: Column {
            name: selection.label.clone(),
            index: label_index,
        },
        features,
        unused: Vec::new(),
    };
    let used = columns.indices();
    columns.unused = names(schema)
        .into_iter()
        .enumerate()
        .filter(|(index, _)| !used.contains(index))
        .map(|(_, name)| name)
        .collect();
    Ok(columns)
}

fn named(schema: &Schema, wanted: &[String], label: &str) -> Result<FeatureColumns, ColumnError> {
    let mut columns = Vec::with_capacity(wanted.len());
    for name in wanted {
        if name == label {
            return Err(ColumnError::LabelAsFeature { name: name.clone() });
        }
        let (index, field) = find(schema, name)?.ok_or_else(|| ColumnError::NoFeature {
            name: name.clone(),
            columns: names(schema),
        })?;
        let column = Column {
            name: name.clone(),
            index,
        };
        if is_vector(field.data_type()) {
            if wanted.len() > 1 {
                return Err(ColumnError::Ambiguous {
                    vectors: vec![name.clone()],
                    scalars: wanted.len() - 1,
                });
            }
            return Ok(FeatureColumns::Vector {
                column,
                width: vector_width(field.data_type()),
            });
        }
        if !is_numeric(field.data_type()) && *field.data_type() != DataType::Boolean {
            return Err(ColumnError::FeatureType {
                name: name.clone(),
                data_type: field.data_type().to_string(),
            });
        }
        columns.push(column);
    }
    if columns.is_empty() {
        return Err(ColumnError::NoFeatures {
            label: label.to_owned(),
            columns: names(schema),
        });
    }
    Ok(FeatureColumns::Scalars(columns))
}

fn all_numeric(
    schema: &Schema,
    label: &str,
    ignored: &[String],
) -> Result<FeatureColumns, ColumnError> {
    let (mut scalars, mut vectors) = (Vec::new(), Vec::new());
    for (index, field) in schema.fields().iter().enumerate() {
        let name = field.name();
        if name == label || ignored.contains(name) {
            continue;
        }
        let column = Column {
            name: name.clone(),
            index,
        };
        if is_numeric(field.data_type()) {
            find(schema, name)?;
            scalars.push(column);
        } else if is_vector(field.data_type()) {
            vectors.push((column, vector_width(field.data_type())));
        }
    }
    match (scalars.len(), vectors.len()) {
        (0, 0) => Err(ColumnError::NoFeatures {
            label: label.to_owned(),
            columns: names(schema),
        }),
        (_, 0) => Ok(FeatureColumns::Scalars(scalars)),
        (0, 1) => {
            let (column, width) = vectors.remove(0);
            Ok(FeatureColumns::Vector { column, width })
        }
        (scalars, _) => Err(ColumnError::Ambiguous {
            vectors: vectors.into_iter().map(|(column, _)| column.name).collect(),
            scalars,
        }),
    }
}

/// Finds in a further file the columns that the first file set, by name.
///
/// # Errors
/// [`ColumnError`] when a column is missing, of another kind, or, unless the features were
/// named, when there is an extra numeric column.
pub(super) fn resolve_like_first(
    schema: &Schema,
    selection: &ColumnSelection,
    first: &Columns,
    first_file: &str,
) -> Result<Columns, ColumnError> {
    let expected = first.feature_names();
    if let FeatureSelection::AllBut(ignored) = &selection.features {
        let extra: Vec<String> = schema
            .fields()
            .iter()
            .filter(|field| is_numeric(field.data_type()) || is_vector(field.data_type()))
            .map(|field| field.name().clone())
            .filter(|name| {
                *name != selection.label && !ignored.contains(name) && !expected.contains(name)
            })
            .collect();
        if !extra.is_empty() {
            return Err(ColumnError::ExtraFeatures {
                names: extra,
                first_file: first_file.to_owned(),
            });
        }
    }
    let selection = ColumnSelection {
        label: selection.label.clone(),
        features: FeatureSelection::Named(expected),
    };
    resolve(schema, &selection)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

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
        ColumnSelection {
            label: "label".to_owned(),
            features: FeatureSelection::AllBut(vec![]),
        }
    }

    fn select(names: &[&str]) -> ColumnSelection {
        ColumnSelection {
            label: "label".to_owned(),
            features: FeatureSelection::Named(names.iter().map(|&name| name.to_owned()).collect()),
        }
    }

    #[test]
    fn every_numeric_column_in_file_order_is_a_feature() {
        let schema = schema(&[
            ("b", DataType::Float64),
            ("when", DataType::Utf8),
            ("label", DataType::Int8),
            ("a", DataType::Int32),
        ]);
        let columns = resolve(&schema, &all()).expect("resolves");
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
        let columns = resolve(&schema, &select(&["a", "b"])).expect("resolves");
        assert_eq!(columns.feature_names(), ["a", "b"]);
    }

    #[test]
    fn a_single_vector_column_is_the_row() {
        let schema = schema(&[("features", vector(16)), ("label", DataType::Int64)]);
        let columns = resolve(&schema, &all()).expect("resolves");
        assert_eq!(columns.width(), Some(16));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let plain = schema(&[("a", DataType::Float32), ("label", DataType::Utf8)]);
        assert!(matches!(
            resolve(&plain, &all()),
            Err(ColumnError::LabelType { data_type, .. }) if data_type == "Utf8"
        ));
        let unlabelled = schema(&[("a", DataType::Float32)]);
        assert!(matches!(
            resolve(&unlabelled, &all()),
            Err(ColumnError::NoLabel { .. })
        ));
        let bare = schema(&[("t", DataType::Utf8), ("label", DataType::Int8)]);
        assert!(matches!(
            resolve(&bare, &all()),
            Err(ColumnError::NoFeatures { .. })
        ));
        assert!(matches!(
            resolve(&bare, &select(&["t"])),
            Err(ColumnError::FeatureType { .. })
        ));
        assert!(matches!(
            resolve(&bare, &select(&["x"])),
            Err(ColumnError::NoFeature { .. })
        ));
        assert!(matches!(
            resolve(&bare, &select(&["label"])),
            Err(ColumnError::LabelAsFeature { .. })
        ));
        let mixed = schema(&[
            ("v", vector(4)),
            ("id", DataType::Int64),
            ("label", DataType::Int8),
        ]);
        assert!(matches!(
            resolve(&mixed, &all()),
            Err(ColumnError::Ambiguous { scalars: 1, .. })
        ));
        let twice = schema(&[
            ("a", DataType::Int64),
            ("a", DataType::Int64),
            ("label", DataType::Int8),
        ]);
        assert!(matches!(
            resolve(&twice, &all()),
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
        let first = resolve(&first, &all()).expect("resolves");
        let like = |schema: &Schema| resolve_like_first(schema, &all(), &first, "part-0");
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
}
