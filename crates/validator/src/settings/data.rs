//! Which rows are read and what they must be.

use std::collections::BTreeMap;

use super::SettingsError;
use crate::dataset::{Comparison, FileFilter, Location, NullPolicy, split_pattern};
use crate::gate::Number;
use crate::gate::file::{Condition, DatasetPart};

/// Which rows are used, and what the data must be.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSettings {
    /// Where files are listed: the dataset's place without wildcards.
    pub root: Location,
    /// Which of them are read.
    pub files: FileFilter,
    /// The column of weights.
    pub weight: Option<String>,
    /// The column that names rows.
    pub id: Option<String>,
    /// The column whose equal values belong together.
    pub group: Option<String>,
    /// What the data must be.
    pub expect: Expectations,
}

/// What the data must be before anything is judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectations {
    /// The least rows.
    pub min_rows: Option<u64>,
    /// The least rows of the positive class.
    pub min_positives: Option<u64>,
    /// The least rows of the negative class.
    pub min_negatives: Option<u64>,
    /// The largest share of rows that may be left out for nulls.
    pub max_null_fraction: Option<f64>,
    /// The digest that the dataset must have.
    pub digest: Option<String>,
}

pub(super) fn data(
    part: &DatasetPart,
    dataset: &Location,
    nulls: NullPolicy,
) -> Result<DataSettings, SettingsError> {
    for (key, name) in [
        ("weight", &part.weight),
        ("id", &part.id),
        ("group", &part.group),
    ] {
        if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err(SettingsError::Gate {
                key: format!("dataset.{key}"),
                problem: "it is empty; expected a column's name".into(),
            });
        }
    }
    let expect = part.expect.clone().unwrap_or_default();
    let digest = expect.digest;
    if let Some(text) = digest
        .as_deref()
        .filter(|text| !text.starts_with("sha256:"))
    {
        return Err(SettingsError::Gate {
            key: "dataset.expect.digest".into(),
            problem: format!("`{text}` is no digest; expected `sha256:` and hexadecimal digits"),
        });
    }
    let count = |count: Option<crate::gate::Count>| count.map(|count| count.0);
    let (root, pattern) = split_pattern(dataset);
    Ok(DataSettings {
        root,
        files: FileFilter {
            pattern,
            conditions: conditions(part.r#where.as_ref())?,
        },
        weight: part.weight.clone(),
        id: part.id.clone(),
        group: part.group.clone(),
        expect: Expectations {
            min_rows: count(expect.min_rows),
            min_positives: count(expect.min_positives),
            min_negatives: count(expect.min_negatives),
            max_null_fraction: max_null_fraction(expect.max_null_fraction, nulls)?,
            digest,
        },
    })
}

/// Reads the largest share of dropped rows, which where nulls are refused is none.
fn max_null_fraction(
    given: Option<Number>,
    nulls: NullPolicy,
) -> Result<Option<f64>, SettingsError> {
    let Some(Number(fraction)) = given else {
        return Ok(None);
    };
    let problem = if !(0.0..=1.0).contains(&fraction) {
        format!("`{fraction}` is no share; expected a number from 0 to 1")
    } else if nulls == NullPolicy::Refuse && fraction > 0.0 {
        format!(
            "`{fraction}` bounds the rows that are dropped, and the first null ends the run; write `dataset.nulls: drop`, too"
        )
    } else {
        return Ok(Some(fraction));
    };
    Err(SettingsError::Gate {
        key: "dataset.expect.max_null_fraction".into(),
        problem,
    })
}

fn conditions(
    part: Option<&BTreeMap<String, Condition>>,
) -> Result<BTreeMap<String, Vec<Comparison>>, SettingsError> {
    let typed = part.into_iter().flatten().map(|(key, condition)| {
        let texts: Vec<String> = match condition {
            Condition::AnyOf(values) => values.iter().map(ToString::to_string).collect(),
            Condition::One(value) => vec![value.to_string()],
        };
        let comparisons: Vec<Comparison> = texts.iter().map(|text| Comparison::parse(text)).collect();
        if comparisons.is_empty() || comparisons.iter().any(|found| found.value.is_empty()) {
            return Err(SettingsError::Gate {
                key: format!("dataset.where.{key}"),
                problem: "there is nothing to compare with; expected a value, or one after `<`, `<=`, `>`, `>=` or `!=`".into(),
            });
        }
        Ok((key.clone(), comparisons))
    });
    typed.collect()
}
