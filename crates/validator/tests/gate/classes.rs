//! Models of several inputs and of several classes, against scikit-learn's numbers.

use super::{Gate, data, datasets, model};

const INPUTS: &str = "  inputs:
  - {columns: [amount_0, amount_1, amount_2]}
  - {columns: [history]}
  - {columns: [shop], dtype: int64, flat: true}
";
/// Turned round: the names say which is which.
const NAMED: &str = "  inputs:
  - {name: shop, columns: [shop], dtype: int64, flat: true}
  - {name: history, columns: [history]}
  - {name: amounts, columns: [amount_0, amount_1, amount_2]}
";
const METRICS: [&str; 7] = [
    "auc_ovr",
    "auc_ovr_weighted",
    "auc_ovo",
    "auc_ovo_weighted",
    "log_loss",
    "brier",
    "accuracy",
];
const CHECKS: &str = "checks:
- {metric: auc_ovr, min: 0.9}
- {metric: auc_ovr, average: weighted, min: 0.9, decide_on: lower_bound}
- {metric: auc_ovo, min: 0.9}
- {metric: auc_ovo, average: weighted, min: 0.9}
- {metric: log_loss, max: 0.8, decide_on: upper_bound}
- {metric: brier, max: 0.5, decide_on: upper_bound}
- {metric: accuracy, min: 0.7, decide_on: lower_bound}
";

fn fact(name: &str) -> f64 {
    let path = datasets().join("classes/facts.json");
    let text = std::fs::read_to_string(path).expect("facts.json");
    let facts: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    facts[name].as_f64().expect("a number")
}

fn classes(file: &str, more: &str, inputs: &str, rest: &str) -> Gate {
    Gate::of(
        model(&format!("classes/{file}.pt")),
        data("classes/validation"),
    )
    .gate_file(&format!("model:\n  classes: 4\n{more}{inputs}{rest}"))
}

#[test]
fn every_form_of_several_classes_gives_scikit_learns_numbers() {
    // Single-precision softmax moves ranks that saturate; half precision moves them all.
    for (file, more, inputs, tolerance) in [
        ("logits", "", INPUTS, 1e-7),
        ("logits", "  output: logits\n", NAMED, 1e-7),
        ("probabilities", "", INPUTS, 1e-5),
        ("probabilities", "  output: probabilities\n", NAMED, 1e-5),
        ("dictionary", "  output_key: logits\n", INPUTS, 1e-7),
        ("tuple", "  output_index: 1\n", NAMED, 1e-7),
        ("f64", "", INPUTS, 1e-6),
        ("f16", "", INPUTS, 3e-3),
        ("bf16", "", INPUTS, 2e-2),
    ] {
        let finished = classes(file, more, inputs, &format!("{CHECKS}latency: []\n")).ends_with(0);
        for metric in METRICS {
            let check = finished.brief.check(metric).expect("a check");
            let (value, expected) = (check.value.expect("defined"), fact(metric));
            assert!(
                (value - expected).abs() < tolerance,
                "{file} {metric}: {value}, scikit-learn {expected}"
            );
            let (lower, upper) = (check.lower_bound, check.upper_bound);
            let (lower, upper) = (lower.expect("a bound"), upper.expect("a bound"));
            assert!(
                lower < value && value < upper,
                "{file} {metric}: {lower} {value} {upper}"
            );
        }
        let report = finished.report.expect("a report");
        let section = report.multiclass.expect("a section");
        assert_eq!(section.rows_by_class, [175, 383, 630, 812]);
        assert!(report.metrics.is_none());
        assert_eq!(report.dataset.expect("a dataset").width, 10);
    }
}

#[test]
fn several_inputs_are_scored_and_timed_with_two_classes_too() {
    let gate = format!(
        "model:\n{NAMED}dataset: {{label: is_rare}}\nchecks: [{{metric: auc, min: 0.85}}]\nlatency: [{{percentile: 99, max_ms: 1000}}]\n"
    );
    let finished = Gate::of(
        model("classes/one_of_classes.pt"),
        data("classes/validation"),
    )
    .gate_file(&gate)
    .ends_with(0);
    let value = finished.brief.check("auc").and_then(|check| check.value);
    let expected = fact("auc_one_of_classes");
    assert!(
        (value.expect("defined") - expected).abs() < 1e-7,
        "{value:?}, {expected}"
    );
    let report = finished.report.expect("a report");
    assert_eq!(
        report.dataset.expect("a dataset").features,
        ["shop", "history", "amount_0", "amount_1", "amount_2"]
    );
    assert!(report.latency.expect("timed").samples >= 299);
}

#[test]
fn classes_are_timed_row_by_row_and_the_variable_means_the_area() {
    let finished = classes("logits", "", INPUTS, "")
        .env("MINIMUM_AUC", "0.95")
        .ends_with(1);
    let check = finished.brief.check("auc_ovr").expect("a check");
    assert_eq!(check.minimum, Some(0.95));
    assert!(finished.report.expect("a report").latency.is_some());
    let text = String::from_utf8_lossy(&finished.output.stdout).into_owned();
    assert!(text.contains("4 classes: 175, 383, 630, 812"), "{text}");
}

#[test]
fn inputs_that_the_model_does_not_take_are_refused_by_name() {
    let with = |inputs: &str| classes("logits", "", inputs, CHECKS);
    let unknown = NAMED.replace("name: shop", "name: store");
    with(&unknown).ends_refused(2, &["no argument `store`", "`amounts`, `history`, `shop`"]);
    let two =
        "  inputs:\n  - {columns: [amount_0, amount_1, amount_2]}\n  - {columns: [history]}\n";
    with(two).ends_refused(2, &["there are 2, and `forward` takes 3"]);
    let missing =
        "  inputs:\n  - {name: amounts, columns: [amount_0]}\n  - {name: shop, columns: [shop]}\n";
    with(missing).ends_refused(2, &["nothing is named for the argument `history`"]);
    // The model itself says what is wrong with a width; the gate says with which rows.
    let narrow = INPUTS.replace(", amount_2", "");
    with(&narrow).ends_refused(4, &["mat1 and mat2 shapes cannot be multiplied"]);
    let fractions = INPUTS
        .replace("columns: [shop]", "columns: [amount_1]")
        .replace(
            "[amount_0, amount_1, amount_2]",
            "[amount_0, shop, amount_2]",
        );
    with(&fractions).ends_refused(3, &["the input `amount_1` takes whole numbers"]);
    // Without inputs, the one tensor is one too few.
    let none = classes(
        "logits",
        "",
        "",
        "dataset: {features: {columns: [amount_0]}}\n",
    );
    let finished = none.ends_refused(4, &["missing value for argument"]);
    assert!(
        finished
            .brief
            .hints
            .iter()
            .any(|hint| hint.contains("model.inputs"))
    );
}

#[test]
fn labels_and_columns_that_are_no_classes_are_refused() {
    let of = |count: u32, label: &str| {
        Gate::of(model("classes/logits.pt"), data("classes/validation")).gate_file(&format!(
            "model:\n  classes: {count}\n{INPUTS}dataset: {{label: {label}}}\nlatency: []\n"
        ))
    };
    of(3, "label").ends_refused(3, &["other than the 3 classes 0 to 2", "3"]);
    of(5, "label").ends_refused(4, &["returns 4 columns", "5 classes"]);
    // Two of four classes never occur.
    of(4, "is_rare").ends_refused(3, &["class 2 of 4 has no rows"]);
    let softmax = classes("logits", "  output: probabilities\n", INPUTS, CHECKS);
    softmax.ends_refused(4, &["declared probabilities"]);
}

#[test]
fn gates_of_several_classes_and_inputs_that_make_no_sense_are_refused() {
    for (gate, part) in [
        ("model: {classes: 2}\n", "expected 3 to 1000"),
        (
            "model: {classes: 4, positive_class: 1}\n",
            "makes two classes of several",
        ),
        (
            "model: {classes: 4}\nchecks: [{metric: auc, min: 0.9}]\n",
            "`auc` is for two classes",
        ),
        (
            "checks: [{metric: auc_ovr, min: 0.9}]\n",
            "say how many by `model.classes`",
        ),
        (
            "model: {classes: 4}\nchecks: [{metric: accuracy, at: 0.5, min: 0.9}]\n",
            "`at` is for two classes",
        ),
        (
            "model: {classes: 4}\nchecks: [{metric: brier, average: macro, max: 0.9}]\n",
            "takes no `average`",
        ),
        (
            "model: {classes: 4}\nchecks: [{metric: accuracy, min: 1.2}]\n",
            "from 0 to 1",
        ),
        (
            "model: {classes: 4}\ndataset: {weight: w}\n",
            "two classes only",
        ),
        (
            "model: {classes: 4}\nchampion: {model: m.pt}\n",
            "not compared",
        ),
        ("model: {inputs: []}\n", "it is empty"),
        ("model: {inputs: [{columns: []}]}\n", "names no column"),
        (
            "model: {inputs: [{columns: [a]}, {columns: [a]}]}\n",
            "comes twice",
        ),
        (
            "model: {inputs: [{columns: [a], name: x}, {columns: [b]}]}\n",
            "name all, or none",
        ),
        (
            "model: {inputs: [{columns: [a, b], flat: true}]}\n",
            "is for one column",
        ),
        (
            "model: {inputs: [{columns: [a]}]}\ndataset: {features: {columns: [a]}}\n",
            "so does `dataset.features`",
        ),
        ("model: {device: gpu}\n", "`cpu`, `cuda` or `cuda:N`"),
    ] {
        Gate::of("absent.pt", "absent/")
            .gate_file(gate)
            .ends_refused(2, &[part]);
    }
}

#[test]
fn a_check_of_the_file_names_inputs_and_classes() {
    let gate = classes("logits", "", NAMED, CHECKS);
    let output = gate.arg("check").command.output().expect("starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "input    shop: shop as int64",
        "input    amounts: amount_0, amount_1, amount_2",
        "classes  4",
        "auc_ovr_weighted  at least 0.9",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
