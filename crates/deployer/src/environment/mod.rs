//! `deployer.yaml`: releases, environments, the order in which they move on, and what may differ.
//!
//! Pure but for [`Environments::read`]: what the file says, what of it a command breaks, how
//! environments differ, and whether a release may be promoted. `cli/` gathers and acts.

mod demands;
mod draft;
pub mod drift;
pub mod file;
mod glob;
mod history;
mod promotion;
mod read;
mod resolve;
#[cfg(test)]
mod tests;

pub use demands::{Asked, broken, looks_secret};
pub use draft::{Draft, Found, draft};
pub use file::{EnvironmentsFile, HooksName, schema};
pub use glob::{FieldGlob, pick, split};
pub use history::{deployed, origin};
pub use promotion::{Candidate, Condition, VERDICT_AGE_MAX, conditions, variable};
pub use read::{EnvironmentError, Environments, PROMOTED_VALUES};
pub use resolve::{Place, PlaceTarget, Resolved, Rules};
