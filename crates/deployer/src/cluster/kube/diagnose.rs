//! What explains why an object is not well: conditions, events, the last words of its pods.

use chrono::Utc;
use serde_json::Value;
use tracing::debug;

use super::pods::pod_trouble;
use super::rest::escape;
use super::session::KubeCluster;
use super::wait::PodQueries;
use crate::cluster::{Cluster as _, Diagnosis, ObjectId};

/// Log lines kept of each container.
const LOG_LINES: u32 = 25;
/// Bytes asked of each log.
const LOG_BYTES_MAX: u32 = 16 << 10;
/// Events kept of each object, the newest.
const EVENTS_MAX: usize = 8;
/// Pods looked at for each workload.
const PODS_MAX: usize = 4;

impl KubeCluster {
    pub(super) async fn explain_objects(&self, ids: &[ObjectId]) -> Vec<Diagnosis> {
        let mut all = Vec::new();
        for id in ids {
            match self.get(id).await {
                Ok(Some(object)) => {
                    all.extend(self.explain_object(id, &object).await);
                    for pod in self.pods_of(&object).await {
                        all.extend(self.explain_pod(&pod).await);
                    }
                }
                Ok(None) => all.push(Diagnosis {
                    source: id.to_string(),
                    summary: "does not exist".to_owned(),
                    lines: Vec::new(),
                }),
                Err(error) => debug!(%error, object = %id, "cannot be diagnosed"),
            }
        }
        all
    }

    async fn explain_object(&self, id: &ObjectId, object: &Value) -> Option<Diagnosis> {
        let mut lines = bad_conditions(object);
        lines.extend(self.warnings_of(object).await);
        if lines.is_empty() {
            return None;
        }
        Some(Diagnosis {
            source: id.to_string(),
            summary: lines.remove(0),
            lines,
        })
    }

    async fn pods_of(&self, object: &Value) -> Vec<Value> {
        if object["kind"] == "Pod" {
            return vec![object.clone()];
        }
        let Some(queries) = PodQueries::of(object) else {
            return Vec::new();
        };
        let selector = format!("labelSelector={}", escape(&queries.pods.labels));
        let mut pods = self
            .list(&queries.pods.path, &selector)
            .await
            .unwrap_or_default();
        pods.retain(|pod| !is_well(pod));
        // The newest template's pods explain a rollout; they are the youngest.
        pods.sort_by(|a, b| created(b).cmp(created(a)));
        pods.truncate(PODS_MAX);
        pods
    }

    async fn explain_pod(&self, pod: &Value) -> Vec<Diagnosis> {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let mut found = Vec::new();
        let mut lines = self.warnings_of(pod).await;
        if let Some(trouble) = pod_trouble(pod, Utc::now()) {
            lines.insert(0, trouble.words());
        }
        if !lines.is_empty() {
            found.push(Diagnosis {
                source: format!("pod {name}"),
                summary: lines.remove(0),
                lines,
            });
        }
        for list in ["initContainerStatuses", "containerStatuses"] {
            for status in pod["status"][list].as_array().into_iter().flatten() {
                found.extend(self.explain_container(pod, name, status).await);
            }
        }
        found
    }

    async fn explain_container(
        &self,
        pod: &Value,
        name: &str,
        status: &Value,
    ) -> Option<Diagnosis> {
        let container = status["name"].as_str()?;
        let ended = ["state", "lastState"]
            .into_iter()
            .map(|state| &status[state]["terminated"])
            .find(|ended| ended.is_object());
        let is_previous = status["state"]["terminated"].is_null() && ended.is_some();
        let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
        let address = format!(
            "/api/v1/namespaces/{namespace}/pods/{}/log?container={}&tailLines={LOG_LINES}&limitBytes={LOG_BYTES_MAX}&previous={is_previous}",
            escape(name),
            escape(container)
        );
        let log = self.rest.text(&address).await.unwrap_or_default();
        let lines: Vec<String> = log.lines().map(str::to_owned).collect();
        let summary = match ended {
            Some(ended) => format!(
                "exited with code {}",
                ended["exitCode"].as_i64().unwrap_or_default()
            ),
            None if lines.is_empty() => return None,
            None => "still runs".to_owned(),
        };
        Some(Diagnosis {
            source: format!("pod {name} (container {container})"),
            summary,
            lines,
        })
    }

    /// Returns the newest events that warn of something; the others only say what was normal.
    pub(crate) async fn warnings_of(&self, object: &Value) -> Vec<String> {
        let mut events = self.events_of(object).await;
        events.retain(|event| event.starts_with("event Warning"));
        events
    }

    /// Returns the newest events about an object, one a line.
    pub(crate) async fn events_of(&self, object: &Value) -> Vec<String> {
        let metadata = &object["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or("default");
        let uid = metadata["uid"].as_str().unwrap_or_default();
        let selector = format!(
            "fieldSelector={}",
            escape(&format!("involvedObject.uid={uid}"))
        );
        let path = format!("/api/v1/namespaces/{namespace}/events");
        let mut events = self.list(&path, &selector).await.unwrap_or_default();
        events.sort_by(|a, b| event_time(b).cmp(event_time(a)));
        events.truncate(EVENTS_MAX);
        events.reverse();
        events.iter().map(event_line).collect()
    }
}

fn created(object: &Value) -> &str {
    object["metadata"]["creationTimestamp"]
        .as_str()
        .unwrap_or_default()
}

fn event_time(event: &Value) -> &str {
    ["lastTimestamp", "eventTime", "firstTimestamp"]
        .into_iter()
        .find_map(|field| event[field].as_str())
        .unwrap_or_default()
}

fn event_line(event: &Value) -> String {
    let text = |field: &str| event[field].as_str().unwrap_or_default();
    let count = event["count"].as_i64().unwrap_or(1);
    let times = if count > 1 {
        format!(" (x{count})")
    } else {
        String::new()
    };
    format!(
        "event {} {}: {}{times}",
        text("type"),
        text("reason"),
        text("message").trim()
    )
}

/// Conditions that speak of trouble: what should be true is not, or a failure is true.
fn bad_conditions(object: &Value) -> Vec<String> {
    let good_when_true = [
        "Available",
        "Progressing",
        "Ready",
        "Complete",
        "Established",
        "ContainersReady",
        "PodScheduled",
        "Initialized",
    ];
    object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|condition| {
            let kind = condition["type"].as_str()?;
            let status = condition["status"].as_str()?;
            let is_bad = match status {
                "True" => kind.contains("Fail") || kind == "Stalled",
                _ => good_when_true.contains(&kind),
            };
            let text = |field: &str| condition[field].as_str().unwrap_or_default();
            is_bad.then(|| {
                format!(
                    "condition {kind}={status} {}: {}",
                    text("reason"),
                    text("message")
                )
            })
        })
        .collect()
}

fn is_well(pod: &Value) -> bool {
    pod["status"]["phase"] == "Succeeded"
        || super::ready::condition(pod, "Ready").is_some_and(|(status, _, _)| status == "True")
}
