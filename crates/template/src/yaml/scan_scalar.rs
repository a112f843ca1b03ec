//! Tokens of scalars: block, quoted and plain, with the folding of their line breaks.

use super::{
    cursor::Cursor,
    error::YamlError,
    token::{Kind, Token},
};

fn scalar(line: u64, text: String, plain: bool) -> Token {
    Token {
        kind: Kind::Scalar { text, plain },
        line,
    }
}

/// Line breaks and white space between two pieces of a scalar.
#[derive(Default)]
struct Gap {
    blanks: String,
    first_break: String,
    more_breaks: String,
    has_breaks: bool,
}

impl Gap {
    /// Takes one blank or line break.
    fn take(&mut self, cursor: &mut Cursor<'_>) {
        if cursor.is_blank(0) {
            if self.has_breaks {
                cursor.skip();
            } else {
                cursor.read(&mut self.blanks);
            }
        } else if self.has_breaks {
            cursor.read_line(&mut self.more_breaks);
        } else {
            self.blanks.clear();
            cursor.read_line(&mut self.first_break);
            self.has_breaks = true;
        }
    }

    /// Appends what the gap stands for: one break folds to a space, more leave one out.
    fn flush(&mut self, text: &mut String) {
        if self.has_breaks {
            if self.first_break.starts_with('\n') {
                if self.more_breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(&self.first_break);
            }
            text.push_str(&self.more_breaks);
        } else {
            text.push_str(&self.blanks);
        }
        *self = Self::default();
    }
}

/// Scans a plain scalar; tells also whether line breaks stand behind it.
pub(super) fn plain_scalar(
    cursor: &mut Cursor<'_>,
    indent: i64,
    in_flow: bool,
) -> Result<(Token, bool), YamlError> {
    let line = cursor.mark.line;
    let mut text = String::new();
    let mut gap = Gap::default();
    loop {
        if cursor.is_document_indicator() || cursor.at(0) == b'#' {
            break;
        }
        while !cursor.is_blank_or_end(0) {
            let first = cursor.at(0);
            let ends_in_flow = in_flow && matches!(first, b',' | b'?' | b'[' | b']' | b'{' | b'}');
            if first == b':' && cursor.is_blank_or_end(1) || ends_in_flow {
                break;
            }
            gap.flush(&mut text);
            if matches!(first, b':') || !first.is_ascii_graphic() {
                cursor.read(&mut text);
            } else {
                let stops = |byte: u8| {
                    byte == b':'
                        || in_flow && matches!(byte, b',' | b'?' | b'[' | b']' | b'{' | b'}')
                };
                cursor.read_run(&mut text, stops);
            }
        }
        if !(cursor.is_blank(0) || cursor.is_break(0)) {
            break;
        }
        while cursor.is_blank(0) || cursor.is_break(0) {
            if gap.has_breaks && cursor.mark.column <= indent && cursor.at(0) == b'\t' {
                return cursor.error("found a tab character that violates indentation");
            }
            gap.take(cursor);
        }
        if !in_flow && cursor.mark.column <= indent {
            break;
        }
    }
    Ok((scalar(line, text, true), gap.has_breaks))
}

/// Scans `'text'` or `"text"`.
pub(super) fn quoted_scalar(cursor: &mut Cursor<'_>) -> Result<Token, YamlError> {
    let line = cursor.mark.line;
    let quote = cursor.at(0);
    cursor.skip();
    let mut text = String::new();
    loop {
        if cursor.is_document_indicator() {
            return cursor.error("found unexpected document indicator");
        }
        if cursor.is_end() {
            return cursor.error("found unexpected end of stream");
        }
        let mut gap = Gap::default();
        while !cursor.is_blank_or_end(0) {
            match cursor.at(0) {
                b'\'' if quote == b'\'' && cursor.at(1) == b'\'' => {
                    text.push('\'');
                    cursor.skip();
                    cursor.skip();
                }
                byte if byte == quote => break,
                b'\\' if quote == b'"' && cursor.is_break(1) => {
                    cursor.skip();
                    cursor.skip_line();
                    gap.has_breaks = true;
                    break;
                }
                b'\\' if quote == b'"' => escape(cursor, &mut text)?,
                byte if byte.is_ascii_graphic() => {
                    cursor.read_run(&mut text, |b| b == quote || b == b'\\' && quote == b'"');
                }
                _ => cursor.read(&mut text),
            }
        }
        if cursor.at(0) == quote {
            break;
        }
        let escaped_break = gap.has_breaks;
        while cursor.is_blank(0) || cursor.is_break(0) {
            gap.take(cursor);
        }
        if escaped_break {
            // The break was escaped: nothing stands for it, but the breaks behind it count.
            text.push_str(&gap.more_breaks);
        } else {
            gap.flush(&mut text);
        }
    }
    cursor.skip();
    Ok(scalar(line, text, false))
}

fn escape(cursor: &mut Cursor<'_>, text: &mut String) -> Result<(), YamlError> {
    let (character, digits) = match cursor.at(1) {
        b'0' => ('\0', 0),
        b'a' => ('\u{7}', 0),
        b'b' => ('\u{8}', 0),
        b't' | b'\t' => ('\t', 0),
        b'n' => ('\n', 0),
        b'v' => ('\u{b}', 0),
        b'f' => ('\u{c}', 0),
        b'r' => ('\r', 0),
        b'e' => ('\u{1b}', 0),
        b' ' => (' ', 0),
        b'"' => ('"', 0),
        b'\'' => ('\'', 0),
        b'\\' => ('\\', 0),
        b'N' => ('\u{85}', 0),
        b'_' => ('\u{a0}', 0),
        b'L' => ('\u{2028}', 0),
        b'P' => ('\u{2029}', 0),
        b'x' => ('\0', 2),
        b'u' => ('\0', 4),
        b'U' => ('\0', 8),
        _ => return cursor.error("found unknown escape character"),
    };
    cursor.skip();
    cursor.skip();
    if digits == 0 {
        text.push(character);
        return Ok(());
    }
    let mut code = 0_u32;
    for offset in 0..digits {
        let Some(digit) = char::from(cursor.at(offset)).to_digit(16) else {
            return cursor.error("did not find expected hexdecimal number");
        };
        code = code.wrapping_mul(16).wrapping_add(digit);
    }
    let Some(character) = char::from_u32(code) else {
        return cursor.error("found invalid Unicode character escape code");
    };
    text.push(character);
    for _ in 0..digits {
        cursor.skip();
    }
    Ok(())
}

/// What becomes of the line breaks at the end of a block scalar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

/// Scans `|` or `>` with its text; `parent` is the indent around it.
pub(super) fn block_scalar(cursor: &mut Cursor<'_>, parent: i64) -> Result<Token, YamlError> {
    let line = cursor.mark.line;
    let literal = cursor.at(0) == b'|';
    cursor.skip();
    let (chomping, increment) = block_header(cursor)?;
    let mut indent = match increment {
        0 => 0,
        increment => parent.max(0) + increment,
    };
    let (mut text, mut first_break, mut more_breaks) =
        (String::new(), String::new(), String::new());
    block_breaks(cursor, parent, &mut indent, &mut more_breaks)?;
    let mut leading_blank = false;
    while cursor.mark.column == indent && !cursor.is_end() {
        let trailing_blank = cursor.is_blank(0);
        let folds = !literal && !leading_blank && !trailing_blank && first_break.starts_with('\n');
        if !folds {
            text.push_str(&first_break);
        } else if more_breaks.is_empty() {
            text.push(' ');
        }
        text.push_str(&more_breaks);
        first_break.clear();
        more_breaks.clear();
        leading_blank = trailing_blank;
        while !cursor.is_break_or_end(0) {
            if cursor.at(0).is_ascii_graphic() {
                cursor.read_run(&mut text, |_| false);
            } else {
                cursor.read(&mut text);
            }
        }
        cursor.read_line(&mut first_break);
        block_breaks(cursor, parent, &mut indent, &mut more_breaks)?;
    }
    if chomping != Chomping::Strip {
        text.push_str(&first_break);
    }
    if chomping == Chomping::Keep {
        text.push_str(&more_breaks);
    }
    Ok(scalar(line, text, false))
}

/// Scans the indicators behind `|` up to the end of the line.
fn block_header(cursor: &mut Cursor<'_>) -> Result<(Chomping, i64), YamlError> {
    let (mut chomping, mut increment) = (Chomping::Clip, 0);
    let chomping_at = |byte| match byte {
        b'+' => Some(Chomping::Keep),
        b'-' => Some(Chomping::Strip),
        _ => None,
    };
    let mut seen_chomping = false;
    for _ in 0..2 {
        if let Some(found) = chomping_at(cursor.at(0)).filter(|_| !seen_chomping) {
            seen_chomping = true;
            chomping = found;
            cursor.skip();
        } else if cursor.at(0).is_ascii_digit() && increment == 0 {
            if cursor.at(0) == b'0' {
                return cursor.error("found an indentation indicator equal to 0");
            }
            increment = i64::from(cursor.at(0) - b'0');
            cursor.skip();
        }
    }
    cursor.skip_blanks();
    cursor.skip_comment();
    if !cursor.is_break_or_end(0) {
        return cursor.error("did not find expected comment or line break");
    }
    cursor.skip_line();
    Ok((chomping, increment))
}

/// Scans indentation and empty lines; finds the indent out where it is not known (0).
fn block_breaks(
    cursor: &mut Cursor<'_>,
    parent: i64,
    indent: &mut i64,
    breaks: &mut String,
) -> Result<(), YamlError> {
    let mut deepest = 0;
    loop {
        while (*indent == 0 || cursor.mark.column < *indent) && cursor.at(0) == b' ' {
            cursor.skip();
        }
        deepest = deepest.max(cursor.mark.column);
        if (*indent == 0 || cursor.mark.column < *indent) && cursor.at(0) == b'\t' {
            return cursor.error("found a tab character where an indentation space is expected");
        }
        if !cursor.is_break(0) {
            break;
        }
        cursor.read_line(breaks);
    }
    if *indent == 0 {
        *indent = deepest.max(parent + 1).max(1);
    }
    Ok(())
}
