//! One revision: the summary after a change, `status`, and what `get` prints.

use serde_json::{Value, json};

use super::contract::{Format, SCHEMA_VERSION};
use super::list::status_style;
use super::logs::provenance_lines;
use super::moment::ansi_c;
use super::plan::plan_text;
use super::printer::{PrintError, Printer};
use super::resources::{resources_json, resources_text};
use super::verdict::verdict_lines;
use crate::cluster::Shown;
use crate::plan::{SavedPlan, write_yaml};
use crate::release::{Evidence, GateVerdict, HookEvent, Release, user_labels};

/// A revision with what is known about how it came about.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseView<'a> {
    /// The record.
    pub release: &'a Release,
    /// Its evidence, if there is any.
    pub evidence: Option<&'a Evidence>,
    /// The verdicts to show; of the evidence, or fresh from the hooks.
    pub verdict: Option<&'a GateVerdict>,
    /// Whether the notes are printed.
    pub notes: bool,
    /// Whether hooks and manifest are printed, as after a dry run.
    pub manifests: bool,
    /// What would be done, of a dry run.
    pub plan: Option<&'a SavedPlan>,
    /// The objects as they are in the cluster, where they are asked for.
    pub resources: Option<&'a Shown>,
}

impl<'a> ReleaseView<'a> {
    /// Makes a view with notes and without manifests.
    pub fn new(release: &'a Release, evidence: Option<&'a Evidence>) -> Self {
        Self {
            release,
            evidence,
            verdict: evidence
                .and_then(|evidence| evidence.verdicts.last())
                .map(|recorded| &recorded.verdict),
            notes: true,
            manifests: false,
            plan: None,
            resources: None,
        }
    }
}

/// Prints a revision as Helm's `status` does, with the verdict below it.
///
/// # Errors
/// [`PrintError`].
pub fn print_release(
    printer: &Printer,
    format: Format,
    view: &ReleaseView<'_>,
) -> Result<(), PrintError> {
    if format != Format::Table {
        return printer.value(format, &to_json(view));
    }
    let mut text = heading(printer, view);
    text.push_str(&view.resources.map(resources_text).unwrap_or_default());
    text.push_str(&tests(view.release));
    if let Some(plan) = view.plan {
        text.push_str(&plan_text(printer, plan));
    }
    if view.manifests {
        text.push_str(&hooks_and_manifest(view.release));
    }
    text.push_str(&notes(view));
    printer.data(&text)
}

fn heading(printer: &Printer, view: &ReleaseView<'_>) -> String {
    let release = view.release;
    let status = release.info.status.as_str();
    let status = match status_style(status) {
        Some(style) => printer.paint(style, status),
        None => status.to_owned(),
    };
    let mut lines = vec![format!("NAME: {}", release.name)];
    if let Some(moment) = release.info.last_deployed.utc() {
        lines.push(format!("LAST DEPLOYED: {}", ansi_c(moment)));
    }
    lines.push(format!("NAMESPACE: {}", release.namespace));
    lines.push(format!("STATUS: {status}"));
    lines.push(format!("REVISION: {}", release.version));
    lines.push(format!("DESCRIPTION: {}", release.info.description));
    lines.extend(view.evidence.map(provenance_lines).unwrap_or_default());
    if let Some(verdict) = view.verdict {
        lines.extend(verdict_lines(
            &|style, text| printer.paint(style, text),
            verdict,
        ));
    }
    // The description of a failed revision ends with its failure.
    if let Some(failure) = view.evidence.and_then(|evidence| evidence.failure.as_ref())
        && !release.info.description.ends_with(failure.as_str())
    {
        lines.push(format!("FAILURE: {failure}"));
    }
    lines.join("\n") + "\n"
}

fn tests(release: &Release) -> String {
    let is_test = |event: &HookEvent| *event == HookEvent::Test;
    let runs: Vec<String> = release
        .hooks
        .iter()
        .filter(|hook| hook.events.iter().any(is_test))
        .filter_map(|hook| {
            let started = hook.last_run.started_at.utc()?;
            let completed = hook.last_run.completed_at.utc().map(ansi_c).unwrap_or_default();
            Some(format!(
                "TEST SUITE:     {}\nLast Started:   {}\nLast Completed: {completed}\nPhase:          {}\n",
                hook.name,
                ansi_c(started),
                hook.last_run.phase
            ))
        })
        .collect();
    let has_tests = release
        .hooks
        .iter()
        .any(|hook| hook.events.iter().any(is_test));
    if has_tests {
        runs.concat()
    } else {
        "TEST SUITE: None\n".to_owned()
    }
}

fn notes(view: &ReleaseView<'_>) -> String {
    let notes = view.release.info.notes.trim();
    if view.notes && !notes.is_empty() {
        format!("NOTES:\n{notes}\n")
    } else {
        String::new()
    }
}

fn hooks_and_manifest(release: &Release) -> String {
    format!(
        "HOOKS:\n{}MANIFEST:\n{}\n",
        hook_documents(release),
        release.manifest
    )
}

fn hook_documents(release: &Release) -> String {
    release
        .hooks
        .iter()
        .map(|hook| format!("---\n# Source: {}\n{}\n", hook.path, hook.manifest))
        .collect()
}

/// Prints the hooks of a revision as one YAML stream.
///
/// # Errors
/// [`PrintError`].
pub fn print_hooks(printer: &Printer, release: &Release) -> Result<(), PrintError> {
    printer.data(&hook_documents(release))
}

/// Prints values; `heading` stands above them in a table.
///
/// # Errors
/// [`PrintError`].
pub fn print_values(
    printer: &Printer,
    format: Format,
    values: &Value,
    heading: &str,
) -> Result<(), PrintError> {
    match format {
        Format::Table => {
            printer.line(heading)?;
            printer.data(&values_text(values))
        }
        other => printer.value(other, values),
    }
}

/// Returns the values that a user gave; null where none were ever given, as Helm has it.
pub fn given_values(release: &Release) -> Value {
    if release.config.is_empty() {
        Value::Null
    } else {
        Value::Object(release.config.clone())
    }
}

fn values_text(values: &Value) -> String {
    let text = write_yaml(values);
    format!("{}\n", text.trim_end_matches('\n'))
}

/// Prints everything about a revision: heading, values, hooks, manifest, notes.
///
/// # Errors
/// [`PrintError`].
pub fn print_all(
    printer: &Printer,
    view: &ReleaseView<'_>,
    computed: &Value,
) -> Result<(), PrintError> {
    let release = view.release;
    let mut text = heading(printer, view);
    let at = text.find("DESCRIPTION: ").unwrap_or(text.len());
    text.insert_str(
        at,
        &format!(
            "CHART: {}\nVERSION: {}\nAPP_VERSION: {}\n",
            release.chart_name(),
            release.chart_version(),
            release.app_version()
        ),
    );
    text.push_str(&tests(release));
    text.push_str("USER-SUPPLIED VALUES:\n");
    text.push_str(&values_text(&given_values(release)));
    text.push_str("\nCOMPUTED VALUES:\n");
    text.push_str(&values_text(computed));
    text.push('\n');
    text.push_str(&hooks_and_manifest(release));
    text.push_str(&notes(view));
    printer.data(&text)
}

/// Returns a revision with Helm's field names and ours; the chart is left out, as Helm does.
fn to_json(view: &ReleaseView<'_>) -> Value {
    let mut json = serde_json::to_value(view.release).unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        fields.shift_remove("chart");
        if !view.release.labels.is_empty() {
            fields.insert(
                "labels".to_owned(),
                json!(user_labels(&view.release.labels)),
            );
        }
        fields.insert("schema_version".to_owned(), json!(SCHEMA_VERSION));
        fields.insert("verdict".to_owned(), json!(view.verdict));
        if let Some(shown) = view.resources
            && let Some(info) = fields.get_mut("info").and_then(Value::as_object_mut)
        {
            info.insert("resources".to_owned(), resources_json(shown));
        }
        if let Some(plan) = view.plan {
            fields.insert("plan".to_owned(), json!(plan));
        }
        if let Some(evidence) = view.evidence {
            fields.insert("provenance".to_owned(), json!(evidence.provenance));
            fields.insert("failure".to_owned(), json!(evidence.failure));
            fields.insert("logs".to_owned(), json!(evidence.logs));
        }
    }
    json
}
