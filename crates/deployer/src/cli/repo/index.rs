//! `repo index`

use std::path::PathBuf;

use clap::Args;

use super::super::error::CliError;
use super::super::places::now;
use super::super::session::Session;
use crate::registry::{IndexOptions, index_folder};

/// Write the index.yaml of a folder of chart archives
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer repo index ./dist --url https://charts.example.com/ml\n  deployer repo index ./dist --merge ./published/index.yaml"
)]
pub(crate) struct IndexCommand {
    /// Folder of the archives
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Address below which the folder will be served
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "URL"
    )]
    url: String,
    /// Index whose charts are kept, where the folder lacks them
    #[arg(long, value_name = "FILE")]
    merge: Option<PathBuf>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

impl IndexCommand {
    pub(crate) fn run(self, session: &Session) -> Result<(), CliError> {
        let options = IndexOptions {
            url: self.url,
            merge: self.merge,
            json: self.json,
            now: now(),
        };
        for note in index_folder(&self.folder, &options)? {
            session.printer.warn(&note);
        }
        Ok(())
    }
}
