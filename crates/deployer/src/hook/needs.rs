//! Objects that a hook cannot run without, and that are not there when it runs (pure).
//!
//! Helm creates hooks before everything else: a Job that mounts a ConfigMap of the chart's main
//! manifests hangs until its timeout on the first install, and runs with the old one on an upgrade.
//! The first is found here, before anything is changed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::ordered_hooks;
use crate::plan::{ObjectAction, ObjectStep, read_yaml};
use crate::release::{Hook, HookEvent};

/// An object that a hook needs and that comes only after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmetNeed {
    /// The hook's kind and name, such as ``Job `migrate` ``.
    pub hook: String,
    /// The kind that is needed, such as `ConfigMap`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The weight below which it has to be as a hook.
    pub weight: i64,
}

/// Finds what the hooks of an event need of objects that the plan creates only after them.
///
/// `applies` are the steps between this event and the next. References that Kubernetes calls
/// optional are no needs.
pub fn unmet_needs(hooks: &[Hook], event: &HookEvent, applies: &[ObjectStep]) -> Vec<UnmetNeed> {
    let created: BTreeSet<(&str, &str)> = applies
        .iter()
        .filter(|step| step.action == ObjectAction::Create)
        .map(|step| (step.object.kind.as_str(), step.object.name.as_str()))
        .collect();
    let mut made_by_hooks: BTreeSet<(String, String)> = BTreeSet::new();
    let mut unmet = Vec::new();
    for index in ordered_hooks(hooks, event) {
        let hook = &hooks[index];
        for (kind, name) in needs(hook) {
            let is_made = made_by_hooks.contains(&(kind.to_owned(), name.clone()));
            if !is_made && created.contains(&(kind, name.as_str())) {
                unmet.push(UnmetNeed {
                    hook: format!("{} `{}`", hook.kind, hook.name),
                    kind,
                    name,
                    weight: hook.weight,
                });
            }
        }
        made_by_hooks.insert((hook.kind.clone(), hook.name.clone()));
    }
    unmet
}

/// Returns what the pods of a hook cannot start without.
fn needs(hook: &Hook) -> BTreeSet<(&'static str, String)> {
    let Ok(object) = read_yaml(&hook.manifest) else {
        return BTreeSet::new();
    };
    let spec = match hook.kind.as_str() {
        "Pod" => object.get("spec"),
        "Job" => object.pointer("/spec/template/spec"),
        _ => None,
    };
    let mut found = BTreeSet::new();
    let Some(spec) = spec else { return found };
    let mut need = |kind: &'static str, name: Option<&Value>| {
        if let Some(name) = name.and_then(Value::as_str) {
            found.insert((kind, name.to_owned()));
        }
    };
    need(
        "ServiceAccount",
        spec.get("serviceAccountName")
            .or_else(|| spec.get("serviceAccount")),
    );
    for list in ["initContainers", "containers"] {
        for container in items(spec, list) {
            for source in items(container, "envFrom") {
                need("ConfigMap", reference(source, "configMapRef", "name"));
                need("Secret", reference(source, "secretRef", "name"));
            }
            for source in items(container, "env").filter_map(|entry| entry.get("valueFrom")) {
                need("ConfigMap", reference(source, "configMapKeyRef", "name"));
                need("Secret", reference(source, "secretKeyRef", "name"));
            }
        }
    }
    for volume in items(spec, "volumes") {
        need("ConfigMap", reference(volume, "configMap", "name"));
        need("Secret", reference(volume, "secret", "secretName"));
        need(
            "PersistentVolumeClaim",
            reference(volume, "persistentVolumeClaim", "claimName"),
        );
        let projected = volume.get("projected").unwrap_or(&Value::Null);
        for source in items(projected, "sources") {
            need("ConfigMap", reference(source, "configMap", "name"));
            need("Secret", reference(source, "secret", "name"));
        }
    }
    found
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn reference<'a>(source: &'a Value, key: &str, name: &str) -> Option<&'a Value> {
    let source = source.get(key)?;
    let is_optional = source.get("optional") == Some(&Value::Bool(true));
    source.get(name).filter(|_| !is_optional)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ObjectId;
    use crate::plan::Undo;

    const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  template:
    spec:
      serviceAccountName: migrator
      containers:
      - name: main
        envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: maybe, optional: true}}]
        env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: token, key: t}}}]
      volumes:
      - {name: data, persistentVolumeClaim: {claimName: data}}
      - {name: all, projected: {sources: [{configMap: {name: projected}}]}}
";

    fn hook(kind: &str, name: &str, weight: i64, manifest: &str) -> Hook {
        Hook {
            kind: kind.into(),
            name: name.into(),
            weight,
            manifest: manifest.into(),
            events: vec![HookEvent::PreInstall],
            ..Hook::default()
        }
    }

    fn step(kind: &str, name: &str, action: ObjectAction) -> ObjectStep {
        ObjectStep {
            object: ObjectId {
                api_version: "v1".into(),
                kind: kind.into(),
                namespace: None,
                name: name.into(),
            },
            action,
            wave: 0,
            desired: None,
            original: None,
            undo: Undo::Delete,
            comparison: None,
            live: None,
        }
    }

    fn all(action: ObjectAction) -> Vec<ObjectStep> {
        [
            ("ServiceAccount", "migrator"),
            ("ConfigMap", "settings"),
            ("ConfigMap", "projected"),
            ("Secret", "token"),
            ("Secret", "maybe"),
            ("PersistentVolumeClaim", "data"),
        ]
        .map(|(kind, name)| step(kind, name, action))
        .into()
    }

    fn found(hooks: &[Hook], applies: &[ObjectStep]) -> Vec<(&'static str, String)> {
        unmet_needs(hooks, &HookEvent::PreInstall, applies)
            .into_iter()
            .map(|need| (need.kind, need.name))
            .collect()
    }

    #[test]
    fn what_the_main_manifests_create_later_is_named_unless_it_is_optional() {
        let hooks = [hook("Job", "migrate", 0, JOB)];
        assert_eq!(
            found(&hooks, &all(ObjectAction::Create)),
            [
                ("ConfigMap", "projected".to_owned()),
                ("ConfigMap", "settings".to_owned()),
                ("PersistentVolumeClaim", "data".to_owned()),
                ("Secret", "token".to_owned()),
                ("ServiceAccount", "migrator".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_there_already_or_comes_from_elsewhere_is_no_problem() {
        let hooks = [hook("Job", "migrate", 0, JOB)];
        assert!(found(&hooks, &all(ObjectAction::Patch)).is_empty());
        assert!(found(&hooks, &[]).is_empty());
    }

    #[test]
    fn an_earlier_hook_may_make_it_and_a_later_one_may_not() {
        let account = |weight| hook("ServiceAccount", "migrator", weight, "");
        let applies = [step("ServiceAccount", "migrator", ObjectAction::Create)];
        let job = hook("Job", "migrate", 0, JOB);
        assert!(found(&[job.clone(), account(-1)], &applies).is_empty());
        assert_eq!(found(&[job, account(1)], &applies).len(), 1);
    }

    #[test]
    fn other_events_and_what_is_no_pod_are_not_looked_at() {
        let mut other = hook("Job", "migrate", 0, JOB);
        other.events = vec![HookEvent::PostInstall];
        let config = hook("ConfigMap", "x", 0, JOB);
        assert!(found(&[other, config], &all(ObjectAction::Create)).is_empty());
    }
}
