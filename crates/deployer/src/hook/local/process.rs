//! Runs one process to its end: streams its output, keeps the end of it, stops it in time.

use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::command::CommandPlan;
use crate::hook::{HookContext, HookError};
use crate::progress::ProgressEvent;
use crate::release::Hook;

/// What is kept of the output; its end, where failures are explained.
const LOG_BYTES_MAX: usize = 256 << 10;
/// A longer line is cut into several.
const LINE_BYTES_MAX: u64 = 16 << 10;
/// Kubernetes keeps as much of a termination message.
const TERMINATION_MESSAGE_BYTES_MAX: u64 = 4096;
/// How long a process may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How a process ended, and what it wrote.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) log: String,
    pub(super) termination_message: Option<String>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Exited(i32),
    Signalled(i32),
    TimedOut(Duration),
    Cancelled,
}

/// Runs a process; its whole group is gone when this returns.
pub(super) async fn run(
    hook: &Hook,
    plan: &CommandPlan,
    context: &HookContext<'_>,
) -> Result<Ended, HookError> {
    let folder =
        Scratch::make().map_err(|error| start_error(hook, "making a scratch folder", error))?;
    let message = folder.path.join("termination-log");
    let mut command = Command::new(&plan.program);
    command
        .args(&plan.arguments)
        .env_clear()
        .envs(&plan.environment)
        .env("VALIDATOR_TERMINATION_MESSAGE", &message)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let doing = format!("running `{}`", plan.program.display());
    let mut child = command
        .spawn()
        .map_err(|error| start_error(hook, &doing, error))?;
    let group = Group(
        child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)),
    );
    let (lines, mut received) = mpsc::channel(256);
    let readers = [
        child
            .stdout
            .take()
            .map(|pipe| tokio::spawn(read_lines(pipe, lines.clone()))),
        child
            .stderr
            .take()
            .map(|pipe| tokio::spawn(read_lines(pipe, lines.clone()))),
    ];
    drop(lines);
    let limit = plan
        .deadline
        .map_or(context.timeout, |deadline| deadline.min(context.timeout));
    let mut log = Vec::new();
    let end = {
        let timer = tokio::time::sleep(limit);
        tokio::pin!(timer);
        loop {
            tokio::select! {
                Some(line) = received.recv() => keep(hook, context, &mut log, line),
                status = child.wait() => {
                    let status = status.map_err(|error| watch_error(hook, error))?;
                    break ended(status);
                }
                () = &mut timer => break stop(&mut child, &group, End::TimedOut(limit)).await,
                () = context.cancel.cancelled() => break stop(&mut child, &group, End::Cancelled).await,
            }
        }
    };
    // What the process left running must not hold its pipes open, nor outlive the hook.
    group.signal(Signal::KILL);
    let drain = async {
        while let Some(line) = received.recv().await {
            keep(hook, context, &mut log, line);
        }
    };
    if tokio::time::timeout(GRACE, drain).await.is_err() {
        readers
            .iter()
            .flatten()
            .for_each(tokio::task::JoinHandle::abort);
    }
    let termination_message = read_message(&message).await;
    Ok(Ended {
        end,
        log: String::from_utf8_lossy(&log).into_owned(),
        termination_message,
    })
}

fn keep(hook: &Hook, context: &HookContext<'_>, log: &mut Vec<u8>, line: Vec<u8>) {
    log.extend_from_slice(&line);
    log.push(b'\n');
    if log.len() > 2 * LOG_BYTES_MAX {
        log.drain(..log.len() - LOG_BYTES_MAX);
    }
    let line = String::from_utf8_lossy(&line).into_owned();
    context.progress.event(ProgressEvent::HookLog {
        hook: hook.name.clone(),
        line,
    });
}

fn ended(status: std::process::ExitStatus) -> End {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or_default()),
    }
}

/// Asks the group to end, and ends it.
async fn stop(child: &mut Child, group: &Group, end: End) -> End {
    group.signal(Signal::TERM);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        group.signal(Signal::KILL);
        if let Err(error) = child.wait().await {
            tracing::warn!(%error, "a hook's process was not reaped");
        }
    }
    end
}

async fn read_lines(pipe: impl AsyncRead + Unpin, lines: mpsc::Sender<Vec<u8>>) {
    let mut reader = BufReader::new(pipe);
    loop {
        let mut line = Vec::new();
        match (&mut reader)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .await
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                while line
                    .last()
                    .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
                {
                    line.pop();
                }
                if lines.send(line).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn read_message(path: &std::path::Path) -> Option<String> {
    let file = tokio::fs::File::open(path).await.ok()?;
    let mut bytes = Vec::new();
    file.take(TERMINATION_MESSAGE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .await
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn start_error(hook: &Hook, doing: &str, error: std::io::Error) -> HookError {
    HookError::Start {
        hook: hook.name.clone(),
        doing: doing.to_owned(),
        source: error.into(),
    }
}

fn watch_error(hook: &Hook, error: std::io::Error) -> HookError {
    HookError::Watch {
        hook: hook.name.clone(),
        doing: "waiting for its process".into(),
        source: error.into(),
    }
}

/// A process group, which is killed when the run is dropped.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.0 {
            // It fails only when nothing of the group is left.
            let _gone = kill_process_group(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// A folder of our own for one run.
struct Scratch {
    path: std::path::PathBuf,
}

impl Scratch {
    fn make() -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let moment = chrono::Utc::now().timestamp_nanos_opt().unwrap_or_default();
        let path = std::env::temp_dir().join(format!(
            "deployer-hook-{}-{count}-{moment}",
            std::process::id()
        ));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a scratch folder was left behind");
        }
    }
}
