//! Charts in directories: a walk in lexical order that follows links and obeys `.helmignore`.

use std::path::{Path, PathBuf};

use super::{CHART_BYTES_MAX, FILE_BYTES_MAX, FILES_MAX, IgnoreRules, LoadError};
use crate::model::File;

/// How deep folders may nest, which also ends a walk through links that lead back up.
const DEPTH_MAX: usize = 64;

/// What a chart directory holds.
pub(super) struct Found {
    pub(super) files: Vec<File>,
    /// A line in Helm's words for each link that was followed.
    pub(super) links: Vec<String>,
}

/// Reads every file of a chart directory that is not ignored.
///
/// Source: `internal/sympath/walk.go` of Helm v3.
pub(super) fn read(top: &Path) -> Result<Found, LoadError> {
    let rules = match std::fs::read(top.join(".helmignore")) {
        Ok(bytes) => {
            IgnoreRules::parse(&String::from_utf8_lossy(&bytes)).map_err(LoadError::Refused)?
        }
        Err(_) => IgnoreRules::default(),
    };
    let mut walk = Walk {
        rules: rules.with_defaults(),
        found: Found {
            files: Vec::new(),
            links: Vec::new(),
        },
        bytes_total: 0,
    };
    walk.folder(top, "", 0)?;
    Ok(walk.found)
}

struct Walk {
    rules: IgnoreRules,
    found: Found,
    bytes_total: u64,
}

impl Walk {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), LoadError> {
        if depth > DEPTH_MAX {
            return Err(LoadError::refused(format!(
                "folders of the chart nest deeper than {DEPTH_MAX} levels at {}; does a link lead back up?",
                folder.display()
            )));
        }
        let read_error = |source| LoadError::Read {
            path: folder.to_owned(),
            source,
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(read_error)? {
            names.push(entry.map_err(read_error)?.file_name());
        }
        names.sort();
        for name in names {
            let path = folder.join(&name);
            let name = format!("{prefix}{}", name.to_string_lossy());
            self.entry(&path, name, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &PathBuf, name: String, depth: usize) -> Result<(), LoadError> {
        let read_error = |source| LoadError::Read {
            path: path.clone(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(read_error)?;
        if self.rules.ignores(&name, metadata.is_dir()) {
            return Ok(());
        }
        if std::fs::symlink_metadata(path)
            .map_err(read_error)?
            .is_symlink()
        {
            let target = std::fs::canonicalize(path).map_err(read_error)?;
            self.found.links.push(format!(
                "found symbolic link in path: {} resolves to {}. Contents of linked file included and used",
                path.display(),
                target.display()
            ));
        }
        if metadata.is_dir() {
            return self.folder(path, &format!("{name}/"), depth + 1);
        }
        if !metadata.is_file() {
            return Err(LoadError::refused(format!(
                "cannot load irregular file {} as it has file mode type bits set",
                path.display()
            )));
        }
        if metadata.len() > FILE_BYTES_MAX {
            return Err(LoadError::refused(format!(
                "chart file {:?} is larger than the maximum file size {FILE_BYTES_MAX}",
                path.file_name().unwrap_or_default()
            )));
        }
        let data = std::fs::read(path).map_err(read_error)?;
        self.bytes_total += data.len() as u64;
        if self.bytes_total > CHART_BYTES_MAX || self.found.files.len() >= FILES_MAX {
            return Err(LoadError::refused(format!(
                "the chart is larger than {CHART_BYTES_MAX} bytes or {FILES_MAX} files"
            )));
        }
        let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&data);
        self.found.files.push(File {
            name,
            data: data.into(),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_in_lexical_order_without_what_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(".helmignore", "*.bak\n/secret/\n");
        write("Chart.yaml", "name: a\nversion: 0.1.0\n");
        write("templates/.hidden", "x");
        write("templates/b.yaml", "b");
        write("templates/a.yaml.bak", "x");
        write("secret/key", "x");
        let names: Vec<String> = read(folder.path())
            .unwrap()
            .files
            .into_iter()
            .map(|file| file.name)
            .collect();
        assert_eq!(names, [".helmignore", "Chart.yaml", "templates/b.yaml"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        std::fs::write(top.join("shared.tpl"), "x").unwrap();
        std::fs::create_dir(top.join("chart")).unwrap();
        std::os::unix::fs::symlink("../shared.tpl", top.join("chart/linked.tpl")).unwrap();
        let found = read(&top.join("chart")).unwrap();
        assert_eq!(found.files[0].name, "linked.tpl");
        let expected = format!(
            "found symbolic link in path: {0}/chart/linked.tpl resolves to {0}/shared.tpl. Contents of linked file included and used",
            top.display()
        );
        assert_eq!(found.links, [expected]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_back_up_is_an_error_and_not_a_hang() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        assert!(read(folder.path()).is_err());
    }
}
