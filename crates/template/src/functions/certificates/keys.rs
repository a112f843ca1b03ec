//! Private keys: making, reading, writing, signing.

use dsa::{Components, KeySize};
use p256::ecdsa::signature::Signer as _;
use rsa::{
    BigUint, RsaPrivateKey,
    pkcs1v15::SigningKey,
    rand_core::OsRng,
    signature::SignatureEncoding as _,
    traits::{PrivateKeyParts as _, PublicKeyParts as _},
};
use sha2::Sha256;

use super::{
    der::{self, INTEGER, NULL, OBJECT_IDENTIFIER, OCTET_STRING, Reader, explicit},
    pem,
};

const RSA: &[u32] = &[1, 2, 840, 113_549, 1, 1, 1];
const RSA_SHA256: &[u32] = &[1, 2, 840, 113_549, 1, 1, 11];
const EC: &[u32] = &[1, 2, 840, 10_045, 2, 1];
const P256: &[u32] = &[1, 2, 840, 10_045, 3, 1, 7];
const ECDSA_SHA256: &[u32] = &[1, 2, 840, 10_045, 4, 3, 2];
const ED25519: &[u32] = &[1, 3, 101, 112];

/// A private key of one of the kinds that Sprig makes.
pub(super) enum PrivateKey {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::SecretKey),
    Ed25519(ed25519_dalek::SigningKey),
    /// Version, P, Q, G, Y and X: what Sprig writes of a DSA key, which signs nothing here.
    Dsa(Vec<u8>),
}

impl PrivateKey {
    pub(super) fn generate_rsa(bits: usize) -> Result<Self, String> {
        RsaPrivateKey::new(&mut OsRng, bits)
            .map(|key| Self::Rsa(Box::new(key)))
            .map_err(|error| error.to_string())
    }

    pub(super) fn generate_p256() -> Result<Self, String> {
        Ok(Self::P256(p256::SecretKey::random(&mut OsRng)))
    }

    pub(super) fn generate_ed25519() -> Result<Self, String> {
        Ok(Self::Ed25519(ed25519_dalek::SigningKey::generate(
            &mut OsRng,
        )))
    }

    pub(super) fn generate_dsa() -> Result<Self, String> {
        let components = Components::generate(&mut OsRng, KeySize::DSA_2048_256);
        let key = dsa::SigningKey::generate(&mut OsRng, components);
        let public = key.verifying_key();
        let parts = public.components();
        let numbers = [parts.p(), parts.q(), parts.g(), public.y(), key.x()];
        let mut fields = vec![der::integer(&[0])];
        fields.extend(
            numbers
                .iter()
                .map(|number| der::integer(&number.to_bytes_be())),
        );
        Ok(Self::Dsa(der::sequence(&fields)))
    }

    /// The key in the form that Sprig writes: PKCS#1, SEC 1 or PKCS#8 by kind.
    pub(super) fn to_pem(&self) -> String {
        match self {
            Self::Rsa(key) => pem::encode("RSA PRIVATE KEY", &pkcs1(key)),
            Self::P256(key) => pem::encode("EC PRIVATE KEY", &sec1(key)),
            Self::Dsa(content) => pem::encode("DSA PRIVATE KEY", content),
            Self::Ed25519(key) => {
                let seed = der::value(OCTET_STRING, &key.to_bytes());
                let content = der::sequence(&[
                    der::integer(&[0]),
                    der::sequence(&[der::identifier(ED25519)]),
                    der::value(OCTET_STRING, &seed),
                ]);
                pem::encode("PRIVATE KEY", &content)
            }
        }
    }

    /// Reads a key from PEM.
    ///
    /// # Errors
    /// Sprig's text.
    pub(super) fn from_pem(text: &str) -> Result<Self, String> {
        let block = pem::decode(text).ok_or("no PEM data in input")?;
        if block.label == "PRIVATE KEY" {
            return Self::from_pkcs8(&block.content).ok_or_else(|| {
                "decoding PEM as PKCS#8: asn1: structure error: malformed key".to_owned()
            });
        }
        let Some(kind) = block.label.strip_suffix(" PRIVATE KEY") else {
            return Err(format!(
                "no private key data in PEM block of type {}",
                block.label
            ));
        };
        let key = match kind {
            "RSA" => Self::from_pkcs1(&block.content),
            "EC" => Self::from_sec1(&block.content),
            "DSA" => Some(Self::Dsa(block.content)),
            _ => return Err(format!("invalid private key type {kind}")),
        };
        key.ok_or_else(|| {
            format!("parsing {kind} private key from PEM: asn1: structure error: malformed key")
        })
    }

    fn from_pkcs1(content: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(content).sequence()?;
        fields.expect(INTEGER)?;
        let mut number = || {
            fields
                .expect(INTEGER)
                .map(|field| BigUint::from_bytes_be(field.content))
        };
        let (modulus, public, private) = (number()?, number()?, number()?);
        let primes = vec![number()?, number()?];
        let key = RsaPrivateKey::from_components(modulus, public, private, primes).ok()?;
        Some(Self::Rsa(Box::new(key)))
    }

    fn from_sec1(content: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(content).sequence()?;
        fields.expect(INTEGER)?;
        let secret = fields.expect(OCTET_STRING)?;
        p256::SecretKey::from_slice(secret.content)
            .ok()
            .map(Self::P256)
    }

    fn from_pkcs8(content: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(content).sequence()?;
        fields.expect(INTEGER)?;
        let algorithm = fields.sequence()?.expect(OBJECT_IDENTIFIER)?;
        let key = fields.expect(OCTET_STRING)?.content;
        match algorithm.whole {
            whole if whole == der::identifier(RSA) => Self::from_pkcs1(key),
            whole if whole == der::identifier(EC) => Self::from_sec1(key),
            whole if whole == der::identifier(ED25519) => {
                let seed: [u8; 32] = Reader::new(key)
                    .expect(OCTET_STRING)?
                    .content
                    .try_into()
                    .ok()?;
                Some(Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed)))
            }
            _ => None,
        }
    }

    /// The bits of the public key, which a certificate holds and whose hash identifies it.
    pub(super) fn public_bits(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Rsa(key) => Ok(der::sequence(&[
                der::integer(&key.n().to_bytes_be()),
                der::integer(&key.e().to_bytes_be()),
            ])),
            Self::P256(key) => Ok(point(key)),
            Self::Ed25519(key) => Ok(key.verifying_key().to_bytes().to_vec()),
            Self::Dsa(_) => Err(unsupported()),
        }
    }

    /// The `SubjectPublicKeyInfo` of a certificate.
    pub(super) fn public_info(&self) -> Result<Vec<u8>, String> {
        let algorithm = match self {
            Self::Rsa(_) => vec![der::identifier(RSA), der::value(NULL, &[])],
            Self::P256(_) => vec![der::identifier(EC), der::identifier(P256)],
            Self::Ed25519(_) => vec![der::identifier(ED25519)],
            Self::Dsa(_) => return Err(unsupported()),
        };
        Ok(der::sequence(&[
            der::sequence(&algorithm),
            der::bits(&self.public_bits()?),
        ]))
    }

    /// The identifier of the algorithm that the key signs with.
    pub(super) fn signature_algorithm(&self) -> Result<Vec<u8>, String> {
        Ok(der::sequence(&match self {
            Self::Rsa(_) => vec![der::identifier(RSA_SHA256), der::value(NULL, &[])],
            Self::P256(_) => vec![der::identifier(ECDSA_SHA256)],
            Self::Ed25519(_) => vec![der::identifier(ED25519)],
            Self::Dsa(_) => return Err(unsupported()),
        }))
    }

    pub(super) fn sign(&self, content: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Rsa(key) => {
                let signer = SigningKey::<Sha256>::new(RsaPrivateKey::clone(key));
                signer
                    .try_sign(content)
                    .map(|signature| signature.to_vec())
                    .map_err(|error| error.to_string())
            }
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature =
                    p256::ecdsa::SigningKey::from(key).sign(content);
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Self::Ed25519(key) => Ok(key.sign(content).to_bytes().to_vec()),
            Self::Dsa(_) => Err(unsupported()),
        }
    }
}

fn unsupported() -> String {
    "x509: only RSA, ECDSA and Ed25519 keys supported".to_owned()
}

fn pkcs1(key: &RsaPrivateKey) -> Vec<u8> {
    let number = |number: &BigUint| der::integer(&number.to_bytes_be());
    let primes = key.primes();
    let one = BigUint::from(1u8);
    let coefficient = key.crt_coefficient().unwrap_or_default();
    der::sequence(&[
        der::integer(&[0]),
        number(key.n()),
        number(key.e()),
        number(key.d()),
        number(&primes[0]),
        number(&primes[1]),
        number(&(key.d() % (&primes[0] - &one))),
        number(&(key.d() % (&primes[1] - &one))),
        number(&coefficient),
    ])
}

/// The uncompressed point of the public key.
fn point(key: &p256::SecretKey) -> Vec<u8> {
    use p256::elliptic_curve::sec1::ToEncodedPoint as _;
    key.public_key().to_encoded_point(false).as_bytes().to_vec()
}

fn sec1(key: &p256::SecretKey) -> Vec<u8> {
    der::sequence(&[
        der::integer(&[1]),
        der::value(OCTET_STRING, &key.to_bytes()),
        der::value(explicit(0), &der::identifier(P256)),
        der::value(explicit(1), &der::bits(&point(key))),
    ])
}
