//! `deployer rollback`: an earlier revision again, as a new one.

use super::change::{Change, bring_about, method, preview};
use super::lease::{LeaseGuard, with_lease};
use super::recover::{Foreign, settle};
use super::restore::rollback_record;
use super::{ActionError, Deployer, DryRunMode, Operation, Outcome, RollbackOptions};
use crate::release::{Release, Revision};
use crate::storage::Stored;

/// Rolls a release back to a revision, or to the one before the last.
///
/// # Errors
/// An [`ActionError::Operation`] tells of a rollback that began; any other error means that
/// nothing was changed.
pub async fn rollback(
    deployer: &Deployer,
    options: &RollbackOptions,
) -> Result<Outcome, ActionError> {
    if options.change.dry_run != DryRunMode::Off {
        let history = deployer.store.history(&options.release).await?;
        let change = prepare(deployer, options, history)?;
        return preview(
            deployer,
            change,
            options.change.dry_run == DryRunMode::Server,
        )
        .await;
    }
    with_lease(deployer, &options.release, async |lease| {
        rollback_leased(deployer, lease, options).await
    })
    .await
}

async fn rollback_leased(
    deployer: &Deployer,
    lease: &LeaseGuard,
    options: &RollbackOptions,
) -> Result<Outcome, ActionError> {
    // A rollback is the way out of a release that something left pending.
    let history = settle(deployer, lease, &options.release, Foreign::MarkFailed).await?;
    let change = prepare(deployer, options, history)?;
    bring_about(deployer, lease, change).await
}

fn prepare<'a>(
    deployer: &Deployer,
    options: &'a RollbackOptions,
    history: Vec<Stored>,
) -> Result<Change<'a>, ActionError> {
    let target = target(deployer, options, &history)?.clone();
    if !target.info.status.was_good() {
        deployer.warn(format!(
            "revision {} never was deployed: {}",
            target.version, target.info.description
        ));
    }
    let mut release = rollback_record(deployer, &target, &history, None);
    release.apply_method = Some(method(&options.change, Some(&target)));
    let description = options
        .change
        .description
        .clone()
        .unwrap_or_else(|| release.info.description.clone());
    Ok(Change {
        operation: Operation::Rollback,
        release,
        history,
        options: &options.change,
        description,
    })
}

fn target<'a>(
    deployer: &Deployer,
    options: &RollbackOptions,
    history: &'a [Stored],
) -> Result<&'a Release, ActionError> {
    let name = options.release.clone();
    let Some(last) = history.last() else {
        return Err(ActionError::NotFound {
            name,
            namespace: deployer.namespace.clone(),
        });
    };
    let wanted = match options.revision {
        Some(revision) if revision != Revision(0) => revision,
        _ => before(history, last.release.version),
    };
    if wanted == Revision(0) {
        return Err(ActionError::NothingToRollBackTo { name });
    }
    let found = history
        .iter()
        .map(|stored| &stored.release)
        .find(|release| release.version == wanted);
    found.ok_or_else(|| ActionError::RevisionNotFound {
        name,
        revision: wanted,
        known: history
            .iter()
            .map(|stored| stored.release.version)
            .collect(),
    })
}

/// Returns the newest revision before the last that once was deployed: one that a gate refused
/// must not come in by the back door. Without one it is the number before the last, as for Helm.
fn before(history: &[Stored], last: Revision) -> Revision {
    let good = history
        .iter()
        .rev()
        .map(|stored| &stored.release)
        .find(|release| release.version < last && release.info.status.was_good());
    good.map_or(Revision(last.0.saturating_sub(1)), |release| {
        release.version
    })
}
