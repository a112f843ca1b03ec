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
use crate::scorer::{LatencyPlan, ScorerProcess};
use crate::settings::{CONFIDENCE, LatencyCheck, Settings};

/// Where the calls tell as much as this share of them, latency bounds are too narrow to go
/// without a word.
const EFFECTIVE_SHARE_NOTABLE: f64 = 0.5;
/// What settles the check of an overloaded run.
const OVERLOAD: &str = "overload";

/// Measures every latency check one after the other and adds checks and evidence.
pub(super) async fn measure_all(
    settings: &Settings,
    mut scorer: ScorerProcess,
    sample: RowSample,
    findings: &mut Findings,
) -> Result<(), GateError> {
    let started = Instant::now();
    let uri = settings.model.to_string();
    let checks = settings.latency.clone();
    let (difference, measured) = tokio::task::spawn_blocking(move || {
        let rows = sample.into_rows();
        let difference =
            compare_alone(&mut scorer, rows.view()).map_err(|source| GateError::SingleRow {
                uri: uri.clone(),
                source,
            })?;
        let measured = checks
            .into_iter()
            .map(|check| {
                let rows = repeated(rows.view(), check.batch);
                let plan = plan(&check);
                let found = bench::measure(&mut scorer, rows.view(), &plan, question(&check));
                Ok((check, found?))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| GateError::Latency { uri, source })?;
        Ok::<_, GateError>((difference, measured))
    })
    .await
    .map_err(|error| internal(&error))??;
    if let Some(Difference { alone, in_batch }) = difference {
        findings.warnings.push(format!(
            "a row scores {alone} by itself and {in_batch} among others: the model mixes the rows of a batch or is random, so a service that asks for single rows may rank worse than auc says"
        ));
    }
    findings.timings.latency_s = Some(started.elapsed().as_secs_f64());
    for (check, found) in measured {
        findings.environment.scorer_resident_bytes_max = found.scorer_resident_bytes_max;
        warn_of_timings(&check, &found, findings);
        let (mut judged, note) = judged(&check, &found);
        if found.section.overloaded {
            // The quantiles of a growing queue depend on how long the run was.
            judged.outcome = Outcome::Fail;
            judged.settled_by = Some(OVERLOAD.to_owned());
        }
        findings.checks.push(judged);
        findings.warnings.extend(note);
        // The first is the one that reports have always shown.
        if findings.latency.is_none() {
            findings.latency = Some(found.section);
        } else {
            findings.latency_further.push(found.section);
        }
    }
    let resources = resources(settings, findings);
    findings.checks.extend(resources);
    Ok(())
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
        maximum.map(|maximum| judge(name, estimate, Limit::AtMost(maximum), DecideOn::Point))
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
