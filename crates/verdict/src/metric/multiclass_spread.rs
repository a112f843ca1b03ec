//! How far multi-class metrics of other rows from the same source would lie: variances.
//!
//! Every multi-class area is a fixed mixture of areas of one class above another,
//! `A_kj = P(a row of k ranks above a row of j, both by their place under k)`. What one row adds
//! to the mixture is the sum of its placements, as in DeLong's method, and rows of a class vary
//! by themselves; so one walk over each class's ranking gives the variance of the mixture with
//! the numbers of rows taken as given. With two classes it is DeLong's variance.
//!
//! Source: DeLong et al. (1988), Biometrics 44:837-845, whose placements are summed over pairs
//! of classes; Hand and Till (2001) for the mixture of `ovo`.

use super::multiclass::{brier, log_loss, place};
use super::{MetricError, OutputKind};
use crate::sum::ExactSum;

/// Which areas of a multi-class model are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassAreas {
    /// Each class against all others together.
    OneVersusRest,
    /// Each pair of classes, in both directions.
    OneVersusOne,
}

/// How they are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// Every class, or pair, counts alike.
    Macro,
    /// Every class, or pair, counts by its rows.
    Weighted,
}

/// Rows with their classes: `outputs` has shape `[n, classes]`, `labels` `[n]`, each below
/// `classes` and each class at least once.
#[derive(Clone, Copy, Debug)]
pub struct ClassRows<'a> {
    /// The raw outputs, row by row; finite.
    pub outputs: &'a [f64],
    /// The true classes.
    pub labels: &'a [u32],
    /// How many classes there are.
    pub classes: usize,
    /// What the outputs are.
    pub output: OutputKind,
}

impl ClassRows<'_> {
    fn row(&self, index: usize) -> &[f64] {
        &self.outputs[index * self.classes..(index + 1) * self.classes]
    }

    fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.classes];
        for &label in self.labels {
            counts[label as usize] += 1;
        }
        counts
    }

    /// Returns the variance of an average of areas; the same bits for any order of rows.
    ///
    /// # Errors
    /// [`MetricError::ClassAbsent`]; [`MetricError::Empty`] when a class has one row only, whose
    /// variance is undefined.
    pub fn area_variance(&self, areas: ClassAreas, average: Average) -> Result<f64, MetricError> {
        let counts = self.counts();
        if let Some(class) = counts.iter().position(|&count| count == 0) {
            return Err(MetricError::ClassAbsent {
                class,
                classes: self.classes,
            });
        }
        if counts.iter().any(|&count| count < 2) {
            return Err(MetricError::Empty);
        }
        let mixture = mixture(&counts, areas, average);
        let mut parts = vec![0.0; self.labels.len()];
        for (class, mixture) in mixture.iter().enumerate() {
            self.add_placements(class, &counts, mixture, &mut parts);
        }
        Ok(self.spread_within_classes(&parts, &counts))
    }

    /// Adds to each row's part its placements in the ranking under `class`.
    fn add_placements(&self, class: usize, counts: &[u64], mixture: &[f64], parts: &mut [f64]) {
        let mut ranked: Vec<(f64, usize)> = (0..self.labels.len())
            .map(|index| (place(self.row(index), class, self.output), index))
            .collect();
        ranked.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
        let own = counts[class] as f64;
        let mut below = vec![0_u64; counts.len()];
        let mut here = vec![0_u64; counts.len()];
        for group in ranked.chunk_by(|left, right| left.0 == right.0) {
            for &(_, index) in group {
                here[self.labels[index] as usize] += 1;
            }
            let under = |other: usize| below[other] as f64 + here[other] as f64 / 2.0;
            let of_own: f64 = (0..counts.len())
                .filter(|&other| other != class)
                .map(|other| mixture[other] * under(other) / counts[other] as f64)
                .sum::<f64>()
                / own;
            let above_share = (own - under(class)) / own;
            for &(_, index) in group {
                let other = self.labels[index] as usize;
                parts[index] += if other == class {
                    of_own
                } else {
                    mixture[other] * above_share / counts[other] as f64
                };
            }
            for &(_, index) in group {
                let of_row = self.labels[index] as usize;
                below[of_row] += std::mem::take(&mut here[of_row]);
            }
        }
    }

    fn spread_within_classes(&self, parts: &[f64], counts: &[u64]) -> f64 {
        let mut sums = vec![ExactSum::default(); counts.len()];
        for (&part, &label) in parts.iter().zip(self.labels) {
            sums[label as usize].add(part);
        }
        let means: Vec<f64> = sums
            .iter()
            .zip(counts)
            .map(|(sum, &count)| sum.total() / count as f64)
            .collect();
        let mut squares = vec![ExactSum::default(); counts.len()];
        for (&part, &label) in parts.iter().zip(self.labels) {
            let distance = part - means[label as usize];
            squares[label as usize].add(distance * distance);
        }
        squares
            .iter()
            .zip(counts)
            .map(|(sum, &count)| sum.total() * count as f64 / (count - 1) as f64)
            .sum()
    }

    /// Returns the variance of the mean log loss; `None` with fewer than two rows or with an
    /// infinite loss.
    #[must_use]
    pub fn log_loss_variance(&self) -> Option<f64> {
        self.variance_of_mean(|row, truth| log_loss(row, truth, self.output))
    }

    /// Returns the variance of the mean Brier score; `None` with fewer than two rows.
    #[must_use]
    pub fn brier_variance(&self) -> Option<f64> {
        self.variance_of_mean(|row, truth| brier(row, truth, self.output))
    }

    fn variance_of_mean(&self, loss: impl Fn(&[f64], usize) -> f64) -> Option<f64> {
        let rows = self.labels.len();
        if rows < 2 {
            return None;
        }
        let losses = || (0..rows).map(|index| loss(self.row(index), self.labels[index] as usize));
        let mut sum = ExactSum::default();
        for loss in losses() {
            if !loss.is_finite() {
                return None;
            }
            sum.add(loss);
        }
        let mean = sum.total() / rows as f64;
        let mut squares = ExactSum::default();
        losses().for_each(|loss| squares.add((loss - mean) * (loss - mean)));
        Some(squares.total() / (rows - 1) as f64 / rows as f64)
    }
}

/// Returns the share of each `A_kj` in an average; shares sum to 1.
fn mixture(counts: &[u64], areas: ClassAreas, average: Average) -> Vec<Vec<f64>> {
    let classes = counts.len();
    let rows: f64 = counts.iter().map(|&count| count as f64).sum();
    let pairs = (classes * (classes - 1) / 2) as f64;
    // Over all pairs, the rows of a pair sum to every row once for each other class.
    let rows_of_pairs = rows * (classes - 1) as f64;
    let share = |first: usize, second: usize| {
        let (own, other) = (counts[first] as f64, counts[second] as f64);
        match (areas, average) {
            _ if first == second => 0.0,
            (ClassAreas::OneVersusRest, Average::Macro) => other / (rows - own) / classes as f64,
            (ClassAreas::OneVersusRest, Average::Weighted) => other / (rows - own) * own / rows,
            (ClassAreas::OneVersusOne, Average::Macro) => 0.5 / pairs,
            (ClassAreas::OneVersusOne, Average::Weighted) => 0.5 * (own + other) / rows_of_pairs,
        }
    };
    (0..classes)
        .map(|first| (0..classes).map(|second| share(first, second)).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auc::auc;
    use crate::metric::multiclass::MulticlassAccumulator;
    use crate::random::Stream;
    use crate::score::{ScoreAccumulator, ScoreSlice};

    /// Rows whose true class has a raised logit; a third of the outputs tie.
    fn rows(count: usize, classes: usize, seed: u64, lift: f64) -> (Vec<f64>, Vec<u32>) {
        let mut random = Stream::new(seed, 0, 0);
        let (mut outputs, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let truth = (random.unit() * random.unit() * classes as f64) as usize;
            for class in 0..classes {
                let logit = 2.0 * random.unit() + f64::from(u8::from(class == truth)) * lift;
                outputs.push((logit * 16.0).round() / 16.0);
            }
            labels.push(truth as u32);
        }
        (outputs, labels)
    }

    #[test]
    fn with_two_classes_it_is_delongs_variance() {
        let (outputs, labels) = rows(400, 2, 7, 0.7);
        let rows = ClassRows {
            outputs: &outputs,
            labels: &labels,
            classes: 2,
            output: OutputKind::Logits,
        };
        let scores: Vec<f64> = outputs.chunks_exact(2).map(|row| row[1] - row[0]).collect();
        let positives: Vec<bool> = labels.iter().map(|&label| label == 1).collect();
        let mut gathered = ScoreAccumulator::default();
        gathered
            .extend(ScoreSlice::Double(&scores), &positives)
            .expect("gathered");
        let binary = auc(&gathered.finish()).expect("an area");
        let expected = binary.variance.expect("a variance");
        for areas in [ClassAreas::OneVersusRest, ClassAreas::OneVersusOne] {
            for average in [Average::Macro, Average::Weighted] {
                let found = rows.area_variance(areas, average).expect("a variance");
                assert!(
                    (found / expected - 1.0).abs() < 1e-10,
                    "{areas:?} {average:?}: {found}, DeLong {expected}"
                );
            }
        }
    }

    #[test]
    fn the_shares_of_a_mixture_give_the_average_that_scikit_learn_defines() {
        let counts = [10, 25, 65];
        for areas in [ClassAreas::OneVersusRest, ClassAreas::OneVersusOne] {
            for average in [Average::Macro, Average::Weighted] {
                let sum: f64 = mixture(&counts, areas, average).iter().flatten().sum();
                assert!((sum - 1.0).abs() < 1e-12, "{areas:?} {average:?}: {sum}");
            }
        }
    }

    /// The spread of areas of many samples is what a single sample says that it is.
    #[test]
    fn the_variance_is_that_of_repeated_samples() {
        let (samples, classes) = (400, 4);
        let mut of_area = [Vec::new(), Vec::new()];
        let (mut told, mut losses, mut told_of_loss) = ([0.0, 0.0], Vec::new(), 0.0);
        for seed in 0..samples {
            let (outputs, labels) = rows(300, classes, 1_000 + seed, 1.0);
            let rows = ClassRows {
                outputs: &outputs,
                labels: &labels,
                classes,
                output: OutputKind::Logits,
            };
            let mut gathered = MulticlassAccumulator::new(classes, OutputKind::Logits);
            gathered.extend(&outputs, &labels).expect("gathered");
            let metrics = gathered.finish().expect("every class has rows");
            of_area[0].push(metrics.auc_ovr_macro);
            of_area[1].push(metrics.auc_ovo_macro);
            losses.push(metrics.brier);
            let variance = |areas| rows.area_variance(areas, Average::Macro).expect("defined");
            told[0] += variance(ClassAreas::OneVersusRest) / samples as f64;
            told[1] += variance(ClassAreas::OneVersusOne) / samples as f64;
            told_of_loss += rows.brier_variance().expect("defined") / samples as f64;
        }
        let variance = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares = values.iter().map(|value| (value - mean) * (value - mean));
            squares.sum::<f64>() / (values.len() - 1) as f64
        };
        // A variance of 400 normal values has a standard error of 7 %.
        for (told, found) in [
            (told[0], variance(&of_area[0])),
            (told[1], variance(&of_area[1])),
            (told_of_loss, variance(&losses)),
        ] {
            assert!(
                (told / found - 1.0).abs() < 0.25,
                "told {told}, found {found}"
            );
        }
    }

    #[test]
    fn the_order_of_rows_changes_no_bit() {
        let (outputs, labels) = rows(200, 3, 3, 0.5);
        let of = |outputs: &[f64], labels: &[u32]| {
            let rows = ClassRows {
                outputs,
                labels,
                classes: 3,
                output: OutputKind::Logits,
            };
            let area = rows.area_variance(ClassAreas::OneVersusOne, Average::Weighted);
            (
                area.expect("defined").to_bits(),
                rows.log_loss_variance().map(f64::to_bits),
            )
        };
        let turned: Vec<f64> = outputs.chunks_exact(3).rev().flatten().copied().collect();
        let turned_labels: Vec<u32> = labels.iter().rev().copied().collect();
        assert_eq!(of(&outputs, &labels), of(&turned, &turned_labels));
    }

    #[test]
    fn a_class_without_or_with_one_row_has_no_variance() {
        let of = |labels: &[u32]| {
            let outputs: Vec<f64> = (0..labels.len() * 3).map(|value| value as f64).collect();
            ClassRows {
                outputs: &outputs,
                labels,
                classes: 3,
                output: OutputKind::Logits,
            }
            .area_variance(ClassAreas::OneVersusRest, Average::Macro)
        };
        assert!(matches!(
            of(&[0, 0, 1, 1]),
            Err(MetricError::ClassAbsent { class: 2, .. })
        ));
        assert!(matches!(of(&[0, 0, 1, 1, 2]), Err(MetricError::Empty)));
    }
}
