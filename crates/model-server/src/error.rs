//! What can go wrong: before serving, and in answering a request.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use thiserror::Error;
use validator::scorer::ScorerError;

/// A setting that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ConfigurationError {
    #[error("{name} is `{text}`, but must be {expected}")]
    Value {
        name: &'static str,
        text: String,
        expected: &'static str,
    },
    #[error("the scorer cannot be started")]
    Scorer(#[source] Box<ScorerError>),
}

/// Why the server cannot go on.
#[derive(Debug, Error)]
pub(crate) enum WorkerError {
    #[error("failed to load the model")]
    Load(#[source] Arc<ScorerError>),
    #[error("the thread that asks the model has ended by a fault of this program")]
    Ended,
}

/// Why a request is not answered with predictions.
#[derive(Debug, Clone, Error)]
pub(crate) enum RequestError {
    #[error("the body is not what was expected: {0}")]
    Body(String),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the rows have {given} values, but the model takes {}", expected.map_or_else(|| "another number".to_owned(), |width| width.to_string()))]
    Width {
        given: usize,
        expected: Option<usize>,
    },
    #[error("the model refused the rows: {0}")]
    Raised(String),
    #[error("the model returned a value that is not a number for row {0}")]
    NotANumber(usize),
    #[error("the model's output cannot be served: {0}")]
    Output(String),
    #[error("the model is not ready: {0}")]
    NotReady(String),
    #[error("too many requests are waiting")]
    Overloaded,
    #[error("the server is stopping")]
    Stopping,
}

impl RequestError {
    /// Returns the status and a word for programs.
    pub(crate) fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Body(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::Width { .. } => (StatusCode::BAD_REQUEST, "wrong_width"),
            Self::Raised(_) => (StatusCode::UNPROCESSABLE_ENTITY, "model_raised"),
            Self::NotANumber(_) => (StatusCode::INTERNAL_SERVER_ERROR, "not_a_number"),
            Self::Output(_) => (StatusCode::INTERNAL_SERVER_ERROR, "unsupported_output"),
            Self::NotReady(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        }
    }
}

impl From<&ScorerError> for RequestError {
    fn from(error: &ScorerError) -> Self {
        match error {
            ScorerError::WrongWidth {
                given, expected, ..
            } => Self::Width {
                given: *given,
                expected: *expected,
            },
            ScorerError::Raised { message, .. } => Self::Raised(message.clone()),
            ScorerError::UnsupportedOutput { what } => Self::Output(what.clone()),
            other => Self::NotReady(other.to_string()),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: Detail<'a>,
}

#[derive(Serialize)]
struct Detail<'a> {
    code: &'a str,
    message: String,
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let (status, code) = self.code();
        let body = Json(Body {
            error: Detail {
                code,
                message: self.to_string(),
            },
        });
        let mut response = (status, body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
