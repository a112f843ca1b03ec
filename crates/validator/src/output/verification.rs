//! What came of verifying a signed verdict.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use attest::{Condition, Statement};
use serde::Serialize;

use super::numbers::count;

const GREEN: Style = AnsiColor::Green.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();

/// The value of [`Verification::kind`].
const KIND: &str = "validator/verification";

/// What `validator verify` found.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    kind: &'static str,
    schema_version: u32,
    /// Whether the signature fits and all conditions are met.
    pub accepted: bool,
    /// Signature first, then what was asked for.
    pub conditions: Vec<Condition>,
    /// What was signed; null when no signature fits, for then nothing of it is believed.
    pub statement: Option<Statement>,
}

impl Verification {
    /// Sums conditions up.
    #[must_use]
    pub fn new(conditions: Vec<Condition>, statement: Option<Statement>) -> Self {
        Self {
            kind: KIND,
            schema_version: 1,
            accepted: statement.is_some() && conditions.iter().all(|condition| condition.met),
            conditions,
            statement,
        }
    }
}

/// Renders a verification for people.
#[must_use]
pub fn render_verification(verification: &Verification) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = render(&mut text, verification);
    text
}

fn render(text: &mut String, verification: &Verification) -> std::fmt::Result {
    if let Some(statement) = &verification.statement {
        let predicate = &statement.predicate;
        for subject in &statement.subject {
            let sha256 = subject.digest.get("sha256").map_or("", String::as_str);
            writeln!(text, "model     {} (sha256 {sha256})", subject.name)?;
        }
        let dataset = &predicate.dataset;
        writeln!(
            text,
            "dataset   {} ({} rows, {})",
            dataset.uri.as_deref().unwrap_or("unknown"),
            count(dataset.rows.unwrap_or_default()),
            dataset.digest.as_deref().unwrap_or("no digest")
        )?;
        writeln!(text, "gate      {}", predicate.gate.digest)?;
        writeln!(
            text,
            "judged    {} by validator {}\n",
            statement.finished_at_text(),
            predicate.versions.validator
        )?;
    }
    for condition in &verification.conditions {
        let (style, mark) = if condition.met {
            (GREEN, "✓")
        } else {
            (RED, "✗")
        };
        writeln!(
            text,
            "{style}{mark}{style:#} {:<9} {}",
            condition.name, condition.detail
        )?;
    }
    let (style, word) = if verification.accepted {
        (GREEN, "ACCEPTED")
    } else {
        (RED, "REFUSED")
    };
    writeln!(text, "\n{style}{word}{style:#}")
}
