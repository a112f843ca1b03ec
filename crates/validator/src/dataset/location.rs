//! Where a model or a dataset lies: on S3 or on this machine.

use std::path::PathBuf;

/// A place that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// An object, or all objects below a prefix.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// The key or prefix; empty for the whole bucket.
        key: String,
    },
    /// A file or a directory.
    Local(PathBuf),
}

/// Why a text names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing was written.
    #[error("the location is empty")]
    Empty,
    /// `s3://` without a bucket.
    #[error("`{text}` names no bucket; expected `s3://BUCKET/KEY`")]
    NoBucket {
        /// What was written.
        text: String,
    },
    /// A scheme that is not read.
    #[error("`{text}` has the scheme `{scheme}`; expected `s3://BUCKET/KEY` or a path")]
    Scheme {
        /// What was written.
        text: String,
        /// The part before `://`.
        scheme: String,
    },
    /// Credentials where only a bucket can be.
    #[error("`{text}` carries credentials; expected `s3://BUCKET/KEY`")]
    Credentials {
        /// What was written, without them.
        text: String,
    },
}

/// Cuts user, password and query out of a URL: a presigned one grants access to who reads it.
pub(super) fn without_secrets(url: &str) -> String {
    let (place, query) = url
        .split_once('?')
        .map_or((url, ""), |(place, _)| (place, "?…"));
    let Some((scheme, rest)) = place.split_once("://") else {
        return format!("{place}{query}");
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}{query}")
}

impl Location {
    /// Reads `s3://BUCKET/KEY`, `file:///PATH` or a plain path.
    ///
    /// # Errors
    /// [`LocationError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(LocationError::Empty);
        }
        let Some((scheme, rest)) = trimmed.split_once("://") else {
            return Ok(Self::Local(PathBuf::from(trimmed)));
        };
        match scheme {
            "s3" => {
                let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.contains('@') {
                    return Err(LocationError::Credentials {
                        text: without_secrets(trimmed),
                    });
                }
                if bucket.is_empty() {
                    return Err(LocationError::NoBucket {
                        text: trimmed.to_owned(),
                    });
                }
                Ok(Self::S3 {
                    bucket: bucket.to_owned(),
                    key: key.to_owned(),
                })
            }
            "file" if rest.starts_with('/') => Ok(Self::Local(PathBuf::from(rest))),
            _ => Err(LocationError::Scheme {
                text: without_secrets(trimmed),
                scheme: scheme.to_owned(),
            }),
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::S3 { bucket, key } => write!(formatter, "s3://{bucket}/{key}"),
            Self::Local(path) => write!(formatter, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written_back() {
        for text in [
            "s3://bucket/a/b/",
            "s3://bucket/",
            "/data/x.parquet",
            "relative/dir",
        ] {
            let location = Location::parse(text).expect("a place");
            assert_eq!(location.to_string(), text);
        }
        let whole = Location::parse("s3://bucket").expect("a place");
        assert_eq!(whole.to_string(), "s3://bucket/");
        let file = Location::parse("file:///data/x").expect("a place");
        assert_eq!(file, Location::Local(PathBuf::from("/data/x")));
    }

    #[test]
    fn a_refusal_repeats_no_credentials() {
        for (text, shown) in [
            (
                "https://user:secret@host/m.pt?X-Amz-Signature=secret",
                "https://host/m.pt?…",
            ),
            ("s3://id:secret@bucket/m.pt", "s3://bucket/m.pt"),
        ] {
            let error = Location::parse(text).expect_err("no place").to_string();
            assert!(error.contains(&format!("`{shown}`")), "{error}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        assert_eq!(Location::parse("  "), Err(LocationError::Empty));
        assert!(matches!(
            Location::parse("s3:///key"),
            Err(LocationError::NoBucket { .. })
        ));
        assert!(matches!(
            Location::parse("gs://bucket/key"),
            Err(LocationError::Scheme { scheme, .. }) if scheme == "gs"
        ));
    }
}
