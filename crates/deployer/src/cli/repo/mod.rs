//! `repo`

mod add;
mod index;
mod list;
mod remove;
mod update;

use clap::{Args, Subcommand};

use super::error::CliError;
use super::session::Session;

/// Manage chart repositories
///
/// The list and the indexes are Helm's own files: what one program adds the other knows.
#[derive(Debug, Args)]
pub(crate) struct RepoCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Add(Box<add::AddCommand>),
    List(list::ListCommand),
    Remove(remove::RemoveCommand),
    Update(update::UpdateCommand),
    Index(index::IndexCommand),
}

impl RepoCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.verb {
            Verb::Add(command) => command.run(session).await,
            Verb::List(command) => command.run(session),
            Verb::Remove(command) => command.run(session).await,
            Verb::Update(command) => command.run(session).await,
            Verb::Index(command) => command.run(session),
        }
    }
}

/// What Helm says where there is nothing to work on.
fn no_repositories(message: &str) -> CliError {
    CliError::usage(message).with_hint("add one with `deployer repo add NAME URL`")
}
