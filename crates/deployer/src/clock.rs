//! The seam to time: the machine's clock, and one that tests move by hand.

use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Tells the time that goes into records, and how much of it passed.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Returns the present moment; a clock may be wrong, and may be set back.
    fn now(&self) -> DateTime<Utc>;

    /// Returns the time since a moment that is fixed for this process. It never goes back, and
    /// counts while the machine sleeps: leases are measured by it.
    fn elapsed(&self) -> Duration;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn elapsed(&self) -> Duration {
        static START: OnceLock<(Instant, Duration)> = OnceLock::new();
        let (instant, at_start) = *START.get_or_init(|| (Instant::now(), uptime()));
        // `Instant` stands still while the machine sleeps, and the uptime, which does not, counts
        // whole seconds.
        let slept = uptime().saturating_sub(at_start + Duration::from_secs(1));
        instant.elapsed().max(slept)
    }
}

/// Returns how long the machine has been up, sleep included, in whole seconds.
#[cfg(target_os = "linux")]
fn uptime() -> Duration {
    let seconds = rustix::system::sysinfo().uptime;
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

#[cfg(not(target_os = "linux"))]
fn uptime() -> Duration {
    Duration::ZERO
}

/// A clock that is moved by hand; its [`Clock::elapsed`] also counts what tasks slept, so that a
/// wait in a runtime with paused time ends.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<DateTime<Utc>>,
    start: (DateTime<Utc>, tokio::time::Instant),
}

impl ManualClock {
    /// Makes a clock that stands at `now`.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self {
            now: Mutex::new(now),
            start: (now, tokio::time::Instant::now()),
        }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self
            .now
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *now += chrono::Duration::from_std(by).unwrap_or(chrono::Duration::MAX);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self
            .now
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn elapsed(&self) -> Duration {
        let (moment, instant) = self.start;
        let moved = (self.now() - moment).to_std().unwrap_or_default();
        moved + instant.elapsed()
    }
}
