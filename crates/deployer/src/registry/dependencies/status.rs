//! What `dependency list` says of each dependency.
//!
//! Source: Helm 3.22 `pkg/action/dependency.go`.

use std::path::{Path, PathBuf};

use chart::Chart;
use chart::metadata::Dependency;
use chart::version::{Constraint, Version};

use super::super::error::RegistryError;
use super::load_chart;

/// The dependencies of a chart, and what is in `charts/` besides.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Each with its state in Helm's word.
    pub dependencies: Vec<(Dependency, &'static str)>,
    pub warnings: Vec<String>,
}

/// Compares what a chart declares with what it has.
///
/// # Errors
/// A chart that cannot be loaded.
pub fn list_dependencies(path: &Path) -> Result<Listing, RegistryError> {
    let chart = load_chart(path)?;
    let charts = path.join("charts");
    let declared = &chart.metadata.dependencies;
    if declared.is_empty() {
        return Ok(Listing {
            dependencies: Vec::new(),
            warnings: vec![format!("WARNING: no dependencies at {}", charts.display())],
        });
    }
    let files = entries_of(&charts);
    let dependencies = declared
        .iter()
        .map(|dependency| (dependency.clone(), status(dependency, &chart, &files)))
        .collect();
    let warnings = files
        .iter()
        .filter(|file| file.is_dir() || has_extension(file))
        .filter_map(|file| match load_chart(file) {
            Err(_) => Some(format!("WARNING: {:?} is not a chart.", text(file))),
            Ok(found) if declared.iter().any(|entry| entry.name == found.name()) => None,
            Ok(_) => Some(format!("WARNING: {:?} is not in Chart.yaml.", text(file))),
        })
        .collect();
    Ok(Listing {
        dependencies,
        warnings,
    })
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn has_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tgz")
}

/// Everything in a folder but what is hidden, by name.
fn entries_of(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
}

fn status(dependency: &Dependency, chart: &Chart, files: &[PathBuf]) -> &'static str {
    let prefix = format!("{}-", dependency.name);
    let version_in_name = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        let version = name.strip_suffix(".tgz")?.strip_prefix(&prefix)?;
        Some(version.to_owned())
    };
    let archives: Vec<&PathBuf> = files
        .iter()
        .filter(|path| version_in_name(path).is_some())
        .collect();
    let certain: Vec<&PathBuf> = match archives.len() {
        0 | 1 => archives,
        _ => archives
            .into_iter()
            .filter(|path| {
                version_in_name(path).is_some_and(|version| Version::parse_strict(&version).is_ok())
            })
            .collect(),
    };
    match certain.as_slice() {
        [] => {}
        [archive] => return status_of_archive(archive, dependency),
        _ => return "too many matches",
    }
    let mut unpacked = chart.dependencies.iter().rev();
    match unpacked.find(|child| child.name() == dependency.name) {
        None => "missing",
        Some(child) => version_problem(child, dependency).unwrap_or("unpacked"),
    }
}

fn status_of_archive(archive: &Path, dependency: &Dependency) -> &'static str {
    match load_chart(archive) {
        Err(_) => "corrupt",
        Ok(chart) if chart.name() != dependency.name => "misnamed",
        Ok(chart) => version_problem(&chart, dependency).unwrap_or("ok"),
    }
}

fn version_problem(chart: &Chart, dependency: &Dependency) -> Option<&'static str> {
    let version = &chart.metadata.version;
    if *version == dependency.version {
        return None;
    }
    match (
        Constraint::parse(&dependency.version),
        Version::parse(version),
    ) {
        (Ok(range), Ok(version)) if range.check(&version) => None,
        (Ok(_), Ok(_)) => Some("wrong version"),
        _ => Some("invalid version"),
    }
}
