//! Requests to the API server: one place that sends, retries, bounds and counts them.
//!
//! Everything else in this folder speaks in JSON values and paths; nothing else opens a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::{AsyncBufRead, Stream, StreamExt};
use http::{Method, Request, StatusCode};
use kube::client::Body;
use kube::core::WatchEvent;
use serde_json::Value;
use tracing::{debug, warn};

use super::error::{ApiCause, KubeError, connection_problem};
use super::limit::Limit;

/// Attempts for one request, the first included, once the server has answered before.
const ATTEMPTS_MAX: u32 = 7;
/// Attempts for the first contact: a wrong address should be said at once.
const ATTEMPTS_FIRST_CONTACT: u32 = 2;
/// Time for one answer, watches and logs apart.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A patch format that the API server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// Server-side apply.
    Apply,
    /// JSON merge patch, RFC 7386.
    Merge,
    /// Strategic merge patch, for built-in kinds.
    Strategic,
    /// JSON patch, RFC 6902.
    Json,
}

impl PatchKind {
    fn content_type(self) -> &'static str {
        match self {
            // JSON is YAML: the server takes it under this name.
            PatchKind::Apply => "application/apply-patch+yaml",
            PatchKind::Merge => "application/merge-patch+json",
            PatchKind::Strategic => "application/strategic-merge-patch+json",
            PatchKind::Json => "application/json-patch+json",
        }
    }
}

/// A connection to one API server.
pub struct Rest {
    client: kube::Client,
    server: String,
    limit: Limit,
    contacted: AtomicBool,
    requests: Arc<AtomicU64>,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Rest")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

/// Whether and when to ask again.
enum Next {
    Done(Result<Value, KubeError>),
    Again {
        after: Option<Duration>,
        error: KubeError,
    },
}

impl Rest {
    /// Prepares a connection; nothing is sent yet.
    ///
    /// # Errors
    /// [`KubeError::Client`] when certificates or keys of the configuration cannot be used.
    pub fn new(config: kube::Config) -> Result<Self, KubeError> {
        let server = config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned();
        let client = super::client::client(config, &server)?;
        Ok(Self {
            client,
            server,
            limit: Limit::new(),
            contacted: AtomicBool::new(false),
            requests: Arc::default(),
        })
    }

    /// Returns the same connection for requests that must not queue behind the others; they are
    /// counted together.
    pub fn with_own_slots(&self) -> Self {
        Self {
            client: self.client.clone(),
            server: self.server.clone(),
            limit: Limit::new(),
            contacted: AtomicBool::new(false),
            requests: Arc::clone(&self.requests),
        }
    }

    /// Returns the server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Returns how many requests were sent, repeats included.
    pub fn requests_total(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Reads `path`.
    ///
    /// # Errors
    /// [`KubeError`], with status 404 when nothing is there.
    pub async fn get(&self, path: &str) -> Result<Value, KubeError> {
        self.call(
            Method::GET,
            path,
            "application/json",
            "application/json",
            Vec::new(),
        )
        .await
    }

    /// Reads `path`, asking for the media type `accept`.
    ///
    /// # Errors
    /// [`KubeError`].
    pub async fn get_as(&self, path: &str, accept: &str) -> Result<Value, KubeError> {
        self.call(Method::GET, path, accept, "application/json", Vec::new())
            .await
    }

    /// Creates `body` under `path`.
    ///
    /// # Errors
    /// [`KubeError`]; when `AlreadyExists` carries `retried`, the object may be our own.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, KubeError> {
        self.call(
            Method::POST,
            path,
            "application/json",
            "application/json",
            body.to_string().into_bytes(),
        )
        .await
    }

    /// Replaces what is at `path`.
    ///
    /// # Errors
    /// [`KubeError`]; when `Conflict` carries `retried`, the change may be our own.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, KubeError> {
        self.call(
            Method::PUT,
            path,
            "application/json",
            "application/json",
            body.to_string().into_bytes(),
        )
        .await
    }

    /// Patches what is at `path`.
    ///
    /// # Errors
    /// [`KubeError`].
    pub async fn patch(
        &self,
        path: &str,
        kind: PatchKind,
        body: &Value,
    ) -> Result<Value, KubeError> {
        self.call(
            Method::PATCH,
            path,
            "application/json",
            kind.content_type(),
            body.to_string().into_bytes(),
        )
        .await
    }

    /// Deletes what is at `path`, with `options` as the body.
    ///
    /// # Errors
    /// [`KubeError`].
    pub async fn delete(&self, path: &str, options: &Value) -> Result<Value, KubeError> {
        self.call(
            Method::DELETE,
            path,
            "application/json",
            "application/json",
            options.to_string().into_bytes(),
        )
        .await
    }

    /// Watches `path` (its query included) until the server ends the stream.
    ///
    /// # Errors
    /// [`KubeError`] when the watch cannot start; later failures are items of the stream.
    pub async fn watch(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<WatchEvent<Value>, KubeError>> + use<>, KubeError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let request = self.request(
            &Method::GET,
            path,
            "application/json",
            "application/json",
            Vec::new(),
        )?;
        let server = self.server.clone();
        let stream = self
            .client
            .request_events::<Value>(request)
            .await
            .map_err(|error| from_kube(&server, error, false))?;
        Ok(stream.map(move |item| item.map_err(|error| from_kube(&server, error, false))))
    }

    /// Reads `path` as text in pieces, as logs are.
    ///
    /// # Errors
    /// [`KubeError`] when it cannot start.
    pub async fn stream(&self, path: &str) -> Result<impl AsyncBufRead + use<>, KubeError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let request = self.request(&Method::GET, path, "*/*", "application/json", Vec::new())?;
        self.client
            .request_stream(request)
            .await
            .map_err(|error| from_kube(&self.server, error, false))
    }

    /// Reads `path` as text.
    ///
    /// # Errors
    /// [`KubeError`].
    pub async fn text(&self, path: &str) -> Result<String, KubeError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let request = self.request(&Method::GET, path, "*/*", "application/json", Vec::new())?;
        self.client
            .request_text(request)
            .await
            .map_err(|error| from_kube(&self.server, error, false))
    }

    fn request<B>(
        &self,
        method: &Method,
        path: &str,
        accept: &str,
        content_type: &str,
        body: B,
    ) -> Result<Request<B>, KubeError> {
        Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::ACCEPT, accept)
            .header(http::header::CONTENT_TYPE, content_type)
            .header(
                http::header::USER_AGENT,
                concat!("deployer/", env!("CARGO_PKG_VERSION")),
            )
            .body(body)
            .map_err(|error| KubeError::Unreachable {
                server: self.server.clone(),
                problem: format!("`{path}` is no path: {error}"),
            })
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Value, KubeError> {
        let mut attempt = 1;
        let mut ambiguous = false;
        loop {
            let permit = self.limit.acquire().await;
            let started = Instant::now();
            self.requests.fetch_add(1, Ordering::Relaxed);
            let request = self.request(
                &method,
                path,
                accept,
                content_type,
                Body::from(body.clone()),
            )?;
            let outcome = tokio::time::timeout(ANSWER_TIMEOUT, self.send(request)).await;
            match &outcome {
                Ok(Ok(answer)) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                    permit.refused();
                }
                _ => drop(permit),
            }
            let next = match outcome {
                Err(_elapsed) => Next::Again {
                    after: None,
                    error: KubeError::Unreachable {
                        server: self.server.clone(),
                        problem: format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()),
                    },
                },
                Ok(Err(error)) => self.after_failure(error),
                Ok(Ok(answer)) => {
                    debug!(%method, path, status = answer.status.as_u16(), elapsed_ms = started.elapsed().as_millis() as u64, "api");
                    self.contacted.store(true, Ordering::Relaxed);
                    self.after_answer(answer, &method, path, ambiguous)
                }
            };
            let (after, error) = match next {
                Next::Done(result) => return result,
                Next::Again { after, error } => (after, error),
            };
            let attempts_max = if self.contacted.load(Ordering::Relaxed) {
                ATTEMPTS_MAX
            } else {
                ATTEMPTS_FIRST_CONTACT
            };
            if attempt >= attempts_max {
                return Err(error);
            }
            let refused = matches!(&error, KubeError::Api { code: 429, .. });
            ambiguous |= !refused;
            let pause = after.unwrap_or_else(|| pause_before(attempt));
            warn!(%method, path, attempt, pause_ms = pause.as_millis() as u64, %error, "asking the API server again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn send(&self, request: Request<Body>) -> Result<Answer, kube::Error> {
        let response = self.client.send(request).await?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(|seconds: u64| Duration::from_secs(seconds).min(PAUSE_MAX));
        let body = response.into_body().collect_bytes().await?.to_vec();
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    }

    fn after_failure(&self, error: kube::Error) -> Next {
        let (_, retryable) = connection_problem(&error);
        let error = from_kube(&self.server, error, false);
        if retryable && matches!(error, KubeError::Unreachable { .. }) {
            Next::Again { after: None, error }
        } else {
            Next::Done(Err(error))
        }
    }

    fn after_answer(&self, answer: Answer, method: &Method, path: &str, ambiguous: bool) -> Next {
        if answer.status.is_success() {
            return Next::Done(serde_json::from_slice(&answer.body).map_err(|source| {
                KubeError::Answer {
                    server: self.server.clone(),
                    request: format!("{method} {path}"),
                    source,
                }
            }));
        }
        let error = from_status(
            &self.server,
            answer.status.as_u16(),
            &answer.body,
            ambiguous,
        );
        match answer.status.as_u16() {
            // Nothing was written that could conflict: something between here and the server spoke.
            409 if *method == Method::GET => Next::Again { after: None, error },
            // The server answers 500 to an apply of fields that it does not know.
            500 if is_malformed_apply(&error) => Next::Done(Err(error)),
            429 | 500 | 502 | 503 | 504 => Next::Again {
                after: answer.retry_after,
                error,
            },
            _ => Next::Done(Err(error)),
        }
    }
}

fn is_malformed_apply(error: &KubeError) -> bool {
    matches!(error, KubeError::Api { message, .. } if message.contains("failed to create typed patch object"))
}

/// Doubles from 100 ms, with a spread so that many deployers do not ask in step.
fn pause_before(attempt: u32) -> Duration {
    let base = Duration::from_millis(100) * 2_u32.saturating_pow(attempt.saturating_sub(1).min(6));
    let spread = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.subsec_nanos() % 256);
    (base + base * spread / 512).min(PAUSE_MAX)
}

fn from_status(server: &str, code: u16, body: &[u8], retried: bool) -> KubeError {
    let status: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let text = |pointer: &str| {
        status
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut message = text("/message");
    if message.is_empty() {
        let raw = String::from_utf8_lossy(&body[..body.len().min(300)])
            .trim()
            .to_owned();
        message = if raw.is_empty() {
            format!("the API server answered with status {code}")
        } else {
            raw
        };
    }
    if code == 401 {
        return KubeError::Unauthorised {
            server: server.to_owned(),
            message,
        };
    }
    let causes = status
        .pointer("/details/causes")
        .and_then(Value::as_array)
        .map(|causes| {
            causes
                .iter()
                .map(|cause| ApiCause {
                    reason: cause["reason"].as_str().unwrap_or_default().to_owned(),
                    message: cause["message"].as_str().unwrap_or_default().to_owned(),
                    field: cause["field"].as_str().unwrap_or_default().to_owned(),
                })
                .collect()
        })
        .unwrap_or_default();
    KubeError::Api {
        code,
        reason: text("/reason"),
        message,
        causes,
        retried,
    }
}

fn from_kube(server: &str, error: kube::Error, retried: bool) -> KubeError {
    match error {
        kube::Error::Api(status) => {
            let body = serde_json::to_vec(&*status).unwrap_or_default();
            from_status(server, status.code, &body, retried)
        }
        kube::Error::SerdeError(source) => KubeError::Answer {
            server: server.to_owned(),
            request: "a request".to_owned(),
            source,
        },
        kube::Error::Auth(_) => KubeError::Unauthorised {
            server: server.to_owned(),
            message: error.to_string(),
        },
        other => KubeError::Unreachable {
            server: server.to_owned(),
            problem: connection_problem(&other).0,
        },
    }
}

/// Escapes `text` for a query value or a path segment.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_answer_keeps_reason_and_causes() {
        let body = br#"{"kind":"Status","code":409,"reason":"Conflict","message":"Apply failed with 1 conflict",
            "details":{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"kubectl\"","field":".spec.replicas"}]}}"#;
        let error = from_status("https://x", 409, body, false);
        assert!(error.is_conflict());
        let KubeError::Api { causes, .. } = error else {
            panic!("not an API error");
        };
        assert_eq!(causes[0].field, ".spec.replicas");
    }

    #[test]
    fn an_answer_that_is_no_status_is_quoted() {
        let error = from_status("https://x", 502, b"bad gateway", false);
        assert_eq!(error.to_string(), "bad gateway");
        let error = from_status("https://x", 401, b"", false);
        assert!(matches!(error, KubeError::Unauthorised { .. }));
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        assert!(pause_before(1) >= Duration::from_millis(100));
        assert!(pause_before(4) >= Duration::from_millis(800));
        assert!(pause_before(40) <= PAUSE_MAX);
    }

    #[test]
    fn query_values_are_escaped() {
        assert_eq!(
            escape("name=x,owner in (a)"),
            "name%3Dx%2Cowner%20in%20%28a%29"
        );
    }
}
