//! Builds plans.

use std::collections::HashMap;

use serde_json::Value;

use super::order::{removal_wave, wave};
use super::{
    HookStep, ManifestObject, ObjectAction, ObjectStep, OwnershipProblem, Plan, PlanError, Undo,
    install_rank, owned_by, ownership_problems, uninstall_rank, with_ownership,
};
use crate::action::Operation;
use crate::cluster::ObjectId;
use crate::hook::ordered_hooks;
use crate::release::{Hook, HookEvent, Namespace, ReleaseName, Revision};

const RESOURCE_POLICY_ANNOTATION: &str = "helm.sh/resource-policy";

/// Everything that a plan depends on.
#[derive(Debug, Clone)]
pub struct PlanInput<'a> {
    /// What is done.
    pub operation: Operation,
    /// The release.
    pub release: &'a ReleaseName,
    /// Its namespace, which objects that name none live in.
    pub namespace: &'a Namespace,
    /// The revision that is brought about.
    pub revision: Revision,
    /// What may be there of this release: the deployed revision's objects first, then those of
    /// later revisions that failed half-way.
    pub previous: &'a [ManifestObject],
    /// What is wanted.
    pub next: &'a [ManifestObject],
    /// The live objects among both.
    pub live: &'a HashMap<ObjectId, Value>,
    /// The hooks of the revision; none when they do not run.
    pub hooks: &'a [Hook],
    /// The events before and after.
    pub events: Option<(HookEvent, HookEvent)>,
    /// Whether objects of others are taken over.
    pub take_ownership: bool,
    /// Whether readiness is awaited.
    pub wait: bool,
}

/// Plans an install, upgrade or rollback.
///
/// # Errors
/// [`PlanError::Ownership`] names every object that exists and belongs to somebody else.
pub fn build(input: &PlanInput<'_>) -> Result<Plan, PlanError> {
    let mut plan = empty_plan(input);
    let mut problems = Vec::new();
    let mut wanted: HashMap<ObjectId, usize> = HashMap::new();
    for next in input.next {
        let key = resolved(&next.id, input.namespace);
        let step = apply_step(input, next, &mut problems);
        match wanted.get(&key) {
            Some(index) => {
                plan.warnings.push(format!(
                    "{} is in the manifest more than once; the last one counts",
                    next.id
                ));
                plan.applies[*index] = step;
            }
            None => {
                wanted.insert(key, plan.applies.len());
                plan.applies.push(step);
            }
        }
    }
    if !problems.is_empty() {
        return Err(PlanError::Ownership {
            operation: input.operation,
            problems,
        });
    }
    plan.applies
        .sort_by_key(|step| (step.wave, install_rank(&step.object.kind)));
    plan.removals = removals(input);
    if input.wait {
        plan.awaited = plan
            .applies
            .iter()
            .map(|step| step.object.clone())
            .collect();
    }
    Ok(plan)
}

/// Plans the removal of everything in `previous`.
pub fn build_removal(input: &PlanInput<'_>) -> Plan {
    let mut plan = empty_plan(input);
    plan.removals = removals(input);
    plan
}

fn empty_plan(input: &PlanInput<'_>) -> Plan {
    let steps = |event: Option<&HookEvent>| -> Vec<HookStep> {
        let Some(event) = event else {
            return Vec::new();
        };
        ordered_hooks(input.hooks, event)
            .into_iter()
            .map(|index| &input.hooks[index])
            .map(|hook| HookStep {
                event: event.clone(),
                kind: hook.kind.clone(),
                name: hook.name.clone(),
                weight: hook.weight,
            })
            .collect()
    };
    Plan {
        operation: input.operation,
        release: input.release.clone(),
        namespace: input.namespace.clone(),
        revision: input.revision,
        pre_hooks: steps(input.events.as_ref().map(|(before, _)| before)),
        applies: Vec::new(),
        removals: Vec::new(),
        awaited: Vec::new(),
        post_hooks: steps(input.events.as_ref().map(|(_, after)| after)),
        warnings: Vec::new(),
    }
}

fn apply_step(
    input: &PlanInput<'_>,
    next: &ManifestObject,
    problems: &mut Vec<OwnershipProblem>,
) -> ObjectStep {
    let desired = with_ownership(next.value.clone(), input.release, input.namespace);
    let previous = find(input.previous, &next.id, input.namespace);
    let live = input.live.get(&next.id);
    let (action, undo) = match (live, previous) {
        (None, _) => (ObjectAction::Create, Undo::Delete),
        (Some(_), Some(previous)) => {
            let before = with_ownership(previous.value.clone(), input.release, input.namespace);
            let undo = if before == desired {
                Undo::Nothing
            } else {
                Undo::Restore { object: before }
            };
            (ObjectAction::Patch, undo)
        }
        (Some(live), None) => {
            let found = ownership_problems(live, input.release, input.namespace);
            let owned = found.is_empty();
            if !owned && !input.take_ownership {
                let mut object = next.id.clone();
                object
                    .namespace
                    .get_or_insert_with(|| input.namespace.to_string());
                problems.push(OwnershipProblem {
                    object,
                    problems: found,
                });
            }
            let action = if owned {
                ObjectAction::Patch
            } else {
                ObjectAction::Adopt
            };
            (
                action,
                Undo::Restore {
                    object: without_server_fields(live.clone()),
                },
            )
        }
    };
    ObjectStep {
        object: next.id.clone(),
        action,
        wave: wave(&next.id.kind),
        desired: Some(desired),
        original: previous
            .map(|previous| with_ownership(previous.value.clone(), input.release, input.namespace)),
        undo,
    }
}

fn removals(input: &PlanInput<'_>) -> Vec<ObjectStep> {
    let mut steps: Vec<ObjectStep> = Vec::new();
    for previous in input.previous {
        let still_wanted = find(input.next, &previous.id, input.namespace).is_some();
        let seen = steps
            .iter()
            .any(|step| same(&step.object, &previous.id, input.namespace));
        let Some(live) = input.live.get(&previous.id) else {
            continue;
        };
        // Somebody took it over since: it is theirs now.
        let foreign = !owned_by(live, input.release, input.namespace)
            && live
                .pointer("/metadata/annotations/meta.helm.sh~1release-name")
                .is_some();
        if still_wanted || seen || foreign {
            continue;
        }
        let kept =
            is_kept(live) || (input.operation == Operation::Uninstall && is_kept(&previous.value));
        steps.push(ObjectStep {
            object: previous.id.clone(),
            action: if kept {
                ObjectAction::Keep
            } else {
                ObjectAction::Delete
            },
            wave: removal_wave(&previous.id.kind),
            desired: None,
            original: Some(previous.value.clone()),
            undo: if kept {
                Undo::Nothing
            } else {
                Undo::Recreate {
                    object: without_server_fields(live.clone()),
                }
            },
        });
    }
    steps.sort_by_key(|step| (step.wave, uninstall_rank(&step.object.kind)));
    steps
}

fn is_kept(object: &Value) -> bool {
    let policy = object
        .get("metadata")
        .and_then(|metadata| metadata.get("annotations"));
    let policy = policy
        .and_then(|annotations| annotations.get(RESOURCE_POLICY_ANNOTATION))
        .and_then(Value::as_str);
    policy.is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep"))
}

fn find<'a>(
    objects: &'a [ManifestObject],
    id: &ObjectId,
    namespace: &Namespace,
) -> Option<&'a ManifestObject> {
    objects
        .iter()
        .find(|object| same(&object.id, id, namespace))
}

fn same(left: &ObjectId, right: &ObjectId, namespace: &Namespace) -> bool {
    resolved(left, namespace).is_same_object(&resolved(right, namespace))
}

/// Returns the id with its namespace filled in, so that naming the release's own makes no
/// difference.
fn resolved(id: &ObjectId, namespace: &Namespace) -> ObjectId {
    let mut id = id.clone();
    id.namespace.get_or_insert_with(|| namespace.to_string());
    id
}

/// Takes away what only the server sets, so that the rest can be applied again.
fn without_server_fields(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in [
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "managedFields",
            "selfLink",
        ] {
            metadata.remove(field);
        }
    }
    object
}
