//! The record of a revision: the JSON that Helm stores, field by field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Hook, Namespace, RecordTime, ReleaseName, Revision, Status};

/// One revision of a release.
///
/// Source: `pkg/release/v1/release.go` of Helm 4.2, of which Helm 3's is a subset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// The name of the release.
    pub name: ReleaseName,
    /// State, times and description.
    #[serde(default)]
    pub info: Info,
    /// The chart as Helm stores it: metadata, lock, templates, values, schema, files.
    #[serde(default)]
    pub chart: Value,
    /// The user's values, without the chart's defaults.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Map::is_empty"
    )]
    pub config: Map<String, Value>,
    /// The objects as one YAML stream, hooks not included.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// The hooks.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub hooks: Vec<Hook>,
    /// The revision.
    #[serde(default)]
    pub version: Revision,
    /// The namespace of the release.
    pub namespace: Namespace,
    /// How its objects were applied; records of Helm 3 do not say, which means client-side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_method: Option<ApplyMethod>,
    /// The user's own labels; they are kept as labels of the record, not in its JSON.
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
    /// Fields of other versions, kept on rewriting.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Release {
    /// Returns how the objects of this revision were applied.
    pub fn applied_by(&self) -> ApplyMethod {
        self.apply_method.unwrap_or(ApplyMethod::ClientSide)
    }

    /// Returns the chart's name from its metadata, or an empty text.
    pub fn chart_name(&self) -> &str {
        self.chart_metadata("name")
    }

    /// Returns the chart's version from its metadata, or an empty text.
    pub fn chart_version(&self) -> &str {
        self.chart_metadata("version")
    }

    /// Returns the version of the application from the chart's metadata, or an empty text.
    pub fn app_version(&self) -> &str {
        self.chart_metadata("appVersion")
    }

    fn chart_metadata(&self, field: &str) -> &str {
        self.chart
            .pointer(&format!("/metadata/{field}"))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// State, times and description of a revision.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Info {
    /// When the release was first deployed.
    #[serde(default, skip_serializing_if = "RecordTime::is_never")]
    pub first_deployed: RecordTime,
    /// When this revision was deployed.
    #[serde(default, skip_serializing_if = "RecordTime::is_never")]
    pub last_deployed: RecordTime,
    /// When the release was uninstalled.
    #[serde(default, skip_serializing_if = "RecordTime::is_never")]
    pub deleted: RecordTime,
    /// A sentence for people, such as `Upgrade complete`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The state.
    #[serde(default)]
    pub status: Status,
    /// The chart's rendered notes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// Fields of other versions, kept on rewriting.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How objects are written to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApplyMethod {
    /// Server-side apply, Helm 4's default.
    #[serde(rename = "ssa")]
    ServerSide,
    /// A three-way merge made here, Helm 3's way.
    #[serde(rename = "csa", other)]
    ClientSide,
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
