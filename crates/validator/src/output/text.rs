//! The verdict and errors as text for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use verdict::report::{
    Brief, Check, DatasetSection, LatencySection, ModelSection, Outcome, Report,
};

use super::numbers::{Unit, bytes, count, milliseconds, rows_per_s};

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
    let _ = render_checks(&mut text, report);
    if let Some(reused) = &report.brief.reused {
        let _ = writeln!(
            text,
            "{}   the verdict of the run of {}, for the same model, dataset and gate; no row was scored and no call timed now\n",
            paint(BOLD, "reused"),
            reused.started_at
        );
    }
    let _ = render_latency(&mut text, report);
    let _ = render_verdict(&mut text, &report.brief);
    text
}

fn render_subjects(text: &mut String, report: &Report) -> std::fmt::Result {
    if let Some(model) = &report.model {
        render_model(text, "model   ", model)?;
    }
    if let Some(champion) = &report.champion {
        render_model(text, "champion", champion)?;
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

fn render_model(text: &mut String, title: &str, model: &ModelSection) -> std::fmt::Result {
    let digest = model.sha256.get(..12).unwrap_or(&model.sha256);
    let details = format!(
        "(sha256 {digest}…, {}, loaded in {})",
        bytes(model.bytes),
        milliseconds(model.load_ms)
    );
    let (title, details) = (paint(BOLD, title), paint(DIM, &details));
    writeln!(text, "{title} {}  {details}", model.uri)
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

/// Stands where a check has no bounds.
const NO_BOUNDS: &str = "none";

/// One line of the table, its cells not yet padded.
pub(super) fn cells(check: &Check) -> [String; 4] {
    let unit = Unit::of(&check.metric);
    let limit = check.minimum.or(check.maximum).unwrap_or(f64::NAN);
    let near = |value| unit.value(value, limit);
    let bounds = match (check.lower_bound, check.upper_bound) {
        (Some(lower), Some(upper)) => format!("{} to {}", near(lower), near(upper)),
        (Some(lower), None) => format!("from {}", near(lower)),
        (None, Some(upper)) => format!("up to {}", near(upper)),
        (None, None) => NO_BOUNDS.to_owned(),
    };
    let limit_text = unit.limit(limit, check.value.unwrap_or(f64::NAN));
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

/// What a table of a report's checks shows besides their cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    /// The confidence of all bounds, where they have one in common.
    confidence: Option<f64>,
    /// Whether it matters which number was compared: by a gate file's word, it may be any.
    with_deciding: bool,
}

impl Columns {
    pub(super) fn of(report: &Report) -> Self {
        let bounded = |check: &&Check| check.lower_bound.or(check.upper_bound).is_some();
        let mut bounded = report.brief.checks.iter().filter(bounded);
        let first = bounded.next().map_or(0.95, |check| check.confidence);
        Self {
            confidence: bounded
                .all(|check| check.confidence == first)
                .then_some(first),
            with_deciding: report.configuration.contains_key("gate_file"),
        }
    }

    /// Returns what stands above the cells.
    pub(super) fn head(self) -> Vec<String> {
        let bounds = match self.confidence {
            Some(confidence) => format!("{} bounds", percent(confidence)),
            None => "bounds".to_owned(),
        };
        let mut head: Vec<String> = ["check", "value", &bounds, "limit"]
            .map(str::to_owned)
            .into();
        head.extend(self.with_deciding.then(|| "decided on".to_owned()));
        head
    }

    /// Returns the cells of a check, not yet padded or escaped.
    pub(super) fn cells(self, check: &Check) -> Vec<String> {
        let [name, value, mut bounds, limit] = cells(check);
        if self.confidence.is_none() && bounds != NO_BOUNDS {
            bounds = format!("{bounds} ({})", percent(check.confidence));
        }
        let mut cells = vec![name, value, bounds, limit];
        cells.extend(self.with_deciding.then(|| deciding(check)));
        cells
    }
}

/// Names the number that was compared with the limit.
pub(super) fn deciding(check: &Check) -> String {
    let words = check.decided_on.as_deref().unwrap_or_default();
    match words {
        "point" => "value".to_owned(),
        other => other.replace('_', " "),
    }
}

fn percent(confidence: f64) -> String {
    format!("{}%", (confidence * 1000.0).round() / 10.0)
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
        "cold_start_ms" => "cold start".to_owned(),
        "model_memory_mib" => "model memory".to_owned(),
        other => {
            let latency = other.strip_prefix("latency_ms_");
            let latency = latency.map(|rest| format!("latency {rest}"));
            let throughput = other.strip_prefix("throughput_rows_per_s");
            let throughput = throughput.map(|rest| format!("throughput{rest}"));
            let named = latency.or(throughput);
            named.map_or_else(|| other.to_owned(), |name| name.replacen('_', " ", 1))
        }
    }
}

/// Lays cells out in columns, the head dimmed; lines end where their text ends.
pub(super) fn table<R: AsRef<[String]>>(head: &R, rows: &[R]) -> String {
    let widths: Vec<usize> = (0..head.as_ref().len())
        .map(|column| {
            let all = rows.iter().chain([head]);
            let widths = all.map(|row| row.as_ref()[column].chars().count());
            widths.max().unwrap_or_default()
        })
        .collect();
    let line = |row: &R| {
        let padded: Vec<String> = row
            .as_ref()
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

fn render_checks(text: &mut String, report: &Report) -> std::fmt::Result {
    let columns = Columns::of(report);
    let mut head = columns.head();
    head.push(String::new());
    let line = |check: &Check| {
        let mut cells = columns.cells(check);
        cells.push(word(check.outcome));
        cells
    };
    let rows: Vec<Vec<String>> = report.brief.checks.iter().map(line).collect();
    writeln!(text, "{}", table(&head, &rows))
}

/// One line for each measurement, and one for the start.
fn render_latency(text: &mut String, report: &Report) -> std::fmt::Result {
    let Some(first) = &report.latency else {
        return Ok(());
    };
    for latency in std::iter::once(first).chain(&report.latency_further) {
        render_quantiles(text, latency)?;
    }
    let start = first.model_load_ms.zip(first.first_call_ms);
    let start = start.map(|(load, call)| {
        format!(
            "{}: loading {}, first call {}",
            milliseconds(load + call),
            milliseconds(load),
            milliseconds(call)
        )
    });
    let memory = report.environment.scorer_resident_bytes_max;
    let memory = memory.map(|most| format!("memory up to {}", bytes(most)));
    let parts: Vec<String> = start.into_iter().chain(memory).collect();
    if !parts.is_empty() {
        writeln!(text, "{}    {}", paint(BOLD, "start"), parts.join("; "))?;
    }
    writeln!(text)
}

fn render_quantiles(text: &mut String, latency: &LatencySection) -> std::fmt::Result {
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
                "(n={}, warm-up {}, {})",
                count(latency.samples),
                count(latency.warm_up_calls),
                how(latency)
            )
        )
    )
}

/// Says how calls were issued, and at what rate they were answered.
pub(super) fn how(latency: &LatencySection) -> String {
    let rows = if latency.batch_rows == 1 {
        "row"
    } else {
        "rows"
    };
    let mut text = format!("{} {rows} a call", count(latency.batch_rows));
    if latency.scenario != "closed" {
        text = format!("{text}, {} arrivals", latency.scenario);
    }
    match latency.throughput_rows_per_s {
        Some(rate) => format!("{text}, {}", rows_per_s(rate)),
        None => text,
    }
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
