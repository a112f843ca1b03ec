//! Whether verdicts are signed, and say what was signed (pure).
//!
//! A verdict as it is kept or as a hook wrote it is believed for what is signed of it alone. The
//! signature comes with the verdict itself, or in a file of a run elsewhere; then the run here is
//! what says which model, dataset and gate it has to be about.

use std::time::Duration;

use attest::{Demands, PublicKey, Required, Statement, Verified, unpack, verify};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::verdict::{GateOutcome, GateVerdict};

/// Whose signature has to stand under a verdict, and how old that may be.
#[derive(Debug, Clone, PartialEq)]
pub struct SignatureDemand {
    /// The keys that count.
    pub keys: Vec<PublicKey>,
    /// How old what was signed may be.
    pub age_max: Duration,
    /// Signed verdicts that came in files: each by its name, the signature checked.
    pub given: Vec<(String, Verified)>,
}

impl SignatureDemand {
    /// Returns who signed the verdicts, each with its own signature or covered by a file.
    ///
    /// # Errors
    /// A sentence that says which verdict does not count, and why.
    pub fn check(&self, verdicts: &[&GateVerdict], now: DateTime<Utc>) -> Result<String, String> {
        let mut signer = None;
        for verdict in verdicts {
            signer = Some(self.one(verdict, now)?);
        }
        signer.ok_or_else(|| "there is no verdict that could be signed".to_owned())
    }

    fn one(&self, verdict: &GateVerdict, now: DateTime<Utc>) -> Result<String, String> {
        let own = signed_itself(verdict, &self.keys).and_then(|verified| {
            self.is_young(&verified.statement, now)?;
            Ok(verified.key_id)
        });
        let problem = match own {
            Ok(key) => return Ok(key),
            Err(problem) => problem,
        };
        let mut others = Vec::new();
        for (name, verified) in &self.given {
            match self.covers(&verified.statement, verdict, now) {
                Ok(()) => return Ok(format!("{} ({name})", verified.key_id)),
                Err(other) => others.push(format!("`{name}` does not do: {other}")),
            }
        }
        others.insert(0, problem);
        Err(others.join("; "))
    }

    /// Demands that what was signed elsewhere is about the model, the data and the gate that were
    /// judged here.
    fn covers(
        &self,
        statement: &Statement,
        verdict: &GateVerdict,
        now: DateTime<Utc>,
    ) -> Result<(), String> {
        let silent = |what: &str| format!("the gate's own verdict does not say which {what} it is");
        let demands = Demands {
            outcome: Required::Pass,
            model_sha256: Some(
                verdict
                    .model_digest()
                    .ok_or_else(|| silent("model"))?
                    .into(),
            ),
            dataset_digest: Some(
                verdict
                    .dataset_digest()
                    .ok_or_else(|| silent("dataset"))?
                    .into(),
            ),
            gate_digest: Some(verdict.gate_digest().ok_or_else(|| silent("gate"))?.into()),
            max_age: Some(self.age_max),
        };
        let conditions = demands.judge(statement, now);
        match conditions.iter().find(|condition| !condition.met) {
            Some(unmet) => Err(format!("of the {}, {}", unmet.name, unmet.detail)),
            None => Ok(()),
        }
    }

    fn is_young(&self, statement: &Statement, now: DateTime<Utc>) -> Result<(), String> {
        let demands = Demands {
            outcome: Required::Any,
            max_age: Some(self.age_max),
            ..Demands::default()
        };
        let unmet = demands.judge(statement, now);
        match unmet.iter().find(|condition| !condition.met) {
            Some(unmet) => Err(format!("the signed verdict is too old: {}", unmet.detail)),
            None => Ok(()),
        }
    }
}

/// Reads who signed a verdict.
///
/// What is not signed in a verdict as it is kept (its text lies in a Secret that others may write)
/// must agree with what is: outcome, model, dataset, gate and time.
fn signed_itself(verdict: &GateVerdict, keys: &[PublicKey]) -> Result<Verified, String> {
    let json = verdict.as_json();
    let packed = json.get("attestation").and_then(Value::as_str);
    let packed = packed.ok_or("the verdict is not signed, and a signature is demanded")?;
    let broken =
        |error: &dyn std::error::Error| format!("the verdict's signature does not count: {error}");
    let envelope = unpack(packed).map_err(|error| broken(&error))?;
    let verified = verify(&envelope, keys).map_err(|error| broken(&error))?;
    let statement = &verified.statement;
    let predicate = &statement.predicate;
    let outcome: Option<GateOutcome> = serde_json::from_value(predicate.outcome.name().into()).ok();
    let kept = json
        .pointer("/reused/started_at")
        .or_else(|| json.get("started_at"));
    let kept = kept
        .and_then(Value::as_str)
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    for (what, is_same) in [
        ("outcome", outcome == Some(verdict.outcome())),
        (
            "model",
            verdict
                .model_digest()
                .is_some_and(|digest| statement.is_about(digest)),
        ),
        (
            "dataset",
            predicate.dataset.digest.as_deref() == verdict.dataset_digest(),
        ),
        (
            "gate",
            verdict
                .gate_digest()
                .is_none_or(|digest| predicate.gate.digest == digest),
        ),
        (
            "time",
            kept.map(|moment| moment.with_timezone(&Utc)) == Some(predicate.started_at),
        ),
    ] {
        if !is_same {
            return Err(format!(
                "the verdict as it is kept says another {what} than was signed"
            ));
        }
    }
    Ok(verified)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-12T00:00:00Z";

    /// A report of a run that ended at the given time.
    fn report(ended_at: &str) -> verdict::report::Report {
        let text = include_str!("../../../verdict/tests/fixtures/report-v1.json");
        let mut report: verdict::report::Report = serde_json::from_str(text).expect("a report");
        report.brief.started_at = ended_at.to_owned();
        report.brief.duration_s = 0.0;
        report.brief.outcome = verdict::report::Outcome::Pass;
        report.brief.exit_code = 0;
        report.brief.gate = Some(verdict::report::GateSummary {
            digest: format!("sha256:{}", "9".repeat(64)),
        });
        report
    }

    fn envelope(report: &verdict::report::Report) -> attest::Envelope {
        let key = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../attest/tests/keys/ed25519.pem"
        );
        let signer = attest::KeyPlace::File(key.into()).signer().expect("a key");
        let statement = Statement::of_report(report).expect("a statement");
        attest::sign(&statement, &signer).expect("signed")
    }

    /// A verdict as a gate wrote and signed it.
    fn signed(change: impl Fn(&mut Value)) -> GateVerdict {
        let report = report("2026-01-11T00:00:00Z");
        let mut json = serde_json::to_value(&report.brief).expect("JSON");
        json["attestation"] = attest::pack(&envelope(&report)).expect("packed").into();
        change(&mut json);
        GateVerdict::parse(&json.to_string()).expect("a verdict")
    }

    fn without_signature(json: &mut Value) {
        drop(json.as_object_mut().map(|map| map.remove("attestation")));
    }

    fn public(name: &str) -> PublicKey {
        let path = format!("{}/../attest/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("a key");
        PublicKey::from_pem(&text).expect("a key")
    }

    fn demand(keys: &[&str]) -> SignatureDemand {
        SignatureDemand {
            keys: keys.iter().map(|name| public(name)).collect(),
            age_max: Duration::from_secs(7 * 86_400),
            given: Vec::new(),
        }
    }

    fn check(demand: &SignatureDemand, verdicts: &[GateVerdict]) -> Result<String, String> {
        let verdicts: Vec<&GateVerdict> = verdicts.iter().collect();
        demand.check(&verdicts, NOW.parse().expect("a moment"))
    }

    #[test]
    fn a_signature_counts_only_for_what_was_signed() {
        let both = demand(&["p256.pub", "ed25519.pub"]);
        let key = check(&both, &[signed(|_| {})]).expect("signed");
        assert_eq!(key, public("ed25519.pub").id());
        let unknown = check(&demand(&["p256.pub"]), &[signed(|_| {})]);
        assert!(unknown.is_err_and(|text| text.contains("does not count")));
        let refused = |change: fn(&mut Value), words: &str| {
            let problem = check(&both, &[signed(|_| {}), signed(change)]).expect_err(words);
            assert!(problem.contains(words), "{problem}");
        };
        refused(without_signature, "is not signed");
        refused(|json| json["attestation"] = "AAAA".into(), "does not count");
        refused(
            |json| json["model"]["sha256"] = "ab".repeat(32).into(),
            "another model",
        );
        refused(
            |json| json["dataset"]["digest"] = "sha256:00".into(),
            "another dataset",
        );
        refused(
            |json| json["gate"]["digest"] = "sha256:00".into(),
            "another gate",
        );
        refused(
            |json| json["started_at"] = "2030-01-01T00:00:00Z".into(),
            "another time",
        );
        refused(|json| json["outcome"] = "fail".into(), "another outcome");
        assert!(check(&both, &[]).is_err());
        let strict = SignatureDemand {
            age_max: Duration::from_secs(3600),
            ..both
        };
        let old = check(&strict, &[signed(|_| {})]).expect_err("a day old");
        assert!(old.contains("too old"), "{old}");
    }

    #[test]
    fn a_verdict_from_elsewhere_covers_the_same_model_dataset_and_gate_alone() {
        let with = |ended_at: &str| {
            let mut demand = demand(&["ed25519.pub"]);
            let verified = verify(&envelope(&report(ended_at)), &demand.keys).expect("signed");
            demand.given = vec![("verdict.dsse.json".to_owned(), verified)];
            demand
        };
        let young = with("2026-01-11T12:00:00Z");
        let key = check(&young, &[signed(without_signature)]).expect("covered");
        assert!(key.ends_with("(verdict.dsse.json)"), "{key}");
        type Edit = fn(&mut Value);
        let edits: [(Edit, &str); 5] = [
            (
                |json| json["model"]["sha256"] = "ab".repeat(32).into(),
                "of the model",
            ),
            (
                |json| json["dataset"]["digest"] = "sha256:00".into(),
                "of the dataset",
            ),
            (
                |json| json["gate"]["digest"] = "sha256:00".into(),
                "of the gate",
            ),
            (|json| json["gate"] = Value::Null, "does not say which gate"),
            (
                |json| json["model"]["sha256"] = Value::Null,
                "does not say which model",
            ),
        ];
        for (edit, words) in edits {
            let verdict = signed(|json| {
                without_signature(json);
                edit(json);
            });
            let problem = check(&young, &[signed(|_| {}), verdict]).expect_err(words);
            assert!(
                problem.contains("is not signed") && problem.contains(words),
                "{problem}"
            );
        }
        let old = check(&with("2025-12-01T00:00:00Z"), &[signed(without_signature)]);
        assert!(old.is_err_and(|text| text.contains("of the age")));
    }
}
