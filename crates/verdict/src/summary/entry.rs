//! The element of a run.

use crate::score::{key_double, score_of_double};

/// Rows that share a raw output and a weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    pub(super) key: u64,
    pub(super) weight: f64,
    /// How many of them are positive.
    pub positives: u64,
    /// How many of them are negative.
    pub negatives: u64,
}

impl Entry {
    /// Returns the entry of unweighted rows; nothing for a score that is NaN.
    #[must_use]
    pub fn new(score: f64, positives: u64, negatives: u64) -> Option<Self> {
        Self::weighted(score, 1.0, positives, negatives)
    }

    /// Returns the entry of weighted rows; nothing for a score that is NaN or a weight that
    /// is not finite and above 0.
    #[must_use]
    pub fn weighted(score: f64, weight: f64, positives: u64, negatives: u64) -> Option<Self> {
        (!score.is_nan() && weight > 0.0 && weight.is_finite()).then(|| Self {
            key: key_double(score),
            weight,
            positives,
            negatives,
        })
    }

    /// Returns the entry of a key; nothing for that of a NaN.
    pub(super) fn of_key(key: u64, weight: f64, positives: u64, negatives: u64) -> Option<Self> {
        let valid = key_double(f64::NEG_INFINITY)..=key_double(f64::INFINITY);
        let score = score_of_double(key);
        // -0.0 has no key of its own.
        (valid.contains(&key) && key_double(score) == key)
            .then(|| Self::weighted(score, weight, positives, negatives))
            .flatten()
    }

    /// Returns the raw output.
    #[must_use]
    pub fn score(&self) -> f64 {
        score_of_double(self.key)
    }

    /// Returns the weight of each row.
    #[must_use]
    pub const fn weight(&self) -> f64 {
        self.weight
    }

    /// Tells whether the output is exactly representable in single precision.
    #[must_use]
    pub fn is_single(&self) -> bool {
        let score = self.score();
        f64::from(score as f32) == score
    }

    pub(super) const fn key(&self) -> u64 {
        self.key
    }

    /// Returns what entries ascend by. Weights are above 0, so their bits are in order.
    pub(super) const fn order(&self) -> (u64, u64) {
        (self.key, self.weight.to_bits())
    }
}
