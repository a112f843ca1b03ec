//! The encoding of a record: base64 of gzip of JSON, as Helm's storage drivers write it.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// The largest record that is unpacked, in bytes: far above what a 1 MiB Secret can hold,
/// and a bound on a record made to exhaust memory.
const RECORD_BYTES_MAX: u64 = 256 << 20;
/// The first three bytes of a gzip stream with deflate; records of old Helm versions lack them.
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Why a record cannot be read or written.
#[derive(Debug, Error)]
pub enum CodecError {
    /// The outer layer is damaged.
    #[error("record is not base64")]
    Base64(#[source] base64::DecodeError),
    /// The middle layer is damaged.
    #[error("record does not unpack")]
    Gzip(#[source] std::io::Error),
    /// The record is larger than anything that was ever stored.
    #[error("record unpacks to more than {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
    /// The inner layer is not the JSON of a record.
    #[error("record is not the JSON that was expected")]
    Json(#[source] serde_json::Error),
}

/// Encodes a record as the text that Helm stores under the key `release`.
///
/// In a Secret the API adds a base64 layer of its own around this text.
///
/// # Errors
/// [`CodecError::Json`] when a value has no JSON form.
pub fn encode<T: Serialize>(record: &T) -> Result<String, CodecError> {
    let json = serde_json::to_vec(record).map_err(CodecError::Json)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&json).map_err(CodecError::Gzip)?;
    Ok(STANDARD.encode(encoder.finish().map_err(CodecError::Gzip)?))
}

/// Decodes what [`encode`] or Helm wrote; JSON that was not compressed is accepted.
///
/// # Errors
/// Says which of the three layers is damaged.
pub fn decode<T: DeserializeOwned>(text: &[u8]) -> Result<T, CodecError> {
    let packed = STANDARD
        .decode(text.trim_ascii())
        .map_err(CodecError::Base64)?;
    if !packed.starts_with(&GZIP_MAGIC) {
        return serde_json::from_slice(&packed).map_err(CodecError::Json);
    }
    let mut json = Vec::new();
    GzDecoder::new(packed.as_slice())
        .take(RECORD_BYTES_MAX + 1)
        .read_to_end(&mut json)
        .map_err(CodecError::Gzip)?;
    if json.len() as u64 > RECORD_BYTES_MAX {
        return Err(CodecError::TooLarge {
            bytes_max: RECORD_BYTES_MAX,
        });
    }
    serde_json::from_slice(&json).map_err(CodecError::Json)
}
