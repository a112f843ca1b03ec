//! What a cluster leaves on the host by nature: found, and removed, after a clean end and after a crash.

use super::config::{Config, Weight};
use crate::process::attempt;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const CGROUPS: &str = "/sys/fs/cgroup";

/// The process that a cluster hangs on; the start time tells it from a later process of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Anchor {
    pid: i32,
    started_ticks: u64,
}

impl Anchor {
    /// Describes a process that runs now.
    pub(super) fn of(pid: u32) -> Result<Self> {
        let pid = i32::try_from(pid)?;
        let (_, started_ticks) =
            parent_and_start(pid).with_context(|| format!("process {pid} ended at once"))?;
        Ok(Self { pid, started_ticks })
    }

    pub(super) fn load(config: &Config) -> Option<Self> {
        serde_json::from_slice(&fs::read(path_of_anchor(config)).ok()?).ok()
    }

    pub(super) fn save(self, config: &Config) -> Result<()> {
        let path = path_of_anchor(config);
        fs::write(&path, serde_json::to_vec(&self)?)
            .with_context(|| format!("failed to write `{}`", path.display()))
    }

    pub(super) fn is_alive(self) -> bool {
        parent_and_start(self.pid).is_some_and(|(_, started)| started == self.started_ticks)
    }

    /// Asks the cluster's PID 1 to end; after `patience` kills the anchor, which takes all with it.
    pub(super) fn end(self, patience: Duration) {
        if !self.is_alive() {
            return;
        }
        let init = all_processes()
            .find(|pid| parent_and_start(*pid).is_some_and(|(parent, _)| parent == self.pid));
        signal(init, Signal::TERM);
        if !self.is_gone_within(patience) {
            signal(Some(self.pid), Signal::KILL);
            signal(init, Signal::KILL);
            self.is_gone_within(Duration::from_secs(5));
        }
    }

    fn is_gone_within(self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_alive() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }
}

fn path_of_anchor(config: &Config) -> PathBuf {
    config.state.join("anchor.json")
}

fn signal(pid: Option<i32>, signal: Signal) {
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

fn all_processes() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Reads parent and start time from `/proc/PID/stat`; none for a zombie, which holds nothing.
fn parent_and_start(pid: i32) -> Option<(i32, u64)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<(i32, u64)> {
    // The program's name stands in parentheses and may hold any character.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    Some((fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?))
}

/// Makes the cgroup that all pods of this cluster live in.
///
/// # Errors
/// When the cgroup file system cannot be written, as in an unprivileged container.
pub(super) fn make_cgroups(config: &Config) -> Result<()> {
    let unified = Path::new(CGROUPS).join("cgroup.controllers");
    if unified.exists() {
        for controller in ["cpu", "cpuset", "memory", "pids", "io", "hugetlb"] {
            // Kubelet names what it misses.
            let _ = fs::write(
                Path::new(CGROUPS).join("cgroup.subtree_control"),
                format!("+{controller}"),
            );
        }
    }
    for folder in cgroup_folders(config) {
        fs::create_dir_all(&folder)
            .with_context(|| format!("failed to make the cgroup `{}`", folder.display()))?;
    }
    Ok(())
}

/// Returns the cluster's folder in each cgroup hierarchy, there or not.
fn cgroup_folders(config: &Config) -> Vec<PathBuf> {
    let root = Path::new(CGROUPS);
    if root.join("cgroup.controllers").exists() {
        return vec![root.join(&config.name)];
    }
    let Ok(entries) = root.read_dir() else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| !path.is_symlink() && path.join("cgroup.procs").exists())
        .map(|path| path.join(&config.name))
        .collect()
}

fn remove_cgroup(folder: &Path) {
    let Ok(entries) = folder.read_dir() else {
        return;
    };
    for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
        remove_cgroup(&entry.path());
    }
    // A cgroup with a dying process is tried again by the caller.
    let _ = fs::remove_dir(folder);
}

/// Removes what is left on the host once the processes are gone.
pub(super) fn clear(config: &Config) {
    if config.weight == Weight::Light {
        return;
    }
    if Path::new("/sys/class/net").join(config.link()).exists() {
        attempt(Command::new("ip").args(["link", "delete", &config.link()]));
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let left: Vec<_> = cgroup_folders(config)
            .into_iter()
            .filter(|folder| folder.exists())
            .collect();
        if left.is_empty() || Instant::now() > deadline {
            break;
        }
        left.iter().for_each(|folder| remove_cgroup(folder));
        std::thread::sleep(Duration::from_millis(50));
    }
    for folder in super::boot::MASKED {
        // Only when nobody else put anything there.
        let _ = fs::remove_dir(folder);
    }
}

/// Whether `line` speaks of this cluster's folder, and not of one whose longer number begins alike.
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, found)| {
        let after = line[at + found.len()..].chars().next();
        !after.is_some_and(|character| character.is_ascii_digit())
    })
}

/// Lists every process, link, mount and cgroup of the cluster that is still there.
pub(super) fn remains(config: &Config) -> Vec<String> {
    let mark = config.state.display().to_string();
    let own = std::process::id().cast_signed();
    let mut found: Vec<String> = all_processes()
        .filter(|pid| *pid != own && parent_and_start(*pid).is_some())
        .filter_map(|pid| {
            let line = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).ok()?)
                .replace('\0', " ");
            names(&line, &mark).then(|| {
                format!(
                    "process {pid}: {}",
                    line.chars().take(120).collect::<String>()
                )
            })
        })
        .collect();
    if Path::new("/sys/class/net").join(config.link()).exists() {
        found.push(format!("link {}", config.link()));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    found.extend(
        mounts
            .lines()
            .filter(|line| names(line, &mark))
            .map(|line| format!("mount {line}")),
    );
    if config.weight == Weight::Full {
        let folders = cgroup_folders(config)
            .into_iter()
            .filter(|folder| folder.exists());
        found.extend(folders.map(|folder| format!("cgroup {}", folder.display())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_number_is_another_cluster() {
        assert!(names("/cache/mld7/init cluster-init", "/cache/mld7"));
        assert!(names("31 25 0:27 / /cache/mld7 rw", "/cache/mld7"));
        assert!(!names("/cache/mld71/init cluster-init", "/cache/mld7"));
    }

    #[test]
    fn parent_and_start_are_read_past_any_program_name() {
        let fields = (4..=25)
            .map(|field| field.to_string())
            .collect::<Vec<_>>()
            .join(" ");
        assert_eq!(parse_stat(&format!("7 (a ) b) S {fields}")), Some((4, 22)));
        assert_eq!(parse_stat(&format!("7 (a) Z {fields}")), None);
    }

    #[test]
    fn a_running_process_is_alive_until_it_ends() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let anchor = Anchor::of(child.id()).unwrap();
        assert!(anchor.is_alive());
        let impostor = Anchor {
            started_ticks: anchor.started_ticks + 1,
            ..anchor
        };
        assert!(
            !impostor.is_alive(),
            "another process of the same number counts as the cluster"
        );
        anchor.end(Duration::ZERO);
        assert!(!anchor.is_alive());
        child.wait().unwrap();
    }
}
