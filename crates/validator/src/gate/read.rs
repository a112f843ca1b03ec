//! From a file's text to a [`GateFile`].

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::expand::{ExpandError, expand};
use super::file::GateFile;

/// The longest gate file, bytes.
const BYTES_MAX: u64 = 1024 * 1024;
/// From this similarity on, a known key is suggested for an unknown one.
const SIMILARITY_MIN: f64 = 0.5;

/// Why a gate file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GateFileError {
    /// The file cannot be read.
    #[error("the gate file `{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is too long to be one.
    #[error("the gate file `{}` has {bytes} bytes, more than {BYTES_MAX}", path.display())]
    TooLong {
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

impl GateFileError {
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
            Self::TooLong { .. } => "name a gate file, not data".into(),
            Self::Syntax { .. } => return None,
            Self::Variable { source, .. } => source.hint(),
            Self::Content { suggestion, .. } => match suggestion {
                Some(word) => format!("did you mean `{word}`?"),
                None => "all keys are listed by `validator schema`".into(),
            },
        })
    }
}

/// Reads a gate file, expanding variables from the environment.
///
/// # Errors
/// [`GateFileError`]; nothing else has been read.
pub fn read(path: &Path) -> Result<GateFile, GateFileError> {
    let unreadable = |source| GateFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > BYTES_MAX {
        return Err(GateFileError::TooLong {
            path: path.to_owned(),
            bytes,
        });
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let lookup = |name: &str| std::env::var(name).ok();
    parse(&path.display().to_string(), &text, &lookup)
}

/// Reads the text of a gate file; `lookup` returns the value of a variable.
///
/// # Errors
/// [`GateFileError`] for the first thing that cannot be understood.
pub fn parse(
    file: &str,
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<GateFile, GateFileError> {
    let mut value: Value = serde_saphyr::from_str(text).map_err(|error| GateFileError::Syntax {
        file: file.to_owned(),
        message: error.to_string(),
    })?;
    if !value.is_object() {
        return Err(GateFileError::Content {
            file: file.to_owned(),
            key: String::new(),
            message: "the file is no mapping of keys to values".to_owned(),
            suggestion: None,
        });
    }
    expand(&mut value, lookup).map_err(|(key, source)| GateFileError::Variable {
        file: file.to_owned(),
        key,
        source,
    })?;
    serde_path_to_error::deserialize(value).map_err(|error| content_error(file, &error))
}

fn content_error(
    file: &str,
    error: &serde_path_to_error::Error<serde_json::Error>,
) -> GateFileError {
    let message = error.inner().to_string();
    let path = error.path().to_string();
    GateFileError::Content {
        file: file.to_owned(),
        key: if path == "." { String::new() } else { path },
        suggestion: suggestion(&message),
        message,
    }
}

/// Finds the word that was meant in serde's own text: the first in backticks is the unknown
/// one, the others are those that exist.
fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    let similarity = |word: &str| strsim::normalized_damerau_levenshtein(unknown, word);
    words
        .max_by(|first, second| similarity(first).total_cmp(&similarity(second)))
        .filter(|word| similarity(word) >= SIMILARITY_MIN)
        .map(str::to_owned)
}
