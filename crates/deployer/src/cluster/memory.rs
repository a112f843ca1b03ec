//! A cluster in memory, for tests of everything above the seam.
//!
//! It keeps what the Kubernetes API would keep that the deployer relies on: UIDs, one object per
//! name, deletion by UID, and no change of what is not sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    Applied, ApplyOptions, Capabilities, Cluster, ClusterError, DeleteOptions, Diagnosis, DryRun,
    NotReady, ObjectId, Propagation, RevisionScope, WaitOptions, object_id,
};
use crate::progress::{AppliedChange, ProgressEvent, ProgressSink};
use crate::release::Namespace;

/// An annotation that makes an object of this cluster never become ready; its value is the reason.
pub const NEVER_READY_ANNOTATION: &str = "deployer.test/never-ready";

/// Objects in memory; clones share them.
#[derive(Debug, Clone)]
pub struct MemoryCluster {
    namespace: Namespace,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<ObjectId, Value>,
    uids: u64,
    lacks_namespace: bool,
    kinds_gone: Vec<String>,
    deletions: Vec<(ObjectId, Propagation)>,
    claimed: Vec<String>,
}

impl MemoryCluster {
    /// Makes an empty cluster with a default namespace.
    pub fn new(namespace: Namespace) -> Self {
        Self {
            namespace,
            state: Arc::default(),
        }
    }

    /// Makes an empty cluster in which the default namespace does not exist yet.
    pub fn without_namespace(namespace: Namespace) -> Self {
        let cluster = Self::new(namespace);
        cluster.state().lacks_namespace = true;
        cluster
    }

    /// Returns what was deleted, in order, and what was to happen to the objects that it owned.
    pub fn deletions(&self) -> Vec<(ObjectId, Propagation)> {
        self.state().deletions.clone()
    }

    /// Lets another manager take over the fields of the objects of a name.
    pub fn claim(&self, name: &str) {
        self.state().claimed.push(name.to_owned());
    }

    /// Deletes the definition of a kind, and with it every object of that kind.
    pub fn forget_kind(&self, kind: &str) {
        let mut state = self.state();
        state.objects.retain(|id, _| id.kind != kind);
        state.kinds_gone.push(kind.to_owned());
    }

    /// Returns every object, by id, namespaces filled in.
    pub fn objects(&self) -> BTreeMap<ObjectId, Value> {
        self.state().objects.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resolved(&self, id: &ObjectId) -> ObjectId {
        let mut id = id.clone();
        id.namespace
            .get_or_insert_with(|| self.namespace.to_string());
        id
    }

    fn id_of(&self, object: &Value) -> Result<ObjectId, ClusterError> {
        object_id(object)
            .map(|id| self.resolved(&id))
            .ok_or_else(|| ClusterError::InvalidObject {
                reason: "kind, version or name is missing".into(),
            })
    }
}

impl State {
    fn get(&self, id: &ObjectId) -> Result<Option<Value>, ClusterError> {
        if self.kinds_gone.contains(&id.kind) {
            return Err(ClusterError::UnknownKind { object: id.clone() });
        }
        Ok(self.objects.get(id).cloned())
    }

    fn put(&mut self, id: &ObjectId, object: &Value) -> Value {
        let mut object = object.clone();
        let before = self
            .objects
            .get(id)
            .and_then(|live| live.pointer("/metadata/uid"))
            .cloned();
        let uid = before.unwrap_or_else(|| {
            self.uids += 1;
            json!(format!("uid-{}", self.uids))
        });
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("uid".into(), uid);
        }
        self.objects.insert(id.clone(), object.clone());
        object
    }
}

/// Compares what a person wrote, without what the server added.
fn same_content(live: &Value, wanted: &Value) -> bool {
    let mut live = live.clone();
    if let Some(metadata) = live.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("uid");
    }
    live == *wanted
}

#[async_trait]
impl Cluster for MemoryCluster {
    fn describe(&self) -> String {
        "a cluster in memory".into()
    }

    async fn capabilities(&self) -> Result<Capabilities, ClusterError> {
        Ok(Capabilities {
            kube_version: "v1.34.0".into(),
            api_versions: Vec::new(),
        })
    }

    async fn get(&self, id: &ObjectId) -> Result<Option<Value>, ClusterError> {
        self.state().get(&self.resolved(id))
    }

    async fn get_many(&self, ids: &[ObjectId]) -> Result<Vec<Option<Arc<Value>>>, ClusterError> {
        let state = self.state();
        ids.iter()
            .map(|id| Ok(state.get(&self.resolved(id))?.map(Arc::new)))
            .collect()
    }

    async fn apply(&self, object: &Value, options: &ApplyOptions) -> Result<Applied, ClusterError> {
        let id = self.id_of(object)?;
        let mut state = self.state();
        let change = match state.objects.get(&id) {
            None => AppliedChange::Created,
            Some(live) if same_content(live, object) => AppliedChange::Unchanged,
            Some(_) => AppliedChange::Changed,
        };
        if state.claimed.contains(&id.name) && !options.force_conflicts {
            return Err(ClusterError::FieldConflict {
                object: object_id(object).unwrap_or(id),
                conflicts: vec![".data: conflict with \"kubectl\"".to_owned()],
            });
        }
        let object = match options.dry_run {
            DryRun::Server => object.clone(),
            DryRun::Off => state.put(&id, object),
        };
        Ok(Applied {
            change,
            object: Arc::new(object),
            yielded: Vec::new(),
        })
    }

    async fn create(&self, object: &Value, dry_run: DryRun) -> Result<Value, ClusterError> {
        let id = self.id_of(object)?;
        let mut state = self.state();
        if state.objects.contains_key(&id) {
            return Err(ClusterError::AlreadyExists { object: id });
        }
        Ok(if dry_run == DryRun::Server {
            object.clone()
        } else {
            state.put(&id, object)
        })
    }

    async fn delete(&self, id: &ObjectId, options: &DeleteOptions) -> Result<bool, ClusterError> {
        let id = self.resolved(id);
        let mut state = self.state();
        let uid = state
            .objects
            .get(&id)
            .and_then(|live| live.pointer("/metadata/uid"))
            .and_then(Value::as_str);
        let matches = options
            .uid
            .as_deref()
            .is_none_or(|wanted| uid == Some(wanted));
        let was_there = matches && state.objects.remove(&id).is_some();
        if was_there {
            state.deletions.push((id, options.propagation));
        }
        Ok(was_there)
    }

    async fn wait_ready(
        &self,
        ids: &[ObjectId],
        options: &WaitOptions,
        progress: &dyn ProgressSink,
    ) -> Result<(), ClusterError> {
        let mut pending = Vec::new();
        for id in ids {
            let live = self.get(id).await?;
            let reason = match &live {
                None => Some("not found".to_owned()),
                Some(live) => live
                    .get("metadata")
                    .and_then(|metadata| {
                        metadata
                            .get("annotations")?
                            .get(NEVER_READY_ANNOTATION)?
                            .as_str()
                    })
                    .map(str::to_owned),
            };
            progress.event(ProgressEvent::Readiness {
                object: id.clone(),
                ready: reason.is_none(),
                message: reason.clone().unwrap_or_default(),
            });
            pending.extend(reason.map(|reason| NotReady {
                object: id.clone(),
                reason,
            }));
        }
        if pending.is_empty() {
            Ok(())
        } else {
            Err(ClusterError::Timeout {
                pending,
                after: options.timeout,
            })
        }
    }

    async fn wait_deleted(
        &self,
        ids: &[(ObjectId, Option<String>)],
        timeout: Duration,
    ) -> Result<(), ClusterError> {
        let state = self.state();
        let still_there = |id: &ObjectId| NotReady {
            object: id.clone(),
            reason: "still there".into(),
        };
        let pending: Vec<NotReady> = ids
            .iter()
            .filter(|(id, uid)| {
                state.objects.get(&self.resolved(id)).is_some_and(|live| {
                    uid.as_deref().is_none_or(|uid| {
                        live.pointer("/metadata/uid").and_then(Value::as_str) == Some(uid)
                    })
                })
            })
            .map(|(id, _)| still_there(id))
            .collect();
        if pending.is_empty() {
            Ok(())
        } else {
            Err(ClusterError::Timeout {
                pending,
                after: timeout,
            })
        }
    }

    async fn diagnose(&self, ids: &[ObjectId]) -> Vec<Diagnosis> {
        let state = self.state();
        ids.iter()
            .filter_map(|id| {
                let live = state.objects.get(&self.resolved(id))?;
                let reason = live
                    .get("metadata")?
                    .get("annotations")?
                    .get(NEVER_READY_ANNOTATION)?
                    .as_str()?;
                Some(Diagnosis {
                    source: id.to_string(),
                    summary: reason.to_owned(),
                    lines: Vec::new(),
                })
            })
            .collect()
    }

    async fn namespace_exists(&self) -> Result<bool, ClusterError> {
        Ok(!self.state().lacks_namespace)
    }

    async fn ensure_namespace(&self) -> Result<(), ClusterError> {
        self.state().lacks_namespace = false;
        Ok(())
    }

    async fn begin(&self, _scope: &RevisionScope) -> Result<(), ClusterError> {
        Ok(())
    }

    async fn commit(&self, _scope: &RevisionScope) -> Result<(), ClusterError> {
        Ok(())
    }

    async fn abort(&self, _scope: &RevisionScope) -> Result<(), ClusterError> {
        Ok(())
    }
}
