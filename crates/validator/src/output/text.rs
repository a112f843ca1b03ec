//! The verdict and errors as text for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use verdict::report::{Brief, Check, DatasetSection, LatencySection, Outcome, Report};

use super::numbers::{bytes, count, limit_ms, milliseconds, milliseconds_beside, share};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default();

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

fn word(outcome: Outcome) -> String {
    match outcome {
        Outcome::Pass => paint(GREEN, "PASS"),
        Outcome::Fail => paint(RED, "FAIL"),
        Outcome::Inconclusive => paint(YELLOW, "INCONCLUSIVE"),
        Outcome::Error => paint(RED, "ERROR"),
    }
}

/// Renders a report that holds a verdict.
#[must_use]
pub fn render_report(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = render_subjects(&mut text, report);
    let _ = render_checks(&mut text, &report.brief);
    if let Some(reused) = &report.brief.reused {
        let _ = writeln!(
            text,
            "{}   the verdict of the run of {}, for the same model, dataset and gate; no row was scored and no call timed now\n",
            paint(BOLD, "reused"),
            reused.started_at
        );
    }
    if let Some(latency) = &report.latency {
        let _ = render_latency(&mut text, latency);
    }
    let _ = render_verdict(&mut text, &report.brief);
    text
}

fn render_subjects(text: &mut String, report: &Report) -> std::fmt::Result {
    if let Some(model) = &report.model {
        let digest = model.sha256.get(..12).unwrap_or(&model.sha256);
        writeln!(
            text,
            "{}    {}  {}",
            paint(BOLD, "model"),
            model.uri,
            paint(
                DIM,
                &format!(
                    "(sha256 {digest}…, {}, loaded in {})",
                    bytes(model.bytes),
                    milliseconds(model.load_ms)
                )
            )
        )?;
    }
    if let Some(dataset) = &report.dataset {
        if let Some(classes) = &report.multiclass {
            let rows: Vec<String> = classes.rows_by_class.iter().copied().map(count).collect();
            let what = format!(
                "{} rows in {} classes: {}",
                count(classes.rows),
                rows.len(),
                rows.join(", ")
            );
            render_dataset(text, report, dataset, &what)?;
        }
        if let Some(metrics) = &report.metrics {
            let what = format!(
                "{} rows: {} positive, {} negative",
                count(metrics.rows),
                count(metrics.positives),
                count(metrics.negatives)
            );
            render_dataset(text, report, dataset, &what)?;
        }
    }
    if let Some(identity) = &report.environment.s3 {
        writeln!(
            text,
            "{}       {}",
            paint(BOLD, "s3"),
            paint(DIM, &identity.to_string())
        )?;
    }
    writeln!(text)
}

fn render_dataset(
    text: &mut String,
    report: &Report,
    dataset: &DatasetSection,
    rows: &str,
) -> std::fmt::Result {
    let files = if dataset.files_total == 1 {
        "file"
    } else {
        "files"
    };
    let shards = report
        .shards
        .map_or_else(String::new, |shards| format!("; {} shards", count(shards)));
    let dropped = dataset.nulls.as_ref().map_or(0, |nulls| nulls.rows_dropped);
    let dropped = match dropped {
        0 => String::new(),
        rows => format!("; {} dropped for nulls", count(rows)),
    };
    let details = format!(
        "({} {files}, {rows}{dropped}; {} features{shards})",
        count(dataset.files_total),
        count(dataset.width)
    );
    writeln!(
        text,
        "{}  {}  {}",
        paint(BOLD, "dataset"),
        dataset.uri,
        paint(DIM, &details)
    )
}

/// One line of the table, its cells not yet padded.
pub(super) fn cells(check: &Check) -> [String; 4] {
    let is_latency = is_milliseconds(&check.metric);
    let limit = check.minimum.or(check.maximum).unwrap_or(f64::NAN);
    let near = |value| {
        if is_latency {
            milliseconds_beside(value, limit)
        } else {
            share(value, limit)
        }
    };
    let bounds = match (check.lower_bound, check.upper_bound) {
        (Some(lower), Some(upper)) => format!("{} to {}", near(lower), near(upper)),
        (Some(lower), None) => format!("from {}", near(lower)),
        (None, Some(upper)) => format!("up to {}", near(upper)),
        (None, None) => "none".to_owned(),
    };
    let limit_text = if is_latency {
        limit_ms(limit)
    } else {
        share(limit, check.value.unwrap_or(f64::NAN))
    };
    let relation = if check.minimum.is_some() {
        "at least"
    } else {
        "at most"
    };
    [
        title(check),
        check.value.map_or_else(|| "undefined".to_owned(), near),
        bounds,
        format!("{relation} {limit_text}"),
    ]
}

/// Tells whether a check's numbers are milliseconds.
pub(super) fn is_milliseconds(metric: &str) -> bool {
    metric.starts_with("latency_ms_") || metric == "cold_start_ms"
}

/// Returns what a check is called in tables, with its part of the data.
pub(super) fn title(check: &Check) -> String {
    let name = display_name(&check.metric);
    match &check.slice {
        Some(slice) => format!("{name} [{slice}]"),
        None => name,
    }
}

/// Returns what a check without its slice is called in tables.
pub(super) fn display_name(metric: &str) -> String {
    match metric {
        "auc" => "AUC".to_owned(),
        other => other.strip_prefix("latency_ms_").map_or_else(
            || other.to_owned(),
            |rest| format!("latency {}", rest.replacen('_', " ", 1)),
        ),
    }
}

/// Lays cells out in columns, the head dimmed; lines end where their text ends.
pub(super) fn table<const COLUMNS: usize>(
    head: &[String; COLUMNS],
    rows: &[[String; COLUMNS]],
) -> String {
    let widths: Vec<usize> = (0..COLUMNS)
        .map(|column| {
            let all = rows.iter().chain([head]);
            let widths = all.map(|row| row[column].chars().count());
            widths.max().unwrap_or_default()
        })
        .collect();
    let line = |row: &[String; COLUMNS]| {
        let padded: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text = paint(DIM, &line(head));
    for row in rows {
        text.push('\n');
        text.push_str(&line(row));
    }
    text.push('\n');
    text
}

fn render_checks(text: &mut String, brief: &Brief) -> std::fmt::Result {
    let head = ["check", "value", "95% bounds", "limit", ""].map(str::to_owned);
    let rows: Vec<[String; 5]> = brief
        .checks
        .iter()
        .map(|check| {
            let [name, value, bounds, limit] = cells(check);
            [name, value, bounds, limit, word(check.outcome)]
        })
        .collect();
    writeln!(text, "{}", table(&head, &rows))
}

fn render_latency(text: &mut String, latency: &LatencySection) -> std::fmt::Result {
    let quantiles: Vec<String> = latency
        .quantiles
        .iter()
        .map(|entry| {
            let name = entry.quantile * 100.0;
            format!(
                "p{} {}",
                (name * 1000.0).round() / 1000.0,
                milliseconds(entry.value_ms)
            )
        })
        .collect();
    writeln!(
        text,
        "{}  {}  {}",
        paint(BOLD, "latency"),
        quantiles.join("  "),
        paint(
            DIM,
            &format!(
                "(n={}, warm-up {}, {} a call)",
                count(latency.samples),
                count(latency.warm_up_calls),
                if latency.batch_rows == 1 {
                    "1 row".to_owned()
                } else {
                    format!("{} rows", count(latency.batch_rows))
                }
            )
        )
    )?;
    writeln!(text)
}

fn render_verdict(text: &mut String, brief: &Brief) -> std::fmt::Result {
    let mut reasons = brief.reasons.iter();
    let first = reasons.next().map_or("", String::as_str);
    writeln!(text, "{}  {first}", word(brief.outcome))?;
    let indent = " ".repeat(match brief.outcome {
        Outcome::Inconclusive => 14,
        Outcome::Error => 7,
        _ => 6,
    });
    for reason in reasons {
        writeln!(text, "{indent}{reason}")?;
    }
    Ok(())
}

/// Renders an error with its causes and hints.
#[must_use]
pub fn render_error(chain: &[String], hints: &[String]) -> String {
    let mut text = String::new();
    for (position, cause) in chain.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = if position == 0 {
            writeln!(text, "{}: {cause}", paint(RED, "error"))
        } else {
            let indented = cause.trim_end().replace('\n', "\n    ");
            writeln!(text, "  caused by: {indented}")
        };
    }
    if !hints.is_empty() {
        text.push('\n');
    }
    for hint in hints {
        let _ = writeln!(text, "{}: {hint}", paint(CYAN, "hint"));
    }
    text.truncate(text.trim_end().len());
    text
}
