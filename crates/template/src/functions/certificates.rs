//! Private keys and X.509 certificates.
//!
//! The encoding is written here byte by byte, because the order of fields and extensions is to be
//! that of Go's `crypto/x509`; keys and signatures come from the RustCrypto crates.

mod der;
mod issue;
mod keys;
mod pem;

use std::{any::Any as StdAny, net::IpAddr, rc::Rc};

use super::{
    Context, Function, Returned,
    Type::{Certificate, Int, List, Str},
    arguments::{int, list, string},
    encoding::base64_bytes,
};
use crate::{
    bytes, format,
    value::{Object, Value},
};
use issue::{Request, Signer};
use keys::PrivateKey;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("genPrivateKey", &[Str], private_key),
    Function::new("genCA", &[Str, Int], |context, arguments| {
        authority(context, arguments, None)
    }),
    Function::new("genCAWithKey", &[Str, Int, Str], |context, arguments| {
        authority(context, arguments, Some(2))
    }),
    Function::new(
        "genSelfSignedCert",
        &[Str, List, List, Int],
        |context, arguments| self_signed(context, arguments, None),
    ),
    Function::new(
        "genSelfSignedCertWithKey",
        &[Str, List, List, Int, Str],
        |context, arguments| self_signed(context, arguments, Some(4)),
    ),
    Function::new(
        "genSignedCert",
        &[Str, List, List, Int, Certificate],
        |context, arguments| signed(context, arguments, None),
    ),
    Function::new(
        "genSignedCertWithKey",
        &[Str, List, List, Int, Certificate, Str],
        |context, arguments| signed(context, arguments, Some(5)),
    ),
    Function::new("buildCustomCert", &[Str, Str], custom),
];

/// Sprig's pair of a certificate and its key, both in PEM.
#[derive(Debug)]
struct Pair {
    certificate: String,
    key: String,
}

impl Object for Pair {
    fn type_name(&self) -> &'static str {
        "sprig.certificate"
    }
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::string(self.certificate.as_str())),
            "Key" => Some(Value::string(self.key.as_str())),
            _ => None,
        }
    }
    fn as_any(&self) -> &dyn StdAny {
        self
    }
    fn printed_fields(&self) -> Vec<(String, Value)> {
        vec![
            ("Cert".to_owned(), Value::string(self.certificate.as_str())),
            ("Key".to_owned(), Value::string(self.key.as_str())),
        ]
    }
    fn serialized(&self) -> Value {
        Value::map(
            self.printed_fields()
                .into_iter()
                .map(|(name, value)| (Rc::from(name), value))
                .collect(),
        )
    }
}

fn pair(certificate: Vec<u8>, key: &PrivateKey) -> Returned {
    let certificate = pem::encode("CERTIFICATE", &certificate);
    Ok(Value::Object(Rc::new(Pair {
        certificate,
        key: key.to_pem(),
    })))
}

fn private_key(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    context.runtime.budget.check_time()?;
    let kind = string(arguments, 0);
    let key = match kind {
        "" | "rsa" => PrivateKey::generate_rsa(4096),
        "dsa" => PrivateKey::generate_dsa(),
        "ecdsa" => PrivateKey::generate_p256(),
        "ed25519" => PrivateKey::generate_ed25519(),
        _ => return Ok(Value::string(format!("Unknown type {kind}"))),
    };
    Ok(Value::string(match key {
        Ok(key) => key.to_pem(),
        Err(message) => format!("failed to generate private key: {message}"),
    }))
}

/// The key given as PEM at `index`, or a new one.
fn subject_key(
    context: &Context<'_>,
    arguments: &[Value],
    index: Option<usize>,
) -> Result<PrivateKey, String> {
    context.runtime.budget.check_time()?;
    match index {
        Some(index) => PrivateKey::from_pem(string(arguments, index))
            .map_err(|message| format!("parsing private key: {message}")),
        None => PrivateKey::generate_rsa(2048)
            .map_err(|message| format!("error generating rsa key: {message}")),
    }
}

fn authority(context: &Context<'_>, arguments: &[Value], key: Option<usize>) -> Returned {
    let key = subject_key(context, arguments, key)?;
    let request = Request {
        common_name: string(arguments, 0),
        addresses: Vec::new(),
        names: Vec::new(),
        days: int(arguments, 1),
        is_authority: true,
    };
    pair(request.issue(&key, &Signer::itself(&request, &key))?, &key)
}

fn request<'a>(arguments: &'a [Value]) -> Result<Request<'a>, String> {
    Ok(Request {
        common_name: string(arguments, 0),
        addresses: addresses(arguments, 1)?,
        names: names(arguments, 2)?,
        days: int(arguments, 3),
        is_authority: false,
    })
}

fn self_signed(context: &Context<'_>, arguments: &[Value], key: Option<usize>) -> Returned {
    let key = subject_key(context, arguments, key)?;
    let request = request(arguments)?;
    pair(request.issue(&key, &Signer::itself(&request, &key))?, &key)
}

fn signed(context: &Context<'_>, arguments: &[Value], key: Option<usize>) -> Returned {
    let key = subject_key(context, arguments, key)?;
    let Value::Object(object) = &arguments[4] else {
        return Ok(Value::Nil);
    };
    let Some(authority) = object.as_any().downcast_ref::<Pair>() else {
        return Ok(Value::Nil);
    };
    let certificate = pem::decode(&authority.certificate).ok_or("unable to decode certificate")?;
    let authority_key = PrivateKey::from_pem(&authority.key);
    let signer = Signer::from_certificate(&certificate.content).map_err(|message| {
        format!("error parsing certificate: decodedSignerCert.Bytes: {message}")
    })?;
    let authority_key =
        authority_key.map_err(|message| format!("error parsing private key: {message}"))?;
    let request = request(arguments)?;
    pair(
        request.issue(&key, &signer.with_key(&authority_key)?)?,
        &key,
    )
}

fn custom(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let certificate = base64_bytes(string(arguments, 0))
        .map_err(|_| "unable to decode base64 certificate".to_owned())?;
    let key = base64_bytes(string(arguments, 1))
        .map_err(|_| "unable to decode base64 private key".to_owned())?;
    let (certificate, key) = (bytes::text(&certificate), bytes::text(&key));
    let decoded = pem::decode(&certificate).ok_or("unable to decode certificate")?;
    Signer::from_certificate(&decoded.content)
        .map_err(|message| format!("error parsing certificate: decodedCert.Bytes: {message}"))?;
    PrivateKey::from_pem(&key)
        .map_err(|message| format!("error parsing private key: {message}"))?;
    Ok(Value::Object(Rc::new(Pair { certificate, key })))
}

fn addresses(arguments: &[Value], index: usize) -> Result<Vec<IpAddr>, String> {
    let Some(items) = list(arguments, index) else {
        return Ok(Vec::new());
    };
    let items = items.borrow();
    let parse = |item: &Value| {
        let Some(text) = item.as_str() else {
            return Err(format!(
                "error parsing ip: {} is not a string",
                format::plain_text(item)
            ));
        };
        text.parse::<IpAddr>()
            .map_err(|_| format!("error parsing ip: {text}"))
    };
    items.iter().map(parse).collect()
}

fn names(arguments: &[Value], index: usize) -> Result<Vec<String>, String> {
    let Some(items) = list(arguments, index) else {
        return Ok(Vec::new());
    };
    let items = items.borrow();
    let text = |item: &Value| {
        item.as_str().map(ToOwned::to_owned).ok_or_else(|| {
            format!(
                "error processing alternate dns name: {} is not a string",
                format::plain_text(item)
            )
        })
    };
    items.iter().map(text).collect()
}
