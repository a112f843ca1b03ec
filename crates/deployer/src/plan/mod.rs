//! Turns what is deployed and what is wanted into typed steps, each with its undo (pure).
//!
//! The value that a dry run shows is the value that is executed; nothing here asks a cluster, and
//! nothing decides again later.

mod build;
pub mod compare;
mod error;
mod immutable;
mod manifest;
mod order;
mod ownership;
mod random;
pub mod rights;
mod saved;
pub mod sensitive;
mod step;
#[cfg(test)]
mod tests;

pub use build::{PlanInput, build, build_removal};
pub use error::PlanError;
pub use manifest::{
    ManifestError, ManifestObject, read_manifest, read_manifest_of, read_yaml, write_yaml,
};
pub use order::{install_rank, uninstall_rank};
pub use ownership::{OwnershipProblem, owned_by, ownership_problems, with_ownership};
pub use random::RandomParts;
pub use saved::{Mark, PLAN_KIND, SavedHook, SavedPlan, SavedStep, Standing};
pub use step::{HookStep, ObjectAction, ObjectStep, Plan, Undo};
