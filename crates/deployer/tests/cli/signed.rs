//! An environment that demands a signed verdict: every way to change it, with a gate that signs, with
//! a verdict from elsewhere, and with neither.

use attest::{Envelope, KeyPlace, Statement, pack, sign};
use chrono::{SecondsFormat, TimeDelta, Utc};
use verdict::report::{GateSummary, Outcome, Report};

use crate::harness::{Place, Run};

const FILE: &str = r#"
apiVersion: deployer/v1
kind: Environments
environments:
  dev: {target: "dir:deployed/dev", namespace: dev}
  prod:
    target: "dir:deployed/prod"
    namespace: prod
    demands: {signed_verdict: {keys: [gate.pub], age_max: 2h}}
promotion: [dev, prod]
releases:
  web: {chart: ./chart}
"#;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../attest/tests/keys");

fn place() -> Place {
    let place = Place::new();
    place.write("deployer.yaml", FILE);
    let key = std::fs::read_to_string(format!("{KEYS}/ed25519.pub")).expect("a key");
    place.write("gate.pub", &key);
    place
}

/// The report of a pass that ended `age` ago, on the model that the chart's gate is told.
fn report(age: TimeDelta) -> Report {
    let text = include_str!("../../../verdict/tests/fixtures/report-v1.json");
    let mut report: Report = serde_json::from_str(text).expect("a report");
    let brief = &mut report.brief;
    brief.outcome = Outcome::Pass;
    brief.exit_code = 0;
    brief.started_at = (Utc::now() - age).to_rfc3339_opts(SecondsFormat::Millis, true);
    brief.duration_s = 0.0;
    brief.model.uri = Some("m.pt".to_owned());
    brief.gate = Some(GateSummary {
        digest: format!("sha256:{}", "9".repeat(64)),
    });
    report
}

fn signed(report: &Report, key: &str) -> Envelope {
    let signer = KeyPlace::File(format!("{KEYS}/{key}").into()).signer();
    let statement = Statement::of_report(report).expect("a statement");
    sign(&statement, &signer.expect("a key")).expect("signed")
}

/// A program in place of the gate's image; it leaves a mark that it ran.
fn gate(place: &Place, name: &str, report: &Report) -> String {
    let brief = serde_json::to_string(&report.brief).expect("JSON");
    place.write(&format!("{name}.json"), &brief);
    let (text, mark) = (place.path(&format!("{name}.json")), place.path("gate-ran"));
    place.program(
        name,
        &format!(
            "touch '{}'\ncat '{}' > \"$VALIDATOR_TERMINATION_MESSAGE\"\n",
            mark.display(),
            text.display()
        ),
    )
}

fn run(place: &Place, gate: &str, arguments: &[&str]) -> Run {
    let command = format!("local/gate={gate}");
    let mut all = arguments.to_vec();
    all.extend(["--env", "prod", "--hook-command", &command]);
    std::fs::remove_file(place.path("gate-ran")).ok();
    place.run(&all)
}

fn has_run(place: &Place) -> bool {
    place.path("gate-ran").exists()
}

fn is_deployed(place: &Place) -> bool {
    place
        .path("deployed/prod/prod/web/manifests/configmap-web.yaml")
        .exists()
}

const WAYS: [&[&str]; 4] = [
    &["apply"],
    &["install", "web"],
    &["upgrade", "web", "--install"],
    &["upgrade", "web", "./chart", "--install"],
];

#[test]
fn nothing_is_changed_without_a_signed_verdict_whatever_the_way() {
    let place = place();
    let unsigned = gate(&place, "unsigned", &report(TimeDelta::zero()));
    for way in WAYS {
        let refused = run(&place, &unsigned, way);
        refused.fails_with(
            6,
            &[
                "a signed verdict is demanded here, and none counts: the verdict is not signed",
                "state: nothing was changed",
                "--sign-key",
                "--verdict FILE",
            ],
        );
        assert!(has_run(&place) && !is_deployed(&place), "{way:?}");
        let skipped = run(&place, &unsigned, &[way, &["--no-hooks"]].concat());
        skipped.fails_with(2, &["a signed verdict is demanded", "leave `--no-hooks`"]);
        // A failed first install must not be in the way of the next.
        place.run(&["uninstall", "web", "--env", "prod"]);
    }
    let mut other = report(TimeDelta::zero());
    other.brief.attestation = Some(pack(&signed(&other, "p256.pem")).expect("packed"));
    let refused = run(&place, &gate(&place, "other", &other), &["apply"]);
    refused.fails_with(6, &["signature does not count"]);
    let mut old = report(TimeDelta::hours(3));
    old.brief.attestation = Some(pack(&signed(&old, "ed25519.pem")).expect("packed"));
    let refused = run(&place, &gate(&place, "old", &old), &["apply"]);
    refused.fails_with(6, &["too old", "at most 2h is asked for"]);
    assert!(!is_deployed(&place));
    std::fs::remove_file(place.path("gate.pub")).expect("removed");
    let refused = run(&place, &unsigned, &["apply"]);
    refused.fails_with(2, &["no signature can be checked", "gate.pub"]);
    assert!(!has_run(&place), "the gate ran before the key was read");
}

#[test]
fn a_gate_that_signs_is_enough_and_its_key_is_kept_with_the_revision() {
    let place = place();
    let mut report = report(TimeDelta::zero());
    report.brief.attestation = Some(pack(&signed(&report, "ed25519.pem")).expect("packed"));
    let gate = gate(&place, "signing", &report);
    for _ in 0..2 {
        let applied = run(&place, &gate, &["apply"]);
        assert_eq!(applied.code, 0, "{applied:?}");
    }
    assert!(is_deployed(&place));
    let history = place.run(&["history", "web", "--revision", "2", "--env", "prod"]);
    assert!(
        history.stdout.contains("the verdict is signed by key"),
        "{history:?}"
    );
}

#[test]
fn a_verdict_signed_elsewhere_counts_for_the_same_model_dataset_and_gate() {
    let place = place();
    let here = report(TimeDelta::zero());
    let unsigned = gate(&place, "unsigned", &here);
    let write = |name: &str, report: &Report, key: &str| {
        place.write(name, &signed(report, key).to_json());
    };
    let elsewhere = || report(TimeDelta::minutes(30));
    let mut model = elsewhere();
    model.brief.model.sha256 = Some("ab".repeat(32));
    let mut dataset = elsewhere();
    dataset.brief.dataset.digest = Some(format!("sha256:{}", "cd".repeat(32)));
    let mut other_gate = elsewhere();
    other_gate.brief.gate = Some(GateSummary {
        digest: format!("sha256:{}", "8".repeat(64)),
    });
    for (name, report, words) in [
        ("model.json", &model, "of the model, its sha256 is"),
        ("dataset.json", &dataset, "of the dataset, its digest is"),
        ("gate.json", &other_gate, "of the gate, its digest is"),
    ] {
        write(name, report, "ed25519.pem");
        let refused = run(&place, &unsigned, &["apply", "--verdict", name]);
        refused.fails_with(6, &["none counts", words, "nothing was changed"]);
        assert!(!is_deployed(&place));
    }
    // What can be known beforehand is said before the gate runs.
    write("key.json", &elsewhere(), "p256.pem");
    write("old.json", &report(TimeDelta::hours(3)), "ed25519.pem");
    let mut bad = elsewhere();
    bad.brief.outcome = Outcome::Fail;
    bad.brief.exit_code = 1;
    write("bad.json", &bad, "ed25519.pem");
    place.write("none.json", "{}");
    for (name, words) in [
        ("key.json", "no signature is by a known key"),
        ("old.json", "at most 2h is asked for"),
        ("bad.json", "the verdict is `fail`"),
        ("none.json", "no signed verdict is in it"),
        ("absent.json", "cannot be read"),
    ] {
        let refused = run(&place, &unsigned, &["apply", "--verdict", name]);
        assert_ne!(refused.code, 0, "{name}");
        refused.fails_with(refused.code, &[words]);
        assert!(!has_run(&place), "{name}: the gate ran");
    }
    write("good.json", &elsewhere(), "ed25519.pem");
    let applied = run(
        &place,
        &unsigned,
        &["apply", "--verdict", "model.json", "--verdict", "good.json"],
    );
    assert_eq!(applied.code, 0, "{applied:?}");
    assert!(is_deployed(&place));
    let history = place.run(&["history", "web", "--revision", "4", "--env", "prod"]);
    assert!(history.stdout.contains("good.json"), "{history:?}");
    // The way back stays open, and a file that nobody asks for is no comfort.
    run(&place, &unsigned, &["apply", "--verdict", "good.json"]);
    let back = place.run(&["rollback", "web", "--env", "prod"]);
    assert_eq!(back.code, 0, "{back:?}");
    let idle = place.run(&["apply", "--env", "dev", "--verdict", "good.json"]);
    idle.fails_with(2, &["no signed verdict is demanded here"]);
}

#[test]
fn a_promotion_takes_a_verdict_that_was_signed_elsewhere_too() {
    let place = place();
    let unsigned = gate(&place, "unsigned", &report(TimeDelta::zero()));
    let command = format!("local/gate={unsigned}");
    let applied = place.run(&["apply", "--env", "dev", "--hook-command", &command]);
    assert_eq!(applied.code, 0, "{applied:?}");
    let promote = |more: &[&str]| {
        let given = ["promote", "web", "--to", "prod", "--hook-command", &command];
        place.run(&[&given, more].concat())
    };
    let refused = promote(&[]);
    assert!(
        refused.code == 1 && refused.stdout.contains("✗ the verdict is not signed"),
        "{refused:?}"
    );
    let envelope = signed(&report(TimeDelta::minutes(5)), "ed25519.pem");
    place.write("good.json", &envelope.to_json());
    let done = promote(&["--verdict", "good.json", "--pass-credentials"]);
    assert!(done.code == 0 && is_deployed(&place), "{done:?}");
}
