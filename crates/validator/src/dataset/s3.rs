//! Objects below an S3 prefix.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::DateTime;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};

use super::ranges::RequestPlan;
use super::s3_client::S3Client;
use super::s3_error::classify;
use super::source::{ETAG, FILES_MAX, Object, ObjectSource, SourceError, check_ranges, is_hidden};

/// Requests of one call that are under way at a time.
const REQUESTS_CONCURRENT_MAX: usize = 8;
/// Attempts to read a body to its end, beyond the client's own retries of the request.
const BODY_ATTEMPTS_MAX: u32 = 3;

/// All objects below a prefix of a bucket, or a single object.
#[derive(Debug, Clone)]
pub struct S3Source {
    client: S3Client,
    bucket: String,
    prefix: String,
    page_keys_max: Option<i32>,
}

impl S3Source {
    /// Returns a source; a prefix means itself as an object or everything below `prefix/`,
    /// never a sibling whose name merely begins alike.
    #[must_use]
    pub fn new(client: S3Client, bucket: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self {
            client,
            bucket: bucket.into(),
            prefix: prefix.into(),
            page_keys_max: None,
        }
    }

    /// Asks for smaller pages of a listing than the store's own.
    #[must_use]
    pub fn with_page_keys_max(mut self, keys: i32) -> Self {
        self.page_keys_max = Some(keys);
        self
    }

    fn key_of(&self, uri: &str) -> String {
        let root = format!("s3://{}/", self.bucket);
        uri.strip_prefix(&root).unwrap_or(uri).to_owned()
    }

    /// Returns the name of a key relative to this place; nothing for what is not below it,
    /// for folder markers and for hidden names.
    fn relative_name(&self, key: &str) -> Option<String> {
        let name = if key == self.prefix {
            return (!key.ends_with('/')).then(|| key.rsplit('/').next().unwrap_or(key).to_owned());
        } else if self.prefix.is_empty() || self.prefix.ends_with('/') {
            key.strip_prefix(&self.prefix)?
        } else {
            key.strip_prefix(&self.prefix)?.strip_prefix('/')?
        };
        (!name.is_empty() && !name.ends_with('/') && !is_hidden(name)).then(|| name.to_owned())
    }

    async fn list_all(&self) -> Result<Vec<Object>, SourceError> {
        let uri = self.uri();
        let mut objects = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let page = self
                .client
                .send(&self.bucket, |s3| {
                    s3.list_objects_v2()
                        .bucket(&self.bucket)
                        .prefix(&self.prefix)
                        .set_max_keys(self.page_keys_max)
                        .set_continuation_token(next.clone())
                        .send()
                })
                .await;
            let page = match page {
                Ok(page) => page,
                Err(error) => return Err(classify(&self.client, &uri, &self.bucket, error).await),
            };
            for entry in page.contents() {
                let Some(key) = entry.key() else { continue };
                let Some(name) = self.relative_name(key) else {
                    continue;
                };
                objects.push(Object {
                    name,
                    uri: format!("s3://{}/{key}", self.bucket),
                    bytes: u64::try_from(entry.size().unwrap_or_default()).unwrap_or_default(),
                    pin: pin(entry.e_tag(), entry.last_modified()),
                });
                if objects.len() > FILES_MAX {
                    return Err(SourceError::TooManyFiles { uri });
                }
            }
            let token = page.next_continuation_token();
            next = next_page(page.is_truncated(), token, next.as_deref()).map_err(|what| {
                SourceError::Failed {
                    uri: uri.clone(),
                    source: what.into(),
                }
            })?;
            if next.is_none() {
                break;
            }
        }
        objects.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(objects)
    }

    async fn read_part(&self, object: &Object, range: Range<u64>) -> Result<Bytes, SourceError> {
        let mut attempt = 1;
        loop {
            match self.read_part_once(object, &range).await {
                Err(SourceError::Failed { uri, source }) if attempt < BODY_ATTEMPTS_MAX => {
                    tracing::debug!(%uri, attempt, error = %source, "reading a body failed");
                    tokio::time::sleep(Duration::from_millis(200 * u64::from(attempt))).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn read_part_once(
        &self,
        object: &Object,
        range: &Range<u64>,
    ) -> Result<Bytes, SourceError> {
        let answer = self
            .client
            .send(&self.bucket, |s3| {
                s3.get_object()
                    .bucket(&self.bucket)
                    .key(self.key_of(&object.uri))
                    .range(format!("bytes={}-{}", range.start, range.end - 1))
                    .set_if_match(object.pin.strip_prefix(ETAG).map(str::to_owned))
                    .send()
            })
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if is_changed(&error) => {
                return Err(SourceError::Changed {
                    uri: object.uri.clone(),
                });
            }
            Err(error) => {
                return Err(classify(&self.client, &object.uri, &self.bucket, error).await);
            }
        };
        if is_another(object, &answer) {
            return Err(SourceError::Changed {
                uri: object.uri.clone(),
            });
        }
        let body = answer
            .body
            .collect()
            .await
            .map_err(|error| SourceError::Failed {
                uri: object.uri.clone(),
                source: error.into(),
            })?;
        let bytes = body.into_bytes();
        let wanted = range.end - range.start;
        if bytes.len() as u64 != wanted {
            return Err(SourceError::Failed {
                uri: object.uri.clone(),
                source: format!("asked for {wanted} bytes, got {}", bytes.len()).into(),
            });
        }
        Ok(bytes)
    }

    /// Looks up one object by its key, whatever its name.
    ///
    /// # Errors
    /// [`SourceError`]; [`SourceError::NotFound`] when there is none.
    pub async fn object(&self) -> Result<Object, SourceError> {
        let uri = self.uri();
        let head = self
            .client
            .send(&self.bucket, |s3| {
                let request = s3.head_object().bucket(&self.bucket);
                request.key(&self.prefix).send()
            })
            .await;
        match head {
            Ok(head) => Ok(Object {
                name: self
                    .prefix
                    .rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                bytes: u64::try_from(head.content_length().unwrap_or_default()).unwrap_or_default(),
                pin: pin(head.e_tag(), head.last_modified()),
                uri,
            }),
            Err(error) => Err(classify(&self.client, &uri, &self.bucket, error).await),
        }
    }
}

/// Returns the token of the page that follows, or nothing after the last one. A store that
/// promises more and gives no new token would leave a part of the dataset that passes for all.
fn next_page(
    is_truncated: Option<bool>,
    token: Option<&str>,
    previous: Option<&str>,
) -> Result<Option<String>, &'static str> {
    match (is_truncated, token) {
        (Some(false), _) | (None, None) => Ok(None),
        (Some(true), None) => Err("the store ended its listing early, without a token to go on"),
        (_, Some(token)) if previous == Some(token) => {
            Err("the store gave the same page of its listing again")
        }
        (_, Some(token)) => Ok(Some(token.to_owned())),
    }
}

/// Marks a pin that is a time of change, in seconds: what is left where a listing has no ETags.
const MODIFIED: &str = "modified ";

fn pin(etag: Option<&str>, modified: Option<&DateTime>) -> String {
    match (etag, modified) {
        (Some(etag), _) => format!("{ETAG}{etag}"),
        (None, Some(modified)) => format!("{MODIFIED}{}", modified.secs()),
        (None, None) => String::new(),
    }
}

/// Tells whether an answer belongs to another object than was listed. Not every store heeds
/// `If-Match`, so what it sent is compared too.
fn is_another(object: &Object, answer: &GetObjectOutput) -> bool {
    let other_size = answer
        .content_range()
        .and_then(|range| range.rsplit('/').next()?.parse().ok())
        .is_some_and(|bytes: u64| bytes != object.bytes);
    let other_etag = object
        .pin
        .strip_prefix(ETAG)
        .zip(answer.e_tag())
        .is_some_and(|(pinned, found)| pinned != found);
    let other_time = object
        .pin
        .strip_prefix(MODIFIED)
        .zip(answer.last_modified())
        .is_some_and(|(pinned, found)| pinned != found.secs().to_string());
    other_size || other_etag || other_time
}

fn is_changed(error: &SdkError<GetObjectError>) -> bool {
    error.code() == Some("PreconditionFailed")
        || error
            .raw_response()
            .is_some_and(|response| response.status().as_u16() == 412)
}

impl ObjectSource for S3Source {
    fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Object>, SourceError>> {
        self.list_all().boxed()
    }

    fn read<'a>(
        &'a self,
        object: &'a Object,
        ranges: &'a [Range<u64>],
    ) -> BoxFuture<'a, Result<Vec<Bytes>, SourceError>> {
        async move {
            check_ranges(object, ranges)?;
            let plan = RequestPlan::new(ranges);
            let fetched: Vec<Bytes> = futures::stream::iter(plan.parts.clone())
                .map(|part| self.read_part(object, part))
                .buffered(REQUESTS_CONCURRENT_MAX)
                .try_collect()
                .await?;
            Ok(plan.cut(&fetched, ranges))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::next_page;

    #[test]
    fn a_listing_ends_only_where_the_store_says_so() {
        let token = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(next_page(Some(true), Some("b"), Some("a")), token("b"));
        assert_eq!(next_page(None, Some("b"), None), token("b"));
        assert_eq!(next_page(Some(false), None, Some("a")), Ok(None));
        assert_eq!(next_page(None, None, None), Ok(None));
        assert!(next_page(Some(true), None, Some("a")).is_err());
        assert!(next_page(Some(true), Some("a"), Some("a")).is_err());
    }
}
