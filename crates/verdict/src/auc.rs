//! The exact area under the ROC curve and DeLong's variance, from one pass over sorted scores.

use crate::score::RankedScores;

/// Why a metric is not defined on the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// There is nothing to rank.
    #[error("there are no rows")]
    Empty,
    /// Ranking needs rows of both classes.
    #[error(
        "only one class is present ({positives} positive, {negatives} negative rows): auc is undefined"
    )]
    SingleClass {
        /// Rows of the positive class.
        positives: u64,
        /// Rows of the negative class.
        negatives: u64,
    },
}

/// The area under the ROC curve with what its interval needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auc {
    /// The exact area, in 0..=1.
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
/// The numerator is an integer, so the value does not depend on any order of summation. The
/// variance sums over groups of tied scores in ascending order, in two passes.
///
/// # Errors
/// [`MetricError`] when fewer than two classes are present: the area is undefined, not 0.5.
///
/// Source: Hanley and McNeil (1982), Radiology 143(1):29-36; DeLong, DeLong and
/// Clarke-Pearson (1988), Biometrics 44(3):837-845.
pub fn auc(scores: &RankedScores) -> Result<Auc, MetricError> {
    let (positives, negatives) = (scores.positives(), scores.negatives());
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
    let mut doubled_wins: u128 = 0;
    let mut negatives_below: u64 = 0;
    let mut distinct_scores: u64 = 0;
    scores.for_each_tie_group(|group| {
        doubled_wins += u128::from(group.positives)
            * (2 * u128::from(negatives_below) + u128::from(group.negatives));
        negatives_below += group.negatives;
        distinct_scores += 1;
    });
    let pairs = u128::from(positives) * u128::from(negatives);
    let value = doubled_wins as f64 / (2 * pairs) as f64;
    let variance = (positives >= 2 && negatives >= 2).then(|| variance(scores, value));
    Ok(Auc {
        value,
        variance,
        positives,
        negatives,
        distinct_scores,
    })
}

/// Computes DeLong's variance around the known area; both classes hold at least two rows.
fn variance(scores: &RankedScores, area: f64) -> f64 {
    let (positives, negatives) = (scores.positives(), scores.negatives());
    let (positives_f, negatives_f) = (positives as f64, negatives as f64);
    let (mut positives_below, mut negatives_below) = (0u64, 0u64);
    let (mut of_positives, mut of_negatives) = (Sum::default(), Sum::default());
    scores.for_each_tie_group(|group| {
        if group.positives > 0 {
            let placement = (negatives_below as f64 + group.negatives as f64 / 2.0) / negatives_f;
            of_positives.add(group.positives as f64 * (placement - area).powi(2));
        }
        if group.negatives > 0 {
            let above = positives - positives_below - group.positives;
            let placement = (above as f64 + group.positives as f64 / 2.0) / positives_f;
            of_negatives.add(group.negatives as f64 * (placement - area).powi(2));
        }
        positives_below += group.positives;
        negatives_below += group.negatives;
    });
    of_positives.total() / (positives_f - 1.0) / positives_f
        + of_negatives.total() / (negatives_f - 1.0) / negatives_f
}

/// A compensated sum, so that a billion small terms lose nothing.
///
/// Source: Neumaier (1974), Z. Angew. Math. Mech. 54:39-51.
#[derive(Default)]
struct Sum {
    sum: f64,
    compensation: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        let next = self.sum + term;
        self.compensation += if self.sum.abs() >= term.abs() {
            (self.sum - next) + term
        } else {
            (term - next) + self.sum
        };
        self.sum = next;
    }

    fn total(&self) -> f64 {
        self.sum + self.compensation
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
                prop_assert!((area.value + mirrored.value - 1.0).abs() < 1e-12);
                if let (Some(left), Some(right)) = (area.variance, mirrored.variance) {
                    prop_assert!((left - right).abs() < 1e-12);
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
