//! The server's settings: from flags or the chart's environment variables to checked values.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde::Serialize;
use validator::scorer::{ScorerError, find_scorer};

use crate::error::ConfigurationError;

/// Longest time that can be set.
const SECONDS_MAX: Duration = Duration::from_secs(86_400);

/// Serve the predictions of one TorchScript model
#[derive(Debug, Clone, Parser)]
#[command(
    version,
    after_help = "Example:\n  MODEL_PATH=champion.pt PORT=8080 model-server"
)]
pub(crate) struct Arguments {
    /// Model to serve: a path or `s3://bucket/key`
    #[arg(long, env = "MODEL_PATH")]
    model: String,
    /// Version to report; by default the part of the model's path that looks like one
    #[arg(long, env = "MODEL_VERSION")]
    model_version: Option<String>,
    /// Probability at or above which the decision is true
    #[arg(long, env = "DECISION_THRESHOLD", default_value = "0.5")]
    decision_threshold: String,
    /// Most rows for one call of the model
    #[arg(long, env = "BATCH_SIZE", default_value = "64")]
    batch_size: String,
    /// What the model returns where its shape does not tell
    #[arg(long, env = "MODEL_OUTPUT", value_enum, default_value = "logits")]
    model_output: ModelOutput,
    /// Address to listen on
    #[arg(long, env = "HOST", default_value = "0.0.0.0")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// Threads that one call of the model may use
    #[arg(long, env = "MODEL_THREADS", default_value_t = 1)]
    model_threads: usize,
    /// Longest call of the model, in seconds
    #[arg(long, env = "CALL_TIMEOUT_S", default_value_t = 30.0)]
    call_timeout_s: f64,
    /// Largest request body, in bytes
    #[arg(long, env = "REQUEST_BYTES_MAX", default_value_t = 4 << 20)]
    request_bytes_max: usize,
    /// Time between SIGTERM and refusing connections, in seconds, in which load balancers notice
    #[arg(long, env = "SHUTDOWN_DELAY_S", default_value_t = 3.0)]
    shutdown_delay_s: f64,
    /// Feature server; reported, for a caller's use
    #[arg(long, env = "FEATURE_SERVER_URL")]
    feature_server_url: Option<String>,
    /// Redis host; reported, for a caller's use
    #[arg(long, env = "REDIS_HOST")]
    redis_host: Option<String>,
    /// Redis port; reported, for a caller's use
    #[arg(long, env = "REDIS_PORT")]
    redis_port: Option<u16>,
    /// Scorer's binary; by default the one beside this program
    #[arg(long, env = "VALIDATOR_SCORER")]
    scorer: Option<PathBuf>,
    /// Format of the log on stderr
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// What a single output value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModelOutput {
    Logits,
    Probabilities,
}

/// Checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    pub(crate) model_path: String,
    pub(crate) model_version: Option<String>,
    pub(crate) decision_threshold: f64,
    pub(crate) batch_size: usize,
    pub(crate) model_output: ModelOutput,
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) model_threads: usize,
    pub(crate) call_timeout: Duration,
    pub(crate) request_bytes_max: usize,
    pub(crate) shutdown_delay: Duration,
    pub(crate) feature_server_url: Option<String>,
    pub(crate) redis: Option<String>,
    pub(crate) scorer: PathBuf,
}

impl TryFrom<Arguments> for Configuration {
    type Error = ConfigurationError;

    fn try_from(arguments: Arguments) -> Result<Self, Self::Error> {
        let decision_threshold = parse(
            "DECISION_THRESHOLD",
            &arguments.decision_threshold,
            "a probability from 0 to 1",
            |value: f64| (0.0..=1.0).contains(&value),
        )?;
        let batch_size = parse(
            "BATCH_SIZE",
            &arguments.batch_size,
            "a number of rows from 1 to 65536",
            |value: usize| (1..=65_536).contains(&value),
        )?;
        let version = arguments.model_version.filter(|text| !text.is_empty());
        Ok(Self {
            model_version: version.or_else(|| version_in(&arguments.model)),
            model_path: arguments.model,
            decision_threshold,
            batch_size,
            model_output: arguments.model_output,
            host: arguments.host,
            port: arguments.port,
            model_threads: arguments.model_threads.max(1),
            call_timeout: seconds("CALL_TIMEOUT_S", arguments.call_timeout_s)?,
            request_bytes_max: arguments.request_bytes_max,
            shutdown_delay: seconds("SHUTDOWN_DELAY_S", arguments.shutdown_delay_s)?,
            feature_server_url: arguments
                .feature_server_url
                .filter(|text| !text.is_empty())
                .map(|text| without_credentials(&text)),
            redis: arguments
                .redis_host
                .filter(|text| !text.is_empty())
                .map(|host| format!("{host}:{}", arguments.redis_port.unwrap_or(6379))),
            scorer: find_scorer(arguments.scorer.as_deref())
                .map_err(|source: ScorerError| ConfigurationError::Scorer(Box::new(source)))?,
        })
    }
}

fn parse<T>(
    name: &'static str,
    text: &str,
    expected: &'static str,
    accepted: impl Fn(T) -> bool,
) -> Result<T, ConfigurationError>
where
    T: std::str::FromStr + Copy,
{
    text.trim()
        .parse::<T>()
        .ok()
        .filter(|value| accepted(*value))
        .ok_or_else(|| ConfigurationError::Value {
            name,
            text: text.to_owned(),
            expected,
        })
}

fn seconds(name: &'static str, value: f64) -> Result<Duration, ConfigurationError> {
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|duration| *duration <= SECONDS_MAX)
        .ok_or_else(|| ConfigurationError::Value {
            name,
            text: value.to_string(),
            expected: "a number of seconds from 0 to 86400",
        })
}

/// Returns the last part of a path that looks like a version: `v2.1.0`, `2.1`, `v3`.
fn version_in(path: &str) -> Option<String> {
    let looks_like_version = |part: &&str| {
        let digits = part.strip_prefix('v').unwrap_or(part);
        let numbered = digits.starts_with(|first: char| first.is_ascii_digit());
        numbered && (part.starts_with('v') || digits.contains('.'))
    };
    let folders = path.rsplit_once('/')?.0;
    folders
        .split('/')
        .rev()
        .find(looks_like_version)
        .map(ToOwned::to_owned)
}

/// Cuts user and password out of a URL, which is shown to callers.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest
        .find('/')
        .map_or((rest, ""), |start| rest.split_at(start));
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_last_folder_that_looks_like_one() {
        assert_eq!(
            version_in("/models/fraud/v2.1.0/model.pt").as_deref(),
            Some("v2.1.0")
        );
        assert_eq!(
            version_in("s3://models/2.1/v3/fraud/m.pt").as_deref(),
            Some("v3")
        );
        assert_eq!(version_in("/data/2026/model.v1.pt"), None);
        assert_eq!(version_in("model.pt"), None);
    }

    #[test]
    fn credentials_are_cut_out_of_urls() {
        let shown = without_credentials("http://user:pass@features:8081/v1?a=b@c");
        assert_eq!(shown, "http://features:8081/v1?a=b@c");
        assert_eq!(
            without_credentials("http://features:8081"),
            "http://features:8081"
        );
    }

    #[test]
    fn times_beyond_a_day_are_refused() {
        for value in [-1.0, f64::NAN, 86_401.0, 1e18] {
            assert!(seconds("CALL_TIMEOUT_S", value).is_err(), "{value}");
        }
        assert_eq!(seconds("X", 0.5).ok(), Some(Duration::from_millis(500)));
    }

    #[test]
    fn thresholds_that_are_no_probability_are_refused() {
        for text in ["nan", "1.5", "-0.1", "high", ""] {
            let mut arguments = Arguments::parse_from(["model-server", "--model", "m.pt"]);
            arguments.decision_threshold = text.to_owned();
            let error = Configuration::try_from(arguments).unwrap_err();
            assert!(
                error.to_string().contains("DECISION_THRESHOLD"),
                "{text}: {error}"
            );
        }
    }
}
