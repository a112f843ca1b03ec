//! Versions and ranges of charts and of Kubernetes, as Masterminds' semver reads them.

pub use template::semver::{Constraint, ConstraintError, Version};

/// Tells whether a text is a version, leniently: `v1.2` is one.
pub(crate) fn is_valid(text: &str) -> bool {
    Version::parse(text).is_ok()
}

/// Tells whether a version lies in a range; what cannot be read never does.
pub fn is_compatible(range: &str, version: &str) -> bool {
    match (Constraint::parse(range), Version::parse(version)) {
        (Ok(range), Ok(version)) => range.check(&version),
        _ => false,
    }
}
