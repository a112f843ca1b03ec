//! Issues certificates.
//!
//! Source of the order and content of fields: `crypto/x509` of Go 1.26 with Sprig 3.3's template.

use std::{
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use sha2::{Digest as _, Sha256};

use super::{
    der::{
        self, BIT_STRING, BOOLEAN, GENERALIZED_TIME, OCTET_STRING, PRINTABLE_STRING, Reader, SET,
        UTC_TIME, UTF8_STRING, explicit,
    },
    keys::PrivateKey,
};
use crate::functions::{dates::civil, random::fill};

const SECONDS_PER_DAY: i64 = 86_400;

/// What a certificate is to say.
pub(super) struct Request<'r> {
    pub(super) common_name: &'r str,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) names: Vec<String>,
    pub(super) days: i64,
    pub(super) is_authority: bool,
}

/// Who signs: its name, key identifier and key.
pub(super) struct Signer<'k> {
    name: Vec<u8>,
    key_identifier: Option<Vec<u8>>,
    public_info: Vec<u8>,
    key: Option<&'k PrivateKey>,
}

impl<'k> Signer<'k> {
    /// The subject signs its own certificate.
    pub(super) fn itself(request: &Request<'_>, key: &'k PrivateKey) -> Self {
        Self {
            name: distinguished_name(request.common_name),
            key_identifier: None,
            public_info: key.public_info().unwrap_or_default(),
            key: Some(key),
        }
    }

    /// Reads name, key identifier and public key of an authority's certificate.
    ///
    /// # Errors
    /// When it is no certificate.
    pub(super) fn from_certificate(content: &[u8]) -> Result<Self, String> {
        let malformed = || "x509: malformed certificate".to_owned();
        Self::parts(content).ok_or_else(malformed)
    }

    fn parts(content: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(content).sequence()?.sequence()?;
        fields.optional(explicit(0));
        fields.next()?; // serial number
        fields.next()?; // signature algorithm
        fields.next()?; // issuer
        fields.next()?; // validity
        let name = fields.next()?.whole.to_vec();
        let public_info = fields.next()?.whole.to_vec();
        let mut key_identifier = None;
        if let Some(wrapped) = fields.optional(explicit(3)) {
            let mut extensions = Reader::new(wrapped.content).sequence()?;
            while let Some(mut extension) = extensions.sequence() {
                let identifier = extension.next()?;
                extension.optional(BOOLEAN);
                let value = extension.expect(OCTET_STRING)?;
                if identifier.whole == der::identifier(&[2, 5, 29, 14]) {
                    key_identifier = Some(
                        Reader::new(value.content)
                            .expect(OCTET_STRING)?
                            .content
                            .to_vec(),
                    );
                }
            }
        }
        Some(Self {
            name,
            key_identifier,
            public_info,
            key: None,
        })
    }

    /// The same authority with its key.
    ///
    /// # Errors
    /// When the key is not that of the certificate.
    pub(super) fn with_key<'n>(self, key: &'n PrivateKey) -> Result<Signer<'n>, String> {
        if key.public_info()? != self.public_info {
            return Err("error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey"
                .to_owned());
        }
        let Self {
            name,
            key_identifier,
            public_info,
            ..
        } = self;
        Ok(Signer {
            name,
            key_identifier,
            public_info,
            key: Some(key),
        })
    }
}

impl Request<'_> {
    /// Returns the signed certificate for a subject's key.
    ///
    /// # Errors
    /// Sprig's text when the key cannot sign or there are no random numbers.
    pub(super) fn issue(
        &self,
        subject_key: &PrivateKey,
        signer: &Signer<'_>,
    ) -> Result<Vec<u8>, String> {
        let failed = |message: String| format!("error creating certificate: {message}");
        let key = signer
            .key
            .ok_or_else(|| failed("the authority has no key".to_owned()))?;
        let algorithm = key.signature_algorithm().map_err(failed)?;
        let subject = distinguished_name(self.common_name);
        let body = der::sequence(&[
            der::value(explicit(0), &der::integer(&[2])),
            der::integer(&serial_number()?),
            algorithm.clone(),
            signer.name.clone(),
            self.validity(),
            subject.clone(),
            subject_key.public_info().map_err(failed)?,
            der::value(
                explicit(3),
                &der::sequence(&self.extensions(subject_key, signer, &subject)?),
            ),
        ]);
        let signature = key.sign(&body).map_err(failed)?;
        Ok(der::sequence(&[body, algorithm, der::bits(&signature)]))
    }

    fn validity(&self) -> Vec<u8> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_secs());
        let now = i64::try_from(now).unwrap_or(0);
        let end = now.saturating_add(self.days.saturating_mul(SECONDS_PER_DAY));
        der::sequence(&[moment(now), moment(end)])
    }

    fn extensions(
        &self,
        subject_key: &PrivateKey,
        signer: &Signer<'_>,
        subject: &[u8],
    ) -> Result<Vec<Vec<u8>>, String> {
        // Digital signature and key encipherment, and for an authority the signing of certificates.
        let usage: &[u8] = if self.is_authority {
            &[2, 0xa4]
        } else {
            &[5, 0xa0]
        };
        let purposes = [1, 2].map(|purpose| der::identifier(&[1, 3, 6, 1, 5, 5, 7, 3, purpose]));
        let constraints = if self.is_authority {
            der::sequence(&[der::value(BOOLEAN, &[0xff])])
        } else {
            der::sequence(&[])
        };
        let mut extensions = vec![
            extension(15, true, &der::value(BIT_STRING, usage)),
            extension(37, false, &der::sequence(&purposes)),
            extension(19, true, &constraints),
        ];
        if self.is_authority {
            let hash = Sha256::digest(subject_key.public_bits()?);
            extensions.push(extension(14, false, &der::value(OCTET_STRING, &hash[..20])));
        }
        if let Some(identifier) = signer
            .key_identifier
            .as_ref()
            .filter(|_| signer.name != subject)
        {
            extensions.push(extension(
                35,
                false,
                &der::sequence(&[der::value(0x80, identifier)]),
            ));
        }
        if !self.names.is_empty() || !self.addresses.is_empty() {
            let names = self
                .names
                .iter()
                .map(|name| der::value(0x82, name.as_bytes()));
            let addresses = self
                .addresses
                .iter()
                .map(|address| der::value(0x87, &octets(*address)));
            let alternatives: Vec<Vec<u8>> = names.chain(addresses).collect();
            let is_critical = self.common_name.is_empty();
            extensions.push(extension(17, is_critical, &der::sequence(&alternatives)));
        }
        Ok(extensions)
    }
}

/// An extension of the standard's own arc.
fn extension(number: u32, is_critical: bool, content: &[u8]) -> Vec<u8> {
    let mut parts = vec![der::identifier(&[2, 5, 29, number])];
    if is_critical {
        parts.push(der::value(BOOLEAN, &[0xff]));
    }
    parts.push(der::value(OCTET_STRING, content));
    der::sequence(&parts)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// A positive number of up to 128 bits.
fn serial_number() -> Result<[u8; 16], String> {
    let mut bytes = [0; 16];
    while bytes == [0; 16] {
        fill(&mut bytes)?;
    }
    Ok(bytes)
}

fn distinguished_name(common_name: &str) -> Vec<u8> {
    if common_name.is_empty() {
        return der::sequence(&[]);
    }
    let is_printable = |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte);
    let tag = if common_name.bytes().all(is_printable) {
        PRINTABLE_STRING
    } else {
        UTF8_STRING
    };
    let attribute = der::sequence(&[
        der::identifier(&[2, 5, 4, 3]),
        der::value(tag, common_name.as_bytes()),
    ]);
    der::sequence(&[der::value(SET, &attribute)])
}

/// A moment in UTC: with two digits of the year up to 2049, with four from then on.
fn moment(seconds: i64) -> Vec<u8> {
    let (year, month, day) = civil(seconds.div_euclid(SECONDS_PER_DAY));
    let clock = seconds.rem_euclid(SECONDS_PER_DAY);
    let rest = format!(
        "{month:02}{day:02}{:02}{:02}{:02}Z",
        clock / 3600,
        clock / 60 % 60,
        clock % 60
    );
    if (1950..2050).contains(&year) {
        der::value(UTC_TIME, format!("{:02}{rest}", year % 100).as_bytes())
    } else {
        der::value(GENERALIZED_TIME, format!("{year:04}{rest}").as_bytes())
    }
}
