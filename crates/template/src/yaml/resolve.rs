//! What a plain scalar means in YAML 1.1 as go-yaml v2 reads it.

use super::{data::Data, error::YamlError};

/// The prefix that `!!` stands for.
pub(super) const LONG_TAG: &str = "tag:yaml.org,2002:";

/// The kind that a scalar resolves to, named as its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Int,
    Float,
    Timestamp,
    Str,
}

impl Kind {
    fn short_tag(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool => "!!bool",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::Timestamp => "!!timestamp",
            Self::Str => "!!str",
        }
    }
}

/// Resolves a plain scalar without a tag.
pub(super) fn resolve_plain(text: &str) -> (Kind, Data) {
    resolve_untagged(text, true)
}

/// Resolves a scalar with an explicit tag (long form).
///
/// # Errors
/// A text that the tag cannot hold, in go-yaml's words.
pub(super) fn resolve_tagged(tag: &str, text: &str) -> Result<Data, YamlError> {
    let wanted = match tag.strip_prefix(LONG_TAG) {
        Some("str") => return Ok(Data::Text(text.to_owned())),
        Some("bool") => Kind::Bool,
        Some("int") => Kind::Int,
        Some("float") => Kind::Float,
        Some("null") => Kind::Null,
        Some("timestamp") => Kind::Timestamp,
        // Unknown tags keep the text, as go-yaml does.
        _ => return Ok(Data::Text(text.to_owned())),
    };
    let (found, data) = resolve_untagged(text, wanted == Kind::Timestamp);
    match (wanted, found, data) {
        (wanted, found, data) if wanted == found => Ok(data),
        #[expect(clippy::cast_precision_loss, reason = "Go converts the same way")]
        (Kind::Float, Kind::Int, Data::Int(value)) => Ok(Data::Float(value as f64)),
        (wanted, found, _) => Err(YamlError::syntax(
            None,
            &format!(
                "cannot decode {} `{text}` as a {}",
                found.short_tag(),
                wanted.short_tag()
            ),
        )),
    }
}

fn resolve_untagged(text: &str, timestamps: bool) -> (Kind, Data) {
    let as_text = || (Kind::Str, Data::Text(text.to_owned()));
    let Some(first) = text.bytes().next() else {
        return (Kind::Null, Data::Null);
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            resolve_word(text).unwrap_or_else(as_text)
        }
        b'.' => resolve_word(text)
            .or_else(|| styled_float(text).map(|value| (Kind::Float, Data::Float(value))))
            .unwrap_or_else(as_text),
        b'+' | b'-' | b'0'..=b'9' => resolve_word(text)
            .or_else(|| resolve_number(text, timestamps))
            .unwrap_or_else(as_text),
        _ => as_text(),
    }
}

fn resolve_word(text: &str) -> Option<(Kind, Data)> {
    let resolved = match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            (Kind::Bool, Data::Bool(true))
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            (Kind::Bool, Data::Bool(false))
        }
        "~" | "null" | "Null" | "NULL" => (Kind::Null, Data::Null),
        ".nan" | ".NaN" | ".NAN" => (Kind::Float, Data::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            (Kind::Float, Data::Float(f64::INFINITY))
        }
        "-.inf" | "-.Inf" | "-.INF" => (Kind::Float, Data::Float(f64::NEG_INFINITY)),
        _ => return None,
    };
    Some(resolved)
}

fn resolve_number(text: &str, timestamps: bool) -> Option<(Kind, Data)> {
    if timestamps && is_timestamp(text) {
        return Some((Kind::Timestamp, Data::Text(text.to_owned())));
    }
    let plain = text.replace('_', "");
    if let Some(data) = parse_integer(&plain) {
        return Some((Kind::Int, data));
    }
    styled_float(&plain).map(|value| (Kind::Float, Data::Float(value)))
}

/// Parses an integer as Go's `ParseInt(text, 0, 64)`, then as `ParseUint`.
fn parse_integer(text: &str) -> Option<Data> {
    let (negative, signed, digits) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match lower.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Data::Int);
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(Data::Int(value)),
        // ParseUint takes no sign.
        Err(_) if signed => None,
        Err(_) => Some(Data::Uint(magnitude)),
    }
}

/// Parses `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`; a value out of range is no float.
fn styled_float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let mut position = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let whole = digits(position);
    position += whole;
    if bytes.get(position) == Some(&b'.') {
        let fraction = digits(position + 1);
        if whole == 0 && fraction == 0 {
            return None;
        }
        position += 1 + fraction;
    } else if whole == 0 {
        return None;
    }
    if matches!(bytes.get(position), Some(b'e' | b'E')) {
        position += 1 + usize::from(matches!(bytes.get(position + 1), Some(b'-' | b'+')));
        let exponent = digits(position.min(bytes.len()));
        if exponent == 0 {
            return None;
        }
        position += exponent;
    }
    if position != bytes.len() {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Tells whether go-yaml takes the text for a timestamp (it stays text, but must be quoted).
pub(super) fn is_timestamp(text: &str) -> bool {
    timestamp_rest(text).is_some_and(|rest| {
        rest.is_empty()
            || match rest.as_bytes()[0] {
                b'T' | b't' => clock_rest(&rest[1..]).is_some_and(is_zone),
                b' ' => clock_rest(&rest[1..]).is_some_and(str::is_empty),
                _ => false,
            }
    })
}

/// Consumes `YYYY-M-D` with a day that exists, and returns what follows.
fn timestamp_rest(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return None;
    }
    let year: u32 = text[..4].parse().ok()?;
    let (month, rest) = short_number(&text[5..])?;
    let (day, rest) = short_number(rest.strip_prefix('-')?)?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    (1..=days).contains(&day).then_some(rest)
}

/// Consumes `H:M:S` with an optional fraction of up to nine digits.
fn clock_rest(text: &str) -> Option<&str> {
    let (hour, rest) = short_number(text)?;
    let (minute, rest) = short_number(rest.strip_prefix(':')?)?;
    let (second, rest) = short_number(rest.strip_prefix(':')?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let bytes = rest.as_bytes();
    if matches!(bytes.first(), Some(b'.' | b',')) && bytes.get(1).is_some_and(u8::is_ascii_digit) {
        let digits = bytes[1..]
            .iter()
            .take(9)
            .take_while(|b| b.is_ascii_digit())
            .count();
        return Some(&rest[1 + digits..]);
    }
    Some(rest)
}

fn is_zone(text: &str) -> bool {
    let bytes = text.as_bytes();
    text == "Z"
        || bytes.len() == 6
            && matches!(bytes[0], b'+' | b'-')
            && bytes[3] == b':'
            && [1, 2, 4, 5]
                .iter()
                .all(|index| bytes[*index].is_ascii_digit())
            && bytes[1..3] <= b"24"[..]
            && bytes[4..6] <= b"60"[..]
}

/// Consumes one or two digits.
fn short_number(text: &str) -> Option<(u32, &str)> {
    let digits = text
        .bytes()
        .take(2)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let value = text[..digits].parse().ok()?;
    Some((value, &text[digits..]))
}
