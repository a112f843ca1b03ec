//! The envelope: Dead Simple Signing Envelope, version 1.
//!
//! Source: <https://github.com/secure-systems-lab/dsse>, `protocol.md` and `envelope.md`, v1.0.2.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::key::PublicKey;
use crate::place::{PlaceError, Signer};
use crate::statement::{Statement, StatementError};

/// The payload type of in-toto statements.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The most bytes of an envelope that are read.
pub const ENVELOPE_BYTES_MAX: usize = 1024 * 1024;
/// The most signatures of an envelope that are looked at.
const SIGNATURES_MAX: usize = 16;

/// An envelope as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// What the payload is; see [`PAYLOAD_TYPE`].
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// The payload in base64.
    pub payload: String,
    /// Who signed it.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// A hint which key made it; never trusted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub keyid: String,
    /// The signature in base64.
    pub sig: String,
}

/// Why a text is no envelope.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// More bytes than an envelope of a verdict can have.
    #[error("the text has {bytes} bytes, more than the {ENVELOPE_BYTES_MAX} of an envelope")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// Other text.
    #[error("the text is no DSSE envelope")]
    NotAnEnvelope(#[source] serde_json::Error),
    /// A payload that is no base64.
    #[error("the envelope's payload is no base64")]
    Payload,
}

impl Envelope {
    /// Reads an envelope's JSON.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn parse(text: &str) -> Result<Self, EnvelopeError> {
        if text.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::TooLong { bytes: text.len() });
        }
        serde_json::from_str(text).map_err(EnvelopeError::NotAnEnvelope)
    }

    /// Returns the JSON, one field a line.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Plain texts with text keys cannot fail to become JSON.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Returns the payload's bytes; nothing is verified yet.
    ///
    /// # Errors
    /// [`EnvelopeError::Payload`].
    pub fn payload_bytes(&self) -> Result<Vec<u8>, EnvelopeError> {
        decode(&self.payload).ok_or(EnvelopeError::Payload)
    }
}

/// Decodes base64 of either alphabet, as the specification demands of readers.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()
}

/// Returns what is signed: the pre-authentication encoding of type and payload.
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// Why a statement is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key's keeper refused.
    #[error("the verdict cannot be signed")]
    Signer(#[from] PlaceError),
    /// The signature is not the key's own.
    #[error("the signature that `{place}` gave is not one of its public key {key}")]
    WrongSignature {
        /// Where the key lies.
        place: String,
        /// The public key's id.
        key: String,
    },
}

/// Signs a statement. The signature is checked before it is handed on.
///
/// # Errors
/// [`SignError`].
pub fn sign(statement: &Statement, signer: &Signer) -> Result<Envelope, SignError> {
    let payload = statement.to_json();
    let message = pae(PAYLOAD_TYPE, payload.as_bytes());
    let signature = signer.sign(&message)?;
    let key = signer.public();
    if !key.verifies(&message, &signature) {
        return Err(SignError::WrongSignature {
            place: signer.place().to_owned(),
            key: key.id(),
        });
    }
    Ok(Envelope {
        payload_type: PAYLOAD_TYPE.to_owned(),
        payload: BASE64_STANDARD.encode(payload),
        signatures: vec![Signature {
            keyid: key.id(),
            sig: BASE64_STANDARD.encode(signature),
        }],
    })
}

/// A statement that one of the keys has signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// What was signed.
    pub statement: Statement,
    /// The id of the key that signed it.
    pub key_id: String,
}

/// Why an envelope is not believed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The envelope cannot be read.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A payload of another type.
    #[error("the envelope holds `{found}`, not `{PAYLOAD_TYPE}`")]
    PayloadType {
        /// The type found.
        found: String,
    },
    /// Nobody signed it.
    #[error("the envelope carries no signature")]
    Unsigned,
    /// No key fits.
    #[error(
        "no signature is by a known key: signed by {}, known {}",
        list(signed_by),
        list(known)
    )]
    UnknownKey {
        /// Ids that the signatures name.
        signed_by: Vec<String>,
        /// Ids of the known keys.
        known: Vec<String>,
    },
    /// The signature is by nobody although its key is known: something was changed.
    #[error(
        "the signature of the known key {key} does not fit: the verdict was changed after it was signed"
    )]
    Changed {
        /// The key's id.
        key: String,
    },
    /// Signed, but no verdict.
    #[error("what was signed is no verdict")]
    Statement(#[from] StatementError),
}

fn list(names: &[String]) -> String {
    let named = names.iter().filter(|name| !name.is_empty());
    let texts: Vec<String> = named.map(|name| format!("`{name}`")).collect();
    if texts.is_empty() {
        return "none".to_owned();
    }
    texts.join(", ")
}

/// Verifies an envelope: one signature by one of `keys` suffices. The payload is only looked
/// into once a signature fits.
///
/// # Errors
/// [`VerifyError`].
pub fn verify(envelope: &Envelope, keys: &[PublicKey]) -> Result<Verified, VerifyError> {
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(VerifyError::PayloadType {
            found: envelope.payload_type.clone(),
        });
    }
    let payload = envelope.payload_bytes()?;
    let message = pae(&envelope.payload_type, &payload);
    let signatures = &envelope.signatures[..envelope.signatures.len().min(SIGNATURES_MAX)];
    if signatures.is_empty() {
        return Err(VerifyError::Unsigned);
    }
    for signature in signatures {
        let Some(bytes) = decode(&signature.sig) else {
            continue;
        };
        if let Some(key) = keys.iter().find(|key| key.verifies(&message, &bytes)) {
            return Ok(Verified {
                statement: Statement::parse(&payload)?,
                key_id: key.id(),
            });
        }
    }
    let known: Vec<String> = keys.iter().map(PublicKey::id).collect();
    let mut named = signatures.iter().map(|signature| &signature.keyid);
    if let Some(key) = named.find(|id| known.contains(id)) {
        return Err(VerifyError::Changed { key: key.clone() });
    }
    let signed_by = signatures.iter().map(|signature| signature.keyid.clone());
    Err(VerifyError::UnknownKey {
        signed_by: signed_by.collect(),
        known,
    })
}
