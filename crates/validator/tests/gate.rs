//! The real program on committed models and data: what it prints, writes and ends with.

#[path = "gate/classes.rs"]
mod classes;
#[path = "common/command.rs"]
mod command;
mod common;
#[path = "gate/gate_file.rs"]
mod gate_file;
#[path = "gate/reports.rs"]
mod reports;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use tempfile::TempDir;
use verdict::report::{Brief, Outcome, REPORT_KIND, Report};

fn datasets() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../datasets")
}

fn model(name: &str) -> String {
    datasets().join(name).display().to_string()
}

fn data(name: &str) -> String {
    datasets().join(name).display().to_string()
}

struct Gate {
    command: Command,
    folder: TempDir,
}

struct Finished {
    output: Output,
    brief: Brief,
    report: Option<Report>,
}

impl Gate {
    /// A run with no setting but where to write.
    fn bare() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = command::validator();
        command
            .env(
                "VALIDATOR_TERMINATION_MESSAGE",
                folder.path().join("message"),
            )
            .env("VALIDATOR_REPORT", folder.path().join("report.json"))
            .env("VALIDATOR_TIME_BUDGET", "10");
        Self { command, folder }
    }

    fn of(model: impl AsRef<str>, dataset: impl AsRef<str>) -> Self {
        Self::bare()
            .env("MODEL_PATH", model.as_ref())
            .env("VALIDATION_DATASET", dataset.as_ref())
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Lays a gate file of this text under the settings.
    fn gate_file(self, text: &str) -> Self {
        let path = self.folder.path().join("gate.yaml");
        let text = format!("apiVersion: validator/v1\nkind: ModelGate\n{text}");
        std::fs::write(&path, text).expect("written");
        self.env("VALIDATOR_GATE", &path.display().to_string())
    }

    /// Runs it and demands an exit code, which the files repeat.
    #[track_caller]
    fn ends_with(mut self, code: i32) -> Finished {
        let output = self.command.output().expect("the program starts");
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name)).ok();
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{talk}");
        assert!(!talk.contains("panicked"), "{talk}");
        let message = read("message").expect("a termination message");
        let brief = Brief::parse(&message).expect("a brief");
        assert_eq!(i32::from(brief.exit_code), code, "{message}");
        let report: Option<Report> =
            read("report.json").map(|text| serde_json::from_str(&text).expect("a report"));
        if let Some(report) = &report {
            assert_eq!(report.kind, REPORT_KIND);
            assert_eq!(report.brief, brief);
        }
        Finished {
            output,
            brief,
            report,
        }
    }

    /// Runs it and demands an exit code alone, for runs that write to places of their own.
    #[track_caller]
    fn ends_somewhere(mut self, code: i32) {
        let output = self.command.output().expect("the program starts");
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{talk}");
    }

    /// Runs it and demands an error whose text, on stderr and in the brief, has these parts.
    #[track_caller]
    fn ends_refused(self, code: i32, parts: &[&str]) -> Finished {
        let finished = self.ends_with(code);
        let talk = String::from_utf8_lossy(&finished.output.stderr).into_owned();
        let reasons = finished.brief.reasons.join("\n");
        assert_eq!(finished.brief.outcome, Outcome::Error);
        for part in parts {
            assert!(talk.contains(part), "stderr lacks {part:?}: {talk}");
            assert!(
                reasons.contains(part),
                "the reasons lack {part:?}: {reasons}"
            );
        }
        finished
    }
}

/// The areas that scikit-learn found, from the data sets' own record.
fn published_auc(model: &str) -> f64 {
    let text = std::fs::read_to_string(datasets().join("facts.json")).expect("facts.json");
    let facts: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    facts["auc"][model].as_f64().expect("an area")
}

#[test]
fn the_four_variables_alone_make_a_verdict_that_agrees_with_scikit_learn() {
    let finished = Gate::of(model("champion.pt"), data("validation"))
        .env("MINIMUM_AUC", "0.90")
        .env("MAXIMUM_P99_LATENCY_MS", "200")
        .ends_with(0);
    let auc = finished.brief.check("auc").expect("a check");
    let value = auc.value.expect("defined");
    assert!((value - published_auc("champion")).abs() < 1e-9, "{value}");
    assert!(auc.lower_bound < auc.value && auc.value < auc.upper_bound);
    let report = finished.report.expect("a report");
    let dataset = report.dataset.expect("a dataset");
    assert_eq!(
        (dataset.rows_total, dataset.width, dataset.files.len()),
        (6000, 10, 3)
    );
    let latency = report.latency.expect("latency");
    assert!(latency.samples >= 299, "{}", latency.samples);
    assert_eq!(
        report.configuration["minimum_auc"].value,
        serde_json::json!(0.9)
    );
    let text = String::from_utf8(finished.output.stdout).expect("UTF-8");
    for part in [
        "AUC",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "PASS",
        "3,923 positive",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains('\u{1b}'), "colour in a pipe: {text}");
}

#[test]
fn a_degraded_model_fails_and_says_by_how_much() {
    let finished = Gate::of(model("degraded.pt"), data("validation"))
        .env("MINIMUM_AUC", "0.85")
        .ends_with(1);
    assert!(
        finished.brief.reasons[0].starts_with("auc 0.7631 is below the minimum 0.8500"),
        "{:?}",
        finished.brief.reasons
    );
}

#[test]
fn a_slow_model_fails_on_latency_alone() {
    let finished = Gate::of(model("slow.pt"), data("validation"))
        .env("MINIMUM_AUC", "0.85")
        .env("MAXIMUM_P99_LATENCY_MS", "1")
        .ends_with(1);
    assert!(finished.brief.reasons[0].contains("exceeds the maximum 1 ms"));
    let auc = finished.brief.check("auc").expect("a check");
    assert_eq!(auc.outcome, Outcome::Pass);
}

#[test]
fn a_vector_column_is_the_row() {
    let finished = Gate::of(model("wide512.pt"), data("wide512/validation")).ends_with(0);
    let report = finished.report.expect("a report");
    assert_eq!(report.dataset.expect("a dataset").width, 512);
    let value = finished.brief.check("auc").and_then(|check| check.value);
    assert!(value.is_some_and(|value| (value - published_auc("wide512")).abs() < 1e-9));
}

#[test]
fn json_output_is_the_report_and_nothing_else() {
    let finished = Gate::of(model("champion.pt"), data("validation"))
        .arg("--output=json")
        .ends_with(0);
    let printed: Report = serde_json::from_slice(&finished.output.stdout).expect("JSON alone");
    assert_eq!(Some(printed), finished.report);
}

#[test]
fn flags_win_over_variables() {
    let finished = Gate::of(model("degraded.pt"), data("validation"))
        .env("MINIMUM_AUC", "nan")
        .arg("--minimum-auc=0.5")
        .ends_with(0);
    assert_eq!(
        finished.brief.check("auc").and_then(|check| check.minimum),
        Some(0.5)
    );
}

#[test]
fn a_few_slow_calls_are_not_enough_for_a_verdict() {
    // About a hundred milliseconds a call: one second holds fewer than the 299 it takes.
    let finished = Gate::of(model("slow.pt"), data("validation"))
        .env("MINIMUM_AUC", "0.85")
        .env("MAXIMUM_P99_LATENCY_MS", "60000")
        .arg("--time-budget=1")
        .ends_with(6);
    assert_eq!(finished.brief.outcome, Outcome::Inconclusive);
    assert!(
        finished.brief.reasons[0].contains("299 are the least"),
        "{:?}",
        finished.brief
    );
}

#[test]
fn every_faulty_dataset_ends_refused_with_its_fault() {
    for (file, code, parts) in [
        ("narrow", 3, &["features a row", "10"][..]),
        ("broad", 3, &["11", "10"]),
        ("no_label", 3, &["no label column `label`"]),
        ("no_rows", 3, &["no rows"]),
        (
            "not_parquet",
            3,
            &["not_parquet.parquet", "not a readable Parquet file"],
        ),
        (
            "truncated",
            3,
            &["truncated.parquet", "not a readable Parquet file"],
        ),
        ("zero_bytes", 3, &["zero_bytes.parquet"]),
        ("damaged_page", 3, &["damaged_page.parquet"]),
        ("null_feature", 3, &["null value"]),
        ("nan_feature", 3, &["NaN value"]),
        ("null_label", 3, &["`label`", "null value"]),
        ("single_class", 3, &["only one class"]),
        ("soft_label", 3, &["other than 0 and 1"]),
        ("label_out_of_range", 3, &["other than 0 and 1"]),
        ("string_label", 3, &["`label`", "Utf8"]),
        ("string_feature", 3, &["9 features a row"]),
    ] {
        let path = data(&format!("hostile/data/{file}.parquet"));
        assert!(Path::new(&path).exists(), "{path}");
        Gate::of(model("champion.pt"), &path).ends_refused(code, parts);
    }
}

#[test]
fn a_feature_written_as_text_is_named_where_the_model_misses_it() {
    let path = data("hostile/data/string_feature.parquet");
    let finished = Gate::of(model("champion.pt"), &path).ends_with(3);
    let talk = String::from_utf8_lossy(&finished.output.stderr).into_owned();
    assert!(talk.contains("are no features; here `"), "{talk}");
}

#[test]
fn a_folder_in_place_of_a_model_is_a_wrong_place_and_no_outage() {
    Gate::of(data("validation"), data("validation")).ends_refused(2, &["not a regular file"]);
}

#[test]
fn every_faulty_model_ends_refused_and_never_takes_the_gate_down() {
    for (file, parts) in [
        ("corrupt.pt", &["corrupt.pt"][..]),
        ("empty.pt", &["empty"]),
        ("raises.pt", &["raised an error", "part-0000.parquet"]),
        ("crash.pt", &["crashed"]),
        ("memory_hog.pt", &["ran out of memory"]),
        ("nan.pt", &["returned NaN for row"]),
        ("state_dict.pt", &["weights alone"]),
        ("exported.pt2", &["torch.export"]),
        ("reads_file.pt", &["`aten::from_file`, which is denied"]),
        ("writes_file.pt", &["`aten::from_file`, which is denied"]),
    ] {
        let path = model(&format!("hostile/models/{file}"));
        assert!(Path::new(&path).exists(), "{path}");
        Gate::of(&path, data("validation")).ends_refused(4, parts);
    }
}

/// The libtorch that this repository fetches has no CUDA; where a user's own has, the machine has
/// no hundred GPUs.
#[test]
fn a_gpu_that_is_not_there_is_refused_with_the_remedy() {
    let finished = Gate::of(model("champion.pt"), data("validation"))
        .arg("--device=cuda:99")
        .ends_refused(2, &["cannot run on `cuda:99`"]);
    let hints = finished.brief.hints.join("\n");
    assert!(
        hints.contains("--device cpu") && hints.contains("LIBTORCH"),
        "{hints}"
    );
    Gate::of(model("champion.pt"), data("validation"))
        .env("VALIDATOR_DEVICE", "tpu")
        .ends_refused(2, &["VALIDATOR_DEVICE", "`cpu`, `cuda` or `cuda:N`"]);
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_read() {
    Gate::of("/no/model", "/no/data")
        .env("MINIMUM_AUC", "nan")
        .ends_refused(2, &["`MINIMUM_AUC` is `nan`"]);
    Gate::bare().ends_refused(2, &["MODEL_PATH"]);
    Gate::bare().arg("--modle=x").ends_refused(2, &["--modle"]);
    Gate::of("/no/model", data("validation")).ends_refused(2, &["/no/model"]);
    Gate::of(model("champion.pt"), "/no/data").ends_refused(2, &["/no/data"]);
    Gate::of(model("champion.pt"), "gs://bucket/data").ends_refused(2, &["`gs`"]);
    Gate::of(model("champion.pt"), data("validation"))
        .arg("--features=length_mm,nothing")
        .ends_refused(3, &["`nothing`"]);
}

#[test]
fn an_unwritable_report_is_no_pass() {
    let gate = Gate::of(model("champion.pt"), data("validation"))
        .arg("--report=/no/such/folder/report.json");
    let mut gate = gate;
    let output = gate.command.output().expect("starts");
    assert_eq!(output.status.code(), Some(5));
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(
        talk.contains("the verdict is `pass`, but `/no/such/folder/report.json`"),
        "{talk}"
    );
}

#[test]
fn a_result_that_cannot_be_printed_is_no_pass() {
    let full = std::fs::File::create("/dev/full").expect("a device that is full");
    let mut gate = Gate::of(model("champion.pt"), data("validation"));
    let status = gate.command.stdout(full).status().expect("it starts");
    assert_eq!(status.code(), Some(5));
}

fn on_s3(server: &S3Server, model: &str, dataset: &str) -> Gate {
    Gate::of(model, dataset)
        .env("AWS_ENDPOINT_URL", &server.endpoint())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
}

#[test]
fn s3_gives_the_same_verdict_as_files() {
    let server = S3Server::start();
    let champion = std::fs::read(model("champion.pt")).expect("a model");
    server.put("models", "fraud/v1/model.pt", &champion);
    for entry in std::fs::read_dir(data("validation")).expect("a folder") {
        let entry = entry.expect("an entry");
        let bytes = std::fs::read(entry.path()).expect("a file");
        let key = format!("fraud/validation/{}", entry.file_name().to_string_lossy());
        server.put("data", &key, &bytes);
    }
    let remote = on_s3(
        &server,
        "s3://models/fraud/v1/model.pt",
        "s3://data/fraud/validation/",
    )
    .ends_with(0);
    let local = Gate::of(model("champion.pt"), data("validation")).ends_with(0);
    assert_eq!(remote.brief.check("auc"), local.brief.check("auc"));
    assert_eq!(remote.brief.model.sha256, local.brief.model.sha256);
    assert_eq!(remote.brief.dataset.digest, local.brief.dataset.digest);
    assert!(remote.brief.dataset.digest.is_some());

    on_s3(&server, "s3://models/fraud/v1/model.pt", "s3://data/other/")
        .ends_refused(3, &["s3://data/other/", "no Parquet files"]);
    on_s3(
        &server,
        "s3://models/fraud/v2/model.pt",
        "s3://data/fraud/validation/",
    )
    .ends_refused(2, &["s3://models/fraud/v2/model.pt", "does not exist"]);
    on_s3(
        &server,
        "s3://models/fraud/v1/model.pt",
        "s3://data/fraud/validation/",
    )
    .env("AWS_ENDPOINT_URL_S3", "")
    .env("AWS_REGION", "")
    .ends_with(0);
    on_s3(&server, "s3://models", "s3://data/fraud/validation/")
        .ends_refused(2, &["s3://models/", "does not exist"]);
    on_s3(&server, "s3://models/fraud/v1/model.pt", "s3://nowhere/x/")
        .ends_refused(2, &["`nowhere`", "does not exist"]);
    let denied = on_s3(
        &server,
        "s3://models/fraud/v1/model.pt",
        "s3://data/fraud/validation/",
    )
    .env("AWS_SECRET_ACCESS_KEY", "wrong-secret-of-the-test")
    .ends_refused(2, &["denied"]);
    let talk = String::from_utf8_lossy(&denied.output.stderr).into_owned();
    assert!(!talk.contains("wrong-secret-of-the-test"), "{talk}");
}

#[test]
fn a_store_that_is_away_is_worth_a_retry() {
    let finished = Gate::of(model("champion.pt"), "s3://data/validation/")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "A")
        .env("AWS_SECRET_ACCESS_KEY", "B")
        .ends_refused(5, &["127.0.0.1:1"]);
    assert!(
        finished
            .report
            .and_then(|report| report.error)
            .is_some_and(|error| error.retryable)
    );
}
