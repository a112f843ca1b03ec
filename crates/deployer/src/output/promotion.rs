//! `promote`: each condition with a tick or a cross, what would change, what was done.

use serde::Serialize;
use serde_json::{Map, Value};

use super::contract::{Format, SCHEMA_VERSION};
use super::plan::plan_text;
use super::printer::{PrintError, Printer, Style};
use crate::environment::Condition;
use crate::plan::SavedPlan;
use crate::plan::{ObjectAction, ObjectStep, Plan};
use crate::release::Revision;

/// A promotion, made or only looked at.
#[derive(Debug, Serialize)]
pub struct PromotionView {
    /// The version of this contract.
    pub schema_version: u32,
    /// The release.
    pub release: String,
    /// The environment that it is taken from.
    pub from: String,
    /// The revision there.
    pub from_revision: Option<Revision>,
    /// The environment that it goes to.
    pub to: String,
    /// Whether it was only looked at.
    pub dry_run: bool,
    /// Whether all conditions are met.
    pub allowed: bool,
    /// The conditions.
    pub conditions: Vec<Condition>,
    /// The digest of the chart.
    pub chart_digest: Option<String>,
    /// The values that go along: image and model.
    pub values: Map<String, Value>,
    /// What changes; empty where a condition is not met.
    pub changes: Vec<Change>,
    /// The plan of the upgrade, field by field; of a dry run whose conditions are all met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<SavedPlan>,
    /// The revision that it became.
    pub revision: Option<Revision>,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `create`, `change`, `adopt` or `delete`.
    pub action: &'static str,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl PromotionView {
    /// The version of the JSON.
    pub const SCHEMA_VERSION: u32 = SCHEMA_VERSION;
}

/// Lists what a plan changes; what stays as it is is left out.
pub fn changes(plan: &Plan) -> Vec<Change> {
    let change = |step: &ObjectStep| {
        Some(Change {
            action: match step.action {
                ObjectAction::Create => "create",
                ObjectAction::Patch => "change",
                ObjectAction::Recreate => "recreate",
                ObjectAction::Adopt => "adopt",
                ObjectAction::Delete => "delete",
                ObjectAction::Unchanged | ObjectAction::Keep => return None,
            },
            kind: step.object.kind.clone(),
            name: step.object.name.clone(),
        })
    };
    plan.object_steps().filter_map(change).collect()
}

/// Returns the conditions as lines, for people.
pub fn condition_lines(printer: &Printer, conditions: &[Condition]) -> Vec<String> {
    conditions
        .iter()
        .map(|condition| {
            let mark = match condition.met {
                true => printer.paint(Style::Good, "✓"),
                false => printer.paint(Style::Bad, "✗"),
            };
            format!("{mark} {}", condition.text)
        })
        .collect()
}

/// Prints a promotion.
///
/// # Errors
/// [`PrintError`].
pub fn print_promotion(
    printer: &Printer,
    format: Format,
    view: &PromotionView,
) -> Result<(), PrintError> {
    if format != Format::Table {
        return printer.value(format, view);
    }
    let heading = format!("{}: {} -> {}", view.release, view.from, view.to);
    let mut lines = vec![printer.paint(Style::Bold, &heading)];
    lines.extend(condition_lines(printer, &view.conditions));
    if view.allowed {
        lines.extend(values_lines(&view.values));
        match (&view.plan, view.changes.as_slice()) {
            (Some(plan), _) => lines.push(plan_text(printer, plan).trim_end().to_owned()),
            (None, []) => lines.push("no object had to be changed".to_owned()),
            (None, changes) => {
                lines.push(format!("changed {} objects:", changes.len()));
                let line = |change: &Change| {
                    format!("  {} {} {}", change.action, change.kind, change.name)
                };
                lines.extend(changes.iter().map(line));
            }
        }
    }
    if let Some(revision) = view.revision {
        let text = format!("promoted: revision {revision} is deployed in {}", view.to);
        lines.push(printer.paint(Style::Good, &text));
    }
    printer.line(&lines.join("\n"))
}

/// The values that go along, one a line by its path.
fn values_lines(values: &Map<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    flatten(values, "", &mut lines);
    if !lines.is_empty() {
        lines.insert(0, "takes along:".to_owned());
    }
    lines
}

fn flatten(values: &Map<String, Value>, path: &str, lines: &mut Vec<String>) {
    for (key, value) in values {
        let path = match path {
            "" => key.clone(),
            path => format!("{path}.{key}"),
        };
        match value {
            Value::Object(below) => flatten(below, &path, lines),
            Value::String(text) if text.is_empty() => {}
            Value::String(text) => lines.push(format!("  {path}={text}")),
            other => lines.push(format!("  {path}={other}")),
        }
    }
}
