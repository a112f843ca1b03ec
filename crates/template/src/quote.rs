//! Go's quoted strings, as `strconv.Quote` writes and `strconv.Unquote` reads them.

use std::fmt::Write as _;

use crate::bytes;

/// Whether Go prints the character as it is inside quotes.
pub fn is_printable(character: char) -> bool {
    match character {
        ' '..='~' => true,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{a0}' | '\u{ad}' => false,
        _ if character.is_alphanumeric() => true,
        // Rust escapes in `Debug` what is not printable; combining marks are escaped there too,
        // though Go prints them.
        _ => !character.is_whitespace() && is_assigned_and_visible(character),
    }
}

fn is_assigned_and_visible(character: char) -> bool {
    let mut escaped = character.escape_debug();
    let first = escaped.next();
    if first != Some('\\') || character == '\\' {
        return true;
    }
    is_combining(character)
}

/// The blocks of combining marks that are in common use.
fn is_combining(character: char) -> bool {
    matches!(
        character as u32,
        0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f | 0x900..=0x903
            | 0x93a..=0x94f | 0xe31 | 0xe34..=0xe3a | 0xe47..=0xe4e | 0x1ab0..=0x1ace | 0x1dc0..=0x1dff
            | 0x20d0..=0x20f0 | 0x302a..=0x302f | 0x3099..=0x309a | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f
            | 0xe0100..=0xe01ef
    )
}

/// Go's `%q` of a string.
#[must_use]
pub fn quoted(text: &str) -> String {
    quoted_with(text, '"', false)
}

/// Go's `%+q` of a string: only ASCII.
pub(crate) fn quoted_ascii(text: &str) -> String {
    quoted_with(text, '"', true)
}

/// Go's `%q` of a rune.
pub(crate) fn quoted_rune(character: char, ascii: bool) -> String {
    quoted_with(&character.to_string(), '\'', ascii)
}

fn quoted_with(text: &str, quote: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for character in text.chars() {
        push_escaped(&mut out, character, quote, ascii);
    }
    out.push(quote);
    out
}

fn push_escaped(out: &mut String, character: char, quote: char, ascii: bool) {
    if let Some(byte) = bytes::carried(character) {
        let _ = write!(out, "\\x{byte:02x}");
        return;
    }
    let short = match character {
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{b}' => 'v',
        '\\' => '\\',
        _ if character == quote => quote,
        _ if character.is_ascii_control() => {
            let _ = write!(out, "\\x{:02x}", character as u32);
            return;
        }
        _ if (!ascii || character.is_ascii()) && is_printable(character) => {
            out.push(character);
            return;
        }
        _ => {
            let code = character as u32;
            let _ = if code < 0x1_0000 {
                write!(out, "\\u{code:04x}")
            } else {
                write!(out, "\\U{code:08x}")
            };
            return;
        }
    };
    out.push('\\');
    out.push(short);
}

/// Whether Go can write the string between back quotes.
pub(crate) fn can_backquote(text: &str) -> bool {
    text.chars().all(|next| {
        (next == '\t' || next >= ' ')
            && !matches!(next, '`' | '\u{7f}' | '\u{feff}')
            && bytes::carried(next).is_none()
    })
}

/// Reads a quoted or back-quoted string; `None` where Go says `invalid syntax`.
pub(crate) fn unquoted(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('`') {
        return raw.strip_suffix('`').map(|raw| raw.replace('\r', ""));
    }
    let body = literal.strip_prefix('"')?.strip_suffix('"')?;
    if !body.contains('\\') {
        return Some(body.to_owned());
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        let (unit, length) = unescape(rest, '"')?;
        match unit {
            Unit::Byte(byte) => out.push(byte),
            Unit::Character(character) => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        rest = &rest[length..];
    }
    Some(bytes::text(&out))
}

/// What a character literal holds.
pub(crate) enum Rune {
    Character(u32),
    /// More than one character between the quotes.
    TooLong,
    Invalid,
}

/// Reads a literal such as `'a'` or `'\n'`.
pub(crate) fn unquoted_rune(literal: &str) -> Rune {
    let body = &literal[1..];
    let Some((unit, length)) = unescape(body, '\'') else {
        return Rune::Invalid;
    };
    if &body[length..] != "'" {
        return Rune::TooLong;
    }
    match unit {
        Unit::Byte(byte) => Rune::Character(u32::from(byte)),
        Unit::Character(character) => Rune::Character(character as u32),
    }
}

enum Unit {
    Byte(u8),
    Character(char),
}

/// Reads one character or escape and returns how many bytes of `text` it took.
fn unescape(text: &str, quote: char) -> Option<(Unit, usize)> {
    let first = text.chars().next()?;
    if first == quote {
        return None;
    }
    if first != '\\' {
        return Some((Unit::Character(first), first.len_utf8()));
    }
    let letter = text[1..].chars().next()?;
    let simple = |character| Some((Unit::Character(character), 2));
    match letter {
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        'f' => simple('\u{c}'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\u{b}'),
        '\\' => simple('\\'),
        '\'' | '"' if letter == quote => simple(letter),
        'x' => {
            let code = u8::from_str_radix(hexadecimal(text.get(2..4)?)?, 16).ok()?;
            Some((Unit::Byte(code), 4))
        }
        'u' | 'U' => {
            let end = if letter == 'u' { 6 } else { 10 };
            let code = u32::from_str_radix(hexadecimal(text.get(2..end)?)?, 16).ok()?;
            Some((Unit::Character(char::from_u32(code)?), end))
        }
        '0'..='7' => {
            let digits = text.get(1..4)?;
            let code = u32::from_str_radix(digits, 8)
                .ok()
                .filter(|_| !digits.starts_with('+'))?;
            Some((Unit::Byte(u8::try_from(code).ok()?), 4))
        }
        _ => None,
    }
}

fn hexadecimal(digits: &str) -> Option<&str> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::{quoted, quoted_ascii, unquoted};

    #[test]
    fn quotes_as_go_does() {
        let cases = [
            ("a\"b\\c", r#""a\"b\\c""#),
            ("tab\tnew\nbell\u{7}\u{1}", r#""tab\tnew\nbell\a\x01""#),
            ("é 日 \u{feff}\u{a0}", "\"é 日 \\ufeff\\u00a0\""),
            ("e\u{301}", "\"e\u{301}\""),
            ("\u{e000}\u{1f600}", "\"\\ue000\u{1f600}\""),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text), expected);
        }
        assert_eq!(quoted_ascii("é\u{1f600}"), r#""\u00e9\U0001f600""#);
    }

    #[test]
    fn reads_what_go_reads() {
        assert_eq!(
            unquoted(r#""a\tA\u00e9\x41\101""#).as_deref(),
            Some("a\tAéAA")
        );
        assert_eq!(unquoted("`raw\\n`").as_deref(), Some("raw\\n"));
        assert_eq!(unquoted(r#""\q""#), None);
        assert_eq!(unquoted(r#""\'""#), None);
    }
}
