//! Recorded cases of `sigs.k8s.io/yaml`: what it reads, and what `toYaml` writes.

#![expect(
    clippy::print_stdout,
    reason = "a test says what it compared or skipped"
)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use serde_json::Value as Json;
use template::{Value, yaml};

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

#[test]
fn documents_are_read_as_helm_reads_them() {
    let Some(cases) = cases("yaml_parse.json") else {
        return;
    };
    let mut failures = Vec::new();
    for case in &cases {
        let text = case["in"].as_str().unwrap();
        match yaml::parse_map(text) {
            Err(error) => {
                if case["map_err"].as_str() != Some(&error.to_string()) {
                    failures.push(format!("{text:?}: error {error}, expected {case}"));
                }
            }
            Ok(map) => {
                let back = yaml::emit(&Value::Map(map));
                if case["back"].as_str() != Some(&back) {
                    failures.push(format!("{text:?}: {back:?}, expected {case}"));
                }
            }
        }
    }
    report("yaml_parse", cases.len(), &failures);
}

/// Builds the Go value that a case names by its type.
fn value_of(case: &Json) -> Value {
    let json = &case["json"];
    match case["go"].as_str().unwrap() {
        "int" => Value::Int(json.as_i64().unwrap()),
        _ => yaml::from_json(json),
    }
}

#[test]
fn values_are_written_as_helm_writes_them() {
    let Some(cases) = cases("yaml_emit.json") else {
        return;
    };
    let mut failures = Vec::new();
    for case in &cases {
        let value = value_of(case);
        let map = Value::map([("k".into(), value.clone())].into());
        // A time stands in this one case, which templates cannot put into a value as such.
        let has_time = case["json"]["t"].is_string();
        let trim = |text: String| text.strip_suffix('\n').unwrap_or(&text).to_owned();
        let written = [
            ("toYaml", trim(yaml::emit(&value))),
            ("toYamlMap", trim(yaml::emit(&map))),
            ("toYamlPretty", trim(yaml::emit_pretty(&value))),
        ];
        for (name, text) in written {
            let expected = case[name].as_str().unwrap();
            if text != expected && !(has_time && name == "toYamlPretty") {
                failures.push(format!(
                    "{name} of {}: {text:?}, expected {expected:?}",
                    case["json"]
                ));
            }
        }
    }
    report("yaml_emit", cases.len(), &failures);
}
