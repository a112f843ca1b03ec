//! Flags and their variables.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use verdict::report::ConfigurationSource;

use crate::gate::Document;
use crate::judge::Expected;
use crate::output::Destinations;
use crate::settings::{Given, Request};

const EXAMPLES: &str = "\
Examples:
  Judge a model on local files:
    validator --model model.pt --dataset validation/

  Judge on S3, as the chart's Job does, from variables alone:
    MODEL_PATH=s3://models/fraud/v3/model.pt \\
    VALIDATION_DATASET=s3://data/fraud/validation/ \\
    MINIMUM_AUC=0.92 MAXIMUM_P99_LATENCY_MS=150 validator

  Ask for what a gate file says; look at it first, without data or model:
    validator check gate.yaml
    validator --gate gate.yaml --model model.pt --dataset validation/

  Score a large dataset in parts, on several machines, and judge the whole:
    validator shard --index 0 --of 4 --summaries s3://runs/42/ --gate gate.yaml
    validator merge --summaries s3://runs/42/ --gate gate.yaml

  Sign the verdict, and verify it elsewhere:
    validator --model model.pt --dataset validation/ --sign-key file:gate.pem --attestation v.json
    validator verify v.json --key file:gate.pub --max-age 7d

  Keep the full report and print it too:
    validator --model model.pt --dataset data.parquet --report report.json --output json

Exit codes:
  0 pass   1 fail   2 usage or configuration   3 data   4 model
  5 infrastructure (the only one worth a retry)   6 inconclusive

S3 follows the standard AWS settings: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, profiles, web
identity and machine roles; AWS_REGION; AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_S3 for another server.
A bucket that lies in another region is asked for there.";

/// The most shards of one run.
const SHARDS_MAX: i64 = 10_000;

/// Judge a TorchScript model on labelled Parquet: AUC and p99 latency against limits
///
/// Scores every row, computes the exact AUC of the raw outputs with its confidence interval,
/// measures single-row latency on real rows, and ends with a verdict: pass, fail or inconclusive.
/// Flags win over environment variables, which win over the gate file, which wins over defaults.
#[derive(Debug, Parser)]
#[command(
    name = "validator",
    version,
    after_help = EXAMPLES,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// Ask for what this gate file says
    #[arg(long, global = true, env = "VALIDATOR_GATE", value_name = "FILE")]
    pub(super) gate: Option<PathBuf>,
    /// Read the TorchScript model from here: a path or s3://BUCKET/KEY
    #[arg(long, global = true, env = "MODEL_PATH", value_name = "PLACE")]
    model: Option<String>,
    /// Read all Parquet files from here: a file, a folder or s3://BUCKET/PREFIX/
    #[arg(long, global = true, env = "VALIDATION_DATASET", value_name = "PLACE")]
    dataset: Option<String>,
    /// Require at least this AUC [default: 0.90]
    #[arg(
        long,
        global = true,
        env = "MINIMUM_AUC",
        value_name = "SHARE",
        allow_hyphen_values = true
    )]
    minimum_auc: Option<String>,
    /// Require at most this p99 latency of a single row, by its upper 95% bound [default: 200]
    #[arg(
        long,
        global = true,
        env = "MAXIMUM_P99_LATENCY_MS",
        value_name = "MS",
        allow_hyphen_values = true
    )]
    maximum_p99_latency_ms: Option<String>,
    /// Take this column as the label [default: label]
    #[arg(long, global = true, env = "VALIDATOR_LABEL", value_name = "COLUMN")]
    label: Option<String>,
    /// Take these columns as features, in this order [default: every other numeric column]
    #[arg(long, global = true, env = "VALIDATOR_FEATURES", value_name = "A,B,C")]
    features: Option<String>,
    /// Leave these columns out of the features
    #[arg(
        long,
        global = true,
        env = "VALIDATOR_IGNORE_COLUMNS",
        value_name = "A,B,C"
    )]
    ignore_columns: Option<String>,
    /// Let rows with nulls end the run (refuse), or leave them out and count them (drop)
    /// [default: refuse]
    #[arg(long, global = true, env = "VALIDATOR_NULLS", value_name = "POLICY")]
    nulls: Option<String>,
    /// Write the full report as JSON to this file
    #[arg(long, global = true, env = "VALIDATOR_REPORT", value_name = "PATH")]
    report: Option<PathBuf>,
    /// Write the checks as JUnit XML to this file
    #[arg(long, global = true, env = "VALIDATOR_JUNIT", value_name = "PATH")]
    junit: Option<PathBuf>,
    /// Write a summary as Markdown to this file
    #[arg(long, global = true, env = "VALIDATOR_MARKDOWN", value_name = "PATH")]
    markdown: Option<PathBuf>,
    /// Write one page with plots to this file
    #[arg(long, global = true, env = "VALIDATOR_HTML", value_name = "PATH")]
    html: Option<PathBuf>,
    /// Write metrics for Prometheus' textfile collector to this file
    #[arg(long, global = true, env = "VALIDATOR_PROMETHEUS", value_name = "PATH")]
    prometheus: Option<PathBuf>,
    /// Write the first latency as a percentile distribution, or all in a log where its name ends in
    /// .hlog, to this file
    #[arg(
        long,
        global = true,
        env = "VALIDATOR_LATENCY_HISTOGRAM",
        value_name = "PATH"
    )]
    latency_histogram: Option<PathBuf>,
    /// Write the brief verdict as JSON to this file [default: /dev/termination-log where it exists]
    #[arg(
        long,
        global = true,
        env = "VALIDATOR_TERMINATION_MESSAGE",
        value_name = "PATH"
    )]
    termination_message: Option<PathBuf>,
    /// Write the signed verdict to this file
    #[arg(
        long,
        global = true,
        env = "VALIDATOR_ATTESTATION",
        value_name = "PATH"
    )]
    attestation: Option<PathBuf>,
    /// Sign the verdict with the key that lies here: file:PATH, env:NAME or exec:PROGRAM
    #[arg(long, env = "VALIDATOR_SIGN_KEY", value_name = "KEY")]
    pub(super) sign_key: Option<String>,
    /// Take the verdict of an earlier run on the same model, dataset and gate from here, a folder
    /// or s3://BUCKET/PREFIX/, and keep new ones there
    #[arg(long, env = "VALIDATOR_REUSE_VERDICT", value_name = "PLACE")]
    pub(super) reuse_verdict: Option<String>,
    /// Take only verdicts that this public key, or the one of --sign-key, has signed
    #[arg(
        long,
        env = "VALIDATOR_REUSE_KEY",
        value_name = "KEY",
        value_delimiter = ','
    )]
    pub(super) reuse_key: Vec<String>,
    /// Take only verdicts that are at most this old, such as 12h or 7d
    #[arg(long, env = "VALIDATOR_REUSE_MAX_AGE", value_name = "AGE")]
    pub(super) reuse_max_age: Option<String>,
    /// Run the model in this binary [default: validator-scorer beside this program]
    #[arg(long, global = true, env = "VALIDATOR_SCORER", value_name = "PATH")]
    scorer: Option<String>,
    /// Refuse models whose code calls these operators [default: aten::from_file,aten::save,rpc::*]
    #[arg(
        long,
        global = true,
        env = "VALIDATOR_DENY_OPERATORS",
        value_name = "A,B,C"
    )]
    deny_operators: Option<String>,
    /// Run the model on `cpu`, `cuda` or `cuda:N` [default: cpu]
    #[arg(long, env = "VALIDATOR_DEVICE", value_name = "DEVICE", global = true)]
    device: Option<String>,
    /// Let one call of the model use this many threads [default: 1]
    #[arg(long, global = true, env = "VALIDATOR_THREADS", value_name = "COUNT")]
    threads: Option<String>,
    /// Spend at most this many seconds on timed calls [default: 60]
    #[arg(
        long,
        global = true,
        env = "VALIDATOR_TIME_BUDGET",
        value_name = "SECONDS"
    )]
    time_budget: Option<String>,
    /// Print the result in this form
    #[arg(long, global = true, value_enum, default_value_t = OutputForm::Text, value_name = "FORM")]
    pub(super) output: OutputForm,
    /// Colour the output
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(super) color: Color,
    /// Log more to stderr; twice for each request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Write logs in this form
    #[arg(long, global = true, env = "VALIDATOR_LOG_FORMAT", value_enum, default_value_t = LogForm::Text, value_name = "FORM")]
    pub(super) log_format: LogForm,
}

/// What to do instead of judging.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check a gate file, with flags and variables laid over it; reads no data and no model
    Check {
        /// The gate file [default: VALIDATOR_GATE]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Say how many rows and calls the checks need; reads no data and no model
    Plan {
        /// The gate file [default: VALIDATOR_GATE]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Suppose this share of positive rows
        #[arg(long, default_value_t = Expected::default().prevalence, value_name = "SHARE")]
        prevalence: f64,
        /// Suppose a model that surpasses each limit by this much
        #[arg(long, default_value_t = Expected::default().surplus, value_name = "AMOUNT")]
        surplus: f64,
        /// Let such a model pass with this probability
        #[arg(long, default_value_t = Expected::default().power, value_name = "SHARE")]
        power: f64,
        /// Suppose this area of both models where two are compared
        #[arg(long, default_value_t = Expected::default().area, value_name = "SHARE")]
        area: f64,
        /// Suppose this correlation of their areas
        #[arg(long, default_value_t = Expected::default().correlation, value_name = "NUMBER")]
        correlation: f64,
        /// Suppose that this share of calls exceeds the latency limit
        #[arg(long, default_value_t = Expected::default().exceeding, value_name = "SHARE")]
        exceeding: f64,
    },
    /// Print the JSON Schema of gate files, or of what the gate writes
    Schema {
        /// Whose
        #[arg(value_enum, default_value_t = DocumentName::Gate, value_name = "DOCUMENT")]
        document: DocumentName,
    },
    /// Score one shard of the dataset and write an exact summary; `validator merge` judges all
    Shard {
        /// Which shard, from 0
        #[arg(long, env = "JOB_COMPLETION_INDEX", value_name = "INDEX")]
        index: u32,
        /// How many shards there are
        #[arg(long, env = "VALIDATOR_SHARDS", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=SHARDS_MAX))]
        of: u32,
        /// Write the summary to this folder or s3://BUCKET/PREFIX/
        #[arg(long, env = "VALIDATOR_SUMMARIES", value_name = "PLACE")]
        summaries: String,
    },
    /// Judge what all shards have found, as one machine would; reads no data and no model
    Merge {
        /// Read the summaries of all shards from this folder or s3://BUCKET/PREFIX/
        #[arg(long, env = "VALIDATOR_SUMMARIES", value_name = "PLACE")]
        summaries: String,
    },
    /// Sign the verdict of a report: an in-toto statement in a DSSE envelope
    Sign {
        /// The report [of --report]
        #[arg(value_name = "REPORT")]
        report: PathBuf,
        /// Sign with the key that lies here: file:PATH, env:NAME or exec:PROGRAM
        #[arg(long, value_name = "KEY")]
        key: String,
    },
    /// Verify a signed verdict, offline: 0 when it is accepted, 1 when it is refused
    Verify {
        /// An envelope, or a report or termination message that carries one; - for stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Accept signatures by this public key: file:PATH, env:NAME or exec:PROGRAM; repeatable
        #[arg(long, required = true, value_name = "KEY")]
        key: Vec<String>,
        /// Demand that the run ended at most this long ago, such as 12h or 7d
        #[arg(long, value_name = "AGE")]
        max_age: Option<String>,
        /// Demand a verdict on the model file of this SHA-256
        #[arg(long, value_name = "HEX")]
        model_sha256: Option<String>,
        /// Demand a verdict on the dataset of this digest, of its content or of its listing
        #[arg(long, value_name = "DIGEST")]
        dataset_digest: Option<String>,
        /// Demand a verdict under the gate of this digest
        #[arg(long, value_name = "DIGEST")]
        gate_digest: Option<String>,
        /// Accept verdicts other than a pass, too
        #[arg(long)]
        any_outcome: bool,
    },
}

/// What has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DocumentName {
    /// A gate file.
    Gate,
    /// The full report.
    Report,
    /// The brief verdict, as in a termination message.
    Brief,
}

impl From<DocumentName> for Document {
    fn from(name: DocumentName) -> Self {
        match name {
            DocumentName::Gate => Self::GateFile,
            DocumentName::Report => Self::Report,
            DocumentName::Brief => Self::Brief,
        }
    }
}

/// How the result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputForm {
    /// For people.
    Text,
    /// The full report.
    Json,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What was asked for, still as texts.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) arguments: Arguments,
    pub(super) request: Request,
    pub(super) destinations: Destinations,
}

/// Parses a command line and the environment.
///
/// # Errors
/// clap's own error, which also carries `--help` and `--version`.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, clap::Error> {
    let mut matches = Arguments::command().try_get_matches_from(arguments)?;
    let request = request(&matches);
    let arguments = Arguments::from_arg_matches_mut(&mut matches)?;
    let destinations = Destinations {
        report: arguments.report.clone(),
        junit: arguments.junit.clone(),
        markdown: arguments.markdown.clone(),
        html: arguments.html.clone(),
        prometheus: arguments.prometheus.clone(),
        latency_histogram: arguments.latency_histogram.clone(),
        termination_message: arguments.termination_message.clone(),
        attestation: arguments.attestation.clone(),
    };
    Ok(Asked {
        arguments,
        request,
        destinations,
    })
}

/// Finds where to write a verdict when the command line itself does not parse.
pub(super) fn destinations_regardless(arguments: &[OsString]) -> Destinations {
    let after = |flag: &str| {
        let assigned = format!("{flag}=");
        arguments.iter().enumerate().find_map(|(index, argument)| {
            let text = argument.to_str()?;
            if text == flag {
                return arguments.get(index + 1).map(PathBuf::from);
            }
            text.strip_prefix(&assigned).map(PathBuf::from)
        })
    };
    let or_variable = |flag: &str, variable: &str| {
        after(flag).or_else(|| std::env::var_os(variable).map(PathBuf::from))
    };
    Destinations {
        report: or_variable("--report", "VALIDATOR_REPORT"),
        junit: or_variable("--junit", "VALIDATOR_JUNIT"),
        markdown: or_variable("--markdown", "VALIDATOR_MARKDOWN"),
        html: or_variable("--html", "VALIDATOR_HTML"),
        prometheus: or_variable("--prometheus", "VALIDATOR_PROMETHEUS"),
        latency_histogram: or_variable("--latency-histogram", "VALIDATOR_LATENCY_HISTOGRAM"),
        termination_message: or_variable("--termination-message", "VALIDATOR_TERMINATION_MESSAGE"),
        attestation: or_variable("--attestation", "VALIDATOR_ATTESTATION"),
    }
    .with_defaults()
}

fn request(matches: &ArgMatches) -> Request {
    let command = Arguments::command();
    let given = |id: &str| {
        let argument = command
            .get_arguments()
            .find(|argument| argument.get_id() == id)?;
        let text = matches.get_one::<String>(id)?.clone();
        let (source, name) = match matches.value_source(id)? {
            ValueSource::EnvVariable => (
                ConfigurationSource::Environment,
                argument.get_env()?.to_string_lossy().into_owned(),
            ),
            ValueSource::CommandLine => (
                ConfigurationSource::Flag,
                format!("--{}", argument.get_long()?),
            ),
            _ => return None,
        };
        Some(Given { text, source, name })
    };
    Request {
        model: given("model"),
        dataset: given("dataset"),
        minimum_auc: given("minimum_auc"),
        maximum_p99_latency_ms: given("maximum_p99_latency_ms"),
        label: given("label"),
        features: given("features"),
        ignore_columns: given("ignore_columns"),
        nulls: given("nulls"),
        scorer: given("scorer"),
        device: given("device"),
        threads: given("threads"),
        time_budget: given("time_budget"),
        deny_operators: given("deny_operators"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_are_told_from_defaults() {
        let asked = parse(["validator", "--model", "m.pt", "--minimum-auc=-1"].map(Into::into))
            .expect("parses");
        let model = asked.request.model.expect("given");
        assert_eq!(
            (model.text.as_str(), model.source),
            ("m.pt", ConfigurationSource::Flag)
        );
        let minimum = asked.request.minimum_auc.expect("given");
        assert_eq!(
            (minimum.name.as_str(), minimum.text.as_str()),
            ("--minimum-auc", "-1")
        );
        assert!(asked.request.threads.is_none());
    }

    #[test]
    fn a_broken_command_line_still_names_its_destinations() {
        let arguments: Vec<OsString> = [
            "validator",
            "--nonsense",
            "--report=r.json",
            "--termination-message",
            "t",
        ]
        .map(Into::into)
        .to_vec();
        let found = destinations_regardless(&arguments);
        assert_eq!(found.report, Some(PathBuf::from("r.json")));
        assert_eq!(found.termination_message, Some(PathBuf::from("t")));
    }
}
