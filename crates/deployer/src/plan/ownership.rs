//! To which release an object belongs, by the label and annotations that Helm sets at apply.
//!
//! Source: `pkg/action/validate.go` of Helm 4.2; the wording is what Helm's users know.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cluster::ObjectId;
use crate::release::{Namespace, ReleaseName};

const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
const MANAGED_BY: &str = "Helm";
const RELEASE_NAME_ANNOTATION: &str = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE_ANNOTATION: &str = "meta.helm.sh/release-namespace";

/// An object that exists and does not belong to the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnershipProblem {
    /// Which.
    pub object: ObjectId,
    /// What is missing or different.
    pub problems: Vec<String>,
}

impl fmt::Display for OwnershipProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} \"{}\" in namespace \"{}\" exists and cannot be imported into the current release: \
             invalid ownership metadata; {}",
            self.object.kind,
            self.object.name,
            self.object.namespace.as_deref().unwrap_or_default(),
            self.problems.join("; ")
        )
    }
}

/// Returns the object with the label and annotations that make it the release's.
pub fn with_ownership(mut object: Value, release: &ReleaseName, namespace: &Namespace) -> Value {
    if let Some(metadata) = section(&mut object, "metadata") {
        if let Some(labels) = child(metadata, "labels") {
            labels.insert(MANAGED_BY_LABEL.into(), MANAGED_BY.into());
        }
        if let Some(annotations) = child(metadata, "annotations") {
            annotations.insert(RELEASE_NAME_ANNOTATION.into(), release.as_str().into());
            annotations.insert(
                RELEASE_NAMESPACE_ANNOTATION.into(),
                namespace.as_str().into(),
            );
        }
    }
    object
}

fn section<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    child(object.as_object_mut()?, name)
}

fn child<'a>(parent: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    let entry = parent
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()));
    if entry.is_null() {
        *entry = Value::Object(Map::new());
    }
    entry.as_object_mut()
}

/// Returns what keeps a live object from belonging to the release; nothing when it does.
pub fn ownership_problems(
    live: &Value,
    release: &ReleaseName,
    namespace: &Namespace,
) -> Vec<String> {
    let label = read(live, "labels", MANAGED_BY_LABEL);
    let name = read(live, "annotations", RELEASE_NAME_ANNOTATION);
    let place = read(live, "annotations", RELEASE_NAMESPACE_ANNOTATION);
    [
        expect("label", MANAGED_BY_LABEL, label, MANAGED_BY),
        expect(
            "annotation",
            RELEASE_NAME_ANNOTATION,
            name,
            release.as_str(),
        ),
        expect(
            "annotation",
            RELEASE_NAMESPACE_ANNOTATION,
            place,
            namespace.as_str(),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Tells whether a live object belongs to the release.
pub fn owned_by(live: &Value, release: &ReleaseName, namespace: &Namespace) -> bool {
    ownership_problems(live, release, namespace).is_empty()
}

fn read<'a>(object: &'a Value, section: &str, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get(section)?.get(key)?.as_str()
}

fn expect(what: &str, key: &str, found: Option<&str>, wanted: &str) -> Option<String> {
    match found {
        Some(found) if found == wanted => None,
        Some(found) => Some(format!(
            "{what} validation error: key \"{key}\" must equal \"{wanted}\": current value is \"{found}\""
        )),
        None => Some(format!(
            "{what} validation error: missing key \"{key}\": must be set to \"{wanted}\""
        )),
    }
}
