//! Skipping aloud: a test that lacks what it needs says so, past the test runner's capture.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};

static SKIPPED: AtomicUsize = AtomicUsize::new(0);

/// Reports that a test cannot run here, or fails where nothing may be skipped.
///
/// The line goes straight to stderr, so that it shows although the test passes.
///
/// # Errors
/// Fails when `E2E_REQUIRE=1`, which `cargo xtask test` sets once it has set everything up.
pub fn aloud(reason: &str) -> Result<()> {
    if required() {
        bail!("E2E_REQUIRE=1, but {reason}");
    }
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("unnamed test");
    let line = format!("SKIPPED e2e: {test}: {reason} ({count} skipped in this binary so far)\n");
    std::io::stderr().write_all(line.as_bytes())?;
    Ok(())
}

/// Says what a test found, past the test runner's capture: a count, or what was not there to check.
pub fn note(text: &str) {
    // A closed stderr is no failure of the test.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Tells whether a missing prerequisite is a failure.
pub fn required() -> bool {
    std::env::var("E2E_REQUIRE").is_ok_and(|value| value == "1")
}
