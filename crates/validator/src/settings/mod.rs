//! The effective settings of a run: flags over environment over gate file over defaults, each
//! validated.

mod checks;
mod classes;
mod data;
mod latency;
mod model;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use verdict::report::{ConfigurationEntry, ConfigurationSource};
use verdict::threshold::ThresholdError;

use crate::dataset::{ColumnSelection, Location, LocationError};
use crate::gate::{GateFile, GateFileError};
use crate::judge::GatherPlan;
use crate::scorer::Device;
use crate::scorer::operators::Denied;

pub use checks::{Bar, MetricCheck, Slice, Subject};
pub use classes::{ClassCheck, ClassMetric, ClassSettings};
pub use data::{DataSettings, Expectations};
pub use latency::{LatencyCheck, Resources, ThroughputLimit};
pub use model::{Champion, InputSetting, ModelSettings};

use reader::Reader;

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
/// Stands for a place that is only named when a model is judged.
pub const LATER: &str = "(named when a model is judged)";
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
    /// `--nulls`.
    pub nulls: Option<Given>,
    /// `--scorer`.
    pub scorer: Option<Given>,
    /// `--device`.
    pub device: Option<Given>,
    /// `--threads`.
    pub threads: Option<Given>,
    /// `--time-budget`, seconds.
    pub time_budget: Option<Given>,
    /// `--deny-operators`, comma-separated.
    pub deny_operators: Option<Given>,
}

/// Settings that make sense.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the model lies.
    pub model: Location,
    /// What is known of it beforehand.
    pub model_settings: ModelSettings,
    /// Where the dataset lies.
    pub dataset: Location,
    /// Which of its rows and columns are used, and what they must be.
    pub data: DataSettings,
    /// Which columns are label and features.
    pub selection: ColumnSelection,
    /// What is asked of the scores; empty where there are several classes.
    pub checks: Vec<MetricCheck>,
    /// Several classes and what is asked of them; nothing where there are two.
    pub classes: Option<ClassSettings>,
    /// The model that serves now.
    pub champion: Option<Champion>,
    /// What is asked of the latency.
    pub latency: Vec<LatencyCheck>,
    /// What is asked of start and memory.
    pub resources: Resources,
    /// The scorer's binary, where named.
    pub scorer: Option<PathBuf>,
    /// Threads of one call of the model.
    pub threads: usize,
    /// Where the model runs.
    pub device: Device,
    /// Operators that no model may call.
    pub denied: Vec<Denied>,
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
    /// Two features of the file that exclude each other, or one that makes no sense.
    #[error("`{key}` of the gate file: {problem}")]
    Gate {
        /// The key's path.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// The gate file cannot be used.
    #[error(transparent)]
    GateFile(#[from] GateFileError),
    /// A variable that could mean several checks.
    #[error("{name} is set, and the gate file has several {what}: which one is meant?")]
    SeveralMeant {
        /// The flag or variable.
        name: String,
        /// What there are several of.
        what: &'static str,
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
            Self::GateFile(error) => return error.hint(),
            Self::SeveralMeant { name, .. } => {
                format!("unset {name}, or write `${{{name}}}` in the check that is meant")
            }
            // These say what is expected themselves.
            Self::Threshold(_)
            | Self::Number { .. }
            | Self::Columns { .. }
            | Self::Gate { .. }
            | Self::FeaturesAndIgnored => return None,
        })
    }
}

impl Settings {
    /// Validates what was given, and lays flags and variables over the gate file.
    ///
    /// # Errors
    /// [`SettingsError`] for the first thing that makes no sense; nothing has been read yet.
    pub fn resolve(request: &Request, file: Option<&GateFile>) -> Result<Self, SettingsError> {
        let mut reader = Reader::default();
        let model_part = file.and_then(|file| file.model.clone()).unwrap_or_default();
        let data_part = file
            .and_then(|file| file.dataset.clone())
            .unwrap_or_default();
        let model = reader.location(
            "model",
            reader::first(
                request.model.as_ref(),
                model_part.path.as_deref(),
                "model.path",
            ),
            SettingsError::NoModel,
        )?;
        let dataset = reader.location(
            "dataset",
            reader::first(
                request.dataset.as_ref(),
                data_part.uri.as_deref(),
                "dataset.uri",
            ),
            SettingsError::NoDataset,
        )?;
        let mut selection = reader.selection(request, &data_part)?;
        let threads = reader.threads(request, model_part.threads)?;
        let time_budget = reader.time_budget(request)?;
        let denied = reader.denied(request)?;
        let device = reader.device(request, model_part.device.as_deref())?;
        let (checks, classes, minimum) = match model_part.classes {
            None => {
                let (checks, minimum) = checks::checks(
                    file.and_then(|file| file.checks.as_deref()),
                    request.minimum_auc.as_ref(),
                )?;
                (checks, None, minimum)
            }
            Some(count) => {
                let (classes, minimum) =
                    classes::classes(count, file, request.minimum_auc.as_ref())?;
                (Vec::new(), Some(classes), minimum)
            }
        };
        selection.classes = classes.as_ref().map(|classes| classes.count);
        let (latency, maximum) = latency::latency(
            file.and_then(|file| file.latency.as_deref()),
            request.maximum_p99_latency_ms.as_ref(),
            time_budget,
            threads,
        )?;
        reader.note_limit("minimum_auc", minimum);
        reader.note_limit("maximum_p99_latency_ms", maximum);
        let champion = model::champion(file.and_then(|file| file.champion.as_ref()), &checks)?;
        let resources =
            latency::resources(file.and_then(|file| file.resources.as_ref()), &latency)?;
        let model_settings = model::model(&model_part)?;
        if !model_settings.inputs.is_empty() {
            selection.features = reader.inputs(request, &data_part, &model_settings.inputs)?;
        }
        selection.nulls = reader.nulls(request, data_part.nulls)?;
        let data = data::data(&data_part, &dataset, selection.nulls)?;
        let asks_nothing = classes
            .as_ref()
            .map_or(checks.is_empty(), |classes| classes.checks.is_empty());
        if asks_nothing && latency.is_empty() {
            return Err(SettingsError::Gate {
                key: "checks".into(),
                problem: "nothing is asked of the model: `checks` and `latency` are both empty"
                    .into(),
            });
        }
        let needed = [&data.weight, &data.id, &data.group];
        selection.needed = needed.into_iter().flatten().cloned().collect();
        selection.leave_out(needed.into_iter().flatten());
        reader.note_default("confidence", CONFIDENCE.into());
        if let Some(given) = &request.scorer {
            reader.note("scorer", given.text.clone().into(), Some(given));
        }
        if let Some(file) = file {
            reader.note_file(file, &checks, classes.as_ref(), &latency);
        }
        let mut settings = Self {
            model,
            model_settings,
            dataset,
            data,
            selection,
            checks,
            classes,
            champion,
            latency,
            resources,
            scorer: request
                .scorer
                .as_ref()
                .map(|given| given.text.clone().into()),
            threads,
            device,
            denied,
            effective: reader.effective,
        };
        settings.selection.along = GatherPlan::of(&settings).columns();
        Ok(settings)
    }
}
