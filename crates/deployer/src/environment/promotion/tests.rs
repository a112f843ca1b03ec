use super::*;
use serde_json::json;

const MODEL: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const DATA: &str = "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";

fn gate(outcome: &str) -> GateVerdict {
    let json = json!({"kind": "validator/verdict", "outcome": outcome, "reasons": ["auc 0.93 meets 0.9"],
        "model": {"uri": "s3://m/better.pt", "sha256": MODEL},
        "dataset": {"uri": "s3://d/validation/", "digest": DATA}, "started_at": "2026-01-10T00:00:00Z"});
    GateVerdict::parse(&json.to_string()).expect("a verdict")
}

fn release(model: &str) -> Release {
    let job = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: gate}}\nspec: {{template: {{spec: {{containers: [{{name: g, env: [{{name: MODEL_PATH, value: {model}}}, {{name: VALIDATION_DATASET, value: s3://d/validation}}]}}]}}}}}}\n"
    );
    serde_json::from_value(json!({"name": "web", "namespace": "staging", "version": 7,
        "hooks": [{"name": "gate", "kind": "Job", "manifest": job, "events": ["pre-upgrade"]}]}))
    .expect("a record")
}

/// Judges with one thing changed, and returns the names of the conditions that are not met.
fn unmet(change: impl Fn(&mut Candidate<'_>)) -> Vec<&'static str> {
    let release = release("s3://m/better.pt");
    let verdicts = [gate("pass")];
    let wanted = VerdictPart::default();
    let mut candidate = Candidate {
        from: "staging",
        to: "prod",
        before: Some("staging"),
        deployed: Some(&release),
        last: None,
        drift: &[],
        chart_deployed: Some("sha256:c"),
        chart_next: Ok("sha256:c"),
        verdicts: &verdicts,
        wanted: &wanted,
        model_now: None,
        age_max: VERDICT_AGE_MAX,
        signature: None,
        now: "2026-01-12T00:00:00Z".parse().expect("a moment"),
    };
    change(&mut candidate);
    let conditions = conditions(&candidate);
    conditions
        .iter()
        .filter(|condition| !condition.met)
        .map(|condition| condition.name)
        .collect()
}

#[test]
fn a_good_candidate_meets_everything() {
    assert_eq!(unmet(|_| {}), Vec::<&str>::new());
    assert_eq!(
        unmet(|candidate| candidate.signature = Some(Ok("ab".into()))),
        Vec::<&str>::new()
    );
    assert_eq!(
        unmet(|candidate| candidate.model_now = Some(MODEL)),
        Vec::<&str>::new()
    );
}

#[test]
fn each_place_where_a_candidate_can_be_stopped_stops_it() {
    let failed = [gate("fail")];
    let unsure = [gate("inconclusive")];
    let other = release("s3://m/other.pt");
    let drift = ["Deployment web: edited".to_owned(), "more".to_owned()];
    let model = VerdictPart {
        model_sha256: Some("b".repeat(64)),
        ..VerdictPart::default()
    };
    let data = VerdictPart {
        dataset_digest: Some(format!("sha256:{}", "e".repeat(64))),
        ..VerdictPart::default()
    };
    // Changes are plain functions: what they need lives as long as the test.
    let (failed, unsure): (&'static _, &'static _) =
        (Box::leak(Box::new(failed)), Box::leak(Box::new(unsure)));
    let (other, drift): (&'static _, &'static _) =
        (Box::leak(Box::new(other)), Box::leak(Box::new(drift)));
    let (model, data): (&'static _, &'static _) =
        (Box::leak(Box::new(model)), Box::leak(Box::new(data)));
    assert_eq!(unmet(|candidate| candidate.before = Some("dev")), ["order"]);
    assert_eq!(unmet(|candidate| candidate.before = None), ["order"]);
    assert_eq!(
        unmet(|candidate| candidate.last = Some((Revision(8), Status::PendingUpgrade))),
        ["deployed"]
    );
    assert_eq!(unmet(|candidate| candidate.drift = drift), ["drift"]);
    assert_eq!(
        unmet(|candidate| candidate.chart_next = Ok("sha256:x")),
        ["chart"]
    );
    assert_eq!(
        unmet(|candidate| candidate.chart_deployed = None),
        ["chart"]
    );
    assert_eq!(unmet(|candidate| candidate.verdicts = &[]), ["verdict"]);
    assert_eq!(unmet(|candidate| candidate.verdicts = failed), ["verdict"]);
    assert_eq!(unmet(|candidate| candidate.verdicts = unsure), ["verdict"]);
    assert_eq!(unmet(|candidate| candidate.wanted = model), ["model"]);
    assert_eq!(
        unmet(|candidate| candidate.model_now = Some("cc")),
        ["model"]
    );
    assert_eq!(
        unmet(|candidate| candidate.deployed = Some(other)),
        ["model"]
    );
    assert_eq!(unmet(|candidate| candidate.wanted = data), ["dataset"]);
    assert_eq!(
        unmet(|candidate| candidate.age_max = Duration::from_secs(3600)),
        ["age"]
    );
    assert_eq!(
        unmet(|candidate| candidate.signature = Some(Err("it is not signed".into()))),
        ["signature"]
    );
}
