//! The HTTP side: reads events, asks the peers in order, shapes answers.

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
use serde::Serialize;
use tokio::signal::unix::SignalKind;
use tokio::sync::{Notify, Semaphore, watch};

use crate::config::Configuration;
use crate::error::RequestError;
use crate::event::{self, Features};
use crate::metrics::{CacheOutcome, Metrics};
use crate::peers::{Peers, Prediction, Serving};

/// Time that running requests have once the server stops.
const STOP_GRACE: Duration = Duration::from_secs(20);
/// How often a peer that was not reached yet is asked.
const REACH_INTERVAL: Duration = Duration::from_millis(500);
/// How often the model server is asked which model it serves: for so long an old model's answers
/// may come from the cache after a change.
const SERVING_INTERVAL: Duration = Duration::from_secs(2);

/// What all requests share.
pub(crate) struct Server {
    configuration: Configuration,
    peers: Peers,
    metrics: Metrics,
    permits: Semaphore,
    /// The model that the cache is asked for; none while unknown.
    serving: watch::Sender<Option<Serving>>,
    reached: AtomicBool,
    stopping: AtomicBool,
    stopped: Notify,
}

impl Server {
    pub(crate) fn new(configuration: Configuration, peers: Peers) -> Self {
        Self {
            permits: Semaphore::new(configuration.requests_max),
            configuration,
            peers,
            metrics: Metrics::default(),
            serving: watch::channel(None).0,
            reached: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            stopped: Notify::new(),
        }
    }

    /// Waits until the needed peers are reached, then keeps to know the model; never returns.
    pub(crate) async fn watch_peers(&self) {
        let mut reason = String::new();
        while let Err(error) = self.peers.reach_needed().await {
            let now = format!("{:#}", anyhow::Error::from(error));
            if now != reason {
                tracing::warn!(reason = now, "waiting for a peer");
                reason = now;
            }
            tokio::time::sleep(REACH_INTERVAL).await;
        }
        self.reached.store(true, Ordering::Relaxed);
        tracing::info!("every needed peer has been reached");
        loop {
            let serving = self.peers.model_server.serving().await.ok();
            self.serving.send_if_modified(|known| {
                let is_new = *known != serving;
                if is_new {
                    let sha256 = serving
                        .as_ref()
                        .and_then(|serving| serving.model.sha256.clone());
                    tracing::info!(sha256, "the model that is served");
                    known.clone_from(&serving);
                }
                is_new
            });
            tokio::time::sleep(SERVING_INTERVAL).await;
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

    fn is_ready(&self) -> bool {
        self.reached.load(Ordering::Relaxed) && !self.stopping.load(Ordering::Relaxed)
    }
}

/// Returns the routes.
pub(crate) fn router(server: Arc<Server>) -> Router {
    let limit = DefaultBodyLimit::max(server.configuration.request_bytes_max);
    Router::new()
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

async fn ready(Shared(server): Shared<Arc<Server>>) -> Result<Json<Health>, RequestError> {
    if server.stopping.load(Ordering::Relaxed) {
        return Err(RequestError::Stopping);
    }
    if !server.is_ready() {
        return Err(RequestError::NotReady);
    }
    Ok(Json(Health { status: "ready" }))
}

async fn metrics(Shared(server): Shared<Arc<Server>>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (content_type, server.metrics.text(server.is_ready())).into_response()
}

/// What an event comes to; the queue's consumers read the same.
#[derive(Serialize)]
struct Outcome<'a> {
    entity: &'a str,
    #[serde(flatten)]
    prediction: Prediction,
    cache: CacheOutcome,
}

/// The answer: the outcome, and where it stands in the queue.
#[derive(Serialize)]
struct PredictResponse<'a> {
    /// The entry's id in the stream; none without a queue.
    id: Option<String>,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

async fn predict(
    Shared(server): Shared<Arc<Server>>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let started = Instant::now();
    let response = answer(&server, body).await.unwrap_or_else(|error| {
        error.log();
        error.into_response()
    });
    let status = response.status().as_u16();
    server.metrics.answered(status, started.elapsed());
    response
}

async fn answer(
    server: &Server,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, RequestError> {
    let _permit = server
        .permits
        .try_acquire()
        .map_err(|_| RequestError::Overloaded)?;
    let body = body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            RequestError::TooLarge(server.configuration.request_bytes_max)
        } else {
            event::EventError::Body(rejection.body_text()).into()
        }
    })?;
    let names = &server.configuration.features;
    let event = event::parse(&body, names)?;
    let stored = match &server.peers.feature_store {
        Some(store) if !event::is_complete(&event, names) => {
            server
                .metrics
                .feature_lookups
                .fetch_add(1, Ordering::Relaxed);
            store.features(&event.entity).await?
        }
        _ => Features::new(),
    };
    let row = event::row(names, &event, &stored)?;
    let (prediction, cache) = predicted(server, &row).await?;
    server.metrics.cache(cache);
    let outcome = Outcome {
        entity: &event.entity,
        prediction,
        cache,
    };
    let id = publish(server, &outcome).await?;
    Ok(Json(PredictResponse { id, outcome }).into_response())
}

/// Takes the prediction from the cache, or asks the model and keeps its answer.
async fn predicted(
    server: &Server,
    row: &[f32],
) -> Result<(Prediction, CacheOutcome), RequestError> {
    let Some(cache) = &server.peers.cache else {
        let prediction = server.peers.model_server.predict(row).await?;
        return Ok((prediction, CacheOutcome::Off));
    };
    let key = |sha256: Option<&String>, decision_threshold| {
        sha256.map(|sha256| event::cache_key(sha256, decision_threshold, row))
    };
    let mut outcome = CacheOutcome::Miss;
    let known = server
        .serving
        .borrow()
        .as_ref()
        .and_then(|serving| key(serving.model.sha256.as_ref(), serving.decision_threshold));
    if let Some(known) = known {
        match cache.get(&known).await {
            Ok(Some(prediction)) => return Ok((prediction, CacheOutcome::Hit)),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "the model is asked instead");
                outcome = CacheOutcome::Failed;
            }
        }
    }
    let prediction = server.peers.model_server.predict(row).await?;
    // Under the model that answered: during an upgrade it may be another than the known one.
    let answered = key(
        prediction.model.sha256.as_ref(),
        prediction.decision_threshold,
    );
    if let Some(answered) = answered
        && outcome != CacheOutcome::Failed
        && let Err(error) = cache.put(&answered, &prediction).await
    {
        tracing::warn!(%error, "the prediction is not kept");
        outcome = CacheOutcome::Failed;
    }
    Ok((prediction, outcome))
}

async fn publish(server: &Server, outcome: &Outcome<'_>) -> Result<Option<String>, RequestError> {
    let Some(queue) = &server.peers.queue else {
        return Ok(None);
    };
    let text = serde_json::to_string(outcome).expect("an outcome has only text keys");
    match queue.publish(outcome.entity, &text).await {
        Ok(id) => {
            server.metrics.published.fetch_add(1, Ordering::Relaxed);
            Ok(Some(id))
        }
        Err(error) => {
            server
                .metrics
                .publish_failures
                .fetch_add(1, Ordering::Relaxed);
            Err(error.into())
        }
    }
}
