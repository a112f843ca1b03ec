//! Locked charts into `charts/`: all of them, or none.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use chart::metadata::Dependency;
use chart::package::{PackageOptions, package};
use chart::repository::resolve;

use super::super::access::Access;
use super::super::download::{Downloaded, Downloader};
use super::super::error::{RegistryError, chain, shown};
use super::super::files::write_whole;
use super::super::reference::is_oci;
use super::repositories::Known;
use super::resolve::{is_same_version, lies_in};
use super::{DependencyManager, folder_of, is_folder, load_chart};

/// Where the archive of a dependency is.
struct Archive {
    url: String,
    owner: String,
    access: Access,
}

impl DependencyManager<'_> {
    /// Fetches every chart, then replaces what is in `charts/`.
    ///
    /// The version of a chart from a folder becomes that of the folder.
    pub(super) async fn vendor(
        &self,
        locked: &mut [Dependency],
        known: &Known,
    ) -> Result<(), RegistryError> {
        let charts = self.chart.join("charts");
        if charts.exists() && !charts.is_dir() {
            return Err(RegistryError::Request(format!(
                "{:?} is not a directory",
                charts.display().to_string()
            )));
        }
        (self.say)(&format!("Saving {} charts", locked.len()));
        let failed =
            |source| RegistryError::file("cannot make a folder for fetched charts", source);
        // Beside `charts/`, so that moving is renaming.
        let aside = tempfile::Builder::new()
            .prefix("tmpcharts-")
            .tempdir_in(self.chart)
            .map_err(failed)?;
        let fetched = self.fetch(locked, known, aside.path()).await;
        if let Err(error) = fetched {
            (self.say)(&format!("Save error occurred:  {}", chain(&error)));
            return Err(error);
        }
        let new = checked(aside.path())?;
        std::fs::create_dir_all(&charts)
            .map_err(|source| RegistryError::file("cannot make `charts/`", source))?;
        for name in &new {
            std::fs::rename(aside.path().join(name), charts.join(name)).map_err(|source| {
                RegistryError::file(
                    format!("cannot move `{}` to `charts/`", name.display()),
                    source,
                )
            })?;
        }
        (self.say)("Deleting outdated charts");
        self.delete_outdated(locked, &new, &charts)
    }

    async fn fetch(
        &self,
        locked: &mut [Dependency],
        known: &Known,
        folder: &Path,
    ) -> Result<(), RegistryError> {
        let mut done = BTreeSet::new();
        let downloader = Downloader {
            places: self.places,
            access: self.access,
            registries: self.registries,
            verify: self.verify,
            signature: self.signature,
        };
        for dependency in locked {
            let (name, repository) = (&dependency.name, &dependency.repository);
            if repository.is_empty() {
                (self.say)(&format!(
                    "Dependency {name} did not declare a repository. Assuming it exists in the charts directory"
                ));
                self.expect_vendored(dependency)?;
                continue;
            }
            if is_folder(dependency) {
                dependency.version = self.pack_folder(dependency, folder)?;
                continue;
            }
            let Archive { url, owner, access } = self.archive_of(dependency, known)?;
            if !done.insert(url.clone()) {
                (self.say)(&format!(
                    "Already downloaded {name} from repo {}",
                    shown(repository)
                ));
                continue;
            }
            (self.say)(&format!(
                "Downloading {name} from repo {}",
                shown(repository)
            ));
            let Downloaded { notes, .. } = downloader
                .download_from(&url, &owner, &access, folder)
                .await?;
            notes.iter().for_each(|note| (self.note)(note));
        }
        Ok(())
    }

    /// A chart without a repository has to be in `charts/` already.
    fn expect_vendored(&self, dependency: &Dependency) -> Result<(), RegistryError> {
        let Dependency { name, version, .. } = dependency;
        let path = self.chart.join("charts").join(name);
        let found = load_chart(&path)?.metadata.version;
        match lies_in(version, &found) {
            Ok(true) => Ok(()),
            Ok(false) => Err(RegistryError::Request(format!(
                "dependency {name} at version {found} does not satisfy the constraint {version}"
            ))),
            Err(problem) => Err(RegistryError::Request(format!(
                "dependency {name} has an invalid version/constraint format: {problem}"
            ))),
        }
    }

    fn pack_folder(&self, dependency: &Dependency, folder: &Path) -> Result<String, RegistryError> {
        let Dependency { name, version, .. } = dependency;
        let chart = load_chart(&folder_of(&dependency.repository, self.chart)?)?;
        let found = chart.metadata.version.clone();
        if !lies_in(version, &found).unwrap_or(false) {
            return Err(RegistryError::not_found(format!(
                "can't get a valid version for dependency {name}"
            )));
        }
        let packed = package(&chart, &PackageOptions::default()).map_err(|error| {
            RegistryError::Content {
                doing: format!("dependency `{name}` cannot be packed"),
                problem: chain(&error),
            }
        })?;
        write_whole(&folder.join(&packed.file_name), &packed.bytes, 0o644)?;
        Ok(found)
    }

    fn archive_of(&self, dependency: &Dependency, known: &Known) -> Result<Archive, RegistryError> {
        let Dependency {
            name,
            version,
            repository,
            ..
        } = dependency;
        if is_oci(repository) {
            return Ok(Archive {
                url: format!("{repository}/{name}:{version}"),
                owner: repository.clone(),
                access: self.access.clone(),
            });
        }
        let (entry, parsed) = known.index(self.places, repository)?;
        let missing = |what: &str| {
            RegistryError::not_found(format!(
                "could not find {name} {version} in {}: {what}",
                shown(repository)
            ))
        };
        let versions = parsed.index.entries.get(name);
        let found = versions
            .ok_or_else(|| missing("entry not found"))?
            .iter()
            .filter(|entry| !entry.urls.is_empty())
            .find(|entry| version.is_empty() || is_same_version(version, &entry.metadata.version))
            .ok_or_else(|| missing("no matching version"))?;
        let url = resolve(&entry.url, &found.urls[0]).map_err(|_| missing("its URL is none"))?;
        Ok(Archive {
            url,
            owner: entry.url.clone(),
            access: self.access.for_repository(entry),
        })
    }

    /// Removes archives that no dependency has brought; what is no chart is left alone.
    fn delete_outdated(
        &self,
        locked: &[Dependency],
        new: &BTreeSet<OsString>,
        charts: &Path,
    ) -> Result<(), RegistryError> {
        let is_vendored = |name: &str| {
            let mut local = locked.iter().filter(|entry| entry.repository.is_empty());
            local.any(|entry| entry.name == name)
        };
        for path in files_of(charts)? {
            if path.file_name().is_some_and(|name| new.contains(name)) {
                continue;
            }
            match load_chart(&path) {
                Ok(chart) if is_vendored(chart.name()) => {}
                Ok(_) => std::fs::remove_file(&path).map_err(|source| {
                    RegistryError::file(format!("cannot delete `{}`", path.display()), source)
                })?,
                Err(error) => (self.say)(&format!(
                    "Could not verify {} for deletion: {} (Skipping)",
                    path.display(),
                    chain(&error)
                )),
            }
        }
        Ok(())
    }
}

/// Returns the names of what was fetched, each of which has to be a chart or its provenance.
fn checked(folder: &Path) -> Result<BTreeSet<OsString>, RegistryError> {
    let mut names = BTreeSet::new();
    for path in files_of(folder)? {
        if path.extension().is_none_or(|extension| extension != "prov") {
            load_chart(&path)?;
        }
        names.extend(path.file_name().map(OsString::from));
    }
    Ok(names)
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    };
    read().map_err(|source| {
        RegistryError::file(format!("cannot read `{}`", folder.display()), source)
    })
}
