//! The exact area under the ROC curve and DeLong's variance, from one pass over sorted scores.
//!
//! Everything is counted in integers, so neither the order of rows nor a split into shards
//! can change a bit.

use crate::metric::RankedRows;
use crate::score::TieGroup;

pub use crate::metric::MetricError;

/// The area under the ROC curve with what its interval needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auc {
    /// The exact area, in 0..=1. Turning the scores round gives exactly `1 - value`.
    pub value: f64,
    /// DeLong's variance of `value`; nothing with fewer than two rows in either class.
    pub variance: Option<f64>,
    /// Rows of the positive class.
    pub positives: u64,
    /// Rows of the negative class.
    pub negatives: u64,
    /// Distinct scores.
    pub distinct_scores: u64,
}

/// Computes the area under the ROC curve by the rank-sum identity; ties count one half.
///
/// Value and variance are ratios of exact integers.
///
/// # Errors
/// [`MetricError`] when fewer than two classes are present (the area is then undefined, not
/// 0.5), or when there are more rows than the integers hold (some 6 billion).
///
/// Source: Hanley and McNeil (1982), Radiology 143(1):29-36; DeLong, DeLong and
/// Clarke-Pearson (1988), Biometrics 44(3):837-845.
pub fn auc(scores: &impl RankedRows) -> Result<Auc, MetricError> {
    let mut fold = AucFold::new(scores.positives(), scores.negatives())?;
    scores.for_each_tie_group(|group| fold.push(group));
    Ok(fold.finish())
}

/// The area and its variance in the making, for groups that are never in memory together.
#[derive(Clone, Debug)]
pub struct AucFold {
    positives: u64,
    negatives: u64,
    positives_below: u64,
    negatives_below: u64,
    distinct_scores: u64,
    /// Twice the number of pairs that are ordered rightly, ties one half.
    doubled_wins: u128,
    /// Sums over the rows of a class of the squared, doubled, centred placement.
    squares_of_positives: u128,
    squares_of_negatives: u128,
}

impl AucFold {
    /// Starts before the lowest group; the counts are those of all groups together.
    ///
    /// # Errors
    /// As [`auc`].
    pub fn new(positives: u64, negatives: u64) -> Result<Self, MetricError> {
        match (positives, negatives) {
            (0, 0) => return Err(MetricError::Empty),
            (0, _) | (_, 0) => {
                return Err(MetricError::SingleClass {
                    positives,
                    negatives,
                });
            }
            _ => {}
        }
        // The squares below stay under (positives * negatives)^2.
        if u128::from(positives) * u128::from(negatives) > 1 << 63 {
            return Err(MetricError::TooManyRows);
        }
        Ok(Self {
            positives,
            negatives,
            positives_below: 0,
            negatives_below: 0,
            distinct_scores: 0,
            doubled_wins: 0,
            squares_of_positives: 0,
            squares_of_negatives: 0,
        })
    }

    /// Takes the next group, in ascending order of the score.
    #[inline]
    pub fn push(&mut self, group: TieGroup) {
        if group.positives > 0 {
            let placement = 2 * self.negatives_below + group.negatives;
            self.doubled_wins += u128::from(group.positives) * u128::from(placement);
            self.squares_of_positives +=
                u128::from(group.positives) * square(placement.abs_diff(self.negatives));
        }
        if group.negatives > 0 {
            let placement = 2 * self.positives_below + group.positives;
            self.squares_of_negatives +=
                u128::from(group.negatives) * square(placement.abs_diff(self.positives));
        }
        self.positives_below += group.positives;
        self.negatives_below += group.negatives;
        self.distinct_scores += 1;
    }

    /// Returns twice the wins less the number of pairs: the sum over the positives of their
    /// doubled placements, centred.
    pub(crate) fn doubled_offset(&self) -> i128 {
        let pairs = u128::from(self.positives) * u128::from(self.negatives);
        // Both lie below 2^64 by the check in `new`.
        self.doubled_wins as i128 - pairs as i128
    }

    /// Returns the area and its variance.
    #[must_use]
    pub fn finish(&self) -> Auc {
        let pairs = u128::from(self.positives) * u128::from(self.negatives);
        let wins_over_half = self.doubled_offset().unsigned_abs();
        let variance = (self.positives >= 2 && self.negatives >= 2).then(|| {
            let offset = wins_over_half * wins_over_half;
            let of_class = |rows: u64, others: u64, squares: u128| {
                let (count, others) = (rows as f64, others as f64);
                // Below zero only where reading ended early, and then nothing counts.
                let deviations = (u128::from(rows) * squares).saturating_sub(offset) as f64;
                deviations / (2.0 * others).powi(2) / count / (count - 1.0) / count
            };
            of_class(self.positives, self.negatives, self.squares_of_positives)
                + of_class(self.negatives, self.positives, self.squares_of_negatives)
        });
        Auc {
            value: share(self.doubled_wins, 2 * pairs),
            variance,
            positives: self.positives,
            negatives: self.negatives,
            distinct_scores: self.distinct_scores,
        }
    }
}

fn square(number: u64) -> u128 {
    u128::from(number) * u128::from(number)
}

/// Divides so that `share(n, d) + share(d - n, d)` is exactly 1: a half or more is divided,
/// and what is less is taken from 1, which is exact.
pub(crate) fn share(numerator: u128, denominator: u128) -> f64 {
    let rest = denominator - numerator;
    if numerator >= rest {
        numerator as f64 / denominator as f64
    } else {
        1.0 - rest as f64 / denominator as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::{ScoreAccumulator, ScoreSlice};
    use proptest::prelude::*;

    fn auc_of(rows: &[(f64, bool)]) -> Result<Auc, MetricError> {
        let (scores, labels): (Vec<f64>, Vec<bool>) = rows.iter().copied().unzip();
        let mut gathered = ScoreAccumulator::new();
        gathered
            .extend(ScoreSlice::Double(&scores), &labels)
            .expect("no NaN");
        auc(&gathered.finish())
    }

    /// The definition: the share of pairs that are ordered rightly, ties one half.
    fn auc_by_pairs(rows: &[(f64, bool)]) -> f64 {
        let (mut wins, mut pairs) = (0.0, 0.0);
        for (positive, _) in rows.iter().filter(|row| row.1) {
            for (negative, _) in rows.iter().filter(|row| !row.1) {
                pairs += 1.0;
                wins += match positive.partial_cmp(negative) {
                    Some(std::cmp::Ordering::Greater) => 1.0,
                    Some(std::cmp::Ordering::Equal) => 0.5,
                    _ => 0.0,
                };
            }
        }
        wins / pairs
    }

    #[test]
    fn one_class_or_none_is_an_error_and_not_a_number() {
        assert_eq!(auc_of(&[]), Err(MetricError::Empty));
        assert_eq!(
            auc_of(&[(0.1, true), (0.2, true)]),
            Err(MetricError::SingleClass {
                positives: 2,
                negatives: 0
            })
        );
    }

    #[test]
    fn one_row_in_a_class_has_an_area_and_no_variance() {
        let area = auc_of(&[(0.1, true), (0.2, false), (0.3, false)]).expect("both classes");
        assert_eq!((area.value, area.variance), (0.0, None));
    }

    fn rows() -> impl Strategy<Value = Vec<(f64, bool)>> {
        // Few distinct values, so that ties are common.
        prop::collection::vec(((-8i32..8).prop_map(f64::from), any::<bool>()), 2..80)
            .prop_filter("both classes", |rows| {
                rows.iter().any(|row| row.1) && rows.iter().any(|row| !row.1)
            })
    }

    proptest! {
        #[test]
        fn it_equals_the_count_of_pairs(rows in rows()) {
            let area = auc_of(&rows).expect("both classes");
            prop_assert!((area.value - auc_by_pairs(&rows)).abs() < 1e-12);
        }

        #[test]
        fn an_increasing_map_of_the_scores_changes_nothing(rows in rows()) {
            let mapped: Vec<_> = rows.iter().map(|(s, l)| ((s * 0.3).exp() - 4.0, *l)).collect();
            prop_assert_eq!(auc_of(&rows), auc_of(&mapped));
        }

        #[test]
        fn negated_scores_or_swapped_labels_mirror_the_area(rows in rows()) {
            let area = auc_of(&rows).expect("both classes");
            let negated: Vec<_> = rows.iter().map(|(s, l)| (-s, *l)).collect();
            let swapped: Vec<_> = rows.iter().map(|(s, l)| (*s, !l)).collect();
            for mirrored in [negated, swapped] {
                let mirrored = auc_of(&mirrored).expect("both classes");
                prop_assert_eq!(mirrored.value, 1.0 - area.value);
                prop_assert_eq!(area.value, 1.0 - mirrored.value);
                if let (Some(left), Some(right)) = (area.variance, mirrored.variance) {
                    prop_assert!((left - right).abs() <= 4.0 * f64::EPSILON * left);
                }
            }
        }

        #[test]
        fn any_order_of_rows_gives_the_same_bits(rows in rows()) {
            let mut turned = rows.clone();
            turned.reverse();
            let middle = turned.len() / 2;
            turned.rotate_left(middle);
            prop_assert_eq!(auc_of(&rows), auc_of(&turned));
        }

        #[test]
        fn repeating_every_row_keeps_the_area(rows in rows()) {
            let twice: Vec<_> = rows.iter().chain(&rows).copied().collect();
            let once = auc_of(&rows).expect("both classes").value;
            prop_assert!((once - auc_of(&twice).expect("both classes").value).abs() < 1e-12);
        }
    }
}
