//! What is resampled, and one drawn data set of it.

use std::collections::BTreeMap;

use super::{Question, Resampling};
use crate::metric::{Groups, Mass, RankedRows, Totals};
use crate::paired::PairedScores;
use crate::random::{Stream, poisson_one_of};
use crate::score::TieGroup;
use crate::summary::Entry;

/// One row, where weights or clusters matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The raw output; not NaN.
    pub score: f64,
    /// Whether the row is of the positive class.
    pub positive: bool,
    /// Its weight, above 0; 1 where there are none.
    pub weight: f64,
    /// A hash of the cluster's identity (its customer, say); nothing without clusters.
    pub cluster: Option<u64>,
}

/// One row under two models, where weights or clusters matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedRow {
    /// The first model's raw output; not NaN.
    pub first: f64,
    /// The second model's raw output; not NaN.
    pub second: f64,
    /// Whether the row is of the positive class.
    pub positive: bool,
    /// Its weight, above 0; 1 where there are none.
    pub weight: f64,
    /// A hash of the cluster's identity; nothing without clusters.
    pub cluster: Option<u64>,
}

/// Rows that are alike in everything that matters.
#[derive(Clone, Copy, Debug)]
struct Unit {
    positives: u64,
    negatives: u64,
    weight: f64,
    cluster: Option<u64>,
}

/// How one model ranks the units.
#[derive(Clone, Debug)]
struct View {
    scores: Vec<f64>,
    /// The position in `scores` of each unit; empty when unit i is group i.
    group_of_unit: Vec<u32>,
}

/// What is resampled: the rows of one model, or the same rows under two.
#[derive(Clone, Debug)]
pub struct Sample {
    units: Vec<Unit>,
    views: Vec<View>,
}

/// At most so many groups are drawn one by one; more are joined with their neighbours.
const GROUPS_MAXIMUM: usize = 1 << 15;

impl Sample {
    /// Returns how many models rank the rows.
    pub(super) const fn models(&self) -> usize {
        self.views.len()
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

    /// Takes the rows of a summary, as [`Self::of_scores`] takes those in memory; weighted
    /// ones are never joined.
    #[must_use]
    pub fn of_entries(entries: &[Entry]) -> Self {
        if entries.iter().all(|entry| entry.weight() == 1.0) {
            let rows = entries.iter().fold((0, 0), |rows, entry| {
                (rows.0 + entry.positives, rows.1 + entry.negatives)
            });
            return Self::joined(rows, entries.len(), |visit| {
                for entry in entries {
                    visit(TieGroup {
                        score: entry.score(),
                        positives: entry.positives,
                        negatives: entry.negatives,
                    });
                }
            });
        }
        let mut view = View {
            scores: Vec::new(),
            group_of_unit: Vec::with_capacity(entries.len()),
        };
        for entry in entries {
            if view.scores.last() != Some(&entry.score()) {
                view.scores.push(entry.score());
            }
            view.group_of_unit.push(view.scores.len() as u32 - 1);
        }
        let units = entries.iter().map(|entry| Unit {
            positives: entry.positives,
            negatives: entry.negatives,
            weight: entry.weight(),
            cluster: None,
        });
        Self {
            units: units.collect(),
            views: vec![view],
        }
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
        Self {
            units,
            views: vec![view],
        }
    }

    /// Takes rows with weights or clusters, in any order.
    ///
    /// # Panics
    /// When a score is NaN: those are refused by name where rows are gathered.
    #[must_use]
    pub fn of_rows(mut rows: Vec<Row>) -> Self {
        assert!(
            rows.iter().all(|row| !row.score.is_nan()),
            "scores are ordered"
        );
        rows.iter_mut().for_each(|row| row.score += 0.0);
        rows.sort_unstable_by(|left, right| {
            (left.score.total_cmp(&right.score))
                .then(left.weight.total_cmp(&right.weight))
                .then(left.cluster.cmp(&right.cluster))
        });
        let mut view = View {
            scores: Vec::new(),
            group_of_unit: Vec::new(),
        };
        let mut units: Vec<Unit> = Vec::new();
        for row in rows {
            let tied = view.scores.last() == Some(&row.score);
            if !tied {
                view.scores.push(row.score);
            }
            let alike =
                |unit: &Unit| tied && unit.weight == row.weight && unit.cluster == row.cluster;
            if units.last().is_none_or(|unit| !alike(unit)) {
                view.group_of_unit.push(view.scores.len() as u32 - 1);
                units.push(Unit {
                    positives: 0,
                    negatives: 0,
                    weight: row.weight,
                    cluster: row.cluster,
                });
            }
            if let Some(unit) = units.last_mut() {
                unit.positives += u64::from(row.positive);
                unit.negatives += u64::from(!row.positive);
            }
        }
        Self {
            units,
            views: vec![view],
        }
    }

    /// Takes the same rows under two models.
    #[must_use]
    pub fn of_pairs(scores: &PairedScores) -> Self {
        let mut units = Vec::new();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        scores.for_each_group(|group| {
            units.push(Unit {
                positives: group.positives,
                negatives: group.negatives,
                weight: 1.0,
                cluster: None,
            });
            first.push(group.first);
            second.push(group.second);
        });
        Self {
            units,
            views: vec![View::new(&first), View::new(&second)],
        }
    }

    /// Takes the same rows under two models, with weights or clusters, in any order.
    ///
    /// # Panics
    /// When a score is NaN: those are refused by name where rows are gathered.
    #[must_use]
    pub fn of_paired_rows(mut rows: Vec<PairedRow>) -> Self {
        for row in &mut rows {
            assert!(
                !row.first.is_nan() && !row.second.is_nan(),
                "scores are ordered"
            );
            // Both zeros become one.
            row.first += 0.0;
            row.second += 0.0;
        }
        rows.sort_unstable_by(|left, right| {
            (left.first.total_cmp(&right.first))
                .then(left.second.total_cmp(&right.second))
                .then(left.weight.total_cmp(&right.weight))
                .then(left.cluster.cmp(&right.cluster))
        });
        let mut units = Vec::new();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let alike = |left: &PairedRow, right: &PairedRow| {
            (left.first, left.second, left.weight, left.cluster)
                == (right.first, right.second, right.weight, right.cluster)
        };
        for group in rows.chunk_by(alike) {
            let positives = group.iter().filter(|row| row.positive).count() as u64;
            units.push(Unit {
                positives,
                negatives: group.len() as u64 - positives,
                weight: group[0].weight,
                cluster: group[0].cluster,
            });
            first.push(group[0].first);
            second.push(group[0].second);
        }
        Self {
            units,
            views: vec![View::new(&first), View::new(&second)],
        }
    }

    /// Returns the same sample with all rows joined that no threshold tells apart, when every
    /// question is about thresholds: a handful of groups, with the same distribution of all
    /// drawn counts. Nothing where that is not so, or where weights or clusters keep rows
    /// apart.
    pub(super) fn between_thresholds(&self, questions: &[Question]) -> Option<Self> {
        let plain = |unit: &Unit| unit.weight == 1.0 && unit.cluster.is_none();
        let thresholds: Option<Vec<f64>> = questions
            .iter()
            .map(|question| question.metric.threshold())
            .collect();
        let thresholds = thresholds.filter(|_| self.units.iter().all(plain))?;
        let outputs = questions.first()?.outputs;
        if questions.iter().any(|question| question.outputs != outputs) {
            return None;
        }
        let cells: Vec<Vec<usize>> = self
            .views
            .iter()
            .zip(outputs)
            .map(|(view, output)| {
                let reached = |score: &f64| {
                    let probability = output.probability(*score);
                    thresholds.iter().filter(|&&at| probability >= at).count()
                };
                view.scores.iter().map(reached).collect()
            })
            .collect();
        let mut joined: BTreeMap<Vec<usize>, (Unit, Vec<f64>)> = BTreeMap::new();
        for (index, unit) in self.units.iter().enumerate() {
            let groups = self.views.iter().map(|view| view.group(index));
            let groups: Vec<usize> = groups.collect();
            let cell = groups
                .iter()
                .zip(&cells)
                .map(|(&group, cells)| cells[group]);
            let (sum, _) = joined.entry(cell.collect()).or_insert_with(|| {
                let scores = self.views.iter().zip(&groups);
                let scores = scores.map(|(view, &group)| view.scores[group]);
                let empty = Unit {
                    positives: 0,
                    negatives: 0,
                    ..*unit
                };
                (empty, scores.collect())
            });
            sum.positives += unit.positives;
            sum.negatives += unit.negatives;
        }
        let (units, scores): (Vec<Unit>, Vec<Vec<f64>>) = joined.into_values().unzip();
        let views = (0..self.views.len()).map(|model| {
            let of_model: Vec<f64> = scores.iter().map(|scores| scores[model]).collect();
            View::new(&of_model)
        });
        Some(Self {
            views: views.collect(),
            units,
        })
    }

    /// Draws one data set and returns each model's masses.
    pub(super) fn draw(&self, resampling: &Resampling, replicate: u32) -> Vec<Masses<'_>> {
        let mut stream = Stream::new(resampling.seed, replicate, PURPOSE_ROWS);
        let drawn: Vec<(f64, f64)> = self
            .units
            .iter()
            .map(|unit| {
                let (positives, negatives) = match unit.cluster {
                    None => (
                        stream.poisson(unit.positives),
                        stream.poisson(unit.negatives),
                    ),
                    Some(cluster) => {
                        let times =
                            poisson_one_of(resampling.seed, replicate, PURPOSE_CLUSTERS, cluster);
                        (times * unit.positives, times * unit.negatives)
                    }
                };
                (
                    positives as f64 * unit.weight,
                    negatives as f64 * unit.weight,
                )
            })
            .collect();
        let sum = |masses: &mut dyn Iterator<Item = (f64, f64)>| {
            masses.fold((0.0, 0.0), |sum, mass| (sum.0 + mass.0, sum.1 + mass.1))
        };
        let clustered = self
            .units
            .first()
            .is_some_and(|unit| unit.cluster.is_some());
        let scale = if clustered {
            (1.0, 1.0)
        } else {
            let observed = sum(&mut self.units.iter().map(|unit| {
                (
                    unit.positives as f64 * unit.weight,
                    unit.negatives as f64 * unit.weight,
                )
            }));
            let resampled = sum(&mut drawn.iter().copied());
            (observed.0 / resampled.0, observed.1 / resampled.1)
        };
        self.views
            .iter()
            .map(|view| view.masses(&drawn, scale))
            .collect()
    }
}

/// Purposes keep the streams of different uses apart.
const PURPOSE_ROWS: u32 = 1;
const PURPOSE_CLUSTERS: u32 = 2;

impl View {
    /// Returns the group of a unit.
    fn group(&self, unit: usize) -> usize {
        self.group_of_unit
            .get(unit)
            .map_or(unit, |&group| group as usize)
    }

    /// Groups the units by their scores.
    fn new(of_units: &[f64]) -> Self {
        let mut order: Vec<u32> = (0..of_units.len() as u32).collect();
        order.sort_unstable_by(|&left, &right| {
            of_units[left as usize].total_cmp(&of_units[right as usize])
        });
        let mut scores = Vec::new();
        let mut group_of_unit = vec![0; order.len()];
        for &unit in &order {
            let score = of_units[unit as usize];
            if scores.last() != Some(&score) {
                scores.push(score);
            }
            group_of_unit[unit as usize] = scores.len() as u32 - 1;
        }
        Self {
            scores,
            group_of_unit,
        }
    }

    fn masses(&self, drawn: &[(f64, f64)], scale: (f64, f64)) -> Masses<'_> {
        let mut masses = if self.group_of_unit.is_empty() {
            drawn.to_vec()
        } else {
            let mut masses = vec![(0.0, 0.0); self.scores.len()];
            for (&group, unit) in self.group_of_unit.iter().zip(drawn) {
                let mass: &mut (f64, f64) = &mut masses[group as usize];
                mass.0 += unit.0;
                mass.1 += unit.1;
            }
            masses
        };
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
        Masses {
            scores: &self.scores,
            masses,
            positive,
            negative,
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

/// Returns the masses of the observed data as each model ranks them.
pub(super) fn observed(sample: &Sample) -> Vec<Masses<'_>> {
    let masses: Vec<(f64, f64)> = sample
        .units
        .iter()
        .map(|unit| {
            (
                unit.positives as f64 * unit.weight,
                unit.negatives as f64 * unit.weight,
            )
        })
        .collect();
    sample
        .views
        .iter()
        .map(|view| view.masses(&masses, (1.0, 1.0)))
        .collect()
}
