//! Which revision of a history counts.

use crate::release::{Release, Status};
use crate::storage::Stored;

/// Returns the deployed revision, the newest should there be several.
pub fn deployed(history: &[Stored]) -> Option<&Release> {
    let newest = history.iter().rev().map(|stored| &stored.release);
    newest
        .into_iter()
        .find(|release| release.info.status == Status::Deployed)
}

/// Returns the revision that a rollback brought back, and the revision itself where none did: its
/// evidence tells of the chart and the model that are deployed.
pub fn origin<'a>(history: &'a [Stored], release: &'a Release) -> &'a Release {
    let mut origin = release;
    // Each step goes to an earlier revision, so the walk ends.
    loop {
        let number = origin.info.other.get("rollback_revision");
        let Some(number) = number.and_then(serde_json::Value::as_u64) else {
            return origin;
        };
        let earlier = history
            .iter()
            .map(|stored| &stored.release)
            .find(|earlier| {
                u64::from(earlier.version.0) == number && earlier.version < origin.version
            });
        match earlier {
            Some(earlier) => origin = earlier,
            None => return origin,
        }
    }
}
