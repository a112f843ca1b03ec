//! By what the items of a list are told apart, whatever their order.
//!
//! Source: the `patchMergeKey` (by [`merge_key`]) and `listMapKey` marks of `k8s.io/api`.

use serde_json::Value;

use crate::cluster::merge_key;

/// Returns the merge key of an item of a list of that name, such as `name=app`; `None` for a list
/// that is one value.
pub(super) fn item_key(list: &str, item: &Value) -> Option<String> {
    let field = |name: &str| {
        item.get(name)
            .filter(|value| value.is_string() || value.is_number())
            .map(|value| format!("{name}={}", plain(value)))
    };
    match list {
        "webhooks" | "versions" | "resourceClaims" => field("name"),
        "ports" => {
            let port = field("containerPort").or_else(|| field("port"))?;
            let protocol = item["protocol"].as_str().unwrap_or("TCP");
            Some(if protocol == "TCP" {
                port
            } else {
                format!("{port}/{protocol}")
            })
        }
        "conditions" => field("type"),
        "volumeClaimTemplates" => item
            .pointer("/metadata/name")
            .map(|name| format!("name={}", plain(name))),
        "finalizers" => item.as_str().map(str::to_owned),
        _ => merge_key(list).and_then(field),
    }
}

/// Returns the keys of all items, or `None` when one has none or two have the same.
pub(super) fn item_keys(list: &str, items: &[Value]) -> Option<Vec<String>> {
    let keys: Vec<String> = items
        .iter()
        .map(|item| item_key(list, item))
        .collect::<Option<_>>()?;
    let distinct: std::collections::HashSet<&String> = keys.iter().collect();
    (distinct.len() == keys.len()).then_some(keys)
}

/// Tells whether the order of a list with merge keys has a meaning: init containers run one after
/// the other.
pub(super) fn is_ordered(list: &str) -> bool {
    list == "initContainers"
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
