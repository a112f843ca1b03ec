//! Passwords that are typed or piped, and never shown.

use std::io::{IsTerminal, Read, stdin};
use std::sync::{Mutex, Once, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::error::CliError;
use super::signal::end_on_signal;
use crate::output::Printer;
use crate::registry::Secret;

/// A longer password is none.
const PASSWORD_BYTES_MAX: u64 = 64 * 1024;

/// Reads a password from stdin, without the end of its line.
pub(crate) fn password_from_stdin() -> Result<Secret, CliError> {
    let mut text = String::new();
    stdin()
        .take(PASSWORD_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Secret::from(text.to_owned()))
}

/// Asks on stderr and reads a line, without showing it where it is secret.
///
/// A signal that comes meanwhile ends the process and leaves the terminal as it was found.
pub(crate) fn prompt(
    printer: &Printer,
    question: &str,
    is_secret: bool,
) -> Result<Secret, CliError> {
    let input = stdin();
    let echo = if is_secret && input.is_terminal() {
        Some(Echo::off()?)
    } else {
        None
    };
    printer.say(question);
    let mut line = String::new();
    input.read_line(&mut line).map_err(unreadable)?;
    drop(echo);
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(CliError::usage(format!(
            "{} required",
            question.trim_end_matches([':', ' ']).to_lowercase()
        ))
        .with_hint("pipe the password in with `--password-stdin`"));
    }
    Ok(Secret::from(line.to_owned()))
}

fn unreadable(source: std::io::Error) -> CliError {
    CliError::File {
        doing: "cannot read stdin".to_owned(),
        source,
    }
}

/// The terminal as it was before what is typed was hidden.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Keeps the terminal from showing what is typed while it lives.
struct Echo;

impl Echo {
    fn off() -> Result<Self, CliError> {
        static WATCHED: Once = Once::new();
        let mut watched = Ok(());
        WATCHED.call_once(|| watched = end_on_signal(show_again));
        watched.map_err(unreadable)?;
        let before = tcgetattr(stdin()).map_err(|error| unreadable(error.into()))?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        let hidden = Self;
        tcsetattr(stdin(), OptionalActions::Flush, &silent)
            .map_err(|error| unreadable(error.into()))?;
        Ok(hidden)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        show_again();
    }
}

fn show_again() {
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(before) = before.take() {
        // A terminal that has gone needs no echo.
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &before);
    }
}
