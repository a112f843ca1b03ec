//! `cargo xtask`: set-up and chores. Sets up libtorch, runs the demo and the tests, boots a real Kubernetes for
//! them, and builds the images. It depends on nothing heavy, so that it builds in seconds on a fresh machine.

mod cluster;
mod image;
mod output;
mod places;
mod process;
mod setup;
mod steps;
mod tools;

use anyhow::Result;
use clap::{Parser, Subcommand};
use places::Places;
use std::process::ExitCode;
use steps::Steps;

/// Set up, try, test and package this repository
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch libtorch into the cache, so that plain `cargo build` works
    Setup,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::say(format_args!("error: {error:#}"));
            match error.downcast_ref::<process::Interrupted>() {
                // The shell's convention for an end by signal.
                Some(process::Interrupted(signal)) => {
                    ExitCode::from(u8::try_from(128 + signal).unwrap_or(1))
                }
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let places = Places::find()?;
    process::watch_signals()?;
    let mut steps = Steps::new(&places);
    match cli.command {
        Task::Setup => {
            setup::run(&places, &mut steps)?;
            steps.table();
            Ok(())
        }
    }
}
