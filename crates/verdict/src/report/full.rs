//! The full report: the brief and the evidence behind it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::brief::{Brief, Check, is_zero};
use crate::metric::{Calibration, Curve, OutputKind, OutputSetting};

/// The value of [`Report::kind`].
pub const REPORT_KIND: &str = "validator/report";
/// The version of the report that this crate writes.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that a run found, for people and programs that want more than the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// Always [`REPORT_KIND`].
    pub kind: String,
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The verdict in brief.
    pub brief: Brief,
    /// The effective configuration: each setting, its value and where it came from.
    pub configuration: BTreeMap<String, ConfigurationEntry>,
    /// What followed from scores and labels; null when the run did not get that far. This
    /// part is bit-identical for any thread count and file order.
    pub metrics: Option<MetricsSection>,
    /// The same for a model that tells several classes apart; absent for two classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiclass: Option<MulticlassSection>,
    /// Curves for plots; null when there are no metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curves: Option<CurvesSection>,
    /// What the timed calls showed; null when none were made.
    pub latency: Option<LatencySection>,
    /// What the timed calls of further latency checks showed, in the order of the checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latency_further: Vec<LatencySection>,
    /// What was read; null when the dataset was never opened.
    pub dataset: Option<DatasetSection>,
    /// What was scored; null when the model was never loaded.
    pub model: Option<ModelSection>,
    /// The model that it was compared with; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<ModelSection>,
    /// How many shards the verdict was put together from; absent where one machine read all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<u64>,
    /// Where it ran.
    pub environment: Environment,
    /// How long each part took.
    pub timings: Timings,
    /// What to keep in mind when reading the numbers.
    pub warnings: Vec<String>,
    /// What went wrong, when the outcome is `error`.
    pub error: Option<ErrorSection>,
}

impl Report {
    /// Iterates over what the timed calls showed, each with its check.
    pub fn latencies(&self) -> impl Iterator<Item = (&LatencySection, &Check)> {
        let measured = self.latency.iter().chain(&self.latency_further);
        let is_latency = |check: &&Check| check.metric.starts_with("latency_ms_p");
        measured.zip(self.brief.checks.iter().filter(is_latency))
    }
}

/// The scores of all rows as curves, each thinned to a bounded number of points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CurvesSection {
    /// What the raw outputs were taken for.
    pub output: OutputKind,
    /// Whether that was declared or decided by the data.
    pub output_setting: OutputSetting,
    /// False-positive against true-positive rate.
    pub roc: Curve,
    /// Recall against precision.
    pub precision_recall: Curve,
    /// Predicted against observed frequency in 15 bins of equal width.
    pub calibration: Calibration,
}

/// Where a setting came from; the first in this order wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ConfigurationSource {
    /// A command-line flag.
    Flag,
    /// An environment variable.
    Environment,
    /// A gate file.
    File,
    /// Nobody set it.
    Default,
}

/// One effective setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigurationEntry {
    /// The value that was used.
    pub value: serde_json::Value,
    /// Where it came from.
    pub source: ConfigurationSource,
}

/// What followed from scores and labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetricsSection {
    /// How many rows were scored.
    pub rows: u64,
    /// How many of them are positive.
    pub positives: u64,
    /// How many of them are negative.
    pub negatives: u64,
    /// The area under the ROC curve.
    pub auc: AucSection,
    /// The least raw model output; null when infinite.
    pub score_minimum: Option<f64>,
    /// The largest raw model output; null when infinite.
    pub score_maximum: Option<f64>,
    /// How many raw model outputs were infinite; they rank at the ends.
    pub scores_infinite: u64,
}

/// What followed from the scores of several classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MulticlassSection {
    /// How many rows were scored.
    pub rows: u64,
    /// How many rows each class has, in the order of the model's columns.
    pub rows_by_class: Vec<u64>,
    /// What the raw outputs were taken for.
    pub output: OutputKind,
    /// Whether that was declared or decided by the data.
    pub output_setting: OutputSetting,
    /// The mean of the areas of each class against all others.
    pub auc_ovr_macro: f64,
    /// The same, weighted by the classes' rows.
    pub auc_ovr_weighted: f64,
    /// The mean area over pairs of classes.
    pub auc_ovo_macro: f64,
    /// The same, weighted by the rows of the pair.
    pub auc_ovo_weighted: f64,
    /// The area of each class against all others.
    pub auc_by_class: Vec<f64>,
    /// The mean negative log-likelihood; null when infinite.
    pub log_loss: Option<f64>,
    /// The mean of the summed squared errors of a row's probabilities, from 0 to 2.
    pub brier: f64,
    /// The share of rows whose largest output is that of their class.
    pub accuracy: f64,
    /// The least raw model output.
    pub score_minimum: f64,
    /// The largest raw model output.
    pub score_maximum: f64,
}

/// The area under the ROC curve of the raw outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AucSection {
    /// The exact value; ties count one half.
    pub value: f64,
    /// DeLong's variance; null with fewer than two rows in a class.
    pub variance: Option<f64>,
    /// One-sided lower bound at `confidence`.
    pub lower_bound: Option<f64>,
    /// One-sided upper bound at `confidence`.
    pub upper_bound: Option<f64>,
    /// Two-sided interval at `confidence`.
    pub interval: Option<[f64; 2]>,
    /// The confidence of bounds and interval.
    pub confidence: f64,
    /// How the bounds were made.
    pub method: String,
    /// Why there are no bounds, where there are none.
    pub degenerate: Option<String>,
    /// How many distinct raw outputs there were.
    pub distinct_scores: u64,
}

/// One quantile of the timed calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LatencyQuantile {
    /// The quantile, such as 0.99.
    pub quantile: f64,
    /// Its nearest-rank value in milliseconds, from the raw samples.
    pub value_ms: f64,
    /// One-sided upper bound in milliseconds; null when the sample supports none.
    pub upper_bound_ms: Option<f64>,
    /// One-sided lower bound in milliseconds; null when the sample supports none.
    pub lower_bound_ms: Option<f64>,
}

/// What the timed calls showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LatencySection {
    /// How the calls were issued: `closed` means one after the other.
    pub scenario: String,
    /// Rows a call.
    pub batch_rows: u64,
    /// Timed calls.
    pub samples: u64,
    /// Untimed calls before them.
    pub warm_up_calls: u64,
    /// Whether the warm-up ended because the medians of two windows agreed.
    pub warm_up_stable: bool,
    /// Distinct rows that were used in turn.
    pub distinct_rows: u64,
    /// The first call of all, in milliseconds.
    pub first_call_ms: Option<f64>,
    /// Loading the model, in milliseconds.
    pub model_load_ms: Option<f64>,
    /// Least timed call, in milliseconds.
    pub minimum_ms: f64,
    /// Mean timed call, in milliseconds.
    pub mean_ms: f64,
    /// Largest timed call, in milliseconds.
    pub maximum_ms: f64,
    /// The confidence of the quantiles' bounds.
    pub confidence: f64,
    /// p50, p90, p99, p99.9 and p99.99, and the one that is judged.
    pub quantiles: Vec<LatencyQuantile>,
    /// Lag-1 autocorrelation; the bounds assume about 0.
    pub autocorrelation: Option<f64>,
    /// How many independent calls tell as much about the judged quantile as these, of which
    /// slow ones may have come in runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_samples: Option<u64>,
    /// The upper bound of the judged quantile from that many calls, in milliseconds; absent
    /// when they support none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_bound_allowing_runs_ms: Option<f64>,
    /// What timing one call costs (two clock reads and a store), in nanoseconds; part of each
    /// sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overhead_ns: Option<f64>,
    /// Rows that were answered in a second: by one call after the other, in an open loop at most those
    /// that fell due. Of several shards the slowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput_rows_per_s: Option<f64>,
    /// Calls of an open loop that were due at the end and had not been made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog_calls: Option<u64>,
    /// Whether more calls fell due than the model answers: the quantiles then are those of a
    /// growing queue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overloaded: bool,
    /// The samples as `[lower_us, upper_us, count]` buckets of a high-dynamic-range
    /// histogram with three significant figures, in microseconds.
    pub histogram_us: Vec<(f64, f64, u64)>,
    /// The evidence for or against a throttled processor during the timed calls.
    pub throttling: Throttling,
}

/// Processor throttling of the own control group over the timed calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Throttling {
    /// Whether the control group tells; false outside Linux containers.
    pub known: bool,
    /// Scheduling periods that ran into the quota.
    pub throttled_periods: Option<u64>,
    /// Microseconds spent throttled.
    pub throttled_us: Option<u64>,
}

/// One file of the dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DatasetFile {
    /// The name relative to the dataset.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows that were scored.
    pub rows: u64,
    /// Its rows that were left out for nulls.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows_dropped: u64,
    /// What pins its content: an S3 ETag, or `sha256:` of a local file.
    pub identity: String,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DatasetSection {
    /// Where it was read from.
    pub uri: String,
    /// `sha256:` over names, sizes and identities, in name order.
    pub digest: Option<String>,
    /// `sha256:` over names, sizes and ETags (of local files SHA-256) as they were listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_digest: Option<String>,
    /// All files, in name order; at most 1,000 are listed.
    pub files: Vec<DatasetFile>,
    /// How many files there are.
    pub files_total: u64,
    /// The sum of their sizes.
    pub bytes_total: u64,
    /// The sum of their rows that were scored.
    pub rows_total: u64,
    /// The rows that were left out for nulls; absent where nulls end the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nulls: Option<NullsSection>,
    /// The label column.
    pub label: String,
    /// The feature columns, in the order that the model sees.
    pub features: Vec<String>,
    /// The width of a row as the model sees it.
    pub width: u64,
    /// Columns of the first file that are neither label nor feature.
    pub unused_columns: Vec<String>,
    /// Files that were not read since their names are not those of Parquet files.
    pub skipped_files: Vec<String>,
}

/// What was left out for nulls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NullsSection {
    /// Rows that were left out; a share of these and the rows that were scored.
    pub rows_dropped: u64,
    /// The columns that held the nulls, those in most rows first; at most 100 are listed.
    pub columns: Vec<NullColumn>,
}

/// A column that held nulls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NullColumn {
    /// Its name.
    pub name: String,
    /// How many rows had a null in it; a row may count in several columns.
    pub rows: u64,
}

/// What was scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ModelSection {
    /// Where it was read from.
    pub uri: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// The file format.
    pub format: String,
    /// Loading it, in milliseconds.
    pub load_ms: f64,
    /// The element type of its output.
    pub output_type: Option<String>,
    /// Which part of its output was ranked.
    pub output_kind: Option<String>,
    /// Its parameters (scalars).
    pub parameters: u64,
    /// What the process that ran it had given up before loading it.
    pub sandbox: serde_json::Value,
}

/// Where the run took place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Environment {
    /// The version of the validator.
    pub validator_version: String,
    /// Operating system and processor architecture.
    pub platform: String,
    /// Processors that affinity and quota leave to the process.
    pub processors: Option<u64>,
    /// Where the model ran: `cpu` or `cuda:N`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Threads that one call of the model may use.
    pub model_threads: Option<u64>,
    /// The version of the library that ran the model.
    pub libtorch_version: Option<String>,
    /// Largest resident memory of the validator itself.
    pub validator_resident_bytes_max: Option<u64>,
    /// Largest resident memory of the process that ran the model.
    pub scorer_resident_bytes_max: Option<u64>,
    /// As whom S3 was asked; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Identity>,
}

/// As whom S3 was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct S3Identity {
    /// Where requests went.
    pub endpoint: String,
    /// Where the credentials come from, such as `environment variables`.
    pub credentials: String,
    /// The last four characters of the access key's id; null where it is too short to be cut.
    pub access_key_ends_in: Option<String>,
    /// The regions of buckets that lie elsewhere than was set up, as the store said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub regions: BTreeMap<String, String>,
}

impl std::fmt::Display for S3Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{}, credentials from {}",
            self.endpoint, self.credentials
        )?;
        if let Some(end) = &self.access_key_ends_in {
            write!(formatter, ", access key …{end}")?;
        }
        for (bucket, region) in &self.regions {
            write!(formatter, ", bucket `{bucket}` in {region}")?;
        }
        Ok(())
    }
}

/// How long each part took, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Timings {
    /// Fetching and loading the model while the dataset is listed and opened.
    pub load_s: Option<f64>,
    /// Reading and scoring all rows.
    pub score_s: Option<f64>,
    /// Sorting the scores and computing the metrics.
    pub metrics_s: Option<f64>,
    /// Warm-up and timed calls.
    pub latency_s: Option<f64>,
    /// The whole run.
    pub total_s: f64,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorSection {
    /// `usage`, `data`, `model` or `infrastructure`.
    pub class: String,
    /// What was being done and its causes, outermost first.
    pub chain: Vec<String>,
    /// Whether running the same command again may succeed.
    pub retryable: bool,
}
