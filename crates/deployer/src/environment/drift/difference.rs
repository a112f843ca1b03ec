//! One difference, with what each side has.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::release::Revision;

/// Which two views differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// Live objects against the record: somebody edited by hand.
    LiveAgainstRecord,
    /// Files against the record: somebody forgot to deploy.
    FilesAgainstRecord,
    /// One environment has what another has not.
    BetweenEnvironments,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Between which views.
    pub comparison: View,
    /// The release.
    pub release: String,
    /// The component; absent for the release as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The environment, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The kind of the object; absent for a whole component or release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The name of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The field; absent for a whole object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What each side has, by `files`, `record`, `live` or the environment's name.
    #[serde(serialize_with = "as_map")]
    pub values: Vec<(String, Shown)>,
    /// Who changed it, by the API server's account of fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    /// Since when, where records or the API server tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Whether it may be longer: older records were pruned.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub or_longer: bool,
    /// The environment whose change began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_in: Option<String>,
    /// The revision whose change began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The glob that allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_by: Option<String>,
}

/// A value as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// As it is.
    Value(Value),
    /// An object or component that is there.
    There,
    /// It is not there.
    Absent,
    /// It may be a secret.
    Hidden,
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::There => serializer.serialize_bool(true),
            Self::Absent => serializer.serialize_unit(),
            Self::Hidden => serializer.serialize_str("(hidden)"),
        }
    }
}

impl Shown {
    /// Shows the value of a field; a masked one is hidden.
    pub(super) fn of(value: Option<&Value>, is_masked: bool) -> Self {
        match value {
            None => Self::Absent,
            Some(_) if is_masked => Self::Hidden,
            Some(value) => Self::Value(value.clone()),
        }
    }
}

fn as_map<S: Serializer>(values: &[(String, Shown)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(label, value)| (label, value)))
}

impl Difference {
    pub(super) fn new(comparison: View, release: &str, component: &str) -> Self {
        Self {
            comparison,
            release: release.to_owned(),
            component: (!component.is_empty()).then(|| component.to_owned()),
            environment: None,
            kind: None,
            name: None,
            field: None,
            values: Vec::new(),
            changed_by: None,
            since: None,
            or_longer: false,
            changed_in: None,
            revision: None,
            allowed_by: None,
        }
    }

    pub(super) fn about(&mut self, kind: &str, name: &str, field: Option<String>) {
        self.kind = Some(kind.to_owned());
        self.name = Some(name.to_owned());
        self.field = field;
    }

    /// The environments that it is about: its own, or those that are not as most.
    pub fn concerns(&self) -> Vec<&str> {
        if let Some(environment) = &self.environment {
            return vec![environment];
        }
        let count = |value: &Shown| {
            self.values
                .iter()
                .filter(|(_, other)| other == value)
                .count()
        };
        let most = self.values.iter().map(|(_, value)| count(value)).max();
        let common: Vec<&(String, Shown)> = self
            .values
            .iter()
            .filter(|(_, value)| Some(count(value)) == most)
            .collect();
        let is_settled = common.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let odd = self.values.iter().filter(|(_, value)| {
            !is_settled || common.first().is_none_or(|(_, usual)| usual != value)
        });
        odd.map(|(label, _)| label.as_str()).collect()
    }

    /// What it is about in words: the object, or the component, or the release.
    pub fn subject(&self) -> String {
        match (&self.kind, &self.name, &self.component) {
            (Some(kind), Some(name), _) => format!("{kind} {name}"),
            (_, _, Some(component)) => format!("component {component}"),
            _ => format!("release {}", self.release),
        }
    }
}
