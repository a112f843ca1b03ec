//! What the server talks to: model server, feature store, cache, queue.

use std::time::Duration;

use axum::http::StatusCode;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::streams::StreamMaxlen;
use redis::{AsyncCommands, Client, IntoConnectionInfo, RedisError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;

use crate::config::{Configuration, HttpPeer, RedisPeer};
use crate::event::Features;
use crate::http::{Http, HttpError};

/// Bounds one command of Redis, which takes microseconds where all is well.
const COMMAND_MAX: Duration = Duration::from_millis(500);
/// An entity that no store has: whoever answers 404 has been reached.
const NOBODY: &str = "readiness-probe";

/// Why a peer could not serve.
#[derive(Debug, Error)]
pub(crate) enum PeerError {
    #[error("the feature store")]
    FeatureStore(#[source] HttpError),
    #[error("the model server")]
    ModelServer(#[source] HttpError),
    #[error("the cache: {0}")]
    Cache(String),
    #[error("the result queue: {0}")]
    Queue(String),
}

/// The feature store, or a proxy in front of it.
#[derive(Debug, Clone)]
pub(crate) struct FeatureStore {
    http: Http,
    peer: HttpPeer,
}

impl FeatureStore {
    /// Returns what is stored about an entity; nothing about one that is unknown.
    ///
    /// # Errors
    /// When the store fails, or answers something else than numbers by name.
    pub(crate) async fn features(&self, entity: &str) -> Result<Features, PeerError> {
        let url = format!("{}/features/{entity}", self.peer.url);
        let answer = self
            .http
            .get(&url, self.peer.timeout)
            .await
            .map_err(PeerError::FeatureStore)?;
        match answer.0 {
            StatusCode::OK => serde_json::from_slice(&answer.1)
                .map_err(|error| PeerError::FeatureStore(HttpError::Answer(error.to_string()))),
            StatusCode::NOT_FOUND => Ok(Features::new()),
            _ => Err(PeerError::FeatureStore(HttpError::of_status(&answer))),
        }
    }
}

/// Which model answers, and from which probability on it says yes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) sha256: Option<String>,
    pub(crate) version: Option<String>,
}

/// A prediction, as it is answered, cached and published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Prediction {
    pub(crate) prediction: f64,
    pub(crate) decision: bool,
    pub(crate) decision_threshold: f64,
    pub(crate) model: Model,
}

/// What identifies the model that is served at the moment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Serving {
    pub(crate) model: Model,
    pub(crate) decision_threshold: f64,
    /// How many values its rows have; not every model tells.
    pub(crate) width: Option<usize>,
}

#[derive(Deserialize)]
struct PredictAnswer {
    predictions: Vec<f64>,
    decisions: Vec<bool>,
    decision_threshold: f64,
    model: Model,
}

/// The model server.
#[derive(Debug, Clone)]
pub(crate) struct ModelServer {
    http: Http,
    peer: HttpPeer,
}

impl ModelServer {
    /// Asks which model is served.
    ///
    /// # Errors
    /// When the server cannot be reached or is not ready.
    pub(crate) async fn serving(&self) -> Result<Serving, PeerError> {
        let url = format!("{}/health/ready", self.peer.url);
        let answer = self
            .http
            .get(&url, self.peer.timeout)
            .await
            .map_err(PeerError::ModelServer)?;
        if answer.0 != StatusCode::OK {
            return Err(PeerError::ModelServer(HttpError::of_status(&answer)));
        }
        serde_json::from_slice(&answer.1)
            .map_err(|error| PeerError::ModelServer(HttpError::Answer(error.to_string())))
    }

    /// Asks for the prediction of one row.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses the row, or answers something else.
    pub(crate) async fn predict(&self, row: &[f32]) -> Result<Prediction, PeerError> {
        let url = format!("{}/predict", self.peer.url);
        let body = json!({ "instances": [row] }).to_string().into_bytes();
        let answer = self
            .http
            .post(&url, body, self.peer.timeout)
            .await
            .map_err(PeerError::ModelServer)?;
        if answer.0 != StatusCode::OK {
            return Err(PeerError::ModelServer(HttpError::of_status(&answer)));
        }
        let unusable = |text: String| PeerError::ModelServer(HttpError::Answer(text));
        let answer: PredictAnswer =
            serde_json::from_slice(&answer.1).map_err(|error| unusable(error.to_string()))?;
        match (answer.predictions.as_slice(), answer.decisions.as_slice()) {
            ([prediction], [decision]) => Ok(Prediction {
                prediction: *prediction,
                decision: *decision,
                decision_threshold: answer.decision_threshold,
                model: answer.model,
            }),
            (predictions, _) => Err(unusable(format!(
                "{} predictions for one row",
                predictions.len()
            ))),
        }
    }
}

/// Connects when it is first used, and again after a loss.
fn connect(peer: &RedisPeer) -> Result<ConnectionManager, RedisError> {
    let info = (peer.host.as_str(), peer.port).into_connection_info()?;
    let mut settings = info.redis_settings().clone();
    if let Some(password) = &peer.password {
        settings = settings.set_password(password);
    }
    let client = Client::open(info.set_redis_settings(settings))?;
    // A request that finds it gone fails at once, and the next one tries again.
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(COMMAND_MAX))
        .set_response_timeout(Some(COMMAND_MAX));
    ConnectionManager::new_lazy_with_config(client, config)
}

async fn bounded<T>(command: impl Future<Output = Result<T, RedisError>>) -> Result<T, String> {
    // Connecting and asking each have their own bound; this one holds for both.
    match tokio::time::timeout(2 * COMMAND_MAX, command).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!(
            "no answer within {} ms",
            2 * COMMAND_MAX.as_millis()
        )),
    }
}

/// Predictions by key, for a while.
#[derive(Clone)]
pub(crate) struct Cache {
    connection: ConnectionManager,
    ttl: Duration,
}

impl Cache {
    /// Returns what is kept under a key.
    ///
    /// # Errors
    /// When the cache fails or holds something else.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Prediction>, PeerError> {
        let mut connection = self.connection.clone();
        let text: Option<Vec<u8>> = bounded(connection.get(key))
            .await
            .map_err(PeerError::Cache)?;
        text.map(|text| serde_json::from_slice(&text))
            .transpose()
            .map_err(|error| PeerError::Cache(error.to_string()))
    }

    /// Keeps a prediction.
    ///
    /// # Errors
    /// When the cache fails.
    pub(crate) async fn put(&self, key: &str, prediction: &Prediction) -> Result<(), PeerError> {
        let mut connection = self.connection.clone();
        let text =
            serde_json::to_vec(prediction).map_err(|error| PeerError::Cache(error.to_string()))?;
        bounded(connection.set_ex(key, text, self.ttl.as_secs()))
            .await
            .map_err(PeerError::Cache)
    }

    async fn ping(&self) -> Result<(), PeerError> {
        let mut connection = self.connection.clone();
        bounded(redis::cmd("PING").query_async(&mut connection))
            .await
            .map_err(PeerError::Cache)
    }
}

/// Results for later, in a stream.
#[derive(Clone)]
pub(crate) struct Queue {
    connection: ConnectionManager,
    stream: String,
    length_max: usize,
}

impl Queue {
    /// Appends a result and returns the entry's id.
    ///
    /// # Errors
    /// When the queue fails or is full.
    pub(crate) async fn publish(&self, entity: &str, result: &str) -> Result<String, PeerError> {
        let mut connection = self.connection.clone();
        let fields = [("entity", entity), ("result", result)];
        let bound = StreamMaxlen::Approx(self.length_max);
        let entry = connection.xadd_maxlen(&self.stream, bound, "*", &fields);
        let id: Option<String> = bounded(entry).await.map_err(PeerError::Queue)?;
        id.ok_or_else(|| PeerError::Queue("it gave the entry no id".to_owned()))
    }

    async fn ping(&self) -> Result<(), PeerError> {
        let mut connection = self.connection.clone();
        bounded(redis::cmd("PING").query_async(&mut connection))
            .await
            .map_err(PeerError::Queue)
    }
}

/// All of them.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) model_server: ModelServer,
    pub(crate) feature_store: Option<FeatureStore>,
    pub(crate) cache: Option<Cache>,
    pub(crate) queue: Option<Queue>,
}

impl Peers {
    /// Prepares the peers; nothing is connected yet.
    ///
    /// # Errors
    /// When an address makes no client.
    pub(crate) fn new(configuration: &Configuration) -> Result<Self, PeerError> {
        let http = Http::new();
        let failed = |error: RedisError| error.to_string();
        Ok(Self {
            model_server: ModelServer {
                http: http.clone(),
                peer: configuration.model_server.clone(),
            },
            feature_store: configuration
                .feature_store
                .clone()
                .map(|peer| FeatureStore { http, peer }),
            cache: configuration
                .cache
                .as_ref()
                .map(|peer| {
                    Ok(Cache {
                        connection: connect(peer).map_err(|e| PeerError::Cache(failed(e)))?,
                        ttl: configuration.cache_ttl,
                    })
                })
                .transpose()?,
            queue: configuration
                .queue
                .as_ref()
                .map(|peer| {
                    Ok(Queue {
                        connection: connect(peer).map_err(|e| PeerError::Queue(failed(e)))?,
                        stream: configuration.queue_stream.clone(),
                        length_max: usize::try_from(configuration.queue_length_max)
                            .unwrap_or(usize::MAX),
                    })
                })
                .transpose()?,
        })
    }

    /// Asks those without whom no request can be answered: all but the cache.
    ///
    /// # Errors
    /// The first that cannot be reached.
    pub(crate) async fn reach_needed(&self) -> Result<(), PeerError> {
        self.model_server.serving().await?;
        if let Some(store) = &self.feature_store {
            store.features(NOBODY).await?;
        }
        match &self.queue {
            Some(queue) => queue.ping().await,
            None => Ok(()),
        }
    }

    /// Asks each peer once, and the model about a row of `width` zeros: name and outcome.
    pub(crate) async fn check(&self, width: usize) -> Vec<(&'static str, Result<(), PeerError>)> {
        let mut outcomes = Vec::new();
        let predicted = self.model_server.predict(&vec![0.0; width]).await;
        outcomes.push(("model server", predicted.map(drop)));
        if let Some(store) = &self.feature_store {
            outcomes.push(("feature store", store.features(NOBODY).await.map(drop)));
        }
        if let Some(cache) = &self.cache {
            outcomes.push(("cache", cache.ping().await));
        }
        if let Some(queue) = &self.queue {
            outcomes.push(("result queue", queue.ping().await));
        }
        outcomes
    }
}
