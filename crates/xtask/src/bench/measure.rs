//! Runs a program and measures it: wall time here, CPU time and memory as the kernel counted them.

use crate::process::{self, shown};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use wait4::Wait4;

/// A program under measurement.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    /// Value of `DEPLOYER_COMPAT`.
    compat: Option<&'static str>,
    /// More variables, such as a HOME of its own.
    pub(super) environment: Vec<(&'static str, OsString)>,
}

/// One call of a program.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) folder: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

/// What one program needed for all calls of a subject.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) wall: Duration,
    pub(super) user: Duration,
    pub(super) system: Duration,
    /// Peak resident set of the largest call, bytes.
    pub(super) memory_bytes_max: u64,
    /// Per call: whether it succeeded, and the digest of its stdout.
    pub(super) outcomes: Vec<Outcome>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) success: bool,
    pub(super) digest: [u8; 32],
}

impl Program {
    pub(super) fn new(name: &'static str, path: PathBuf, compat: Option<&'static str>) -> Self {
        Self {
            name,
            path,
            compat,
            environment: Vec::new(),
        }
    }

    fn command(&self, call: &Call) -> Command {
        let mut command = Command::new(&self.path);
        command.current_dir(&call.folder).args(&call.arguments);
        // Settings of a person's Helm must not reach the measurement.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["HELM_", "DEPLOYER_", "KUBE"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                command.env_remove(&name);
            }
        }
        command.envs(self.compat.map(|compat| ("DEPLOYER_COMPAT", compat)));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Makes the calls one after another.
///
/// Output goes to a file, not through a pipe, so that no reader shares the CPU with the program, and so that this
/// process stays small: the kernel counts the memory of the caller as the start of the callee's peak.
///
/// # Errors
/// When the program cannot be started, or a signal asks for the end.
pub(super) fn run(program: &Program, calls: &[Call]) -> Result<Run> {
    let mut sum = Run {
        wall: Duration::ZERO,
        user: Duration::ZERO,
        system: Duration::ZERO,
        memory_bytes_max: 0,
        outcomes: Vec::with_capacity(calls.len()),
    };
    for call in calls {
        let mut output = tempfile::tempfile()?;
        let mut command = program.command(call);
        command
            .stdout(output.try_clone()?)
            .stderr(std::process::Stdio::null());
        let started = Instant::now();
        let ended = process::start(&mut command)?.wait4();
        let wall = started.elapsed();
        process::ended();
        process::check_interrupt()?;
        let ended = ended.with_context(|| format!("failed to wait for `{}`", shown(&command)))?;
        ensure!(
            ended.status.code().is_some(),
            "`{}` in `{}` was killed: {}",
            shown(&command),
            call.folder.display(),
            ended.status
        );
        sum.wall += wall;
        sum.user += ended.rusage.utime;
        sum.system += ended.rusage.stime;
        sum.memory_bytes_max = sum.memory_bytes_max.max(ended.rusage.maxrss);
        sum.outcomes.push(Outcome {
            success: ended.status.success(),
            digest: digest(&mut output)?,
        });
    }
    Ok(sum)
}

/// What the runs of a program needed, in the middle and at the edges.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Usage {
    pub(super) wall_ms_median: f64,
    pub(super) wall_ms_min: f64,
    pub(super) wall_ms_max: f64,
    pub(super) user_ms_median: f64,
    pub(super) system_ms_median: f64,
    pub(super) memory_mb_max: f64,
}

impl Usage {
    pub(super) fn of(runs: &[Run]) -> Self {
        let wall = sorted(runs, |run| run.wall);
        let memory = runs.iter().map(|run| run.memory_bytes_max).max();
        #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
        let memory_mb_max = memory.unwrap_or_default() as f64 / 1e6;
        Self {
            wall_ms_median: median(&wall),
            wall_ms_min: wall.first().copied().unwrap_or_default(),
            wall_ms_max: wall.last().copied().unwrap_or_default(),
            user_ms_median: median(&sorted(runs, |run| run.user)),
            system_ms_median: median(&sorted(runs, |run| run.system)),
            memory_mb_max,
        }
    }
}

/// Returns one duration of every run, milliseconds, least first.
fn sorted(runs: &[Run], part: impl Fn(&Run) -> Duration) -> Vec<f64> {
    let mut parts: Vec<f64> = runs
        .iter()
        .map(|run| part(run).as_secs_f64() * 1e3)
        .collect();
    parts.sort_by(f64::total_cmp);
    parts
}

/// Returns the middle of sorted numbers, 0 when there are none.
pub(super) fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (Some(upper), 0) => sorted
            .get(middle.wrapping_sub(1))
            .unwrap_or(upper)
            .midpoint(*upper),
        (Some(middle), _) => *middle,
        (None, _) => 0.0,
    }
}

fn digest(file: &mut File) -> Result<[u8; 32]> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    std::io::copy(file, &mut hash)?;
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_added_up_and_their_outputs_told_apart() {
        let shell = Program::new("sh", "/bin/sh".into(), Some("helm4"));
        let call = |script: &str| Call {
            folder: "/".into(),
            arguments: vec!["-c".into(), script.into()],
        };
        let run = run(
            &shell,
            &[
                call("echo $DEPLOYER_COMPAT"),
                call("echo helm4"),
                call("echo other; exit 1"),
            ],
        )
        .unwrap();
        assert_eq!(run.outcomes[0], run.outcomes[1]);
        assert_ne!(run.outcomes[1].digest, run.outcomes[2].digest);
        assert!(run.outcomes[1].success && !run.outcomes[2].success);
        assert!(run.memory_bytes_max > 0 && run.wall > Duration::ZERO);
    }

    #[test]
    fn a_killed_program_fails_the_measurement() {
        let shell = Program::new("sh", "/bin/sh".into(), None);
        let call = Call {
            folder: "/".into(),
            arguments: vec!["-c".into(), "kill -9 $$".into()],
        };
        let error = run(&shell, &[call]).unwrap_err().to_string();
        assert!(error.contains("was killed"), "{error}");
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert!((median(&[1.0, 2.0, 9.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < f64::EPSILON);
        assert!(median(&[]).abs() < f64::EPSILON);
    }
}
