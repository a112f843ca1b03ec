//! Locked charts into `charts/`: all of them, or none.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use chart::metadata::Dependency;
use chart::package::{PackageOptions, package};
use chart::repository::below;

use super::super::access::Access;
use super::super::download::{Downloaded, Downloader};
use super::super::error::{RegistryError, shown};
use super::super::files::write_whole;
use super::super::reference::is_oci;
use super::repositories::Known;
use super::resolve::{is_same_version, lies_in};
use super::{DependencyManager, folder_of, is_folder, load_chart};
use crate::words::chain;

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
        (self.say)("Deleting outdated charts");
        let outdated = self.outdated(locked, &new, &charts)?;
        self.swap(aside, &charts, &new, outdated)
    }

    /// Moves the new charts in and the old ones out: all of them, or none.
    fn swap(
        &self,
        aside: tempfile::TempDir,
        charts: &Path,
        new: &BTreeSet<OsString>,
        mut outdated: BTreeSet<OsString>,
    ) -> Result<(), RegistryError> {
        let old = aside.path().join("old");
        std::fs::create_dir(&old)
            .map_err(|source| RegistryError::file("cannot make a folder for old charts", source))?;
        outdated.extend(
            new.iter()
                .filter(|name| charts.join(name).exists())
                .cloned(),
        );
        let out = outdated
            .iter()
            .map(|name| (charts.join(name), old.join(name)));
        let into = new
            .iter()
            .map(|name| (aside.path().join(name), charts.join(name)));
        let moves: Vec<(PathBuf, PathBuf)> = out.chain(into).collect();
        move_all(&moves).map_err(|failure| {
            let mut doing = format!("cannot move `{}`", failure.from.display());
            if failure.stuck.is_empty() {
                doing.push_str("; `charts/` is as it was");
            } else {
                // What could not be put back must outlive this program.
                let kept = aside.keep();
                let stuck: Vec<String> = failure
                    .stuck
                    .iter()
                    .map(|path| format!("`{}`", path.display()))
                    .collect();
                doing.push_str(&format!(
                    "; {} cannot be put back: the old charts are in `{}`",
                    stuck.join(", "),
                    kept.join("old").display()
                ));
            }
            RegistryError::file(doing, failure.source)
        })
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
            let Downloaded {
                notes, warnings, ..
            } = downloader
                .download_from(&url, &owner, &access, folder)
                .await?;
            notes.iter().for_each(|note| (self.note)(note));
            warnings.iter().for_each(|warning| (self.say)(warning));
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
        let url = below(&entry.url, &found.urls[0]).map_err(|_| missing("its URL is none"))?;
        Ok(Archive {
            url,
            owner: entry.url.clone(),
            access: self.access.for_repository(entry),
        })
    }

    /// Names the archives that no dependency has brought; what is no chart is left alone.
    fn outdated(
        &self,
        locked: &[Dependency],
        new: &BTreeSet<OsString>,
        charts: &Path,
    ) -> Result<BTreeSet<OsString>, RegistryError> {
        let mut outdated = BTreeSet::new();
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
                Ok(_) => outdated.extend(path.file_name().map(OsString::from)),
                Err(error) => (self.say)(&format!(
                    "Could not verify {} for deletion: {} (Skipping)",
                    path.display(),
                    chain(&error)
                )),
            }
        }
        Ok(outdated)
    }
}

/// A move that failed.
#[derive(Debug)]
struct Unmoved {
    from: PathBuf,
    source: io::Error,
    /// What was moved before and could not be moved back.
    stuck: Vec<PathBuf>,
}

/// Renames in turn; when one fails, those before it are undone.
fn move_all(moves: &[(PathBuf, PathBuf)]) -> Result<(), Unmoved> {
    for (count, (from, to)) in moves.iter().enumerate() {
        let Err(source) = std::fs::rename(from, to) else {
            continue;
        };
        let undone = moves[..count].iter().rev();
        let stuck = undone.filter(|(from, to)| std::fs::rename(to, from).is_err());
        return Err(Unmoved {
            from: from.clone(),
            source,
            stuck: stuck.map(|(from, _)| from.clone()).collect(),
        });
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_happen_all_or_none() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        let text = |name: &str| std::fs::read_to_string(path(name)).ok();
        for name in ["old", "new"] {
            std::fs::write(path(name), name).expect("file");
        }
        let moves = |last: &str| {
            let steps = [("old", "aside"), ("new", "old"), (last, "more")];
            steps.map(|(from, to)| (path(from), path(to)))
        };
        let failure = move_all(&moves("missing")).expect_err("one is missing");
        assert_eq!(failure.from, path("missing"));
        assert!(failure.stuck.is_empty());
        assert_eq!(text("old").as_deref(), Some("old"));
        assert_eq!(text("new").as_deref(), Some("new"));
        assert_eq!(text("aside"), None);
        move_all(&moves("old")).expect("all are there");
        assert_eq!(text("more").as_deref(), Some("new"));
        assert_eq!(text("aside").as_deref(), Some("old"));
    }
}
