//! The states of a revision, in Helm's words.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of one revision, as the record and the `status` label spell it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The revision that is live; at most one of a release.
    Deployed,
    /// Uninstalled with its history kept.
    Uninstalled,
    /// Was deployed, and another took its place.
    Superseded,
    /// Did not come to be deployed.
    Failed,
    /// Being removed.
    Uninstalling,
    /// Being installed.
    PendingInstall,
    /// Being upgraded to.
    PendingUpgrade,
    /// Being rolled back to.
    PendingRollback,
    /// Written by something that we do not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Status {
    /// Returns the word that records and labels use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Deployed => "deployed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
        }
    }

    /// Tells whether an operation on this revision has begun and not ended.
    pub fn is_pending(self) -> bool {
        matches!(
            self,
            Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback
        )
    }

    /// Tells whether this revision once was good: the ones that a rollback may go back to.
    pub fn was_good(self) -> bool {
        matches!(self, Self::Deployed | Self::Superseded)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
