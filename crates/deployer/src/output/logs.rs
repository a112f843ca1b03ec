//! What was kept with one revision: verdicts, logs, journal.

use serde::Serialize;

use super::contract::{Format, SCHEMA_VERSION};
use super::printer::{PrintError, Printer, Style};
use super::verdict::verdict_lines;
use crate::action::RevisionReport;
use crate::release::{Evidence, HookPhase};

/// The evidence of one revision.
#[derive(Debug, Serialize)]
pub struct RevisionLogs<'a> {
    /// The version of this contract.
    schema_version: u32,
    /// The revision.
    revision: u32,
    /// The state, `removed` when only the evidence is left.
    status: &'a str,
    /// What was kept; none for a revision that another tool made.
    evidence: Option<&'a Evidence>,
}

impl<'a> RevisionLogs<'a> {
    /// Takes what is shown from a report.
    pub fn new(report: &'a RevisionReport) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            revision: report.revision().0,
            status: report
                .release
                .as_ref()
                .map_or("removed", |release| release.info.status.as_str()),
            evidence: report.evidence.as_ref(),
        }
    }
}

/// Says where a revision comes from, in the words of `status` and `history --revision`.
pub(super) fn provenance_lines(evidence: &Evidence) -> Vec<String> {
    let Some(provenance) = &evidence.provenance else {
        return Vec::new();
    };
    let digest: String = provenance.chart_digest.chars().take(19).collect();
    let mut lines = vec![format!("CHART FROM: {} ({digest}…)", provenance.chart)];
    if let Some(promotion) = &provenance.promotion {
        lines.push(format!(
            "PROMOTED: from {} (revision {} in namespace {}) by {} at {}",
            promotion.from,
            promotion.from_revision,
            promotion.from_namespace,
            promotion.by,
            promotion
                .at
                .to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        ));
    }
    lines
}

/// Prints verdicts, logs and journal of one revision.
///
/// # Errors
/// [`PrintError`].
pub fn print_logs(
    printer: &Printer,
    format: Format,
    logs: &RevisionLogs<'_>,
) -> Result<(), PrintError> {
    if format != Format::Table {
        return printer.value(format, logs);
    }
    let mut lines = vec![
        format!("REVISION: {}", logs.revision),
        format!("STATUS: {}", logs.status),
    ];
    let Some(evidence) = logs.evidence else {
        lines.push("nothing was kept: another tool made this revision".to_owned());
        return printer.line(&lines.join("\n"));
    };
    lines.push(format!(
        "OPERATION: {} by {}",
        evidence.operation, evidence.operator
    ));
    lines.extend(provenance_lines(evidence));
    if let Some(failure) = &evidence.failure {
        lines.push(format!("FAILURE: {}", printer.paint(Style::Bad, failure)));
    }
    for recorded in &evidence.verdicts {
        lines.extend(verdict_lines(
            &|style, text| printer.paint(style, text),
            &recorded.verdict,
        ));
    }
    for log in &evidence.logs {
        let phase = match log.phase {
            HookPhase::Unset => String::new(),
            phase => format!(" ({phase})"),
        };
        let cut = if log.truncated { ", its end" } else { "" };
        lines.push(String::new());
        lines.push(printer.paint(Style::Bold, &format!("LOG {}{phase}{cut}:", log.source)));
        lines.extend(
            log.text
                .lines()
                .map(|line| format!("  {line}").trim_end().to_owned()),
        );
    }
    if !evidence.journal.is_empty() {
        lines.push(String::new());
        lines.push(printer.paint(Style::Bold, "JOURNAL:"));
        for entry in &evidence.journal {
            let moment = entry
                .at
                .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            lines.push(format!("  {moment} {}", entry.text));
        }
    }
    printer.line(&lines.join("\n"))
}
