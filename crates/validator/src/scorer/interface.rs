//! The seam between the gate and whatever runs the model: plain values and one trait.

use std::path::PathBuf;
use std::time::Duration;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::{SandboxReport, ScorerError};

/// Scores rows and measures call times of one loaded model.
pub trait Scorer: Send {
    /// Returns what is known of the model since it was loaded.
    fn model(&self) -> &ModelInfo;

    /// Runs the model once on `batch`, shape `[rows, width]`, and returns its raw outputs.
    ///
    /// The outputs are neither squashed nor rounded: an f32 output arrives as the same number in
    /// f64. NaN and infinities are passed on; judging them is the caller's part.
    ///
    /// # Errors
    /// Any [`ScorerError`]. After [`ScorerError::Raised`], [`ScorerError::WrongWidth`] and
    /// [`ScorerError::UnsupportedOutput`] the scorer can still be used; after the others it is
    /// gone and every later call returns [`ScorerError::Gone`].
    fn score(&mut self, batch: ArrayView2<'_, f32>) -> Result<RawScores, ScorerError>;

    /// Says how the columns of all later batches become the model's arguments; without a call,
    /// or with none, a batch is the only one.
    ///
    /// # Errors
    /// [`ScorerError::Inputs`] when the model's `forward` does not take them.
    fn set_inputs(&mut self, inputs: &[ModelInput]) -> Result<(), ScorerError>;

    /// Times calls on real rows, shape `[rows, width]`: warm-up first, then timed calls that go
    /// round the rows, `plan.batch` rows a call.
    ///
    /// # Errors
    /// As for [`Scorer::score`]; also [`ScorerError::Plan`] when `rows` holds fewer rows than one
    /// call needs.
    fn measure(
        &mut self,
        rows: ArrayView2<'_, f32>,
        plan: &LatencyPlan,
    ) -> Result<LatencySamples, ScorerError>;
}

/// One argument of the model's `forward`: some columns of each batch, next to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInput {
    /// The argument that it is; by position where no input has a name.
    pub name: Option<String>,
    /// Where its columns lie in a batch, how many they are, and how they are handed over.
    pub part: InputPart,
}

/// Columns of a batch that make one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputPart {
    /// The first column, from 0.
    pub first: usize,
    /// How many columns.
    pub width: usize,
    /// Whether they become whole numbers (`int64`); else the model's own element type.
    pub whole_numbers: bool,
    /// Whether the only column is handed over as `[rows]`; else `[rows, width]`.
    pub flat: bool,
}

/// Where a model runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The NVIDIA GPU with this number, from 0.
    Cuda(u32),
}

impl std::str::FromStr for Device {
    type Err = ();

    /// Reads `cpu`, `cuda` (the first) or `cuda:N`.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.trim() {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or(()),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(number) => write!(formatter, "cuda:{number}"),
        }
    }
}

/// Describes a loaded model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// File that was loaded.
    pub path: PathBuf,
    /// Lower-case hexadecimal SHA-256 of the file.
    pub sha256: String,
    /// Size of the file, bytes.
    pub bytes: u64,
    /// Number of input features; `None` until a first batch has been scored, for TorchScript
    /// does not declare it. Rows of another width end in [`ScorerError::WrongWidth`], which names
    /// the width that the model takes.
    pub expected_width: Option<usize>,
    /// Element type of the model's parameters; batches are cast to it in the child.
    pub element_type: ElementType,
    /// Number of parameters (scalars), buffers excluded.
    pub parameters: u64,
    /// Time the child spent on loading the model, its own start excluded.
    pub load: Duration,
    /// Time from starting the child to a loaded model.
    pub spawn: Duration,
    /// Threads that one call may use.
    pub threads: usize,
    /// Version of the libtorch found at run time where it can be known.
    pub runtime: String,
    /// Which protections hold in the child.
    pub sandbox: SandboxReport,
    /// Where it runs.
    pub device: Device,
}

/// Raw outputs of one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct RawScores {
    /// Row-major, `rows * columns` values; `columns` is 1 unless all columns were asked for.
    pub values: Vec<f64>,
    /// Values for each row.
    pub columns: usize,
    /// Element type that the model returned, before the exact widening to f64.
    pub element_type: ElementType,
    /// Which part of the model's output the values are.
    pub kind: OutputKind,
}

impl RawScores {
    /// Tells whether every value is exactly an f32, so that 32-bit keys rank without loss.
    #[must_use]
    pub fn exact_in_f32(&self) -> bool {
        self.element_type != ElementType::F64 && self.kind != OutputKind::LogitDifference
    }
}

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    F16,
    Bf16,
    F32,
    F64,
}

impl std::fmt::Display for ElementType {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// Which part of the model's output became the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputKind {
    /// Shape `[n]` or `[n, 1]`: the value as it is.
    Single,
    /// Shape `[n, c]`, one column chosen by the caller.
    Column,
    /// Shape `[n, 2]` whose rows are probabilities: the second column.
    PairOfProbabilities,
    /// Shape `[n, 2]` of logits: second minus first, which ranks as the softmax probability of
    /// the second class does (the second logit alone does not).
    LogitDifference,
    /// Shape `[n, c]`, every column.
    AllColumns,
}

/// Picks the scores out of the model's output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSelection {
    /// Entry of a dictionary output; needed where the dictionary has several tensors.
    pub key: Option<String>,
    /// Element of a tuple or list output; 0 when absent.
    pub index: Option<usize>,
    /// Columns of a two-dimensional output.
    pub column: ColumnChoice,
}

/// Picks columns of a two-dimensional output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnChoice {
    /// The only column, or the positive class of two.
    #[default]
    Auto,
    /// This column, counted from 0, as it is.
    Column(usize),
    /// Every column (multi-class).
    All,
}

/// Says how to measure latency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyPlan {
    /// Rows for each call.
    pub batch: usize,
    /// Threads that one call may use.
    pub threads: usize,
    /// Least number of warm-up calls; never below 10.
    pub warm_up_calls_min: usize,
    /// Most warm-up calls, stable or not.
    pub warm_up_calls_max: usize,
    /// Calls in each of the two windows whose medians are compared.
    pub warm_up_window: usize,
    /// Relative difference up to which two medians agree.
    pub warm_up_tolerance: f64,
    /// Longest warm-up.
    pub warm_up_budget: Duration,
    /// Timed calls to make, the budget permitting.
    pub calls_target: usize,
    /// Timed calls to make where they are quick (see `quick`).
    pub calls_max: usize,
    /// Calls beyond `calls_target` are made while less than this has passed since the first.
    pub quick: Duration,
    /// Longest time for the timed calls.
    pub budget: Duration,
    /// When calls are due.
    pub arrivals: Arrivals,
    /// Ends the timed calls early, once nothing can change the decision any more.
    pub stop_after: Option<StopAfter>,
}

/// Ends a measurement once `calls` calls have taken longer than `limit`.
///
/// With `calls` set to one more than a pass at `calls_target` allows, stopping changes no
/// decision (curtailed sampling): the remaining calls could not have turned it into a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopAfter {
    pub limit: Duration,
    pub calls: usize,
}

impl Default for LatencyPlan {
    /// Single rows, one thread, closed loop; 2,000 calls, up to 10,000 in 5 s, at most 60 s.
    fn default() -> Self {
        Self {
            batch: 1,
            threads: 1,
            warm_up_calls_min: 10,
            warm_up_calls_max: 2_000,
            warm_up_window: 10,
            warm_up_tolerance: 0.05,
            warm_up_budget: Duration::from_secs(15),
            calls_target: 2_000,
            calls_max: 10_000,
            quick: Duration::from_secs(5),
            budget: Duration::from_secs(60),
            arrivals: Arrivals::Closed,
            stop_after: None,
        }
    }
}

/// Says when calls are due.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Each call starts when the one before has ended.
    Closed,
    /// Calls are due at a fixed rate; latency counts from the due time.
    Constant { calls_per_s: f64 },
    /// Calls are due as a Poisson process with this seed; latency counts from the due time.
    Poisson { calls_per_s: f64, seed: u64 },
}

/// What [`Scorer::measure`] found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencySamples {
    /// One entry for each timed call, in order of calls, nanoseconds.
    pub nanoseconds: Vec<u64>,
    /// Warm-up calls made before, not among the samples.
    pub warm_up_calls: usize,
    /// Whether the medians of the last two warm-up windows agreed.
    pub warm_up_stable: bool,
    /// Time spent on the warm-up.
    pub warm_up: Duration,
    /// Time to load the model.
    pub load: Duration,
    /// First call that the process ever made, with its number of rows.
    pub first_call: Duration,
    /// Rows in that first call: a cold start is `load + first_call` where it is `batch`.
    pub first_call_rows: usize,
    /// Time from the first timed call to the end of the last.
    pub elapsed: Duration,
    /// Whether the budget ended the run before `calls_target` calls.
    pub budget_exhausted: bool,
    /// Whether [`LatencyPlan::stop_after`] ended the run.
    pub stopped_early: bool,
    /// Open loop: calls that were due and not made when the budget ended.
    pub backlog: usize,
    /// Cost of timing one call (two clock reads and a store), nanoseconds; it is part of each
    /// sample.
    pub overhead_ns: f64,
    /// Most resident memory of the child so far, bytes.
    pub peak_memory_bytes: Option<u64>,
    /// What the processor controller did meanwhile, where it can be read.
    pub throttling: Option<ThrottleEvidence>,
    /// Rows for each call.
    pub batch: usize,
    /// Threads that one call could use.
    pub threads: usize,
}

impl LatencySamples {
    /// Returns how many rows the timed calls answered in a second, in an open loop with the waiting
    /// for calls to fall due; nothing where no call was timed.
    #[must_use]
    pub fn rows_per_s(&self) -> Option<f64> {
        let seconds = self.elapsed.as_secs_f64();
        let rows = self.nanoseconds.len() * self.batch;
        (rows > 0 && seconds > 0.0).then(|| rows as f64 / seconds)
    }
}

/// Change of the cgroup's processor statistics during a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottleEvidence {
    /// Enforcement periods that began meanwhile.
    pub periods: u64,
    /// Periods in which the group was throttled.
    pub throttled_periods: u64,
    /// Time the group stood still, microseconds.
    pub throttled_us: u64,
}
