//! Whether the verdicts that a promotion rests on are signed, and say what was signed (pure).

use attest::{PublicKey, unpack, verify};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::release::{GateOutcome, GateVerdict};

/// Returns the id of the key that signed the verdicts.
///
/// What is not signed in a verdict as it is kept (its text lies in a Secret that others may write)
/// must agree with what is: outcome, model, dataset and time.
///
/// # Errors
/// A sentence that says which verdict does not count, and why.
pub fn signed_by(verdicts: &[GateVerdict], keys: &[PublicKey]) -> Result<String, String> {
    let mut signer = None;
    for verdict in verdicts {
        signer = Some(one(verdict, keys)?);
    }
    signer.ok_or_else(|| "there is no verdict that could be signed".to_owned())
}

fn one(verdict: &GateVerdict, keys: &[PublicKey]) -> Result<String, String> {
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
    Ok(verified.key_id)
}
