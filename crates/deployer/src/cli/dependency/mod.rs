//! `dependency`

mod list;
mod update;

use clap::{Args, Subcommand};

use super::error::CliError;
use super::session::Session;

pub(crate) use update::update_dependencies;

/// Manage the charts that a chart depends on
#[derive(Debug, Args)]
#[command(visible_aliases = ["dep", "dependencies"])]
pub(crate) struct DependencyCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(list::ListCommand),
    Update(Box<update::UpdateCommand>),
    Build(Box<update::BuildCommand>),
}

impl DependencyCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.verb {
            Verb::List(command) => command.run(session),
            Verb::Update(command) => command.run(session).await,
            Verb::Build(command) => command.run(session).await,
        }
    }
}
