//! Where a revision comes from: its chart by digest, its environment, and whence it was promoted.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Namespace, Revision};

/// Where a revision comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The environment that the command named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The chart as the command or the file named it.
    pub chart: String,
    /// `sha256:` and the digest over the chart's content, subcharts included, whatever packed it.
    pub chart_digest: String,
    /// Whence it was promoted; kept by later changes of the environment until the next promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Promotion>,
}

/// Who promoted what from where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    /// The environment that it was taken from.
    pub from: String,
    /// The namespace there.
    pub from_namespace: Namespace,
    /// The cluster or folder there, in words.
    pub from_target: String,
    /// The revision there.
    pub from_revision: Revision,
    /// Who did it: user and host.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The digest of the chart, the same in both.
    pub chart_digest: String,
    /// The SHA-256 of the model that was judged there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
    /// The digest of the dataset that it was judged on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<String>,
    /// Whether the verdict's signature was checked.
    #[serde(default)]
    pub signed: bool,
    /// The values that it took along: image and model.
    #[serde(default)]
    pub values: Map<String, Value>,
}
