//! Finds the binaries under test, which cargo has built into the profile folder of the tests.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// Returns the path of a binary of this workspace, such as `validator`.
///
/// # Errors
/// Names the command that builds the binary when it is not there.
pub fn path(name: &str) -> Result<PathBuf> {
    let executable = std::env::current_exe().context("the test's own path is unknown")?;
    let profile = executable
        .parent()
        .and_then(|folder| folder.parent())
        .with_context(|| format!("`{}` lies in no target folder", executable.display()))?;
    let binary = profile.join(name);
    if !binary.is_file() {
        bail!(
            "`{}` is not built: run the tests by `cargo xtask test`, or build it first by \
             `cargo build --workspace --bins`",
            binary.display()
        );
    }
    Ok(binary)
}
