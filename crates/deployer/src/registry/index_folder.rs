//! The index of a folder of archives.
//!
//! Source: Helm 3.22 `pkg/repo/index.go` (IndexDirectory) and `cmd/helm/repo_index.go`.

use std::path::{Path, PathBuf};

use chart::repository::{Index, join};
use sha2::{Digest, Sha256};

use super::cache::load_index_file;
use super::error::RegistryError;
use super::files::write_whole;
use super::http::read;

/// How an index is made.
#[derive(Debug, Clone, Default)]
pub struct IndexOptions {
    /// The address below which the folder will be served; empty for relative addresses.
    pub url: String,
    /// An index whose charts are kept, where the folder lacks them.
    pub merge: Option<PathBuf>,
    pub json: bool,
    /// Now, in RFC 3339 as Go prints it.
    pub now: String,
}

/// Writes `index.yaml` for the archives in a folder and in its folders; returns what was passed
/// over.
///
/// # Errors
/// A chart that Helm refuses, or files that cannot be read or written; an old index stays.
pub fn index_folder(folder: &Path, options: &IndexOptions) -> Result<Vec<String>, RegistryError> {
    let mut index = Index::new(&options.now);
    let mut notes = Vec::new();
    for (parent, path) in archives(folder)? {
        let Ok(chart) = chart::load(&path) else {
            // Assume that it is no chart, as Helm does.
            continue;
        };
        let digest = hex::encode(Sha256::digest(read(&path)?));
        let name = file_name(&path);
        let base = join(&options.url, &[&parent]);
        let added = index.add(chart.metadata, &name, &base, digest, &options.now);
        added.map_err(|error| RegistryError::Content {
            doing: format!("failed adding to {name} to index"),
            problem: error.to_string(),
        })?;
    }
    if let Some(path) = &options.merge {
        if path.exists() {
            let parsed = load_index_file(path)?;
            notes = parsed.skipped;
            index.merge(parsed.index);
        } else {
            write(path, &Index::new(&options.now), options.json)?;
        }
    }
    index.sort();
    write(&folder.join("index.yaml"), &index, options.json)?;
    Ok(notes)
}

fn write(path: &Path, index: &Index, json: bool) -> Result<(), RegistryError> {
    let text = if json {
        index.to_json()
    } else {
        index.to_yaml()
    };
    write_whole(path, text.as_bytes(), 0o644)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The archives of a folder, then those of its folders, each with the folder's name.
fn archives(folder: &Path) -> Result<Vec<(String, PathBuf)>, RegistryError> {
    let mut found = Vec::new();
    let mut folders = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            folders.push(path);
        } else if is_archive(&path) {
            found.push((String::new(), path));
        }
    }
    for folder in folders {
        for path in entries(&folder)? {
            if is_archive(&path) {
                found.push((file_name(&folder), path));
            }
        }
    }
    Ok(found)
}

fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tgz")
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let failed =
        |source| RegistryError::file(format!("cannot read `{}`", folder.display()), source);
    let mut paths = std::fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}
