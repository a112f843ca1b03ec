//! Tokens of directives, anchors, aliases and tags.

use super::{
    cursor::Cursor,
    error::YamlError,
    token::{Kind, Token},
};

/// Scans `%YAML 1.1` or `%TAG !x! prefix`.
pub(super) fn directive(cursor: &mut Cursor<'_>) -> Result<Token, YamlError> {
    let line = cursor.mark.line;
    cursor.skip();
    let name = word(cursor);
    if name.is_empty() {
        return cursor.error("could not find expected directive name");
    }
    if !cursor.is_blank_or_end(0) {
        return cursor.error("found unexpected non-alphabetical character");
    }
    let kind = match name.as_str() {
        "YAML" => version(cursor)?,
        "TAG" => tag_directive(cursor)?,
        _ => return cursor.error("found unknown directive name"),
    };
    cursor.skip_blanks();
    cursor.skip_comment();
    if !cursor.is_break_or_end(0) {
        return cursor.error("did not find expected comment or line break");
    }
    cursor.skip_line();
    Ok(Token { kind, line })
}

fn word(cursor: &mut Cursor<'_>) -> String {
    let mut word = String::new();
    while cursor.is_word() {
        cursor.read(&mut word);
    }
    word
}

fn version(cursor: &mut Cursor<'_>) -> Result<Kind, YamlError> {
    cursor.skip_blanks();
    let major = version_number(cursor)?;
    if cursor.at(0) != b'.' {
        return cursor.error("did not find expected digit or '.' character");
    }
    cursor.skip();
    let minor = version_number(cursor)?;
    Ok(Kind::VersionDirective { major, minor })
}

fn version_number(cursor: &mut Cursor<'_>) -> Result<u8, YamlError> {
    let (mut number, mut length) = (0_u8, 0);
    while cursor.at(0).is_ascii_digit() {
        length += 1;
        if length > 2 {
            return cursor.error("found extremely long version number");
        }
        number = number * 10 + (cursor.at(0) - b'0');
        cursor.skip();
    }
    if length == 0 {
        return cursor.error("did not find expected version number");
    }
    Ok(number)
}

fn tag_directive(cursor: &mut Cursor<'_>) -> Result<Kind, YamlError> {
    cursor.skip_blanks();
    let handle = tag_handle(cursor, true)?;
    if !cursor.is_blank(0) {
        return cursor.error("did not find expected whitespace");
    }
    cursor.skip_blanks();
    let prefix = tag_uri(cursor, "")?;
    if !cursor.is_blank_or_end(0) {
        return cursor.error("did not find expected whitespace or line break");
    }
    Ok(Kind::TagDirective { handle, prefix })
}

/// Scans `&name` or `*name`.
pub(super) fn anchor(cursor: &mut Cursor<'_>) -> Result<Token, YamlError> {
    let line = cursor.mark.line;
    let is_alias = cursor.at(0) == b'*';
    cursor.skip();
    let name = word(cursor);
    let ends = cursor.is_blank_or_end(0)
        || matches!(
            cursor.at(0),
            b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
        );
    if name.is_empty() || !ends {
        return cursor.error("did not find expected alphabetic or numeric character");
    }
    let kind = if is_alias {
        Kind::Alias(name)
    } else {
        Kind::Anchor(name)
    };
    Ok(Token { kind, line })
}

/// Scans `!suffix`, `!handle!suffix` or `!<uri>`.
pub(super) fn tag(cursor: &mut Cursor<'_>) -> Result<Token, YamlError> {
    let line = cursor.mark.line;
    let (mut handle, mut suffix);
    if cursor.at(1) == b'<' {
        cursor.skip();
        cursor.skip();
        handle = String::new();
        suffix = tag_uri(cursor, "")?;
        if cursor.at(0) != b'>' {
            return cursor.error("did not find the expected '>'");
        }
        cursor.skip();
    } else {
        handle = tag_handle(cursor, false)?;
        if handle.len() > 1 && handle.ends_with('!') {
            suffix = tag_uri(cursor, "")?;
        } else {
            suffix = tag_uri(cursor, &handle)?;
            handle = "!".to_owned();
            if suffix.is_empty() {
                std::mem::swap(&mut handle, &mut suffix);
            }
        }
    }
    if !cursor.is_blank_or_end(0) {
        return cursor.error("did not find expected whitespace or line break");
    }
    let kind = Kind::Tag { handle, suffix };
    Ok(Token { kind, line })
}

fn tag_handle(cursor: &mut Cursor<'_>, in_directive: bool) -> Result<String, YamlError> {
    if cursor.at(0) != b'!' {
        return cursor.error("did not find expected '!'");
    }
    let mut handle = String::new();
    cursor.read(&mut handle);
    handle.push_str(&word(cursor));
    if cursor.at(0) == b'!' {
        cursor.read(&mut handle);
    } else if in_directive && handle != "!" {
        return cursor.error("did not find expected '!'");
    }
    Ok(handle)
}

/// Scans a URI; `head` is what a handle already took of it.
fn tag_uri(cursor: &mut Cursor<'_>, head: &str) -> Result<String, YamlError> {
    let mut uri = head.get(1..).unwrap_or("").to_owned();
    let mut found = !head.is_empty();
    loop {
        if cursor.at(0) == b'%' {
            uri_escapes(cursor, &mut uri)?;
        } else if cursor.is_word() || b";/?:@&=+$,.!~*'()[]".contains(&cursor.at(0)) {
            cursor.read(&mut uri);
        } else {
            break;
        }
        found = true;
    }
    if !found {
        return cursor.error("did not find expected tag URI");
    }
    Ok(uri)
}

/// Scans the `%xx` of one character.
fn uri_escapes(cursor: &mut Cursor<'_>, uri: &mut String) -> Result<(), YamlError> {
    let mut bytes = Vec::new();
    let mut width = 1;
    while bytes.len() < width {
        let digit = |offset| char::from(cursor.at(offset)).to_digit(16);
        let (b'%', Some(high), Some(low)) = (cursor.at(0), digit(1), digit(2)) else {
            return cursor.error("did not find URI escaped octet");
        };
        let octet = u8::try_from(high * 16 + low).unwrap_or(0);
        if bytes.is_empty() {
            width = match octet {
                0x00..=0x7f => 1,
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf7 => 4,
                _ => return cursor.error("found an incorrect leading UTF-8 octet"),
            };
        } else if octet & 0xc0 != 0x80 {
            return cursor.error("found an incorrect trailing UTF-8 octet");
        }
        bytes.push(octet);
        for _ in 0..3 {
            cursor.skip();
        }
    }
    uri.push_str(&String::from_utf8_lossy(&bytes));
    Ok(())
}
