//! Which hooks run on an event, and in which order (pure).

use crate::cluster::CRD_KIND;
use crate::plan::install_rank;
use crate::release::{Hook, HookDeletePolicy, HookEvent};

/// Returns the indexes of the hooks of an event, in the order in which they run.
///
/// By weight, then name, then kind. Source: `pkg/action/hooks.go` of Helm 4.2, which sorts stably
/// by weight and name what was sorted by kind before.
pub fn ordered_hooks(hooks: &[Hook], event: &HookEvent) -> Vec<usize> {
    let mut indexes: Vec<usize> = (0..hooks.len())
        .filter(|index| hooks[*index].events.contains(event))
        .collect();
    indexes.sort_by(|left, right| {
        let (left, right) = (&hooks[*left], &hooks[*right]);
        (left.weight, &left.name, install_rank(&left.kind)).cmp(&(
            right.weight,
            &right.name,
            install_rank(&right.kind),
        ))
    });
    indexes
}

/// Tells whether a hook's object is deleted by a policy; a hook that names none has
/// `before-hook-creation`. Custom resource definitions are never deleted.
pub fn has_policy(hook: &Hook, policy: &HookDeletePolicy) -> bool {
    if hook.kind == CRD_KIND {
        return false;
    }
    match hook.delete_policies.as_slice() {
        [] => *policy == HookDeletePolicy::BeforeHookCreation,
        policies => policies.contains(policy),
    }
}

/// Tells whether the hook does work that ends, rather than being an object that is simply there.
pub fn is_workload(hook: &Hook) -> bool {
    matches!(hook.kind.as_str(), "Job" | "Pod")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(kind: &str, name: &str, weight: i64) -> Hook {
        Hook {
            kind: kind.into(),
            name: name.into(),
            weight,
            events: vec![HookEvent::PreUpgrade],
            ..Hook::default()
        }
    }

    #[test]
    fn hooks_run_by_weight_then_name_then_kind() {
        let mut other = hook("Job", "other-event", -9);
        other.events = vec![HookEvent::Test];
        let hooks = [
            hook("Job", "b", 0),
            hook("Job", "a", 0),
            hook("ConfigMap", "a", 0),
            hook("Job", "z", -1),
            other,
        ];
        assert_eq!(ordered_hooks(&hooks, &HookEvent::PreUpgrade), [3, 2, 1, 0]);
    }

    #[test]
    fn the_default_policy_holds_only_where_none_is_named() {
        let mut hook = hook("Job", "a", 0);
        assert!(has_policy(&hook, &HookDeletePolicy::BeforeHookCreation));
        hook.delete_policies = vec![HookDeletePolicy::HookSucceeded];
        assert!(!has_policy(&hook, &HookDeletePolicy::BeforeHookCreation));
        assert!(has_policy(&hook, &HookDeletePolicy::HookSucceeded));
        hook.kind = CRD_KIND.into();
        assert!(!has_policy(&hook, &HookDeletePolicy::HookSucceeded));
    }
}
