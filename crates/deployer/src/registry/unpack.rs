//! A chart archive to a folder, whole or not at all.
//!
//! Source: Helm 3.22 `pkg/chartutil/expand.go`.

use std::path::{Path, PathBuf};

use chart::load::{from_files, read_archive};

use super::error::{RegistryError, shown};
use crate::words::chain;

/// Unpacks an archive into a new folder of the chart's name; returns that folder.
///
/// `reference` is what the user calls the archive, which may lie under a passing name.
///
/// # Errors
/// What is no chart, or a folder of that name that is there already.
pub fn unpack(archive: &Path, reference: &str, folder: &Path) -> Result<PathBuf, RegistryError> {
    let not_a_chart = |error: chart::load::LoadError| RegistryError::Content {
        doing: format!("`{}` is not a chart", shown(reference)),
        problem: chain(&error),
    };
    let data = std::fs::read(archive).map_err(|source| {
        RegistryError::file(format!("cannot read `{}`", shown(reference)), source)
    })?;
    let files = read_archive(data.as_slice()).map_err(not_a_chart)?;
    let chart = from_files(files.clone()).map_err(not_a_chart)?;
    let target = folder.join(chart.name());
    if target.exists() {
        return Err(RegistryError::Request(format!(
            "failed to untar: a file or directory with the name {} already exists",
            target.display()
        )));
    }
    let failed = |source| RegistryError::file("failed to untar", source);
    std::fs::create_dir_all(folder).map_err(failed)?;
    let aside = tempfile::Builder::new()
        .prefix(".untar-")
        .tempdir_in(folder)
        .map_err(failed)?;
    // One folder below, so that it gets the usual rights and not those of a temporary one.
    let unpacked = aside.path().join(chart.name());
    std::fs::create_dir(&unpacked).map_err(failed)?;
    // The folder appears whole, so that its files need not.
    for file in &files {
        let path = unpacked.join(&file.name);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        written
            .and_then(|()| std::fs::write(&path, &file.data))
            .map_err(|source| {
                let inner = target.join(&file.name);
                RegistryError::file(format!("cannot write `{}`", inner.display()), source)
            })?;
    }
    std::fs::rename(&unpacked, &target).map_err(failed)?;
    Ok(target)
}
