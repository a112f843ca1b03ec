//! Measures how often one-sided bounds miss the truth, on data whose truth is known.
//!
//! `cargo run --release -p verdict --example coverage -- SAMPLES [REPLICATES]`
//!
//! The results that decided the defaults stand in `docs/adr/0020-intervals-of-the-area.md`.

use verdict::auc::{Auc, auc};
use verdict::bootstrap::{Question, Resampling, Sample, bootstrap, studentised_area};
use verdict::interval::{Bounds, IntervalMethod, Tails, bounds};
use verdict::latency::independence::{independence, quantile_allowing_runs};
use verdict::latency::{QuantileQuestion, quantile};
use verdict::metric::{Metric, OutputKind};
use verdict::paired::compare;
use verdict::proportion::{Proportion, wilson};
use verdict::random::Stream;
use verdict::rows::{Row, RowAccumulator};
use verdict::score::{RankedScores, ScoreAccumulator, ScoreSlice};

const CONFIDENCE: f64 = 0.95;

/// Scores of positives are normal with mean `shift` and deviation `spread`, those of
/// negatives standard normal.
#[derive(Clone, Copy)]
struct World {
    area: f64,
    shift: f64,
    spread: f64,
    positives: usize,
    negatives: usize,
}

fn draw(world: World, sample: u32) -> RankedScores {
    let mut stream = Stream::new(42, sample, 1000);
    let mut gathered = ScoreAccumulator::new();
    let labels: Vec<bool> = (0..world.positives + world.negatives)
        .map(|row| row < world.positives)
        .collect();
    let scores: Vec<f64> = labels
        .iter()
        .map(|&positive| {
            let noise = stream.normal();
            if positive {
                world.shift + world.spread * noise
            } else {
                noise
            }
        })
        .collect();
    gathered
        .extend(ScoreSlice::Double(&scores), &labels)
        .expect("no NaN was drawn");
    gathered.finish()
}

#[derive(Default)]
struct Misses {
    name: &'static str,
    low: u32,
    high: u32,
    none: u32,
    width: f64,
    asked: u32,
}

impl Misses {
    fn count(&mut self, found: Option<Bounds>, truth: f64) {
        self.asked += 1;
        match found {
            Some(found) => {
                self.low += u32::from(found.lower > truth);
                self.high += u32::from(found.upper < truth);
                self.width += found.upper - found.lower;
            }
            None => self.none += 1,
        }
    }

    fn line(&self) -> String {
        let share = |count: u32| f64::from(count) / f64::from(self.asked);
        format!(
            "{:26} lower above truth {:.3}  upper below {:.3}  no bounds {:.3}  width {:.4}",
            self.name,
            share(self.low),
            share(self.high),
            share(self.none),
            self.width / f64::from(self.asked - self.none).max(1.0)
        )
    }
}

fn areas(world: World, samples: u32, replicates: u32) -> Vec<Misses> {
    let methods = [
        IntervalMethod::Wald,
        IntervalMethod::LogitNormal,
        IntervalMethod::LogitT,
        IntervalMethod::NewcombeScore,
        IntervalMethod::Envelope,
    ];
    let mut found: Vec<Misses> = methods
        .iter()
        .map(|method| Misses {
            name: method.name(),
            ..Misses::default()
        })
        .collect();
    let resampled = ["bootstrap-t", "bootstrap-bc"].map(|name| Misses {
        name,
        ..Misses::default()
    });
    found.extend(resampled);
    for sample in 0..samples {
        let scores = draw(world, sample);
        let area: Auc = auc(&scores).expect("both classes were drawn");
        for (method, misses) in methods.iter().zip(&mut found) {
            let bounds = bounds(&area, CONFIDENCE, Tails::OneSided, *method);
            misses.count(bounds.ok(), world.area);
        }
        if replicates == 0 {
            continue;
        }
        let resampling = Resampling {
            seed: u64::from(sample),
            replicates,
            threads: 1,
        };
        let t = studentised_area(&scores, CONFIDENCE, Tails::OneSided, &resampling)
            .expect("both classes were drawn");
        found[5].count(t.ok(), world.area);
        let question = Question {
            metric: Metric::Auc,
            outputs: [OutputKind::Logits; 2],
        };
        let drawn = bootstrap(&Sample::of_scores(&scores), &[question], &resampling)
            .expect("both classes were drawn");
        let bc = drawn.models[0][0].bounds(CONFIDENCE, Tails::OneSided);
        found[6].count(bc.ok(), world.area);
    }
    found.retain(|misses| misses.asked > 0);
    found
}

/// Two models that are equally good, whose scores share a part.
fn differences(shift: f64, own: f64, positives: usize, samples: u32) -> Misses {
    let mut misses = Misses {
        name: "delong-paired",
        ..Misses::default()
    };
    for sample in 0..samples {
        let mut stream = Stream::new(45, sample, 1003);
        let mut pairs = RowAccumulator::default();
        for row in 0..11 * positives {
            let label = row < positives;
            let common = stream.normal() + if label { shift } else { 0.0 };
            let mut score = || common + own * stream.normal();
            pairs.extend([Row {
                scores: [score(), score()],
                positive: label,
                weight: 1.0,
                cluster: None,
            }]);
        }
        let found = compare(&pairs.finish()).expect("both classes were drawn");
        let bounds = found.bounds(CONFIDENCE, Tails::OneSided);
        misses.count(bounds.ok().map(|found| found.0), 0.0);
    }
    misses
}

fn shares(truth: f64, trials: u64, samples: u32) -> Misses {
    let mut misses = Misses {
        name: "wilson",
        ..Misses::default()
    };
    for sample in 0..samples {
        let mut stream = Stream::new(43, sample, 1001);
        let successes = (0..trials).filter(|_| stream.unit() < truth).count() as u64;
        let found = wilson(
            Proportion { successes, trials },
            CONFIDENCE,
            Tails::OneSided,
        );
        misses.count(found.ok(), truth);
    }
    misses
}

/// Calls of which one in a hundred is slow, in runs of a mean length; the true p99 lies
/// between quick and slow ones, so a bound misses when it is quick.
fn latencies(calls: usize, run: f64, samples: u32) -> (f64, f64, f64) {
    let (mut naive, mut wide, mut none) = (0u32, 0u32, 0u32);
    for sample in 0..samples {
        let mut stream = Stream::new(44, sample, 1002);
        let share = 0.0101;
        let mut slow = stream.unit() < share;
        let taken: Vec<u64> = (0..calls)
            .map(|_| {
                let jitter = (stream.unit() * 1e6) as u64;
                let now = if slow { 50_000_000 } else { 1_000_000 } + jitter;
                let enter = share / (1.0 - share) / run;
                slow = stream.unit() < if slow { 1.0 - 1.0 / run } else { enter };
                now
            })
            .collect();
        let mut sorted = taken.clone();
        sorted.sort_unstable();
        let question = QuantileQuestion::P99;
        let effective = independence(&taken, question, 5)
            .expect("many calls")
            .effective_samples;
        let missed = |upper: Option<u64>| upper.is_some_and(|upper| upper < 50_000_000);
        let plain = quantile(&sorted, question).expect("many calls");
        naive += u32::from(missed(plain.upper_ns));
        let allowing = quantile_allowing_runs(&sorted, question, effective).expect("many calls");
        wide += u32::from(missed(allowing.upper_ns));
        none += u32::from(allowing.upper_ns.is_none());
    }
    let share = |count: u32| f64::from(count) / f64::from(samples);
    (share(naive), share(wide), share(none))
}

#[expect(clippy::print_stdout, reason = "an example prints what it measured")]
fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok());
    let samples: u32 = arguments.next().unwrap_or(1000);
    let replicates: u32 = arguments.next().unwrap_or(999);
    // Standard normal quantiles of 0.92, 0.98 and 0.8.
    for (area, quantile) in [
        (0.8, 0.841_621_233_572_914_2),
        (0.92, 1.405_071_560_309_632_6),
        (0.98, 2.053_748_910_631_823),
    ] {
        for spread in [1.0, 2.0] {
            for positives in [10, 30, 100] {
                let world = World {
                    area,
                    shift: quantile * f64::hypot(1.0, spread),
                    spread,
                    positives,
                    negatives: 10 * positives,
                };
                println!(
                    "area {area}, deviation {spread}, {positives} positives, {} negatives",
                    world.negatives
                );
                for misses in areas(world, samples, replicates) {
                    println!("  {}", misses.line());
                }
            }
        }
    }
    for (shift, own) in [(1.2, 0.8), (2.0, 0.8), (2.0, 0.3), (2.9, 0.5)] {
        for positives in [10, 30, 100] {
            println!(
                "difference of equal models, shift {shift}, own deviation {own}, {positives} positives: {}",
                differences(shift, own, positives, samples).line()
            );
        }
    }
    for (truth, trials) in [(0.5, 50), (0.9, 50), (0.98, 50), (0.9, 500), (0.98, 500)] {
        println!(
            "share {truth} of {trials}: {}",
            shares(truth, trials, 4 * samples).line()
        );
    }
    for run in [1.0, 3.0, 10.0] {
        for calls in [2000, 10_000] {
            let (naive, wide, none) = latencies(calls, run, samples);
            println!(
                "p99 of {calls} calls, slow ones in runs of {run}: bound too low {naive:.3}, allowing for runs {wide:.3} (no bound {none:.3})"
            );
        }
    }
}
