//! For people: as wide as the terminal, so that no line is broken by it.

use super::words::{apart, cell, component, explanation, place, sections, value, values};
use crate::environment::drift::{Cell, CellState, Component, Difference, Drift};
use crate::output::line::wrap;
use crate::output::printer::{Printer, Style};
use crate::output::table::Table;

/// The width of a usual terminal, by which lines are laid out where there is none.
const COLUMNS_USUAL: usize = 80;
/// What stands before the facts of a difference.
const FACT_INDENT: &str = "      ";

/// Writes the matrix and the differences below it; `with_allowed` lists what may differ, too.
pub fn table(printer: &Printer, drift: &Drift, with_allowed: bool) -> String {
    Layout {
        printer,
        // The last column stays free: a full line would wrap on some terminals.
        columns: printer.columns().map(|columns| columns.saturating_sub(1)),
    }
    .table(drift, with_allowed)
}

/// How lines are laid out.
struct Layout<'a> {
    printer: &'a Printer,
    /// Columns of the terminal; none where lines are left as long as they are.
    columns: Option<usize>,
}

impl Layout<'_> {
    fn table(&self, drift: &Drift, with_allowed: bool) -> String {
        let printer = self.printer;
        let mut text = self.matrix(drift);
        for row in &drift.environments {
            let unreachable = row.unreachable.iter();
            let unreachable = unreachable.map(|why| ("unreachable", Style::Bad, why));
            let problems = row.problems.iter();
            let problems = problems.map(|why| ("problem", Style::Warning, why));
            for (word, style, why) in unreachable.chain(problems) {
                text.push('\n');
                let line = format!("{word} {}: {why}", row.name);
                text.push_str(&self.beginning_with(word, style, &line));
            }
        }
        for (heading, found) in sections(drift) {
            text.push_str(&self.section(drift, heading, found));
        }
        if with_allowed {
            for (heading, found) in apart(drift) {
                text.push_str(&self.section(drift, heading, found));
            }
        } else if let Some(told) = counts_apart(drift) {
            text.push('\n');
            text.push_str(&self.painted(Style::Dim, &told));
        }
        if !drift.is_drift() {
            text.push_str(&format!("\n{}\n", printer.paint(Style::Good, "no drift")));
        }
        text
    }

    /// The lines that a text takes; the second and later ones are indented by four more.
    fn lines(&self, text: &str) -> Vec<String> {
        let begins = text.len() - text.trim_start().len();
        match self.columns {
            Some(columns) => wrap(text, columns, begins + 4),
            None => vec![text.to_owned()],
        }
    }

    fn painted(&self, style: Style, text: &str) -> String {
        let lines = self.lines(text).into_iter();
        lines
            .map(|line| format!("{}\n", self.printer.paint(style, &line)))
            .collect()
    }

    /// As many lines as the text takes, of which the first begins with a painted word.
    fn beginning_with(&self, word: &str, style: Style, text: &str) -> String {
        let lines = self.lines(text).join("\n") + "\n";
        match lines.split_once(word) {
            Some((before, after)) => format!("{before}{}{after}", self.printer.paint(style, word)),
            // Broken within the word, which a sane terminal is never too narrow for.
            None => lines,
        }
    }

    /// Components by environments; below each other where they do not fit beside each other.
    fn matrix(&self, drift: &Drift) -> String {
        let mut heading = vec!["COMPONENT"];
        heading.extend(drift.environments.iter().map(|row| row.name.as_str()));
        let mut table = Table::with_heading(&heading);
        for row in &drift.components {
            let mut cells = vec![(component(&row.release, row.component.as_deref()), None)];
            let told = row.cells.iter();
            cells.extend(told.map(|one| (cell(one), Some(paint_of(one)))));
            table.row(cells);
        }
        match self.columns {
            Some(columns) if table.columns_taken() > columns => {
                let rows = drift.components.iter();
                rows.map(|row| self.component(row)).collect()
            }
            _ => table.render(self.printer),
        }
    }

    /// A component with a line for each environment; those that are alike share one.
    fn component(&self, row: &Component) -> String {
        let name = component(&row.release, row.component.as_deref());
        let mut text = self.lines(&name).join("\n") + "\n";
        let mut alike: Vec<(&Cell, Vec<&str>)> = Vec::new();
        for one in &row.cells {
            match alike.iter_mut().find(|(first, _)| cell(first) == cell(one)) {
                Some((_, names)) => names.push(&one.environment),
                None => alike.push((one, vec![&one.environment])),
            }
        }
        for (first, names) in alike {
            let said = cell(first);
            let line = format!("    {said}: {}", names.join(", "));
            text.push_str(&self.beginning_with(&said, paint_of(first), &line));
        }
        text
    }

    fn section(&self, drift: &Drift, heading: &str, found: Vec<&Difference>) -> String {
        if found.is_empty() {
            return String::new();
        }
        let mut text = String::from("\n");
        text.push_str(&self.painted(Style::Bold, heading));
        for difference in found {
            text.push_str(&self.subject(difference));
            text.push_str(&self.sides(difference));
            let why = explanation(difference, drift);
            if !why.is_empty() {
                text.push_str(&self.painted(Style::Hint, &format!("{FACT_INDENT}{why}")));
            }
            if let Some(glob) = &difference.allowed_by {
                let told = format!("{FACT_INDENT}allowed by {glob}");
                text.push_str(&self.painted(Style::Dim, &told));
            }
        }
        text
    }

    /// Where it is and what it is; the field has a line of its own where one line is too long.
    fn subject(&self, difference: &Difference) -> String {
        let field = difference.field.as_deref().unwrap_or("(the whole)");
        let name = component(&difference.release, difference.component.as_deref());
        let place = place(difference);
        let subject = format!("  {place} {name}: {}", difference.subject());
        let line = format!("{subject} {field}");
        let fits = |columns| line.chars().count() <= columns;
        if self.columns.is_none_or(fits) {
            return self.beginning_with(&place, Style::Warning, &line);
        }
        let mut text = self.beginning_with(&place, Style::Warning, &subject);
        for line in self.lines(&format!("    {field}")) {
            text.push_str(&format!("{line}\n"));
        }
        text
    }

    /// What each side has: on one line where it fits, else a line each.
    fn sides(&self, difference: &Difference) -> String {
        let line = format!("{FACT_INDENT}{}", values(difference));
        let columns = self.columns.unwrap_or(COLUMNS_USUAL).min(COLUMNS_USUAL);
        if line.chars().count() <= columns {
            return format!("{line}\n");
        }
        let each = difference.values.iter();
        each.flat_map(|(label, shown)| {
            self.lines(&format!("{FACT_INDENT}{label}: {}", value(shown)))
        })
        .map(|line| format!("{line}\n"))
        .collect()
    }
}

fn paint_of(cell: &Cell) -> Style {
    match cell.state {
        CellState::Same => Style::Good,
        CellState::Absent => Style::Dim,
        CellState::Differs => Style::Warning,
        _ => Style::Bad,
    }
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;
    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::environment::drift::{EnvironmentRow, Shown, View};

    fn of(environment: &str, state: CellState, count: usize) -> Cell {
        Cell {
            environment: environment.to_owned(),
            state,
            edited: count,
            behind: 0,
            differing: 0,
        }
    }

    fn environment(name: &str) -> EnvironmentRow {
        EnvironmentRow {
            name: name.to_owned(),
            target: "cluster".to_owned(),
            namespace: "fraud".to_owned(),
            unreachable: None,
            problems: Vec::new(),
        }
    }

    fn drift() -> Drift {
        let mut prod = environment("production-us-east");
        prod.unreachable = Some(
            "the cluster at https://10.0.0.1:6443 does not answer within 30 s: connection refused"
                .to_owned(),
        );
        let image = |tag: &str| {
            let name = "registry.internal.example.com/team/ml-platform/fraud-model-server";
            Shown::Value(json!(format!("{name}:{tag}")))
        };
        Drift {
            at: DateTime::from_timestamp(0, 0).expect("a moment"),
            environments: ["development", "staging-eu-west"]
                .map(environment)
                .into_iter()
                .chain([prod])
                .collect(),
            components: vec![Component {
                release: "team-fraud-stack".to_owned(),
                component: Some("feature-store-proxy".to_owned()),
                cells: vec![
                    of("development", CellState::Same, 0),
                    of("staging-eu-west", CellState::Edited, 12),
                    of("production-us-east", CellState::Unreachable, 0),
                ],
            }],
            differences: vec![Difference {
                comparison: View::LiveAgainstRecord,
                release: "team-fraud-stack".to_owned(),
                component: Some("feature-store-proxy".to_owned()),
                environment: Some("staging-eu-west".to_owned()),
                kind: Some("Deployment".to_owned()),
                name: Some("team-fraud-stack-feature-store-proxy".to_owned()),
                field: Some(
                    "spec.template.spec.containers[name=feature-store-proxy].image".to_owned(),
                ),
                values: vec![
                    ("record".to_owned(), image("v1.0.0")),
                    ("live".to_owned(), image("debug")),
                ],
                changed_by: Some("kubectl-set".to_owned()),
                since: None,
                or_longer: false,
                changed_in: None,
                revision: None,
                allowed_by: None,
            }],
            allowed: Vec::new(),
            random: Vec::new(),
        }
    }

    fn laid_out(columns: Option<usize>) -> String {
        let printer = Printer::new(Some(false));
        let printer = &printer;
        Layout { printer, columns }.table(&drift(), false)
    }

    #[test]
    fn a_narrow_terminal_gets_the_same_facts_in_lines_that_fit() {
        for columns in [40, 59, 79, 119] {
            let text = laid_out(Some(columns));
            for line in text.lines() {
                assert!(line.width() <= columns, "{columns}: {line}");
            }
            let words = text.split_whitespace().collect::<String>();
            for fact in ["edited12", "server:v1.0.0", "server:debug", "kubectl-set"] {
                assert!(words.contains(fact), "{columns}: {fact} in\n{text}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_beside_each_other_stands_below_each_other() {
        let text = laid_out(Some(59));
        let matrix = "team-fraud-stack/feature-store-proxy\n    same: development\n    edited 12: staging-eu-west\n    unreachable: production-us-east\n";
        assert!(text.starts_with(matrix), "{text}");
        let wide = laid_out(Some(119));
        assert!(wide.starts_with("COMPONENT  "), "{wide}");
    }

    #[test]
    fn a_file_gets_each_fact_in_one_line() {
        let text = laid_out(None);
        let subject = "\n  staging-eu-west team-fraud-stack/feature-store-proxy: Deployment team-fraud-stack-feature-store-proxy spec.template.spec.containers[name=feature-store-proxy].image\n";
        assert!(text.contains(subject), "{text}");
    }
}
