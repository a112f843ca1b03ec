//! Why a change cannot be planned.

use thiserror::Error;

use super::{ManifestError, OwnershipProblem};
use crate::action::Operation;

/// Why a change cannot be planned; nothing was changed.
#[derive(Debug, Error)]
pub enum PlanError {
    /// A manifest cannot be read.
    #[error("unable to build kubernetes objects from {what}")]
    Manifest {
        what: String,
        #[source]
        source: ManifestError,
    },
    /// Objects exist that do not belong to the release.
    #[error("unable to continue with {}: {}", operation_word(*.operation), .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Ownership {
        operation: Operation,
        problems: Vec<OwnershipProblem>,
    },
}

fn operation_word(operation: Operation) -> &'static str {
    match operation {
        Operation::Install => "install",
        _ => "update",
    }
}

impl PlanError {
    /// Returns what a person can do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Manifest { .. } => vec!["see what the chart renders with `deployer template`".into()],
            Self::Ownership { .. } => vec![
                "nothing was changed".into(),
                "when the objects are to belong to this release from now on, pass `--take-ownership`".into(),
            ],
        }
    }
}
