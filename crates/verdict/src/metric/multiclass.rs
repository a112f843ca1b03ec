//! Metrics of a classifier with more than two classes.
//!
//! A row's place under class k is given by its probability of k. From logits that is the
//! log-odds `z_k - logsumexp(z_j, j != k)`, which orders rows as the softmax does and does
//! not saturate.

use super::{MetricError, OutputKind};
use crate::sum::ExactSum;

/// Gathers rows of `classes` outputs each, in any order and any number of batches.
#[derive(Clone, Debug)]
pub struct MulticlassAccumulator {
    output: OutputKind,
    /// For each class, all rows' score and true class.
    columns: Vec<Vec<(f64, u32)>>,
    counts: Vec<u64>,
    log_loss: ExactSum,
    brier: ExactSum,
    infinite: u64,
    right: u64,
}

/// Why multi-class rows cannot be gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MulticlassError {
    /// An output is NaN, or a probability outside 0..=1.
    #[error("output {class} of row {index} of the batch is {problem}")]
    Output {
        /// The position within the batch, from 0.
        index: usize,
        /// The class, from 0.
        class: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A label that is no class.
    #[error("the label of row {index} of the batch is {label}; there are {classes} classes")]
    Label {
        /// The position within the batch, from 0.
        index: usize,
        /// What was given.
        label: u32,
        /// How many classes there are.
        classes: usize,
    },
    /// Outputs and labels do not belong together.
    #[error("{outputs} outputs came with {labels} labels of {classes} classes")]
    Length {
        /// How many outputs there were.
        outputs: usize,
        /// How many labels there were.
        labels: usize,
        /// How many classes there are.
        classes: usize,
    },
}

impl MulticlassAccumulator {
    /// Returns an empty accumulator.
    #[must_use]
    pub fn new(classes: usize, output: OutputKind) -> Self {
        Self {
            output,
            columns: vec![Vec::new(); classes],
            counts: vec![0; classes],
            log_loss: ExactSum::default(),
            brier: ExactSum::default(),
            infinite: 0,
            right: 0,
        }
    }

    /// Adds a batch: `outputs` has shape `[n, classes]` row by row, `labels` `[n]`.
    ///
    /// # Errors
    /// [`MulticlassError`]; the accumulator is then not worth keeping.
    pub fn extend(&mut self, outputs: &[f64], labels: &[u32]) -> Result<(), MulticlassError> {
        let classes = self.columns.len();
        if outputs.len() != labels.len() * classes {
            return Err(MulticlassError::Length {
                outputs: outputs.len(),
                labels: labels.len(),
                classes,
            });
        }
        for (index, (row, &label)) in outputs.chunks_exact(classes.max(1)).zip(labels).enumerate() {
            if label as usize >= classes {
                return Err(MulticlassError::Label {
                    index,
                    label,
                    classes,
                });
            }
            for (class, &output) in row.iter().enumerate() {
                let problem = match self.output {
                    _ if output.is_nan() => "NaN",
                    OutputKind::Logits if output.is_infinite() => "infinite",
                    OutputKind::Probabilities if !(0.0..=1.0).contains(&output) => "no probability",
                    _ => continue,
                };
                return Err(MulticlassError::Output {
                    index,
                    class,
                    problem,
                });
            }
            self.add(row, label);
        }
        Ok(())
    }

    fn add(&mut self, row: &[f64], label: u32) {
        let truth = label as usize;
        for (class, column) in self.columns.iter_mut().enumerate() {
            column.push((place(row, class, self.output), label));
        }
        let loss = log_loss(row, truth, self.output);
        self.brier.add(brier(row, truth, self.output));
        if loss.is_finite() {
            self.log_loss.add(loss);
        } else {
            self.infinite += 1;
        }
        // The lowest class wins a tie, as argmax does.
        let best = (0..row.len()).fold(
            0,
            |best, class| {
                if row[class] > row[best] { class } else { best }
            },
        );
        self.right += u64::from(best == truth);
        self.counts[truth] += 1;
    }

    /// Adds everything that another accumulator of the same shape holds.
    pub fn merge(&mut self, other: Self) {
        for (mine, mut theirs) in self.columns.iter_mut().zip(other.columns) {
            mine.append(&mut theirs);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.log_loss.merge(&other.log_loss);
        self.brier.merge(&other.brier);
        self.infinite += other.infinite;
        self.right += other.right;
    }

    /// Sorts what was gathered and computes all metrics.
    ///
    /// # Errors
    /// [`MetricError::Empty`]; [`MetricError::ClassAbsent`] when a class has no rows: leaving
    /// it out silently would average over fewer classes than the model has.
    pub fn finish(mut self) -> Result<Multiclass, MetricError> {
        let classes = self.columns.len();
        let rows: u64 = self.counts.iter().sum();
        if rows == 0 || classes < 2 {
            return Err(MetricError::Empty);
        }
        if let Some(class) = self.counts.iter().position(|&count| count == 0) {
            return Err(MetricError::ClassAbsent { class, classes });
        }
        let mut pairs = Vec::with_capacity(classes);
        for (class, column) in self.columns.iter_mut().enumerate() {
            column.sort_unstable_by(|left, right| {
                left.0.total_cmp(&right.0).then(left.1.cmp(&right.1))
            });
            pairs.push(doubled_wins(column, class, &self.counts));
        }
        let one_versus_rest: Vec<f64> = pairs
            .iter()
            .zip(&self.counts)
            .map(|(wins, &count)| {
                let others = u128::from(rows - count);
                crate::auc::share(wins.iter().sum(), 2 * u128::from(count) * others)
            })
            .collect();
        let mut one_versus_one = Vec::new();
        let (mut sum, mut weighted, mut weight) = (0.0, 0.0, 0.0);
        for (first, wins) in pairs.iter().enumerate() {
            for (second, reverse) in pairs.iter().enumerate().skip(first + 1) {
                let both = 2 * u128::from(self.counts[first]) * u128::from(self.counts[second]);
                let area = f64::midpoint(
                    crate::auc::share(wins[second], both),
                    crate::auc::share(reverse[first], both),
                );
                let rows_of_pair = (self.counts[first] + self.counts[second]) as f64;
                one_versus_one.push(area);
                sum += area;
                weighted += area * rows_of_pair;
                weight += rows_of_pair;
            }
        }
        let prevalence_weighted = one_versus_rest
            .iter()
            .zip(&self.counts)
            .map(|(area, &count)| area * count as f64)
            .sum::<f64>()
            / rows as f64;
        Ok(Multiclass {
            auc_ovr_macro: one_versus_rest.iter().sum::<f64>() / classes as f64,
            auc_ovr_weighted: prevalence_weighted,
            auc_ovo_macro: sum / one_versus_one.len() as f64,
            auc_ovo_weighted: weighted / weight,
            auc_by_class: one_versus_rest,
            log_loss: if self.infinite == 0 {
                Ok(self.log_loss.total() / rows as f64)
            } else {
                Err(MetricError::Infinite {
                    metric: "log_loss",
                    rows: self.infinite,
                })
            },
            brier: self.brier.total() / rows as f64,
            accuracy: self.right as f64 / rows as f64,
            right: self.right,
            counts: self.counts,
        })
    }
}

/// Returns twice the wins of rows of `class` over those of each other class, ties one half.
fn doubled_wins(column: &[(f64, u32)], class: usize, counts: &[u64]) -> Vec<u128> {
    let mut wins = vec![0u128; counts.len()];
    let mut below = vec![0u64; counts.len()];
    let mut here = vec![0u64; counts.len()];
    for group in column.chunk_by(|left, right| left.0 == right.0) {
        for row in group {
            here[row.1 as usize] += 1;
        }
        if here[class] > 0 {
            for other in (0..counts.len()).filter(|&other| other != class) {
                wins[other] += u128::from(here[class]) * u128::from(2 * below[other] + here[other]);
            }
        }
        for row in group {
            let of_row = row.1 as usize;
            below[of_row] += std::mem::take(&mut here[of_row]);
        }
    }
    wins
}

/// Returns the number by which a row is ranked under a class: its probability, or from logits
/// its log-odds, which order alike and do not saturate.
pub(super) fn place(row: &[f64], class: usize, output: OutputKind) -> f64 {
    let place = match output {
        OutputKind::Probabilities => row[class],
        OutputKind::Logits => row[class] - log_sum_exp(row, Some(class)),
    };
    // -0.0 and 0.0 are one place.
    place + 0.0
}

/// Returns the negative logarithm of the probability of a row's true class.
pub(super) fn log_loss(row: &[f64], truth: usize, output: OutputKind) -> f64 {
    match output {
        OutputKind::Logits => log_sum_exp(row, None) - row[truth],
        // As scikit-learn clips.
        OutputKind::Probabilities => -row[truth].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln(),
    }
}

/// Returns the sum of the squared errors of a row's probabilities, from 0 to 2.
///
/// Source: Brier (1950), Monthly Weather Review 78:1-3; scikit-learn 1.9 with more than two
/// classes.
pub(super) fn brier(row: &[f64], truth: usize, output: OutputKind) -> f64 {
    let all = match output {
        OutputKind::Logits => log_sum_exp(row, None),
        OutputKind::Probabilities => 0.0,
    };
    let errors = row.iter().enumerate().map(|(class, &output_of_class)| {
        let probability = match output {
            OutputKind::Logits => (output_of_class - all).exp(),
            OutputKind::Probabilities => output_of_class,
        };
        let error = probability - f64::from(u8::from(class == truth));
        error * error
    });
    errors.sum()
}

/// Computes `ln(sum(exp(z)))` over all classes but one, without overflow.
fn log_sum_exp(row: &[f64], without: Option<usize>) -> f64 {
    let kept = || {
        row.iter()
            .enumerate()
            .filter(move |(class, _)| Some(*class) != without)
            .map(|(_, &logit)| logit)
    };
    let largest = kept().fold(f64::NEG_INFINITY, f64::max);
    largest
        + kept()
            .map(|logit| (logit - largest).exp())
            .sum::<f64>()
            .ln()
}

/// The metrics of a multi-class classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Multiclass {
    /// The mean of the areas of each class against all others.
    pub auc_ovr_macro: f64,
    /// The same, weighted by the classes' rows.
    pub auc_ovr_weighted: f64,
    /// The mean over pairs of classes, each the mean of both directions.
    ///
    /// Source: Hand and Till (2001), Machine Learning 45:171-186.
    pub auc_ovo_macro: f64,
    /// The same, weighted by the rows of the pair, as scikit-learn 1.9 does.
    pub auc_ovo_weighted: f64,
    /// The area of each class against all others.
    pub auc_by_class: Vec<f64>,
    /// The mean of `-ln p(true class)`.
    pub log_loss: Result<f64, MetricError>,
    /// The mean of the summed squared errors of a row's probabilities, from 0 to 2.
    pub brier: f64,
    /// The share of rows whose largest output is that of the true class.
    pub accuracy: f64,
    /// The rows whose largest output is that of the true class.
    pub right: u64,
    /// The rows of each class.
    pub counts: Vec<u64>,
}
