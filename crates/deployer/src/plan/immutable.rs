//! Changes that the API server refuses: they are told with the plan, before anything is touched.
//!
//! Source: the `ValidateUpdate` functions of Kubernetes 1.34, `pkg/apis/*/validation`.

use serde_json::Value;

use super::compare::{Comparison, FieldDifference};
use super::{ObjectAction, ObjectStep};

/// Fields of a StatefulSet's `spec` that can be changed.
const STATEFUL_SET: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
    "revisionHistoryLimit",
];

/// Kinds that are never deleted to be created anew: what they hold would go with them.
const HOLDERS: [&str; 4] = [
    "PersistentVolumeClaim",
    "PersistentVolume",
    "Namespace",
    "CustomResourceDefinition",
];

/// Tells whether an object may be deleted and created anew to change what cannot be changed.
pub(super) fn may_be_recreated(kind: &str) -> bool {
    !HOLDERS.contains(&kind)
}

/// Says which change of an object will be refused, and what can be done.
pub(super) fn refused_change(step: &ObjectStep, live: &Value) -> Option<String> {
    if !matches!(step.action, ObjectAction::Patch | ObjectAction::Adopt) {
        return None;
    }
    let comparison = step.comparison.as_ref()?;
    let field = comparison
        .differences
        .iter()
        .find(|field| is_immutable(comparison, field, live))?;
    let mend = if may_be_recreated(&step.object.kind) {
        "`--force-replace` deletes the object and creates it anew"
    } else {
        "delete the object first"
    };
    Some(format!(
        "{}: `{}` cannot be changed in place and the server will refuse it; {mend}, or give it another name in the chart",
        step.object, field.path
    ))
}

fn is_immutable(comparison: &Comparison, field: &FieldDifference, live: &Value) -> bool {
    let path = field.path.to_string();
    let below = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    match comparison.object.kind.as_str() {
        "Deployment" | "ReplicaSet" | "DaemonSet" => below("spec.selector"),
        "StatefulSet" => {
            let first = path
                .strip_prefix("spec.")
                .map(|rest| rest.split(['.', '[']).next().unwrap_or_default().to_owned());
            first.is_some_and(|first| !STATEFUL_SET.contains(&first.as_str()))
        }
        "Job" => below("spec.template") || below("spec.selector") || below("spec.completionMode"),
        "Service" => below("spec.clusterIP"),
        "PersistentVolumeClaim" => {
            below("spec") && !below("spec.resources") && !below("spec.volumeAttributesClassName")
        }
        "RoleBinding" | "ClusterRoleBinding" => below("roleRef"),
        "Secret" => below("type") || (below("data") && was_immutable(live)),
        "ConfigMap" => (below("data") || below("binaryData")) && was_immutable(live),
        "StorageClass" => below("provisioner") || below("parameters") || below("reclaimPolicy"),
        "PriorityClass" => below("value"),
        _ => false,
    }
}

fn was_immutable(live: &Value) -> bool {
    live["immutable"] == true
}
