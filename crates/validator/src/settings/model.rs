//! What is known of the models beforehand.

use super::{MetricCheck, SettingsError, Subject};
use crate::dataset::Location;
use crate::gate::file::{ChampionPart, IfMissingName, ModelPart, OutputMeaning};
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
    Ok(ModelSettings {
        sha256,
        meaning: part.output.unwrap_or_default(),
        selection: OutputSelection {
            key: part.output_key.clone(),
            index: index(part.output_index),
            column: index(part.positive_class).map_or(ColumnChoice::Auto, ColumnChoice::Column),
        },
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
