//! `cargo xtask test`: formatting, lints, and every test, on a real cluster where one can run.

mod leftovers;
mod tally;

use crate::cluster::{self, Talk, Variables};
use crate::image::{self, Build, ImageArguments, Profile};
use crate::output::say;
use crate::places::Places;
use crate::process;
use crate::setup;
use crate::steps::Steps;
use anyhow::{Context, Result, bail};
use clap::Args;
use leftovers::Mark;
use std::fs::File;
use std::path::PathBuf;
use tally::Tally;

/// What to test.
#[derive(Args, Debug, Clone)]
pub(crate) struct TestArguments {
    /// Without a cluster: what needs one is skipped, aloud
    #[arg(long)]
    quick: bool,
    /// Leave the cluster up afterwards, for a look or for the next run
    #[arg(long)]
    keep_cluster: bool,
    /// Number of the cluster to boot or to reuse [default: the first free one]
    #[arg(long, env = "E2E_CLUSTER_NUMBER", value_parser = clap::value_parser!(u8).range(0..100))]
    cluster_number: Option<u8>,
    /// Run only tests whose name contains this, without the checks of format and lints
    filter: Option<String>,
}

/// What the tests find in their environment.
#[derive(Debug, Default)]
struct Environment {
    variables: Vec<(&'static str, String)>,
    /// The number of the cluster that was booted here; one that was up before is left up.
    number: Option<u8>,
    /// Keeps other runs off the number.
    _claim: Option<File>,
    /// The mark of every process of this run's tests, once they were started.
    mark: Option<Mark>,
}

/// Runs the checks and the tests; the cluster is taken down whatever happens.
///
/// # Errors
/// When a check or a test fails, or something is left behind.
pub(crate) fn run(places: &Places, arguments: &TestArguments, steps: &mut Steps) -> Result<()> {
    let without = if arguments.quick {
        Some("--quick was given".to_owned())
    } else {
        cluster::why_impossible(places)
    };
    if let Some(reason) = &without {
        say(format_args!(
            "NOTE: tests that need the cluster are skipped: {reason}"
        ));
    }
    let mut tally = Tally::default();
    let mut environment = Environment::default();
    let outcome = stages(
        places,
        arguments,
        without.is_none(),
        steps,
        &mut environment,
        &mut tally,
    );
    // From here on a signal ends nothing any more: what was started is put away first.
    let interrupted = process::take_interrupt();
    let cleared = clear(places, arguments, &environment);
    steps.table();
    if let Some(reason) = &without {
        say(format_args!(
            "NOTE: tests that need the cluster were skipped: {reason}"
        ));
    }
    for name in &tally.failures {
        say(format_args!("failed: {name}"));
    }
    say(&tally);
    if let Some(interrupted) = interrupted {
        return cleared.and(Err(interrupted.into()));
    }
    if let (Err(_), Err(also)) = (&outcome, &cleared) {
        say(format_args!("error: {also:#}"));
    }
    outcome.and(cleared)
}

fn stages(
    places: &Places,
    arguments: &TestArguments,
    on_cluster: bool,
    steps: &mut Steps,
    environment: &mut Environment,
    tally: &mut Tally,
) -> Result<()> {
    setup::run(places, steps)?;
    let cargo = |words: &[&str]| {
        let mut command = process::cargo(&places.root);
        command.args(words);
        command
    };
    if arguments.filter.is_none() {
        steps
            .run("check the format", || {
                process::run(&mut cargo(&["fmt", "--all", "--check"])).map(|()| None)
            })
            .context("`cargo fmt --all` mends it")?;
        let lints = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "--deny",
            "warnings",
        ];
        steps.run("check the lints", || {
            process::run(&mut cargo(&lints)).map(|()| None)
        })?;
    }
    // One selection of targets throughout: another one would build dependencies anew with other features.
    let everything = ["build", "--workspace", "--all-targets", "--locked"];
    steps.run("build binaries and tests", || {
        process::run(&mut cargo(&everything)).map(|()| None)
    })?;
    if on_cluster {
        *environment = provide_cluster(places, arguments, steps)?;
    }
    let mut command = cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    command.args(&arguments.filter);
    command.envs(
        environment
            .variables
            .iter()
            .map(|(name, value)| (*name, value)),
    );
    if on_cluster {
        command.env("E2E_REQUIRE", "1");
    } else {
        command.env_remove("KUBECONFIG_E2E");
        let binaries = places.cluster_binaries();
        if binaries.join("helm3").is_file() {
            command.env("E2E_BIN", binaries);
        }
    }
    environment.mark.insert(Mark::new()).put_on(&mut command);
    steps.run("run the tests", || {
        tally
            .run(&mut command, |line| say(format_args!("{line}")))
            .map(|()| None)
    })
}

/// Boots the cluster, builds the images and pushes them to its registry.
fn provide_cluster(
    places: &Places,
    arguments: &TestArguments,
    steps: &mut Steps,
) -> Result<Environment> {
    let (number, claim) = match arguments.cluster_number {
        Some(number) => (number, cluster::claim(places, number)?),
        None => cluster::claim_first_free(places).map(|(number, claim)| (number, Some(claim)))?,
    };
    let claim = claim.with_context(|| {
        format!("another xtask uses cluster {number}: name another number or none")
    })?;
    let was_up = cluster::environment(places, number).is_ok();
    let Variables(mut variables) = cluster::up(places, &cluster::UpArguments::full(number), steps)?;
    let mut environment = Environment {
        variables: Vec::new(),
        number: (!was_up).then_some(number),
        _claim: Some(claim),
        mark: None,
    };
    let registry = variables
        .iter()
        .find(|(name, _)| *name == "E2E_REGISTRY")
        .map(|(_, value)| value.clone());
    let images = match registry {
        Some(registry) => push_images(places, registry, steps),
        // A cluster of the user's own, with images that the user has put where it finds them.
        None => std::env::var("E2E_IMAGES").map(PathBuf::from).context(
            "KUBECONFIG_E2E names a cluster, but neither E2E_REGISTRY nor E2E_IMAGES is set",
        ),
    };
    match images {
        Ok(path) => {
            variables.push(("E2E_IMAGES", path.display().to_string()));
            environment.variables = variables;
            Ok(environment)
        }
        Err(error) => {
            clear(places, arguments, &environment)?;
            Err(error)
        }
    }
}

fn push_images(places: &Places, registry: String, steps: &mut Steps) -> Result<PathBuf> {
    let list = image::list(places, &registry);
    let arguments = ImageArguments {
        push: Some(registry),
        profile: Profile::Dev,
        stage_only: false,
        names: Vec::new(),
    };
    steps.run("build and push the images", || {
        image::run(places, &arguments, Build::Workspace).map(|_| None)
    })?;
    Ok(list)
}

/// Ends what the tests left running, takes the cluster down, and fails when anything was or is left.
fn clear(places: &Places, arguments: &TestArguments, environment: &Environment) -> Result<()> {
    let mut left = environment
        .mark
        .as_ref()
        .map_or_else(Vec::new, Mark::end_rest);
    match environment.number {
        Some(number) if arguments.keep_cluster => say(format_args!(
            "cluster {number} is left up: `cargo xtask cluster down --number {number}` ends it"
        )),
        Some(number) => {
            cluster::down(places, number, Talk::Plain)?;
            left.extend(cluster::leftovers(places, number)?);
        }
        None => {}
    }
    if !left.is_empty() {
        bail!("left behind by the tests:\n  {}", left.join("\n  "));
    }
    Ok(())
}
