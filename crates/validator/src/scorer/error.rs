//! Everything that can go wrong between the gate and a model.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why the model could not be loaded, run or timed.
#[derive(Debug, Error)]
pub enum ScorerError {
    /// The scorer's binary is not there.
    #[error("the scorer binary was not found at `{path}`")]
    ScorerMissing { path: PathBuf },
    /// The child process could not be started or set up.
    #[error("the scorer process could not be started ({what})")]
    Spawn {
        what: String,
        #[source]
        source: std::io::Error,
    },
    /// The child ended before it could say anything, as happens when libtorch is not found.
    #[error("the scorer process did not start: {status}; its last output: {stderr_tail}")]
    DidNotStart { status: String, stderr_tail: String },
    /// The model file cannot be opened or read.
    #[error("the model `{path}` could not be read")]
    ModelUnreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file is no TorchScript model that can be loaded.
    #[error("the model `{path}` does not load: {reason}")]
    DoesNotLoad {
        path: PathBuf,
        reason: UnloadableReason,
    },
    /// The model's `forward` does not take what the gate file names.
    #[error("the model's inputs are not those that the gate file names: {what}")]
    Inputs { what: String },
    /// The device that was asked for is not there.
    #[error("the model cannot run on `{device}`: {why}")]
    NoDevice { device: super::Device, why: String },
    /// The model raised an error in `forward`.
    #[error("the model raised an error on a batch of {rows} rows of width {width}: {message}")]
    Raised {
        rows: usize,
        width: usize,
        message: String,
    },
    /// The rows are not as wide as the model's input.
    #[error("the data has {given} features, but the model takes {}", expected_text(*expected))]
    WrongWidth {
        given: usize,
        expected: Option<usize>,
        /// What the model itself said, where it did.
        message: Option<String>,
    },
    /// The model's output has no meaning as a score for each row.
    #[error("the model's output cannot be used as scores: {what}")]
    UnsupportedOutput { what: String },
    /// The latency plan cannot be carried out.
    #[error("the latency plan cannot be carried out: {what}")]
    Plan { what: String },
    /// The child ended on its own.
    #[error(
        "the scorer process crashed while it was {doing}: {status}{}",
        tail_text(stderr_tail)
    )]
    Crashed {
        doing: &'static str,
        /// Signal that ended it, where one did.
        signal: Option<i32>,
        /// Exit status, where it ended by itself.
        exit_status: Option<i32>,
        /// Both in words.
        status: String,
        /// Last lines of what the child printed, at most 4 KiB.
        stderr_tail: String,
    },
    /// The model asked for more memory than it may have.
    #[error("the model ran out of memory while it was {doing} (limit: {}): {message}", limit_text(*limit_bytes))]
    OutOfMemory {
        doing: &'static str,
        limit_bytes: Option<u64>,
        message: String,
    },
    /// The child did not answer in time and was killed.
    #[error(
        "the model did not answer within {} s while it was {doing}; its process was killed",
        timeout.as_secs_f64()
    )]
    Hang {
        doing: &'static str,
        timeout: Duration,
    },
    /// Parent and child do not understand each other.
    #[error("the scorer process broke the protocol: {what}")]
    Protocol { what: String },
    /// An earlier error ended the child.
    #[error("the scorer process is gone since an earlier error: {first}")]
    Gone { first: String },
}

impl ScorerError {
    /// Tells whether the fault lies with the model and not with the data or the machine.
    #[must_use]
    pub fn is_models_fault(&self) -> bool {
        matches!(
            self,
            Self::DoesNotLoad { .. }
                | Self::Raised { .. }
                | Self::UnsupportedOutput { .. }
                | Self::Crashed { .. }
                | Self::OutOfMemory { .. }
                | Self::Hang { .. }
                | Self::Protocol { .. }
        )
    }

    /// Returns what a person can do about it, one command or fact.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ScorerMissing { .. } => Some(
                "build it with `cargo build -p validator`, or name it by `--scorer PATH` or VALIDATOR_SCORER".into(),
            ),
            Self::DidNotStart { stderr_tail, .. } if stderr_tail.contains("libtorch") => Some(
                "libtorch is missing: run `cargo xtask setup`, or set LD_LIBRARY_PATH to its folder".into(),
            ),
            Self::DoesNotLoad { reason, .. } => reason.hint(),
            Self::WrongWidth { .. } => Some(
                "name the feature columns, or use the data set that belongs to this model".into(),
            ),
            Self::UnsupportedOutput { .. } => Some(
                "a model for this gate returns one number for each row, shape [n] or [n, 1], or two, shape [n, 2]; a gate file's `model.output_key`, `output_index` and `positive_class` pick an entry, an element or a column of more".into(),
            ),
            Self::OutOfMemory { .. } => Some(
                "raise the container's memory limit, or the scorer's own memory limit".into(),
            ),
            Self::Inputs { .. } => Some(
                "name one entry of `model.inputs` for each argument of `forward`, in their order or each with its `name`".into(),
            ),
            Self::NoDevice { .. } => Some(
                "use `--device cpu`; or run on a machine with an NVIDIA GPU and its driver, a validator-scorer built against a CUDA libtorch (set LIBTORCH to it and build)".into(),
            ),
            Self::Raised { message, .. } if message.contains("missing value for argument") => Some(
                "this model takes several inputs: name the columns of each under `model.inputs` of the gate file".into(),
            ),
            Self::Hang { .. } => Some("raise the timeout if the model is known to be this slow".into()),
            Self::Crashed { signal: Some(9), .. } => Some(
                "signal 9 often means that the container ran out of memory".into(),
            ),
            _ => None,
        }
    }
}

/// What a file is when it is no TorchScript model that loads.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnloadableReason {
    #[error("the file is empty")]
    Empty,
    #[error("it is no zip archive, which a TorchScript file is{}", but_text(looks_like.as_deref()))]
    NotAnArchive { looks_like: Option<String> },
    #[error("its zip archive is truncated or damaged ({detail})")]
    DamagedArchive { detail: String },
    #[error("it is a `torch.export` archive (.pt2), not TorchScript")]
    ExportedProgram,
    #[error(
        "it holds weights alone (a state_dict or a pickled object saved by `torch.save`), no code"
    )]
    StateDict,
    #[error("its archive lacks {missing}, so it is not TorchScript")]
    NotTorchScript { missing: String },
    #[error("its archive is refused: {what}")]
    Refused { what: String },
    #[error("its code calls the operator `{operator}`, which is denied (`{file}`)")]
    Denied { operator: String, file: String },
    #[error("libtorch says: {message}")]
    Runtime { message: String },
}

impl UnloadableReason {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Empty | Self::DamagedArchive { .. } => {
                "upload the file again and compare its size and SHA-256 with the original's".into()
            }
            Self::NotAnArchive { .. } | Self::NotTorchScript { .. } | Self::ExportedProgram => {
                "save the model with `torch.jit.script(model).save(\"model.pt\")` or `torch.jit.trace`"
                    .into()
            }
            Self::StateDict => {
                "build the model in Python, load the weights, then `torch.jit.script(model).save(\"model.pt\")`"
                    .into()
            }
            Self::Denied { .. } => {
                "take the call out of `forward`, or allow it by leaving it out of `--deny-operators`"
                    .into()
            }
            Self::Refused { .. } | Self::Runtime { .. } => return None,
        })
    }
}

fn expected_text(expected: Option<usize>) -> String {
    expected.map_or_else(
        || "another number".to_owned(),
        |expected| expected.to_string(),
    )
}

fn tail_text(tail: &str) -> String {
    if tail.is_empty() {
        String::new()
    } else {
        format!("; its last output: {tail}")
    }
}

fn limit_text(limit_bytes: Option<u64>) -> String {
    limit_bytes.map_or_else(
        || "that of the machine".to_owned(),
        |bytes| format!("{} MiB", bytes / (1 << 20)),
    )
}

fn but_text(looks_like: Option<&str>) -> String {
    looks_like.map_or_else(String::new, |what| format!(" (it looks like {what})"))
}
