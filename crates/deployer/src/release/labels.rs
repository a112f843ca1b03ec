//! The labels of a stored record, by which Helm finds it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::Release;
use super::name::is_dns_label;

/// The labels that Helm keeps for itself.
pub const SYSTEM_LABELS: [&str; 6] = [
    "name",
    "owner",
    "status",
    "version",
    "createdAt",
    "modifiedAt",
];

/// Why the user's labels are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LabelError {
    /// A label has the name of one that Helm sets itself.
    #[error(
        "user supplied labels contains system reserved label name `{name}`. \
         System labels: [name owner status version createdAt modifiedAt]"
    )]
    Reserved { name: String },
    /// Kubernetes takes no label of that name.
    #[error(
        "label name `{name}` is not valid: at most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a \
         letter or digit; a domain and `/` may stand before it"
    )]
    Name { name: String },
    /// Kubernetes takes no label of that value.
    #[error(
        "value `{value}` of label `{name}` is not valid: at most 63 letters, digits, `-`, `_` and `.`, beginning and \
         ending with a letter or digit"
    )]
    Value { name: String, value: String },
}

/// Which of the two times of writing a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelStamp {
    /// On creation.
    Created(DateTime<Utc>),
    /// On every update: Helm builds the labels anew and `createdAt` is gone.
    Modified(DateTime<Utc>),
}

/// Returns all labels of a record: the user's own and Helm's.
pub fn record_labels(release: &Release, stamp: LabelStamp) -> BTreeMap<String, String> {
    let mut labels = release.labels.clone();
    labels.insert("name".into(), release.name.to_string());
    labels.insert("owner".into(), "helm".into());
    labels.insert("status".into(), release.info.status.to_string());
    labels.insert("version".into(), release.version.to_string());
    match stamp {
        LabelStamp::Created(moment) => {
            labels.insert("createdAt".into(), moment.timestamp().to_string())
        }
        LabelStamp::Modified(moment) => {
            labels.insert("modifiedAt".into(), moment.timestamp().to_string())
        }
    };
    labels
}

/// Returns the user's own among the labels of a stored record.
pub fn user_labels(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    labels
        .iter()
        .filter(|(name, _)| !SYSTEM_LABELS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Refuses labels that Helm sets itself, and those that Kubernetes would refuse with the record.
///
/// # Errors
/// [`LabelError`] names the first of them.
pub fn check_user_labels(labels: &BTreeMap<String, String>) -> Result<(), LabelError> {
    for (name, value) in labels {
        if SYSTEM_LABELS.contains(&name.as_str()) {
            return Err(LabelError::Reserved { name: name.clone() });
        }
        if !is_label_name(name) {
            return Err(LabelError::Name { name: name.clone() });
        }
        if !value.is_empty() && !is_word(value) {
            return Err(LabelError::Value {
                name: name.clone(),
                value: value.clone(),
            });
        }
    }
    Ok(())
}

/// Source: `IsQualifiedName` and `IsValidLabelValue` in apimachinery's `pkg/util/validation`.
fn is_label_name(name: &str) -> bool {
    match name.split_once('/') {
        None => is_word(name),
        Some((domain, name)) => {
            domain.len() <= 253 && domain.split('.').all(is_dns_label) && is_word(name)
        }
    }
}

fn is_word(text: &str) -> bool {
    let ends = [text.chars().next(), text.chars().last()];
    text.len() <= 63
        && ends
            .iter()
            .all(|end| end.is_some_and(|end| end.is_ascii_alphanumeric()))
        && text
            .chars()
            .all(|sign| sign.is_ascii_alphanumeric() || "-_.".contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_cannot_be_written_are_refused_before_anything_is() {
        let check = |name: &str, value: &str| {
            check_user_labels(&BTreeMap::from([(name.to_owned(), value.to_owned())])).is_ok()
        };
        for (name, value) in [
            ("team", "risk"),
            ("example.com/team", "Risk_1.a-b"),
            ("team", ""),
            ("team", "null"),
        ] {
            assert!(check(name, value), "{name}={value}");
        }
        let long = "a".repeat(64);
        for (name, value) in [
            ("te am", "risk"),
            ("-team", "risk"),
            ("a/b/c", "risk"),
            ("/team", "risk"),
            ("owner", "me"),
            (long.as_str(), "risk"),
            ("team", long.as_str()),
            ("team", "a b"),
            ("team", "x-"),
        ] {
            assert!(!check(name, value), "{name}={value}");
        }
    }
}
