//! The values of a metric over drawn data sets, and bounds made of them.

use crate::interval::{Bounds, IntervalError, Tails, normal_cdf, normal_quantile};

/// A metric's values over the drawn data sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Replicates {
    /// The value on the observed data.
    pub point: f64,
    /// The values on the drawn data sets, ascending, those without a value left out.
    pub values: Vec<f64>,
    /// How many drawn data sets leave the metric undefined.
    pub undefined: u32,
}

/// The share of drawn data sets that may leave a metric undefined.
const UNDEFINED_MAXIMUM: f64 = 0.01;

impl Replicates {
    /// Returns the standard deviation of the replicates; nothing for fewer than two.
    #[must_use]
    pub fn standard_error(&self) -> Option<f64> {
        let count = self.values.len() as f64;
        if count < 2.0 {
            return None;
        }
        let mean = self.values.iter().sum::<f64>() / count;
        let squares: f64 = self.values.iter().map(|value| (value - mean).powi(2)).sum();
        Some((squares / (count - 1.0)).sqrt())
    }

    /// Moves every replicate by the distance between an exact point estimate and the one
    /// that the sample of joined groups gives.
    #[must_use]
    pub fn centred_on(mut self, point: f64) -> Self {
        let shift = point - self.point;
        self.values.iter_mut().for_each(|value| *value += shift);
        self.point = point;
        self
    }

    /// Computes bias-corrected percentile bounds.
    ///
    /// # Errors
    /// [`IntervalError::Undefined`] when more than 1 % of the replicates have no value;
    /// [`IntervalError::ZeroVariance`] when they are all alike: never a width of zero;
    /// [`IntervalError::Confidence`].
    ///
    /// Source: Efron (1987), JASA 82(397):171-185.
    pub fn bounds(&self, confidence: f64, tails: Tails) -> Result<Bounds, IntervalError> {
        let probability = tails.probability(confidence)?;
        let replicates = self.values.len() as u32 + self.undefined;
        if self.values.is_empty()
            || f64::from(self.undefined) > UNDEFINED_MAXIMUM * f64::from(replicates)
        {
            return Err(IntervalError::Undefined {
                undefined: self.undefined,
                replicates,
            });
        }
        let (first, last) = (self.values[0], self.values[self.values.len() - 1]);
        // Values that differ by rounding alone do not vary.
        if last - first <= 1e-12 * (1.0 + self.point.abs()) {
            return Err(IntervalError::ZeroVariance);
        }
        // The share below the point, half of what ties counted in.
        let below = self.values.partition_point(|&value| value < self.point);
        let until = self.values.partition_point(|&value| value <= self.point);
        let count = self.values.len() as f64;
        let share = f64::midpoint(below as f64, until as f64) / count;
        let bias = normal_quantile(share.clamp(0.5 / count, 1.0 - 0.5 / count));
        let z = normal_quantile(probability);
        Ok(Bounds {
            lower: self.quantile(normal_cdf(2.0 * bias - z)),
            upper: self.quantile(normal_cdf(2.0 * bias + z)),
        })
    }

    /// Returns the value at rank `q (B + 1)`, interpolated.
    fn quantile(&self, q: f64) -> f64 {
        let last = self.values.len() - 1;
        let rank = (q * (self.values.len() as f64 + 1.0) - 1.0).clamp(0.0, last as f64);
        let low = rank.floor() as usize;
        let high = (low + 1).min(last);
        let between = rank - rank.floor();
        self.values[low] + (self.values[high] - self.values[low]) * between
    }
}
