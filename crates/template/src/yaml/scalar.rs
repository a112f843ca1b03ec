//! Writing one scalar: which quoting it needs and how long lines fold.
//!
//! Source: go-yaml v2 emitterc.go (a port of libyaml); the differences of v3 are marked.

use super::{
    emit::{Dialect, Writer},
    resolve::{Kind, resolve_plain},
};

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// What the characters of a text allow.
struct Analysis {
    multiline: bool,
    plain_allowed: bool,
    single_quoted_allowed: bool,
    literal_allowed: bool,
}

/// Tells whether a text can stand before a colon without `?`: one line of at most 128 bytes.
pub(super) fn is_simple_key(text: &str) -> bool {
    text.len() <= 128 && !text.chars().any(is_break)
}

/// Writes a text, quoted where it would be read as something else.
pub(super) fn write_text(writer: &mut Writer, text: &str, is_key: bool) {
    let analysis = analyze(text, writer.dialect);
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if resolve_plain(text).0 == Kind::Str && !is_base60(text) {
        Style::Plain
    } else {
        Style::DoubleQuoted
    };
    match select(wanted, text, &analysis, is_key) {
        Style::Plain => write_plain(writer, text, !is_key),
        Style::SingleQuoted => write_single_quoted(writer, text, !is_key),
        Style::DoubleQuoted => write_double_quoted(writer, text, !is_key),
        Style::Literal => write_literal(writer, text),
    }
}

fn select(wanted: Style, text: &str, analysis: &Analysis, is_key: bool) -> Style {
    let mut style = wanted;
    if is_key && analysis.multiline {
        style = Style::DoubleQuoted;
    }
    if style == Style::Plain && (!analysis.plain_allowed || text.is_empty() && is_key) {
        style = Style::SingleQuoted;
    }
    if style == Style::SingleQuoted && !analysis.single_quoted_allowed {
        style = Style::DoubleQuoted;
    }
    if style == Style::Literal && (!analysis.literal_allowed || is_key) {
        style = Style::DoubleQuoted;
    }
    style
}

fn analyze(text: &str, dialect: Dialect) -> Analysis {
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let (mut breaks, mut special, mut tabs) = (false, false, false);
    let (mut space_break, mut break_space) = (false, false);
    let (mut previous_space, mut previous_break) = (false, false);
    let mut preceded_by_blank = true;
    let mut characters = text.chars().peekable();
    let mut first = true;
    while let Some(character) = characters.next() {
        let followed_by_blank = characters.peek().is_none_or(|next| is_blank(*next));
        indicators |= match character {
            '#' if first => true,
            '#' => preceded_by_blank,
            ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
            | '`' => first,
            '?' | '-' => first && followed_by_blank,
            ':' => followed_by_blank,
            _ => false,
        };
        if character == '\t' && dialect == Dialect::Pretty {
            tabs = true;
        } else if !is_printable(character) {
            special = true;
        }
        if character == ' ' {
            break_space |= previous_break;
            (previous_space, previous_break) = (true, false);
        } else if is_break(character) {
            breaks = true;
            space_break |= previous_space;
            (previous_space, previous_break) = (false, true);
        } else {
            (previous_space, previous_break) = (false, false);
        }
        preceded_by_blank = is_blank(character) || is_break(character) || character == '\0';
        first = false;
    }
    let is_edge = |character: char| character == ' ' || is_break(character);
    let edges = text.starts_with(is_edge) || text.ends_with(is_edge);
    let unquotable = break_space || space_break || special || tabs;
    Analysis {
        multiline: breaks,
        plain_allowed: !(indicators || breaks || edges || unquotable),
        single_quoted_allowed: !unquotable,
        literal_allowed: !(text.is_empty() || text.ends_with(' ') || space_break || special),
    }
}

fn write_plain(writer: &mut Writer, text: &str, may_fold: bool) {
    writer.separate();
    write_folding(writer, text, may_fold, false);
    writer.end_scalar();
}

fn write_single_quoted(writer: &mut Writer, text: &str, may_fold: bool) {
    writer.indicator("'", true, false, false);
    write_folding(writer, text, may_fold, true);
    writer.indicator("'", false, false, false);
    writer.end_scalar();
}

/// Writes the characters of a plain or single-quoted scalar; a space past the width becomes a
/// line break when it stands alone.
fn write_folding(writer: &mut Writer, text: &str, may_fold: bool, quoted: bool) {
    let (mut spaces, mut breaks) = (false, false);
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        if character == ' ' {
            let inside = !quoted || index > 0 && next.is_some();
            if may_fold && !spaces && writer.past_width() && inside && next != Some(' ') {
                writer.write_indent();
            } else {
                writer.put(character);
            }
            spaces = true;
        } else if is_break(character) {
            if !breaks && character == '\n' {
                writer.put_break('\n');
            }
            writer.put_break(character);
            writer.indention = true;
            breaks = true;
        } else {
            if breaks {
                writer.write_indent();
            }
            if quoted && character == '\'' {
                writer.put('\'');
            }
            writer.put(character);
            writer.indention = false;
            (spaces, breaks) = (false, false);
        }
    }
}

fn write_double_quoted(writer: &mut Writer, text: &str, may_fold: bool) {
    writer.indicator("\"", true, false, false);
    // A byte order mark at the start makes Go escape every character.
    let escape_all = text.starts_with('\u{feff}');
    let mut spaces = false;
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        let must_escape =
            !is_printable(character) || is_break(character) || matches!(character, '"' | '\\');
        if must_escape || escape_all {
            for escaped in escape(character).chars() {
                writer.put(escaped);
            }
            spaces = false;
        } else if character == ' ' {
            if may_fold && !spaces && writer.past_width() && index > 0 && next.is_some() {
                writer.write_indent();
                if next == Some(' ') {
                    writer.put('\\');
                }
            } else {
                writer.put(character);
            }
            spaces = true;
        } else {
            writer.put(character);
            spaces = false;
        }
    }
    writer.indicator("\"", false, false, false);
    writer.end_scalar();
}

fn escape(character: char) -> String {
    let short = match character {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(character);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

fn write_literal(writer: &mut Writer, text: &str) {
    writer.indicator("|", true, false, false);
    if text.starts_with(|character: char| character == ' ' || is_break(character)) {
        writer.indicator("2", false, false, false);
    }
    let mut from_end = text.chars().rev();
    match (from_end.next().map(is_break), from_end.next().map(is_break)) {
        (Some(true), None | Some(true)) => writer.indicator("+", false, false, false),
        (Some(true), Some(false)) => {}
        _ => writer.indicator("-", false, false, false),
    }
    writer.put_break('\n');
    writer.indention = true;
    writer.whitespace = true;
    let mut breaks = true;
    for character in text.chars() {
        if is_break(character) {
            writer.put_break(character);
            writer.indention = true;
            breaks = true;
        } else {
            if breaks {
                writer.write_indent();
            }
            writer.put(character);
            writer.indention = false;
            breaks = false;
        }
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Characters that libyaml prints as they are; those outside of the basic plane are escaped.
fn is_printable(character: char) -> bool {
    matches!(character,
        '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Tells whether a text is a number in base 60 (`12:30`), which other readers of YAML 1.1 take
/// for a number: `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`.
fn is_base60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (text, fraction) = match text.split_once('.') {
        Some((text, fraction)) => (text, fraction),
        None => (text, ""),
    };
    let mut groups = text.split(':');
    let head = groups.next().unwrap_or("");
    let is_digit_or_underscore = |b: u8| b.is_ascii_digit() || b == b'_';
    let mut count = 0;
    let groups_fit = groups.all(|group| {
        count += 1;
        match group.as_bytes() {
            [last] => last.is_ascii_digit(),
            [first, last] => matches!(first, b'0'..=b'5') && last.is_ascii_digit(),
            _ => false,
        }
    });
    groups_fit
        && count > 0
        && head.bytes().next().is_some_and(|b| b.is_ascii_digit())
        && head.bytes().all(is_digit_or_underscore)
        && fraction.bytes().all(is_digit_or_underscore)
}

/// Returns the standard base64 text of bytes, as Go's JSON encoder writes a `[]byte`.
pub(super) fn base64_standard(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
