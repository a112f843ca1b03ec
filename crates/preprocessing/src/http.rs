//! Requests to HTTP peers, bounded in time and size.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Time to connect, within the time of the request.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Waits before a request whose connection failed is sent again: a pod that ends takes its connections with it. All
/// requests are questions, so that asking twice changes nothing.
const RETRY_WAITS: [Duration; 3] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(300),
];
/// How long an idle connection is kept; a peer that was replaced is looked up again after that.
const IDLE_MAX: Duration = Duration::from_secs(15);

/// Why a peer gave no usable answer. Carries no address: the caller names the peer.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("the answer cannot be read: {0}")]
    Answer(String),
    #[error("answered {status}: {text}")]
    Status { status: StatusCode, text: String },
}

/// The client that all requests share.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Status and body.
pub(crate) type Answer = (StatusCode, Bytes);

impl Http {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_MAX));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(connector);
        Self { client }
    }

    /// Asks for a page.
    ///
    /// # Errors
    /// When no answer comes in time or it is too large; a status is no error here.
    pub(crate) async fn get(&self, url: &str, timeout: Duration) -> Result<Answer, HttpError> {
        self.send(Method::GET, url, Bytes::new(), timeout).await
    }

    /// Sends a JSON body.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn post(
        &self,
        url: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Answer, HttpError> {
        self.send(Method::POST, url, body.into(), timeout).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Answer, HttpError> {
        let answer = async {
            let mut waits = RETRY_WAITS.iter();
            loop {
                let outcome = self.send_once(&method, url, &body).await;
                match (outcome, waits.next()) {
                    (Err(HttpError::Unreachable(_)), Some(wait)) => {
                        tokio::time::sleep(*wait).await;
                    }
                    (outcome, _) => return outcome,
                }
            }
        };
        tokio::time::timeout(timeout, answer)
            .await
            .unwrap_or(Err(HttpError::Timeout(timeout)))
    }

    async fn send_once(
        &self,
        method: &Method,
        url: &str,
        body: &Bytes,
    ) -> Result<Answer, HttpError> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(Full::new(body.clone()))
            .map_err(|error| HttpError::Unreachable(error.to_string()))?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| HttpError::Unreachable(with_sources(&error)))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| HttpError::Answer(error.to_string()))?;
        Ok((status, body.to_bytes()))
    }
}

impl HttpError {
    /// Makes an error of an answer that is none; its text is cut, since it is a stranger's.
    pub(crate) fn of_status((status, body): &Answer) -> Self {
        let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
        Self::Status {
            status: *status,
            text: text.trim().to_owned(),
        }
    }
}

/// The client's own text says only that it failed.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
