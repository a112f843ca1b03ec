//! Hashes, passwords and symmetric encryption.

use aes::cipher::{
    BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::NoPadding, block_padding::Pkcs7,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{
    Context, Function, Returned,
    Type::{Str, Uint32},
    arguments::string,
    encoding::base64_bytes,
    random::{fill, hex},
};
use crate::{bytes, value::Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("sha1sum", &[Str], |_, arguments| {
        Ok(Value::string(hex(&Sha1::digest(content(arguments, 0)))))
    }),
    Function::new("sha256sum", &[Str], |_, arguments| {
        Ok(Value::string(hex(&Sha256::digest(content(arguments, 0)))))
    }),
    Function::new("sha512sum", &[Str], |_, arguments| {
        Ok(Value::string(hex(&Sha512::digest(content(arguments, 0)))))
    }),
    Function::new("adler32sum", &[Str], adler32),
    Function::new("bcrypt", &[Str], |context, arguments| {
        Ok(Value::string(hashed_password(
            context,
            &content(arguments, 0),
        )?))
    }),
    Function::new("htpasswd", &[Str, Str], htpasswd),
    Function::new(
        "derivePassword",
        &[Uint32, Str, Str, Str, Str],
        derive_password,
    ),
    Function::new("encryptAES", &[Str, Str], encrypt),
    Function::new("decryptAES", &[Str, Str], decrypt),
];

fn content(arguments: &[Value], index: usize) -> std::borrow::Cow<'_, [u8]> {
    bytes::of(string(arguments, index))
}

fn adler32(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    const MODULUS: u32 = 65_521;
    let (mut low, mut high) = (1, 0);
    for byte in content(arguments, 0).iter() {
        low = (low + u32::from(*byte)) % MODULUS;
        high = (high + low) % MODULUS;
    }
    Ok(Value::string((high << 16 | low).to_string()))
}

/// What Go's library works with: cost 10, at most 72 bytes, the letter `a`.
fn hashed_password(context: &Context<'_>, password: &[u8]) -> Result<String, String> {
    const COST: u32 = 10;
    const BYTES_MAX: usize = 72;
    context.runtime.budget.check_time()?;
    if password.len() > BYTES_MAX {
        return Ok(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes"
                .to_owned(),
        );
    }
    let mut salt = [0; 16];
    fill(&mut salt)?;
    Ok(match bcrypt::hash_with_salt(password, COST, salt) {
        Ok(hash) => hash.format_for_version(bcrypt::Version::TwoA),
        Err(error) => format!("failed to encrypt string with bcrypt: {error}"),
    })
}

fn htpasswd(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let name = string(arguments, 0);
    if name.contains(':') {
        return Ok(Value::string(format!("invalid username: {name}")));
    }
    Ok(Value::string(format!(
        "{name}:{}",
        hashed_password(context, &content(arguments, 1))?
    )))
}

/// The patterns of the Master Password algorithm, by the kind of password.
const PATTERNS: &[(&str, &[&str])] = &[
    ("maximum", &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"]),
    (
        "long",
        &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
    ),
    ("medium", &["CvcnoCvc", "CvcCvcno"]),
    ("short", &["Cvcn"]),
    ("basic", &["aaanaaan", "aannaaan", "aaannaaa"]),
    ("pin", &["nnnn"]),
];

/// The characters that a letter of a pattern stands for.
fn pattern_characters(letter: u8) -> &'static [u8] {
    match letter {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// Source: the Master Password algorithm, as Sprig 3.3 implements it.
fn derive_password(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    const SEED: &[u8] = b"com.lyndir.masterpassword";
    context.runtime.budget.check_time()?;
    let Value::Uint(counter) = arguments[0] else {
        return Ok(Value::Nil);
    };
    let counter = u32::try_from(counter).unwrap_or(u32::MAX);
    let kind = string(arguments, 1);
    let Some((_, patterns)) = PATTERNS.iter().find(|(known, _)| *known == kind) else {
        return Ok(Value::string(format!(
            "cannot find password template {kind}"
        )));
    };
    let length = |text: &[u8]| u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
    let (user, site) = (content(arguments, 3), content(arguments, 4));
    let salt = [SEED, &length(&user), &user].concat();
    let mut key = [0; 64];
    let failed = |error: &dyn std::fmt::Display| format!("failed to derive password: {error}");
    let parameters = scrypt::Params::new(15, 8, 2, key.len()).map_err(|error| failed(&error))?;
    scrypt::scrypt(&content(arguments, 2), &salt, &parameters, &mut key)
        .map_err(|error| failed(&error))?;
    let mut seed = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| failed(&error))?;
    for part in [SEED, &length(&site), &site, &counter.to_be_bytes()] {
        seed.update(part);
    }
    let seed = seed.finalize().into_bytes();
    let pattern = patterns[usize::from(seed[0]) % patterns.len()];
    let password = pattern.bytes().zip(&seed[1..]).map(|(letter, byte)| {
        let characters = pattern_characters(letter);
        char::from(characters[usize::from(*byte) % characters.len()])
    });
    Ok(Value::string(password.collect::<String>()))
}

const BLOCK_BYTES: usize = 16;

/// The password, cut or filled up with zeros to 32 bytes.
fn key(password: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let length = password.len().min(key.len());
    key[..length].copy_from_slice(&password[..length]);
    key
}

fn encrypt(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let plain = content(arguments, 1);
    if plain.is_empty() {
        return Ok(Value::string(""));
    }
    context.charge(plain.len().saturating_mul(3))?;
    let mut vector = [0; BLOCK_BYTES];
    fill(&mut vector)?;
    let cipher =
        cbc::Encryptor::<aes::Aes256>::new(&key(&content(arguments, 0)).into(), &vector.into());
    let mut out = vector.to_vec();
    out.extend(cipher.encrypt_padded_vec_mut::<Pkcs7>(&plain));
    Ok(Value::string(STANDARD.encode(out)))
}

fn decrypt(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = string(arguments, 1);
    if text.is_empty() {
        return Ok(Value::string(""));
    }
    context.charge(text.len())?;
    let sealed = base64_bytes(text)?;
    let Some((vector, sealed)) = sealed.split_first_chunk::<BLOCK_BYTES>() else {
        return Err(format!(
            "runtime error: slice bounds out of range [:16] with capacity {}",
            // What Go sets aside for the decoded text.
            bytes::length(text) / 4 * 3
        ));
    };
    let cipher =
        cbc::Decryptor::<aes::Aes256>::new(&key(&content(arguments, 0)).into(), vector.into());
    let plain = cipher
        .decrypt_padded_vec_mut::<NoPadding>(sealed)
        .map_err(|_| "crypto/cipher: input not full blocks".to_owned())?;
    // The last byte says how many to drop.
    let Some(padding) = plain.last().map(|last| usize::from(*last)) else {
        return Err("runtime error: index out of range [-1]".to_owned());
    };
    match plain.len().checked_sub(padding) {
        Some(end) => Ok(Value::string(bytes::text(&plain[..end]))),
        None => {
            let end = plain.len() as i64 - padding as i64;
            Err(format!("runtime error: slice bounds out of range [:{end}]"))
        }
    }
}
