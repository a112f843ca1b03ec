//! Counters, and their text for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How the cache took part in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CacheOutcome {
    Hit,
    Miss,
    /// It failed; the model was asked.
    Failed,
    /// There is none.
    Off,
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<u16, u64>>,
    duration_ns: AtomicU64,
    pub(crate) cache_hits: AtomicU64,
    pub(crate) cache_misses: AtomicU64,
    pub(crate) cache_failures: AtomicU64,
    pub(crate) feature_lookups: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) publish_failures: AtomicU64,
}

impl Metrics {
    /// Counts one answered request.
    pub(crate) fn answered(&self, status: u16, duration: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(status).or_default() += 1;
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.duration_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Counts the cache's part in a request.
    pub(crate) fn cache(&self, outcome: CacheOutcome) {
        let counter = match outcome {
            CacheOutcome::Hit => &self.cache_hits,
            CacheOutcome::Miss => &self.cache_misses,
            CacheOutcome::Failed => &self.cache_failures,
            CacheOutcome::Off => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the text that Prometheus scrapes (exposition format 0.0.4).
    pub(crate) fn text(&self, ready: bool) -> String {
        let mut text = String::with_capacity(2048);
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, ready);
        text
    }

    fn write(&self, text: &mut String, ready: bool) -> std::fmt::Result {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(
            text,
            "# HELP preprocessing_ready Whether every needed peer has been reached.\n# TYPE preprocessing_ready gauge\npreprocessing_ready {}",
            u8::from(ready)
        )?;
        writeln!(
            text,
            "# HELP preprocessing_requests_total Requests by status.\n# TYPE preprocessing_requests_total counter"
        )?;
        for (status, count) in requests.iter() {
            writeln!(
                text,
                "preprocessing_requests_total{{status=\"{status}\"}} {count}"
            )?;
        }
        let seconds = self.duration_ns.load(Ordering::Relaxed) as f64 / 1e9;
        let count: u64 = requests.values().sum();
        writeln!(
            text,
            "# HELP preprocessing_request_duration_seconds Time from request to answer.\n# TYPE preprocessing_request_duration_seconds summary\npreprocessing_request_duration_seconds_sum {seconds}\npreprocessing_request_duration_seconds_count {count}"
        )?;
        for (name, help, counter) in [
            (
                "cache_hits",
                "Predictions that the cache had.",
                &self.cache_hits,
            ),
            (
                "cache_misses",
                "Predictions that the cache had not.",
                &self.cache_misses,
            ),
            (
                "cache_failures",
                "Requests that went past a failing cache.",
                &self.cache_failures,
            ),
            (
                "feature_lookups",
                "Questions to the feature store.",
                &self.feature_lookups,
            ),
            (
                "results_published",
                "Results that the queue took.",
                &self.published,
            ),
            (
                "publish_failures",
                "Results that the queue did not take.",
                &self.publish_failures,
            ),
        ] {
            let value = counter.load(Ordering::Relaxed);
            writeln!(
                text,
                "# HELP preprocessing_{name}_total {help}\n# TYPE preprocessing_{name}_total counter\npreprocessing_{name}_total {value}"
            )?;
        }
        Ok(())
    }
}
