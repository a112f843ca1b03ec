//! Resampling: intervals of any metric, of its difference between two models, and of rows
//! that come in clusters.
//!
//! Rows are not copied: a replicate draws a Poisson count for each group of equal rows, which
//! takes time and memory in proportion to the groups. Draws are keyed by the seed and the
//! replicate ([`crate::random`]), so neither threads nor the order of rows can change a bit.
//!
//! - Without clusters the bootstrap is stratified by class: each class's drawn mass is scaled
//!   to the observed one.
//! - With clusters whole clusters are drawn, with all rows that they hold.
//!
//! Sources: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapters 13 and 14;
//! Chamandy et al. (2012), Estimating uncertainty for massive data streams (Poisson counts).

use crate::interval::{Bounds, IntervalError, Tails, normal_cdf, normal_quantile};
use crate::metric::{Groups, Mass, Metric, MetricError, OutputKind, Totals, evaluate};
use crate::paired::PairedScores;
use crate::random::{Stream, poisson_one_of};
use crate::score::{RankedScores, TieGroup, score_of_double};
use crate::summary::Entry;

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resampling {
    /// The seed; recorded in the report.
    pub seed: u64,
    /// How many data sets are drawn.
    pub replicates: u32,
    /// How many threads share the work; no influence on the result.
    pub threads: usize,
}

impl Default for Resampling {
    fn default() -> Self {
        Self {
            seed: 20_260_101,
            replicates: 2000,
            threads: 1,
        }
    }
}

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
const GROUPS_MAXIMUM: usize = 1 << 17;

impl Sample {
    /// Takes unweighted rows. Of more than 131,072 distinct scores, neighbours are drawn
    /// together; the values of replicates are then shifted to the exact point estimate.
    #[must_use]
    pub fn of_scores(scores: &RankedScores) -> Self {
        let rows = scores.positives() + scores.negatives();
        let mut distinct = 0usize;
        scores.for_each_tie_group(|_| distinct += 1);
        Self::joined(rows, distinct, |visit| scores.for_each_tie_group(visit))
    }

    /// Takes the rows of a summary, as [`Self::of_scores`] takes those in memory; weighted
    /// ones are never joined.
    #[must_use]
    pub fn of_entries(entries: &[Entry]) -> Self {
        if entries.iter().all(|entry| entry.weight() == 1.0) {
            let rows = entries
                .iter()
                .map(|entry| entry.positives + entry.negatives)
                .sum();
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

    /// Joins neighbours where there are more groups than are drawn one by one.
    fn joined(rows: u64, distinct: usize, walk: impl FnOnce(&mut dyn FnMut(TieGroup))) -> Self {
        let rows_of_group = if distinct > GROUPS_MAXIMUM {
            rows.div_ceil(GROUPS_MAXIMUM as u64)
        } else {
            0
        };
        let (mut units, mut scores): (Vec<Unit>, Vec<f64>) = (Vec::new(), Vec::new());
        walk(&mut |group| match units.last_mut() {
            Some(unit) if unit.positives + unit.negatives < rows_of_group => {
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
        let units = scores.groups.iter().map(|group| Unit {
            positives: group.positives,
            negatives: group.negatives,
            weight: 1.0,
            cluster: None,
        });
        let in_order: Vec<u32> = (0..scores.groups.len() as u32).collect();
        let views = vec![
            View::new(&in_order, |unit| scores.groups[unit].first),
            View::new(&scores.order_of_second(), |unit| scores.groups[unit].second),
        ];
        Self {
            units: units.collect(),
            views,
        }
    }

    /// Draws one data set and returns each model's masses.
    fn draw(&self, resampling: &Resampling, replicate: u32) -> Vec<Masses<'_>> {
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
    /// Groups the units, given in ascending order of their keys.
    fn new(order: &[u32], key: impl Fn(usize) -> u64) -> Self {
        let mut scores = Vec::new();
        let mut group_of_unit = vec![0; order.len()];
        let mut last = None;
        for &unit in order {
            let key = key(unit as usize);
            if last != Some(key) {
                scores.push(score_of_double(key));
                last = Some(key);
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
struct Masses<'a> {
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

/// The values of each model and, for two models, of `second - first`.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// `models[m][k]` holds metric k of model m.
    pub models: Vec<Vec<Replicates>>,
    /// `differences[k]` holds metric k; empty for one model.
    pub differences: Vec<Replicates>,
}

/// A metric and what the model's outputs are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// The metric.
    pub metric: Metric,
    /// What the first and the second model's outputs are; for one model, the first counts.
    pub outputs: [OutputKind; 2],
}

/// Draws data sets and computes every question on each.
///
/// # Errors
/// [`MetricError`]: a metric is undefined on the observed data.
pub fn bootstrap(
    sample: &Sample,
    questions: &[Question],
    resampling: &Resampling,
) -> Result<Bootstrap, MetricError> {
    let models = sample.views.len();
    let observed = observed(sample);
    let mut points = Vec::with_capacity(models * questions.len());
    for (model, masses) in observed.iter().enumerate() {
        for question in questions {
            points.push(evaluate(&question.metric, masses, question.outputs[model])?);
        }
    }
    let columns = draw_all(sample, questions, resampling);
    let gather = |point: f64, values: &mut dyn Iterator<Item = Option<f64>>| {
        let mut replicates = Replicates {
            point,
            values: Vec::with_capacity(resampling.replicates as usize),
            undefined: 0,
        };
        for value in values {
            match value {
                Some(value) => replicates.values.push(value),
                None => replicates.undefined += 1,
            }
        }
        replicates.values.sort_unstable_by(f64::total_cmp);
        replicates
    };
    let count = questions.len();
    let of_model = |model: usize| {
        let metrics = (0..count).map(|metric| {
            let at = model * count + metric;
            gather(points[at], &mut columns.iter().map(|row| row[at]))
        });
        metrics.collect()
    };
    let differences = if models == 2 {
        (0..count)
            .map(|metric| {
                let delta = |row: &Vec<Option<f64>>| Some(row[count + metric]? - row[metric]?);
                gather(
                    points[count + metric] - points[metric],
                    &mut columns.iter().map(delta),
                )
            })
            .collect()
    } else {
        Vec::new()
    };
    Ok(Bootstrap {
        models: (0..models).map(of_model).collect(),
        differences,
    })
}

/// Returns the masses of the observed data as each model ranks them.
fn observed(sample: &Sample) -> Vec<Masses<'_>> {
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

/// Computes all questions on all replicates; row b belongs to replicate b whoever made it.
fn draw_all(
    sample: &Sample,
    questions: &[Question],
    resampling: &Resampling,
) -> Vec<Vec<Option<f64>>> {
    let one = |replicate: u32| -> Vec<Option<f64>> {
        let models = sample.draw(resampling, replicate);
        let values = models.iter().enumerate().flat_map(|(model, masses)| {
            questions.iter().map(move |question| {
                evaluate(&question.metric, masses, question.outputs[model]).ok()
            })
        });
        values.collect()
    };
    let threads = resampling.threads.clamp(1, 64) as u32;
    let mut rows: Vec<Vec<Option<f64>>> = vec![Vec::new(); resampling.replicates as usize];
    let share = resampling.replicates.div_ceil(threads).max(1) as usize;
    std::thread::scope(|scope| {
        let mut parts = rows.chunks_mut(share).enumerate();
        let mine = parts.next();
        for (part, rows) in parts {
            scope.spawn(move || fill(rows, part * share, &one));
        }
        if let Some((_, rows)) = mine {
            fill(rows, 0, &one);
        }
    });
    rows
}

fn fill<T>(rows: &mut [T], first: usize, one: &impl Fn(u32) -> T) {
    for (offset, row) in rows.iter_mut().enumerate() {
        *row = one((first + offset) as u32);
    }
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
