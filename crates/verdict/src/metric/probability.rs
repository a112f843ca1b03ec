//! Proper scores of predicted probabilities: logarithmic loss and Brier score.
//!
//! Sums run over tie groups in ascending order, so that the order of rows cannot matter.

use super::{Mass, MetricError, OutputKind, Totals};
use crate::sum::Sum;

/// The mean logarithmic loss, in nats.
///
/// From logits by the softplus form; from probabilities clipped to `[2^-52, 1 - 2^-52]`, as
/// scikit-learn 1.9 `log_loss` clips double precision.
#[derive(Clone, Debug)]
pub struct LogLossFold {
    totals: Totals,
    output: OutputKind,
    sum: Sum,
    infinite: f64,
}

impl LogLossFold {
    /// Starts before the lowest group.
    #[must_use]
    pub fn new(totals: Totals, output: OutputKind) -> Self {
        Self {
            totals,
            output,
            sum: Sum::default(),
            infinite: 0.0,
        }
    }

    /// Takes the next group.
    pub fn push(&mut self, mass: Mass) {
        let (if_positive, if_negative) = self.output.log_losses(mass.score);
        for (rows, loss) in [(mass.positive, if_positive), (mass.negative, if_negative)] {
            if rows > 0.0 && loss.is_infinite() {
                self.infinite += rows;
            } else if rows > 0.0 {
                self.sum.add(rows * loss);
            }
        }
    }

    /// Returns the mean loss.
    ///
    /// # Errors
    /// [`MetricError::Empty`]; [`MetricError::Infinite`] when an infinite logit contradicts
    /// its label.
    pub fn finish(&self) -> Result<f64, MetricError> {
        let mass = self.totals.mass();
        if mass <= 0.0 {
            return Err(MetricError::Empty);
        }
        if self.infinite > 0.0 {
            return Err(MetricError::Infinite {
                metric: "log_loss",
                rows: self.infinite.round() as u64,
            });
        }
        Ok(self.sum.total() / mass)
    }
}

/// The Brier score: the mean squared difference of probability and label.
///
/// Source: Brier (1950), Monthly Weather Review 78(1):1-3.
#[derive(Clone, Debug)]
pub struct BrierFold {
    totals: Totals,
    output: OutputKind,
    sum: Sum,
}

impl BrierFold {
    /// Starts before the lowest group.
    #[must_use]
    pub fn new(totals: Totals, output: OutputKind) -> Self {
        Self {
            totals,
            output,
            sum: Sum::default(),
        }
    }

    /// Takes the next group.
    pub fn push(&mut self, mass: Mass) {
        let probability = self.output.probability(mass.score);
        let complement = self.output.complement(mass.score);
        self.sum.add(mass.positive * complement * complement);
        self.sum.add(mass.negative * probability * probability);
    }

    /// Returns the score.
    ///
    /// # Errors
    /// [`MetricError::Empty`].
    pub fn finish(&self) -> Result<f64, MetricError> {
        let mass = self.totals.mass();
        if mass <= 0.0 {
            return Err(MetricError::Empty);
        }
        Ok(self.sum.total() / mass)
    }
}
