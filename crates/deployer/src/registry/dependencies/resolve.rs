//! Ranges of versions to the versions that are locked.
//!
//! Source: Helm 3.22 `internal/resolver/resolver.go`.

use chart::metadata::Dependency;
use chart::version::{Constraint, Version};

use super::super::error::{RegistryError, shown};
use super::super::reference::{OciReference, is_oci};
use super::repositories::Known;
use super::{DependencyManager, folder_of, is_folder, load_chart};
use crate::words::chain;

impl DependencyManager<'_> {
    /// Returns what is wanted with exact versions.
    pub(super) async fn resolve(
        &self,
        wanted: &[Dependency],
        known: &Known,
    ) -> Result<Vec<Dependency>, RegistryError> {
        let mut locked = Vec::with_capacity(wanted.len());
        let mut missing = Vec::new();
        for dependency in wanted {
            let constraint = Constraint::parse(&dependency.version).map_err(|error| {
                RegistryError::Request(format!(
                    "dependency {:?} has an invalid version/constraint format: {error}",
                    dependency.name
                ))
            })?;
            match self.version_of(dependency, &constraint, known).await? {
                Some(version) => locked.push(Dependency {
                    name: dependency.name.clone(),
                    repository: dependency.repository.clone(),
                    version,
                    ..Dependency::default()
                }),
                None => missing.push(format!(
                    "{:?} (repository {:?}, version {:?})",
                    dependency.name,
                    shown(&dependency.repository),
                    dependency.version
                )),
            }
        }
        if missing.is_empty() {
            return Ok(locked);
        }
        Err(RegistryError::not_found(format!(
            "can't get a valid version for {} subchart(s): {}. Make sure a matching chart version exists in the repo, or change the version constraint in Chart.yaml",
            missing.len(),
            missing.join(", ")
        )))
    }

    async fn version_of(
        &self,
        dependency: &Dependency,
        constraint: &Constraint,
        known: &Known,
    ) -> Result<Option<String>, RegistryError> {
        let Dependency {
            name,
            repository,
            version,
            ..
        } = dependency;
        let is_in_range =
            |text: &String| Version::parse(text).is_ok_and(|parsed| constraint.check(&parsed));
        if repository.is_empty() {
            folder_of(&format!("charts/{name}"), self.chart)?;
            return Ok(Some(version.clone()));
        }
        if is_folder(dependency) {
            let chart = load_chart(&folder_of(repository, self.chart)?)?;
            return Ok(Some(chart.metadata.version).filter(is_in_range));
        }
        if is_oci(repository) {
            if Version::parse(version).is_ok() {
                return Ok(Some(version.clone()));
            }
            let reference = OciReference::parse(&format!("{repository}/{name}"))?;
            let versions = self.registries.versions(&reference).await?;
            return Ok(versions.into_iter().find(is_in_range));
        }
        let (_, parsed) = known.index(self.places, repository)?;
        let entries = parsed.index.entries.get(name).ok_or_else(|| {
            RegistryError::not_found(format!(
                "{name} chart not found in repo {}",
                shown(repository)
            ))
        })?;
        let mut versions = entries
            .iter()
            .filter(|entry| !entry.urls.is_empty())
            .map(|entry| entry.metadata.version.clone());
        Ok(versions.find(is_in_range))
    }
}

/// Tells whether two texts name the same version.
pub(super) fn is_same_version(one: &str, other: &str) -> bool {
    match (Version::parse(one), Version::parse(other)) {
        (Ok(one), Ok(other)) => one.compare(&other).is_eq(),
        (Err(_), _) => one == other,
        (Ok(_), Err(_)) => false,
    }
}

/// Tells whether the version of a chart lies in the range of its dependency, or why that is unknown.
pub(super) fn lies_in(range: &str, version: &str) -> Result<bool, String> {
    let constraint = Constraint::parse(range).map_err(|error| chain(&error))?;
    let version = Version::parse(version).map_err(|error| chain(&error))?;
    Ok(constraint.check(&version))
}
