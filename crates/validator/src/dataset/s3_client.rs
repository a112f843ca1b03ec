//! The S3 client: standard credential chain, ring-based TLS, bounded waits and retries.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

use super::location::without_secrets;
use super::s3_region::Elsewhere;

/// Attempts of one request, the first included; waits between them grow from about a second.
const ATTEMPTS_MAX: u32 = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(120);
/// What an S3 without regions, and AWS's own first region, call themselves.
const REGION_DEFAULT: &str = "us-east-1";

/// Where another server is named, the first one that has a value.
const ENDPOINT_VARIABLES: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// An S3 client and what its messages need.
#[derive(Debug, Clone)]
pub struct S3Client {
    pub(super) client: Client,
    pub(super) config: SdkConfig,
    /// Where requests go, for messages.
    pub(super) endpoint: String,
    /// Whether that is named by somebody, and not made from the region.
    pub(super) is_custom: bool,
    /// The region that is set up.
    pub(super) region: Region,
    /// Buckets that lie in other regions.
    pub(super) elsewhere: Elsewhere,
}

impl S3Client {
    /// Makes a client from the environment, the shared configuration files and the roles of
    /// the machine, as every AWS tool does. `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL` name
    /// another server; buckets are then addressed by path, as they are where
    /// `AWS_S3_FORCE_PATH_STYLE` says so. No request is made yet.
    pub async fn from_environment() -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .read_timeout(READ_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            )
            .load()
            .await;
        Self::from_config(config)
    }

    /// Makes a client from a configuration.
    #[must_use]
    pub fn from_config(config: SdkConfig) -> Self {
        let mut settings = aws_sdk_s3::config::Builder::from(&config);
        let custom = std::env::var(ENDPOINT_VARIABLES[0])
            .ok()
            .filter(|endpoint| !endpoint.is_empty())
            .or_else(|| config.endpoint_url().map(str::to_owned))
            .filter(|endpoint| !endpoint.is_empty());
        if let Some(endpoint) = &custom {
            settings = settings.endpoint_url(endpoint).force_path_style(true);
        } else {
            if ENDPOINT_VARIABLES.into_iter().any(is_empty) {
                // The SDK takes an empty variable for an endpoint of no letters.
                settings.set_endpoint_url(None);
            }
            settings = settings.force_path_style(is_true("AWS_S3_FORCE_PATH_STYLE"));
        }
        let region = config
            .region()
            .filter(|region| !region.as_ref().is_empty())
            .cloned()
            .unwrap_or_else(|| Region::new(REGION_DEFAULT));
        let is_custom = custom.is_some();
        let endpoint = custom.map_or_else(
            || endpoint_of_region(&region),
            |endpoint| without_secrets(&endpoint),
        );
        Self {
            client: Client::from_conf(settings.region(region.clone()).build()),
            config,
            endpoint,
            is_custom,
            region,
            elsewhere: Elsewhere::default(),
        }
    }
}

/// Returns where AWS serves a region, for messages.
pub(super) fn endpoint_of_region(region: &Region) -> String {
    format!("https://s3.{region}.amazonaws.com")
}

/// Tells whether a variable is there without a value, as a chart's empty default leaves it.
fn is_empty(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.is_empty())
}

fn is_true(variable: &str) -> bool {
    std::env::var(variable)
        .is_ok_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes"))
}
