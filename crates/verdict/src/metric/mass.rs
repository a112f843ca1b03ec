//! What every metric reads: tied scores in ascending order, with the mass of each class.

use crate::auc::auc;
use crate::metric::{AreaFold, MetricError};
use crate::score::{RankedScores, TieGroup};

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
/// ([`RankedScores`]), rows with weights or under two models ([`crate::rows::Rows`]) and resampled ones.
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
