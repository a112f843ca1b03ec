//! `deployer install`: the first revision of a release.

use std::collections::BTreeMap;

use super::change::{Change, bring_about, method, preview, stamp};
use super::lease::{LeaseGuard, with_lease};
use super::recover::{Foreign, settle};
use super::{
    ActionError, CrdPolicy, Deployer, DryRunMode, InstallOptions, Operation, Outcome,
    RenderRequest, ValuesReuse,
};
use crate::cluster::{
    ApplyOptions, ApplyStrategy, ClusterError, DryRun, WaitOptions, WaitStrategy, object_id,
};
use crate::plan::read_manifest_of;
use crate::progress::{AppliedChange, ProgressEvent};
use crate::release::{Info, Release, Revision, Status, check_user_labels};
use crate::storage::{ListScope, Stored};

/// Installs a chart.
///
/// # Errors
/// An [`ActionError::Operation`] tells of an install that began; any other error means that
/// nothing was changed.
pub async fn install(
    deployer: &Deployer,
    options: &InstallOptions,
) -> Result<Outcome, ActionError> {
    check_user_labels(&options.change.labels)?;
    if options.change.dry_run != DryRunMode::Off {
        return preview_install(deployer, options).await;
    }
    prepare_namespace(deployer, options).await?;
    with_lease(deployer, &options.release, async |lease| {
        install_leased(deployer, lease, options).await
    })
    .await
}

/// Installs while the caller holds the lease.
pub(super) async fn install_leased(
    deployer: &Deployer,
    lease: &LeaseGuard,
    options: &InstallOptions,
) -> Result<Outcome, ActionError> {
    let foreign = if options.change.recover {
        Foreign::Recover
    } else {
        Foreign::Refuse
    };
    let history = settle(deployer, lease, &options.release, foreign).await?;
    check_name(deployer, options, &history)?;
    let (change, crds) = prepare(deployer, options, history).await?;
    provide_crds(deployer, &crds, options.crds).await?;
    bring_about(deployer, lease, change).await
}

/// Shows what an install would do.
pub(super) async fn preview_install(
    deployer: &Deployer,
    options: &InstallOptions,
) -> Result<Outcome, ActionError> {
    let history = if options.change.dry_run.asks_target() {
        deployer.store.history(&options.release).await?
    } else {
        Vec::new()
    };
    check_name(deployer, options, &history)?;
    let (change, _) = prepare(deployer, options, history).await?;
    let is_tried = options.change.dry_run == DryRunMode::Server
        && namespace_is_there(deployer, options).await?;
    if options.change.dry_run == DryRunMode::Server && !is_tried {
        deployer.warn(format!(
            "namespace `{}` would be created; until then the server cannot try the objects",
            deployer.namespace
        ));
    }
    preview(deployer, change, is_tried).await
}

/// Makes sure that the namespace is there: records and leases live in it.
pub(super) async fn prepare_namespace(
    deployer: &Deployer,
    options: &InstallOptions,
) -> Result<(), ActionError> {
    let exists = namespace_is_there(deployer, options).await?;
    if options.create_namespace {
        if !exists {
            // A chart that does not render leaves no namespace behind.
            prepare(deployer, options, Vec::new()).await?;
        }
        deployer.cluster.ensure_namespace().await?;
    }
    Ok(())
}

/// Tells whether the namespace exists; that it does not is an error unless it may be created.
async fn namespace_is_there(
    deployer: &Deployer,
    options: &InstallOptions,
) -> Result<bool, ActionError> {
    let exists = deployer.cluster.namespace_exists().await?;
    if !exists && !options.create_namespace {
        return Err(ActionError::NamespaceNotFound {
            namespace: deployer.namespace.clone(),
        });
    }
    Ok(exists)
}

fn check_name(
    deployer: &Deployer,
    options: &InstallOptions,
    history: &[Stored],
) -> Result<(), ActionError> {
    let Some(last) = history.last() else {
        return Ok(());
    };
    // After a failed upgrade an earlier revision is still deployed: it is in use, and a failed
    // install would take its objects away.
    let deployed = history
        .iter()
        .any(|stored| stored.release.info.status == Status::Deployed);
    let status = match last.release.info.status {
        Status::Failed if deployed => Status::Deployed,
        status => status,
    };
    if options.replace && matches!(status, Status::Uninstalled | Status::Failed) {
        return Ok(());
    }
    Err(ActionError::NameInUse {
        name: options.release.clone(),
        namespace: deployer.namespace.clone(),
        status,
    })
}

async fn prepare<'a>(
    deployer: &Deployer,
    options: &'a InstallOptions,
    history: Vec<Stored>,
) -> Result<(Change<'a>, Vec<String>), ActionError> {
    let capabilities = match options.change.dry_run {
        DryRunMode::Client => None,
        _ => Some(deployer.cluster.capabilities().await?),
    };
    let revision = history
        .last()
        .map_or(Revision::FIRST, |last| last.release.version.next());
    let rendered = options.chart.render(&RenderRequest {
        release: &options.release,
        namespace: &deployer.namespace,
        revision,
        is_upgrade: false,
        capabilities: capabilities.as_ref(),
        previous: None,
        reuse: ValuesReuse::Reset,
    })?;
    let mut release = Release {
        name: options.release.clone(),
        info: Info {
            description: "Initial install underway".into(),
            notes: rendered.notes,
            ..Info::default()
        },
        chart: rendered.chart,
        config: rendered.config,
        manifest: rendered.manifest,
        hooks: rendered.hooks,
        version: revision,
        namespace: deployer.namespace.clone(),
        apply_method: Some(method(&options.change, None)),
        labels: given_labels(&options.change.labels),
        other: serde_json::Map::new(),
    };
    stamp(deployer, &mut release, Status::PendingInstall, None);
    let description = options
        .change
        .description
        .clone()
        .unwrap_or_else(|| "Install complete".into());
    let change = Change {
        operation: Operation::Install,
        release,
        history,
        options: &options.change,
        description,
    };
    Ok((change, rendered.crds))
}

fn given_labels(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    labels
        .iter()
        .filter(|(_, value)| *value != "null")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Creates the definitions of `crds/`, and brings those that are there up to date where that is
/// asked for; Helm leaves them as they are. Waits until the cluster serves them.
pub(super) async fn provide_crds(
    deployer: &Deployer,
    crds: &[String],
    policy: CrdPolicy,
) -> Result<(), ActionError> {
    if policy == CrdPolicy::Skip {
        return Ok(());
    }
    let mut created = Vec::new();
    for text in crds {
        let objects = read_manifest_of(text, "the files of `crds/`")?;
        for object in objects {
            if policy == CrdPolicy::Upgrade {
                let options = ApplyOptions {
                    strategy: ApplyStrategy::ServerSide,
                    force_conflicts: false,
                    dry_run: DryRun::Off,
                };
                let applied = deployer.cluster.apply(&object.value, &options).await?;
                deployer.tell(ProgressEvent::Applied {
                    object: object.id.clone(),
                    change: applied.change,
                });
                if applied.change != AppliedChange::Unchanged {
                    created.push(object.id);
                }
                continue;
            }
            match deployer.cluster.create(&object.value, DryRun::Off).await {
                Ok(made) => created.extend(object_id(&made)),
                Err(ClusterError::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    if created.is_empty() {
        return Ok(());
    }
    let options = WaitOptions {
        timeout: std::time::Duration::from_secs(60),
        wait_for_jobs: false,
        strategy: WaitStrategy::Watcher,
    };
    Ok(deployer
        .cluster
        .wait_ready(&created, &options, &*deployer.progress)
        .await?)
}

/// Returns every release name of the namespace; for `--generate-name` and suggestions.
pub async fn names(deployer: &Deployer) -> Result<Vec<String>, ActionError> {
    let mut names: Vec<String> = deployer
        .store
        .list(ListScope::Namespace)
        .await?
        .into_iter()
        .map(|stored| stored.release.name.to_string())
        .collect();
    names.dedup();
    Ok(names)
}
