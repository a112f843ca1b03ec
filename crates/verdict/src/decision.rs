//! From estimates and limits to checks, and from checks to the verdict.
//!
//! A check passes only when the deciding number *meets* the limit; everything else, NaN and
//! undefined numbers included, does not pass.

use serde::{Deserialize, Serialize};

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

/// Which number decides a check of a gate file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidingNumber {
    /// The point estimate: the check passes or fails.
    Point,
    /// The one-sided lower bound.
    LowerBound,
    /// The one-sided upper bound.
    UpperBound,
}

impl DecidingNumber {
    /// Returns the word of gate files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Point => "point",
            Self::LowerBound => "lower_bound",
            Self::UpperBound => "upper_bound",
        }
    }
}

/// What becomes of a check that the sample cannot decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInconclusive {
    /// It fails: not proven good is bad.
    #[default]
    Fail,
    /// It passes: not proven bad is good.
    Pass,
    /// The point estimate decides.
    Point,
    /// It stays inconclusive, with an exit code of its own.
    Distinct,
}

impl OnInconclusive {
    /// Returns the word of gate files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Pass => "pass",
            Self::Point => "point",
            Self::Distinct => "distinct",
        }
    }
}

/// How a check of a gate file is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which number decides.
    pub decide_on: DecidingNumber,
    /// What becomes of a check that the sample cannot decide.
    pub on_inconclusive: OnInconclusive,
}

/// What the sample supports, before any policy.
///
/// - On the point estimate: pass or fail.
/// - On the bound on the cautious side (the lower one for a minimum, the upper one for a
///   maximum): pass when it meets the limit, fail when even the opposite bound does not, and
///   inconclusive in between.
/// - On the bound on the generous side: fail when it does not meet the limit, pass otherwise;
///   this asks for evidence *against* the model.
///
/// A bound that the sample does not support leaves the question open, NaN never passes.
#[must_use]
pub fn evidence(estimate: &Estimate, limit: Limit, decide_on: DecidingNumber) -> Outcome {
    let meets = |bound: Option<f64>| {
        bound
            .filter(|bound| !bound.is_nan())
            .map(|bound| limit.is_met_by(bound))
    };
    if estimate.value.is_nan() {
        return Outcome::Inconclusive;
    }
    let (cautious, generous) = match limit {
        Limit::AtLeast(_) => (estimate.lower, estimate.upper),
        Limit::AtMost(_) => (estimate.upper, estimate.lower),
    };
    let asks_for_proof = match limit {
        Limit::AtLeast(_) => decide_on == DecidingNumber::LowerBound,
        Limit::AtMost(_) => decide_on == DecidingNumber::UpperBound,
    };
    match (decide_on, meets(cautious), meets(generous)) {
        (DecidingNumber::Point, _, _) if limit.is_met_by(estimate.value) => Outcome::Pass,
        (DecidingNumber::Point, _, _) => Outcome::Fail,
        (_, Some(true), _) => Outcome::Pass,
        (_, _, Some(false)) => Outcome::Fail,
        (_, _, Some(true)) if !asks_for_proof => Outcome::Pass,
        _ => Outcome::Inconclusive,
    }
}

/// Judges one metric by the rule of a gate file; the check records what decided.
#[must_use]
pub fn judge_by(metric: &str, estimate: Estimate, limit: Limit, rule: Rule) -> Check {
    let found = evidence(&estimate, limit, rule.decide_on);
    let mut check = judge(metric, estimate, limit, DecideOn::Point);
    check.decided_on = Some(rule.decide_on.name().to_owned());
    check.outcome = settle(found, estimate.value, limit, rule.on_inconclusive);
    check.settled_by =
        (found == Outcome::Inconclusive).then(|| rule.on_inconclusive.name().to_owned());
    check
}

/// Applies the policy to a check that the sample cannot decide. A value that is NaN never
/// passes, whatever the policy is.
#[must_use]
pub fn settle(found: Outcome, value: f64, limit: Limit, policy: OnInconclusive) -> Outcome {
    match (found, policy) {
        (Outcome::Inconclusive, _) if value.is_nan() => match policy {
            OnInconclusive::Fail => Outcome::Fail,
            _ => Outcome::Inconclusive,
        },
        (Outcome::Inconclusive, OnInconclusive::Fail) => Outcome::Fail,
        (Outcome::Inconclusive, OnInconclusive::Pass) => Outcome::Pass,
        (Outcome::Inconclusive, OnInconclusive::Point) if limit.is_met_by(value) => Outcome::Pass,
        (Outcome::Inconclusive, OnInconclusive::Point) => Outcome::Fail,
        _ => found,
    }
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
        decided_on: None,
        settled_by: None,
        slice: None,
        compared_with: None,
        method: None,
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
    fn the_sample_passes_fails_or_leaves_open() {
        use DecidingNumber::{LowerBound, Point, UpperBound};
        use Outcome::{Fail, Inconclusive, Pass};
        let minimum = Limit::AtLeast(0.9);
        let maximum = Limit::AtMost(0.9);
        for (lower, upper, decide_on, limit, expected) in [
            (0.91, 0.95, LowerBound, minimum, Pass),
            (0.88, 0.95, LowerBound, minimum, Inconclusive),
            (0.85, 0.89, LowerBound, minimum, Fail),
            (0.88, 0.95, UpperBound, minimum, Pass),
            (0.85, 0.89, UpperBound, minimum, Fail),
            (0.85, 0.89, UpperBound, maximum, Pass),
            (0.88, 0.95, UpperBound, maximum, Inconclusive),
            (0.91, 0.95, UpperBound, maximum, Fail),
            (0.88, 0.95, LowerBound, maximum, Pass),
            (0.91, 0.95, LowerBound, maximum, Fail),
            (0.91, 0.95, Point, minimum, Pass),
            (0.85, 0.89, Point, minimum, Fail),
        ] {
            let estimate = estimate(f64::midpoint(lower, upper), Some(lower), Some(upper));
            let found = evidence(&estimate, limit, decide_on);
            assert_eq!(found, expected, "{lower} {upper} {decide_on:?} {limit:?}");
        }
        let unknown = estimate(0.95, None, None);
        assert_eq!(evidence(&unknown, minimum, LowerBound), Inconclusive);
        assert_eq!(evidence(&unknown, minimum, UpperBound), Inconclusive);
    }

    #[test]
    fn the_policy_settles_what_is_open_and_never_passes_nan() {
        let open = estimate(0.92, Some(0.88), Some(0.95));
        let below = estimate(0.89, Some(0.85), Some(0.92));
        let nan = estimate(f64::NAN, None, None);
        for (policy, of_open, of_below) in [
            (OnInconclusive::Fail, Outcome::Fail, Outcome::Fail),
            (OnInconclusive::Pass, Outcome::Pass, Outcome::Pass),
            (OnInconclusive::Point, Outcome::Pass, Outcome::Fail),
            (
                OnInconclusive::Distinct,
                Outcome::Inconclusive,
                Outcome::Inconclusive,
            ),
        ] {
            let rule = Rule {
                decide_on: DecidingNumber::LowerBound,
                on_inconclusive: policy,
            };
            let judged = |estimate| judge_by("auc", estimate, Limit::AtLeast(0.9), rule);
            let check = judged(open);
            assert_eq!(check.outcome, of_open, "{policy:?}");
            assert_eq!(check.settled_by.as_deref(), Some(policy.name()));
            assert_eq!(check.decided_on.as_deref(), Some("lower_bound"));
            assert_eq!(judged(below).outcome, of_below, "{policy:?}");
            assert_ne!(judged(nan).outcome, Outcome::Pass, "{policy:?}");
            assert_eq!(judged(estimate(0.95, Some(0.93), None)).settled_by, None);
        }
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
