//! What every metric reads: tied scores in ascending order, with the mass of each class.

use crate::auc::auc;
use crate::metric::{AreaFold, MetricError};
use crate::score::{RankedScores, TieGroup};
use crate::sum::Sum;
use crate::summary::Summary;

/// Rows that share one raw output; masses are row counts, sums of weights, or resampled ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mass {
    /// The raw output that the rows share.
    pub score: f64,
    /// The mass of the positive class.
    pub positive: f64,
    /// The mass of the negative class.
    pub negative: f64,
}

impl From<TieGroup> for Mass {
    fn from(group: TieGroup) -> Self {
        Self {
            score: group.score,
            positive: group.positives as f64,
            negative: group.negatives as f64,
        }
    }
}

/// What is known of all groups before the first is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Totals {
    /// The mass of the positive class.
    pub positive: f64,
    /// The mass of the negative class.
    pub negative: f64,
    /// The least raw output; NaN when there are no rows.
    pub minimum: f64,
    /// The largest raw output; NaN when there are no rows.
    pub maximum: f64,
    /// Whether masses are row counts, so that a group can be split only between rows.
    pub counts: bool,
}

impl Totals {
    /// Returns the mass of both classes.
    #[must_use]
    pub fn mass(&self) -> f64 {
        self.positive + self.negative
    }
}

/// Scores in ascending order as groups of ties. Implemented by unweighted rows
/// ([`RankedScores`]), weighted or resampled ones ([`MassList`]) and merged summaries.
pub trait Groups {
    /// Returns the masses and the range of all groups.
    fn totals(&self) -> Totals;

    /// Calls `visit` with each group, in ascending order of the score.
    fn for_each_mass(&self, visit: impl FnMut(Mass));

    /// Computes the area under the ROC curve, ties one half; exact where masses are counts.
    ///
    /// # Errors
    /// [`MetricError::Empty`] and [`MetricError::SingleClass`].
    fn area(&self) -> Result<f64, MetricError> {
        let mut fold = AreaFold::new(self.totals());
        self.for_each_mass(|mass| fold.push(mass));
        fold.finish()
    }
}

/// Unweighted rows in ascending order of their raw outputs, wherever they are held: in memory
/// ([`RankedScores`]) or in a run on disk.
pub trait RankedRows {
    /// Returns how many rows of the positive class there are.
    fn positives(&self) -> u64;

    /// Returns how many rows of the negative class there are.
    fn negatives(&self) -> u64;

    /// Returns the least and the largest raw output, or nothing when there are no rows.
    fn range(&self) -> Option<(f64, f64)>;

    /// Calls `visit` with each group of tied scores, in ascending order of the score.
    fn for_each_tie_group(&self, visit: impl FnMut(TieGroup));
}

impl RankedRows for RankedScores {
    fn positives(&self) -> u64 {
        self.positives()
    }

    fn negatives(&self) -> u64 {
        self.negatives()
    }

    fn range(&self) -> Option<(f64, f64)> {
        self.range()
    }

    fn for_each_tie_group(&self, visit: impl FnMut(TieGroup)) {
        self.for_each_tie_group(visit);
    }
}

impl<R: RankedRows> Groups for R {
    fn totals(&self) -> Totals {
        let (minimum, maximum) = self.range().unwrap_or((f64::NAN, f64::NAN));
        Totals {
            positive: self.positives() as f64,
            negative: self.negatives() as f64,
            minimum,
            maximum,
            counts: true,
        }
    }

    fn for_each_mass(&self, mut visit: impl FnMut(Mass)) {
        self.for_each_tie_group(|group| visit(group.into()));
    }

    fn area(&self) -> Result<f64, MetricError> {
        auc(self).map(|area| area.value)
    }
}

/// Groups held in memory, ascending by score, each with a mass above zero.
#[derive(Clone, Debug, PartialEq)]
pub struct MassList {
    groups: Vec<Mass>,
    totals: Totals,
}

impl MassList {
    /// Wraps groups that ascend strictly by score; `counts` says that masses are row counts.
    #[must_use]
    pub fn new(groups: Vec<Mass>, counts: bool) -> Self {
        debug_assert!(groups.windows(2).all(|pair| pair[0].score < pair[1].score));
        let (mut positive, mut negative) = (Sum::default(), Sum::default());
        for group in &groups {
            positive.add(group.positive);
            negative.add(group.negative);
        }
        let totals = Totals {
            positive: positive.total(),
            negative: negative.total(),
            minimum: groups.first().map_or(f64::NAN, |group| group.score),
            maximum: groups.last().map_or(f64::NAN, |group| group.score),
            counts,
        };
        Self { groups, totals }
    }

    /// Copies any groups into memory.
    #[must_use]
    pub fn of(groups: &impl Groups) -> Self {
        let mut list = Vec::new();
        groups.for_each_mass(|mass| list.push(mass));
        Self {
            groups: list,
            totals: groups.totals(),
        }
    }

    /// Returns the groups, ascending by score.
    #[must_use]
    pub fn groups(&self) -> &[Mass] {
        &self.groups
    }
}

impl Groups for MassList {
    fn totals(&self) -> Totals {
        self.totals
    }

    fn for_each_mass(&self, visit: impl FnMut(Mass)) {
        self.groups.iter().copied().for_each(visit);
    }
}

/// Gathers scores, labels and weights in any order, and ranks them.
///
/// Rows of one score are counted by weight, ascending, before they are summed, so that the masses
/// have the same bits for any order of rows and any sharding.
#[derive(Clone, Debug, Default)]
pub struct WeightedAccumulator {
    rows: Vec<WeightedRow>,
}

#[derive(Clone, Copy, Debug)]
struct WeightedRow {
    score: f64,
    weight: f64,
    positive: bool,
}

/// Why weighted rows cannot be gathered.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum WeightError {
    /// A score has no place in any order.
    #[error("the score of row {index} of the batch is NaN")]
    Score {
        /// The position within the slice that was handed in, from 0.
        index: usize,
    },
    /// A weight is no weight.
    #[error(
        "the weight of row {index} of the batch is {weight}; a weight is finite and not negative"
    )]
    Weight {
        /// The position within the slice that was handed in, from 0.
        index: usize,
        /// What was given.
        weight: f64,
    },
    /// Scores, labels and weights do not belong together.
    #[error("{scores} scores came with {labels} labels and {weights} weights")]
    Length {
        /// How many scores there were.
        scores: usize,
        /// How many labels there were.
        labels: usize,
        /// How many weights there were.
        weights: usize,
    },
}

impl WeightedAccumulator {
    /// Adds a batch; all slices have shape `[n]`, a label is true for the positive class, a
    /// row of weight 0 counts for nothing.
    ///
    /// # Errors
    /// [`WeightError`]; the accumulator then holds the rows before the offending one and is
    /// not worth keeping.
    pub fn extend(
        &mut self,
        scores: &[f64],
        labels: &[bool],
        weights: &[f64],
    ) -> Result<(), WeightError> {
        if scores.len() != labels.len() || scores.len() != weights.len() {
            return Err(WeightError::Length {
                scores: scores.len(),
                labels: labels.len(),
                weights: weights.len(),
            });
        }
        for (index, ((&score, &positive), &weight)) in
            scores.iter().zip(labels).zip(weights).enumerate()
        {
            if score.is_nan() {
                return Err(WeightError::Score { index });
            }
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(WeightError::Weight { index, weight });
            }
            if weight > 0.0 {
                self.rows.push(WeightedRow {
                    // Both zeros become one.
                    score: score + 0.0,
                    weight,
                    positive,
                });
            }
        }
        Ok(())
    }

    /// Adds everything that another accumulator holds.
    pub fn merge(&mut self, mut other: Self) {
        self.rows.append(&mut other.rows);
    }

    /// Sorts and sums what was gathered.
    #[must_use]
    pub fn finish(self) -> MassList {
        Summary::from(self).masses()
    }

    /// Returns each row's score, weight and label.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = (f64, f64, bool)> {
        self.rows
            .into_iter()
            .map(|row| (row.score, row.weight, row.positive))
    }
}
