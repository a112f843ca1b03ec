//! The real program: what it loads, refuses and tells.

use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

/// Returns the libraries that the loader would map for a program, without running it.
fn libraries(program: &str) -> String {
    let output = Command::new(program)
        .env("LD_TRACE_LOADED_OBJECTS", "1")
        .output()
        .expect("the loader answers");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_validator_maps_no_libtorch_and_the_scorer_does() {
    let validator = libraries(env!("CARGO_BIN_EXE_validator"));
    assert!(validator.contains("libc.so"), "{validator}");
    assert!(!validator.contains("torch"), "{validator}");
    let scorer = libraries(env!("CARGO_BIN_EXE_validator-scorer"));
    assert!(scorer.contains("libtorch_cpu"), "{scorer}");
}

#[test]
fn what_reads_no_model_starts_no_scorer() {
    // A scorer that would leave a trace.
    let folder = tempfile::tempdir().expect("a folder");
    let (scorer, trace) = (folder.path().join("scorer"), folder.path().join("trace"));
    let script = format!("#!/bin/sh\ntouch {}\n", trace.display());
    std::fs::write(&scorer, script).expect("written");
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    std::fs::set_permissions(&scorer, mode).expect("changed");
    let gate = folder.path().join("gate.yaml");
    std::fs::write(&gate, "apiVersion: validator/v1\nkind: ModelGate\n").expect("written");
    let gate = gate.display().to_string();
    for arguments in [
        vec!["--help"],
        vec!["--version"],
        vec!["schema"],
        vec!["check", &gate],
        vec!["plan", &gate],
        vec!["verify", "/does/not/exist", "--key", "/does/not/exist"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_validator"))
            .args(&arguments)
            .env("VALIDATOR_SCORER", &scorer)
            .output()
            .expect("the program starts");
        assert!(output.status.code().is_some(), "{arguments:?}");
        assert!(!trace.exists(), "{arguments:?} started the scorer");
    }
    // The trace is one that a run leaves.
    let datasets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets");
    let run = Command::new(env!("CARGO_BIN_EXE_validator"))
        .arg("--model")
        .arg(format!("{datasets}/champion.pt"))
        .arg("--dataset")
        .arg(format!("{datasets}/validation"))
        .env("VALIDATOR_SCORER", &scorer)
        .output()
        .expect("the program starts");
    assert_ne!(run.status.code(), Some(0));
    assert!(trace.exists());
}

/// Reads a HdrHistogram log back: the tag, count and largest value in milliseconds of each line.
fn tagged_counts_and_maxima(log: &str) -> Vec<(String, u64, f64)> {
    let entries = IntervalLogIterator::new(log.as_bytes());
    let of_entry = |entry: LogEntry<'_>| {
        let LogEntry::Interval(line) = entry else {
            return None;
        };
        let bytes = BASE64_STANDARD
            .decode(line.encoded_histogram())
            .expect("base64");
        let histogram: Histogram<u64> = Deserializer::new()
            .deserialize(&mut &bytes[..])
            .expect("a histogram");
        let tag = line.tag().expect("a tag").as_str().to_owned();
        Some((tag, histogram.len(), histogram.max() as f64 / 1e6))
    };
    let entries = entries.map(|entry| entry.expect("a line"));
    entries.filter_map(of_entry).collect()
}

#[test]
fn an_overloaded_model_fails_and_its_latencies_are_kept_for_plotters() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let datasets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets");
    // A call takes some tens of milliseconds: 500 a second are more than the model can answer,
    // and a limit of a minute is met by every call that was made in two seconds.
    let gate = "apiVersion: validator/v1\nkind: ModelGate\nchecks: []\n\
                latency: [{scenario: open, arrivals: constant, rate_per_s: 500, percentile: 50, max_ms: 60000, time_budget_s: 2},\n\
                {scenario: closed, percentile: 50, max_ms: 60000, time_budget_s: 1}]\n";
    std::fs::write(at("gate.yaml"), gate).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_validator"))
        .arg("--gate")
        .arg(at("gate.yaml"))
        .arg("--latency-histogram")
        .arg(at("latency.hgrm"))
        .arg("--report")
        .arg(at("report.json"))
        .arg("--model")
        .arg(format!("{datasets}/slow.pt"))
        .arg("--dataset")
        .arg(format!("{datasets}/validation"))
        .output()
        .expect("the program starts");
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{talk}");
    assert!(talk.contains("more calls fell due"), "{talk}");
    let text = std::fs::read_to_string(at("report.json")).expect("a report");
    let report: verdict::report::Report = serde_json::from_str(&text).expect("a report");
    assert!(
        report.brief.reasons[0].contains("overload"),
        "{:?}",
        report.brief.reasons
    );
    let log = validator::output::render_hlog(&report).expect("a log");
    let latencies: Vec<_> = report.latencies().collect();
    assert_eq!(latencies.len(), 2);
    assert_eq!(tagged_counts_and_maxima(&log).len(), 2, "{log}");
    for ((tag, count, maximum_ms), (latency, check)) in
        tagged_counts_and_maxima(&log).into_iter().zip(latencies)
    {
        assert_eq!((&*tag, count), (&*check.metric, latency.samples));
        assert!(
            (maximum_ms / latency.maximum_ms - 1.0).abs() < 2e-3,
            "{maximum_ms} {}",
            latency.maximum_ms
        );
    }

    let latency = report.latency.expect("latency");
    assert!(
        latency.backlog_calls > Some(10),
        "{:?}",
        latency.backlog_calls
    );
    assert_eq!(latency.quantiles.len(), 5);

    let text = std::fs::read_to_string(at("latency.hgrm")).expect("a distribution");
    let rows: Vec<Vec<f64>> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("Value") && !line.is_empty())
        .map(|line| {
            line.split_whitespace()
                .map(|cell| cell.parse().expect("a number"))
                .collect()
        })
        .collect();
    assert!(
        rows.windows(2)
            .all(|pair| pair[0][0] < pair[1][0] && pair[0][2] < pair[1][2])
    );
    let last = rows.last().expect("rows");
    assert_eq!(
        (last[1], last[2], last.len()),
        (1.0, latency.samples as f64, 3)
    );
}

#[test]
fn the_operator_says_which_operators_are_denied_and_the_sandbox_holds_the_others() {
    let datasets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets");
    let run = |model: &str, denied: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_validator"))
            .arg("--model")
            .arg(format!("{datasets}/{model}"))
            .arg("--dataset")
            .arg(format!("{datasets}/validation"))
            .args(denied)
            .output()
            .expect("the program starts");
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), talk)
    };
    let (code, talk) = run("hostile/models/writes_file.pt", &[]);
    assert_eq!(code, Some(4), "{talk}");
    assert!(
        talk.contains("`aten::from_file`, which is denied"),
        "{talk}"
    );
    let (code, talk) = run("champion.pt", &["--deny-operators", "aten::log1p"]);
    assert_eq!(code, Some(4), "{talk}");
    assert!(talk.contains("`aten::log1p`, which is denied"), "{talk}");
    let (code, talk) = run("hostile/models/writes_file.pt", &["--deny-operators", ""]);
    assert_eq!(code, Some(4), "{talk}");
    assert!(talk.contains("raised an error"), "{talk}");
    let (code, talk) = run("champion.pt", &["--deny-operators", "everything"]);
    assert_eq!(code, Some(2), "{talk}");
}
