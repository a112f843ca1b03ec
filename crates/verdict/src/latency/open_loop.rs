//! Calls that arrive by a clock of their own, as requests do.
//!
//! Latency counts from when a call was *due*, not from when it was sent: a server that stalls
//! makes all calls wait that fell due meanwhile, which a loop that waits for each answer never
//! shows (coordinated omission).

use std::time::Duration;

use crate::random::Stream;

/// How calls fall due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// At equal distances.
    Constant,
    /// Independently of each other: exponential distances.
    Poisson,
}

/// Returns when calls fall due, in nanoseconds from the start, ascending, within `duration`.
///
/// `rate_per_s` is above 0; at most `calls_maximum` are returned. The same seed gives the
/// same schedule.
#[must_use]
pub fn schedule(
    arrivals: Arrivals,
    rate_per_s: f64,
    duration: Duration,
    seed: u64,
    calls_maximum: usize,
) -> Vec<u64> {
    let end_ns = duration.as_nanos() as f64;
    let mean_ns = 1e9 / rate_per_s;
    // A rate that is no number yields no schedule.
    if mean_ns.is_nan() || mean_ns <= 0.0 {
        return Vec::new();
    }
    let mut stream = Stream::new(seed, 0, PURPOSE_ARRIVALS);
    let mut due = Vec::new();
    let mut at = 0.0;
    while due.len() < calls_maximum {
        at = match arrivals {
            Arrivals::Constant => due.len() as f64 * mean_ns,
            Arrivals::Poisson => at - mean_ns * stream.unit().ln(),
        };
        if at >= end_ns {
            break;
        }
        due.push(at as u64);
    }
    due
}

const PURPOSE_ARRIVALS: u32 = 3;

/// A call of an open loop; nanoseconds from the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCall {
    /// When it fell due.
    pub due_ns: u64,
    /// When it was sent.
    pub sent_ns: u64,
    /// When its answer was there.
    pub done_ns: u64,
}

impl OpenCall {
    /// Returns the latency that a caller sees: from due to done.
    #[must_use]
    pub const fn latency_ns(&self) -> u64 {
        self.done_ns.saturating_sub(self.due_ns)
    }

    /// Returns how long the call itself took.
    #[must_use]
    pub const fn service_ns(&self) -> u64 {
        self.done_ns.saturating_sub(self.sent_ns)
    }
}

/// How the offered calls were borne.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Calls a second that fell due.
    pub offered_per_s: f64,
    /// Calls a second that were answered, until the last answer.
    pub achieved_per_s: f64,
    /// Time spent in calls over the workers' time until the last call fell due; 1 and more
    /// cannot be borne for long.
    pub utilisation: f64,
    /// The most calls that were due and unanswered at once.
    pub backlog_maximum: u64,
    /// The calls that were due and unanswered when the last one fell due.
    pub backlog_at_end: u64,
    /// Whether the offered rate was too much: quantiles then describe a growing queue and
    /// depend on how long the run was.
    pub overloaded: bool,
}

/// Looks for overload in a run; `calls` ascend by `due_ns`.
///
/// The run was overloaded when the utilisation is 1 or more, or more than `backlog_limit`
/// calls were waiting at any time. Returns nothing for fewer than two calls.
#[must_use]
pub fn load(calls: &[OpenCall], workers: usize, backlog_limit: u64) -> Option<Load> {
    let (first, last) = (calls.first()?, calls.last()?);
    let offered_ns = last.due_ns.saturating_sub(first.due_ns);
    if calls.len() < 2 || offered_ns == 0 {
        return None;
    }
    let mut done: Vec<u64> = calls.iter().map(|call| call.done_ns).collect();
    done.sort_unstable();
    let (mut backlog_maximum, mut backlog_at_end, mut answered) = (0, 0, 0);
    for (index, call) in calls.iter().enumerate() {
        while done.get(answered).is_some_and(|&at| at <= call.due_ns) {
            answered += 1;
        }
        backlog_at_end = (index + 1 - answered.min(index + 1)) as u64;
        backlog_maximum = backlog_maximum.max(backlog_at_end);
    }
    let until_last_answer = done.last()?.saturating_sub(first.due_ns).max(1);
    let busy: f64 = calls.iter().map(|call| call.service_ns() as f64).sum();
    let utilisation = busy / (offered_ns as f64 * workers.max(1) as f64);
    // The last call's distance to the next is not in the offered time.
    let gaps = (calls.len() - 1) as f64;
    let fair = utilisation * gaps / calls.len() as f64;
    Some(Load {
        offered_per_s: gaps / offered_ns as f64 * 1e9,
        achieved_per_s: calls.len() as f64 / until_last_answer as f64 * 1e9,
        utilisation: fair,
        backlog_maximum,
        backlog_at_end,
        overloaded: fair >= 1.0 || backlog_maximum > backlog_limit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One worker that takes `service` for each call.
    fn serve(due: &[u64], service: impl Fn(usize) -> u64) -> Vec<OpenCall> {
        let mut free = 0;
        due.iter()
            .enumerate()
            .map(|(index, &due_ns)| {
                let sent_ns = free.max(due_ns);
                free = sent_ns + service(index);
                OpenCall {
                    due_ns,
                    sent_ns,
                    done_ns: free,
                }
            })
            .collect()
    }

    #[test]
    fn schedules_have_their_rate_and_repeat() {
        let seconds = Duration::from_secs(30);
        let constant = schedule(Arrivals::Constant, 200.0, seconds, 1, 1 << 20);
        assert_eq!(constant.len(), 6000);
        assert!(
            constant
                .windows(2)
                .all(|pair| pair[1] - pair[0] == 5_000_000)
        );
        let poisson = schedule(Arrivals::Poisson, 200.0, seconds, 1, 1 << 20);
        assert!((5600..6400).contains(&poisson.len()), "{}", poisson.len());
        assert!(poisson.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(
            poisson,
            schedule(Arrivals::Poisson, 200.0, seconds, 1, 1 << 20)
        );
        assert_ne!(
            poisson,
            schedule(Arrivals::Poisson, 200.0, seconds, 2, 1 << 20)
        );
        assert_eq!(schedule(Arrivals::Poisson, 200.0, seconds, 1, 10).len(), 10);
        assert!(schedule(Arrivals::Constant, f64::NAN, seconds, 1, 10).is_empty());
        assert!(schedule(Arrivals::Constant, 0.0, seconds, 1, 10).len() <= 1);
    }

    #[test]
    fn a_stall_counts_for_every_call_that_fell_due_meanwhile() {
        let due = schedule(Arrivals::Constant, 1000.0, Duration::from_secs(1), 1, 1000);
        // One call takes 100 ms, all others 0.1 ms.
        let calls = serve(
            &due,
            |index| if index == 500 { 100_000_000 } else { 100_000 },
        );
        let slow = calls
            .iter()
            .filter(|call| call.latency_ns() > 10_000_000)
            .count();
        assert!(slow > 90, "{slow}");
        let sent_slow = calls
            .iter()
            .filter(|call| call.service_ns() > 10_000_000)
            .count();
        assert_eq!(sent_slow, 1);
        let load = load(&calls, 1, 1000).expect("many");
        assert!(!load.overloaded, "{load:?}");
        assert!(
            load.backlog_maximum > 90 && load.backlog_at_end <= 1,
            "{load:?}"
        );
    }

    #[test]
    fn more_than_can_be_served_is_overload() {
        let due = schedule(Arrivals::Poisson, 1000.0, Duration::from_secs(1), 1, 10_000);
        let twice = load(&serve(&due, |_| 2_000_000), 1, 1 << 30).expect("many");
        assert!(twice.overloaded && twice.utilisation > 1.7, "{twice:?}");
        assert!(
            twice.achieved_per_s < 0.6 * twice.offered_per_s,
            "{twice:?}"
        );
        let half = load(&serve(&due, |_| 500_000), 1, 1 << 30).expect("many");
        assert!(!half.overloaded, "{half:?}");
        let limited = load(&serve(&due, |_| 500_000), 1, 0).expect("many");
        assert!(limited.overloaded);
        assert_eq!(load(&[], 1, 5), None);
    }
}
