//! The charts that a chart depends on: found, locked and put into `charts/`.
//!
//! Source: Helm 3.22 `pkg/downloader/manager.go`. What differs: nothing in `charts/` changes unless
//! every chart was fetched and is one.

mod repositories;
mod resolve;
mod status;
mod vendor;

use std::path::Path;

use chart::metadata::{Dependency, Lock};
use chart::{Chart, lock};

use super::access::Access;
use super::download::{Signature, Verify};
use super::error::RegistryError;
use super::files::write_whole;
use super::oci::Registries;
use super::places::Places;

pub use status::{Listing, list_dependencies};

use crate::words::chain;
use repositories::Known;

/// What the dependencies of one chart are managed with.
pub struct DependencyManager<'a> {
    /// The folder of the chart.
    pub chart: &'a Path,
    pub places: &'a Places,
    pub access: &'a Access,
    pub registries: &'a Registries,
    pub verify: Verify,
    pub signature: &'a Signature,
    /// Use the indexes as they were kept.
    pub skip_refresh: bool,
    /// Now, in RFC 3339 as Go prints it.
    pub now: &'a str,
    /// Takes each line of progress.
    pub say: &'a (dyn Fn(&str) + Send + Sync),
    /// Takes what is beside the progress, such as the digests of what was pulled.
    pub note: &'a (dyn Fn(&str) + Send + Sync),
}

impl DependencyManager<'_> {
    /// Finds the newest versions in the ranges, fetches them and writes the lock.
    ///
    /// # Errors
    /// [`RegistryError`]; `charts/` and the lock are as they were.
    pub async fn update(&self) -> Result<(), RegistryError> {
        let chart = self.load()?;
        // A list that was emptied is still one: what it had brought is removed.
        if !chart.metadata.lists_dependencies {
            return Ok(());
        }
        let mut wanted = chart.metadata.dependencies.clone();
        let mut known = Known::load(self.places)?;
        known.resolve_names(&mut wanted, self.chart)?;
        known.add_unmanaged(&wanted);
        if !self.skip_refresh {
            self.refresh_unmanaged(&known).await?;
            self.refresh(&known).await?;
        }
        let mut locked = self.resolve(&wanted, &known).await?;
        self.vendor(&mut locked, &known).await?;
        let digest = lock::digest(Some(&wanted), Some(&locked));
        if chart.lock.as_ref().is_some_and(|old| old.digest == digest) {
            return Ok(());
        }
        let lock = Lock {
            generated: self.now.to_owned(),
            digest,
            dependencies: Some(locked),
        };
        self.write_lock(&lock, &chart)
    }

    /// Fetches what the lock names; without a lock, as [`DependencyManager::update`].
    ///
    /// # Errors
    /// As there, and a lock that does not belong to the Chart.yaml beside it.
    pub async fn build(&self) -> Result<(), RegistryError> {
        let chart = self.load()?;
        let Some(lock) = &chart.lock else {
            return self.update().await;
        };
        let mut wanted = chart.metadata.dependencies.clone();
        let lists_any = chart.metadata.lists_dependencies;
        let of_helm2 = lock::digest_of_helm2(lists_any.then_some(&wanted));
        let known = Known::load(self.places)?;
        known.resolve_names(&mut wanted, self.chart)?;
        let mut locked = lock.dependencies.clone().unwrap_or_default();
        let digest = lock::digest(lists_any.then_some(&wanted), lock.dependencies.as_deref());
        if digest != lock.digest {
            let is_v1 = chart.metadata.api_version == "v1";
            if !is_v1 || of_helm2 != lock.digest {
                return Err(out_of_sync(is_v1));
            }
        }
        known.expect_all(&locked)?;
        if !self.skip_refresh {
            self.refresh(&known).await?;
        }
        self.vendor(&mut locked, &known).await
    }

    fn load(&self) -> Result<Chart, RegistryError> {
        let shown = self.chart.display();
        if !self.chart.exists() {
            return Err(RegistryError::not_found(format!("could not find {shown}")));
        }
        if !self.chart.is_dir() {
            return Err(RegistryError::Request(
                "only unpacked charts can be updated".to_owned(),
            ));
        }
        load_chart(self.chart)
    }

    fn write_lock(&self, lock: &Lock, chart: &Chart) -> Result<(), RegistryError> {
        let name = if chart.metadata.api_version == "v1" {
            "requirements.lock"
        } else {
            "Chart.lock"
        };
        let path = self.chart.join(name);
        if path.is_symlink() {
            let target = std::fs::read_link(&path).unwrap_or_default();
            return Err(RegistryError::Request(format!(
                "the {name} file is a symlink to {:?}",
                target.display().to_string()
            )));
        }
        write_whole(&path, lock::to_yaml(lock).as_bytes(), 0o644)
    }
}

fn out_of_sync(is_v1: bool) -> RegistryError {
    let (lock, file) = if is_v1 {
        ("requirements.lock", "requirements.yaml")
    } else {
        ("Chart.lock", "Chart.yaml")
    };
    RegistryError::NotFound {
        message: format!(
            "the lock file ({lock}) is out of sync with the dependencies file ({file}). Please update the dependencies"
        ),
        hint: Some("update them with `deployer dependency update`".to_owned()),
    }
}

/// Loads a chart, with the error of this module.
fn load_chart(path: &Path) -> Result<Chart, RegistryError> {
    chart::load(path).map_err(|error| RegistryError::Content {
        doing: format!("chart `{}` cannot be loaded", path.display()),
        problem: chain(&error),
    })
}

/// Tells whether a chart comes from a folder beside this one.
fn is_folder(dependency: &Dependency) -> bool {
    dependency.repository.starts_with("file://")
}

/// Returns where the folder of a dependency is.
fn folder_of(repository: &str, chart: &Path) -> Result<std::path::PathBuf, RegistryError> {
    let path = repository.strip_prefix("file://").unwrap_or(repository);
    // An absolute path replaces the chart's.
    let path = chart.join(path);
    if path.exists() {
        return Ok(path);
    }
    Err(RegistryError::not_found(format!(
        "directory {} not found",
        path.display()
    )))
}
