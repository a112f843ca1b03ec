//! A chart to a `.tgz`, the same bytes for the same chart wherever and whenever it is made.

use std::{io, sync::Arc};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};
use template::yaml;

use crate::{
    load::inner_name,
    lock,
    model::{Chart, File},
};

/// What `package` may change on the way.
#[derive(Debug, Clone, Default)]
pub struct PackageOptions {
    /// Replaces the chart's version.
    pub version: Option<String>,
    /// Replaces the version of the application.
    pub app_version: Option<String>,
}

/// A chart in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// `name-version.tgz`.
    pub file_name: String,
    pub bytes: Vec<u8>,
}

/// A chart that cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("version {version:?} is no semantic version")]
    Version { version: String },
    #[error("Invalid JSON in values.schema.json")]
    Schema,
    #[error("no chart can hold a file at {path:?}: {problem}")]
    Path { path: String, problem: String },
    #[error("failed to write the archive of chart `{name}`")]
    Write {
        name: String,
        #[source]
        source: io::Error,
    },
}

/// Packs a chart below a folder of its name, in Helm's order and with no owner and no time: Chart.yaml
/// as its fields say it, Chart.lock, values, schema, templates, other files, then the subcharts, which
/// are unpacked.
///
/// # Errors
/// A version that is none, a schema that is no JSON, or a path that no archive can hold.
///
/// Source: Helm v3.22 pkg/chartutil/save.go.
pub fn package(chart: &Chart, options: &PackageOptions) -> Result<Package, PackageError> {
    let mut chart = chart.clone();
    if let Some(version) = &options.version {
        chart.metadata.version.clone_from(version);
    }
    if let Some(app_version) = &options.app_version {
        chart.metadata.app_version.clone_from(app_version);
    }
    let version = &chart.metadata.version;
    if !crate::version::is_valid(version) {
        return Err(PackageError::Version {
            version: version.clone(),
        });
    }
    let mut files = Vec::new();
    collect(&chart, "", &mut files)?;
    // What every loader refuses, Helm's too, is better refused before it is published.
    for file in &files {
        let wanted = file.name.split_once('/').map(|(_, rest)| rest);
        let problem = match inner_name(&file.name) {
            Ok(found) if Some(found.as_str()) == wanted => continue,
            Ok(found) => format!("it would be read as {found:?}"),
            Err(error) => error.to_string(),
        };
        return Err(PackageError::Path {
            path: file.name.clone(),
            problem,
        });
    }
    let bytes = archive(&files).map_err(|source| PackageError::Write {
        name: chart.name().to_owned(),
        source,
    })?;
    Ok(Package {
        file_name: format!("{}-{}.tgz", chart.name(), chart.metadata.version),
        bytes,
    })
}

fn collect(chart: &Chart, prefix: &str, files: &mut Vec<File>) -> Result<(), PackageError> {
    let base = format!("{prefix}{}", chart.name());
    let mut add = |name: &str, data: Arc<[u8]>| {
        files.push(File {
            name: format!("{base}/{name}"),
            data,
        });
    };
    let is_v1 = chart.metadata.api_version == "v1";
    let mut metadata = chart.metadata.clone();
    if is_v1 {
        // These stand in requirements.yaml.
        metadata.dependencies.clear();
    }
    let json = serde_json::to_value(&metadata).unwrap_or_default();
    let text = yaml::emit(&yaml::from_json(&json));
    add("Chart.yaml", text.into_bytes().into());
    if let Some(lock) = chart.lock.as_ref().filter(|_| !is_v1) {
        add("Chart.lock", lock::to_yaml(lock).into_bytes().into());
    }
    for file in chart.raw.iter().filter(|file| file.name == "values.yaml") {
        add(&file.name, Arc::clone(&file.data));
    }
    if let Some(schema) = &chart.schema {
        if serde_json::from_slice::<serde::de::IgnoredAny>(schema).is_err() {
            return Err(PackageError::Schema);
        }
        add("values.schema.json", Arc::clone(schema));
    }
    for file in chart.templates.iter().chain(&chart.files) {
        add(&file.name, Arc::clone(&file.data));
    }
    let prefix = format!("{base}/charts/");
    chart
        .dependencies
        .iter()
        .try_for_each(|child| collect(child, &prefix, files))
}

fn archive(files: &[File]) -> io::Result<Vec<u8>> {
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Vec::new(), Compression::best());
    let mut builder = Builder::new(gzip);
    for file in files {
        let data = file.data.as_ref();
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        builder.append_data(&mut header, &file.name, data)?;
    }
    builder.into_inner()?.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    /// Found by fuzzing: the archive was made, and nobody could load it.
    #[test]
    fn a_name_that_no_archive_can_hold_is_refused() {
        for name in ["a\\..\\x", "a\\b"] {
            let mut chart = Chart::default();
            chart.metadata.name = name.to_owned();
            chart.metadata.version = "1.0.0".to_owned();
            let error = package(&chart, &PackageOptions::default()).unwrap_err();
            assert!(matches!(error, PackageError::Path { .. }), "{error}");
        }
    }

    #[test]
    fn a_package_loads_again_and_has_the_same_bytes_each_time() {
        let file = |name: &str, text: &str| File {
            name: name.into(),
            data: text.as_bytes().into(),
        };
        let chart = load::from_files(vec![
            file("values.yaml", "a: 1 # kept\n"),
            file("Chart.yaml", "apiVersion: v2\nname: demo\nversion: 1.0.0\n"),
            file("charts/child/Chart.yaml", "name: child\nversion: 0.1.0\n"),
        ])
        .unwrap();
        let options = PackageOptions {
            version: Some("2.0.0".into()),
            app_version: None,
        };
        let packed = package(&chart, &options).unwrap();
        assert_eq!(packed.file_name, "demo-2.0.0.tgz");
        assert_eq!(packed, package(&chart, &options).unwrap());
        let again = load::load_archive(packed.bytes.as_slice()).unwrap();
        assert_eq!(again.metadata.version, "2.0.0");
        assert_eq!(again.dependencies[0].name(), "child");
        assert_eq!(again.raw[1].text(), "a: 1 # kept\n");
        let wrong = PackageOptions {
            version: Some("x".into()),
            app_version: None,
        };
        assert!(package(&chart, &wrong).is_err());
    }
}
