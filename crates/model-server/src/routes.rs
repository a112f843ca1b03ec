//! The HTTP side: reads requests, hands rows to the worker, shapes answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, get, post};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::SignalKind;
use tokio::sync::Notify;
use validator::scorer::OutputKind;

use crate::config::{Configuration, ModelOutput};
use crate::error::RequestError;
use crate::metrics::{Metrics, Moment};
use crate::worker::{Loaded, Scores, State, Worker};

/// Time that running requests have once the server stops.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Server {
    configuration: Configuration,
    pub(crate) worker: Worker,
    metrics: Arc<Metrics>,
    stopping: AtomicBool,
    stopped: Notify,
}

impl Server {
    pub(crate) fn new(configuration: Configuration, worker: Worker, metrics: Arc<Metrics>) -> Self {
        Self {
            configuration,
            worker,
            metrics,
            stopping: AtomicBool::new(false),
            stopped: Notify::new(),
        }
    }

    /// Returns when connections are to be refused: at once on SIGINT, and on SIGTERM after a
    /// while in which readiness is false already and load balancers look elsewhere.
    pub(crate) async fn until_stopped(&self) {
        match crate::ending_signal().await {
            Ok(kind) => {
                self.stopping.store(true, Ordering::Relaxed);
                tracing::info!("stopping");
                if kind == SignalKind::terminate() {
                    tokio::time::sleep(self.configuration.shutdown_delay).await;
                }
            }
            Err(error) => tracing::error!(%error, "signals cannot be received; stopping"),
        }
        self.stopped.notify_one();
    }

    /// Returns when requests have had their time to end after the stop.
    pub(crate) async fn until_stop_overdue(&self) {
        self.stopped.notified().await;
        tokio::time::sleep(STOP_GRACE).await;
    }

    fn ready(&self) -> Result<Loaded, RequestError> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(RequestError::Stopping);
        }
        match self.worker.state() {
            State::Ready(loaded) => Ok(loaded),
            State::Loading => Err(RequestError::NotReady("it is being loaded".into())),
            State::Restarting(reason) => Err(RequestError::NotReady(reason)),
            State::Failed(error) => Err(RequestError::NotReady(error.to_string())),
        }
    }
}

/// Returns the routes.
pub(crate) fn router(server: Arc<Server>) -> Router {
    let limit = DefaultBodyLimit::max(server.configuration.request_bytes_max);
    Router::new()
        .route("/", get(describe))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/predict", post(predict))
        .layer(limit)
        .with_state(server)
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

async fn live() -> Json<Health> {
    Json(Health { status: "alive" })
}

async fn ready(Shared(server): Shared<Arc<Server>>) -> Result<Json<Description>, RequestError> {
    let loaded = server.ready()?;
    Ok(Json(server.description(Some(loaded))))
}

async fn describe(Shared(server): Shared<Arc<Server>>) -> Json<Description> {
    let loaded = server.ready().ok();
    Json(server.description(loaded))
}

/// What is served and how it is set up.
#[derive(Serialize)]
struct Description {
    status: &'static str,
    model: Model,
    width: Option<usize>,
    runtime: Option<String>,
    decision_threshold: f64,
    batch_size: usize,
    model_output: ModelOutput,
    feature_server_url: Option<String>,
    redis: Option<String>,
}

#[derive(Serialize)]
struct Model {
    path: String,
    sha256: Option<String>,
    version: Option<String>,
}

impl Server {
    fn description(&self, loaded: Option<Loaded>) -> Description {
        let configuration = &self.configuration;
        Description {
            status: if loaded.is_some() {
                "ready"
            } else {
                "not ready"
            },
            width: loaded.as_ref().and_then(|loaded| loaded.width),
            runtime: loaded.as_ref().map(|loaded| loaded.runtime.clone()),
            model: self.model(loaded.map(|loaded| loaded.sha256)),
            decision_threshold: configuration.decision_threshold,
            batch_size: configuration.batch_size,
            model_output: configuration.model_output,
            feature_server_url: configuration.feature_server_url.clone(),
            redis: configuration.redis.clone(),
        }
    }

    fn model(&self, sha256: Option<String>) -> Model {
        Model {
            path: self.configuration.model_path.clone(),
            sha256,
            version: self.configuration.model_version.clone(),
        }
    }
}

async fn metrics(Shared(server): Shared<Arc<Server>>) -> Response {
    let loaded = match server.worker.state() {
        State::Ready(loaded) => Some(loaded),
        _ => None,
    };
    let moment = Moment {
        ready: server.ready().is_ok(),
        scorer_memory_bytes: loaded.as_ref().and_then(|loaded| loaded.peak_memory_bytes),
        sha256: loaded.map(|loaded| loaded.sha256).unwrap_or_default(),
        version: server
            .configuration
            .model_version
            .clone()
            .unwrap_or_default(),
        decision_threshold: server.configuration.decision_threshold,
    };
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (content_type, server.metrics.text(&moment)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PredictRequest {
    instances: Vec<Vec<f32>>,
}

/// Predictions in the order of the instances.
#[derive(Serialize)]
struct PredictResponse {
    /// Probabilities of the positive class.
    predictions: Vec<f64>,
    /// Whether each probability reaches the threshold.
    decisions: Vec<bool>,
    /// Raw outputs of the model.
    scores: Vec<f64>,
    decision_threshold: f64,
    model: Model,
}

async fn predict(
    Shared(server): Shared<Arc<Server>>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let started = Instant::now();
    let response = match answer(&server, body).await {
        Ok(response) => Json(response).into_response(),
        Err(error) => {
            tracing::debug!(%error, "refused");
            error.into_response()
        }
    };
    let status = response.status().as_u16();
    server.metrics.answered(status, started.elapsed());
    response
}

async fn answer(
    server: &Server,
    body: Result<Bytes, BytesRejection>,
) -> Result<PredictResponse, RequestError> {
    let body = body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            RequestError::TooLarge(server.configuration.request_bytes_max)
        } else {
            RequestError::Body(rejection.body_text())
        }
    })?;
    let rows = rows(&body)?;
    let State::Ready(loaded) = server.worker.state() else {
        // Asked for its reason, as for every request that comes too early.
        return Err(server.ready().err().unwrap_or(RequestError::Overloaded));
    };
    let scores = server.worker.score(rows).await?;
    let predictions = probabilities(&scores, server.configuration.model_output)?;
    let decision_threshold = server.configuration.decision_threshold;
    Ok(PredictResponse {
        decisions: predictions
            .iter()
            .map(|value| *value >= decision_threshold)
            .collect(),
        predictions,
        scores: scores.values,
        decision_threshold,
        model: server.model(Some(loaded.sha256)),
    })
}

/// Reads `{"instances": [[...], ...]}`: at least one row, all of one width, all finite.
fn rows(body: &[u8]) -> Result<Array2<f32>, RequestError> {
    let request: PredictRequest =
        serde_json::from_slice(body).map_err(|error| RequestError::Body(error.to_string()))?;
    let width = request.instances.first().map_or(0, Vec::len);
    if width == 0 {
        return Err(RequestError::Body("`instances` holds no values".into()));
    }
    let mut values = Vec::with_capacity(request.instances.len() * width);
    for (index, row) in request.instances.iter().enumerate() {
        if row.len() != width {
            return Err(RequestError::Body(format!(
                "instance {index} has {} values, the first has {width}",
                row.len()
            )));
        }
        if row.iter().any(|value| !value.is_finite()) {
            return Err(RequestError::Body(format!(
                "instance {index} has a value that a 32-bit number cannot hold"
            )));
        }
        values.extend_from_slice(row);
    }
    Array2::from_shape_vec((request.instances.len(), width), values)
        .map_err(|error| RequestError::Body(error.to_string()))
}

/// Turns raw outputs into probabilities; a number that is none is an error, never an answer.
fn probabilities(scores: &Scores, output: ModelOutput) -> Result<Vec<f64>, RequestError> {
    if let Some(row) = scores.values.iter().position(|value| value.is_nan()) {
        return Err(RequestError::NotANumber(row));
    }
    let are_probabilities = match scores.kind {
        OutputKind::PairOfProbabilities => true,
        OutputKind::LogitDifference => false,
        OutputKind::Single | OutputKind::Column | OutputKind::AllColumns => {
            output == ModelOutput::Probabilities
        }
    };
    if !are_probabilities {
        return Ok(scores
            .values
            .iter()
            .map(|value| 1.0 / (1.0 + (-value).exp()))
            .collect());
    }
    match scores
        .values
        .iter()
        .find(|value| !(0.0..=1.0).contains(*value))
    {
        Some(value) => Err(RequestError::Output(format!(
            "{value} is no probability; set MODEL_OUTPUT=logits if the model returns logits"
        ))),
        None => Ok(scores.values.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(values: &[f64], kind: OutputKind) -> Scores {
        Scores {
            values: values.to_vec(),
            kind,
        }
    }

    #[test]
    fn bodies_that_are_no_rows_are_refused() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"instances":[]}"#,
            r#"{"instances":[[]]}"#,
            r#"{"instances":[[1],[1,2]]}"#,
            r#"{"instances":[["a"]]}"#,
            r#"{"instances":[[1e300]]}"#,
            r#"{"instances":[[1]],"x":1}"#,
        ] {
            assert!(
                matches!(rows(body.as_bytes()), Err(RequestError::Body(_))),
                "{body}"
            );
        }
        assert_eq!(
            rows(br#"{"instances":[[1,2],[3,4.5]]}"#).unwrap(),
            ndarray::array![[1.0, 2.0], [3.0, 4.5]]
        );
    }

    #[test]
    fn raw_outputs_become_probabilities_by_what_they_are() {
        let logits = probabilities(
            &scores(&[0.0, f64::INFINITY, -800.0], OutputKind::Single),
            ModelOutput::Logits,
        );
        assert_eq!(logits.unwrap(), [0.5, 1.0, 0.0]);
        let given = probabilities(
            &scores(&[0.25], OutputKind::Single),
            ModelOutput::Probabilities,
        );
        assert_eq!(given.unwrap(), [0.25]);
        let pair = probabilities(
            &scores(&[0.25], OutputKind::PairOfProbabilities),
            ModelOutput::Logits,
        );
        assert_eq!(pair.unwrap(), [0.25]);
        let beyond = probabilities(
            &scores(&[1.25], OutputKind::Single),
            ModelOutput::Probabilities,
        );
        assert!(matches!(beyond, Err(RequestError::Output(_))));
        let nan = probabilities(
            &scores(&[1.0, f64::NAN], OutputKind::Single),
            ModelOutput::Logits,
        );
        assert!(matches!(nan, Err(RequestError::NotANumber(1))));
    }
}
