//! How much data a gate needs, as text for people.

use serde::Serialize;

use super::numbers::count;
use super::text::table;
use crate::judge::{Amount, Need};

/// Renders a plan.
#[must_use]
pub fn render_plan(needs: &[Need]) -> String {
    let head = ["check", "needs", "supposing"].map(str::to_owned);
    let rows: Vec<[String; 3]> = needs
        .iter()
        .map(|need| {
            let amount = match &need.amount {
                Ok(amount) if need.in_each_slice => {
                    format!("{} in each slice", amount_text(*amount))
                }
                Ok(amount) => amount_text(*amount),
                Err(error) => format!("no plan: {error}"),
            };
            [need.check.clone(), amount, need.supposing.clone()]
        })
        .collect();
    table(&head, &rows)
}

/// What a check needs, as JSON.
#[derive(Serialize)]
struct NeedReport<'a> {
    check: &'a str,
    supposing: &'a str,
    /// What `rows`, `calls` and the others count: `rows`, `counted_rows`, `calls`, `any` or `unknown`.
    kind: &'static str,
    in_each_slice: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    positives: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    negatives: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<u64>,
    /// How many of the calls may exceed the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    exceeding: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl<'a> NeedReport<'a> {
    fn of(need: &'a Need) -> Self {
        let (kind, rows, classes, calls) = match &need.amount {
            Ok(Amount::Rows(rows)) => ("rows", Some(rows.rows()), Some(rows), None),
            Ok(Amount::Counted(rows)) => ("counted_rows", Some(*rows), None, None),
            Ok(Amount::Calls { calls, exceeding }) => {
                ("calls", None, None, Some((*calls, *exceeding)))
            }
            Ok(Amount::Any) => ("any", None, None, None),
            Ok(Amount::Unknown) | Err(_) => ("unknown", None, None, None),
        };
        Self {
            check: &need.check,
            supposing: &need.supposing,
            kind,
            in_each_slice: need.in_each_slice,
            rows,
            positives: classes.map(|rows| rows.positives),
            negatives: classes.map(|rows| rows.negatives),
            calls: calls.map(|(calls, _)| calls),
            exceeding: calls.map(|(_, exceeding)| exceeding),
            error: need.amount.as_ref().err().map(ToString::to_string),
        }
    }
}

/// Renders a plan as JSON, `validator/plan` of version 1.
#[must_use]
pub fn render_plan_json(needs: &[Need]) -> String {
    let needs: Vec<NeedReport<'_>> = needs.iter().map(NeedReport::of).collect();
    let report = serde_json::json!({
        "kind": "validator/plan",
        "schema_version": 1,
        "needs": needs,
    });
    // Plain values with text keys cannot fail to become JSON.
    serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
}

fn amount_text(amount: Amount) -> String {
    match amount {
        Amount::Rows(rows) => format!(
            "{} rows ({} positive, {} negative)",
            count(rows.rows()),
            count(rows.positives),
            count(rows.negatives)
        ),
        Amount::Counted(rows) => format!("{} rows that the metric counts", count(rows)),
        Amount::Calls { calls, exceeding } => format!(
            "{} calls, {} of them may exceed the limit",
            count(calls),
            count(exceeding)
        ),
        Amount::Any => "any rows".to_owned(),
        Amount::Unknown => "a trial run".to_owned(),
    }
}
