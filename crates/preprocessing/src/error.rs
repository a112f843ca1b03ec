//! Why a request is not answered with a prediction.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use thiserror::Error;

use crate::event::EventError;
use crate::http::HttpError;
use crate::peers::PeerError;

/// What the caller is told.
#[derive(Debug, Error)]
pub(crate) enum RequestError {
    #[error(transparent)]
    Event(#[from] EventError),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("a peer that is needed has not been reached yet")]
    NotReady,
    #[error("too many requests are being answered")]
    Overloaded,
    #[error("the server is stopping")]
    Stopping,
}

impl RequestError {
    /// Returns the status and a word for programs.
    fn code(&self) -> (StatusCode, &'static str) {
        let unavailable = |word| (StatusCode::SERVICE_UNAVAILABLE, word);
        match self {
            Self::Event(EventError::Missing(_)) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "missing_features")
            }
            Self::Event(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            // The row was made here: a model that refuses it is set up for other columns.
            Self::Peer(PeerError::ModelServer(HttpError::Status { status, .. }))
                if status.is_client_error() =>
            {
                (StatusCode::BAD_GATEWAY, "model_refused")
            }
            Self::Peer(PeerError::ModelServer(_)) => unavailable("model_server"),
            Self::Peer(PeerError::FeatureStore(_)) => unavailable("feature_store"),
            Self::Peer(PeerError::Cache(_)) => unavailable("cache"),
            Self::Peer(PeerError::Queue(_)) => unavailable("result_queue"),
            Self::NotReady => unavailable("not_ready"),
            Self::Overloaded => unavailable("overloaded"),
            Self::Stopping => unavailable("stopping"),
        }
    }

    /// Logs the refusal: what the caller did wrong is of interest to nobody else.
    pub(crate) fn log(&self) {
        let (status, code) = self.code();
        if status.is_server_error() {
            tracing::warn!(code, error = self.text(), "refused");
        } else {
            tracing::debug!(code, error = self.text(), "refused");
        }
    }

    /// Returns the text with its causes.
    fn text(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
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
        let message = self.text();
        let body = Json(Body {
            error: Detail { code, message },
        });
        let mut response = (status, body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
