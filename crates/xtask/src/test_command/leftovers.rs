//! Finds processes that the tests started and did not end, by a mark in their environment.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::Command;

/// Variable that every process below a test run carries.
const VARIABLE: &str = "E2E_RUN";

/// The mark of one run.
#[derive(Debug)]
pub(super) struct Mark(String);

impl Mark {
    /// Makes a mark that no other run on this machine has.
    pub(super) fn new() -> Self {
        let moment = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_nanos();
        Self(format!("{}-{moment}", std::process::id()))
    }

    /// Puts the mark on a command and on all that it starts.
    pub(super) fn put_on(&self, command: &mut Command) {
        command.env(VARIABLE, &self.0);
    }

    /// Ends what still carries the mark and says what that was.
    pub(super) fn end_rest(&self) -> Vec<String> {
        let wanted = format!("{VARIABLE}={}", self.0);
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| {
                fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
                    environment
                        .split(|byte| *byte == 0)
                        .any(|entry| entry == wanted.as_bytes())
                })
            })
            .map(|pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                // It may have ended meanwhile.
                let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
                format!(
                    "process {pid}: {}",
                    String::from_utf8_lossy(&line).replace('\0', " ").trim()
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_outlives_its_parent_is_found_and_ended() {
        let mark = Mark::new();
        let mut command = Command::new("sh");
        mark.put_on(command.args(["-c", "sleep 300 >/dev/null 2>&1 & echo $!"]));
        let output = command.output().unwrap();
        let pid = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        let found = mark.end_rest();
        assert_eq!(found, [format!("process {pid}: sleep 300")]);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !mark.end_rest().is_empty() {
            assert!(
                std::time::Instant::now() < deadline,
                "process {pid} does not end"
            );
        }
    }
}
