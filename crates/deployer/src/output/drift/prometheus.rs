//! For the textfile collector of Prometheus' node exporter.

use crate::environment::drift::{CellState, Drift, View};

/// Writes the metrics in Prometheus' text format.
pub fn prometheus(drift: &Drift) -> String {
    let mut text = String::new();
    metric(
        &mut text,
        "deployer_drift_differences",
        "Fields and objects of a component that differ, by the views compared.",
        drift.components.iter().flat_map(|row| {
            row.cells.iter().flat_map(move |cell| {
                [
                    (View::LiveAgainstRecord, cell.edited),
                    (View::FilesAgainstRecord, cell.behind),
                    (View::BetweenEnvironments, cell.differing),
                ]
                .map(|(view, count)| {
                    let labels = [
                        ("environment", cell.environment.as_str()),
                        ("release", row.release.as_str()),
                        ("component", row.component.as_deref().unwrap_or_default()),
                        ("comparison", name(view)),
                    ];
                    (labels_text(&labels), count.to_string())
                })
            })
        }),
    );
    metric(
        &mut text,
        "deployer_drift_component_missing",
        "Whether a component is missing in an environment.",
        drift.components.iter().flat_map(|row| {
            row.cells.iter().map(move |cell| {
                let labels = [
                    ("environment", cell.environment.as_str()),
                    ("release", row.release.as_str()),
                    ("component", row.component.as_deref().unwrap_or_default()),
                ];
                let is_missing = cell.state == CellState::Missing;
                (labels_text(&labels), u8::from(is_missing).to_string())
            })
        }),
    );
    metric(
        &mut text,
        "deployer_drift_environment_reachable",
        "Whether an environment could be asked.",
        drift.environments.iter().map(|row| {
            let labels = [("environment", row.name.as_str())];
            let is_there = row.unreachable.is_none();
            (labels_text(&labels), u8::from(is_there).to_string())
        }),
    );
    metric(
        &mut text,
        "deployer_drift_oldest_seconds",
        "Age of the oldest difference of an environment that records tell, in seconds.",
        drift.environments.iter().map(|row| {
            let mine = drift
                .differences
                .iter()
                .filter(|found| found.concerns().contains(&row.name.as_str()));
            let oldest = mine.filter_map(|found| found.since).min();
            let age = oldest.map_or(0, |since| (drift.at - since).num_seconds().max(0));
            (
                labels_text(&[("environment", row.name.as_str())]),
                age.to_string(),
            )
        }),
    );
    metric(
        &mut text,
        "deployer_drift_last_run_timestamp_seconds",
        "When the environments were last compared.",
        [(String::new(), drift.at.timestamp().to_string())].into_iter(),
    );
    text
}

fn metric(
    text: &mut String,
    name: &str,
    help: &str,
    samples: impl Iterator<Item = (String, String)>,
) {
    text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
    for (labels, value) in samples {
        text.push_str(&format!("{name}{labels} {value}\n"));
    }
}

fn labels_text(labels: &[(&str, &str)]) -> String {
    let escaped = |value: &str| {
        value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    };
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

fn name(view: View) -> &'static str {
    match view {
        View::LiveAgainstRecord => "live-against-record",
        View::FilesAgainstRecord => "files-against-record",
        View::BetweenEnvironments => "between-environments",
    }
}
