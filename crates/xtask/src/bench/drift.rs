//! `cargo xtask bench drift`: how long it takes to compare three environments on a local API server.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::measure::{self, Call, Program, Run, Usage};
use crate::cluster::{self, Choice, Talk, UpArguments, Variables};
use crate::output::{data, heading, say};
use crate::places::Places;
use crate::process;
use crate::steps::Steps;

const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];

/// What is compared, and how often.
#[derive(Args, Debug, Clone)]
pub(crate) struct DriftArguments {
    /// Components in each environment
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=50))]
    components: u32,
    /// Objects of each component in each environment
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=2000))]
    objects: u32,
    /// How often they are compared
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// A deployer to measure, in place of a release build of this one
    #[arg(long, value_name = "PATH")]
    deployer: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
}

/// Deploys, compares and prints, on the cluster that is up or on a light one of its own.
///
/// # Errors
/// When something cannot be built, started or deployed, or `drift` finds something else than it should.
pub(crate) fn drift(places: &Places, arguments: &DriftArguments, steps: &mut Steps) -> Result<()> {
    let deployer = match &arguments.deployer {
        Some(path) => path.clone(),
        None => super::release_build(places, steps)?,
    };
    let number = arguments.choice.number;
    if let Ok(variables) = cluster::environment(places, number) {
        return measured(arguments, &deployer, &variables);
    }
    let (number, _claim) = cluster::claim_first_free(places)?;
    let light = UpArguments {
        light: true,
        ..UpArguments::full(number)
    };
    let variables = cluster::up(places, &light, steps)?;
    let outcome = measured(arguments, &deployer, &variables);
    let cleared = cluster::down(places, number, Talk::Plain);
    if let (Err(_), Err(also)) = (&outcome, &cleared) {
        say(format_args!("error: {also:#}"));
    }
    outcome.and(cleared)
}

fn measured(arguments: &DriftArguments, deployer: &Path, variables: &Variables) -> Result<()> {
    let kubeconfig = variables.get("KUBECONFIG").context("no KUBECONFIG")?;
    let folder = tempfile::Builder::new().prefix("bench-").tempdir()?;
    write_files(folder.path(), kubeconfig, arguments)?;
    let outcome =
        deploy(deployer, folder.path()).and_then(|()| rounds(arguments, deployer, folder.path()));
    for environment in ENVIRONMENTS {
        let kubectl = Path::new(variables.get("E2E_BIN").unwrap_or_default()).join("kubectl");
        let mut delete = Command::new(kubectl);
        delete.env("KUBECONFIG", kubeconfig);
        delete.args([
            "delete",
            "namespace",
            &namespace(environment),
            "--wait=false",
        ]);
        process::attempt(&mut delete);
    }
    let usage = Usage::of(&outcome?);
    data(format!(
        "drift of {} environments x {} components x {} objects: {:.0} ms (median of {}; {:.0} to {:.0}), {:.0} ms user, {:.0} MB",
        ENVIRONMENTS.len(),
        arguments.components,
        arguments.objects,
        usage.wall_ms_median,
        arguments.rounds,
        usage.wall_ms_min,
        usage.wall_ms_max,
        usage.user_ms_median,
        usage.memory_mb_max,
    ))?;
    Ok(())
}

fn namespace(environment: &str) -> String {
    format!("bench-drift-{environment}")
}

/// A chart of ConfigMaps, installed once for each component, in three namespaces.
fn write_files(folder: &Path, kubeconfig: &str, arguments: &DriftArguments) -> Result<()> {
    let chart = folder.join("chart");
    std::fs::create_dir_all(chart.join("templates"))?;
    std::fs::write(
        chart.join("Chart.yaml"),
        "apiVersion: v2\nname: many\nversion: 1.0.0\n",
    )?;
    let template = format!(
        "{{{{- range $index := until {} }}}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ $.Release.Name }}}}-{{{{ $index }}}}\n  labels: {{app: {{{{ $.Release.Name }}}}}}\ndata:\n  address: \"{{{{ $.Release.Name }}}}.{{{{ $.Release.Namespace }}}}.svc\"\n  number: \"{{{{ $index }}}}\"\n{{{{- end }}}}\n",
        arguments.objects
    );
    std::fs::write(chart.join("templates/objects.yaml"), template)?;
    let mut file = String::from("apiVersion: deployer/v1\nkind: Environments\nenvironments:\n");
    for environment in ENVIRONMENTS {
        file.push_str(&format!(
            "  {environment}: {{kubeconfig: {kubeconfig}, namespace: {}, create_namespace: true}}\n",
            namespace(environment)
        ));
    }
    file.push_str("promotion: [dev, staging, prod]\nreleases:\n");
    for index in 0..arguments.components {
        file.push_str(&format!("  component-{index}: {{chart: ./chart}}\n"));
    }
    std::fs::write(folder.join("deployer.yaml"), file)?;
    Ok(())
}

fn deploy(deployer: &Path, folder: &Path) -> Result<()> {
    for environment in ENVIRONMENTS {
        heading(format_args!("apply --env {environment}"));
        let mut apply = Command::new(deployer);
        apply
            .current_dir(folder)
            .args(["apply", "--env", environment]);
        process::capture(&mut apply)?;
    }
    Ok(())
}

fn rounds(arguments: &DriftArguments, deployer: &Path, folder: &Path) -> Result<Vec<Run>> {
    let program = Program::new("deployer", deployer.to_owned(), None);
    let call = Call {
        folder: folder.to_owned(),
        arguments: ["drift", "--exit-code"].map(Into::into).to_vec(),
    };
    let mut runs = Vec::new();
    // One run goes before, so that files are in memory.
    for round in 0..=arguments.rounds {
        let run = measure::run(&program, std::slice::from_ref(&call))?;
        ensure!(
            run.outcomes[0].success,
            "`deployer drift` found drift where everything was just applied"
        );
        if round > 0 {
            runs.push(run);
        }
        process::check_interrupt()?;
    }
    Ok(runs)
}
