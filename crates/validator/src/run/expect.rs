//! What a gate file says that the data must be, before anything is judged.

use verdict::metric::RankedRows;

use crate::dataset::{DatasetError, Evidence};
use crate::error::GateError;
use crate::judge::Gathered;
use crate::settings::Expectations;

/// Refuses data that is not what the gate file expects.
///
/// # Errors
/// [`GateError::Unexpected`] for the first expectation that is not met.
pub(super) fn refuse_unexpected(
    expect: &Expectations,
    uri: &str,
    evidence: &Evidence,
    gathered: &Gathered,
) -> Result<(), GateError> {
    let scores = &gathered.whole.scores;
    let of_classes = [
        ("the positive class".to_owned(), scores.positives()),
        ("the negative class".to_owned(), scores.negatives()),
    ];
    refuse_dropped(expect, uri, evidence, of_classes.into_iter())?;
    let counts = [
        (
            "rows",
            expect.min_rows,
            scores.positives() + scores.negatives(),
        ),
        ("positive rows", expect.min_positives, scores.positives()),
        ("negative rows", expect.min_negatives, scores.negatives()),
    ];
    for (what, least, found) in counts {
        if let Some(least) = least.filter(|&least| found < least) {
            return Err(GateError::Unexpected {
                uri: uri.to_owned(),
                what: format!(
                    "it has {found} {what}, fewer than the {least} that the gate expects"
                ),
            });
        }
    }
    refuse_other_digest(expect, uri, evidence)
}

/// Refuses data of which too many rows were left out for nulls, or all of a class; `classes` are
/// the names of the classes with the rows that are left.
pub(super) fn refuse_dropped(
    expect: &Expectations,
    uri: &str,
    evidence: &Evidence,
    mut classes: impl Iterator<Item = (String, u64)>,
) -> Result<(), GateError> {
    let dropped = &evidence.dropped;
    if dropped.is_none() {
        return Ok(());
    }
    let all = dropped.rows + evidence.rows_total;
    let fraction = dropped.rows as f64 / all as f64;
    if let Some(most) = expect.max_null_fraction.filter(|&most| fraction > most) {
        return Err(GateError::Unexpected {
            uri: uri.to_owned(),
            what: format!(
                "{}, and the gate allows a fraction of {most}",
                dropped_text(evidence)
            ),
        });
    }
    match classes.find(|(_, rows)| *rows == 0) {
        None => Ok(()),
        Some((class, _)) => Err(GateError::OpenDataset {
            uri: uri.to_owned(),
            source: DatasetError::NothingLeft {
                of: format!("rows of {class}"),
                dropped: dropped.clone(),
            },
        }),
    }
}

/// Says how many rows were left out, and for which columns.
pub(super) fn dropped_text(evidence: &Evidence) -> String {
    let dropped = &evidence.dropped;
    let all = dropped.rows + evidence.rows_total;
    format!(
        "{} of {all} rows (a fraction of {}) were dropped for {dropped}",
        dropped.rows,
        rounded(dropped.rows as f64 / all.max(1) as f64)
    )
}

/// Rounds to three significant digits.
fn rounded(fraction: f64) -> f64 {
    format!("{fraction:.2e}").parse().unwrap_or(fraction)
}

/// Refuses data with fewer rows than the gate file expects.
pub(super) fn refuse_few_rows(
    expect: &Expectations,
    uri: &str,
    found: u64,
) -> Result<(), GateError> {
    match expect.min_rows.filter(|&least| found < least) {
        None => Ok(()),
        Some(least) => Err(GateError::Unexpected {
            uri: uri.to_owned(),
            what: format!("it has {found} rows, fewer than the {least} that the gate expects"),
        }),
    }
}

/// Refuses data of another digest than the gate file expects.
pub(super) fn refuse_other_digest(
    expect: &Expectations,
    uri: &str,
    evidence: &Evidence,
) -> Result<(), GateError> {
    match &expect.digest {
        Some(digest) if *digest != evidence.digest => Err(GateError::Unexpected {
            uri: uri.to_owned(),
            what: format!(
                "its digest is {}, and the gate expects {digest}",
                evidence.digest
            ),
        }),
        _ => Ok(()),
    }
}
