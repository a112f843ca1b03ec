//! The HTTP client under the requests.

use std::time::Duration;

use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt as _};
use rustls::pki_types::ServerName;
use tower::ServiceBuilder;

use super::error::KubeError;

/// After this long without a word, the server is asked whether it is still there.
const IDLE: Duration = Duration::from_secs(30);
/// Time for its answer. Source: client-go's defaults of `HTTP2_PING_TIMEOUT_SECONDS` and
/// `HTTP2_READ_IDLE_TIMEOUT_SECONDS`.
const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// Builds the client that a configuration asks for.
///
/// kube's own speaks HTTP/1.1, so that each of the requests under way at once has a connection with
/// a handshake of its own, and its connections collect small segments, which costs 40 ms whenever
/// the server waits before it acknowledges. This one speaks HTTP/2 where the server does, as
/// client-go does, and sends at once. Through a proxy kube's own serves.
///
/// # Errors
/// [`KubeError::Client`] when certificates or keys of the configuration cannot be used,
/// [`KubeError::Flag`] when the server's name is none.
pub(super) fn client(config: kube::Config, server: &str) -> Result<kube::Client, KubeError> {
    let unusable = |source: kube::Error| KubeError::Client {
        server: server.to_owned(),
        source: Box::new(source),
    };
    if config.proxy_url.is_some() {
        return kube::Client::try_from(config).map_err(unusable);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(IDLE));
    tcp.set_connect_timeout(config.connect_timeout);
    let mut tls = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config().map_err(unusable)?)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = ServerName::try_from(name.clone()).map_err(|error| KubeError::Flag {
            flag: "--kube-tls-server-name",
            problem: format!("`{name}`: {error}"),
        })?;
        tls = tls.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let http = HyperClient::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(IDLE)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .build::<_, Body>(tls.enable_all_versions().wrap_connector(tcp));
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(unusable)?)
        .layer(config.extra_headers_layer().map_err(unusable)?)
        .map_err(tower::BoxError::from)
        .service(http);
    Ok(kube::Client::new(service, config.default_namespace))
}
