//! `cargo xtask soak rows`: sorted runs of scores on disk, merged in bounded memory.

use crate::places::Places;
use crate::process;
use crate::steps::Steps;
use anyhow::{Context, Result, ensure};
use clap::Args;

/// Open files that the process needs besides the runs.
const OTHER_FILES: u64 = 100;
/// Open files that Linux grants a process by default.
const OPEN_FILES: u64 = 1024;

/// How many rows, and in which parts.
#[derive(Args, Debug)]
pub(crate) struct RowsArguments {
    /// Rows in all; a billion take about 2 GB of disk
    #[arg(long, default_value_t = 1_000_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    rows: u64,
    /// Rows of one run; each is sorted in memory, 8 bytes a row
    #[arg(long, default_value_t = 4_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    rows_of_run: u64,
}

impl RowsArguments {
    /// Refuses more runs than can be open at a time.
    fn check(&self) -> Result<()> {
        let runs = self.rows.div_ceil(self.rows_of_run);
        ensure!(
            runs <= OPEN_FILES - OTHER_FILES,
            "{runs} runs would be open at a time, more than {}; give a larger --rows-of-run",
            OPEN_FILES - OTHER_FILES
        );
        Ok(())
    }
}

/// Runs the example `merge_soak` of the crate `verdict`, built for speed.
///
/// # Errors
/// When there would be too many runs, when the disk is full, or when the merged area differs from the count.
pub(crate) fn run(places: &Places, arguments: &RowsArguments, steps: &mut Steps) -> Result<()> {
    arguments.check()?;
    let mut merge = process::cargo(&places.root);
    merge
        .args(["run", "--release", "--locked", "--package", "verdict"])
        .args(["--example", "merge_soak", "--"])
        .arg(arguments.rows.to_string())
        .arg(arguments.rows_of_run.to_string());
    steps.run("spill and merge rows", || {
        process::run(&mut merge)
            .context("the rows were not merged exactly")
            .map(|()| None)
    })
}

#[cfg(test)]
mod tests {
    use super::RowsArguments;

    #[test]
    fn more_runs_than_files_can_be_open_are_refused() {
        let arguments = |rows, rows_of_run| RowsArguments { rows, rows_of_run };
        assert!(arguments(1_000_000_000, 4_000_000).check().is_ok());
        let refused = arguments(1_000_000_000, 1_000_000).check();
        let refused = refused.expect_err("a thousand runs").to_string();
        assert!(refused.contains("1000 runs"), "{refused}");
    }
}
