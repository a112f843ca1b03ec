//! Hooks as local processes: `--hooks local`, where there is no cluster to run a Job.
//!
//! The container's command is run with the manifest's literal environment. What needs a cluster
//! is refused with the flag that gives it. The process sees of the caller's environment only
//! `PATH`, `HOME`, `TMPDIR`, `LANG`, the certificate and proxy variables, and what begins with
//! `AWS_` or `VALIDATOR_`; nothing else leaks into a gate.

mod command;
mod process;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::{HookContext, HookError, HookObject, HookResult, HookRunner, has_policy, is_workload};
use crate::clock::Clock;
use crate::cluster::{
    ApplyOptions, ApplyStrategy, Cluster, ClusterError, DeleteOptions, DryRun, object_id,
};
use crate::plan::read_yaml;
use crate::release::{GateVerdict, Hook, HookDeletePolicy, HookPhase};

/// What the flags give to local hooks.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// `--hook-env NAME=VALUE`: over the manifest's environment.
    pub environment: Vec<(String, String)>,
    /// `--hook-command IMAGE=PATH`: what to run for an image.
    pub commands: Vec<(String, PathBuf)>,
    /// `--hook-mount NAME=DIR`: the folder that stands for a volume.
    pub mounts: Vec<(String, PathBuf)>,
}

/// Runs Jobs and Pods as local processes; other kinds become objects of the target.
#[derive(Debug)]
pub struct LocalHooks {
    options: LocalOptions,
    cluster: Arc<dyn Cluster>,
    clock: Arc<dyn Clock>,
}

impl LocalHooks {
    /// Runs hooks with what the flags give.
    pub fn new(options: LocalOptions, cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>) -> Self {
        Self {
            options,
            cluster,
            clock,
        }
    }

    async fn make_object(&self, hook: &Hook) -> Result<HookObject, HookError> {
        let object = manifest(hook)?;
        let start = |source: crate::cluster::ClusterError| HookError::Start {
            hook: hook.name.clone(),
            doing: format!("creating {} `{}`", hook.kind, hook.name),
            source: source.into(),
        };
        let made = match self.cluster.create(&object, DryRun::Off).await {
            // What is meant to stay (a ConfigMap, a claim with data) is brought up to date instead.
            Err(ClusterError::AlreadyExists { .. })
                if !has_policy(hook, &HookDeletePolicy::BeforeHookCreation) =>
            {
                let options = ApplyOptions {
                    strategy: ApplyStrategy::ServerSide,
                    force_conflicts: true,
                    dry_run: DryRun::Off,
                };
                let applied = self.cluster.apply(&object, &options).await;
                Arc::unwrap_or_clone(applied.map_err(start)?.object)
            }
            created => created.map_err(start)?,
        };
        let uid = made
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Ok(HookObject { uid })
    }

    async fn delete_object(
        &self,
        hook: &Hook,
        uid: Option<String>,
        timeout: Duration,
    ) -> Result<(), HookError> {
        let object = manifest(hook)?;
        let Some(id) = object_id(&object) else {
            return Ok(());
        };
        let start = |source: crate::cluster::ClusterError| HookError::Start {
            hook: hook.name.clone(),
            doing: format!("deleting {} `{}`", hook.kind, hook.name),
            source: source.into(),
        };
        let options = DeleteOptions {
            uid: uid.clone(),
            ..DeleteOptions::default()
        };
        if self.cluster.delete(&id, &options).await.map_err(start)? {
            self.cluster
                .wait_deleted(&[(id, uid)], timeout)
                .await
                .map_err(start)?;
        }
        Ok(())
    }
}

#[async_trait]
impl HookRunner for LocalHooks {
    async fn clear(&self, hook: &Hook, context: &HookContext<'_>) -> Result<(), HookError> {
        if is_workload(hook) {
            // A process leaves nothing behind that could be taken for a result.
            return Ok(());
        }
        self.delete_object(hook, None, context.timeout).await
    }

    async fn run(&self, hook: &Hook, context: &HookContext<'_>) -> Result<HookResult, HookError> {
        let started_at = self.clock.now();
        if !is_workload(hook) {
            let object = self.make_object(hook).await?;
            return Ok(HookResult {
                phase: HookPhase::Succeeded,
                object,
                verdict: None,
                log: String::new(),
                reason: None,
                started_at,
                completed_at: self.clock.now(),
            });
        }
        let object = manifest(hook)?;
        let plan = command::plan(hook, &object, &self.options)?;
        let ended = process::run(hook, &plan, context).await?;
        let verdict = ended
            .termination_message
            .as_deref()
            .and_then(GateVerdict::parse);
        let (phase, reason) = match ended.end {
            process::End::Exited(0) => (HookPhase::Succeeded, None),
            process::End::Exited(code) => (HookPhase::Failed, Some(format!("exit code {code}"))),
            process::End::Signalled(signal) => (
                HookPhase::Failed,
                Some(format!("killed by signal {signal}")),
            ),
            process::End::TimedOut(after) => (
                HookPhase::Failed,
                Some(format!(
                    "did not end within {} s, and was stopped",
                    after.as_secs()
                )),
            ),
            process::End::Cancelled => (HookPhase::Unknown, Some("stopped by the user".to_owned())),
        };
        // As Kubernetes does: without a verdict, the message says why it failed.
        let message = ended
            .termination_message
            .filter(|text| verdict.is_none() && !text.trim().is_empty());
        let reason = match (reason, message) {
            (Some(reason), Some(message)) => Some(format!("{reason}: {}", message.trim())),
            (reason, _) => reason,
        };
        Ok(HookResult {
            phase,
            object: HookObject::default(),
            verdict,
            log: ended.log,
            reason,
            started_at,
            completed_at: self.clock.now(),
        })
    }

    async fn remove(
        &self,
        hook: &Hook,
        object: &HookObject,
        context: &HookContext<'_>,
    ) -> Result<(), HookError> {
        if is_workload(hook) {
            return Ok(());
        }
        self.delete_object(hook, object.uid.clone(), context.timeout)
            .await
    }
}

fn manifest(hook: &Hook) -> Result<Value, HookError> {
    read_yaml(&hook.manifest).map_err(|message| HookError::Unsupported {
        hook: hook.name.clone(),
        reason: format!("its manifest is not valid YAML: {message}"),
        hint: "see what the chart renders with `deployer template`".into(),
    })
}
