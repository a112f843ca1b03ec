//! What a gate file says that the data must be, before anything is judged.

use verdict::metric::RankedRows;

use crate::dataset::Evidence;
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
