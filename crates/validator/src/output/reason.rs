//! Sentences that say why a check came out as it did.

use verdict::latency::{QuantileQuestion, samples_minimum};
use verdict::report::{Check, Outcome};

use super::numbers::{Unit, count, limit_ms, milliseconds_beside};

/// Returns the sentences that settle the outcome: those of the failed checks when one failed, else of
/// those that could not be judged, else of all.
#[must_use]
pub fn deciding(checks: &[Check]) -> Vec<String> {
    let worst = [Outcome::Fail, Outcome::Error, Outcome::Inconclusive]
        .into_iter()
        .find(|outcome| checks.iter().any(|check| check.outcome == *outcome));
    checks
        .iter()
        .filter(|check| worst.is_none_or(|outcome| check.outcome == outcome))
        .map(sentence)
        .collect()
}

/// Returns why the check came out as it did.
#[must_use]
pub fn sentence(check: &Check) -> String {
    if check.metric.starts_with("latency_ms_p") {
        latency(check)
    } else {
        metric(check)
    }
}

fn percent(confidence: f64) -> String {
    format!("{}%", (confidence * 1000.0).round() / 10.0)
}

fn metric(check: &Check) -> String {
    let name = &match &check.slice {
        Some(slice) => format!("{} of {slice}", check.metric),
        None => check.metric.clone(),
    };
    let (limit, kind) = match (check.minimum, check.maximum) {
        (Some(minimum), _) => (minimum, "minimum"),
        (None, Some(maximum)) => (maximum, "maximum"),
        (None, None) => return format!("{name} has no limit"),
    };
    let Some(value) = check.value else {
        return format!("{name} is undefined");
    };
    // On a bound, the point estimate may lie on the right side of the limit.
    let is_met = if kind == "minimum" {
        value >= limit
    } else {
        value <= limit
    };
    let relation = match check.outcome {
        Outcome::Pass if is_met => "meets",
        Outcome::Pass => "is not refuted at",
        Outcome::Fail if is_met => "does not surely meet",
        Outcome::Fail if kind == "minimum" => "is below",
        Outcome::Fail => "is above",
        _ => "cannot be judged against",
    };
    let unit = Unit::of(&check.metric);
    let (value_text, limit_text) = (unit.value(value, limit), unit.limit(limit, value));
    let bounds = match check.lower_bound.zip(check.upper_bound) {
        Some((lower, upper)) => format!(
            ", {} bounds {} and {}",
            percent(check.confidence),
            unit.value(lower, limit),
            unit.value(upper, limit)
        ),
        None => String::new(),
    };
    let sample = match check.samples {
        1 => String::new(),
        calls if unit == Unit::RowsPerSecond => format!(" (n={})", count(calls)),
        rows => format!(" ({} rows{bounds})", count(rows)),
    };
    format!("{name} {value_text} {relation} the {kind} {limit_text}{sample}")
}

/// Returns the percentile in a latency check's name, such as `p99`, and what else it says.
fn percentile(name: &str) -> (&str, String) {
    let rest = name.strip_prefix("latency_ms_").unwrap_or(name);
    match rest.split_once('_') {
        Some((percentile, how)) => (percentile, format!(" ({})", how.replace('_', " "))),
        None => (rest, String::new()),
    }
}

fn latency(check: &Check) -> String {
    let (percentile, how) = percentile(&check.metric);
    let samples = count(check.samples);
    let confidence = percent(check.confidence);
    let Some((value, maximum)) = check.value.zip(check.maximum) else {
        return format!("{percentile} latency{how} is undefined: no call was timed");
    };
    let near = |value| milliseconds_beside(value, maximum);
    let (value_text, maximum_text) = (near(value), limit_ms(maximum));
    if check.settled_by.as_deref() == Some("overload") {
        return format!(
            "{percentile} latency{how} has no bound: the model was in overload, more calls fell due than it answers ({value_text} when {samples} were made)"
        );
    }
    match (check.outcome, check.upper_bound, check.lower_bound) {
        (Outcome::Pass, Some(upper), _) => format!(
            "{percentile} latency{how} {value_text} meets the maximum {maximum_text}: at most {} with {confidence} confidence (n={samples})",
            near(upper)
        ),
        (Outcome::Fail, Some(upper), _) if value <= maximum => format!(
            "{percentile} latency{how} {value_text} is within the maximum {maximum_text}, but may be up to {} with {confidence} confidence (n={samples})",
            near(upper)
        ),
        (Outcome::Fail, None, Some(lower)) => format!(
            "{percentile} latency{how} {value_text} exceeds the maximum {maximum_text}: at least {} with {confidence} confidence (n={samples})",
            near(lower)
        ),
        (Outcome::Inconclusive, ..) => {
            let share = percentile
                .trim_start_matches('p')
                .parse()
                .unwrap_or(99.0_f64);
            let question = QuantileQuestion {
                quantile: (share * 1e9).round() / 1e11,
                confidence: check.confidence,
            };
            format!(
                "{percentile} latency{how} {value_text} cannot be judged against the maximum {maximum_text}: {samples} timed calls are too few, {} are the least for {confidence} confidence",
                count(samples_minimum(question, 0))
            )
        }
        _ => format!(
            "{percentile} latency{how} {value_text} exceeds the maximum {maximum_text} (n={samples})"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use verdict::decision::{DecideOn, Estimate, Limit, judge};

    fn p99(value: f64, lower: Option<f64>, upper: Option<f64>, samples: u64) -> String {
        let estimate = Estimate {
            value,
            lower,
            upper,
            confidence: 0.95,
            samples,
        };
        let limit = Limit::AtMost(200.0);
        sentence(&judge(
            "latency_ms_p99",
            estimate,
            limit,
            DecideOn::CautiousBound,
        ))
    }

    #[test]
    fn each_way_to_miss_the_latency_limit_has_its_own_words() {
        assert_eq!(
            p99(1.2, Some(1.1), Some(1.3), 2000),
            "p99 latency 1.20 ms meets the maximum 200 ms: at most 1.30 ms with 95% confidence (n=2,000)"
        );
        assert!(p99(250.0, Some(240.0), Some(260.0), 2000).contains("250 ms exceeds"));
        assert!(p99(190.0, Some(180.0), Some(210.0), 2000).contains("may be up to 210 ms"));
        assert!(p99(900.0, Some(800.0), None, 60).contains("at least 800 ms"));
        assert!(p99(10.0, Some(9.0), None, 60).contains("299 are the least"));
    }

    #[test]
    fn the_failed_check_alone_is_the_reason_of_a_failure() {
        let estimate = Estimate {
            value: 0.87,
            lower: None,
            upper: None,
            confidence: 0.95,
            samples: 48_213,
        };
        let check = |minimum| judge("auc", estimate, Limit::AtLeast(minimum), DecideOn::Point);
        assert_eq!(
            deciding(&[check(0.5), check(0.9)]),
            ["auc 0.8700 is below the minimum 0.9000 (48,213 rows)"]
        );
        let passed = deciding(&[check(0.5), check(0.6)]);
        assert_eq!(passed.len(), 2);
        assert!(passed[0].contains("meets the minimum 0.5000"));
    }
}
