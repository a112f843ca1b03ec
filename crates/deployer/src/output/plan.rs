//! A plan for people: one line per step, the fields that differ below it.

use serde_json::Value;

use super::contract::Format;
use super::line::{paint_word, shortened, wrap};
use super::printer::{PrintError, Printer, Style};
use crate::action::Operation;
use crate::plan::{HookStep, ObjectAction, SavedPlan, SavedStep};
use crate::words::counted;

/// Fields of one object that are shown; `diff` shows all.
const FIELDS_SHOWN: usize = 12;
/// Characters of a value that are shown where there is no terminal.
const VALUE_WIDTH: usize = 60;
/// The narrowest terminal that is laid out for.
const COLUMNS_MIN: usize = 40;
/// What stands before the fields of an object.
const FIELD_INDENT: &str = "             ";

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
    let revision = match &plan.last {
        None => format!("revision {}, nothing before it", plan.revision),
        Some(last) if plan.operation == Operation::Uninstall => {
            format!("revision {} ({})", last.revision, last.status)
        }
        Some(last) => format!(
            "revision {}, after revision {} ({})",
            plan.revision, last.revision, last.status
        ),
    };
    let mut lines = vec![printer.paint(
        Style::Bold,
        &format!(
            "PLAN: {} `{}` in namespace `{}`",
            plan.operation, plan.release, plan.namespace
        ),
    )];
    let columns = columns(printer);
    lines.extend(wrap(
        &format!("  {revision}; chart {}", plan.chart),
        columns,
        4,
    ));
    lines.push(format!("  {}", plan.target));
    for saved in &plan.pre_hooks {
        lines.extend(hook(printer, &saved.hook));
    }
    let applies = |step: &&SavedStep| !is_removal(step.action);
    for saved in plan.steps.iter().filter(applies) {
        step(printer, saved, &mut lines);
    }
    let same = count(plan, ObjectAction::Unchanged);
    if same > 0 {
        lines.push(printer.paint(Style::Dim, &format!("  unchanged  {}", counted(same))));
    }
    for saved in plan.steps.iter().filter(|step| is_removal(step.action)) {
        step(printer, saved, &mut lines);
    }
    if plan.awaited > 0 {
        lines.push(format!(
            "  wait       until {} are ready",
            counted(plan.awaited)
        ));
    }
    for saved in &plan.post_hooks {
        lines.extend(hook(printer, &saved.hook));
    }
    lines.extend(wrap(&summary(plan), columns, 4));
    for warning in &plan.warnings {
        lines.extend(begun_by(
            printer,
            Style::Warning,
            "warning:",
            &format!(" {warning}"),
            4,
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

fn columns(printer: &Printer) -> usize {
    printer.columns().unwrap_or(usize::MAX)
}

/// Breaks what begins with a painted word for the terminal's width.
fn begun_by(printer: &Printer, style: Style, word: &str, text: &str, indent: usize) -> Vec<String> {
    let mut lines = wrap(&format!("{word}{text}"), columns(printer), indent);
    paint_word(&mut lines, word, |word| printer.paint(style, word));
    lines
}

fn hook(printer: &Printer, hook: &HookStep) -> Vec<String> {
    let text = format!(
        "  {} {} `{}` (weight {})",
        hook.event, hook.kind, hook.name, hook.weight
    );
    begun_by(
        printer,
        Style::Hint,
        "  hook     ",
        &text,
        FIELD_INDENT.len(),
    )
}

fn step(printer: &Printer, step: &SavedStep, lines: &mut Vec<String>) {
    let style = match step.action {
        ObjectAction::Unchanged if step.yielded.is_empty() => return,
        ObjectAction::Unchanged | ObjectAction::Keep => Style::Dim,
        ObjectAction::Create => Style::Good,
        ObjectAction::Patch => Style::Warning,
        ObjectAction::Recreate | ObjectAction::Adopt | ObjectAction::Delete => Style::Bad,
    };
    let word = printer.paint(style, &format!("{:<9}", step.action.as_str()));
    let undo = match step.undo.as_str() {
        "nothing" => String::new(),
        undo => format!("(undo: {undo})"),
    };
    let object = step.object.to_string();
    let dim = printer.paint(Style::Dim, &undo);
    if FIELD_INDENT.len() + object.chars().count() + 2 + undo.len() <= columns(printer)
        || undo.is_empty()
    {
        let line = format!("  {word}  {object}  {dim}");
        lines.push(line.trim_end().to_owned());
    } else {
        lines.push(format!("  {word}  {object}"));
        lines.push(format!("{FIELD_INDENT}{dim}"));
    }
    for field in step.differences.iter().take(FIELDS_SHOWN) {
        lines.extend(field_lines(printer, field, FIELD_INDENT));
    }
    if let Some(more) = step
        .differences
        .len()
        .checked_sub(FIELDS_SHOWN)
        .filter(|more| *more > 0)
    {
        lines.push(format!(
            "{FIELD_INDENT}and {more} more fields; see `deployer diff`"
        ));
    }
    if !step.yielded.is_empty() {
        let text = format!("{FIELD_INDENT}left to the autoscaler:");
        lines.push(printer.paint(Style::Dim, &text));
    }
    for field in &step.yielded {
        let indent = format!("{FIELD_INDENT}  ");
        lines.extend(field_lines(printer, field, &indent));
    }
}

/// Words a field that differs, `path: before -> after (set by whom)`; on a terminal that is too
/// narrow for that, over several lines. Each line begins with `indent`.
pub(super) fn field_lines(printer: &Printer, field: &Value, indent: &str) -> Vec<String> {
    let path = field["path"].as_str().unwrap_or_default();
    let owner = &field["owner"];
    let manager = owner["manager"]
        .as_str()
        .filter(|manager| *manager != "helm");
    let owner = manager.map(|manager| match owner["time"].as_str() {
        Some(time) => format!("(set by {manager}, {time})"),
        None => format!("(set by {manager})"),
    });
    let dim = |text: &str| printer.paint(Style::Dim, text);
    let wide = |width| {
        let mut text = format!("{path}: {}", change_text(field, width));
        if let Some(owner) = &owner {
            text.push_str("  ");
            text.push_str(owner);
        }
        text
    };
    let columns = columns(printer);
    let text = wide(VALUE_WIDTH);
    if indent.len() + text.chars().count() <= columns {
        let owner = owner.unwrap_or_default();
        let plain = text.strip_suffix(owner.as_str()).unwrap_or(&text);
        return vec![format!("{indent}{plain}{}", dim(&owner))];
    }
    let width = columns.max(COLUMNS_MIN) - indent.len().min(COLUMNS_MIN / 2) - 4;
    let mut lines: Vec<String> = path_lines(path, columns.saturating_sub(indent.len()))
        .map(|piece| format!("{indent}{piece}"))
        .collect();
    if field["masked"] == true {
        lines.push(format!("{indent}  {}", change_text(field, width)));
    }
    for (name, sign) in [("before", '-'), ("after", '+')] {
        if !field[name].is_null() {
            lines.push(format!(
                "{indent}  {sign} {}",
                shortened(&field[name].to_string(), width)
            ));
        }
    }
    lines.extend(owner.map(|owner| format!("{indent}  {}", dim(&owner))));
    lines
}

/// Breaks a path before its fields, into lines of at most `columns` where that can be done.
fn path_lines(path: &str, columns: usize) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let fits = rest.chars().count() <= columns;
        let places = rest.match_indices(['.', '[']).map(|(at, _)| at);
        let mut places = places.filter(|at| *at > 0).peekable();
        let first = places.peek().copied();
        let at = places.take_while(|at| *at <= columns).last().or(first);
        let (line, after) = match (fits, at) {
            (false, Some(at)) => rest.split_at(at),
            _ => (rest, ""),
        };
        rest = after;
        Some(line)
    })
}

fn change_text(field: &Value, width: usize) -> String {
    let value = |name: &str| shortened(&field[name].to_string(), width);
    match (field["change"].as_str(), field["masked"] == true) {
        (change, true) => format!("{} (masked)", change.unwrap_or("changed")),
        (Some("added"), _) => format!("+ {}", value("after")),
        (Some("removed"), _) => format!("- {}", value("before")),
        _ => format!("{} -> {}", value("before"), value("after")),
    }
}

fn summary(plan: &SavedPlan) -> String {
    let part = |action, word: &str| match count(plan, action) {
        0 => None,
        count => Some(format!("{count} {word}")),
    };
    let parts: Vec<String> = [
        part(ObjectAction::Create, "to create"),
        part(ObjectAction::Patch, "to patch"),
        part(ObjectAction::Recreate, "to delete and create anew"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_is_one_line_unless_the_terminal_is_too_narrow() {
        let printer = Printer::new(Some(false));
        let field = json!({"path": "spec.replicas", "change": "changed", "before": 1, "after": 2, "masked": false,
            "owner": {"manager": "kubectl", "time": "2026-01-01T00:00:00Z"}});
        assert_eq!(
            field_lines(&printer, &field, "  "),
            ["  spec.replicas: 1 -> 2  (set by kubectl, 2026-01-01T00:00:00Z)"]
        );
        let path = "spec.containers[name=main].env[name=TOKEN].value";
        assert_eq!(
            path_lines(path, 28).collect::<Vec<_>>(),
            ["spec.containers[name=main]", ".env[name=TOKEN].value"]
        );
        assert_eq!(path_lines(path, 3).count(), 6);
        assert_eq!(path_lines(path, 80).collect::<Vec<_>>(), [path]);
        let hidden = json!({"path": "data.a", "change": "changed", "masked": true});
        assert_eq!(
            field_lines(&printer, &hidden, ""),
            ["data.a: changed (masked)"]
        );
    }
}
