//! The only place that writes to stdout and stderr.

use std::io::{self, ErrorKind, Write};

use anstream::{AutoStream, ColorChoice};

/// Writes results to stdout and talk to stderr, with colour only where it is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    color: ColorChoice,
}

/// What kind of talk a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// As it is.
    Plain,
    /// Something odd that the run goes on with.
    Warning,
}

impl Printer {
    /// Returns a printer; `ColorChoice::Auto` honours `NO_COLOR` and non-terminals.
    #[must_use]
    pub fn new(color: ColorChoice) -> Self {
        Self { color }
    }

    /// Writes the result. A reader that has gone is a quiet end.
    ///
    /// # Errors
    /// Any other failure to write.
    pub fn data(&self, text: &str) -> io::Result<()> {
        let mut stream = AutoStream::new(io::stdout().lock(), self.color);
        match stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.flush())
        {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Writes a line of talk; nobody can be told when that fails.
    pub fn talk(&self, talk: Talk, text: &str) {
        let mut stream = AutoStream::new(io::stderr().lock(), self.color);
        let (on, off) = (
            super::text::YELLOW.render(),
            super::text::YELLOW.render_reset(),
        );
        let _ = match talk {
            Talk::Plain => writeln!(stream, "{text}"),
            Talk::Warning => writeln!(stream, "{on}warning{off}: {text}"),
        };
    }
}
