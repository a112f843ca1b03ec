//! What is resampled, and one drawn data set of it.

use super::bags::Bags;
use super::units::{Unit, Units, View};
use super::{Question, Resampling};
use crate::metric::{Groups, Mass, RankedRows, Totals};
use crate::rows::Rows;
use crate::score::TieGroup;

/// What is resampled: the rows of one model, or the same rows under two.
#[derive(Clone, Debug)]
pub struct Sample(Drawn);

/// What a replicate draws.
#[derive(Clone, Debug)]
enum Drawn {
    Units(Units),
    Bags(Bags),
}

/// At most so many groups of one model's unweighted rows are drawn one by one; more are joined
/// with their neighbours.
const GROUPS_MAXIMUM: usize = 1 << 15;
/// At most so many groups of equal rows are drawn one by one where weights, clusters or a second
/// model keep rows apart; more rows are dealt to bags.
const UNITS_MAXIMUM: usize = 1 << 17;

impl Sample {
    /// Returns how many models rank the rows.
    pub(super) fn models(&self) -> usize {
        match &self.0 {
            Drawn::Units(units) => units.views.len(),
            Drawn::Bags(bags) => bags.models.len(),
        }
    }

    /// Tells whether rows were dealt to bags, which are drawn in their place.
    #[must_use]
    pub const fn is_in_bags(&self) -> bool {
        matches!(self.0, Drawn::Bags(_))
    }

    /// Takes unweighted rows. Of more than 32,768 distinct scores, neighbours are drawn
    /// together; the values of replicates are then shifted to the exact point estimate.
    #[must_use]
    pub fn of_scores(scores: &impl RankedRows) -> Self {
        let mut distinct = 0usize;
        scores.for_each_tie_group(|_| distinct += 1);
        let rows = (scores.positives(), scores.negatives());
        Self::joined(rows, distinct, |visit| scores.for_each_tie_group(visit))
    }

    /// Joins neighbours where there are more groups than are drawn one by one. A joined group
    /// ends as soon as it holds its share of either class, so that rare positives stay apart.
    fn joined(
        rows: (u64, u64),
        distinct: usize,
        walk: impl FnOnce(&mut dyn FnMut(TieGroup)),
    ) -> Self {
        let share = |rows: u64| (2 * rows).div_ceil(GROUPS_MAXIMUM as u64);
        let (positives, negatives) = if distinct > GROUPS_MAXIMUM {
            (share(rows.0), share(rows.1))
        } else {
            (0, 0)
        };
        let (mut units, mut scores): (Vec<Unit>, Vec<f64>) = (Vec::new(), Vec::new());
        walk(&mut |group| match units.last_mut() {
            Some(unit) if unit.positives < positives && unit.negatives < negatives => {
                unit.positives += group.positives;
                unit.negatives += group.negatives;
            }
            _ => {
                scores.push(group.score);
                units.push(Unit {
                    positives: group.positives,
                    negatives: group.negatives,
                    weight: 1.0,
                    cluster: None,
                });
            }
        });
        let view = View {
            scores,
            group_of_unit: Vec::new(),
        };
        Self(Drawn::Units(Units {
            units,
            views: vec![view],
        }))
    }

    /// Takes rows with weights or clusters, or under two models. More than 131,072 distinct
    /// ones are dealt to bags; the values of replicates are then shifted to the exact point
    /// estimate.
    #[must_use]
    pub fn of_rows<const MODELS: usize>(rows: &impl Rows<MODELS>) -> Self {
        let mut units: Vec<Unit> = Vec::new();
        let mut scores: [Vec<f64>; MODELS] = std::array::from_fn(|_| Vec::new());
        let mut last = None;
        for row in rows.iter() {
            let content = (row.scores, row.weight, row.cluster);
            if last != Some(content) {
                if units.len() == UNITS_MAXIMUM {
                    return Self(Drawn::Bags(Bags::deal(rows)));
                }
                last = Some(content);
                units.push(Unit {
                    positives: 0,
                    negatives: 0,
                    weight: row.weight,
                    cluster: row.cluster,
                });
                for (scores, score) in scores.iter_mut().zip(row.scores) {
                    scores.push(score);
                }
            }
            if let Some(unit) = units.last_mut() {
                unit.positives += u64::from(row.positive);
                unit.negatives += u64::from(!row.positive);
            }
        }
        Self(Drawn::Units(Units {
            units,
            views: scores.iter().map(|scores| View::new(scores)).collect(),
        }))
    }

    /// Returns the same sample with all rows joined that no threshold tells apart, when every
    /// question is about thresholds: a handful of groups, with the same distribution of all
    /// drawn counts. Nothing where that is not so, or where weights or clusters keep rows
    /// apart.
    pub(super) fn between_thresholds(&self, questions: &[Question]) -> Option<Self> {
        match &self.0 {
            Drawn::Units(units) => units
                .between_thresholds(questions)
                .map(|units| Self(Drawn::Units(units))),
            Drawn::Bags(_) => None,
        }
    }

    /// Draws one data set and returns each model's masses.
    pub(super) fn draw(&self, resampling: &Resampling, replicate: u32) -> Vec<Masses<'_>> {
        match &self.0 {
            Drawn::Units(units) => units.draw(resampling, replicate),
            Drawn::Bags(bags) => bags.draw(resampling, replicate),
        }
    }

    /// Returns the masses of the observed data as each model ranks them.
    pub(super) fn observed(&self) -> Vec<Masses<'_>> {
        match &self.0 {
            Drawn::Units(units) => units.observed(),
            Drawn::Bags(bags) => bags.observed(),
        }
    }
}

/// A drawn data set as one model ranks it.
pub(super) struct Masses<'a> {
    scores: &'a [f64],
    masses: Vec<(f64, f64)>,
    positive: f64,
    negative: f64,
}

impl<'a> Masses<'a> {
    /// Scales each class.
    pub(super) fn scaled(
        scores: &'a [f64],
        mut masses: Vec<(f64, f64)>,
        scale: (f64, f64),
    ) -> Self {
        let (mut positive, mut negative) = (0.0, 0.0);
        for mass in &mut masses {
            // A class that was not drawn at all has no scale.
            *mass = (
                if mass.0 > 0.0 { mass.0 * scale.0 } else { 0.0 },
                if mass.1 > 0.0 { mass.1 * scale.1 } else { 0.0 },
            );
            positive += mass.0;
            negative += mass.1;
        }
        Self {
            scores,
            masses,
            positive,
            negative,
        }
    }
}

impl Groups for Masses<'_> {
    fn totals(&self) -> Totals {
        let end = |score: Option<&f64>| score.copied().unwrap_or(f64::NAN);
        Totals {
            positive: self.positive,
            negative: self.negative,
            minimum: end(self.scores.first()),
            maximum: end(self.scores.last()),
            counts: false,
        }
    }

    fn for_each_mass(&self, mut visit: impl FnMut(Mass)) {
        for (&score, &(positive, negative)) in self.scores.iter().zip(&self.masses) {
            if positive + negative > 0.0 {
                visit(Mass {
                    score,
                    positive,
                    negative,
                });
            }
        }
    }
}
