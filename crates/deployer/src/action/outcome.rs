//! What an action that succeeded has to show.

use super::DryRunMode;
use crate::cluster::ObjectId;
use crate::plan::{Plan, SavedPlan};
use crate::release::{Evidence, Release};

/// A change that was made, or was tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The revision as recorded, or as it would be.
    pub release: Release,
    /// Its evidence; none on a dry run.
    pub evidence: Option<Evidence>,
    /// What was done.
    pub plan: Plan,
    /// The plan as it is shown and kept; of a dry run.
    pub shown: Option<SavedPlan>,
    /// Whether it was only tried.
    pub dry_run: DryRunMode,
    /// Clean-ups that failed.
    pub warnings: Vec<String>,
    /// What the chart makes anew at each rendering, in words; of a dry run of an upgrade.
    pub made_anew: Vec<String>,
}

/// A release that was uninstalled.
#[derive(Debug, Clone, PartialEq)]
pub struct Uninstalled {
    /// The last revision.
    pub release: Release,
    /// Objects that their resource policy kept.
    pub kept: Vec<ObjectId>,
    /// What was done.
    pub plan: Plan,
    /// Whether it was only tried.
    pub dry_run: DryRunMode,
    /// Clean-ups that failed.
    pub warnings: Vec<String>,
}
