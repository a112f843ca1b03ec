//! What is known of the models beforehand.

use super::{MetricCheck, SettingsError, Subject};
use crate::dataset::Location;
use crate::gate::file::{ChampionPart, IfMissingName, InputTypeName, ModelPart, OutputMeaning};
use crate::scorer::{ColumnChoice, OutputSelection};

/// What is known of a model beforehand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelSettings {
    /// The SHA-256 that the file must have, lower case.
    pub sha256: Option<String>,
    /// What its outputs are.
    pub meaning: OutputMeaning,
    /// Which part of its output is the score.
    pub selection: OutputSelection,
    /// The arguments of its `forward`; empty where all features are the only one.
    pub inputs: Vec<InputSetting>,
}

/// One argument of a model's `forward`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSetting {
    /// Its name, where arguments are bound by name.
    pub name: Option<String>,
    /// The columns that it is made of, in this order.
    pub columns: Vec<String>,
    /// Whether its tensor holds whole numbers.
    pub whole_numbers: bool,
    /// Whether its only column comes as `[rows]`.
    pub flat: bool,
}

/// Checks that inputs make sense by themselves.
fn inputs(part: &ModelPart) -> Result<Vec<InputSetting>, SettingsError> {
    let Some(parts) = &part.inputs else {
        return Ok(Vec::new());
    };
    let refuse = |index: Option<usize>, problem: String| SettingsError::Gate {
        key: index.map_or_else(
            || "model.inputs".to_owned(),
            |index| format!("model.inputs[{index}]"),
        ),
        problem,
    };
    if parts.is_empty() {
        let problem = "it is empty; leave it out for a model of one input".into();
        return Err(refuse(None, problem));
    }
    let named = parts.iter().filter(|input| input.name.is_some()).count();
    if named != 0 && named != parts.len() {
        return Err(refuse(
            None,
            format!(
                "{named} of {} inputs have a `name`; name all, or none and keep the order of `forward`",
                parts.len()
            ),
        ));
    }
    let mut inputs: Vec<InputSetting> = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        if part.columns.is_empty() || part.columns.iter().any(|name| name.trim().is_empty()) {
            let problem = "`columns` names no column, or one without a name".into();
            return Err(refuse(Some(index), problem));
        }
        let flat = part.flat.unwrap_or_default();
        if flat && part.columns.len() != 1 {
            let problem = format!(
                "`flat` is for one column, and there are {}",
                part.columns.len()
            );
            return Err(refuse(Some(index), problem));
        }
        let name = part.name.clone();
        if name.is_some() && inputs.iter().any(|other| other.name == name) {
            let name = name.unwrap_or_default();
            return Err(refuse(
                Some(index),
                format!("the name `{name}` comes twice"),
            ));
        }
        inputs.push(InputSetting {
            name,
            columns: part.columns.clone(),
            whole_numbers: part.dtype == Some(InputTypeName::Int64),
            flat,
        });
    }
    let mut seen: Vec<&String> = Vec::new();
    for name in inputs.iter().flat_map(|input| &input.columns) {
        if seen.contains(&name) {
            let problem = format!(
                "the column `{name}` comes twice; write it to the dataset under two names if the model needs it twice"
            );
            return Err(refuse(None, problem));
        }
        seen.push(name);
    }
    Ok(inputs)
}

/// The model that serves now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Champion {
    /// Where it lies; nothing where the file names none.
    pub location: Option<Location>,
    /// What follows when it is not there.
    pub if_missing: IfMissingName,
}

pub(super) fn model(part: &ModelPart) -> Result<ModelSettings, SettingsError> {
    let sha256 = part
        .sha256
        .as_deref()
        .map(|text| {
            let digest = text
                .trim()
                .trim_start_matches("sha256:")
                .to_ascii_lowercase();
            if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Ok(digest);
            }
            Err(SettingsError::Gate {
                key: "model.sha256".into(),
                problem: format!("`{text}` is no SHA-256; expected 64 hexadecimal digits"),
            })
        })
        .transpose()?;
    let index = |count: Option<crate::gate::Count>| count.map(|count| count.0 as usize);
    if part.classes.is_some() && part.positive_class.is_some() {
        return Err(SettingsError::Gate {
            key: "model.positive_class".into(),
            problem:
                "it makes two classes of several, and `model.classes` judges all; leave one out"
                    .into(),
        });
    }
    let column = match part.classes {
        Some(_) => ColumnChoice::All,
        None => index(part.positive_class).map_or(ColumnChoice::Auto, ColumnChoice::Column),
    };
    Ok(ModelSettings {
        sha256,
        meaning: part.output.unwrap_or_default(),
        selection: OutputSelection {
            key: part.output_key.clone(),
            index: index(part.output_index),
            column,
        },
        inputs: inputs(part)?,
    })
}

pub(super) fn champion(
    part: Option<&ChampionPart>,
    checks: &[MetricCheck],
) -> Result<Option<Champion>, SettingsError> {
    let compared = checks
        .iter()
        .find(|check| check.subject == Subject::ChangeFromChampion);
    match (part, compared) {
        (None, None) => Ok(None),
        (None, Some(check)) => Err(SettingsError::Gate {
            key: "champion".into(),
            problem: format!(
                "the check `{}` compares with a champion, and none is named",
                check.name
            ),
        }),
        (Some(_), None) => Err(SettingsError::Gate {
            key: "champion".into(),
            problem: "no check compares with it; give one a `non_inferiority_margin`, `min_change` or `max_change`".into(),
        }),
        (Some(part), Some(_)) => {
            let location = match part.model.trim() {
                "" => None,
                text => Some(Location::parse(text).map_err(|source| {
                    SettingsError::Location {
                        name: "`champion.model` of the gate file".into(),
                        source,
                    }
                })?),
            };
            let if_missing = part.if_missing.unwrap_or(IfMissingName::Error);
            if location.is_none() && if_missing == IfMissingName::Error {
                return Err(SettingsError::Gate {
                    key: "champion.model".into(),
                    problem: "it is empty; name the model that serves now, or write `if_missing: skip`".into(),
                });
            }
            Ok(Some(Champion {
                location,
                if_missing,
            }))
        }
    }
}
