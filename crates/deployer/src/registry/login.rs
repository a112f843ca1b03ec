//! Whether a registry takes a user and a password.
//!
//! Source: Helm 3.22 `pkg/registry/client.go` (Login).

use super::access::{Access, Secret};
use super::connection::Connection;
use super::credentials::Credentials;
use super::error::RegistryError;

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
    let user = Credentials::User {
        name: username.to_owned(),
        password: password.clone(),
    };
    let connection = Connection::open(access, registry, Some(user)).await?;
    connection.log_in().await
}
