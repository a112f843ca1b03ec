//! Two models on the same rows: the difference of their areas and its interval.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::auc::{Auc, AucFold, MetricError};
use crate::interval::{Bounds, IntervalError, Tails, bounds_always, normal_quantile};
use crate::proportion::combine;
use crate::rows::{Rows, TaggedRow, groups};
use crate::score::TieGroup;

/// Tells whether both models gave the same output on every row.
#[must_use]
pub fn identical(rows: &impl Rows<2>) -> bool {
    rows.iter().all(|row| row.scores[0] == row.scores[1])
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

/// Computes both areas and the covariance from the placements of every row; weights and clusters
/// are left aside.
///
/// # Errors
/// As [`crate::auc::auc`].
///
/// Source: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44(3):837-845.
pub fn compare(rows: &impl Rows<2>) -> Result<PairedAreas, MetricError> {
    let joint = joint(rows)?;
    let (first, second) = (joint.first.finish(), joint.second.finish());
    let (positives, negatives) = (first.positives, first.negatives);
    let covariance = (positives >= 2 && negatives >= 2).then(|| {
        let offsets = joint.first.doubled_offset() * joint.second.doubled_offset();
        let of_class = |rows: u64, others: u64, products: i128| {
            let (count, others) = (rows as f64, others as f64);
            let deviations = (i128::from(rows) * products - offsets) as f64;
            deviations / (2.0 * others).powi(2) / count / (count - 1.0) / count
        };
        of_class(positives, negatives, joint.products_of_positives)
            + of_class(negatives, positives, joint.products_of_negatives)
    });
    let identical = joint.identical;
    let variance = match (first.variance, second.variance, covariance) {
        _ if identical => Some(0.0),
        (Some(one), Some(two), Some(both)) => Some((one + two - 2.0 * both).max(0.0)),
        _ => None,
    };
    Ok(PairedAreas {
        difference: second.value - first.value,
        first,
        second,
        covariance,
        variance,
        identical,
    })
}

/// Both areas in the making and the sums of products of placements.
struct Joint {
    first: AucFold,
    second: AucFold,
    products_of_positives: i128,
    products_of_negatives: i128,
    identical: bool,
}

/// Walks the rows by the first model's output, and then by the second's.
fn joint(rows: &impl Rows<2>) -> Result<Joint, MetricError> {
    let overview = rows.overview();
    let counts = (overview.positives, overview.negatives);
    if counts.0.max(counts.1) > i32::MAX as u64 {
        return Err(MetricError::TooManyRows);
    }
    let mut first = PlacementWalk::new(counts)?;
    let mut second = PlacementWalk::new(counts)?;
    let (mut products_of_positives, mut products_of_negatives) = (0i128, 0i128);
    let mut identical = true;
    // The sorted rows may borrow what makes them, `first` among it, until they are gone.
    {
        // A group's placement is known at its end: it is read ahead of the rows that it is of.
        let mut ahead = groups(rows.iter());
        let mut here = (f64::NAN, (0, 0));
        let placed = rows.iter().map(|row| {
            identical &= row.scores[0] == row.scores[1];
            if row.scores[0] != here.0
                && let Some((group, _)) = ahead.next()
            {
                here = (group.score, first.step(group));
            }
            let (of_positive, of_negative) = here.1;
            let placement: i32 = if row.positive {
                of_positive
            } else {
                of_negative
            };
            TaggedRow {
                score: row.scores[1],
                positive: row.positive,
                weight: 1.0,
                tag: placement.cast_unsigned(),
            }
        });
        let mut placed = rows.sort(placed).peekable();
        while let Some(row) = placed.next() {
            let mut tied = TieGroup {
                score: row.score,
                positives: 0,
                negatives: 0,
            };
            let (mut sum_of_positives, mut sum_of_negatives) = (0i64, 0i64);
            let mut next = Some(row);
            while let Some(row) = next {
                let placement = i64::from(row.tag.cast_signed());
                if row.positive {
                    tied.positives += 1;
                    sum_of_positives += placement;
                } else {
                    tied.negatives += 1;
                    sum_of_negatives += placement;
                }
                next = placed.next_if(|next| next.score == tied.score);
            }
            let (of_positive, of_negative) = second.step(tied);
            products_of_positives += i128::from(of_positive) * i128::from(sum_of_positives);
            products_of_negatives += i128::from(of_negative) * i128::from(sum_of_negatives);
        }
    }
    Ok(Joint {
        first: first.area,
        second: second.area,
        products_of_positives,
        products_of_negatives,
        identical,
    })
}

/// Gives each group of tied rows its placement.
struct PlacementWalk {
    area: AucFold,
    rows: (u64, u64),
    below: (u64, u64),
}

impl PlacementWalk {
    /// Starts before the lowest group; a class holds less than 2^31 rows.
    fn new(rows: (u64, u64)) -> Result<Self, MetricError> {
        Ok(Self {
            area: AucFold::new(rows.0, rows.1)?,
            rows,
            below: (0, 0),
        })
    }

    /// Takes the next group and returns the doubled, centred placement of a positive and of a
    /// negative row: integers, so that sums of products are exact.
    fn step(&mut self, group: TieGroup) -> (i32, i32) {
        let centred = |below: u64, tied: u64, all: u64| (2 * below + tied) as i64 - all as i64;
        let of_positive = centred(self.below.1, group.negatives, self.rows.1);
        // Positives above win over a negative row; turned round, so that both agree in sign.
        let of_negative = -centred(self.below.0, group.positives, self.rows.0);
        self.area.push(group);
        self.below.0 += group.positives;
        self.below.1 += group.negatives;
        (of_positive as i32, of_negative as i32)
    }
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
    use crate::rows::{OrderedRows, Row, RowAccumulator};
    use proptest::prelude::*;

    fn paired(rows: &[(f64, f64, bool)]) -> OrderedRows<2> {
        let mut gathered = RowAccumulator::default();
        gathered.extend(rows.iter().map(|&(first, second, positive)| Row {
            scores: [first, second],
            positive,
            weight: 1.0,
            cluster: None,
        }));
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
