//! Progress for a person who waits: a bar on a terminal, log lines elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// Tells how far a run is; shared between the threads of a run.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    rows: AtomicU64,
}

impl Progress {
    /// Returns a bar when stderr is a terminal and logs do not go there; else log lines.
    #[must_use]
    pub fn new(logs_to_terminal: bool) -> Self {
        let bar = (std::io::stderr().is_terminal() && !logs_to_terminal).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(TICK);
            bar
        });
        Self {
            bar,
            rows: AtomicU64::new(0),
        }
    }

    /// Returns progress that nobody sees.
    #[must_use]
    pub fn hidden() -> Self {
        Self {
            bar: None,
            rows: AtomicU64::new(0),
        }
    }

    /// Says what is being done now.
    pub fn phase(&self, what: &'static str) {
        tracing::info!(phase = what, "started");
        if let Some(bar) = &self.bar {
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.set_message(what);
        }
    }

    /// Says that rows are being scored from now on.
    pub fn start_rows(&self) {
        self.phase("scoring");
        if let Some(bar) = &self.bar {
            let template = "{spinner} {msg}: {human_pos} rows, {per_sec} ({elapsed})";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
        }
    }

    /// Adds rows that were scored.
    pub fn add_rows(&self, rows: u64) {
        let total = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        tracing::trace!(rows = total, "scored");
        if let Some(bar) = &self.bar {
            bar.set_position(total);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
