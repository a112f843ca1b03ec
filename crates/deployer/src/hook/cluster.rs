//! Hooks as objects of the cluster: made anew for this revision, watched by their UID, their logs
//! followed, their verdict read from the termination message.
//!
//! The result of an object that this run did not create never counts: an earlier Job of the same
//! name is deleted and awaited first, and what has another UID is another's.

mod follow;
mod logs;
mod outcome;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{HookContext, HookError, HookObject, HookResult, HookRunner, has_policy, is_workload};
use crate::clock::{Clock, SystemClock};
use crate::cluster::kube::{CREATION_MARK, KubeCluster};
use crate::cluster::{
    ApplyOptions, ApplyStrategy, CRD_KIND, Cluster as _, ClusterError, DeleteOptions, DryRun,
    ObjectId, WaitOptions, WaitStrategy, object_id,
};
use crate::plan::read_yaml;
use crate::progress::ProgressEvent;
use crate::release::{Hook, HookDeletePolicy, HookPhase};

/// How long the remains of an earlier run may take to go.
const CLEARING_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a Job that is stopped may take to go before it is left to itself.
const STOPPING_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs hooks in the cluster.
#[derive(Debug, Clone)]
pub struct ClusterHooks {
    cluster: KubeCluster,
}

impl ClusterHooks {
    /// Makes a runner for the cluster's default namespace.
    pub fn new(cluster: KubeCluster) -> Self {
        Self { cluster }
    }

    fn read(&self, hook: &Hook) -> Result<(Value, ObjectId), HookError> {
        let unsupported = |reason: String| HookError::Unsupported {
            hook: hook.name.clone(),
            reason,
            hint: format!("mend the template `{}`", hook.path),
        };
        let object = read_yaml(&hook.manifest)
            .map_err(|error| unsupported(format!("its manifest is not YAML: {error}")))?;
        let id = object_id(&object).ok_or_else(|| {
            unsupported("apiVersion, kind or metadata.name is missing".to_owned())
        })?;
        Ok((object, id))
    }

    async fn start(&self, hook: &Hook, object: &Value) -> Result<Value, ClusterError> {
        if is_workload(hook) || has_policy(hook, &HookDeletePolicy::BeforeHookCreation) {
            return self.cluster.create(object, DryRun::Off).await;
        }
        // What is meant to stay (a ConfigMap, a claim with data) is brought up to date instead.
        let options = ApplyOptions {
            strategy: ApplyStrategy::ServerSide,
            force_conflicts: true,
            dry_run: DryRun::Off,
        };
        let applied = self.cluster.apply(object, &options).await?;
        Ok(Arc::unwrap_or_clone(applied.object))
    }

    /// Deletes what this run made and waits a little; the Job must not go on when nobody watches.
    async fn stop(&self, id: &ObjectId, uid: &str) -> Option<String> {
        let options = DeleteOptions {
            uid: Some(uid.to_owned()),
            ..DeleteOptions::default()
        };
        let deleted = self.cluster.delete(id, &options).await;
        let result = match deleted {
            Ok(_) => {
                self.cluster
                    .wait_deleted(&[(id.clone(), Some(uid.to_owned()))], STOPPING_TIMEOUT)
                    .await
            }
            Err(error) => Err(error),
        };
        result
            .err()
            .map(|error| format!("{id} could not be stopped: {error}"))
    }
}

fn failed_to_start(hook: &Hook, doing: &str, source: ClusterError) -> HookError {
    HookError::Start {
        hook: hook.name.clone(),
        doing: doing.to_owned(),
        source: Box::new(source),
    }
}

/// Returns how the marks of this revision's runs begin.
fn mark_of(context: &HookContext<'_>) -> String {
    format!("{}.v{}.", context.release, context.revision)
}

/// Marks the object as this run's, so that a repeated request recognises it.
fn marked(mut object: Value, context: &HookContext<'_>, now: DateTime<Utc>) -> Value {
    let run = format!("{}{}", mark_of(context), now.timestamp_micros());
    let metadata = &mut object["metadata"];
    if !metadata["annotations"].is_object() {
        metadata["annotations"] = json!({});
    }
    metadata["annotations"][CREATION_MARK] = Value::from(run);
    object
}

#[async_trait]
impl HookRunner for ClusterHooks {
    fn needs_cluster_objects(&self) -> bool {
        true
    }

    async fn clear(&self, hook: &Hook, context: &HookContext<'_>) -> Result<(), HookError> {
        let (_, id) = self.read(hook)?;
        if !is_workload(hook) && !has_policy(hook, &HookDeletePolicy::BeforeHookCreation) {
            return Ok(());
        }
        let explain = |source| failed_to_start(hook, "removing what an earlier run left", source);
        let live = match self.cluster.get(&id).await {
            Ok(live) => live,
            // A kind that does not exist yet has left nothing behind.
            Err(ClusterError::UnknownKind { .. }) => None,
            Err(error) => return Err(explain(error)),
        };
        let Some(live) = live else { return Ok(()) };
        let uid = live["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let options = DeleteOptions {
            uid: Some(uid.clone()),
            ..DeleteOptions::default()
        };
        self.cluster.delete(&id, &options).await.map_err(explain)?;
        let timeout = CLEARING_TIMEOUT.min(context.timeout);
        match self
            .cluster
            .wait_deleted(&[(id.clone(), Some(uid))], timeout)
            .await
        {
            Ok(()) => Ok(()),
            Err(ClusterError::Timeout { after, .. }) => Err(HookError::NotCleared {
                hook: hook.name.clone(),
                left_behind: id.to_string(),
                after,
            }),
            Err(error) => Err(explain(error)),
        }
    }

    async fn run(&self, hook: &Hook, context: &HookContext<'_>) -> Result<HookResult, HookError> {
        let (object, id) = self.read(hook)?;
        let started_at = SystemClock.now();
        let object = marked(object, context, started_at);
        let created = self
            .start(hook, &object)
            .await
            .map_err(|error| failed_to_start(hook, &format!("creating {id}"), error))?;
        let uid = created["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let mut result = HookResult {
            phase: HookPhase::Succeeded,
            object: HookObject {
                uid: Some(uid.clone()),
            },
            verdict: None,
            log: String::new(),
            reason: None,
            started_at,
            completed_at: started_at,
        };
        if id.kind == CRD_KIND {
            // A hook or an object of its kind may be next.
            let options = WaitOptions {
                timeout: context.timeout,
                wait_for_jobs: false,
                strategy: WaitStrategy::Watcher,
            };
            let ids = std::slice::from_ref(&id);
            let served = self.cluster.wait_ready(ids, &options, context.progress);
            let waiting = format!("waiting until {id} is served");
            served
                .await
                .map_err(|error| failed_to_start(hook, &waiting, error))?;
        }
        if is_workload(hook) {
            let ending = follow::follow(&self.cluster, hook, &created, context).await?;
            if ending.must_stop
                && let Some(problem) = self.stop(&id, &uid).await
            {
                context
                    .progress
                    .event(ProgressEvent::Warning { text: problem });
            }
            result.phase = ending.phase;
            result.verdict = ending.verdict;
            result.log = ending.log;
            result.reason = ending.reason;
        }
        result.completed_at = SystemClock.now();
        Ok(result)
    }

    async fn remove(
        &self,
        hook: &Hook,
        object: &HookObject,
        context: &HookContext<'_>,
    ) -> Result<(), HookError> {
        let (_, id) = self.read(hook)?;
        let options = DeleteOptions {
            uid: object.uid.clone(),
            ..DeleteOptions::default()
        };
        let explain = |source| failed_to_start(hook, &format!("deleting {id}"), source);
        self.cluster.delete(&id, &options).await.map_err(explain)?;
        let gone = [(id.clone(), object.uid.clone())];
        let timeout = STOPPING_TIMEOUT.min(context.timeout);
        match self.cluster.wait_deleted(&gone, timeout).await {
            // It is on its way; the next run waits for it.
            Ok(()) | Err(ClusterError::Timeout { .. }) => Ok(()),
            Err(error) => Err(explain(error)),
        }
    }

    async fn salvage(&self, hook: &Hook, context: &HookContext<'_>) -> Option<HookResult> {
        let (_, id) = self.read(hook).ok()?;
        let live = self.cluster.get(&id).await.ok().flatten()?;
        let metadata = &live["metadata"];
        let mark = metadata["annotations"][CREATION_MARK].as_str()?;
        let micros = mark.strip_prefix(&mark_of(context))?.parse().ok()?;
        let ending = follow::look_back(&self.cluster, hook, &live).await.ok()?;
        Some(HookResult {
            phase: ending.phase,
            object: HookObject {
                uid: metadata["uid"].as_str().map(str::to_owned),
            },
            verdict: ending.verdict,
            log: ending.log,
            reason: ending.reason,
            started_at: DateTime::from_timestamp_micros(micros)?,
            completed_at: SystemClock.now(),
        })
    }
}
