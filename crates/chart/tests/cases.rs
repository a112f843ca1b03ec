//! Recorded cases of Helm v3's own tests.

#![expect(
    clippy::print_stdout,
    reason = "a test says what it compared or skipped"
)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, path::PathBuf};

use chart::{
    Chart, Metadata,
    values::{Mode, SetKind, coalesce_tables, coalesce_values, set},
};
use serde_json::Value as Json;
use template::{
    Value,
    yaml::{self, Data},
};

fn cases(name: &str) -> Option<Vec<Json>> {
    let folder = std::env::var_os("HELM_CASES").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/cases"
            ))
        },
        PathBuf::from,
    );
    let path = folder.join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!(
            "SKIPPED: no recorded cases at {} (set HELM_CASES)",
            path.display()
        );
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// Prints every failure and how many pass, and fails unless all do.
fn report(name: &str, total: usize, failures: &[String]) {
    for failure in failures {
        println!("FAIL {failure}");
    }
    println!("{name}: {}/{total}", total - failures.len());
    assert!(
        failures.is_empty(),
        "{} cases of {name} fail",
        failures.len()
    );
}

/// Compares by value: the recorded numbers of Go have no kinds.
fn same(left: &Json, right: &Json) -> bool {
    yaml::to_json(&yaml::from_json(left)) == yaml::to_json(&yaml::from_json(right))
}

fn map_of(json: &Json) -> template::Map {
    yaml::from_json(json).as_map().unwrap_or_default()
}

fn chart_of(json: &Json) -> Chart {
    let mut metadata = Metadata::default();
    metadata.apply(&json["metadata"].to_string()).unwrap();
    let mut chart = Chart::default();
    chart.metadata = metadata;
    if !json["values"].is_null() {
        let values = Data::from_value(&yaml::from_json(&json["values"]));
        chart.values = Some(values.into());
    }
    if let Json::Array(children) = &json["dependencies"] {
        chart.dependencies = children.iter().map(chart_of).collect();
    }
    chart
}

#[test]
fn set_expressions_are_read_as_helm_reads_them() {
    let Some(cases) = cases("strvals.json") else {
        return;
    };
    let mut failures = Vec::new();
    for case in &cases {
        let kind = match case["mode"].as_str().unwrap() {
            "set-literal" => SetKind::Literal,
            "set-string" => SetKind::Text,
            "set-json" => SetKind::Json,
            _ => SetKind::Typed,
        };
        let values = map_of(&case["dest"]);
        let error = set(case["in"].as_str().unwrap(), kind, &values).err();
        let error = error.map(|error| error.to_string());
        let value = Value::Map(values);
        let fits = match &case["out"] {
            Json::String(text) => yaml::emit(&value).trim_end() == text.trim_end(),
            out => same(out, &yaml::to_json(&value)),
        };
        if !fits || error.as_deref() != case["err"].as_str() {
            failures.push(format!("{case}: {} {error:?}", yaml::to_json(&value)));
        }
    }
    report("strvals", cases.len(), &failures);
}

#[test]
fn values_coalesce_as_in_helm() {
    let Some(cases) = cases("coalesce.json") else {
        return;
    };
    let mut failures = Vec::new();
    for case in &cases {
        let mut warnings = Vec::new();
        let out = if case["op"] == "CoalesceTables" {
            match (&case["dst"], &case["src"]) {
                (Json::Null, other) | (other, Json::Null) => other.clone(),
                (destination, source) => {
                    let destination = map_of(destination);
                    coalesce_tables(&destination, &map_of(source), Mode::Coalesce, &mut warnings);
                    yaml::to_json(&Value::Map(destination))
                }
            }
        } else {
            let chart = chart_of(&case["chart"]);
            match coalesce_values(
                &chart,
                &map_of(&case["vals"]),
                Mode::Coalesce,
                chart::Compat::Helm3,
                &mut warnings,
            ) {
                Ok(values) => yaml::to_json(&Value::Map(values)),
                Err(error) => Json::String(error),
            }
        };
        if !same(&out, &case["out"]) {
            failures.push(format!("{case}: {out}"));
        }
    }
    report("coalesce", cases.len(), &failures);
}

/// Charts as the recorder wrote them: only names below the root.
fn names(chart: &Chart, path: &str, found: &mut Vec<String>) {
    for child in &chart.dependencies {
        let path = format!("{path}{}", child.name());
        found.push(path.clone());
        names(child, &format!("{path}."), found);
    }
}

fn recorded_names(json: &Json, path: &str, found: &mut Vec<String>) {
    for child in json["dependencies"].as_array().into_iter().flatten() {
        let path = format!("{path}{}", child["metadata"]["name"].as_str().unwrap());
        found.push(path.clone());
        recorded_names(child, &format!("{path}."), found);
    }
}

#[test]
fn dependencies_are_enabled_as_in_helm() {
    let Some(cases) = cases("dependencies.json") else {
        return;
    };
    let mut failures = Vec::new();
    for case in &cases {
        let mut chart = chart_of(&case["chart"]);
        let values = map_of(&case["vals"]);
        let mut warnings = Vec::new();
        chart::dependencies::process(
            &mut chart,
            &values,
            Mode::Coalesce,
            template::Compat::Helm3,
            &mut warnings,
        )
        .unwrap();
        let (mut found, mut wanted) = (Vec::new(), Vec::new());
        names(&chart, "", &mut found);
        recorded_names(&case["out"], "", &mut wanted);
        if found != wanted {
            failures.push(format!("{}: {found:?}, expected {wanted:?}", case["vals"]));
        }
    }
    report("dependencies", cases.len(), &failures);
}

#[test]
fn ranges_are_compatible_as_in_helm() {
    let Some(cases) = cases("compatible_range.json") else {
        return;
    };
    let mut failures = Vec::new();
    for case in &cases {
        let text = |key: &str| case[key].as_str().unwrap();
        let out = chart::version::is_compatible(text("constraint"), text("version"));
        if out != case["out"].as_bool().unwrap() {
            failures.push(case.to_string());
        }
    }
    report("compatible_range", cases.len(), &failures);
}

#[test]
fn files_are_ignored_as_in_helm() {
    let Some(cases) = cases("ignore.json") else {
        return;
    };
    let mut failures = Vec::new();
    for case in &cases {
        let patterns: Vec<&str> = case["patterns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pattern| pattern.as_str().unwrap())
            .collect();
        let rules = chart::load::IgnoreRules::parse(&patterns.join("\n")).unwrap();
        let path = case["path"].as_str().unwrap();
        if rules.ignores(path, case["is_dir"] == true) != case["out"].as_bool().unwrap() {
            failures.push(case.to_string());
        }
    }
    report("ignore", cases.len(), &failures);
}

#[test]
fn cases_hold_what_the_tests_expect() {
    // A recording that loses its cases must not pass in silence.
    let floors: BTreeMap<&str, usize> = [
        ("strvals.json", 50),
        ("coalesce.json", 20),
        ("dependencies.json", 4),
        ("ignore.json", 41),
    ]
    .into();
    for (name, floor) in floors {
        if let Some(cases) = cases(name) {
            assert!(
                cases.len() >= floor,
                "{name} has only {} cases",
                cases.len()
            );
        }
    }
}

#[test]
fn streams_are_split_as_in_helm() {
    let Some(cases) = cases("manifest_split.json") else {
        return;
    };
    let mut failures = Vec::new();
    for case in &cases {
        let found =
            chart::manifest::split_manifests(case["in"].as_str().unwrap(), chart::Compat::Helm3);
        let wanted: Vec<&str> = (0..)
            .map_while(|index| case["out"].get(format!("manifest-{index}")))
            .map(|text| text.as_str().unwrap())
            .collect();
        if found != wanted {
            failures.push(format!("{case}: {found:?}"));
        }
    }
    report("manifest_split", cases.len(), &failures);
}

#[test]
fn manifests_and_hooks_are_sorted_as_in_helm() {
    let Some(cases) = cases("manifest_sort.json") else {
        return;
    };
    let mut failures = Vec::new();
    for case in &cases {
        let files: BTreeMap<String, String> =
            serde_json::from_value(case["files"].clone()).unwrap();
        let order: Vec<&str> = case["order"]
            .as_array()
            .unwrap()
            .iter()
            .map(|kind| kind.as_str().unwrap())
            .collect();
        let mut warnings = Vec::new();
        let (hooks, manifests) =
            chart::manifest::sort_manifests(&files, &order, chart::Compat::Helm3, &mut warnings)
                .unwrap();
        let mut wanted_hooks = case["hooks"].clone();
        for hook in wanted_hooks.as_array_mut().into_iter().flatten() {
            hook.as_object_mut().unwrap().shift_remove("last_run");
        }
        let hooks = match hooks.as_slice() {
            [] => Json::Null,
            hooks => serde_json::to_value(hooks).unwrap(),
        };
        let contents: Vec<(&str, &str)> = manifests
            .iter()
            .map(|manifest| (manifest.name.as_str(), manifest.content.as_str()))
            .collect();
        let wanted: Vec<(&str, &str)> = case["manifests"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|manifest| {
                let text = |key: &str| manifest[key].as_str().unwrap();
                (text("Name"), text("Content"))
            })
            .collect();
        if hooks != wanted_hooks || contents != wanted {
            failures.push(format!("{case}: {hooks} {contents:?}"));
        }
    }
    report("manifest_sort", cases.len(), &failures);
}

#[test]
fn values_are_validated_as_in_helm() {
    let Some(cases) = cases("schema.json") else {
        return;
    };
    let mut failures = Vec::new();
    for case in &cases {
        let schema = case["schema"].as_str().unwrap();
        let error = chart::schema::validate_one(schema.as_bytes(), &case["values"]).err();
        if error.as_deref() != case["err"].as_str() {
            failures.push(format!("{case}: {error:?}"));
        }
    }
    report("schema", cases.len(), &failures);
}
