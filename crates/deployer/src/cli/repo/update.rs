//! `repo update`

use std::time::Duration;

use chart::repository::Repository;
use clap::Args;
use futures::future::join_all;

use super::super::duration::parse_timeout;
use super::super::error::CliError;
use super::super::session::Session;
use super::no_repositories;
use crate::registry::{Access, RegistryError, download_index, load_repositories, shown};

/// Fetch the indexes of chart repositories
#[derive(Debug, Args)]
#[command(visible_alias = "up")]
pub(crate) struct UpdateCommand {
    /// Names of the repositories; all of them when none is given
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Time for fetching one index
    #[arg(long, default_value = "2m0s", value_parser = parse_timeout, value_name = "DURATION")]
    timeout: Duration,
    /// Fail when one of the indexes cannot be had
    #[arg(long)]
    fail_on_repo_update_fail: bool,
}

impl UpdateCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let places = session.global.places();
        let list = load_repositories(&places.repositories)?.unwrap_or_default();
        if list.repositories.is_empty() {
            return Err(no_repositories(
                "no repositories found. You must add one before updating",
            ));
        }
        if let Some(unknown) = self.names.iter().find(|name| list.get(name).is_none()) {
            return Err(CliError::usage(format!(
                "no repositories found matching '{unknown}'.  Nothing will be updated"
            )));
        }
        let wanted: Vec<&Repository> = list
            .repositories
            .iter()
            .filter(|entry| self.names.is_empty() || self.names.contains(&entry.name))
            .collect();
        let printer = &session.printer;
        printer.line("Hang tight while we grab the latest from your chart repositories...")?;
        let access = Access {
            timeout: Some(self.timeout),
            ..Access::default()
        };
        let fetched = wanted.iter().map(|repository| {
            let access = access.for_repository(repository);
            let cache = &places.cache;
            async move { download_index(repository, &access, cache).await }
        });
        let mut failed = Vec::new();
        for (repository, result) in wanted.iter().zip(join_all(fetched).await) {
            let Repository { name, url, .. } = repository;
            let url = shown(url);
            match result {
                Ok(parsed) => {
                    parsed.skipped.iter().for_each(|text| printer.warn(text));
                    printer.line(&format!(
                        "...Successfully got an update from the {name:?} chart repository"
                    ))?;
                }
                Err(error) => {
                    printer.line(&format!(
                        "...Unable to get an update from the {name:?} chart repository ({url}):\n\t{}",
                        error.in_one_line()
                    ))?;
                    failed.push(url);
                }
            }
        }
        if self.fail_on_repo_update_fail && !failed.is_empty() {
            return Err(RegistryError::Content {
                doing: "Failed to update the following repositories".to_owned(),
                problem: format!("[{}]", failed.join(" ")),
            }
            .into());
        }
        printer.line("Update Complete. ⎈Happy Helming!⎈")?;
        Ok(())
    }
}
