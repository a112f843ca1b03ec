//! An envelope as one short text, so that it fits into a termination message beside its brief.

use std::io::{Read, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use verdict::report::Brief;

use crate::dsse::{ENVELOPE_BYTES_MAX, Envelope, Signature, decode};

/// Why a text is no packed envelope.
#[derive(Debug, thiserror::Error)]
#[error("the text is no packed envelope")]
pub struct PackError;

/// The envelope with its payload as it is: base64 within would not compress.
#[derive(Serialize, Deserialize)]
struct Packed {
    #[serde(rename = "t")]
    payload_type: String,
    #[serde(rename = "p")]
    payload: String,
    #[serde(rename = "s")]
    signatures: Vec<Signature>,
}

impl Envelope {
    /// Finds an envelope in a text: one by itself, or the one that a report or a brief carries.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        Self::parse(text).ok().or_else(|| {
            let brief = Brief::parse(text).ok()?;
            unpack(brief.attestation.as_deref()?).ok()
        })
    }
}

/// Packs an envelope: its JSON, deflated, in base64.
///
/// # Errors
/// [`PackError`] when the payload is no text.
pub fn pack(envelope: &Envelope) -> Result<String, PackError> {
    let payload = envelope.payload_bytes().map_err(|_| PackError)?;
    let packed = Packed {
        payload_type: envelope.payload_type.clone(),
        payload: String::from_utf8(payload).map_err(|_| PackError)?,
        signatures: envelope.signatures.clone(),
    };
    let json = serde_json::to_vec(&packed).map_err(|_| PackError)?;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&json).map_err(|_| PackError)?;
    let deflated = encoder.finish().map_err(|_| PackError)?;
    Ok(BASE64_STANDARD.encode(deflated))
}

/// Unpacks what [`pack`] made; no more than [`ENVELOPE_BYTES_MAX`] bytes are inflated.
///
/// # Errors
/// [`PackError`].
pub fn unpack(text: &str) -> Result<Envelope, PackError> {
    let deflated = decode(text.trim()).ok_or(PackError)?;
    let mut json = Vec::new();
    DeflateDecoder::new(deflated.as_slice())
        .take(ENVELOPE_BYTES_MAX as u64)
        .read_to_end(&mut json)
        .map_err(|_| PackError)?;
    let packed: Packed = serde_json::from_slice(&json).map_err(|_| PackError)?;
    Ok(Envelope {
        payload_type: packed.payload_type,
        payload: BASE64_STANDARD.encode(packed.payload),
        signatures: packed.signatures,
    })
}
