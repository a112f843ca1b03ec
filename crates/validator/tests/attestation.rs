//! The real program: verdicts signed, verified and taken again.

#[path = "common/command.rs"]
mod command;
mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use attest::{Envelope, KeyPlace, unpack, verify};
use common::s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
use tempfile::TempDir;
use verdict::report::{Brief, Outcome, Report};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn key(name: &str) -> String {
    let path = repository().join("crates/attest/tests/keys").join(name);
    format!("file:{}", path.display())
}

/// A folder for the files of some runs.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A run of a committed model that asks for its ranking alone.
    fn judging(&self, model: &str, limit: &str) -> Command {
        let gate = self.path("gate.yaml");
        let text = format!(
            "apiVersion: validator/v1\nkind: ModelGate\nchecks: [{{metric: auc, min: {limit}}}]\nlatency: []\n"
        );
        std::fs::write(&gate, text).expect("written");
        let datasets = repository().join("datasets");
        let mut command = command::validator();
        command
            .env("VALIDATOR_TERMINATION_MESSAGE", self.path("message"))
            .env("VALIDATOR_REPORT", self.path("report.json"))
            .arg("--gate")
            .arg(gate)
            .arg("--model")
            .arg(datasets.join(model))
            .env("VALIDATION_DATASET", datasets.join("validation"));
        command
    }

    fn report(&self) -> Report {
        let text = std::fs::read_to_string(self.path("report.json")).expect("a report");
        serde_json::from_str(&text).expect("a report")
    }

    fn verifying(&self, file: &Path, key: &str) -> Command {
        let mut command = command::validator();
        command.arg("verify").arg(file).arg("--key").arg(key);
        command
    }
}

#[track_caller]
fn ends_with(command: &mut Command, code: i32) -> Output {
    let output = command.output().expect("the program starts");
    let talk = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "{talk}");
    assert!(!talk.contains("panicked"), "{talk}");
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_signed_verdict_is_accepted_for_what_it_is_about_and_nothing_else() {
    let desk = Desk::new();
    let envelope = desk.path("verdict.dsse.json");
    let mut run = desk.judging("champion.pt", "0.9");
    run.args(["--sign-key", &key("ed25519.pem"), "--attestation"]);
    ends_with(run.arg(&envelope), 0);
    let report = desk.report();
    let sha256 = report.brief.model.sha256.clone().expect("a digest");
    let dataset = report.brief.dataset.digest.clone().expect("a digest");
    let gate = report.brief.gate.clone().expect("a digest").digest;

    let demands = [
        "--model-sha256",
        &sha256,
        "--dataset-digest",
        &dataset,
        "--gate-digest",
        &gate,
        "--max-age",
        "1h",
    ];
    let public = key("ed25519.pub");
    let accepted = ends_with(desk.verifying(&envelope, &public).args(demands), 0);
    assert!(
        stdout(&accepted).ends_with("ACCEPTED\n"),
        "{}",
        stdout(&accepted)
    );
    // A report and a termination message carry the same verdict.
    for file in ["report.json", "message"] {
        ends_with(&mut desk.verifying(&desk.path(file), &public), 0);
    }
    let of_message = std::fs::read_to_string(desk.path("message")).expect("a message");
    assert!(of_message.len() <= 4096, "{}", of_message.len());
    let packed = Brief::parse(&of_message).expect("a brief").attestation;
    let unpacked = unpack(&packed.expect("signed")).expect("an envelope");
    let text = std::fs::read_to_string(&envelope).expect("an envelope");
    assert_eq!(Envelope::parse(&text).expect("an envelope"), unpacked);

    for (name, value) in [
        ("--model-sha256", "00"),
        ("--dataset-digest", "sha256:00"),
        ("--gate-digest", "sha256:00"),
        ("--max-age", "0s"),
    ] {
        // Times are kept to the millisecond, so that the verdict has some age by now.
        let refused = ends_with(desk.verifying(&envelope, &public).args([name, value]), 1);
        assert!(
            stdout(&refused).ends_with("REFUSED\n"),
            "{}",
            stdout(&refused)
        );
    }
    let other = ends_with(&mut desk.verifying(&envelope, &key("p256.pub")), 1);
    assert!(
        stdout(&other).contains("no signature is by a known key"),
        "{}",
        stdout(&other)
    );
    let mut json = desk.verifying(&envelope, &public);
    let json = ends_with(json.args(["--output", "json"]), 0);
    let value: serde_json::Value = serde_json::from_str(&stdout(&json)).expect("JSON");
    assert_eq!(value["accepted"], true);
    assert_eq!(
        value["statement"]["subject"][0]["digest"]["sha256"],
        *sha256
    );
}

#[test]
fn a_verdict_that_was_changed_or_failed_is_refused() {
    let desk = Desk::new();
    let envelope = desk.path("verdict.dsse.json");
    let mut run = desk.judging("degraded.pt", "0.9");
    run.args(["--sign-key", &key("p256.pem"), "--attestation"]);
    ends_with(run.arg(&envelope), 1);
    let public = key("p256.pub");
    let failed = ends_with(&mut desk.verifying(&envelope, &public), 1);
    assert!(
        stdout(&failed).contains("the verdict is `fail`"),
        "{}",
        stdout(&failed)
    );
    ends_with(desk.verifying(&envelope, &public).arg("--any-outcome"), 0);

    let text = std::fs::read_to_string(&envelope).expect("an envelope");
    let mut changed = Envelope::parse(&text).expect("an envelope");
    let payload = String::from_utf8(changed.payload_bytes().expect("base64")).expect("text");
    let mut forged: serde_json::Value = serde_json::from_str(&payload).expect("JSON");
    forged["predicate"]["outcome"] = "pass".into();
    forged["predicate"]["exit_code"] = 0.into();
    changed.payload = {
        use base64::Engine as _;
        base64::prelude::BASE64_STANDARD.encode(forged.to_string())
    };
    std::fs::write(&envelope, changed.to_json()).expect("written");
    let refused = ends_with(&mut desk.verifying(&envelope, &public), 1);
    assert!(
        stdout(&refused).contains("was changed"),
        "{}",
        stdout(&refused)
    );
    // Nothing of what is not believed is shown.
    assert!(
        !stdout(&refused).contains("degraded.pt"),
        "{}",
        stdout(&refused)
    );
}

#[test]
fn a_report_is_signed_afterwards_and_an_error_is_not() {
    let desk = Desk::new();
    ends_with(&mut desk.judging("champion.pt", "0.9"), 0);
    let sign = || {
        let mut command = command::validator();
        command.arg("sign").arg(desk.path("report.json"));
        command.args(["--key", "env:GATE_KEY"]);
        let pem = std::fs::read_to_string(&key("p256-sec1.pem")["file:".len()..]).expect("a key");
        command.env("GATE_KEY", pem);
        command
    };
    let signed = ends_with(&mut sign(), 0);
    let envelope = Envelope::parse(&stdout(&signed)).expect("an envelope");
    let place = KeyPlace::parse(&key("p256.pub")).expect("a place");
    let verified = verify(&envelope, &[place.public_key().expect("a key")]).expect("verified");
    assert_eq!(verified.statement.predicate.outcome, Outcome::Pass);

    ends_with(&mut desk.judging("no-such-model.pt", "0.9"), 2);
    let refused = ends_with(&mut sign(), 2);
    assert!(
        stderr(&refused).contains("there is no verdict to sign"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn a_key_that_will_not_do_is_told_before_anything_runs_and_never_shown() {
    let desk = Desk::new();
    let secret = std::fs::read_to_string(&key("ed25519.pem")["file:".len()..]).expect("a key");
    let body = secret.lines().nth(1).expect("base64");
    for (given, part) in [
        (key("encrypted.pem"), "encrypted with a password"),
        (key("p384.pem"), "1.3.132.0.34"),
        (key("ed25519.pub"), "expected a `PRIVATE KEY`"),
        ("file:/does/not/exist".to_owned(), "cannot be read"),
        ("env:NOT_SET".to_owned(), "NOT_SET"),
        ("exec:/does/not/exist".to_owned(), "cannot be run"),
        (secret.clone(), "the key itself was given"),
    ] {
        let mut run = desk.judging("champion.pt", "0.9");
        run.env("VALIDATOR_SIGN_KEY", &given);
        let output = run.output().expect("the program starts");
        let talk = stderr(&output);
        let code = output.status.code();
        assert!(matches!(code, Some(2 | 5)), "{given}: {code:?} {talk}");
        assert!(talk.contains(part), "{given}: {talk}");
        assert!(!talk.contains(body), "{talk}");
        assert!(desk.report().model.is_none(), "{given}");
    }
    let mut run = desk.judging("champion.pt", "0.9");
    let keyless = ends_with(run.arg("--attestation").arg(desk.path("v.json")), 2);
    assert!(
        stderr(&keyless).contains("--sign-key"),
        "{}",
        stderr(&keyless)
    );
}

#[test]
fn the_same_model_data_and_gate_give_the_kept_verdict_and_say_so() {
    let desk = Desk::new();
    let store = desk.path("verdicts");
    let run = |model: &str, limit: &str| {
        let mut command = desk.judging(model, limit);
        command.arg("--reuse-verdict").arg(&store);
        command
    };
    ends_with(&mut run("champion.pt", "0.9"), 0);
    let first = desk.report();
    assert!(first.brief.reused.is_none());
    // A scorer that cannot start shows that no model is run.
    let mut again = run("champion.pt", "0.9");
    let again = ends_with(again.args(["--scorer", "/does/not/exist"]), 0);
    assert!(stdout(&again).contains("reused"), "{}", stdout(&again));
    assert!(
        stderr(&again).contains("no row was scored"),
        "{}",
        stderr(&again)
    );
    let second = desk.report();
    let reused = second.brief.reused.clone().expect("reused");
    assert_eq!(reused.started_at, first.brief.started_at);
    assert_eq!(second.brief.judged_at(), first.brief.started_at);
    assert_eq!(second.brief.checks, first.brief.checks);
    assert_eq!(second.metrics, first.metrics);
    // Anything else is judged.
    ends_with(&mut run("champion.pt", "0.91"), 0);
    assert!(desk.report().brief.reused.is_none());
    ends_with(&mut run("better.pt", "0.9"), 0);
    assert!(desk.report().brief.reused.is_none());
    let mut stale = run("champion.pt", "0.9");
    let stale = ends_with(stale.args(["--reuse-max-age", "0s"]), 0);
    assert!(
        stderr(&stale).contains("does not count"),
        "{}",
        stderr(&stale)
    );
    assert!(desk.report().brief.reused.is_none());
}

#[test]
fn where_keys_are_known_only_a_kept_verdict_that_they_signed_counts() {
    let desk = Desk::new();
    let store = desk.path("verdicts");
    let run = |keys: &[&str]| {
        let mut command = desk.judging("champion.pt", "0.9");
        command.arg("--reuse-verdict").arg(&store).args(keys);
        command
    };
    ends_with(&mut run(&[]), 0);
    let (public, other) = (key("ed25519.pub"), key("p256.pub"));
    let unsigned = ends_with(&mut run(&["--reuse-key", &public]), 0);
    assert!(
        stderr(&unsigned).contains("it is not signed"),
        "{}",
        stderr(&unsigned)
    );
    ends_with(&mut run(&["--sign-key", &key("ed25519.pem")]), 0);
    let signed = desk.report();
    ends_with(&mut run(&["--reuse-key", &public]), 0);
    let reused = desk.report();
    assert!(
        reused
            .brief
            .reused
            .is_some_and(|reused| reused.key_id.is_some())
    );
    assert_eq!(reused.brief.attestation, signed.brief.attestation);
    // Numbers that nobody signed.
    let file = std::fs::read_dir(&store)
        .expect("a folder")
        .next()
        .expect("a file");
    let file = file.expect("a file").path();
    let text = std::fs::read_to_string(&file).expect("a verdict");
    let forged = text.replacen("\"outcome\":\"pass\"", "\"outcome\":\"fail\"", 1);
    assert_ne!(forged, text);
    std::fs::write(&file, forged).expect("written");
    let refused = ends_with(&mut run(&["--reuse-key", &public]), 0);
    assert!(
        stderr(&refused).contains("does not count"),
        "{}",
        stderr(&refused)
    );
    assert!(desk.report().brief.reused.is_none());
    let foreign = ends_with(&mut run(&["--reuse-key", &other]), 0);
    assert!(desk.report().brief.reused.is_none(), "{}", stderr(&foreign));
}

#[test]
fn verdicts_are_kept_on_s3() {
    let server = S3Server::start();
    let desk = Desk::new();
    std::fs::create_dir_all(server.path("verdicts", "")).expect("a bucket");
    for entry in std::fs::read_dir(repository().join("datasets/validation")).expect("a folder") {
        let path = entry.expect("a file").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let bytes = std::fs::read(&path).expect("a file");
        server.put("data", &format!("validation/{name}"), &bytes);
    }
    let run = || {
        let mut command = desk.judging("champion.pt", "0.9");
        command
            .args(["--dataset", "s3://data/validation/"])
            .args(["--reuse-verdict", "s3://verdicts/fraud/"])
            .env("AWS_ENDPOINT_URL", server.endpoint())
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command
    };
    ends_with(&mut run(), 0);
    assert!(desk.report().brief.reused.is_none());
    ends_with(&mut run(), 0);
    let reused = desk.report().brief.reused.expect("reused");
    assert!(
        reused.from.starts_with("s3://verdicts/fraud/"),
        "{reused:?}"
    );
}
