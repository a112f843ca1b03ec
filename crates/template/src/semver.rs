//! Versions and their ranges by the rules of `Masterminds/semver` 3.5, which Helm uses.
//!
//! They differ from those of Cargo: `1.2` is a version, a leading `v` is allowed, `~1`, `1.x`,
//! `1 - 2`, `>=1 <2 || 3` and `=>1` are ranges, and a range without a prerelease matches none.

mod constraint;
mod version;

pub use constraint::{Constraint, ConstraintError};
pub use version::{Version, VersionError};
