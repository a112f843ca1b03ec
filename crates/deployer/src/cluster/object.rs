//! Which object is meant.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kind of what defines other kinds.
pub(crate) const CRD_KIND: &str = "CustomResourceDefinition";

/// Names an object as its manifest does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId {
    /// Such as `apps/v1`.
    pub api_version: String,
    /// Such as `Deployment`.
    pub kind: String,
    /// The namespace that the manifest names; none means the default namespace of the cluster
    /// seam, or none at all for a kind without namespaces.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl ObjectId {
    /// Returns the group of the API version, empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// Tells whether both name the same thing though its API version moved on (`apps/v1beta1` to
    /// `apps/v1`): what Helm compares when it decides what to delete.
    pub fn is_same_object(&self, other: &Self) -> bool {
        self.group() == other.group()
            && self.kind == other.kind
            && self.namespace == other.namespace
            && self.name == other.name
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} `{}`", self.kind, self.name)?;
        match &self.namespace {
            Some(namespace) => write!(formatter, " in namespace `{namespace}`"),
            None => Ok(()),
        }
    }
}

/// Reads which object a manifest describes; `None` when kind, version or name is missing.
pub fn object_id(object: &Value) -> Option<ObjectId> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    Some(ObjectId {
        api_version: text("/apiVersion")?.to_owned(),
        kind: text("/kind")?.to_owned(),
        namespace: text("/metadata/namespace").map(str::to_owned),
        name: text("/metadata/name")?.to_owned(),
    })
}

/// Returns the field by which the items of a list of that name are told apart, in whatever order
/// they stand; `None` for a list that is one value, and for `ports`, which take two.
///
/// Source: the `patchMergeKey` marks of `k8s.io/api`.
pub fn merge_key(list: &str) -> Option<&'static str> {
    match list {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "secrets" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "volumeDevices" => Some("devicePath"),
        "hostAliases" => Some("ip"),
        "topologySpreadConstraints" => Some("topologyKey"),
        "ownerReferences" => Some("uid"),
        _ => None,
    }
}
