//! Keys: Ed25519 and ECDSA on P-256 with SHA-256, in the PEM that `openssl` writes.

use std::fmt;

use ed25519_dalek::pkcs8::spki::DecodePublicKey as _;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signer as _, pkcs8};
use p256::ecdsa;
use p256::ecdsa::signature::Verifier as _;
use sha2::{Digest, Sha256};

/// The object identifier of Ed25519 keys (RFC 8410).
const ED25519: pkcs8::ObjectIdentifier = pkcs8::ObjectIdentifier::new_unwrap("1.3.101.112");
/// The object identifier of keys on elliptic curves (RFC 5480).
const ELLIPTIC: pkcs8::ObjectIdentifier = pkcs8::ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// Why a text is no usable key. No variant holds any of the text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// No PEM at all.
    #[error("the text is no PEM: expected `-----BEGIN {expected}-----`")]
    NotPem {
        /// The label that was expected.
        expected: &'static str,
    },
    /// PEM of another kind.
    #[error("the PEM holds a `{found}`; expected a `{expected}`")]
    OtherKind {
        /// The label that was expected.
        expected: &'static str,
        /// The label found.
        found: String,
    },
    /// A private key that a password protects.
    #[error("the private key is encrypted with a password")]
    Encrypted,
    /// A key for another algorithm.
    #[error("the key is for the algorithm {algorithm}; Ed25519 and ECDSA on P-256 are supported")]
    Algorithm {
        /// Its object identifier.
        algorithm: String,
    },
    /// The right label around something else.
    #[error("the key is malformed")]
    Malformed,
}

impl KeyError {
    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::OtherKind { expected, found } if found.ends_with("PRIVATE KEY") => format!(
                "that is the private half; write the `{expected}` by `openssl pkey -in KEY -pubout`"
            ),
            Self::OtherKind { .. } | Self::NotPem { .. } | Self::Algorithm { .. } => {
                "make a key by `openssl genpkey -algorithm ed25519`, its public half by `openssl pkey -in KEY -pubout`".into()
            }
            Self::Encrypted => {
                "take the password off by `openssl pkey -in KEY`, and guard the file by its mode or a secret store"
                    .into()
            }
            Self::Malformed => return None,
        })
    }
}

/// A key that checks signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// Ed25519 (RFC 8032).
    Ed25519(ed25519_dalek::VerifyingKey),
    /// ECDSA on P-256 with SHA-256 (FIPS 186-4).
    P256(ecdsa::VerifyingKey),
}

impl PublicKey {
    /// Reads a `PUBLIC KEY` in PEM (SubjectPublicKeyInfo, RFC 7468).
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        const EXPECTED: &str = "PUBLIC KEY";
        let text = text.trim();
        let label = label(text).ok_or(KeyError::NotPem { expected: EXPECTED })?;
        if label != EXPECTED {
            return Err(KeyError::OtherKind {
                expected: EXPECTED,
                found: label.to_owned(),
            });
        }
        let (_, document) = pkcs8::Document::from_pem(text).map_err(|_| KeyError::Malformed)?;
        let key: pkcs8::spki::SubjectPublicKeyInfoRef<'_> =
            document.decode_msg().map_err(|_| KeyError::Malformed)?;
        match key.algorithm.oid {
            ED25519 => ed25519_dalek::VerifyingKey::from_public_key_der(document.as_bytes())
                .map(Self::Ed25519)
                .map_err(|_| KeyError::Malformed),
            ELLIPTIC => match p256::PublicKey::from_public_key_der(document.as_bytes()) {
                Ok(key) => Ok(Self::P256(key.into())),
                Err(_) => Err(other_curve(&key.algorithm)),
            },
            other => Err(KeyError::Algorithm {
                algorithm: other.to_string(),
            }),
        }
    }

    /// Returns the SHA-256 of the key in DER, in hexadecimal: what
    /// `openssl pkey -pubin -outform DER | sha256sum` prints.
    #[must_use]
    pub fn id(&self) -> String {
        let der = match self {
            Self::Ed25519(key) => key.to_public_key_der(),
            Self::P256(key) => p256::PublicKey::from(key).to_public_key_der(),
        };
        hex::encode(Sha256::digest(
            der.expect("a key that was decoded can be encoded")
                .as_bytes(),
        ))
    }

    /// Returns the algorithm's name.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "ed25519",
            Self::P256(_) => "ecdsa-p256-sha256",
        }
    }

    /// Tells whether `signature` is this key's over `message`.
    ///
    /// Of ECDSA both encodings are taken: DER, as key stores and OpenSSL give it, and the 64
    /// bytes of r and s, as the DSSE specification's own example has it.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            // The strict form refuses keys and points of small order.
            Self::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Self::P256(key) => {
                let fixed = ecdsa::Signature::from_slice(signature);
                let der = ecdsa::Signature::from_der(signature);
                [fixed, der]
                    .into_iter()
                    .flatten()
                    .any(|signature| key.verify(message, &signature).is_ok())
            }
        }
    }
}

/// A key that signs.
#[derive(Clone)]
pub enum PrivateKey {
    /// Ed25519 (RFC 8032).
    Ed25519(ed25519_dalek::SigningKey),
    /// ECDSA on P-256 with SHA-256, with nonces by RFC 6979.
    P256(ecdsa::SigningKey),
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({})", self.public().id())
    }
}

impl PrivateKey {
    /// Reads a `PRIVATE KEY` (PKCS #8) or `EC PRIVATE KEY` (SEC 1) in PEM.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        const EXPECTED: &str = "PRIVATE KEY";
        let text = pem_of_key(text.trim());
        let label = label(text).ok_or(KeyError::NotPem { expected: EXPECTED })?;
        match label {
            EXPECTED => {}
            "EC PRIVATE KEY" => {
                return p256::SecretKey::from_sec1_pem(text)
                    .map(|key| Self::P256(key.into()))
                    .map_err(|_| KeyError::Malformed);
            }
            other if other.starts_with("ENCRYPTED") => return Err(KeyError::Encrypted),
            other => {
                return Err(KeyError::OtherKind {
                    expected: EXPECTED,
                    found: other.to_owned(),
                });
            }
        }
        let (_, document) =
            pkcs8::SecretDocument::from_pem(text).map_err(|_| KeyError::Malformed)?;
        let key: pkcs8::PrivateKeyInfo<'_> =
            document.decode_msg().map_err(|_| KeyError::Malformed)?;
        match key.algorithm.oid {
            ED25519 => ed25519_dalek::SigningKey::from_pkcs8_der(document.as_bytes())
                .map(Self::Ed25519)
                .map_err(|_| KeyError::Malformed),
            ELLIPTIC => match p256::SecretKey::from_pkcs8_der(document.as_bytes()) {
                Ok(key) => Ok(Self::P256(key.into())),
                Err(_) => Err(other_curve(&key.algorithm)),
            },
            other => Err(KeyError::Algorithm {
                algorithm: other.to_string(),
            }),
        }
    }

    /// Returns the half that checks.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Ed25519(key) => PublicKey::Ed25519(key.verifying_key()),
            Self::P256(key) => PublicKey::P256(*key.verifying_key()),
        }
    }

    /// Signs a message; an ECDSA signature is in DER.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.sign(message).to_vec(),
            Self::P256(key) => {
                let signature: ecdsa::Signature =
                    p256::ecdsa::signature::Signer::sign(key, message);
                signature.to_der().as_bytes().to_vec()
            }
        }
    }
}

/// Returns the label of PEM text, such as `PUBLIC KEY`.
fn label(text: &str) -> Option<&str> {
    let (label, _) = text.strip_prefix("-----BEGIN ")?.split_once("-----")?;
    Some(label)
}

/// Skips the `EC PARAMETERS` that `openssl ecparam -genkey` writes before the key.
fn pem_of_key(text: &str) -> &str {
    match text.find("-----BEGIN EC PRIVATE KEY-----") {
        Some(start) if text.starts_with("-----BEGIN EC PARAMETERS-----") => &text[start..],
        _ => text,
    }
}

/// Tells a broken key on P-256 from a good one on another curve.
fn other_curve(algorithm: &pkcs8::spki::AlgorithmIdentifierRef<'_>) -> KeyError {
    const P256: pkcs8::ObjectIdentifier =
        pkcs8::ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
    match algorithm.parameters_oid() {
        Ok(curve) if curve != P256 => KeyError::Algorithm {
            algorithm: curve.to_string(),
        },
        _ => KeyError::Malformed,
    }
}
