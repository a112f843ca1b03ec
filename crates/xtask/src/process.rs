//! Runs other programs so that an interrupt ends them and the caller still gets to clean up.
//!
//! Each child gets its own process group. SIGINT, SIGTERM and SIGHUP end that group; the command that waits
//! then fails with [`Interrupted`], and clean-up code above it runs before xtask ends.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};

/// Process group of the child that runs now; 0 when there is none.
static CHILD_GROUP: AtomicI32 = AtomicI32::new(0);
/// The signal that asked xtask to end; 0 when there was none.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// A signal asked xtask to end; the field is its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interrupted(pub(crate) i32);

impl std::fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "stopped by signal {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// Starts the thread that turns signals into the end of the running child.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) fn watch_signals() -> Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
        .context("failed to install signal handlers")?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            SIGNAL.store(signal, Ordering::SeqCst);
            if let Some(group) = Pid::from_raw(CHILD_GROUP.load(Ordering::SeqCst)) {
                // The child may have ended meanwhile.
                let _ = kill_process_group(group, Signal::TERM);
            }
        }
    });
    Ok(())
}

/// Fails with [`Interrupted`] once a signal has asked xtask to end.
pub(crate) fn check_interrupt() -> Result<()> {
    match SIGNAL.load(Ordering::SeqCst) {
        0 => Ok(()),
        signal => Err(Interrupted(signal).into()),
    }
}

/// Forgets a signal, so that clean-up may run programs of its own; returns it.
pub(crate) fn take_interrupt() -> Option<Interrupted> {
    match SIGNAL.swap(0, Ordering::SeqCst) {
        0 => None,
        signal => Some(Interrupted(signal)),
    }
}

/// Returns cargo in the checkout's root, with the environment that a person's shell would give it.
///
/// `cargo run` sets variables for xtask. Passed on, they would look like changes to build scripts that watch
/// them, and plain `cargo build` and `cargo xtask` would rebuild each other's dependencies for ever.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Returns a command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| {
            let word = word.to_string_lossy();
            if !word.is_empty()
                && word
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_./=:@,%+".contains(c))
            {
                word.into_owned()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Starts `command` in its own process group, without stdin, and remembers the group for signals.
pub(crate) fn start(command: &mut Command) -> Result<Child> {
    check_interrupt()?;
    let child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("failed to start `{}`", shown(command)))?;
    CHILD_GROUP.store(child.id().cast_signed(), Ordering::SeqCst);
    Ok(child)
}

/// Forgets the process group of a child that has ended.
pub(crate) fn ended() {
    CHILD_GROUP.store(0, Ordering::SeqCst);
}

/// Runs `command` with its output shown.
///
/// # Errors
/// When it cannot be started, is interrupted, or ends with another status than 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = start(command)?.wait();
    ended();
    check_interrupt()?;
    let status = status.with_context(|| format!("failed to wait for `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// Runs `command` and returns its output, whatever the status.
///
/// # Errors
/// When it cannot be started or is interrupted.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = start(command)?.wait_with_output();
    ended();
    check_interrupt()?;
    output.with_context(|| format!("failed to wait for `{}`", shown(command)))
}

/// Runs `command` and returns its stdout.
///
/// # Errors
/// As [`run`]; the text carries what the program wrote to stderr.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if !output.status.success() {
        bail!(
            "`{}` failed: {}\n{}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` and forgets its output and status: for clean-up of what may be gone already.
pub(crate) fn attempt(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_a_person_would_type_it() {
        let mut command = Command::new("deployer");
        command.args(["upgrade", "--set", "a b", "it's", ""]);
        assert_eq!(
            shown(&command),
            r"deployer upgrade --set 'a b' 'it'\''s' ''"
        );
    }

    #[test]
    fn a_failing_command_says_its_line_and_its_stderr() {
        let error =
            capture(Command::new("sh").args(["-c", "echo reason >&2; exit 3"])).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("exit status: 3") && text.contains("reason"),
            "{text}"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(format!("{error:#}").contains("failed to start `no-such-program-here`"));
    }
}
