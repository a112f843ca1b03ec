//! The one way to stdout and stderr, with colour where it is wanted and a quiet end on a broken
//! pipe.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use super::contract::Format;
use crate::plan::sensitive::SensitiveValues;
use crate::plan::write_yaml;

/// Why something could not be printed.
#[derive(Debug, Error)]
pub enum PrintError {
    /// The reader has gone: the quiet end of a pipe.
    #[error("the reader of the output has gone")]
    BrokenPipe,
    /// The output cannot be written.
    #[error("the output cannot be written")]
    Io(#[source] io::Error),
    /// The result has no JSON form.
    #[error("the result cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

impl From<io::Error> for PrintError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Io(error),
        }
    }
}

/// The meaning of a coloured word; without colour the word alone says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Done, deployed, passed.
    Good,
    /// Failed, refused.
    Bad,
    /// Odd, but going on.
    Warning,
    /// What can be done next.
    Hint,
    /// Details that may be skipped.
    Dim,
    /// Names and headings.
    Bold,
}

impl Style {
    fn ansi(self) -> anstyle::Style {
        use anstyle::AnsiColor;
        match self {
            Style::Good => AnsiColor::Green.on_default(),
            Style::Bad => AnsiColor::Red.on_default().bold(),
            Style::Warning => AnsiColor::Yellow.on_default(),
            Style::Hint => AnsiColor::Cyan.on_default(),
            Style::Dim => anstyle::Style::new().dimmed(),
            Style::Bold => anstyle::Style::new().bold(),
        }
    }
}

/// Stderr, and the block of lines that is drawn anew at its end.
#[derive(Debug, Default)]
struct Screen {
    block: Vec<String>,
    /// Data was printed: nothing is drawn until a new stage begins.
    is_over: bool,
    /// Anything was printed on stdout.
    has_data: bool,
}

impl Screen {
    /// Takes the block away, writes a text and draws a block below it, all in one write: nothing
    /// flickers, and nothing comes between.
    fn show(&mut self, text: &str, block: Vec<String>) {
        let mut output = String::new();
        if !self.block.is_empty() {
            // To the beginning of its first line, and everything from there on is cleared.
            output.push_str(&format!("\r\u{1b}[{}A\u{1b}[J", self.block.len()));
        }
        output.push_str(text);
        for line in &block {
            output.push_str(line);
            output.push('\n');
        }
        self.block = block;
        if !output.is_empty() {
            let mut error = io::stderr().lock();
            // Where stderr is closed there is nobody to tell.
            let _ = error.write_all(output.as_bytes());
        }
    }
}

/// Writes to stdout and stderr.
#[derive(Debug)]
pub struct Printer {
    colour_out: bool,
    colour_error: bool,
    place_flags: String,
    error: Mutex<Screen>,
    redraws: bool,
    hidden: RwLock<SensitiveValues>,
}

impl Printer {
    /// Decides about colour: `wanted` says always or never, otherwise a terminal and `NO_COLOR` do.
    pub fn new(wanted: Option<bool>) -> Self {
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let decide = |is_terminal: bool| wanted.unwrap_or(allowed && is_terminal);
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        Self {
            colour_out: decide(io::stdout().is_terminal()),
            colour_error: decide(io::stderr().is_terminal()),
            place_flags: String::new(),
            error: Mutex::new(Screen::default()),
            redraws: io::stderr().is_terminal() && !is_dumb,
            hidden: RwLock::default(),
        }
    }

    /// Sets the flags that a command in a hint needs to look at the same place as this process.
    #[must_use]
    pub fn with_place_flags(mut self, flags: String) -> Self {
        self.place_flags = flags;
        self
    }

    /// Returns the flags that a command in a hint needs; empty where it needs none.
    pub fn place_flags(&self) -> &str {
        &self.place_flags
    }

    /// Hides values in everything that is printed from here on.
    pub fn hide(&self, values: &SensitiveValues) {
        let mut hidden = self.hidden.write().unwrap_or_else(PoisonError::into_inner);
        hidden.extend(values);
    }

    /// Returns a text with what is hidden masked.
    pub fn masked(&self, text: &str) -> String {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        hidden.mask(text)
    }

    fn hides_anything(&self) -> bool {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        !hidden.is_empty()
    }

    /// Masks every text of a value: in its JSON form a secret may be escaped.
    fn masked_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.masked(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.masked_value(item)),
            Value::Object(map) => map.values_mut().for_each(|value| self.masked_value(value)),
            _ => {}
        }
    }

    /// Returns how many characters a line of the terminal on stdout holds; none for a file or pipe.
    pub fn columns(&self) -> Option<usize> {
        let out = io::stdout();
        if !out.is_terminal() {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(&out).ok()?;
        (size.ws_col > 0).then(|| usize::from(size.ws_col))
    }

    /// Paints a word for stdout.
    pub fn paint(&self, style: Style, text: &str) -> String {
        painted(self.colour_out, style, text)
    }

    /// Paints a word for stderr.
    pub fn paint_error(&self, style: Style, text: &str) -> String {
        painted(self.colour_error, style, text)
    }

    /// Tells whether stderr is coloured.
    pub fn paints_errors(&self) -> bool {
        self.colour_error
    }

    /// Writes data to stdout as it stands.
    ///
    /// # Errors
    /// [`PrintError::BrokenPipe`] when the reader has gone.
    pub fn data(&self, text: &str) -> Result<(), PrintError> {
        let text = self.masked(text);
        // What is under way must not stand in the middle of the data, should both share a terminal.
        let mut screen = self.screen();
        screen.show("", Vec::new());
        screen.is_over = true;
        screen.has_data = true;
        drop(screen);
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Writes a line of data to stdout.
    ///
    /// # Errors
    /// [`PrintError::BrokenPipe`] when the reader has gone.
    pub fn line(&self, text: &str) -> Result<(), PrintError> {
        self.data(&format!("{text}\n"))
    }

    /// Writes a value in a format for programs; `Table` is the caller's.
    ///
    /// # Errors
    /// [`PrintError`].
    pub fn value<T: Serialize>(&self, format: Format, value: &T) -> Result<(), PrintError> {
        if self.hides_anything() {
            let mut value = serde_json::to_value(value).map_err(PrintError::Json)?;
            self.masked_value(&mut value);
            return self.plain_value(format, &value);
        }
        self.plain_value(format, value)
    }

    fn plain_value<T: Serialize>(&self, format: Format, value: &T) -> Result<(), PrintError> {
        match format {
            Format::Json | Format::Table => {
                self.line(&serde_json::to_string(value).map_err(PrintError::Json)?)
            }
            Format::Yaml => {
                let value = serde_json::to_value(value).map_err(PrintError::Json)?;
                let text = write_yaml(&value);
                self.line(text.trim_end_matches('\n'))
            }
        }
    }

    /// Says a line on stderr. Where stderr is closed there is nobody to tell.
    pub fn say(&self, text: &str) {
        let text = self.masked(text);
        let mut screen = self.screen();
        let block = screen.block.clone();
        screen.show(&format!("{text}\n"), block);
    }

    /// Tells whether stderr is a terminal on which lines can be drawn anew.
    pub fn redraws(&self) -> bool {
        self.redraws
    }

    /// Puts a block in the place of the one at the end of the terminal, below what is said later.
    pub(super) fn show_block(&self, block: &[String]) {
        let block: Vec<String> = block.iter().map(|line| self.masked(line)).collect();
        let mut screen = self.screen();
        if screen.block != block && !screen.is_over {
            screen.show("", block);
        }
    }

    /// Tells whether stdout has data already, so that another document would spoil it.
    pub fn has_printed_data(&self) -> bool {
        self.screen().has_data
    }

    /// Lets blocks be drawn again after data was printed.
    pub(super) fn open_block(&self) {
        self.screen().is_over = false;
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns columns and rows of the terminal on stderr; the usual size where it has none.
    pub fn error_size(&self) -> (usize, usize) {
        let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
        match size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row))) {
            Some((columns, rows)) if columns > 0 && rows > 0 => (columns, rows),
            _ => (80, 24),
        }
    }

    /// Says a warning on stderr.
    pub fn warn(&self, text: &str) {
        // Helm's own texts begin with the word already.
        let text = ["warning: ", "Warning: ", "WARNING: "]
            .iter()
            .find_map(|word| text.strip_prefix(word))
            .unwrap_or(text);
        self.say(&format!(
            "{} {text}",
            self.paint_error(Style::Warning, "warning:")
        ));
    }
}

pub(super) fn painted(colour: bool, style: Style, text: &str) -> String {
    if colour && !text.is_empty() {
        let style = style.ansi();
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_used_only_when_wanted() {
        assert_eq!(Printer::new(Some(false)).paint(Style::Bad, "x"), "x");
        assert_eq!(
            Printer::new(Some(true)).paint(Style::Good, "x"),
            "\u{1b}[32mx\u{1b}[0m"
        );
        // The end of a line is trimmed, which marks around nothing would prevent.
        assert_eq!(Printer::new(Some(true)).paint(Style::Dim, ""), "");
    }
}
