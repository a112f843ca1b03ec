//! The report as Markdown: a step summary, or a comment on a change.

use std::fmt::Write as _;

use verdict::report::{Outcome, Report};

use super::escape::markdown;
use super::numbers::{count, milliseconds};
use super::text::{Columns, how};

/// At most this many checks and warnings are listed.
const LINES_MAX: usize = 50;

/// Renders a report, verdict or not.
#[must_use]
pub fn render_markdown(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = head(&mut text, report);
    let _ = checks(&mut text, report);
    let _ = subjects(&mut text, report);
    text
}

fn head(text: &mut String, report: &Report) -> std::fmt::Result {
    let brief = &report.brief;
    writeln!(text, "## Model gate: {}\n", brief.outcome.name())?;
    for reason in brief.reasons.iter().take(LINES_MAX) {
        writeln!(text, "- {}", markdown(reason))?;
    }
    for hint in &brief.hints {
        writeln!(text, "- hint: {}", markdown(hint))?;
    }
    writeln!(text)
}

fn checks(text: &mut String, report: &Report) -> std::fmt::Result {
    let checks = &report.brief.checks;
    if checks.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(report);
    let head = columns.head();
    writeln!(
        text,
        "| {} | |\n|{}",
        head.join(" | "),
        "---|".repeat(head.len() + 1)
    )?;
    // What did not pass comes first, should there be more than are listed.
    let passed = |outcome| outcome == Outcome::Pass;
    let first = checks.iter().filter(|check| !passed(check.outcome));
    let then = checks.iter().filter(|check| passed(check.outcome));
    for check in first.chain(then).take(LINES_MAX) {
        let cells: Vec<String> = columns
            .cells(check)
            .iter()
            .map(|cell| markdown(cell))
            .collect();
        let outcome = match check.outcome {
            Outcome::Pass => "pass",
            other => &format!("**{}**", other.name()),
        };
        writeln!(text, "| {} | {outcome} |", cells.join(" | "))?;
    }
    if checks.len() > LINES_MAX {
        writeln!(
            text,
            "\n{} more checks are in the full report.",
            checks.len() - LINES_MAX
        )?;
    }
    writeln!(text)
}

fn subjects(text: &mut String, report: &Report) -> std::fmt::Result {
    let brief = &report.brief;
    if let Some(uri) = &brief.model.uri {
        let digest = brief.model.sha256.as_deref().unwrap_or("unknown");
        writeln!(text, "- model {} (sha256 `{digest}`)", markdown(uri))?;
    }
    if let Some(champion) = &report.champion {
        let (uri, digest) = (markdown(&champion.uri), &champion.sha256);
        writeln!(text, "- champion {uri} (sha256 `{digest}`)")?;
    }
    if let Some(uri) = &brief.dataset.uri {
        write!(text, "- dataset {}", markdown(uri))?;
        if let Some(rows) = brief.dataset.rows {
            write!(text, ", {} rows", count(rows))?;
        }
        if let Some(rows) = brief.dataset.rows_dropped.filter(|&rows| rows > 0) {
            write!(text, ", {} dropped for nulls", count(rows))?;
        }
        writeln!(text)?;
    }
    for latency in report.latency.iter().chain(&report.latency_further) {
        let quantiles: Vec<String> = latency
            .quantiles
            .iter()
            .map(|entry| {
                let percent = (entry.quantile * 1e5).round() / 1e3;
                format!("p{percent} {}", milliseconds(entry.value_ms))
            })
            .collect();
        writeln!(
            text,
            "- latency {} ({} calls, {})",
            quantiles.join(", "),
            count(latency.samples),
            how(latency)
        )?;
    }
    if report.warnings.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "\n<details><summary>{} warnings</summary>\n",
        report.warnings.len()
    )?;
    for warning in report.warnings.iter().take(LINES_MAX) {
        writeln!(text, "- {}", markdown(warning))?;
    }
    writeln!(text, "\n</details>")
}
