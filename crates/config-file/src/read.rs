//! From a file's text to its types.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::expand::{ExpandError, expand};

/// The longest file, bytes.
const BYTES_MAX: u64 = 1024 * 1024;
/// From this similarity on, a known key is suggested for an unknown one.
const SIMILARITY_MIN: f64 = 0.5;

/// What is read, in the words of its refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Such as `gate file`.
    pub name: &'static str,
    /// The command that lists all keys.
    pub schema_command: &'static str,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("the {} `{}` cannot be read", kind.name, path.display())]
    Unreadable {
        /// What it should be.
        kind: Kind,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is too long to be one.
    #[error("the {} `{}` has {bytes} bytes, more than {BYTES_MAX}", kind.name, path.display())]
    TooLong {
        /// What it should be.
        kind: Kind,
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The text is no YAML.
    #[error("`{file}` is not YAML: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// Where and what, in the parser's words.
        message: String,
    },
    /// A variable cannot be expanded.
    #[error("`{file}`: `{key}` cannot be expanded")]
    Variable {
        /// The file.
        file: String,
        /// The key's path.
        key: String,
        /// Why.
        #[source]
        source: ExpandError,
    },
    /// A key or value that has no place there.
    #[error("`{file}`: {}{message}", if key.is_empty() { String::new() } else { format!("`{key}`: ") })]
    Content {
        /// What it should be.
        kind: Kind,
        /// The file.
        file: String,
        /// The key's path; empty for the whole file.
        key: String,
        /// What is wrong, with what was expected.
        message: String,
        /// The key or word that was probably meant.
        suggestion: Option<String>,
    },
}

impl FileError {
    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { path, .. } => {
                format!(
                    "check the path `{}` and what is mounted there",
                    path.display()
                )
            }
            Self::TooLong { kind, .. } => format!("name a {}, not data", kind.name),
            Self::Syntax { .. } => return None,
            Self::Variable { source, .. } => source.hint(),
            Self::Content {
                kind,
                suggestion,
                message,
                ..
            } => match suggestion {
                Some(word) => format!("did you mean `{word}`?"),
                None if message.starts_with("invalid ") => {
                    format!("what each key takes is said by `{}`", kind.schema_command)
                }
                None => format!("all keys are listed by `{}`", kind.schema_command),
            },
        })
    }
}

impl Kind {
    /// Reads a file, expanding variables from the environment.
    ///
    /// # Errors
    /// [`FileError`]; nothing else has been read.
    pub fn read<T: DeserializeOwned>(self, path: &Path) -> Result<T, FileError> {
        let unreadable = |source| FileError::Unreadable {
            kind: self,
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
        if bytes > BYTES_MAX {
            return Err(FileError::TooLong {
                kind: self,
                path: path.to_owned(),
                bytes,
            });
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let lookup = |name: &str| std::env::var(name).ok();
        self.parse(&path.display().to_string(), &text, &lookup)
    }

    /// Reads a file's text; `lookup` returns the value of a variable.
    ///
    /// # Errors
    /// [`FileError`] for the first thing that cannot be understood.
    pub fn parse<T: DeserializeOwned>(
        self,
        file: &str,
        text: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<T, FileError> {
        let mut value: Value = serde_saphyr::from_str(text).map_err(|error| FileError::Syntax {
            file: file.to_owned(),
            message: in_our_words(&error.to_string()),
        })?;
        if !value.is_object() {
            return Err(FileError::Content {
                kind: self,
                file: file.to_owned(),
                key: String::new(),
                message: "the file is no mapping of keys to values".to_owned(),
                suggestion: None,
            });
        }
        expand(&mut value, lookup).map_err(|(key, source)| FileError::Variable {
            file: file.to_owned(),
            key,
            source,
        })?;
        serde_path_to_error::deserialize(value).map_err(|error| self.content(file, &error))
    }

    fn content(
        self,
        file: &str,
        error: &serde_path_to_error::Error<serde_json::Error>,
    ) -> FileError {
        let message = error.inner().to_string();
        let path = error.path().to_string();
        FileError::Content {
            kind: self,
            file: file.to_owned(),
            key: if path == "." { String::new() } else { path },
            suggestion: suggestion(&message),
            message,
        }
    }
}

/// Leaves out of the scanner's text what speaks to its programmers.
fn in_our_words(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    message.replace(", set DuplicateKeyPolicy in Options if acceptable", "")
}

/// Finds the word that was meant in serde's own text: the first in backticks is the unknown
/// one, the others are those that exist.
fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    closest(unknown, words).map(str::to_owned)
}

/// Returns the word that `unknown` was probably meant to be.
pub fn closest<'a>(unknown: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let similarity = |word: &str| strsim::normalized_damerau_levenshtein(unknown, word);
    words
        .max_by(|first, second| similarity(first).total_cmp(&similarity(second)))
        .filter(|word| similarity(word) >= SIMILARITY_MIN)
}
