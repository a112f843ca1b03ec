//! Limits on latency, start and memory, typed and checked.

use std::time::Duration;

use serde::Serialize;
use verdict::report::ConfigurationSource;
use verdict::threshold::{self, ThresholdKind};

use super::checks::{Sourced, confidence};
use super::{Given, MAXIMUM_P99_LATENCY_MS_DEFAULT, SettingsError, TIME_BUDGET_S_DEFAULT};
use crate::gate::Number;
use crate::gate::file::{
    ArrivalsName, DecideOnName, LatencyPart, OnInconclusiveName, ResourcesPart, ScenarioName,
};

/// The seed of Poisson arrivals: the same schedule in each run.
const ARRIVALS_SEED: u64 = 20_260_101;
/// The most rows of one timed call.
const BATCH_MAX: u64 = 1024;
/// The longest time budget, seconds.
const TIME_BUDGET_S_MAX: u64 = 86_400;

/// One limit on latency.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencyCheck {
    /// Its name in reports.
    pub name: String,
    /// When calls are due.
    pub arrivals: crate::scorer::Arrivals,
    /// Rows in a call.
    pub batch: usize,
    /// Threads that one call may use.
    pub threads: usize,
    /// The quantile that is judged, such as 0.99.
    pub quantile: f64,
    /// The largest admissible value.
    pub max_ms: f64,
    /// The least admissible throughput, and the name of its check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput: Option<ThroughputLimit>,
    /// The confidence of each bound.
    pub confidence: f64,
    /// Which number is compared.
    pub decide_on: DecideOnName,
    /// What follows when nothing is settled.
    pub on_inconclusive: OnInconclusiveName,
    /// The longest time for the timed calls.
    pub time_budget: Duration,
}

/// A limit on how many rows are answered in a second.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ThroughputLimit {
    /// The check's name in reports.
    pub name: String,
    /// The least admissible value.
    pub min_rows_per_s: f64,
}

impl LatencyCheck {
    /// Tells whether it is the one that `MAXIMUM_P99_LATENCY_MS` means.
    fn is_the_usual(&self) -> bool {
        self.arrivals == crate::scorer::Arrivals::Closed && self.batch == 1 && self.quantile == 0.99
    }
}

/// Limits on start and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Resources {
    /// The largest admissible time to load and answer once, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cold_start_ms: Option<f64>,
    /// The largest admissible resident memory of the model's process, mebibytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory_mib: Option<f64>,
}

/// Types the latency checks, and lays what a flag or variable says over the one it means.
pub(super) fn latency(
    parts: Option<&[LatencyPart]>,
    maximum: Option<&Given>,
    time_budget: Option<Duration>,
    threads: usize,
) -> Result<(Vec<LatencyCheck>, Option<Sourced>), SettingsError> {
    let usual = [LatencyPart {
        max_ms: Some(Number(
            MAXIMUM_P99_LATENCY_MS_DEFAULT.parse().unwrap_or(f64::NAN),
        )),
        ..LatencyPart::default()
    }];
    let source = match parts {
        Some(_) => ConfigurationSource::File,
        None => ConfigurationSource::Default,
    };
    let typed = |index: usize, part: &LatencyPart| {
        check(part, time_budget, threads).map_err(|problem| SettingsError::Gate {
            key: format!("latency[{index}]"),
            problem,
        })
    };
    let mut checks = parts
        .unwrap_or(&usual)
        .iter()
        .enumerate()
        .map(|(index, part)| typed(index, part))
        .collect::<Result<Vec<_>, _>>()?;
    let mut meant = None;
    if let Some(given) = maximum {
        let value = threshold::parse(&given.name, &given.text, ThresholdKind::Milliseconds)?;
        let count = checks.iter().filter(|check| check.is_the_usual()).count();
        if count > 1 {
            return Err(SettingsError::SeveralMeant {
                name: given.name.clone(),
                what: "latency checks on p99 of single rows in a closed loop",
            });
        }
        match checks.iter_mut().find(|check| check.is_the_usual()) {
            Some(check) => check.max_ms = value,
            None => {
                let mut added = typed(0, &usual[0])?;
                added.max_ms = value;
                checks.insert(0, added);
            }
        }
        meant = Some(given.source);
    }
    for (index, check) in checks.iter().enumerate() {
        let same = |other: &LatencyCheck| {
            other.name == check.name
                || (check.throughput.is_some() && other.throughput == check.throughput)
        };
        if checks[..index].iter().any(same) {
            return Err(SettingsError::Gate {
                key: "latency".into(),
                problem: format!("two entries measure the same: `{}`", check.name),
            });
        }
    }
    let maximum = checks
        .iter()
        .find(|check| check.is_the_usual())
        .map(|check| (check.max_ms, meant.unwrap_or(source)));
    Ok((checks, maximum))
}

fn check(
    part: &LatencyPart,
    time_budget: Option<Duration>,
    threads: usize,
) -> Result<LatencyCheck, String> {
    let percentile = part.percentile.map_or(99.0, |number| number.0);
    if !(percentile > 0.0 && percentile < 100.0) {
        return Err(format!(
            "`percentile` is {percentile}; expected a number between 0 and 100, such as 99.9"
        ));
    }
    let max_ms = part
        .max_ms
        .ok_or("there is no limit: `max_ms` is missing")?
        .0;
    if max_ms <= 0.0 {
        return Err(format!(
            "`max_ms` is {max_ms}; expected milliseconds above 0"
        ));
    }
    let ranged =
        |name: &str, given: Option<crate::gate::Count>, default: u64, most: u64| match given
            .map_or(default, |count| count.0)
        {
            value if (1..=most).contains(&value) => Ok(value),
            value => Err(format!("`{name}` is {value}; expected 1 to {most}")),
        };
    let batch = ranged("batch", part.batch, 1, BATCH_MAX)? as usize;
    let threads = ranged("threads", part.threads, threads as u64, 1024)? as usize;
    let budget_s = ranged(
        "time_budget_s",
        part.time_budget_s,
        TIME_BUDGET_S_DEFAULT,
        TIME_BUDGET_S_MAX,
    )?;
    let arrivals = arrivals(part)?;
    let mut how = match arrivals {
        crate::scorer::Arrivals::Closed => String::new(),
        crate::scorer::Arrivals::Constant { calls_per_s } => {
            format!("_constant_{calls_per_s}_per_s")
        }
        crate::scorer::Arrivals::Poisson { calls_per_s, .. } => {
            format!("_poisson_{calls_per_s}_per_s")
        }
    };
    if batch > 1 {
        how.push_str(&format!("_batch_{batch}"));
    }
    if part.threads.is_some() {
        how.push_str(&format!("_threads_{threads}"));
    }
    let throughput = match part.min_rows_per_s {
        None => None,
        Some(Number(least)) if least > 0.0 => Some(ThroughputLimit {
            name: format!("throughput_rows_per_s{how}"),
            min_rows_per_s: least,
        }),
        Some(Number(least)) => {
            return Err(format!(
                "`min_rows_per_s` is {least}; expected rows in a second above 0"
            ));
        }
    };
    Ok(LatencyCheck {
        name: format!("latency_ms_p{percentile}{how}"),
        throughput,
        arrivals,
        batch,
        threads,
        // Of what a person writes in percent, the nearest share: 99.9 / 100 is not 0.999.
        quantile: (percentile * 1e9).round() / 1e11,
        max_ms,
        confidence: confidence(part.confidence.map(|number| number.0))?,
        decide_on: part.decide_on.unwrap_or(DecideOnName::UpperBound),
        on_inconclusive: part.on_inconclusive.unwrap_or(OnInconclusiveName::Distinct),
        time_budget: time_budget.unwrap_or(Duration::from_secs(budget_s)),
    })
}

fn arrivals(part: &LatencyPart) -> Result<crate::scorer::Arrivals, String> {
    let rate = part.rate_per_s.map(|number| number.0);
    match (part.scenario.unwrap_or(ScenarioName::Closed), rate) {
        (ScenarioName::Closed, None) if part.arrivals.is_none() => {
            Ok(crate::scorer::Arrivals::Closed)
        }
        (ScenarioName::Closed, _) => {
            Err("`rate_per_s` and `arrivals` belong to `scenario: open`".into())
        }
        (ScenarioName::Open, None) => Err("`scenario: open` needs `rate_per_s`".into()),
        (ScenarioName::Open, Some(rate)) if !(rate > 0.0 && rate <= 1e6) => Err(format!(
            "`rate_per_s` is {rate}; expected calls in a second above 0 and up to 1000000"
        )),
        (ScenarioName::Open, Some(calls_per_s)) => Ok(match part.arrivals {
            Some(ArrivalsName::Constant) => crate::scorer::Arrivals::Constant { calls_per_s },
            Some(ArrivalsName::Poisson) | None => crate::scorer::Arrivals::Poisson {
                calls_per_s,
                seed: ARRIVALS_SEED,
            },
        }),
    }
}

/// Types the limits on start and memory, which the latency measurement observes.
pub(super) fn resources(
    part: Option<&ResourcesPart>,
    latency: &[LatencyCheck],
) -> Result<Resources, SettingsError> {
    let positive = |name: &str, given: Option<Number>| match given.map(|number| number.0) {
        Some(value) if value <= 0.0 => Err(SettingsError::Gate {
            key: format!("resources.{name}"),
            problem: format!("it is {value}; expected a number above 0"),
        }),
        other => Ok(other),
    };
    let Some(part) = part else {
        return Ok(Resources::default());
    };
    let resources = Resources {
        max_cold_start_ms: positive("max_cold_start_ms", part.max_cold_start_ms)?,
        max_memory_mib: positive("max_memory_mib", part.max_memory_mib)?,
    };
    if latency.is_empty() && resources != Resources::default() {
        return Err(SettingsError::Gate {
            key: "resources".into(),
            problem:
                "start and memory are observed while latency is measured; add an entry to `latency`"
                    .into(),
        });
    }
    Ok(resources)
}
