//! Builds plans.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::compare::{
    CompareOptions, Comparison, FieldChange, FieldOwner, ScaleTarget, compare, is_applied_by_us,
    scale_targets,
};
use super::immutable::{may_be_recreated, refused_change};
use super::order::{removal_wave, wave};
use super::saved::Mark;
use super::{
    HookStep, ManifestObject, ObjectAction, ObjectStep, OwnershipProblem, Plan, PlanError, Undo,
    install_rank, owned_by, ownership_problems, uninstall_rank, with_ownership,
};
use crate::action::Operation;
use crate::cluster::ObjectId;
use crate::hook::ordered_hooks;
use crate::release::{ApplyMethod, Hook, HookEvent, Namespace, ReleaseName, Revision};

const RESOURCE_POLICY_ANNOTATION: &str = "helm.sh/resource-policy";

/// Everything that a plan depends on.
#[derive(Debug)]
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
    pub next: Vec<ManifestObject>,
    /// The live objects among both.
    pub live: &'a HashMap<ObjectId, Arc<Value>>,
    /// The hooks of the revision; none when they do not run.
    pub hooks: &'a [Hook],
    /// The events before and after.
    pub events: Option<(HookEvent, HookEvent)>,
    /// Whether objects of others are taken over.
    pub take_ownership: bool,
    /// Whether objects are deleted and created anew where they differ in what cannot be changed
    /// (`--force-replace`).
    pub recreate: bool,
    /// Whether fields of other managers are taken over (`--force-conflicts`).
    pub force_conflicts: bool,
    /// Whether readiness is awaited.
    pub wait: bool,
    /// By whom objects are merged.
    pub method: ApplyMethod,
    /// How live objects are compared; workloads with an autoscaler in `next` need not be named.
    pub compare: CompareOptions,
    /// Whether the plan is shown or kept: live objects are marked, and comparisons hold both objects.
    pub marks: bool,
}

/// Plans an install, upgrade or rollback.
///
/// # Errors
/// [`PlanError::Ownership`] names every object that exists and belongs to somebody else.
pub fn build(mut input: PlanInput<'_>) -> Result<Plan, PlanError> {
    let scaled = scale_targets(input.next.iter().map(|object| &object.value));
    input.compare.autoscaled.extend(scaled);
    let next = std::mem::take(&mut input.next);
    let input = &input;
    let mut plan = empty_plan(input);
    plan.removals = removals(input, &next);
    let mut problems = Vec::new();
    let previous = Index::of(input.previous, input.namespace);
    let mut wanted: HashMap<ObjectId, usize> = HashMap::new();
    for next in next {
        let id = next.id.clone();
        let key = resolved(&id, input.namespace);
        let mut step = apply_step(input, previous.all(&id), next, &mut problems);
        let live = input.live.get(&id);
        if let Some((live, refusal)) =
            live.and_then(|live| Some((live, refused_change(&step, live)?)))
        {
            if input.recreate && may_be_recreated(&id.kind) {
                step.action = ObjectAction::Recreate;
                step.undo = Undo::Recreate {
                    object: without_server_fields(Value::clone(live)),
                };
            } else {
                plan.warnings.push(refusal);
            }
        }
        plan.warnings.extend(contested(input, &step));
        match wanted.get(&key) {
            Some(index) => {
                plan.warnings.push(format!(
                    "{id} is in the manifest more than once; the last one counts"
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
    plan.removals = removals(input, &[]);
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
    all_previous: &[&ManifestObject],
    next: ManifestObject,
    problems: &mut Vec<OwnershipProblem>,
) -> ObjectStep {
    let owned = |value: Value| with_ownership(value, input.release, input.namespace);
    let id = next.id;
    let mut desired = owned(next.value);
    let mut original = all_previous
        .first()
        .map(|previous| owned(previous.value.clone()));
    let live = input.live.get(&id).map(Arc::as_ref);
    let mut comparison =
        live.map(|live| compare(&desired, original.as_ref(), live, &input.compare));
    if let Some(comparison) = comparison.as_mut().filter(|_| !input.marks) {
        // Two whole objects, which only a plan that is shown needs.
        (comparison.before, comparison.after) = (None, None);
    }
    let (action, undo) = match (live, &original) {
        (None, _) => (ObjectAction::Create, Undo::Delete),
        (Some(live), Some(before)) => {
            let is_same = comparison.as_ref().is_some_and(Comparison::is_same);
            if is_same && was_left_so(input, all_previous, &desired, live) {
                (ObjectAction::Unchanged, Undo::Nothing)
            } else if *before == desired {
                (ObjectAction::Patch, Undo::Nothing)
            } else {
                (ObjectAction::Patch, Undo::Restore)
            }
        }
        (Some(live), None) => {
            let found = ownership_problems(live, input.release, input.namespace);
            let owned = found.is_empty();
            if !owned && !input.take_ownership {
                let mut object = id.clone();
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
            (action, Undo::Restore)
        }
    };
    for field in comparison.iter().flat_map(|comparison| &comparison.yielded) {
        // Left out, the field stays with the autoscaler that owns it; one that is to own it and does
        // not yet would lose it, so it is applied as it is.
        if field.owner.as_ref().is_some_and(FieldOwner::is_autoscaler) {
            field.path.remove_from(&mut desired);
            if let Some(original) = &mut original {
                field.path.remove_from(original);
            }
        } else if let (Some(place), Some(live)) =
            (desired.pointer_mut("/spec/replicas"), &field.before)
        {
            *place = live.clone();
        }
    }
    // Only a merge by us asks for it.
    let is_base = input.method == ApplyMethod::ClientSide && action != ObjectAction::Unchanged;
    ObjectStep {
        action,
        wave: wave(&id.kind),
        object: id,
        desired: Some(desired),
        original: original.filter(|_| is_base),
        undo,
        comparison,
        live: live.and_then(|live| mark(input, live)),
    }
}

/// Says which fields the server will not let be applied, since others set them to something else.
fn contested(input: &PlanInput<'_>, step: &ObjectStep) -> Option<String> {
    let is_applied = matches!(step.action, ObjectAction::Patch | ObjectAction::Adopt);
    if input.method != ApplyMethod::ServerSide || input.force_conflicts || !is_applied {
        return None;
    }
    let mut fields = step.comparison.iter().flat_map(|found| &found.differences);
    let mut by_others = fields.by_ref().filter_map(|field| {
        let owner = field.owner.as_ref().filter(|owner| !owner.is_ours())?;
        (field.change == FieldChange::Changed).then_some((&field.path, &owner.manager))
    });
    let (path, manager) = by_others.next()?;
    let more = match by_others.count() {
        0 => String::new(),
        count => format!(" (and {count} more)"),
    };
    Some(format!(
        "{}: `{path}`{more} is set by `{manager}`, and the server will refuse to change it; take it over with `--force-conflicts`, or leave it out of the chart",
        step.object
    ))
}

fn mark(input: &PlanInput<'_>, live: &Value) -> Option<Mark> {
    input.marks.then(|| {
        let mut live = live.clone();
        let is_scaled = input.compare.autoscaled.contains(&ScaleTarget::of(&live))
            || super::compare::is_scaled(&live);
        // What an autoscaler does is no reason to plan anew.
        if is_scaled && let Some(spec) = live["spec"].as_object_mut() {
            spec.shift_remove("replicas");
        }
        Mark::of(&live, &input.compare)
    })
}

/// Tells whether applying would find the object as the last apply left it: nothing else was applied
/// since (a later revision that failed may have), and the fields are held the way they will be.
fn was_left_so(
    input: &PlanInput<'_>,
    all_previous: &[&ManifestObject],
    desired: &Value,
    live: &Value,
) -> bool {
    let is_alike = all_previous.iter().all(|previous| {
        with_ownership(previous.value.clone(), input.release, input.namespace) == *desired
    });
    is_alike
        && live.pointer("/metadata/deletionTimestamp").is_none()
        && (input.method == ApplyMethod::ClientSide || is_applied_by_us(live))
}

fn removals(input: &PlanInput<'_>, next: &[ManifestObject]) -> Vec<ObjectStep> {
    let mut steps: Vec<ObjectStep> = Vec::new();
    let next = Index::of(next, input.namespace);
    let mut removed = HashSet::new();
    for previous in input.previous {
        let still_wanted = !next.all(&previous.id).is_empty();
        let key = Index::key(&previous.id, input.namespace);
        let Some(live) = input.live.get(&previous.id).map(Arc::as_ref) else {
            continue;
        };
        // Somebody took it over since: it is theirs now.
        let foreign = !owned_by(live, input.release, input.namespace)
            && live
                .pointer("/metadata/annotations/meta.helm.sh~1release-name")
                .is_some();
        if still_wanted || foreign || !removed.insert(key) {
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
            original: None,
            undo: if kept {
                Undo::Nothing
            } else {
                Undo::Recreate {
                    object: without_server_fields(live.clone()),
                }
            },
            comparison: None,
            live: mark(input, live),
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

/// Objects by what they are, whatever the version of their API.
struct Index<'a> {
    objects: HashMap<String, Vec<&'a ManifestObject>>,
    namespace: &'a Namespace,
}

impl<'a> Index<'a> {
    fn of(objects: &'a [ManifestObject], namespace: &'a Namespace) -> Self {
        let mut by_key: HashMap<String, Vec<&ManifestObject>> = HashMap::new();
        for object in objects {
            let key = Self::key(&object.id, namespace);
            by_key.entry(key).or_default().push(object);
        }
        Self {
            objects: by_key,
            namespace,
        }
    }

    fn key(id: &ObjectId, namespace: &Namespace) -> String {
        let place = id.namespace.as_deref().unwrap_or(namespace.as_str());
        format!("{}/{}/{place}/{}", id.group(), id.kind, id.name)
    }

    /// Returns all of that name, in their order.
    fn all(&self, id: &ObjectId) -> &[&'a ManifestObject] {
        let found = self.objects.get(&Self::key(id, self.namespace));
        found.map(Vec::as_slice).unwrap_or_default()
    }
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
