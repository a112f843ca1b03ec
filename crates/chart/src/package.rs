//! A chart to a `.tgz`, the same bytes for the same chart wherever and whenever it is made.

use std::io;

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};
use template::yaml;

use crate::model::Chart;

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
    #[error("chart.metadata.version {version:?} is invalid")]
    Version { version: String },
    #[error("failed to write the archive of chart `{name}`")]
    Write {
        name: String,
        #[source]
        source: io::Error,
    },
}

/// Packs a chart as it was loaded: its files below a folder of its name, Chart.yaml first, the rest
/// by name, with no owner and no time.
///
/// # Errors
/// A version that is none, or a path that no archive can hold.
pub fn package(chart: &Chart, options: &PackageOptions) -> Result<Package, PackageError> {
    let mut metadata = chart.metadata.clone();
    if let Some(version) = &options.version {
        if !crate::version::is_valid(version) {
            return Err(PackageError::Version {
                version: version.clone(),
            });
        }
        metadata.version.clone_from(version);
    }
    if let Some(app_version) = &options.app_version {
        metadata.app_version.clone_from(app_version);
    }
    let is_changed = options.version.is_some() || options.app_version.is_some();
    let replaced = is_changed.then(|| {
        let json = serde_json::to_value(&metadata).unwrap_or_default();
        yaml::emit(&yaml::from_json(&json))
    });
    let mut files: Vec<(&str, &[u8])> = chart
        .raw
        .iter()
        .map(|file| match (&replaced, file.name.as_str()) {
            (Some(text), "Chart.yaml") => ("Chart.yaml", text.as_bytes()),
            (_, name) => (name, file.data.as_ref()),
        })
        .collect();
    files.sort_by_key(|(name, _)| (*name != "Chart.yaml", *name));
    let bytes = archive(&metadata.name, &files).map_err(|source| PackageError::Write {
        name: metadata.name.clone(),
        source,
    })?;
    Ok(Package {
        file_name: format!("{}-{}.tgz", metadata.name, metadata.version),
        bytes,
    })
}

fn archive(folder: &str, files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Vec::new(), Compression::best());
    let mut builder = Builder::new(gzip);
    for (name, data) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        builder.append_data(&mut header, format!("{folder}/{name}"), *data)?;
    }
    builder.into_inner()?.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{File, load};

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
        assert_eq!(again.raw[2].text(), "a: 1 # kept\n");
        let wrong = PackageOptions {
            version: Some("x".into()),
            app_version: None,
        };
        assert!(package(&chart, &wrong).is_err());
    }
}
