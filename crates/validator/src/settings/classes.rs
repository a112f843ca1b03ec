//! What is asked of a model that tells several classes apart.

use serde::Serialize;
use verdict::metric::multiclass_spread::{Average, ClassAreas};
use verdict::report::ConfigurationSource;
use verdict::threshold::{self, ThresholdKind};

use super::checks::{Sourced, confidence, default_check, refuse_same_names, word};
use super::{Bar, Given, SettingsError};
use crate::gate::file::{
    AverageName, CheckPart, DecideOnName, GateFile, MetricName, OnInconclusiveName,
};
use crate::gate::{Count, Number};

/// The most classes that a model may tell apart.
const CLASSES_MAX: u64 = 1_000;

/// A metric of several classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassMetric {
    /// An average of areas.
    Area(ClassAreas, Average),
    /// The mean negative log-likelihood.
    LogLoss,
    /// The mean of the summed squared errors of a row's probabilities, from 0 to 2.
    Brier,
    /// The share of rows whose largest output is that of their class.
    Accuracy,
}

impl std::fmt::Display for ClassMetric {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Area(ClassAreas::OneVersusRest, Average::Macro) => "auc_ovr",
            Self::Area(ClassAreas::OneVersusRest, Average::Weighted) => "auc_ovr_weighted",
            Self::Area(ClassAreas::OneVersusOne, Average::Macro) => "auc_ovo",
            Self::Area(ClassAreas::OneVersusOne, Average::Weighted) => "auc_ovo_weighted",
            Self::LogLoss => "log_loss",
            Self::Brier => "brier",
            Self::Accuracy => "accuracy",
        })
    }
}

impl Serialize for ClassMetric {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One limit on the scores of several classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassCheck {
    /// Its name in reports.
    pub name: String,
    /// What is measured.
    pub metric: ClassMetric,
    /// With what it is compared.
    pub bar: Bar,
    /// The confidence of each bound.
    pub confidence: f64,
    /// Which number is compared.
    pub decide_on: DecideOnName,
    /// What follows when nothing is settled.
    pub on_inconclusive: OnInconclusiveName,
}

/// Several classes, and what is asked of them.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassSettings {
    /// How many there are; 3 or more.
    pub count: u32,
    /// What is asked of the scores.
    pub checks: Vec<ClassCheck>,
}

/// Types what a gate file asks of several classes, and lays `minimum_auc` from a flag or
/// variable over the check on `auc_ovr`; nothing where the file names no number of classes.
pub(super) fn classes(
    count: Count,
    file: Option<&GateFile>,
    minimum_auc: Option<&Given>,
) -> Result<(ClassSettings, Option<Sourced>), SettingsError> {
    let refuse = |key: &str, problem: String| SettingsError::Gate {
        key: key.to_owned(),
        problem,
    };
    if !(3..=CLASSES_MAX).contains(&count.0) {
        return Err(refuse(
            "model.classes",
            format!(
                "it is {}; expected 3 to {CLASSES_MAX} (leave it out for two classes)",
                count.0
            ),
        ));
    }
    if file.is_some_and(|file| file.champion.is_some()) {
        return Err(refuse(
            "champion",
            "models of several classes are not compared; give each its own limits".into(),
        ));
    }
    let data = file.and_then(|file| file.dataset.as_ref());
    let expect = data.and_then(|data| data.expect.as_ref());
    for (key, is_there) in [
        (
            "dataset.weight",
            data.is_some_and(|data| data.weight.is_some()),
        ),
        (
            "dataset.group",
            data.is_some_and(|data| data.group.is_some()),
        ),
        (
            "dataset.expect.min_positives",
            expect.is_some_and(|expect| expect.min_positives.is_some()),
        ),
        (
            "dataset.expect.min_negatives",
            expect.is_some_and(|expect| expect.min_negatives.is_some()),
        ),
    ] {
        if is_there {
            let problem = "it has a meaning for two classes only; leave it out".into();
            return Err(refuse(key, problem));
        }
    }
    let parts = file.and_then(|file| file.checks.as_deref());
    let default = [default_check(MetricName::AucOvr)];
    let mut checks = parts
        .unwrap_or(&default)
        .iter()
        .enumerate()
        .map(|(index, part)| {
            check(part).map_err(|problem| refuse(&format!("checks[{index}]"), problem))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let is_meant = |check: &ClassCheck| {
        matches!(
            check.metric,
            ClassMetric::Area(ClassAreas::OneVersusRest, _)
        ) && matches!(check.bar, Bar::Min(_))
    };
    let mut source = match parts {
        Some(_) => ConfigurationSource::File,
        None => ConfigurationSource::Default,
    };
    if let Some(given) = minimum_auc {
        let value = threshold::parse(&given.name, &given.text, ThresholdKind::UnitInterval)?;
        if checks.iter().filter(|check| is_meant(check)).count() > 1 {
            return Err(SettingsError::SeveralMeant {
                name: given.name.clone(),
                what: "checks on `auc_ovr`",
            });
        }
        source = given.source;
        match checks.iter_mut().find(|check| is_meant(check)) {
            Some(check) => check.bar = Bar::Min(value),
            None => {
                let mut added = check(&default[0]).map_err(|problem| refuse("checks", problem))?;
                added.bar = Bar::Min(value);
                checks.insert(0, added);
            }
        }
    }
    refuse_same_names(checks.iter().map(|check| check.name.as_str()))?;
    let minimum = checks.iter().find(|check| is_meant(check));
    let minimum = minimum.and_then(|check| match check.bar {
        Bar::Min(value) => Some((value, source)),
        Bar::Max(_) => None,
    });
    let count = count.0 as u32;
    Ok((ClassSettings { count, checks }, minimum))
}

fn check(part: &CheckPart) -> Result<ClassCheck, String> {
    let name = word(part.metric);
    let average = match part.average {
        None | Some(AverageName::Macro) => Average::Macro,
        Some(AverageName::Weighted) => Average::Weighted,
    };
    let metric = match part.metric {
        MetricName::AucOvr => ClassMetric::Area(ClassAreas::OneVersusRest, average),
        MetricName::AucOvo => ClassMetric::Area(ClassAreas::OneVersusOne, average),
        MetricName::LogLoss => ClassMetric::LogLoss,
        MetricName::Brier => ClassMetric::Brier,
        MetricName::Accuracy => ClassMetric::Accuracy,
        _ => {
            return Err(format!(
                "`{name}` is for two classes; several have `auc_ovr`, `auc_ovo`, `log_loss`, `brier` and `accuracy`"
            ));
        }
    };
    if part.average.is_some() && !matches!(metric, ClassMetric::Area(..)) {
        return Err(format!("`{name}` takes no `average`"));
    }
    for (key, is_there) in [
        ("at", part.at.is_some()),
        ("bins", part.bins.is_some()),
        ("slice", part.slice.is_some()),
        ("correction", part.correction.is_some()),
        (
            "non_inferiority_margin",
            part.non_inferiority_margin.is_some(),
        ),
        ("min_change", part.min_change.is_some()),
        ("max_change", part.max_change.is_some()),
    ] {
        if is_there {
            return Err(format!("`{key}` is for two classes; leave it out"));
        }
    }
    let number = |number: Option<Number>| number.map(|number| number.0);
    let bar = match (number(part.min), number(part.max)) {
        (Some(minimum), None) => Bar::Min(minimum),
        (None, Some(maximum)) => Bar::Max(maximum),
        (None, None) => return Err("there is no limit; name `min` or `max`".into()),
        (Some(_), Some(_)) => {
            return Err(
                "`min` and `max` stand together; a check has one limit, so make two checks".into(),
            );
        }
    };
    let (Bar::Min(limit) | Bar::Max(limit)) = bar;
    let largest = match metric {
        ClassMetric::Area(..) | ClassMetric::Accuracy => 1.0,
        ClassMetric::Brier => 2.0,
        ClassMetric::LogLoss => f64::MAX,
    };
    if !(0.0..=largest).contains(&limit) {
        let expected = if largest == f64::MAX {
            "a number of at least 0".to_owned()
        } else {
            format!("a number from 0 to {largest}")
        };
        return Err(format!("its limit is {limit}; expected {expected}"));
    }
    let called = match &part.name {
        Some(name) if name.trim().is_empty() => return Err("`name` is empty".into()),
        Some(name) => name.clone(),
        None => metric.to_string(),
    };
    Ok(ClassCheck {
        name: called,
        metric,
        bar,
        confidence: confidence(number(part.confidence))?,
        decide_on: part.decide_on.unwrap_or(DecideOnName::Point),
        on_inconclusive: part.on_inconclusive.unwrap_or(OnInconclusiveName::Distinct),
    })
}
