//! From the scores of several classes to checks.

use arrow::array::ArrayRef;
use verdict::decision::{Estimate, Rule, judge_by};
use verdict::interval::{
    Bounds, CLASS_ROWS_MINIMUM, IntervalError, Tails, average_area_bounds, mean_bounds,
};
use verdict::metric::multiclass::{Multiclass, MulticlassAccumulator};
use verdict::metric::multiclass_spread::{Average, ClassAreas, ClassRows};
use verdict::metric::{MetricError, OutputDecision, OutputKind, Totals, decide_output};
use verdict::proportion::{Proportion, wilson};
use verdict::report::{Check, MulticlassSection};

use super::GatherError;
use super::checks::{JudgeError, setting, warning_of_policy};
use super::columns::hashes;
use crate::gate::file::{DecideOnName, OutputMeaning};
use crate::settings::{ClassCheck, ClassMetric};

/// Largest deviation from one of the sum of a row's probabilities, besides what half precision
/// may round in each class.
const SUM_TOLERANCE: f64 = 4e-3;
/// Largest rounding of a probability in half precision.
const HALF_ROUNDING: f64 = 4.9e-4;

/// One batch as the model scored it.
#[derive(Clone, Copy, Debug)]
pub struct ScoredClasses<'a> {
    /// The raw outputs, `[rows, classes]` row by row.
    pub outputs: &'a [f64],
    /// The classes, `[rows]`.
    pub labels: &'a [u32],
    /// The columns that were read along, by name.
    pub along: &'a [(String, ArrayRef)],
}

/// Takes batches in file order. Memory: 8 bytes a row and class.
#[derive(Debug)]
pub struct ClassGatherer {
    classes: usize,
    id: Option<String>,
    outputs: Vec<f64>,
    labels: Vec<u32>,
    ids: Vec<u128>,
    minimum: f64,
    maximum: f64,
    /// The largest distance of a row's sum from 1.
    sum_error_max: f64,
}

/// What the scores of several classes gave.
#[derive(Debug)]
pub struct JudgedClasses {
    /// For the report.
    pub section: MulticlassSection,
    /// One for each check.
    pub checks: Vec<Check>,
    /// What to keep in mind.
    pub warnings: Vec<String>,
}

impl ClassGatherer {
    /// Returns a gatherer that has seen nothing; `id` is the column that names rows.
    #[must_use]
    pub fn new(classes: usize, id: Option<&str>) -> Self {
        Self {
            classes,
            id: id.map(str::to_owned),
            outputs: Vec::new(),
            labels: Vec::new(),
            ids: Vec::new(),
            minimum: f64::INFINITY,
            maximum: f64::NEG_INFINITY,
            sum_error_max: 0.0,
        }
    }

    /// Adds a batch without NaN.
    ///
    /// # Errors
    /// [`GatherError`]; the gatherer is then not worth keeping.
    pub fn take(&mut self, batch: ScoredClasses<'_>) -> Result<(), GatherError> {
        if batch.outputs.len() != batch.labels.len() * self.classes {
            return Err(GatherError::Length {
                scores: batch.outputs.len(),
                rows: batch.labels.len(),
            });
        }
        if let Some(column) = &self.id {
            let named = batch.along.iter().find(|(name, _)| name == column);
            let (_, array) = named.ok_or_else(|| GatherError::Type {
                column: column.clone(),
                data_type: "absent".to_owned(),
                wanted: "anything",
            })?;
            self.ids.extend(hashes(column, array)?);
        }
        for row in batch.outputs.chunks_exact(self.classes.max(1)) {
            for &output in row {
                self.minimum = self.minimum.min(output);
                self.maximum = self.maximum.max(output);
            }
            let error = (row.iter().sum::<f64>() - 1.0).abs();
            // The sum of infinities is NaN, and no probability.
            self.sum_error_max = if error.is_nan() {
                f64::INFINITY
            } else {
                self.sum_error_max.max(error)
            };
        }
        self.outputs.extend_from_slice(batch.outputs);
        self.labels.extend_from_slice(batch.labels);
        Ok(())
    }

    /// Returns how many rows came.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.labels.len() as u64
    }

    /// Returns how many rows of each class came.
    #[must_use]
    pub fn rows_by_class(&self) -> Vec<u64> {
        let mut rows = vec![0; self.classes];
        for &label in &self.labels {
            rows[label as usize] += 1;
        }
        rows
    }

    /// Decides what the outputs are: on `auto`, probabilities when all lie in 0 to 1 and those of
    /// every row sum to 1.
    fn output(&self, meaning: OutputMeaning) -> Result<OutputDecision, MetricError> {
        let sums_to_one = self.sum_error_max <= SUM_TOLERANCE + HALF_ROUNDING * self.classes as f64;
        let totals = Totals {
            positive: 0.0,
            negative: 0.0,
            minimum: self.minimum,
            maximum: self.maximum,
            counts: true,
        };
        let mut decided = decide_output(setting(meaning), &totals)?;
        if decided.kind == OutputKind::Probabilities && !sums_to_one {
            if meaning == OutputMeaning::Probabilities {
                return Err(MetricError::ProbabilitiesSum {
                    deviation: self.sum_error_max,
                });
            }
            decided.kind = OutputKind::Logits;
        }
        Ok(decided)
    }

    /// Judges everything that was gathered.
    ///
    /// # Errors
    /// [`JudgeError`] when there is no verdict to be had, whatever the checks are.
    pub fn judge(
        mut self,
        meaning: OutputMeaning,
        checks: &[ClassCheck],
    ) -> Result<JudgedClasses, JudgeError> {
        if let Some(column) = &self.id {
            self.ids.sort_unstable();
            let repeated = self.ids.chunk_by(|left, right| left == right);
            let count = repeated.filter(|same| same.len() > 1).count();
            if count > 0 {
                return Err(JudgeError::Gather(GatherError::Duplicates {
                    column: column.clone(),
                    count,
                }));
            }
        }
        let decided = self.output(meaning)?;
        let mut gathered = MulticlassAccumulator::new(self.classes, decided.kind);
        gathered.extend(&self.outputs, &self.labels)?;
        let metrics = gathered.finish()?;
        let rows = ClassRows {
            outputs: &self.outputs,
            labels: &self.labels,
            classes: self.classes,
            output: decided.kind,
        };
        let mut warnings = Vec::new();
        let judged = checks
            .iter()
            .map(|check| {
                let (judged, problem) = judge_one(check, &metrics, &rows);
                if let Some(problem) = problem {
                    warnings.push(format!("`{}`: {problem}", check.name));
                }
                warnings.extend(warning_of_policy(&check.name, &judged));
                judged
            })
            .collect();
        Ok(JudgedClasses {
            section: section(&metrics, &decided),
            checks: judged,
            warnings,
        })
    }
}

fn judge_one(
    check: &ClassCheck,
    metrics: &Multiclass,
    rows: &ClassRows<'_>,
) -> (Check, Option<String>) {
    let fewest = metrics.counts.iter().copied().min().unwrap_or_default();
    let total: u64 = metrics.counts.iter().sum();
    let (value, bounds, method) = match check.metric {
        ClassMetric::Area(areas, average) => {
            let value = area(metrics, areas, average);
            let bounds = rows
                .area_variance(areas, average)
                .map_err(|error| error.to_string())
                .and_then(|variance| {
                    let made = average_area_bounds(
                        value,
                        variance,
                        fewest,
                        check.confidence,
                        Tails::OneSided,
                    );
                    made.map_err(|error| error.to_string())
                });
            (Ok(value), bounds, "placements-logit-t")
        }
        ClassMetric::LogLoss => {
            let bounds = |value: f64| of_mean(check, value, rows.log_loss_variance());
            let bounds = metrics
                .log_loss
                .map_or_else(|error| Err(error.to_string()), bounds);
            (metrics.log_loss, bounds, "normal")
        }
        ClassMetric::Brier => {
            let bounds = of_mean(check, metrics.brier, rows.brier_variance());
            (Ok(metrics.brier), bounds, "normal")
        }
        ClassMetric::Accuracy => {
            let proportion = Proportion {
                successes: metrics.right,
                trials: total,
            };
            let bounds = wilson(proportion, check.confidence, Tails::OneSided);
            (
                Ok(metrics.accuracy),
                bounds.map_err(|error| error.to_string()),
                "wilson",
            )
        }
    };
    let decides_on_bound = check.decide_on != DecideOnName::Point;
    let (bounds, problem) = match bounds {
        _ if value.is_err() => (None, value.err().map(|error| error.to_string())),
        Ok(_) if decides_on_bound && fewest < CLASS_ROWS_MINIMUM => (
            None,
            Some(format!(
                "the smallest class has {fewest} rows, and {CLASS_ROWS_MINIMUM} are the least that a bound may decide on"
            )),
        ),
        Ok(bounds) => (Some(bounds), None),
        Err(problem) if decides_on_bound => (None, Some(problem)),
        Err(_) => (None, None),
    };
    let estimate = Estimate {
        value: value.unwrap_or(f64::NAN),
        lower: bounds.map(|bounds: Bounds| bounds.lower),
        upper: bounds.map(|bounds: Bounds| bounds.upper),
        confidence: check.confidence,
        samples: total,
    };
    let rule = Rule {
        decide_on: check.decide_on.into(),
        on_inconclusive: check.on_inconclusive.into(),
    };
    let mut judged = judge_by(&check.name, estimate, check.bar.into(), rule);
    judged.method = bounds.map(|_| method.to_owned());
    (judged, problem)
}

fn of_mean(check: &ClassCheck, value: f64, variance: Option<f64>) -> Result<Bounds, String> {
    variance
        .ok_or(IntervalError::TooFewRows)
        .and_then(|variance| mean_bounds(value, variance, check.confidence, Tails::OneSided))
        .map_err(|error| error.to_string())
}

fn area(metrics: &Multiclass, areas: ClassAreas, average: Average) -> f64 {
    match (areas, average) {
        (ClassAreas::OneVersusRest, Average::Macro) => metrics.auc_ovr_macro,
        (ClassAreas::OneVersusRest, Average::Weighted) => metrics.auc_ovr_weighted,
        (ClassAreas::OneVersusOne, Average::Macro) => metrics.auc_ovo_macro,
        (ClassAreas::OneVersusOne, Average::Weighted) => metrics.auc_ovo_weighted,
    }
}

fn section(metrics: &Multiclass, decided: &OutputDecision) -> MulticlassSection {
    MulticlassSection {
        rows: metrics.counts.iter().sum(),
        rows_by_class: metrics.counts.clone(),
        output: decided.kind,
        output_setting: decided.setting,
        auc_ovr_macro: metrics.auc_ovr_macro,
        auc_ovr_weighted: metrics.auc_ovr_weighted,
        auc_ovo_macro: metrics.auc_ovo_macro,
        auc_ovo_weighted: metrics.auc_ovo_weighted,
        auc_by_class: metrics.auc_by_class.clone(),
        log_loss: metrics.log_loss.ok(),
        brier: metrics.brier,
        accuracy: metrics.accuracy,
        score_minimum: decided.minimum,
        score_maximum: decided.maximum,
    }
}
