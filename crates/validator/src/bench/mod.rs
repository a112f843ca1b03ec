//! Measures single-row latency on real rows and says what the timings show.
//!
//! The calls are timed inside the scorer's process; the raw nanoseconds come back and decide.
//! The histogram is for the report alone.

use std::time::Duration;

use hdrhistogram::Histogram;
use ndarray::ArrayView2;
use verdict::decision::Estimate;
use verdict::latency::independence::{independence, quantile_allowing_runs};
use verdict::latency::{QuantileQuestion, autocorrelation, exceedances_maximum, quantile};
use verdict::report::{LatencyQuantile, LatencySection, Throttling};

use crate::scorer::{Arrivals, LatencyPlan, LatencySamples, Scorer, ScorerError, StopAfter};

/// The quantiles of the report.
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];
/// Blocks between which the order of calls is compared.
const BLOCKS: usize = 10;
/// From this share of unanswered calls on, an open loop was overloaded: a stall at its end
/// leaves fewer.
const BACKLOG_SHARE: f64 = 0.1;
/// Fewer unanswered calls are no overload, whatever their share.
const BACKLOG_CALLS_MIN: usize = 10;
/// Significant decimal figures of the report's histogram.
const HISTOGRAM_FIGURES: u8 = 3;
/// At most this many histogram buckets go into the report.
const BUCKETS_MAX: usize = 2000;

/// What the timed calls gave.
#[derive(Debug)]
pub struct Measurement {
    /// For the report.
    pub section: LatencySection,
    /// The quantile that was asked for and its bounds, in milliseconds; nothing when no call
    /// was timed.
    pub asked: Option<Estimate>,
    /// Most resident memory of the scorer, bytes.
    pub scorer_resident_bytes_max: Option<u64>,
    /// Whether the time budget ended the run early.
    pub budget_exhausted: bool,
}

/// Returns the plan for single rows, one after the other, within a time budget.
///
/// The run ends early once more calls exceeded the limit than a pass at the largest number
/// of calls allows: no further call could turn the verdict, so stopping biases nothing.
#[must_use]
pub fn plan(
    threads: usize,
    budget: Duration,
    maximum: Duration,
    question: QuantileQuestion,
) -> LatencyPlan {
    let usual = LatencyPlan::default();
    let exceedances = exceedances_maximum(usual.calls_max as u64, question);
    LatencyPlan {
        threads,
        budget,
        warm_up_budget: usual.warm_up_budget.min(budget),
        stop_after: exceedances.map(|most| StopAfter {
            limit: maximum,
            calls: most as usize + 1,
        }),
        ..usual
    }
}

/// Measures and summarises; `rows` has shape `[rows, width]`, at least one row.
///
/// # Errors
/// [`ScorerError`] as the scorer gives it.
pub fn measure(
    scorer: &mut dyn Scorer,
    rows: ArrayView2<'_, f32>,
    plan: &LatencyPlan,
    question: QuantileQuestion,
) -> Result<Measurement, ScorerError> {
    let samples = scorer.measure(rows, plan)?;
    Ok(summarise(&samples, plan, rows.nrows(), question))
}

/// Says what the timings show.
#[must_use]
pub fn summarise(
    samples: &LatencySamples,
    plan: &LatencyPlan,
    distinct_rows: usize,
    question: QuantileQuestion,
) -> Measurement {
    let confidence = question.confidence;
    let mut sorted = samples.nanoseconds.clone();
    sorted.sort_unstable();
    let mut which: Vec<f64> = QUANTILES.to_vec();
    if !which.contains(&question.quantile) {
        which.push(question.quantile);
        which.sort_by(f64::total_cmp);
    }
    let quantiles = which
        .into_iter()
        .filter_map(|which| {
            let question = QuantileQuestion {
                quantile: which,
                confidence,
            };
            let estimate = quantile(&sorted, question)?;
            Some(LatencyQuantile {
                quantile: which,
                value_ms: milliseconds(estimate.value_ns),
                upper_bound_ms: estimate.upper_ns.map(milliseconds),
                lower_bound_ms: estimate.lower_ns.map(milliseconds),
            })
        })
        .collect::<Vec<_>>();
    let asked = quantiles
        .iter()
        .find(|entry| entry.quantile == question.quantile)
        .map(|entry| Estimate {
            value: entry.value_ms,
            lower: entry.lower_bound_ms,
            upper: entry.upper_bound_ms,
            confidence,
            samples: sorted.len() as u64,
        });
    let mean_ns = sorted.iter().map(|&ns| ns as f64).sum::<f64>() / (sorted.len().max(1) as f64);
    let order = independence(&samples.nanoseconds, question, BLOCKS);
    let effective = order.map(|order| order.effective_samples);
    let allowing_runs =
        effective.and_then(|effective| quantile_allowing_runs(&sorted, question, effective));
    let section = LatencySection {
        scenario: match plan.arrivals {
            Arrivals::Closed => "closed",
            Arrivals::Constant { .. } => "constant",
            Arrivals::Poisson { .. } => "poisson",
        }
        .to_owned(),
        batch_rows: samples.batch as u64,
        samples: sorted.len() as u64,
        warm_up_calls: samples.warm_up_calls as u64,
        warm_up_stable: samples.warm_up_stable,
        distinct_rows: distinct_rows as u64,
        first_call_ms: Some(samples.first_call.as_secs_f64() * 1e3),
        model_load_ms: Some(samples.load.as_secs_f64() * 1e3),
        minimum_ms: sorted.first().copied().map_or(0.0, milliseconds),
        mean_ms: mean_ns / 1e6,
        maximum_ms: sorted.last().copied().map_or(0.0, milliseconds),
        confidence,
        quantiles,
        autocorrelation: autocorrelation(&samples.nanoseconds),
        effective_samples: effective,
        upper_bound_allowing_runs_ms: allowing_runs
            .and_then(|estimate| estimate.upper_ns)
            .map(milliseconds),
        overhead_ns: Some(samples.overhead_ns),
        throughput_rows_per_s: samples.rows_per_s(),
        backlog_calls: (plan.arrivals != Arrivals::Closed).then_some(samples.backlog as u64),
        overloaded: is_overloaded(samples.backlog, sorted.len()),
        histogram_us: histogram(&sorted),
        throttling: samples
            .throttling
            .map_or_else(Throttling::default, |evidence| Throttling {
                known: true,
                throttled_periods: Some(evidence.throttled_periods),
                throttled_us: Some(evidence.throttled_us),
            }),
    };
    Measurement {
        section,
        asked,
        scorer_resident_bytes_max: samples.peak_memory_bytes,
        budget_exhausted: samples.budget_exhausted,
    }
}

/// Tells whether too many calls were due and not made when the run ended.
fn is_overloaded(backlog: usize, made: usize) -> bool {
    backlog > BACKLOG_CALLS_MIN && backlog as f64 > BACKLOG_SHARE * (backlog + made) as f64
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

/// Returns `(lower_us, upper_us, count)` of every bucket that is not empty.
fn histogram(samples_ns: &[u64]) -> Vec<(f64, f64, u64)> {
    let Ok(mut histogram) = Histogram::<u64>::new(HISTOGRAM_FIGURES) else {
        return Vec::new();
    };
    for &sample in samples_ns {
        // Grows as far as it must; `saturating_record` would cut all to the size it starts with.
        if histogram.record(sample).is_err() {
            histogram.saturating_record(sample);
        }
    }
    let mut step = 1;
    while histogram.iter_recorded().count().div_ceil(step) > BUCKETS_MAX {
        step *= 2;
    }
    let mut buckets: Vec<(f64, f64, u64)> = Vec::new();
    for (index, bucket) in histogram.iter_recorded().enumerate() {
        let value = bucket.value_iterated_to();
        let lower = histogram.lowest_equivalent(value) as f64 / 1e3;
        let upper = histogram.highest_equivalent(value) as f64 / 1e3;
        let count = bucket.count_since_last_iteration();
        match buckets.last_mut() {
            Some(last) if index % step != 0 => {
                last.1 = upper;
                last.2 += count;
            }
            _ => buckets.push((lower, upper, count)),
        }
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(nanoseconds: Vec<u64>) -> LatencySamples {
        LatencySamples {
            nanoseconds,
            warm_up_calls: 40,
            warm_up_stable: true,
            warm_up: Duration::from_millis(4),
            load: Duration::from_millis(30),
            first_call: Duration::from_millis(12),
            first_call_rows: 1,
            elapsed: Duration::from_secs(1),
            budget_exhausted: false,
            stopped_early: false,
            backlog: 0,
            overhead_ns: 50.0,
            peak_memory_bytes: Some(1),
            throttling: None,
            batch: 1,
            threads: 1,
        }
    }

    #[test]
    fn the_upper_bound_comes_from_the_raw_samples() {
        let nanoseconds: Vec<u64> = (1..=2000).map(|call| call * 1_000_003).collect();
        let found = summarise(
            &samples(nanoseconds),
            &LatencyPlan::default(),
            7,
            QuantileQuestion::P99,
        );
        assert_eq!(found.section.throughput_rows_per_s, Some(2000.0));
        let p99 = found.asked.expect("2,000 samples");
        assert_eq!(p99.value, 1980.0 * 1.000_003);
        assert_eq!(p99.upper, Some(1988.0 * 1.000_003));
        assert_eq!(found.section.quantiles.len(), 5);
        assert_eq!(found.section.distinct_rows, 7);
        let counted: u64 = found
            .section
            .histogram_us
            .iter()
            .map(|bucket| bucket.2)
            .sum();
        assert_eq!(counted, 2000);
        // The buckets lie where the samples do, to three significant figures.
        let buckets = &found.section.histogram_us;
        let (first, last) = (buckets[0], buckets[buckets.len() - 1]);
        assert!(first.0 <= 1_000.003 && first.1 > 999.0, "{first:?}");
        assert!(last.0 > 1_990_000.0 && last.1 >= 2_000_000.0, "{last:?}");
    }

    #[test]
    fn too_few_calls_have_a_value_and_no_upper_bound() {
        let found = summarise(
            &samples(vec![5_000; 298]),
            &LatencyPlan::default(),
            1,
            QuantileQuestion::P99,
        );
        let p99 = found.asked.expect("samples");
        assert_eq!((p99.value, p99.upper), (0.005, None));
    }

    /// Stopping early must never stop a run that could still pass.
    #[test]
    fn a_run_ends_early_only_when_no_number_of_calls_could_pass() {
        let plan = plan(
            1,
            Duration::from_secs(60),
            Duration::from_millis(200),
            QuantileQuestion::P99,
        );
        let stop = plan.stop_after.expect("p99 of 10,000 calls has a bound");
        assert_eq!(stop.limit, Duration::from_millis(200));
        for calls in [299, 2_000, plan.calls_max as u64] {
            let most = exceedances_maximum(calls, QuantileQuestion::P99).expect("enough calls");
            assert!((stop.calls as u64) > most, "{calls}");
        }
        // And what it leaves is refuted, not inconclusive.
        let slow = summarise(
            &samples(vec![300_000_000; stop.calls]),
            &plan,
            1,
            QuantileQuestion::P99,
        );
        let p99 = slow.asked.expect("samples");
        assert!(p99.lower.is_some_and(|lower| lower > 200.0));
    }

    #[test]
    fn a_stall_at_the_end_is_no_overload_and_a_growing_queue_is() {
        assert!(!is_overloaded(0, 2_000));
        assert!(!is_overloaded(10, 10));
        assert!(!is_overloaded(150, 2_000));
        assert!(is_overloaded(400, 2_000));
    }

    #[test]
    fn calls_that_are_slow_in_runs_tell_less_than_their_number() {
        // 25 slow calls in a row, four times in 10,000.
        let in_runs = |call: u64| {
            if call % 2_500 < 25 {
                90_000_000
            } else {
                1_000_000 + call
            }
        };
        let nanoseconds: Vec<u64> = (0..10_000).map(in_runs).collect();
        let plan = LatencyPlan::default();
        let found = summarise(&samples(nanoseconds), &plan, 1, QuantileQuestion::P99);
        let effective = found.section.effective_samples.expect("samples");
        assert!(effective < 2_000, "{effective}");
        let scattered = |call: u64| {
            if call.is_multiple_of(97) {
                90_000_000
            } else {
                1_000_000 + call
            }
        };
        let nanoseconds: Vec<u64> = (0..10_000).map(scattered).collect();
        let found = summarise(&samples(nanoseconds), &plan, 1, QuantileQuestion::P99);
        let effective = found.section.effective_samples.expect("samples");
        assert!(effective > 5_000, "{effective}");
    }

    #[test]
    fn no_call_at_all_has_no_estimate() {
        let found = summarise(
            &samples(vec![]),
            &LatencyPlan::default(),
            1,
            QuantileQuestion::P99,
        );
        assert!(found.asked.is_none());
        assert!(found.section.throughput_rows_per_s.is_none());
        assert!(found.section.histogram_us.is_empty());
    }
}
