//! Where a key lies: a file, an environment variable, or a program that keeps it.
//!
//! The only part of this crate that reads anything.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::key::{KeyError, PrivateKey, PublicKey};
use crate::program::{self, ProgramError};

/// The most bytes of a key file.
const KEY_BYTES_MAX: u64 = 64 * 1024;

/// Where a key lies, as `file:PATH`, `env:NAME` or `exec:PROGRAM ARGUMENTS`; a text without
/// any of these is a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// PEM in a file.
    File(PathBuf),
    /// PEM in an environment variable.
    Variable(String),
    /// A program that signs, such as one in front of a key store.
    ///
    /// Run with one more argument: `public-key` prints the public key in PEM; `sign` reads the
    /// message on stdin and prints its signature in base64. Words are split at white space.
    Program(Vec<String>),
}

/// Why a key cannot be had. No variant holds any of the key.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A text that names no place.
    #[error("`{text}` names no key; expected `file:PATH`, `env:NAME` or `exec:PROGRAM ARGUMENTS`")]
    Nowhere {
        /// What was written.
        text: String,
    },
    /// Key material where its place should be named.
    #[error(
        "the key itself was given where its place belongs; expected `file:PATH`, `env:NAME` or `exec:PROGRAM ARGUMENTS`"
    )]
    KeyItself,
    /// The file cannot be read.
    #[error("the key file `{path}` cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The variable is not set.
    #[error("the environment variable {name}, which is to hold a key, is not set")]
    Variable {
        /// Its name.
        name: String,
    },
    /// What is there is no key.
    #[error("the key of `{place}` cannot be used")]
    Key {
        /// The place.
        place: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The program failed.
    #[error("the program that keeps the key failed")]
    Program(#[from] ProgramError),
}

impl PlaceError {
    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File { path, .. } => Some(format!(
                "check the path `{}` and what is mounted there",
                path.display()
            )),
            Self::Variable { name } => Some(format!("set {name} to the key in PEM")),
            Self::Key { source, .. } => source.hint(),
            Self::KeyItself => Some("keep the key out of command lines, which others can read".into()),
            Self::Program(_) => Some(
                "it is run with `public-key` and prints PEM, and with `sign` and prints the signature of its stdin in base64".into(),
            ),
            Self::Nowhere { .. } => None,
        }
    }
}

impl std::fmt::Display for KeyPlace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "file:{}", path.display()),
            Self::Variable(name) => write!(formatter, "env:{name}"),
            // Arguments may hold what is nobody's business.
            Self::Program(words) => {
                write!(
                    formatter,
                    "exec:{}",
                    words.first().map_or("", String::as_str)
                )
            }
        }
    }
}

impl KeyPlace {
    /// Reads the name of a place; nothing is opened yet.
    ///
    /// # Errors
    /// [`PlaceError::Nowhere`], [`PlaceError::KeyItself`].
    pub fn parse(text: &str) -> Result<Self, PlaceError> {
        let nowhere = || PlaceError::Nowhere {
            text: text.to_owned(),
        };
        if text.contains("-----BEGIN") {
            return Err(PlaceError::KeyItself);
        }
        let place = match text.split_once(':') {
            Some(("file", path)) => Self::File(path.into()),
            Some(("env", name)) => Self::Variable(name.to_owned()),
            Some(("exec", command)) => {
                Self::Program(command.split_whitespace().map(str::to_owned).collect())
            }
            _ => Self::File(text.into()),
        };
        let is_empty = match &place {
            Self::File(path) => path.as_os_str().is_empty(),
            Self::Variable(name) => name.is_empty(),
            Self::Program(words) => words.is_empty(),
        };
        if is_empty { Err(nowhere()) } else { Ok(place) }
    }

    /// Reads a public key.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn public_key(&self) -> Result<PublicKey, PlaceError> {
        let text = match self {
            Self::Program(words) => program::run(words, "public-key", &[])?,
            _ => self.text()?,
        };
        PublicKey::from_pem(&text).map_err(|source| PlaceError::Key {
            place: self.to_string(),
            source,
        })
    }

    /// Gets ready to sign; a key that cannot be used is found here, not when it is needed.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn signer(&self) -> Result<Signer, PlaceError> {
        let place = self.to_string();
        if let Self::Program(words) = self {
            return Ok(Signer {
                public: self.public_key()?,
                place,
                means: Means::Program(words.clone()),
            });
        }
        let key = PrivateKey::from_pem(&self.text()?).map_err(|source| PlaceError::Key {
            place: place.clone(),
            source,
        })?;
        Ok(Signer {
            public: key.public(),
            place,
            means: Means::Key(Box::new(key)),
        })
    }

    fn text(&self) -> Result<Zeroizing<String>, PlaceError> {
        match self {
            Self::File(path) => read(path).map_err(|source| PlaceError::File {
                path: path.clone(),
                source,
            }),
            Self::Variable(name) => std::env::var(name)
                .map(Zeroizing::new)
                .map_err(|_| PlaceError::Variable { name: name.clone() }),
            Self::Program(_) => unreachable!("a program's key is asked for by `public-key`"),
        }
    }
}

fn read(path: &Path) -> std::io::Result<Zeroizing<String>> {
    use std::io::Read as _;
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path)?;
    file.take(KEY_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// A key that is ready to sign, wherever it lies.
#[derive(Debug)]
pub struct Signer {
    public: PublicKey,
    place: String,
    means: Means,
}

#[derive(Debug)]
enum Means {
    Key(Box<PrivateKey>),
    Program(Vec<String>),
}

impl Signer {
    /// Returns the half that checks.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns where the key lies.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Signs a message.
    ///
    /// # Errors
    /// [`PlaceError::Program`]; a key that lies here does not fail.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PlaceError> {
        match &self.means {
            Means::Key(key) => Ok(key.sign(message)),
            Means::Program(words) => {
                let text = program::run(words, "sign", message)?;
                let joined: String = text.split_whitespace().collect();
                crate::dsse::decode(&joined).ok_or_else(|| {
                    PlaceError::Program(ProgramError::NotBase64 {
                        program: self.place.clone(),
                    })
                })
            }
        }
    }
}
