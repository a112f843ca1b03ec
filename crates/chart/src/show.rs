//! What `show` prints of a chart.
//!
//! Source: Helm v3.22 pkg/action/show.go.

use template::{Compat, yaml};

use crate::model::{Chart, File};

const READMES: [&str; 3] = ["readme.md", "readme.txt", "readme"];

/// The parts of a chart that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Chart,
    Values,
    Readme,
    CustomResources,
    All,
}

/// Returns the text of a part; values and README are shown as they were written.
pub fn show(chart: &Chart, part: Part, compat: Compat) -> String {
    let all = part == Part::All;
    let shows = |wanted: Part| all || part == wanted;
    let mut text = String::new();
    let mut add = |content: &str| {
        text.push_str(content);
        text.push('\n');
    };
    if shows(Part::Chart) {
        add(&metadata_text(chart));
    }
    if shows(Part::Values) && chart.values.is_some() {
        if all {
            add("---");
        }
        chart
            .raw
            .iter()
            .filter(|file| file.name == "values.yaml")
            .for_each(|file| add(&file.text()));
    }
    if shows(Part::Readme)
        && let Some(readme) = readme(&chart.files)
    {
        if all {
            add("---");
        }
        add(&readme.text());
    }
    if shows(Part::CustomResources) {
        let resources = chart.custom_resources();
        for (number, resource) in resources.iter().enumerate() {
            // Helm v3 separates the first alone, and that from what else is shown; v4 each.
            let separates = compat == Compat::Helm4 || (all && number == 0);
            if separates && !resource.text.starts_with("---") {
                add("---");
            }
            add(&resource.text);
        }
    }
    text
}

/// Returns Chart.yaml as Helm writes it: known fields alone, sorted, without comments.
pub fn metadata_text(chart: &Chart) -> String {
    let json = serde_json::to_value(&chart.metadata).unwrap_or_default();
    yaml::emit(&yaml::from_json(&json))
}

fn readme(files: &[File]) -> Option<&File> {
    let is_readme = |file: &&File| {
        READMES
            .iter()
            .any(|name| file.name.eq_ignore_ascii_case(name))
    };
    files.iter().find(is_readme)
}
