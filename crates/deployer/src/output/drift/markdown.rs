//! For a pull request or a step summary.

use super::words::{apart, cell, component, explanation, place, problems, sections, values};
use crate::environment::drift::{Difference, Drift};

/// Writes the matrix and the differences as GitHub's Markdown.
pub fn markdown(drift: &Drift) -> String {
    let moment = drift.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let mut text = format!("# Drift at {moment}\n\n| component |");
    for row in &drift.environments {
        text.push_str(&format!(" {} |", escaped(&row.name)));
    }
    text.push_str(&format!(
        "\n|---|{}\n",
        "---|".repeat(drift.environments.len())
    ));
    for row in &drift.components {
        let name = component(&row.release, row.component.as_deref());
        text.push_str(&format!("| {} |", escaped(&name)));
        for one in &row.cells {
            text.push_str(&format!(" {} |", cell(one)));
        }
        text.push('\n');
    }
    for (name, problem) in problems(drift) {
        text.push_str(&format!("\n**{}**: {}\n", escaped(name), escaped(problem)));
    }
    for (heading, found) in sections(drift).chain(apart(drift)) {
        text.push_str(&section(drift, heading, &found));
    }
    if !drift.is_drift() {
        text.push_str("\nNo drift.\n");
    }
    text
}

fn section(drift: &Drift, heading: &str, found: &[&Difference]) -> String {
    if found.is_empty() {
        return String::new();
    }
    let mut text =
        format!("\n## {heading}\n\n| where | what | field | values | |\n|---|---|---|---|---|\n");
    for difference in found {
        let name = component(&difference.release, difference.component.as_deref());
        let field = difference
            .field
            .as_deref()
            .map(|field| format!("`{}`", field.replace('`', "'")));
        text.push_str(&format!(
            "| {} | {name}: {} | {} | {} | {} |\n",
            place(difference),
            escaped(&difference.subject()),
            field.unwrap_or_default().replace('|', "\\|"),
            escaped(&values(difference)),
            escaped(&explanation(difference, drift)),
        ));
    }
    text
}

/// Keeps a text from being read as Markdown or HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\n' | '\r' => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
