//! Why a chart could not be had, and what can be done about it.

use std::io;

use crate::words::chain;
use thiserror::Error;

/// Why a chart, an index or a login failed.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// What was asked for cannot be understood, or contradicts itself.
    #[error("{0}")]
    Request(String),
    /// A chart, version or repository that is not there.
    #[error("{message}")]
    NotFound {
        message: String,
        hint: Option<String>,
    },
    /// A file or folder of this machine.
    #[error("{doing}")]
    File {
        doing: String,
        #[source]
        source: io::Error,
    },
    /// A file of this machine that does not hold what it should.
    #[error("{doing}: {problem}")]
    Content { doing: String, problem: String },
    /// The server answered, but not with the file.
    #[error("failed to fetch {url} : {status}")]
    Status { url: String, status: String },
    /// The server could not be reached, or stopped in the middle.
    #[error("failed to fetch {url}")]
    Transfer {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    /// More came than is taken.
    #[error("failed to fetch {url}: it holds more than {bytes_max} bytes")]
    TooLarge { url: String, bytes_max: u64 },
    /// The server is not a chart repository, or cannot be reached.
    #[error("looks like {url:?} is not a valid chart repository or cannot be reached")]
    Repository {
        url: String,
        #[source]
        source: Box<RegistryError>,
    },
    /// A registry wants to know who asks.
    #[error("registry `{registry}` asks for a login")]
    LoginNeeded { registry: String },
    /// A registry does not take the credentials.
    #[error("registry `{registry}` refused the credentials of `{username}`")]
    LoginRefused { registry: String, username: String },
    /// A registry does not take the identity token, which may have expired.
    #[error("registry `{registry}` refused the identity token that is stored for it")]
    TokenRefused { registry: String },
    /// A registry answered with an error.
    #[error("registry `{registry}` could not {doing}: {problem}")]
    Registry {
        registry: String,
        doing: String,
        problem: String,
    },
    /// What a registry sent is not what it announced.
    #[error(
        "what came for `{reference}` does not have its digest: truncated or changed on the way"
    )]
    Digest { reference: String },
    /// A program that keeps credentials.
    #[error("credentials for `{registry}` cannot be had: {problem}")]
    Credentials { registry: String, problem: String },
    /// A signature is missing or wrong.
    #[error("{0}")]
    Verification(String),
}

impl RegistryError {
    /// Returns what can be done about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NotFound { hint, .. } => hint.iter().cloned().collect(),
            Self::LoginNeeded { registry }
            | Self::LoginRefused { registry, .. }
            | Self::TokenRefused { registry } => {
                vec![format!("log in with `deployer registry login {registry}`")]
            }
            Self::Status { status, .. } if status.starts_with("401") => {
                vec!["give `--username` and `--password`, or add the repository with them by `deployer repo add`".to_owned()]
            }
            Self::Repository { source, .. } => source.hints(),
            _ => Vec::new(),
        }
    }

    /// Returns the error with its causes, for a place that has one line.
    pub fn in_one_line(&self) -> String {
        chain(self)
    }

    pub(crate) fn file(doing: impl Into<String>, source: io::Error) -> Self {
        Self::File {
            doing: doing.into(),
            source,
        }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound {
            message: message.into(),
            hint: None,
        }
    }
}

/// Returns an address as it may be shown: without credentials and without its query, which signs.
///
/// What is no valid address is cut as well: a slip of the pen must not print a password.
pub(crate) fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let rest = rest.split('?').next().unwrap_or_default();
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_is_secret() {
        assert_eq!(
            shown("https://me:word@example.com/a.tgz?X-Amz-Signature=abc"),
            "https://example.com/a.tgz"
        );
        assert_eq!(shown("http://example.com"), "http://example.com");
        assert_eq!(
            shown("oci://me:word@host/web:1.0.0"),
            "oci://host/web:1.0.0"
        );
        assert_eq!(
            shown("https://me:word@bad host/x.tgz"),
            "https://bad host/x.tgz"
        );
        assert_eq!(
            shown("oci://h.io/web@sha256:ab"),
            "oci://h.io/web@sha256:ab"
        );
    }
}
