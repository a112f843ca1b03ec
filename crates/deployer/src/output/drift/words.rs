//! The sentences that all forms share.

use chrono::{DateTime, Utc};

use crate::environment::drift::{Cell, CellState, Difference, Drift, Shown, View};
use crate::output::line::shortened;

/// Characters of a value that are shown to people.
const VALUE_SHOWN: usize = 60;

/// The views in the order in which they are shown, each under its heading.
const VIEWS: [(View, &str); 3] = [
    (
        View::LiveAgainstRecord,
        "Edited by hand (live against record)",
    ),
    (
        View::FilesAgainstRecord,
        "Not deployed (files against record)",
    ),
    (View::BetweenEnvironments, "Between environments"),
];

/// The differences of each view below its heading; a view may have none.
pub(super) fn sections(drift: &Drift) -> impl Iterator<Item = (&'static str, Vec<&Difference>)> {
    VIEWS.into_iter().map(|(view, heading)| {
        let all = drift.differences.iter();
        let of_view = all.filter(|found| found.comparison == view);
        (heading, of_view.collect())
    })
}

/// What is set apart, each kind below its heading: what may differ, and what is made anew at each
/// rendering.
pub(super) fn apart(drift: &Drift) -> [(&'static str, Vec<&Difference>); 2] {
    [
        ("Allowed", drift.allowed.iter().collect()),
        (
            "Random at each rendering (no deployment would bring them together)",
            drift.random.iter().collect(),
        ),
    ]
}

/// Why environments could not be looked at, wholly or in part: the name, then the reason.
pub(super) fn problems(drift: &Drift) -> impl Iterator<Item = (&str, &str)> {
    drift.environments.iter().flat_map(|row| {
        let reasons = row.unreachable.iter().chain(&row.problems);
        reasons.map(|reason| (row.name.as_str(), reason.as_str()))
    })
}

/// What a cell of the matrix says.
pub(super) fn cell(cell: &Cell) -> String {
    match cell.state {
        CellState::Unreachable => "unreachable".to_owned(),
        CellState::Missing => "missing".to_owned(),
        CellState::Absent => "-".to_owned(),
        CellState::Same => "same".to_owned(),
        _ => {
            let counted = [
                ("edited", cell.edited),
                ("behind", cell.behind),
                ("differs", cell.differing),
            ];
            let said = counted.iter().filter(|(_, count)| *count > 0);
            said.map(|(word, count)| format!("{word} {count}"))
                .collect::<Vec<_>>()
                .join(", ")
        }
    }
}

/// The name of a row.
pub(super) fn component(release: &str, component: Option<&str>) -> String {
    match component {
        Some(component) => format!("{release}/{component}"),
        None => release.to_owned(),
    }
}

/// A value for people.
pub(super) fn value(shown: &Shown) -> String {
    let text = match shown {
        Shown::There => return "there".to_owned(),
        Shown::Absent => return "absent".to_owned(),
        Shown::Hidden => return "(hidden)".to_owned(),
        Shown::Value(serde_json::Value::String(text)) => text.clone(),
        Shown::Value(value) => value.to_string(),
    };
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    let line = text.lines().next().unwrap_or_default();
    if line.len() < text.len() {
        let kept: String = line.chars().take(VALUE_SHOWN - 1).collect();
        return format!("{kept}…");
    }
    shortened(&text, VALUE_SHOWN)
}

/// Each side with its value.
pub(super) fn values(difference: &Difference) -> String {
    let sides = difference.values.iter();
    sides
        .map(|(label, shown)| format!("{label}: {}", value(shown)))
        .collect::<Vec<_>>()
        .join("  ")
}

/// A difference in one line.
pub fn sentence(difference: &Difference) -> String {
    let field = difference.field.as_deref().map(|field| format!(" {field}"));
    format!(
        "{}{} ({})",
        difference.subject(),
        field.unwrap_or_default(),
        values(difference)
    )
}

/// How long ago, in the largest unit that fits.
pub(super) fn age(since: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - since).num_seconds().max(0);
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// Who changed it, where, since when, and who is behind; empty where nothing tells.
pub(super) fn explanation(difference: &Difference, drift: &Drift) -> String {
    let since = difference.since.map(|since| {
        let least = if difference.or_longer {
            "at least "
        } else {
            ""
        };
        format!("{least}{}", age(since, drift.at))
    });
    match difference.comparison {
        View::LiveAgainstRecord => match (&difference.changed_by, since) {
            (Some(who), Some(since)) => format!("changed by {who} {since} ago"),
            (Some(who), None) => format!("changed by {who}"),
            (None, _) => String::new(),
        },
        View::FilesAgainstRecord => String::new(),
        View::BetweenEnvironments => {
            let (Some(place), Some(since)) = (&difference.changed_in, since) else {
                return String::new();
            };
            let revision = difference
                .revision
                .map(|revision| format!(" (revision {revision})"))
                .unwrap_or_default();
            let behind = behind(difference, drift, place);
            let behind = match behind.as_slice() {
                [] => String::new(),
                names => format!("; {} behind for {since}", names.join(" and ")),
            };
            format!("changed in {place}{revision} {since} ago{behind}")
        }
    }
}

/// The environments after the one that changed, in order of promotion, that have something else.
fn behind<'a>(difference: &'a Difference, drift: &Drift, changed: &str) -> Vec<&'a str> {
    let order = |name: &str| drift.environments.iter().position(|row| row.name == name);
    let newest = difference.values.iter().find(|(label, _)| label == changed);
    let others = difference.values.iter().filter(|(label, value)| {
        order(label) > order(changed) && newest.is_some_and(|(_, newest)| newest != value)
    });
    others.map(|(label, _)| label.as_str()).collect()
}

/// Where a difference is: the environment, or those that are not as most.
pub(super) fn place(difference: &Difference) -> String {
    difference.concerns().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let at = |seconds: i64| DateTime::from_timestamp(seconds, 0).expect("a moment");
        for (seconds, expected) in [
            (5, "5 seconds"),
            (61, "1 minute"),
            (7_300, "2 hours"),
            (11 * 86_400 + 5, "11 days"),
        ] {
            assert_eq!(age(at(0), at(seconds)), expected);
        }
    }
}
