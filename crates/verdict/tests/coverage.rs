//! How often bounds miss the truth, on seeded samples whose truth is known; a small form of
//! `examples/coverage.rs`, whose larger results stand in `docs/adr/0020`.

use verdict::auc::auc;
use verdict::bootstrap::{Resampling, studentised_area};
use verdict::interval::{Bounds, IntervalMethod, Tails, bounds};
use verdict::latency::independence::{independence, quantile_allowing_runs};
use verdict::latency::{QuantileQuestion, quantile};
use verdict::paired::compare;
use verdict::proportion::{Proportion, wilson};
use verdict::random::Stream;
use verdict::rows::{Row, RowAccumulator};
use verdict::score::{RankedScores, ScoreAccumulator, ScoreSlice};

const CONFIDENCE: f64 = 0.95;
/// Standard normal quantile of 0.92 times the square root of 2: equal variances.
const SHIFT: f64 = 1.987_071_255_303_697;
const AREA: f64 = 0.92;

fn draw(sample: u32, positives: usize, negatives: usize) -> RankedScores {
    let mut stream = Stream::new(7, sample, 1);
    let mut gathered = ScoreAccumulator::new();
    for row in 0..positives + negatives {
        let score = stream.normal() + if row < positives { SHIFT } else { 0.0 };
        gathered
            .extend(ScoreSlice::Double(&[score]), &[row < positives])
            .expect("no NaN was drawn");
    }
    gathered.finish()
}

/// Returns the shares of lower and of upper bounds beyond the truth.
fn misses(samples: u32, ask: impl Fn(u32) -> Option<Bounds>, truth: f64) -> (f64, f64) {
    let (mut low, mut high) = (0u32, 0u32);
    for found in (0..samples).filter_map(ask) {
        low += u32::from(found.lower > truth);
        high += u32::from(found.upper < truth);
    }
    let share = |count: u32| f64::from(count) / f64::from(samples);
    (share(low), share(high))
}

#[test]
fn the_default_interval_misses_about_as_often_as_it_says_with_a_hundred_positives() {
    let of = |method| {
        misses(
            800,
            |sample| {
                let area = auc(&draw(sample, 100, 500)).expect("both classes");
                bounds(&area, CONFIDENCE, Tails::OneSided, method).ok()
            },
            AREA,
        )
    };
    let (low, high) = of(IntervalMethod::LogitT);
    assert!(low < 0.085 && high < 0.085, "{low} {high}");
    assert!(low > 0.02 && high > 0.02, "{low} {high}: far too wide");
    let (wald, _) = of(IntervalMethod::Wald);
    assert!(wald > low, "{wald}");
}

#[test]
fn the_envelope_keeps_its_level_where_the_default_does_not() {
    let of = |method| {
        misses(
            800,
            |sample| {
                let area = auc(&draw(sample, 20, 200)).expect("both classes");
                bounds(&area, CONFIDENCE, Tails::OneSided, method).ok()
            },
            AREA,
        )
    };
    let (envelope, _) = of(IntervalMethod::Envelope);
    let (default, _) = of(IntervalMethod::LogitT);
    assert!(envelope < 0.065, "{envelope}");
    assert!(default > envelope, "{default}");
}

#[test]
fn the_studentised_interval_misses_about_as_often_as_it_says() {
    let (low, high) = misses(
        150,
        |sample| {
            let resampling = Resampling {
                seed: u64::from(sample),
                replicates: 299,
                threads: 2,
            };
            studentised_area(
                &draw(sample, 60, 120),
                CONFIDENCE,
                Tails::OneSided,
                &resampling,
            )
            .expect("both classes")
            .ok()
        },
        AREA,
    );
    assert!(low < 0.12 && high < 0.12, "{low} {high}");
}

/// Two equally good models whose scores share a part: a margin of 0 is refused as often as
/// the confidence says.
#[test]
fn the_bounds_of_a_difference_miss_about_as_often_as_they_say() {
    for positives in [15, 60] {
        let (low, high) = misses(
            600,
            |sample| {
                let mut stream = Stream::new(12, sample, 1);
                let mut pairs = RowAccumulator::default();
                for row in 0..6 * positives {
                    let label = row < positives;
                    let common = stream.normal() + if label { 2.0 } else { 0.0 };
                    let mut score = || common + 0.8 * stream.normal();
                    pairs.extend([Row {
                        scores: [score(), score()],
                        positive: label,
                        weight: 1.0,
                        cluster: None,
                    }]);
                }
                let found = compare(&pairs.finish()).expect("both classes");
                let bounds = found.bounds(CONFIDENCE, Tails::OneSided);
                bounds.ok().map(|found| found.0)
            },
            0.0,
        );
        assert!(low < 0.085 && high < 0.085, "{positives}: {low} {high}");
        assert!(low + high > 0.03, "{positives}: {low} {high}: far too wide");
    }
}

#[test]
fn wilson_misses_about_as_often_as_it_says() {
    let truth = 0.9;
    let (low, high) = misses(
        3000,
        |sample| {
            let mut stream = Stream::new(8, sample, 1);
            let successes = (0..200).filter(|_| stream.unit() < truth).count() as u64;
            let proportion = Proportion {
                successes,
                trials: 200,
            };
            wilson(proportion, CONFIDENCE, Tails::OneSided).ok()
        },
        truth,
    );
    assert!(low < 0.07 && high < 0.07, "{low} {high}");
}

/// Lognormal latencies; the bound of p99 is below the true one in at most 5 % of samples.
#[test]
fn the_upper_bound_of_p99_misses_no_more_often_than_it_says() {
    let truth = (2.326_347_874_040_841f64).exp() * 1e6;
    for calls in [300, 1000, 2000] {
        let samples = 600;
        let missed = (0..samples).filter(|&sample| {
            let mut stream = Stream::new(9, sample, 1);
            let mut taken: Vec<u64> = (0..calls)
                .map(|_| (stream.normal().exp() * 1e6) as u64)
                .collect();
            taken.sort_unstable();
            let found = quantile(&taken, QuantileQuestion::P99).expect("calls");
            (found.upper_ns.expect("299 suffice") as f64) < truth
        });
        let share = missed.count() as f64 / f64::from(samples);
        assert!(share < 0.05 + 0.027, "{calls}: {share}");
    }
}

/// Slow calls in runs of five: the plain bound misses too often, the one that allows for
/// runs does not.
#[test]
fn the_bound_that_allows_for_runs_keeps_its_level() {
    let (samples, calls, share, run) = (300, 10_000, 0.0101, 5.0);
    let (mut plain, mut allowing) = (0u32, 0u32);
    for sample in 0..samples {
        let mut stream = Stream::new(10, sample, 1);
        let mut slow = stream.unit() < share;
        let taken: Vec<u64> = (0..calls)
            .map(|_| {
                let now = if slow { 50_000 } else { 1000 } + u64::from(stream.bits() % 1000);
                let enter = share / (1.0 - share) / run;
                slow = stream.unit() < if slow { 1.0 - 1.0 / run } else { enter };
                now
            })
            .collect();
        let mut sorted = taken.clone();
        sorted.sort_unstable();
        let question = QuantileQuestion::P99;
        let effective = independence(&taken, question, 5)
            .expect("calls")
            .effective_samples;
        let missed = |found: Option<u64>| u32::from(found.is_some_and(|upper| upper < 50_000));
        plain += missed(quantile(&sorted, question).expect("calls").upper_ns);
        let found = quantile_allowing_runs(&sorted, question, effective).expect("calls");
        allowing += missed(found.upper_ns);
    }
    let share = |count: u32| f64::from(count) / f64::from(samples);
    assert!(share(plain) > 0.12, "{}", share(plain));
    assert!(share(allowing) < 0.09, "{}", share(allowing));
}
