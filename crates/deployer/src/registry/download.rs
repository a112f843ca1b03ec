//! One chart from elsewhere into a folder: the address is found, the archive fetched and, where
//! wanted, its signature checked.
//!
//! Source: Helm 3.22 `pkg/downloader/chart_downloader.go`.

use std::path::{Path, PathBuf};

use chart::repository::{NotFound, Repository, RepositoryList, equal, file_name, resolve};
use url::Url;

use super::access::Access;
use super::cache::load_index;
use super::error::{RegistryError, shown};
use super::files::write_whole;
use super::http;
use super::manifest::PROVENANCE;
use super::oci::Registries;
use super::places::Places;
use super::reference::{OciReference, is_oci};
use super::repositories::load_repositories;
use crate::words::chain;

/// The most that an archive may hold, in bytes: as much as a chart.
const ARCHIVE_BYTES_MAX: u64 = chart::load::CHART_BYTES_MAX;
/// The most that a provenance may hold, in bytes.
const PROVENANCE_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// What happens with a chart's provenance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verify {
    /// It is not fetched.
    #[default]
    Never,
    /// It is checked where there is one.
    IfPossible,
    /// It has to be there and to be right.
    Always,
    /// It is fetched and not checked.
    Later,
}

/// Checks an archive that has its provenance beside it.
///
/// Returns what there is to say of the signature, line by line, or why it does not count.
pub type Signature = dyn Fn(&Path) -> Result<Vec<String>, String> + Send + Sync;

/// What a chart is fetched with.
pub struct Downloader<'a> {
    pub places: &'a Places,
    pub access: &'a Access,
    pub registries: &'a Registries,
    pub verify: Verify,
    pub signature: &'a Signature,
}

/// A chart that was fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Downloaded {
    pub path: PathBuf,
    /// What there is to tell of the way.
    pub notes: Vec<String>,
    /// A provenance that was wanted and is not there.
    pub warnings: Vec<String>,
    /// What there is to say of the signature.
    pub signature: Vec<String>,
}

/// Where an archive is, and how it is reached.
struct Source {
    url: String,
    /// The address that credentials are for.
    owner: String,
    access: Access,
}

/// What came from there.
struct Fetched {
    name: String,
    archive: Vec<u8>,
    provenance: Option<Vec<u8>>,
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl Downloader<'_> {
    /// Fetches a chart into a folder.
    ///
    /// `reference` is `oci://…`, `https://…` or `repository/chart`; `version` a range.
    ///
    /// # Errors
    /// [`RegistryError`]; the folder holds what it held before.
    pub async fn download(
        &self,
        reference: &str,
        version: &str,
        folder: &Path,
    ) -> Result<Downloaded, RegistryError> {
        let fetched = if is_oci(reference) {
            self.fetch_from_registry(reference, version, self.registries)
                .await?
        } else {
            let source = self.find(reference, version)?;
            if is_oci(&source.url) {
                self.fetch_indexed(&source.url).await?
            } else {
                self.fetch_from_server(&source).await?
            }
        };
        self.keep(reference, fetched, folder)
    }

    /// Fetches an archive whose address is known; credentials are for the host of `owner`.
    ///
    /// # Errors
    /// As [`Downloader::download`].
    pub async fn download_from(
        &self,
        url: &str,
        owner: &str,
        access: &Access,
        folder: &Path,
    ) -> Result<Downloaded, RegistryError> {
        let fetched = if is_oci(url) && is_oci(owner) {
            self.fetch_from_registry(url, "", self.registries).await?
        } else if is_oci(url) {
            self.fetch_indexed(url).await?
        } else {
            let source = Source {
                url: url.to_owned(),
                owner: owner.to_owned(),
                access: access.clone(),
            };
            self.fetch_from_server(&source).await?
        };
        self.keep(url, fetched, folder)
    }

    /// Fetches from a registry that an index named: the credentials given for the repository are
    /// not that registry's, unless they are for every host.
    async fn fetch_indexed(&self, url: &str) -> Result<Fetched, RegistryError> {
        if self.access.pass_credentials {
            return self.fetch_from_registry(url, "", self.registries).await;
        }
        let anonymous = Registries::new(self.access.without_credentials(), self.places.clone());
        self.fetch_from_registry(url, "", &anonymous).await
    }

    async fn fetch_from_registry(
        &self,
        text: &str,
        version: &str,
        registries: &Registries,
    ) -> Result<Fetched, RegistryError> {
        let reference = OciReference::parse(text)?;
        let resolved = registries.resolve(&reference, version).await?;
        let wants_provenance = self.verify != Verify::Never;
        let pulled = registries.pull(&resolved, wants_provenance).await?;
        let last = resolved.repository.rsplit('/').next().unwrap_or_default();
        let name = match (&resolved.digest, resolved.version()) {
            (Some(digest), _) => format!("{last}@{}.tgz", digest.replace(':', "-")),
            (None, version) => format!("{last}-{}.tgz", version.unwrap_or_default()),
        };
        let mut notes = vec![
            format!("Pulled: {resolved}"),
            format!("Digest: {}", pulled.digest),
        ];
        notes.extend(underscore_note(&resolved));
        let mut warnings = Vec::new();
        if matches!(self.verify, Verify::IfPossible | Verify::Later) && pulled.provenance.is_none()
        {
            warnings.push(format!(
                "WARNING: Verification not found for oci://{}/{}: manifest does not contain a layer with mediatype {PROVENANCE}",
                resolved.registry, resolved.repository
            ));
        }
        Ok(Fetched {
            name,
            archive: pulled.chart,
            provenance: pulled.provenance,
            notes,
            warnings,
        })
    }

    async fn fetch_from_server(&self, source: &Source) -> Result<Fetched, RegistryError> {
        let Source { url, owner, access } = source;
        let name = file_name(url).ok_or_else(|| {
            RegistryError::Request(format!("{} names no file to store", shown(url)))
        })?;
        let archive = http::get(url, owner, access, ARCHIVE_BYTES_MAX).await?;
        if !archive.starts_with(&[0x1f, 0x8b]) {
            return Err(RegistryError::Content {
                doing: format!("{} is not a chart archive", shown(url)),
                problem: "it is not compressed with gzip".to_owned(),
            });
        }
        let mut warnings = Vec::new();
        let mut provenance = None;
        if self.verify != Verify::Never {
            let beside = format!("{url}.prov");
            match http::get(&beside, owner, access, PROVENANCE_BYTES_MAX).await {
                Ok(data) => provenance = Some(data),
                Err(_) if self.verify == Verify::Always => {
                    return Err(RegistryError::Verification(format!(
                        "failed to fetch provenance {:?}",
                        shown(&beside)
                    )));
                }
                Err(error) => warnings.push(format!(
                    "WARNING: Verification not found for {}: {error}",
                    shown(url)
                )),
            }
        }
        Ok(Fetched {
            name,
            archive,
            provenance,
            notes: Vec::new(),
            warnings,
        })
    }

    /// Checks before anything is put where others look for charts.
    fn keep(
        &self,
        reference: &str,
        fetched: Fetched,
        folder: &Path,
    ) -> Result<Downloaded, RegistryError> {
        let path = folder.join(&fetched.name);
        let beside = folder.join(format!("{}.prov", fetched.name));
        let mut signature = Vec::new();
        let provenance = match fetched.provenance {
            Some(data) => data,
            None if self.verify == Verify::Always => {
                return Err(RegistryError::Verification(format!(
                    "failed to fetch provenance of {:?}: it has none",
                    shown(reference)
                )));
            }
            None => {
                write_whole(&path, &fetched.archive, 0o644)?;
                return Ok(Downloaded {
                    path,
                    notes: fetched.notes,
                    warnings: fetched.warnings,
                    signature,
                });
            }
        };
        if self.verify != Verify::Later {
            let failed = |source| RegistryError::file("cannot check the signature", source);
            let aside = tempfile::tempdir().map_err(failed)?;
            let archive = aside.path().join(&fetched.name);
            write_whole(&archive, &fetched.archive, 0o600)?;
            let prov = aside.path().join(format!("{}.prov", fetched.name));
            write_whole(&prov, &provenance, 0o600)?;
            signature = (self.signature)(&archive).map_err(RegistryError::Verification)?;
        }
        write_whole(&beside, &provenance, 0o644)?;
        write_whole(&path, &fetched.archive, 0o644)?;
        Ok(Downloaded {
            path,
            notes: fetched.notes,
            warnings: fetched.warnings,
            signature,
        })
    }

    /// Finds the archive that an address or `repository/chart` stands for.
    fn find(&self, reference: &str, version: &str) -> Result<Source, RegistryError> {
        let list = load_repositories(&self.places.repositories)?.unwrap_or_default();
        if let Ok(url) = Url::parse(reference)
            && url.has_host()
            && !matches!(url.path(), "" | "/")
        {
            let owner = self.owner_of(reference, &list);
            return Ok(Source {
                url: reference.to_owned(),
                owner: owner.map_or_else(|| reference.to_owned(), |owner| owner.url.clone()),
                access: match owner {
                    Some(owner) => self.access.for_repository(owner),
                    None => self.access.clone(),
                },
            });
        }
        if reference.contains("://") {
            return Err(RegistryError::Request(format!(
                "{} names no file to fetch",
                shown(reference)
            )));
        }
        let Some((name, chart)) = reference.split_once('/') else {
            return Err(RegistryError::NotFound {
                message: format!(
                    "non-absolute URLs should be in form of repo_name/path_to_chart, got: {reference}"
                ),
                hint: Some("name a folder, a .tgz file, oci://…, https://….tgz or REPOSITORY/CHART; a name alone needs `--repo URL`".to_owned()),
            });
        };
        let repository = list.get(name).ok_or_else(|| RegistryError::NotFound {
            message: format!("repo {name} not found"),
            hint: Some(format!("add it with `deployer repo add {name} URL`")),
        })?;
        if repository.url.is_empty() {
            return Err(RegistryError::Request(format!(
                "no URL found for repository {name}"
            )));
        }
        Ok(Source {
            url: self.chart_url(reference, repository, chart, version)?,
            owner: repository.url.clone(),
            access: self.access.for_repository(repository),
        })
    }

    /// The repository whose index names this very address may need certificates of its own.
    fn owner_of<'list>(
        &self,
        reference: &str,
        list: &'list RepositoryList,
    ) -> Option<&'list Repository> {
        list.repositories.iter().find(|repository| {
            load_index(&self.places.cache, &repository.name).is_ok_and(|parsed| {
                let mut versions = parsed.index.entries.values().flatten();
                versions.any(|version| version.urls.iter().any(|url| equal(url, reference)))
            })
        })
    }

    fn chart_url(
        &self,
        reference: &str,
        repository: &Repository,
        chart: &str,
        version: &str,
    ) -> Result<String, RegistryError> {
        let update = || {
            Some(format!(
                "fetch it with `deployer repo update {}`",
                repository.name
            ))
        };
        let parsed = load_index(&self.places.cache, &repository.name).map_err(|error| {
            RegistryError::NotFound {
                message: format!(
                    "no cached repo found. (try 'helm repo update'): {}",
                    chain(&error)
                ),
                hint: update(),
            }
        })?;
        let found = parsed.index.get(chart, version).map_err(|error| {
            let name = &repository.name;
            let message = format!("chart {chart:?} matching {version} not found in {name} index. (try 'helm repo update'): {error}");
            match error {
                NotFound::Range(_) => RegistryError::Request(message),
                _ => RegistryError::NotFound { message, hint: update() },
            }
        })?;
        let url = found.urls.first().ok_or_else(|| {
            RegistryError::not_found(format!("chart {reference:?} has no downloadable URLs"))
        })?;
        resolve(&repository.url, url)
            .map_err(|_| RegistryError::Request(format!("invalid chart URL format: {reference}")))
    }
}

/// Explains a tag that is not the version itself.
pub fn underscore_note(reference: &OciReference) -> Option<String> {
    let tag = reference.tag.as_ref()?;
    tag.contains('_').then(|| {
        format!("{reference} contains an underscore: a tag cannot hold the plus sign (+) of a version, and `_` stands for it")
    })
}
