//! Gathers what a plan depends on and builds it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::attempt::events_of;
use super::{ActionError, Deployer, Operation};
use crate::cluster::{ObjectId, get_served};
use crate::plan::compare::CompareOptions;
use crate::plan::sensitive::SensitiveValues;
use crate::plan::{
    ManifestObject, Plan, PlanInput, SavedPlan, build, build_removal, owned_by, read_manifest,
    read_manifest_of,
};
use crate::release::{Release, Status};
use crate::storage::Stored;

/// What is planned.
pub(super) struct PlanRequest<'a> {
    pub(super) operation: Operation,
    /// The revision that is brought about; its manifest is what is wanted (nothing on uninstall).
    pub(super) release: &'a Release,
    /// What was before it.
    pub(super) history: &'a [Stored],
    pub(super) run_hooks: bool,
    pub(super) take_ownership: bool,
    /// Whether what cannot be changed is deleted and created anew.
    pub(super) recreate: bool,
    /// Whether fields of other managers are taken over.
    pub(super) force_conflicts: bool,
    pub(super) wait: bool,
    /// Whether secrets come out readable in what the plan shows.
    pub(super) show_secrets: bool,
    /// Whether it is to be shown or kept, or checked against one that was.
    pub(super) marks: bool,
}

impl<'a> PlanRequest<'a> {
    fn input(
        &self,
        previous: &'a [ManifestObject],
        next: Vec<ManifestObject>,
        live: &'a HashMap<ObjectId, Arc<Value>>,
    ) -> PlanInput<'a> {
        let release = self.release;
        PlanInput {
            operation: self.operation,
            release: &release.name,
            namespace: &release.namespace,
            revision: release.version,
            previous,
            next,
            live,
            hooks: if self.run_hooks { &release.hooks } else { &[] },
            events: Some(events_of(self.operation)),
            take_ownership: self.take_ownership,
            recreate: self.recreate,
            force_conflicts: self.force_conflicts,
            wait: self.wait,
            method: release.applied_by(),
            compare: CompareOptions {
                show_secrets: self.show_secrets,
                sensitive: secrets_of(release, self.history),
                ..CompareOptions::default()
            },
            marks: self.marks,
        }
    }

    /// Returns the form of its plan that can be shown and kept.
    pub(super) fn saved(&self, deployer: &Deployer, plan: &Plan, salt: &str) -> SavedPlan {
        SavedPlan::of(
            plan,
            self.release,
            self.history.last().map(|stored| &stored.release),
            &deployer.cluster.describe(),
            deployer.clock.now(),
            salt,
            secrets_of(self.release, self.history),
        )
    }
}

/// Returns what must not be shown: the secrets of a revision, and those that are live or recorded of
/// the revisions before it, which it may replace.
pub(super) fn secrets_of(release: &Release, history: &[Stored]) -> SensitiveValues {
    let mut found = SensitiveValues::of_release(release);
    let standing = standing(history);
    let last = history.last().map(|stored| &stored.release);
    let is_other =
        |last: &&Release| standing.map(|standing| standing.version) != Some(last.version);
    for earlier in standing.into_iter().chain(last.filter(is_other)) {
        found.extend(&SensitiveValues::of_release(earlier));
    }
    found
}

/// Makes a salt for the seal of a plan: no two runs have the same.
pub(super) fn fresh_salt(deployer: &Deployer) -> String {
    let run = format!("{} {}", deployer.operator, deployer.clock.now());
    hex::encode(&Sha256::digest(run)[..16])
}

/// Plans against the live objects.
///
/// # Errors
/// When a manifest cannot be read, an object belongs to somebody else, or the target cannot be
/// asked. Nothing is changed.
pub(super) async fn plan(
    deployer: &Deployer,
    request: &PlanRequest<'_>,
) -> Result<Plan, ActionError> {
    let release = request.release;
    let next = match request.operation {
        Operation::Uninstall => Vec::new(),
        _ => read_manifest_of(&release.manifest, "release manifest")?,
    };
    let mut previous = Vec::new();
    if let Some(deployed) = standing(request.history) {
        previous = read_manifest_of(
            &deployed.manifest,
            &format!("current release manifest (revision {})", deployed.version),
        )?;
    }
    let leftovers = leftovers(request.history);
    let live = live(deployer, &next, previous.iter().chain(&leftovers)).await?;
    // What a failed revision left counts only as far as it really is ours.
    previous.extend(leftovers.into_iter().filter(|object| {
        live.get(&object.id)
            .is_some_and(|live| owned_by(live, &release.name, &release.namespace))
    }));
    let input = request.input(&previous, next, &live);
    let plan = match request.operation {
        Operation::Uninstall => build_removal(&input),
        _ => build(input)?,
    };
    for warning in &plan.warnings {
        deployer.warn(warning.clone());
    }
    Ok(plan)
}

/// Looks at every object that is wanted, and at those that are there of earlier revisions.
///
/// # Errors
/// When a kind that is wanted is unknown, or the target cannot be asked. An old object whose kind
/// is gone (its definition was deleted, its version is no longer served) counts as absent: there
/// is no way to remove it, and a release must not be stuck for that.
async fn live<'a>(
    deployer: &Deployer,
    next: &'a [ManifestObject],
    old: impl Iterator<Item = &'a ManifestObject> + Clone,
) -> Result<HashMap<ObjectId, Arc<Value>>, ActionError> {
    let ids: Vec<ObjectId> = distinct(old.clone().chain(next));
    let wanted: Vec<ObjectId> = distinct(next.iter());
    let may_be_gone = |id: &ObjectId| {
        let is_old = !wanted.contains(id);
        if is_old {
            deployer.warn(format!(
                "{id} of an earlier revision is left out: its kind is not served any more"
            ));
        }
        is_old
    };
    Ok(get_served(&*deployer.cluster, ids, may_be_gone).await?)
}

/// Plans without asking the target, as if nothing were there.
pub(super) fn plan_offline(request: &PlanRequest<'_>) -> Result<Plan, ActionError> {
    let release = request.release;
    let next = read_manifest_of(&release.manifest, "release manifest")?;
    let previous = match standing(request.history) {
        Some(deployed) => read_manifest_of(&deployed.manifest, "current release manifest")?,
        None => Vec::new(),
    };
    let owned = |object: &ManifestObject| {
        crate::plan::with_ownership(object.value.clone(), &release.name, &release.namespace)
    };
    let live = previous
        .iter()
        .map(|object| (object.id.clone(), Arc::new(owned(object))))
        .collect();
    let input = request.input(&previous, next, &live);
    Ok(build(input)?)
}

/// Returns the revision whose objects stand: the newest deployed one, or else the newest that once
/// was good.
pub(super) fn standing(history: &[Stored]) -> Option<&Release> {
    let newest = |wanted: fn(Status) -> bool| {
        history
            .iter()
            .rev()
            .map(|stored| &stored.release)
            .find(|release| wanted(release.info.status))
    };
    newest(|status| status == Status::Deployed).or_else(|| newest(Status::was_good))
}

/// Returns the revision that a change is compared with: the one whose objects stand.
pub fn diff_baseline(history: &[Stored]) -> Option<&Release> {
    standing(history)
}

/// Returns the objects of revisions after the standing one, which may have left something behind.
fn leftovers(history: &[Stored]) -> Vec<ManifestObject> {
    let standing = standing(history).map(|release| release.version);
    let mut objects = Vec::new();
    for stored in history {
        let release = &stored.release;
        let later = standing.is_none_or(|standing| release.version > standing);
        if !later || release.info.status == Status::Uninstalled {
            continue;
        }
        match read_manifest(&release.manifest) {
            Ok(found) => objects.extend(found),
            Err(error) => {
                tracing::warn!(revision = %release.version, %error, "manifest left out of the plan")
            }
        }
    }
    objects
}

fn distinct<'a>(objects: impl Iterator<Item = &'a ManifestObject>) -> Vec<ObjectId> {
    let mut seen = std::collections::HashSet::new();
    objects
        .filter(|object| seen.insert(&object.id))
        .map(|object| object.id.clone())
        .collect()
}
