//! Waiting until objects are ready, and giving up as soon as one cannot become so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::time::Instant;

use super::mirror::{Mirror, MirrorQuery};
use super::pods::{creation_refusal, pod_doing, pod_trouble, pulled_image};
use super::ready::{Readiness, readiness};
use super::session::KubeCluster;
use crate::cluster::{CRD_KIND, ClusterError, NotReady, ObjectId, WaitOptions};
use crate::progress::{ProgressEvent, ProgressSink};

/// Objects of one kind and namespace above which the whole collection is watched at once.
const WATCHES_BY_NAME_MAX: usize = 3;
/// Longest time between two looks, also when nothing seems to change.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Changes come in bursts; looking this much later sees them together.
const SETTLE: Duration = Duration::from_millis(30);
/// How long the kinds of established definitions may take to be served, all together.
const SERVED_MAX: Duration = Duration::from_secs(20);
/// Time between two looks for them.
const SERVED_AGAIN: Duration = Duration::from_millis(100);

/// Pods whose images are looked for in events, so that what is waited for can be told.
const PULLS_MAX: usize = 4;

/// One object that is waited on.
struct Awaited {
    id: ObjectId,
    namespace: String,
    query: MirrorQuery,
    state: Option<Readiness>,
}

impl KubeCluster {
    /// Waits until all are ready, and the kinds of definitions among them are served.
    pub(super) async fn wait_until_ready(
        &self,
        ids: &[ObjectId],
        options: &WaitOptions,
        progress: &dyn ProgressSink,
    ) -> Result<(), ClusterError> {
        let deadline = Instant::now() + options.timeout;
        self.wait_until_all_ready(ids, options, progress).await?;
        let deadline = deadline.min(Instant::now() + SERVED_MAX);
        for id in ids.iter().filter(|id| id.kind == CRD_KIND) {
            self.wait_until_served(id, deadline).await?;
        }
        Ok(())
    }

    /// Waits until the API lists what a definition defines: a moment after it is established.
    async fn wait_until_served(
        &self,
        id: &ObjectId,
        deadline: Instant,
    ) -> Result<(), ClusterError> {
        use crate::cluster::Cluster as _;
        let Some(definition) = self.get(id).await? else {
            return Ok(());
        };
        for (api_version, kind) in served_kinds(&definition) {
            while self.kind(&api_version, &kind).await.is_err() && Instant::now() < deadline {
                tokio::time::sleep(SERVED_AGAIN).await;
            }
        }
        // What is still not served then is told by what needs it.
        Ok(())
    }

    async fn wait_until_all_ready(
        &self,
        ids: &[ObjectId],
        options: &WaitOptions,
        progress: &dyn ProgressSink,
    ) -> Result<(), ClusterError> {
        let deadline = Instant::now() + options.timeout;
        // Events have whole seconds, and clocks differ a little.
        let since = Utc::now() - TimeDelta::seconds(2);
        let mut awaited = self.plan_watches(ids).await?;
        self.judge_what_was_seen(&mut awaited, options).await;
        if awaited
            .iter()
            .all(|one| one.state == Some(Readiness::Ready))
        {
            return Ok(());
        }
        let mut mirror = Mirror::new();
        let mut pulls = BTreeSet::new();
        for one in &awaited {
            mirror.show(&self.rest, one.query.clone());
        }
        loop {
            let mut failed = Vec::new();
            for one in &mut awaited {
                let found = mirror.object(&one.query, &one.namespace, &one.id.name);
                let state = match &found {
                    // Not listed yet: nothing to judge and nothing to tell.
                    None => {
                        let unseen = || Readiness::Pending("has not been looked at yet".to_owned());
                        one.state.get_or_insert_with(unseen);
                        continue;
                    }
                    Some(None) => match mirror.problem(&one.query) {
                        Some(problem) => self.look_directly(&one.id, problem, options).await,
                        None => Readiness::Pending("does not exist".to_owned()),
                    },
                    Some(Some(object)) => {
                        self.judge(object, &mut mirror, options, since, &mut pulls)
                    }
                };
                tell_change(one, &state, progress);
                if let Readiness::Failed(reason) = &state {
                    failed.push(NotReady {
                        object: one.id.clone(),
                        reason: reason.clone(),
                    });
                }
                one.state = Some(state);
            }
            if !failed.is_empty() {
                return Err(ClusterError::Failed { failed });
            }
            let pending = still_pending(&awaited);
            if pending.is_empty() {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ClusterError::Timeout {
                    pending,
                    after: options.timeout,
                });
            }
            mirror.changed(left.min(LOOK_AGAIN)).await;
            tokio::time::sleep(SETTLE.min(left)).await;
        }
    }

    /// Chooses what to watch: few objects of a kind by name, many by their collection.
    async fn plan_watches(&self, ids: &[ObjectId]) -> Result<Vec<Awaited>, ClusterError> {
        let mut collections: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        let mut placed = Vec::new();
        for id in ids {
            let kind = self
                .kind(&id.api_version, &id.kind)
                .await
                .map_err(|error| self.explain(error, id, "get"))?;
            let namespace = if kind.namespaced {
                self.namespace_of(id).to_owned()
            } else {
                String::new()
            };
            let path = kind.collection(&namespace);
            collections
                .entry(path.clone())
                .or_default()
                .insert(&id.name);
            placed.push((id, namespace, path));
        }
        Ok(placed
            .into_iter()
            .map(|(id, namespace, path)| {
                let by_name = collections[&path].len() <= WATCHES_BY_NAME_MAX;
                Awaited {
                    id: id.clone(),
                    namespace,
                    query: MirrorQuery {
                        path,
                        labels: String::new(),
                        fields: if by_name {
                            format!("metadata.name={}", id.name)
                        } else {
                            String::new()
                        },
                    },
                    state: None,
                }
            })
            .collect())
    }

    /// Objects without a controller (ConfigMaps, Services) are ready as the apply answered them;
    /// nothing is asked again for those.
    async fn judge_what_was_seen(&self, awaited: &mut [Awaited], options: &WaitOptions) {
        let seen = self.seen.lock().await;
        for one in awaited {
            if let Some(Some(object)) = seen.get(&one.id) {
                let state = readiness(object, options);
                let has_status = object.get("status").is_some_and(|status| {
                    status.as_object().is_some_and(|fields| !fields.is_empty())
                });
                if state == Readiness::Ready && !has_status && is_static(&one.id) {
                    one.state = Some(state);
                }
            }
        }
    }

    async fn look_directly(
        &self,
        id: &ObjectId,
        problem: String,
        options: &WaitOptions,
    ) -> Readiness {
        use crate::cluster::Cluster as _;
        match self.get(id).await {
            Ok(Some(object)) => readiness(&object, options),
            Ok(None) => Readiness::Pending("does not exist".to_owned()),
            Err(_) => Readiness::Pending(problem),
        }
    }

    /// Judges an object by itself, then by its pods: a workload says late, or never, that its
    /// pods cannot start.
    fn judge(
        &self,
        object: &Value,
        mirror: &mut Mirror,
        options: &WaitOptions,
        since: DateTime<Utc>,
        pulls: &mut BTreeSet<String>,
    ) -> Readiness {
        let own = readiness(object, options);
        let Readiness::Pending(message) = own else {
            return own;
        };
        let pods = if object["kind"] == "Pod" {
            vec![object.clone()]
        } else {
            let Some(queries) = PodQueries::of(object) else {
                return Readiness::Pending(message);
            };
            mirror.show(&self.rest, queries.pods.clone());
            if let Some(sets) = &queries.replica_sets {
                mirror.show(&self.rest, sets.clone());
            }
            queries.current_pods(object, mirror)
        };
        if pods.is_empty()
            && let Some(refusal) = self.refused_creation(object, mirror, since)
        {
            return Readiness::Failed(refusal);
        }
        let now = Utc::now();
        // A Job counts its crashes itself, against its own limit.
        let is_job = object["kind"] == "Job";
        let troubles = pods.iter().filter_map(|pod| {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let trouble = pod_trouble(pod, now)?;
            let is_final = trouble.is_final && !(is_job && trouble.is_crash_loop());
            Some((is_final, trouble.sentence(name)))
        });
        match troubles.max_by_key(|(is_final, _)| *is_final) {
            Some((true, sentence)) => Readiness::Failed(sentence),
            Some((false, sentence)) => Readiness::Pending(format!("{message}; {sentence}")),
            None => match self.doing(&pods, mirror, pulls) {
                Some(doing) => Readiness::Pending(format!("{message}; {doing}")),
                None => Readiness::Pending(message),
            },
        }
    }

    /// Says what the first pod that is not ready does.
    fn doing(
        &self,
        pods: &[Value],
        mirror: &mut Mirror,
        pulls: &mut BTreeSet<String>,
    ) -> Option<String> {
        pods.iter().find_map(|pod| {
            pod_doing(pod, None)?;
            let query = MirrorQuery::pulls(pod);
            if pulls.contains(&query.fields) || pulls.len() < PULLS_MAX {
                mirror.show(&self.rest, query.clone());
                pulls.insert(query.fields.clone());
            }
            let doing = pod_doing(pod, pulled_image(&mirror.objects(&query)).as_deref())?;
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            Some(format!("pod `{name}`: {doing}"))
        })
    }
}

impl KubeCluster {
    /// Returns why a workload has no pods, where its controller says so in events alone.
    fn refused_creation(
        &self,
        object: &Value,
        mirror: &mut Mirror,
        since: DateTime<Utc>,
    ) -> Option<String> {
        if !matches!(
            object["kind"].as_str(),
            Some("StatefulSet" | "DaemonSet" | "Job")
        ) {
            return None;
        }
        let query = MirrorQuery::failed_creations(
            object["metadata"]["namespace"].as_str()?,
            object["metadata"]["uid"].as_str()?,
        );
        mirror.show(&self.rest, query.clone());
        creation_refusal(&mirror.objects(&query), since)
    }
}

/// Returns versions and kind of what a definition defines.
fn served_kinds(definition: &Value) -> Vec<(String, String)> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
    let versions = spec["versions"].as_array().into_iter().flatten();
    versions
        .filter(|version| version["served"] == true)
        .map(|version| (format!("{group}/{}", text(&version["name"])), kind.clone()))
        .collect()
}

/// Kinds that no controller touches: as ready as they are written.
fn is_static(id: &ObjectId) -> bool {
    matches!(
        id.kind.as_str(),
        "ConfigMap"
            | "Secret"
            | "Service"
            | "ServiceAccount"
            | "Role"
            | "RoleBinding"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "Ingress"
            | "NetworkPolicy"
            | "HorizontalPodAutoscaler"
            | "PodDisruptionBudget"
            | "PriorityClass"
            | "StorageClass"
            | "LimitRange"
            | "ResourceQuota"
    )
}

fn still_pending(awaited: &[Awaited]) -> Vec<NotReady> {
    awaited
        .iter()
        .filter_map(|one| match &one.state {
            Some(Readiness::Pending(reason)) => Some(NotReady {
                object: one.id.clone(),
                reason: reason.clone(),
            }),
            _ => None,
        })
        .collect()
}

fn tell_change(one: &Awaited, state: &Readiness, progress: &dyn ProgressSink) {
    if one.state.as_ref() == Some(state) {
        return;
    }
    let (ready, message) = match state {
        Readiness::Ready => (true, String::new()),
        Readiness::Pending(message) | Readiness::Failed(message) => (false, message.clone()),
    };
    progress.event(ProgressEvent::Readiness {
        object: one.id.clone(),
        ready,
        message,
    });
}

/// Which pods belong to a workload.
pub(super) struct PodQueries {
    pub(super) pods: MirrorQuery,
    pub(super) replica_sets: Option<MirrorQuery>,
}

impl PodQueries {
    /// Returns where the pods of a workload are found, or `None` when it has none.
    pub(super) fn of(object: &Value) -> Option<Self> {
        let namespace = object["metadata"]["namespace"].as_str()?;
        let labels = match object["kind"].as_str()? {
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
                selector(&object["spec"]["selector"])?
            }
            _ => return None,
        };
        let is_deployment = object["kind"] == "Deployment";
        Some(Self {
            pods: MirrorQuery {
                path: format!("/api/v1/namespaces/{namespace}/pods"),
                labels: labels.clone(),
                fields: String::new(),
            },
            replica_sets: is_deployment.then(|| MirrorQuery {
                path: format!("/apis/apps/v1/namespaces/{namespace}/replicasets"),
                labels,
                fields: String::new(),
            }),
        })
    }

    /// Returns the pods that the present template made: those of an older one say nothing about
    /// the change that is waited for.
    fn current_pods(&self, object: &Value, mirror: &Mirror) -> Vec<Value> {
        let uid = &object["metadata"]["uid"];
        let pods = mirror.objects(&self.pods);
        let Some(sets) = &self.replica_sets else {
            return pods.into_iter().filter(|pod| is_owned(pod, uid)).collect();
        };
        let revision = &object["metadata"]["annotations"][REVISION_ANNOTATION];
        let owners: Vec<Value> = mirror
            .objects(sets)
            .into_iter()
            .filter(|set| is_owned(set, uid))
            .filter(|set| set["metadata"]["annotations"][REVISION_ANNOTATION] == *revision)
            .map(|set| set["metadata"]["uid"].clone())
            .collect();
        pods.into_iter()
            .filter(|pod| owners.iter().any(|owner| is_owned(pod, owner)))
            .collect()
    }
}

/// The annotation by which a Deployment and its ReplicaSets count their templates.
const REVISION_ANNOTATION: &str = "deployment.kubernetes.io/revision";

fn is_owned(object: &Value, uid: &Value) -> bool {
    object["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|owner| owner["uid"] == *uid)
}

fn selector(selector: &Value) -> Option<String> {
    let labels = selector["matchLabels"].as_object()?;
    let parts: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    (!parts.is_empty()).then(|| parts.join(","))
}
