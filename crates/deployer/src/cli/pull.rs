//! `pull`
//!
//! Source: Helm 3.22 `pkg/action/pull.go`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::OriginArgs;
use super::error::CliError;
use super::session::Session;
use super::signature::signature_check;
use crate::registry::{
    Access, Downloaded, Downloader, Places, Registries, Verify, find_in_repository, unpack,
};

/// Fetch a chart from a repository or registry
///
/// Stores the archive as it came; with --untar the chart's folder instead.
#[derive(Debug, Args)]
#[command(
    visible_alias = "fetch",
    after_help = "Examples:\n  deployer pull oci://registry.example.com/ml/fraud-model --version '^1.4'\n  deployer pull ml/fraud-model --untar\n  deployer pull fraud-model --repo https://charts.example.com/ml -d ./dist"
)]
pub(crate) struct PullCommand {
    /// The charts: oci://…, https://… or REPOSITORY/CHART
    #[arg(required = true, value_name = "CHART")]
    charts: Vec<String>,
    /// Unpack the chart
    #[arg(long)]
    untar: bool,
    /// Folder below the destination to unpack into
    #[arg(
        long,
        default_value = ".",
        hide_default_value = true,
        value_name = "DIR"
    )]
    untardir: PathBuf,
    /// Folder to write to
    #[arg(
        short,
        long,
        default_value = ".",
        hide_default_value = true,
        value_name = "DIR"
    )]
    destination: PathBuf,
    /// Fetch the provenance too, without checking it
    #[arg(long)]
    prov: bool,
    #[command(flatten)]
    chart: OriginArgs,
}

impl PullCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let places = session.global.places();
        let access = self.chart.access();
        let registries = Registries::new(access.clone(), places.clone());
        for reference in &self.charts {
            self.pull(session, reference, &places, &access, &registries)
                .await?;
        }
        Ok(())
    }

    async fn pull(
        &self,
        session: &Session,
        reference: &str,
        places: &Places,
        access: &Access,
        registries: &Registries,
    ) -> Result<(), CliError> {
        let signature = signature_check(self.chart.keyring.as_deref());
        let downloader = Downloader {
            places,
            access,
            registries,
            verify: match (self.chart.verify, self.prov) {
                (true, _) => Verify::Always,
                (false, true) => Verify::Later,
                (false, false) => Verify::Never,
            },
            signature: &signature,
        };
        let range = self.chart.range();
        let aside = tempfile::tempdir().map_err(|source| CliError::File {
            doing: "failed to untar".to_owned(),
            source,
        })?;
        let folder: &Path = if self.untar {
            aside.path()
        } else {
            &self.destination
        };
        let Downloaded {
            path,
            notes,
            warnings,
            signature,
        } = match self.chart.repo.as_deref().filter(|url| !url.is_empty()) {
            Some(repository) => {
                let url = find_in_repository(repository, reference, range, access).await?;
                downloader
                    .download_from(&url, repository, access, folder)
                    .await?
            }
            None => downloader.download(reference, range, folder).await?,
        };
        notes.iter().for_each(|note| session.printer.say(note));
        if self.untar {
            // An absolute folder replaces the destination.
            unpack(&path, reference, &self.destination.join(&self.untardir))?;
        }
        for line in warnings.iter().chain(&signature) {
            session.printer.line(line)?;
        }
        Ok(())
    }
}
