//! The report in Prometheus' text format, for the textfile collector of node exporter.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use verdict::report::{Check, Outcome, Report};

use super::escape::label;

/// Renders a report, verdict or not.
#[must_use]
pub fn render_prometheus(report: &Report) -> String {
    let brief = &report.brief;
    let mut text = String::new();
    let model = brief.model.sha256.as_deref().unwrap_or_default();
    let outcomes = [
        Outcome::Pass,
        Outcome::Fail,
        Outcome::Inconclusive,
        Outcome::Error,
    ];
    let states = outcomes.iter().map(|outcome| {
        let labels = format!("model_sha256=\"{}\",outcome=\"{outcome}\"", label(model));
        (labels, f64::from(u8::from(*outcome == brief.outcome)))
    });
    let gauge = &mut |name: &str, help: &str, samples: Vec<(String, f64)>| {
        family(&mut text, name, help, &samples);
    };
    gauge(
        "validator_outcome",
        "1 for the outcome of the last run, 0 for the others.",
        states.collect(),
    );
    let plain = |value: f64| vec![(String::new(), value)];
    gauge(
        "validator_exit_code",
        "The exit code of the last run.",
        plain(f64::from(brief.exit_code)),
    );
    gauge(
        "validator_duration_seconds",
        "How long the last run took.",
        plain(brief.duration_s),
    );
    if let Ok(started) = chrono::DateTime::parse_from_rfc3339(&brief.started_at) {
        gauge(
            "validator_started_timestamp_seconds",
            "When the last run started.",
            plain(started.timestamp_millis() as f64 / 1e3),
        );
    }
    let checks = &brief.checks;
    gauge(
        "validator_check_value",
        "The value of each check.",
        of_checks(checks, "", |check| check.value),
    );
    let mut bounds = of_checks(checks, ",bound=\"lower\"", |check| check.lower_bound);
    bounds.extend(of_checks(checks, ",bound=\"upper\"", |check| {
        check.upper_bound
    }));
    gauge(
        "validator_check_bound",
        "The one-sided confidence bounds of each check.",
        bounds,
    );
    let mut limits = of_checks(checks, ",kind=\"minimum\"", |check| check.minimum);
    limits.extend(of_checks(checks, ",kind=\"maximum\"", |check| {
        check.maximum
    }));
    gauge("validator_check_limit", "The limit of each check.", limits);
    gauge(
        "validator_check_passed",
        "1 for a check that passed, 0 for any other.",
        of_checks(checks, "", |check| {
            Some(f64::from(u8::from(check.outcome == Outcome::Pass)))
        }),
    );
    let latency = report.latency.iter().flat_map(|latency| &latency.quantiles);
    gauge(
        "validator_latency_seconds",
        "Latency of single calls.",
        latency
            .map(|entry| {
                (
                    format!("quantile=\"{}\"", entry.quantile),
                    entry.value_ms / 1e3,
                )
            })
            .collect(),
    );
    let first = report.latency.as_ref();
    let measured = |value: Option<f64>| value.map_or_else(Vec::new, &plain);
    gauge(
        "validator_throughput_rows_per_second",
        "Rows that timed calls answered in a second.",
        measured(first.and_then(|latency| latency.throughput_rows_per_s)),
    );
    let start = first.and_then(|latency| latency.model_load_ms.zip(latency.first_call_ms));
    gauge(
        "validator_cold_start_seconds",
        "Loading the model and its first call.",
        measured(start.map(|(load, call)| (load + call) / 1e3)),
    );
    let memory = report.environment.scorer_resident_bytes_max;
    gauge(
        "validator_model_memory_bytes",
        "Most resident memory of the model's process.",
        measured(memory.map(|most| most as f64)),
    );
    let classes = [
        ("positive", brief.dataset.positives),
        ("negative", brief.dataset.negatives),
    ];
    gauge(
        "validator_dataset_rows",
        "Rows that were scored.",
        classes
            .into_iter()
            .filter_map(|(class, rows)| Some((format!("class=\"{class}\""), rows? as f64)))
            .collect(),
    );
    gauge(
        "validator_dataset_rows_dropped",
        "Rows that were left out for nulls.",
        brief
            .dataset
            .rows_dropped
            .map_or_else(Vec::new, |rows| plain(rows as f64)),
    );
    text
}

fn of_checks(
    checks: &[Check],
    further: &str,
    value: impl Fn(&Check) -> Option<f64>,
) -> Vec<(String, f64)> {
    let mut seen = BTreeSet::new();
    checks
        .iter()
        .filter_map(|check| {
            let slice = check.slice.as_deref().unwrap_or_default();
            let labels = format!(
                "check=\"{}\",slice=\"{}\"{further}",
                label(&check.metric),
                label(slice)
            );
            // A series that comes twice would spoil the whole file.
            seen.insert(labels.clone())
                .then_some((labels, value(check)?))
        })
        .collect()
}

fn family(text: &mut String, name: &str, help: &str, samples: &[(String, f64)]) {
    if samples.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in samples {
        let _ = if labels.is_empty() {
            writeln!(text, "{name} {value}")
        } else {
            writeln!(text, "{name}{{{labels}}} {value}")
        };
    }
}
