//! Where shards leave their files: a folder or an S3 prefix.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use tempfile::NamedTempFile;
use verdict::summary::RunError;

use super::error::ShardsError;
use super::file::{Facts, ShardFile, write};
use crate::dataset::{
    Location, Object, ObjectSource, S3Client, Share, SourceError, put_file, source_of,
};
use crate::judge::RunsOfPart;

/// What the name of a shard's file ends in.
const ENDING: &str = ".shard";
/// Bytes that are fetched and written at a time.
const CHUNK_BYTES: u64 = 16 * 1024 * 1024;

/// Returns the name of a shard's file; a shard that runs again writes over its own.
#[must_use]
pub fn file_name(share: Share) -> String {
    format!("{:05}-of-{:05}{ENDING}", share.index, share.of)
}

/// Writes a shard's file, so that a reader sees none or the whole one, and returns where it lies
/// and its size. Blocks while it writes.
///
/// # Errors
/// [`SourceError`]; an older file of the same shard stands.
pub async fn keep(
    place: &Location,
    facts: Facts,
    runs: Vec<RunsOfPart>,
    client: &mut Option<S3Client>,
) -> Result<(String, u64), SourceError> {
    let share = Share {
        index: facts.shard,
        of: facts.identity.shards,
    };
    let name = file_name(share);
    let uri = format!("{}/{name}", place.to_string().trim_end_matches('/'));
    let folder = match place {
        Location::Local(folder) => folder.clone(),
        Location::S3 { .. } => std::env::temp_dir(),
    };
    let failed = |error: std::io::Error| SourceError::Failed {
        uri: uri.clone(),
        source: error.into(),
    };
    let written = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        // Readable as any new file is: another pod may merge it.
        let file: NamedTempFile = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(&folder)?;
        let bytes = write(file.as_file(), facts, &runs).map_err(|error| match error {
            RunError::Io(error) => error,
            other => std::io::Error::other(other),
        })?;
        Ok::<_, std::io::Error>((file, bytes))
    });
    let written = written.await.map_err(std::io::Error::other);
    let (file, bytes) = written.and_then(|written| written).map_err(failed)?;
    match place {
        Location::Local(folder) => {
            file.as_file().sync_all().map_err(failed)?;
            file.persist(folder.join(&name))
                .map_err(|error| failed(error.error))?;
        }
        Location::S3 { bucket, key } => {
            let client = match client {
                Some(client) => client.clone(),
                None => client.insert(S3Client::from_environment().await).clone(),
            };
            let key = match key.trim_end_matches('/') {
                "" => name,
                prefix => format!("{prefix}/{name}"),
            };
            put_file(&client, bucket, &key, file.path()).await?;
        }
    }
    Ok((uri, bytes))
}

/// Opens all shards' files at a place, in the order of their names. Those on S3 are copied to files
/// without a name first.
///
/// # Errors
/// [`FetchError`].
pub async fn fetch_all(
    place: &Location,
    client: &mut Option<S3Client>,
) -> Result<Vec<ShardFile>, FetchError> {
    let source = source_of(place, client).await;
    let mut objects = source.list().await?;
    objects.retain(|object| object.name.ends_with(ENDING));
    let mut shards = Vec::with_capacity(objects.len());
    for object in objects {
        let file = match place {
            Location::Local(_) => File::open(&object.uri),
            Location::S3 { .. } => copied(source.as_ref(), &object).await?,
        };
        let file = file.map_err(|source| ShardsError::Io {
            name: object.name.clone(),
            source,
        })?;
        shards.push(ShardFile::open(object.name, file)?);
    }
    Ok(shards)
}

/// Why shards' files cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The place cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What lies there cannot be used.
    #[error(transparent)]
    Shards(#[from] ShardsError),
}

async fn copied(
    source: &dyn ObjectSource,
    object: &Object,
) -> Result<std::io::Result<File>, SourceError> {
    let mut file = match tempfile::tempfile() {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    let mut start = 0;
    while start < object.bytes {
        let end = object.bytes.min(start + CHUNK_BYTES);
        for bytes in source
            .read(object, std::slice::from_ref(&(start..end)))
            .await?
        {
            if let Err(error) = file.write_all(&bytes) {
                return Ok(Err(error));
            }
        }
        start = end;
    }
    Ok(Ok(file))
}
