//! What the tests of the actions share: a world without a cluster, charts and hooks by script.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use deployer::action::{
    ChangeOptions, ChartSource, Deployer, InstallOptions, RenderError, RenderRequest,
    RenderedChart, RollbackOptions, UninstallOptions, UpgradeOptions, ValuesReuse,
};
use deployer::clock::{Clock, ManualClock};
use deployer::cluster::{
    Cluster, FaultPlan, FaultyCluster, MemoryCluster, Propagation, WaitStrategy,
};
use deployer::hook::{FaultyHooks, HookContext, HookError, HookObject, HookResult, HookRunner};
use deployer::progress::SilentProgress;
use deployer::release::{
    GateVerdict, Hook, HookEvent, HookPhase, Namespace, ReleaseName, Revision, Status,
};
use deployer::storage::{FaultyStore, ListScope, MemoryStore, ReleaseStore};
use serde_json::{Value, json};

pub(crate) const NAMESPACE: &str = "prod";

pub(crate) fn name() -> ReleaseName {
    ReleaseName::new("web").unwrap()
}

pub(crate) fn namespace() -> Namespace {
    Namespace::new(NAMESPACE).unwrap()
}

/// A cluster, a store and a clock that outlive the processes that work on them.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) cluster: MemoryCluster,
    pub(crate) store: MemoryStore,
    pub(crate) clock: Arc<ManualClock>,
    /// What hooks left in the cluster.
    pub(crate) hook_objects: HookObjects,
}

/// How the hooks whose objects are there ended, by name.
type HookObjects = Arc<Mutex<BTreeMap<String, HookResult>>>;

impl World {
    pub(crate) fn new() -> Self {
        let start: DateTime<Utc> = "2026-03-01T10:00:00Z".parse().unwrap();
        Self {
            cluster: MemoryCluster::new(namespace()),
            store: MemoryStore::new(namespace()),
            clock: Arc::new(ManualClock::at(start)),
            hook_objects: Arc::default(),
        }
    }

    /// A process that works on this world, with faults.
    pub(crate) fn process(&self, operator: &str, plan: &FaultPlan) -> Deployer {
        Deployer {
            cluster: Arc::new(FaultyCluster::new(self.cluster.clone(), plan.clone())),
            store: Arc::new(FaultyStore::new(self.store.clone(), plan.clone())),
            hooks: Arc::new(FaultyHooks::new(
                ScriptedHooks {
                    clock: self.clock.clone(),
                    objects: Arc::clone(&self.hook_objects),
                },
                plan.clone(),
            )),
            clock: self.clock.clone(),
            progress: Arc::new(SilentProgress),
            cancel: plan.cancel(),
            namespace: namespace(),
            operator: operator.to_owned(),
            lease_duration: Duration::from_secs(30),
        }
    }

    /// A process without faults.
    pub(crate) fn healthy(&self) -> Deployer {
        self.process(
            "healthy",
            &FaultPlan::new(0, deployer::cluster::Fault::Reset),
        )
    }

    pub(crate) async fn statuses(&self) -> Vec<(u32, Status)> {
        let records = self.store.history(&name()).await.unwrap();
        records
            .iter()
            .map(|stored| (stored.release.version.0, stored.release.info.status))
            .collect()
    }

    /// What is live of the release: names and the `data` of each.
    pub(crate) fn live(&self) -> BTreeMap<String, Value> {
        let live = self.cluster.objects();
        let labelled = |object: &Value| {
            object
                .pointer("/metadata/labels/app.kubernetes.io~1managed-by")
                .is_some()
        };
        live.into_iter()
            .filter(|(_, object)| labelled(object))
            .map(|(id, object)| (id.name, object["data"].clone()))
            .collect()
    }

    /// Checks what must hold when nothing runs any more, and says what does not.
    pub(crate) async fn broken_invariants(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let records = self.store.list(ListScope::AllNamespaces).await.unwrap();
        let deployed: Vec<_> = records
            .iter()
            .filter(|stored| stored.release.info.status == Status::Deployed)
            .collect();
        if deployed.len() > 1 {
            broken.push(format!("{} revisions are deployed", deployed.len()));
        }
        for stored in &records {
            let status = stored.release.info.status;
            if status.is_pending() || status == Status::Uninstalling {
                broken.push(format!("revision {} is {status}", stored.release.version));
            }
        }
        let wanted: BTreeMap<String, Value> = match deployed.first() {
            Some(stored) => deployer::plan::read_manifest(&stored.release.manifest)
                .unwrap()
                .into_iter()
                .map(|object| (object.id.name, object.value["data"].clone()))
                .collect(),
            None => BTreeMap::new(),
        };
        if self.live() != wanted {
            broken.push(format!(
                "live {:?} is not the deployed {wanted:?}",
                self.live()
            ));
        }
        if let Some(lease) = self.store.lease(&name()).await.unwrap() {
            broken.push(format!("{} still holds the lease", lease.holder));
        }
        broken
    }
}

/// A chart by script: config maps with their content, and hooks.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScriptedChart {
    pub(crate) objects: Vec<(&'static str, &'static str)>,
    pub(crate) never_ready: bool,
    /// A gate on pre-install and pre-upgrade, with what it says.
    pub(crate) gate: Option<&'static str>,
    /// A hook on pre-rollback, with how it ends.
    pub(crate) rollback_hook: Option<&'static str>,
    /// A hook on everything that comes after a change, and around an uninstall.
    pub(crate) after_hook: bool,
    /// A hook on one event, with how it ends.
    pub(crate) hook_on: Option<(HookEvent, &'static str)>,
}

impl ScriptedChart {
    pub(crate) fn of(objects: &[(&'static str, &'static str)]) -> Self {
        Self {
            objects: objects.to_vec(),
            ..Self::default()
        }
    }

    pub(crate) fn gated(mut self, outcome: &'static str) -> Self {
        self.gate = Some(outcome);
        self
    }
}

impl ChartSource for ScriptedChart {
    fn render(&self, _request: &RenderRequest<'_>) -> Result<RenderedChart, RenderError> {
        let mut manifest = String::new();
        for (object, content) in &self.objects {
            let mut value = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": object}, "data": {"content": content}
            });
            if self.never_ready {
                value["metadata"]["annotations"] =
                    json!({"deployer.test/never-ready": "0 of 1 pods ready"});
            }
            manifest.push_str(&format!(
                "---\n# Source: web/templates/{object}.yaml\n{value}\n"
            ));
        }
        let mut hooks = Vec::new();
        if let Some(outcome) = self.gate {
            hooks.push(hook(
                "gate",
                &[HookEvent::PreInstall, HookEvent::PreUpgrade],
                outcome,
            ));
        }
        if let Some(outcome) = self.rollback_hook {
            hooks.push(hook("undo", &[HookEvent::PreRollback], outcome));
        }
        if let Some((event, outcome)) = &self.hook_on {
            hooks.push(hook("only", std::slice::from_ref(event), outcome));
        }
        if self.after_hook {
            hooks.push(hook(
                "after",
                &[
                    HookEvent::PostInstall,
                    HookEvent::PostUpgrade,
                    HookEvent::PostRollback,
                    HookEvent::PreDelete,
                    HookEvent::PostDelete,
                ],
                "pass",
            ));
        }
        Ok(RenderedChart {
            chart: json!({"metadata": {"name": "web", "version": "1.0.0"}}),
            manifest,
            hooks,
            ..RenderedChart::default()
        })
    }
}

fn hook(name: &str, events: &[HookEvent], outcome: &str) -> Hook {
    Hook {
        name: name.into(),
        kind: "Job".into(),
        manifest: json!({"kind": "Job", "outcome": outcome}).to_string(),
        events: events.to_vec(),
        ..Hook::default()
    }
}

/// Hooks that end as their manifest says.
#[derive(Debug)]
pub(crate) struct ScriptedHooks {
    clock: Arc<ManualClock>,
    objects: HookObjects,
}

#[async_trait]
impl HookRunner for ScriptedHooks {
    async fn clear(&self, hook: &Hook, _context: &HookContext<'_>) -> Result<(), HookError> {
        self.objects.lock().unwrap().remove(&hook.name);
        Ok(())
    }

    async fn run(&self, hook: &Hook, context: &HookContext<'_>) -> Result<HookResult, HookError> {
        let script: Value = serde_json::from_str(&hook.manifest).unwrap();
        let outcome = script["outcome"].as_str().unwrap();
        let verdict = json!({"kind": "validator/verdict", "outcome": outcome, "reasons": [format!("scripted {outcome}")]});
        let passed = outcome == "pass";
        let result = HookResult {
            phase: match passed {
                _ if context.cancel.is_cancelled() => HookPhase::Unknown,
                true => HookPhase::Succeeded,
                false => HookPhase::Failed,
            },
            object: HookObject { uid: None },
            verdict: GateVerdict::parse(&verdict.to_string()),
            log: format!("the gate says {outcome}"),
            reason: (!passed).then(|| "exit code 1".to_owned()),
            started_at: self.clock.now(),
            completed_at: self.clock.now(),
        };
        let mut objects = self.objects.lock().unwrap();
        objects.insert(hook.name.clone(), result.clone());
        Ok(result)
    }

    async fn remove(
        &self,
        hook: &Hook,
        _object: &HookObject,
        context: &HookContext<'_>,
    ) -> Result<(), HookError> {
        self.clear(hook, context).await
    }

    async fn salvage(&self, hook: &Hook, _context: &HookContext<'_>) -> Option<HookResult> {
        self.objects.lock().unwrap().get(&hook.name).cloned()
    }
}

pub(crate) fn change(atomic: bool) -> ChangeOptions {
    ChangeOptions {
        atomic,
        ..ChangeOptions::default()
    }
}

pub(crate) fn install(chart: ScriptedChart, atomic: bool) -> InstallOptions {
    InstallOptions {
        release: name(),
        chart: Arc::new(chart),
        change: change(atomic),
        create_namespace: false,
        crds: deployer::action::CrdPolicy::Create,
        replace: false,
    }
}

pub(crate) fn upgrade(chart: ScriptedChart, atomic: bool) -> UpgradeOptions {
    UpgradeOptions {
        release: name(),
        chart: Arc::new(chart),
        change: change(atomic),
        reuse: ValuesReuse::WhenNoneGiven,
        install: false,
        create_namespace: false,
        crds: deployer::action::CrdPolicy::Create,
    }
}

pub(crate) fn rollback(revision: u32) -> RollbackOptions {
    RollbackOptions {
        release: name(),
        revision: Some(Revision(revision)),
        change: change(false),
    }
}

pub(crate) fn uninstall(keep_history: bool) -> UninstallOptions {
    UninstallOptions {
        release: name(),
        keep_history,
        ignore_not_found: false,
        wait: WaitStrategy::HookOnly,
        timeout: Duration::from_secs(30),
        run_hooks: true,
        dry_run: deployer::action::DryRunMode::Off,
        propagation: Propagation::Background,
        description: None,
    }
}

/// Keeps the trait in use where a test only needs its methods.
pub(crate) fn as_cluster(world: &World) -> &dyn Cluster {
    &world.cluster
}
