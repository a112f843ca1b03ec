//! Runs under gate files.

use super::{Gate, data, model, published_auc};
use verdict::report::{ConfigurationSource, Outcome};

/// A run of a model under a gate file of this text.
fn under(name: &str, gate: &str) -> Gate {
    Gate::of(model(name), data("validation")).gate_file(gate)
}

#[test]
fn several_metrics_are_judged_and_the_file_is_in_the_report() {
    let finished = under(
        "champion.pt",
        "checks:\n\
         - {metric: auc, min: 0.90, decide_on: lower_bound}\n\
         - {metric: f1, at: 0.5, min: 0.80}\n\
         - {metric: pr_auc, min: 0.90}\n\
         - {metric: ece, max: 0.20}\n\
         latency: [{percentile: 95, max_ms: 500, time_budget_s: 5}]\n",
    )
    .ends_with(0);
    let names: Vec<&str> = finished
        .brief
        .checks
        .iter()
        .map(|check| check.metric.as_str())
        .collect();
    assert_eq!(names, ["auc", "f1@0.5", "pr_auc", "ece", "latency_ms_p95"]);
    let auc = finished.brief.check("auc").expect("a check");
    assert_eq!(auc.decided_on.as_deref(), Some("lower_bound"));
    let report = finished.report.expect("a report");
    assert_eq!(
        report.configuration["gate_file"].source,
        ConfigurationSource::File
    );
    assert_eq!(report.configuration["checks"].value[1]["metric"], "f1@0.5");
}

#[test]
fn what_the_sample_does_not_settle_has_its_own_exit_code_or_a_policy() {
    // Between the bounds 0.9116 and 0.9244.
    let gate = |policy: &str| {
        format!(
            "checks: [{{metric: auc, min: 0.92, decide_on: lower_bound{policy}}}]\nlatency: []\n"
        )
    };
    let open = under("champion.pt", &gate("")).ends_with(6);
    assert_eq!(open.brief.outcome, Outcome::Inconclusive);
    under("champion.pt", &gate(", on_inconclusive: fail")).ends_with(1);
    under("champion.pt", &gate(", on_inconclusive: point")).ends_with(1);
    let passed = under("champion.pt", &gate(", on_inconclusive: pass")).ends_with(0);
    let warnings = passed.report.expect("a report").warnings;
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("does not settle `auc`")),
        "{warnings:?}"
    );
}

#[test]
fn a_challenger_is_judged_against_the_champion_on_the_same_rows() {
    let gate = |champion: &str| {
        format!(
            "champion: {{model: {champion}}}\n\
             checks: [{{metric: auc, non_inferiority_margin: 0.002}}]\nlatency: []\n"
        )
    };
    let better = under("better.pt", &gate(&model("champion.pt"))).ends_with(0);
    let check = better.brief.check("auc_vs_champion").expect("a check");
    let change = check.value.expect("defined");
    assert!((change - 0.010_489_108_4).abs() < 1e-6, "{change}");
    let worse = under("degraded.pt", &gate(&model("champion.pt"))).ends_with(1);
    assert!(
        worse.brief.reasons[0].contains("auc_vs_champion -0.15"),
        "{:?}",
        worse.brief.reasons
    );
    under("champion.pt", &gate(&model("champion.pt"))).ends_with(0);
    under("champion.pt", &gate("/no/champion.pt"))
        .ends_refused(2, &["the champion cannot be used", "/no/champion.pt"]);
    let skip = gate("/no/champion.pt").replace("pt}", "pt, if_missing: skip}") + "resources: {}\n";
    let skipped = under(
        "champion.pt",
        &(skip.replace("latency: []", "latency: [{max_ms: 500, time_budget_s: 5}]")),
    )
    .ends_with(0);
    let warnings = skipped.report.expect("a report").warnings;
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("there is no champion")),
        "{warnings:?}"
    );
}

#[test]
fn slices_by_bins_of_a_feature_are_judged_one_by_one() {
    let finished = under(
        "champion.pt",
        "checks:\n\
         - {metric: auc, min: 0.75, slice: {by: length_mm, edges: [30, 60], min_rows: 200}}\n\
         latency: []\n",
    )
    .ends_with(0);
    let slices: Vec<_> = finished
        .brief
        .checks
        .iter()
        .filter_map(|check| check.slice.clone())
        .collect();
    assert_eq!(
        slices,
        ["length_mm<30", "30<=length_mm<60", "length_mm>=60"]
    );
    under(
        "champion.pt",
        "checks: [{metric: auc, min: 0.5, slice: {by: country}}]\nlatency: []\n",
    )
    .ends_refused(3, &["there is no column `country`"]);
    under(
        "champion.pt",
        "checks: [{metric: auc, min: 0.5, slice: {by: length_mm}}]\nlatency: []\n",
    )
    .ends_refused(3, &["more than 200 values"]);
}

#[test]
fn what_the_data_must_be_is_checked_before_the_verdict() {
    let expecting = |what: &str| {
        format!(
            "dataset: {{expect: {{{what}}}}}\nchecks: [{{metric: auc, min: 0.5}}]\nlatency: []\n"
        )
    };
    under(
        "champion.pt",
        &expecting("min_rows: 6000, min_positives: 3923, min_negatives: 2077"),
    )
    .ends_with(0);
    under("champion.pt", &expecting("min_rows: 6001"))
        .ends_refused(3, &["6000 rows, fewer than the 6001"]);
    under("champion.pt", &expecting("min_negatives: 2078"))
        .ends_refused(3, &["2077 negative rows"]);
    under("champion.pt", &expecting("digest: \"sha256:00\""))
        .ends_refused(3, &["its digest is sha256:"]);
}

#[test]
fn a_model_is_pinned_by_its_digest_and_its_outputs_by_what_they_are() {
    let checks = "checks: [{metric: brier, max: 0.9}]\nlatency: []\n";
    under(
        "champion.pt",
        &format!("model: {{sha256: \"{}\"}}\n{checks}", "0".repeat(64)),
    )
    .ends_refused(4, &["has the SHA-256 de6c7e860ab4"]);
    under(
        "champion.pt",
        &format!("model: {{output: probabilities}}\n{checks}"),
    )
    .ends_refused(4, &["declared probabilities"]);
}

#[test]
fn gate_files_that_make_no_sense_are_refused_before_anything_is_read() {
    for (text, part) in [
        ("checks: [{metric: auc, minn: 0.9}]", "unknown field `minn`"),
        ("checks: [{metric: auc}]", "there is no limit"),
        ("checks: []\nlatency: []", "nothing is asked"),
        ("model: {path: \"${NOT_SET_ANYWHERE}\"}", "NOT_SET_ANYWHERE"),
        ("checks: [", "is not YAML"),
    ] {
        Gate::of("/no/model", "/no/data")
            .gate_file(text)
            .ends_refused(2, &[part]);
    }
    Gate::of("/no/model", "/no/data")
        .arg("--gate=/no/gate.yaml")
        .ends_refused(2, &["/no/gate.yaml"]);
    Gate::of("/no/model", "/no/data")
        .env("MINIMUM_AUC", "0.9")
        .gate_file("checks: [{metric: auc, min: 0.9}, {metric: auc, min: 0.8, name: floor}]")
        .ends_refused(2, &["MINIMUM_AUC is set"]);
}

#[test]
fn a_file_is_checked_without_data_model_or_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gate.yaml");
    let write = |text: &str| {
        let text = format!("apiVersion: validator/v1\nkind: ModelGate\n{text}");
        std::fs::write(&path, text).expect("written");
    };
    let check = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_validator"));
        command.env_clear().arg("check").arg(&path).args(arguments);
        command.output().expect("it starts")
    };
    write("checks: [{metric: f1, at: 0.75, min: 0.6}]\nmodel: {path: s3://b/m.pt}\n");
    let output = check(&[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for part in [
        "s3://b/m.pt",
        "f1@0.75",
        "at least 0.6",
        "latency_ms_p99",
        "named when a model is judged",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let output = check(&["--minimum-auc", "0.9", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["minimum_auc"]["source"], "flag");
    write("chekcs: []\n");
    let output = check(&[]);
    assert_eq!(output.status.code(), Some(2));
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(talk.contains("did you mean `checks`?"), "{talk}");
}

/// Models, what the gate file says of them, and how far rounding may move the area.
const OUTPUTS: [(&str, &str, f64); 8] = [
    ("column", "", 1e-9),
    ("pair_of_logits", "", 1e-6),
    ("pair_of_probabilities", "", 1e-4),
    ("tuple", "model: {output_index: 0}\n", 1e-9),
    ("dictionary", "model: {output_key: logits}\n", 1e-9),
    ("f64", "", 1e-4),
    ("f16", "", 1e-2),
    ("bf16", "", 5e-2),
];

#[test]
fn every_form_of_output_gives_the_champions_area() {
    let expected = published_auc("champion");
    let checks = "checks: [{metric: auc, min: 0.5}]\nlatency: []\n";
    for (file, part, tolerance) in OUTPUTS {
        let finished = Gate::of(model(&format!("outputs/{file}.pt")), data("validation"))
            .gate_file(&format!("{part}{checks}"))
            .ends_with(0);
        let value = finished
            .brief
            .check("auc")
            .and_then(|check| check.value)
            .expect("defined");
        assert!((value - expected).abs() < tolerance, "{file}: {value}");
    }
}

#[test]
fn a_plan_needs_no_data_and_the_schema_no_file() {
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_validator"));
        command.env_clear().args(arguments);
        let output = command.output().expect("it starts");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        (output.status.code(), text)
    };
    let (code, text) = run(&["plan"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("299 calls"), "{text}");
    assert_eq!(run(&["plan", "--power", "2"]).0, Some(2));
    let (code, text) = run(&["schema"]);
    assert_eq!(code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(schema["properties"]["checks"].is_object(), "{text}");
    assert_eq!(run(&["plan", "/no/gate.yaml"]).0, Some(2));
}

#[test]
fn one_run_is_told_in_every_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let text = format!(
        "checks: [{{metric: auc, min: 0.9}}, {{metric: auc, min: 0.5, slice: {{by: length_mm, edges: [40]}}}}]\n\
         latency: [{{max_ms: 500, time_budget_s: 5}}]\n\
         report: {{html: {0}/r.html, junit: {0}/r.xml, markdown: {0}/r.md}}\n",
        folder.path().display()
    );
    let prometheus = format!("--prometheus={}", at("r.prom").display());
    under("champion.pt", &text).arg(&prometheus).ends_with(0);
    let read = |name: &str| std::fs::read_to_string(at(name)).expect("written");
    let page = read("r.html");
    assert!(page.len() < 300_000, "{}", page.len());
    for part in [
        "ROC, area 0.9182",
        "Calibration",
        "p99",
        "length_mm&lt;40",
        "Slices",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for outside in ["http://", "https://", "<script", "src=", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(
        read("r.xml").contains("tests=\"4\" failures=\"0\" errors=\"0\""),
        "{}",
        read("r.xml")
    );
    assert!(read("r.md").contains("## Model gate: pass"));
    assert!(read("r.prom").contains("validator_check_passed{check=\"auc\",slice=\"\"} 1"));
}

#[test]
fn partitions_and_patterns_choose_files_and_a_partition_makes_slices() {
    let folder = tempfile::tempdir().expect("a folder");
    for (part, month) in [("0000", "01"), ("0001", "02"), ("0002", "03")] {
        let below = folder.path().join(format!("month=2026-{month}"));
        std::fs::create_dir(&below).expect("made");
        let from = data(&format!("validation/part-{part}.parquet"));
        std::fs::copy(from, below.join("part.parquet")).expect("copied");
    }
    let place = folder.path().display().to_string();
    let judged = |dataset: &str, text: &str| {
        Gate::of(model("champion.pt"), dataset).gate_file(&format!(
            "{text}checks: [{{metric: auc, min: 0.5}}]\nlatency: []\n"
        ))
    };
    let files = |finished: super::Finished| {
        let report = finished.report.expect("a report");
        let names = report.dataset.expect("a dataset").files;
        names.into_iter().map(|file| file.name).collect::<Vec<_>>()
    };
    let pruned = judged(&place, "dataset: {where: {month: \">=2026-02\"}}\n").ends_with(0);
    assert_eq!(
        files(pruned),
        ["month=2026-02/part.parquet", "month=2026-03/part.parquet"]
    );
    let globbed = judged(&format!("{place}/month=2026-0?/*.parquet"), "").ends_with(0);
    assert_eq!(files(globbed).len(), 3);
    judged(&place, "dataset: {where: {month: 2031-01}}\n")
        .ends_refused(3, &["3 files, and none that"]);
    judged(&place, "dataset: {where: {day: 1}}\n").ends_refused(3, &["none that"]);
    let sliced = Gate::of(model("champion.pt"), &place)
        .gate_file("checks: [{metric: auc, min: 0.5, slice: {by: month}}]\nlatency: []\n")
        .ends_with(0);
    let slices = sliced
        .brief
        .checks
        .iter()
        .filter_map(|check| check.slice.as_deref());
    assert_eq!(
        slices.collect::<Vec<_>>(),
        ["month=2026-01", "month=2026-02", "month=2026-03"]
    );
}

#[test]
fn an_open_loop_counts_latency_from_when_calls_were_due() {
    // A call takes some tens of milliseconds: twenty a second wait little, hundreds pile up.
    let gate = |rate: u32, max_ms: u32| {
        format!(
            "checks: [{{metric: auc, min: 0.5}}]\n\
             latency: [{{scenario: open, arrivals: constant, rate_per_s: {rate}, percentile: 50, max_ms: {max_ms}, time_budget_s: 4}}]\n"
        )
    };
    let slow = under("slow.pt", &gate(500, 400)).ends_with(1);
    let name = "latency_ms_p50_constant_500_per_s";
    let check = slow.brief.check(name).expect("a check");
    assert!(check.value > Some(400.0), "{check:?}");
    let report = slow.report.expect("a report");
    assert_eq!(report.latency.expect("latency").scenario, "constant");
    under("champion.pt", &gate(500, 400)).ends_with(0);
}
