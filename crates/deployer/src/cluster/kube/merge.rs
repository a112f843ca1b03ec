//! The three-way merge of client-side apply, and the hand-over of its fields to the server (pure).
//!
//! No maintained crate makes strategic merge patches, so the merge is made here on whole objects,
//! with the list keys of the built-in kinds, and sent as a JSON merge patch against the version
//! that was read. Lists of custom resources are replaced whole, as Helm does.

use serde_json::{Map, Value};

use crate::cluster::merge_key;

/// Merges what the manifest said before, what it says now and what is live.
///
/// Fields that only the live object has stay; fields that left the manifest go. `original` is
/// `None` when no earlier manifest is known: then nothing is removed.
///
/// Source: apimachinery `strategicpatch.CreateThreeWayMergePatch` and `jsonmergepatch`.
pub(super) fn three_way(original: Option<&Value>, modified: &Value, live: &Value) -> Value {
    let built_in = modified["apiVersion"].as_str().is_some_and(is_built_in);
    merge_value(original, modified, live, built_in)
}

fn is_built_in(api_version: &str) -> bool {
    match api_version.split_once('/') {
        None => true,
        Some((group, _)) => !group.contains('.') || group.ends_with(".k8s.io"),
    }
}

fn merge_value(original: Option<&Value>, modified: &Value, live: &Value, built_in: bool) -> Value {
    match (modified, live) {
        (Value::Object(modified), Value::Object(live)) => Value::Object(merge_map(
            original.and_then(Value::as_object),
            modified,
            live,
            built_in,
        )),
        _ => modified.clone(),
    }
}

fn merge_map(
    original: Option<&Map<String, Value>>,
    modified: &Map<String, Value>,
    live: &Map<String, Value>,
    built_in: bool,
) -> Map<String, Value> {
    let mut merged = live.clone();
    let is_set = |map: &Map<String, Value>, key: &str| map.get(key).is_some_and(|v| !v.is_null());
    for key in original.into_iter().flat_map(Map::keys) {
        if !is_set(modified, key) {
            merged.remove(key);
        }
    }
    for (key, wanted) in modified {
        if wanted.is_null() {
            merged.remove(key);
            continue;
        }
        let before = original.and_then(|map| map.get(key));
        let value = match (wanted, live.get(key)) {
            (Value::Array(wanted), Some(Value::Array(present))) if built_in => {
                merge_list(key, before.and_then(Value::as_array), wanted, present)
            }
            (wanted, Some(present)) => merge_value(before, wanted, present, built_in),
            (wanted, None) => without_nulls(wanted),
        };
        merged.insert(key.clone(), value);
    }
    merged
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Returns by what the items of a list are told apart, or `None` for a list that is one value.
fn item_key(list: &str, item: &Value) -> Option<String> {
    let field = |name: &str| item.get(name).map(Value::to_string);
    let protocol = || item["protocol"].as_str().unwrap_or("TCP").to_owned();
    match list {
        "ports" => field("containerPort")
            .or_else(|| field("port"))
            .map(|port| format!("{port}/{}", protocol())),
        "finalizers" => item.as_str().map(str::to_owned),
        _ => merge_key(list).and_then(field),
    }
}

fn merge_list(
    list: &str,
    original: Option<&Vec<Value>>,
    modified: &[Value],
    live: &[Value],
) -> Value {
    let keys = |items: &[Value]| -> Option<Vec<String>> {
        items.iter().map(|item| item_key(list, item)).collect()
    };
    let (Some(wanted_keys), Some(live_keys)) = (keys(modified), keys(live)) else {
        return Value::Array(modified.to_vec());
    };
    let original = original.map(Vec::as_slice).unwrap_or_default();
    let original_keys = keys(original).unwrap_or_default();
    let find = |all: &[String], key: &String| all.iter().position(|other| other == key);
    let merged_item = |index: usize| {
        let key = &wanted_keys[index];
        let before = find(&original_keys, key).map(|at| &original[at]);
        match find(&live_keys, key) {
            Some(at) => merge_value(before, &modified[index], &live[at], true),
            None => without_nulls(&modified[index]),
        }
    };
    let foreign = |key: &String| !wanted_keys.contains(key) && !original_keys.contains(key);
    let common: Vec<usize> = wanted_keys
        .iter()
        .filter_map(|key| find(&live_keys, key))
        .collect();
    let mut merged = Vec::new();
    if common.is_sorted() {
        // Keep the live order, so that what others put in front stays there.
        for (at, key) in live_keys.iter().enumerate() {
            match find(&wanted_keys, key) {
                Some(index) => merged.push(merged_item(index)),
                None if foreign(key) => merged.push(live[at].clone()),
                None => {}
            }
        }
        for (index, key) in wanted_keys.iter().enumerate() {
            if !live_keys.contains(key) {
                merged.push(merged_item(index));
            }
        }
    } else {
        merged.extend((0..wanted_keys.len()).map(merged_item));
        merged.extend(
            live_keys
                .iter()
                .zip(live)
                .filter(|(key, _)| foreign(key))
                .map(|(_, item)| item.clone()),
        );
    }
    Value::Array(merged)
}

/// Returns the JSON merge patch (RFC 7386) that turns `from` into `to`; empty when they are equal.
pub(super) fn merge_patch(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return to.clone();
    };
    let mut patch = Map::new();
    for key in from.keys() {
        if !to.contains_key(key) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    for (key, wanted) in to {
        match from.get(key) {
            Some(present) if present == wanted => {}
            Some(present @ Value::Object(_)) if wanted.is_object() => {
                patch.insert(key.clone(), merge_patch(present, wanted));
            }
            _ => {
                patch.insert(key.clone(), wanted.clone());
            }
        }
    }
    Value::Object(patch)
}

/// Returns the `managedFields` with what `manager` wrote by updates made part of what it applied,
/// or `None` when there is nothing to hand over.
///
/// Source: client-go `util/csaupgrade/upgrade.go`, `UpgradeManagedFields`.
pub(super) fn managed_fields_for_apply(live: &Value, manager: &str) -> Option<Value> {
    let entries = live["metadata"]["managedFields"].as_array()?;
    let is_ours = |entry: &Value, operation: &str| {
        entry["manager"] == manager
            && entry["operation"] == operation
            && entry["subresource"].as_str().unwrap_or_default().is_empty()
    };
    let mut updates = entries.iter().filter(|entry| is_ours(entry, "Update"));
    let newest = updates.clone().max_by_key(|entry| entry["time"].as_str())?;
    let mut applied = match entries.iter().find(|entry| is_ours(entry, "Apply")) {
        Some(entry) => entry.clone(),
        None => {
            let mut entry = newest.clone();
            entry["operation"] = Value::from("Apply");
            entry
        }
    };
    if let Some(fields) = applied.get_mut("fieldsV1") {
        updates
            .by_ref()
            .for_each(|entry| union(fields, &entry["fieldsV1"]));
        forget_last_applied(fields);
    }
    let mut all: Vec<Value> = entries
        .iter()
        .filter(|entry| !is_ours(entry, "Update") && !is_ours(entry, "Apply"))
        .cloned()
        .collect();
    all.push(applied);
    Some(Value::Array(all))
}

fn union(fields: &mut Value, more: &Value) {
    let (Value::Object(fields), Value::Object(more)) = (fields, more) else {
        return;
    };
    for (key, value) in more {
        match fields.get_mut(key) {
            Some(present) => union(present, value),
            None => {
                fields.insert(key.clone(), value.clone());
            }
        }
    }
}

fn forget_last_applied(fields: &mut Value) {
    if let Some(annotations) = fields
        .pointer_mut("/f:metadata/f:annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove("f:kubectl.kubernetes.io/last-applied-configuration");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_left_the_manifest_goes_and_what_others_added_stays() {
        let original = json!({"apiVersion": "v1", "data": {"a": "1", "b": "2"}});
        let modified = json!({"apiVersion": "v1", "data": {"a": "9"}});
        let live =
            json!({"apiVersion": "v1", "data": {"a": "1", "b": "2", "c": "3"}, "status": {"x": 1}});
        let wanted = three_way(Some(&original), &modified, &live);
        assert_eq!(
            wanted,
            json!({"apiVersion": "v1", "data": {"a": "9", "c": "3"}, "status": {"x": 1}})
        );
        assert_eq!(
            merge_patch(&live, &wanted),
            json!({"data": {"a": "9", "b": null}})
        );
    }

    #[test]
    fn containers_are_merged_by_name_and_injected_ones_keep_their_place() {
        let template = |containers: Value| json!({"apiVersion": "apps/v1", "spec": {"containers": containers}});
        let original = template(
            json!([{"name": "app", "image": "a:1", "env": [{"name": "OLD", "value": "x"}]}]),
        );
        let modified = template(json!([{"name": "app", "image": "a:2"}]));
        let live = template(json!([
            {"name": "mesh", "image": "m"},
            {"name": "app", "image": "a:1", "imagePullPolicy": "Always", "env": [{"name": "OLD", "value": "x"}]}
        ]));
        assert_eq!(
            three_way(Some(&original), &modified, &live)["spec"]["containers"],
            json!([{"name": "mesh", "image": "m"}, {"name": "app", "image": "a:2", "imagePullPolicy": "Always"}])
        );
    }

    #[test]
    fn ports_are_told_apart_by_number_and_protocol() {
        let service = |ports: Value| json!({"apiVersion": "v1", "spec": {"ports": ports}});
        let original = service(json!([{"port": 80, "name": "http"}]));
        let modified = service(json!([{"port": 8080, "name": "http"}]));
        let live =
            service(json!([{"port": 80, "name": "http", "protocol": "TCP", "nodePort": 30001}]));
        assert_eq!(
            three_way(Some(&original), &modified, &live)["spec"]["ports"],
            json!([{"port": 8080, "name": "http"}])
        );
    }

    #[test]
    fn lists_of_custom_resources_are_replaced() {
        let resource = |env: Value| json!({"apiVersion": "x.example.com/v1", "spec": {"env": env}});
        let wanted = three_way(
            None,
            &resource(json!([{"name": "a"}])),
            &resource(json!([{"name": "b"}])),
        );
        assert_eq!(wanted["spec"]["env"], json!([{"name": "a"}]));
    }

    #[test]
    fn a_null_in_the_manifest_removes_the_field() {
        let modified = json!({"apiVersion": "v1", "data": {"a": null}});
        let live = json!({"apiVersion": "v1", "data": {"a": "1"}});
        assert_eq!(
            three_way(None, &modified, &live),
            json!({"apiVersion": "v1", "data": {}})
        );
    }

    #[test]
    fn updates_of_our_manager_become_part_of_its_apply() {
        let live = json!({"metadata": {"managedFields": [
            {"manager": "helm", "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {"f:a": {}}}},
            {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {"f:z": {}}}},
            {"manager": "helm", "operation": "Update", "subresource": "status", "fieldsV1": {}},
        ]}});
        let fields = managed_fields_for_apply(&live, "helm").expect("something to hand over");
        assert_eq!(fields.as_array().map(Vec::len), Some(3));
        assert_eq!(fields[2]["operation"], "Apply");
        assert_eq!(fields[2]["fieldsV1"], json!({"f:data": {"f:a": {}}}));
        let after = json!({"metadata": {"managedFields": fields}});
        assert_eq!(managed_fields_for_apply(&after, "helm"), None);
    }
}
