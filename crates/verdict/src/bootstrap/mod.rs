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

mod bags;
mod replicates;
mod sample;
mod studentised;
mod units;

pub use replicates::Replicates;
pub use sample::Sample;
pub use studentised::studentised_area;

use crate::metric::{Metric, MetricError, OutputKind, evaluate};

/// The purpose of draws of whole clusters, and of bags in place of them.
const PURPOSE_CLUSTERS: u32 = 2;

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
    let joined = sample.between_thresholds(questions);
    let sample = joined.as_ref().unwrap_or(sample);
    let models = sample.models();
    let observed = sample.observed();
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
    in_parallel(resampling, one)
}

/// Computes every replicate; entry b belongs to replicate b whoever made it.
fn in_parallel<T: Clone + Default + Send>(
    resampling: &Resampling,
    one: impl Fn(u32) -> T + Sync,
) -> Vec<T> {
    let threads = resampling.threads.clamp(1, 64) as u32;
    let mut made = vec![T::default(); resampling.replicates as usize];
    let share = resampling.replicates.div_ceil(threads).max(1) as usize;
    let fill = |first: usize, part: &mut [T]| {
        for (offset, entry) in part.iter_mut().enumerate() {
            *entry = one((first + offset) as u32);
        }
    };
    let fill = &fill;
    std::thread::scope(|scope| {
        let mut parts = made.chunks_mut(share).enumerate();
        let mine = parts.next();
        for (part, entries) in parts {
            scope.spawn(move || fill(part * share, entries));
        }
        if let Some((_, entries)) = mine {
            fill(0, entries);
        }
    });
    made
}
