//! Asks, before anything is touched, whether we may do what the plan says; all that is missing is
//! told at once.

use futures::{StreamExt as _, future::ready, stream};
use serde_json::Value;

use super::attempt::events_of;
use super::{ActionError, Deployer, Operation};
use crate::cluster::{ApplyOptions, ApplyStrategy, ClusterError, DryRun, ObjectId};
use crate::plan::rights::{
    KindTable, RBAC_GROUP, RecordStorage, Right, Rights, RightsInput, defined_kinds, rights,
};
use crate::plan::{ManifestObject, ObjectAction, ObjectStep, Plan, read_manifest};
use crate::release::{ApplyMethod, Hook, Namespace, Release};

/// Objects that are tried at once.
const TRIES_AT_ONCE: usize = 16;

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
    let run = |hook: &Hook| {
        let mut steps = plan.pre_hooks.iter().chain(&plan.post_hooks);
        steps.any(|step| step.kind == hook.kind && step.name == hook.name)
    };
    let hooks = objects_of(deployer, release.hooks.iter().filter(|hook| run(hook)));
    let ids: Vec<ObjectId> = plan
        .object_steps()
        .map(|step| step.object.clone())
        .chain(hooks.iter().map(|hook| hook.id.clone()))
        .collect();
    let desired = plan.applies.iter().filter_map(|step| step.desired.as_ref());
    let mut kinds = defined_kinds(desired);
    kinds.extend(deployer.cluster.kind_names(&ids).await);
    // The rights for the objects are told by the steps below.
    let mut needed = rights(&of_hooks(plan.operation, &plan.namespace, &hooks, &kinds));
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
    refuse(deployer, needed).await?;
    try_grants(deployer, plan, by_server).await
}

/// Lets the server try what hands out rights. Who may do that depends on the rights that are handed out,
/// and a review of the account's own does not tell, but for one that may hand out any.
async fn try_grants(deployer: &Deployer, plan: &Plan, by_server: bool) -> Result<(), ActionError> {
    let granting: Vec<(&ObjectStep, &Value)> = plan
        .applies
        .iter()
        .filter(|step| !matches!(step.action, ObjectAction::Unchanged | ObjectAction::Keep))
        .filter(|step| step.object.group() == RBAC_GROUP)
        .filter_map(|step| Some((step, step.desired.as_ref()?)))
        .collect();
    let mut any = Rights::default();
    for (step, _) in &granting {
        let kind = step.object.kind.as_str();
        let home = || (step.object.namespace.clone()).unwrap_or_else(|| plan.namespace.to_string());
        let place = (!kind.starts_with("Cluster")).then(home);
        let (resources, verb): (&[&str], _) = match kind {
            "Role" => (&["roles"], "escalate"),
            "ClusterRole" => (&["clusterroles"], "escalate"),
            _ => (&["roles", "clusterroles"], "bind"),
        };
        for resource in resources {
            any.add(&place, RBAC_GROUP, resource, &[verb], None);
        }
    }
    let any: Vec<Right> = any.all.into_iter().collect();
    let may_grant_any = match deployer.cluster.missing_rights(&any).await {
        Ok(missing) => missing.is_empty(),
        Err(_) => false,
    };
    if may_grant_any {
        return Ok(());
    }
    let tried = granting.into_iter().map(|(step, desired)| async move {
        let options = ApplyOptions {
            strategy: if by_server {
                ApplyStrategy::ServerSide
            } else {
                let original = step.original.clone().map(Box::new);
                ApplyStrategy::ClientSide { original }
            },
            force_conflicts: true,
            dry_run: DryRun::Server,
        };
        deployer.cluster.apply(desired, &options).await.err()
    });
    let tried: Vec<_> = tried.collect();
    // What else is wrong with it is told when it is applied: a binding to a role that comes with it,
    // say, cannot be tried before.
    let refusals: Vec<ClusterError> = stream::iter(tried)
        .buffered(TRIES_AT_ONCE)
        .filter_map(|error| async { error })
        .filter(|error| ready(matches!(error, ClusterError::Forbidden { .. })))
        .collect()
        .await;
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(ActionError::MissingGrants { refusals })
    }
}

/// Demands the rights to run hooks where nothing else is done, as by `test`.
///
/// # Errors
/// [`ActionError::MissingRights`] names them all.
pub(super) async fn demand_hook_rights(
    deployer: &Deployer,
    release: &Release,
    operation: Operation,
    hooks: &[Hook],
) -> Result<(), ActionError> {
    let hooks = objects_of(deployer, hooks);
    let ids: Vec<ObjectId> = hooks.iter().map(|hook| hook.id.clone()).collect();
    let kinds = deployer.cluster.kind_names(&ids).await;
    let needed = rights(&of_hooks(operation, &release.namespace, &hooks, &kinds));
    refuse(deployer, needed).await
}

/// Says everything that is missing when reading the live objects was forbidden; the error itself
/// where nothing else can be told.
pub(super) async fn explain_forbidden(
    deployer: &Deployer,
    release: &Release,
    error: ActionError,
    operation: Operation,
    replaces: bool,
) -> ActionError {
    if !matches!(error, ActionError::Cluster(ClusterError::Forbidden { .. })) {
        return error;
    }
    let objects = read_manifest(&release.manifest).unwrap_or_default();
    let (before, after) = events_of(operation);
    let is_run = |hook: &&Hook| hook.events.contains(&before) || hook.events.contains(&after);
    let hooks = objects_of(deployer, release.hooks.iter().filter(is_run));
    let ids: Vec<ObjectId> = objects
        .iter()
        .chain(&hooks)
        .map(|object| object.id.clone())
        .collect();
    let mut kinds = defined_kinds(objects.iter().map(|object| &object.value));
    kinds.extend(deployer.cluster.kind_names(&ids).await);
    let needed = rights(&RightsInput {
        objects: &objects,
        replaces,
        ..of_hooks(operation, &release.namespace, &hooks, &kinds)
    });
    refuse(deployer, needed).await.err().unwrap_or(error)
}

/// Returns what the rights to run hooks depend on, when nothing else is done.
fn of_hooks<'a>(
    operation: Operation,
    namespace: &'a Namespace,
    hooks: &'a [ManifestObject],
    kinds: &'a KindTable,
) -> RightsInput<'a> {
    RightsInput {
        operation,
        namespace,
        objects: &[],
        hooks,
        // What cannot be cleared away is told, and does no harm.
        remains: &[],
        // The lease is held and the records were read: what is written is tried at once.
        storage: RecordStorage::Elsewhere,
        waits: false,
        replaces: false,
        creates_namespace: false,
        kinds,
    }
}

/// Returns the objects of hooks that the cluster runs.
fn objects_of<'a>(
    deployer: &Deployer,
    hooks: impl IntoIterator<Item = &'a Hook>,
) -> Vec<ManifestObject> {
    if !deployer.hooks.needs_cluster_objects() {
        return Vec::new();
    }
    hooks
        .into_iter()
        .flat_map(|hook| read_manifest(&hook.manifest).unwrap_or_default())
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
