//! The bootstrap-t interval of an area: each drawn data set is measured by its own DeLong
//! variance on the logit scale.

use super::Resampling;
use crate::auc::{Auc, AucFold, auc};
use crate::interval::{Bounds, IntervalError, IntervalMethod, Tails, bounds};
use crate::metric::{MetricError, expit};
use crate::random::Stream;
use crate::score::{RankedScores, TieGroup};

/// A purpose of its own keeps these draws apart from others of the same seed.
const PURPOSE_STUDENTISED: u32 = 4;

/// Computes studentised bounds of the area, stratified by class.
///
/// Nearer to its confidence than [`crate::interval::IntervalMethod::LogitT`] with few rows and
/// a high area, where that is too narrow; it costs one walk over the tie groups a replicate.
/// See `docs/adr/0020-intervals-of-the-area.md`.
///
/// # Errors
/// [`IntervalError`] inside, when the sample supports no bounds: perfect separation, no
/// variance, or so many drawn data sets with neither that the quantile is unknown.
/// [`MetricError`] outside, when there is no area.
///
/// Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 12.5.
pub fn studentised_area(
    scores: &RankedScores,
    confidence: f64,
    tails: Tails,
    resampling: &Resampling,
) -> Result<Result<Bounds, IntervalError>, MetricError> {
    let area = auc(scores)?;
    Ok(bounds_of(&area, scores, confidence, tails, resampling))
}

fn bounds_of(
    area: &Auc,
    scores: &RankedScores,
    confidence: f64,
    tails: Tails,
    resampling: &Resampling,
) -> Result<Bounds, IntervalError> {
    let probability = tails.probability(confidence)?;
    let Some(centre) = standardised(area) else {
        // For the reason of the plain interval.
        return bounds(area, confidence, tails, IntervalMethod::LogitT);
    };
    let mut groups = Vec::new();
    scores.for_each_tie_group(|group| groups.push(group));
    let statistic = |replicate: u32| statistic_of(&draw(&groups, resampling, replicate)?, centre);
    // One that lacks a class, or a variance within 0..1, says nothing; one that is perfectly
    // separated lies beyond every other on its side.
    let mut values: Vec<f64> = super::in_parallel(resampling, statistic)
        .into_iter()
        .flatten()
        .collect();
    if values.is_empty() {
        return Err(IntervalError::ZeroVariance);
    }
    values.sort_unstable_by(f64::total_cmp);
    let at = |q: f64| {
        let rank = (q * (values.len() as f64 + 1.0)).round() as usize;
        values[rank.clamp(1, values.len()) - 1]
    };
    let (high, low) = (at(probability), at(1.0 - probability));
    if high.is_infinite() || low.is_infinite() {
        return Err(IntervalError::Undefined {
            undefined: values.iter().filter(|value| value.is_infinite()).count() as u32,
            replicates: resampling.replicates,
        });
    }
    let (logit, standard_error) = centre;
    Ok(Bounds {
        lower: expit(logit - high * standard_error),
        upper: expit(logit - low * standard_error),
    })
}

/// Returns the logit of an area and its standard error there.
fn standardised(area: &Auc) -> Option<(f64, f64)> {
    let variance = area.variance.filter(|&variance| variance > 0.0)?;
    let inside = area.value > 0.0 && area.value < 1.0;
    inside.then(|| {
        let slope = area.value * (1.0 - area.value);
        let logit = (area.value / (1.0 - area.value)).ln();
        (logit, variance.sqrt() / slope)
    })
}

fn statistic_of(area: &Auc, centre: (f64, f64)) -> Option<f64> {
    match standardised(area) {
        Some((logit, standard_error)) => Some((logit - centre.0) / standard_error),
        None if area.value >= 1.0 => Some(f64::INFINITY),
        None if area.value <= 0.0 => Some(f64::NEG_INFINITY),
        None => None,
    }
}

fn draw(groups: &[TieGroup], resampling: &Resampling, replicate: u32) -> Option<Auc> {
    let mut stream = Stream::new(resampling.seed, replicate, PURPOSE_STUDENTISED);
    let drawn: Vec<TieGroup> = groups
        .iter()
        .map(|group| TieGroup {
            score: group.score,
            positives: stream.poisson(group.positives),
            negatives: stream.poisson(group.negatives),
        })
        .collect();
    let positives = drawn.iter().map(|group| group.positives).sum();
    let negatives = drawn.iter().map(|group| group.negatives).sum();
    let mut fold = AucFold::new(positives, negatives).ok()?;
    drawn.into_iter().for_each(|group| fold.push(group));
    Some(fold.finish())
}
