//! `repo remove`

use clap::Args;

use super::super::error::CliError;
use super::super::session::Session;
use super::no_repositories;
use crate::registry::{Lock, load_repositories, remove_index, save_repositories};

/// Remove chart repositories, and what was kept of them
#[derive(Debug, Args)]
#[command(visible_alias = "rm")]
pub(crate) struct RemoveCommand {
    /// Names of the repositories
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl RemoveCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let places = session.global.places();
        let missing = || no_repositories("no repositories configured");
        load_repositories(&places.repositories)?.ok_or_else(missing)?;
        let _lock = Lock::take(&places.repositories).await?;
        let mut list = load_repositories(&places.repositories)?.ok_or_else(missing)?;
        if list.repositories.is_empty() {
            return Err(missing());
        }
        for name in &self.names {
            if !list.remove(name) {
                return Err(CliError::usage(format!("no repo named {name:?} found"))
                    .with_hint("see `deployer repo list`"));
            }
            save_repositories(&places.repositories, &list)?;
            remove_index(&places.cache, name)?;
            session
                .printer
                .line(&format!("{name:?} has been removed from your repositories"))?;
        }
        Ok(())
    }
}
