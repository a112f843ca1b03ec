//! A connection to one registry, with the credentials that it is asked with.

use std::time::Duration;

use oci_client::Client;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use reqwest::StatusCode;

use super::access::{Access, Secret};
use super::error::RegistryError;
use super::http;
use super::manifest::BoundedSink;
use super::reference::OciReference;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A registry that is silent for so long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// The most that one layer may hold, in bytes: as much as a chart.
const LAYER_BYTES_MAX: u64 = chart::load::CHART_BYTES_MAX;

/// One registry, and who asks it.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) auth: RegistryAuth,
    /// Who asks; none for anybody.
    username: Option<String>,
    pub(crate) scheme: &'static str,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Connection")
    }
}

impl Connection {
    /// Prepares a connection; on loopback the registry is asked what it speaks.
    pub(crate) async fn open(
        access: &Access,
        registry: &str,
        login: Option<(&str, &Secret)>,
    ) -> Result<Self, RegistryError> {
        http::use_ring();
        if access.tls.certificate.is_some() {
            return Err(RegistryError::Request(
                "client certificates (`--cert-file`, `--key-file`) are not supported with registries; use a user and a password".to_owned(),
            ));
        }
        let is_plain = access.plain_http || is_plain_loopback(access, registry).await?;
        let authorities = match &access.tls.ca {
            Some(path) => http::pem_certificates(path)?
                .into_iter()
                .map(|data| Certificate {
                    encoding: CertificateEncoding::Pem,
                    data,
                })
                .collect(),
            None => Vec::new(),
        };
        let config = ClientConfig {
            protocol: if is_plain {
                ClientProtocol::Http
            } else {
                ClientProtocol::Https
            },
            accept_invalid_certificates: access.tls.accept_any,
            tls_certs_only: authorities,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: http::USER_AGENT,
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| RegistryError::Registry {
            registry: registry.to_owned(),
            doing: "be connected".to_owned(),
            problem: error.to_string(),
        })?;
        let auth = match login {
            Some((username, password)) => {
                RegistryAuth::Basic(username.to_owned(), password.reveal().to_owned())
            }
            None => RegistryAuth::Anonymous,
        };
        client.store_auth_if_needed(registry, &auth).await;
        Ok(Self {
            client,
            auth,
            username: login.map(|(username, _)| username.to_owned()),
            scheme: if is_plain { "http" } else { "https" },
        })
    }

    pub(crate) async fn blob(
        &self,
        reference: &OciReference,
        layer: &OciDescriptor,
    ) -> Result<Vec<u8>, RegistryError> {
        let too_large = || RegistryError::TooLarge {
            url: format!("oci://{reference}"),
            bytes_max: LAYER_BYTES_MAX,
        };
        if u64::try_from(layer.size).is_ok_and(|size| size > LAYER_BYTES_MAX) {
            return Err(too_large());
        }
        let mut sink = BoundedSink::new(LAYER_BYTES_MAX);
        let pulled = self
            .client
            .pull_blob(&reference.to_client(), layer, &mut sink)
            .await;
        if sink.is_full() {
            return Err(too_large());
        }
        pulled.map_err(|error| self.explain(reference, "pull", error))?;
        Ok(sink.into_data())
    }

    /// Puts an error of the library in the words of a user.
    pub(crate) fn explain(
        &self,
        reference: &OciReference,
        doing: &str,
        error: OciDistributionError,
    ) -> RegistryError {
        let registry = reference.registry.clone();
        let login = || match &self.username {
            Some(username) => RegistryError::LoginRefused {
                registry: registry.clone(),
                username: username.clone(),
            },
            None => RegistryError::LoginNeeded {
                registry: registry.clone(),
            },
        };
        let missing = || RegistryError::not_found(format!("`oci://{reference}` not found"));
        match error {
            OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::AuthenticationFailure(_)
            | OciDistributionError::ServerError { code: 401, .. } => login(),
            OciDistributionError::ImageManifestNotFoundError(_)
            | OciDistributionError::ServerError { code: 404, .. } => missing(),
            OciDistributionError::RegistryError { envelope, .. } => {
                let texts: Vec<String> = envelope
                    .errors
                    .iter()
                    .map(|error| format!("{:?}: {}", error.code, error.message))
                    .collect();
                let text = texts.join("; ");
                if text.contains("Unknown") {
                    missing()
                } else if text.starts_with("Unauthorized") || text.starts_with("Denied") {
                    login()
                } else {
                    RegistryError::Registry {
                        registry,
                        doing: format!("{doing} `{reference}`"),
                        problem: text,
                    }
                }
            }
            OciDistributionError::DigestError(_) => RegistryError::Digest {
                reference: format!("oci://{reference}"),
            },
            OciDistributionError::RequestError(source)
                if source.status() == Some(StatusCode::UNAUTHORIZED) =>
            {
                login()
            }
            OciDistributionError::RequestError(source) => RegistryError::Transfer {
                url: format!("oci://{reference}"),
                source: source.without_url(),
            },
            // Some servers answer with a whole page.
            OciDistributionError::ServerError { code, .. } => RegistryError::Registry {
                registry,
                doing: format!("{doing} `{reference}`"),
                problem: format!("it answered {code}"),
            },
            other => RegistryError::Registry {
                registry,
                doing: format!("{doing} `{reference}`"),
                problem: other.to_string(),
            },
        }
    }
}

/// On loopback a registry without TLS needs no flag: it is asked what it speaks.
async fn is_plain_loopback(access: &Access, registry: &str) -> Result<bool, RegistryError> {
    if !is_loopback(registry) || access.tls.ca.is_some() {
        return Ok(false);
    }
    let probing = Access {
        timeout: Some(PROBE_TIMEOUT),
        ..access.clone()
    };
    let client = http::client(&probing)?;
    if client
        .get(format!("https://{registry}/v2/"))
        .send()
        .await
        .is_ok()
    {
        return Ok(false);
    }
    // A server with TLS answers plain requests with 400.
    let answer = client.get(format!("http://{registry}/v2/")).send().await;
    Ok(answer.is_ok_and(|answer| answer.status() != StatusCode::BAD_REQUEST))
}

fn is_loopback(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for (registry, expected) in [
            ("localhost:5000", true),
            ("127.0.0.2", true),
            ("[::1]:5000", true),
            ("localhost.example.com", false),
            ("10.0.0.1:5000", false),
        ] {
            assert_eq!(is_loopback(registry), expected, "{registry}");
        }
    }
}
