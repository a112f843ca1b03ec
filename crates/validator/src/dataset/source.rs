//! The seam between the gate and where files lie: list them, read ranges of them.

use std::ops::Range;

use bytes::Bytes;
use futures::future::BoxFuture;
use verdict::exit::ExitCode;

/// The most files that one dataset may hold.
pub(super) const FILES_MAX: usize = 1_000_000;

/// A folder or prefix (or a single file) whose objects can be listed and read.
pub trait ObjectSource: Send + Sync + std::fmt::Debug {
    /// Returns where this is, as a person would write it.
    fn uri(&self) -> String;

    /// Lists all objects, in ascending order of their names, hidden ones left out.
    ///
    /// Hidden are names that have a component starting with `.` or `_` below this place.
    /// A missing folder is [`SourceError::NotFound`]; a prefix without objects is an empty
    /// list, since a store cannot tell it from one that never was.
    ///
    /// # Errors
    /// [`SourceError`]; nothing is left open.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Object>, SourceError>>;

    /// Reads byte ranges of an object, in the order given; each result has the length of its
    /// range.
    ///
    /// # Errors
    /// [`SourceError::Changed`] when the object is no longer the one that was listed;
    /// [`SourceError::OutOfRange`] when a range ends behind the object.
    fn read<'a>(
        &'a self,
        object: &'a Object,
        ranges: &'a [Range<u64>],
    ) -> BoxFuture<'a, Result<Vec<Bytes>, SourceError>>;
}

/// One object as it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The name relative to the place, with `/` between components.
    pub name: String,
    /// The whole location, for messages.
    pub uri: String,
    /// Its size.
    pub bytes: u64,
    /// What pins the content while it is read: an ETag, or size and time of change.
    pub pin: String,
}

/// Marks a pin that is an ETag.
pub(super) const ETAG: &str = "etag ";

impl Object {
    /// Returns the ETag, where the store gave one.
    #[must_use]
    pub fn etag(&self) -> Option<&str> {
        self.pin.strip_prefix(ETAG)
    }

    /// Returns what tells this content from another as far as the listing does, the same on every
    /// machine: an ETag, or size and time of change.
    #[must_use]
    pub fn listed_identity(&self) -> &str {
        match self.pin.split_once('-') {
            // Of a local file the inode comes first, which machines that share a volume may number
            // in their own way.
            Some((inode, rest)) if inode.bytes().all(|byte| byte.is_ascii_digit()) => rest,
            _ => &self.pin,
        }
    }
}

/// Tells whether a relative name is hidden from datasets, as `_SUCCESS` and `.crc` files are.
#[must_use]
pub fn is_hidden(name: &str) -> bool {
    name.split('/')
        .any(|component| component.starts_with(['.', '_']))
}

/// Returns the range if it lies within the object.
///
/// # Errors
/// [`SourceError::OutOfRange`] otherwise.
pub(super) fn check_ranges(object: &Object, ranges: &[Range<u64>]) -> Result<(), SourceError> {
    match ranges
        .iter()
        .find(|range| range.start > range.end || range.end > object.bytes)
    {
        Some(range) => Err(SourceError::OutOfRange {
            uri: object.uri.clone(),
            start: range.start,
            end: range.end,
            bytes: object.bytes,
        }),
        None => Ok(()),
    }
}

/// Any failure's cause, as the store or the system gave it.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why something cannot be listed or read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No such file, folder or object.
    #[error("`{uri}` does not exist")]
    NotFound {
        /// What was asked for.
        uri: String,
    },
    /// No such bucket.
    #[error("the bucket `{bucket}` of `{uri}` does not exist")]
    NoSuchBucket {
        /// The bucket.
        bucket: String,
        /// What was asked for.
        uri: String,
    },
    /// The bucket lies elsewhere, and could not be followed there.
    #[error("the bucket of `{uri}` is not served {}", elsewhere_text(endpoint, region.as_deref()))]
    WrongRegion {
        /// What was asked for.
        uri: String,
        /// The region in which it lies, as the store says; it was asked for there, too.
        region: Option<String>,
        /// Where it was asked for.
        endpoint: String,
        /// What the store said.
        #[source]
        source: Cause,
    },
    /// The credentials do not suffice.
    #[error("access to `{uri}` is denied")]
    Denied {
        /// What was asked for.
        uri: String,
        /// What the store or the system said.
        #[source]
        source: Cause,
    },
    /// There are no credentials.
    #[error("no credentials were found to read `{uri}`")]
    NoCredentials {
        /// What was asked for.
        uri: String,
        /// What the chain of providers said.
        #[source]
        source: Cause,
    },
    /// The credentials are no longer valid.
    #[error("the credentials to read `{uri}` have expired")]
    ExpiredCredentials {
        /// What was asked for.
        uri: String,
        /// What the store said.
        #[source]
        source: Cause,
    },
    /// No answer.
    #[error("the store of `{uri}` cannot be reached at `{endpoint}`")]
    Unreachable {
        /// What was asked for.
        uri: String,
        /// Where it was asked for.
        endpoint: String,
        /// What went wrong.
        #[source]
        source: Cause,
    },
    /// The endpoint is no URL.
    #[error("the endpoint to read `{uri}` from is no URL")]
    InvalidEndpoint {
        /// What was asked for.
        uri: String,
        /// What the client said.
        #[source]
        source: Cause,
    },
    /// The object was replaced after it was listed.
    #[error("`{uri}` changed while it was being read")]
    Changed {
        /// The object.
        uri: String,
    },
    /// A range ends behind the object.
    #[error("bytes {start} to {end} of `{uri}` were asked for, but it has {bytes} bytes")]
    OutOfRange {
        /// The object.
        uri: String,
        /// First byte.
        start: u64,
        /// Byte after the last.
        end: u64,
        /// Size of the object.
        bytes: u64,
    },
    /// More objects than a dataset may have.
    #[error("`{uri}` holds more than {FILES_MAX} files")]
    TooManyFiles {
        /// The place.
        uri: String,
    },
    /// The store or the system failed in another way.
    #[error("reading `{uri}` failed")]
    Failed {
        /// What was asked for.
        uri: String,
        /// What the store or the system said.
        #[source]
        source: Cause,
    },
}

impl SourceError {
    /// Returns the exit code: what a person must change is configuration, what may pass by
    /// itself is infrastructure.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::NotFound { .. }
            | Self::NoSuchBucket { .. }
            | Self::WrongRegion { .. }
            | Self::Denied { .. }
            | Self::NoCredentials { .. }
            | Self::InvalidEndpoint { .. }
            | Self::TooManyFiles { .. } => ExitCode::Usage,
            Self::ExpiredCredentials { .. }
            | Self::Unreachable { .. }
            | Self::Changed { .. }
            | Self::Failed { .. } => ExitCode::Infrastructure,
            Self::OutOfRange { .. } => ExitCode::Data,
        }
    }

    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { uri } if uri.starts_with("s3://") => {
                format!("list what is there: `aws s3 ls {uri}`")
            }
            Self::NotFound { uri } => format!("check the path `{uri}` and what is mounted there"),
            Self::NoSuchBucket { bucket, .. } => format!(
                "check the bucket's name, AWS_REGION and AWS_ENDPOINT_URL: `aws s3 ls s3://{bucket}`"
            ),
            Self::WrongRegion { region: None, .. } => {
                "set AWS_REGION to the bucket's region, or AWS_ENDPOINT_URL to its server".into()
            }
            Self::WrongRegion { region: Some(region), .. } => {
                format!("unset AWS_ENDPOINT_URL, or let it name the server of `{region}`")
            }
            Self::Denied { uri, .. } if uri.starts_with("s3://") => {
                "the credentials need s3:GetObject on the objects and s3:ListBucket on the bucket"
                    .into()
            }
            Self::Denied { .. } => "check the file's owner and mode against the container's user".into(),
            Self::NoCredentials { .. } => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, mount a profile, or give the service account a role (web identity)".into(),
            Self::ExpiredCredentials { .. } => {
                "renew the session token, or let the service account's role renew it".into()
            }
            Self::Unreachable { .. } => {
                "check AWS_ENDPOINT_URL, the proxy and the network policy; running again may succeed"
                    .into()
            }
            Self::InvalidEndpoint { .. } => {
                "set AWS_ENDPOINT_URL to a URL such as https://HOST:PORT, or unset it".into()
            }
            Self::Changed { .. } => "run again once no one writes to the dataset".into(),
            Self::TooManyFiles { .. } => "name a narrower prefix".into(),
            Self::OutOfRange { .. } | Self::Failed { .. } => return None,
        })
    }
}

fn elsewhere_text(endpoint: &str, region: Option<&str>) -> String {
    match region {
        None => format!("by this region at `{endpoint}`, and no answer names another"),
        Some(region) => format!(
            "at `{endpoint}`: the store says that it lies in `{region}`, and refuses a request for that region, too"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marker_and_hidden_files_are_no_data() {
        for name in [
            "_SUCCESS",
            ".part.crc",
            "day=1/_temporary/0/part.parquet",
            "a/.b/c",
        ] {
            assert!(is_hidden(name), "{name}");
        }
        for name in ["part.parquet", "day=1/part_0.parquet", "a.b/c"] {
            assert!(!is_hidden(name), "{name}");
        }
    }
}
