//! Whether an object is ready by Helm 3's rules, for `--wait=legacy` (pure).
//!
//! Source: `pkg/kube/ready.go` of Helm v4, which keeps them. Kinds that are not named there are
//! ready as soon as they exist. What has failed for good is told here, too, where Helm 3 goes on
//! waiting.

use serde_json::Value;

use super::ready::{Readiness, condition, kind_of, number, replicas_wanted, said};
use Readiness::{Failed, Pending, Ready};

/// Judges one object; `wait_for_jobs` asks that Jobs have completed.
pub(super) fn readiness(object: &Value, wait_for_jobs: bool) -> Readiness {
    match kind_of(object) {
        ("apps", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => {
            let (ready, wanted) = (
                number(object, "/status/readyReplicas"),
                replicas_wanted(object),
            );
            seen(object).unwrap_or_else(|| enough(ready, wanted))
        }
        ("", "Pod") => match condition(object, "Ready") {
            Some(("True", _, _)) => Ready,
            Some((_, reason, message)) => Pending(said(reason, message)),
            None => Pending("not started yet".to_owned()),
        },
        ("batch", "Job") if wait_for_jobs => job(object),
        ("", "PersistentVolumeClaim") => {
            match object.pointer("/status/phase").and_then(Value::as_str) {
                Some("Bound") => Ready,
                phase => Pending(format!("phase {}", phase.unwrap_or("unknown"))),
            }
        }
        ("", "Service") => service(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => custom_resource_definition(object),
        _ => Ready,
    }
}

fn seen(object: &Value) -> Option<Readiness> {
    let is_seen =
        number(object, "/status/observedGeneration") == number(object, "/metadata/generation");
    (!is_seen).then(|| Pending("its controller has not seen the change yet".to_owned()))
}

fn enough(ready: i64, wanted: i64) -> Readiness {
    if ready < wanted {
        Pending(format!("{ready} of {wanted} pods ready"))
    } else {
        Ready
    }
}

/// Reads a number of pods, or a share of `total` in per cent, rounded up or down.
fn share(value: Option<&Value>, total: i64, default: &str, rounds_up: bool) -> i64 {
    let text = match value {
        Some(Value::Number(number)) => return number.as_i64().unwrap_or_default(),
        Some(Value::String(text)) => text.as_str(),
        _ => default,
    };
    let Some(percent) = text
        .strip_suffix('%')
        .and_then(|text| text.parse::<i64>().ok())
    else {
        return text.parse().unwrap_or(total);
    };
    let hundredfold = total * percent;
    if rounds_up {
        (hundredfold + 99) / 100
    } else {
        hundredfold / 100
    }
}

/// Enough pods are ready when no more are missing than a rollout may take away.
///
/// Source: `pkg/kube/ready.go` and `internal/third_party/k8s.io/kubernetes/deployment/util`.
fn deployment(object: &Value) -> Readiness {
    if object.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        return Ready;
    }
    if let Some(waiting) = seen(object) {
        return waiting;
    }
    if let Some(("False", "ProgressDeadlineExceeded", message)) = condition(object, "Progressing") {
        return Failed(said("ProgressDeadlineExceeded", message));
    }
    let wanted = replicas_wanted(object);
    let rolling = object.pointer("/spec/strategy/rollingUpdate");
    let part = |name: &str, rounds_up: bool| {
        share(
            rolling.and_then(|rolling| rolling.get(name)),
            wanted,
            "25%",
            rounds_up,
        )
    };
    let unavailable = match object
        .pointer("/spec/strategy/type")
        .and_then(Value::as_str)
    {
        Some("Recreate") => 0,
        // Where neither a pod more nor a pod less is allowed nothing could move.
        _ if part("maxSurge", true) == 0 && part("maxUnavailable", false) == 0 => 1,
        _ => part("maxUnavailable", false),
    };
    let updated = number(object, "/status/updatedReplicas");
    // Of the new template only: pods of the old one are ready anyway.
    let old = number(object, "/status/replicas") - updated;
    let ready = (number(object, "/status/readyReplicas") - old).min(updated);
    enough(ready.max(0), wanted - unavailable.min(wanted))
}

fn stateful_set(object: &Value) -> Readiness {
    if let Some(waiting) = seen(object) {
        return waiting;
    }
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    if text("/spec/updateStrategy/type").is_some_and(|strategy| strategy != "RollingUpdate") {
        return Ready;
    }
    let wanted = replicas_wanted(object);
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    let updated = number(object, "/status/updatedReplicas");
    if updated < wanted - partition {
        return Pending(format!("{updated} of {} pods updated", wanted - partition));
    }
    if partition == 0 && text("/status/currentRevision") != text("/status/updateRevision") {
        return Pending("rolling out".to_owned());
    }
    enough(number(object, "/status/readyReplicas"), wanted)
}

fn daemon_set(object: &Value) -> Readiness {
    if let Some(waiting) = seen(object) {
        return waiting;
    }
    let strategy = object
        .pointer("/spec/updateStrategy/type")
        .and_then(Value::as_str);
    if strategy.is_some_and(|strategy| strategy != "RollingUpdate") {
        return Ready;
    }
    let wanted = number(object, "/status/desiredNumberScheduled");
    let updated = number(object, "/status/updatedNumberScheduled");
    if updated != wanted {
        return Pending(format!("{updated} of {wanted} pods updated"));
    }
    let unavailable = share(
        object.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable"),
        wanted,
        "1",
        true,
    );
    enough(number(object, "/status/numberReady"), wanted - unavailable)
}

fn job(object: &Value) -> Readiness {
    if let Some(("True", reason, message)) = condition(object, "Failed") {
        return Failed(said(reason, message));
    }
    let succeeded = number(object, "/status/succeeded");
    match object.pointer("/spec/completions").and_then(Value::as_i64) {
        Some(wanted) if succeeded < wanted => {
            Pending(format!("{succeeded} of {wanted} pods completed"))
        }
        _ => Ready,
    }
}

fn service(object: &Value) -> Readiness {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let has = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
    };
    match text("/spec/type") {
        "ExternalName" => Ready,
        _ if text("/spec/clusterIP").is_empty() => {
            Pending("it has no address in the cluster yet".to_owned())
        }
        "LoadBalancer" if !has("/spec/externalIPs") && !has("/status/loadBalancer/ingress") => {
            Pending("the load balancer has no address yet".to_owned())
        }
        _ => Ready,
    }
}

fn custom_resource_definition(object: &Value) -> Readiness {
    let is_established = matches!(condition(object, "Established"), Some(("True", _, _)));
    let is_refused = matches!(condition(object, "NamesAccepted"), Some(("False", _, _)));
    if is_established || is_refused {
        Ready
    } else {
        Pending("not established yet".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deployment_may_lack_as_many_pods_as_a_rollout_may_take_away() {
        let rollout = |ready: i64| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 1},
                "spec": {"replicas": 4, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}},
                "status": {"observedGeneration": 1, "replicas": 4, "updatedReplicas": 4, "readyReplicas": ready}})
        };
        assert_eq!(readiness(&rollout(3), false), Ready);
        assert!(matches!(readiness(&rollout(2), false), Pending(_)));
    }

    #[test]
    fn pods_of_the_old_template_do_not_count() {
        let rollout = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 2},
            "spec": {"replicas": 1}, "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1}});
        assert!(matches!(readiness(&rollout, false), Pending(_)));
    }

    #[test]
    fn a_load_balancer_waits_for_its_address() {
        let service = |status: Value| {
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}, "status": status})
        };
        assert!(matches!(readiness(&service(json!({})), false), Pending(_)));
        let done = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
        assert_eq!(readiness(&service(done), false), Ready);
    }

    #[test]
    fn custom_resources_are_ready_as_they_are() {
        let resource = json!({"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {},
            "status": {"conditions": [{"type": "Ready", "status": "False"}]}});
        assert_eq!(readiness(&resource, false), Ready);
    }

    #[test]
    fn a_daemon_set_may_lack_one_pod() {
        let set = |ready: i64| {
            json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"generation": 1}, "spec": {},
            "status": {"observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": ready}})
        };
        assert_eq!(readiness(&set(2), false), Ready);
        assert!(matches!(readiness(&set(1), false), Pending(_)));
    }
}
