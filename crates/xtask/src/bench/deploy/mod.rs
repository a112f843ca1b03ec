//! `cargo xtask bench deploy`: installs, upgrades and uninstalls on a real API server with the deployer and both
//! Helms, in one run, and counts the requests that each needs.
//!
//! Programs take turns within each round. Every operation is checked on the cluster afterwards: a fast program that
//! leaves the wrong objects is no result.

mod chart;
mod delay;
mod report;
mod requests;

use super::measure::{self, Call, Program};
use super::{Output, programs};
use crate::cluster::{self, Choice, Talk, UpArguments};
use crate::output::{data, heading, say};
use crate::places::Places;
use crate::process;
use crate::steps::Steps;
use anyhow::{Context, Result, ensure};
use clap::Args;
use delay::DelayProxy;
use report::{Measured, Report, Results};
use requests::RequestLog;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What to measure.
#[derive(Args, Debug, Clone)]
pub(crate) struct DeployArguments {
    /// How often each program does each operation
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Objects in a release; can be repeated
    #[arg(long, default_values_t = [200, 1000], value_name = "COUNT")]
    objects: Vec<usize>,
    /// Delay added to each round trip, milliseconds; can be repeated
    #[arg(long, default_values_t = [0, 10], value_name = "MILLISECONDS")]
    delay: Vec<u64>,
    /// A table for people, or JSON for programs
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// What is done to a release, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Install,
    NoOp,
    AllChanged,
    Uninstall,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Install, Self::NoOp, Self::AllChanged, Self::Uninstall];

    fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::NoOp => "no-op upgrade",
            Self::AllChanged => "all-changed upgrade",
            Self::Uninstall => "uninstall",
        }
    }

    /// The word that every object carries afterwards; none when there is to be no object.
    fn stamp(self) -> Option<&'static str> {
        match self {
            Self::Install | Self::NoOp => Some("one"),
            Self::AllChanged => Some("two"),
            Self::Uninstall => None,
        }
    }

    fn arguments(self, chart: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = match self {
            Self::Install => vec!["install".into(), "bench".into(), chart.into()],
            Self::NoOp | Self::AllChanged => vec!["upgrade".into(), "bench".into(), chart.into()],
            Self::Uninstall => vec!["uninstall".into(), "bench".into()],
        };
        if let Some(stamp) = self.stamp() {
            arguments.push("--set".into());
            arguments.push(format!("stamp={stamp}").into());
        }
        arguments
    }
}

/// Boots a light cluster, measures and prints.
///
/// # Errors
/// When something cannot be built or started, or an operation fails or leaves the wrong objects.
pub(crate) fn deploy(
    places: &Places,
    arguments: &DeployArguments,
    steps: &mut Steps,
) -> Result<()> {
    let mut programs = programs(places, steps)?;
    // Rendering in the ways of Helm v4 changes nothing here.
    programs.truncate(3);
    let scratch = tempfile::Builder::new().prefix("bench-").tempdir()?;
    for program in &mut programs {
        let home = scratch.path().join(program.name);
        fs::create_dir_all(&home)?;
        // Each with caches of its own, warm after its first operation.
        program.environment.push(("HOME", home.into()));
    }
    let cluster = LightCluster::boot(places, steps)?;
    let mut report = Report::new(&programs)?;
    for &objects in &arguments.objects {
        let folder = scratch.path().join(format!("chart-{objects}"));
        chart::write(&folder, objects)?;
        for &delay in &arguments.delay {
            heading(format_args!("measure {objects} objects, {delay} ms added"));
            let bench = Bench {
                cluster: &cluster,
                programs: &programs,
                chart: &folder,
                objects,
                kubeconfig: scratch.path().join(format!("kubeconfig-{delay}.yaml")),
            };
            let results = bench.measured(Duration::from_millis(delay), arguments.rounds)?;
            report.add(objects, delay, arguments.rounds, &results);
        }
    }
    drop(cluster);
    match arguments.output {
        Output::Table => report.lines().iter().try_for_each(data)?,
        Output::Json => data(serde_json::to_string_pretty(&report)?)?,
    }
    Ok(())
}

/// One size of release behind one delay.
struct Bench<'a> {
    cluster: &'a LightCluster<'a>,
    programs: &'a [Program],
    chart: &'a Path,
    objects: usize,
    kubeconfig: PathBuf,
}

impl Bench<'_> {
    /// Measures every operation: `[n_operations][n_programs][n_rounds]`. An unmeasured install and uninstall of each
    /// program goes before, so that files and caches are warm.
    fn measured(&self, delay: Duration, rounds: u32) -> Result<Results> {
        let proxy = if delay.is_zero() {
            None
        } else {
            Some(DelayProxy::start(self.cluster.server()?, delay)?)
        };
        let text = fs::read_to_string(&self.cluster.kubeconfig)?;
        let text = match &proxy {
            Some(proxy) => text.replace(
                &self.cluster.server()?.to_string(),
                &proxy.address().to_string(),
            ),
            None => text,
        };
        fs::write(&self.kubeconfig, text)?;
        let mut results: Results = Operation::ALL
            .iter()
            .map(|operation| (operation.name(), vec![Vec::new(); self.programs.len()]))
            .collect();
        for round in 0..=rounds {
            for turn in 0..self.programs.len() {
                // Another program starts each round.
                let index = (turn + round as usize) % self.programs.len();
                let is_warm_up = round == 0;
                for (number, operation) in Operation::ALL.into_iter().enumerate() {
                    let is_needed = matches!(operation, Operation::Install | Operation::Uninstall);
                    if is_warm_up && !is_needed {
                        continue;
                    }
                    let measured = self.run(&self.programs[index], operation)?;
                    if !is_warm_up {
                        results[number].1[index].push(measured);
                    }
                }
                process::check_interrupt()?;
            }
        }
        Ok(results)
    }

    fn run(&self, program: &Program, operation: Operation) -> Result<Measured> {
        let namespace = format!("bench-{}", program.name);
        self.cluster.ensure_namespace(&namespace)?;
        let mut arguments = operation.arguments(self.chart);
        arguments.extend(["--namespace".into(), namespace.clone().into()]);
        arguments.extend(["--kubeconfig".into(), self.kubeconfig.clone().into()]);
        let call = Call {
            folder: "/".into(),
            arguments,
        };
        let mark = self.cluster.requests.mark()?;
        let run = measure::run(program, std::slice::from_ref(&call))?;
        ensure!(
            run.outcomes.iter().all(|outcome| outcome.success),
            "{} failed to {} {} objects: repeat it by hand to see why",
            program.name,
            operation.name(),
            self.objects
        );
        let requests = self.cluster.requests.since(&mark)?;
        self.check(&namespace, operation)?;
        let measured = Measured { run, requests };
        say(format_args!(
            "    {} {}: {:.0} ms, {} requests",
            program.name,
            operation.name(),
            measured.run.wall.as_secs_f64() * 1e3,
            measured.requests.total
        ));
        Ok(measured)
    }

    /// Demands that the objects are there, as the operation was to leave them.
    fn check(&self, namespace: &str, operation: Operation) -> Result<()> {
        let template = r#"--output=jsonpath={.items[*].metadata.annotations.stamp}"#;
        let kinds = chart::KINDS.join(",");
        let found = self.cluster.kubectl(&[
            "get",
            &kinds,
            "--namespace",
            namespace,
            "--selector=app.kubernetes.io/managed-by=Helm",
            template,
        ])?;
        let stamps: Vec<&str> = found.split_whitespace().collect();
        let (wanted, stamp) = match operation.stamp() {
            Some(stamp) => (self.objects, stamp),
            None => (0, ""),
        };
        let right = stamps.iter().filter(|found| **found == stamp).count();
        ensure!(
            stamps.len() == wanted && right == wanted,
            "after {} {right} of {wanted} objects are as they should be, {} are there",
            operation.name(),
            stamps.len()
        );
        Ok(())
    }
}

/// A light cluster with a log of its requests; taken down when dropped.
struct LightCluster<'a> {
    places: &'a Places,
    number: u8,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    requests: RequestLog,
    _claim: fs::File,
}

impl<'a> LightCluster<'a> {
    fn boot(places: &'a Places, steps: &mut Steps) -> Result<Self> {
        let (number, claim) = cluster::claim_first_free(places)?;
        let arguments = UpArguments {
            choice: Choice { number },
            light: true,
            audit: true,
            ..UpArguments::full(number)
        };
        let variables = cluster::up(places, &arguments, steps)?;
        let path = |name: &str| {
            variables
                .get(name)
                .map(PathBuf::from)
                .with_context(|| format!("the cluster has no {name}"))
        };
        Ok(Self {
            places,
            number,
            kubeconfig: path("KUBECONFIG")?,
            kubectl: path("E2E_BIN")?.join("kubectl"),
            requests: RequestLog::new(cluster::audit_log(places, number)?),
            _claim: claim,
        })
    }

    /// Returns where the API server listens.
    fn server(&self) -> Result<std::net::SocketAddr> {
        let text = fs::read_to_string(&self.kubeconfig)?;
        let address = text.split("https://").nth(1).and_then(|rest| {
            rest.split(|c: char| c.is_whitespace() || c == '"')
                .next()?
                .parse()
                .ok()
        });
        address.context("the kubeconfig names no server with address and port")
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        process::capture(
            Command::new(&self.kubectl)
                .arg("--kubeconfig")
                .arg(&self.kubeconfig)
                .args(arguments),
        )
    }

    fn ensure_namespace(&self, name: &str) -> Result<()> {
        let found =
            self.kubectl(&["get", "namespace", name, "--ignore-not-found", "-o", "name"])?;
        if found.trim().is_empty() {
            self.kubectl(&["create", "namespace", name])?;
        }
        Ok(())
    }
}

impl Drop for LightCluster<'_> {
    fn drop(&mut self) {
        if let Err(error) = cluster::down(self.places, self.number, Talk::Quiet) {
            say(format_args!("error: {error:#}"));
        }
    }
}
