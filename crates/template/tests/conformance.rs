//! Runs recorded cases of Go's, Sprig's and Helm's own tests against this crate.
//!
//! The cases are JSON lists in the folder that `HELM_CASES` names, by default `../shared/cases`
//! beside the repository. Without it nothing is checked, and the test says so aloud.

#![expect(
    clippy::print_stdout,
    reason = "a test says what it compared or skipped"
)]

use std::{collections::BTreeMap, path::PathBuf, rc::Rc};

use serde_json::Value as Json;
use template::{
    Compat, FunctionSet, MissingKey, Options, Templates, Value,
    semver::{Constraint, Version},
};

/// Why three cases of Go's `slice` differ.
const NO_SPARE_CAPACITY: &str =
    "a list has no spare capacity here; Helm's `slice` is Sprig's, not Go's";

/// Cases that do not apply, each with the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "text_template_parse",
        "paren nesting with other constructs exceeds limit",
        "Go's test lowers the limit on nesting to 3 for itself",
    ),
    ("text_template", "out of range", NO_SPARE_CAPACITY),
    (
        "text_template",
        "len(s) < indexes < cap(s)",
        NO_SPARE_CAPACITY,
    ),
    ("text_template", "indexes > cap(s)", NO_SPARE_CAPACITY),
    (
        "sprig",
        "{{if kindIs \"ptr\" .}}t{{else}}f{{end}} of {\"Name\":\"hello\",\"Value\":\"world\"}",
        "the data is a Go pointer, which JSON cannot hold",
    ),
    (
        "helm4_funcs",
        "{{ durationSeconds . }} of 1500000000",
        "the data is Go's `time.Duration` of 1.5 s, which JSON records as a plain number",
    ),
    (
        "text_template_parse",
        "paren nesting exceeds limit",
        "Go's test lowers the limit on nesting to 3 for itself",
    ),
    (
        "semver",
        "NewVersion 1.1.01 Err",
        "recorded with CoerceNewVersion off, which Helm leaves on",
    ),
    (
        "semver",
        "NewVersion 1.02.3 Err",
        "recorded with CoerceNewVersion off, which Helm leaves on",
    ),
    (
        "semver",
        "NewVersion 1.2.3-023658 Err",
        "recorded with CoerceNewVersion off or on: both give an error",
    ),
];

fn cases(name: &str) -> Option<Vec<Json>> {
    let folder = std::env::var_os("HELM_CASES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases"),
        PathBuf::from,
    );
    let path = folder.join(format!("{name}.json"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!(
            "NOT RUN: conformance of {name}: there is no {}",
            path.display()
        );
        return None;
    };
    Some(serde_json::from_str(&text).expect("the cases are JSON"))
}

/// Counts, prints and judges: every failure must be an exception.
fn judge(name: &str, results: &[(String, Result<(), String>)]) {
    let mut failures = Vec::new();
    let mut excepted = 0;
    for (case, result) in results {
        let Err(message) = result else { continue };
        match EXCEPTIONS
            .iter()
            .find(|(group, known, _)| *group == name && known == case)
        {
            Some((_, _, reason)) => {
                excepted += 1;
                println!("exception {name}/{case}: {reason}");
            }
            None => failures.push(format!("{name}/{case}: {message}")),
        }
    }
    let total = results.len();
    println!(
        "{name}: {} of {total} passed, {excepted} excepted",
        total - excepted - failures.len()
    );
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn compare(got: &str, expected: &str) -> Result<(), String> {
    if got == expected {
        Ok(())
    } else {
        Err(format!("\n  got      {got:?}\n  expected {expected:?}"))
    }
}

fn text<'j>(json: &'j Json, key: &str) -> &'j str {
    json[key].as_str().unwrap_or_default()
}

/// A value written with the kind of each part.
fn typed(json: &Json) -> Value {
    let text = text(json, "v");
    match json["t"].as_str() {
        Some("int") => Value::Int(text.parse().expect("an integer")),
        Some("float") => Value::Float(text.parse().expect("a float")),
        Some("str") => Value::string(text),
        Some("bool") => Value::Bool(json["v"].as_bool().unwrap_or(text == "true")),
        Some("list") => Value::list(
            json["v"]
                .as_array()
                .into_iter()
                .flatten()
                .map(typed)
                .collect(),
        ),
        Some("map") => {
            let entries = json["v"].as_object().into_iter().flatten();
            Value::map(
                entries
                    .map(|(key, value)| (Rc::from(key.as_str()), typed(value)))
                    .collect(),
            )
        }
        _ => Value::Nil,
    }
}

/// A value of plain JSON; whole numbers are Go's `int`, as they are in the tests' own code.
fn plain(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::string(text.as_str()),
        Json::Array(items) => Value::list(items.iter().map(plain).collect()),
        Json::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| (Rc::from(key.as_str()), plain(value)));
            Value::map(entries.collect::<BTreeMap<_, _>>())
        }
    }
}

fn go() -> Templates {
    Templates::new(Options {
        functions: FunctionSet::Go,
        missing_key: MissingKey::Invalid,
        ..Options::default()
    })
}

#[test]
fn executes_as_text_template_does() {
    let Some(cases) = cases("text_template") else {
        return;
    };
    let run = |case: &Json| {
        let name = text(case, "name");
        let mut templates = go();
        if let Err(error) = templates.parse(name, text(case, "template")) {
            return compare(&error.raw(), text(case, "exec_error"));
        }
        match templates.execute(name, &typed(&case["data"])) {
            Ok(output) if case["output"].is_string() => compare(&output, text(case, "output")),
            Ok(output) => Err(format!(
                "gave {output:?} instead of {}",
                text(case, "exec_error")
            )),
            Err(error) if case["exec_error"].is_string() => {
                compare(&error.raw(), text(case, "exec_error"))
            }
            Err(error) => Err(error.raw()),
        }
    };
    let results: Vec<_> = cases
        .iter()
        .map(|case| (text(case, "name").to_owned(), run(case)))
        .collect();
    judge("text_template", &results);
}

#[test]
fn parses_as_text_template_does() {
    let Some(cases) = cases("text_template_parse") else {
        return;
    };
    let run = |case: &Json| {
        let name = text(case, "name");
        let mut templates = go();
        match templates.parse(name, text(case, "template")) {
            Ok(()) if case["ok"] == true => compare(
                &templates.source(name).unwrap_or_default(),
                text(case, "tree"),
            ),
            Ok(()) => Err(format!("parsed, instead of {}", text(case, "parse_error"))),
            Err(error) => compare(&error.raw(), text(case, "parse_error")),
        }
    };
    let results: Vec<_> = cases
        .iter()
        .map(|case| (text(case, "name").to_owned(), run(case)))
        .collect();
    judge("text_template_parse", &results);
}

fn with_helm_functions(group: &str, compat: Compat) {
    let Some(cases) = cases(group) else { return };
    let run = |case: &Json| {
        let mut templates = Templates::new(Options {
            compat,
            ..Options::default()
        });
        templates
            .parse("case", text(case, "tpl"))
            .map_err(|error| error.raw())?;
        match templates.execute("case", &plain(&case["vars"])) {
            Ok(output) => compare(&output, text(case, "out")),
            Err(error) => compare(&error.raw(), text(case, "err")),
        }
    };
    let results: Vec<_> = cases
        .iter()
        .map(|case| {
            let name = format!("{} of {}", text(case, "tpl"), case["vars"]);
            (name, run(case))
        })
        .collect();
    judge(group, &results);
}

#[test]
fn calls_functions_as_sprig_does() {
    with_helm_functions("sprig", Compat::Helm3);
}

#[test]
fn calls_functions_as_helm_does() {
    with_helm_functions("helm_funcs", Compat::Helm3);
}

#[test]
fn calls_functions_as_helm_4_does() {
    with_helm_functions("helm4_funcs", Compat::Helm4);
}

fn semver_case(case: &Json) -> Result<(), String> {
    let input = text(case, "in");
    let outcome = match text(case, "op") {
        "NewVersion" => Version::parse(input)
            .map(|version| version.to_string())
            .map_err(|error| error.to_string()),
        "StrictNewVersion" => Version::parse_strict(input)
            .map(|version| version.to_string())
            .map_err(|error| error.to_string()),
        "constraint" => Constraint::parse(input)
            .map(|range| range.to_string())
            .map_err(|error| error.to_string()),
        "check" => {
            let mut constraint =
                Constraint::parse(text(case, "constraint")).map_err(|error| error.to_string())?;
            constraint.include_prerelease = case["prerelease"] == true;
            let version =
                Version::parse(text(case, "version")).map_err(|error| error.to_string())?;
            return compare(
                &constraint.check(&version).to_string(),
                &case["out"].to_string(),
            );
        }
        other => return Err(format!("unknown operation {other}")),
    };
    match (outcome, case["err"].as_str()) {
        (Ok(got), None) => compare(&got, text(case, "string")),
        (Err(got), Some(expected)) => compare(&got, expected),
        (Ok(got), Some(expected)) => Err(format!("gave {got} instead of {expected}")),
        (Err(got), None) => Err(got),
    }
}

#[test]
fn orders_versions_as_masterminds_does() {
    let Some(cases) = cases("semver") else { return };
    let name = |case: &Json| {
        let kind = if case["err"].is_string() { "Err" } else { "Ok" };
        format!("{} {} {kind}", text(case, "op"), text(case, "in"))
    };
    let results: Vec<_> = cases
        .iter()
        .map(|case| (name(case), semver_case(case)))
        .collect();
    judge("semver", &results);
}
