//! What is asked of a model, typed and checked: one value for each check of a gate.

use serde::{Serialize, Serializer};
use verdict::decision::{DecidingNumber, OnInconclusive};
use verdict::metric::{Binning, Metric, Preference};
use verdict::report::ConfigurationSource;
use verdict::threshold::{self, ThresholdKind};

use super::{CONFIDENCE, Given, MINIMUM_AUC_DEFAULT, SettingsError};
use crate::gate::file::{
    CheckPart, CorrectionName, DecideOnName, MetricName, OnInconclusiveName, SlicePart,
};

/// A limit and where it came from.
pub(super) type Sourced = (f64, ConfigurationSource);

/// Bins of a calibration error where nothing is said.
const BINS_DEFAULT: u64 = 15;
/// The most bins of a calibration error.
const BINS_MAX: u64 = 1000;
/// Rows that a slice needs where nothing is said: fewer support no interval worth the name.
const SLICE_ROWS_MIN_DEFAULT: u64 = 100;
/// Rows of either class that a slice needs where nothing is said.
const SLICE_CLASS_ROWS_MIN_DEFAULT: u64 = 10;

/// What a value is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// At least this.
    Min(f64),
    /// At most this.
    Max(f64),
}

impl Bar {
    /// Tells whether a value meets it; NaN meets nothing.
    #[must_use]
    pub fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::Min(minimum) => value >= minimum,
            Self::Max(maximum) => value <= maximum,
        }
    }
}

/// Whose value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The model's own.
    Model,
    /// The model's less the champion's.
    ChangeFromChampion,
}

/// One limit on scores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricCheck {
    /// Its name in reports.
    pub name: String,
    /// What is measured.
    #[serde(serialize_with = "as_text")]
    pub metric: Metric,
    /// Whose value is compared.
    pub subject: Subject,
    /// With what.
    pub bar: Bar,
    /// The confidence of each bound.
    pub confidence: f64,
    /// Which number is compared.
    pub decide_on: DecideOnName,
    /// What follows when nothing is settled.
    pub on_inconclusive: OnInconclusiveName,
    /// Which parts of the data are judged by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<Slice>,
}

/// Parts of the data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slice {
    /// The column.
    pub by: String,
    /// Where a numeric column is cut; empty for one part a value.
    pub edges: Vec<f64>,
    /// The least rows of a part that is judged.
    pub min_rows: u64,
    /// The least positives of a part that is judged.
    pub min_positives: u64,
    /// The least negatives of a part that is judged.
    pub min_negatives: u64,
    /// How many parts share the confidence.
    pub correction: CorrectionName,
}

fn as_text<S: Serializer>(metric: &Metric, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(metric)
}

/// Returns the check that stands where a gate names none: a metric of areas and its usual minimum.
pub(super) fn default_check(metric: MetricName) -> CheckPart {
    CheckPart {
        metric,
        name: None,
        at: None,
        average: None,
        bins: None,
        min: Some(crate::gate::Number(
            MINIMUM_AUC_DEFAULT.parse().unwrap_or(f64::NAN),
        )),
        max: None,
        non_inferiority_margin: None,
        min_change: None,
        max_change: None,
        confidence: None,
        decide_on: None,
        on_inconclusive: None,
        slice: None,
        correction: None,
    }
}

/// Types the checks, and lays `minimum_auc` from a flag or variable over the one it means.
///
/// Returns the checks, and the source of the minimum of the whole-set AUC where there is one.
pub(super) fn checks(
    parts: Option<&[CheckPart]>,
    minimum_auc: Option<&Given>,
) -> Result<(Vec<MetricCheck>, Option<Sourced>), SettingsError> {
    let default = [default_check(MetricName::Auc)];
    let source = match parts {
        Some(_) => ConfigurationSource::File,
        None => ConfigurationSource::Default,
    };
    let mut checks = parts
        .unwrap_or(&default)
        .iter()
        .enumerate()
        .map(|(index, part)| check(index, part))
        .collect::<Result<Vec<_>, _>>()?;
    let is_minimum_auc = |check: &MetricCheck| {
        check.metric == Metric::Auc
            && check.subject == Subject::Model
            && check.slice.is_none()
            && matches!(check.bar, Bar::Min(_))
    };
    let mut meant = None;
    if let Some(given) = minimum_auc {
        let value = threshold::parse(&given.name, &given.text, ThresholdKind::UnitInterval)?;
        if checks.iter().filter(|check| is_minimum_auc(check)).count() > 1 {
            return Err(SettingsError::SeveralMeant {
                name: given.name.clone(),
                what: "checks on `auc` over the whole dataset",
            });
        }
        match checks.iter_mut().find(|check| is_minimum_auc(check)) {
            Some(check) => check.bar = Bar::Min(value),
            None => {
                let mut added = check(0, &default[0])?;
                added.bar = Bar::Min(value);
                checks.insert(0, added);
            }
        }
        meant = Some(given.source);
    }
    refuse_same_names(checks.iter().map(|check| check.name.as_str()))?;
    let minimum = checks.iter().find(|check| is_minimum_auc(check));
    let minimum = minimum.and_then(|check| match check.bar {
        Bar::Min(value) => Some((value, meant.unwrap_or(source))),
        Bar::Max(_) => None,
    });
    Ok((checks, minimum))
}

pub(super) fn refuse_same_names<'a>(
    names: impl Iterator<Item = &'a str>,
) -> Result<(), SettingsError> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if seen.contains(&name) {
            return Err(SettingsError::Gate {
                key: "checks".into(),
                problem: format!("two checks are called `{name}`; give one of them a `name`"),
            });
        }
        seen.push(name);
    }
    Ok(())
}

fn check(index: usize, part: &CheckPart) -> Result<MetricCheck, SettingsError> {
    let refuse = |problem: String| SettingsError::Gate {
        key: format!("checks[{index}]"),
        problem,
    };
    let metric = metric(part).map_err(refuse)?;
    let (subject, bar) = bar(part, metric).map_err(refuse)?;
    let confidence = confidence(part.confidence.map(|number| number.0)).map_err(refuse)?;
    let cautious = match bar {
        Bar::Min(_) => DecideOnName::LowerBound,
        Bar::Max(_) => DecideOnName::UpperBound,
    };
    let decide_on = match (part.decide_on, part.non_inferiority_margin) {
        (Some(named), _) => named,
        // A margin says how much worse the model may be, with confidence: the point proves nothing.
        (None, Some(_)) => cautious,
        // Of many slices some fall below by chance: one fails when its sample says so.
        (None, None) if part.slice.is_some() => match bar {
            Bar::Min(_) => DecideOnName::UpperBound,
            Bar::Max(_) => DecideOnName::LowerBound,
        },
        (None, None) => DecideOnName::Point,
    };
    let slice = part
        .slice
        .as_ref()
        .map(|slice| typed_slice(slice, part.correction))
        .transpose()
        .map_err(refuse)?;
    if slice.is_none() && part.correction.is_some() {
        return Err(refuse(
            "`correction` is for the slices of a check, and there is no `slice`".into(),
        ));
    }
    let measured = match part.metric {
        // The same name in `verdict`, whose binning is a parameter.
        MetricName::EceEqualMass => "ece_equal_mass".to_owned(),
        _ => metric.to_string(),
    };
    let name = match &part.name {
        Some(name) if name.trim().is_empty() => return Err(refuse("`name` is empty".into())),
        Some(name) => name.clone(),
        None => {
            let mut name = measured;
            if subject == Subject::ChangeFromChampion {
                name.push_str("_vs_champion");
            }
            if let Some(slice) = &slice {
                name.push_str(&format!("_by_{}", slice.by));
            }
            name
        }
    };
    Ok(MetricCheck {
        name,
        metric,
        subject,
        bar,
        confidence,
        decide_on,
        on_inconclusive: part.on_inconclusive.unwrap_or(OnInconclusiveName::Distinct),
        slice,
    })
}

/// Returns the word of a metric in gate files.
pub(super) fn word(metric: MetricName) -> String {
    serde_json::to_value(metric)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn metric(part: &CheckPart) -> Result<Metric, String> {
    let at = |what: &str| match part.at.map(|number| number.0) {
        Some(at) if at > 0.0 && at < 1.0 => Ok(at),
        Some(at) => Err(format!("`at` is {at}; expected {what} between 0 and 1")),
        None => Err(format!("`{}` needs `at`, {what}", word(part.metric))),
    };
    let threshold = || at("the probability from which on a row counts as positive");
    let bins = || match part.bins.map_or(BINS_DEFAULT, |count| count.0) {
        bins @ 1..=BINS_MAX => Ok(bins as usize),
        bins => Err(format!("`bins` is {bins}; expected 1 to {BINS_MAX}")),
    };
    let found = match part.metric {
        MetricName::Auc => Metric::Auc,
        MetricName::PrAuc => Metric::AveragePrecision,
        MetricName::F1 => Metric::F1 { at: threshold()? },
        MetricName::Precision => Metric::Precision { at: threshold()? },
        MetricName::Recall => Metric::Recall { at: threshold()? },
        MetricName::Specificity => Metric::Specificity { at: threshold()? },
        MetricName::Accuracy => Metric::Accuracy { at: threshold()? },
        MetricName::RecallAtPrecision => Metric::RecallAtPrecision {
            precision: at("the precision that recall is taken at")?,
        },
        MetricName::PrecisionAtRecall => Metric::PrecisionAtRecall {
            recall: at("the recall that precision is taken at")?,
        },
        MetricName::LogLoss => Metric::LogLoss,
        MetricName::Brier => Metric::Brier,
        MetricName::Ece => Metric::CalibrationError {
            bins: bins()?,
            binning: Binning::EqualWidth,
        },
        MetricName::EceEqualMass => Metric::CalibrationError {
            bins: bins()?,
            binning: Binning::EqualMass,
        },
        MetricName::Ks => Metric::KolmogorovSmirnov,
        MetricName::AucOvr | MetricName::AucOvo => {
            return Err(format!(
                "`{}` is for several classes; say how many by `model.classes`",
                word(part.metric)
            ));
        }
    };
    if part.average.is_some() {
        return Err(format!("`{}` takes no `average`", word(part.metric)));
    }
    let takes_bins = matches!(found, Metric::CalibrationError { .. });
    let takes_at = !takes_bins
        && !matches!(
            found,
            Metric::Auc
                | Metric::AveragePrecision
                | Metric::LogLoss
                | Metric::Brier
                | Metric::KolmogorovSmirnov
        );
    if part.at.is_some() && !takes_at {
        return Err(format!("`{}` takes no `at`", word(part.metric)));
    }
    if part.bins.is_some() && !takes_bins {
        return Err(format!("`{}` takes no `bins`", word(part.metric)));
    }
    Ok(found)
}

fn bar(part: &CheckPart, metric: Metric) -> Result<(Subject, Bar), String> {
    let given: Vec<(&str, f64)> = [
        ("min", part.min),
        ("max", part.max),
        ("non_inferiority_margin", part.non_inferiority_margin),
        ("min_change", part.min_change),
        ("max_change", part.max_change),
    ]
    .into_iter()
    .filter_map(|(name, number)| Some((name, number?.0)))
    .collect();
    let [(name, value)] = given[..] else {
        return Err(if given.is_empty() {
            "there is no limit; name one of `min`, `max`, `non_inferiority_margin`, `min_change`, `max_change`".into()
        } else {
            let names: Vec<String> = given.iter().map(|(name, _)| format!("`{name}`")).collect();
            format!(
                "{} stand together; a check has one limit, so make two checks",
                names.join(" and ")
            )
        });
    };
    let out_of_range = |expected: &str| format!("`{name}` is {value}; expected {expected}");
    match name {
        "min" | "max" => {
            if metric.is_share() && !(0.0..=1.0).contains(&value) {
                return Err(out_of_range("a number from 0 to 1"));
            }
            if value < 0.0 {
                return Err(out_of_range("a number of at least 0"));
            }
            let bar = if name == "min" {
                Bar::Min(value)
            } else {
                Bar::Max(value)
            };
            Ok((Subject::Model, bar))
        }
        "non_inferiority_margin" => {
            if !(0.0..1.0).contains(&value) {
                return Err(out_of_range("a small number of at least 0, such as 0.002"));
            }
            // Worse is smaller for most metrics and larger for losses.
            let bar = if metric.preference() == Preference::Larger {
                Bar::Min(-value)
            } else {
                Bar::Max(value)
            };
            Ok((Subject::ChangeFromChampion, bar))
        }
        _ => {
            if metric.is_share() && !(-1.0..=1.0).contains(&value) {
                return Err(out_of_range("a change from -1 to 1"));
            }
            let bar = if name == "min_change" {
                Bar::Min(value)
            } else {
                Bar::Max(value)
            };
            Ok((Subject::ChangeFromChampion, bar))
        }
    }
}

/// Reads a confidence; nothing stands for the usual one.
pub(super) fn confidence(given: Option<f64>) -> Result<f64, String> {
    match given {
        None => Ok(CONFIDENCE),
        Some(value) if value > 0.5 && value < 1.0 => Ok(value),
        Some(value) => Err(format!(
            "`confidence` is {value}; expected more than 0.5 and less than 1, such as 0.95"
        )),
    }
}

fn typed_slice(part: &SlicePart, correction: Option<CorrectionName>) -> Result<Slice, String> {
    if part.by.trim().is_empty() {
        return Err("`slice.by` is empty; expected a column's name".into());
    }
    let edges: Vec<f64> = part.edges.iter().flatten().map(|number| number.0).collect();
    if part.edges.is_some() && edges.is_empty() {
        return Err("`slice.edges` is empty; leave it out for one slice a value".into());
    }
    if edges.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err("`slice.edges` do not ascend".into());
    }
    let or = |count: Option<crate::gate::Count>, default| count.map_or(default, |count| count.0);
    Ok(Slice {
        by: part.by.clone(),
        edges,
        min_rows: or(part.min_rows, SLICE_ROWS_MIN_DEFAULT),
        // Two of either class are the least that has a variance.
        min_positives: or(part.min_positives, SLICE_CLASS_ROWS_MIN_DEFAULT).max(2),
        min_negatives: or(part.min_negatives, SLICE_CLASS_ROWS_MIN_DEFAULT).max(2),
        correction: correction.unwrap_or(CorrectionName::Holm),
    })
}

impl From<DecideOnName> for DecidingNumber {
    fn from(name: DecideOnName) -> Self {
        match name {
            DecideOnName::Point => Self::Point,
            DecideOnName::LowerBound => Self::LowerBound,
            DecideOnName::UpperBound => Self::UpperBound,
        }
    }
}

impl From<OnInconclusiveName> for OnInconclusive {
    fn from(name: OnInconclusiveName) -> Self {
        match name {
            OnInconclusiveName::Distinct => Self::Distinct,
            OnInconclusiveName::Fail => Self::Fail,
            OnInconclusiveName::Pass => Self::Pass,
            OnInconclusiveName::Point => Self::Point,
        }
    }
}
