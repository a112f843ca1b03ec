//! `list`: a row for each release, in Helm's columns and field names.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::contract::{Format, SCHEMA_VERSION};
use super::moment::go_time;
use super::printer::{PrintError, Printer, Style};
use super::table::Table;
use crate::release::Status;
use crate::storage::Stored;

/// One release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListRow {
    /// The version of this contract.
    pub schema_version: u32,
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// The revision, as text as Helm has it.
    pub revision: String,
    /// When it was last deployed, as Go prints a time unless a layout was asked for.
    pub updated: String,
    /// The state.
    pub status: String,
    /// Chart and version.
    pub chart: String,
    /// Version of the application.
    pub app_version: String,
    /// The verdict of the gate, when one was read along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Value>,
}

/// Returns a row for each record; `layout` is one of Go's for the time, if not Go's own way.
pub fn list_rows(records: &[Stored], layout: Option<&str>) -> Vec<ListRow> {
    let written = |moment: DateTime<Utc>| match layout {
        Some(layout) => {
            template::format_time(layout, moment.timestamp(), moment.timestamp_subsec_nanos())
        }
        None => go_time(moment),
    };
    records
        .iter()
        .map(|stored| {
            let release = &stored.release;
            ListRow {
                schema_version: SCHEMA_VERSION,
                name: release.name.to_string(),
                namespace: release.namespace.to_string(),
                revision: release.version.to_string(),
                updated: release
                    .info
                    .last_deployed
                    .utc()
                    .map_or("-".to_owned(), written),
                status: release.info.status.to_string(),
                chart: chart_label(release),
                app_version: release.app_version().to_owned(),
                verdict: None,
            }
        })
        .collect()
}

/// Returns `name-version` of a release's chart.
pub(crate) fn chart_label(release: &crate::release::Release) -> String {
    if release.chart_name().is_empty() {
        // What Helm prints for a record without a chart.
        return "MISSING".to_owned();
    }
    format!("{}-{}", release.chart_name(), release.chart_version())
}

/// Returns how a state is painted.
pub(crate) fn status_style(status: &str) -> Option<Style> {
    if status == Status::Deployed.as_str() {
        Some(Style::Good)
    } else if status == Status::Failed.as_str() {
        Some(Style::Bad)
    } else if status.starts_with("pending") || status == Status::Uninstalling.as_str() {
        Some(Style::Warning)
    } else {
        None
    }
}

/// Prints the rows.
///
/// # Errors
/// [`PrintError`].
pub fn print_list(
    printer: &Printer,
    format: Format,
    rows: &[ListRow],
    headings: bool,
) -> Result<(), PrintError> {
    if format != Format::Table {
        return printer.value(format, &rows);
    }
    let columns = [
        "NAME",
        "NAMESPACE",
        "REVISION",
        "UPDATED",
        "STATUS",
        "CHART",
        "APP VERSION",
    ];
    let mut table = if headings {
        Table::with_heading(&columns)
    } else {
        Table::default()
    };
    for row in rows {
        table.row(vec![
            (row.name.clone(), None),
            (row.namespace.clone(), None),
            (row.revision.clone(), None),
            (row.updated.clone(), None),
            (row.status.clone(), status_style(&row.status)),
            (row.chart.clone(), None),
            (row.app_version.clone(), None),
        ]);
    }
    printer.data(&table.render(printer))
}
