//! How much data a gate needs, as text for people.

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
                Ok(amount) => amount_text(*amount),
                Err(error) => format!("no plan: {error}"),
            };
            [need.check.clone(), amount, need.supposing.clone()]
        })
        .collect();
    table(&head, &rows)
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
