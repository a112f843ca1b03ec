//! The tests of the installed Go's own `text/template`, taken from its sources when the test runs:
//! `go/template` and `go/parse` are laid over them as one more test file and write the cases.

use std::{
    any::Any, cell::RefCell, collections::BTreeMap, path::PathBuf, process::Command, rc::Rc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};
use template::{FunctionSet, Kind, MissingKey, Object, Options, Templates, TypedList, Value};

use crate::oracle::{cache_folder, go_version, hash};

const SOURCES: [(&str, &str); 2] = [
    ("template", include_str!("go/template/cases.go")),
    ("parse", include_str!("go/parse/cases.go")),
];

/// Why a case cannot run here, by group and name, where it does not show by itself.
const INAPPLICABLE: &[(&str, &str)] = &[
    (
        ".unexported",
        "no host object has a field that templates may not see",
    ),
    (
        "dot struct",
        "the struct's fields are not exported, so Go's reflection hands them to no other package",
    ),
    (
        "V{6666}.String()",
        "the method belongs to the pointer, and Go takes the field's address",
    ),
    (
        "W{888}.Error()",
        "the method belongs to the pointer, and Go takes the field's address",
    ),
    ("len(s) < indexes < cap(s)", SPARE),
    ("indexes > cap(s)", SPARE),
    ("range int8", KIND),
    ("range int16", KIND),
    ("range int32", KIND),
    ("range uint8", KIND),
    ("range uint16", KIND),
    ("range uint32", KIND),
    ("range uint", KIND),
    ("range uintptr", KIND),
];

const SPARE: &str = "a list has no spare capacity here; Helm's `slice` is Sprig's, not Go's";
const KIND: &str = "values of charts have the kinds int, int64, uint64 and float64 alone";

thread_local! {
    /// Why what the running template touched has no counterpart here.
    static UNFIT: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn touch(reason: &str) {
    UNFIT.with_borrow_mut(|unfit| {
        unfit.get_or_insert_with(|| reason.to_owned());
    });
}

fn cases() -> Result<[Json; 2], String> {
    let version = go_version().ok_or("Go is not installed")?;
    let key = hash(&[
        version.as_bytes(),
        SOURCES[0].1.as_bytes(),
        SOURCES[1].1.as_bytes(),
    ]);
    let root = cache_folder().ok_or("there is no home folder")?;
    let folder = root.join("oracle").join(format!("go-tests-{key}"));
    let files = ["template.json", "parse.json"].map(|name| folder.join(name));
    if !files.iter().all(|file| file.exists()) {
        generate(&folder)?;
    }
    println!("cases of the tests of text/template in {version}");
    let read = |file: &PathBuf| -> Result<Json, String> {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    };
    Ok([read(&files[0])?, read(&files[1])?])
}

fn generate(folder: &std::path::Path) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    std::fs::create_dir_all(folder).map_err(failed)?;
    let root = Command::new("go")
        .args(["env", "GOROOT"])
        .output()
        .map_err(failed)?;
    let root = String::from_utf8_lossy(&root.stdout).trim().to_owned();
    let mut replaced = serde_json::Map::new();
    for ((name, text), place) in SOURCES.iter().zip(["text/template", "text/template/parse"]) {
        let file = folder.join(format!("{name}_cases.go"));
        std::fs::write(&file, text).map_err(failed)?;
        let over = format!("{root}/src/{place}/fidelity_cases_test.go");
        replaced.insert(over, json!(file));
    }
    let overlay = folder.join("overlay.json");
    std::fs::write(&overlay, json!({"Replace": replaced}).to_string()).map_err(failed)?;
    let part = folder.join(format!("part-{}", std::process::id()));
    std::fs::create_dir_all(&part).map_err(failed)?;
    let output = Command::new("go")
        .args([
            "test",
            "-vet=off",
            "-count=1",
            "-run",
            "TestFidelityCases$",
            "-overlay",
        ])
        .arg(&overlay)
        .args(["text/template", "text/template/parse"])
        .env("FIDELITY_OUT", &part)
        .current_dir(folder)
        .output()
        .map_err(failed)?;
    if !output.status.success() {
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        return Err(format!(
            "the cases of Go's tests cannot be taken: {out}{err}"
        ));
    }
    for name in ["template.json", "parse.json"] {
        std::fs::rename(part.join(name), folder.join(name)).map_err(failed)?;
    }
    std::fs::remove_dir(part).map_err(failed)
}

/// A struct of Go's tests, or a pointer to one.
#[derive(Debug)]
struct GoStruct {
    type_name: String,
    text: Option<String>,
    fields: Vec<(String, Value)>,
    methods: BTreeMap<String, Value>,
}

/// What stands for a value that has no counterpart here.
#[derive(Debug)]
struct Unfit(String);

impl Object for Unfit {
    fn type_name(&self) -> &'static str {
        touch(&self.0);
        "unfit"
    }
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }
    fn call(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Hands a value out, and notes it when it is none.
fn handed(value: &Value) -> Value {
    if let Value::Object(object) = value
        && let Some(Unfit(reason)) = object.as_any().downcast_ref::<Unfit>()
    {
        touch(reason);
    }
    value.clone()
}

impl Object for GoStruct {
    fn type_name(&self) -> &str {
        &self.type_name
    }
    fn field(&self, name: &str) -> Option<Value> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| handed(value))
    }
    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let recorded = self.methods.get(name)?;
        Some(match (name, arguments) {
            (_, []) if !is_unfit(recorded) => Ok(recorded.clone()),
            ("Method1", [Value::Int(number)]) => Ok(Value::Int(*number)),
            ("Method2", [Value::Int(number), Value::Str(text)]) => {
                Ok(Value::string(format!("Method2: {number} {text}")))
            }
            ("Method2", [Value::Uint(number), Value::Str(text)]) => {
                Ok(Value::string(format!("Method2: {number} {text}")))
            }
            ("Method3", [Value::Nil]) => Ok(Value::string("Method3: <nil>")),
            ("Method3", [other]) => Ok(Value::string(format!("Method3: {other:?}"))),
            ("MAdd", [Value::Int(number), list]) => {
                let items = list.as_list()?.borrow().clone();
                let sums = items.iter().map(|item| match item {
                    Value::Int(item) => Value::Int(item + number),
                    other => other.clone(),
                });
                Ok(TypedList::value("[]int", sums.collect()))
            }
            ("MyError", [Value::Bool(false)]) => Ok(Value::Bool(false)),
            ("MyError", [Value::Bool(true)]) => Err("my error".to_owned()),
            ("TrueFalse", [Value::Bool(truth)]) => {
                Ok(Value::string(if *truth { "true" } else { "" }))
            }
            _ => {
                touch(
                    "a Go method with other arguments than its parameters, or without a counterpart",
                );
                return None;
            }
        })
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn kind(&self) -> Kind {
        if self.type_name.starts_with('*') {
            Kind::Pointer
        } else {
            Kind::Struct
        }
    }
    fn text(&self) -> Option<String> {
        self.text.clone()
    }
    fn printed_fields(&self) -> Vec<(String, Value)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.clone(), handed(value)))
            .collect()
    }
}

fn is_unfit(value: &Value) -> bool {
    matches!(value, Value::Object(object) if object.as_any().is::<Unfit>())
}

fn text_of(json: &Json) -> String {
    let content = STANDARD
        .decode(json.as_str().unwrap_or_default())
        .expect("texts are in base64");
    String::from_utf8(content).expect("Go's tests use UTF-8")
}

fn pairs(json: &Json) -> impl Iterator<Item = (String, Value)> {
    let items = json.as_array().into_iter().flatten();
    items.map(|pair| (text_of(&pair[0]["v"]), value(&pair[1])))
}

fn value(json: &Json) -> Value {
    let content = &json["v"];
    let text = content.as_str().unwrap_or_default();
    let type_name = json["type"].as_str().unwrap_or_default();
    match json["t"].as_str().unwrap_or_default() {
        "bool" => Value::Bool(text == "true"),
        "int" => Value::Int(text.parse().expect("a number")),
        "int64" => Value::Int64(text.parse().expect("a number")),
        "uint64" => Value::Uint(text.parse().expect("a number")),
        "float" => Value::Float(f64::from_bits(text.parse().expect("a number"))),
        "string" => Value::string(text_of(content)),
        "list" => {
            let items = content
                .as_array()
                .into_iter()
                .flatten()
                .map(value)
                .collect();
            match type_name {
                "[]interface {}" => Value::list(items),
                // The name lives as long as the program, as those of the crate's own lists do.
                other => TypedList::value(Box::leak(other.to_owned().into_boxed_str()), items),
            }
        }
        "map" if type_name == "map[string]interface {}" => Value::map(
            pairs(content)
                .map(|(key, value)| (Rc::from(key), value))
                .collect(),
        ),
        "map" => Value::Object(Rc::new(TypedMap {
            type_name: type_name.to_owned(),
            entries: Rc::new(RefCell::new(
                pairs(content)
                    .map(|(key, value)| (Rc::from(key), value))
                    .collect(),
            )),
        })),
        "object" => Value::Object(Rc::new(GoStruct {
            type_name: type_name.to_owned(),
            text: json["text"].as_str().map(str::to_owned),
            fields: pairs(content).collect(),
            methods: pairs(&json["methods"]).collect(),
        })),
        "unfit" => Value::Object(Rc::new(Unfit(text.to_owned()))),
        _ => Value::Nil,
    }
}

/// A map of Go whose elements have a type of their own.
#[derive(Debug)]
struct TypedMap {
    type_name: String,
    entries: template::Map,
}

impl Object for TypedMap {
    fn type_name(&self) -> &str {
        &self.type_name
    }
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }
    fn call(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
    fn as_map(&self) -> Option<template::Map> {
        Some(Rc::clone(&self.entries))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn has_typed_elements(&self) -> bool {
        true
    }
    fn zero_element(&self) -> Value {
        match self.type_name.rsplit_once(']') {
            Some((_, "int")) => Value::Int(0),
            Some((_, "string")) => Value::string(""),
            _ => Value::Nil,
        }
    }
}

enum Verdict {
    Alike,
    Inapplicable(String),
    Differs(String),
}

fn engine(text: &str, missing_key: MissingKey, strict: bool) -> Templates {
    // Sprig's function of this name is that of Go's tests.
    let is_helm = ["typeOf", "contains"]
        .iter()
        .any(|name| text.contains(name));
    Templates::new(Options {
        functions: if is_helm {
            FunctionSet::Helm
        } else {
            FunctionSet::Go
        },
        missing_key,
        strict,
        ..Options::default()
    })
}

fn executed(case: &Json, values: &[Json]) -> Result<String, String> {
    let (name, text) = (
        case["name"].as_str().unwrap_or_default(),
        case["template"].as_str().unwrap_or_default(),
    );
    let (missing_key, strict) = match case["missing_key"].as_str() {
        Some("zero") => (MissingKey::Zero, false),
        Some("error") => (MissingKey::Invalid, true),
        _ => (MissingKey::Invalid, false),
    };
    let mut templates = engine(text, missing_key, strict);
    for other in case["others"].as_array().into_iter().flatten() {
        templates
            .parse("root", other.as_str().unwrap_or_default())
            .map_err(|error| error.raw())?;
    }
    templates.parse(name, text).map_err(|error| error.raw())?;
    let number = usize::try_from(case["data"].as_u64().unwrap_or(0)).expect("it fits");
    templates
        .execute(name, &value(&values[number]))
        .map_err(|error| error.raw())
}

fn judged(case: &Json, outcome: Result<String, String>) -> Verdict {
    if let Err(text) = &outcome
        && let Some((_, rest)) = text.split_once("function \"")
        && let Some((function, "")) = rest.split_once("\" not defined")
        && case["err"].as_str() != Some(text)
    {
        return Verdict::Inapplicable(format!("calls `{function}`, a Go function of the test"));
    }
    let expected = match (case["out"].as_str(), case["err"].as_str()) {
        (Some(out), _) => Ok(out.to_owned()),
        (None, err) => Err(err.unwrap_or_default().to_owned()),
    };
    if outcome == expected {
        return Verdict::Alike;
    }
    if let Some(reason) = UNFIT.with_borrow(Clone::clone) {
        return Verdict::Inapplicable(format!("uses {reason}"));
    }
    if let Some(reason) = case["unfit"].as_str() {
        return Verdict::Inapplicable(format!("its data are {reason}"));
    }
    let name = case["name"].as_str().unwrap_or_default();
    match INAPPLICABLE.iter().find(|(known, _)| *known == name) {
        Some((_, reason)) => Verdict::Inapplicable((*reason).to_owned()),
        None => Verdict::Differs(format!("go {expected:?}\n  here {outcome:?}")),
    }
}

#[test]
fn the_tests_of_go_pass() {
    let [template, parse] = match cases() {
        Ok(cases) => cases,
        Err(reason) => return println!("NOT RUN: the tests of Go's text/template: {reason}"),
    };
    let values = template["values"].as_array().cloned().unwrap_or_default();
    let mut verdicts = Vec::new();
    for case in template["cases"].as_array().into_iter().flatten() {
        UNFIT.with_borrow_mut(|unfit| *unfit = None);
        verdicts.push((case, judged(case, executed(case, &values))));
    }
    for case in parse.as_array().into_iter().flatten() {
        UNFIT.with_borrow_mut(|unfit| *unfit = None);
        let (name, text) = (
            case["name"].as_str().unwrap_or_default(),
            case["template"].as_str().unwrap_or_default(),
        );
        let mut templates = engine(text, MissingKey::Invalid, false);
        let parsed = templates.parse(name, text).map_err(|error| error.raw());
        let outcome = parsed.map(|()| templates.source(name).unwrap_or_default());
        verdicts.push((case, judged(case, outcome)));
    }
    let (mut alike, mut inapplicable, mut differences) = (0, 0, Vec::new());
    for (case, verdict) in &verdicts {
        let (group, name, text) = (&case["group"], &case["name"], &case["template"]);
        match verdict {
            Verdict::Alike => alike += 1,
            Verdict::Inapplicable(reason) => {
                inapplicable += 1;
                println!("inapplicable {group} {name} {text}: {reason}");
            }
            Verdict::Differs(difference) => {
                differences.push(format!("{group} {name} {text}\n  {difference}"))
            }
        }
    }
    let applicable = verdicts.len() - inapplicable;
    println!(
        "Go's text/template tests: {alike} of {applicable} applicable cases pass ({:.1} %); {inapplicable} of {} do not apply",
        100.0 * alike as f64 / applicable as f64,
        verdicts.len()
    );
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
