//! The parts of `deployer.yaml`. Field documentation is the published schema's too.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is deployed where, in which order it moves on, and what may differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentsFile {
    /// The version of this format.
    #[serde(rename = "apiVersion")]
    pub api_version: ApiVersion,
    /// What the file is.
    pub kind: Kind,
    /// The environments, by name.
    pub environments: BTreeMap<String, EnvironmentPart>,
    /// The environments in the order in which a release moves on, such as `[dev, staging, prod]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promotion: Vec<String>,
    /// The releases, by name.
    pub releases: BTreeMap<String, ReleasePart>,
    /// What is no drift.
    #[serde(default, skip_serializing_if = "AllowedPart::is_empty")]
    pub allowed_differences: AllowedPart,
}

/// The version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first.
    #[serde(rename = "deployer/v1")]
    V1,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// Releases and their environments.
    Environments,
}

/// A place with its rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentPart {
    /// `kube` (a cluster, where absent) or `dir:PATH`, a folder of manifests and records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The kubeconfig file; a flag or KUBECONFIG where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
    /// The kubeconfig context; the current one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The namespace of the releases.
    pub namespace: String,
    /// Whether the namespace is made when it does not exist.
    #[serde(default, skip_serializing_if = "is_false")]
    pub create_namespace: bool,
    /// Where hooks run; in the cluster, or as processes on a `dir:` target, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<HooksName>,
    /// Values files of every release, after the release's own; relative to this file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Values of every release, above all files.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub set: Map<String, Value>,
    /// How long a hook or a wait may take, such as `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// What every change has to keep to.
    #[serde(default, skip_serializing_if = "DemandsPart::is_empty")]
    pub demands: DemandsPart,
}

/// Where hooks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HooksName {
    /// As Jobs and Pods of the cluster.
    Cluster,
    /// As processes on this machine.
    Local,
    /// Nowhere.
    Skip,
}

/// What every change of an environment has to keep to; what breaks it is refused before it begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DemandsPart {
    /// Changes are atomic: every failure is undone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub atomic: bool,
    /// The longest timeout, such as `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_max: Option<String>,
    /// A gate has to pass before anything is changed, and hooks cannot be switched off.
    #[serde(default, skip_serializing_if = "is_false")]
    pub gate: bool,
    /// Nothing is changed without a verdict that one of these keys signed: the gate signs it itself, or a file
    /// (`--verdict`) has it for the very model, dataset and gate. A promotion rests on the one of the environment before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_verdict: Option<SignedVerdictPart>,
    /// Charts come from a registry by digest (`oci://…@sha256:…`, or `digest`), and from nowhere else.
    #[serde(default, skip_serializing_if = "is_false")]
    pub chart_by_digest: bool,
    /// No value whose key or text looks like a secret is given in the open.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_secret_values: bool,
    /// Releases come by promotion from the environment before, and no other way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub promotion: bool,
}

/// Whose signature counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedVerdictPart {
    /// Public keys in PEM: files, relative to this one, or `env:NAME`.
    pub keys: Vec<String>,
    /// How old what was signed may be, such as `7d` or `12h`; 7 days where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_max: Option<String>,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleasePart {
    /// A folder or archive relative to this file, `oci://…`, `https://….tgz`, `REPOSITORY/CHART`, or a name in `repository`.
    pub chart: String,
    /// Version of the chart, or a range of which the newest is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Digest of a chart in a registry, `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Chart repository in which to find the chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Values files of every environment, lowest first; relative to this file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Values of every environment, above the files before.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub set: Map<String, Value>,
    /// What differs by environment. An environment that is not named has the release as it stands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environments: BTreeMap<String, ReleaseEnvironmentPart>,
    /// Values that a promotion takes along, as globs of keys; `image.**` and `model.path` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promoted_values: Option<Vec<String>>,
}

/// What a release has differently in one environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseEnvironmentPart {
    /// Another chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// Another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Another digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Further values files, above those before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Further values, above all files.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub set: Map<String, Value>,
    /// The release is not meant to be there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub absent: bool,
    /// What the verdict of a promotion out of this environment has to be about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictPart>,
}

/// What a verdict has to be about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerdictPart {
    /// SHA-256 of the model, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
    /// Digest of the dataset, `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<String>,
    /// How old it may be, such as `7d` or `12h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_max: Option<String>,
}

/// What is no drift: globs of fields, such as `spec.replicas`, `resources.**` or `Ingress:host`.
///
/// A glob fits the end of a field's path: `host` fits `spec.rules[0].host`. `*` stands for one part,
/// `**` for any number, none included. Before a colon stands the kind, `Kind` or `Kind/name`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedPart {
    /// Fields that may differ from environment to environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub between_environments: Vec<String>,
    /// Fields that may differ from the record, such as those that an operator sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub live: Vec<String>,
}

impl AllowedPart {
    fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

impl DemandsPart {
    fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Returns the schema that `docs/deployer.schema.json` publishes.
pub fn schema() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    let schema = settings
        .into_generator()
        .root_schema_for::<EnvironmentsFile>();
    schema.to_value()
}
