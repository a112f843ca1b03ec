//! Latency, cold start and memory: measured in the child, decided here.

use std::time::{Duration, Instant};

use ndarray::{Array2, ArrayView2, Axis};
use verdict::decision::{
    DecideOn, DecidingNumber, Estimate, Limit, OnInconclusive, evidence, judge, settle,
};
use verdict::latency::QuantileQuestion;
use verdict::report::{Check, Outcome};

use super::internal;
use crate::bench::{self, Measurement};
use crate::error::GateError;
use crate::evaluate::{Difference, RowSample, compare_alone};
use crate::findings::Findings;
use crate::gate::file::{DecideOnName, OnInconclusiveName};
use crate::scorer::{
    Arrivals, LatencyPlan, LatencySamples, Scorer, ScorerProcess, ThrottleEvidence,
};
use crate::settings::{CONFIDENCE, LatencyCheck, Settings, ThroughputLimit};

/// Where the calls tell as much as this share of them, latency bounds are too narrow to go
/// without a word.
const EFFECTIVE_SHARE_NOTABLE: f64 = 0.5;
/// What settles the check of an overloaded run.
const OVERLOAD: &str = "overload";
/// What settles the check of a shard that ran out of time.
const SLOW_SHARD: &str = "slow-shard";

/// The timed calls of one check, of one machine or of several shards.
pub(super) struct Sampled {
    pub(super) check: LatencyCheck,
    pub(super) distinct_rows: usize,
    /// At least one.
    pub(super) of_shards: Vec<LatencySamples>,
}

/// How timed calls end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// As soon as no further call can turn the verdict.
    Early,
    /// After all calls: those of other shards come to them.
    Late,
}

/// Times the calls of every latency check, one after the other.
pub(super) async fn sample_all(
    settings: &Settings,
    mut scorer: ScorerProcess,
    sample: RowSample,
    stop: Stop,
    findings: &mut Findings,
) -> Result<Vec<Sampled>, GateError> {
    let started = Instant::now();
    let uri = settings.model.to_string();
    let checks = settings.latency.clone();
    let (difference, sampled) = tokio::task::spawn_blocking(move || {
        let rows = sample.into_rows();
        let difference =
            compare_alone(&mut scorer, rows.view()).map_err(|source| GateError::SingleRow {
                uri: uri.clone(),
                source,
            })?;
        let sampled = checks
            .into_iter()
            .map(|check| {
                let rows = repeated(rows.view(), check.batch);
                let mut plan = plan(&check);
                if stop == Stop::Late {
                    plan.stop_after = None;
                }
                let samples = scorer.measure(rows.view(), &plan)?;
                Ok(Sampled {
                    distinct_rows: rows.nrows(),
                    of_shards: vec![samples],
                    check,
                })
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| GateError::Latency { uri, source })?;
        Ok::<_, GateError>((difference, sampled))
    })
    .await
    .map_err(|error| internal(&error))??;
    if let Some(Difference { alone, in_batch }) = difference {
        findings.warnings.push(format!(
            "a row scores {alone} by itself and {in_batch} among others: the model mixes the rows of a batch or is random, so a service that asks for single rows may rank worse than auc says"
        ));
    }
    findings.timings.latency_s = Some(started.elapsed().as_secs_f64());
    Ok(sampled)
}

/// Judges every latency check and adds checks and evidence.
pub(super) fn judge_all(settings: &Settings, sampled: Vec<Sampled>, findings: &mut Findings) {
    for Sampled {
        check,
        distinct_rows,
        of_shards,
    } in sampled
    {
        let plan = plan(&check);
        let summarise = |samples: &LatencySamples| {
            bench::summarise(samples, &plan, distinct_rows, question(&check))
        };
        let mut found = summarise(&pooled(&of_shards));
        found.section.throughput_rows_per_s = of_shards
            .iter()
            .filter_map(LatencySamples::rows_per_s)
            .min_by(f64::total_cmp);
        findings.environment.scorer_resident_bytes_max = found.scorer_resident_bytes_max;
        warn_of_timings(&check, &found, findings);
        let (mut judged, note) = judged(&check, &found);
        if let Some(worse) = worst_of_hurried(&check, &judged, &of_shards, summarise) {
            judged.outcome = worse;
            judged.settled_by = Some(SLOW_SHARD.to_owned());
            findings.warnings.push(format!(
                "`{}`: a shard ran out of time, so that its slow calls are too few among all; by its own calls the check is a {worse}",
                check.name
            ));
        }
        let overloaded = of_shards
            .iter()
            .any(|samples| summarise(samples).section.overloaded);
        if overloaded || found.section.overloaded {
            // The quantiles of a growing queue depend on how long the run was.
            judged.outcome = Outcome::Fail;
            judged.settled_by = Some(OVERLOAD.to_owned());
        }
        findings.checks.push(judged);
        findings.warnings.extend(note);
        let throughput = check.throughput.iter();
        let throughput = throughput.map(|limit| judged_throughput(limit, &found));
        findings.checks.extend(throughput);
        // The first is the one that reports have always shown.
        if findings.latency.is_none() {
            findings.latency = Some(found.section);
        } else {
            findings.latency_further.push(found.section);
        }
    }
    let resources = resources(settings, findings);
    findings.checks.extend(resources);
}

/// Puts the calls of all shards together; of what is not a call, the worst counts.
fn pooled(of_shards: &[LatencySamples]) -> LatencySamples {
    let mut shards = of_shards.iter();
    let mut pool = shards
        .next()
        .cloned()
        .expect("at least one machine timed calls");
    for shard in shards {
        pool.nanoseconds.extend(&shard.nanoseconds);
        pool.warm_up_calls += shard.warm_up_calls;
        pool.warm_up_stable &= shard.warm_up_stable;
        pool.warm_up = pool.warm_up.max(shard.warm_up);
        if shard.load + shard.first_call > pool.load + pool.first_call {
            (pool.load, pool.first_call) = (shard.load, shard.first_call);
            pool.first_call_rows = shard.first_call_rows;
        }
        pool.elapsed = pool.elapsed.max(shard.elapsed);
        pool.budget_exhausted |= shard.budget_exhausted;
        pool.stopped_early |= shard.stopped_early;
        pool.backlog += shard.backlog;
        pool.overhead_ns = pool.overhead_ns.max(shard.overhead_ns);
        pool.peak_memory_bytes = pool.peak_memory_bytes.max(shard.peak_memory_bytes);
        pool.throttling = match (pool.throttling, shard.throttling) {
            (Some(one), Some(two)) => Some(ThrottleEvidence {
                periods: one.periods + two.periods,
                throttled_periods: one.throttled_periods + two.throttled_periods,
                throttled_us: one.throttled_us + two.throttled_us,
            }),
            (one, two) => one.or(two),
        };
    }
    pool
}

/// A shard that is slow enough to run out of time makes fewer calls than the others, and so weighs
/// less in the pool than it would in a service. Such a shard has to hold the limit by itself; returns
/// the worst outcome that is worse than the pool's.
fn worst_of_hurried(
    check: &LatencyCheck,
    pool: &Check,
    of_shards: &[LatencySamples],
    summarise: impl Fn(&LatencySamples) -> Measurement,
) -> Option<Outcome> {
    if of_shards.len() < 2 || check.arrivals != Arrivals::Closed {
        return None;
    }
    let badness = |outcome: Outcome| match outcome {
        Outcome::Pass => 0,
        Outcome::Inconclusive => 1,
        Outcome::Fail | Outcome::Error => 2,
    };
    of_shards
        .iter()
        .filter(|samples| samples.budget_exhausted)
        .map(|samples| judged(check, &summarise(samples)).0.outcome)
        .filter(|&outcome| badness(outcome) > badness(pool.outcome))
        .max_by_key(|&outcome| badness(outcome))
}

/// Returns at least `rows_min` rows: those there are, over and over.
fn repeated(rows: ArrayView2<'_, f32>, rows_min: usize) -> Array2<f32> {
    let count = rows.nrows().max(rows_min);
    let order: Vec<usize> = (0..count).map(|row| row % rows.nrows().max(1)).collect();
    rows.select(Axis(0), &order)
}

fn question(check: &LatencyCheck) -> QuantileQuestion {
    QuantileQuestion {
        quantile: check.quantile,
        confidence: check.confidence,
    }
}

fn plan(check: &LatencyCheck) -> LatencyPlan {
    let maximum = Duration::try_from_secs_f64(check.max_ms / 1e3).unwrap_or(Duration::MAX);
    LatencyPlan {
        batch: check.batch,
        arrivals: check.arrivals,
        ..bench::plan(check.threads, check.time_budget, maximum, question(check))
    }
}

/// Decides a latency check. On the upper bound a limit that the sample does not support is
/// missed, and only too few calls for any claim leave it open.
fn judged(check: &LatencyCheck, found: &Measurement) -> (Check, Option<String>) {
    let estimate = found.asked.unwrap_or(Estimate {
        value: f64::NAN,
        lower: None,
        upper: None,
        confidence: check.confidence,
        samples: 0,
    });
    let limit = Limit::AtMost(check.max_ms);
    let mut judged = match check.decide_on {
        DecideOnName::Point => judge(&check.name, estimate, limit, DecideOn::Point),
        DecideOnName::UpperBound => judge(&check.name, estimate, limit, DecideOn::CautiousBound),
        DecideOnName::LowerBound => Check {
            outcome: evidence(&estimate, limit, DecidingNumber::LowerBound),
            ..judge(&check.name, estimate, limit, DecideOn::Point)
        },
    };
    let decided_on = DecidingNumber::from(check.decide_on).name();
    judged.decided_on = Some(decided_on.to_owned());
    if judged.outcome != Outcome::Inconclusive
        || check.on_inconclusive == OnInconclusiveName::Distinct
    {
        return (judged, None);
    }
    let policy = OnInconclusive::from(check.on_inconclusive);
    judged.outcome = settle(judged.outcome, estimate.value, limit, policy);
    judged.settled_by = Some(policy.name().to_owned());
    let note = format!(
        "too few calls settle `{}`; the gate file makes that a {}",
        check.name, judged.outcome
    );
    (judged, Some(note))
}

/// Decides on throughput, of which one number is measured.
fn judged_throughput(limit: &ThroughputLimit, found: &Measurement) -> Check {
    let estimate = Estimate {
        value: found.section.throughput_rows_per_s.unwrap_or(f64::NAN),
        lower: None,
        upper: None,
        confidence: CONFIDENCE,
        samples: found.section.samples,
    };
    let least = Limit::AtLeast(limit.min_rows_per_s);
    Check {
        decided_on: Some(DecidingNumber::Point.name().to_owned()),
        ..judge(&limit.name, estimate, least, DecideOn::Point)
    }
}

/// Judges start and memory by what the first measurement found.
fn resources(settings: &Settings, findings: &Findings) -> Vec<Check> {
    let of = |name: &str, maximum: Option<f64>, value: Option<f64>| {
        let estimate = Estimate {
            value: value.unwrap_or(f64::NAN),
            lower: None,
            upper: None,
            confidence: CONFIDENCE,
            samples: 1,
        };
        maximum.map(|maximum| Check {
            decided_on: Some(DecidingNumber::Point.name().to_owned()),
            ..judge(name, estimate, Limit::AtMost(maximum), DecideOn::Point)
        })
    };
    let latency = findings.latency.as_ref();
    let load = latency.and_then(|latency| latency.model_load_ms);
    let first = latency.and_then(|latency| latency.first_call_ms);
    let memory = findings.environment.scorer_resident_bytes_max;
    [
        of(
            "cold_start_ms",
            settings.resources.max_cold_start_ms,
            load.zip(first).map(|(load, first)| load + first),
        ),
        of(
            "model_memory_mib",
            settings.resources.max_memory_mib,
            memory.map(|bytes| bytes as f64 / (1024.0 * 1024.0)),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn warn_of_timings(check: &LatencyCheck, measured: &Measurement, findings: &mut Findings) {
    let section = &measured.section;
    if measured.budget_exhausted {
        findings.warnings.push(format!(
            "the time budget ended the measurement of `{}` after {} calls",
            check.name, section.samples
        ));
    }
    if !section.warm_up_stable {
        findings.warnings.push(format!(
            "latency had not settled after {} warm-up calls",
            section.warm_up_calls
        ));
    }
    if let Some(periods) = section
        .throttling
        .throttled_periods
        .filter(|&periods| periods > 0)
    {
        findings.warnings.push(format!(
            "the container's processor quota throttled {periods} periods while latency was measured: raise the limit or read p99 with care"
        ));
    }
    if let Some(effective) = section
        .effective_samples
        .filter(|&effective| (effective as f64) < EFFECTIVE_SHARE_NOTABLE * section.samples as f64)
    {
        let bound = section.upper_bound_allowing_runs_ms.map_or_else(
            || "they support no upper bound".to_owned(),
            |upper| format!("allowing for that it is at most {upper:.3} ms"),
        );
        findings.warnings.push(format!(
            "slow calls of `{}` came in runs: the {} calls tell as much as {effective} independent ones, and its bounds are too narrow; {bound}",
            check.name, section.samples
        ));
    }
    if section.overloaded {
        findings.warnings.push(format!(
            "`{}`: more calls fell due than the model answers; {} were not made when the run ended, {} were",
            check.name,
            section.backlog_calls.unwrap_or_default(),
            section.samples
        ));
    }
}
