use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::compare::CompareOptions;
use super::*;
use crate::action::Operation;
use crate::cluster::ObjectId;
use crate::release::{ApplyMethod, Namespace, ReleaseName, Revision};

/// What a plan is made from.
struct Scene {
    previous: Vec<ManifestObject>,
    next: Vec<ManifestObject>,
    live: HashMap<ObjectId, Arc<Value>>,
    method: ApplyMethod,
    recreate: bool,
    force_conflicts: bool,
}

fn names() -> (ReleaseName, Namespace) {
    let release = ReleaseName::new("web").expect("valid");
    (release, Namespace::new("prod").expect("valid"))
}

fn object(value: &Value) -> ManifestObject {
    ManifestObject {
        id: crate::cluster::object_id(value).expect("an object"),
        value: value.clone(),
        source: None,
    }
}

fn config(colour: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"colour": colour}})
}

/// The object as the release left it.
fn left(value: &Value) -> Value {
    let (release, namespace) = names();
    let mut live = with_ownership(value.clone(), &release, &namespace);
    live["metadata"]["managedFields"] =
        json!([{"manager": "helm", "operation": "Apply", "fieldsV1": {}}]);
    live
}

impl Scene {
    fn of(previous: &[Value], next: &[Value], live: &[Value]) -> Self {
        Self {
            previous: previous.iter().map(object).collect(),
            next: next.iter().map(object).collect(),
            live: live
                .iter()
                .map(|value| (object(value).id, value.clone().into()))
                .collect(),
            method: ApplyMethod::ServerSide,
            recreate: false,
            force_conflicts: false,
        }
    }

    fn plan(&self) -> Plan {
        let (release, namespace) = names();
        build(PlanInput {
            operation: Operation::Upgrade,
            release: &release,
            namespace: &namespace,
            revision: Revision(2),
            previous: &self.previous,
            next: self.next.clone(),
            live: &self.live,
            hooks: &[],
            events: None,
            take_ownership: false,
            recreate: self.recreate,
            force_conflicts: self.force_conflicts,
            wait: false,
            method: self.method,
            compare: CompareOptions::default(),
            marks: false,
        })
        .expect("a plan")
    }

    fn action(&self) -> ObjectAction {
        self.plan().applies[0].action
    }
}

#[test]
fn an_object_is_left_alone_only_when_record_chart_and_live_agree() {
    let (red, blue) = (config("red"), config("blue"));
    let same = Scene::of(
        std::slice::from_ref(&red),
        std::slice::from_ref(&red),
        &[left(&red)],
    );
    assert_eq!(same.action(), ObjectAction::Unchanged);
    assert!(same.plan().changes_nothing());
    let chart = Scene::of(
        std::slice::from_ref(&red),
        std::slice::from_ref(&blue),
        &[left(&red)],
    );
    assert_eq!(chart.action(), ObjectAction::Patch);
    let live = Scene::of(
        std::slice::from_ref(&red),
        std::slice::from_ref(&red),
        &[left(&blue)],
    );
    assert_eq!(live.action(), ObjectAction::Patch);
    // Live is as wanted already, but the record says otherwise: the fields must become ours.
    let record = Scene::of(
        std::slice::from_ref(&blue),
        std::slice::from_ref(&red),
        &[left(&red)],
    );
    assert_eq!(record.action(), ObjectAction::Patch);
}

#[test]
fn what_a_failed_revision_may_have_added_is_patched_away() {
    let red = config("red");
    let mut more = red.clone();
    more["data"]["extra"] = "left behind".into();
    let scene = Scene::of(
        &[red.clone(), more.clone()],
        std::slice::from_ref(&red),
        &[left(&more)],
    );
    assert_eq!(scene.action(), ObjectAction::Patch);
}

#[test]
fn an_object_applied_by_a_client_is_taken_over_by_server_side_apply() {
    let red = config("red");
    let mut live = left(&red);
    live["metadata"]["managedFields"][0]["operation"] = "Update".into();
    let mut scene = Scene::of(
        std::slice::from_ref(&red),
        std::slice::from_ref(&red),
        &[live],
    );
    assert_eq!(scene.action(), ObjectAction::Patch);
    scene.method = ApplyMethod::ClientSide;
    assert_eq!(scene.action(), ObjectAction::Unchanged);
}

#[test]
fn replicas_of_an_autoscaler_are_not_applied() {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 2}});
    let mut live = left(&deployment);
    live["spec"]["replicas"] = 7.into();
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}});
    let wanted = [deployment.clone(), scaler.clone()];
    // The scaler of the chart has not written yet: the live number is kept, and stays ours.
    let scene = Scene::of(&wanted, &wanted, &[live.clone(), left(&scaler)]);
    let plan = scene.plan();
    let step = plan
        .applies
        .iter()
        .find(|step| step.object.name == "d")
        .expect("there");
    assert_eq!(
        step.desired.as_ref().expect("wanted")["spec"]["replicas"],
        7
    );
    // It has: the field is left out, so that it stays the scaler's.
    let scale = json!({"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}});
    live["metadata"]["managedFields"]
        .as_array_mut()
        .expect("a list")
        .push(scale);
    let scene = Scene::of(
        std::slice::from_ref(&deployment),
        std::slice::from_ref(&deployment),
        &[live],
    );
    let plan = scene.plan();
    assert_eq!(
        plan.applies[0].desired.as_ref().expect("wanted")["spec"].get("replicas"),
        None
    );
    assert_eq!(plan.applies[0].action, ObjectAction::Unchanged);
}

#[test]
fn a_change_that_the_server_will_refuse_is_warned_of() {
    let deployment = |app: &str| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"app": app}}}});
    let scene = Scene::of(
        &[deployment("a")],
        &[deployment("b")],
        &[left(&deployment("a"))],
    );
    let warnings = scene.plan().warnings;
    assert!(
        warnings[0].contains("`spec.selector.matchLabels.app` cannot be changed in place"),
        "{warnings:?}"
    );
}

#[test]
fn a_field_that_another_manager_set_is_warned_of_unless_it_is_taken_over() {
    let mut live = left(&config("hand"));
    let edit = json!({"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {"f:colour": {}}}});
    live["metadata"]["managedFields"]
        .as_array_mut()
        .expect("a list")
        .push(edit);
    let mut scene = Scene::of(&[config("red")], &[config("blue")], &[live]);
    let warnings = scene.plan().warnings;
    for word in ["`data.colour`", "`kubectl-edit`", "--force-conflicts"] {
        assert!(warnings[0].contains(word), "{word}: {warnings:?}");
    }
    scene.force_conflicts = true;
    assert!(scene.plan().warnings.is_empty());
    // A merge made here takes every field.
    (scene.force_conflicts, scene.method) = (false, ApplyMethod::ClientSide);
    assert!(scene.plan().warnings.is_empty());
}

#[test]
fn what_cannot_be_changed_is_recreated_where_that_is_asked_for_and_named_elsewhere() {
    let deployment = |app: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"selector": {"matchLabels": {"app": app}}, "template": {"metadata": {"labels": {"app": app}}}}})
    };
    let (before, after) = (deployment("a"), deployment("b"));
    let mut scene = Scene::of(std::slice::from_ref(&before), &[after], &[left(&before)]);
    let plan = scene.plan();
    assert_eq!(plan.applies[0].action, ObjectAction::Patch);
    let warning = plan.warnings.join(" ");
    for word in ["Deployment `d`", "spec.selector", "--force-replace"] {
        assert!(warning.contains(word), "{word}: {warning}");
    }
    scene.recreate = true;
    let plan = scene.plan();
    assert_eq!(plan.applies[0].action, ObjectAction::Recreate);
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    assert_eq!(plan.applies[0].undo.as_str(), "recreate");
    assert!(!plan.changes_nothing());
}

#[test]
fn what_holds_data_is_never_recreated() {
    let claim = |class: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "d"},
            "spec": {"storageClassName": class}})
    };
    let (before, after) = (claim("a"), claim("b"));
    let mut scene = Scene::of(std::slice::from_ref(&before), &[after], &[left(&before)]);
    scene.recreate = true;
    let plan = scene.plan();
    assert_eq!(plan.applies[0].action, ObjectAction::Patch);
    assert!(plan.warnings[0].contains("delete the object first"));
}
