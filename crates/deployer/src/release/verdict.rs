//! The gate's verdict as a revision keeps it.
//!
//! Kept as the JSON that the validator wrote, so that a field of a newer validator survives, and
//! read through the few questions that the deployer asks of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What marks the JSON of a verdict among other termination messages.
const VERDICT_KIND: &str = "validator/verdict";

/// The brief verdict that a gate wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GateVerdict(Value);

/// What the gate decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateOutcome {
    /// The model may be deployed.
    Pass,
    /// The model is not good enough.
    Fail,
    /// The evidence supports neither.
    Inconclusive,
    /// The gate could not judge: data, model or infrastructure.
    Error,
}

/// One check of a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateCheck {
    /// The metric, such as `auc` or `latency_ms_p99`.
    pub metric: String,
    /// The part of the rows that was judged, such as `country=DE`; absent for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// How the check came out.
    pub outcome: String,
    /// The measured value.
    pub value: Option<f64>,
    /// The least allowed value.
    #[serde(default)]
    pub minimum: Option<f64>,
    /// The greatest allowed value.
    #[serde(default)]
    pub maximum: Option<f64>,
    /// The lower end of the confidence interval.
    #[serde(default)]
    pub lower_bound: Option<f64>,
    /// The upper end of the confidence interval.
    #[serde(default)]
    pub upper_bound: Option<f64>,
    /// How many samples it rests on.
    #[serde(default)]
    pub samples: Option<u64>,
}

impl GateVerdict {
    /// Reads a termination message; anything that is not a verdict gives `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text.trim()).ok()?;
        (value.get("kind")?.as_str()? == VERDICT_KIND).then_some(Self(value))
    }

    /// Returns the JSON that the validator wrote.
    pub fn as_json(&self) -> &Value {
        &self.0
    }

    /// Returns what the gate decided; a word that we do not know means that it did not judge.
    pub fn outcome(&self) -> GateOutcome {
        match self.0.get("outcome").and_then(Value::as_str) {
            Some("pass") => GateOutcome::Pass,
            Some("fail") => GateOutcome::Fail,
            Some("inconclusive") => GateOutcome::Inconclusive,
            _ => GateOutcome::Error,
        }
    }

    /// Returns the sentences that say why.
    pub fn reasons(&self) -> Vec<&str> {
        let reasons = self.0.get("reasons").and_then(Value::as_array);
        reasons
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// Returns the checks, in the gate's order.
    pub fn checks(&self) -> Vec<GateCheck> {
        let checks = self.0.get("checks").and_then(Value::as_array);
        checks
            .into_iter()
            .flatten()
            .filter_map(|check| serde_json::from_value(check.clone()).ok())
            .collect()
    }

    /// Returns the check of one metric.
    pub fn check(&self, metric: &str) -> Option<GateCheck> {
        self.checks()
            .into_iter()
            .find(|check| check.metric == metric)
    }

    /// Returns the digest of the model that was judged.
    pub fn model_digest(&self) -> Option<&str> {
        self.0.pointer("/model/sha256")?.as_str()
    }

    /// Returns the digest of the data that it was judged on.
    pub fn dataset_digest(&self) -> Option<&str> {
        self.0.pointer("/dataset/digest")?.as_str()
    }

    /// Returns the digest of what was asked of it.
    pub fn gate_digest(&self) -> Option<&str> {
        self.0.pointer("/gate/digest")?.as_str()
    }
}
