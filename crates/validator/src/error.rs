//! Everything that ends a run without a verdict, with its exit code and how to mend it.

use std::path::PathBuf;

use attest::{AgeError, PlaceError, SignError, StatementError};
use verdict::auc::MetricError;
use verdict::exit::ExitCode;

use crate::dataset::{DatasetError, LocationError, SourceError};
use crate::evaluate::{EvaluateError, scorer_exit_code};
use crate::judge::JudgeError;
use crate::scorer::ScorerError;
use crate::settings::SettingsError;
use crate::shard::{FetchError, NotMergeable};

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// Flags or variables make no sense.
    #[error("the settings cannot be used")]
    Settings(#[from] SettingsError),
    /// The model cannot be read from its store.
    #[error("the model `{uri}` cannot be fetched")]
    FetchModel {
        /// Where it should be.
        uri: String,
        /// Why.
        #[source]
        source: SourceError,
    },
    /// The fetched model cannot be written.
    #[error("the model `{uri}` cannot be kept in the temporary folder")]
    StoreModel {
        /// Where it came from.
        uri: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// More bytes than a model may have.
    #[error("the model `{uri}` has {bytes} bytes, more than the {bytes_max} that are fetched")]
    ModelTooLarge {
        /// Where it is.
        uri: String,
        /// Its size.
        bytes: u64,
        /// The bound.
        bytes_max: u64,
    },
    /// The model is not the one that the gate file means.
    #[error("the model `{uri}` has the SHA-256 {found}, and the gate file asks for {expected}")]
    OtherModel {
        /// Where it came from.
        uri: String,
        /// The digest that was asked for.
        expected: String,
        /// Its own.
        found: String,
    },
    /// The model does not load.
    #[error("the model `{uri}` cannot be loaded")]
    LoadModel {
        /// Where it came from.
        uri: String,
        /// Why.
        #[source]
        source: ScorerError,
    },
    /// The dataset cannot be opened.
    #[error("the dataset `{uri}` cannot be used")]
    OpenDataset {
        /// Where it is.
        uri: String,
        /// Why.
        #[source]
        source: DatasetError,
    },
    /// Rows cannot be read or scored.
    #[error("the model cannot be judged on the dataset `{uri}`")]
    Evaluate {
        /// Where the dataset is.
        uri: String,
        /// Columns that are neither label nor feature.
        unused: Vec<String>,
        /// Why.
        #[source]
        source: EvaluateError,
    },
    /// Scores and labels support no verdict.
    #[error("the scores on the dataset `{uri}` support no verdict")]
    Judge {
        /// Where the dataset is.
        uri: String,
        /// Why.
        #[source]
        source: JudgeError,
    },
    /// The champion cannot be compared with.
    #[error("the champion cannot be used")]
    Champion(#[source] Box<Self>),
    /// Data that the gate file does not expect.
    #[error("the dataset `{uri}` is not what the gate file expects: {what}")]
    Unexpected {
        /// Where the dataset is.
        uri: String,
        /// What is not met.
        what: String,
    },
    /// Single rows cannot be scored.
    #[error("the model `{uri}` cannot be asked for a single row")]
    SingleRow {
        /// Where the model came from.
        uri: String,
        /// Why.
        #[source]
        source: ScorerError,
    },
    /// Latency cannot be measured.
    #[error("the latency of the model `{uri}` cannot be measured")]
    Latency {
        /// Where the model came from.
        uri: String,
        /// Why.
        #[source]
        source: ScorerError,
    },
    /// A signal ended the run.
    #[error("interrupted by {signal} before there was a verdict")]
    Interrupted {
        /// The signal's name.
        signal: &'static str,
    },
    /// A report cannot be written.
    #[error("the verdict is `{outcome}`, but `{path}` cannot be written")]
    Write {
        /// What the verdict was.
        outcome: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key cannot be had.
    #[error("{flag} names no key that can be used")]
    Key {
        /// The flag.
        flag: &'static str,
        /// Why.
        #[source]
        source: PlaceError,
    },
    /// A signed verdict without a key.
    #[error("a signed verdict is asked for, and no key is named")]
    NoSigningKey,
    /// A time that is none.
    #[error("{flag} is no time")]
    Age {
        /// The flag.
        flag: &'static str,
        /// Why.
        #[source]
        source: AgeError,
    },
    /// The verdict cannot be signed.
    #[error("the verdict is `{outcome}`, but it cannot be signed")]
    Sign {
        /// What the verdict was.
        outcome: &'static str,
        /// Why.
        #[source]
        source: SignError,
    },
    /// There is nothing to sign.
    #[error("`{path}` cannot be signed")]
    Statement {
        /// The report.
        path: PathBuf,
        /// Why.
        #[source]
        source: StatementError,
    },
    /// A file that was named on the command line.
    #[error("`{path}` cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that is something else.
    #[error("`{path}` holds no {expected}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
    },
    /// Where verdicts are kept cannot be used.
    #[error("--reuse-verdict names no place")]
    ReusePlace(#[source] LocationError),
    /// A gate that shards cannot answer.
    #[error("the gate cannot be judged in shards")]
    NotMergeable(#[from] NotMergeable),
    /// A shard that is none.
    #[error("shard {index} of {of} does not exist: shards are counted from 0")]
    NoSuchShard {
        /// Its index.
        index: u32,
        /// How many there are.
        of: u32,
    },
    /// The place of summaries is none.
    #[error("{name} names no place")]
    SummariesPlace {
        /// The flag.
        name: &'static str,
        /// Why.
        #[source]
        source: LocationError,
    },
    /// A shard's summary cannot be written.
    #[error("the summary of the shard cannot be written to `{place}`")]
    KeepSummary {
        /// Where to.
        place: String,
        /// Why.
        #[source]
        source: SourceError,
    },
    /// Shards' summaries give no verdict.
    #[error("the summaries of shards in `{place}` give no verdict")]
    Shards {
        /// Where they lie.
        place: String,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// A fault of this program.
    #[error("internal error: {what}")]
    Internal {
        /// What went wrong.
        what: String,
    },
}

impl GateError {
    /// Returns the exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_)
            | Self::NoSigningKey
            | Self::Age { .. }
            | Self::Statement { .. }
            | Self::Read { .. }
            | Self::Content { .. }
            | Self::ReusePlace(_)
            | Self::NoSuchShard { .. }
            | Self::SummariesPlace { .. } => ExitCode::Usage,
            Self::NotMergeable(source) => source.exit_code(),
            Self::KeepSummary { source, .. } => source.exit_code(),
            Self::Shards { source, .. } => match source {
                FetchError::Source(source) => source.exit_code(),
                FetchError::Shards(source) => source.exit_code(),
            },
            Self::Key { source, .. } => match source {
                PlaceError::Program(_) => ExitCode::Infrastructure,
                _ => ExitCode::Usage,
            },
            Self::FetchModel { source, .. } => source.exit_code(),
            Self::ModelTooLarge { .. } | Self::OtherModel { .. } => ExitCode::Model,
            Self::LoadModel { source, .. }
            | Self::SingleRow { source, .. }
            | Self::Latency { source, .. } => scorer_exit_code(source),
            Self::OpenDataset { source, .. } => source.exit_code(),
            Self::Evaluate { source, .. } => source.exit_code(),
            Self::Judge { source, .. } => match source {
                JudgeError::Metric(
                    MetricError::NotProbabilities { .. } | MetricError::ProbabilitiesSum { .. },
                )
                | JudgeError::Classes(_)
                | JudgeError::Champion(_) => ExitCode::Model,
                JudgeError::Gather(source) => source.exit_code(),
                JudgeError::Metric(_) => ExitCode::Data,
            },
            Self::Champion(source) => source.exit_code(),
            Self::Unexpected { .. } => ExitCode::Data,
            Self::StoreModel { .. }
            | Self::Interrupted { .. }
            | Self::Write { .. }
            | Self::Sign { .. }
            | Self::Internal { .. } => ExitCode::Infrastructure,
        }
    }

    /// Returns what a person can do about it, one command or fact each.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Settings(source) => source.hint(),
            Self::FetchModel { source, .. } => source.hint(),
            Self::LoadModel {
                uri,
                source: ScorerError::ModelUnreadable { .. },
            } => Some(format!("check the path `{uri}` and what is mounted there")),
            Self::SingleRow {
                source: ScorerError::UnsupportedOutput { .. } | ScorerError::Raised { .. },
                ..
            } => Some(
                "a service asks for one row at a time: keep the first dimension (`squeeze(1)`, not `squeeze()`) and take no statistics over the batch".into(),
            ),
            Self::LoadModel { source, .. }
            | Self::SingleRow { source, .. }
            | Self::Latency { source, .. } => source.hint(),
            Self::OpenDataset { source, .. } => source.hint(),
            Self::Evaluate { source, .. } => source.hint(),
            Self::StoreModel { .. } => {
                Some("give the container a writable TMPDIR with room for the model".into())
            }
            Self::Judge { source, .. } => match source {
                JudgeError::Metric(
                    MetricError::NotProbabilities { .. } | MetricError::ProbabilitiesSum { .. },
                )
                | JudgeError::Champion(MetricError::NotProbabilities { .. }) => {
                    Some("write `output: logits` or `output: auto` in the gate file".into())
                }
                JudgeError::Gather(source) => source.hint(),
                JudgeError::Classes(_) => Some(
                    "say what the outputs are by `model.output`: `logits` are finite, `probabilities` lie in 0 to 1".into(),
                ),
                JudgeError::Metric(_) | JudgeError::Champion(_) => {
                    Some("use a dataset that holds rows of both classes".into())
                }
            },
            Self::Champion(source) => return source.hints(),
            Self::Unexpected { .. } => Some(
                "check that the dataset is complete, or change `dataset.expect` in the gate file"
                    .into(),
            ),
            Self::Write { .. } => {
                Some("name a path in a folder that exists and is writable".into())
            }
            Self::Interrupted { .. } => Some("run again; nothing was judged".into()),
            Self::OtherModel { .. } => Some(
                "name the model that was meant, or correct `model.sha256` in the gate file".into(),
            ),
            Self::Key { source, .. } => source.hint(),
            Self::NoSigningKey => Some("name the key by `--sign-key file:PATH`".into()),
            Self::Sign {
                source: SignError::Signer(source),
                ..
            } => source.hint(),
            Self::Content { .. } => {
                Some("name an envelope (`--attestation`), or a report or brief that carries one".into())
            }
            Self::Statement { .. } => {
                Some("sign the report (`--report`) of a run that ended in a verdict".into())
            }
            Self::Read { path, .. } => Some(format!("check the path `{}`", path.display())),
            Self::NotMergeable(source) => Some(source.hint()),
            Self::NoSuchShard { of, .. } => Some(format!(
                "name an index from 0 to {}, or let JOB_COMPLETION_INDEX do so",
                of.saturating_sub(1)
            )),
            Self::KeepSummary { source, .. } => source.hint(),
            Self::Shards { source, .. } => match source {
                FetchError::Source(source) => source.hint(),
                FetchError::Shards(source) => source.hint(),
            },
            Self::SummariesPlace { .. } | Self::ReusePlace(_) => Some("write `s3://BUCKET/PREFIX/` or a folder's path".into()),
            Self::ModelTooLarge { .. }
            | Self::Age { .. }
            | Self::Sign { .. }
            | Self::Internal { .. } => None,
        };
        let mut hints: Vec<String> = hint.into_iter().collect();
        if let Self::Evaluate {
            unused,
            source: EvaluateError::Width { .. },
            ..
        } = self
            && !unused.is_empty()
        {
            hints.push(unused_hint(unused));
        }
        hints
    }

    /// Returns what was being done and its causes, outermost first, without repetition.
    #[must_use]
    pub fn chain(&self) -> Vec<String> {
        let mut chain = vec![self.to_string()];
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let text = cause.to_string();
            if chain.last() != Some(&text) {
                chain.push(text);
            }
            source = cause.source();
        }
        chain
    }

    /// Returns the whole chain as one line; of a trace of many lines, such as a model's own,
    /// the first and the last are kept.
    #[must_use]
    pub fn one_line(&self) -> String {
        let shorten = |text: &String| {
            let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let first = lines.next().unwrap_or_default();
            lines
                .next_back()
                .map_or_else(|| first.to_owned(), |last| format!("{first} … {last}"))
        };
        let parts: Vec<String> = self.chain().iter().map(shorten).collect();
        parts.join(": ")
    }
}

/// At most this many names of columns stand in a hint.
const UNUSED_SHOWN: usize = 5;

/// Says which columns the model did not get: a number that was written as text is easily overlooked.
fn unused_hint(unused: &[String]) -> String {
    let names: Vec<String> = unused
        .iter()
        .take(UNUSED_SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = unused.len().saturating_sub(UNUSED_SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!(
        "columns that are not numbers, or were not asked for, are no features; here {}{more}",
        names.join(", ")
    )
}
