//! Which columns of a file are the label and the features.

use arrow::datatypes::{DataType, Field, Schema};

use super::nulls::NullPolicy;

/// Which columns to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSelection {
    /// The label column's name.
    pub label: String,
    /// Which columns are features.
    pub features: FeatureSelection,
    /// Columns of any type that are read along, whether or not they are features too.
    pub along: Vec<String>,
    /// Those of them in which each row needs a value.
    pub needed: Vec<String>,
    /// What becomes of rows with nulls in label, features or needed columns.
    pub nulls: NullPolicy,
    /// How many classes the label tells apart by the whole numbers from 0 on; `None` for a
    /// positive and a negative class.
    pub classes: Option<u32>,
}

impl ColumnSelection {
    /// Selects label and features of two classes, and nothing besides; nulls are refused.
    #[must_use]
    pub fn new(label: impl Into<String>, features: FeatureSelection) -> Self {
        Self {
            label: label.into(),
            features,
            along: Vec::new(),
            needed: Vec::new(),
            nulls: NullPolicy::Refuse,
            classes: None,
        }
    }

    /// Leaves these columns out of the features, unless features are named one by one.
    pub fn leave_out<'a>(&mut self, names: impl Iterator<Item = &'a String>) {
        if let FeatureSelection::AllBut(excluded) = &mut self.features {
            excluded.extend(names.cloned());
        }
    }
}

/// Which columns are features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureSelection {
    /// Every numeric column but the label and these, in file order; or the single vector
    /// column.
    AllBut(Vec<String>),
    /// These, in this order.
    Named(Vec<String>),
    /// These, in this order, for several inputs of the model: scalar and vector columns mix.
    Inputs(Vec<String>),
}

/// The columns of one file, by position in its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The label column.
    pub label: Column,
    /// The feature columns.
    pub features: FeatureColumns,
    /// The columns that are read along.
    pub along: Vec<Column>,
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
    /// Columns of numbers and of vectors, each with its length where the type fixes it.
    Mixed(Vec<(Column, Option<usize>)>),
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
            FeatureColumns::Mixed(columns) => columns
                .iter()
                .map(|(column, _)| column.name.clone())
                .collect(),
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
            FeatureColumns::Mixed(columns) => {
                indices.extend(columns.iter().map(|(column, _)| column.index));
            }
        }
        indices.extend(self.along.iter().map(|column| column.index));
        indices
    }

    /// Returns how many numbers a row has, where the columns alone tell.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        match &self.features {
            FeatureColumns::Scalars(columns) => Some(columns.len()),
            FeatureColumns::Vector { width, .. } => *width,
            FeatureColumns::Mixed(columns) => columns.iter().map(|(_, width)| *width).sum(),
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
    /// A column that a check needs is missing.
    #[error(
        "there is no column `{name}`, which the gate file names; the columns are {}",
        list(columns)
    )]
    NoColumn {
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
            Self::NoColumn { .. } => {
                "every file of a dataset needs the columns of `weight`, `id`, `group` and of slices"
                    .into()
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

/// The same for a column that is asked for by name: booleans are numbers then, and a column without
/// type holds nothing but nulls, as some writers leave it.
fn is_number_where_named(data_type: &DataType) -> bool {
    is_numeric(data_type) || matches!(data_type, DataType::Boolean | DataType::Null)
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
    partitions: &[(String, Option<String>)],
) -> Result<Columns, ColumnError> {
    let (label_index, label_field) =
        find(schema, &selection.label)?.ok_or_else(|| ColumnError::NoLabel {
            label: selection.label.clone(),
            columns: names(schema),
        })?;
    if !is_number_where_named(label_field.data_type()) {
        return Err(ColumnError::LabelType {
            name: selection.label.clone(),
            data_type: label_field.data_type().to_string(),
        });
    }
    let features = match &selection.features {
        FeatureSelection::Named(wanted) => named(schema, wanted, &selection.label)?,
        FeatureSelection::Inputs(wanted) => mixed(schema, wanted, &selection.label)?,
        FeatureSelection::AllBut(ignored) => all_numeric(schema, &selection.label, ignored)?,
    };
    let mut columns = Columns {
        label: Column {
            name: selection.label.clone(),
            index: label_index,
        },
        features,
        along: along(schema, &selection.along, partitions)?,
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

/// Finds the columns to read along; one that is not in the file may be in the names of its
/// folders.
fn along(
    schema: &Schema,
    wanted: &[String],
    partitions: &[(String, Option<String>)],
) -> Result<Vec<Column>, ColumnError> {
    let mut found = Vec::new();
    for name in wanted {
        match find(schema, name)? {
            Some((index, _)) => found.push(Column {
                name: name.clone(),
                index,
            }),
            None if partitions.iter().any(|(key, _)| key == name) => {}
            None => {
                return Err(ColumnError::NoColumn {
                    name: name.clone(),
                    columns: names(schema),
                });
            }
        }
    }
    Ok(found)
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
        if !is_number_where_named(field.data_type()) {
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

fn mixed(schema: &Schema, wanted: &[String], label: &str) -> Result<FeatureColumns, ColumnError> {
    let columns = wanted.iter().map(|name| {
        let alone = std::slice::from_ref(name);
        Ok(match named(schema, alone, label)? {
            FeatureColumns::Scalars(mut columns) => (columns.remove(0), Some(1)),
            FeatureColumns::Vector { column, width } => (column, width),
            FeatureColumns::Mixed(mut columns) => columns.remove(0),
        })
    });
    columns.collect::<Result<_, _>>().map(FeatureColumns::Mixed)
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
    partitions: &[(String, Option<String>)],
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
        features: match &selection.features {
            FeatureSelection::Inputs(_) => FeatureSelection::Inputs(expected),
            _ => FeatureSelection::Named(expected),
        },
        ..selection.clone()
    };
    resolve(schema, &selection, partitions)
}
