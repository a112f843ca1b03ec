//! How many rows and calls the checks of a gate need, before any is gathered.

use verdict::decision::DecidingNumber;
use verdict::latency::QuantileQuestion;
use verdict::metric::Metric;
use verdict::plan::{
    AreaQuestion, Assurance, DifferenceQuestion, PlanError, RowsNeeded, calls_for_quantile,
    rows_for_area, rows_for_difference, rows_for_proportion,
};

use crate::settings::{Bar, ClassCheck, ClassMetric, LatencyCheck, MetricCheck, Settings, Subject};

/// What is expected of model and data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The share of positive rows.
    pub prevalence: f64,
    /// By how much a good model surpasses each limit.
    pub surplus: f64,
    /// The probability with which such a model is to pass.
    pub power: f64,
    /// The area that both models have, about, where they are compared.
    pub area: f64,
    /// The correlation of the areas of two models that are compared.
    pub correlation: f64,
    /// The share of calls that exceed a latency limit of a model that is good enough.
    pub exceeding: f64,
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            prevalence: 0.5,
            surplus: 0.02,
            power: 0.8,
            area: 0.9,
            correlation: 0.8,
            exceeding: 0.0,
        }
    }
}

impl Expected {
    fn assurance(&self, confidence: f64) -> Assurance {
        Assurance {
            confidence,
            power: self.power,
        }
    }

    /// Returns a check's limit and the value that is expected beside it.
    fn beside(&self, bar: Bar) -> (f64, f64) {
        match bar {
            Bar::Min(limit) => (limit, limit + self.surplus),
            Bar::Max(limit) => (limit, limit - self.surplus),
        }
    }
}

/// What a check needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// The check's name.
    pub check: String,
    /// Whether each slice needs that much.
    pub in_each_slice: bool,
    /// What was supposed.
    pub supposing: String,
    /// How much it needs.
    pub amount: Result<Amount, PlanError>,
}

/// Rows or calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Rows of each class, in each slice where the check has slices.
    Rows(RowsNeeded),
    /// Rows that the metric counts: positives for recall, predicted positives for precision.
    Counted(u64),
    /// Timed calls.
    Calls {
        /// How many.
        calls: u64,
        /// How many of them may exceed the limit.
        exceeding: u64,
    },
    /// One observation decides.
    Any,
    /// The metric has no formula; only its bounds on real data tell.
    Unknown,
}

/// Plans every check of a gate.
#[must_use]
pub fn plan(settings: &Settings, expected: Expected) -> Vec<Need> {
    let of_scores = settings
        .checks
        .iter()
        .map(|check| of_check(check, expected));
    let classes = settings.classes.iter();
    let of_classes = classes
        .flat_map(|classes| &classes.checks)
        .map(|check| of_class_check(check, expected));
    let of_latency = settings
        .latency
        .iter()
        .map(|check| of_calls(check, expected));
    of_scores.chain(of_classes).chain(of_latency).collect()
}

fn of_check(check: &MetricCheck, expected: Expected) -> Need {
    let assurance = expected.assurance(check.confidence);
    let (limit, better) = expected.beside(check.bar);
    let mut supposing = format!("{} is {}", check.metric, rounded(better));
    let by_point = DecidingNumber::from(check.decide_on) == DecidingNumber::Point;
    let amount = match (check.subject, check.metric) {
        _ if by_point => {
            supposing = "the point estimate decides".to_owned();
            Ok(Amount::Any)
        }
        (Subject::Model, Metric::Auc) => {
            let question = AreaQuestion {
                minimum: limit,
                // Beyond 1 there is no area; half the way is left then.
                expected: if better < 1.0 {
                    better
                } else {
                    f64::midpoint(limit, 1.0)
                },
                prevalence: expected.prevalence,
            };
            supposing = format!(
                "auc is {}, {} positive",
                rounded(question.expected),
                rounded(expected.prevalence)
            );
            rows_for_area(question, assurance).map(Amount::Rows)
        }
        (Subject::ChangeFromChampion, Metric::Auc) => {
            let question = DifferenceQuestion {
                margin: limit.abs(),
                expected: 0.0,
                area: expected.area,
                correlation: expected.correlation,
                prevalence: expected.prevalence,
            };
            supposing = format!(
                "both areas are {}, correlated {}, {} positive",
                expected.area,
                expected.correlation,
                rounded(expected.prevalence)
            );
            rows_for_difference(question, assurance).map(Amount::Rows)
        }
        (
            Subject::Model,
            Metric::Precision { .. }
            | Metric::Recall { .. }
            | Metric::Specificity { .. }
            | Metric::Accuracy { .. },
        ) => rows_for_proportion(limit, better.clamp(1e-9, 1.0 - 1e-9), assurance)
            .map(Amount::Counted),
        _ => {
            supposing = "its bounds are resampled".to_owned();
            Ok(Amount::Unknown)
        }
    };
    Need {
        check: check.name.clone(),
        in_each_slice: check.slice.is_some(),
        supposing,
        amount,
    }
}

fn of_class_check(check: &ClassCheck, expected: Expected) -> Need {
    let assurance = expected.assurance(check.confidence);
    let (limit, better) = expected.beside(check.bar);
    let by_point = DecidingNumber::from(check.decide_on) == DecidingNumber::Point;
    let (supposing, amount) = match check.metric {
        _ if by_point => ("the point estimate decides".to_owned(), Ok(Amount::Any)),
        ClassMetric::Accuracy => (
            format!("accuracy is {}", rounded(better)),
            rows_for_proportion(limit, better.clamp(1e-9, 1.0 - 1e-9), assurance)
                .map(Amount::Counted),
        ),
        _ => (
            "its variance depends on the classes".to_owned(),
            Ok(Amount::Unknown),
        ),
    };
    Need {
        check: check.name.clone(),
        in_each_slice: false,
        supposing,
        amount,
    }
}

fn of_calls(check: &LatencyCheck, expected: Expected) -> Need {
    let question = QuantileQuestion {
        quantile: check.quantile,
        confidence: check.confidence,
    };
    let found = calls_for_quantile(question, expected.exceeding, expected.power);
    Need {
        check: check.name.clone(),
        in_each_slice: false,
        supposing: format!(
            "{}% of calls exceed {} ms",
            rounded(expected.exceeding * 100.0),
            check.max_ms
        ),
        amount: found.map(|needed| Amount::Calls {
            calls: needed.calls,
            exceeding: needed.exceedances_maximum,
        }),
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
