//! Brings a model onto this machine, where the scorer can map it.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::dataset::{Location, ObjectSource, S3Client, S3Source, SourceError};
use crate::error::GateError;

/// The most bytes of a model that are fetched.
const MODEL_BYTES_MAX: u64 = 32 * 1024 * 1024 * 1024;
/// Bytes that are fetched and written at a time; requests within are concurrent.
const CHUNK_BYTES: u64 = 64 * 1024 * 1024;

/// A model file on this machine; a fetched one is removed when this is dropped.
#[derive(Debug)]
pub struct ModelFile {
    path: PathBuf,
    _folder: Option<TempDir>,
}

impl ModelFile {
    /// Returns where the file lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Fetches the model unless it lies on this machine already. The content is pinned: an object
/// that is replaced meanwhile is an error, not a mixture.
///
/// # Errors
/// [`GateError`]; nothing is left on disk.
pub async fn fetch(
    location: &Location,
    client: &mut Option<S3Client>,
) -> Result<ModelFile, GateError> {
    let (bucket, key) = match location {
        Location::Local(path) => {
            return Ok(ModelFile {
                path: path.clone(),
                _folder: None,
            });
        }
        Location::S3 { bucket, key } => (bucket, key),
    };
    let uri = location.to_string();
    let store_error = |source| GateError::StoreModel {
        uri: uri.clone(),
        source,
    };
    let fetch_error = |source| GateError::FetchModel {
        uri: uri.clone(),
        source,
    };
    if key.is_empty() {
        return Err(fetch_error(SourceError::NotFound { uri: uri.clone() }));
    }
    let client = match client {
        Some(client) => client.clone(),
        None => client.insert(S3Client::from_environment().await).clone(),
    };
    let source = S3Source::new(client, bucket, key);
    let object = source.object().await.map_err(fetch_error)?;
    if object.bytes > MODEL_BYTES_MAX {
        return Err(GateError::ModelTooLarge {
            uri: uri.clone(),
            bytes: object.bytes,
            bytes_max: MODEL_BYTES_MAX,
        });
    }
    let folder = tempfile::Builder::new()
        .prefix("validator-model-")
        .tempdir()
        .map_err(store_error)?;
    // Not the object's own name, which may be longer than a file's name can be.
    let path = folder.path().join("model.pt");
    let mut file = std::fs::File::create_new(&path).map_err(store_error)?;
    let mut start = 0;
    while start < object.bytes {
        let end = object.bytes.min(start + CHUNK_BYTES);
        let chunk = source
            .read(&object, std::slice::from_ref(&(start..end)))
            .await
            .map_err(fetch_error)?;
        for bytes in chunk {
            file.write_all(&bytes).map_err(store_error)?;
        }
        start = end;
    }
    Ok(ModelFile {
        path,
        _folder: Some(folder),
    })
}
