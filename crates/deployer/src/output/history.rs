//! `history`: a row for each revision, with the verdict that let it in or kept it out.

use serde::Serialize;
use serde_json::Value;

use super::contract::{Format, SCHEMA_VERSION};
use super::line::wrap;
use super::list::{chart_label, status_style};
use super::moment::ansi_c;
use super::printer::{PrintError, Printer, Style};
use super::table::Table;
use super::verdict::verdict_cells;
use crate::action::RevisionReport;
use crate::release::{Evidence, GateVerdict, Provenance, RecordTime, Release};

/// One revision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryRow {
    /// The version of this contract.
    pub schema_version: u32,
    /// The revision.
    pub revision: u32,
    /// When it was deployed.
    #[serde(skip_serializing_if = "RecordTime::is_never")]
    pub updated: RecordTime,
    /// The state.
    pub status: String,
    /// Chart and version.
    pub chart: String,
    /// Version of the application.
    pub app_version: String,
    /// What happened, in a sentence.
    pub description: String,
    /// The gate's brief verdict as it wrote it; null where no gate ran.
    pub verdict: Option<GateVerdict>,
    /// Where it comes from; absent from what was made before this was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Why it failed, when it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Helm 4's mark on a revision that a rollback made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_revision: Option<Value>,
}

/// Returns a row for each revision, oldest first; `max` keeps the newest.
///
/// Evidence without a record (a failed first install that was undone) is a row too: otherwise
/// nobody could learn why there is no release.
pub fn history_rows(reports: &[RevisionReport], max: usize) -> Vec<HistoryRow> {
    let surplus = reports.len().saturating_sub(max);
    reports[surplus..]
        .iter()
        .filter_map(|report| match (&report.release, &report.evidence) {
            (Some(release), evidence) => Some(recorded_row(release, evidence.as_ref())),
            (None, Some(evidence)) => Some(removed_row(evidence)),
            (None, None) => None,
        })
        .collect()
}

fn last_verdict(evidence: &Evidence) -> Option<GateVerdict> {
    evidence
        .verdicts
        .last()
        .map(|recorded| recorded.verdict.clone())
}

fn recorded_row(release: &Release, evidence: Option<&Evidence>) -> HistoryRow {
    HistoryRow {
        schema_version: SCHEMA_VERSION,
        revision: release.version.0,
        updated: release.info.last_deployed,
        status: release.info.status.to_string(),
        chart: chart_label(release),
        app_version: release.app_version().to_owned(),
        description: release.info.description.clone(),
        verdict: evidence.and_then(last_verdict),
        provenance: evidence.and_then(|evidence| evidence.provenance.clone()),
        failure: evidence.and_then(|evidence| evidence.failure.clone()),
        rollback_revision: release.info.other.get("rollback_revision").cloned(),
    }
}

fn removed_row(evidence: &Evidence) -> HistoryRow {
    HistoryRow {
        schema_version: SCHEMA_VERSION,
        revision: evidence.revision.0,
        updated: RecordTime::from(evidence.finished_at.unwrap_or(evidence.started_at)),
        status: "removed".to_owned(),
        chart: "-".to_owned(),
        app_version: "-".to_owned(),
        description: match &evidence.failure {
            Some(failure) => format!("{} failed: {failure}", evidence.operation),
            None => format!("{} left no record", evidence.operation),
        },
        verdict: last_verdict(evidence),
        provenance: evidence.provenance.clone(),
        failure: evidence.failure.clone(),
        rollback_revision: None,
    }
}

/// Prints the rows; Helm's columns come first, so that scripts that cut them go on working.
///
/// # Errors
/// [`PrintError`].
pub fn print_history(
    printer: &Printer,
    format: Format,
    rows: &[HistoryRow],
    rollbacks: bool,
) -> Result<(), PrintError> {
    if format != Format::Table {
        return printer.value(format, &rows);
    }
    let mut headings = vec!["REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION"];
    headings.extend(rollbacks.then_some("ROLLBACK"));
    headings.extend(["VERDICT", "AUC", "P99", "DESCRIPTION"]);
    let mut table = Table::with_heading(&headings);
    for row in rows {
        let [verdict, area, latency] = verdict_cells(row.verdict.as_ref());
        let mut cells = vec![
            (row.revision.to_string(), None),
            (row.updated.utc().map_or("-".to_owned(), ansi_c), None),
            (row.status.clone(), status_style(&row.status)),
            (row.chart.clone(), None),
            (row.app_version.clone(), None),
        ];
        if rollbacks {
            let to = row.rollback_revision.as_ref();
            cells.push((to.map(Value::to_string).unwrap_or_default(), None));
        }
        let description = (shortened(&row.description), None);
        cells.extend([verdict, area, latency, description]);
        table.row(cells);
    }
    let left_out = table.narrow(printer, &["APP VERSION", "UPDATED", "CHART"]);
    printer.data(&table.render(printer))?;
    if !left_out.is_empty() {
        let text = format!(
            "(not shown on this narrow terminal: {})",
            left_out.join(", ")
        );
        for line in wrap(&text, printer.columns().unwrap_or(usize::MAX), 1) {
            printer.say(&printer.paint_error(Style::Dim, &line));
        }
    }
    Ok(())
}

/// Characters of a description that the table shows; JSON, YAML and `--revision` show all.
const DESCRIPTION_SHOWN: usize = 80;

fn shortened(description: &str) -> String {
    let line = description.lines().next().unwrap_or_default();
    if description.chars().count() <= DESCRIPTION_SHOWN && line.len() == description.len() {
        return description.to_owned();
    }
    let mut text: String = line.chars().take(DESCRIPTION_SHOWN - 1).collect();
    text.truncate(text.trim_end().len());
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{ReleaseName, Revision};
    use chrono::DateTime;

    #[test]
    fn a_long_description_is_cut_in_the_table_alone() {
        assert_eq!(shortened("Install complete"), "Install complete");
        let long = "ü".repeat(200);
        assert_eq!(shortened(&long).chars().count(), DESCRIPTION_SHOWN);
        assert!(shortened(&long).ends_with('…'));
        assert_eq!(shortened("first\nsecond"), "first…");
    }

    #[test]
    fn evidence_without_a_record_is_shown_too() {
        let moment = DateTime::from_timestamp(1_700_000_000, 0).expect("a moment");
        let name = ReleaseName::new("web").expect("a name");
        let mut evidence = Evidence::begin(name, Revision(1), "install", "me", moment);
        evidence.failure = Some("auc is below".to_owned());
        let report = RevisionReport {
            release: None,
            evidence: Some(evidence),
        };
        let rows = history_rows(&[report], 10);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].description, "install failed: auc is below");
    }
}
