//! How much data a decision needs, before any is gathered.
//!
//! Each function answers: how many rows or calls, so that a model as good as expected is
//! found so with the given power, while one at the limit passes with probability
//! `1 - confidence` at most.

use crate::auc::Auc;
use crate::interval::{CLASS_ROWS_MINIMUM, normal_cdf, normal_quantile, student_quantile};
use crate::latency::{QuantileQuestion, binomial_cdf, samples_minimum};

/// Why there is no plan.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A number outside its range.
    #[error("{name} is {value}; it must lie strictly between {low} and {high}")]
    Range {
        /// What it is called.
        name: &'static str,
        /// What it was.
        value: f64,
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// A model exactly at the limit is never told from it.
    #[error("the expected value equals the limit, so no number of rows decides")]
    Undecidable,
    /// More than can be gathered.
    #[error("more than {maximum} would be needed: the expected value is too near the limit")]
    TooMany {
        /// The largest number that is looked at.
        maximum: u64,
    },
}

fn within(name: &'static str, value: f64, low: f64, high: f64) -> Result<f64, PlanError> {
    if value > low && value < high {
        return Ok(value);
    }
    Err(PlanError::Range {
        name,
        value,
        low,
        high,
    })
}

/// How sure a decision must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assurance {
    /// The confidence of the bound that decides, such as 0.95.
    pub confidence: f64,
    /// The probability with which a model as good as expected passes, such as 0.8.
    pub power: f64,
}

impl Assurance {
    fn check(self) -> Result<Self, PlanError> {
        within("the confidence", self.confidence, 0.5, 1.0)?;
        within("the power", self.power, 0.0, 1.0)?;
        Ok(self)
    }
}

/// Rows of each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowsNeeded {
    /// Rows of the positive class.
    pub positives: u64,
    /// Rows of the negative class.
    pub negatives: u64,
}

impl RowsNeeded {
    /// Returns all rows.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.positives + self.negatives
    }
}

const POSITIVES_MAXIMUM: u64 = 1_000_000_000;

/// A question about an area under the ROC curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AreaQuestion {
    /// The limit.
    pub minimum: f64,
    /// The area that the model is expected to have; below the limit, the plan is for showing
    /// that.
    pub expected: f64,
    /// The share of positive rows.
    pub prevalence: f64,
}

impl AreaQuestion {
    fn check(self) -> Result<Self, PlanError> {
        within("the minimum", self.minimum, 0.0, 1.0)?;
        within("the expected area", self.expected, 0.0, 1.0)?;
        within("the share of positives", self.prevalence, 0.0, 1.0)?;
        if self.minimum == self.expected {
            return Err(PlanError::Undecidable);
        }
        Ok(self)
    }

    fn negatives(&self, positives: u64) -> u64 {
        let odds = (1.0 - self.prevalence) / self.prevalence;
        ((positives as f64 * odds).ceil() as u64).max(1)
    }
}

/// Returns the variance of an estimated area when the scores of both classes are normal with
/// one variance: `[A (1 - A) + (m + n - 2) x] / (m n)`, where x is the variance of a
/// placement. Where positives vary more than negatives it is up to twice as large.
///
/// Source: Bamber (1975), Journal of Mathematical Psychology 12:387-415.
#[must_use]
pub fn area_variance(area: f64, rows: RowsNeeded) -> f64 {
    let (positives, negatives) = (rows.positives as f64, rows.negatives as f64);
    (area * (1.0 - area) + (positives + negatives - 2.0) * placement_variance(area))
        / (positives * negatives)
}

/// Integrates `Phi(x)^2 phi(x - d) dx - A^2`, with the distance d that gives the area A.
fn placement_variance(area: f64) -> f64 {
    let distance = std::f64::consts::SQRT_2 * normal_quantile(area);
    let (steps, reach) = (400, 9.0);
    let width = 2.0 * reach / f64::from(steps);
    let density = |z: f64| (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    // The integrand vanishes at both ends with all its derivatives, so that the trapezoid
    // rule converges faster than any power of the width.
    let square: f64 = (0..=steps)
        .map(|step| f64::from(step) * width - reach)
        .map(|z| density(z) * normal_cdf(z + distance).powi(2) * width)
        .sum();
    (square - area * area).max(0.0)
}

/// Returns the probability that a check on the cautious bound (logit-t) decides as the
/// expected area deserves.
///
/// # Errors
/// [`PlanError`].
pub fn area_power(
    question: AreaQuestion,
    confidence: f64,
    rows: RowsNeeded,
) -> Result<f64, PlanError> {
    let question = question.check()?;
    within("the confidence", confidence, 0.5, 1.0)?;
    let smaller = rows.positives.min(rows.negatives);
    if smaller < 2 {
        return Ok(0.0);
    }
    let logit = |area: f64| (area / (1.0 - area)).ln();
    let expected = question.expected;
    let standard_error = area_variance(expected, rows).sqrt() / (expected * (1.0 - expected));
    let distance = (logit(expected) - logit(question.minimum)).abs() / standard_error;
    Ok(normal_cdf(
        distance - student_quantile(confidence, smaller - 1),
    ))
}

/// Returns the rows that a check of an area needs, from what is expected.
///
/// # Errors
/// [`PlanError`].
pub fn rows_for_area(
    question: AreaQuestion,
    assurance: Assurance,
) -> Result<RowsNeeded, PlanError> {
    let (question, assurance) = (question.check()?, assurance.check()?);
    let rows = |positives: u64| RowsNeeded {
        positives,
        negatives: question.negatives(positives),
    };
    let enough = |positives: u64| {
        area_power(question, assurance.confidence, rows(positives))
            .is_ok_and(|power| power >= assurance.power)
    };
    // With positives in the majority the negatives are the smaller class.
    let odds = question.prevalence / (1.0 - question.prevalence);
    let least = CLASS_ROWS_MINIMUM.max((CLASS_ROWS_MINIMUM as f64 * odds).ceil() as u64);
    first_enough(least, POSITIVES_MAXIMUM, enough).map(rows)
}

/// Returns the rows that a check of an area needs, scaled up from what was measured.
///
/// # Errors
/// [`PlanError`]; [`PlanError::Undecidable`] also without a variance.
pub fn rows_from_measured(
    area: &Auc,
    minimum: f64,
    assurance: Assurance,
) -> Result<RowsNeeded, PlanError> {
    let assurance = assurance.check()?;
    within("the minimum", minimum, 0.0, 1.0)?;
    within("the measured area", area.value, 0.0, 1.0)?;
    let variance = area.variance.filter(|&variance| variance > 0.0);
    let Some(variance) = variance.filter(|_| area.value != minimum) else {
        return Err(PlanError::Undecidable);
    };
    let logit = |area: f64| (area / (1.0 - area)).ln();
    let standard_error = variance.sqrt() / (area.value * (1.0 - area.value));
    let reach = normal_quantile(assurance.confidence) + normal_quantile(assurance.power);
    let factor = (reach * standard_error / (logit(area.value) - logit(minimum))).powi(2);
    let scale = |rows: u64| ((rows as f64 * factor).ceil().max(1.0)) as u64;
    if scale(area.positives) > POSITIVES_MAXIMUM {
        return Err(PlanError::TooMany {
            maximum: POSITIVES_MAXIMUM,
        });
    }
    let smaller = area.positives.min(area.negatives) as f64;
    let floor = (CLASS_ROWS_MINIMUM as f64 / smaller).max(factor);
    let scale = |rows: u64| ((rows as f64 * floor).ceil()) as u64;
    Ok(RowsNeeded {
        positives: scale(area.positives),
        negatives: scale(area.negatives),
    })
}

/// A question about the difference of two models' areas on the same rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DifferenceQuestion {
    /// The loss that is still accepted, 0 or more.
    pub margin: f64,
    /// The difference that is expected; 0 for a model that is just as good.
    pub expected: f64,
    /// The area of both, about.
    pub area: f64,
    /// The correlation of the two estimates; models that are much alike have 0.8 and more.
    pub correlation: f64,
    /// The share of positive rows.
    pub prevalence: f64,
}

/// Returns the rows that showing non-inferiority needs.
///
/// # Errors
/// [`PlanError`].
pub fn rows_for_difference(
    question: DifferenceQuestion,
    assurance: Assurance,
) -> Result<RowsNeeded, PlanError> {
    let assurance = assurance.check()?;
    within("the area", question.area, 0.0, 1.0)?;
    within("the correlation", question.correlation, -1.0, 1.0)?;
    within("the share of positives", question.prevalence, 0.0, 1.0)?;
    let distance = question.expected + question.margin;
    if distance.is_nan() || distance <= 0.0 {
        return Err(PlanError::Undecidable);
    }
    let reach = normal_quantile(assurance.confidence) + normal_quantile(assurance.power);
    let of_area = AreaQuestion {
        minimum: question.area,
        expected: question.area,
        prevalence: question.prevalence,
    };
    let rows = |positives: u64| RowsNeeded {
        positives,
        negatives: of_area.negatives(positives),
    };
    let enough = |positives: u64| {
        let rows = rows(positives);
        let variance = 2.0 * area_variance(question.area, rows) * (1.0 - question.correlation);
        rows.positives.min(rows.negatives) >= CLASS_ROWS_MINIMUM
            && distance >= reach * variance.max(0.0).sqrt()
    };
    first_enough(1, POSITIVES_MAXIMUM, enough).map(rows)
}

/// Returns the rows that a check of a proportion (recall over positives, precision over
/// predicted positives, accuracy over all rows) needs, by the normal approximation.
///
/// Source: Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions.
///
/// # Errors
/// [`PlanError`].
pub fn rows_for_proportion(
    limit: f64,
    expected: f64,
    assurance: Assurance,
) -> Result<u64, PlanError> {
    let assurance = assurance.check()?;
    within("the limit", limit, 0.0, 1.0)?;
    within("the expected share", expected, 0.0, 1.0)?;
    if limit == expected {
        return Err(PlanError::Undecidable);
    }
    let spread = |share: f64| (share * (1.0 - share)).sqrt();
    let reach = normal_quantile(assurance.confidence) * spread(limit)
        + normal_quantile(assurance.power) * spread(expected);
    let rows = (reach / (expected - limit)).powi(2).ceil();
    if rows > POSITIVES_MAXIMUM as f64 {
        return Err(PlanError::TooMany {
            maximum: POSITIVES_MAXIMUM,
        });
    }
    Ok(rows.max(1.0) as u64)
}

/// Timed calls that a check of a quantile needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallsNeeded {
    /// The calls to make.
    pub calls: u64,
    /// How many of them may exceed the limit.
    pub exceedances_maximum: u64,
}

const EXCEEDANCES_MAXIMUM: u64 = 100_000;

/// Returns the calls that a check of a latency quantile needs when a share `exceeding` of
/// all calls truly exceeds the limit; 0 gives the least number of all.
///
/// # Errors
/// [`PlanError`]; [`PlanError::Undecidable`] when as many exceed the limit as the quantile
/// allows.
pub fn calls_for_quantile(
    question: QuantileQuestion,
    exceeding: f64,
    power: f64,
) -> Result<CallsNeeded, PlanError> {
    within("the quantile", question.quantile, 0.0, 1.0)?;
    within("the confidence", question.confidence, 0.0, 1.0)?;
    within("the power", power, 0.0, 1.0)?;
    if exceeding.is_nan() || exceeding < 0.0 || exceeding + question.quantile > 1.0 - 1e-12 {
        return Err(PlanError::Undecidable);
    }
    // For a number of exceedances the least sample that allows it passes most often.
    let enough = |exceedances: u64| {
        let calls = samples_minimum(question, exceedances);
        exceeding == 0.0 || binomial_cdf(exceedances, calls, exceeding) >= power
    };
    let exceedances = if enough(0) {
        0
    } else {
        first_enough(1, EXCEEDANCES_MAXIMUM, enough)?
    };
    Ok(CallsNeeded {
        calls: samples_minimum(question, exceedances),
        exceedances_maximum: exceedances,
    })
}

/// Returns the least number from `least` on for which a monotone condition holds.
fn first_enough(least: u64, maximum: u64, enough: impl Fn(u64) -> bool) -> Result<u64, PlanError> {
    let mut high = least;
    while !enough(high) {
        if high >= maximum {
            return Err(PlanError::TooMany { maximum });
        }
        high = (high * 2).min(maximum);
    }
    let mut low = (high / 2).max(least.saturating_sub(1));
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(if enough(least) { least } else { high })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auc::auc;
    use crate::interval::{IntervalMethod, Tails, bounds};
    use crate::random::Stream;
    use crate::score::{ScoreAccumulator, ScoreSlice};

    const USUAL: Assurance = Assurance {
        confidence: 0.95,
        power: 0.8,
    };

    #[test]
    fn the_power_is_about_that_of_simulated_checks() {
        let question = AreaQuestion {
            minimum: 0.85,
            expected: 0.9,
            prevalence: 0.1,
        };
        let shift = std::f64::consts::SQRT_2 * normal_quantile(question.expected);
        for positives in [60, 150] {
            let rows = RowsNeeded {
                positives,
                negatives: 9 * positives,
            };
            let samples = 500;
            let passed = (0..samples).filter(|&sample| {
                let mut stream = Stream::new(11, sample, 50);
                let mut gathered = ScoreAccumulator::new();
                for row in 0..rows.rows() {
                    let positive = row < positives;
                    let score = stream.normal() + if positive { shift } else { 0.0 };
                    gathered
                        .extend(ScoreSlice::Double(&[score]), &[positive])
                        .expect("no NaN");
                }
                let area = auc(&gathered.finish()).expect("both classes");
                let found = bounds(&area, 0.95, Tails::OneSided, IntervalMethod::LogitT);
                found.is_ok_and(|found| found.lower >= question.minimum)
            });
            let simulated = passed.count() as f64 / f64::from(samples);
            let power = area_power(question, 0.95, rows).expect("in range");
            assert!(
                (power - simulated).abs() < 0.1,
                "{positives}: {power}, {simulated}"
            );
        }
    }

    /// Made with scipy 1.17.1: the bivariate normal probability less the squared area.
    #[test]
    fn variances_of_placements_agree_with_scipy() {
        for (area, expected) in [
            (0.8, 0.047_150_566_664_569_96),
            (0.9, 0.022_401_523_218_343_43),
            (0.98, 0.002_987_287_638_239_2),
        ] {
            assert!((placement_variance(area) - expected).abs() < 1e-10);
        }
    }

    #[test]
    fn more_rows_are_needed_the_nearer_the_limit_and_the_rarer_the_positives() {
        let ask = |expected, prevalence| {
            let question = AreaQuestion {
                minimum: 0.9,
                expected,
                prevalence,
            };
            rows_for_area(question, USUAL).expect("in range")
        };
        let (far, near) = (ask(0.95, 0.1), ask(0.92, 0.1));
        assert!(far.positives < near.positives);
        assert!(ask(0.92, 0.01).rows() > near.rows());
        assert!(ask(0.85, 0.1).positives >= CLASS_ROWS_MINIMUM);
        let question = AreaQuestion {
            minimum: 0.9,
            expected: 0.92,
            prevalence: 0.1,
        };
        let fewer = RowsNeeded {
            positives: near.positives - 1,
            negatives: question.negatives(near.positives - 1),
        };
        assert!(area_power(question, 0.95, near).expect("in range") >= 0.8);
        assert!(area_power(question, 0.95, fewer).expect("in range") < 0.8);
        let mostly_positive = ask(0.99, 0.95);
        assert!(mostly_positive.negatives >= CLASS_ROWS_MINIMUM);
    }

    #[test]
    fn what_was_measured_scales_to_what_is_needed() {
        let area = Auc {
            value: 0.93,
            variance: Some(2e-4),
            positives: 100,
            negatives: 900,
            distinct_scores: 1000,
        };
        let needed = rows_from_measured(&area, 0.90, USUAL).expect("in range");
        assert!(needed.positives > 100, "{needed:?}");
        assert_eq!(needed.negatives.div_ceil(needed.positives), 9);
        assert_eq!(
            rows_from_measured(&area, 0.93, USUAL),
            Err(PlanError::Undecidable)
        );
    }

    #[test]
    fn calls_are_those_of_the_binomial_table() {
        let calls = |exceeding| {
            calls_for_quantile(QuantileQuestion::P99, exceeding, 0.8).map(|needed| needed.calls)
        };
        assert_eq!(calls(0.0), Ok(299));
        // Half of what is allowed exceeds: some two thousand calls.
        let needed = calls(0.005).expect("possible");
        assert!((1000..4000).contains(&needed), "{needed}");
        assert_eq!(calls(0.01), Err(PlanError::Undecidable));
        assert!(matches!(calls(0.009_999), Err(PlanError::TooMany { .. })));
    }

    #[test]
    fn proportions_and_differences_have_plans() {
        // Textbook: 0.9 against 0.85, 95 % one-sided, 80 % power.
        let rows = rows_for_proportion(0.85, 0.9, USUAL).expect("in range");
        assert!((250..320).contains(&rows), "{rows}");
        let question = DifferenceQuestion {
            margin: 0.01,
            expected: 0.0,
            area: 0.9,
            correlation: 0.8,
            prevalence: 0.1,
        };
        let alike = rows_for_difference(question, USUAL).expect("in range");
        let unlike = DifferenceQuestion {
            correlation: 0.2,
            ..question
        };
        let unlike = rows_for_difference(unlike, USUAL).expect("in range");
        assert!(alike.positives * 3 < unlike.positives);
        let hopeless = DifferenceQuestion {
            expected: -0.02,
            ..question
        };
        assert_eq!(
            rows_for_difference(hopeless, USUAL),
            Err(PlanError::Undecidable)
        );
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let question = AreaQuestion {
            minimum: 92.0,
            expected: 0.93,
            prevalence: 0.1,
        };
        let error = rows_for_area(question, USUAL).expect_err("92 is no area");
        assert_eq!(
            error.to_string(),
            "the minimum is 92; it must lie strictly between 0 and 1"
        );
        for bad in [f64::NAN, 0.0, 1.0] {
            assert!(rows_for_proportion(bad, 0.5, USUAL).is_err());
        }
    }
}
