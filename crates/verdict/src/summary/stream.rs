//! Metrics of a run that is read entry by entry and never held in memory.
//!
//! Two passes: [`scan`] for the totals, then [`evaluate_stream`]. Both give the same bits as
//! the metrics of the same rows in memory.

use super::Entry;
use crate::auc::{Auc, AucFold};
use crate::metric::{Mass, Metric, MetricError, MetricFold, OutputKind, Totals};
use crate::score::TieGroup;
use crate::sum::Sum;

/// What a first pass over a run finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scan {
    /// Masses and range.
    pub totals: Totals,
    /// Rows of the positive class.
    pub positives: u64,
    /// Rows of the negative class.
    pub negatives: u64,
    /// Distinct outputs.
    pub distinct_scores: u64,
}

/// Groups a run's entries by output, with their row counts and their masses.
pub fn groups<E>(
    run: impl Iterator<Item = Result<Entry, E>>,
) -> impl Iterator<Item = Result<(TieGroup, Mass), E>> {
    let mut run = run.peekable();
    std::iter::from_fn(move || {
        let first = match run.next()? {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error)),
        };
        let mut group = TieGroup {
            score: first.score(),
            positives: 0,
            negatives: 0,
        };
        let (mut positive, mut negative) = (Sum::default(), Sum::default());
        let mut next = Some(first);
        while let Some(entry) = next {
            group.positives += entry.positives;
            group.negatives += entry.negatives;
            positive.add(entry.positives as f64 * entry.weight());
            negative.add(entry.negatives as f64 * entry.weight());
            let tied = run.next_if(|after| match after {
                Ok(after) => after.key() == first.key(),
                Err(_) => false,
            });
            next = tied.and_then(Result::ok);
        }
        Some(Ok((
            group,
            Mass {
                score: group.score,
                positive: positive.total(),
                negative: negative.total(),
            },
        )))
    })
}

/// Reads a run once for its totals.
///
/// # Errors
/// The first error of the run.
pub fn scan<E>(run: impl Iterator<Item = Result<Entry, E>>) -> Result<Scan, E> {
    let mut scan = Scan {
        totals: Totals {
            positive: 0.0,
            negative: 0.0,
            minimum: f64::NAN,
            maximum: f64::NAN,
            counts: true,
        },
        positives: 0,
        negatives: 0,
        distinct_scores: 0,
    };
    let (mut positive, mut negative) = (Sum::default(), Sum::default());
    let mut unweighted = true;
    let run = run.inspect(|entry| {
        if let Ok(entry) = entry {
            unweighted &= entry.weight() == 1.0;
        }
    });
    for group in groups(run) {
        let (group, mass) = group?;
        if scan.distinct_scores == 0 {
            scan.totals.minimum = group.score;
        }
        scan.totals.maximum = group.score;
        scan.distinct_scores += 1;
        scan.positives += group.positives;
        scan.negatives += group.negatives;
        positive.add(mass.positive);
        negative.add(mass.negative);
    }
    scan.totals.positive = positive.total();
    scan.totals.negative = negative.total();
    scan.totals.counts = unweighted;
    Ok(scan)
}

/// What a second pass over a run finds.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamedMetrics {
    /// The exact area of row counts with its variance; weights are left aside.
    pub area: Result<Auc, MetricError>,
    /// One value for each metric asked for.
    pub values: Vec<Result<f64, MetricError>>,
}

/// Reads a run for its metrics, with the totals of a [`scan`] of the same run.
///
/// # Errors
/// The first error of the run.
pub fn evaluate_stream<E>(
    run: impl Iterator<Item = Result<Entry, E>>,
    scan: &Scan,
    metrics: &[Metric],
    output: OutputKind,
) -> Result<StreamedMetrics, E> {
    let mut area = AucFold::new(scan.positives, scan.negatives);
    let mut folds: Vec<_> = metrics
        .iter()
        .map(|metric| metric.fold(scan.totals, output))
        .collect();
    for group in groups(run) {
        let (group, mass) = group?;
        if let Ok(area) = &mut area {
            area.push(group);
        }
        folds.iter_mut().for_each(|fold| fold.push(mass));
    }
    let area = area.map(|fold| fold.finish());
    let values = folds.iter().map(MetricFold::finish).collect();
    Ok(StreamedMetrics { area, values })
}
