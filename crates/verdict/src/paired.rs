//! Two models on the same rows: the difference of their areas and its interval.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::auc::{Auc, AucFold, MetricError};
use crate::interval::{Bounds, IntervalError, Tails, bounds_always, normal_quantile};
use crate::metric::RankedRows;
use crate::proportion::combine;
use crate::score::{TieGroup, key_double, key_of_single, score_of_double, score_of_single};

/// Gathers both models' outputs of the same rows, in any order and any number of batches.
///
/// A row takes 8 bytes while all outputs are exact in single precision, and 16 otherwise.
#[derive(Clone, Debug, Default)]
pub struct PairedAccumulator {
    keys: PairKeys,
}

/// The keys of both models' outputs, by class.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PairKeys {
    Single(ClassPairs<u32>),
    Double(ClassPairs<u64>),
}

impl Default for PairKeys {
    fn default() -> Self {
        Self::Single(ClassPairs::default())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ClassPairs<K> {
    positives: Vec<(K, K)>,
    negatives: Vec<(K, K)>,
}

impl<K: Copy + Ord> ClassPairs<K> {
    fn push(&mut self, pair: (K, K), label: bool) {
        if label {
            self.positives.push(pair);
        } else {
            self.negatives.push(pair);
        }
    }

    fn append(&mut self, mut other: Self) {
        self.positives.append(&mut other.positives);
        self.negatives.append(&mut other.negatives);
    }

    fn sort(&mut self) {
        self.positives.sort_unstable();
        self.negatives.sort_unstable();
    }

    fn identical(&self) -> bool {
        let mut all = self.positives.iter().chain(&self.negatives);
        all.all(|pair| pair.0 == pair.1)
    }

    /// Returns the first model's least and largest score.
    fn range(&self, score: impl Fn(K) -> f64) -> Option<(f64, f64)> {
        let ends = [&self.positives, &self.negatives]
            .into_iter()
            .filter_map(|pairs| pairs.first().zip(pairs.last()));
        let (first, last) = ends
            .map(|(first, last)| (first.0, last.0))
            .reduce(|one, two| (one.0.min(two.0), one.1.max(two.1)))?;
        Some((score(first), score(last)))
    }

    /// Calls `visit` with each group of rows that share the first model's output, ascending.
    fn for_each_tie_group(&self, score: impl Fn(K) -> f64, mut visit: impl FnMut(TieGroup)) {
        walk(
            &self.positives,
            &self.negatives,
            |pair| pair.0,
            |key, positives, negatives| {
                visit(TieGroup {
                    score: score(key),
                    positives: positives.len() as u64,
                    negatives: negatives.len() as u64,
                });
            },
        );
    }

    /// Calls `visit` with each group of rows that are alike, ascending.
    fn for_each_group(&self, score: impl Fn(K) -> f64, mut visit: impl FnMut(PairedGroup)) {
        walk(
            &self.positives,
            &self.negatives,
            |pair| *pair,
            |pair, positives, negatives| {
                visit(PairedGroup {
                    first: score(pair.0),
                    second: score(pair.1),
                    positives: positives.len() as u64,
                    negatives: negatives.len() as u64,
                });
            },
        );
    }
}

fn widen(pairs: &ClassPairs<u32>) -> ClassPairs<u64> {
    let key = |key: u32| key_double(f64::from(score_of_single(key)));
    let all = |pairs: &Vec<(u32, u32)>| {
        let widened = pairs.iter().map(|pair| (key(pair.0), key(pair.1)));
        widened.collect()
    };
    ClassPairs {
        positives: all(&pairs.positives),
        negatives: all(&pairs.negatives),
    }
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
            self.push(first, second, label);
        }
        Ok(())
    }

    fn push(&mut self, first: f64, second: f64, label: bool) {
        if let PairKeys::Single(pairs) = &mut self.keys {
            let (narrow_first, narrow_second) = (first as f32, second as f32);
            if f64::from(narrow_first) == first && f64::from(narrow_second) == second {
                let pair = (key_of_single(narrow_first), key_of_single(narrow_second));
                pairs.push(pair, label);
                return;
            }
            self.keys = PairKeys::Double(widen(pairs));
        }
        if let PairKeys::Double(pairs) = &mut self.keys {
            pairs.push((key_double(first), key_double(second)), label);
        }
    }

    /// Adds everything that another accumulator holds.
    pub fn merge(&mut self, other: Self) {
        match (&mut self.keys, other.keys) {
            (PairKeys::Single(mine), PairKeys::Single(theirs)) => mine.append(theirs),
            (PairKeys::Double(mine), PairKeys::Double(theirs)) => mine.append(theirs),
            (PairKeys::Double(mine), PairKeys::Single(theirs)) => mine.append(widen(&theirs)),
            (PairKeys::Single(mine), PairKeys::Double(theirs)) => {
                let mut wide = widen(mine);
                wide.append(theirs);
                self.keys = PairKeys::Double(wide);
            }
        }
    }

    /// Sorts what was gathered.
    #[must_use]
    pub fn finish(mut self) -> PairedScores {
        match &mut self.keys {
            PairKeys::Single(pairs) => pairs.sort(),
            PairKeys::Double(pairs) => pairs.sort(),
        }
        PairedScores { keys: self.keys }
    }
}

/// Both models' outputs in a canonical order, so that results do not depend on that of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairedScores {
    keys: PairKeys,
}

/// Rows that share both models' raw outputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PairedGroup {
    pub(crate) first: f64,
    pub(crate) second: f64,
    pub(crate) positives: u64,
    pub(crate) negatives: u64,
}

impl PairedScores {
    /// Tells whether both models gave the same output on every row.
    #[must_use]
    pub fn identical(&self) -> bool {
        match &self.keys {
            PairKeys::Single(pairs) => pairs.identical(),
            PairKeys::Double(pairs) => pairs.identical(),
        }
    }

    /// Returns the rows as the first model ranks them.
    #[must_use]
    pub const fn first(&self) -> FirstOfPairs<'_> {
        FirstOfPairs(self)
    }

    /// Calls `visit` with each group of rows that are alike, ascending by the first model's
    /// output and then by the second's.
    pub(crate) fn for_each_group(&self, visit: impl FnMut(PairedGroup)) {
        match &self.keys {
            PairKeys::Single(pairs) => {
                pairs.for_each_group(|key| f64::from(score_of_single(key)), visit);
            }
            PairKeys::Double(pairs) => pairs.for_each_group(score_of_double, visit),
        }
    }
}

/// Pairs as the first model ranks them.
#[derive(Clone, Copy, Debug)]
pub struct FirstOfPairs<'a>(&'a PairedScores);

impl RankedRows for FirstOfPairs<'_> {
    fn positives(&self) -> u64 {
        match &self.0.keys {
            PairKeys::Single(pairs) => pairs.positives.len() as u64,
            PairKeys::Double(pairs) => pairs.positives.len() as u64,
        }
    }

    fn negatives(&self) -> u64 {
        match &self.0.keys {
            PairKeys::Single(pairs) => pairs.negatives.len() as u64,
            PairKeys::Double(pairs) => pairs.negatives.len() as u64,
        }
    }

    fn range(&self) -> Option<(f64, f64)> {
        match &self.0.keys {
            PairKeys::Single(pairs) => pairs.range(|key| f64::from(score_of_single(key))),
            PairKeys::Double(pairs) => pairs.range(score_of_double),
        }
    }

    fn for_each_tie_group(&self, visit: impl FnMut(TieGroup)) {
        match &self.0.keys {
            PairKeys::Single(pairs) => {
                pairs.for_each_tie_group(|key| f64::from(score_of_single(key)), visit);
            }
            PairKeys::Double(pairs) => pairs.for_each_tie_group(score_of_double, visit),
        }
    }
}

/// Walks two ascending lists and calls `visit` with each key and the items of both that have
/// it.
fn walk<T, K: Copy + Ord>(
    mut positives: &[T],
    mut negatives: &[T],
    key: impl Fn(&T) -> K,
    mut visit: impl FnMut(K, &[T], &[T]),
) {
    loop {
        let next = match (positives.first().map(&key), negatives.first().map(&key)) {
            (Some(left), Some(right)) => left.min(right),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => return,
        };
        let tied = |items: &[T]| items.iter().take_while(|item| key(item) == next).count();
        let (of_positives, of_negatives) = (tied(positives), tied(negatives));
        visit(next, &positives[..of_positives], &negatives[..of_negatives]);
        positives = &positives[of_positives..];
        negatives = &negatives[of_negatives..];
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
    let joint = match &scores.keys {
        PairKeys::Single(pairs) => joint(pairs)?,
        PairKeys::Double(pairs) => joint(pairs)?,
    };
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
    let identical = scores.identical();
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
}

/// Walks the rows by the first model's output and then by the second's.
fn joint<K: Copy + Ord>(pairs: &ClassPairs<K>) -> Result<Joint, MetricError> {
    let rows = (pairs.positives.len() as u64, pairs.negatives.len() as u64);
    if rows.0.max(rows.1) > i32::MAX as u64 {
        return Err(MetricError::TooManyRows);
    }
    let mut first = PlacementWalk::new(rows)?;
    // The second model's key of each row beside the first model's placement.
    let mut placed_positives = Vec::with_capacity(pairs.positives.len());
    let mut placed_negatives = Vec::with_capacity(pairs.negatives.len());
    walk(
        &pairs.positives,
        &pairs.negatives,
        |pair| pair.0,
        |_, positives, negatives| {
            let (of_positive, of_negative) = first.step(positives.len(), negatives.len());
            placed_positives.extend(positives.iter().map(|pair| (pair.1, of_positive)));
            placed_negatives.extend(negatives.iter().map(|pair| (pair.1, of_negative)));
        },
    );
    placed_positives.sort_unstable();
    placed_negatives.sort_unstable();
    let mut second = PlacementWalk::new(rows)?;
    let (mut of_positives, mut of_negatives) = (0i128, 0i128);
    let sum = |placed: &[(K, i32)]| -> i64 { placed.iter().map(|item| i64::from(item.1)).sum() };
    walk(
        &placed_positives,
        &placed_negatives,
        |placed| placed.0,
        |_, positives, negatives| {
            let (of_positive, of_negative) = second.step(positives.len(), negatives.len());
            of_positives += i128::from(of_positive) * i128::from(sum(positives));
            of_negatives += i128::from(of_negative) * i128::from(sum(negatives));
        },
    );
    Ok(Joint {
        first: first.area,
        second: second.area,
        products_of_positives: of_positives,
        products_of_negatives: of_negatives,
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
    fn step(&mut self, positives: usize, negatives: usize) -> (i32, i32) {
        let (positives, negatives) = (positives as u64, negatives as u64);
        let centred = |below: u64, tied: u64, all: u64| (2 * below + tied) as i64 - all as i64;
        let of_positive = centred(self.below.1, negatives, self.rows.1);
        // Positives above win over a negative row; turned round, so that both agree in sign.
        let of_negative = -centred(self.below.0, positives, self.rows.0);
        self.area.push(TieGroup {
            score: f64::NAN,
            positives,
            negatives,
        });
        self.below = (self.below.0 + positives, self.below.1 + negatives);
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
