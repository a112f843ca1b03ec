//! Counts of right and wrong predictions at a threshold, and the ratios made of them.

use super::{Groups, Mass, MetricError, OutputKind};
use crate::sum::Sum;

/// The four masses at a threshold: a row is predicted positive when its probability, in
/// double precision, is at least the threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confusion {
    /// The threshold, a probability.
    pub threshold: f64,
    /// Positive rows that are predicted positive.
    pub true_positive: f64,
    /// Negative rows that are predicted positive.
    pub false_positive: f64,
    /// Negative rows that are predicted negative.
    pub true_negative: f64,
    /// Positive rows that are predicted negative.
    pub false_negative: f64,
}

impl Confusion {
    /// Returns the share of predicted positives that are positive.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when nothing is predicted positive.
    pub fn precision(&self) -> Result<f64, MetricError> {
        self.ratio(
            "precision",
            self.true_positive,
            self.true_positive + self.false_positive,
            "no row is predicted positive",
        )
    }

    /// Returns the share of positives that are predicted positive.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] without positive rows.
    pub fn recall(&self) -> Result<f64, MetricError> {
        self.ratio(
            "recall",
            self.true_positive,
            self.true_positive + self.false_negative,
            "no row is positive",
        )
    }

    /// Returns the share of negatives that are predicted negative.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] without negative rows.
    pub fn specificity(&self) -> Result<f64, MetricError> {
        self.ratio(
            "specificity",
            self.true_negative,
            self.true_negative + self.false_positive,
            "no row is negative",
        )
    }

    /// Returns the share of rows that are predicted rightly.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] without rows.
    pub fn accuracy(&self) -> Result<f64, MetricError> {
        let right = self.true_positive + self.true_negative;
        self.ratio(
            "accuracy",
            right,
            right + self.false_positive + self.false_negative,
            "there are no rows",
        )
    }

    /// Returns the harmonic mean of precision and recall, `2 TP / (2 TP + FP + FN)`; 0 when
    /// there are positives and none is found.
    ///
    /// # Errors
    /// [`MetricError::Undefined`] when nothing is positive and nothing predicted so.
    pub fn f1(&self) -> Result<f64, MetricError> {
        let doubled = 2.0 * self.true_positive;
        self.ratio(
            "f1",
            doubled,
            doubled + self.false_positive + self.false_negative,
            "no row is positive or predicted positive",
        )
    }

    fn ratio(
        &self,
        metric: &'static str,
        numerator: f64,
        denominator: f64,
        because: &'static str,
    ) -> Result<f64, MetricError> {
        if denominator > 0.0 {
            return Ok(numerator / denominator);
        }
        Err(MetricError::Undefined {
            metric,
            threshold: self.threshold,
            because,
        })
    }
}

/// Counts in one walk; groups ascend.
#[derive(Clone, Debug)]
pub struct ConfusionFold {
    output: OutputKind,
    threshold: f64,
    reached: bool,
    positive: [Sum; 2],
    negative: [Sum; 2],
}

impl ConfusionFold {
    /// Starts before the lowest group; `threshold` is a probability.
    #[must_use]
    pub fn new(output: OutputKind, threshold: f64) -> Self {
        Self {
            output,
            threshold,
            reached: false,
            positive: Default::default(),
            negative: Default::default(),
        }
    }

    /// Takes the next group.
    pub fn push(&mut self, mass: Mass) {
        // Probabilities ascend with the scores, so the first at the threshold ends the test.
        self.reached = self.reached || self.output.probability(mass.score) >= self.threshold;
        let predicted = usize::from(self.reached);
        self.positive[predicted].add(mass.positive);
        self.negative[predicted].add(mass.negative);
    }

    /// Returns the counts.
    ///
    /// # Errors
    /// [`MetricError::Empty`]; [`MetricError::Parameter`] for a threshold that is NaN.
    pub fn finish(&self) -> Result<Confusion, MetricError> {
        if self.threshold.is_nan() {
            return Err(MetricError::Parameter {
                parameter: "the threshold",
                value: self.threshold,
                problem: "is not a number",
            });
        }
        let confusion = Confusion {
            threshold: self.threshold,
            true_positive: self.positive[1].total(),
            false_positive: self.negative[1].total(),
            true_negative: self.negative[0].total(),
            false_negative: self.positive[0].total(),
        };
        confusion.accuracy().map_err(|_| MetricError::Empty)?;
        Ok(confusion)
    }
}

/// Counts right and wrong predictions at a threshold, which is a probability.
///
/// # Errors
/// [`MetricError::Empty`]; [`MetricError::Parameter`] for a threshold that is NaN.
pub fn confusion(
    groups: &impl Groups,
    output: OutputKind,
    threshold: f64,
) -> Result<Confusion, MetricError> {
    let mut fold = ConfusionFold::new(output, threshold);
    groups.for_each_mass(|mass| fold.push(mass));
    fold.finish()
}
