//! Differences object by object, in the layout that users of helm-diff know.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::contract::SCHEMA_VERSION;
use super::plan::field_lines;
use super::printer::{PrintError, Printer, Style};
use crate::cluster::ObjectId;
use crate::plan::compare::{
    CompareOptions, Comparison, FieldDifference, Presence, compare_added, compare_removed,
    compare_sets,
};
use crate::plan::{ManifestObject, ObjectAction, Plan, Undo, write_yaml};
use crate::release::Namespace;

/// In which form differences are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffFormat {
    /// Lines of YAML with signs.
    Diff,
    /// One line per object.
    Simple,
    /// JSON.
    Json,
}

/// How an object differs, in helm-diff's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DiffChange {
    /// It will be created.
    Add,
    /// It will be changed.
    Modify,
    /// It will be taken over from somebody else.
    Ownership,
    /// It will be deleted.
    Remove,
}

/// One object that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct DiffEntry {
    /// How.
    pub change: DiffChange,
    /// In which fields.
    pub comparison: Comparison,
}

/// What is printed, and how.
#[derive(Debug, Clone)]
pub struct DiffView<'a> {
    /// The objects that differ.
    pub entries: Vec<DiffEntry>,
    /// The namespace of objects that name none.
    pub namespace: &'a Namespace,
    /// Lines that are shown around each difference; all without.
    pub context: Option<usize>,
    /// The form.
    pub format: DiffFormat,
}

#[derive(Debug, Serialize)]
struct JsonEntry<'a> {
    schema_version: u32,
    api: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    change: DiffChange,
    #[serde(flatten)]
    comparison: &'a Comparison,
}

/// Returns what a plan would change; `options` mask what is created and deleted.
pub fn entries_of_plan(plan: &Plan, options: &CompareOptions) -> Vec<DiffEntry> {
    let entry = |step: &crate::plan::ObjectStep| {
        let (change, comparison) = match (step.action, &step.desired, &step.undo) {
            (ObjectAction::Create, Some(desired), _) => {
                (DiffChange::Add, compare_added(desired, options))
            }
            (ObjectAction::Patch | ObjectAction::Recreate, ..) => {
                (DiffChange::Modify, step.comparison.clone()?)
            }
            (ObjectAction::Adopt, ..) => (DiffChange::Ownership, step.comparison.clone()?),
            (ObjectAction::Delete, _, Undo::Recreate { object }) => {
                (DiffChange::Remove, compare_removed(object, options))
            }
            _ => return None,
        };
        let differs = change != DiffChange::Modify || !comparison.is_same();
        differs.then_some(DiffEntry { change, comparison })
    };
    plan.object_steps().filter_map(entry).collect()
}

/// Returns how two manifests differ.
pub fn entries_of_sets(
    before: (&[ManifestObject], &Namespace),
    after: (&[ManifestObject], &Namespace),
    options: &CompareOptions,
) -> Vec<DiffEntry> {
    compare_sets(before, after, options)
        .into_iter()
        .filter(|comparison| !comparison.is_same())
        .map(|comparison| DiffEntry {
            change: match comparison.presence {
                Presence::Both => DiffChange::Modify,
                Presence::Added => DiffChange::Add,
                Presence::Removed => DiffChange::Remove,
            },
            comparison,
        })
        .collect()
}

/// Prints differences.
///
/// # Errors
/// [`PrintError`].
pub fn print_diff(printer: &Printer, view: &DiffView<'_>) -> Result<(), PrintError> {
    match view.format {
        DiffFormat::Json => {
            let entries: Vec<JsonEntry<'_>> = view
                .entries
                .iter()
                .map(|entry| {
                    let id = &entry.comparison.object;
                    JsonEntry {
                        schema_version: SCHEMA_VERSION,
                        api: id.group(),
                        kind: &id.kind,
                        namespace: namespace(view, id),
                        name: &id.name,
                        change: entry.change,
                        comparison: &entry.comparison,
                    }
                })
                .collect();
            printer.value(super::Format::Json, &entries)
        }
        DiffFormat::Simple => {
            let mut text = String::new();
            for entry in &view.entries {
                let (style, _, _, future) = words(entry.change);
                let line = format!("{} {future}.", title(view, &entry.comparison.object));
                text.push_str(&printer.paint(style, &line));
                text.push('\n');
            }
            text.push_str(&summary(&view.entries));
            printer.data(&text)
        }
        DiffFormat::Diff => {
            let mut text = String::new();
            for entry in &view.entries {
                write_entry(printer, view, entry, &mut text);
            }
            printer.data(&text)
        }
    }
}

fn namespace<'a>(view: &'a DiffView<'_>, id: &'a ObjectId) -> &'a str {
    id.namespace.as_deref().unwrap_or(view.namespace.as_str())
}

/// helm-diff's heading: namespace, name, kind and group.
fn title(view: &DiffView<'_>, id: &ObjectId) -> String {
    let group = match id.group() {
        "" => "v1",
        group => group,
    };
    format!(
        "{}, {}, {} ({group})",
        namespace(view, id),
        id.name,
        id.kind
    )
}

/// The colour, sign and words of a change.
fn words(change: DiffChange) -> (Style, char, &'static str, &'static str) {
    match change {
        DiffChange::Add => (Style::Good, '+', "has been added:", "to be added"),
        DiffChange::Modify => (Style::Warning, ' ', "has changed:", "to be changed"),
        DiffChange::Ownership => (
            Style::Warning,
            ' ',
            "changed ownership:",
            "to change ownership",
        ),
        DiffChange::Remove => (Style::Bad, '-', "has been removed:", "to be removed"),
    }
}

fn summary(entries: &[DiffEntry]) -> String {
    let count = |change| {
        entries
            .iter()
            .filter(|entry| entry.change == change)
            .count()
    };
    format!(
        "Plan: {} to add, {} to change, {} to destroy, {} to change ownership.\n",
        count(DiffChange::Add),
        count(DiffChange::Modify),
        count(DiffChange::Remove),
        count(DiffChange::Ownership)
    )
}

fn write_entry(printer: &Printer, view: &DiffView<'_>, entry: &DiffEntry, text: &mut String) {
    let (style, _, past, _) = words(entry.change);
    let comparison = &entry.comparison;
    let heading = format!("{} {past}", title(view, &comparison.object));
    text.push_str(&printer.paint(style, &heading));
    text.push('\n');
    let yaml = |value: &Option<Value>| value.as_ref().map(write_yaml).unwrap_or_default();
    let (before, after) = (yaml(&comparison.before), yaml(&comparison.after));
    write_lines(printer, view.context, &before, &after, text);
    let notes = |fields: &[FieldDifference], what: &str, text: &mut String| {
        if !fields.is_empty() {
            text.push_str(&printer.paint(Style::Dim, &format!("# {what}:")));
            text.push('\n');
        }
        for field in fields {
            let field = serde_json::to_value(field).unwrap_or_default();
            for line in field_lines(printer, &field, "#   ") {
                text.push_str(&line);
                text.push('\n');
            }
        }
    };
    let foreign: Vec<_> = comparison
        .differences
        .iter()
        .filter(|field| field.owner.as_ref().is_some_and(|owner| !owner.is_ours()))
        .cloned()
        .collect();
    notes(&foreign, "changed outside the release", text);
    notes(&comparison.yielded, "left to the autoscaler", text);
    notes(&comparison.extra, "stays, set by somebody else", text);
}

fn write_lines(
    printer: &Printer,
    context: Option<usize>,
    before: &str,
    after: &str,
    text: &mut String,
) {
    let diff = TextDiff::from_lines(before, after);
    let groups = diff.grouped_ops(context.unwrap_or(usize::MAX / 2));
    for (index, group) in groups.iter().enumerate() {
        if index > 0 {
            text.push_str(&printer.paint(Style::Dim, "..."));
            text.push('\n');
        }
        for change in group
            .iter()
            .flat_map(|operation| diff.iter_changes(operation))
        {
            let line = change.value().trim_end_matches('\n');
            let painted = match change.tag() {
                ChangeTag::Equal => format!("  {line}"),
                ChangeTag::Delete => printer.paint(Style::Bad, &format!("- {line}")),
                ChangeTag::Insert => printer.paint(Style::Good, &format!("+ {line}")),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{painted}");
        }
    }
}
