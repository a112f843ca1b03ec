//! The case of letters and the wrapping of lines.
//!
//! Sources: Go's `strings`, `Masterminds/goutils` 1.1.1, `huandu/xstrings` 1.5.0.

use super::{
    Context, Function, Returned,
    Type::{Int, Str},
    arguments::{int, string},
};
use crate::{bytes, value::Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("upper", &[Str], |_, arguments| mapped(arguments, upper)),
    Function::new("lower", &[Str], |_, arguments| mapped(arguments, lower)),
    Function::new("title", &[Str], title),
    Function::new("untitle", &[Str], untitle),
    Function::new("swapcase", &[Str], swap_case),
    Function::new("nospace", &[Str], no_space),
    Function::new("initials", &[Str], initials),
    Function::new("snakecase", &[Str], |_, arguments| {
        Ok(Value::string(lower_case(string(arguments, 0), '_')))
    }),
    Function::new("kebabcase", &[Str], |_, arguments| {
        Ok(Value::string(lower_case(string(arguments, 0), '-')))
    }),
    Function::new("camelcase", &[Str], |_, arguments| {
        Ok(Value::string(pascal_case(&bytes::readable(string(
            arguments, 0,
        )))))
    }),
    Function::new("wrap", &[Int, Str], wrap),
    Function::new("wrapWith", &[Int, Str, Str], wrap_with),
];

/// Go maps one character to one; a mapping to several is not made.
fn upper(character: char) -> char {
    let shifted = |offset: u32| char::from_u32(character as u32 + offset).unwrap_or(character);
    match character as u32 {
        // Greek letters with an iota below, which Rust parts into two.
        0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7 => shifted(8),
        0x1fb3 | 0x1fc3 | 0x1ff3 => shifted(9),
        _ => single(character, character.to_uppercase()),
    }
}

/// The form at the start of a word: another one than upper case for digraphs and Georgian.
fn titled(character: char) -> char {
    let middle = match character as u32 {
        0x1c4..=0x1c6 => 0x1c5,
        0x1c7..=0x1c9 => 0x1c8,
        0x1ca..=0x1cc => 0x1cb,
        0x1f1..=0x1f3 => 0x1f2,
        0x10d0..=0x10fa | 0x10fd..=0x10ff => return character,
        _ => return upper(character),
    };
    char::from_u32(middle).unwrap_or(character)
}

fn lower(character: char) -> char {
    match character {
        // Rust keeps the dot as a mark of its own.
        '\u{130}' => 'i',
        _ => single(character, character.to_lowercase()),
    }
}

fn single(character: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(only), None) => only,
        _ => character,
    }
}

/// The text that Go maps character by character: what is not UTF-8 is lost on the way.
fn mapped(arguments: &[Value], map: impl FnMut(char) -> char) -> Returned {
    let text = bytes::readable(string(arguments, 0));
    Ok(Value::string(text.chars().map(map).collect::<String>()))
}

fn title(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut previous = ' ';
    mapped(arguments, |next| {
        let starts = is_separator(previous);
        previous = next;
        if starts { titled(next) } else { next }
    })
}

fn is_separator(character: char) -> bool {
    if character.is_ascii() {
        return !(character.is_ascii_alphanumeric() || character == '_');
    }
    !character.is_alphanumeric() && character.is_whitespace()
}

fn untitle(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut at_start = true;
    mapped(arguments, |next| {
        if next.is_whitespace() {
            at_start = true;
            return next;
        }
        if std::mem::take(&mut at_start) {
            lower(next)
        } else {
            next
        }
    })
}

fn swap_case(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut after_space = true;
    mapped(arguments, |next| {
        if next.is_uppercase() || titled(next) == next && lower(next) != next {
            after_space = false;
            lower(next)
        } else if next.is_lowercase() {
            if std::mem::take(&mut after_space) {
                titled(next)
            } else {
                upper(next)
            }
        } else {
            after_space = next.is_whitespace();
            next
        }
    })
}

/// Go's library takes each byte for a character here, which only ASCII survives.
fn no_space(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = string(arguments, 0);
    let content = bytes::of(text);
    let is_space = |byte: &u8| char::from(*byte).is_whitespace();
    if !content.iter().any(is_space) {
        return Ok(arguments[0].clone());
    }
    let kept = content
        .iter()
        .filter(|byte| !is_space(byte))
        .map(|byte| char::from(*byte));
    Ok(Value::string(kept.collect::<String>()))
}

fn initials(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut after_gap = true;
    let mut out = String::new();
    for byte in bytes::of(string(arguments, 0)).iter() {
        let character = char::from(*byte);
        if character.is_whitespace() {
            after_gap = true;
        } else if std::mem::take(&mut after_gap) {
            out.push(character);
        }
    }
    Ok(Value::string(out))
}

fn is_connector(character: char) -> bool {
    character == '-' || character == '_' || character.is_whitespace()
}

/// `some_words` becomes `SomeWords`; leading connectors stay.
fn pascal_case(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    let mut current = None;
    let mut first_is_upper = false;
    for next in characters.by_ref() {
        if !is_connector(next) {
            first_is_upper = next.is_uppercase();
            current = Some(upper(next));
            break;
        }
        out.push(next);
    }
    let Some(mut current) = current else {
        return repeat_last(out);
    };
    for next in characters {
        let previous = current;
        current = next;
        if is_connector(current) && is_connector(previous) {
            out.push(previous);
            continue;
        }
        if is_connector(previous) {
            first_is_upper = current.is_uppercase();
            current = upper(current);
        } else {
            if first_is_upper {
                if current.is_uppercase() {
                    current = lower(current);
                } else {
                    first_is_upper = false;
                }
            }
            out.push(previous);
        }
    }
    out.push(current);
    out
}

/// Text of connectors only ends with its last one twice, as the library writes it.
fn repeat_last(mut out: String) -> String {
    if let Some(last) = out.chars().last() {
        out.push(last);
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    End,
    Number,
    Upper,
    Letters,
    Connector,
    Punctuation,
    Other,
}

/// Letters as the library counts them: cased or not, but not of scripts without words.
fn is_letter(character: char) -> bool {
    character.is_alphabetic() && !is_ideograph(character)
}

fn is_ideograph(character: char) -> bool {
    matches!(
        character as u32,
        0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0x2_0000..=0x2_ffff
    )
}

/// Unicode's punctuation, ASCII's symbols left out.
fn is_punctuation(character: char) -> bool {
    match character {
        '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~' => false,
        _ if character.is_ascii() => character.is_ascii_punctuation(),
        _ => {
            matches!(character as u32, 0xa1 | 0xa7 | 0xab | 0xb6 | 0xb7 | 0xbb | 0xbf | 0x2010..=0x2027 | 0x2030..=0x205e | 0x3001..=0x3003 | 0x3008..=0x3011)
        }
    }
}

/// Splits the next word off `text`.
fn next_word(text: &str) -> (Word, &str, &str) {
    let Some(first) = text.chars().next() else {
        return (Word::End, "", "");
    };
    let run = |accept: &dyn Fn(char) -> bool| {
        text.char_indices()
            .skip(1)
            .find(|(_, next)| !accept(*next))
            .map_or(text.len(), |(end, _)| end)
    };
    let (kind, end) = if is_connector(first) {
        (Word::Connector, run(&is_connector))
    } else if is_punctuation(first) {
        (Word::Punctuation, run(&is_punctuation))
    } else if first.is_uppercase() {
        (Word::Upper, upper_word_end(text, first))
    } else if is_letter(first) {
        (
            Word::Letters,
            run(&|next| is_letter(next) && !next.is_uppercase()),
        )
    } else if first.is_numeric() {
        (Word::Number, run(&char::is_numeric))
    } else {
        let stops = |next: char| {
            is_connector(next) || is_letter(next) || next.is_numeric() || is_punctuation(next)
        };
        (Word::Other, run(&|next| !stops(next)))
    };
    (kind, &text[..end], &text[end..])
}

/// `HTTPStatus` is `HTTP` and `Status`; `Status` is one word.
fn upper_word_end(text: &str, first: char) -> usize {
    let Some((_, second)) = text.char_indices().nth(1) else {
        return text.len();
    };
    if second.is_uppercase() {
        let end = text.char_indices().find(|(_, next)| !next.is_uppercase());
        return match end {
            Some((end, next)) if is_letter(next) => text[..end]
                .char_indices()
                .last()
                .map_or(end, |(start, _)| start),
            Some((end, _)) => end,
            None => text.len(),
        };
    }
    if !is_letter(second) {
        return first.len_utf8();
    }
    let mut rest = text.char_indices().skip(2);
    rest.find(|(_, next)| !is_letter(*next) || next.is_uppercase())
        .map_or(text.len(), |(end, _)| end)
}

fn push_lower(out: &mut String, kind: Word, word: &str, connector: char) {
    if !matches!(kind, Word::Upper | Word::Connector) {
        out.push_str(word);
        return;
    }
    out.extend(word.chars().map(|next| {
        if is_connector(next) {
            connector
        } else {
            lower(next)
        }
    }));
}

/// `FirstName` becomes `first_name`, with any connector.
fn lower_case(text: &str, connector: char) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let (mut kind, mut word, mut rest) = next_word(text);
    while !rest.is_empty() {
        if kind != Word::Connector {
            push_lower(&mut out, kind, word, connector);
        }
        let (previous, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match previous {
            Word::Number => {
                while matches!(kind, Word::Letters | Word::Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::End | Word::Punctuation | Word::Connector) {
                    out.push(connector);
                }
            }
            Word::Connector => push_lower(&mut out, previous, last, connector),
            Word::Punctuation => {}
            _ if kind != Word::Number => {
                if !matches!(kind, Word::Connector | Word::Punctuation) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (kind, word, rest) = next_word(rest);
                if kind != Word::Letters {
                    push_lower(&mut out, Word::Number, number, connector);
                    if !matches!(kind, Word::Connector | Word::Punctuation) {
                        out.push(connector);
                    }
                    continue;
                }
                out.push(connector);
                push_lower(&mut out, Word::Number, number, connector);
                while matches!(kind, Word::Letters | Word::Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::End | Word::Connector | Word::Punctuation) {
                    out.push(connector);
                }
            }
        }
    }
    push_lower(&mut out, kind, word, connector);
    out
}

/// Wraps at spaces; counts bytes, as the library does.
fn wrapped(content: &[u8], width: i64, line_end: &str, break_words: bool) -> Vec<u8> {
    let line_end = &*bytes::of(if line_end.is_empty() { "\n" } else { line_end });
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let mut out = Vec::with_capacity(content.len());
    let mut offset = 0;
    while content.len() - offset > width {
        if content[offset] == b' ' {
            offset += 1;
            continue;
        }
        let window = &content[offset..=offset + width];
        if let Some(space) = window.iter().rposition(|byte| *byte == b' ') {
            out.extend_from_slice(&content[offset..offset + space]);
            out.extend_from_slice(line_end);
            offset += space + 1;
        } else if break_words {
            out.extend_from_slice(&content[offset..offset + width]);
            out.extend_from_slice(line_end);
            offset += width;
        } else if let Some(space) = content[offset + width..]
            .iter()
            .position(|byte| *byte == b' ')
        {
            out.extend_from_slice(&content[offset..offset + width + space]);
            out.extend_from_slice(line_end);
            offset += width + space + 1;
        } else {
            out.extend_from_slice(&content[offset..]);
            offset = content.len();
        }
    }
    out.extend_from_slice(&content[offset..]);
    out
}

fn wrap(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let out = wrapped(
        &bytes::of(string(arguments, 1)),
        int(arguments, 0),
        "",
        false,
    );
    Ok(Value::string(bytes::text(&out)))
}

fn wrap_with(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let content = bytes::of(string(arguments, 2));
    let line_end = string(arguments, 1);
    let width = usize::try_from(int(arguments, 0)).unwrap_or(1).max(1);
    context.charge(
        content
            .len()
            .saturating_add((content.len() / width).saturating_mul(line_end.len())),
    )?;
    let out = wrapped(&content, int(arguments, 0), line_end, true);
    Ok(Value::string(bytes::text(&out)))
}

#[cfg(test)]
mod tests {
    use super::{lower_case, pascal_case, wrapped};

    #[test]
    fn words_change_case_as_in_sprig() {
        let snake = [
            ("FirstName", "first_name"),
            ("HTTPServer", "http_server"),
            ("NoHTTPS", "no_https"),
            ("GO_PATH", "go_path"),
            ("GO PATH", "go_path"),
            ("http2xx", "http_2xx"),
            ("HTTP20xOK", "http_20x_ok"),
            ("Duration2m3s", "duration_2m3s"),
            ("Bld4Floor3rd", "bld4_floor_3rd"),
        ];
        for (text, expected) in snake {
            assert_eq!(lower_case(text, '_'), expected);
        }
        let pascal = [
            ("some_words", "SomeWords"),
            ("http_server", "HttpServer"),
            ("_complex__case_", "_Complex_Case_"),
            ("GOLANG_IS_GREAT", "GolangIsGreat"),
            ("all", "All"),
        ];
        for (text, expected) in pascal {
            assert_eq!(pascal_case(text), expected);
        }
    }

    #[test]
    fn lines_wrap_at_spaces() {
        assert_eq!(wrapped(b"Hello World", 5, "", false), b"Hello\nWorld");
        assert_eq!(wrapped(b"abcdefgh", 3, "-", true), b"abc-def-gh");
    }
}
