//! One cluster for the length of one run: its connection, what it serves, its default namespace.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Mutex;

use super::discovery::{ApiKind, Discovery};
use super::error::KubeError;
use super::rest::{Rest, escape};
use super::{Connection, configure};
use crate::cluster::{ClusterError, ObjectId};
use crate::release::Namespace;

/// How old discovery must be before an unknown kind makes us ask again.
const REDISCOVERY_AFTER: Duration = Duration::from_millis(500);

/// A Kubernetes cluster, seen from one namespace.
#[derive(Debug, Clone)]
pub struct KubeCluster {
    pub(super) rest: Arc<Rest>,
    pub(super) namespace: Namespace,
    discovery: Arc<Mutex<Option<Known>>>,
    /// Objects as they were last read or applied; none when they were absent. An apply needs no
    /// look of its own then, and a wait no first one.
    pub(super) seen: Arc<Mutex<HashMap<ObjectId, Option<Arc<Value>>>>>,
}

#[derive(Debug, Clone)]
struct Known {
    discovery: Arc<Discovery>,
    asked_at: Instant,
}

impl KubeCluster {
    /// Reads the configuration and prepares the connection; nothing is sent yet.
    ///
    /// Without `namespace` the kubeconfig's context (or the pod's account) names it.
    ///
    /// # Errors
    /// [`KubeError`] when no cluster is configured or the configuration is wrong.
    pub async fn connect(
        connection: &Connection,
        namespace: Option<Namespace>,
    ) -> Result<Self, KubeError> {
        let config = configure(connection).await?;
        let namespace = match namespace {
            Some(namespace) => namespace,
            None => Namespace::new(config.default_namespace.clone()).map_err(|error| {
                KubeError::Flag {
                    flag: "--namespace",
                    problem: error.to_string(),
                }
            })?,
        };
        Ok(Self::new(Arc::new(Rest::new(config)?), namespace))
    }

    /// Makes a cluster of a prepared connection.
    pub fn new(rest: Arc<Rest>, namespace: Namespace) -> Self {
        Self {
            rest,
            namespace,
            discovery: Arc::default(),
            seen: Arc::default(),
        }
    }

    /// Returns the connection, for the store of records.
    pub fn rest(&self) -> Arc<Rest> {
        Arc::clone(&self.rest)
    }

    /// Returns the namespace of objects that name none.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Returns what the cluster serves, asked at most once a run unless a CRD came since.
    pub(super) async fn discovery(&self) -> Result<Arc<Discovery>, KubeError> {
        let mut known = self.discovery.lock().await;
        if let Some(known) = &*known {
            return Ok(Arc::clone(&known.discovery));
        }
        let discovery = Arc::new(Discovery::load(&self.rest).await?);
        *known = Some(Known {
            discovery: Arc::clone(&discovery),
            asked_at: Instant::now(),
        });
        Ok(discovery)
    }

    async fn rediscover(&self) -> Result<Arc<Discovery>, KubeError> {
        {
            let mut known = self.discovery.lock().await;
            if known
                .as_ref()
                .is_some_and(|known| known.asked_at.elapsed() >= REDISCOVERY_AFTER)
            {
                *known = None;
            }
        }
        self.discovery().await
    }

    /// Returns where objects of this kind live; a kind that just came by a CRD is found too.
    ///
    /// # Errors
    /// [`KubeError::UnknownKind`] when the cluster serves no such kind.
    pub(crate) async fn kind(&self, api_version: &str, kind: &str) -> Result<ApiKind, KubeError> {
        match self.discovery().await?.find(api_version, kind) {
            Ok(found) => Ok(found.clone()),
            Err(KubeError::UnknownKind { .. }) => {
                let discovery = self.rediscover().await?;
                discovery.find(api_version, kind).cloned()
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the path of an object.
    pub(crate) async fn path(&self, id: &ObjectId) -> Result<String, KubeError> {
        let kind = self.kind(&id.api_version, &id.kind).await?;
        Ok(kind.object(self.namespace_of(id), &id.name))
    }

    /// Returns the namespace that an object lives in, should its kind have one.
    pub(crate) fn namespace_of<'a>(&'a self, id: &'a ObjectId) -> &'a str {
        id.namespace.as_deref().unwrap_or(self.namespace.as_str())
    }

    /// Answers a template's `lookup`: one object, a list when `name` is empty, or an empty map.
    ///
    /// # Errors
    /// [`ClusterError`]; what does not exist is no error but an empty map.
    pub async fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Value, ClusterError> {
        let id = ObjectId {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: name.to_owned(),
        };
        let empty = || Value::Object(serde_json::Map::new());
        let found = match self.kind(api_version, kind).await {
            Ok(found) => found,
            Err(error) => return Err(self.explain(error, &id, "get")),
        };
        let path = if name.is_empty() {
            found.collection(namespace)
        } else {
            found.object(namespace, name)
        };
        match self.rest.get(&path).await {
            Ok(value) => Ok(value),
            Err(error) if error.is_not_found() => Ok(empty()),
            Err(error) => Err(self.explain(error, &id, "get")),
        }
    }

    /// Lists what `path` holds, page by page; `query` is joined as it stands.
    pub(crate) async fn list(&self, path: &str, query: &str) -> Result<Vec<Value>, KubeError> {
        list_pages(&self.rest, path, query).await
    }

    /// Says in the words of the seam what a failed request means for `id`.
    pub(crate) fn explain(&self, error: KubeError, id: &ObjectId, verb: &str) -> ClusterError {
        let object = self.placed(id);
        match error {
            KubeError::UnknownKind { .. } => ClusterError::UnknownKind { object },
            KubeError::Api {
                ref reason,
                ref causes,
                ..
            } if reason == "Conflict"
                && causes
                    .iter()
                    .any(|cause| cause.reason == "FieldManagerConflict") =>
            {
                ClusterError::FieldConflict {
                    object,
                    conflicts: causes
                        .iter()
                        .map(|cause| format!("{}: {}", cause.field, cause.message))
                        .collect(),
                }
            }
            KubeError::Api {
                code: 403, message, ..
            } => ClusterError::Forbidden {
                verb: verb.to_owned(),
                object,
                message,
            },
            KubeError::Api {
                code: 404,
                ref message,
                ..
            } if message.starts_with("namespaces ") && id.kind != "Namespace" => {
                ClusterError::NamespaceNotFound {
                    namespace: self.namespace_of(id).to_owned(),
                }
            }
            error if error.is_already_exists() => ClusterError::AlreadyExists { object },
            error if error.is_conflict() => ClusterError::Conflict { object },
            KubeError::Api {
                code: 400 | 422,
                message,
                ..
            } => ClusterError::Rejected { object, message },
            KubeError::Api {
                code: 500, message, ..
            } if message.contains("failed to create typed patch object") => {
                ClusterError::Rejected { object, message }
            }
            other => {
                let doing = match verb {
                    "get" => "reading",
                    "create" => "creating",
                    "delete" => "deleting",
                    "list" => "listing the kind of",
                    _ => "changing",
                };
                self.explain_any(other, &format!("{doing} {object}"))
            }
        }
    }

    /// Says what a failed request means when no single object is concerned.
    pub(crate) fn explain_any(&self, error: KubeError, doing: &str) -> ClusterError {
        match error {
            error @ (KubeError::Unreachable { .. } | KubeError::Unauthorised { .. }) => {
                ClusterError::Unreachable {
                    target: format!("API server {}", self.rest.server()),
                    source: Box::new(error),
                }
            }
            other => ClusterError::Request {
                doing: doing.to_owned(),
                source: Box::new(other),
            },
        }
    }

    fn placed(&self, id: &ObjectId) -> ObjectId {
        id.clone()
    }
}

/// Lists a collection page by page, so that no answer is unbounded.
pub(crate) async fn list_pages(
    rest: &Rest,
    path: &str,
    query: &str,
) -> Result<Vec<Value>, KubeError> {
    let mut items = Vec::new();
    let mut token = String::new();
    loop {
        let mut address = format!("{path}?limit=250");
        if !query.is_empty() {
            address.push('&');
            address.push_str(query);
        }
        if !token.is_empty() {
            address.push_str("&continue=");
            address.push_str(&escape(&token));
        }
        let mut page = rest.get(&address).await?;
        if let Some(found) = page["items"].as_array_mut() {
            items.append(found);
        }
        token = page["metadata"]["continue"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if token.is_empty() {
            return Ok(items);
        }
    }
}
