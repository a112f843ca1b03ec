//! Whether a registry takes a user and a password.
//!
//! Source: Helm 3.22 `pkg/registry/client.go` (Login).

use oci_client::RegistryOperation;
use oci_client::errors::OciDistributionError;

use super::access::{Access, Secret};
use super::connection::Connection;
use super::error::RegistryError;
use super::http;
use super::reference::OciReference;

/// Checks user and password with a registry; keeping them is [`super::store`].
///
/// # Errors
/// A registry that refuses them or cannot be reached.
pub async fn login(
    access: &Access,
    registry: &str,
    username: &str,
    password: &Secret,
) -> Result<(), RegistryError> {
    let connection = Connection::open(access, registry, Some((username, password))).await?;
    let client = http::client(access)?;
    let url = format!("{}://{registry}/v2/", connection.scheme);
    let transfer = |source: reqwest::Error| RegistryError::Transfer {
        url: url.clone(),
        source: source.without_url(),
    };
    let answer = client.get(&url).send().await.map_err(transfer)?;
    if answer.status() != reqwest::StatusCode::UNAUTHORIZED {
        return expect_registry(registry, answer.status());
    }
    let challenge = answer.headers().get(reqwest::header::WWW_AUTHENTICATE);
    let wants_token = challenge
        .and_then(|challenge| challenge.to_str().ok())
        .is_some_and(|challenge| challenge.to_ascii_lowercase().starts_with("bearer"));
    let refused = || RegistryError::LoginRefused {
        registry: registry.to_owned(),
        username: username.to_owned(),
    };
    if wants_token {
        let image = OciReference {
            registry: registry.to_owned(),
            repository: "login".to_owned(),
            tag: None,
            digest: None,
        };
        let asked = connection
            .client
            .auth(
                &image.to_client(),
                &connection.auth,
                RegistryOperation::Pull,
            )
            .await;
        return match asked {
            Ok(_) => Ok(()),
            Err(OciDistributionError::AuthenticationFailure(_)) => Err(refused()),
            Err(error) => Err(connection.explain(&image, "log in", error)),
        };
    }
    let request = client
        .get(&url)
        .basic_auth(username, Some(password.reveal()));
    let answer = request.send().await.map_err(transfer)?;
    match answer.status() {
        reqwest::StatusCode::UNAUTHORIZED | reqwest::StatusCode::FORBIDDEN => Err(refused()),
        status => expect_registry(registry, status),
    }
}

fn expect_registry(registry: &str, status: reqwest::StatusCode) -> Result<(), RegistryError> {
    if status.is_success() {
        return Ok(());
    }
    Err(RegistryError::Registry {
        registry: registry.to_owned(),
        doing: "log in".to_owned(),
        problem: format!("it answered {status}, which no registry does"),
    })
}
