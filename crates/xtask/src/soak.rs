//! `cargo xtask soak`: what is too long for every test run.

mod rows;

use crate::cluster::{self, Choice, Talk, UpArguments, Variables};
use crate::output::say;
use crate::places::Places;
use crate::process;
use crate::steps::Steps;
use anyhow::Result;
use clap::{Args, Subcommand};

/// What to try for long.
#[derive(Subcommand, Debug)]
pub(crate) enum SoakTask {
    /// Kill the deployer at many of its requests to a real API server; interrupt and disturb it at half as many
    Kill(KillArguments),
    /// Spill and merge many synthetic rows, and compare the merged area with an exact count
    Rows(rows::RowsArguments),
}

/// How much to try, and where.
#[derive(Args, Debug)]
pub(crate) struct KillArguments {
    /// Kills, spread over all requests of install, upgrade, their atomic failures, rollback and uninstall
    #[arg(long, default_value_t = 240)]
    points: u64,
    #[command(flatten)]
    choice: Choice,
}

/// Tries what was asked for.
///
/// # Errors
/// When it does not hold.
pub(crate) fn run(places: &Places, task: &SoakTask, steps: &mut Steps) -> Result<()> {
    match task {
        SoakTask::Kill(arguments) => kill_on_a_cluster(places, arguments, steps),
        SoakTask::Rows(arguments) => rows::run(places, arguments, steps),
    }
}

/// Runs the tests of tests/crash with more points, on the cluster that is up or on a light one of its own.
///
/// # Errors
/// When the cluster does not boot, or a point is not survived.
fn kill_on_a_cluster(places: &Places, arguments: &KillArguments, steps: &mut Steps) -> Result<()> {
    let number = arguments.choice.number;
    if let Ok(variables) = cluster::environment(places, number) {
        return kill(places, arguments, &variables, steps);
    }
    let (number, _claim) = cluster::claim_first_free(places)?;
    let light = UpArguments {
        light: true,
        ..UpArguments::full(number)
    };
    let variables = cluster::up(places, &light, steps)?;
    let outcome = kill(places, arguments, &variables, steps);
    let interrupted = process::take_interrupt();
    let cleared = cluster::down(places, number, Talk::Plain);
    if let Some(interrupted) = interrupted {
        return cleared.and(Err(interrupted.into()));
    }
    if let (Err(_), Err(also)) = (&outcome, &cleared) {
        say(format_args!("error: {also:#}"));
    }
    outcome.and(cleared)
}

fn kill(
    places: &Places,
    arguments: &KillArguments,
    variables: &Variables,
    steps: &mut Steps,
) -> Result<()> {
    // All targets: another selection would build dependencies anew with other features.
    let build = ["build", "--workspace", "--all-targets", "--locked"];
    steps.run("build binaries and tests", || {
        process::run(process::cargo(&places.root).args(build)).map(|()| None)
    })?;
    let mut test = process::cargo(&places.root);
    test.args(["test", "--workspace", "--locked", "--test", "crash"])
        .args(["--", "--test-threads=1", "--nocapture"])
        .env("SOAK_KILLS", arguments.points.to_string())
        .env("E2E_REQUIRE", "1");
    for (name, value) in &variables.0 {
        test.env(name, value);
    }
    steps.run("disturb the deployer", || {
        process::run(&mut test).map(|()| None)
    })
}
