//! `deployer upgrade`: the next revision of a release.

use std::collections::BTreeMap;

use super::change::{Change, bring_about, method, preview, stamp};
use super::install::{install_leased, prepare_namespace, preview_install, provide_crds};
use super::lease::{LeaseGuard, with_lease};
use super::planning::standing;
use super::recover::{Foreign, settle};
use super::{
    ActionError, CrdPolicy, Deployer, DryRunMode, InstallOptions, Operation, Outcome,
    RenderRequest, UpgradeOptions,
};
use crate::plan::{RandomParts, read_manifest};
use crate::release::{Info, Release, Status, check_user_labels};
use crate::storage::Stored;

/// Upgrades a release, or installs it where that is allowed and nothing is there.
///
/// # Errors
/// An [`ActionError::Operation`] tells of an upgrade that began; any other error means that
/// nothing was changed.
pub async fn upgrade(
    deployer: &Deployer,
    options: &UpgradeOptions,
) -> Result<Outcome, ActionError> {
    check_user_labels(&options.change.labels)?;
    if options.change.dry_run != DryRunMode::Off {
        return preview_upgrade(deployer, options).await;
    }
    if options.install {
        prepare_namespace(deployer, &as_install(options)).await?;
    }
    with_lease(deployer, &options.release, async |lease| {
        upgrade_leased(deployer, lease, options).await
    })
    .await
}

async fn upgrade_leased(
    deployer: &Deployer,
    lease: &LeaseGuard,
    options: &UpgradeOptions,
) -> Result<Outcome, ActionError> {
    let foreign = if options.change.recover {
        Foreign::Recover
    } else {
        Foreign::Refuse
    };
    let history = settle(deployer, lease, &options.release, foreign).await?;
    if options.install && is_absent(&history) {
        return install_leased(deployer, lease, &as_install(options)).await;
    }
    let Prepared { change, crds, .. } = prepare(deployer, options, history).await?;
    if options.crds == CrdPolicy::Upgrade {
        provide_crds(deployer, &crds, options.crds).await?;
    }
    bring_about(deployer, lease, change).await
}

async fn preview_upgrade(
    deployer: &Deployer,
    options: &UpgradeOptions,
) -> Result<Outcome, ActionError> {
    let history = deployer.store.history(&options.release).await?;
    if options.install && is_absent(&history) {
        return preview_install(deployer, &as_install(options)).await;
    }
    let Prepared { change, random, .. } = prepare(deployer, options, history).await?;
    let is_tried = options.change.dry_run == DryRunMode::Server;
    let mut outcome = preview(deployer, change, is_tried).await?;
    outcome.warnings.extend(random.warning());
    outcome.made_anew = random.described();
    Ok(outcome)
}

/// Tells whether there is nothing to upgrade: no record, or only those of an uninstalled release.
fn is_absent(history: &[Stored]) -> bool {
    history
        .last()
        .is_none_or(|last| last.release.info.status == Status::Uninstalled)
}

fn as_install(options: &UpgradeOptions) -> InstallOptions {
    InstallOptions {
        release: options.release.clone(),
        chart: options.chart.clone(),
        change: options.change.clone(),
        create_namespace: options.create_namespace,
        crds: options.crds,
        replace: true,
    }
}

/// A revision that is ready to be brought about.
struct Prepared<'a> {
    change: Change<'a>,
    /// The files of `crds/`.
    crds: Vec<String>,
    /// What is made anew at each rendering; looked for where the change is only shown.
    random: RandomParts,
}

async fn prepare<'a>(
    deployer: &Deployer,
    options: &'a UpgradeOptions,
    history: Vec<Stored>,
) -> Result<Prepared<'a>, ActionError> {
    let current = current(&history).ok_or_else(|| ActionError::NoDeployedReleases {
        name: options.release.clone(),
        last: history.last().map(|last| last.release.info.status),
    })?;
    let last = history.last().map_or(current, |stored| &stored.release);
    let capabilities = match options.change.dry_run {
        DryRunMode::Client => None,
        _ => Some(deployer.cluster.capabilities().await?),
    };
    let revision = last.version.next();
    let request = RenderRequest {
        release: &options.release,
        namespace: &deployer.namespace,
        revision,
        is_upgrade: true,
        capabilities: capabilities.as_ref(),
        previous: Some(current),
        reuse: options.reuse,
    };
    let rendered = options.chart.render(&request)?;
    let random = match options.change.dry_run {
        DryRunMode::Off => RandomParts::default(),
        _ => random_parts(deployer, options, &request, &rendered.manifest),
    };
    let mut release = Release {
        name: options.release.clone(),
        info: Info {
            description: "Preparing upgrade".into(),
            notes: rendered.notes,
            ..Info::default()
        },
        chart: rendered.chart,
        config: rendered.config,
        manifest: rendered.manifest,
        hooks: rendered.hooks,
        version: revision,
        namespace: deployer.namespace.clone(),
        apply_method: Some(method(&options.change, Some(last))),
        labels: merged_labels(&current.labels, &options.change.labels),
        other: serde_json::Map::new(),
    };
    stamp(
        deployer,
        &mut release,
        Status::PendingUpgrade,
        Some(current.info.first_deployed),
    );
    let description = options
        .change
        .description
        .clone()
        .unwrap_or_else(|| "Upgrade complete".into());
    let change = Change {
        operation: Operation::Upgrade,
        release,
        history,
        options: &options.change,
        description,
    };
    Ok(Prepared {
        change,
        crds: rendered.crds,
        random,
    })
}

/// Renders once more, at another time, and tells what is otherwise.
fn random_parts(
    deployer: &Deployer,
    options: &UpgradeOptions,
    request: &RenderRequest<'_>,
    once: &str,
) -> RandomParts {
    let chart = options.chart.at_another_time();
    // What cannot be rendered then, or is no manifest, is told by who renders and plans it now.
    let again = chart.and_then(|chart| chart.render(request).ok());
    let again = again.and_then(|again| read_manifest(&again.manifest).ok());
    match (read_manifest(once), again) {
        (Ok(once), Some(again)) => RandomParts::of(&once, &again, &deployer.namespace),
        _ => RandomParts::default(),
    }
}

/// Returns the revision that an upgrade builds on: the deployed one, or the last one when it
/// failed or was superseded.
fn current(history: &[Stored]) -> Option<&Release> {
    let last = &history.last()?.release;
    let deployed = standing(history).filter(|release| release.info.status == Status::Deployed);
    deployed
        .or_else(|| matches!(last.info.status, Status::Failed | Status::Superseded).then_some(last))
}

fn merged_labels(
    current: &BTreeMap<String, String>,
    given: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut labels = current.clone();
    labels.extend(given.clone());
    labels.retain(|_, value| value != "null");
    labels
}
