use super::*;

const WHOLE: &str = r#"
apiVersion: validator/v1
kind: ModelGate
model: {path: "${MODEL_PATH}", output: probabilities, threads: 2}
dataset:
  uri: s3://bucket/data/
  where: {date: ">=2026-01-01", region: [eu, us]}
  features: {exclude: [customer_id]}
  label: is_fraud
  expect: {min_rows: 10000}
checks:
- {metric: auc, min: "${MINIMUM_AUC:-0.90}", confidence: 0.95, decide_on: lower_bound}
- metric: f1
  at: 0.75
  min: 0.6
  slice: {by: country, min_rows: 500}
  correction: holm
latency:
- {percentile: 99, max_ms: 150}
report: {html: gate.html}
"#;

fn parsed(text: &str) -> Result<GateFile, GateFileError> {
    parse("gate.yaml", text, &|name| {
        (name == "MODEL_PATH").then(|| "s3://models/model.pt".to_owned())
    })
}

#[test]
fn a_whole_file_is_read_with_its_variables_expanded() {
    let file = parsed(WHOLE).expect("reads");
    let model = file.model.expect("a model");
    assert_eq!(model.path.as_deref(), Some("s3://models/model.pt"));
    let checks = file.checks.expect("checks");
    assert_eq!(checks[0].min, Some(Number(0.9)));
    assert_eq!(checks[1].at, Some(Number(0.75)));
}

fn refusal(part: &str) -> (String, Option<String>) {
    let text = format!("apiVersion: validator/v1\nkind: ModelGate\n{part}");
    let error = parsed(&text).expect_err(part);
    (error.to_string(), error.hint())
}

#[test]
fn unknown_keys_and_words_are_refused_with_what_was_meant() {
    for (part, key, hint) in [
        ("chekcs: []", "unknown field `chekcs`", "`checks`"),
        (
            "checks: [{metric: auc, minn: 0.9}]",
            "`checks[0]",
            "did you mean `min`?",
        ),
        (
            "checks: [{metric: acu, min: 0.9}]",
            "`checks[0].metric`",
            "did you mean `auc`?",
        ),
        (
            "dataset: {expect: {min_row: 5}}",
            "dataset.expect",
            "did you mean `min_rows`?",
        ),
        (
            "model: {output: probability}",
            "`model.output`",
            "did you mean `probabilities`?",
        ),
    ] {
        let (text, found) = refusal(part);
        assert!(text.contains(key), "{text}");
        assert!(
            found.as_deref().is_some_and(|found| found.contains(hint)),
            "{found:?}"
        );
    }
    let (_, hint) = refusal("zzz: 1");
    assert_eq!(
        hint.as_deref(),
        Some("all keys are listed by `validator schema`")
    );
}

#[test]
fn wrong_values_are_refused_under_their_path() {
    for (part, key, expected) in [
        (
            "checks: [{metric: auc, min: high}]",
            "`checks[0].min`",
            "a finite number",
        ),
        (
            "checks: [{metric: auc, min: \"nan\"}]",
            "`checks[0].min`",
            "a finite number",
        ),
        (
            "checks: [{metric: auc, min: [1]}]",
            "`checks[0].min`",
            "a finite number",
        ),
        (
            "dataset: {expect: {min_rows: -1}}",
            "`dataset.expect.min_rows`",
            "a whole number",
        ),
        (
            "dataset: {expect: {min_rows: 1.5}}",
            "`dataset.expect.min_rows`",
            "a whole number",
        ),
        ("checks: {metric: auc}", "`checks`", "a sequence"),
        ("model: {path: 5}", "`model.path`", "a string"),
    ] {
        let (text, hint) = refusal(part);
        assert!(text.contains(key) && text.contains(expected), "{text}");
        assert_eq!(
            hint.as_deref(),
            Some("what each key takes is said by `validator schema`")
        );
    }
    let twice = parsed("apiVersion: validator/v1\nkind: ModelGate\nkind: ModelGate");
    let twice = twice.expect_err("which one?").to_string();
    assert!(twice.contains("duplicate mapping key: kind"), "{twice}");
    assert!(!twice.contains("Policy"), "{twice}");
}

#[test]
fn what_is_no_gate_file_is_refused() {
    for text in [
        "",
        "- a list",
        "just text",
        "kind: ModelGate",
        "apiVersion: validator/v2\nkind: ModelGate",
        "apiVersion: validator/v1\nkind: Deployment",
        "apiVersion: validator/v1\nkind: ModelGate\nkind: ModelGate",
        "apiVersion: [",
        "a: *unknown",
    ] {
        assert!(parsed(text).is_err(), "{text:?}");
    }
    let unset = parsed("apiVersion: validator/v1\nkind: ModelGate\nmodel: {path: \"${NOT_SET}\"}")
        .expect_err("unset");
    assert!(unset.to_string().contains("`model.path`"), "{unset}");
    assert!(
        unset
            .hint()
            .is_some_and(|hint| hint.contains("${NOT_SET:-VALUE}"))
    );
}

/// A file that grows by aliases is refused by the parser's own budget, not by the system.
#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text =
        "apiVersion: validator/v1\nkind: ModelGate\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 10].join(",");
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    assert!(parsed(&text).is_err());
}

#[test]
fn the_published_schemas_are_current() {
    for (document, name) in [
        (Document::GateFile, "gate"),
        (Document::Report, "report"),
        (Document::Brief, "brief"),
    ] {
        let file = format!("docs/{name}.schema.json");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let path = path.join(&file);
        let current = serde_json::to_string_pretty(&schema(document)).expect("JSON") + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, &current).expect("written");
        }
        let published = std::fs::read_to_string(&path).expect("a published schema");
        assert!(
            published == current,
            "{file} is not current; write `validator schema {name}` to it"
        );
    }
}
