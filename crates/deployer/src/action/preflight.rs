//! Asks, before anything is touched, whether we may do what the plan says; all that is missing is
//! told at once.

use super::{ActionError, Deployer};
use crate::cluster::{ClusterError, ObjectId};
use crate::plan::rights::{RecordStorage, Right, Rights, RightsInput, defined_kinds, rights};
use crate::plan::{ManifestObject, ObjectAction, Plan, read_manifest};
use crate::release::{ApplyMethod, Release};

/// Demands the rights for every step of a plan.
///
/// # Errors
/// [`ActionError::MissingRights`] names them all.
pub(super) async fn demand_rights(
    deployer: &Deployer,
    release: &Release,
    plan: &Plan,
    replaces: bool,
) -> Result<(), ActionError> {
    let hooks = if deployer.hooks.needs_cluster_objects() {
        hooks(release)
    } else {
        Vec::new()
    };
    let run = plan.pre_hooks.iter().chain(&plan.post_hooks);
    let hooks: Vec<ManifestObject> = run
        .filter_map(|step| {
            let is_it =
                |hook: &&ManifestObject| hook.id.kind == step.kind && hook.id.name == step.name;
            hooks.iter().find(is_it).cloned()
        })
        .collect();
    let ids: Vec<ObjectId> = plan
        .object_steps()
        .map(|step| step.object.clone())
        .chain(hooks.iter().map(|hook| hook.id.clone()))
        .collect();
    let desired = plan.applies.iter().filter_map(|step| step.desired.as_ref());
    let mut kinds = defined_kinds(desired);
    kinds.extend(deployer.cluster.kind_names(&ids).await);
    let mut needed = rights(&RightsInput {
        operation: plan.operation,
        namespace: &plan.namespace,
        objects: &[],
        hooks: &hooks,
        // The lease is held and the records were read: what is written is tried at once.
        storage: RecordStorage::Elsewhere,
        waits: false,
        // Told by the steps below.
        replaces: false,
        creates_namespace: false,
        kinds: &kinds,
    });
    let by_server = release.applied_by() == ApplyMethod::ServerSide;
    for step in plan.object_steps() {
        let verbs: &[&'static str] = match step.action {
            ObjectAction::Create if by_server => &["create", "patch"],
            ObjectAction::Create => &["create"],
            ObjectAction::Patch | ObjectAction::Adopt if replaces => &["update"],
            ObjectAction::Patch | ObjectAction::Adopt => &["patch"],
            ObjectAction::Recreate if by_server => &["create", "delete", "patch"],
            ObjectAction::Recreate => &["create", "delete"],
            ObjectAction::Delete => &["delete"],
            ObjectAction::Unchanged | ObjectAction::Keep => continue,
        };
        let key = (step.object.group().to_owned(), step.object.kind.clone());
        // A kind that is not served is told by what applies it.
        let Some(names) = kinds.get(&key) else {
            continue;
        };
        let home = || {
            step.object
                .namespace
                .clone()
                .unwrap_or_else(|| plan.namespace.to_string())
        };
        let place = names.is_namespaced.then(home);
        needed.add(&place, step.object.group(), &names.plural, verbs, None);
    }
    refuse(deployer, needed).await
}

/// Says everything that is missing when reading the live objects was forbidden; the error itself
/// where nothing else can be told.
pub(super) async fn explain_forbidden(
    deployer: &Deployer,
    release: &Release,
    error: ActionError,
    plan_operation: super::Operation,
    replaces: bool,
) -> ActionError {
    if !matches!(error, ActionError::Cluster(ClusterError::Forbidden { .. })) {
        return error;
    }
    let objects = read_manifest(&release.manifest).unwrap_or_default();
    let hooks = hooks(release);
    let ids: Vec<ObjectId> = objects
        .iter()
        .chain(&hooks)
        .map(|object| object.id.clone())
        .collect();
    let mut kinds = defined_kinds(objects.iter().map(|object| &object.value));
    kinds.extend(deployer.cluster.kind_names(&ids).await);
    let needed = rights(&RightsInput {
        operation: plan_operation,
        namespace: &release.namespace,
        objects: &objects,
        hooks: &hooks,
        storage: RecordStorage::Elsewhere,
        waits: false,
        replaces,
        creates_namespace: false,
        kinds: &kinds,
    });
    refuse(deployer, needed).await.err().unwrap_or(error)
}

fn hooks(release: &Release) -> Vec<ManifestObject> {
    let texts = release.hooks.iter().map(|hook| &hook.manifest);
    texts
        .flat_map(|text| read_manifest(text).unwrap_or_default())
        .collect()
}

async fn refuse(deployer: &Deployer, needed: Rights) -> Result<(), ActionError> {
    let needed: Vec<Right> = needed.all.into_iter().filter(Right::is_needed).collect();
    if needed.is_empty() {
        return Ok(());
    }
    let missing = match deployer.cluster.missing_rights(&needed).await {
        Ok(missing) => missing,
        // Whoever may not even ask is told by the first request that is refused.
        Err(error) => {
            tracing::debug!(%error, "rights cannot be asked for");
            return Ok(());
        }
    };
    if missing.is_empty() {
        Ok(())
    } else {
        Err(ActionError::MissingRights { missing })
    }
}
