//! What the machine grants and what was used: memory limits, peak memory, throttling; and the
//! model's digest.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ThrottleEvidence;

const CGROUP_ROOT: &str = "/sys/fs/cgroup";
/// Part of the container's memory that the model may take by default, in percent; the rest is
/// the gate's. Kept below the whole because a container that runs out is killed with the gate.
const AUTOMATIC_PERCENT: u64 = 75;

/// Memory that the child may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLimit {
    /// Three quarters of the container's memory, or of the machine's.
    Automatic,
    /// This many bytes.
    Bytes(u64),
    /// As much as there is.
    Unlimited,
}

impl MemoryLimit {
    /// Returns the limit in bytes, `None` for none.
    #[must_use]
    pub fn bytes(self) -> Option<u64> {
        match self {
            Self::Automatic => {
                let granted = [cgroup_memory_max(), machine_memory()];
                let least = granted.into_iter().flatten().min()?;
                Some(least / 100 * AUTOMATIC_PERCENT)
            }
            Self::Bytes(bytes) => Some(bytes),
            Self::Unlimited => None,
        }
    }
}

/// Processor statistics of this process's cgroup, counted since the group was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct CgroupThrottling(ThrottleEvidence);

impl CgroupThrottling {
    pub(super) fn until(self, later: Self) -> ThrottleEvidence {
        ThrottleEvidence {
            periods: later.0.periods.saturating_sub(self.0.periods),
            throttled_periods: later
                .0
                .throttled_periods
                .saturating_sub(self.0.throttled_periods),
            throttled_us: later.0.throttled_us.saturating_sub(self.0.throttled_us),
        }
    }
}

/// Reads `cpu.stat`; the child shares the group, so the numbers are also its own.
pub(super) fn cgroup_throttling() -> Option<CgroupThrottling> {
    let text = cgroup_file("cpu.stat")?;
    parse_throttling(&text)
}

fn parse_throttling(text: &str) -> Option<CgroupThrottling> {
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    Some(CgroupThrottling(ThrottleEvidence {
        periods: field("nr_periods ")?,
        throttled_periods: field("nr_throttled ")?,
        throttled_us: field("throttled_usec ")
            .or_else(|| field("throttled_time ").map(|nanoseconds| nanoseconds / 1_000))?,
    }))
}

fn cgroup_memory_max() -> Option<u64> {
    // The word `max` means no limit and does not parse.
    cgroup_file("memory.max")?.trim().parse().ok()
}

/// Reads a file of this process's group (version 2), or of the root that a container sees.
fn cgroup_file(name: &str) -> Option<String> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let candidates: [PathBuf; 2] = [
        Path::new(CGROUP_ROOT).join(own.trim_start_matches('/')),
        PathBuf::from(CGROUP_ROOT),
    ];
    candidates
        .iter()
        .find_map(|folder| std::fs::read_to_string(folder.join(name)).ok())
}

fn machine_memory() -> Option<u64> {
    kibibytes_field(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
}

/// Returns the most resident memory that a process has had, bytes.
pub(super) fn peak_memory_bytes(process_id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process_id}/status")).ok()?;
    kibibytes_field(&status, "VmHWM:")
}

fn kibibytes_field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Returns the SHA-256 of a file in hexadecimal; does not move its position.
pub(super) fn model_digest(file: &File) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 20];
    let mut offset = 0_u64;
    loop {
        match file.read_at(&mut buffer, offset)? {
            0 => return Ok(hex::encode(digest.finalize())),
            count => {
                digest.update(&buffer[..count]);
                offset += count as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn throttling_is_read_from_both_versions_of_cgroups() {
        let version_2 = "usage_usec 5\nnr_periods 10\nnr_throttled 2\nthrottled_usec 700\n";
        let version_1 = "nr_periods 14\nnr_throttled 3\nthrottled_time 900000\n";
        let before = parse_throttling(version_2).unwrap();
        let change = before.until(parse_throttling(version_1).unwrap());
        let expected = ThrottleEvidence {
            periods: 4,
            throttled_periods: 1,
            throttled_us: 200,
        };
        assert_eq!(change, expected);
        assert!(parse_throttling("usage_usec 5\n").is_none());
    }

    #[test]
    fn the_automatic_limit_is_below_the_machines_memory() {
        let limit = MemoryLimit::Automatic.bytes().unwrap();
        assert!(limit > 0 && limit < machine_memory().unwrap());
    }

    #[test]
    fn the_digest_is_that_of_the_whole_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(model_digest(&file).unwrap(), known);
        assert!(peak_memory_bytes(std::process::id()).unwrap() > 1 << 20);
    }
}
