//! The repositories that dependencies name: by alias, by address, or unknown to the list.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chart::metadata::Dependency;
use chart::repository::{ParsedIndex, Repository, equal};
use futures::future::join_all;
use sha2::{Digest, Sha256};

use super::super::cache::{download_index, load_index};
use super::super::error::{RegistryError, shown};
use super::super::places::Places;
use super::super::reference::is_oci;
use super::super::repositories::load_repositories;
use super::{DependencyManager, folder_of, is_folder};
use crate::words::chain;

/// What the kept index of a repository is called that is in no list.
const UNMANAGED_PREFIX: &str = "helm-manager-";

/// The repositories that matter to one chart.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Those of the list.
    managed: Vec<Repository>,
    /// Those that only the chart names.
    unmanaged: Vec<Repository>,
    /// What was read already, by the name of the repository: large indexes take seconds.
    indexes: Mutex<HashMap<String, Arc<ParsedIndex>>>,
}

impl Known {
    pub(super) fn load(places: &Places) -> Result<Self, RegistryError> {
        let list = load_repositories(&places.repositories)?.unwrap_or_default();
        Ok(Self {
            managed: list.repositories,
            ..Self::default()
        })
    }

    /// Puts addresses in the place of aliases, and refuses what is neither.
    pub(super) fn resolve_names(
        &self,
        dependencies: &mut [Dependency],
        chart: &Path,
    ) -> Result<(), RegistryError> {
        let mut missing = Vec::new();
        for dependency in dependencies {
            let repository = &dependency.repository;
            if repository.is_empty() || is_oci(repository) {
                continue;
            }
            if is_folder(dependency) {
                folder_of(repository, chart)?;
                continue;
            }
            let alias = repository
                .strip_prefix('@')
                .or_else(|| repository.strip_prefix("alias:"));
            if let Some(found) = self
                .managed
                .iter()
                .find(|entry| alias == Some(&entry.name) || equal(&entry.url, repository))
            {
                if alias.is_some() {
                    dependency.repository.clone_from(&found.url);
                }
            } else if url::Url::parse(repository).is_err() || alias.is_some() {
                missing.push(shown(repository));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let is_word = |name: &String| {
            !name.contains("//") && !name.starts_with('@') && !name.starts_with("alias:")
        };
        let mut message = format!(
            "no repository definition for {}. Please add them via 'helm repo add'",
            missing.join(", ")
        );
        if missing.iter().any(is_word) {
            message.push_str("\nNote that repositories must be URLs or aliases. For example, to refer to the \"example\"\nrepository, use \"https://charts.example.com/\" or \"@example\" instead of\n\"example\". Don't forget to add the repo, too ('helm repo add').");
        }
        Err(RegistryError::NotFound {
            message,
            hint: Some("add it with `deployer repo add NAME URL`".to_owned()),
        })
    }

    /// Takes the addresses up that are in no list; everybody may read them, or nobody does.
    pub(super) fn add_unmanaged(&mut self, dependencies: &[Dependency]) {
        for dependency in dependencies {
            let url = &dependency.repository;
            if url.is_empty() || is_oci(url) || is_folder(dependency) || self.find(url).is_some() {
                continue;
            }
            self.unmanaged.push(Repository {
                name: format!(
                    "{UNMANAGED_PREFIX}{}",
                    hex::encode(Sha256::digest(url.as_bytes()))
                ),
                url: url.clone(),
                ..Repository::default()
            });
        }
    }

    /// Refuses a lock whose repositories are in no list.
    pub(super) fn expect_all(&self, locked: &[Dependency]) -> Result<(), RegistryError> {
        let missing: Vec<String> = locked
            .iter()
            .filter(|dependency| !is_folder(dependency))
            .map(|dependency| dependency.repository.as_str())
            .filter(|url| !url.is_empty() && !is_oci(url) && self.find(url).is_none())
            .map(shown)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(RegistryError::NotFound {
            message: format!(
                "no repository definition for {}. Please add the missing repos via 'helm repo add'",
                missing.join(", ")
            ),
            hint: Some("add it with `deployer repo add NAME URL`".to_owned()),
        })
    }

    pub(super) fn find(&self, url: &str) -> Option<&Repository> {
        let mut all = self.managed.iter().chain(&self.unmanaged);
        all.find(|entry| equal(&entry.url, url))
    }

    /// Returns the index of a repository: as it was fetched just now, or as it was kept.
    pub(super) fn index(
        &self,
        places: &Places,
        url: &str,
    ) -> Result<(&Repository, Arc<ParsedIndex>), RegistryError> {
        let missing = |problem: String| RegistryError::NotFound {
            message: format!(
                "no cached repository for {} found. (try 'helm repo update'){problem}",
                shown(url)
            ),
            hint: Some("fetch the indexes with `deployer repo update`".to_owned()),
        };
        let repository = self.find(url).ok_or_else(|| missing(String::new()))?;
        if let Some(parsed) = self.indexes().get(&repository.name) {
            return Ok((repository, Arc::clone(parsed)));
        }
        let parsed = load_index(&places.cache, &repository.name)
            .map_err(|error| missing(format!(": {}", chain(&error))))?;
        Ok((repository, self.remember(repository, parsed)))
    }

    fn remember(&self, repository: &Repository, parsed: ParsedIndex) -> Arc<ParsedIndex> {
        let parsed = Arc::new(parsed);
        let name = repository.name.clone();
        self.indexes().insert(name, Arc::clone(&parsed));
        parsed
    }

    fn indexes(&self) -> MutexGuard<'_, HashMap<String, Arc<ParsedIndex>>> {
        self.indexes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DependencyManager<'_> {
    /// Fetches the indexes of the list; one that cannot be had is told and not fatal.
    pub(super) async fn refresh(&self, known: &Known) -> Result<(), RegistryError> {
        if known.managed.is_empty() {
            return Ok(());
        }
        (self.say)("Hang tight while we grab the latest from your chart repositories...");
        self.fetch_all(known, &known.managed, |entry| {
            (
                format!("{:?}", entry.name),
                format!("{:?} chart repository ({})", entry.name, shown(&entry.url)),
            )
        })
        .await;
        (self.say)("Update Complete. ⎈Happy Helming!⎈");
        Ok(())
    }

    pub(super) async fn refresh_unmanaged(&self, known: &Known) -> Result<(), RegistryError> {
        if known.unmanaged.is_empty() {
            return Ok(());
        }
        (self.say)("Getting updates for unmanaged Helm repositories...");
        self.fetch_all(known, &known.unmanaged, |entry| {
            let url = format!("{:?}", shown(&entry.url));
            (url.clone(), format!("{url} chart repository"))
        })
        .await;
        Ok(())
    }

    async fn fetch_all(
        &self,
        known: &Known,
        repositories: &[Repository],
        names: impl Fn(&Repository) -> (String, String),
    ) {
        let fetched = repositories.iter().map(|repository| async move {
            let access = self.access.for_repository(repository);
            download_index(repository, &access, &self.places.cache).await
        });
        for (repository, result) in repositories.iter().zip(join_all(fetched).await) {
            let (name, long_name) = names(repository);
            match result {
                Ok(parsed) => {
                    parsed.skipped.iter().for_each(|text| (self.note)(text));
                    known.remember(repository, parsed);
                    (self.say)(&format!(
                        "...Successfully got an update from the {name} chart repository"
                    ));
                }
                Err(error) => (self.say)(&format!(
                    "...Unable to get an update from the {long_name}:\n\t{}",
                    chain(&error)
                )),
            }
        }
    }
}
