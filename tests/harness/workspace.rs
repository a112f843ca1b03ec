//! Paths inside the repository.

use std::path::{Path, PathBuf};

/// Returns the root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests' folder lies in the repository")
        .to_path_buf()
}

/// Returns a chart that users get, by its folder's name below `charts/`.
pub fn chart(name: &str) -> PathBuf {
    root().join("charts").join(name)
}

/// Returns a chart that only tests use, by its folder's name below `tests/charts/`.
pub fn test_chart(name: &str) -> PathBuf {
    root().join("tests/charts").join(name)
}
