//! `up`, `down` and `env`: a cluster from the outside.

use super::arguments::UpArguments;
use super::config::{Config, Weight, name_of};
use super::host::{self, Anchor};
use super::init::Phase;
use super::{binaries, certificates, debian, files};
use crate::image;
use crate::output::{heading, say};
use crate::places::{Places, lock};
use crate::process;
use crate::steps::Steps;
use crate::tools;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a node may take to become ready on a busy machine.
const READY_MAX: Duration = Duration::from_secs(300);
const LOG_TAIL_LINES: usize = 15;

/// The environment that end-to-end tests read.
#[derive(Debug, Clone)]
pub(crate) struct Variables(pub(crate) Vec<(&'static str, String)>);

impl Variables {
    /// Returns the value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    fn of(config: &Config) -> Self {
        let kubeconfig = config.kubeconfig().display().to_string();
        let mut variables = vec![
            ("KUBECONFIG", kubeconfig.clone()),
            ("KUBECONFIG_E2E", kubeconfig),
            ("E2E_HOST_ADDRESS", config.host_address.to_string()),
            ("E2E_BIN", config.state.join("bin").display().to_string()),
            (
                "E2E_CLUSTER_NUMBER",
                config
                    .name
                    .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                    .to_owned(),
            ),
        ];
        if config.registry {
            variables.push(("E2E_REGISTRY", config.registry_name()));
        }
        Self(variables)
    }

    /// Returns the variables of a cluster that the user brought, if there is one.
    fn of_user(places: &Places) -> Option<Self> {
        let kubeconfig = std::env::var("KUBECONFIG_E2E")
            .ok()
            .filter(|path| !path.is_empty())?;
        if Path::new(&kubeconfig).starts_with(places.cluster_states()) {
            return None;
        }
        let mut variables = vec![
            ("KUBECONFIG", kubeconfig.clone()),
            ("KUBECONFIG_E2E", kubeconfig),
        ];
        for name in ["E2E_HOST_ADDRESS", "E2E_REGISTRY", "E2E_BIN"] {
            variables.extend(std::env::var(name).ok().map(|value| (name, value)));
        }
        Some(Self(variables))
    }
}

/// Returns why no full cluster can run here, if so.
pub(crate) fn why_impossible(places: &Places) -> Option<String> {
    if Variables::of_user(places).is_some() {
        return None;
    }
    if !cfg!(target_os = "linux") {
        return Some(
            "the test cluster needs Linux; KUBECONFIG_E2E may name a cluster of your own"
                .to_owned(),
        );
    }
    if !tools::is_root() {
        return Some("the test cluster needs root, for namespaces and containers; KUBECONFIG_E2E may name a cluster of your own".to_owned());
    }
    if tools::find(tools::GO.program).is_none()
        && !places.cluster_binaries().join("kubelet").exists()
    {
        return Some(format!(
            "`go` is missing; it {}: {}",
            tools::GO.purpose,
            tools::GO.remedy
        ));
    }
    debian::why_not()
}

/// Boots a cluster, building what is missing, and waits until it is ready.
///
/// # Errors
/// When something is missing, or the cluster does not become ready; it is taken down then, its logs are kept.
pub(crate) fn up(places: &Places, arguments: &UpArguments, steps: &mut Steps) -> Result<Variables> {
    if let Some(variables) = Variables::of_user(places) {
        say(format_args!(
            "KUBECONFIG_E2E names a cluster of your own, which is used: {}",
            variables.0[0].1
        ));
        return Ok(variables);
    }
    let number = arguments.choice.number;
    if let Some(running) = Config::of_number(places, number)?
        && Anchor::load(&running).is_some_and(Anchor::is_alive)
        && Phase::load(&running) == Some(Phase::Running)
    {
        say(format_args!("cluster {} is up already", running.name));
        return Ok(Variables::of(&running));
    }
    provide(places, arguments.light, steps)?;
    down(places, number, Talk::Quiet)?;
    let config = Config::new(places, arguments)?;
    let name = format!(
        "boot cluster ({})",
        if arguments.light { "light" } else { "full" }
    );
    let Err(error) = steps.run(&name, || boot(&config).map(|()| None)) else {
        return Ok(Variables::of(&config));
    };
    let interrupted = error.is::<process::Interrupted>();
    if !interrupted {
        tails(&config).into_iter().for_each(say);
    }
    if let Err(also) = down(places, number, Talk::Quiet) {
        say(format_args!("error: {also:#}"));
    }
    if interrupted {
        return Err(error);
    }
    Err(error.context(format!(
        "its logs are in `{}`",
        config.state.join("log").display()
    )))
}

/// Installs and builds what the cluster is made of; one xtask at a time.
fn provide(places: &Places, light: bool, steps: &mut Steps) -> Result<()> {
    let folder = places.cluster_binaries();
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make `{}`", folder.display()))?;
    let _lock = lock(&folder.join(".lock"))?;
    if !light {
        if let Some(reason) = why_impossible(places) {
            bail!(
                "no full cluster can run here: {reason}\n(`--light` runs API server and controllers alone)"
            );
        }
        debian::provide(steps)?;
    }
    binaries::provide(places, !light, steps)
}

/// Whether `down` speaks of what it does not find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    Quiet,
    Plain,
}

fn boot(config: &Config) -> Result<()> {
    prepare(config)?;
    // A copy: a build since this program started may have replaced its file, and the next one will while the
    // cluster runs.
    let init = config.state.join("init");
    fs::copy("/proc/self/exe", &init)
        .with_context(|| format!("failed to copy this program to `{}`", init.display()))?;
    let mut command = if config.weight == Weight::Full || tools::is_root() {
        Command::new("unshare")
    } else {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user"]);
        command
    };
    let log = File::create(config.log("init"))?;
    command
        .args([
            "--pid",
            "--mount",
            "--fork",
            "--kill-child=SIGKILL",
            "--mount-proc",
            "--",
        ])
        .arg(&init)
        .arg("cluster-init")
        .arg(config.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    // A group of its own: Ctrl-C in this terminal is no order to the cluster.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command
        .spawn()
        .context("failed to start `unshare` (package util-linux)")?;
    Anchor::of(child.id())?.save(config)?;
    let started = Instant::now();
    wait_for_boot(config, &mut child, started)?;
    wait_for_node(config, started)?;
    say(format_args!(
        "    ready after {:.1} s",
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Writes everything that the cluster reads: settings, certificates, configuration, the pause image.
fn prepare(config: &Config) -> Result<()> {
    for folder in ["log", "bin"] {
        let folder = config.state.join(folder);
        fs::create_dir_all(&folder)
            .with_context(|| format!("failed to make `{}`", folder.display()))?;
    }
    config.save()?;
    certificates::issue(config)?;
    files::write_all(config)?;
    for name in ["kubectl", "helm3", "helm4"] {
        std::os::unix::fs::symlink(config.program(name), config.state.join("bin").join(name))
            .with_context(|| format!("failed to link `{name}`"))?;
    }
    if config.weight == Weight::Full {
        host::make_cgroups(config)?;
        image::write_single_program(
            &config.program("pause"),
            files::PAUSE_IMAGE,
            &config.state.join("pause.tar"),
        )?;
    }
    Ok(())
}

fn wait_for_boot(config: &Config, child: &mut std::process::Child, started: Instant) -> Result<()> {
    let mut shown = None;
    loop {
        process::check_interrupt()?;
        let phase = Phase::load(config);
        match &phase {
            Some(Phase::Running) => return Ok(()),
            Some(Phase::Failed(reason)) => bail!("the cluster did not boot: {reason}"),
            Some(Phase::Booting(name)) if phase != shown => {
                say(format_args!(
                    "    {:5.1} s  {name}",
                    started.elapsed().as_secs_f64()
                ));
                shown.clone_from(&phase);
            }
            _ => {}
        }
        if let Some(status) = child.try_wait()? {
            bail!("the cluster's first process ended: {status}");
        }
        if started.elapsed() > READY_MAX {
            bail!("the cluster did not boot within {} s", READY_MAX.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits for a ready node (full) and for the default service account, without which no pod is admitted.
fn wait_for_node(config: &Config, started: Instant) -> Result<()> {
    let mut wants = vec![(
        "the default service account",
        vec!["get", "serviceaccount", "default", "--output=name"],
        "serviceaccount/",
    )];
    let ready = r#"--output=jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}"#;
    if config.weight == Weight::Full {
        wants.push(("a ready node", vec!["get", "nodes", ready], "True"));
    }
    for (what, arguments, expected) in wants {
        loop {
            process::check_interrupt()?;
            let output = process::output(
                Command::new(config.program("kubectl"))
                    .arg("--kubeconfig")
                    .arg(config.kubeconfig())
                    .arg("--request-timeout=5s")
                    .args(&arguments),
            )?;
            if String::from_utf8_lossy(&output.stdout).contains(expected) {
                break;
            }
            if let Some(Phase::Failed(reason)) = Phase::load(config) {
                bail!("the cluster broke down: {reason}");
            }
            if started.elapsed() > READY_MAX {
                bail!("the cluster has no {what} after {} s", READY_MAX.as_secs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

/// Returns the last lines of each log.
fn tails(config: &Config) -> Vec<String> {
    let Ok(entries) = config.state.join("log").read_dir() else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let text = fs::read(&path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        if all.is_empty() {
            continue;
        }
        lines.push(format!("--- {}", path.display()));
        lines.extend(
            all.iter()
                .skip(all.len().saturating_sub(LOG_TAIL_LINES))
                .map(|line| (*line).to_owned()),
        );
    }
    lines
}

/// Ends a cluster and removes everything of it but its logs; also after a crash.
///
/// # Errors
/// When something cannot be removed; it is listed.
pub(crate) fn down(places: &Places, number: u8, talk: Talk) -> Result<()> {
    let Some(config) = Config::of_number(places, number)? else {
        if talk == Talk::Plain {
            say(format_args!("cluster {} is not up", name_of(number)));
        }
        return Ok(());
    };
    let started = Instant::now();
    if talk == Talk::Plain {
        heading(format_args!("take down cluster {}", config.name));
    }
    if let Some(anchor) = Anchor::load(&config) {
        anchor.end(Duration::from_secs(10));
    }
    host::clear(&config);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !host::remains(&config).is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    let remains = host::remains(&config);
    if !remains.is_empty() {
        bail!(
            "cluster {} left behind:\n  {}",
            config.name,
            remains.join("\n  ")
        );
    }
    purge(&config)?;
    if talk == Talk::Plain {
        say(format_args!(
            "    done in {:.1} s",
            started.elapsed().as_secs_f64()
        ));
    }
    Ok(())
}

/// Deletes the state but the logs, the settings last: as long as they are there, `down` knows what to do.
fn purge(config: &Config) -> Result<()> {
    let entries = config
        .state
        .read_dir()
        .with_context(|| format!("failed to list `{}`", config.state.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path
            .file_name()
            .is_some_and(|name| name == "log" || name == "config.json")
        {
            continue;
        }
        let removed = if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.with_context(|| format!("failed to delete `{}`", path.display()))?;
    }
    fs::remove_file(config.path()).context("failed to delete the settings")
}

/// Ends every cluster that has state in the cache folder.
///
/// # Errors
/// The first failure; the others are taken down all the same.
pub(crate) fn down_all(places: &Places) -> Result<()> {
    (0..100)
        .map(|number| down(places, number, Talk::Quiet))
        .fold(Ok(()), Result::and)
}

/// Returns what is left of the clusters that are not up: for a check after the tests.
pub(crate) fn leftovers(places: &Places, number: u8) -> Result<Vec<String>> {
    let config = Config::new(places, &UpArguments::full(number))?;
    Ok(host::remains(&config))
}

/// Returns the variables of a running cluster.
///
/// # Errors
/// When it is not up.
pub(crate) fn environment(places: &Places, number: u8) -> Result<Variables> {
    if let Some(variables) = Variables::of_user(places) {
        return Ok(variables);
    }
    match Config::of_number(places, number)? {
        Some(config) if Anchor::load(&config).is_some_and(Anchor::is_alive) => {
            Ok(Variables::of(&config))
        }
        _ => bail!(
            "cluster {} is not up: run `cargo xtask cluster up` first",
            name_of(number)
        ),
    }
}

/// Returns where a running cluster logs its requests.
///
/// # Errors
/// When it is not up, or logs none.
pub(crate) fn audit_log(places: &Places, number: u8) -> Result<std::path::PathBuf> {
    match Config::of_number(places, number)? {
        Some(config) if config.audit => Ok(config.audit_log()),
        _ => bail!(
            "cluster {} keeps no log of requests: boot it with `--audit`",
            name_of(number)
        ),
    }
}

/// Claims a cluster's number for this process, until the file is dropped; none when another xtask has it.
///
/// # Errors
/// When the claim's file cannot be made.
pub(crate) fn claim(places: &Places, number: u8) -> Result<Option<File>> {
    let folder = places.cluster_states();
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make `{}`", folder.display()))?;
    let path = folder.join(format!("{}.claim", name_of(number)));
    let file =
        File::create(&path).with_context(|| format!("failed to make `{}`", path.display()))?;
    Ok(file.try_lock().is_ok().then_some(file))
}

/// Claims the first number whose cluster is not up and whose link nobody uses.
///
/// # Errors
/// When all are taken.
pub(crate) fn claim_first_free(places: &Places) -> Result<(u8, File)> {
    for number in 0..100 {
        let up = Config::of_number(places, number)?
            .is_some_and(|config| Anchor::load(&config).is_some_and(Anchor::is_alive));
        let link = Path::new("/sys/class/net").join(format!("{}-host", name_of(number)));
        if !up
            && !link.exists()
            && let Some(claim) = claim(places, number)?
        {
            return Ok((number, claim));
        }
    }
    bail!(
        "a hundred test clusters are up: take some down with `cargo xtask cluster down --number N`"
    )
}
