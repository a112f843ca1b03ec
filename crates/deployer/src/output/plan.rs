//! A plan for people: one line per step, the fields that differ below it.

use serde_json::Value;

use super::contract::Format;
use super::printer::{PrintError, Printer, Style};
use crate::plan::{HookStep, ObjectAction, SavedPlan, SavedStep};

/// Fields of one object that are shown; `diff` shows all.
const FIELDS_SHOWN: usize = 12;
/// Characters of a value that are shown where there is no terminal.
const VALUE_WIDTH: usize = 60;
/// Columns before a value in the narrowest useful layout.
const COLUMNS_MIN: usize = 40;

/// Prints a plan; the JSON and YAML are what `--save` writes.
///
/// # Errors
/// [`PrintError`].
pub fn print_plan(printer: &Printer, format: Format, plan: &SavedPlan) -> Result<(), PrintError> {
    match format {
        Format::Table => printer.data(&plan_text(printer, plan)),
        other => printer.value(other, plan),
    }
}

/// Words a plan.
pub(super) fn plan_text(printer: &Printer, plan: &SavedPlan) -> String {
    let after = plan.last.as_ref().map_or_else(
        || "nothing before it".to_owned(),
        |last| format!("after revision {} ({})", last.revision, last.status),
    );
    let mut lines = vec![
        printer.paint(
            Style::Bold,
            &format!(
                "PLAN: {} `{}` in namespace `{}`",
                plan.operation, plan.release, plan.namespace
            ),
        ),
        format!(
            "  revision {}, {after}; chart {}",
            plan.revision, plan.chart
        ),
        format!("  {}", plan.target),
    ];
    lines.extend(
        plan.pre_hooks
            .iter()
            .map(|saved| hook(printer, &saved.hook)),
    );
    let applies = |step: &&SavedStep| !is_removal(step.action);
    for saved in plan.steps.iter().filter(applies) {
        step(printer, saved, &mut lines);
    }
    let same = count(plan, ObjectAction::Unchanged);
    if same > 0 {
        lines.push(printer.paint(Style::Dim, &format!("  unchanged  {}", objects(same))));
    }
    for saved in plan.steps.iter().filter(|step| is_removal(step.action)) {
        step(printer, saved, &mut lines);
    }
    if plan.awaited > 0 {
        lines.push(format!(
            "  wait       until {} are ready",
            objects(plan.awaited)
        ));
    }
    lines.extend(
        plan.post_hooks
            .iter()
            .map(|saved| hook(printer, &saved.hook)),
    );
    lines.push(summary(plan));
    for warning in &plan.warnings {
        lines.push(format!(
            "{} {warning}",
            printer.paint(Style::Warning, "warning:")
        ));
    }
    lines.join("\n") + "\n"
}

fn is_removal(action: ObjectAction) -> bool {
    matches!(action, ObjectAction::Delete | ObjectAction::Keep)
}

fn count(plan: &SavedPlan, action: ObjectAction) -> usize {
    plan.steps
        .iter()
        .filter(|step| step.action == action)
        .count()
}

fn objects(count: usize) -> String {
    format!("{count} object{}", if count == 1 { "" } else { "s" })
}

fn hook(printer: &Printer, hook: &HookStep) -> String {
    let word = printer.paint(Style::Hint, "hook     ");
    format!(
        "  {word}  {} {} `{}` (weight {})",
        hook.event, hook.kind, hook.name, hook.weight
    )
}

fn step(printer: &Printer, step: &SavedStep, lines: &mut Vec<String>) {
    let style = match step.action {
        ObjectAction::Unchanged if step.yielded.is_empty() => return,
        ObjectAction::Unchanged | ObjectAction::Keep => Style::Dim,
        ObjectAction::Create => Style::Good,
        ObjectAction::Patch => Style::Warning,
        ObjectAction::Adopt | ObjectAction::Delete => Style::Bad,
    };
    let word = printer.paint(style, &format!("{:<9}", step.action.as_str()));
    let undo = match step.undo.as_str() {
        "nothing" => String::new(),
        undo => printer.paint(Style::Dim, &format!("  (undo: {undo})")),
    };
    lines.push(format!("  {word}  {}{undo}", step.object));
    for field in step.differences.iter().take(FIELDS_SHOWN) {
        lines.push(format!("             {}", field_text(printer, field)));
    }
    if let Some(more) = step
        .differences
        .len()
        .checked_sub(FIELDS_SHOWN)
        .filter(|more| *more > 0)
    {
        lines.push(format!(
            "             and {more} more fields; see `deployer diff`"
        ));
    }
    for field in &step.yielded {
        let text = field_text(printer, field);
        lines.push(printer.paint(
            Style::Dim,
            &format!("             left to the autoscaler: {text}"),
        ));
    }
}

/// Words a field that differs: `path: before -> after (set by whom)`.
pub(super) fn field_text(printer: &Printer, field: &Value) -> String {
    let path = field["path"].as_str().unwrap_or_default();
    let width = printer.columns().map_or(VALUE_WIDTH, |columns| {
        (columns.max(COLUMNS_MIN).saturating_sub(path.len() + 20) / 2).max(12)
    });
    let value = |name: &str| shortened(&field[name], width);
    let told = match (field["change"].as_str(), field["masked"] == true) {
        (Some("changed"), true) => "changed (masked)".to_owned(),
        (Some(change), true) => format!("{change} (masked)"),
        (Some("added"), _) => format!("+ {}", value("after")),
        (Some("removed"), _) => format!("- {}", value("before")),
        _ => format!("{} -> {}", value("before"), value("after")),
    };
    let owner = &field["owner"];
    let manager = owner["manager"]
        .as_str()
        .filter(|manager| *manager != "helm");
    let owner = manager.map_or(String::new(), |manager| match owner["time"].as_str() {
        Some(time) => format!("  (set by {manager}, {time})"),
        None => format!("  (set by {manager})"),
    });
    format!("{path}: {told}{}", printer.paint(Style::Dim, &owner))
}

fn shortened(value: &Value, width: usize) -> String {
    let text = value.to_string();
    if text.chars().count() <= width {
        return text;
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn summary(plan: &SavedPlan) -> String {
    let part = |action, word: &str| match count(plan, action) {
        0 => None,
        count => Some(format!("{count} {word}")),
    };
    let parts: Vec<String> = [
        part(ObjectAction::Create, "to create"),
        part(ObjectAction::Patch, "to patch"),
        part(ObjectAction::Adopt, "to adopt"),
        part(ObjectAction::Delete, "to delete"),
        part(ObjectAction::Keep, "kept"),
        part(ObjectAction::Unchanged, "unchanged"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        return "Plan: no objects.".to_owned();
    }
    format!("Plan: {}.", parts.join(", "))
}
