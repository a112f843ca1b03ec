//! Groups of equal rows, of which each is drawn.

use std::collections::BTreeMap;

use super::sample::Masses;
use super::{PURPOSE_CLUSTERS, Question, Resampling};
use crate::random::{Stream, poisson_one_of};

/// Rows that are alike in everything that matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) positives: u64,
    pub(super) negatives: u64,
    pub(super) weight: f64,
    pub(super) cluster: Option<u64>,
}

/// How one model ranks the units.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) scores: Vec<f64>,
    /// The position in `scores` of each unit; empty when unit i is group i.
    pub(super) group_of_unit: Vec<u32>,
}

/// Groups of equal rows, drawn one by one.
#[derive(Clone, Debug)]
pub(super) struct Units {
    pub(super) units: Vec<Unit>,
    pub(super) views: Vec<View>,
}

impl Unit {
    /// Returns the observed mass of both classes.
    fn mass(&self) -> (f64, f64) {
        (
            self.positives as f64 * self.weight,
            self.negatives as f64 * self.weight,
        )
    }
}

impl Units {
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
            let observed = sum(&mut self.units.iter().map(Unit::mass));
            let resampled = sum(&mut drawn.iter().copied());
            (observed.0 / resampled.0, observed.1 / resampled.1)
        };
        self.views
            .iter()
            .map(|view| view.masses(&drawn, scale))
            .collect()
    }

    /// Returns the masses of the observed data as each model ranks them.
    pub(super) fn observed(&self) -> Vec<Masses<'_>> {
        let masses: Vec<(f64, f64)> = self.units.iter().map(Unit::mass).collect();
        let views = self.views.iter();
        views.map(|view| view.masses(&masses, (1.0, 1.0))).collect()
    }
}

/// Purposes keep the streams of different uses apart.
const PURPOSE_ROWS: u32 = 1;

impl View {
    /// Returns the group of a unit.
    fn group(&self, unit: usize) -> usize {
        self.group_of_unit
            .get(unit)
            .map_or(unit, |&group| group as usize)
    }

    /// Groups the units by their scores.
    pub(super) fn new(of_units: &[f64]) -> Self {
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
        let masses = if self.group_of_unit.is_empty() {
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
        Masses::scaled(&self.scores, masses, scale)
    }
}
