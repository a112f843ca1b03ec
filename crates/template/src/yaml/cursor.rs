//! A position in YAML text, with the character classes of YAML 1.1.

use super::error::YamlError;

/// Where the scanner stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    /// Characters from the start.
    pub(super) index: usize,
    /// Counted from zero.
    pub(super) line: u64,
    /// Characters from the start of the line.
    pub(super) column: i64,
}

pub(super) struct Cursor<'text> {
    text: &'text str,
    /// Bytes from the start.
    position: usize,
    pub(super) mark: Mark,
}

impl<'text> Cursor<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        Self {
            text,
            position: 0,
            mark: Mark::default(),
        }
    }

    /// The byte at an offset from here; 0 behind the end, where no text has one.
    pub(super) fn at(&self, offset: usize) -> u8 {
        let bytes = self.text.as_bytes();
        bytes.get(self.position + offset).copied().unwrap_or(0)
    }

    pub(super) fn is_end(&self) -> bool {
        self.position >= self.text.len()
    }

    pub(super) fn is_blank(&self, offset: usize) -> bool {
        matches!(self.at(offset), b' ' | b'\t')
    }

    /// The bytes of the line break at an offset; 0 where there is none.
    fn break_length(&self, offset: usize) -> usize {
        match (self.at(offset), self.at(offset + 1), self.at(offset + 2)) {
            (b'\r', b'\n', _) => 2,
            (b'\r' | b'\n', _, _) => 1,
            (0xc2, 0x85, _) => 2,
            (0xe2, 0x80, 0xa8 | 0xa9) => 3,
            _ => 0,
        }
    }

    pub(super) fn is_break(&self, offset: usize) -> bool {
        self.break_length(offset) > 0
    }

    /// A line break or the end of the text.
    pub(super) fn is_break_or_end(&self, offset: usize) -> bool {
        self.at(offset) == 0 || self.is_break(offset)
    }

    /// White space, a line break or the end of the text.
    pub(super) fn is_blank_or_end(&self, offset: usize) -> bool {
        self.is_blank(offset) || self.is_break_or_end(offset)
    }

    /// A letter, digit, `_` or `-`.
    pub(super) fn is_word(&self) -> bool {
        self.at(0).is_ascii_alphanumeric() || matches!(self.at(0), b'_' | b'-')
    }

    /// Tells whether `---` or `...` stands here as a line of its own.
    pub(super) fn is_document_indicator(&self) -> bool {
        self.mark.column == 0
            && matches!(
                (self.at(0), self.at(1), self.at(2)),
                (b'-', b'-', b'-') | (b'.', b'.', b'.')
            )
            && self.is_blank_or_end(3)
    }

    /// Steps over one character.
    pub(super) fn skip(&mut self) {
        if let Some(character) = self.text[self.position..].chars().next() {
            self.position += character.len_utf8();
            self.mark.index += 1;
            self.mark.column += 1;
        }
    }

    /// Appends one character to `target` and steps over it.
    pub(super) fn read(&mut self, target: &mut String) {
        if let Some(character) = self.text[self.position..].chars().next() {
            target.push(character);
            self.position += character.len_utf8();
            self.mark.index += 1;
            self.mark.column += 1;
        }
    }

    /// Appends characters up to a byte for which `ends` holds, or a blank, a break or the end.
    pub(super) fn read_run(&mut self, target: &mut String, ends: impl Fn(u8) -> bool) {
        let start = self.position;
        let rest = &self.text.as_bytes()[start..];
        // Bytes of longer characters are left to the caller, which knows their breaks.
        let length = rest
            .iter()
            .take_while(|b| b.is_ascii_graphic() && !ends(**b))
            .count();
        target.push_str(&self.text[start..start + length]);
        self.position += length;
        self.mark.index += length;
        self.mark.column += i64::try_from(length).unwrap_or(0);
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip();
        }
    }

    pub(super) fn skip_comment(&mut self) {
        if self.at(0) == b'#' {
            while !self.is_break_or_end(0) {
                self.skip();
            }
        }
    }

    /// Steps over a line break, if one is here.
    pub(super) fn skip_line(&mut self) {
        let length = self.break_length(0);
        if length > 0 {
            self.position += length;
            self.mark.index += 1;
            self.mark.column = 0;
            self.mark.line += 1;
        }
    }

    /// Appends a line break, normalized to `\n` but for the Unicode separators, if one is here.
    pub(super) fn read_line(&mut self, target: &mut String) {
        match (self.at(0), self.at(2), self.break_length(0)) {
            (_, _, 0) => {}
            (0xe2, 0xa8, _) => target.push('\u{2028}'),
            (0xe2, _, _) => target.push('\u{2029}'),
            _ => target.push('\n'),
        }
        self.skip_line();
    }

    /// An error of the scanner: its line counts from one, unless it is the first line, which is not
    /// named.
    pub(super) fn error<T>(&self, problem: &str) -> Result<T, YamlError> {
        let line = self.mark.line;
        Err(YamlError::syntax((line != 0).then_some(line + 1), problem))
    }
}
