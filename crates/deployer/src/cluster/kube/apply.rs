//! Making an object be as described: by the server, or by a three-way merge made here.

use serde_json::{Value, json};
use tracing::debug;

use super::error::KubeError;
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
        let applied = match &options.strategy {
            ApplyStrategy::ServerSide => self.apply_by_server(&id, &path, object, options).await?,
            ApplyStrategy::ClientSide { original } => {
                self.apply_by_merge(&id, &path, object, original.as_deref(), options)
                    .await?
            }
        };
        if options.dry_run == DryRun::Off {
            self.seen.lock().await.insert(id, applied.object.clone());
        }
        Ok(applied)
    }

    async fn live(&self, id: &ObjectId, path: &str) -> Result<Option<Value>, ClusterError> {
        match self.rest.get(path).await {
            Ok(live) => Ok(Some(live)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.explain(error, id, "get")),
        }
    }

    async fn apply_by_server(
        &self,
        id: &ObjectId,
        path: &str,
        object: &Value,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        let before = self.live(id, path).await?;
        if let Some(live) = &before {
            self.migrate_managed_fields(id, path, live, options).await?;
        }
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
            change: change_between(before.as_ref(), &after),
            object: after,
        })
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
    ) -> Result<(), ClusterError> {
        let Some(managed_fields) = super::merge::managed_fields_for_apply(live, FIELD_MANAGER)
        else {
            return Ok(());
        };
        debug!(object = %id, "handing fields over to server-side apply");
        let patch = json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": managed_fields},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
        ]);
        if options.dry_run == DryRun::Server {
            return Ok(());
        }
        match self.rest.patch(path, PatchKind::Json, &patch).await {
            // A conflict means that somebody wrote meanwhile; the apply itself still decides.
            Ok(_) => Ok(()),
            Err(error) if error.is_conflict() || error.is_not_found() => Ok(()),
            Err(error) => Err(self.explain(error, id, "patch")),
        }
    }

    async fn apply_by_merge(
        &self,
        id: &ObjectId,
        path: &str,
        object: &Value,
        original: Option<&Value>,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        let dry_run = if options.dry_run == DryRun::Server {
            "&dryRun=All"
        } else {
            ""
        };
        let mut last_error: Option<KubeError> = None;
        for _ in 0..MERGE_ATTEMPTS_MAX {
            let Some(live) = self.live(id, path).await? else {
                let kind = self
                    .kind(&id.api_version, &id.kind)
                    .await
                    .map_err(|error| self.explain(error, id, "create"))?;
                let address = format!(
                    "{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict{dry_run}",
                    kind.collection(self.namespace_of(id))
                );
                match self.rest.post(&address, object).await {
                    Ok(created) => {
                        return Ok(Applied {
                            change: AppliedChange::Created,
                            object: created,
                        });
                    }
                    Err(error) if error.is_already_exists() => {
                        last_error = Some(error);
                        continue;
                    }
                    Err(error) => return Err(self.explain(error, id, "create")),
                }
            };
            let wanted = three_way(original, object, &live);
            let mut patch = merge_patch(&live, &wanted);
            if patch.as_object().is_none_or(serde_json::Map::is_empty) {
                return Ok(Applied {
                    change: AppliedChange::Unchanged,
                    object: live,
                });
            }
            patch["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            let address =
                format!("{path}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict{dry_run}");
            match self.rest.patch(&address, PatchKind::Merge, &patch).await {
                Ok(after) => {
                    return Ok(Applied {
                        change: change_between(Some(&live), &after),
                        object: after,
                    });
                }
                Err(error) if error.is_conflict() => last_error = Some(error),
                Err(error) => return Err(self.explain(error, id, "patch")),
            }
        }
        match last_error {
            Some(error) => Err(self.explain(error, id, "patch")),
            None => Err(ClusterError::Conflict { object: id.clone() }),
        }
    }
}

fn change_between(before: Option<&Value>, after: &Value) -> AppliedChange {
    match before {
        None => AppliedChange::Created,
        Some(before)
            if before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"] =>
        {
            AppliedChange::Unchanged
        }
        // A dry run answers with a version of its own; then only the content tells.
        Some(before) if content(before) == content(after) => AppliedChange::Unchanged,
        Some(_) => AppliedChange::Changed,
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
