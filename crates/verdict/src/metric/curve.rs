//! ROC and precision-recall curves thinned to a bounded number of points, for plots.

use serde::{Deserialize, Serialize};

use super::ranking::require_both;
use super::{Groups, Mass, MetricError};

/// A vertex of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CurvePoint {
    /// The false-positive rate (ROC) or the recall (precision-recall).
    pub x: f64,
    /// The true-positive rate (ROC) or the precision (precision-recall).
    pub y: f64,
    /// Rows with a raw output of at least this are predicted positive; null where nothing
    /// is, and for infinite outputs.
    pub threshold: Option<f64>,
}

/// A curve and how far the straight lines between its points may be from the whole one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Curve {
    /// The points, from the highest threshold to the lowest.
    pub points: Vec<CurvePoint>,
    /// The largest vertical distance between a vertex that was left out and the points
    /// around it.
    pub error: f64,
}

/// Keeps a vertex when the curve has moved a step since the last one that was kept.
struct Thinner {
    points: Vec<CurvePoint>,
    step: f64,
    /// Vertices that may still be kept for their height alone.
    spare: usize,
    last_seen: Option<CurvePoint>,
    low: f64,
    high: f64,
    error: f64,
}

impl Thinner {
    fn new(points_maximum: usize) -> Self {
        // x takes at most 1/step points and the height as many again; the ends two more.
        let half = (points_maximum.max(8) - 4) / 2;
        Self {
            points: Vec::new(),
            step: 1.0 / half as f64,
            spare: half,
            last_seen: None,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            error: 0.0,
        }
    }

    fn push(&mut self, point: CurvePoint) {
        let moved = self.points.last().is_none_or(|kept| {
            let tall = (point.y - kept.y).abs() >= self.step && self.spare > 0;
            if tall {
                self.spare -= 1;
            }
            tall || (point.x - kept.x).abs() >= self.step
        });
        if moved {
            // The vertex just before a jump is a corner of the curve.
            if let Some(corner) = self.last_seen.take().filter(|_| self.spare > 0)
                && self.points.last() != Some(&corner)
            {
                self.spare -= 1;
                self.keep(corner);
            }
            self.keep(point);
        } else {
            self.low = self.low.min(point.y);
            self.high = self.high.max(point.y);
            self.last_seen = Some(point);
        }
    }

    fn keep(&mut self, point: CurvePoint) {
        if let Some(before) = self.points.last()
            && self.low <= self.high
        {
            let (bottom, top) = (before.y.min(point.y), before.y.max(point.y));
            self.error = self.error.max(self.high - bottom).max(top - self.low);
        }
        self.low = f64::INFINITY;
        self.high = f64::NEG_INFINITY;
        self.last_seen = None;
        self.points.push(point);
    }

    fn finish(mut self, last: CurvePoint) -> Curve {
        if self.points.last() != Some(&last) {
            self.keep(last);
        }
        self.points.reverse();
        Curve {
            points: self.points,
            error: self.error,
        }
    }
}

fn finite(score: f64) -> Option<f64> {
    score.is_finite().then_some(score)
}

/// Returns the ROC curve with at most `points_maximum` points (at least 8).
///
/// # Errors
/// [`MetricError::Empty`] and [`MetricError::OneClass`].
pub fn roc_curve(groups: &impl Groups, points_maximum: usize) -> Result<Curve, MetricError> {
    let totals = groups.totals();
    require_both(&totals, "the ROC curve")?;
    let mut thinner = Thinner::new(points_maximum);
    let (mut positive, mut negative) = (totals.positive, totals.negative);
    groups.for_each_mass(|mass: Mass| {
        thinner.push(CurvePoint {
            x: (negative / totals.negative).clamp(0.0, 1.0),
            y: (positive / totals.positive).clamp(0.0, 1.0),
            threshold: finite(mass.score),
        });
        positive -= mass.positive;
        negative -= mass.negative;
    });
    Ok(thinner.finish(CurvePoint {
        x: 0.0,
        y: 0.0,
        threshold: None,
    }))
}

/// Returns the precision-recall curve with at most `points_maximum` points (at least 8); it
/// ends at recall 0 with the precision of the highest scores.
///
/// # Errors
/// [`MetricError::Empty`] and [`MetricError::OneClass`].
pub fn precision_recall_curve(
    groups: &impl Groups,
    points_maximum: usize,
) -> Result<Curve, MetricError> {
    let totals = groups.totals();
    require_both(&totals, "the precision-recall curve")?;
    let mut thinner = Thinner::new(points_maximum);
    let (mut positive, mut negative) = (totals.positive, totals.negative);
    let mut precision = 1.0;
    groups.for_each_mass(|mass: Mass| {
        precision = (positive / (positive + negative)).clamp(0.0, 1.0);
        thinner.push(CurvePoint {
            x: (positive / totals.positive).clamp(0.0, 1.0),
            y: precision,
            threshold: finite(mass.score),
        });
        positive = (positive - mass.positive).max(0.0);
        negative = (negative - mass.negative).max(0.0);
    });
    Ok(thinner.finish(CurvePoint {
        x: 0.0,
        y: precision,
        threshold: None,
    }))
}
