//! The digest of a dataset's listing: known before a row is read.

use sha2::{Digest, Sha256};

use crate::dataset::{Dataset, Object, ObjectSource, SourceError};

/// Bytes of a local file that are read at a time.
const CHUNK_BYTES: u64 = 8 * 1024 * 1024;

/// Whether files without an ETag are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// They are, and have their SHA-256.
    Read,
    /// They are not: a dataset with such files has no digest.
    Leave,
}

/// Returns `sha256:` and the digest over name, size and identity of each file, in the order
/// of the names. The identity is the ETag, or of a file without one (a local file, or one in a
/// store that lists none) the SHA-256 of its content.
///
/// # Errors
/// [`SourceError`] when a file cannot be read.
pub async fn digest(dataset: &Dataset, contents: Contents) -> Result<Option<String>, SourceError> {
    let mut total = Sha256::new();
    for object in dataset.files() {
        let identity = match object.etag() {
            Some(etag) => format!("etag {etag}"),
            None if contents == Contents::Leave => return Ok(None),
            None => content(dataset.source().as_ref(), object).await?,
        };
        for text in [&object.name, &identity] {
            total.update((text.len() as u64).to_le_bytes());
            total.update(text);
        }
        total.update(object.bytes.to_le_bytes());
    }
    Ok(Some(format!("sha256:{}", hex::encode(total.finalize()))))
}

/// Returns `sha256:` and the digest over name, size and whatever the listing tells of the content of
/// each file: what shards must have in common. No file is read.
#[must_use]
pub fn listing(dataset: &Dataset) -> String {
    let mut total = Sha256::new();
    for object in dataset.files() {
        for text in [object.name.as_str(), object.listed_identity()] {
            total.update((text.len() as u64).to_le_bytes());
            total.update(text);
        }
        total.update(object.bytes.to_le_bytes());
    }
    format!("sha256:{}", hex::encode(total.finalize()))
}

async fn content(source: &dyn ObjectSource, object: &Object) -> Result<String, SourceError> {
    let mut digest = Sha256::new();
    let mut start = 0;
    while start < object.bytes {
        let end = object.bytes.min(start + CHUNK_BYTES);
        for bytes in source
            .read(object, std::slice::from_ref(&(start..end)))
            .await?
        {
            digest.update(&bytes);
        }
        start = end;
    }
    Ok(format!("sha256 {}", hex::encode(digest.finalize())))
}
