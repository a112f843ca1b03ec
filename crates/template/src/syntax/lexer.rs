//! Splits template text into tokens, with the positions and lines that Go's error texts name.
//!
//! Source of the token rules: `text/template/parse/lex.go` of Go 1.26.

use std::borrow::Cow;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelimiter,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelimiter,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

/// A piece of the template's text.
#[derive(Clone, Debug)]
pub(super) struct Token<'t> {
    pub(super) kind: TokenKind,
    /// Byte offset in the text.
    pub(super) position: usize,
    /// The text of the token; of an error, its message.
    pub(super) text: Cow<'t, str>,
    /// Line of the token's start, from 1.
    pub(super) line: usize,
}

impl Token<'_> {
    fn is_keyword(&self) -> bool {
        use TokenKind::{
            Block, Break, Continue, Define, Dot, Else, End, If, Nil, Range, Template, With,
        };
        matches!(
            self.kind,
            Block
                | Break
                | Continue
                | Dot
                | Define
                | Else
                | End
                | If
                | Nil
                | Range
                | Template
                | With
        )
    }

    /// The token as error texts show it.
    pub(super) fn described(&self) -> String {
        match self.kind {
            TokenKind::Eof => "EOF".to_owned(),
            TokenKind::Error => self.text.to_string(),
            _ if self.is_keyword() => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                let start: String = self.text.chars().take(10).collect();
                format!("{}...", crate::quote::quoted(&start))
            }
            _ => crate::quote::quoted(&self.text),
        }
    }
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// Returns all tokens of `text`; the last is the end or an error.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer {
        input: text,
        position: 0,
        start: 0,
        line: 1,
        start_line: 1,
        paren_depth: 0,
        tokens: Vec::new(),
    };
    lexer.run();
    lexer.tokens
}

struct Lexer<'t> {
    input: &'t str,
    position: usize,
    start: usize,
    line: usize,
    start_line: usize,
    paren_depth: usize,
    tokens: Vec<Token<'t>>,
}

/// An error token was emitted: lexing is over.
struct Stop;
type Step = Result<(), Stop>;

impl Lexer<'_> {
    fn run(&mut self) {
        while let Ok(true) = self.text_and_action() {}
    }

    fn rest(&self) -> &str {
        &self.input[self.position..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += next.len_utf8();
        if next == '\n' {
            self.line += 1;
        }
        Some(next)
    }

    fn emit(&mut self, kind: TokenKind) {
        self.tokens.push(Token {
            kind,
            position: self.start,
            text: Cow::Borrowed(&self.input[self.start..self.position]),
            line: self.start_line,
        });
        self.start = self.position;
        self.start_line = self.line;
    }

    fn count_lines(&mut self) {
        self.line += self.input[self.start..self.position].matches('\n').count();
    }

    /// Drops the text since the last token, counting its lines.
    fn ignore(&mut self) {
        self.count_lines();
        self.start = self.position;
        self.start_line = self.line;
    }

    fn fail<T>(&mut self, message: impl Into<String>) -> Result<T, Stop> {
        self.tokens.push(Token {
            kind: TokenKind::Error,
            position: self.start,
            text: Cow::Owned(message.into()),
            line: self.start_line,
        });
        Err(Stop)
    }

    /// Lexes text up to an action and the action itself; `false` at the end of the input.
    fn text_and_action(&mut self) -> Result<bool, Stop> {
        let Some(offset) = self.rest().find(LEFT) else {
            self.position = self.input.len();
            if self.position > self.start {
                self.count_lines();
                self.emit(TokenKind::Text);
            }
            self.emit(TokenKind::Eof);
            return Ok(false);
        };
        if offset > 0 {
            let end = self.position + offset;
            let text = &self.input[self.start..end];
            let trimmed = if has_left_trim_marker(&self.input[end + LEFT.len()..]) {
                text.len() - text.trim_end_matches(SPACES).len()
            } else {
                0
            };
            self.position = end - trimmed;
            self.count_lines();
            if self.position > self.start {
                self.emit(TokenKind::Text);
            } else {
                self.start_line = self.line;
            }
            self.position = end;
            self.ignore();
        }
        self.left_delimiter()?;
        Ok(true)
    }

    fn left_delimiter(&mut self) -> Step {
        self.position += LEFT.len();
        let marker = if has_left_trim_marker(self.rest()) {
            2
        } else {
            0
        };
        if self.input[self.position + marker..].starts_with("/*") {
            self.position += marker;
            self.ignore();
            return self.comment();
        }
        self.emit(TokenKind::LeftDelimiter);
        self.position += marker;
        self.ignore();
        self.paren_depth = 0;
        while self.inside_action()? {}
        Ok(())
    }

    fn comment(&mut self) -> Step {
        self.position += 2;
        let Some(offset) = self.rest().find("*/") else {
            return self.fail("unclosed comment");
        };
        self.position += offset + 2;
        let Some(trim) = self.at_right_delimiter() else {
            return self.fail("comment ends before closing delimiter");
        };
        if trim {
            self.position += 2;
        }
        self.position += RIGHT.len();
        if trim {
            self.position += left_trim_length(self.rest());
        }
        self.ignore();
        Ok(())
    }

    /// Whether the right delimiter is next, and if so whether with a trim marker.
    fn at_right_delimiter(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim_marker(rest) && rest[2..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn right_delimiter(&mut self) {
        let trim = self.at_right_delimiter() == Some(true);
        if trim {
            self.position += 2;
            self.ignore();
        }
        self.position += RIGHT.len();
        self.emit(TokenKind::RightDelimiter);
        if trim {
            self.position += left_trim_length(self.rest());
            self.ignore();
        }
    }

    /// Lexes one token of an action; `false` after the right delimiter.
    fn inside_action(&mut self) -> Result<bool, Stop> {
        if self.at_right_delimiter().is_some() {
            if self.paren_depth == 0 {
                self.right_delimiter();
                return Ok(false);
            }
            return self.fail("unclosed left paren");
        }
        let Some(next) = self.next() else {
            return self.fail("unclosed action");
        };
        match next {
            ' ' | '\t' | '\r' | '\n' => return Ok(self.space()),
            '=' => self.emit(TokenKind::Assign),
            ':' => {
                if self.next() != Some('=') {
                    return self.fail("expected :=");
                }
                self.emit(TokenKind::Declare);
            }
            '|' => self.emit(TokenKind::Pipe),
            '"' => self.quoted('"', "unterminated quoted string", TokenKind::String)?,
            '\'' => self.quoted(
                '\'',
                "unterminated character constant",
                TokenKind::CharConstant,
            )?,
            '`' => self.raw_quoted()?,
            '$' => self.field_or_variable(TokenKind::Variable)?,
            '.' if self
                .rest()
                .bytes()
                .next()
                .is_some_and(|byte| !byte.is_ascii_digit()) =>
            {
                self.field_or_variable(TokenKind::Field)?;
            }
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            '(' => {
                self.paren_depth += 1;
                self.emit(TokenKind::LeftParen);
            }
            ')' => {
                if self.paren_depth == 0 {
                    return self.fail("unexpected right paren");
                }
                self.paren_depth -= 1;
                self.emit(TokenKind::RightParen);
            }
            _ if is_alphanumeric(next) => self.identifier()?,
            '!'..='~' => self.emit(TokenKind::Char),
            _ => {
                return self.fail(format!(
                    "unrecognized character in action: {}",
                    unicode_name(next)
                ));
            }
        }
        Ok(true)
    }

    /// Lexes white space; `false` when it ran into the closing delimiter with its trim marker.
    fn space(&mut self) -> bool {
        let mut count = 1;
        while self.peek().is_some_and(|next| SPACES.contains(&next)) {
            self.next();
            count += 1;
        }
        // The last space may belong to the trim marker ` -}}`.
        let last = &self.input[self.position - 1..];
        if has_right_trim_marker(last) && last[2..].starts_with(RIGHT) {
            self.position -= 1;
            if last.starts_with('\n') {
                self.line -= 1;
            }
            if count == 1 {
                self.right_delimiter();
                return false;
            }
        }
        self.emit(TokenKind::Space);
        true
    }

    fn identifier(&mut self) -> Step {
        self.alphanumeric_run()?;
        let kind = match &self.input[self.start..self.position] {
            "block" => TokenKind::Block,
            "break" => TokenKind::Break,
            "continue" => TokenKind::Continue,
            "define" => TokenKind::Define,
            "else" => TokenKind::Else,
            "end" => TokenKind::End,
            "if" => TokenKind::If,
            "range" => TokenKind::Range,
            "nil" => TokenKind::Nil,
            "template" => TokenKind::Template,
            "with" => TokenKind::With,
            "true" | "false" => TokenKind::Bool,
            _ => TokenKind::Identifier,
        };
        self.emit(kind);
        Ok(())
    }

    fn alphanumeric_run(&mut self) -> Step {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        if !self.at_terminator() {
            let bad = self.peek().map_or_else(String::new, unicode_name);
            return self.fail(format!("bad character {bad}"));
        }
        Ok(())
    }

    fn field_or_variable(&mut self, kind: TokenKind) -> Step {
        if self.at_terminator() {
            self.emit(if kind == TokenKind::Variable {
                kind
            } else {
                TokenKind::Dot
            });
            return Ok(());
        }
        self.alphanumeric_run()?;
        self.emit(kind);
        Ok(())
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with(RIGHT),
        }
    }

    fn quoted(&mut self, end: char, message: &str, kind: TokenKind) -> Step {
        loop {
            match self.next() {
                Some('\\') => match self.next() {
                    Some(next) if next != '\n' => {}
                    _ => return self.fail(message),
                },
                None | Some('\n') => return self.fail(message),
                Some(next) if next == end => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    fn raw_quoted(&mut self) -> Step {
        loop {
            match self.next() {
                None => return self.fail("unterminated raw quoted string"),
                Some('`') => break,
                Some(_) => {}
            }
        }
        self.emit(TokenKind::RawString);
        Ok(())
    }

    fn number(&mut self) -> Step {
        self.position -= 1; // The first character was taken; it is ASCII.
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            if !self.scan_number() || !self.input[..self.position].ends_with('i') {
                return self.bad_number();
            }
            self.emit(TokenKind::Complex);
        } else {
            self.emit(TokenKind::Number);
        }
        Ok(())
    }

    fn bad_number(&mut self) -> Step {
        let text = crate::quote::quoted(&self.input[self.start..self.position]);
        self.fail(format!("bad number syntax: {text}"))
    }

    fn accept(&mut self, valid: &str) -> bool {
        let accepted = self.peek().is_some_and(|next| valid.contains(next));
        if accepted {
            self.next();
        }
        accepted
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789_";
        const HEXADECIMAL: &str = "0123456789abcdefABCDEF_";
        self.accept("+-");
        let mut digits = DECIMAL;
        if self.accept("0") {
            if self.accept("xX") {
                digits = HEXADECIMAL;
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if (digits == DECIMAL && self.accept("eE")) || (digits == HEXADECIMAL && self.accept("pP"))
        {
            self.accept("+-");
            self.accept_run(DECIMAL);
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

fn is_alphanumeric(character: char) -> bool {
    character == '_' || character.is_alphabetic() || character.is_numeric()
}

fn has_left_trim_marker(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 2 && bytes[0] == b'-' && is_space(bytes[1])
}

fn has_right_trim_marker(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 2 && is_space(bytes[0]) && bytes[1] == b'-'
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn left_trim_length(text: &str) -> usize {
    text.len() - text.trim_start_matches(SPACES).len()
}

/// Go's `%#U`: `U+0021 '!'`.
fn unicode_name(character: char) -> String {
    let code = format!("U+{:04X}", character as u32);
    if crate::quote::is_printable(character) {
        format!("{code} '{character}'")
    } else {
        code
    }
}
