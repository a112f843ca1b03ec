//! What each form of report shows of a gate that asks for everything.

use super::{Gate, command, data, model};

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn every_form_shows_champion_deciding_numbers_throughput_and_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let gate = format!(
        "champion: {{model: {}}}\n\
         checks:\n\
         - {{metric: auc, min: 0.9, decide_on: lower_bound}}\n\
         - {{metric: ks, min: 0.5, confidence: 0.99}}\n\
         - {{metric: auc, non_inferiority_margin: 0.01}}\n\
         - {{metric: auc, min: 0.7, slice: {{by: length_mm, edges: [30]}}}}\n\
         latency:\n\
         - {{max_ms: 10000, min_rows_per_s: 0.001, time_budget_s: 2}}\n\
         - {{max_ms: 10000, batch: 8, percentile: 99.9, min_rows_per_s: 1e12, time_budget_s: 2}}\n\
         resources: {{max_cold_start_ms: 600000, max_memory_mib: 100000}}\n",
        model("champion.pt")
    );
    let finished = Gate::of(model("better.pt"), data("validation"))
        .gate_file(&gate)
        .env("VALIDATOR_MARKDOWN", &at("md"))
        .env("VALIDATOR_HTML", &at("html"))
        .env("VALIDATOR_PROMETHEUS", &at("prom"))
        .ends_with(1);
    has(
        &finished.brief.reasons.join("\n"),
        &[
            "throughput_rows_per_s_batch_8",
            "is below the minimum 1000000000000 rows/s",
        ],
    );
    let decided: Vec<_> = finished
        .brief
        .checks
        .iter()
        .map(|check| check.decided_on.as_deref().unwrap_or("nothing"))
        .collect();
    assert!(!decided.contains(&"nothing"), "{decided:?}");
    let report = finished.report.expect("a report");
    let further = report
        .latency_further
        .first()
        .expect("a second measurement");
    for section in [report.latency.as_ref().expect("measured"), further] {
        let rate = section.throughput_rows_per_s.expect("a rate");
        // One call after the other: at most what the mean call leaves room for.
        let most = section.batch_rows as f64 / (section.mean_ms / 1e3);
        assert!(rate > 0.0 && rate <= most * 1.01, "{rate} of {most}");
    }

    let console = String::from_utf8_lossy(&finished.output.stdout).into_owned();
    has(
        &console,
        &[
            "champion ",
            "decided on",
            "lower bound",
            "upper bound",
            "(99%)",
            "throughput batch_8",
            "at least 1000000000000 rows/s",
            "cold start",
            "at most 100000 MiB",
            "8 rows a call",
            "rows/s)",
            "start    ",
            "memory up to",
        ],
    );
    let read = |name: &str| std::fs::read_to_string(at(name)).expect("a file");
    has(
        &read("md"),
        &[
            "| decided on |",
            "- champion ",
            "(99%)",
            "8 rows a call",
            "rows/s)",
        ],
    );
    let page = read("html");
    has(
        &page,
        &[
            "Latency p99.9 batch_8",
            "p99.99 ",
            "Change from the champion",
            "Slices: auc_by_length_mm",
            "<tr><th>start</th>",
            "rows/s",
        ],
    );
    assert!(!page.contains("p100 "), "p99.99 is rounded away");
    assert!(page.len() < 300_000, "{}", page.len());
    has(
        &read("prom"),
        &[
            "validator_throughput_rows_per_second ",
            "validator_cold_start_seconds ",
            "validator_model_memory_bytes ",
            "validator_check_limit{check=\"throughput_rows_per_s_batch_8\",slice=\"\",kind=\"minimum\"} 1000000000000",
        ],
    );
}

/// Demands that a text is what the published schema of that name says.
fn follows(name: &str, text: &str) {
    let path = format!(
        "{}/../../docs/{name}.schema.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let schema = std::fs::read_to_string(path).expect("a published schema");
    let schema = serde_json::from_str(&schema).expect("JSON");
    let schema = jsonschema::draft202012::new(&schema).expect("a schema");
    let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let errors: Vec<String> = schema
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    // And the schema is one that refuses something.
    let mut other = value;
    other["schema_version"] = "one".into();
    assert!(!schema.is_valid(&other));
}

#[test]
fn reports_of_every_end_follow_the_published_schemas() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.json").display().to_string();
    let brief = folder.path().join("brief.json").display().to_string();
    let quick = "latency: [{max_ms: 10000, time_budget_s: 1}]\n";
    let with_champion = format!(
        "champion: {{model: {}}}\ndataset: {{nulls: drop}}\nchecks: [{{metric: auc, non_inferiority_margin: 0.5}}, {{metric: auc, min: 0.5, slice: {{by: length_mm, edges: [30]}}}}]\n{quick}",
        model("champion.pt")
    );
    let classes = "model: {classes: 4, inputs: [{columns: [amount_0, amount_1, amount_2]}, {columns: [history]}, {columns: [shop], dtype: int64, flat: true}]}\nchecks: [{metric: auc_ovr, min: 0.5}]\nlatency: []\n";
    for (name, dataset, gate, code) in [
        ("better.pt", "validation", with_champion.as_str(), 0),
        ("degraded.pt", "validation", quick, 1),
        ("classes/logits.pt", "classes/validation", classes, 0),
        ("champion.pt", "nowhere", quick, 2),
        ("champion.pt", "validation", "latency: [{max_ms: -1}]\n", 2),
    ] {
        Gate::of(model(name), data(dataset))
            .gate_file(gate)
            .env("VALIDATOR_REPORT", &report)
            .env("VALIDATOR_TERMINATION_MESSAGE", &brief)
            .arg("--color=never")
            .ends_somewhere(code);
        follows(
            "report",
            &std::fs::read_to_string(&report).expect("a report"),
        );
        follows("brief", &std::fs::read_to_string(&brief).expect("a brief"));
    }
    let published = concat!(env!("CARGO_MANIFEST_DIR"), "/../verdict/tests/fixtures");
    for (name, file) in [("report", "report-v1.json"), ("brief", "brief-v1.json")] {
        let text = std::fs::read_to_string(format!("{published}/{file}")).expect("a fixture");
        follows(name, &text);
    }
}

#[test]
fn a_run_without_gate_file_has_the_plain_table() {
    let finished = Gate::of(model("champion.pt"), data("validation"))
        .env("MAXIMUM_P99_LATENCY_MS", "10000")
        .ends_with(0);
    let console = String::from_utf8_lossy(&finished.output.stdout).into_owned();
    has(&console, &["95% bounds", "rows/s)"]);
    assert!(!console.contains("decided on"), "{console}");
}

#[test]
fn a_plan_tells_programs_what_it_tells_people_for_every_kind_of_check() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, gate: &str, form: &str| {
        let path = folder.path().join(name);
        let text = format!("apiVersion: validator/v1\nkind: ModelGate\n{gate}");
        std::fs::write(&path, text).expect("written");
        let mut program = command::validator();
        let output = program.arg("plan").arg(&path).args(["--output", form]);
        let output = output.output().expect("the program starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let gate = "checks: [{metric: auc, min: 0.9, decide_on: lower_bound, slice: {by: country}}]\n";
    has(&run("two.yaml", gate, "text"), &["negative) in each slice"]);
    let plan: serde_json::Value =
        serde_json::from_str(&run("two.yaml", gate, "json")).expect("JSON");
    assert_eq!(plan["kind"], "validator/plan");
    let (area, calls) = (&plan["needs"][0], &plan["needs"][1]);
    assert_eq!(area["in_each_slice"], true);
    let count = |need: &serde_json::Value, key: &str| need[key].as_u64().expect("a count");
    assert_eq!(
        count(area, "rows"),
        count(area, "positives") + count(area, "negatives")
    );
    assert_eq!(
        (&calls["check"], count(calls, "calls")),
        (&"latency_ms_p99".into(), 299)
    );

    let gate = "model: {classes: 4}\n\
                checks: [{metric: auc_ovr, min: 0.9}, {metric: accuracy, min: 0.7, decide_on: lower_bound}, {metric: brier, max: 0.5, decide_on: upper_bound}]\n";
    let plan: serde_json::Value =
        serde_json::from_str(&run("four.yaml", gate, "json")).expect("JSON");
    let kinds: Vec<_> = plan["needs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|need| need["kind"].as_str().expect("a word"))
        .collect();
    assert_eq!(kinds, ["any", "counted_rows", "unknown", "calls"]);
}
