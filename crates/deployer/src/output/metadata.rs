//! `get metadata`: what a revision is, without its contents.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::contract::{Format, SCHEMA_VERSION};
use super::printer::{PrintError, Printer};
use crate::release::{ApplyMethod, Release};

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    schema_version: u32,
    name: &'a str,
    chart: &'a str,
    version: &'a str,
    #[serde(rename = "appVersion")]
    app_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<&'a Value>,
    labels: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    dependencies: Option<&'a Value>,
    namespace: &'a str,
    revision: u32,
    status: &'a str,
    #[serde(rename = "deployedAt")]
    deployed_at: String,
    #[serde(rename = "applyMethod", skip_serializing_if = "Option::is_none")]
    apply_method: Option<ApplyMethod>,
}

/// Prints a revision's metadata.
///
/// # Errors
/// [`PrintError`].
pub fn print_metadata(
    printer: &Printer,
    format: Format,
    release: &Release,
) -> Result<(), PrintError> {
    let in_chart = |field: &str| {
        release
            .chart
            .pointer(&format!("/metadata/{field}"))
            .filter(|value| !value.is_null())
    };
    let metadata = Metadata {
        schema_version: SCHEMA_VERSION,
        name: release.name.as_str(),
        chart: release.chart_name(),
        version: release.chart_version(),
        app_version: release.app_version(),
        annotations: in_chart("annotations"),
        labels: json!(release.labels),
        dependencies: in_chart("dependencies"),
        namespace: release.namespace.as_str(),
        revision: release.version.0,
        status: release.info.status.as_str(),
        deployed_at: release
            .info
            .last_deployed
            .utc()
            .map(|moment| moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
            .unwrap_or_default(),
        apply_method: release.apply_method,
    };
    if format != Format::Table {
        return printer.value(format, &metadata);
    }
    let method = match release.apply_method {
        None => "client-side apply (defaulted)",
        Some(ApplyMethod::ClientSide) => "client-side apply",
        Some(ApplyMethod::ServerSide) => "server-side apply",
    };
    let lines = [
        ("NAME", metadata.name.to_owned()),
        ("CHART", metadata.chart.to_owned()),
        ("VERSION", metadata.version.to_owned()),
        ("APP_VERSION", metadata.app_version.to_owned()),
        (
            "ANNOTATIONS",
            pairs(metadata.annotations.and_then(Value::as_object)),
        ),
        ("LABELS", pairs(metadata.labels.as_object())),
        ("DEPENDENCIES", dependency_names(metadata.dependencies)),
        ("NAMESPACE", metadata.namespace.to_owned()),
        ("REVISION", metadata.revision.to_string()),
        ("STATUS", metadata.status.to_owned()),
        ("DEPLOYED_AT", metadata.deployed_at.clone()),
        ("APPLY_METHOD", method.to_owned()),
    ];
    for (name, value) in lines {
        printer.line(&format!("{name}: {value}"))?;
    }
    Ok(())
}

fn pairs(map: Option<&Map<String, Value>>) -> String {
    let mut parts: Vec<String> = map
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    parts.sort();
    parts.join(",")
}

fn dependency_names(dependencies: Option<&Value>) -> String {
    let mut names: Vec<&str> = dependencies
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|dependency| dependency["name"].as_str())
        .collect();
    names.sort_unstable();
    names.join(",")
}
