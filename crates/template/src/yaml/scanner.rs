//! YAML text to tokens: indentation, simple keys and indicators.
//!
//! Follows libyaml's algorithm as go-yaml v2 carries it, because that decides which texts Helm takes
//! and which line an error names. Every index is checked; no text makes it panic.

use std::collections::VecDeque;

use super::{
    cursor::{Cursor, Mark},
    error::YamlError,
    scan_scalar::{block_scalar, plain_scalar, quoted_scalar},
    scan_tag::{anchor, directive, tag},
    token::{Kind, Token},
};
use crate::hash::HashMap;

/// A key must fit on one line and in this many characters.
const SIMPLE_KEY_MAX: usize = 1024;
/// Collections may not nest deeper.
const DEPTH_MAX: usize = 10_000;

/// A place where a `:` that follows would make what stands there a key.
#[derive(Debug, Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    token_number: usize,
    mark: Mark,
}

pub(super) struct Scanner<'text> {
    cursor: Cursor<'text>,
    tokens: VecDeque<Token>,
    /// Tokens that were taken from the queue.
    taken: usize,
    /// Whether the first token of the queue is known to be final.
    available: bool,
    ended: bool,
    indent: i64,
    indents: Vec<i64>,
    flow_level: usize,
    simple_key_allowed: bool,
    simple_keys: Vec<SimpleKey>,
    simple_keys_by_token: HashMap<usize, usize>,
}

impl<'text> Scanner<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        Self {
            cursor: Cursor::new(text),
            tokens: VecDeque::new(),
            taken: 0,
            available: false,
            ended: false,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
            simple_keys_by_token: HashMap::default(),
        }
    }

    /// Returns the next token without taking it; behind the end it stays at the end.
    pub(super) fn peek(&mut self) -> Result<&Token, YamlError> {
        if !self.available {
            self.fetch_more()?;
            self.available = true;
        }
        // The queue cannot be empty here: fetching ends only with a token in it.
        const END: &Token = &Token {
            kind: Kind::StreamEnd,
            line: 0,
        };
        Ok(self.tokens.front().unwrap_or(END))
    }

    /// Takes the token that was peeked.
    pub(super) fn take(&mut self) -> Option<Token> {
        if matches!(self.tokens.front(), Some(token) if token.kind == Kind::StreamEnd) {
            return self.tokens.front().cloned();
        }
        self.available = false;
        self.taken += 1;
        self.tokens.pop_front()
    }

    fn fetch_more(&mut self) -> Result<(), YamlError> {
        loop {
            if !self.tokens.is_empty() {
                // A key may yet have to be put before the head of the queue.
                let Some(key) = self.simple_keys_by_token.get(&self.taken).copied() else {
                    return Ok(());
                };
                if !self.is_key_valid(key)? {
                    return Ok(());
                }
            }
            if self.ended {
                return Ok(());
            }
            self.fetch_next()?;
        }
    }

    fn fetch_next(&mut self) -> Result<(), YamlError> {
        self.skip_to_next_token();
        self.unroll_indent(self.cursor.mark.column);
        if self.cursor.is_end() {
            return self.fetch_end();
        }
        let cursor = &self.cursor;
        let in_flow = self.flow_level > 0;
        match cursor.at(0) {
            b'%' if cursor.mark.column == 0 => {
                self.start_document_part()?;
                let token = directive(&mut self.cursor)?;
                self.push(token);
                Ok(())
            }
            b'-' | b'.' if cursor.is_document_indicator() => self.fetch_document_indicator(),
            b'[' => self.fetch_flow_start(Kind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(Kind::FlowMappingStart),
            b']' => self.fetch_flow_end(Kind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(Kind::FlowMappingEnd),
            b',' => {
                self.remove_key()?;
                self.simple_key_allowed = true;
                self.push_indicator(Kind::FlowEntry);
                Ok(())
            }
            b'-' if cursor.is_blank_or_end(1) => self.fetch_block_entry(),
            b'?' if in_flow || cursor.is_blank_or_end(1) => self.fetch_key(),
            b':' if in_flow || cursor.is_blank_or_end(1) => self.fetch_value(),
            b'*' | b'&' => self.fetch_content(anchor),
            b'!' => self.fetch_content(tag),
            b'|' | b'>' if !in_flow => {
                self.remove_key()?;
                self.simple_key_allowed = true;
                let token = block_scalar(&mut self.cursor, self.indent)?;
                self.push(token);
                Ok(())
            }
            b'\'' | b'"' => self.fetch_content(quoted_scalar),
            first => self.fetch_plain(first),
        }
    }

    fn fetch_plain(&mut self, first: u8) -> Result<(), YamlError> {
        let starts_indicator = matches!(
            first,
            b'-' | b'?'
                | b':'
                | b','
                | b'['
                | b']'
                | b'{'
                | b'}'
                | b'#'
                | b'&'
                | b'*'
                | b'!'
                | b'|'
                | b'>'
                | b'\''
                | b'"'
                | b'%'
                | b'@'
                | b'`'
        );
        let is_plain = !(starts_indicator || self.cursor.is_blank_or_end(0))
            || first == b'-' && !self.cursor.is_blank(1)
            || self.flow_level == 0
                && matches!(first, b'?' | b':')
                && !self.cursor.is_blank_or_end(1);
        if !is_plain {
            return self
                .cursor
                .error("found character that cannot start any token");
        }
        self.save_key()?;
        self.simple_key_allowed = false;
        let (token, ends_with_breaks) =
            plain_scalar(&mut self.cursor, self.indent, self.flow_level > 0)?;
        if ends_with_breaks {
            self.simple_key_allowed = true;
        }
        self.push(token);
        Ok(())
    }

    /// Anchors, tags and quoted scalars: what may start a key.
    fn fetch_content(
        &mut self,
        scan: impl FnOnce(&mut Cursor<'text>) -> Result<Token, YamlError>,
    ) -> Result<(), YamlError> {
        self.save_key()?;
        self.simple_key_allowed = false;
        let token = scan(&mut self.cursor)?;
        self.push(token);
        Ok(())
    }

    fn push(&mut self, token: Token) {
        self.tokens.push_back(token);
    }

    fn push_indicator(&mut self, kind: Kind) {
        let line = self.cursor.mark.line;
        self.cursor.skip();
        self.push(Token { kind, line });
    }

    fn next_token_number(&self) -> usize {
        self.taken + self.tokens.len()
    }

    fn skip_to_next_token(&mut self) {
        loop {
            let tabs = self.flow_level > 0 || !self.simple_key_allowed;
            while self.cursor.at(0) == b' ' || tabs && self.cursor.at(0) == b'\t' {
                self.cursor.skip();
            }
            self.cursor.skip_comment();
            if !self.cursor.is_break(0) {
                return;
            }
            self.cursor.skip_line();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    /// Tells whether the key can still become one.
    fn is_key_valid(&mut self, number: usize) -> Result<bool, YamlError> {
        let mark = self.cursor.mark;
        let Some(key) = self.simple_keys.get_mut(number).filter(|key| key.possible) else {
            return Ok(false);
        };
        if key.mark.line < mark.line || key.mark.index + SIMPLE_KEY_MAX < mark.index {
            if key.required {
                return self.cursor.error("could not find expected ':'");
            }
            key.possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_key(&mut self) -> Result<(), YamlError> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        let key = SimpleKey {
            possible: true,
            required: self.flow_level == 0 && self.indent == self.cursor.mark.column,
            token_number: self.next_token_number(),
            mark: self.cursor.mark,
        };
        self.remove_key()?;
        if let Some(last) = self.simple_keys.last_mut() {
            *last = key;
        }
        self.simple_keys_by_token
            .insert(key.token_number, self.simple_keys.len() - 1);
        Ok(())
    }

    fn remove_key(&mut self) -> Result<(), YamlError> {
        let Some(key) = self.simple_keys.last_mut().filter(|key| key.possible) else {
            return Ok(());
        };
        if key.required {
            return self.cursor.error("could not find expected ':'");
        }
        key.possible = false;
        self.simple_keys_by_token.remove(&key.token_number);
        Ok(())
    }

    /// Opens a block collection; `number` is the token before which it starts.
    fn roll_indent(
        &mut self,
        mark: Mark,
        number: Option<usize>,
        kind: Kind,
    ) -> Result<(), YamlError> {
        if self.flow_level > 0 || self.indent >= mark.column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = mark.column;
        if self.indents.len() > DEPTH_MAX {
            return self
                .cursor
                .error(&format!("exceeded max depth of {DEPTH_MAX}"));
        }
        let token = Token {
            kind,
            line: mark.line,
        };
        self.insert(number, token);
        Ok(())
    }

    fn insert(&mut self, number: Option<usize>, token: Token) {
        match number.map(|number| number.saturating_sub(self.taken)) {
            Some(place) if place <= self.tokens.len() => self.tokens.insert(place, token),
            _ => self.tokens.push_back(token),
        }
    }

    fn unroll_indent(&mut self, column: i64) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            let line = self.cursor.mark.line;
            self.push(Token {
                kind: Kind::BlockEnd,
                line,
            });
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch_end(&mut self) -> Result<(), YamlError> {
        if self.cursor.mark.column != 0 {
            self.cursor.mark.column = 0;
            self.cursor.mark.line += 1;
        }
        self.start_document_part()?;
        self.ended = true;
        let line = self.cursor.mark.line;
        self.push(Token {
            kind: Kind::StreamEnd,
            line,
        });
        Ok(())
    }

    /// Closes what is open before a directive, a document indicator or the end.
    fn start_document_part(&mut self) -> Result<(), YamlError> {
        self.unroll_indent(-1);
        self.remove_key()?;
        self.simple_key_allowed = false;
        Ok(())
    }

    fn fetch_document_indicator(&mut self) -> Result<(), YamlError> {
        self.start_document_part()?;
        let kind = match self.cursor.at(0) {
            b'-' => Kind::DocumentStart,
            _ => Kind::DocumentEnd,
        };
        let line = self.cursor.mark.line;
        for _ in 0..3 {
            self.cursor.skip();
        }
        self.push(Token { kind, line });
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.save_key()?;
        self.simple_keys.push(SimpleKey {
            token_number: self.next_token_number(),
            mark: self.cursor.mark,
            ..SimpleKey::default()
        });
        self.flow_level += 1;
        if self.flow_level > DEPTH_MAX {
            return self
                .cursor
                .error(&format!("exceeded max depth of {DEPTH_MAX}"));
        }
        self.simple_key_allowed = true;
        self.push_indicator(kind);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.remove_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            if let Some(key) = self.simple_keys.pop() {
                self.simple_keys_by_token.remove(&key.token_number);
            }
        }
        self.simple_key_allowed = false;
        self.push_indicator(kind);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), YamlError> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return self
                    .cursor
                    .error("block sequence entries are not allowed in this context");
            }
            self.roll_indent(self.cursor.mark, None, Kind::BlockSequenceStart)?;
        }
        self.remove_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(Kind::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), YamlError> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return self
                    .cursor
                    .error("mapping keys are not allowed in this context");
            }
            self.roll_indent(self.cursor.mark, None, Kind::BlockMappingStart)?;
        }
        self.remove_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push_indicator(Kind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), YamlError> {
        let last = self.simple_keys.len() - 1;
        if self.is_key_valid(last)? {
            let key = self.simple_keys[last];
            let token = Token {
                kind: Kind::Key,
                line: key.mark.line,
            };
            self.insert(Some(key.token_number), token);
            self.roll_indent(key.mark, Some(key.token_number), Kind::BlockMappingStart)?;
            self.simple_keys[last].possible = false;
            self.simple_keys_by_token.remove(&key.token_number);
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return self
                        .cursor
                        .error("mapping values are not allowed in this context");
                }
                self.roll_indent(self.cursor.mark, None, Kind::BlockMappingStart)?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push_indicator(Kind::Value);
        Ok(())
    }
}
