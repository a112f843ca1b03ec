//! The same check on many parts of the data, without the errors of many looks.
//!
//! Two different claims are made of slices, and they need different care:
//!
//! - "every slice meets the limit" is one claim that holds when each slice's test holds at
//!   the full level: an intersection-union test (Berger 1982, Technometrics 24:295-300). It
//!   needs no correction.
//! - "some slice misses the limit" is made whenever *any* test says so, so that with many
//!   slices one will by chance. Holm's step-down method keeps the probability of any false
//!   alarm at the level (Holm 1979, Scandinavian Journal of Statistics 6:65-70).

use crate::auc::Auc;
use crate::decision::{DecidingNumber, Limit, OnInconclusive, settle};
use crate::interval::{IntervalMethod, deciding_method, normal_cdf, score_statistic, student_cdf};
use crate::report::Outcome;

/// The rows that a slice must have to be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SliceMinimum {
    /// All rows.
    pub rows: u64,
    /// Rows of the positive class.
    pub positives: u64,
    /// Rows of the negative class.
    pub negatives: u64,
}

/// What was measured on a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceEstimate {
    /// What the rows have in common, such as `country=DE`.
    pub name: String,
    /// Rows of the positive class.
    pub positives: u64,
    /// Rows of the negative class.
    pub negatives: u64,
    /// The point estimate; nothing where the metric is undefined.
    pub value: Option<f64>,
    /// The probability of an estimate at least this bad, were the limit met exactly; small
    /// values speak against the slice. Nothing where there is no interval.
    pub p_below: Option<f64>,
    /// The probability of an estimate at least this good, were the limit met exactly; small
    /// values speak for the slice.
    pub p_above: Option<f64>,
}

/// Whether p-values are corrected for their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// Holm's step-down method.
    Holm,
    /// Each slice by itself.
    None,
}

/// What became of a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceVerdict {
    /// Which slice, by its position in the input.
    pub index: usize,
    /// How it came out; nothing when it has too few rows to be judged.
    pub outcome: Option<Outcome>,
    /// Whether the policy settled it since the sample left it open.
    pub settled: bool,
    /// The corrected probability of `p_below`.
    pub p_below_adjusted: Option<f64>,
}

/// How slices are judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SliceRule {
    /// What is asked of each slice.
    pub limit: Limit,
    /// The confidence, such as 0.95; errors are kept at `1 - confidence`.
    pub confidence: f64,
    /// Which number decides.
    pub decide_on: DecidingNumber,
    /// What becomes of a slice that its sample cannot decide.
    pub on_inconclusive: OnInconclusive,
    /// Slices with fewer rows are not judged.
    pub minimum: SliceMinimum,
    /// Whether failures are corrected for the number of slices.
    pub correction: Correction,
}

impl SliceMinimum {
    /// Tells whether a slice has enough rows.
    #[must_use]
    pub const fn is_met_by(&self, positives: u64, negatives: u64) -> bool {
        positives + negatives >= self.rows
            && positives >= self.positives
            && negatives >= self.negatives
    }
}

/// Judges slices. On the point estimate each is decided by itself. On a bound, a slice fails
/// when its corrected `p_below` is at most `1 - confidence`, passes when its `p_above` is
/// (or, on the generous bound, when it does not fail), and is left to the policy otherwise.
#[must_use]
pub fn judge_slices(slices: &[SliceEstimate], rule: &SliceRule) -> Vec<SliceVerdict> {
    let counted: Vec<bool> = slices
        .iter()
        .map(|slice| rule.minimum.is_met_by(slice.positives, slice.negatives))
        .collect();
    let family: Vec<usize> = (0..slices.len())
        .filter(|&index| counted[index] && slices[index].p_below.is_some())
        .collect();
    let raw: Vec<f64> = family
        .iter()
        .filter_map(|&index| slices[index].p_below)
        .collect();
    let adjusted = match rule.correction {
        Correction::Holm => holm(&raw),
        Correction::None => raw,
    };
    let error = 1.0 - rule.confidence;
    let generous = match rule.limit {
        Limit::AtLeast(_) => rule.decide_on == DecidingNumber::UpperBound,
        Limit::AtMost(_) => rule.decide_on == DecidingNumber::LowerBound,
    };
    slices
        .iter()
        .enumerate()
        .map(|(index, slice)| {
            let of_family = family.iter().position(|&member| member == index);
            let p_below_adjusted = of_family.map(|place| adjusted[place]);
            let value = slice.value.unwrap_or(f64::NAN);
            let found = match (rule.decide_on, slice.value, p_below_adjusted) {
                (_, None, _) => Outcome::Inconclusive,
                (DecidingNumber::Point, Some(_), _) => settle(
                    Outcome::Inconclusive,
                    value,
                    rule.limit,
                    OnInconclusive::Point,
                ),
                (_, _, Some(p)) if p <= error => Outcome::Fail,
                (_, _, Some(_)) if generous => Outcome::Pass,
                _ if slice.p_above.is_some_and(|p| p <= error) => Outcome::Pass,
                _ => Outcome::Inconclusive,
            };
            SliceVerdict {
                index,
                outcome: counted[index]
                    .then(|| settle(found, value, rule.limit, rule.on_inconclusive)),
                settled: counted[index] && found == Outcome::Inconclusive,
                p_below_adjusted,
            }
        })
        .collect()
}

/// Computes Holm's adjusted p-values, in the order of the input.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&left, &right| p_values[left].total_cmp(&p_values[right]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest = 0f64;
    for (rank, index) in order.into_iter().enumerate() {
        let factor = (p_values.len() - rank) as f64;
        largest = largest.max(p_values[index] * factor).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

/// A tested hypothesis about an area under the ROC curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TailProbabilities {
    /// The probability of an estimate at most this large.
    pub below: f64,
    /// The probability of an estimate at least this large.
    pub above: f64,
}

impl TailProbabilities {
    /// Returns `(p_below, p_above)` as seen from a limit: for a maximum, bad is large.
    #[must_use]
    pub const fn against(&self, limit: Limit) -> (f64, f64) {
        match limit {
            Limit::AtLeast(_) => (self.below, self.above),
            Limit::AtMost(_) => (self.above, self.below),
        }
    }
}

/// Tests an area against a value by the same rule as [`crate::interval::bounds_always`], so
/// that `above <= 1 - c` exactly when the lower bound at c is at least the value. Nothing for
/// a value outside 0 to 1.
#[must_use]
pub fn area_tails(area: &Auc, against: f64) -> Option<TailProbabilities> {
    if against.is_nan() || against <= 0.0 || against >= 1.0 {
        return None;
    }
    let by_score = || {
        let statistic = score_statistic(area, against);
        TailProbabilities {
            below: normal_cdf(statistic),
            above: normal_cdf(-statistic),
        }
    };
    let by_delong = || {
        let logit = |value: f64| (value / (1.0 - value)).ln();
        let slope = area.value * (1.0 - area.value);
        let standard_error = area.variance.unwrap_or(f64::NAN).sqrt() / slope;
        let statistic = (logit(area.value) - logit(against)) / standard_error;
        let degrees = area.positives.min(area.negatives) - 1;
        TailProbabilities {
            below: student_cdf(statistic, degrees),
            above: student_cdf(-statistic, degrees),
        }
    };
    Some(match deciding_method(area) {
        IntervalMethod::NewcombeScore => by_score(),
        IntervalMethod::Envelope => {
            // The wider bound belongs to the larger probability.
            let (one, two) = (by_score(), by_delong());
            TailProbabilities {
                below: one.below.max(two.below),
                above: one.above.max(two.above),
            }
        }
        _ => by_delong(),
    })
}

/// Tests an estimate with a standard error against a value, by the normal distribution.
/// Nothing for a standard error that is not above 0.
#[must_use]
pub fn normal_tails(estimate: f64, standard_error: f64, against: f64) -> Option<TailProbabilities> {
    (standard_error > 0.0).then(|| {
        let statistic = (estimate - against) / standard_error;
        TailProbabilities {
            below: normal_cdf(statistic),
            above: normal_cdf(-statistic),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::{Tails, bounds_always};
    use proptest::prelude::*;

    /// Equal to R's `p.adjust(p, "holm")` (the example of its manual's first values).
    #[test]
    fn holm_steps_down() {
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in found.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-15, "{found} {expected}");
        }
        assert_eq!(holm(&[]), Vec::<f64>::new());
        assert_eq!(holm(&[0.9, 0.8]), vec![1.0, 1.0]);
    }

    fn slice(name: &str, rows: u64, value: f64, p_below: f64) -> SliceEstimate {
        SliceEstimate {
            name: name.to_owned(),
            positives: rows / 2,
            negatives: rows - rows / 2,
            value: Some(value),
            p_below: Some(p_below),
            p_above: Some(1.0 - p_below),
        }
    }

    fn rule(correction: Correction, decide_on: DecidingNumber) -> SliceRule {
        SliceRule {
            limit: Limit::AtLeast(0.85),
            confidence: 0.95,
            decide_on,
            on_inconclusive: OnInconclusive::Distinct,
            minimum: SliceMinimum {
                rows: 100,
                positives: 30,
                negatives: 30,
            },
            correction,
        }
    }

    #[test]
    fn one_bad_looking_slice_of_many_fails_only_without_the_correction() {
        let mut slices = vec![slice("country=DE", 500, 0.80, 0.03)];
        slices.extend((0..9).map(|_| slice("other", 500, 0.93, 0.999)));
        let outcomes = |correction| -> Vec<_> {
            judge_slices(&slices, &rule(correction, DecidingNumber::LowerBound))
                .iter()
                .map(|verdict| verdict.outcome)
                .collect()
        };
        assert_eq!(outcomes(Correction::None)[0], Some(Outcome::Fail));
        assert_eq!(outcomes(Correction::Holm)[0], Some(Outcome::Inconclusive));
        assert_eq!(outcomes(Correction::Holm)[1], Some(Outcome::Pass));
        let generous = judge_slices(&slices, &rule(Correction::Holm, DecidingNumber::UpperBound));
        assert_eq!(generous[0].outcome, Some(Outcome::Pass));
        let point = judge_slices(&slices, &rule(Correction::Holm, DecidingNumber::Point));
        assert_eq!(point[0].outcome, Some(Outcome::Fail));
    }

    #[test]
    fn small_slices_are_not_judged_and_do_not_count() {
        let slices = [slice("a", 40, 0.2, 1e-9), slice("b", 200, 0.8, 0.04)];
        let found = judge_slices(&slices, &rule(Correction::Holm, DecidingNumber::LowerBound));
        assert_eq!(found[0].outcome, None);
        assert_eq!(found[1].outcome, Some(Outcome::Fail));
        assert_eq!(found[1].p_below_adjusted, Some(0.04));
    }

    proptest! {
        #[test]
        fn the_test_and_the_bound_say_the_same(
            value in 0.6f64..0.99,
            variance in 1e-5f64..5e-3,
            positives in 5u64..400,
            against in 0.5f64..0.98,
        ) {
            let area = Auc { value, variance: Some(variance), positives, negatives: 500, distinct_scores: 9 };
            let (bounds, _) = bounds_always(&area, 0.95, Tails::OneSided).expect("defined");
            prop_assume!((bounds.lower - against).abs() > 1e-9 && (bounds.upper - against).abs() > 1e-9);
            let tails = area_tails(&area, against).expect("defined");
            prop_assert_eq!(bounds.lower > against, tails.above < 0.05);
            prop_assert_eq!(bounds.upper < against, tails.below < 0.05);
        }
    }
}
