//! Values with their bounds, one below the other, beside the limit.

use std::fmt::Write as _;

use verdict::report::Check;

use super::is_open;
use crate::output::escape::xml;

/// At most this many rows in a plot; what did not pass comes first.
const ROWS_MAX: usize = 60;
const WIDTH: f64 = 900.0;
const LEFT: f64 = 300.0;
const RIGHT: f64 = 90.0;
const ROW: f64 = 22.0;

/// Renders each sliced check as a plot of its slices.
pub(super) fn slices(checks: &[Check]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for check in checks.iter().filter(|check| check.slice.is_some()) {
        if !names.contains(&check.metric.as_str()) {
            names.push(&check.metric);
        }
    }
    let mut text = String::new();
    for name in names {
        let of_name: Vec<&Check> = checks
            .iter()
            .filter(|check| check.metric == name && check.slice.is_some())
            .collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "<h2>Slices: {}</h2>\n{}", xml(name), forest(&of_name));
    }
    text
}

/// Renders the differences to the champion on all rows.
pub(super) fn champion(checks: &[Check]) -> String {
    let compared: Vec<&Check> = checks
        .iter()
        .filter(|check| check.compared_with.is_some() && check.slice.is_none())
        .collect();
    if compared.is_empty() {
        return String::new();
    }
    format!("<h2>Change from the champion</h2>\n{}\n", forest(&compared))
}

fn forest(checks: &[&Check]) -> String {
    let mut shown: Vec<&Check> = checks.to_vec();
    shown.sort_by_key(|check| !is_open(check.outcome));
    shown.truncate(ROWS_MAX);
    let numbers = shown.iter().flat_map(|check| {
        [
            check.value,
            check.lower_bound,
            check.upper_bound,
            check.minimum,
            check.maximum,
            check.compared_with.as_ref().map(|_| 0.0),
        ]
    });
    let (mut from, mut to) = (f64::INFINITY, f64::NEG_INFINITY);
    for number in numbers.flatten() {
        from = from.min(number);
        to = to.max(number);
    }
    if from > to {
        return String::new();
    }
    let margin = ((to - from) * 0.05).max(1e-6);
    let (from, to) = (from - margin, to + margin);
    let place = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * (value - from) / (to - from);
    let height = ROW * shown.len() as f64 + 24.0;
    let mut text = format!(
        "<div class=\"scroll\"><svg class=\"row\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"values with bounds\">\n"
    );
    let upright = |text: &mut String, at: f64, class: &str| {
        let x = place(at);
        let _ = writeln!(
            text,
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{:.0}\"/>",
            height - 20.0
        );
    };
    if shown.iter().any(|check| check.compared_with.is_some()) {
        upright(&mut text, 0.0, "grid");
    }
    let limits: Vec<f64> = shown.iter().filter_map(|check| limit(check)).collect();
    // One limit runs through all rows and is named; several stand in their own rows.
    let common = limits
        .first()
        .copied()
        .filter(|first| limits.iter().all(|limit| limit == first));
    if let Some(limit) = common {
        upright(&mut text, limit, "limit");
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">limit {limit}</text>",
            place(limit),
            height - 6.0
        );
    }
    for (row, check) in shown.iter().enumerate() {
        let own = limit(check).filter(|_| common.is_none());
        text.push_str(&line(check, ROW * row as f64 + ROW / 2.0, own, &place));
    }
    text + "</svg></div>"
}

fn limit(check: &Check) -> Option<f64> {
    check.minimum.or(check.maximum)
}

fn line(check: &Check, y: f64, limit: Option<f64>, place: &impl Fn(f64) -> f64) -> String {
    let name = check.slice.as_ref().unwrap_or(&check.metric);
    let mut text = format!(
        "<text x=\"0\" y=\"{:.1}\">{} <tspan class=\"note\">{} rows</tspan></text>\n",
        y + 4.0,
        xml(name),
        check.samples
    );
    if let Some(limit) = limit {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "<line class=\"limit\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1:.1}\" y2=\"{2:.1}\"><title>limit {limit}</title></line>",
            place(limit),
            y - ROW / 2.0,
            y + ROW / 2.0
        );
    }
    if let Some((lower, upper)) = check.lower_bound.zip(check.upper_bound) {
        let _ = writeln!(
            text,
            "<line class=\"span\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
            place(lower),
            place(upper)
        );
    }
    if let Some(value) = check.value {
        let _ = writeln!(
            text,
            "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{value}</title></circle>",
            place(value)
        );
    }
    let outcome = check.outcome;
    let _ = writeln!(
        text,
        "<text class=\"{outcome}\" style=\"fill:currentColor\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{outcome}</text>",
        WIDTH - 2.0,
        y + 4.0
    );
    text
}
