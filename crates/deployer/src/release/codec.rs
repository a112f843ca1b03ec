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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::release::{ApplyMethod, HookPhase, Release, Status};

    /// The fields that Helm 3.22 and 4.3 write, and one that nobody knows yet.
    fn record_of_helm() -> Value {
        json!({
            "name": "web",
            "info": {
                "first_deployed": "2026-03-01T10:00:00.123456789Z", "last_deployed": "2026-03-01T10:00:00Z",
                "deleted": "", "description": "Install complete", "status": "deployed", "rollback_revision": 3
            },
            "chart": {"metadata": {"name": "web", "version": "1.2.3", "appVersion": "9"}, "templates": [], "future": 1},
            "config": {"replicas": 2, "big": 1e300},
            "manifest": "---\n# Source: web/templates/a.yaml\n",
            "hooks": [{
                "name": "gate", "kind": "Job", "path": "web/templates/gate.yaml", "manifest": "kind: Job",
                "events": ["pre-upgrade", "crd-install"],
                "last_run": {"started_at": "", "completed_at": "", "phase": "Succeeded"},
                "delete_policies": ["hook-succeeded"], "future": "kept"
            }],
            "version": 2, "namespace": "prod", "future": {"a": 1}
        })
    }

    #[test]
    fn a_record_of_helm_is_rewritten_without_losing_a_field() {
        let release: Release = decode(encode(&record_of_helm()).unwrap().as_bytes()).unwrap();
        assert_eq!(release.info.status, Status::Deployed);
        assert_eq!(release.hooks[0].last_run.phase, HookPhase::Succeeded);
        assert_eq!(release.applied_by(), ApplyMethod::ClientSide);
        assert_eq!(
            (
                release.chart_name(),
                release.chart_version(),
                release.app_version()
            ),
            ("web", "1.2.3", "9")
        );
        let again: Value = decode(encode(&release).unwrap().as_bytes()).unwrap();
        let mut expected = record_of_helm();
        // Times of "never" are left out, as Helm 4 does; Helm 3 reads both.
        expected["info"].as_object_mut().unwrap().remove("deleted");
        let last_run = expected["hooks"][0]["last_run"].as_object_mut().unwrap();
        last_run.remove("started_at");
        last_run.remove("completed_at");
        assert_eq!(again, expected);
    }

    #[test]
    fn a_record_that_was_not_compressed_is_read() {
        let text = STANDARD.encode(record_of_helm().to_string());
        let release: Release = decode(text.as_bytes()).unwrap();
        assert_eq!(release.version.0, 2);
    }

    #[test]
    fn damage_is_named_by_its_layer() {
        let packed = encode(&record_of_helm()).unwrap();
        let cut = STANDARD.encode(&STANDARD.decode(&packed).unwrap()[..40]);
        let read = |text: &str| decode::<Release>(text.as_bytes()).unwrap_err();
        assert!(matches!(read("no base64!"), CodecError::Base64(_)));
        assert!(matches!(read(&cut), CodecError::Gzip(_)));
        assert!(matches!(read(&STANDARD.encode("[]")), CodecError::Json(_)));
    }
}
