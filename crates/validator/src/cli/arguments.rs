//! Flags and their variables.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, ValueEnum};
use verdict::report::ConfigurationSource;

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

  Keep the full report and print it too:
    validator --model model.pt --dataset data.parquet --report report.json --output json

Exit codes:
  0 pass   1 fail   2 usage or configuration   3 data   4 model
  5 infrastructure (the only one worth a retry)   6 inconclusive

S3 follows the standard AWS settings: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, profiles, web
identity and machine roles; AWS_REGION; AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_S3 for another server.";

/// Judge a TorchScript model on labelled Parquet: AUC and p99 latency against limits
///
/// Scores every row, computes the exact AUC of the raw outputs with its confidence interval,
/// measures single-row latency on real rows, and ends with a verdict: pass, fail or inconclusive.
/// Flags win over environment variables, which win over defaults.
#[derive(Debug, Parser)]
#[command(name = "validator", version, after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Arguments {
    /// Read the TorchScript model from here: a path or s3://BUCKET/KEY
    #[arg(long, env = "MODEL_PATH", value_name = "PLACE")]
    model: Option<String>,
    /// Read all Parquet files from here: a file, a folder or s3://BUCKET/PREFIX/
    #[arg(long, env = "VALIDATION_DATASET", value_name = "PLACE")]
    dataset: Option<String>,
    /// Require at least this AUC [default: 0.90]
    #[arg(
        long,
        env = "MINIMUM_AUC",
        value_name = "SHARE",
        allow_hyphen_values = true
    )]
    minimum_auc: Option<String>,
    /// Require at most this p99 latency of a single row, by its upper 95% bound [default: 200]
    #[arg(
        long,
        env = "MAXIMUM_P99_LATENCY_MS",
        value_name = "MS",
        allow_hyphen_values = true
    )]
    maximum_p99_latency_ms: Option<String>,
    /// Take this column as the label [default: label]
    #[arg(long, env = "VALIDATOR_LABEL", value_name = "COLUMN")]
    label: Option<String>,
    /// Take these columns as features, in this order [default: every other numeric column]
    #[arg(long, env = "VALIDATOR_FEATURES", value_name = "A,B,C")]
    features: Option<String>,
    /// Leave these columns out of the features
    #[arg(long, env = "VALIDATOR_IGNORE_COLUMNS", value_name = "A,B,C")]
    ignore_columns: Option<String>,
    /// Write the full report as JSON to this file
    #[arg(long, env = "VALIDATOR_REPORT", value_name = "PATH")]
    report: Option<PathBuf>,
    /// Write the brief verdict as JSON to this file [default: /dev/termination-log where it exists]
    #[arg(long, env = "VALIDATOR_TERMINATION_MESSAGE", value_name = "PATH")]
    termination_message: Option<PathBuf>,
    /// Run the model in this binary [default: validator-scorer beside this program]
    #[arg(long, env = "VALIDATOR_SCORER", value_name = "PATH")]
    scorer: Option<String>,
    /// Let one call of the model use this many threads [default: 1]
    #[arg(long, env = "VALIDATOR_THREADS", value_name = "COUNT")]
    threads: Option<String>,
    /// Spend at most this many seconds on timed calls [default: 60]
    #[arg(long, env = "VALIDATOR_TIME_BUDGET", value_name = "SECONDS")]
    time_budget: Option<String>,
    /// Print the result in this form
    #[arg(long, value_enum, default_value_t = OutputForm::Text, value_name = "FORM")]
    pub(super) output: OutputForm,
    /// Colour the output
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(super) color: Color,
    /// Log more to stderr; twice for each request
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Write logs in this form
    #[arg(long, env = "VALIDATOR_LOG_FORMAT", value_enum, default_value_t = LogForm::Text, value_name = "FORM")]
    pub(super) log_format: LogForm,
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
        termination_message: arguments.termination_message.clone(),
    };
    Ok(Asked {
        arguments,
        request,
        destinations: destinations.with_defaults(),
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
        termination_message: or_variable("--termination-message", "VALIDATOR_TERMINATION_MESSAGE"),
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
        scorer: given("scorer"),
        threads: given("threads"),
        time_budget: given("time_budget"),
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
