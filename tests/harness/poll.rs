//! Waiting for something to become true, with a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The pause between two looks.
const INTERVAL: Duration = Duration::from_millis(50);

/// Asks `probe` until it answers, and returns its answer.
///
/// # Errors
/// Says what was waited for, and for how long, when the deadline passes; an error of `probe`
/// itself ends the wait at once.
pub fn until<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = probe()? {
            return Ok(answer);
        }
        if start.elapsed() > deadline {
            bail!("{what}: not within {:.1} s", deadline.as_secs_f64());
        }
        std::thread::sleep(INTERVAL);
    }
}
