//! `repo add`
//!
//! Source: Helm 3.22 `cmd/helm/repo_add.go`.

use std::path::PathBuf;
use std::time::Duration;

use chart::repository::Repository;
use clap::Args;

use super::super::arguments::parse_secret;
use super::super::duration::parse_timeout;
use super::super::error::CliError;
use super::super::password::{password_from_stdin, prompt};
use super::super::session::Session;
use crate::registry::{
    Access, Lock, RegistryError, Secret, download_index, load_repositories, save_repositories,
    shown,
};

/// Hosts that serve charts no more, with the successor that Helm names.
const GONE: [(&str, &str); 2] = [
    (
        "//kubernetes-charts.storage.googleapis.com",
        "https://charts.helm.sh/stable",
    ),
    (
        "//kubernetes-charts-incubator.storage.googleapis.com",
        "https://charts.helm.sh/incubator",
    ),
];

/// Add a chart repository
///
/// Fetches its index first: what cannot be reached is not added.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer repo add ml https://charts.example.com/ml\n  echo \"$PASSWORD\" | deployer repo add ml https://charts.example.com/ml --username ci --password-stdin"
)]
pub(crate) struct AddCommand {
    /// Name of the repository
    name: String,
    /// Address below which its index.yaml is
    url: String,
    /// User of the repository
    #[arg(
        long,
        value_name = "USER",
        default_value = "",
        hide_default_value = true
    )]
    username: String,
    /// Password of that user (visible to other processes: prefer --password-stdin)
    #[arg(long, value_name = "PASSWORD", value_parser = parse_secret)]
    password: Option<Secret>,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Replace a repository of this name
    #[arg(long)]
    force_update: bool,
    /// Accepted for Helm's sake
    #[arg(long, hide = true)]
    no_update: bool,
    /// Add hosts that Helm knows to be gone
    #[arg(long)]
    allow_deprecated_repos: bool,
    /// Send user and password to every host, not to the repository's alone
    #[arg(long)]
    pass_credentials: bool,
    /// Certificate authorities of the server, in place of the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Certificate to show to the server
    #[arg(long, value_name = "FILE")]
    cert_file: Option<PathBuf>,
    /// Key of that certificate
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Do not check the server's certificate; the connection is then open to interception
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Time for fetching the index
    #[arg(long, default_value = "2m0s", value_parser = parse_timeout, value_name = "DURATION")]
    timeout: Duration,
}

impl AddCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let gone = GONE.iter().find(|(old, _)| self.url.contains(old));
        if let Some((_, successor)) = gone.filter(|_| !self.allow_deprecated_repos) {
            return Err(CliError::usage(format!(
                "repo {:?} is no longer available; try {successor:?} instead",
                shown(&self.url)
            )));
        }
        if self.name.contains('/') {
            return Err(CliError::usage(format!(
                "repository name ({}) contains '/', please specify a different name without '/'",
                self.name
            )));
        }
        let places = session.global.places();
        let repository = self.repository(session)?;
        let _lock = Lock::take(&places.repositories).await?;
        let mut list = load_repositories(&places.repositories)?.unwrap_or_default();
        if let Some(existing) = list.get(&self.name).filter(|_| !self.force_update) {
            if *existing != repository {
                return Err(CliError::usage(format!(
                    "repository name ({}) already exists, please specify a different name",
                    self.name
                ))
                .with_hint("replace it with `--force-update`"));
            }
            session.printer.line(&format!(
                "{:?} already exists with the same configuration, skipping",
                self.name
            ))?;
            return Ok(());
        }
        let access = Access {
            timeout: Some(self.timeout),
            ..Access::default()
        }
        .for_repository(&repository);
        let parsed = download_index(&repository, &access, &places.cache)
            .await
            .map_err(|source| RegistryError::Repository {
                url: shown(&self.url),
                source: Box::new(source),
            })?;
        for text in &parsed.skipped {
            session.printer.warn(text);
        }
        list.put(repository);
        save_repositories(&places.repositories, &list)?;
        session.printer.line(&format!(
            "{:?} has been added to your repositories",
            self.name
        ))?;
        Ok(())
    }

    fn repository(&self, session: &Session) -> Result<Repository, CliError> {
        let path = |path: &Option<PathBuf>| {
            path.as_ref()
                .map_or_else(String::new, |path| path.to_string_lossy().into_owned())
        };
        let given = self.password.clone().unwrap_or_default();
        let password = if self.username.is_empty() || !given.reveal().is_empty() {
            given
        } else if self.password_stdin {
            password_from_stdin()?
        } else {
            prompt(&session.printer, "Password: ", true)?
        };
        Ok(Repository {
            name: self.name.clone(),
            url: self.url.clone(),
            username: self.username.clone(),
            password: password.reveal().to_owned(),
            cert_file: path(&self.cert_file),
            key_file: path(&self.key_file),
            ca_file: path(&self.ca_file),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            pass_credentials_all: self.pass_credentials,
        })
    }
}
