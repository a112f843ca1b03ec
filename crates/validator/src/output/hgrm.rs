//! Latency as a percentile distribution (`.hgrm`), which HdrHistogram's plotters read.
//!
//! Source: HdrHistogram 2.2 (Java), `AbstractHistogram.outputPercentileDistribution`.

use std::fmt::Write as _;

use verdict::report::{LatencySection, Report};

/// Renders the first latency measurement, in milliseconds; nothing where no call was timed.
#[must_use]
pub fn render_hgrm(report: &Report) -> Option<String> {
    let latency = report
        .latency
        .as_ref()
        .filter(|latency| latency.samples > 0)?;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = render(&mut text, latency);
    Some(text)
}

fn render(text: &mut String, latency: &LatencySection) -> std::fmt::Result {
    let total: u64 = latency.histogram_us.iter().map(|bucket| bucket.2).sum();
    writeln!(
        text,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut so_far = 0;
    let mut squares = 0.0;
    for &(lower_us, upper_us, count) in &latency.histogram_us {
        so_far += count;
        let middle_ms = (lower_us + upper_us) / 2e3;
        squares += (middle_ms - latency.mean_ms).powi(2) * count as f64;
        let share = so_far as f64 / total as f64;
        write!(text, "{:12.6} {share:2.12} {so_far:10}", upper_us / 1e3)?;
        if so_far < total {
            write!(text, " {:14.2}", 1.0 / (1.0 - share))?;
        }
        writeln!(text)?;
    }
    let deviation = (squares / total as f64).sqrt();
    writeln!(
        text,
        "#[Mean    = {:12.6}, StdDeviation   = {deviation:12.6}]",
        latency.mean_ms
    )?;
    writeln!(
        text,
        "#[Max     = {:12.6}, Total count    = {total:12}]",
        latency.maximum_ms
    )?;
    writeln!(
        text,
        "#[Buckets = {:12}, SubBuckets     = {:12}]",
        latency.histogram_us.len(),
        2048
    )
}
