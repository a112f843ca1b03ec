//! Starting the child, keeping the end of what it prints, and learning how it ended.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes kept of what the child prints.
const TAIL_BYTES_MAX: usize = 4096;
/// How long a child may take to end once its socket is closed, before it is killed.
const END_GRACE: Duration = Duration::from_secs(5);
/// How long to wait for the last of what a dead child printed.
const TAIL_GRACE: Duration = Duration::from_millis(500);
/// Wait between looks at a child that is ending.
const END_POLL: Duration = Duration::from_millis(2);

/// A running child; dropping it kills it.
#[derive(Debug)]
pub(super) struct ChildProcess {
    child: Child,
    tail: Arc<Mutex<VecDeque<u8>>>,
    printed_all: Receiver<()>,
    ended: Option<ExitStatus>,
}

/// How a child ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) signal: Option<i32>,
    pub(super) exit_status: Option<i32>,
    /// Both in words.
    pub(super) status: String,
    pub(super) stderr_tail: String,
}

impl ChildProcess {
    /// Starts `scorer` with `socket` as its standard input and an environment of its own.
    ///
    /// A thread starts the child and then reads what it prints until it ends: the parent-death
    /// signal follows the thread that forked, so that thread must live as long as the child.
    pub(super) fn start(scorer: &Path, socket: UnixStream, threads: usize) -> io::Result<Self> {
        let mut command = command(scorer, socket, threads);
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (started, starting) = mpsc::channel();
        let (printed, printed_all) = mpsc::channel();
        let thread_tail = Arc::clone(&tail);
        std::thread::Builder::new()
            .name("scorer-output".into())
            .spawn(move || {
                let child = command.spawn();
                // The command holds the child's end of the socket; while it lives, the parent
                // would never see the end of a dead child.
                drop(command);
                let stderr = child.map(|mut child| {
                    let stderr = child.stderr.take();
                    (child, stderr)
                });
                match stderr {
                    Ok((child, stderr)) => {
                        if started.send(Ok(child)).is_ok()
                            && let Some(stderr) = stderr
                        {
                            keep_tail(stderr, &thread_tail);
                        }
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
                drop(printed);
            })?;
        let child = starting
            .recv()
            .map_err(|_| io::Error::other("the starting thread ended early"))??;
        Ok(Self {
            child,
            tail,
            printed_all,
            ended: None,
        })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.try_wait().is_none()
    }

    /// Kills the child and collects it; does nothing when it has ended.
    pub(super) fn kill(&mut self) {
        if self.try_wait().is_none() {
            // Fails only for a child that has ended by itself meanwhile.
            drop(self.child.kill());
            self.ended = self.child.wait().ok();
        }
    }

    /// Waits for a child that is ending, kills it when it does not, and says how it ended.
    pub(super) fn reap(&mut self) -> Ended {
        let deadline = Instant::now() + END_GRACE;
        while self.try_wait().is_none() && Instant::now() < deadline {
            std::thread::sleep(END_POLL);
        }
        self.kill();
        // Disconnected, as wanted, or late: what has come until now must do.
        let _ = self.printed_all.recv_timeout(TAIL_GRACE);
        let status = self.ended.unwrap_or_default();
        Ended {
            signal: status.signal(),
            exit_status: status.code(),
            status: describe(status),
            stderr_tail: self.tail(),
        }
    }

    fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    fn tail(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = tail.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Builds the command: nothing of the gate's environment but where libtorch is.
fn command(scorer: &Path, socket: UnixStream, threads: usize) -> Command {
    let mut command = Command::new(scorer);
    command.env_clear();
    if let Some(folders) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", folders);
    }
    // Set before the process starts: OpenBLAS and OpenMP read them once, when they are loaded.
    for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(name, threads.to_string());
    }
    command
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Ctrl-C at the terminal is the gate's to handle.
        .process_group(0);
    command
}

fn keep_tail(mut source: impl Read, tail: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0_u8; 4096];
    while let Ok(count @ 1..) = source.read(&mut buffer) {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(&buffer[..count]);
        let surplus = tail.len().saturating_sub(TAIL_BYTES_MAX);
        tail.drain(..surplus);
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("ended by signal {signal}{}", signal_name(signal)),
        (None, Some(code)) => format!("ended with exit status {code}"),
        (None, None) => "ended".to_owned(),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGABRT => " (abort)",
        libc::SIGBUS => " (bus error)",
        libc::SIGFPE => " (arithmetic error)",
        libc::SIGILL => " (illegal instruction)",
        libc::SIGKILL => " (killed)",
        libc::SIGSEGV => " (segmentation fault)",
        libc::SIGTERM => " (terminated)",
        _ => "",
    }
}
