//! From what the command line calls a chart to a folder or an archive on this machine.
//!
//! Source: Helm 3.22 `pkg/action/install.go` (LocateChart).

use std::path::{Path, PathBuf};

use chart::repository::{Repository, resolve};
use url::Url;

use super::access::Access;
use super::cache::fetch_index;
use super::download::{Downloaded, Downloader, Signature, Verify};
use super::error::{RegistryError, shown};
use super::oci::Registries;
use super::places::Places;

/// Where to look for a chart, and which one is meant.
pub struct LocateOptions<'a> {
    pub places: &'a Places,
    pub access: &'a Access,
    /// A range of versions; empty for the newest that is no prerelease.
    pub version: &'a str,
    /// The repository to look in, though it is not in the list.
    pub repository_url: Option<&'a str>,
    /// Whether the chart has to be signed.
    pub verify: bool,
    pub signature: &'a Signature,
}

/// A chart on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    pub path: PathBuf,
    /// What there is to tell of the way.
    pub notes: Vec<String>,
}

/// Finds a chart, and fetches it into the cache where it is elsewhere.
///
/// A folder or archive of that name comes first; an absolute path or one that begins with a dot is
/// nothing else.
///
/// # Errors
/// [`RegistryError`]: not there, not to be reached, or not signed as it should be.
pub async fn locate(
    reference: &str,
    options: &LocateOptions<'_>,
) -> Result<Located, RegistryError> {
    let reference = reference.trim();
    let path = Path::new(reference);
    if path.exists() {
        return local(path, options);
    }
    if path.is_absolute() || reference.starts_with('.') {
        return Err(RegistryError::NotFound {
            message: format!("path {reference:?} not found"),
            hint: Some("nothing was changed; name a chart folder or a .tgz file".to_owned()),
        });
    }
    let mut access = options.access.clone();
    let reference = match options.repository_url {
        Some(repository) => {
            let url =
                find_in_repository(repository, reference, options.version, options.access).await?;
            if !access.pass_credentials && !same_origin(repository, &url) {
                access = access.without_credentials();
            }
            url
        }
        None => reference.to_owned(),
    };
    let registries = Registries::new(access.clone(), options.places.clone());
    let downloader = Downloader {
        places: options.places,
        access: &access,
        registries: &registries,
        verify: if options.verify {
            Verify::Always
        } else {
            Verify::Never
        },
        signature: options.signature,
    };
    let Downloaded { path, notes, .. } = downloader
        .download(&reference, options.version.trim(), &options.places.cache)
        .await?;
    Ok(Located { path, notes })
}

fn local(path: &Path, options: &LocateOptions<'_>) -> Result<Located, RegistryError> {
    let mut notes = Vec::new();
    if let Some(repository) = options.repository_url {
        notes.push(format!(
            "chart `{}` is taken from this folder; repository {} is not asked",
            path.display(),
            shown(repository)
        ));
    }
    if options.verify {
        (options.signature)(path).map_err(RegistryError::Verification)?;
    }
    Ok(Located {
        path: path.to_owned(),
        notes,
    })
}

fn same_origin(one: &str, other: &str) -> bool {
    match (Url::parse(one), Url::parse(other)) {
        (Ok(one), Ok(other)) => one.origin() == other.origin(),
        _ => false,
    }
}

/// Finds the archive of a chart in a repository that is not in the list.
///
/// # Errors
/// A repository that cannot be had, or that has no such chart.
pub async fn find_in_repository(
    repository_url: &str,
    chart: &str,
    version: &str,
    access: &Access,
) -> Result<String, RegistryError> {
    let repository = Repository {
        url: repository_url.to_owned(),
        ..Repository::default()
    };
    let (_, parsed) =
        fetch_index(&repository, access)
            .await
            .map_err(|source| RegistryError::Repository {
                url: shown(repository_url),
                source: Box::new(source),
            })?;
    let mut name = format!("chart {chart:?}");
    if !version.is_empty() {
        name.push_str(&format!(" version {version:?}"));
    }
    let found = parsed.index.get(chart, version).map_err(|_| {
        RegistryError::not_found(format!(
            "{name} not found in {} repository",
            shown(repository_url)
        ))
    })?;
    let url = found
        .urls
        .first()
        .ok_or_else(|| RegistryError::not_found(format!("{name} has no downloadable URLs")))?;
    resolve(repository_url, url)
        .map_err(|_| RegistryError::Request("failed to make chart URL absolute".to_owned()))
}
