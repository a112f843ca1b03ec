//! Who set a field, by `metadata.managedFields`.
//!
//! Source: structured-merge-diff `fieldpath`: `f:` names a field, `k:` an item of a list by its
//! keys, `v:` an item of a set; a node without children owns all below it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::path::{FieldPath, Segment};
use crate::cluster::FIELD_MANAGER;

/// Who set a field, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldOwner {
    /// Such as `kubectl-edit`.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// Such as `scale` or `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
    /// When the manager last set any of its fields, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

impl FieldOwner {
    /// Tells whether it is a deployer of Helm releases: Helm or we.
    pub fn is_ours(&self) -> bool {
        self.manager == FIELD_MANAGER || self.manager == "Helm"
    }

    /// Tells whether it is a part of Kubernetes itself rather than a person or a tool.
    pub fn is_control_plane(&self) -> bool {
        self.subresource.as_deref() == Some("status")
            || self.manager.starts_with("kube-")
            || matches!(
                self.manager.as_str(),
                "kubelet" | "before-first-apply" | "cloud-controller-manager"
            )
    }

    /// Tells whether it sizes workloads by their load. The horizontal autoscaler writes through
    /// the `scale` subresource as the controller manager; `kubectl scale` does so as itself.
    pub fn is_autoscaler(&self) -> bool {
        let name = self.manager.to_lowercase();
        (self.subresource.as_deref() == Some("scale") && name == "kube-controller-manager")
            || name.contains("autoscal")
            || name.starts_with("keda")
            || name.starts_with("vpa-")
    }
}

/// Returns the owners of a field of a live object, the newest first.
pub(super) fn owners(live: &Value, path: &FieldPath) -> Vec<FieldOwner> {
    let entries = live.pointer("/metadata/managedFields");
    let mut owners: Vec<FieldOwner> = entries
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|entry| owns(&entry["fieldsV1"], live, path))
        .map(owner)
        .collect();
    owners.sort_by(|left, right| right.time.cmp(&left.time));
    owners
}

/// Tells whether server-side apply would find the object as we left it: we applied it, or nobody
/// keeps accounts (a folder).
pub(in crate::plan) fn is_applied_by_us(live: &Value) -> bool {
    let entries = live.pointer("/metadata/managedFields");
    let Some(entries) = entries.and_then(Value::as_array) else {
        return true;
    };
    entries
        .iter()
        .any(|entry| entry["operation"] == "Apply" && owner(entry).is_ours())
}

fn owner(entry: &Value) -> FieldOwner {
    let text = |name: &str| {
        entry[name]
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    FieldOwner {
        manager: text("manager").unwrap_or_default(),
        operation: text("operation").unwrap_or_default(),
        subresource: text("subresource"),
        time: text("time"),
    }
}

fn owns(fields: &Value, live: &Value, path: &FieldPath) -> bool {
    let mut node = fields;
    let mut value = Some(live);
    for segment in path.segments() {
        let Some(children) = node.as_object().filter(|map| !map.is_empty()) else {
            return node.is_object() && node != fields;
        };
        let next = match segment {
            Segment::Field(name) => {
                value = value.and_then(|value| value.get(name));
                children.get(&format!("f:{name}"))
            }
            Segment::Key { live, .. } | Segment::Index { live, .. } => {
                value = live.and_then(|index| value?.get(index));
                value.and_then(|item| child_of(children, item))
            }
        };
        let Some(next) = next else { return false };
        node = next;
    }
    true
}

fn child_of<'a>(children: &'a Map<String, Value>, item: &Value) -> Option<&'a Value> {
    let is_it = |name: &str| -> bool {
        let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
        if let Some(keys) = name.strip_prefix("k:").and_then(parsed) {
            let keys = keys.as_object().cloned().unwrap_or_default();
            return keys.iter().all(|(key, value)| item.get(key) == Some(value));
        }
        name.strip_prefix("v:").and_then(parsed).as_ref() == Some(item)
    };
    let found = children.iter().find(|(name, _)| is_it(name));
    found.map(|(_, child)| child)
}
