//! A part of the cluster, kept up to date by a watch: what is waited on is looked at here.
//!
//! Lists once, watches from there, and lists again when the watch is lost. Where watching is
//! forbidden it lists every few seconds. Dropping the mirror ends its tasks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::debug;

use super::error::KubeError;
use super::rest::{Rest, escape};
use super::session::list_pages;

/// Pause before a lost watch is begun again, and between lists where watching is forbidden.
const PAUSE: Duration = Duration::from_secs(1);
/// The server ends a watch after this long; a lost connection is noticed no later.
const WATCH_SECONDS: u32 = 60;

/// What a mirror shows: a collection, narrowed by selectors.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MirrorQuery {
    /// Path of the collection.
    pub(crate) path: String,
    /// Label selector, empty for everything.
    pub(crate) labels: String,
    /// Field selector, empty for everything.
    pub(crate) fields: String,
}

impl MirrorQuery {
    /// Asks for the events that tell of pods which a controller cannot create.
    pub(crate) fn failed_creations(namespace: &str, uid: &str) -> Self {
        Self {
            path: format!("/api/v1/namespaces/{namespace}/events"),
            labels: String::new(),
            fields: format!("involvedObject.uid={uid},reason=FailedCreate"),
        }
    }

    /// Asks for the events that tell which image is pulled for a pod.
    pub(crate) fn pulls(pod: &Value) -> Self {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
        Self {
            path: format!("/api/v1/namespaces/{}/events", text("namespace")),
            labels: String::new(),
            fields: format!("involvedObject.uid={},reason=Pulling", text("uid")),
        }
    }

    fn query(&self) -> String {
        let mut parts = Vec::new();
        if !self.labels.is_empty() {
            parts.push(format!("labelSelector={}", escape(&self.labels)));
        }
        if !self.fields.is_empty() {
            parts.push(format!("fieldSelector={}", escape(&self.fields)));
        }
        parts.join("&")
    }
}

/// A live view of several queries.
#[derive(Debug)]
pub(crate) struct Mirror {
    state: Arc<State>,
    tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    views: Mutex<BTreeMap<MirrorQuery, View>>,
    changed: Notify,
}

/// What is known of one query.
#[derive(Debug, Default)]
struct View {
    objects: BTreeMap<(String, String), Value>,
    is_listed: bool,
    problem: Option<String>,
}

impl Mirror {
    /// Makes a mirror that shows nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::default(),
            tasks: JoinSet::new(),
        }
    }

    /// Begins to show a query; one that is shown already stays as it is.
    pub(crate) fn show(&mut self, rest: &Arc<Rest>, query: MirrorQuery) {
        let mut views = self.state.lock();
        if views.contains_key(&query) {
            return;
        }
        views.insert(query.clone(), View::default());
        drop(views);
        self.tasks
            .spawn(follow(Arc::clone(rest), Arc::clone(&self.state), query));
    }

    /// Returns an object of a query: `None` while it was not listed, `Some(None)` when it is absent.
    pub(crate) fn object(
        &self,
        query: &MirrorQuery,
        namespace: &str,
        name: &str,
    ) -> Option<Option<Value>> {
        let views = self.state.lock();
        let view = views.get(query).filter(|view| view.is_listed)?;
        let keys = [namespace, ""].map(|namespace| (namespace.to_owned(), name.to_owned()));
        Some(keys.iter().find_map(|key| view.objects.get(key)).cloned())
    }

    /// Returns everything that a query shows.
    pub(crate) fn objects(&self, query: &MirrorQuery) -> Vec<Value> {
        let views = self.state.lock();
        views
            .get(query)
            .map(|view| view.objects.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Returns why a query cannot be shown, if so.
    pub(crate) fn problem(&self, query: &MirrorQuery) -> Option<String> {
        self.state.lock().get(query)?.problem.clone()
    }

    /// Waits until something changed since the last call, at most `longest`.
    pub(crate) async fn changed(&self, longest: Duration) {
        // A timeout is as good as a change: the caller looks again.
        let _ = tokio::time::timeout(longest, self.state.changed.notified()).await;
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<MirrorQuery, View>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, query: &MirrorQuery, change: impl FnOnce(&mut View) -> T) -> T {
        let mut views = self.lock();
        let result = change(views.entry(query.clone()).or_default());
        drop(views);
        self.changed.notify_one();
        result
    }
}

fn key_of(object: &Value) -> (String, String) {
    let text = |field: &str| {
        object["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    (text("namespace"), text("name"))
}

/// A list item lacks kind and version; what is judged by kind needs them.
fn complete(mut object: Value, list: &Value) -> Value {
    if object["kind"].is_null() {
        let kind = list["kind"].as_str().unwrap_or_default();
        object["kind"] = Value::from(kind.strip_suffix("List").unwrap_or(kind));
        object["apiVersion"] = list["apiVersion"].clone();
    }
    object
}

async fn follow(rest: Arc<Rest>, state: Arc<State>, query: MirrorQuery) {
    loop {
        let version = match list(&rest, &state, &query).await {
            Ok(version) => version,
            Err(error) => {
                debug!(path = query.path, %error, "listing failed");
                state.with(&query, |view| view.problem = Some(error.to_string()));
                if error.is_forbidden() || error.is_not_found() {
                    // Nobody will be told more here; what depends on it goes on without.
                    state.with(&query, |view| view.is_listed = true);
                    sleep(PAUSE * 10).await;
                }
                sleep(PAUSE).await;
                continue;
            }
        };
        if let Err(error) = watch(&rest, &state, &query, version).await {
            debug!(path = query.path, %error, "watch lost");
            if !error.is_expired() {
                sleep(PAUSE).await;
            }
        }
    }
}

async fn list(rest: &Rest, state: &State, query: &MirrorQuery) -> Result<String, KubeError> {
    let selector = query.query();
    // `limit` and `resourceVersion` of the last page belong together, so a small collection is
    // read in one answer and a large one page by page.
    let first = rest
        .get(&format!("{}?limit=500&{selector}", query.path))
        .await?;
    let version = first["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let is_whole = first["metadata"]["continue"]
        .as_str()
        .unwrap_or_default()
        .is_empty();
    let items = if is_whole {
        first["items"].as_array().cloned().unwrap_or_default()
    } else {
        list_pages(rest, &query.path, &selector).await?
    };
    state.with(query, |view| {
        view.objects = items
            .into_iter()
            .map(|item| (key_of(&item), complete(item, &first)))
            .collect();
        view.is_listed = true;
        view.problem = None;
    });
    Ok(version)
}

async fn watch(
    rest: &Rest,
    state: &State,
    query: &MirrorQuery,
    version: String,
) -> Result<(), KubeError> {
    let mut version = version;
    loop {
        let address = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}&{}",
            query.path,
            query.query()
        );
        let events = rest.watch(&address).await?;
        pin_mut!(events);
        loop {
            let silence = Duration::from_secs(u64::from(WATCH_SECONDS) + 10);
            let Ok(event) = tokio::time::timeout(silence, events.next()).await else {
                break;
            };
            let Some(event) = event else { break };
            let (object, is_deleted) = match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
                WatchEvent::Deleted(object) => (object, true),
                WatchEvent::Bookmark(bookmark) => {
                    version = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) => {
                    return Err(KubeError::Api {
                        code: status.code,
                        reason: status.reason.clone(),
                        message: status.message.clone(),
                        causes: Vec::new(),
                        retried: false,
                    });
                }
            };
            if let Some(seen) = object["metadata"]["resourceVersion"].as_str() {
                version = seen.to_owned();
            }
            state.with(query, |view| {
                if is_deleted {
                    view.objects.remove(&key_of(&object));
                } else {
                    view.objects.insert(key_of(&object), object);
                }
            });
        }
    }
}
