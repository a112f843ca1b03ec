//! Latency as a HdrHistogram log (`.hlog`): one tagged histogram for each measurement, to be plotted
//! or added up with those of other runs.
//!
//! Source: HdrHistogram 2.2 (Java), `HistogramLogWriter`; values in nanoseconds, maxima in
//! milliseconds as there.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use verdict::report::{LatencySection, Report};

/// Nanoseconds of a millisecond.
const MAX_VALUE_DIVISOR: f64 = 1e6;

/// Renders every latency measurement under the name of its check; nothing where no call was timed.
#[must_use]
pub fn render_hlog(report: &Report) -> Option<String> {
    let measured = report.latencies();
    let mut measured = measured
        .filter(|(latency, _)| latency.samples > 0)
        .peekable();
    measured.peek()?;
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new();
    log.add_comment(&format!("[validator {}]", report.brief.validator_version))
        .with_max_value_divisor(MAX_VALUE_DIVISOR);
    if let Ok(start) = DateTime::parse_from_rfc3339(&report.brief.started_at) {
        let start = SystemTime::from(start);
        log.with_start_time(start).with_base_time(start);
    }
    let mut log = log.begin_log_with(&mut bytes, &mut serializer).ok()?;
    let mut start = Duration::ZERO;
    for (latency, check) in measured {
        // The report does not say how long each took: calls are laid end to end, those of an open
        // loop with the time that they waited.
        let length_s = latency.mean_ms * latency.samples as f64 / 1e3;
        let length = Duration::try_from_secs_f64(length_s).ok()?;
        let tag = Tag::new(&check.metric);
        log.write_histogram(&histogram(latency), start, length, tag)
            .ok()?;
        start = start.checked_add(length)?;
    }
    String::from_utf8(bytes).ok()
}

/// Returns the measurement's histogram in nanoseconds.
fn histogram(latency: &LatencySection) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).expect("three figures are few enough");
    for &(lower_us, upper_us, count) in &latency.histogram_us {
        let middle_ns = f64::midpoint(lower_us, upper_us) * 1e3;
        histogram
            .record_n(middle_ns.round() as u64, count)
            .expect("it grows as it must");
    }
    histogram
}
