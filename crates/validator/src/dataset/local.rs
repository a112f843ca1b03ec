//! Files of this machine as a source of objects.

use std::fs::{self, File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::source::{FILES_MAX, Object, ObjectSource, SourceError, check_ranges, is_hidden};

/// A file, or all files below a directory.
#[derive(Debug, Clone)]
pub struct LocalSource {
    root: PathBuf,
}

impl LocalSource {
    /// Returns a source for a path that need not exist yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl ObjectSource for LocalSource {
    fn uri(&self) -> String {
        self.root.display().to_string()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Object>, SourceError>> {
        let root = self.root.clone();
        on_blocking_thread(self.uri(), move || list(&root)).boxed()
    }

    fn read<'a>(
        &'a self,
        object: &'a Object,
        ranges: &'a [Range<u64>],
    ) -> BoxFuture<'a, Result<Vec<Bytes>, SourceError>> {
        let (object, ranges) = (object.clone(), ranges.to_vec());
        on_blocking_thread(object.uri.clone(), move || read(&object, &ranges)).boxed()
    }
}

async fn on_blocking_thread<T: Send + 'static>(
    uri: String,
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(SourceError::Failed {
                uri,
                source: error.into(),
            })
        })
}

fn io_error(path: &Path, error: io::Error) -> SourceError {
    let uri = path.display().to_string();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SourceError::NotFound { uri },
        io::ErrorKind::PermissionDenied => SourceError::Denied {
            uri,
            source: error.into(),
        },
        _ => SourceError::Failed {
            uri,
            source: error.into(),
        },
    }
}

/// Identifies a file's state; a file written in place changes it.
fn pin(metadata: &Metadata) -> String {
    format!(
        "{}-{}-{}.{:09}",
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec()
    )
}

fn object(path: &Path, name: String, metadata: &Metadata) -> Object {
    Object {
        name,
        uri: path.display().to_string(),
        bytes: metadata.len(),
        pin: pin(metadata),
    }
}

fn list(root: &Path) -> Result<Vec<Object>, SourceError> {
    let metadata = fs::metadata(root).map_err(|error| io_error(root, error))?;
    if !metadata.is_dir() {
        let name = root.file_name().map_or_else(
            || root.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        );
        return Ok(vec![object(root, name, &metadata)]);
    }
    let mut objects = Vec::new();
    let mut folders = vec![(root.to_path_buf(), String::new())];
    // Links may form a circle; no sensible tree is this deep or this wide.
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| io_error(&folder, error))? {
            let entry = entry.map_err(|error| io_error(&folder, error))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if is_hidden(&name) {
                continue;
            }
            let path = entry.path();
            let metadata = fs::metadata(&path).map_err(|error| io_error(&path, error))?;
            if metadata.is_dir() {
                folders.push((path, format!("{name}/")));
            } else if metadata.is_file() {
                objects.push(object(&path, name, &metadata));
            }
            if objects.len() + folders.len() > FILES_MAX {
                return Err(SourceError::TooManyFiles {
                    uri: root.display().to_string(),
                });
            }
        }
    }
    objects.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(objects)
}

fn read(object: &Object, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, SourceError> {
    check_ranges(object, ranges)?;
    let path = Path::new(&object.uri);
    let file = File::open(path).map_err(|error| io_error(path, error))?;
    let metadata = file.metadata().map_err(|error| io_error(path, error))?;
    if pin(&metadata) != object.pin {
        return Err(SourceError::Changed {
            uri: object.uri.clone(),
        });
    }
    ranges
        .iter()
        .map(|range| {
            let mut buffer = vec![0; (range.end - range.start) as usize];
            match file.read_exact_at(&mut buffer, range.start) {
                Ok(()) => Ok(Bytes::from(buffer)),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Err(SourceError::Changed {
                        uri: object.uri.clone(),
                    })
                }
                Err(error) => Err(io_error(path, error)),
            }
        })
        .collect()
}
