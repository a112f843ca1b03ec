//! From flags, kubeconfig and environment to a client of one API server.

use std::path::PathBuf;
use std::time::Duration;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use super::error::KubeError;

/// How to reach a cluster, as the user said it; what is `None` comes from the kubeconfig.
#[derive(Clone, Default)]
pub struct Connection {
    /// The kubeconfig file; `None` reads `KUBECONFIG`, then `~/.kube/config`, then the pod's account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it.
    pub context: Option<String>,
    /// Address of the API server.
    pub apiserver: Option<String>,
    /// Bearer token.
    pub token: Option<String>,
    /// User to impersonate.
    pub as_user: Option<String>,
    /// Groups to impersonate.
    pub as_groups: Vec<String>,
    /// Certificate authority file.
    pub ca_file: Option<PathBuf>,
    /// Name expected in the server's certificate.
    pub tls_server_name: Option<String>,
    /// Whether the server's certificate is not checked.
    pub insecure_skip_tls_verify: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("kubeconfig", &self.kubeconfig)
            .field("context", &self.context)
            .field("apiserver", &self.apiserver)
            .field("token", &self.token.as_ref().map(|_| "redacted"))
            .field("as_user", &self.as_user)
            .finish_non_exhaustive()
    }
}

/// Builds the client configuration that the flags, the kubeconfig and the environment ask for.
///
/// # Errors
/// [`KubeError::NoConfiguration`] when nothing names a cluster, [`KubeError::Configuration`] when
/// the kubeconfig is broken or lacks the context, [`KubeError::Flag`] when a flag is malformed.
pub async fn configure(connection: &Connection) -> Result<Config, KubeError> {
    let mut config = load(connection).await?;
    if let Some(address) = &connection.apiserver {
        config.cluster_url = parse_address(address)?;
    }
    if let Some(token) = &connection.token {
        config.auth_info.token = Some(token.clone().into());
        config.auth_info.token_file = None;
    }
    if let Some(user) = &connection.as_user {
        config.auth_info.impersonate = Some(user.clone());
    }
    if !connection.as_groups.is_empty() {
        config.auth_info.impersonate_groups = Some(connection.as_groups.clone());
    }
    if let Some(name) = &connection.tls_server_name {
        config.tls_server_name = Some(name.clone());
    }
    if let Some(path) = &connection.ca_file {
        config.root_cert_file = Some(path.clone());
        std::fs::metadata(path).map_err(|error| KubeError::Flag {
            flag: "--kube-ca-file",
            problem: format!("{}: {error}", path.display()),
        })?;
    }
    if connection.insecure_skip_tls_verify {
        config.accept_invalid_certs = true;
    }
    config.connect_timeout = Some(Duration::from_secs(10));
    // Retries are counted and logged by `Rest`, which knows what may be repeated.
    config.default_retry = false;
    Ok(config)
}

/// Returns the context that is taken when none is named; none where no kubeconfig says.
pub fn current_context(kubeconfig: Option<&std::path::Path>) -> Option<String> {
    let file = match kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    file.ok()?.current_context.filter(|name| !name.is_empty())
}

async fn load(connection: &Connection) -> Result<Config, KubeError> {
    let options = KubeConfigOptions {
        context: connection.context.clone(),
        ..KubeConfigOptions::default()
    };
    let configuration = |source| KubeError::Configuration {
        context: connection.context.clone(),
        source: Box::new(source),
    };
    if let Some(path) = &connection.kubeconfig {
        let file = Kubeconfig::read_from(path).map_err(configuration)?;
        return Config::from_custom_kubeconfig(file, &options)
            .await
            .map_err(configuration);
    }
    let from_file = Config::from_kubeconfig(&options).await;
    match from_file {
        Ok(config) => Ok(config),
        Err(error) if connection.context.is_some() || !is_absent(&error) => {
            Err(configuration(error))
        }
        Err(error) => match (Config::incluster(), &connection.apiserver) {
            (Ok(config), _) => Ok(config),
            (Err(_), Some(address)) => Ok(Config::new(parse_address(address)?)),
            (Err(_), None) => Err(KubeError::NoConfiguration {
                source: Box::new(error),
            }),
        },
    }
}

/// Whether the error says that there is no kubeconfig at all, and not that it is wrong.
fn is_absent(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath | KubeconfigError::CurrentContextNotSet => true,
        KubeconfigError::ReadConfig(error, _) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn parse_address(address: &str) -> Result<http::Uri, KubeError> {
    let full = if address.contains("://") {
        address.to_owned()
    } else {
        format!("https://{address}")
    };
    full.parse().map_err(|error| KubeError::Flag {
        flag: "--kube-apiserver",
        problem: format!("`{address}` is not an address: {error}"),
    })
}
