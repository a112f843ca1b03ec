//! Strings that are not UTF-8: Go's strings are bytes, ours are text.
//!
//! A byte that is not part of valid UTF-8 is carried as the private character U+10FF00 plus the
//! byte, and turned back wherever bytes count: lengths, slices, hashes, base64, quoting.

use std::borrow::Cow;

const BASE: u32 = 0x0010_FF00;

/// The first byte of the UTF-8 of every carrier: text without it needs no look.
const CARRIER_LEAD: u8 = 0xF4;

/// The byte that a character carries, if it is a carrier.
pub(crate) fn carried(character: char) -> Option<u8> {
    let offset = (character as u32).checked_sub(BASE)?;
    u8::try_from(offset).ok().filter(|byte| *byte >= 0x80)
}

/// The bytes that Go would hold for `text`.
pub(crate) fn of(text: &str) -> Cow<'_, [u8]> {
    if !text.as_bytes().contains(&CARRIER_LEAD) || !text.chars().any(|next| carried(next).is_some())
    {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for character in text.chars() {
        match carried(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// The text that stands for `bytes`.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let carrier = |byte: &u8| char::from_u32(BASE + u32::from(*byte));
        for character in chunk.valid().chars() {
            // A character that looks like a carrier is carried itself.
            if carried(character).is_some() {
                let mut buffer = [0; 4];
                let encoded = character.encode_utf8(&mut buffer).as_bytes();
                text.extend(encoded.iter().filter_map(carrier));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().filter_map(carrier));
    }
    text
}

/// The length in bytes that Go would give `text`.
pub(crate) fn length(text: &str) -> usize {
    if text.as_bytes().contains(&CARRIER_LEAD) {
        of(text).len()
    } else {
        text.len()
    }
}

/// Replaces carried bytes as Go's JSON encoder and every reader of UTF-8 does.
pub(crate) fn readable(text: &str) -> Cow<'_, str> {
    match of(text) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(bytes) => {
            let mut readable = String::with_capacity(bytes.len());
            for chunk in bytes.utf8_chunks() {
                readable.push_str(chunk.valid());
                readable.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            }
            Cow::Owned(readable)
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_survive_the_way_through_text() {
        for bytes in [&b"plain"[..], &[0xff, b'a', 0xc3], "\u{10FFFF}é".as_bytes()] {
            assert_eq!(*super::of(&super::text(bytes)), *bytes);
            assert_eq!(super::length(&super::text(bytes)), bytes.len());
        }
    }
}
