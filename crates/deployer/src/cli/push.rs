//! `push`
//!
//! Source: Helm 3.22 `pkg/pusher/ocipusher.go`.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Local, SecondsFormat};
use clap::Args;

use super::arguments::AccessArgs;
use super::error::CliError;
use super::session::Session;
use crate::registry::{OciReference, Registries, is_oci, underscore_note};

/// Push a chart archive to a registry
///
/// Its provenance, the file beside it whose name ends in .prov, is pushed with it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer push fraud-model-1.4.2.tgz oci://registry.example.com/ml\n  deployer push fraud-model-1.4.2.tgz oci://localhost:5000/ml"
)]
pub(crate) struct PushCommand {
    /// The archive
    #[arg(value_name = "ARCHIVE")]
    archive: PathBuf,
    /// Where charts go: oci://HOST/PATH, to which the chart's name is appended
    #[arg(value_name = "REMOTE")]
    remote: String,
    #[command(flatten)]
    access: AccessArgs,
}

impl PushCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        if !self.remote.contains("://") {
            return Err(CliError::usage(
                "scheme prefix missing from remote (e.g. \"oci://\")",
            ));
        }
        if !is_oci(&self.remote) {
            let scheme = self.remote.split("://").next().unwrap_or_default();
            return Err(CliError::usage(format!("scheme {scheme:?} not supported")));
        }
        let shown = self.archive.display();
        let metadata = std::fs::metadata(&self.archive)
            .map_err(|_| CliError::usage(format!("{shown}: no such file")))?;
        if metadata.is_dir() {
            return Err(CliError::usage(
                "cannot push directory, must provide chart archive (.tgz)",
            )
            .with_hint(format!("pack it with `deployer package {shown}`")));
        }
        let chart = chart::load(&self.archive).map_err(|source| CliError::Chart {
            reference: shown.to_string(),
            source,
        })?;
        let data = read(&self.archive)?;
        let mut beside = self.archive.clone().into_os_string();
        beside.push(".prov");
        let beside = PathBuf::from(beside);
        let provenance = beside.exists().then(|| read(&beside)).transpose()?;
        let created = metadata.modified().map_or_else(
            |_| String::new(),
            |time| DateTime::<Local>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true),
        );
        let places = session.global.places();
        let registries = Registries::new(self.access.access(), places);
        // As Helm does: the chart's own name and version come behind what was written.
        let reference = OciReference::parse(&format!(
            "{}/{}:{}",
            self.remote.trim_end_matches('/'),
            chart.metadata.name,
            chart.metadata.version
        ))?;
        let pushed = registries
            .push(reference, &chart.metadata, data, provenance, &created)
            .await?;
        session
            .printer
            .say(&format!("Pushed: {}", pushed.reference));
        session.printer.say(&format!("Digest: {}", pushed.digest));
        if let Some(note) = underscore_note(&pushed.reference) {
            session.printer.say(&note);
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|source| CliError::File {
        doing: format!("cannot read `{}`", path.display()),
        source,
    })
}
