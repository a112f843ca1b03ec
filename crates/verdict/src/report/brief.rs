//! The verdict in brief: small enough for a Kubernetes termination message.

use serde::{Deserialize, Serialize};

/// The value of [`Brief::kind`], by which a reader tells a brief from any other text.
pub const BRIEF_KIND: &str = "validator/verdict";
/// The version of the brief that this crate writes, and the newest that it reads.
pub const BRIEF_SCHEMA_VERSION: u32 = 1;
/// Texts longer than this are cut before anything else of a termination message that is too long.
const TEXT_BYTES_LONG: usize = 512;
/// Texts up to this length are not cut.
const TEXT_BYTES_SHORT: usize = 64;
/// The most bytes that Kubernetes keeps of a container's termination message.
pub const TERMINATION_MESSAGE_BYTES_MAX: usize = 4096;

/// How a check, or the whole verdict, came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The limit is met.
    Pass,
    /// The limit is not met.
    Fail,
    /// The sample supports neither claim.
    Inconclusive,
    /// Nothing could be judged; the exit code says why.
    Error,
}

impl Outcome {
    /// Returns the lower-case word of the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}

/// One limit and what was measured against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Check {
    /// The metric's name, such as `auc` or `latency_ms_p99`.
    pub metric: String,
    /// How the check came out.
    pub outcome: Outcome,
    /// The point estimate; null where it is undefined.
    pub value: Option<f64>,
    /// The least admissible value, where the check has one.
    pub minimum: Option<f64>,
    /// The largest admissible value, where the check has one.
    pub maximum: Option<f64>,
    /// The lower confidence bound; null where the sample supports none.
    pub lower_bound: Option<f64>,
    /// The upper confidence bound; null where the sample supports none.
    pub upper_bound: Option<f64>,
    /// The confidence of the bounds, such as 0.95.
    pub confidence: f64,
    /// How many observations the value rests on.
    pub samples: u64,
    /// Which number decided: `point`, `lower_bound` or `upper_bound`; absent from checks that
    /// no gate file asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_on: Option<String>,
    /// The policy that settled the check, `fail`, `pass`, `point` or `distinct`, where the
    /// sample left it open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_by: Option<String>,
    /// The part of the rows that was judged, such as `country=DE`; absent for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// What the value is the difference to, such as `champion`; absent for plain metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_with: Option<String>,
    /// How the bounds were made, such as `delong-logit-t`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// Which model was judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ModelSummary {
    /// Where the model was read from.
    pub uri: Option<String>,
    /// The SHA-256 of the model file, in hexadecimal.
    pub sha256: Option<String>,
}

/// Which dataset the model was judged on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DatasetSummary {
    /// Where the dataset was read from.
    pub uri: Option<String>,
    /// `sha256:` and the digest over names, sizes and contents' identities of all files.
    pub digest: Option<String>,
    /// `sha256:` and the digest over names, sizes and ETags (of local files SHA-256) as they
    /// were listed: known before a row is read. Absent where it was not needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_digest: Option<String>,
    /// How many rows were scored.
    pub rows: Option<u64>,
    /// How many rows were left out for nulls; absent where nulls end the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_dropped: Option<u64>,
    /// How many rows carry the positive label.
    pub positives: Option<u64>,
    /// How many rows carry the negative label.
    pub negatives: Option<u64>,
}

/// What was asked of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GateSummary {
    /// `sha256:` and the digest over all settings that can change the verdict.
    pub digest: String,
}

/// Where a verdict comes from that no model was run for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reused {
    /// Where the verdict was kept.
    pub from: String,
    /// When the run that judged started, RFC 3339 in UTC.
    pub started_at: String,
    /// How long that run took, in seconds.
    pub duration_s: f64,
    /// The id of the key that signed the verdict; absent where no signature was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

/// The verdict as it goes into the termination message and into the full report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Brief {
    /// Always [`BRIEF_KIND`].
    pub kind: String,
    /// See [`BRIEF_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The verdict.
    pub outcome: Outcome,
    /// The exit code of the process; see [`crate::exit::ExitCode`].
    pub exit_code: u8,
    /// Why, one sentence each; the first is the most important.
    pub reasons: Vec<String>,
    /// How to mend it, one command or fact each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// What was compared; empty when nothing could be judged.
    pub checks: Vec<Check>,
    /// How many more checks there were; a termination message has no room for many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub checks_left_out: u64,
    /// The model that was judged.
    pub model: ModelSummary,
    /// The dataset that it was judged on.
    pub dataset: DatasetSummary,
    /// What was asked of it; absent when the run did not get that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateSummary>,
    /// Where the verdict comes from, when this run did not judge itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<Reused>,
    /// The signed verdict, packed (crate `attest`, `unpack`); absent where none was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<String>,
    /// The version of the validator that wrote this.
    pub validator_version: String,
    /// When the run started, RFC 3339 in UTC.
    pub started_at: String,
    /// How long the run took, in seconds.
    pub duration_s: f64,
}

/// Why a text is not a brief that can be read.
#[derive(Debug, thiserror::Error)]
pub enum BriefError {
    /// The text is not JSON, or is JSON of another kind.
    #[error("the text is not a verdict: no JSON object with `kind` = `{BRIEF_KIND}`")]
    NotABrief,
    /// The verdict was written by a newer program.
    #[error(
        "the verdict has schema version {found}, newer than the {BRIEF_SCHEMA_VERSION} that this program reads"
    )]
    NewerVersion {
        /// The version found.
        found: u64,
    },
    /// The kind and version are right but a field is missing or of another type.
    #[error("the verdict is malformed")]
    Malformed(#[source] serde_json::Error),
}

impl Brief {
    /// Reads a brief from a termination message or any other text.
    ///
    /// White space around the JSON is accepted, as is a full report, whose `brief` is taken.
    ///
    /// # Errors
    /// [`BriefError`]: the text is something else, newer, or malformed.
    pub fn parse(text: &str) -> Result<Self, BriefError> {
        let value: serde_json::Value =
            serde_json::from_str(text.trim()).map_err(|_| BriefError::NotABrief)?;
        let brief = match value.get("brief") {
            Some(embedded) if embedded.is_object() => embedded.clone(),
            _ => value,
        };
        if brief.get("kind").and_then(serde_json::Value::as_str) != Some(BRIEF_KIND) {
            return Err(BriefError::NotABrief);
        }
        match brief
            .get("schema_version")
            .and_then(serde_json::Value::as_u64)
        {
            Some(found) if found > u64::from(BRIEF_SCHEMA_VERSION) => {
                Err(BriefError::NewerVersion { found })
            }
            _ => serde_json::from_value(brief).map_err(BriefError::Malformed),
        }
    }

    /// Returns compact JSON of at most [`TERMINATION_MESSAGE_BYTES_MAX`] bytes.
    ///
    /// What does not fit is shortened in this order: reasons after the first, hints, very long
    /// texts, checks that passed, long texts, then the signed verdict, and at last the other checks;
    /// the verdict itself always stays readable.
    #[must_use]
    pub fn to_termination_message(&self) -> String {
        let mut brief = self.clone();
        let mut text = brief.to_json();
        while text.len() > TERMINATION_MESSAGE_BYTES_MAX && brief.shorten() {
            text = brief.to_json();
        }
        text
    }

    /// Returns the check of that metric, if there is one.
    #[must_use]
    pub fn check(&self, metric: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.metric == metric)
    }

    /// Returns when the model was judged: of a reused verdict the start of the run that did.
    #[must_use]
    pub fn judged_at(&self) -> &str {
        let reused = self.reused.as_ref();
        reused.map_or(&self.started_at, |reused| &reused.started_at)
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a brief has only string keys and plain values")
    }

    /// Makes the brief a step smaller; returns false when nothing is left to take away.
    fn shorten(&mut self) -> bool {
        if self.reasons.len() > 1 {
            self.reasons.pop();
            return true;
        }
        if self.hints.pop().is_some() {
            return true;
        }
        if self.halve_text(TEXT_BYTES_LONG) {
            return true;
        }
        // They say least; the full report and the signed verdict have them all.
        let passed = |check: &Check| check.outcome == Outcome::Pass;
        if let Some(last) = self.checks.iter().rposition(passed) {
            self.checks.remove(last);
            self.checks_left_out += 1;
            return true;
        }
        if self.halve_text(TEXT_BYTES_SHORT) || self.attestation.take().is_some() {
            return true;
        }
        let is_left_out = self.checks.pop().is_some();
        self.checks_left_out += u64::from(is_left_out);
        is_left_out
    }

    /// Cuts the longest text in half where it has more bytes than `most`; tells whether it had.
    fn halve_text(&mut self, most: usize) -> bool {
        let texts = self
            .reasons
            .iter_mut()
            .chain(self.model.uri.as_mut())
            .chain(self.dataset.uri.as_mut());
        let longest = texts.max_by_key(|text| text.len());
        let Some(text) = longest.filter(|text| text.len() > most) else {
            return false;
        };
        let mut end = text.len() / 2;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
        true
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over references"
)]
pub(super) const fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Brief {
        Brief {
            kind: BRIEF_KIND.to_owned(),
            schema_version: BRIEF_SCHEMA_VERSION,
            outcome: Outcome::Fail,
            exit_code: 1,
            reasons: vec!["auc 0.87 is below the minimum 0.9".to_owned()],
            hints: vec![],
            checks: vec![Check {
                metric: "auc".to_owned(),
                outcome: Outcome::Fail,
                value: Some(0.87),
                minimum: Some(0.9),
                maximum: None,
                lower_bound: Some(0.86),
                upper_bound: Some(0.88),
                confidence: 0.95,
                samples: 4000,
                decided_on: Some("point".to_owned()),
                settled_by: None,
                slice: None,
                compared_with: None,
                method: Some("delong-logit-t".to_owned()),
            }],
            checks_left_out: 0,
            model: ModelSummary {
                uri: Some("s3://models/fraud/model.pt".to_owned()),
                sha256: Some("ab".repeat(32)),
            },
            dataset: DatasetSummary {
                uri: Some("s3://data/validation/".to_owned()),
                digest: Some(format!("sha256:{}", "cd".repeat(32))),
                manifest_digest: None,
                rows: Some(4000),
                rows_dropped: None,
                positives: Some(400),
                negatives: Some(3600),
            },
            gate: None,
            reused: None,
            attestation: None,
            validator_version: "0.1.0".to_owned(),
            started_at: "2026-01-02T03:04:05Z".to_owned(),
            duration_s: 1.5,
        }
    }

    #[test]
    fn a_brief_survives_the_trip_through_a_termination_message() {
        let brief = sample();
        let text = brief.to_termination_message();
        assert_eq!(Brief::parse(&text).expect("parses"), brief);
        assert_eq!(
            Brief::parse(&format!("\n{text}\n")).expect("parses with white space"),
            brief
        );
    }

    #[test]
    fn the_first_published_version_still_reads() {
        let published = include_str!("../../tests/fixtures/brief-v1.json");
        let brief = Brief::parse(published).expect("version 1 reads");
        assert_eq!(brief.outcome, Outcome::Pass);
        assert_eq!(
            brief
                .check("latency_ms_p99")
                .and_then(|check| check.maximum),
            Some(200.0)
        );
    }

    #[test]
    fn fields_of_a_later_minor_writer_are_ignored() {
        let mut value = serde_json::to_value(sample()).expect("serialises");
        value["something_new"] = serde_json::json!({"a": 1});
        assert_eq!(Brief::parse(&value.to_string()).expect("reads"), sample());
    }

    #[test]
    fn other_texts_and_newer_versions_are_told_apart() {
        assert!(matches!(Brief::parse("Killed"), Err(BriefError::NotABrief)));
        assert!(matches!(
            Brief::parse("{\"kind\":\"other\"}"),
            Err(BriefError::NotABrief)
        ));
        assert!(matches!(
            Brief::parse(&format!(
                "{{\"kind\":\"{BRIEF_KIND}\",\"schema_version\":2}}"
            )),
            Err(BriefError::NewerVersion { found: 2 })
        ));
        assert!(matches!(
            Brief::parse(&format!(
                "{{\"kind\":\"{BRIEF_KIND}\",\"schema_version\":1}}"
            )),
            Err(BriefError::Malformed(_))
        ));
    }

    #[test]
    fn however_long_the_texts_are_the_message_fits_and_keeps_the_verdict() {
        let mut brief = sample();
        brief.reasons = vec!["ü".repeat(9000), "second".repeat(500)];
        brief.hints = vec!["hint".repeat(500)];
        brief.model.uri = Some("s3://bucket/".to_owned() + &"long/".repeat(2000));
        brief.dataset.uri = brief.model.uri.clone();
        brief.attestation = Some("A".repeat(5000));
        let text = brief.to_termination_message();
        assert!(
            text.len() <= TERMINATION_MESSAGE_BYTES_MAX,
            "{}",
            text.len()
        );
        let read = Brief::parse(&text).expect("still JSON");
        assert_eq!(read.outcome, Outcome::Fail);
        assert_eq!(read.checks, brief.checks);
        assert!(!read.reasons.is_empty());
    }

    #[test]
    fn of_many_checks_those_that_did_not_pass_are_kept() {
        let mut brief = sample();
        let failed = brief.checks[0].clone();
        let passed = |number: usize| Check {
            metric: format!("metric_{number}"),
            outcome: Outcome::Pass,
            ..failed.clone()
        };
        brief.checks = (0..50).map(passed).collect();
        brief.checks.insert(40, failed.clone());
        let text = brief.to_termination_message();
        assert!(text.len() <= TERMINATION_MESSAGE_BYTES_MAX);
        let read = Brief::parse(&text).expect("still JSON");
        assert_eq!(read.reasons, brief.reasons);
        assert!(read.checks.contains(&failed));
        let left_out = 51 - read.checks.len() as u64;
        assert_eq!((read.checks_left_out, left_out > 20), (left_out, true));
        // The first ones stay, in their order.
        assert_eq!(read.checks[0].metric, "metric_0");
    }
}
