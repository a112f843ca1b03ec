//! The indexes of repositories, fetched and kept where Helm keeps them.
//!
//! Source: Helm 3.22 `pkg/repo/chartrepo.go` (DownloadIndexFile).

use std::path::{Path, PathBuf};

use chart::repository::{Index, ParsedIndex, Repository, resolve};

use super::access::Access;
use super::error::{RegistryError, shown};
use super::files::write_whole;
use super::http;

/// The most that an index may hold, in bytes; the largest public ones hold about 30 MB.
const INDEX_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Returns where the index of a repository is kept.
pub fn index_path(cache: &Path, name: &str) -> PathBuf {
    cache.join(format!("{name}-index.yaml"))
}

fn charts_path(cache: &Path, name: &str) -> PathBuf {
    cache.join(format!("{name}-charts.txt"))
}

/// Fetches the index of a repository and keeps it; returns it with what was skipped in it.
///
/// # Errors
/// A server that cannot be reached, refuses, or sends something else than an index; what was kept
/// before stays.
pub async fn download_index(
    repository: &Repository,
    access: &Access,
    cache: &Path,
) -> Result<ParsedIndex, RegistryError> {
    let (text, parsed) = fetch_index(repository, access).await?;
    let names: String = parsed
        .index
        .entries
        .keys()
        .map(|name| format!("{name}\n"))
        .collect();
    write_whole(
        &charts_path(cache, &repository.name),
        names.as_bytes(),
        0o644,
    )?;
    write_whole(&index_path(cache, &repository.name), &text, 0o644)?;
    Ok(parsed)
}

/// Fetches the index of a repository, which is not kept.
pub(crate) async fn fetch_index(
    repository: &Repository,
    access: &Access,
) -> Result<(Vec<u8>, ParsedIndex), RegistryError> {
    let url = resolve(&repository.url, "index.yaml").map_err(|_| {
        RegistryError::Request(format!(
            "invalid chart URL format: {}",
            shown(&repository.url)
        ))
    })?;
    let data = http::get(&url, &repository.url, access, INDEX_BYTES_MAX).await?;
    let text = http::unzipped(data, &url, INDEX_BYTES_MAX)?;
    let parsed =
        parse(&text, &shown(&repository.url)).map_err(|problem| RegistryError::Content {
            doing: format!("{} is not the index of a repository", shown(&url)),
            problem,
        })?;
    Ok((text, parsed))
}

/// Reads the index that was kept of a repository.
///
/// # Errors
/// When there is none, or it is none.
pub fn load_index(cache: &Path, name: &str) -> Result<ParsedIndex, RegistryError> {
    let path = index_path(cache, name);
    load_index_file(&path)
}

/// Reads an index from a file.
pub(crate) fn load_index_file(path: &Path) -> Result<ParsedIndex, RegistryError> {
    let data = http::read(path)?;
    parse(&data, &path.display().to_string()).map_err(|problem| RegistryError::Content {
        doing: format!("error loading {}", path.display()),
        problem,
    })
}

fn parse(data: &[u8], source: &str) -> Result<ParsedIndex, String> {
    let text = String::from_utf8_lossy(data);
    Index::parse(&text, source).map_err(|error| error.to_string())
}

/// Removes what was kept of a repository.
///
/// # Errors
/// Files that are there and stay.
pub fn remove_index(cache: &Path, name: &str) -> Result<(), RegistryError> {
    for path in [charts_path(cache, name), index_path(cache, name)] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(RegistryError::file(
                    format!("can't remove index file {}", path.display()),
                    error,
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
