//! Counts what `cargo test` reports while it passes the report on.

use crate::process::{self, shown};
use anyhow::{Context, Result, bail};
use std::fmt::{self, Display};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;

/// The sum over all test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    /// Ignored by attribute, or skipped aloud for lack of what they need.
    skipped: u64,
    /// Names of the tests that failed.
    pub(super) failures: Vec<String>,
}

impl Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

impl Tally {
    /// Runs `cargo test`, hands its output on line by line and counts.
    ///
    /// # Errors
    /// When it cannot be started, is interrupted, or fails.
    pub(super) fn run(&mut self, command: &mut Command, mut show: impl FnMut(&str)) -> Result<()> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process::start(command)?;
        let (sender, lines) = mpsc::channel();
        let readers = [
            child
                .stdout
                .take()
                .map(|pipe| forward(pipe, sender.clone())),
            child.stderr.take().map(|pipe| forward(pipe, sender)),
        ];
        for line in lines {
            self.count(&line);
            show(&line);
        }
        for reader in readers.into_iter().flatten() {
            // A reader ends with its pipe and cannot fail.
            let _ = reader.join();
        }
        let status = child.wait();
        process::ended();
        process::check_interrupt()?;
        let status = status.with_context(|| format!("failed to wait for `{}`", shown(command)))?;
        if !status.success() {
            bail!("`{}` failed: {status}", shown(command));
        }
        Ok(())
    }

    /// Counts one line of the report.
    fn count(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            let number = |word: &str| -> u64 {
                let before = counts.split(word).next().unwrap_or_default();
                before
                    .split_whitespace()
                    .next_back()
                    .and_then(|digits| digits.parse().ok())
                    .unwrap_or(0)
            };
            self.passed += number(" passed");
            self.failed += number(" failed");
            self.skipped += number(" ignored");
        } else if line.starts_with("SKIPPED ") {
            // The test runner counts it as passed.
            self.passed = self.passed.saturating_sub(1);
            self.skipped += 1;
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
    }
}

fn forward(
    pipe: impl Read + Send + 'static,
    into: mpsc::Sender<String>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { return };
            if into
                .send(
                    String::from_utf8_lossy(&line)
                        .trim_end_matches('\r')
                        .to_owned(),
                )
                .is_err()
            {
                return;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_summed_and_skipped_tests_do_not_count_as_passed() {
        let mut tally = Tally::default();
        for line in [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test gate::refuses ... FAILED",
            "SKIPPED e2e: cluster::installs: no cluster (1 skipped in this binary so far)",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.10s",
        ] {
            tally.count(line);
        }
        assert_eq!(tally.to_string(), "14 passed, 1 failed, 2 skipped");
        assert_eq!(tally.failures, ["gate::refuses"]);
    }

    #[test]
    fn a_failing_run_is_counted_and_reported() {
        let mut tally = Tally::default();
        let script = "echo 'test result: FAILED. 1 passed; 2 failed; 0 ignored'; exit 101";
        let mut shown = Vec::new();
        let error = tally
            .run(Command::new("sh").args(["-c", script]), |line| {
                shown.push(line.to_owned())
            })
            .unwrap_err();
        assert_eq!(shown.len(), 1);
        assert!(error.to_string().contains("exit status: 101"), "{error}");
        assert_eq!(tally.to_string(), "1 passed, 2 failed, 0 skipped");
    }
}
