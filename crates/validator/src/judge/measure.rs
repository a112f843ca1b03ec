//! One metric on one population: its value, its bounds, and what speaks against a limit.

use verdict::auc::{Auc, auc};
use verdict::bootstrap::{Question, Resampling, Sample, bootstrap};
use verdict::decision::{Estimate, Limit};
use verdict::interval::{Bounds, CLASS_ROWS_MINIMUM, IntervalMethod, Tails, bounds, bounds_always};
use verdict::metric::{Groups, Metric, MetricError, OutputKind, RankedRows, confusion, evaluate};
use verdict::paired::identical;
use verdict::proportion::{Proportion, wilson};
use verdict::slices::{TailProbabilities, area_tails, normal_tails};

use super::population::Population;
use crate::gate::file::DecideOnName;
use crate::runs::SortedRows;
use crate::settings::{Bar, MetricCheck, Subject};

/// Up to this many distinct outputs, bounds are resampled even where the point decides.
const DISTINCT_MAX: usize = 20_000;

/// What is known of the outputs of both models.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outputs {
    pub(super) model: OutputKind,
    pub(super) champion: Option<OutputKind>,
}

/// A value and what its sample supports.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) estimate: Estimate,
    /// How the bounds were made, where there are any.
    pub(super) method: Option<&'static str>,
    /// What speaks against and for the limit, where a test is defined.
    pub(super) tails: Option<TailProbabilities>,
    /// Why the value, or its bounds where they decide, are undefined.
    pub(super) problem: Option<String>,
}

impl From<Bar> for Limit {
    fn from(bar: Bar) -> Self {
        match bar {
            Bar::Min(minimum) => Self::AtLeast(minimum),
            Bar::Max(maximum) => Self::AtMost(maximum),
        }
    }
}

fn limit_value(bar: Bar) -> f64 {
    match bar {
        Bar::Min(value) | Bar::Max(value) => value,
    }
}

struct Found {
    value: f64,
    bounds: Option<(Bounds, &'static str)>,
    tails: Option<TailProbabilities>,
    problem: Option<String>,
}

impl Found {
    fn point(value: f64) -> Self {
        Self {
            value,
            bounds: None,
            tails: None,
            problem: None,
        }
    }
}

/// Measures a check's metric on a population.
pub(super) fn measure(check: &MetricCheck, population: &Population, outputs: Outputs) -> Measured {
    let found = match check.subject {
        Subject::Model => of_model(check, population, outputs.model),
        Subject::ChangeFromChampion => of_change(check, population, outputs),
    };
    let found = found.unwrap_or_else(|error| Found {
        problem: Some(error.to_string()),
        ..Found::point(f64::NAN)
    });
    let bounds = found.bounds;
    Measured {
        estimate: Estimate {
            value: found.value,
            lower: bounds.map(|(bounds, _)| bounds.lower),
            upper: bounds.map(|(bounds, _)| bounds.upper),
            confidence: check.confidence,
            samples: population.scores.positives() + population.scores.negatives(),
        },
        method: bounds.map(|(_, method)| method),
        tails: found.tails,
        problem: found.problem,
    }
}

fn of_model(
    check: &MetricCheck,
    population: &Population,
    output: OutputKind,
) -> Result<Found, MetricError> {
    if let Some(rows) = &population.rows {
        return of_rows(check, population, rows, output);
    }
    let scores = &population.scores;
    match check.metric {
        Metric::Auc => Ok(of_area(check, &auc(scores)?)),
        Metric::Precision { at }
        | Metric::Recall { at }
        | Metric::Specificity { at }
        | Metric::Accuracy { at } => {
            let counted = confusion(scores, output, at)?;
            let (successes, trials) = match check.metric {
                Metric::Precision { .. } => (
                    counted.true_positive,
                    counted.true_positive + counted.false_positive,
                ),
                Metric::Recall { .. } => (
                    counted.true_positive,
                    counted.true_positive + counted.false_negative,
                ),
                Metric::Specificity { .. } => (
                    counted.true_negative,
                    counted.true_negative + counted.false_positive,
                ),
                _ => (
                    counted.true_positive + counted.true_negative,
                    scores.totals().mass(),
                ),
            };
            let value = evaluate(&check.metric, scores, output)?;
            Ok(of_share(check, value, successes, trials))
        }
        _ => {
            let value = evaluate(&check.metric, scores, output)?;
            if !wants_resampling(check, scores) {
                return Ok(Found::point(value));
            }
            resampled(check, &population.sample(), [output; 2], value)
        }
    }
}

/// Bounds by resampling take time in proportion to the distinct outputs.
fn wants_resampling(check: &MetricCheck, groups: &impl Groups) -> bool {
    if check.decide_on != DecideOnName::Point {
        return true;
    }
    let mut distinct = 0usize;
    groups.for_each_mass(|_| distinct += 1);
    distinct <= DISTINCT_MAX
}

fn of_area(check: &MetricCheck, area: &Auc) -> Found {
    let mut found = Found::point(area.value);
    let fewest = area.positives.min(area.negatives);
    if check.decide_on == DecideOnName::Point {
        let method = IntervalMethod::LogitT;
        let made = bounds(area, check.confidence, Tails::OneSided, method);
        found.bounds = made.ok().map(|bounds| (bounds, method.name()));
    } else if fewest < CLASS_ROWS_MINIMUM {
        found.problem = Some(format!(
            "the smaller class has {fewest} rows, and {CLASS_ROWS_MINIMUM} are the least that a bound may decide on"
        ));
    } else if let Ok((bounds, method)) = bounds_always(area, check.confidence, Tails::OneSided) {
        found.bounds = Some((bounds, method.name()));
    }
    found.tails = area_tails(area, limit_value(check.bar));
    found
}

fn of_share(check: &MetricCheck, value: f64, successes: f64, trials: f64) -> Found {
    let mut found = Found::point(value);
    let proportion = Proportion {
        successes: successes as u64,
        trials: trials as u64,
    };
    let made = wilson(proportion, check.confidence, Tails::OneSided);
    found.bounds = made.ok().map(|bounds| (bounds, "wilson"));
    // The score test, whose inversion Wilson's interval is.
    let against = limit_value(check.bar);
    let deviation = (against * (1.0 - against) / trials).sqrt();
    found.tails = normal_tails(value, deviation, against);
    found
}

/// Rows with weights or in groups: every interval is resampled.
fn of_rows(
    check: &MetricCheck,
    population: &Population,
    rows: &SortedRows,
    output: OutputKind,
) -> Result<Found, MetricError> {
    let value = evaluate(&check.metric, rows, output)?;
    if !wants_resampling(check, rows) {
        return Ok(Found::point(value));
    }
    resampled(check, &population.sample(), [output; 2], value)
}

fn resampling() -> Resampling {
    Resampling {
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        ..Resampling::default()
    }
}

fn resampled(
    check: &MetricCheck,
    sample: &Sample,
    outputs: [OutputKind; 2],
    exact: f64,
) -> Result<Found, MetricError> {
    let question = Question {
        metric: check.metric,
        outputs,
    };
    let drawn = bootstrap(sample, &[question], &resampling())?;
    let replicates = match check.subject {
        Subject::Model => drawn.models.into_iter().flatten().next(),
        Subject::ChangeFromChampion => drawn.differences.into_iter().next(),
    };
    let replicates = replicates.ok_or(MetricError::Empty)?;
    let replicates = replicates.centred_on(exact);
    let mut found = Found::point(replicates.point);
    match replicates.bounds(check.confidence, Tails::OneSided) {
        Ok(bounds) => {
            let method = if sample.is_in_bags() {
                "bootstrap-bc-bags"
            } else {
                "bootstrap-bc"
            };
            found.bounds = Some((bounds, method));
        }
        Err(error) => found.problem = Some(error.to_string()),
    }
    found.tails = replicates
        .standard_error()
        .and_then(|error| normal_tails(found.value, error, limit_value(check.bar)));
    Ok(found)
}

fn of_change(
    check: &MetricCheck,
    population: &Population,
    outputs: Outputs,
) -> Result<Found, MetricError> {
    let Some((pairs, champion)) = population.pairs.as_ref().zip(outputs.champion) else {
        return Err(MetricError::Empty);
    };
    let kinds = [champion, outputs.model];
    if check.metric != Metric::Auc || population.rows.is_some() {
        // Undefined on one is undefined on both.
        let of_model = match &population.rows {
            Some(rows) => evaluate(&check.metric, rows, outputs.model)?,
            None => evaluate(&check.metric, &population.scores, outputs.model)?,
        };
        if champion == outputs.model && identical(pairs) {
            return Ok(unchanged(check));
        }
        let exact = of_model - evaluate(&check.metric, pairs, champion)?;
        return resampled(check, &population.sample_of_pairs(pairs), kinds, exact);
    }
    let areas = population.areas(pairs)?;
    if areas.identical {
        return Ok(unchanged(check));
    }
    let mut found = Found::point(areas.difference);
    let fewest = areas.first.positives.min(areas.first.negatives);
    if check.decide_on != DecideOnName::Point && fewest < CLASS_ROWS_MINIMUM {
        found.problem = Some(format!(
            "the smaller class has {fewest} rows, and {CLASS_ROWS_MINIMUM} are the least that a bound may decide on"
        ));
        return Ok(found);
    }
    found.bounds = areas.bounds(check.confidence, Tails::OneSided).ok();
    found.tails = areas.variance.and_then(|variance| {
        normal_tails(areas.difference, variance.sqrt(), limit_value(check.bar))
    });
    Ok(found)
}

/// Two models that answer alike on every row differ by exactly nothing.
fn unchanged(check: &MetricCheck) -> Found {
    // Certainly within the limit, or certainly beyond it.
    let (below, above) = match (check.bar, check.bar.is_met_by(0.0)) {
        (Bar::Min(_), true) | (Bar::Max(_), false) => (1.0, 0.0),
        (Bar::Min(_), false) | (Bar::Max(_), true) => (0.0, 1.0),
    };
    let nothing = Bounds {
        lower: 0.0,
        upper: 0.0,
    };
    Found {
        bounds: Some((nothing, "identical-models")),
        tails: Some(TailProbabilities { below, above }),
        ..Found::point(0.0)
    }
}
