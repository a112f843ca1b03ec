//! `create`

use std::path::{Component, Path, PathBuf};

use chart::create::{create, create_from};
use clap::Args;

use super::error::CliError;
use super::session::Session;
use crate::registry::write_whole;

/// Create a new chart with the given name
///
/// Writes a chart that serves a model behind a gate: a Job that judges the model before every
/// install and upgrade. Other files of a folder that is there already are left alone.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer create credit-risk\n  deployer lint credit-risk --strict\n  deployer create charts/credit-risk --starter /srv/starters/ml"
)]
pub(crate) struct CreateCommand {
    /// Folder of the new chart; its last part is the chart's name
    #[arg(value_name = "NAME")]
    name: PathBuf,
    /// Name of a starter in Helm's data folder, or absolute path of one
    #[arg(short = 'p', long, value_name = "STARTER")]
    starter: Option<PathBuf>,
}

impl CreateCommand {
    pub(crate) fn run(&self, session: &Session) -> Result<(), CliError> {
        let folder = &self.name;
        let usage = |error: chart::create::CreateError| CliError::usage(error.to_string());
        let name = match folder.components().next_back() {
            Some(Component::Normal(name)) => name.to_string_lossy().into_owned(),
            _ => String::new(),
        };
        let files = match &self.starter {
            None => create(&name).map_err(usage)?,
            Some(starter) => create_from(&name, &starters().join(starter)).map_err(usage)?,
        };
        let shown = folder.display();
        if self.starter.is_none() {
            let parent = folder.parent().filter(|path| *path != Path::new(""));
            if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
                return Err(
                    CliError::usage(format!("no such directory {}", parent.display()))
                        .with_hint(format!("make it: `mkdir -p {}`", parent.display())),
                );
            }
        }
        if folder.exists() && !folder.is_dir() {
            return Err(CliError::usage(format!(
                "file {shown} already exists and is not a directory"
            )));
        }
        session.printer.line(&format!("Creating {shown}"))?;
        for file in &files {
            let path = folder.join(&file.name);
            if path.exists() && self.starter.is_none() {
                let shown = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
                session.printer.line(&format!(
                    "WARNING: File {:?} already exists. Overwriting.",
                    shown.display().to_string()
                ))?;
            }
            write_whole(&path, &file.data, 0o644)?;
        }
        let charts = folder.join("charts");
        std::fs::create_dir_all(&charts).map_err(|source| CliError::File {
            doing: format!("cannot make `{}`", charts.display()),
            source,
        })
    }
}

/// Where Helm looks for starters.
fn starters() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = match (folder("HELM_DATA_HOME"), folder("XDG_DATA_HOME")) {
        (Some(helm), _) => PathBuf::from(helm),
        (None, Some(xdg)) => PathBuf::from(xdg).join("helm"),
        (None, None) => PathBuf::from(folder("HOME").unwrap_or_default()).join(".local/share/helm"),
    };
    data.join("starters")
}
