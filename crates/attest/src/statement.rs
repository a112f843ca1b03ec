//! What is signed: an in-toto statement about a model, with the verdict as its predicate.
//!
//! Source: <https://github.com/in-toto/attestation>, `spec/v1/statement.md`.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use verdict::report::{Check, DatasetSummary, GateSummary, Outcome, Report};

/// The type of in-toto statements.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The type of our predicate.
pub const PREDICATE_TYPE: &str = "urn:validator:verdict:v1";
/// The version of the predicate that this crate writes, and the newest that it reads.
pub const PREDICATE_SCHEMA_VERSION: u32 = 1;

/// An in-toto statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Always [`STATEMENT_TYPE`].
    #[serde(rename = "_type")]
    pub kind: String,
    /// The model.
    pub subject: Vec<Subject>,
    /// Always [`PREDICATE_TYPE`].
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// The verdict.
    pub predicate: Predicate,
}

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Where the model was read from.
    pub name: String,
    /// `sha256` of the file, in hexadecimal.
    pub digest: BTreeMap<String, String>,
}

/// The verdict as it is signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predicate {
    /// See [`PREDICATE_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The verdict.
    pub outcome: Outcome,
    /// The exit code of the run.
    pub exit_code: u8,
    /// What was compared.
    pub checks: Vec<Check>,
    /// What the model was judged on.
    pub dataset: DatasetSummary,
    /// What was asked of it.
    pub gate: GateSummary,
    /// Who judged.
    pub versions: Versions,
    /// When the run began, RFC 3339 in UTC.
    pub started_at: DateTime<Utc>,
    /// When it ended; ages count from here.
    pub finished_at: DateTime<Utc>,
}

/// Who judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The validator's.
    pub validator: String,
    /// The one of the library that ran the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libtorch: Option<String>,
    /// Operating system and processor architecture.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
}

/// Why there is no statement.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// A run without a verdict.
    #[error("the run ended with an error: there is no verdict to sign")]
    NoVerdict,
    /// A report that lacks what a statement needs.
    #[error("the report has no `{field}`: it was written by an older validator or by hand")]
    Missing {
        /// The field's path.
        field: &'static str,
    },
    /// A time that is none.
    #[error("the report's `brief.started_at` is no time: `{text}`")]
    Time {
        /// What was found.
        text: String,
    },
    /// A verdict that is not this run's own.
    #[error(
        "the report's verdict was reused from an earlier run: only that run's own report can be signed"
    )]
    Reused,
    /// The payload is no statement.
    #[error("the payload is no in-toto statement of a verdict")]
    Malformed(#[source] serde_json::Error),
    /// A statement of another kind.
    #[error("`{field}` is `{found}`; expected `{expected}`")]
    OtherType {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A newer predicate.
    #[error(
        "the verdict has schema version {found}, newer than the {PREDICATE_SCHEMA_VERSION} that this program reads"
    )]
    Newer {
        /// The version found.
        found: u32,
    },
}

impl Statement {
    /// Makes the statement of a run that ended in a verdict.
    ///
    /// # Errors
    /// [`StatementError`] when the run ended otherwise, or the report lacks a digest.
    pub fn of_report(report: &Report) -> Result<Self, StatementError> {
        let brief = &report.brief;
        if brief.outcome == Outcome::Error {
            return Err(StatementError::NoVerdict);
        }
        if brief.reused.is_some() {
            return Err(StatementError::Reused);
        }
        let missing = |field| move || StatementError::Missing { field };
        let sha256 = brief.model.sha256.clone();
        let sha256 = sha256.ok_or_else(missing("brief.model.sha256"))?;
        if brief.dataset.digest.is_none() {
            return Err(missing("brief.dataset.digest")());
        }
        let gate = brief.gate.clone().ok_or_else(missing("brief.gate"))?;
        let started_at = DateTime::parse_from_rfc3339(&brief.started_at)
            .map_err(|_| StatementError::Time {
                text: brief.started_at.clone(),
            })?
            .to_utc();
        let spent = (brief.duration_s.max(0.0) * 1e3).round() as i64;
        let finished_at = TimeDelta::try_milliseconds(spent)
            .and_then(|spent| started_at.checked_add_signed(spent))
            .unwrap_or(started_at);
        Ok(Self {
            kind: STATEMENT_TYPE.to_owned(),
            subject: vec![Subject {
                name: brief.model.uri.clone().unwrap_or_default(),
                digest: BTreeMap::from([("sha256".to_owned(), sha256)]),
            }],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: Predicate {
                schema_version: PREDICATE_SCHEMA_VERSION,
                outcome: brief.outcome,
                exit_code: brief.exit_code,
                checks: brief.checks.clone(),
                dataset: brief.dataset.clone(),
                gate,
                versions: Versions {
                    validator: brief.validator_version.clone(),
                    libtorch: report.environment.libtorch_version.clone(),
                    platform: report.environment.platform.clone(),
                },
                started_at,
                finished_at,
            },
        })
    }

    /// Reads a payload, and refuses other kinds of statements. Unknown fields are ignored, as
    /// the specification demands.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        /// The part that tells one kind from another.
        #[derive(Deserialize)]
        struct Head {
            #[serde(rename = "_type")]
            kind: String,
            #[serde(rename = "predicateType")]
            predicate_type: String,
        }
        let head: Head = serde_json::from_slice(payload).map_err(StatementError::Malformed)?;
        for (field, found, expected) in [
            ("_type", &head.kind, STATEMENT_TYPE),
            ("predicateType", &head.predicate_type, PREDICATE_TYPE),
        ] {
            if found != expected {
                return Err(StatementError::OtherType {
                    field,
                    found: found.clone(),
                    expected,
                });
            }
        }
        let statement: Self = serde_json::from_slice(payload).map_err(StatementError::Malformed)?;
        match statement.predicate.schema_version {
            found if found > PREDICATE_SCHEMA_VERSION => Err(StatementError::Newer { found }),
            _ => Ok(statement),
        }
    }

    /// Returns the payload.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a statement has only string keys and plain values")
    }

    /// Returns the SHA-256 of the model, in hexadecimal.
    #[must_use]
    pub fn model_sha256(&self) -> Option<&str> {
        let first = self.subject.first()?;
        first.digest.get("sha256").map(String::as_str)
    }

    /// Tells whether the model of this SHA-256 is what the statement is about.
    #[must_use]
    pub fn is_about(&self, sha256: &str) -> bool {
        self.subject.iter().any(|subject| {
            let found = subject.digest.get("sha256");
            found.is_some_and(|found| found.eq_ignore_ascii_case(sha256))
        })
    }

    /// Returns when the run ended, for people.
    #[must_use]
    pub fn finished_at_text(&self) -> String {
        let finished = self.predicate.finished_at;
        finished.to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}
