//! Reading charts from directories and archives; every size is bounded and no path leaves the chart.
//!
//! This is the one module of the crate that reads files, together with `values::read`.

mod archive;
mod directory;
mod ignore;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use template::{
    Compat, Value,
    yaml::{self, Data, YamlError},
};

pub(crate) use archive::inner_name;
pub use archive::{load_archive, read_archive};
pub use ignore::IgnoreRules;

use crate::{
    metadata::{Lock, Metadata},
    model::{Chart, File},
    values::parse_documents,
};

/// The most that a chart may hold after decompression, in bytes.
pub const CHART_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// The most that one file of a chart may hold, in bytes.
pub const FILE_BYTES_MAX: u64 = 5 * 1024 * 1024;
/// The most files that a chart may hold.
pub const FILES_MAX: usize = 50_000;
/// How deep subcharts may nest.
const SUBCHART_DEPTH_MAX: usize = 32;

const DEPENDENCIES_MOVED: &str = "Warning: Dependencies are handled in Chart.yaml since apiVersion \"v2\". We recommend migrating dependencies to Chart.yaml.";
const LOCK_MOVED: &str = "Warning: Dependency locking is handled in Chart.lock since apiVersion \"v2\". We recommend migrating to Chart.lock.";

/// A chart that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("path {path:?} not found")]
    NotFound { path: String },
    #[error("error reading {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot load {name}: {source}")]
    Yaml {
        name: &'static str,
        source: YamlError,
    },
    #[error("error unpacking subchart {name} in {parent}: {source}")]
    Subchart {
        name: String,
        parent: String,
        source: Box<LoadError>,
    },
    /// What Helm refuses, in its words.
    #[error("{0}")]
    Refused(String),
}

impl LoadError {
    fn refused(message: impl Into<String>) -> Self {
        Self::Refused(message.into())
    }
}

/// Loads a chart from a directory or a `.tgz`; subcharts in `charts/` are loaded with it.
///
/// # Errors
/// [`LoadError`]: nothing there, not a chart, too large, or a path that leaves the chart.
pub fn load(path: &Path) -> Result<Chart, LoadError> {
    load_as(path, Compat::Helm3)
}

/// As [`load`], in the ways of a version of Helm: v4 merges every document of a values.yaml.
///
/// # Errors
/// As [`load`].
pub fn load_as(path: &Path, compat: Compat) -> Result<Chart, LoadError> {
    let metadata = std::fs::metadata(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => LoadError::NotFound {
            path: path.display().to_string(),
        },
        _ => LoadError::Read {
            path: path.to_owned(),
            source,
        },
    })?;
    if metadata.is_dir() {
        let found = directory::read(path)?;
        let mut chart = build(found.files, compat, 0)?;
        chart.warnings.splice(0..0, found.links);
        return Ok(chart);
    }
    build(archive::read_file(path)?, compat, 0)
}

/// As [`load_as`], for what is rendered or deployed: Helm v4 looks at the kind of chart before it loads
/// it, and takes those of v1 and v2 alone.
///
/// # Errors
/// As [`load`].
pub fn load_to_render(path: &Path, compat: Compat) -> Result<Chart, LoadError> {
    if compat == Compat::Helm3 {
        return load_as(path, compat);
    }
    if path.is_dir() {
        let file = path.join("Chart.yaml");
        // One that is too large is refused below.
        let fits = std::fs::metadata(&file).is_ok_and(|file| file.len() <= FILE_BYTES_MAX);
        if let Some(bytes) = fits.then(|| std::fs::read(&file).ok()).flatten() {
            demand_known_kind(&String::from_utf8_lossy(&bytes))?;
        }
        return load_as(path, compat);
    }
    let files = archive::read_file(path)?;
    if let Some(file) = files.iter().find(|file| file.name == "Chart.yaml") {
        demand_known_kind(&file.text())?;
    }
    build(files, compat, 0)
}

/// Refuses in Helm v4's words what is no chart of v1 or v2.
fn demand_known_kind(metadata: &str) -> Result<(), LoadError> {
    let kind = Metadata::kind(metadata).map_err(|source| LoadError::Yaml {
        name: "Chart.yaml",
        source,
    })?;
    match kind.as_str() {
        "" | "v1" | "v2" => Ok(()),
        "v3" => Err(LoadError::refused("invalid chart apiVersion")),
        _ => Err(LoadError::refused("unsupported chart version")),
    }
}

/// Builds a chart from files whose names are relative to it.
///
/// # Errors
/// As [`load`].
pub fn from_files(files: Vec<File>) -> Result<Chart, LoadError> {
    from_files_as(files, Compat::Helm3)
}

/// As [`from_files`], in the ways of a version of Helm.
pub(crate) fn from_files_as(files: Vec<File>, compat: Compat) -> Result<Chart, LoadError> {
    build(files, compat, 0)
}

fn build(files: Vec<File>, compat: Compat, depth: usize) -> Result<Chart, LoadError> {
    if depth > SUBCHART_DEPTH_MAX {
        return Err(LoadError::refused(format!(
            "subcharts nest deeper than {SUBCHART_DEPTH_MAX} levels"
        )));
    }
    let mut chart = Chart {
        raw: files.clone(),
        ..Chart::default()
    };
    let mut has_metadata = false;
    for file in files.iter().filter(|file| file.name == "Chart.yaml") {
        has_metadata = true;
        apply_metadata(&mut chart.metadata, file, "Chart.yaml", compat)?;
        if chart.metadata.api_version.is_empty() {
            chart.metadata.api_version = "v1".to_owned();
        }
    }
    let mut subcharts: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in files {
        has_metadata |= matches!(
            file.name.as_str(),
            "requirements.yaml" | "requirements.lock"
        );
        place(&mut chart, &mut subcharts, file, compat)?;
    }
    if !has_metadata {
        return Err(LoadError::refused("Chart.yaml file is missing"));
    }
    chart.metadata.validate().map_err(LoadError::Refused)?;
    for (name, files) in subcharts {
        if name.starts_with(['_', '.']) {
            continue;
        }
        let child = build_subchart(&chart, &name, files, compat, depth);
        let mut child = child.map_err(|source| LoadError::Subchart {
            name,
            parent: chart.name().to_owned(),
            source: Box::new(source),
        })?;
        chart.warnings.append(&mut child.warnings);
        chart.dependencies.push(child);
    }
    Ok(chart)
}

fn apply_metadata(
    metadata: &mut Metadata,
    file: &File,
    name: &'static str,
    compat: Compat,
) -> Result<(), LoadError> {
    metadata
        .apply(&file.text())
        .map_err(|source| LoadError::Yaml {
            name,
            source: in_words_of(compat, source),
        })
}

/// The types of a chart are in another package of Helm v4.
pub(crate) fn in_words_of(compat: Compat, source: YamlError) -> YamlError {
    match compat {
        Compat::Helm3 => source,
        Compat::Helm4 => source
            .with("*chart.", "*v2.")
            .with("type chart.", "type v2."),
    }
}

/// Puts one file where it belongs in the chart.
fn place(
    chart: &mut Chart,
    subcharts: &mut BTreeMap<String, Vec<File>>,
    file: File,
    compat: Compat,
) -> Result<(), LoadError> {
    match file.name.as_str() {
        "Chart.yaml" => {}
        "Chart.lock" => chart.lock = Some(parse_lock(&file, "Chart.lock")?),
        "values.yaml" => chart.values = Some(Arc::new(parse_values(&file, compat)?)),
        "values.schema.json" => chart.schema = Some(Arc::clone(&file.data)),
        "requirements.yaml" => {
            if chart.metadata.api_version != "v1" {
                chart.warnings.push(DEPENDENCIES_MOVED.to_owned());
            }
            apply_metadata(&mut chart.metadata, &file, "requirements.yaml", compat)?;
            if chart.metadata.api_version == "v1" {
                chart.files.push(file);
            }
        }
        "requirements.lock" => {
            chart.lock = Some(parse_lock(&file, "requirements.lock")?);
            if chart.metadata.api_version != "v1" {
                chart.warnings.push(LOCK_MOVED.to_owned());
            }
            if chart.metadata.api_version == "v1" {
                chart.files.push(file);
            }
        }
        name if name.starts_with("templates/") => chart.templates.push(file),
        name if name.starts_with("charts/") && !name.ends_with(".prov") => {
            let inner = name["charts/".len()..].to_owned();
            let first = inner.split('/').next().unwrap_or_default().to_owned();
            subcharts.entry(first).or_default().push(File {
                name: inner,
                data: file.data,
            });
        }
        _ => chart.files.push(file),
    }
    Ok(())
}

fn parse_lock(file: &File, name: &'static str) -> Result<Lock, LoadError> {
    Lock::parse(&file.text()).map_err(|source| LoadError::Yaml { name, source })
}

fn parse_values(file: &File, compat: Compat) -> Result<Data, LoadError> {
    let name = "values.yaml";
    if compat == Compat::Helm4 {
        let values = parse_documents(&file.text())
            .map_err(|problem| LoadError::refused(format!("cannot load {name}: {problem}")))?;
        return Ok(Data::from_value(&Value::Map(values)));
    }
    let data = yaml::parse_data(&file.text()).map_err(|source| LoadError::Yaml { name, source })?;
    match data {
        Data::Null => Ok(Data::Map(BTreeMap::new())),
        Data::Map(_) => Ok(data),
        other => Err(LoadError::Yaml {
            name,
            source: YamlError::wrong_kind(other.json_kind(), "map[string]interface {}"),
        }),
    }
}

fn build_subchart(
    chart: &Chart,
    name: &str,
    mut files: Vec<File>,
    compat: Compat,
    depth: usize,
) -> Result<Chart, LoadError> {
    if name.ends_with(".tgz") {
        let file = files.swap_remove(0);
        if file.name != name {
            let parent = chart.name();
            return Err(LoadError::refused(format!(
                "error unpacking subchart tar in {parent}: expected {name}, got {}",
                file.name
            )));
        }
        return build(read_archive(file.data.as_ref())?, compat, depth + 1);
    }
    // What stands beside the subcharts, such as a README, has no second part and is left out.
    let files = files
        .into_iter()
        .filter_map(|file| {
            let (_, inner) = file.name.split_once('/')?;
            Some(File {
                name: inner.to_owned(),
                data: file.data,
            })
        })
        .collect();
    build(files, compat, depth + 1)
}
