//! From the creation of a hook's Job or Pod to its end: watch, logs, outcome, evidence.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use tokio::time::Instant;

use super::logs::LogFollower;
use super::outcome::{Outcome, exit_codes, outcome, verdict_of};
use super::{HookContext, HookError};
use crate::cluster::kube::{
    KubeCluster, Mirror, MirrorQuery, creation_refusal, escape, pod_doing, pod_trouble,
    pulled_image,
};
use crate::cluster::{Cluster as _, ObjectId, object_id};
use crate::progress::ProgressEvent;
use crate::release::{GateVerdict, Hook, HookPhase};

/// Longest time between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long the last log lines may take after the end.
const LAST_LINES: Duration = Duration::from_secs(5);
/// Bytes of log kept, the end of it.
const LOG_BYTES_MAX: usize = 1 << 20;

/// How a workload ended.
pub(super) struct Ending {
    pub(super) phase: HookPhase,
    pub(super) reason: Option<String>,
    pub(super) verdict: Option<GateVerdict>,
    pub(super) log: String,
    /// Whether it goes on by itself and has to be stopped.
    pub(super) must_stop: bool,
}

/// Where the object and its pods are watched.
struct Watched {
    id: ObjectId,
    namespace: String,
    name: String,
    uid: String,
    object: MirrorQuery,
    pods: Option<MirrorQuery>,
    /// What a Job says about pods that it cannot create.
    refusals: Option<MirrorQuery>,
}

/// Follows what was created until it ends, the time is up, or the operation is cancelled.
pub(super) async fn follow(
    cluster: &KubeCluster,
    hook: &Hook,
    created: &Value,
    context: &HookContext<'_>,
) -> Result<Ending, HookError> {
    let watched = watch_plan(cluster, hook, created).await?;
    let deadline = Instant::now() + context.timeout;
    let mut mirror = Mirror::new();
    mirror.show(&cluster.rest(), watched.object.clone());
    for query in [&watched.pods, &watched.refusals].into_iter().flatten() {
        mirror.show(&cluster.rest(), query.clone());
    }
    let since = Utc::now() - TimeDelta::seconds(2);
    let mut logs = LogFollower::new(cluster.rest());
    let mut log = Log::default();
    let tell = |log: &mut Log, line: String| {
        context.progress.event(ProgressEvent::HookLog {
            hook: hook.name.clone(),
            line: line.clone(),
        });
        log.push(&line);
    };
    let mut told = (String::new(), false);
    let (phase, mut reason, must_stop) = loop {
        let live = match mirror.object(&watched.object, &watched.namespace, &watched.name) {
            // Gone, or whoever we are may not list: only a look at the object itself tells.
            Some(None) => watched.look(cluster).await,
            found => found,
        };
        let pods = watched.pods_in(&mirror, live.as_ref().and_then(Option::as_ref));
        pods.iter().for_each(|pod| logs.see(pod));
        let state = held_up_by(cluster, &mut mirror, &pods);
        if state != told {
            context.progress.event(ProgressEvent::HookState {
                hook: hook.name.clone(),
                message: state.0.clone(),
                is_trouble: state.1,
            });
            told = state;
        }
        match judge(live, &pods, &watched.uid) {
            Outcome::Running => {
                if pods.is_empty()
                    && let Some(query) = &watched.refusals
                    && let Some(refusal) = creation_refusal(&mirror.objects(query), since)
                {
                    break (HookPhase::Failed, Some(refusal), true);
                }
            }
            Outcome::Succeeded => break (HookPhase::Succeeded, None, false),
            Outcome::Failed(reason) => break (HookPhase::Failed, Some(reason), false),
            Outcome::CannotStart(reason) => break (HookPhase::Failed, Some(reason), true),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let reason = format!("timed out after {} s", context.timeout.as_secs());
            break (HookPhase::Failed, Some(reason), true);
        }
        tokio::select! {
            () = context.cancel.cancelled() => {
                break (HookPhase::Unknown, Some("interrupted".to_owned()), true);
            }
            line = logs.next_line() => tell(&mut log, line),
            () = mirror.changed(left.min(LOOK_AGAIN)) => {}
        }
    };
    let pods = final_pods(cluster, &watched).await;
    pods.iter().for_each(|pod| logs.see(pod));
    let last_lines = if must_stop {
        Duration::from_millis(500)
    } else {
        LAST_LINES
    };
    for line in logs.finish(last_lines).await {
        tell(&mut log, line);
    }
    let verdict = verdict_of(&pods);
    if phase != HookPhase::Succeeded {
        reason = reason.map(|reason| explained(reason, &pods));
        // Captured before anything is deleted: later nobody could tell.
        for line in trouble_lines(cluster, created, &pods).await {
            log.push(&line);
        }
    }
    Ok(Ending {
        phase,
        reason,
        verdict,
        log: log.text,
        must_stop,
    })
}

/// Collects what a workload that nobody follows any more has said so far, and how it stands.
pub(super) async fn look_back(
    cluster: &KubeCluster,
    hook: &Hook,
    live: &Value,
) -> Result<Ending, HookError> {
    let watched = watch_plan(cluster, hook, live).await?;
    let pods = final_pods(cluster, &watched).await;
    let (phase, reason) = match outcome(live, &pods, Utc::now()) {
        Outcome::Succeeded => (HookPhase::Succeeded, None),
        Outcome::Failed(reason) | Outcome::CannotStart(reason) => {
            (HookPhase::Failed, Some(explained(reason, &pods)))
        }
        Outcome::Running => (HookPhase::Unknown, None),
    };
    let mut logs = LogFollower::new(cluster.rest());
    pods.iter().for_each(|pod| logs.see(pod));
    let mut log = Log::default();
    let lines = logs.finish(LAST_LINES).await;
    lines.iter().for_each(|line| log.push(line));
    if phase != HookPhase::Succeeded {
        let trouble = trouble_lines(cluster, live, &pods).await;
        trouble.iter().for_each(|line| log.push(line));
    }
    Ok(Ending {
        phase,
        reason,
        verdict: verdict_of(&pods),
        log: log.text,
        must_stop: phase == HookPhase::Unknown,
    })
}

/// Says what keeps a pod of the hook from running, and whether that is trouble; nothing once one runs.
fn held_up_by(cluster: &KubeCluster, mirror: &mut Mirror, pods: &[Value]) -> (String, bool) {
    let waiting = |pod: &&Value| pod["status"]["phase"] == "Pending";
    let Some(pod) = pods.iter().find(waiting) else {
        return (String::new(), false);
    };
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    if let Some(trouble) = pod_trouble(pod, Utc::now()) {
        return (trouble.sentence(name), true);
    }
    let query = MirrorQuery::pulls(pod);
    mirror.show(&cluster.rest(), query.clone());
    let image = pulled_image(&mirror.objects(&query));
    let doing = pod_doing(pod, image.as_deref());
    let text = doing.map(|doing| format!("pod `{name}`: {doing}"));
    (text.unwrap_or_default(), false)
}

fn judge(live: Option<Option<Value>>, pods: &[Value], uid: &str) -> Outcome {
    match live {
        None => Outcome::Running,
        Some(Some(object)) if object["metadata"]["uid"] == uid => {
            outcome(&object, pods, Utc::now())
        }
        Some(_) => Outcome::Failed("it was deleted by somebody else while it ran".to_owned()),
    }
}

/// Joins what the Job says and how its containers ended.
fn explained(reason: String, pods: &[Value]) -> String {
    match exit_codes(pods) {
        Some(codes) => format!("{reason}; {codes}"),
        None => reason,
    }
}

async fn watch_plan(
    cluster: &KubeCluster,
    hook: &Hook,
    created: &Value,
) -> Result<Watched, HookError> {
    let lost = |source: crate::storage::BoxedError| HookError::Watch {
        hook: hook.name.clone(),
        doing: "finding where it lives".to_owned(),
        source,
    };
    let id: ObjectId =
        object_id(created).ok_or_else(|| lost("the server answered without a name".into()))?;
    let kind = cluster
        .kind(&id.api_version, &id.kind)
        .await
        .map_err(|error| lost(Box::new(error)))?;
    let namespace = cluster.namespace_of(&id).to_owned();
    let uid = created["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let pods = (id.kind == "Job").then(|| MirrorQuery {
        path: format!("/api/v1/namespaces/{namespace}/pods"),
        // The label of this very Job: pods of an earlier one of that name do not carry it.
        labels: format!("controller-uid={uid}"),
        fields: String::new(),
    });
    Ok(Watched {
        object: MirrorQuery {
            path: kind.collection(&namespace),
            labels: String::new(),
            fields: format!("metadata.name={}", id.name),
        },
        refusals: pods
            .is_some()
            .then(|| MirrorQuery::failed_creations(&namespace, &uid)),
        namespace,
        name: id.name.clone(),
        id,
        uid,
        pods,
    })
}

impl Watched {
    /// Looks at the object itself; none when the server does not say.
    async fn look(&self, cluster: &KubeCluster) -> Option<Option<Value>> {
        let look = tokio::time::timeout(LAST_LINES, cluster.get(&self.id));
        look.await.ok()?.ok()
    }

    fn pods_in(&self, mirror: &Mirror, object: Option<&Value>) -> Vec<Value> {
        match (&self.pods, object) {
            (Some(query), _) => mirror.objects(query),
            (None, Some(pod)) if pod["metadata"]["uid"] == self.uid.as_str() => vec![pod.clone()],
            (None, _) => Vec::new(),
        }
    }
}

/// Looks once more: the Job's end may have been seen before that of its pods.
async fn final_pods(cluster: &KubeCluster, watched: &Watched) -> Vec<Value> {
    let query = watched.pods.as_ref().unwrap_or(&watched.object);
    let selector = if query.labels.is_empty() {
        format!("fieldSelector={}", escape(&query.fields))
    } else {
        format!("labelSelector={}", escape(&query.labels))
    };
    let mut pods = cluster
        .list(&query.path, &selector)
        .await
        .unwrap_or_default();
    if watched.pods.is_none() {
        pods.retain(|pod| pod["metadata"]["uid"] == watched.uid.as_str());
    }
    pods
}

async fn trouble_lines(cluster: &KubeCluster, created: &Value, pods: &[Value]) -> Vec<String> {
    let mut lines = Vec::new();
    for object in std::iter::once(created).chain(pods) {
        for event in cluster.warnings_of(object).await {
            lines.push(format!(
                "{} {}: {event}",
                object["kind"].as_str().unwrap_or("Pod"),
                object["metadata"]["name"].as_str().unwrap_or_default()
            ));
        }
    }
    lines
}

/// The end of a log, bounded.
#[derive(Default)]
struct Log {
    text: String,
}

impl Log {
    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        if self.text.len() > 2 * LOG_BYTES_MAX {
            let mut start = self.text.len() - LOG_BYTES_MAX;
            while !self.text.is_char_boundary(start) {
                start += 1;
            }
            self.text.drain(..start);
        }
    }
}
