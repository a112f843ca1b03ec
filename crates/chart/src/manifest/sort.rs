//! Telling hooks from manifests and putting both in order.
//!
//! Source: Helm v3 pkg/releaseutil/manifest_sorter.go, unchanged in Helm v4 but for the splitting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use template::{Compat, yaml::YamlError};

use super::{head::Head, kinds::sort_by_kind, split::split_manifests};

const HOOK: &str = "helm.sh/hook";
const HOOK_WEIGHT: &str = "helm.sh/hook-weight";
const HOOK_DELETE_POLICY: &str = "helm.sh/hook-delete-policy";
const HOOK_OUTPUT_LOG_POLICY: &str = "helm.sh/hook-output-log-policy";

/// The events that a hook can name; `test-success` is the old name of `test`.
const EVENTS: &[&str] = &[
    "pre-install",
    "post-install",
    "pre-delete",
    "post-delete",
    "pre-upgrade",
    "post-upgrade",
    "pre-rollback",
    "post-rollback",
    "test",
];

/// One object of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The template's path, `demo/templates/service.yaml`.
    pub name: String,
    pub kind: String,
    pub api_version: String,
    /// The name of the object.
    pub object_name: String,
    /// The YAML text, trimmed.
    pub content: String,
}

/// One hook of a release, with the field names of a release record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The name of the object.
    pub name: String,
    pub kind: String,
    /// The template's path.
    pub path: String,
    /// The YAML text, trimmed.
    pub manifest: String,
    /// Such as `pre-upgrade`.
    pub events: Vec<String>,
    /// Lower weights run first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight: i64,
    /// Such as `before-hook-creation`; empty means the default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delete_policies: Vec<String>,
    /// Such as `hook-failed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_log_policies: Vec<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(weight: &i64) -> bool {
    *weight == 0
}

impl Hook {
    /// Tells whether the hook runs at an event.
    pub fn runs_at(&self, event: &str) -> bool {
        self.events.iter().any(|own| own == event)
    }
}

/// A rendered file that is not YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("YAML parse error on {path}: {source}")]
pub struct SortError {
    pub path: String,
    pub source: YamlError,
}

/// Splits rendered files into hooks and manifests, each sorted by kind.
///
/// `files`: rendered text by template path. Partials (`_name`) and empty files are left out;
/// warnings are appended in Helm's words.
///
/// # Errors
/// [`SortError`] names the file.
pub fn sort_manifests(
    files: &BTreeMap<String, String>,
    order: &[&str],
    compat: Compat,
    warnings: &mut Vec<String>,
) -> Result<(Vec<Hook>, Vec<Manifest>), SortError> {
    let (mut hooks, mut manifests) = (Vec::new(), Vec::new());
    for (path, text) in files {
        let file_name = path.rsplit('/').next().unwrap_or(path);
        if file_name.starts_with('_') || text.trim().is_empty() {
            continue;
        }
        for content in split_manifests(text, compat) {
            let head = Head::parse(&content).map_err(|source| SortError {
                path: path.clone(),
                source: match compat {
                    Compat::Helm3 => source,
                    // The package has another name there.
                    Compat::Helm4 => source.with("releaseutil.SimpleHead", "util.SimpleHead"),
                },
            })?;
            if head.annotations.contains_key(HOOK) {
                hooks.extend(hook(path, head, content, warnings));
            } else {
                manifests.push(Manifest {
                    name: path.clone(),
                    kind: head.kind,
                    api_version: head.api_version,
                    object_name: head.name,
                    content,
                });
            }
        }
    }
    sort_by_kind(&mut hooks, order, |hook| &hook.kind);
    sort_by_kind(&mut manifests, order, |manifest| &manifest.kind);
    Ok((hooks, manifests))
}

/// Builds a hook; one that names an unknown event is dropped with a warning.
fn hook(path: &str, head: Head, manifest: String, warnings: &mut Vec<String>) -> Option<Hook> {
    let list = |annotation: &str| match head.annotations.get(annotation) {
        None => Vec::new(),
        Some(text) => text
            .split(',')
            .map(|item| item.trim().to_lowercase())
            .collect::<Vec<_>>(),
    };
    let mut events = list(HOOK);
    for event in &mut events {
        if event == "test-success" {
            "test".clone_into(event);
        }
        if !EVENTS.contains(&event.as_str()) {
            let text = &head.annotations[HOOK];
            warnings.push(format!("info: skipping unknown hook: {text:?}"));
            return None;
        }
    }
    let weight = head.annotations.get(HOOK_WEIGHT);
    Some(Hook {
        path: path.to_owned(),
        manifest,
        events,
        weight: weight.and_then(|text| text.parse().ok()).unwrap_or(0),
        delete_policies: list(HOOK_DELETE_POLICY),
        output_log_policies: list(HOOK_OUTPUT_LOG_POLICY),
        name: head.name,
        kind: head.kind,
    })
}
