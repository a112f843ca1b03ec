//! Two models on the same rows: the difference of their areas and its interval.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::auc::{Auc, AucFold, MetricError};
use crate::interval::{Bounds, IntervalError, Tails, bounds_always, normal_quantile};
use crate::proportion::combine;
use crate::score::{TieGroup, key_double};

/// Rows that share both models' raw outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PairedGroup {
    pub(crate) first: u64,
    pub(crate) second: u64,
    pub(crate) positives: u64,
    pub(crate) negatives: u64,
}

/// Gathers both models' outputs of the same rows, in any order and any number of batches.
#[derive(Clone, Debug, Default)]
pub struct PairedAccumulator {
    rows: Vec<(u64, u64, bool)>,
}

/// Why paired rows cannot be gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairedError {
    /// A score has no place in any order.
    #[error("the {model} model's score of row {index} of the batch is NaN")]
    NotANumber {
        /// `first` or `second`.
        model: &'static str,
        /// The position within the batch, from 0.
        index: usize,
    },
    /// The slices do not belong together.
    #[error("{first} and {second} scores came with {labels} labels")]
    Length {
        /// Scores of the first model.
        first: usize,
        /// Scores of the second model.
        second: usize,
        /// Labels.
        labels: usize,
    },
}

impl PairedAccumulator {
    /// Adds a batch; all slices have shape `[n]` and row i of each is the same row.
    ///
    /// # Errors
    /// [`PairedError`]; the accumulator is then not worth keeping.
    pub fn extend(
        &mut self,
        first: &[f64],
        second: &[f64],
        labels: &[bool],
    ) -> Result<(), PairedError> {
        if first.len() != labels.len() || second.len() != labels.len() {
            return Err(PairedError::Length {
                first: first.len(),
                second: second.len(),
                labels: labels.len(),
            });
        }
        for (index, ((&first, &second), &label)) in first.iter().zip(second).zip(labels).enumerate()
        {
            for (model, score) in [("first", first), ("second", second)] {
                if score.is_nan() {
                    return Err(PairedError::NotANumber { model, index });
                }
            }
            self.rows
                .push((key_double(first), key_double(second), label));
        }
        Ok(())
    }

    /// Adds everything that another accumulator holds.
    pub fn merge(&mut self, mut other: Self) {
        self.rows.append(&mut other.rows);
    }

    /// Sorts what was gathered.
    #[must_use]
    pub fn finish(mut self) -> PairedScores {
        self.rows.sort_unstable();
        let mut groups: Vec<PairedGroup> = Vec::new();
        for (first, second, label) in self.rows {
            let (positive, negative) = (u64::from(label), u64::from(!label));
            match groups.last_mut() {
                Some(group) if (group.first, group.second) == (first, second) => {
                    group.positives += positive;
                    group.negatives += negative;
                }
                _ => groups.push(PairedGroup {
                    first,
                    second,
                    positives: positive,
                    negatives: negative,
                }),
            }
        }
        PairedScores { groups }
    }
}

/// Both models' outputs in a canonical order, so that results do not depend on that of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairedScores {
    pub(crate) groups: Vec<PairedGroup>,
}

impl PairedScores {
    /// Tells whether both models gave the same output on every row.
    #[must_use]
    pub fn identical(&self) -> bool {
        self.groups.iter().all(|group| group.first == group.second)
    }

    /// Returns the positions of the groups in ascending order of the second model's output.
    pub(crate) fn order_of_second(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.groups.len() as u32).collect();
        order.sort_unstable_by_key(|&position| {
            let group = &self.groups[position as usize];
            (group.second, group.first)
        });
        order
    }
}

/// Both areas and what the interval of their difference needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedAreas {
    /// The first model, such as the champion.
    pub first: Auc,
    /// The second model, such as the challenger.
    pub second: Auc,
    /// `second - first`.
    pub difference: f64,
    /// DeLong's covariance of the two areas; nothing with fewer than two rows in a class.
    pub covariance: Option<f64>,
    /// The variance of the difference; nothing with fewer than two rows in a class.
    pub variance: Option<f64>,
    /// Whether both models gave the same output on every row.
    pub identical: bool,
}

/// A two-sided test of equal areas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedTest {
    /// The difference over its standard error; 0 when both vanish.
    pub z: f64,
    /// The two-sided probability; 1 when difference and standard error vanish.
    pub p_value: f64,
}

/// Computes both areas and the covariance from the placements of every row.
///
/// # Errors
/// As [`crate::auc::auc`].
///
/// Source: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44(3):837-845.
pub fn compare(scores: &PairedScores) -> Result<PairedAreas, MetricError> {
    let groups = &scores.groups;
    let positives: u64 = groups.iter().map(|group| group.positives).sum();
    let negatives: u64 = groups.iter().map(|group| group.negatives).sum();
    let order = scores.order_of_second();
    // Twice a row's placement among the other class, centred: as integers, so that sums are
    // exact. One entry a group and class, for the first model.
    let mut placed = vec![(0i64, 0i64); groups.len()];
    let first = place(
        (positives, negatives),
        groups.len(),
        |at| (at, groups[at].first),
        groups,
        |at, placement| placed[at] = placement,
    )?;
    let (mut of_positives, mut of_negatives) = (0i128, 0i128);
    let second = place(
        (positives, negatives),
        groups.len(),
        |at| (order[at] as usize, groups[order[at] as usize].second),
        groups,
        |at, placement| {
            let group = &groups[at];
            of_positives +=
                i128::from(group.positives) * i128::from(placed[at].0) * i128::from(placement.0);
            of_negatives +=
                i128::from(group.negatives) * i128::from(placed[at].1) * i128::from(placement.1);
        },
    )?;
    let covariance = (positives >= 2 && negatives >= 2).then(|| {
        let offsets = first.doubled_offset() * second.doubled_offset();
        let of_class = |rows: u64, others: u64, products: i128| {
            let (count, others) = (rows as f64, others as f64);
            let deviations = (i128::from(rows) * products - offsets) as f64;
            deviations / (2.0 * others).powi(2) / count / (count - 1.0) / count
        };
        of_class(positives, negatives, of_positives) + of_class(negatives, positives, of_negatives)
    });
    let (first_area, second_area) = (first.finish(), second.finish());
    let identical = scores.identical();
    let variance = match (first_area.variance, second_area.variance, covariance) {
        _ if identical => Some(0.0),
        (Some(one), Some(two), Some(both)) => Some((one + two - 2.0 * both).max(0.0)),
        _ => None,
    };
    Ok(PairedAreas {
        difference: second_area.value - first_area.value,
        first: first_area,
        second: second_area,
        covariance,
        variance,
        identical,
    })
}

/// Walks the groups in ascending order of one model's output; `at` gives the position and
/// the key of the n-th in that order, `visit` takes each group's centred, doubled placement
/// for a positive and for a negative row.
fn place(
    (positives, negatives): (u64, u64),
    count: usize,
    at: impl Fn(usize) -> (usize, u64),
    groups: &[PairedGroup],
    mut visit: impl FnMut(usize, (i64, i64)),
) -> Result<AucFold, MetricError> {
    let mut fold = AucFold::new(positives, negatives)?;
    let (mut positives_below, mut negatives_below) = (0u64, 0u64);
    let mut start = 0;
    while start < count {
        let key = at(start).1;
        let mut end = start;
        let mut tied = TieGroup {
            score: f64::NAN,
            positives: 0,
            negatives: 0,
        };
        while end < count && at(end).1 == key {
            let group = &groups[at(end).0];
            tied.positives += group.positives;
            tied.negatives += group.negatives;
            end += 1;
        }
        let of_positive = (2 * negatives_below + tied.negatives) as i64 - negatives as i64;
        // Positives above win over a negative row; turned round, so that both agree in sign.
        let of_negative = positives as i64 - (2 * positives_below + tied.positives) as i64;
        for position in start..end {
            visit(at(position).0, (of_positive, of_negative));
        }
        fold.push(tied);
        positives_below += tied.positives;
        negatives_below += tied.negatives;
        start = end;
    }
    Ok(fold)
}

impl PairedAreas {
    /// Tests whether the areas are equal; identical models give Z = 0 and p = 1, as pROC does.
    ///
    /// # Errors
    /// [`IntervalError::TooFewRows`]; [`IntervalError::ZeroVariance`] when the difference has
    /// no variance estimate but is not zero.
    pub fn test(&self) -> Result<PairedTest, IntervalError> {
        let variance = self.variance.ok_or(IntervalError::TooFewRows)?;
        if variance <= 0.0 {
            if self.difference == 0.0 {
                return Ok(PairedTest {
                    z: 0.0,
                    p_value: 1.0,
                });
            }
            return Err(IntervalError::ZeroVariance);
        }
        let z = self.difference / variance.sqrt();
        Ok(PairedTest {
            z,
            p_value: 2.0 * Normal::standard().cdf(-z.abs()),
        })
    }

    /// Computes bounds of `second - first`.
    ///
    /// Identical models differ by exactly 0. Different models without a variance estimate,
    /// such as two that both separate the classes perfectly, get bounds combined from those
    /// of each area: wide, never of width zero.
    ///
    /// # Errors
    /// [`IntervalError::Confidence`].
    pub fn bounds(
        &self,
        confidence: f64,
        tails: Tails,
    ) -> Result<(Bounds, &'static str), IntervalError> {
        let z = normal_quantile(tails.probability(confidence)?);
        if self.identical {
            let zero = Bounds {
                lower: 0.0,
                upper: 0.0,
            };
            return Ok((zero, "identical-models"));
        }
        if let Some(variance) = self.variance.filter(|&variance| variance > 0.0) {
            let reach = z * variance.sqrt();
            let found = Bounds {
                lower: (self.difference - reach).max(-1.0),
                upper: (self.difference + reach).min(1.0),
            };
            return Ok((found, "delong-paired"));
        }
        let of = |area: &Auc| bounds_always(area, confidence, tails).map(|found| found.0);
        let (first, second) = (of(&self.first)?, of(&self.second)?);
        let found = combine((self.first.value, first), (self.second.value, second));
        Ok((found, "combined-bounds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paired(rows: &[(f64, f64, bool)]) -> PairedScores {
        let mut gathered = PairedAccumulator::default();
        for &(first, second, label) in rows {
            gathered
                .extend(&[first], &[second], &[label])
                .expect("no NaN");
        }
        gathered.finish()
    }

    fn rows() -> impl Strategy<Value = Vec<(f64, f64, bool)>> {
        let score = || (-4i32..4).prop_map(f64::from);
        prop::collection::vec((score(), score(), any::<bool>()), 4..60).prop_filter(
            "two rows of each class",
            |rows| {
                let positives = rows.iter().filter(|row| row.2).count();
                positives >= 2 && rows.len() - positives >= 2
            },
        )
    }

    #[test]
    fn a_model_compared_with_itself_differs_by_exactly_zero() {
        let rows = [
            (0.1, 0.1, false),
            (0.4, 0.4, true),
            (0.3, 0.3, true),
            (0.35, 0.35, false),
        ];
        let found = compare(&paired(&rows)).expect("both classes");
        assert!(found.identical);
        assert_eq!(
            found.test(),
            Ok(PairedTest {
                z: 0.0,
                p_value: 1.0
            })
        );
        let (bounds, method) = found.bounds(0.95, Tails::OneSided).expect("defined");
        assert_eq!(
            (bounds.lower, bounds.upper, method),
            (0.0, 0.0, "identical-models")
        );
    }

    #[test]
    fn two_perfect_models_that_differ_have_an_interval_with_a_width() {
        let rows: Vec<_> = (0..40)
            .map(|row| {
                let label = row >= 20;
                (f64::from(row), f64::from(row).powi(2), label)
            })
            .collect();
        let found = compare(&paired(&rows)).expect("both classes");
        assert!(!found.identical);
        let (bounds, method) = found.bounds(0.95, Tails::OneSided).expect("defined");
        assert_eq!(method, "combined-bounds");
        assert!(bounds.lower < -0.01 && bounds.upper > 0.01, "{bounds:?}");
    }

    #[test]
    fn nan_is_refused_with_model_and_row() {
        let found =
            PairedAccumulator::default().extend(&[0.1, 0.2], &[0.3, f64::NAN], &[true, false]);
        assert_eq!(
            found,
            Err(PairedError::NotANumber {
                model: "second",
                index: 1
            })
        );
    }

    proptest! {
        #[test]
        fn exchanging_the_models_turns_the_difference_round(rows in rows()) {
            let turned: Vec<_> = rows.iter().map(|&(a, b, label)| (b, a, label)).collect();
            let (left, right) = (
                compare(&paired(&rows)).expect("both"),
                compare(&paired(&turned)).expect("both"),
            );
            prop_assert_eq!(left.difference, -right.difference);
            prop_assert_eq!(left.covariance, right.covariance);
            prop_assert_eq!((left.first, left.second), (right.second, right.first));
        }

        #[test]
        fn the_covariance_with_itself_is_the_variance_and_order_does_not_matter(rows in rows()) {
            let same: Vec<_> = rows.iter().map(|&(a, _, label)| (a, a * 2.0, label)).collect();
            let found = compare(&paired(&same)).expect("both");
            prop_assert_eq!(found.covariance, found.first.variance);
            prop_assert_eq!(found.first, found.second);
            let mut turned = rows.clone();
            turned.reverse();
            prop_assert_eq!(compare(&paired(&rows)), compare(&paired(&turned)));
        }
    }
}
