//! Whether an object is ready, judged from its own fields (pure).
//!
//! The rules are those of kstatus (`sigs.k8s.io/cli-utils/pkg/kstatus/status`), which Helm 4's
//! watcher follows: a status counts only once its controller has seen the latest generation. Where
//! kstatus calls something well that nobody would (a Pod that failed), it has failed here. Helm 3's
//! rules, for `--wait=legacy`, are in [`super::legacy`].

use serde_json::Value;

use crate::cluster::{WaitOptions, WaitStrategy};

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Readiness {
    /// As ready as it will be.
    Ready,
    /// Not yet, and why.
    Pending(String),
    /// It will not become ready by itself, and why.
    Failed(String),
}

use Readiness::{Failed, Pending, Ready};

/// Judges one object by the rules that were asked for.
pub(super) fn readiness(object: &Value, options: &WaitOptions) -> Readiness {
    match options.strategy {
        WaitStrategy::Legacy => super::legacy::readiness(object, options.wait_for_jobs),
        WaitStrategy::Watcher | WaitStrategy::HookOnly => current(object, options.wait_for_jobs),
    }
}

/// Judges one object by kstatus; `wait_for_jobs` asks that Jobs have completed.
fn current(object: &Value, wait_for_jobs: bool) -> Readiness {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Pending("is being deleted".to_owned());
    }
    if let Some(waiting) = unseen_generation(object) {
        return waiting;
    }
    if let Some(standard) = standard_conditions(object) {
        return standard;
    }
    match kind_of(object) {
        ("apps" | "extensions", "Deployment") => deployment(object),
        ("apps" | "extensions", "ReplicaSet") | ("", "ReplicationController") => {
            replica_set(object)
        }
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps" | "extensions", "DaemonSet") => daemon_set(object),
        ("", "Pod") => pod(object),
        ("batch", "Job") => job(object, wait_for_jobs),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Service") => service(object),
        ("", "Secret" | "ConfigMap") | ("batch", "CronJob") | ("policy", "PodDisruptionBudget") => {
            Ready
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => custom_resource_definition(object),
        _ => by_conditions(object),
    }
}

/// Returns group and kind.
pub(super) fn kind_of(object: &Value) -> (&str, &str) {
    let group = object["apiVersion"]
        .as_str()
        .and_then(|version| version.split_once('/'))
        .map_or("", |(group, _)| group);
    (group, object["kind"].as_str().unwrap_or_default())
}

/// The two conditions that mean the same on every kind.
fn standard_conditions(object: &Value) -> Option<Readiness> {
    if let Some(("True", reason, message)) = condition(object, "Stalled") {
        return Some(Failed(said(reason, message)));
    }
    if let Some(("True", reason, message)) = condition(object, "Reconciling") {
        return Some(Pending(said(reason, message)));
    }
    None
}

pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

fn unseen_generation(object: &Value) -> Option<Readiness> {
    let seen = object.pointer("/status/observedGeneration")?.as_i64()?;
    let generation = object.pointer("/metadata/generation")?.as_i64()?;
    (seen < generation).then(|| Pending("its controller has not seen the change yet".to_owned()))
}

/// Returns status, reason and message of a condition.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|condition| condition["type"] == kind)?;
    let text = |field: &str| found[field].as_str().unwrap_or_default();
    Some((text("status"), text("reason"), text("message")))
}

pub(super) fn replicas_wanted(object: &Value) -> i64 {
    object
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1)
}

pub(super) fn said(reason: &str, message: &str) -> String {
    match (reason, message) {
        ("", "") => "no reason is given".to_owned(),
        ("", text) | (text, "") => text.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

fn deployment(object: &Value) -> Readiness {
    // Nothing is rolled out while it is paused, and that is what was asked for.
    if object.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        return Ready;
    }
    if let Some(("False", "ProgressDeadlineExceeded", message)) = condition(object, "Progressing") {
        return Failed(said("ProgressDeadlineExceeded", message));
    }
    if let Some(refused) = creation_refused(object) {
        return refused;
    }
    let wanted = replicas_wanted(object);
    let total = number(object, "/status/replicas");
    let updated = number(object, "/status/updatedReplicas");
    let available = number(object, "/status/availableReplicas");
    if object.pointer("/status/observedGeneration").is_none() {
        return Pending("its controller has not seen it yet".to_owned());
    }
    if updated < wanted {
        return Pending(format!("{updated} of {wanted} pods updated"));
    }
    if total > updated {
        return Pending(format!("{} old pods still to go", total - updated));
    }
    if available < updated || available < wanted {
        return Pending(format!("{available} of {wanted} pods available"));
    }
    // With a deadline the controller says itself when it has done.
    let has_deadline = object
        .pointer("/spec/progressDeadlineSeconds")
        .and_then(Value::as_i64)
        .is_some_and(|seconds| seconds < i64::from(i32::MAX));
    match condition(object, "Progressing") {
        Some(("True", "NewReplicaSetAvailable", _)) => {}
        _ if !has_deadline => {}
        _ => return Pending("the new replica set is not available yet".to_owned()),
    }
    match condition(object, "Available") {
        Some((status, reason, message)) if status != "True" => Pending(said(reason, message)),
        _ => Ready,
    }
}

/// A quota or an admission check that refuses the pods does not change its mind by itself.
fn creation_refused(object: &Value) -> Option<Readiness> {
    let (status, reason, message) = condition(object, "ReplicaFailure")?;
    if status != "True" {
        return None;
    }
    let text = said(reason, message);
    if message.contains("exceeded quota") || message.contains("forbidden") {
        Some(Failed(text))
    } else {
        Some(Pending(text))
    }
}

fn replica_set(object: &Value) -> Readiness {
    if let Some(refused) = creation_refused(object) {
        return refused;
    }
    let wanted = replicas_wanted(object);
    let ready = number(object, "/status/readyReplicas");
    let total = number(object, "/status/replicas");
    let available = number(object, "/status/availableReplicas");
    if ready < wanted {
        Pending(format!("{ready} of {wanted} pods ready"))
    } else if available < wanted {
        Pending(format!("{available} of {wanted} pods available"))
    } else if total > wanted {
        Pending(format!("{} pods too many", total - wanted))
    } else {
        Ready
    }
}

fn stateful_set(object: &Value) -> Readiness {
    if object
        .pointer("/spec/updateStrategy/type")
        .and_then(Value::as_str)
        == Some("OnDelete")
    {
        return Ready;
    }
    let wanted = replicas_wanted(object);
    let ready = number(object, "/status/readyReplicas");
    let updated = number(object, "/status/updatedReplicas");
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    let to_update = wanted - partition.clamp(0, wanted);
    if object.pointer("/status/observedGeneration").is_none() {
        return Pending("its controller has not seen it yet".to_owned());
    }
    if ready < wanted {
        return Pending(format!("{ready} of {wanted} pods ready"));
    }
    if number(object, "/status/replicas") > wanted {
        return Pending("scaling down".to_owned());
    }
    let revision = |field: &str| object.pointer(field).and_then(Value::as_str);
    let is_rolled_out = revision("/status/currentRevision") == revision("/status/updateRevision");
    if updated < to_update && !is_rolled_out {
        return Pending(format!("{updated} of {to_update} pods updated"));
    }
    if partition == 0 && !is_rolled_out {
        return Pending("rolling out".to_owned());
    }
    Ready
}

fn daemon_set(object: &Value) -> Readiness {
    if object
        .pointer("/spec/updateStrategy/type")
        .and_then(Value::as_str)
        == Some("OnDelete")
    {
        return Ready;
    }
    if object.pointer("/status/observedGeneration").is_none() {
        return Pending("its controller has not seen it yet".to_owned());
    }
    let wanted = number(object, "/status/desiredNumberScheduled");
    let updated = number(object, "/status/updatedNumberScheduled");
    let available = number(object, "/status/numberAvailable");
    let scheduled = number(object, "/status/currentNumberScheduled");
    if scheduled < wanted {
        Pending(format!("{scheduled} of {wanted} pods scheduled"))
    } else if updated < wanted {
        Pending(format!("{updated} of {wanted} pods updated"))
    } else if available < wanted {
        Pending(format!("{available} of {wanted} pods available"))
    } else {
        Ready
    }
}

fn pod(object: &Value) -> Readiness {
    match object.pointer("/status/phase").and_then(Value::as_str) {
        Some("Succeeded") => Ready,
        Some("Failed") => Failed(said(
            object["status"]["reason"]
                .as_str()
                .unwrap_or("the pod failed"),
            object["status"]["message"].as_str().unwrap_or_default(),
        )),
        _ => match condition(object, "Ready") {
            Some(("True", _, _)) => Ready,
            Some((_, reason, message)) => Pending(said(reason, message)),
            None => Pending("not started yet".to_owned()),
        },
    }
}

fn job(object: &Value, wait_for_jobs: bool) -> Readiness {
    for failure in ["Failed", "FailureTarget"] {
        if let Some(("True", reason, message)) = condition(object, failure) {
            return Failed(said(reason, message));
        }
    }
    if let Some(("True", _, _)) = condition(object, "Complete") {
        return Ready;
    }
    let is_suspended = object.pointer("/spec/suspend") == Some(&Value::Bool(true));
    if is_suspended && !wait_for_jobs {
        return Ready;
    }
    if object.pointer("/status/startTime").is_none() {
        return Pending("not started yet".to_owned());
    }
    if !wait_for_jobs {
        return Ready;
    }
    Pending(format!(
        "{} active, {} failed",
        number(object, "/status/active"),
        number(object, "/status/failed")
    ))
}

fn claim(object: &Value) -> Readiness {
    match object.pointer("/status/phase").and_then(Value::as_str) {
        Some("Bound") => Ready,
        Some("Lost") => Failed("its volume is lost".to_owned()),
        Some(phase) => Pending(format!("phase {phase}")),
        None => Pending("no phase yet".to_owned()),
    }
}

/// A load balancer's address comes from outside the cluster, if at all: Helm 3 waits for it.
fn service(object: &Value) -> Readiness {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let has_address = text("/spec/clusterIP").is_some_and(|address| !address.is_empty());
    if text("/spec/type") == Some("LoadBalancer") && !has_address {
        return Pending("it has no address in the cluster yet".to_owned());
    }
    Ready
}

fn custom_resource_definition(object: &Value) -> Readiness {
    if let Some(("False", reason, message)) = condition(object, "NamesAccepted") {
        return Failed(said(reason, message));
    }
    match condition(object, "Established") {
        Some(("True", _, _)) => Ready,
        Some(("False", reason, message)) if reason != "Installing" => Failed(said(reason, message)),
        Some((_, reason, message)) => Pending(said(reason, message)),
        None => Pending("not established yet".to_owned()),
    }
}

fn by_conditions(object: &Value) -> Readiness {
    match condition(object, "Ready") {
        Some(("False" | "Unknown", reason, message)) => Pending(said(reason, message)),
        _ => Ready,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rollout(status: Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status})
    }

    #[test]
    fn a_deployment_is_ready_when_every_new_pod_is_available_and_no_old_one_is_left() {
        let done = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
        assert_eq!(current(&rollout(done), false), Ready);
        for status in [
            json!({}),
            json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
            json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 2}),
            json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2}),
            json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}),
        ] {
            assert!(
                matches!(current(&rollout(status.clone()), false), Pending(_)),
                "{status}"
            );
        }
    }

    #[test]
    fn a_deployment_with_a_deadline_is_ready_when_its_controller_says_so() {
        let rollout = |conditions: Value| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 1},
                "spec": {"replicas": 1, "progressDeadlineSeconds": 600},
                "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "conditions": conditions}})
        };
        let progressing =
            |reason: &str| json!({"type": "Progressing", "status": "True", "reason": reason});
        let available = |status: &str| json!({"type": "Available", "status": status});
        let judged = |conditions: Value| current(&rollout(conditions), false);
        assert_eq!(
            judged(json!([
                progressing("NewReplicaSetAvailable"),
                available("True")
            ])),
            Ready
        );
        for conditions in [
            json!([progressing("ReplicaSetUpdated"), available("True")]),
            json!([progressing("NewReplicaSetAvailable"), available("False")]),
            json!([]),
        ] {
            assert!(
                matches!(judged(conditions.clone()), Pending(_)),
                "{conditions}"
            );
        }
    }

    #[test]
    fn what_is_paused_or_suspended_is_not_waited_for() {
        let paused = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": {"paused": true}});
        assert_eq!(current(&paused, false), Ready);
        let suspended = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {}, "spec": {"suspend": true}});
        assert_eq!(current(&suspended, false), Ready);
        assert!(matches!(current(&suspended, true), Pending(_)));
    }

    #[test]
    fn what_cannot_heal_fails() {
        let late = json!({"observedGeneration": 2, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "m"}]});
        assert!(matches!(current(&rollout(late), false), Failed(_)));
        let quota = json!({"observedGeneration": 2, "conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "pods \"x\" is forbidden: exceeded quota: q"}]});
        assert!(matches!(current(&rollout(quota), false), Failed(_)));
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {}, "status": {"conditions": [
            {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}]}});
        assert_eq!(
            current(&job, false),
            Failed("BackoffLimitExceeded: m".to_owned())
        );
    }

    #[test]
    fn jobs_are_waited_for_only_when_asked() {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {},
            "status": {"active": 1, "startTime": "2026-01-01T00:00:00Z"}});
        assert_eq!(current(&job, false), Ready);
        assert!(matches!(current(&job, true), Pending(_)));
    }

    #[test]
    fn custom_resources_are_judged_by_their_conditions() {
        let resource = |conditions: Value| json!({"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {}, "status": {"conditions": conditions}});
        assert_eq!(current(&resource(json!([])), false), Ready);
        assert_eq!(
            current(
                &resource(json!([{"type": "Ready", "status": "True"}])),
                false
            ),
            Ready
        );
        assert!(matches!(
            current(
                &resource(json!([{"type": "Ready", "status": "False"}])),
                false
            ),
            Pending(_)
        ));
        assert!(matches!(
            current(
                &resource(json!([{"type": "Stalled", "status": "True"}])),
                false
            ),
            Failed(_)
        ));
    }

    #[test]
    fn a_load_balancer_needs_an_address_in_the_cluster_and_a_cluster_service_nothing() {
        let service = |kind: &str| json!({"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": {"type": kind}});
        assert_eq!(current(&service("ClusterIP"), false), Ready);
        assert!(matches!(
            current(&service("LoadBalancer"), false),
            Pending(_)
        ));
    }

    #[test]
    fn a_stateful_set_with_a_partition_needs_only_its_upper_pods_updated() {
        let set = |partition: i64, updated: i64| {
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"generation": 1}, "spec": {"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}},
            "status": {"observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "updatedReplicas": updated, "currentRevision": "a", "updateRevision": "b"}})
        };
        assert_eq!(current(&set(2, 1), false), Ready);
        assert!(matches!(current(&set(0, 1), false), Pending(_)));
    }
}
