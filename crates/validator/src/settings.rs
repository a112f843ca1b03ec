//! The effective settings of a run: flags over environment over defaults, each validated.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use verdict::report::{ConfigurationEntry, ConfigurationSource};
use verdict::threshold::{self, ThresholdError, ThresholdKind};

use crate::dataset::{ColumnSelection, FeatureSelection, Location, LocationError};

/// The least AUC where nothing is said.
pub const MINIMUM_AUC_DEFAULT: &str = "0.90";
/// The largest p99 where nothing is said, in milliseconds.
pub const MAXIMUM_P99_LATENCY_MS_DEFAULT: &str = "200";
/// The label column where nothing is said.
pub const LABEL_DEFAULT: &str = "label";
/// Threads of one call where nothing is said.
pub const THREADS_DEFAULT: usize = 1;
/// Seconds for the timed calls where nothing is said.
pub const TIME_BUDGET_S_DEFAULT: u64 = 60;
/// The confidence of every bound.
pub const CONFIDENCE: f64 = 0.95;
/// Where Kubernetes looks for a termination message.
pub const TERMINATION_MESSAGE_DEFAULT: &str = "/dev/termination-log";

/// A text as it was given, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// What was written.
    pub text: String,
    /// Where.
    pub source: ConfigurationSource,
    /// The flag or variable that carried it, for messages.
    pub name: String,
}

/// What was given, before it means anything.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `--model`, MODEL_PATH.
    pub model: Option<Given>,
    /// `--dataset`, VALIDATION_DATASET.
    pub dataset: Option<Given>,
    /// `--minimum-auc`, MINIMUM_AUC.
    pub minimum_auc: Option<Given>,
    /// `--maximum-p99-latency-ms`, MAXIMUM_P99_LATENCY_MS.
    pub maximum_p99_latency_ms: Option<Given>,
    /// `--label`.
    pub label: Option<Given>,
    /// `--features`, comma-separated.
    pub features: Option<Given>,
    /// `--ignore-columns`, comma-separated.
    pub ignore_columns: Option<Given>,
    /// `--scorer`.
    pub scorer: Option<Given>,
    /// `--threads`.
    pub threads: Option<Given>,
    /// `--time-budget`, seconds.
    pub time_budget: Option<Given>,
}

/// Settings that make sense.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the model lies.
    pub model: Location,
    /// Where the dataset lies.
    pub dataset: Location,
    /// The least AUC that passes.
    pub minimum_auc: f64,
    /// The largest p99 that passes, in milliseconds.
    pub maximum_p99_latency_ms: f64,
    /// Which columns to use.
    pub selection: ColumnSelection,
    /// The scorer's binary, where named.
    pub scorer: Option<PathBuf>,
    /// Threads of one call of the model.
    pub threads: usize,
    /// Longest time for the timed calls.
    pub time_budget: Duration,
    /// The same for the report.
    pub effective: BTreeMap<String, ConfigurationEntry>,
}

/// Why settings make no sense.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No model.
    #[error("no model is named: neither `--model` nor MODEL_PATH is set")]
    NoModel,
    /// No dataset.
    #[error("no dataset is named: neither `--dataset` nor VALIDATION_DATASET is set")]
    NoDataset,
    /// A location that is none.
    #[error("{name} names no place")]
    Location {
        /// The flag or variable.
        name: String,
        /// Why.
        #[source]
        source: LocationError,
    },
    /// A limit that is none.
    #[error(transparent)]
    Threshold(#[from] ThresholdError),
    /// A count that is none.
    #[error("`{name}` is `{text}`; expected {expected}")]
    Number {
        /// The flag or variable.
        name: String,
        /// What was written.
        text: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A list without a name in it.
    #[error("`{name}` is `{text}`; expected column names separated by commas")]
    Columns {
        /// The flag or variable.
        name: String,
        /// What was written.
        text: String,
    },
    /// Two flags that exclude each other.
    #[error(
        "`--features` and `--ignore-columns` exclude each other: named features leave out all others"
    )]
    FeaturesAndIgnored,
    /// A command line that does not parse.
    #[error("{message}")]
    CommandLine {
        /// What the parser said, in one line.
        message: String,
    },
}

impl SettingsError {
    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoModel | Self::NoDataset => {
                "validator --model model.pt --dataset s3://bucket/validation/".into()
            }
            Self::Location { .. } => "write `s3://BUCKET/KEY` or a path".into(),
            Self::CommandLine { .. } => "see `validator --help`".into(),
            // These say what is expected themselves.
            Self::Threshold(_)
            | Self::Number { .. }
            | Self::Columns { .. }
            | Self::FeaturesAndIgnored => return None,
        })
    }
}

/// Gathers entries for the report while values are read.
struct Reader {
    effective: BTreeMap<String, ConfigurationEntry>,
}

impl Reader {
    fn note(&mut self, key: &str, value: serde_json::Value, given: Option<&Given>) {
        let source = given.map_or(ConfigurationSource::Default, |given| given.source);
        self.effective
            .insert(key.to_owned(), ConfigurationEntry { value, source });
    }

    fn location(
        &mut self,
        key: &str,
        given: Option<&Given>,
        absent: SettingsError,
    ) -> Result<Location, SettingsError> {
        let given = given.ok_or(absent)?;
        let location = Location::parse(&given.text).map_err(|source| SettingsError::Location {
            name: given.name.clone(),
            source,
        })?;
        self.note(key, location.to_string().into(), Some(given));
        Ok(location)
    }

    fn threshold(
        &mut self,
        key: &str,
        given: Option<&Given>,
        default: &str,
        kind: ThresholdKind,
    ) -> Result<f64, SettingsError> {
        let (name, text) = given.map_or((key, default), |given| (&given.name, &given.text));
        let value = threshold::parse(name, text, kind)?;
        self.note(key, value.into(), given);
        Ok(value)
    }

    fn count(
        &mut self,
        key: &str,
        given: Option<&Given>,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
        expected: &'static str,
    ) -> Result<u64, SettingsError> {
        let value = match given {
            None => default,
            Some(given) => given
                .text
                .trim()
                .parse()
                .ok()
                .filter(|value| range.contains(value))
                .ok_or_else(|| SettingsError::Number {
                    name: given.name.clone(),
                    text: given.text.clone(),
                    expected,
                })?,
        };
        self.note(key, value.into(), given);
        Ok(value)
    }

    fn selection(&mut self, request: &Request) -> Result<ColumnSelection, SettingsError> {
        let label = match &request.label {
            Some(given) if given.text.trim().is_empty() => {
                return Err(SettingsError::Columns {
                    name: given.name.clone(),
                    text: given.text.clone(),
                });
            }
            Some(given) => given.text.clone(),
            None => LABEL_DEFAULT.to_owned(),
        };
        self.note("label", label.clone().into(), request.label.as_ref());
        let named = names(request.features.as_ref())?;
        let ignored = names(request.ignore_columns.as_ref())?;
        self.note(
            "features",
            named
                .clone()
                .map_or_else(|| "every numeric column".into(), Into::into),
            request.features.as_ref(),
        );
        if ignored.is_some() {
            self.note(
                "ignore_columns",
                ignored.clone().unwrap_or_default().into(),
                request.ignore_columns.as_ref(),
            );
        }
        let features = match (named, ignored) {
            (Some(_), Some(_)) => return Err(SettingsError::FeaturesAndIgnored),
            (Some(names), None) => FeatureSelection::Named(names),
            (None, ignored) => FeatureSelection::AllBut(ignored.unwrap_or_default()),
        };
        Ok(ColumnSelection { label, features })
    }
}

fn names(given: Option<&Given>) -> Result<Option<Vec<String>>, SettingsError> {
    let Some(given) = given else { return Ok(None) };
    let names: Vec<String> = given
        .text
        .split(',')
        .map(|name| name.trim().to_owned())
        .collect();
    if names.iter().any(String::is_empty) {
        return Err(SettingsError::Columns {
            name: given.name.clone(),
            text: given.text.clone(),
        });
    }
    Ok(Some(names))
}

impl Settings {
    /// Validates what was given.
    ///
    /// # Errors
    /// [`SettingsError`] for the first thing that makes no sense; nothing has been read yet.
    pub fn from_request(request: &Request) -> Result<Self, SettingsError> {
        let mut reader = Reader {
            effective: BTreeMap::new(),
        };
        let model = reader.location("model", request.model.as_ref(), SettingsError::NoModel)?;
        let dataset = reader.location(
            "dataset",
            request.dataset.as_ref(),
            SettingsError::NoDataset,
        )?;
        let minimum_auc = reader.threshold(
            "minimum_auc",
            request.minimum_auc.as_ref(),
            MINIMUM_AUC_DEFAULT,
            ThresholdKind::UnitInterval,
        )?;
        let maximum_p99_latency_ms = reader.threshold(
            "maximum_p99_latency_ms",
            request.maximum_p99_latency_ms.as_ref(),
            MAXIMUM_P99_LATENCY_MS_DEFAULT,
            ThresholdKind::Milliseconds,
        )?;
        let selection = reader.selection(request)?;
        let threads = reader.count(
            "threads",
            request.threads.as_ref(),
            THREADS_DEFAULT as u64,
            1..=1024,
            "a number of threads from 1 to 1024",
        )?;
        let time_budget_s = reader.count(
            "time_budget_s",
            request.time_budget.as_ref(),
            TIME_BUDGET_S_DEFAULT,
            1..=86_400,
            "a number of seconds from 1 to 86400",
        )?;
        reader.note("confidence", CONFIDENCE.into(), None);
        if let Some(given) = &request.scorer {
            reader.note("scorer", given.text.clone().into(), Some(given));
        }
        Ok(Self {
            model,
            dataset,
            minimum_auc,
            maximum_p99_latency_ms,
            selection,
            scorer: request
                .scorer
                .as_ref()
                .map(|given| given.text.clone().into()),
            threads: threads as usize,
            time_budget: Duration::from_secs(time_budget_s),
            effective: reader.effective,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, text: &str) -> Option<Given> {
        Some(Given {
            text: text.to_owned(),
            source: ConfigurationSource::Environment,
            name: name.to_owned(),
        })
    }

    fn request() -> Request {
        Request {
            model: given("MODEL_PATH", "s3://models/model.pt"),
            dataset: given("VALIDATION_DATASET", "/data"),
            ..Request::default()
        }
    }

    #[test]
    fn two_places_suffice_and_defaults_are_those_of_the_chart() {
        let settings = Settings::from_request(&request()).expect("makes sense");
        assert_eq!(settings.minimum_auc, 0.90);
        assert_eq!(settings.maximum_p99_latency_ms, 200.0);
        assert_eq!(settings.selection.label, "label");
        let entry = &settings.effective["minimum_auc"];
        assert_eq!(entry.source, ConfigurationSource::Default);
        assert_eq!(
            settings.effective["model"].source,
            ConfigurationSource::Environment
        );
    }

    #[test]
    fn a_threshold_that_is_none_is_refused_under_its_own_name() {
        let request = Request {
            minimum_auc: given("MINIMUM_AUC", "nan"),
            ..request()
        };
        let error = Settings::from_request(&request).expect_err("NaN");
        assert!(
            error.to_string().contains("`MINIMUM_AUC` is `nan`"),
            "{error}"
        );
        assert!(error.to_string().contains("such as 0.92"), "{error}");
        assert_eq!(error.hint(), None, "what is expected is said once");
    }

    #[test]
    fn places_counts_and_lists_that_make_no_sense_are_refused() {
        for broken in [
            Request {
                model: None,
                ..request()
            },
            Request {
                dataset: None,
                ..request()
            },
            Request {
                model: given("MODEL_PATH", ""),
                ..request()
            },
            Request {
                dataset: given("--dataset", "gs://b/k"),
                ..request()
            },
            Request {
                threads: given("--threads", "0"),
                ..request()
            },
            Request {
                time_budget: given("--time-budget", "soon"),
                ..request()
            },
            Request {
                label: given("--label", " "),
                ..request()
            },
            Request {
                features: given("--features", "a,,b"),
                ..request()
            },
            Request {
                features: given("--features", "a"),
                ignore_columns: given("--ignore-columns", "b"),
                ..request()
            },
        ] {
            assert!(Settings::from_request(&broken).is_err(), "{broken:?}");
        }
    }
}
