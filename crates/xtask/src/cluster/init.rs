//! PID 1 of a cluster's own PID and mount namespaces: boots the components in order, restarts one that ends,
//! reaps whatever containers leave, and on SIGTERM stops. Its end is the end of every process of the cluster.

use super::boot::{self, Component};
use super::config::{Config, Weight};
use super::files::PAUSE_IMAGE;
use super::names;
use crate::output::say;
use crate::process::attempt;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long one phase of the boot may take on a machine that is busy with a build.
const PHASE_MAX: Duration = Duration::from_secs(180);
/// How often a component may end before the cluster counts as broken.
const RESTARTS_MAX: u32 = 5;
const TICK: Duration = Duration::from_millis(100);

/// What the cluster is doing, for whoever waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    Booting(String),
    Running,
    Failed(String),
}

impl Phase {
    pub(super) fn load(config: &Config) -> Option<Self> {
        serde_json::from_slice(&fs::read(config.state.join("phase.json")).ok()?).ok()
    }

    fn save(&self, config: &Config) -> Result<()> {
        let path = config.state.join("phase.json");
        let beside = path.with_extension("new");
        fs::write(&beside, serde_json::to_vec(self)?)
            .and_then(|()| fs::rename(&beside, &path))
            .with_context(|| format!("failed to write `{}`", path.display()))
    }
}

struct Running {
    component: Component,
    pid: Option<Pid>,
    ended: Instant,
    restarts: u32,
}

struct Supervisor {
    config: Config,
    stop: Arc<AtomicBool>,
    network_holder: Option<u32>,
    running: Vec<Running>,
}

/// Boots the cluster that `config` describes and lives until SIGTERM.
///
/// # Errors
/// When a phase of the boot takes too long or a component keeps ending; the phase file says so too.
pub(crate) fn run(config: &Path) -> Result<()> {
    let config = Config::load(config)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .context("failed to install signal handlers")?;
    }
    let mut supervisor = Supervisor {
        config,
        stop,
        network_holder: None,
        running: Vec::new(),
    };
    let outcome = supervisor.live();
    if let Err(error) = &outcome {
        Phase::Failed(format!("{error:#}")).save(&supervisor.config)?;
    }
    supervisor.end();
    outcome
}

impl Supervisor {
    fn live(&mut self) -> Result<()> {
        self.boot()?;
        while self.tick()? {
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    fn boot(&mut self) -> Result<()> {
        let full = self.config.weight == Weight::Full;
        self.phase("network")?;
        boot::mount(&self.config)?;
        if full {
            self.hold_network()?;
        }
        for registry in boot::registries(&self.config) {
            self.start(registry)?;
        }
        self.phase("API server")?;
        for component in boot::api(&self.config) {
            self.start(component)?;
        }
        let kubectl = self.config.program("kubectl");
        let kubeconfig = self.config.kubeconfig();
        self.wait_until("the API server is ready", || {
            attempt(
                Command::new(&kubectl)
                    .arg("--kubeconfig")
                    .arg(&kubeconfig)
                    .args(["get", "--raw", "/readyz", "--request-timeout=2s"]),
            )
        })?;
        self.start(boot::controllers(&self.config))?;
        if full {
            self.phase("container runtime")?;
            self.start(boot::runtime(&self.config))?;
            self.wait_until("containerd answers", || attempt(boot::ctr().arg("version")))?;
            let image = self.config.state.join("pause.tar");
            crate::process::capture(boot::ctr().args(["images", "import"]).arg(&image))
                .with_context(|| format!("failed to import `{PAUSE_IMAGE}`"))?;
            self.phase("node")?;
            self.start(names::proxy(&self.config))?;
            self.start(names::responder(&self.config)?)?;
            for component in boot::node(&self.config) {
                self.start(component)?;
            }
        }
        Phase::Running.save(&self.config)
    }

    /// Starts the holder of the node's network and joins that to the host's.
    fn hold_network(&mut self) -> Result<()> {
        self.start(boot::network_holder())?;
        let holder = self
            .running
            .last()
            .and_then(|running| running.pid)
            .context("the network holder was started")?;
        let holder = holder.as_raw_nonzero().get().cast_unsigned();
        let own = fs::read_link("/proc/self/ns/net")?;
        let theirs = format!("/proc/{holder}/ns/net");
        self.wait_until("the node has a network of its own", || {
            fs::read_link(&theirs).is_ok_and(|link| link != own)
        })?;
        self.network_holder = Some(holder);
        boot::join_networks(&self.config, holder)
    }

    fn phase(&self, name: &str) -> Result<()> {
        Phase::Booting(name.to_owned()).save(&self.config)
    }

    fn start(&mut self, component: Component) -> Result<()> {
        let pid = self.spawn(&component)?;
        self.running.push(Running {
            component,
            pid: Some(pid),
            ended: Instant::now(),
            restarts: 0,
        });
        Ok(())
    }

    fn spawn(&self, component: &Component) -> Result<Pid> {
        let log = self.config.log(&component.name);
        let open = || OpenOptions::new().create(true).append(true).open(&log);
        let (out, err) = open()
            .and_then(|out| Ok((out, open()?)))
            .with_context(|| format!("failed to open the log `{}`", log.display()))?;
        let mut command = component.command(self.network_holder);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        command.env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(proxy).env_remove(proxy.to_uppercase());
        }
        let child = command
            .spawn()
            .with_context(|| format!("failed to start `{}`", component.program.display()))?;
        say(format_args!("started {} as {}", component.name, child.id()));
        // Not waited for here: `tick` reaps every child, those of containers included.
        Ok(Pid::from_child(&child))
    }

    /// Reaps, restarts what ended, and returns whether to go on.
    fn tick(&mut self) -> Result<bool> {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if let Some(ended) = self
                .running
                .iter_mut()
                .find(|running| running.pid == Some(pid))
            {
                say(format_args!("{} ended: {status:?}", ended.component.name));
                ended.pid = None;
                ended.ended = Instant::now();
            }
        }
        if self.stop.load(Ordering::SeqCst) {
            return Ok(false);
        }
        for index in 0..self.running.len() {
            let running = &self.running[index];
            if running.pid.is_some() || running.ended.elapsed() < Duration::from_secs(1) {
                continue;
            }
            let name = &running.component.name;
            if running.restarts == RESTARTS_MAX || Some(index) == self.network_holder.map(|_| 0) {
                bail!(
                    "{name} ended {} times: see `{}`",
                    running.restarts + 1,
                    self.config.log(name).display()
                );
            }
            let pid = self.spawn(&running.component.clone())?;
            self.running[index].pid = Some(pid);
            self.running[index].restarts += 1;
        }
        Ok(true)
    }

    fn wait_until(&mut self, what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + PHASE_MAX;
        while !is_so() {
            if !self.tick()? {
                bail!("told to stop while waiting until {what}");
            }
            if Instant::now() > deadline {
                bail!(
                    "waited {} s until {what}; it did not come about",
                    PHASE_MAX.as_secs()
                );
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    /// Stops the components, the newest first; the kernel ends what is left when this process does.
    fn end(&mut self) {
        for running in self.running.iter().rev() {
            if let Some(pid) = running.pid {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let deadline = Instant::now() + Duration::from_millis(1500);
        while self.running.iter().any(|running| running.pid.is_some()) && Instant::now() < deadline
        {
            while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
                self.running
                    .iter_mut()
                    .filter(|running| running.pid == Some(pid))
                    .for_each(|running| running.pid = None);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
