//! Making an object be as described: by the server, or by a three-way merge made here.

use std::sync::Arc;

use serde_json::{Value, json};
use tracing::debug;

use super::autoscaled::{REPLICAS, without_replicas};
use super::merge::{merge_patch, three_way};
use super::rest::PatchKind;
use super::session::KubeCluster;
use super::target::identify;
use crate::cluster::{
    Applied, ApplyOptions, ApplyStrategy, ClusterError, DryRun, FIELD_MANAGER, ObjectId,
};
use crate::progress::AppliedChange;

/// How often a merge is made anew because the object changed under our hands.
const MERGE_ATTEMPTS_MAX: u32 = 5;

/// What became of a hand-over of fields.
enum Migration {
    /// There is nothing to hand over any more.
    Done,
    /// Somebody wrote meanwhile: it has to be looked at again.
    Raced,
}

impl KubeCluster {
    pub(super) async fn apply_object(
        &self,
        object: &Value,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        let id = identify(object)?;
        let path = self
            .path(&id)
            .await
            .map_err(|error| self.explain(error, &id, "patch"))?;
        let known = self.seen.lock().await.get(&id).cloned();
        let applied = match &options.strategy {
            ApplyStrategy::ServerSide => {
                self.apply_by_server(&id, &path, object, known, options)
                    .await?
            }
            ApplyStrategy::ClientSide { original } => {
                self.apply_by_merge(&id, &path, object, original.as_deref(), known, options)
                    .await?
            }
            ApplyStrategy::Replace => self.replace(&id, &path, object, options).await?,
        };
        if options.dry_run == DryRun::Off {
            let seen = Some(applied.object.clone());
            self.seen.lock().await.insert(id, seen);
        }
        Ok(applied)
    }

    async fn live(&self, id: &ObjectId, path: &str) -> Result<Option<Arc<Value>>, ClusterError> {
        match self.rest.get(path).await {
            Ok(live) => Ok(Some(Arc::new(live))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.explain(error, id, "get")),
        }
    }

    async fn apply_by_server(
        &self,
        id: &ObjectId,
        path: &str,
        object: &Value,
        known: Option<Option<Arc<Value>>>,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        let mut before = match known {
            Some(known) => known,
            None => self.live(id, path).await?,
        };
        for _ in 0..MERGE_ATTEMPTS_MAX {
            let Some(live) = &before else { break };
            match self.migrate_managed_fields(id, path, live, options).await? {
                Migration::Done => break,
                Migration::Raced => before = self.live(id, path).await?,
            }
        }
        let left = self.yielded(id, object, before.as_deref()).await;
        let object = left.as_ref().unwrap_or(object);
        let mut address = format!(
            "{path}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict&force={}",
            options.force_conflicts
        );
        if options.dry_run == DryRun::Server {
            address.push_str("&dryRun=All");
        }
        let after = self
            .rest
            .patch(&address, PatchKind::Apply, object)
            .await
            .map_err(|error| self.explain(error, id, "patch"))?;
        Ok(Applied {
            change: change_between(before.as_deref(), &after, options.dry_run),
            object: Arc::new(after),
            yielded: left.map(|_| REPLICAS).into_iter().collect(),
        })
    }

    /// Puts the manifest in the place of what is there, as Helm's `--force-replace` does.
    ///
    /// Source: `replaceResource` in `pkg/kube/client.go` of Helm v4. What is immutable stays
    /// immutable: nothing is deleted to be made anew.
    async fn replace(
        &self,
        id: &ObjectId,
        path: &str,
        object: &Value,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        for attempt in 1.. {
            let Some(live) = self.live(id, path).await? else {
                return self.create_object(id, object, options.dry_run).await;
            };
            let mut whole = object.clone();
            whole["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            let address = format!(
                "{path}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict{}",
                dry_run_query(options.dry_run)
            );
            match self.rest.put(&address, &whole).await {
                Ok(after) => {
                    return Ok(Applied {
                        change: change_between(Some(&live), &after, options.dry_run),
                        object: Arc::new(after),
                        yielded: Vec::new(),
                    });
                }
                Err(error) if error.is_conflict() && attempt < MERGE_ATTEMPTS_MAX => {}
                Err(error) => return Err(self.explain(error, id, "update")),
            }
        }
        Err(ClusterError::Conflict { object: id.clone() })
    }

    async fn create_object(
        &self,
        id: &ObjectId,
        object: &Value,
        dry_run: DryRun,
    ) -> Result<Applied, ClusterError> {
        let kind = self
            .kind(&id.api_version, &id.kind)
            .await
            .map_err(|error| self.explain(error, id, "create"))?;
        let address = format!(
            "{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict{}",
            kind.collection(self.namespace_of(id)),
            dry_run_query(dry_run)
        );
        match self.rest.post(&address, object).await {
            Ok(created) => Ok(Applied {
                change: AppliedChange::Created,
                object: Arc::new(created),
                yielded: Vec::new(),
            }),
            Err(error) => Err(self.explain(error, id, "create")),
        }
    }

    /// Hands the fields that client-side writing put into `Update` entries of our own manager
    /// over to server-side apply, so that fields that left the chart are removed.
    ///
    /// Source: client-go `util/csaupgrade`, as Helm v4 `pkg/kube/client.go` uses it.
    async fn migrate_managed_fields(
        &self,
        id: &ObjectId,
        path: &str,
        live: &Value,
        options: &ApplyOptions,
    ) -> Result<Migration, ClusterError> {
        let Some(managed_fields) = super::merge::managed_fields_for_apply(live, FIELD_MANAGER)
        else {
            return Ok(Migration::Done);
        };
        debug!(object = %id, "handing fields over to server-side apply");
        let patch = json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": managed_fields},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
        ]);
        if options.dry_run == DryRun::Server {
            return Ok(Migration::Done);
        }
        match self.rest.patch(path, PatchKind::Json, &patch).await {
            Ok(_) => Ok(Migration::Done),
            Err(error) if error.is_conflict() || error.is_not_found() => Ok(Migration::Raced),
            Err(error) => Err(self.explain(error, id, "patch")),
        }
    }

    async fn apply_by_merge(
        &self,
        id: &ObjectId,
        path: &str,
        object: &Value,
        original: Option<&Value>,
        mut known: Option<Option<Arc<Value>>>,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        let mut raced = ClusterError::Conflict { object: id.clone() };
        for _ in 0..MERGE_ATTEMPTS_MAX {
            // What was read for the plan serves once; after a conflict only a new look does.
            let live = match known.take() {
                Some(known) => known,
                None => self.live(id, path).await?,
            };
            let Some(live) = live else {
                match self.create_object(id, object, options.dry_run).await {
                    Err(error @ ClusterError::AlreadyExists { .. }) => raced = error,
                    other => return other,
                }
                continue;
            };
            let left = self.yielded(id, object, Some(&live)).await;
            let yielded: Vec<&'static str> = left.iter().map(|_| REPLICAS).collect();
            let (object, original) = match &left {
                // Removed from both, the live number is nobody's business here.
                Some(left) => (left, original.map(without_replicas)),
                None => (object, original.cloned()),
            };
            let original = original.as_ref();
            let wanted = three_way(original, object, &live);
            let mut patch = merge_patch(&live, &wanted);
            if patch.as_object().is_none_or(serde_json::Map::is_empty) {
                return Ok(Applied {
                    change: AppliedChange::Unchanged,
                    object: live,
                    yielded,
                });
            }
            patch["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            let address = format!(
                "{path}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict{}",
                dry_run_query(options.dry_run)
            );
            match self.rest.patch(&address, PatchKind::Merge, &patch).await {
                Ok(after) => {
                    return Ok(Applied {
                        change: change_between(Some(&live), &after, options.dry_run),
                        object: Arc::new(after),
                        yielded,
                    });
                }
                Err(error) if error.is_conflict() || error.is_not_found() => {
                    raced = self.explain(error, id, "patch");
                }
                Err(error) => return Err(self.explain(error, id, "patch")),
            }
        }
        Err(raced)
    }
}

fn dry_run_query(dry_run: DryRun) -> &'static str {
    match dry_run {
        DryRun::Server => "&dryRun=All",
        DryRun::Off => "",
    }
}

fn change_between(before: Option<&Value>, after: &Value, dry_run: DryRun) -> AppliedChange {
    let Some(before) = before else {
        return AppliedChange::Created;
    };
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    // A dry run writes nothing, and answers with the version that it found: only the content tells.
    let is_same_version = dry_run == DryRun::Off && version(before) == version(after);
    if is_same_version || content(before) == content(after) {
        AppliedChange::Unchanged
    } else {
        AppliedChange::Changed
    }
}

fn content(object: &Value) -> Value {
    let mut content = object.clone();
    if let Some(metadata) = content["metadata"].as_object_mut() {
        for field in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(field);
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dry_run_changes_is_told_by_the_content() {
        let object = |version: &str, value: &str| json!({"metadata": {"resourceVersion": version, "generation": 1}, "data": {"a": value}});
        let before = object("7", "1");
        let change = |after: &Value, dry_run| change_between(Some(&before), after, dry_run);
        assert_eq!(
            change(&object("7", "2"), DryRun::Server),
            AppliedChange::Changed
        );
        assert_eq!(
            change(&object("7", "1"), DryRun::Server),
            AppliedChange::Unchanged
        );
        assert_eq!(
            change(&object("8", "2"), DryRun::Off),
            AppliedChange::Changed
        );
        assert_eq!(
            change(&object("7", "1"), DryRun::Off),
            AppliedChange::Unchanged
        );
        assert_eq!(
            change_between(None, &before, DryRun::Off),
            AppliedChange::Created
        );
    }
}
