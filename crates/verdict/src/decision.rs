//! From estimates and limits to checks, and from checks to the verdict.
//!
//! A check passes only when the deciding number *meets* the limit; everything else, NaN and
//! undefined numbers included, does not pass.

use crate::exit::ExitCode;
use crate::report::{Check, Outcome};

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The point estimate.
    pub value: f64,
    /// The one-sided lower bound, where the sample supports one.
    pub lower: Option<f64>,
    /// The one-sided upper bound, where the sample supports one.
    pub upper: Option<f64>,
    /// The confidence of the bounds.
    pub confidence: f64,
    /// How many observations it rests on.
    pub samples: u64,
}

/// What is asked of the metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// The metric must be at least this.
    AtLeast(f64),
    /// The metric must be at most this.
    AtMost(f64),
}

impl Limit {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(minimum) => value >= minimum,
            Self::AtMost(maximum) => value <= maximum,
        }
    }
}

/// Which number decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecideOn {
    /// The point estimate.
    Point,
    /// The cautious bound: the lower one for a minimum, the upper one for a maximum.
    CautiousBound,
}

/// Judges one metric.
///
/// On the cautious bound: pass when it meets the limit, fail when it does not. Without such
/// a bound the sample may still refute the limit by the opposite bound; otherwise the check
/// is inconclusive.
#[must_use]
pub fn judge(metric: &str, estimate: Estimate, limit: Limit, decide_on: DecideOn) -> Check {
    let (cautious, generous) = match limit {
        Limit::AtLeast(_) => (estimate.lower, estimate.upper),
        Limit::AtMost(_) => (estimate.upper, estimate.lower),
    };
    let decided = |value: f64| {
        if limit.is_met_by(value) {
            Outcome::Pass
        } else {
            Outcome::Fail
        }
    };
    let outcome = match (decide_on, cautious, generous) {
        _ if estimate.value.is_nan() => Outcome::Inconclusive,
        (DecideOn::Point, _, _) => decided(estimate.value),
        (DecideOn::CautiousBound, Some(bound), _) => decided(bound),
        (DecideOn::CautiousBound, None, Some(bound)) if !limit.is_met_by(bound) => Outcome::Fail,
        (DecideOn::CautiousBound, None, _) => Outcome::Inconclusive,
    };
    let (minimum, maximum) = match limit {
        Limit::AtLeast(minimum) => (Some(minimum), None),
        Limit::AtMost(maximum) => (None, Some(maximum)),
    };
    Check {
        metric: metric.to_owned(),
        outcome,
        value: finite(estimate.value),
        minimum,
        maximum,
        lower_bound: estimate.lower.and_then(finite),
        upper_bound: estimate.upper.and_then(finite),
        confidence: estimate.confidence,
        samples: estimate.samples,
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Returns what all checks together say: one that failed fails the whole; otherwise one that
/// is inconclusive makes the whole inconclusive. No check at all is inconclusive too.
#[must_use]
pub fn verdict(checks: &[Check]) -> ExitCode {
    let any = |outcome| checks.iter().any(|check| check.outcome == outcome);
    if any(Outcome::Fail) {
        ExitCode::Fail
    } else if checks.is_empty() || any(Outcome::Inconclusive) || any(Outcome::Error) {
        ExitCode::Inconclusive
    } else {
        ExitCode::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(value: f64, lower: Option<f64>, upper: Option<f64>) -> Estimate {
        Estimate {
            value,
            lower,
            upper,
            confidence: 0.95,
            samples: 1000,
        }
    }

    fn outcome(estimate: Estimate, limit: Limit, decide_on: DecideOn) -> Outcome {
        judge("metric", estimate, limit, decide_on).outcome
    }

    #[test]
    fn the_limit_itself_passes() {
        for (value, limit) in [(0.9, Limit::AtLeast(0.9)), (200.0, Limit::AtMost(200.0))] {
            let found = outcome(estimate(value, None, None), limit, DecideOn::Point);
            assert_eq!(found, Outcome::Pass);
        }
    }

    #[test]
    fn nan_never_passes() {
        let nan = estimate(f64::NAN, Some(f64::NAN), Some(f64::NAN));
        for limit in [Limit::AtLeast(0.9), Limit::AtMost(200.0)] {
            for decide_on in [DecideOn::Point, DecideOn::CautiousBound] {
                assert_ne!(outcome(nan, limit, decide_on), Outcome::Pass);
            }
        }
        let bound = estimate(1.0, None, Some(f64::NAN));
        assert_ne!(
            outcome(bound, Limit::AtMost(200.0), DecideOn::CautiousBound),
            Outcome::Pass
        );
    }

    #[test]
    fn the_cautious_bound_decides_where_it_is_asked_to() {
        let latency = estimate(190.0, Some(150.0), Some(210.0));
        let limit = Limit::AtMost(200.0);
        assert_eq!(outcome(latency, limit, DecideOn::Point), Outcome::Pass);
        assert_eq!(
            outcome(latency, limit, DecideOn::CautiousBound),
            Outcome::Fail
        );
        let area = estimate(0.91, Some(0.89), Some(0.93));
        let limit = Limit::AtLeast(0.9);
        assert_eq!(outcome(area, limit, DecideOn::Point), Outcome::Pass);
        assert_eq!(outcome(area, limit, DecideOn::CautiousBound), Outcome::Fail);
    }

    #[test]
    fn a_small_sample_is_inconclusive_unless_it_already_refutes_the_limit() {
        let limit = Limit::AtMost(200.0);
        let quick = estimate(10.0, Some(9.0), None);
        assert_eq!(
            outcome(quick, limit, DecideOn::CautiousBound),
            Outcome::Inconclusive
        );
        let slow = estimate(900.0, Some(800.0), None);
        assert_eq!(outcome(slow, limit, DecideOn::CautiousBound), Outcome::Fail);
    }

    #[test]
    fn one_failed_check_outweighs_the_rest() {
        let check = |outcome| Check {
            outcome,
            ..judge(
                "metric",
                estimate(1.0, None, None),
                Limit::AtLeast(0.5),
                DecideOn::Point,
            )
        };
        let (pass, fail, open) = (
            check(Outcome::Pass),
            check(Outcome::Fail),
            check(Outcome::Inconclusive),
        );
        assert_eq!(verdict(&[pass.clone(), pass.clone()]), ExitCode::Pass);
        assert_eq!(
            verdict(&[pass.clone(), open.clone()]),
            ExitCode::Inconclusive
        );
        assert_eq!(verdict(&[open, fail, pass]), ExitCode::Fail);
        assert_eq!(verdict(&[]), ExitCode::Inconclusive);
    }
}
