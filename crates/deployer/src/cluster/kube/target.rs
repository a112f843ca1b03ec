//! The contract of a target, kept by the Kubernetes API.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::error::KubeError;
use super::session::KubeCluster;
use crate::cluster::{
    Applied, ApplyOptions, Capabilities, Cluster, ClusterError, DeleteOptions, Diagnosis, DryRun,
    FIELD_MANAGER, NotReady, ObjectId, Propagation, RevisionScope, Shown, WaitOptions, object_id,
};
use crate::plan::rights::{KindTable, Right};
use crate::progress::ProgressSink;

/// Objects that are looked at at once.
pub(super) const READS_AT_ONCE: usize = 24;
/// First and longest pause between two looks at an object that is being deleted.
const LOOK_FIRST: Duration = Duration::from_millis(50);
const LOOK_LONGEST: Duration = Duration::from_millis(800);

/// How often an object is tried to be created while others are in the way.
const RACES_MAX: u32 = 5;
/// The pause after the first such race; the later ones are longer.
const RACE_PAUSE: Duration = Duration::from_millis(50);

#[async_trait]
impl Cluster for KubeCluster {
    fn describe(&self) -> String {
        format!("cluster {}", self.rest.server())
    }

    async fn capabilities(&self) -> Result<Capabilities, ClusterError> {
        let (version, discovery) = tokio::try_join!(self.rest.get("/version"), self.discovery())
            .map_err(|error| self.explain_any(error, "asking for the server's version"))?;
        Ok(Capabilities {
            kube_version: version["gitVersion"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            api_versions: discovery.capability_versions(),
        })
    }

    async fn get(&self, id: &ObjectId) -> Result<Option<Value>, ClusterError> {
        let path = match self.path(id).await {
            Ok(path) => path,
            Err(error) => return Err(self.explain(error, id, "get")),
        };
        match self.rest.get(&path).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.explain(error, id, "get")),
        }
    }

    async fn get_many(&self, ids: &[ObjectId]) -> Result<Vec<Option<Arc<Value>>>, ClusterError> {
        self.read_many(ids).await
    }

    async fn apply(&self, object: &Value, options: &ApplyOptions) -> Result<Applied, ClusterError> {
        self.apply_object(object, options).await
    }

    async fn create(&self, object: &Value, dry_run: DryRun) -> Result<Value, ClusterError> {
        let id = identify(object)?;
        let kind = self
            .kind(&id.api_version, &id.kind)
            .await
            .map_err(|error| self.explain(error, &id, "create"))?;
        let mut path = format!(
            "{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict",
            kind.collection(self.namespace_of(&id))
        );
        if dry_run == DryRun::Server {
            path.push_str("&dryRun=All");
        }
        let mut attempt = 1;
        loop {
            match self.rest.post(&path, object).await {
                Ok(created) => return Ok(created),
                // So answers a quota that others draw on at the same time; nothing was made.
                Err(error) if error.is_conflict() && attempt < RACES_MAX => {
                    tokio::time::sleep(RACE_PAUSE * attempt).await;
                    attempt += 1;
                }
                Err(error) => return self.after_failed_create(error, &id, object).await,
            }
        }
    }

    async fn delete(&self, id: &ObjectId, options: &DeleteOptions) -> Result<bool, ClusterError> {
        let path = match self.path(id).await {
            Ok(path) => path,
            // A kind that is gone took its objects along.
            Err(KubeError::UnknownKind { .. }) => return Ok(false),
            Err(error) => return Err(self.explain(error, id, "delete")),
        };
        let propagation = match options.propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        let mut body =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation});
        self.seen.lock().await.remove(id);
        if let Some(uid) = &options.uid {
            body["preconditions"] = json!({"uid": uid});
        }
        match self.rest.delete(&path, &body).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            // Another object has the name by now: the one that was meant is gone.
            Err(error) if error.is_conflict() && options.uid.is_some() => Ok(false),
            Err(error) => Err(self.explain(error, id, "delete")),
        }
    }

    async fn wait_ready(
        &self,
        ids: &[ObjectId],
        options: &WaitOptions,
        progress: &dyn ProgressSink,
    ) -> Result<(), ClusterError> {
        self.wait_until_ready(ids, options, progress).await
    }

    async fn wait_deleted(
        &self,
        ids: &[(ObjectId, Option<String>)],
        timeout: Duration,
    ) -> Result<(), ClusterError> {
        let deadline = Instant::now() + timeout;
        let looks: Vec<_> = ids
            .iter()
            .map(|(id, uid)| self.look_until_gone(id, uid.as_deref(), deadline))
            .collect();
        let pending: Vec<NotReady> = stream::iter(looks)
            .buffer_unordered(READS_AT_ONCE)
            .try_filter_map(|left| async move { Ok(left) })
            .try_collect()
            .await?;
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
        self.explain_objects(ids).await
    }

    async fn show(&self, ids: &[ObjectId]) -> Result<Shown, ClusterError> {
        self.show_objects(ids).await
    }

    async fn namespace_exists(&self) -> Result<bool, ClusterError> {
        match self.rest.get(&self.namespace_path()).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            // Whoever may work in one namespace only may often not look at it from outside.
            Err(error) if error.is_forbidden() => Ok(true),
            Err(error) => Err(self.explain_any(
                error,
                &format!("looking for namespace `{}`", self.namespace),
            )),
        }
    }

    async fn ensure_namespace(&self) -> Result<(), ClusterError> {
        let name = self.namespace.as_str();
        // Helm gives the namespaces that it makes this label, and charts select by it.
        let body = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"name": name}}});
        let path = format!("/api/v1/namespaces?fieldManager={FIELD_MANAGER}");
        match self.rest.post(&path, &body).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_already_exists() => Ok(()),
            Err(error) if error.is_forbidden() && self.namespace_exists().await? => Ok(()),
            Err(error) => {
                let id = object_id(&body).ok_or_else(|| ClusterError::InvalidObject {
                    reason: "namespace without a name".to_owned(),
                })?;
                Err(self.explain(error, &id, "create"))
            }
        }
    }

    async fn missing_rights(&self, rights: &[Right]) -> Result<Vec<Right>, ClusterError> {
        self.rights_missing(rights)
            .await
            .map_err(|error| self.explain_any(error, "asking what this account may do"))
    }

    async fn kind_names(&self, ids: &[ObjectId]) -> KindTable {
        self.names_of_kinds(ids).await
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

/// Reads which object a manifest describes.
pub(super) fn identify(object: &Value) -> Result<ObjectId, ClusterError> {
    object_id(object).ok_or_else(|| ClusterError::InvalidObject {
        reason: "apiVersion, kind or metadata.name is missing".to_owned(),
    })
}

impl KubeCluster {
    fn namespace_path(&self) -> String {
        format!("/api/v1/namespaces/{}", self.namespace)
    }

    /// A repeated request may meet the object that its first attempt made: ours when it carries
    /// the same mark.
    async fn after_failed_create(
        &self,
        error: KubeError,
        id: &ObjectId,
        object: &Value,
    ) -> Result<Value, ClusterError> {
        let repeated = matches!(&error, KubeError::Api { retried: true, .. });
        if repeated && error.is_already_exists() {
            let mark = |value: &Value| value.pointer(CREATION_MARK_POINTER).cloned();
            if let (Some(wanted), Some(live)) = (mark(object), self.get(id).await?)
                && mark(&live) == Some(wanted)
            {
                return Ok(live);
            }
        }
        Err(self.explain(error, id, "create"))
    }

    async fn look_until_gone(
        &self,
        id: &ObjectId,
        uid: Option<&str>,
        deadline: Instant,
    ) -> Result<Option<NotReady>, ClusterError> {
        let mut pause = LOOK_FIRST;
        loop {
            let live = match self.get(id).await {
                Ok(live) => live,
                Err(ClusterError::UnknownKind { .. }) => None,
                Err(error) => return Err(error),
            };
            let Some(object) = live else { return Ok(None) };
            if uid.is_some_and(|uid| object["metadata"]["uid"] != uid) {
                return Ok(None);
            }
            if Instant::now() + pause > deadline {
                return Ok(Some(NotReady {
                    object: id.clone(),
                    reason: still_there(&object),
                }));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_LONGEST);
        }
    }
}

/// The annotation that marks which run created an object.
pub(crate) const CREATION_MARK: &str = "deployer/run";
const CREATION_MARK_POINTER: &str = "/metadata/annotations/deployer~1run";

fn still_there(object: &Value) -> String {
    let finalizers: Vec<&str> = object["metadata"]["finalizers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if object["metadata"]["deletionTimestamp"].is_null() {
        "nobody has deleted it".to_owned()
    } else if finalizers.is_empty() {
        "is being deleted".to_owned()
    } else {
        format!(
            "is being deleted; waits for finalizers {}",
            finalizers.join(", ")
        )
    }
}
