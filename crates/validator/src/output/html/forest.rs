//! Values with their bounds, one below the other, beside the limit; text and not a picture, so that it
//! is read on a narrow screen, too.

use std::fmt::Write as _;

use verdict::report::Check;

use super::is_open;
use crate::output::escape::xml;
use crate::output::numbers::count;
use crate::output::text::cells;

/// At most this many rows in a plot; what did not pass comes first.
const ROWS_MAX: usize = 60;

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
    let place = |value: f64| 100.0 * (value - from) / (to - from);
    let limits: Vec<f64> = shown.iter().filter_map(|check| limit(check)).collect();
    // One limit for all is named once; several stand in their own rows.
    let common = limits
        .first()
        .copied()
        .filter(|first| limits.iter().all(|limit| limit == first));
    let mut text = String::from("<div class=\"forest\">\n");
    for check in shown {
        text.push_str(&row(check, &place));
    }
    if let Some(limit) = common {
        let at = place(limit);
        // Near an edge the words lie on the side where there is room.
        let shift = at.clamp(0.0, 100.0);
        let _ = writeln!(
            text,
            "<div><span></span><span class=\"band\"><small style=\"left:{at:.1}%;transform:translateX(-{shift:.0}%)\">limit {limit}</small></span></div>"
        );
    }
    text + "</div>"
}

fn limit(check: &Check) -> Option<f64> {
    check.minimum.or(check.maximum)
}

/// One check: its name, its place on the common scale, and how it came out.
fn row(check: &Check, place: &impl Fn(f64) -> f64) -> String {
    let mut marks = String::new();
    let mut upright = |class: &str, value: Option<f64>| {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(
                marks,
                "<i class=\"{class}\" style=\"left:{:.1}%\"></i>",
                place(value)
            );
        }
    };
    upright("zero", check.compared_with.as_ref().map(|_| 0.0));
    upright("limit", limit(check));
    if let Some((lower, upper)) = check.lower_bound.zip(check.upper_bound) {
        let (left, right) = (place(lower), place(upper));
        let _ = write!(
            marks,
            "<i class=\"span\" style=\"left:{left:.1}%;width:{:.1}%\"></i>",
            right - left
        );
    }
    if let Some(value) = check.value {
        let _ = write!(
            marks,
            "<i class=\"dot\" style=\"left:{:.1}%\"></i>",
            place(value)
        );
    }
    let name = xml(check.slice.as_ref().unwrap_or(&check.metric));
    let [_, value, bounds, limit] = cells(check).map(|cell| xml(&cell));
    format!(
        "<div><span>{name} <small>{} rows</small></span><span class=\"band\" role=\"img\" title=\"{value}, {bounds}, {limit}\">{marks}</span><b class=\"{1}\">{1}</b></div>\n",
        count(check.samples),
        check.outcome
    )
}
