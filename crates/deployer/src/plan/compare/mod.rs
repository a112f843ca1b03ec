//! Compares an object with what it should be, field by field (pure).
//!
//! It answers "what would applying this change?" for a plan and "what differs?" for drift. What
//! the API server adds or rewrites is no difference: defaults, status and other fields that only
//! the server sets, `"1000m"` for `"1"`, `"8080"` for `8080` as a port, `stringData` for `data`, empty
//! for absent, the order of a list with merge keys (containers, env, ports, volumes). Init
//! containers run in their order, so theirs counts.
//!
//! # How to call it
//! - **Live against a manifest**, as applying it would see it: [`compare`] with the manifest's
//!   object, the same object of the manifest before it (`None` where there is none; without it
//!   nothing counts as removed) and the live object, `managedFields` included. For drift of live
//!   from record, pass the record's object as `desired` *and* as `previous`.
//! - **Manifest against manifest**: [`compare_manifests`] for one object, [`compare_sets`] for all of
//!   two revisions, charts or environments, paired by kind, group, namespace and name; namespaces
//!   that are each side's own do not differ.
//!
//! In all of them `before` is what is there (live, the first manifest) and `after` what is wanted.
//! Three lists come out: [`Comparison::differences`]; [`Comparison::yielded`], fields that an
//! autoscaler owns and that are left to it; [`Comparison::extra`], fields that only the live object
//! has and that somebody else set, which applying leaves alone. Secrets are masked in everything
//! that comes out unless [`CompareOptions::show_secrets`] is set.

mod keys;
mod normal;
mod owners;
mod path;
mod walk;

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::Value;

use self::normal::{is_built_in, stored_form};
pub use self::owners::FieldOwner;
pub(super) use self::owners::is_applied_by_us;
pub use self::path::FieldPath;
use self::walk::Walk;
use super::ManifestObject;
use super::sensitive::SensitiveValues;
use crate::cluster::{ObjectId, object_id};
use crate::release::Namespace;

/// How objects are compared.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// Whether secrets come out readable.
    pub show_secrets: bool,
    /// Values that are masked wherever they occur.
    pub sensitive: SensitiveValues,
    /// Workloads whose `spec.replicas` an autoscaler sets, see [`scale_targets`]; those that one has
    /// set already are known from the live object.
    pub autoscaled: Vec<ScaleTarget>,
}

/// A workload that is sized by an autoscaler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleTarget {
    /// Such as `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl ScaleTarget {
    pub(super) fn of(object: &Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        Self {
            kind: text("/kind").unwrap_or_default().to_owned(),
            name: text("/metadata/name").unwrap_or_default().to_owned(),
        }
    }
}

/// Returns the workloads that the autoscalers among the objects size: those of
/// HorizontalPodAutoscalers and of KEDA's ScaledObjects.
pub fn scale_targets<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Vec<ScaleTarget> {
    let is_autoscaler = |object: &&Value| {
        object["kind"] == "HorizontalPodAutoscaler" || object["kind"] == "ScaledObject"
    };
    objects
        .into_iter()
        .filter(is_autoscaler)
        .filter_map(|object| {
            let target = object.pointer("/spec/scaleTargetRef")?;
            Some(ScaleTarget {
                kind: target["kind"].as_str().unwrap_or("Deployment").to_owned(),
                name: target["name"].as_str()?.to_owned(),
            })
        })
        .collect()
}

/// Tells whether an autoscaler owns the number of replicas of a live object.
pub(super) fn is_scaled(live: &Value) -> bool {
    let path = FieldPath::of_fields(&["spec", "replicas"]);
    owners::owners(live, &path)
        .iter()
        .any(FieldOwner::is_autoscaler)
}

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldChange {
    /// Only what is wanted has it.
    Added,
    /// Only what is there has it.
    Removed,
    /// Both have it, with other values.
    Changed,
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldDifference {
    /// Which.
    pub path: FieldPath,
    /// How.
    pub change: FieldChange,
    /// The value that is there; absent when it was added or is masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value that is wanted; absent when it was removed or is masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Whether the values are withheld because they are secret.
    pub masked: bool,
    /// Who set what is there, where `managedFields` tell; the newest that is neither Helm nor we,
    /// if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<FieldOwner>,
}

/// Which of the two objects exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// Both: the fields say what differs.
    Both,
    /// Only what is wanted.
    Added,
    /// Only what is there.
    Removed,
}

/// How an object differs from what it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Which object.
    pub object: ObjectId,
    /// Whether it is there and wanted.
    pub presence: Presence,
    /// What differs.
    pub differences: Vec<FieldDifference>,
    /// What differs and is left to an autoscaler.
    pub yielded: Vec<FieldDifference>,
    /// What only the live object has and somebody else set.
    pub extra: Vec<FieldDifference>,
    /// The object that is there, masked and without what only the server sets.
    #[serde(skip)]
    pub before: Option<Value>,
    /// The object as it will be, masked; alike to `before` in everything that is no difference.
    #[serde(skip)]
    pub after: Option<Value>,
}

impl Comparison {
    /// Tells whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.presence == Presence::Both && self.differences.is_empty()
    }
}

/// Compares a live object with what it should be; see the module for the arguments.
///
/// Source: the merge rules are those of apimachinery's `strategicpatch` and of server-side apply.
pub fn compare(
    desired: &Value,
    previous: Option<&Value>,
    live: &Value,
    options: &CompareOptions,
) -> Comparison {
    let object = id_of(desired).unwrap_or_else(|| unnamed(live));
    let (desired, live) = (stored_form(desired), stored_form(live));
    let previous = previous.map(stored_form);
    let mut walk = Walk::new(options, &live, is_built_in(&desired));
    let pair = walk.value(&desired, previous.as_ref(), &live);
    Comparison {
        object,
        presence: Presence::Both,
        differences: walk.differences,
        yielded: walk.yielded,
        extra: walk.extra,
        before: pair.before,
        after: pair.after,
    }
}

/// Compares two manifests of an object: what the first has and the second has not is removed.
pub fn compare_manifests(before: &Value, after: &Value, options: &CompareOptions) -> Comparison {
    compare(after, Some(before), before, options)
}

/// Describes an object that is wanted and not there.
pub fn compare_added(desired: &Value, options: &CompareOptions) -> Comparison {
    let shown = shown(desired, options);
    alone(desired, Presence::Added, None, Some(shown))
}

/// Describes an object that is there and not wanted.
pub fn compare_removed(live: &Value, options: &CompareOptions) -> Comparison {
    let shown = shown(live, options);
    alone(live, Presence::Removed, Some(shown), None)
}

fn alone(
    object: &Value,
    presence: Presence,
    before: Option<Value>,
    after: Option<Value>,
) -> Comparison {
    Comparison {
        object: id_of(object).unwrap_or_else(|| unnamed(object)),
        presence,
        differences: Vec::new(),
        yielded: Vec::new(),
        extra: Vec::new(),
        before,
        after,
    }
}

/// Returns an object without what only the server sets, masked unless the options say otherwise.
pub(super) fn shown(object: &Value, options: &CompareOptions) -> Value {
    let stored = stored_form(object);
    let mut walk = Walk::new(options, &stored, is_built_in(&stored));
    walk.value(&stored, None, &stored)
        .before
        .unwrap_or_default()
}

/// Compares all objects of two manifests; each side's own namespace counts as none. The order is
/// that of `after`, then what was removed.
pub fn compare_sets(
    before: (&[ManifestObject], &Namespace),
    after: (&[ManifestObject], &Namespace),
    options: &CompareOptions,
) -> Vec<Comparison> {
    let mut options = options.clone();
    let all = before.0.iter().chain(after.0).map(|object| &object.value);
    options.autoscaled.extend(scale_targets(all));
    let without =
        |(objects, namespace): (&[ManifestObject], &Namespace)| -> Vec<(ObjectId, Value)> {
            let homeless = objects.iter().map(|object| {
                let (mut id, mut value) = (object.id.clone(), object.value.clone());
                if id.namespace.as_deref() == Some(namespace.as_str()) {
                    id.namespace = None;
                    if let Some(metadata) = value["metadata"].as_object_mut() {
                        metadata.shift_remove("namespace");
                    }
                }
                (id, value)
            });
            homeless.collect()
        };
    let (before, after) = (without(before), without(after));
    let find = |all: &[(ObjectId, Value)], id: &ObjectId| {
        all.iter().position(|(other, _)| other.is_same_object(id))
    };
    let mut found: Vec<Comparison> = after
        .iter()
        .map(|(id, value)| match find(&before, id) {
            Some(at) => compare_manifests(&before[at].1, value, &options),
            None => compare_added(value, &options),
        })
        .collect();
    let gone = before.iter().filter(|(id, _)| find(&after, id).is_none());
    found.extend(gone.map(|(_, value)| compare_removed(value, &options)));
    found
}

fn id_of(object: &Value) -> Option<ObjectId> {
    object_id(object)
}

fn unnamed(object: &Value) -> ObjectId {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    ObjectId {
        api_version: text("/apiVersion").to_owned(),
        kind: text("/kind").to_owned(),
        namespace: None,
        name: text("/metadata/name").to_owned(),
    }
}
