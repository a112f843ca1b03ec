//! Provenance: a chart's archive tied to who packed it, by an OpenPGP signature in a file beside it.
//!
//! The signed text is the chart's metadata and the digest of the archive. Keys come from keyring
//! files, binary as GnuPG exports them or in armour.
//!
//! Source: Helm v3.22 pkg/provenance/sign.go.

use std::path::Path;

use pgp::composed::{ArmorOptions, CleartextSignedMessage, PublicOrSecret, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SecretKey, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails, KeyVersion, Password, Timestamp};
use sha2::{Digest, Sha256};
use template::yaml::{self, Data};
use thiserror::Error;

/// What separates the metadata from the digests.
const SEPARATOR: &str = "\n...\n";

/// A signature that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The names of the key, as `Name <address>`.
    pub signed_by: Vec<String>,
    /// The fingerprint of the key, in upper case.
    pub fingerprint: String,
    /// `sha256:…` of the archive.
    pub file_hash: String,
}

impl Verification {
    /// What Helm prints of it.
    pub fn lines(&self) -> Vec<String> {
        let signers = self
            .signed_by
            .iter()
            .map(|name| format!("Signed by: {name}"));
        signers
            .chain([
                format!("Using Key With Fingerprint: {}", self.fingerprint),
                format!("Chart Hash Verified: {}", self.file_hash),
            ])
            .collect()
    }
}

/// Why an archive cannot be signed, or its signature does not count.
#[derive(Debug, Error)]
pub enum ProvenanceError {
    #[error("failed to load keyring: open {path}: {problem}")]
    Keyring { path: String, problem: String },
    #[error("could not load provenance file {path}: {problem}")]
    NoProvenance { path: String, problem: String },
    #[error("unpacked charts cannot be verified")]
    Unpacked,
    #[error("chart must be a tgz file")]
    NotAnArchive,
    #[error("{0}")]
    Read(String),
    #[error("private key not found")]
    NoKey,
    #[error("provided key is not a private key. Try providing a keyring with secret keys")]
    NotPrivate,
    #[error("more than one key contain the id {0:?}")]
    Vague(String),
    #[error("the key cannot be unlocked: the passphrase is wrong")]
    Passphrase,
    #[error("keys of this version cannot sign charts")]
    KeyVersion,
    #[error("failed to sign")]
    Sign(#[source] Box<pgp::errors::Error>),
    #[error("failed to decode signature: {0}")]
    Decode(String),
    #[error("openpgp: signature made by unknown entity")]
    UnknownSigner,
    #[error("openpgp: invalid signature: {0}")]
    Invalid(String),
    #[error("message block must have at least two parts")]
    Parts,
    #[error("provenance does not contain a SHA for a file named {0:?}")]
    NotNamed(String),
    #[error("sha256 sum does not match for {file}: {wanted:?} != {found:?}")]
    Sum {
        file: String,
        wanted: String,
        found: String,
    },
}

impl ProvenanceError {
    /// Returns what can be done about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Keyring { .. } => {
                "name the file of keys by `--keyring`; GnuPG writes one by `gpg --export > pubring.gpg`"
            }
            Self::NoProvenance { .. } => {
                "the chart was packaged without `--sign`, or its .prov file was left behind"
            }
            Self::NoKey => {
                "`--key` names a part of the key's name, and `--keyring` the file that holds it"
            }
            Self::NotPrivate => {
                "GnuPG writes private keys by `gpg --export-secret-keys > secring.gpg`"
            }
            Self::UnknownSigner => {
                "the keyring lacks the signer's public key: add it only if you trust the signer"
            }
            Self::Invalid(_) | Self::Sum { .. } => {
                "do not use this chart: fetch it again from a source that you trust"
            }
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// The keys of a keyring file.
pub struct Keyring {
    keys: Vec<PublicOrSecret>,
}

/// A private key that may sign.
pub struct Signer<'ring> {
    key: &'ring SecretKey,
    name: String,
}

impl Keyring {
    /// Reads a keyring file.
    ///
    /// # Errors
    /// No such file, or one that holds something else than keys.
    pub fn read(path: &Path) -> Result<Self, ProvenanceError> {
        let failed = |problem: String| ProvenanceError::Keyring {
            path: path.display().to_string(),
            problem,
        };
        let bytes = std::fs::read(path).map_err(|error| failed(problem(&error)))?;
        Self::parse(&bytes).map_err(failed)
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (keys, _) =
            PublicOrSecret::from_reader_many_buf(bytes).map_err(|error| error.to_string())?;
        // A ring may hold keys of kinds that nobody needs here; those that can be read count.
        let keys: Vec<PublicOrSecret> = keys.filter_map(Result::ok).collect();
        if keys.is_empty() {
            return Err("it holds no OpenPGP keys".to_owned());
        }
        Ok(Self { keys })
    }

    /// Finds the private key whose name is the given one, or the only one whose name contains it.
    ///
    /// # Errors
    /// No such key, several, or one without its private part.
    pub fn signer(&self, id: &str) -> Result<Signer<'_>, ProvenanceError> {
        let named = |key: &PublicOrSecret, matches: &dyn Fn(&str) -> bool| {
            names(key).iter().any(|name| matches(name))
        };
        let exact = self.keys.iter().find(|key| named(key, &|name| name == id));
        let key = match exact {
            Some(key) => key,
            None => {
                let mut found = self
                    .keys
                    .iter()
                    .filter(|key| named(key, &|name| name.contains(id)));
                let first = found.next().ok_or(ProvenanceError::NoKey)?;
                if found.next().is_some() {
                    return Err(ProvenanceError::Vague(id.to_owned()));
                }
                first
            }
        };
        match key {
            PublicOrSecret::Public(_) => Err(ProvenanceError::NotPrivate),
            PublicOrSecret::Secret(secret) => Ok(Signer {
                key: &secret.primary_key,
                name: names(key).into_iter().next().unwrap_or_default(),
            }),
        }
    }

    /// Checks an archive against its provenance.
    ///
    /// `name` is the archive's file name, which the provenance has to name.
    ///
    /// # Errors
    /// [`ProvenanceError`] says whether the signer is unknown, the signature wrong or the archive
    /// another one.
    pub fn verify(
        &self,
        name: &str,
        archive: &[u8],
        provenance: &str,
    ) -> Result<Verification, ProvenanceError> {
        let Some(start) = provenance.find("-----BEGIN PGP SIGNED MESSAGE-----") else {
            return Err(ProvenanceError::Decode(
                "signature block not found".to_owned(),
            ));
        };
        let (message, _) = CleartextSignedMessage::from_string(provenance[start..].trim_end())
            .map_err(|error| ProvenanceError::Decode(error.to_string()))?;
        let key = self.key_of(&message)?;
        let text = message.signed_text().replace("\r\n", "\n");
        let (_, sums) = text.split_once(SEPARATOR).ok_or(ProvenanceError::Parts)?;
        let sums =
            yaml::parse_data(sums).map_err(|error| ProvenanceError::Decode(error.to_string()))?;
        let wanted = sums.get("files").and_then(|files| files.get(name));
        let Some(Data::Text(wanted)) = wanted else {
            return Err(ProvenanceError::NotNamed(name.to_owned()));
        };
        let found = digest(archive);
        if *wanted != found {
            return Err(ProvenanceError::Sum {
                file: name.to_owned(),
                wanted: wanted.clone(),
                found,
            });
        }
        Ok(Verification {
            signed_by: names(key),
            fingerprint: public(key).fingerprint().to_string().to_uppercase(),
            file_hash: found,
        })
    }

    /// Finds the key that made a signature of the message, its own or that of a subkey.
    fn key_of(&self, message: &CleartextSignedMessage) -> Result<&PublicOrSecret, ProvenanceError> {
        let mut problem = None;
        for key in &self.keys {
            let public = public(key);
            let is_meant = |signature: &Signature| is_made_by(signature, &public);
            if !message.signatures().iter().any(is_meant) {
                continue;
            }
            match counts(message, &public) {
                Ok(()) => return Ok(key),
                Err(text) => problem = Some(text),
            }
        }
        Err(match problem {
            Some(text) => ProvenanceError::Invalid(text),
            None => ProvenanceError::UnknownSigner,
        })
    }
}

fn public(key: &PublicOrSecret) -> SignedPublicKey {
    match key {
        PublicOrSecret::Public(key) => key.clone(),
        PublicOrSecret::Secret(key) => key.to_public_key(),
    }
}

fn names(key: &PublicOrSecret) -> Vec<String> {
    let details = match key {
        PublicOrSecret::Public(key) => &key.details,
        PublicOrSecret::Secret(key) => &key.details,
    };
    details
        .users
        .iter()
        .map(|user| String::from_utf8_lossy(user.id.id()).into_owned())
        .collect()
}

fn is_made_by(signature: &Signature, key: &SignedPublicKey) -> bool {
    let issuers = signature.issuer_key_id();
    let fingerprints = signature.issuer_fingerprint();
    let is_one = |id: &pgp::types::KeyId, fingerprint: &pgp::types::Fingerprint| {
        issuers.contains(&id) || fingerprints.contains(&fingerprint)
    };
    is_one(&key.legacy_key_id(), &key.fingerprint())
        || key
            .public_subkeys
            .iter()
            .any(|subkey| is_one(&subkey.legacy_key_id(), &subkey.fingerprint()))
}

/// Whether the key may sign, and has signed this.
fn counts(message: &CleartextSignedMessage, key: &SignedPublicKey) -> Result<(), String> {
    key.verify_bindings()
        .map_err(|error| format!("the key does not hold together: {error}"))?;
    if !key.details.revocation_signatures.is_empty() {
        return Err("the key is revoked".to_owned());
    }
    if has_expired(key) {
        return Err("the key has expired".to_owned());
    }
    let signature = match message.verify(&key.primary_key) {
        Ok(signature) => Some(signature),
        Err(_) => key
            .public_subkeys
            .iter()
            .filter(|subkey| {
                subkey
                    .signatures
                    .iter()
                    .any(|binding| binding.key_flags().sign())
            })
            .find_map(|subkey| message.verify(&subkey.key).ok()),
    };
    let Some(signature) = signature else {
        return Err("the text was changed, or the key did not sign it".to_owned());
    };
    let created = signature.created().map_or(0, |time| time.as_secs());
    let lifetime = signature
        .signature_expiration_time()
        .map_or(0, |lifetime| lifetime.as_secs());
    if lifetime != 0 && u64::from(created) + u64::from(lifetime) < now() {
        return Err("the signature has expired".to_owned());
    }
    Ok(())
}

/// The newest word of the key about its own life counts.
fn has_expired(key: &SignedPublicKey) -> bool {
    let own = key
        .details
        .users
        .iter()
        .flat_map(|user| &user.signatures)
        .chain(&key.details.direct_signatures)
        .filter(|signature| is_made_by(signature, key));
    let newest = own.max_by_key(|signature| signature.created().map_or(0, |time| time.as_secs()));
    let lifetime = newest
        .and_then(Signature::key_expiration_time)
        .map_or(0, |lifetime| lifetime.as_secs());
    let created = key.primary_key.created_at().as_secs();
    lifetime != 0 && u64::from(created) + u64::from(lifetime) < now()
}

fn now() -> u64 {
    u64::from(Timestamp::now().as_secs())
}

impl Signer<'_> {
    /// The name of the key, for who is asked for its passphrase.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether the key has to be unlocked.
    pub fn is_locked(&self) -> bool {
        self.key.secret_params().is_encrypted()
    }

    /// Signs an archive; returns the text of its provenance file.
    ///
    /// `metadata` is Chart.yaml as Helm writes it; `name` is the archive's file name.
    ///
    /// # Errors
    /// A wrong passphrase, or a key that cannot sign.
    pub fn sign(
        &self,
        metadata: &str,
        name: &str,
        archive: &[u8],
        passphrase: &str,
    ) -> Result<String, ProvenanceError> {
        let text = signed_text(metadata, name, archive);
        let failed = |error| ProvenanceError::Sign(Box::new(error));
        if self.key.version() != KeyVersion::V4 {
            return Err(ProvenanceError::KeyVersion);
        }
        let password = Password::from(passphrase);
        if self.is_locked() {
            let unlocked = self.key.unlock(&password, |_, _| Ok(()));
            if !matches!(unlocked, Ok(Ok(()))) {
                return Err(ProvenanceError::Passphrase);
            }
        }
        let mut config = SignatureConfig::v4(
            SignatureType::Text,
            self.key.algorithm(),
            HashAlgorithm::Sha512,
        );
        let regular = |data| Subpacket::regular(data).map_err(failed);
        config.hashed_subpackets = vec![
            regular(SubpacketData::SignatureCreationTime(Timestamp::now()))?,
            regular(SubpacketData::IssuerFingerprint(self.key.fingerprint()))?,
        ];
        config.unhashed_subpackets = vec![regular(SubpacketData::IssuerKeyId(
            self.key.legacy_key_id(),
        ))?];
        let message =
            CleartextSignedMessage::new(&text, config, self.key, &password).map_err(failed)?;
        message
            .to_armored_string(ArmorOptions::default())
            .map_err(failed)
    }
}

/// Metadata, separator, digests; no line ends in a space, since no reader counts those.
fn signed_text(metadata: &str, name: &str, archive: &[u8]) -> String {
    let sums = serde_json::json!({ "files": { name: digest(archive) } });
    let sums = yaml::emit(&yaml::from_json(&sums));
    let text = format!("{metadata}{SEPARATOR}{sums}");
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    lines.join("\n")
}

fn digest(archive: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(archive)))
}

/// Checks an archive that has its provenance beside it, in `ARCHIVE.prov`.
///
/// # Errors
/// As [`Keyring::verify`], and files that cannot be read.
///
/// Source: Helm v3.22 pkg/downloader/chart_downloader.go, `VerifyChart`.
pub fn verify_archive(archive: &Path, keyring: &Path) -> Result<Verification, ProvenanceError> {
    let shown = archive.display().to_string();
    let unreadable = |step: &str, error: &std::io::Error| {
        ProvenanceError::Read(format!("{step} {shown}: {}", problem(error)))
    };
    let metadata = std::fs::metadata(archive).map_err(|error| unreadable("stat", &error))?;
    if metadata.is_dir() {
        return Err(ProvenanceError::Unpacked);
    }
    if !(shown.ends_with(".tgz") || shown.ends_with(".tar.gz")) {
        return Err(ProvenanceError::NotAnArchive);
    }
    let beside = format!("{shown}.prov");
    let provenance = std::fs::read(&beside).map_err(|error| ProvenanceError::NoProvenance {
        path: beside.clone(),
        problem: format!("stat {beside}: {}", problem(&error)),
    })?;
    let ring = Keyring::read(keyring)?;
    let bytes = std::fs::read(archive).map_err(|error| unreadable("open", &error))?;
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    ring.verify(&name, &bytes, &String::from_utf8_lossy(&provenance))
}

fn problem(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
