//! The settings: from flags or the chart's environment variables to checked values.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::Uri;
use clap::{Parser, ValueEnum};
use thiserror::Error;

/// Longest time that can be set.
const SECONDS_MAX: Duration = Duration::from_secs(86_400);

/// Join raw events with stored features, ask the model, cache and publish its answers
#[derive(Debug, Clone, Parser)]
#[command(
    version,
    after_help = "Example:\n  FEATURES=length,width MODEL_SERVER_URL=http://127.0.0.1:8080 PORT=8081 preprocessing"
)]
pub(crate) struct Arguments {
    /// Columns of the model in its order, separated by commas
    #[arg(long, env = "FEATURES", value_delimiter = ',', required = true)]
    features: Vec<String>,
    /// Model server, as http://HOST[:PORT]
    #[arg(long, env = "MODEL_SERVER_URL")]
    model_server_url: String,
    /// Longest request to the model server, in seconds
    #[arg(long, env = "MODEL_SERVER_TIMEOUT_S", default_value_t = 5.0)]
    model_server_timeout_s: f64,
    /// Feature store, asked for URL/features/ENTITY; without it events bring every feature
    #[arg(long, env = "FEATURE_STORE_URL")]
    feature_store_url: Option<String>,
    /// Longest request to the feature store, in seconds
    #[arg(long, env = "FEATURE_STORE_TIMEOUT_S", default_value_t = 2.0)]
    feature_store_timeout_s: f64,
    /// Redis that keeps predictions, as HOST:PORT; without it every event asks the model
    #[arg(long, env = "CACHE_ADDRESS")]
    cache_address: Option<String>,
    /// Password of the cache
    #[arg(long, env = "CACHE_PASSWORD", hide_env_values = true)]
    cache_password: Option<String>,
    /// How long a prediction is kept, in seconds
    #[arg(long, env = "CACHE_TTL_S", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    cache_ttl_s: u64,
    /// Redis that results are published to, as HOST:PORT; without it they are only answered
    #[arg(long, env = "QUEUE_ADDRESS")]
    queue_address: Option<String>,
    /// Password of the queue
    #[arg(long, env = "QUEUE_PASSWORD", hide_env_values = true)]
    queue_password: Option<String>,
    /// Stream that results are appended to
    #[arg(long, env = "QUEUE_STREAM", default_value = "predictions")]
    queue_stream: String,
    /// Entries that the stream keeps, or a few more
    #[arg(long, env = "QUEUE_LENGTH_MAX", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    queue_length_max: u64,
    /// Address to listen on
    #[arg(long, env = "HOST", default_value = "0.0.0.0")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// Requests at a time; further ones are refused at once
    #[arg(long, env = "REQUESTS_MAX", default_value_t = 256)]
    requests_max: usize,
    /// Largest request body, in bytes
    #[arg(long, env = "REQUEST_BYTES_MAX", default_value_t = 64 << 10)]
    request_bytes_max: usize,
    /// Time between SIGTERM and refusing connections, in seconds, in which load balancers notice
    #[arg(long, env = "SHUTDOWN_DELAY_S", default_value_t = 3.0)]
    shutdown_delay_s: f64,
    /// Ask every peer once, say what they answered, and end: 0 when all are well
    #[arg(long)]
    check: bool,
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

/// An HTTP peer.
#[derive(Debug, Clone)]
pub(crate) struct HttpPeer {
    /// Without a slash at its end.
    pub(crate) url: String,
    pub(crate) timeout: Duration,
}

/// A Redis server.
#[derive(Clone)]
pub(crate) struct RedisPeer {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) password: Option<String>,
}

/// The password is nobody's business.
impl std::fmt::Debug for RedisPeer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RedisPeer")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("has_password", &self.password.is_some())
            .finish()
    }
}

/// Checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    pub(crate) features: Vec<String>,
    pub(crate) model_server: HttpPeer,
    pub(crate) feature_store: Option<HttpPeer>,
    pub(crate) cache: Option<RedisPeer>,
    pub(crate) cache_ttl: Duration,
    pub(crate) queue: Option<RedisPeer>,
    pub(crate) queue_stream: String,
    pub(crate) queue_length_max: u64,
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) requests_max: usize,
    pub(crate) request_bytes_max: usize,
    pub(crate) shutdown_delay: Duration,
    pub(crate) check: bool,
}

/// A setting that cannot be used.
#[derive(Debug, Error)]
#[error("{name} is `{text}`, but must be {expected}")]
pub(crate) struct ConfigurationError {
    name: &'static str,
    text: String,
    expected: &'static str,
}

impl TryFrom<Arguments> for Configuration {
    type Error = ConfigurationError;

    fn try_from(arguments: Arguments) -> Result<Self, Self::Error> {
        let peer = |name, url: String, timeout_name, timeout_s| {
            Ok(HttpPeer {
                url: base_url(name, &url)?,
                timeout: seconds(timeout_name, timeout_s)?,
            })
        };
        Ok(Self {
            features: columns(arguments.features)?,
            model_server: peer(
                "MODEL_SERVER_URL",
                arguments.model_server_url,
                "MODEL_SERVER_TIMEOUT_S",
                arguments.model_server_timeout_s,
            )?,
            feature_store: given(arguments.feature_store_url)
                .map(|url| {
                    peer(
                        "FEATURE_STORE_URL",
                        url,
                        "FEATURE_STORE_TIMEOUT_S",
                        arguments.feature_store_timeout_s,
                    )
                })
                .transpose()?,
            cache: redis(
                "CACHE_ADDRESS",
                arguments.cache_address,
                arguments.cache_password,
            )?,
            cache_ttl: Duration::from_secs(arguments.cache_ttl_s),
            queue: redis(
                "QUEUE_ADDRESS",
                arguments.queue_address,
                arguments.queue_password,
            )?,
            queue_stream: arguments.queue_stream,
            queue_length_max: arguments.queue_length_max,
            host: arguments.host,
            port: arguments.port,
            requests_max: arguments.requests_max.max(1),
            request_bytes_max: arguments.request_bytes_max,
            shutdown_delay: seconds("SHUTDOWN_DELAY_S", arguments.shutdown_delay_s)?,
            check: arguments.check,
        })
    }
}

/// An empty variable is an absent one, as charts write it.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn columns(names: Vec<String>) -> Result<Vec<String>, ConfigurationError> {
    let names: Vec<String> = names
        .into_iter()
        .map(|name| name.trim().to_owned())
        .collect();
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    if names.iter().any(String::is_empty) || sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ConfigurationError {
            name: "FEATURES",
            text: names.join(","),
            expected: "names separated by commas, each once",
        });
    }
    Ok(names)
}

fn seconds(name: &'static str, value: f64) -> Result<Duration, ConfigurationError> {
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|duration| *duration <= SECONDS_MAX)
        .ok_or_else(|| ConfigurationError {
            name,
            text: value.to_string(),
            expected: "a number of seconds from 0 to 86400",
        })
}

fn base_url(name: &'static str, text: &str) -> Result<String, ConfigurationError> {
    let url = text.trim_end_matches('/');
    let usable = url
        .parse::<Uri>()
        .is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
    if !usable || url.contains(['?', '#']) {
        return Err(ConfigurationError {
            name,
            text: text.to_owned(),
            expected: "an address such as http://model-server:8080",
        });
    }
    Ok(url.to_owned())
}

fn redis(
    name: &'static str,
    address: Option<String>,
    password: Option<String>,
) -> Result<Option<RedisPeer>, ConfigurationError> {
    let Some(address) = given(address) else {
        return Ok(None);
    };
    let parts = address.rsplit_once(':').and_then(|(host, port)| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some((host.to_owned(), port.parse().ok()?))
    });
    match parts {
        Some((host, port)) if !host.is_empty() => Ok(Some(RedisPeer {
            host,
            port,
            password: given(password),
        })),
        _ => Err(ConfigurationError {
            name,
            text: address,
            expected: "HOST:PORT, such as redis:6379",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(extra: &[&str]) -> Result<Configuration, ConfigurationError> {
        let arguments = ["preprocessing", "--features=a,b"];
        let url = extra
            .iter()
            .all(|argument| !argument.starts_with("--model-server-url"))
            .then_some("--model-server-url=http://model/");
        Arguments::try_parse_from(arguments.iter().copied().chain(url).chain(extra.to_vec()))
            .unwrap()
            .try_into()
    }

    #[test]
    fn what_the_chart_leaves_empty_is_absent() {
        let configuration = configuration(&[
            "--feature-store-url=",
            "--cache-address=",
            "--queue-address=queue:6379",
            "--queue-password=",
        ])
        .unwrap();
        assert_eq!(configuration.model_server.url, "http://model");
        assert!(configuration.feature_store.is_none() && configuration.cache.is_none());
        assert_eq!(configuration.queue.unwrap().password, None);
    }

    #[test]
    fn senseless_settings_are_named() {
        for (argument, name) in [
            ("--model-server-url=model", "MODEL_SERVER_URL"),
            ("--model-server-url=https://model", "MODEL_SERVER_URL"),
            ("--feature-store-url=http://store?x=1", "FEATURE_STORE_URL"),
            ("--cache-address=redis", "CACHE_ADDRESS"),
            ("--queue-address=:6379", "QUEUE_ADDRESS"),
            ("--model-server-timeout-s=NaN", "MODEL_SERVER_TIMEOUT_S"),
            ("--shutdown-delay-s=-1", "SHUTDOWN_DELAY_S"),
            ("--features=a", "FEATURES"),
        ] {
            let error = configuration(&[argument]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{argument}: {error}");
        }
    }

    #[test]
    fn a_password_shows_nowhere() {
        let configuration =
            configuration(&["--cache-address=[::1]:1", "--cache-password=hunter2"]).unwrap();
        let text = format!("{configuration:?}");
        assert!(text.contains("::1") && !text.contains("hunter2"), "{text}");
    }
}
