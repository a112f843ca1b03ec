//! Runs a program to its end, with a deadline, and keeps everything it said.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// How long a program may run unless the test says otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(240);

/// A program with its arguments and environment, not yet started.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    folder: Option<PathBuf>,
    input: Vec<u8>,
    time_limit: Duration,
}

/// What a program that has ended left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// The exit status; a signal has no code.
    pub status: ExitStatus,
    /// Everything on stdout.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
    /// Wall time from start to end.
    pub duration: Duration,
}

/// A started program; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    command: String,
    start: Instant,
    time_limit: Duration,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Program {
    /// Starts a description of a run of `path`, free of the caller's AWS and Helm settings.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let program = Self {
            path: path.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            input: Vec::new(),
            time_limit: TIME_LIMIT,
        };
        let inherited = std::env::vars_os().filter_map(|(name, _)| {
            let text = name.to_string_lossy();
            let foreign = ["AWS_", "HELM_", "DEPLOYER_", "VALIDATOR_", "KUBE"]
                .iter()
                .any(|prefix| text.starts_with(prefix));
            foreign.then_some(name.clone())
        });
        inherited
            .fold(program, |program, name| program.without(name))
            .without("MODEL_PATH")
            .without("VALIDATION_DATASET")
            .without("MINIMUM_AUC")
            .without("MAXIMUM_P99_LATENCY_MS")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("NO_COLOR", "1")
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments
            .into_iter()
            .map(|argument| argument.as_ref().to_owned());
        self.arguments.extend(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let pair = (name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self.environment.push(pair);
        self
    }

    /// Sets environment variables.
    #[must_use]
    pub fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        pairs
            .into_iter()
            .fold(self, |program, (name, value)| program.env(name, value))
    }

    /// Removes an inherited environment variable.
    #[must_use]
    pub fn without(mut self, name: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), None));
        self
    }

    /// Sets the working folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_path_buf());
        self
    }

    /// Sets what the program reads on stdin.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets how long the program may run before it is killed and the test fails.
    #[must_use]
    pub fn time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Starts the program and returns at once.
    ///
    /// # Errors
    /// Fails when the program cannot be started.
    pub fn start(&self) -> Result<Running> {
        let mut command = Command::new(&self.path);
        command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let text = self.command_line();
        let start = Instant::now();
        let mut child = command
            .spawn()
            .with_context(|| format!("failed to start `{text}`"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends without reading its input is its own affair.
            let _closed_early = stdin.write_all(&self.input);
        }
        let stdout = child.stdout.take().map(read_in_background);
        let stderr = child.stderr.take().map(read_in_background);
        Ok(Running {
            child,
            command: text,
            start,
            time_limit: self.time_limit,
            stdout,
            stderr,
        })
    }

    /// Runs the program to its end, whatever its exit code.
    ///
    /// # Errors
    /// Fails when it cannot be started or does not end within the time limit.
    pub fn run(&self) -> Result<Output> {
        self.start()?.wait()
    }

    /// Runs the program and demands an exit code.
    ///
    /// # Errors
    /// Shows everything the program said when the code is another.
    pub fn expect(&self, code: i32) -> Result<Output> {
        let output = self.run()?;
        if output.code() != Some(code) {
            bail!("expected exit code {code}\n{}", output.describe());
        }
        Ok(output)
    }

    /// Returns the command line, for messages and shells.
    pub fn command_line(&self) -> String {
        let arguments = self
            .arguments
            .iter()
            .map(|argument| argument.to_string_lossy());
        std::iter::once(self.path.to_string_lossy())
            .chain(arguments)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl Running {
    /// Sends a signal to the program.
    ///
    /// # Errors
    /// Fails when the program has already ended.
    pub fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal)
            .with_context(|| format!("failed to signal `{}`", self.command))
    }

    /// Tells whether the program has ended.
    ///
    /// # Errors
    /// Fails when the system cannot say.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until the program ends.
    ///
    /// # Errors
    /// Kills the program and shows what it said when it exceeds its time limit.
    pub fn wait(mut self) -> Result<Output> {
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if self.start.elapsed() > self.time_limit {
                self.child.kill()?;
                let status = self.child.wait()?;
                let output = self.collect(status)?;
                return Err(anyhow!(
                    "still running after {:.0} s, killed\n{}",
                    self.time_limit.as_secs_f64(),
                    output.describe()
                ));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        self.collect(status)
    }

    fn collect(&mut self, status: ExitStatus) -> Result<Output> {
        let duration = self.start.elapsed();
        let text = |handle: Option<JoinHandle<Vec<u8>>>| -> Result<String> {
            let bytes = match handle {
                Some(handle) => handle.join().map_err(|_| anyhow!("the reader panicked"))?,
                None => Vec::new(),
            };
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Output {
            command: self.command.clone(),
            status,
            stdout: text(self.stdout.take())?,
            stderr: text(self.stderr.take())?,
            duration,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Best effort: the program may end between the question and the kill.
            let _ended_meanwhile = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}

impl Output {
    /// Returns the exit code; none when a signal ended the program.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Parses stdout as one JSON value.
    ///
    /// # Errors
    /// Shows everything the program said when stdout is no JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("stdout is no JSON\n{}", self.describe()))
    }

    /// Demands that stderr contains every one of `parts`.
    ///
    /// # Errors
    /// Names the missing part and shows everything the program said.
    pub fn says(&self, parts: &[&str]) -> Result<&Self> {
        for part in parts {
            if !self.stderr.contains(part) {
                bail!("stderr does not say `{part}`\n{}", self.describe());
            }
        }
        Ok(self)
    }

    /// Demands that no panic and no backtrace reached the user.
    ///
    /// # Errors
    /// Shows everything the program said when it panicked or died by a signal.
    pub fn is_orderly(&self) -> Result<&Self> {
        if self.status.code().is_none() || self.stderr.contains("panicked at") {
            bail!("the program did not end in order\n{}", self.describe());
        }
        Ok(self)
    }

    /// Describes the run for a failure message.
    pub fn describe(&self) -> String {
        format!(
            "command: {}\n{} after {:.1} s\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.status,
            self.duration.as_secs_f64(),
            self.stdout,
            self.stderr
        )
    }
}

fn read_in_background(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A broken pipe keeps what arrived before it.
        let _cut_short = stream.read_to_end(&mut bytes);
        bytes
    })
}
