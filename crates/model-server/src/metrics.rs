//! Counters and histograms, and their text for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the histograms' buckets, seconds.
const BOUNDS_S: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<u16, u64>>,
    pub(crate) rows: AtomicU64,
    pub(crate) scorer_starts: AtomicU64,
    pub(crate) scorer_failures: AtomicU64,
    pub(crate) request: Histogram,
    pub(crate) call: Histogram,
}

/// Durations, counted by bucket.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS_S.len() + 1],
    sum_ns: AtomicU64,
}

impl Histogram {
    pub(crate) fn record(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS_S.partition_point(|bound| *bound < seconds);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn write(&self, text: &mut String, name: &str, help: &str) -> std::fmt::Result {
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram")?;
        let mut total = 0;
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS_S) {
            total += bucket.load(Ordering::Relaxed);
            writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {total}")?;
        }
        total += self.buckets[BOUNDS_S.len()].load(Ordering::Relaxed);
        let sum = self.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
        writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {total}")?;
        writeln!(text, "{name}_sum {sum}\n{name}_count {total}")
    }
}

/// What is not counted but known at the moment of asking.
#[derive(Debug, Default)]
pub(crate) struct Moment {
    pub(crate) ready: bool,
    pub(crate) sha256: String,
    pub(crate) version: String,
    pub(crate) decision_threshold: f64,
    pub(crate) scorer_memory_bytes: Option<u64>,
}

impl Metrics {
    /// Counts one answered prediction request.
    pub(crate) fn answered(&self, status: u16, duration: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry(status).or_default() += 1;
        self.request.record(duration);
    }

    /// Returns the text that Prometheus scrapes (exposition format 0.0.4).
    pub(crate) fn text(&self, moment: &Moment) -> String {
        let mut text = String::with_capacity(4096);
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, moment);
        text
    }

    fn write(&self, text: &mut String, moment: &Moment) -> std::fmt::Result {
        let mut single = |name: &str, kind: &str, help: &str, value: String| {
            writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
            )
        };
        let counter = |value: &AtomicU64| value.load(Ordering::Relaxed).to_string();
        single(
            "model_server_ready",
            "gauge",
            "Whether the model can be asked.",
            u8::from(moment.ready).to_string(),
        )?;
        single(
            "model_server_decision_threshold",
            "gauge",
            "Probability at or above which the decision is true.",
            moment.decision_threshold.to_string(),
        )?;
        single(
            "model_server_rows_total",
            "counter",
            "Rows predicted.",
            counter(&self.rows),
        )?;
        single(
            "model_server_scorer_starts_total",
            "counter",
            "Starts of the scorer process.",
            counter(&self.scorer_starts),
        )?;
        single(
            "model_server_scorer_failures_total",
            "counter",
            "Ends of the scorer process that nobody asked for, and failed starts.",
            counter(&self.scorer_failures),
        )?;
        if let Some(bytes) = moment.scorer_memory_bytes {
            single(
                "model_server_scorer_peak_memory_bytes",
                "gauge",
                "Most resident memory of the scorer process.",
                bytes.to_string(),
            )?;
        }
        let info = format!(
            "{{sha256=\"{}\",version=\"{}\"}} 1",
            escaped(&moment.sha256),
            escaped(&moment.version)
        );
        writeln!(
            text,
            "# HELP model_server_model_info The model that is served.\n# TYPE model_server_model_info gauge\nmodel_server_model_info{info}"
        )?;
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(
            text,
            "# HELP model_server_requests_total Prediction requests by status.\n# TYPE model_server_requests_total counter"
        )?;
        for (status, count) in requests.iter() {
            writeln!(
                text,
                "model_server_requests_total{{status=\"{status}\"}} {count}"
            )?;
        }
        self.request.write(
            text,
            "model_server_request_duration_seconds",
            "Time from request to answer.",
        )?;
        self.call.write(
            text,
            "model_server_model_call_duration_seconds",
            "Time of one call of the model.",
        )
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_bounds_belong_to_their_bucket() {
        let histogram = Histogram::default();
        for microseconds in [100, 101, 9_000_000] {
            histogram.record(Duration::from_micros(microseconds));
        }
        let mut text = String::new();
        histogram.write(&mut text, "x", "help").unwrap();
        assert!(text.contains("x_bucket{le=\"0.0001\"} 1\n"), "{text}");
        assert!(text.contains("x_bucket{le=\"0.00025\"} 2\n"), "{text}");
        assert!(text.contains("x_bucket{le=\"5\"} 2\n"), "{text}");
        assert!(text.contains("x_bucket{le=\"+Inf\"} 3\n"), "{text}");
        assert!(text.contains("x_count 3"), "{text}");
    }

    #[test]
    fn labels_are_escaped() {
        let moment = Moment {
            version: "a\"b\\".into(),
            ..Moment::default()
        };
        assert!(
            Metrics::default()
                .text(&moment)
                .contains(r#"version="a\"b\\""#)
        );
    }
}
