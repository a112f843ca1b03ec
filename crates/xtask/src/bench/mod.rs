//! `cargo xtask bench`: measures the deployer against Helm and the validator against Python, in one run, and compares
//! what they print.
//!
//! Programs take turns within each round, so that a machine that is busy for a while slows all of them down. What is
//! compared is what was measured: each output is hashed as it comes.

mod charts;
mod deploy;
mod drift;
mod measure;
mod report;
mod subject;
mod validate;

use crate::cluster;
use crate::output::{data, heading, say};
use crate::places::Places;
use crate::process;
use crate::setup;
use crate::steps::Steps;
use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use measure::{Program, Run};
use report::Report;
use std::path::PathBuf;
use subject::Subject;

pub(crate) use deploy::{DeployArguments, deploy};
pub(crate) use drift::{DriftArguments, drift};
pub(crate) use validate::{ValidateArguments, validate};

/// What to measure.
#[derive(Args, Debug, Clone)]
pub(crate) struct RenderArguments {
    /// How often each program renders each chart
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How often each program renders the whole corpus, which takes a minute [default: at most 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    corpus_rounds: Option<u32>,
    /// A table for people, or JSON for programs
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
    /// Measure only subjects whose name contains this
    filter: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// Builds what is missing, measures and prints.
///
/// # Errors
/// When something cannot be built or started, or one program fails where another succeeds. Other bytes than Helm's
/// are part of the report, and no failure: the conformance tests judge them.
pub(crate) fn render(
    places: &Places,
    arguments: &RenderArguments,
    steps: &mut Steps,
) -> Result<()> {
    let programs = programs(places, steps)?;
    let scratch = tempfile::Builder::new().prefix("bench-").tempdir()?;
    let mut subjects = subject::all(places, scratch.path())?;
    let filter = arguments.filter.as_deref().unwrap_or_default();
    subjects.retain(|subject| subject.name.contains(filter));
    ensure!(
        !subjects.is_empty(),
        "no subject's name contains `{filter}`"
    );
    let mut report = Report::new(&programs)?;
    for subject in &subjects {
        heading(format_args!("measure {}", subject.name));
        let rounds = if subject.is_corpus {
            arguments
                .corpus_rounds
                .unwrap_or_else(|| arguments.rounds.min(3))
        } else {
            arguments.rounds
        };
        report.add(subject, rounds, &measured(&programs, subject, rounds)?);
    }
    match arguments.output {
        Output::Table => report.lines().iter().try_for_each(data)?,
        Output::Json => data(serde_json::to_string_pretty(&report)?)?,
    }
    Ok(())
}

/// Measures a subject: `[n_programs][n_rounds]`. A run of each program goes before, so that files are in memory.
fn measured(programs: &[Program], subject: &Subject, rounds: u32) -> Result<Vec<Vec<Run>>> {
    let mut runs = vec![Vec::new(); programs.len()];
    for round in 0..=rounds {
        for turn in 0..programs.len() {
            // Another program starts each round.
            let index = (turn + round as usize) % programs.len();
            let run = measure::run(&programs[index], &subject.calls)?;
            if round > 0 {
                runs[index].push(run);
            }
        }
        process::check_interrupt()?;
    }
    Ok(runs)
}

/// Returns the deployer, the Helms, and the deployer in the ways of Helm v4, in this order.
fn programs(places: &Places, steps: &mut Steps) -> Result<Vec<Program>> {
    setup::run(places, steps)?;
    let helms = cluster::helms(places, steps)?;
    let deployer = release_build(places, steps)?;
    let mut programs = vec![Program::new("deployer", deployer.clone(), None)];
    for (name, path) in helms {
        programs.push(Program::new(name, path, None));
    }
    programs.push(Program::new(
        "deployer --compat helm4",
        deployer,
        Some("helm4"),
    ));
    for program in &programs {
        say(format_args!("{}: {}", program.name, program.path.display()));
    }
    Ok(programs)
}

/// Builds the deployer as it is shipped, and returns its path.
fn release_build(places: &Places, steps: &mut Steps) -> Result<PathBuf> {
    let build = [
        "build",
        "--release",
        "--locked",
        "--package",
        "deployer",
        "--bin",
        "deployer",
    ];
    steps.run("build deployer (release)", || {
        process::run(process::cargo(&places.root).args(build)).map(|()| None)
    })?;
    let deployer = places.target.join("release").join("deployer");
    Ok(deployer)
}
