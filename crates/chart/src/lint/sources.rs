//! Reads what the rules judge, from a folder or an archive, without judging it.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use template::Compat;

use crate::{
    load::{self, IgnoreRules},
    metadata::Metadata,
    model::{Chart, File},
};

/// How long the shortest archive is at least.
const GZIP_HEADER_BYTES: usize = 10;

/// A Chart.yaml as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartFile {
    Text(String),
    /// It is a folder; the text is what reading it said.
    Folder(String),
    /// It cannot be read.
    Unreadable(String),
}

/// What stands where a folder is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Missing,
    File,
    Folder,
}

impl Entry {
    fn of(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Ok(data) if data.is_dir() => Self::Folder,
            Ok(_) => Self::File,
            Err(_) => Self::Missing,
        }
    }

    fn in_archive(files: &BTreeMap<&str, &File>, name: &str) -> Self {
        let folder = format!("{name}/");
        if files.contains_key(name) {
            Self::File
        } else if files.keys().any(|path| path.starts_with(&folder)) {
            Self::Folder
        } else {
            Self::Missing
        }
    }
}

/// What the rules judge.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The chart's folder, absolute, or the archive's path: some findings are about all of it.
    pub folder: String,
    pub chart_file: ChartFile,
    /// The text of values.yaml, or why it cannot be read; `None` where there is none.
    pub values: Option<Result<String, String>>,
    /// The bytes of values.schema.json.
    pub schema: Option<Vec<u8>>,
    pub templates: Entry,
    pub crds: Entry,
    /// The loaded chart, or why it cannot be loaded.
    pub chart: Result<Chart, String>,
}

/// What cannot even be judged, in Helm's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LintError {
    #[error("unable to check Chart.yaml file in chart: stat {path}: {problem}")]
    NoChartFile { path: String, problem: String },
    #[error("unable to open tarball: open {path}: {problem}")]
    Open { path: String, problem: String },
    #[error("unable to extract tarball: {problem}")]
    Extract { problem: String },
}

impl Sources {
    /// Reads a chart's folder, or an archive that is told by its name.
    ///
    /// # Errors
    /// [`LintError`]: nothing there that could be a chart.
    pub fn read(path: &str, compat: Compat) -> Result<Self, LintError> {
        if path.ends_with(".tgz") || path.ends_with(".tar.gz") {
            return Self::read_archive(path, compat);
        }
        let chart_file = joined(path, "Chart.yaml");
        if let Err(error) = std::fs::metadata(&chart_file) {
            return Err(LintError::NoChartFile {
                path: chart_file,
                problem: go_problem(&error),
            });
        }
        let folder = absolute(path);
        let inside = |name: &str| folder.join(name);
        let read = |name: &str| {
            std::fs::read(inside(name)).map_err(|error| {
                let step = if inside(name).is_dir() {
                    "read"
                } else {
                    "open"
                };
                format!("{step} {}: {}", inside(name).display(), go_problem(&error))
            })
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let chart_file = match read("Chart.yaml") {
            Ok(bytes) => ChartFile::Text(text(bytes)),
            Err(problem) if inside("Chart.yaml").is_dir() => ChartFile::Folder(problem),
            Err(problem) => ChartFile::Unreadable(problem),
        };
        Ok(Self {
            chart_file,
            values: inside("values.yaml")
                .exists()
                .then(|| read("values.yaml").map(text)),
            schema: read("values.schema.json").ok(),
            templates: Entry::of(&inside("templates")),
            crds: Entry::of(&inside("crds")),
            chart: load::load_as(&folder, compat).map_err(|error| error.to_string()),
            folder: folder.display().to_string(),
        })
    }

    fn read_archive(path: &str, compat: Compat) -> Result<Self, LintError> {
        let bytes = std::fs::read(path).map_err(|error| LintError::Open {
            path: path.to_owned(),
            problem: go_problem(&error),
        })?;
        let extract = |problem: String| LintError::Extract { problem };
        if bytes.len() < GZIP_HEADER_BYTES {
            let problem = if bytes.is_empty() {
                "EOF"
            } else {
                "unexpected EOF"
            };
            return Err(extract(problem.to_owned()));
        }
        if !bytes.starts_with(b"\x1f\x8b") {
            return Err(extract("gzip: invalid header".to_owned()));
        }
        let files =
            load::read_archive(bytes.as_slice()).map_err(|error| extract(error.to_string()))?;
        check_name(&files).map_err(extract)?;
        let by_name: BTreeMap<&str, &File> = files
            .iter()
            .map(|file| (file.name.as_str(), file))
            .collect();
        let Some(chart_file) = by_name.get("Chart.yaml") else {
            return Err(extract("chart name not specified".to_owned()));
        };
        Ok(Self {
            folder: absolute(path).display().to_string(),
            chart_file: ChartFile::Text(chart_file.text()),
            values: by_name.get("values.yaml").map(|file| Ok(file.text())),
            schema: by_name
                .get("values.schema.json")
                .map(|file| file.data.to_vec()),
            templates: Entry::in_archive(&by_name, "templates"),
            crds: Entry::in_archive(&by_name, "crds"),
            chart: unpacked(&files, compat),
        })
    }
}

/// Loads the files as Helm loads the folder into which it unpacks them: in the order of their names
/// and without what .helmignore names.
fn unpacked(files: &[File], compat: Compat) -> Result<Chart, String> {
    let rules = match files.iter().find(|file| file.name == ".helmignore") {
        Some(file) => IgnoreRules::parse(&file.text())?,
        None => IgnoreRules::default(),
    }
    .with_defaults();
    let is_ignored = |name: &str| {
        rules.ignores(name, false)
            || name
                .match_indices('/')
                .any(|(at, _)| rules.ignores(&name[..at], true))
    };
    let mut kept: Vec<File> = files
        .iter()
        .filter(|file| !is_ignored(&file.name))
        .cloned()
        .collect();
    kept.sort_by(|left, right| left.name.split('/').cmp(right.name.split('/')));
    load::from_files_as(kept, compat).map_err(|error| error.to_string())
}

fn check_name(files: &[File]) -> Result<(), String> {
    let mut metadata = Metadata::default();
    for file in files.iter().filter(|file| file.name == "Chart.yaml") {
        metadata = Metadata::default();
        metadata
            .apply(&file.text())
            .map_err(|error| format!("cannot load Chart.yaml: {error}"))?;
    }
    let name = &metadata.name;
    if name.is_empty() {
        return Err("chart name not specified".to_owned());
    }
    if name == "." || name == ".." {
        return Err(format!(
            "chart name {} is not allowed",
            template::quoted(name)
        ));
    }
    if name.contains('/') {
        return Err(format!(
            "chart name {} must not contain path separators",
            template::quoted(name)
        ));
    }
    Ok(())
}

/// Joins as Go's `filepath.Join` does: the result has no `.` and no doubled slash.
fn joined(folder: &str, name: &str) -> String {
    cleaned(&Path::new(folder).join(name)).display().to_string()
}

fn absolute(path: &str) -> PathBuf {
    cleaned(&std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path)))
}

/// Resolves `.` and `..` in the text of a path alone, as Go's `filepath.Clean` does.
fn cleaned(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match clean.components().next_back() {
                Some(Component::Normal(_)) => {
                    clean.pop();
                }
                Some(Component::RootDir) => {}
                _ => clean.push(".."),
            },
            other => clean.push(other),
        }
    }
    clean
}

fn go_problem(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        std::io::ErrorKind::NotADirectory => "not a directory".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        for (folder, expected) in [
            ("./a/", "a/Chart.yaml"),
            ("a//b/../c", "a/c/Chart.yaml"),
            ("../x", "../x/Chart.yaml"),
            ("/..", "/Chart.yaml"),
            (".", "Chart.yaml"),
        ] {
            assert_eq!(joined(folder, "Chart.yaml"), expected);
        }
    }

    #[test]
    fn what_is_no_chart_is_an_error_in_helms_words() {
        let error = Sources::read("/no/such", Compat::Helm3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unable to check Chart.yaml file in chart: stat /no/such/Chart.yaml: no such file or directory"
        );
        let error = Sources::read("/no/such.tgz", Compat::Helm3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unable to open tarball: open /no/such.tgz: no such file or directory"
        );
    }
}
