//! Timed calls: warm-up until stable, then a loop that does nothing but call and note the time.

use std::hint::black_box;
use std::time::{Duration, Instant};

use validator::scorer::protocol::{Measured, Rows};
use validator::scorer::{Arrivals, LatencyPlan};

use crate::torch::{Input, Model, TorchError};

/// Iterations of the empty loop that yields the overhead.
const OVERHEAD_CALLS: usize = 20_000;
/// Shortest wait that is left to the kernel; shorter ones spin, as sleeping is not that exact.
const SLEEP_MIN: Duration = Duration::from_micros(300);

/// First call of the process, for the cold start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstCall {
    pub(crate) nanoseconds: u64,
    pub(crate) rows: usize,
}

/// Runs the plan on `input`, which holds `rows`.
pub(crate) fn measure(
    model: &Model,
    input: &Input,
    rows: Rows,
    plan: &LatencyPlan,
    first_call: &mut Option<FirstCall>,
) -> Result<(Measured, Vec<u64>), TorchError> {
    let inputs = (0..rows.rows / plan.batch)
        .map(|call| input.rows(call * plan.batch, plan.batch))
        .collect::<Result<Vec<_>, _>>()?;
    let warm_up = warm_up(model, &inputs, plan, first_call)?;
    let timed = timed_calls(model, &inputs, plan)?;
    let first = first_call.unwrap_or(FirstCall {
        nanoseconds: 0,
        rows: 0,
    });
    let measured = Measured {
        calls: timed.samples.len(),
        warm_up_calls: warm_up.calls,
        warm_up_stable: warm_up.stable,
        warm_up_ns: nanoseconds(warm_up.elapsed),
        first_call_ns: first.nanoseconds,
        first_call_rows: first.rows,
        elapsed_ns: nanoseconds(timed.elapsed),
        budget_exhausted: timed.budget_exhausted,
        stopped_early: timed.stopped_early,
        backlog: timed.backlog,
        overhead_ns: overhead(),
    };
    Ok((measured, timed.samples))
}

struct WarmUp {
    calls: usize,
    stable: bool,
    elapsed: Duration,
}

/// Calls until the medians of two consecutive windows agree, or the limits end it.
fn warm_up(
    model: &Model,
    inputs: &[Input],
    plan: &LatencyPlan,
    first_call: &mut Option<FirstCall>,
) -> Result<WarmUp, TorchError> {
    let window = plan.warm_up_window.max(1);
    let calls_min = plan.warm_up_calls_min.max(2 * window);
    let mut samples = Vec::with_capacity(plan.warm_up_calls_max.max(calls_min));
    let started = Instant::now();
    let mut stable = false;
    for input in inputs.iter().cycle() {
        let call = Instant::now();
        black_box(model.call(input)?);
        model.finish();
        let elapsed = nanoseconds(call.elapsed());
        first_call.get_or_insert(FirstCall {
            nanoseconds: elapsed,
            rows: plan.batch,
        });
        samples.push(elapsed);
        let calls = samples.len();
        if calls >= calls_min && calls.is_multiple_of(window) {
            let earlier = median(&samples[calls - 2 * window..calls - window]);
            let later = median(&samples[calls - window..]);
            stable = earlier.abs_diff(later) as f64 <= plan.warm_up_tolerance * earlier as f64;
        }
        if stable
            || calls >= plan.warm_up_calls_max.max(calls_min)
            || started.elapsed() >= plan.warm_up_budget
        {
            break;
        }
    }
    Ok(WarmUp {
        calls: samples.len(),
        stable,
        elapsed: started.elapsed(),
    })
}

struct Timed {
    samples: Vec<u64>,
    elapsed: Duration,
    budget_exhausted: bool,
    stopped_early: bool,
    backlog: usize,
}

fn timed_calls(model: &Model, inputs: &[Input], plan: &LatencyPlan) -> Result<Timed, TorchError> {
    let mut due = Schedule::new(plan.arrivals);
    let mut samples = Vec::with_capacity(plan.calls_max);
    let limit_ns = plan
        .stop_after
        .map_or(u64::MAX, |stop| nanoseconds(stop.limit));
    let stop_after = plan.stop_after.map_or(usize::MAX, |stop| stop.calls);
    let (mut over_limit, mut budget_exhausted) = (0, false);
    let mut calls = inputs.iter().cycle();
    let started = Instant::now();
    while samples.len() < plan.calls_max && over_limit < stop_after {
        let Some(input) = calls.next() else { break };
        let begun = due.wait(started);
        let output = model.call(input)?;
        model.finish();
        let ended = Instant::now();
        drop(black_box(output));
        let latency = nanoseconds(ended.duration_since(begun));
        samples.push(latency);
        over_limit += usize::from(latency > limit_ns);
        let elapsed = ended.duration_since(started);
        budget_exhausted = elapsed >= plan.budget && samples.len() < plan.calls_target;
        if budget_exhausted || (samples.len() >= plan.calls_target && elapsed >= plan.quick) {
            break;
        }
    }
    Ok(Timed {
        elapsed: started.elapsed(),
        backlog: due.backlog(started.elapsed()),
        stopped_early: over_limit >= stop_after,
        budget_exhausted,
        samples,
    })
}

/// When the next call is due.
struct Schedule {
    arrivals: Arrivals,
    due: Duration,
    random: u64,
}

impl Schedule {
    fn new(arrivals: Arrivals) -> Self {
        let random = match arrivals {
            Arrivals::Poisson { seed, .. } => seed,
            Arrivals::Closed | Arrivals::Constant { .. } => 0,
        };
        Self {
            arrivals,
            due: Duration::ZERO,
            random,
        }
    }

    /// Waits for the next call and returns the time that its latency counts from: now in a closed
    /// loop, the due time, however late, in an open one.
    fn wait(&mut self, started: Instant) -> Instant {
        if self.arrivals == Arrivals::Closed {
            return Instant::now();
        }
        let due = started + self.due;
        self.advance();
        loop {
            let now = Instant::now();
            if now >= due {
                return due;
            }
            let rest = due - now;
            if rest > SLEEP_MIN {
                std::thread::sleep(rest - SLEEP_MIN);
            } else {
                std::hint::spin_loop();
            }
        }
    }

    fn advance(&mut self) {
        let gap = self.gap();
        self.due = self.due.saturating_add(gap);
    }

    fn gap(&mut self) -> Duration {
        let seconds = match self.arrivals {
            Arrivals::Closed => 0.0,
            Arrivals::Constant { calls_per_s } => 1.0 / calls_per_s,
            Arrivals::Poisson { calls_per_s, .. } => -self.uniform().ln() / calls_per_s,
        };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 4)
    }

    /// Returns the next number in (0, 1]; splitmix64 (Steele, Lea and Flood 2014).
    fn uniform(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Counts the calls that were due by `elapsed` and have not been made.
    fn backlog(&mut self, elapsed: Duration) -> usize {
        const COUNT_MAX: usize = 1_000_000;
        if self.arrivals == Arrivals::Closed {
            return 0;
        }
        let mut backlog = 0;
        while self.due <= elapsed && backlog < COUNT_MAX {
            backlog += 1;
            self.advance();
        }
        backlog
    }
}

/// Returns the mean cost of timing nothing: two clock reads and a store.
fn overhead() -> f64 {
    let mut samples = Vec::with_capacity(OVERHEAD_CALLS);
    let started = Instant::now();
    for _ in 0..OVERHEAD_CALLS {
        let begun = Instant::now();
        let ended = Instant::now();
        samples.push(black_box(nanoseconds(ended.duration_since(begun))));
    }
    let elapsed = started.elapsed().as_nanos() as f64;
    drop(black_box(samples));
    elapsed / OVERHEAD_CALLS as f64
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_times(arrivals: Arrivals, count: usize) -> Vec<f64> {
        let mut schedule = Schedule::new(arrivals);
        (0..count)
            .map(|_| {
                let due = schedule.due.as_secs_f64();
                schedule.advance();
                due
            })
            .collect()
    }

    #[test]
    fn a_poisson_schedule_keeps_its_rate_and_repeats_with_its_seed() {
        let arrivals = Arrivals::Poisson {
            calls_per_s: 200.0,
            seed: 7,
        };
        let times = due_times(arrivals, 20_000);
        assert_eq!(times, due_times(arrivals, 20_000));
        let rate = 19_999.0 / times[19_999];
        assert!((rate - 200.0).abs() < 6.0, "{rate}");
    }

    #[test]
    fn calls_that_are_due_and_not_made_are_the_backlog() {
        let mut schedule = Schedule::new(Arrivals::Constant { calls_per_s: 10.0 });
        assert_eq!(schedule.backlog(Duration::from_millis(450)), 5);
        assert_eq!(Schedule::new(Arrivals::Closed).backlog(Duration::MAX), 0);
    }

    #[test]
    fn the_median_is_the_middle_sample() {
        assert_eq!(median(&[9, 1, 5]), 5);
    }
}
