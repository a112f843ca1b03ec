//! The labels of a stored record, by which Helm finds it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::Release;

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

/// Refuses labels that Helm sets itself.
///
/// # Errors
/// [`LabelError::Reserved`] names the first of them.
pub fn check_user_labels(labels: &BTreeMap<String, String>) -> Result<(), LabelError> {
    match labels
        .keys()
        .find(|name| SYSTEM_LABELS.contains(&name.as_str()))
    {
        Some(name) => Err(LabelError::Reserved { name: name.clone() }),
        None => Ok(()),
    }
}
