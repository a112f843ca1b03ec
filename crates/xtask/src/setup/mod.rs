//! `cargo xtask setup`: everything that a plain `cargo build` needs.

mod libtorch;

use crate::places::Places;
use crate::steps::Steps;
use crate::tools;
use anyhow::Result;

/// Makes the checkout buildable: tools checked, libtorch in the cache and linked as `.libtorch`.
///
/// # Errors
/// When a tool is missing or libtorch cannot be fetched; nothing half-made is left.
pub(crate) fn run(places: &Places, steps: &mut Steps) -> Result<()> {
    tools::require(&[&tools::C_COMPILER, &tools::CXX_COMPILER])?;
    libtorch::provide(places, steps)
}
