//! How a server is reached: credentials, certificates, and how long to wait.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chart::repository::Repository;

/// A text that is never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns the text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// Certificates for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client's own certificate; needs `key`.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Take any certificate of the server.
    pub accept_any: bool,
}

/// How a server is reached.
#[derive(Debug, Clone, Default)]
pub struct Access {
    pub username: String,
    pub password: Secret,
    /// Send the credentials to other hosts than the repository's too.
    pub pass_credentials: bool,
    pub tls: TlsFiles,
    /// Speak HTTP without TLS to registries.
    pub plain_http: bool,
    /// How long a whole download may take; Helm's two minutes where none is given.
    pub timeout: Option<Duration>,
}

impl Access {
    /// Helm's bound on one request.
    const TIMEOUT: Duration = Duration::from_secs(120);

    /// Returns how long one request may take.
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(Self::TIMEOUT)
    }

    /// Returns the same without user and password.
    #[must_use]
    pub fn without_credentials(&self) -> Self {
        Self {
            username: String::new(),
            password: Secret::default(),
            ..self.clone()
        }
    }

    /// Returns how a repository of the list is reached; what the list says wins over the flags.
    #[must_use]
    pub fn for_repository(&self, repository: &Repository) -> Self {
        let mut access = self.clone();
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        if !(repository.ca_file.is_empty()
            && repository.cert_file.is_empty()
            && repository.key_file.is_empty())
        {
            access.tls.ca = path(&repository.ca_file);
            access.tls.certificate = path(&repository.cert_file);
            access.tls.key = path(&repository.key_file);
        }
        access.tls.accept_any |= repository.insecure_skip_tls_verify;
        if !repository.username.is_empty() && !repository.password.is_empty() {
            access.username.clone_from(&repository.username);
            access.password = Secret::from(repository.password.clone());
            access.pass_credentials = repository.pass_credentials_all;
        }
        access
    }
}
