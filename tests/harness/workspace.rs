//! Paths inside the repository.

use std::path::PathBuf;

/// Returns the root of the repository.
///
/// Cargo's variable at run time wins: a build folder that several checkouts share may hold a
/// library that was compiled in another one.
pub fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
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
