//! Confidence bounds for the area under the ROC curve.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::auc::Auc;
use crate::metric::expit;

/// Rows of the smaller class below which no bound of the area should decide.
pub const CLASS_ROWS_MINIMUM: u64 = 10;
/// Rows of the smaller class below which bounds of the area are rough; see
/// `docs/adr/0020-intervals-of-the-area.md`.
pub const CLASS_ROWS_FIRM: u64 = 100;

/// How the bounds are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalMethod {
    /// Student's t with `min(positives, negatives) - 1` degrees of freedom, on the logit
    /// scale. The default: the nearest to nominal coverage with few positives.
    LogitT,
    /// The normal distribution on the logit scale.
    LogitNormal,
    /// The normal distribution on the plain scale; may leave 0..=1.
    Wald,
    /// Newcombe's score interval, which reads the area and the class sizes alone. It is
    /// wider, and defined where DeLong's variance vanishes.
    NewcombeScore,
    /// The wider of [`Self::LogitT`] and [`Self::NewcombeScore`] on each side: for gates that
    /// would rather not decide than decide wrongly with few rows or a high area, where
    /// DeLong's variance is too small. The score interval alone where DeLong's is undefined.
    Envelope,
}

impl IntervalMethod {
    /// Returns the name that reports carry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogitT => "delong-logit-t",
            Self::LogitNormal => "delong-logit-normal",
            Self::Wald => "delong-wald",
            Self::NewcombeScore => "newcombe-score",
            Self::Envelope => "delong-logit-t-or-newcombe",
        }
    }
}

/// One-sided bounds, or the two ends of an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The lower bound.
    pub lower: f64,
    /// The upper bound.
    pub upper: f64,
}

/// Why a sample supports no bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    /// The variance is not defined.
    #[error("a class has fewer than two rows, so the variance is undefined")]
    TooFewRows,
    /// Every positive ranks above every negative, or the reverse.
    #[error("the classes are perfectly separated, so the variance estimate is zero")]
    PerfectSeparation,
    /// The variance estimate vanishes for another reason, such as all scores being equal.
    #[error("the variance estimate is zero (all scores tie)")]
    ZeroVariance,
    /// The confidence is not a probability.
    #[error("the confidence must lie strictly between 0.5 and 1")]
    Confidence,
    /// Too many resampled data sets left the metric undefined.
    #[error("{undefined} of {replicates} resampled data sets leave the metric undefined")]
    Undefined {
        /// How many did.
        undefined: u32,
        /// How many were drawn.
        replicates: u32,
    },
}

/// Which tails the bounds leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tails {
    /// Each bound holds by itself at the confidence.
    OneSided,
    /// Both bounds hold together at the confidence.
    TwoSided,
}

impl Tails {
    /// Returns the probability up to which a bound's distribution is taken.
    ///
    /// # Errors
    /// [`IntervalError::Confidence`].
    pub fn probability(self, confidence: f64) -> Result<f64, IntervalError> {
        if !(confidence > 0.5 && confidence < 1.0) {
            return Err(IntervalError::Confidence);
        }
        Ok(match self {
            Self::OneSided => confidence,
            Self::TwoSided => f64::midpoint(1.0, confidence),
        })
    }
}

/// Rows of the smaller class times `1 - area` below which DeLong's variance is too small to
/// decide on alone; see `docs/adr/0020-intervals-of-the-area.md`.
const ERRORS_FIRM: f64 = 10.0;

/// Returns the method that keeps its level best for this area and these class sizes:
/// [`IntervalMethod::LogitT`] where the sample is firm, [`IntervalMethod::Envelope`] where
/// few rows of the smaller class are misplaced, and [`IntervalMethod::NewcombeScore`] where
/// DeLong's variance vanishes or is undefined.
#[must_use]
pub fn deciding_method(area: &Auc) -> IntervalMethod {
    let separated = area.value <= 0.0 || area.value >= 1.0;
    if separated || area.variance.is_none_or(|variance| variance <= 0.0) {
        return IntervalMethod::NewcombeScore;
    }
    let smaller = area.positives.min(area.negatives) as f64;
    if smaller * area.value.min(1.0 - area.value) < ERRORS_FIRM {
        IntervalMethod::Envelope
    } else {
        IntervalMethod::LogitT
    }
}

/// Computes confidence bounds for the area that a check may decide on, by
/// [`deciding_method`], which is the second value.
///
/// # Errors
/// [`IntervalError::Confidence`] only: two rows of different classes suffice.
pub fn bounds_always(
    area: &Auc,
    confidence: f64,
    tails: Tails,
) -> Result<(Bounds, IntervalMethod), IntervalError> {
    let method = deciding_method(area);
    bounds(area, confidence, tails, method).map(|found| (found, method))
}

/// Returns the distance of the area from a value in standard errors of Newcombe's method.
pub(crate) fn score_statistic(area: &Auc, against: f64) -> f64 {
    (area.value - against) / newcombe_error(area, against)
}

/// Computes confidence bounds for the area.
///
/// # Errors
/// [`IntervalError`] when the sample supports none; never an interval of width zero.
pub fn bounds(
    area: &Auc,
    confidence: f64,
    tails: Tails,
    method: IntervalMethod,
) -> Result<Bounds, IntervalError> {
    let probability = tails.probability(confidence)?;
    if method == IntervalMethod::NewcombeScore {
        return Ok(newcombe(area, normal_quantile(probability)));
    }
    if method == IntervalMethod::Envelope {
        let score = newcombe(area, normal_quantile(probability));
        let delong = bounds(area, confidence, tails, IntervalMethod::LogitT).unwrap_or(score);
        return Ok(Bounds {
            lower: score.lower.min(delong.lower),
            upper: score.upper.max(delong.upper),
        });
    }
    let variance = area.variance.ok_or(IntervalError::TooFewRows)?;
    if area.value <= 0.0 || area.value >= 1.0 {
        return Err(IntervalError::PerfectSeparation);
    }
    if variance <= 0.0 {
        return Err(IntervalError::ZeroVariance);
    }
    let standard_error = variance.sqrt();
    if method == IntervalMethod::Wald {
        let reach = normal_quantile(probability) * standard_error;
        return Ok(Bounds {
            lower: area.value - reach,
            upper: area.value + reach,
        });
    }
    let quantile = match method {
        IntervalMethod::LogitT => {
            student_quantile(probability, area.positives.min(area.negatives) - 1)
        }
        _ => normal_quantile(probability),
    };
    let logit = (area.value / (1.0 - area.value)).ln();
    let reach = quantile * standard_error / (area.value * (1.0 - area.value));
    Ok(Bounds {
        lower: expit(logit - reach),
        upper: expit(logit + reach),
    })
}

/// Computes bounds of an average of areas from its variance: Student's t with
/// `class_rows_min - 1` degrees of freedom on the logit scale, as [`IntervalMethod::LogitT`].
///
/// # Errors
/// [`IntervalError`] when the sample supports none; never an interval of width zero.
pub fn average_area_bounds(
    value: f64,
    variance: f64,
    class_rows_min: u64,
    confidence: f64,
    tails: Tails,
) -> Result<Bounds, IntervalError> {
    let area = Auc {
        value,
        variance: Some(variance),
        positives: class_rows_min,
        negatives: class_rows_min,
        distinct_scores: 0,
    };
    if class_rows_min < 2 {
        return Err(IntervalError::TooFewRows);
    }
    bounds(&area, confidence, tails, IntervalMethod::LogitT)
}

/// Computes bounds of a mean over rows from the variance of that mean, by the normal
/// distribution.
///
/// # Errors
/// [`IntervalError::ZeroVariance`]; [`IntervalError::Confidence`].
pub fn mean_bounds(
    value: f64,
    variance: f64,
    confidence: f64,
    tails: Tails,
) -> Result<Bounds, IntervalError> {
    let reach = normal_quantile(tails.probability(confidence)?) * variance.sqrt();
    if reach <= 0.0 || reach.is_nan() {
        return Err(IntervalError::ZeroVariance);
    }
    Ok(Bounds {
        lower: value - reach,
        upper: value + reach,
    })
}

/// Returns the standard error of an estimate of the area `t` with these class sizes.
fn newcombe_error(area: &Auc, t: f64) -> f64 {
    let (positives, negatives) = (area.positives as f64, area.negatives as f64);
    let rows = f64::midpoint(positives, negatives) - 1.0;
    let spread = 1.0 + rows * (1.0 - t) / (2.0 - t) + rows * t / (1.0 + t);
    (t * (1.0 - t) * spread / (positives * negatives)).sqrt()
}

/// Solves `|area - t| = z sqrt(V(t))` for both bounds; at the ends 0 and 1 bound the interval.
///
/// Source: Newcombe (2006), Statistics in Medicine 25:559-573, method 5.
fn newcombe(area: &Auc, z: f64) -> Bounds {
    let solve = |end: f64| {
        // The distance exceeds the reach at `end` and falls short of it at the area.
        let (mut outside, mut inside) = (end, area.value);
        for _ in 0..100 {
            let middle = f64::midpoint(outside, inside);
            if (area.value - middle).abs() > z * newcombe_error(area, middle) {
                outside = middle;
            } else {
                inside = middle;
            }
        }
        f64::midpoint(outside, inside)
    };
    Bounds {
        lower: solve(0.0),
        upper: solve(1.0),
    }
}

pub(crate) fn normal_quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

/// Computes the distribution function of Student's t; beyond a million degrees of freedom
/// that of the normal distribution, which then differs by less than 1e-6 of itself where
/// tests decide.
pub(crate) fn student_cdf(t: f64, degrees_of_freedom: u64) -> f64 {
    match StudentsT::new(0.0, 1.0, degrees_of_freedom as f64) {
        Ok(distribution) if degrees_of_freedom <= 1_000_000 => distribution.cdf(t),
        _ => normal_cdf(t),
    }
}

pub(crate) fn normal_cdf(z: f64) -> f64 {
    Normal::standard().cdf(z)
}

/// Computes a quantile of Student's t; beyond a few hundred degrees of freedom by the
/// Cornish-Fisher expansion around the normal quantile, whose error is then below 1e-9.
///
/// Source: Abramowitz and Stegun (1964), 26.7.5.
pub(crate) fn student_quantile(probability: f64, degrees_of_freedom: u64) -> f64 {
    let degrees = degrees_of_freedom as f64;
    if degrees_of_freedom < 200
        && let Ok(distribution) = StudentsT::new(0.0, 1.0, degrees)
    {
        return distribution.inverse_cdf(probability);
    }
    let z = normal_quantile(probability);
    let square = z * z;
    let first = z * (square + 1.0) / 4.0;
    let second = z * ((5.0 * square + 16.0) * square + 3.0) / 96.0;
    let third = z * (((3.0 * square + 19.0) * square + 17.0) * square - 15.0) / 384.0;
    z + ((third / degrees + second) / degrees + first) / degrees
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(value: f64, variance: Option<f64>, positives: u64, negatives: u64) -> Auc {
        Auc {
            value,
            variance,
            positives,
            negatives,
            distinct_scores: positives + negatives,
        }
    }

    /// Made with scipy 1.17.1: `scipy.stats.t.ppf([0.95, 0.975, 0.99], degrees)`.
    #[test]
    fn quantiles_agree_with_scipy() {
        for (degrees, expected) in [
            (
                1,
                [6.313_751_514_675, 12.706_204_736_175, 31.820_515_953_774],
            ),
            (2, [2.919_985_580_354, 4.302_652_729_749, 6.964_556_734_283]),
            (4, [2.131_846_786_327, 2.776_445_105_198, 3.746_947_387_979]),
            (
                10,
                [1.812_461_122_812, 2.228_138_851_986, 2.763_769_458_113],
            ),
            (
                30,
                [1.697_260_886_594, 2.042_272_456_301, 2.457_261_542_401],
            ),
            (
                100,
                [1.660_234_326_085, 1.983_971_518_524, 2.364_217_366_238],
            ),
            (
                199,
                [1.652_546_746_167, 1.971_956_544_252, 2.345_232_231_121],
            ),
            (
                200,
                [1.652_508_100_911, 1.971_896_223_634, 2.345_137_082_259],
            ),
            (
                500,
                [1.647_906_853_930, 1.964_719_837_467, 2.333_828_955_352],
            ),
            (
                1000,
                [1.646_378_817_285, 1.962_339_080_826, 2.330_082_674_756],
            ),
            (
                100000,
                [1.644_868_864_785, 1.959_987_707_535, 2.326_385_165_355],
            ),
            (
                1000000000,
                [1.644_853_628_475, 1.959_963_986_912, 2.326_347_877_770],
            ),
        ] {
            for (probability, expected) in [0.95, 0.975, 0.99].into_iter().zip(expected) {
                let found = student_quantile(probability, degrees);
                assert!(
                    (found - expected).abs() < 1e-8 * expected,
                    "{probability} at {degrees}: {found}, expected {expected}"
                );
            }
        }
        assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-9);
    }

    #[test]
    fn degenerate_samples_have_no_bounds_instead_of_narrow_ones() {
        let ask = |area: &Auc| bounds(area, 0.95, Tails::OneSided, IntervalMethod::LogitT);
        assert_eq!(ask(&area(0.9, None, 1, 50)), Err(IntervalError::TooFewRows));
        assert_eq!(
            ask(&area(1.0, Some(0.0), 20, 50)),
            Err(IntervalError::PerfectSeparation)
        );
        assert_eq!(
            ask(&area(0.5, Some(0.0), 20, 50)),
            Err(IntervalError::ZeroVariance)
        );
        assert_eq!(
            bounds(
                &area(0.9, Some(0.01), 20, 50),
                f64::NAN,
                Tails::OneSided,
                IntervalMethod::Wald
            ),
            Err(IntervalError::Confidence)
        );
    }

    #[test]
    fn perfect_separation_has_bounds_with_a_width_by_the_score_interval() {
        for (value, positives, negatives) in [(1.0, 20, 50), (0.0, 20, 50), (1.0, 1, 1)] {
            let area = area(value, Some(0.0), positives, negatives);
            let (found, method) = bounds_always(&area, 0.95, Tails::OneSided).expect("defined");
            assert_eq!(method, IntervalMethod::NewcombeScore);
            assert!(found.upper - found.lower > 0.01, "{found:?}");
            assert!((0.0..=1.0).contains(&found.lower) && found.upper <= 1.0);
        }
        let tied = area(0.5, Some(0.0), 20, 50);
        let (found, _) = bounds_always(&tied, 0.95, Tails::OneSided).expect("defined");
        assert!(found.lower < 0.45 && found.upper > 0.55, "{found:?}");
        for (firm, expected) in [
            (area(0.9, Some(0.001), 20, 50), IntervalMethod::Envelope),
            (area(0.98, Some(0.001), 400, 900), IntervalMethod::Envelope),
            (area(0.9, Some(0.001), 200, 500), IntervalMethod::LogitT),
        ] {
            let (_, method) = bounds_always(&firm, 0.95, Tails::OneSided).expect("defined");
            assert_eq!(method, expected);
        }
    }

    #[test]
    fn the_default_stays_inside_the_unit_interval_where_wald_does_not() {
        let area = area(0.98, Some(0.001), 10, 100);
        let wald = bounds(&area, 0.95, Tails::TwoSided, IntervalMethod::Wald).expect("defined");
        assert!(wald.upper > 1.0);
        let logit = bounds(&area, 0.95, Tails::TwoSided, IntervalMethod::LogitT).expect("defined");
        assert!(logit.lower > 0.0 && logit.upper < 1.0);
        let envelope =
            bounds(&area, 0.95, Tails::TwoSided, IntervalMethod::Envelope).expect("defined");
        assert!(envelope.lower <= logit.lower && envelope.upper >= logit.upper);
        let normal =
            bounds(&area, 0.95, Tails::TwoSided, IntervalMethod::LogitNormal).expect("defined");
        assert!(logit.lower < normal.lower && logit.upper > normal.upper);
    }
}
