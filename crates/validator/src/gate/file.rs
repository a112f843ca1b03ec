//! The parts of a gate file. Field documentation is the published schema's too.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Count, Number};

/// What a model must show before it may serve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateFile {
    /// The version of this format.
    #[serde(rename = "apiVersion")]
    pub api_version: ApiVersion,
    /// What the file is.
    pub kind: Kind,
    /// The model to be judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelPart>,
    /// The data that it is judged on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetPart>,
    /// What is asked of its scores; an AUC of 0.90 where the key is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Vec<CheckPart>>,
    /// The model that serves now, for checks that compare with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<ChampionPart>,
    /// What is asked of its latency; a p99 of 200 ms where the key is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Vec<LatencyPart>>,
    /// What is asked of its start and its memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesPart>,
    /// Where the verdict is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportPart>,
}

/// The version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first.
    #[serde(rename = "validator/v1")]
    V1,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// A gate file.
    ModelGate,
}

/// The model to be judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelPart {
    /// A path or `s3://BUCKET/KEY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The SHA-256 that the file must have, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What the outputs are. `auto` decides on all of them: probabilities when none lies outside 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputMeaning>,
    /// The element of a tuple or list that holds the scores, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_index: Option<Count>,
    /// The entry of a dictionary that holds the scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_key: Option<String>,
    /// The column of the positive class where there are several, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive_class: Option<Count>,
    /// How many classes the model tells apart, 3 or more: its output has a column and the label a whole number from 0 on for each. Two classes where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<Count>,
    /// The arguments of the model's `forward`, where there are several or they need more than `dataset.features` says: in their order, or each with its `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<InputPart>>,
    /// Where the model runs: `cpu`, `cuda` or `cuda:N`; `cpu` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Threads that one call may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<Count>,
}

/// One argument of the model's `forward`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputPart {
    /// The argument's name in `forward`; all inputs have one, or none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its columns, in this order: numbers, vectors (lists of one length), or both.
    pub columns: Vec<String>,
    /// The element type of its tensor; that of the model where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<InputTypeName>,
    /// Hands a single column of numbers over as `[rows]` instead of `[rows, 1]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flat: Option<bool>,
}

/// The element type of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputTypeName {
    /// That of the model's weights.
    Model,
    /// Whole numbers of 64 bits, for embeddings; the columns hold whole numbers below 2^24.
    Int64,
}

/// What a model's outputs are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputMeaning {
    /// Probabilities when no output lies outside 0 to 1, else logits.
    #[default]
    Auto,
    /// Numbers whose sigmoid is the probability.
    Logits,
    /// Numbers from 0 to 1.
    Probabilities,
}

/// The data that a model is judged on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetPart {
    /// A file, a folder, `s3://BUCKET/PREFIX/`, or either with `*`, `?` and `**`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Which partitions are read: a value or a comparison (`">=2026-01-01"`) for each key of `key=value` folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#where: Option<BTreeMap<String, Condition>>,
    /// Which columns the model gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<FeaturesPart>,
    /// The label column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// A column of weights above 0, one for each row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// A column that names each row; a name that comes twice is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A column whose equal values belong together, such as the customer of several rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What becomes of rows with a null in label, features, weight, id or group; `refuse` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nulls: Option<NullsName>,
    /// What the data must be before anything is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<ExpectPart>,
}

/// What becomes of rows with nulls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NullsName {
    /// The first one ends the run with exit code 3.
    Refuse,
    /// They are left out, counted and told.
    Drop,
}

/// A condition on a partition's value: a text, a number, or a list of those.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Condition {
    /// Equal to any of these.
    AnyOf(Vec<Scalar>),
    /// Equal to this, or compared where the text starts with `<`, `<=`, `>`, `>=` or `!=`.
    One(Scalar),
}

/// A value of a partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// A text.
    Text(String),
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(formatter),
            Self::Integer(value) => value.fmt(formatter),
            Self::Number(value) => value.fmt(formatter),
            Self::Text(value) => value.fmt(formatter),
        }
    }
}

/// Which columns the model gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeaturesPart {
    /// These, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Every numeric column but these (and but label, weight, id, group), in file order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Vec<String>>,
}

/// What the data must be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectPart {
    /// At least this many rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_rows: Option<Count>,
    /// At least this many rows of the positive class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_positives: Option<Count>,
    /// At least this many rows of the negative class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_negatives: Option<Count>,
    /// At most this share of all rows, from 0 to 1, is left out for nulls; with `nulls: drop`. Any share where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_null_fraction: Option<Number>,
    /// The dataset's digest (`sha256:…`), as a report gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// One limit on the model's scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckPart {
    /// What is measured.
    pub metric: MetricName,
    /// What the check is called in reports; the metric's name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The probability from which on a row counts as positive (f1, precision, recall, specificity, accuracy), the precision that recall is taken at (recall_at_precision) or the recall that precision is taken at (precision_at_recall).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Number>,
    /// How the areas of classes (auc_ovr) or of pairs (auc_ovo) are averaged; `macro` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<AverageName>,
    /// The number of bins (ece, ece_equal_mass); 15 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bins: Option<Count>,
    /// The least admissible value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// The largest admissible value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
    /// How much worse than the champion the model may be: passes when the cautious bound of the difference allows no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub non_inferiority_margin: Option<Number>,
    /// The least admissible change from the champion's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_change: Option<Number>,
    /// The largest admissible change from the champion's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_change: Option<Number>,
    /// The confidence of each bound; 0.95 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Number>,
    /// Which number is compared with the limit; the point estimate where absent, the cautious bound for a margin, the generous bound for slices (a slice fails when its sample refutes the limit).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decide_on: Option<DecideOnName>,
    /// What follows when the sample supports neither a pass nor a failure; `distinct` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_inconclusive: Option<OnInconclusiveName>,
    /// Judges each part of the data by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<SlicePart>,
    /// How the confidence of many slices is corrected; `holm` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<CorrectionName>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricName {
    /// The area under the ROC curve.
    Auc,
    /// Average precision.
    PrAuc,
    /// The harmonic mean of precision and recall at `at`.
    F1,
    /// The share of positives among the rows at or above `at`.
    Precision,
    /// The share of the positives at or above `at`.
    Recall,
    /// The share of the negatives below `at`.
    Specificity,
    /// The share of rows on the right side of `at`.
    Accuracy,
    /// The largest recall whose precision is at least `at`.
    RecallAtPrecision,
    /// The largest precision whose recall is at least `at`.
    PrecisionAtRecall,
    /// The mean negative log-likelihood.
    LogLoss,
    /// The mean squared error of the probabilities.
    Brier,
    /// The expected calibration error in bins of equal width.
    Ece,
    /// The expected calibration error in bins of equal mass.
    EceEqualMass,
    /// The largest distance between the score distributions of the classes.
    Ks,
    /// The mean area of each class against all others (`model.classes`).
    AucOvr,
    /// The mean area of each pair of classes (`model.classes`).
    AucOvo,
}

/// How areas are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AverageName {
    /// Each class or pair counts alike.
    Macro,
    /// Each class or pair counts by its rows.
    Weighted,
}

/// Which number is compared with the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecideOnName {
    /// The point estimate.
    Point,
    /// The one-sided lower bound.
    LowerBound,
    /// The one-sided upper bound.
    UpperBound,
}

/// What follows from a check that the sample does not settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnInconclusiveName {
    /// The verdict is inconclusive, with exit code 6.
    Distinct,
    /// The check fails.
    Fail,
    /// The check passes, with a warning.
    Pass,
    /// The point estimate decides.
    Point,
}

/// Parts of the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlicePart {
    /// The column whose values make the parts.
    pub by: String,
    /// Cuts a numeric column at these values, ascending; a part holds its lower edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges: Option<Vec<Number>>,
    /// Parts with fewer rows are told and not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_rows: Option<Count>,
    /// Parts with fewer positives are told and not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_positives: Option<Count>,
    /// Parts with fewer negatives are told and not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_negatives: Option<Count>,
}

/// How the confidence of many slices is corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CorrectionName {
    /// Holm's step-down procedure over the slices of a check.
    Holm,
    /// None: each slice at the check's own confidence.
    None,
}

/// The model that serves now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChampionPart {
    /// A path or `s3://BUCKET/KEY`; an empty text counts as missing.
    pub model: String,
    /// What follows when there is none yet; an error where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_missing: Option<IfMissingName>,
}

/// What follows when there is no champion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfMissingName {
    /// The run ends with exit code 2.
    Error,
    /// Checks against it are left out, with a warning.
    Skip,
}

/// One limit on latency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencyPart {
    /// How calls are issued; `closed` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<ScenarioName>,
    /// Calls in a second (open); latency counts from the scheduled time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<Number>,
    /// When calls are due (open); `poisson` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<ArrivalsName>,
    /// Rows in a call; 1 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Count>,
    /// Threads that one call may use; the model's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<Count>,
    /// The percentile that is judged; 99 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentile: Option<Number>,
    /// The largest admissible value, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<Number>,
    /// The least admissible throughput, rows in a second; not judged where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_rows_per_s: Option<Number>,
    /// The confidence of the bounds; 0.95 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Number>,
    /// Which number is compared with the limit; the upper bound where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decide_on: Option<DecideOnName>,
    /// What follows when too few calls were made for a claim; `distinct` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_inconclusive: Option<OnInconclusiveName>,
    /// The longest time for the timed calls, seconds; 60 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_budget_s: Option<Count>,
}

/// How calls are issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioName {
    /// One after the other.
    Closed,
    /// At their own times, whether or not the one before has ended.
    Open,
}

/// When calls are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalsName {
    /// At equal distances.
    Constant,
    /// As a Poisson process of a fixed seed.
    Poisson,
}

/// Limits on start and memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourcesPart {
    /// The largest admissible time for loading the model and its first call, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cold_start_ms: Option<Number>,
    /// The largest admissible resident memory of the model's process, mebibytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory_mib: Option<Number>,
}

/// Where the verdict is written. A flag or variable for the same file wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportPart {
    /// The full report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// Checks as test cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub junit: Option<String>,
    /// A summary, for a step summary or a comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub markdown: Option<String>,
    /// One page with plots that needs no other file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// A file for the textfile collector of Prometheus' node exporter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<String>,
    /// The latency for HdrHistogram's plotters: the first as `.hgrm`, or all in a path that ends in `.hlog`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_histogram: Option<String>,
    /// The brief verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_message: Option<String>,
    /// The signed verdict, where `--sign-key` names a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<String>,
}
