//! `cargo xtask`: set-up and chores. Sets up libtorch, runs the demo and the tests, boots a real Kubernetes for
//! them, and builds the images. It depends on nothing heavy, so that it builds in seconds on a fresh machine.

mod bench;
mod clean;
mod cluster;
mod demo;
mod fuzz;
mod image;
mod output;
mod places;
mod process;
mod setup;
mod soak;
mod steps;
mod test_command;
mod tools;

use anyhow::{Result, bail};
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
    /// Install, upgrade and refuse models on real data, without a cluster
    Demo,
    /// Check formatting and lints, and run every test, on a real cluster where one can run
    Test(test_command::TestArguments),
    /// Fuzz what reads charts, values and templates, with coverage guidance
    Fuzz(fuzz::FuzzArguments),
    /// Try for long what the tests try shortly
    #[command(subcommand)]
    Soak(soak::SoakTask),
    /// Run a real one-node Kubernetes for tests
    #[command(subcommand)]
    Cluster(ClusterTask),
    /// Build the container images, without a container engine
    Image(image::ImageArguments),
    /// Measure against Helm and Python
    #[command(subcommand)]
    Bench(BenchTask),
    /// Take every cluster down and delete what is kept in the cache folder
    Clean(clean::CleanArguments),
    /// Answer a test cluster's questions for Services
    #[command(hide = true)]
    ClusterNames {
        /// Where to listen
        address: std::net::Ipv4Addr,
    },
    /// Be PID 1 of a test cluster
    #[command(hide = true)]
    ClusterInit {
        /// Settings of the cluster
        config: std::path::PathBuf,
    },
}

#[derive(Subcommand)]
enum ClusterTask {
    /// Boot a cluster, building what is missing, and wait until it is ready
    Up(cluster::UpArguments),
    /// End a cluster and everything of it; also after a crash
    Down(cluster::Choice),
    /// Print the variables that end-to-end tests read, for `eval`
    Env(cluster::Choice),
}

#[derive(Subcommand)]
enum BenchTask {
    /// Render charts with deployer, Helm v3 and Helm v4: time, memory, and whether the bytes are the same
    Render(bench::RenderArguments),
    /// Compare three environments on a local API server: time and memory of `deployer drift`
    Drift(bench::DriftArguments),
    /// Install, upgrade and uninstall on a real API server with deployer, Helm v3 and Helm v4: time, memory, requests
    Deploy(bench::DeployArguments),
    /// Judge with the validator and with torch, scikit-learn and pyarrow: time, memory, and whether the values are the same
    Validate(bench::ValidateArguments),
}

fn main() -> ExitCode {
    let task = Cli::parse().command;
    // PID 1 of a cluster has signal handlers of its own.
    let outcome = match task {
        Task::ClusterInit { config } => cluster::run_init(&config),
        Task::ClusterNames { address } => cluster::serve_names(address),
        task => run(task),
    };
    match outcome {
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

fn run(task: Task) -> Result<()> {
    let places = Places::find()?;
    process::watch_signals()?;
    let mut steps = Steps::new(&places);
    match task {
        Task::Setup => setup::run(&places, &mut steps)?,
        Task::Demo => demo::run(&places, &mut steps)?,
        // It prints its steps before its verdict.
        Task::Test(arguments) => return test_command::run(&places, &arguments, &mut steps),
        // Its result is the measurement, not the steps.
        Task::Bench(BenchTask::Render(arguments)) => {
            return bench::render(&places, &arguments, &mut steps);
        }
        Task::Bench(BenchTask::Drift(arguments)) => {
            return bench::drift(&places, &arguments, &mut steps);
        }
        Task::Bench(BenchTask::Deploy(arguments)) => {
            return bench::deploy(&places, &arguments, &mut steps);
        }
        Task::Bench(BenchTask::Validate(arguments)) => {
            return bench::validate(&places, &arguments, &mut steps);
        }
        Task::Fuzz(arguments) => fuzz::run(&places, &arguments)?,
        Task::Soak(task) => soak::run(&places, &task, &mut steps)?,
        Task::Clean(arguments) => clean::run(&places, &arguments)?,
        Task::Cluster(ClusterTask::Up(arguments)) => {
            let number = arguments.choice.number;
            let Some(_claim) = cluster::claim(&places, number)? else {
                bail!("another xtask uses cluster {number}: wait for it, or name another --number");
            };
            cluster::up(&places, &arguments, &mut steps)?;
            output::say("variables for tests: eval \"$(cargo xtask cluster env)\"");
        }
        Task::Cluster(ClusterTask::Down(choice)) => {
            cluster::down(&places, choice.number, cluster::Talk::Plain)?
        }
        Task::Cluster(ClusterTask::Env(choice)) => {
            let variables = cluster::environment(&places, choice.number)?;
            for (name, value) in &variables.0 {
                output::data(format_args!("export {name}='{value}'"))?;
            }
            let images = variables
                .get("E2E_REGISTRY")
                .map(|registry| image::list(&places, registry));
            if let Some(path) = images.filter(|path| path.is_file()) {
                output::data(format_args!("export E2E_IMAGES='{}'", path.display()))?;
            }
        }
        Task::Image(arguments) => {
            setup::run(&places, &mut steps)?;
            image::run(&places, &arguments, image::Build::Packages)?;
        }
        Task::ClusterInit { config } => cluster::run_init(&config)?,
        Task::ClusterNames { address } => cluster::serve_names(address)?,
    }
    steps.table();
    Ok(())
}
