//! Registries on this machine, which may speak without TLS.

use std::time::Duration;

use reqwest::StatusCode;

use super::access::Access;
use super::error::RegistryError;
use super::http;

const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// On loopback a registry without TLS needs no flag: it is asked what it speaks.
pub(super) async fn is_plain_loopback(
    access: &Access,
    registry: &str,
) -> Result<bool, RegistryError> {
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
