//! For a terminal.

use super::words::{apart, cell, component, explanation, place, sections, value, values};
use crate::environment::drift::{CellState, Difference, Drift};
use crate::output::printer::{Printer, Style};
use crate::output::table::Table;

/// Characters of a line that fit a usual terminal, beside its indentation.
const LINE_CHARACTERS_MAX: usize = 74;

/// Writes the matrix and the differences below it; `with_allowed` lists what may differ, too.
pub fn table(printer: &Printer, drift: &Drift, with_allowed: bool) -> String {
    let mut text = matrix(printer, drift);
    for row in &drift.environments {
        if let Some(problem) = &row.unreachable {
            let word = printer.paint(Style::Bad, "unreachable");
            text.push_str(&format!("\n{word} {}: {problem}\n", row.name));
        }
        for problem in &row.problems {
            let word = printer.paint(Style::Warning, "problem");
            text.push_str(&format!("\n{word} {}: {problem}\n", row.name));
        }
    }
    for (heading, found) in sections(drift) {
        text.push_str(&section(printer, drift, heading, found));
    }
    if with_allowed {
        for (heading, found) in apart(drift) {
            text.push_str(&section(printer, drift, heading, found));
        }
    } else if let Some(told) = counts_apart(drift) {
        text.push_str(&format!("\n{}\n", printer.paint(Style::Dim, &told)));
    }
    if !drift.is_drift() {
        text.push_str(&format!("\n{}\n", printer.paint(Style::Good, "no drift")));
    }
    text
}

/// How much is set apart; nothing where nothing is.
fn counts_apart(drift: &Drift) -> Option<String> {
    let word = |count: usize| match count {
        1 => "difference",
        _ => "differences",
    };
    let (allowed, random) = (drift.allowed.len(), drift.random.len());
    let mut parts = Vec::new();
    if allowed > 0 {
        parts.push(format!("{allowed} allowed {}", word(allowed)));
    }
    if random > 0 {
        parts.push(format!(
            "{random} {} random at each rendering",
            word(random)
        ));
    }
    let all = parts.join(" and ");
    (!parts.is_empty()).then(|| format!("{all} (`--show-allowed` lists them)"))
}

fn matrix(printer: &Printer, drift: &Drift) -> String {
    let mut heading = vec!["COMPONENT"];
    heading.extend(drift.environments.iter().map(|row| row.name.as_str()));
    let mut table = Table::with_heading(&heading);
    for row in &drift.components {
        let mut cells = vec![(component(&row.release, row.component.as_deref()), None)];
        cells.extend(row.cells.iter().map(|one| {
            let style = match one.state {
                CellState::Same => Style::Good,
                CellState::Absent => Style::Dim,
                CellState::Differs => Style::Warning,
                _ => Style::Bad,
            };
            (cell(one), Some(style))
        }));
        table.row(cells);
    }
    table.render(printer)
}

/// What each side has: on one line where it fits a terminal, else a line each.
fn sides(difference: &Difference) -> String {
    let line = values(difference);
    if line.chars().count() <= LINE_CHARACTERS_MAX {
        return format!("      {line}\n");
    }
    let each = difference.values.iter();
    each.map(|(label, shown)| format!("      {label}: {}\n", value(shown)))
        .collect()
}

fn section(printer: &Printer, drift: &Drift, heading: &str, found: Vec<&Difference>) -> String {
    if found.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n", printer.paint(Style::Bold, heading));
    for difference in found {
        let field = difference.field.as_deref().unwrap_or("(the whole)");
        let name = component(&difference.release, difference.component.as_deref());
        text.push_str(&format!(
            "  {} {name}: {} {field}\n",
            printer.paint(Style::Warning, &place(difference)),
            difference.subject(),
        ));
        text.push_str(&sides(difference));
        let why = explanation(difference, drift);
        if !why.is_empty() {
            text.push_str(&format!("      {}\n", printer.paint(Style::Hint, &why)));
        }
        if let Some(glob) = &difference.allowed_by {
            let told = format!("      allowed by {glob}\n");
            text.push_str(&printer.paint(Style::Dim, &told));
        }
    }
    text
}
