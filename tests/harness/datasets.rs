//! The committed data set and models.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::workspace;

/// The name of the label column.
pub const LABEL: &str = "label";

/// Returns the folder of the labelled Parquet files that models are judged on.
///
/// # Errors
/// Fails when the checkout lacks it.
pub fn validation() -> Result<PathBuf> {
    existing("validation")
}

/// Returns a committed TorchScript model: `champion`, `better`, `degraded`, `slow` or `wide512`.
///
/// # Errors
/// Fails when the checkout lacks it.
pub fn model(name: &str) -> Result<PathBuf> {
    existing(&format!("{name}.pt"))
}

fn existing(name: &str) -> Result<PathBuf> {
    let path = workspace::root().join("datasets").join(name);
    if !path.exists() {
        bail!("`{}` is missing from the checkout", path.display());
    }
    Ok(path)
}
