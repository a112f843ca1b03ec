//! Fields that an autoscaler sets, and that a chart's value must not push back.
//!
//! A HorizontalPodAutoscaler changes replicas through the `scale` subresource, and
//! `managedFields` keeps that. Source: Kubernetes documentation, "Server-Side Apply", transferring
//! ownership.

use serde_json::Value;
use tracing::debug;

use super::session::KubeCluster;
use crate::cluster::{FIELD_MANAGER, ObjectId};

/// The field, as notes name it.
pub(super) const REPLICAS: &str = "spec.replicas";

/// Tells whether something other than a person set `spec.replicas` of the live object to another
/// number than the manifest's (pure).
fn is_scaled_by_a_program(object: &Value, live: &Value) -> bool {
    let replicas = |value: &Value| value.pointer("/spec/replicas").cloned();
    let Some(wanted) = replicas(object) else {
        return false;
    };
    if replicas(live).as_ref() == Some(&wanted) {
        return false;
    }
    let entries = live["metadata"]["managedFields"].as_array();
    entries.into_iter().flatten().any(|entry| {
        let manager = entry["manager"].as_str().unwrap_or_default();
        entry["subresource"] == "scale"
            && manager != FIELD_MANAGER
            && !manager.starts_with("kubectl")
            && entry.pointer("/fieldsV1/f:spec/f:replicas").is_some()
    })
}

/// Returns the object without what an autoscaler sets.
pub(super) fn without_replicas(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.shift_remove("replicas");
    }
    object
}

/// Tells whether an autoscaler has the object as its target (pure).
fn targets(autoscaler: &Value, id: &ObjectId) -> bool {
    let target = &autoscaler["spec"]["scaleTargetRef"];
    target["kind"] == id.kind.as_str() && target["name"] == id.name.as_str()
}

impl KubeCluster {
    /// Returns the object without its replicas where a living autoscaler has set others.
    pub(super) async fn yielded(
        &self,
        id: &ObjectId,
        object: &Value,
        live: Option<&Value>,
    ) -> Option<Value> {
        let live = live?;
        if !is_scaled_by_a_program(object, live) {
            return None;
        }
        let path = format!(
            "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
            self.namespace_of(id)
        );
        let is_autoscaled = match self.list(&path, "").await {
            Ok(all) => all.iter().any(|autoscaler| targets(autoscaler, id)),
            Err(error) => {
                // Whoever may not look must not push an autoscaler's replicas away.
                debug!(object = %id, %error, "autoscalers cannot be listed");
                true
            }
        };
        is_autoscaled.then(|| without_replicas(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live(replicas: i64, manager: &str, subresource: &str) -> Value {
        json!({"spec": {"replicas": replicas}, "metadata": {"managedFields": [
            {"manager": manager, "operation": "Update", "subresource": subresource, "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}})
    }

    #[test]
    fn only_what_a_program_scaled_to_another_number_is_left_alone() {
        let object = json!({"spec": {"replicas": 2, "paused": false}});
        let autoscaler = "kube-controller-manager";
        assert!(is_scaled_by_a_program(
            &object,
            &live(5, autoscaler, "scale")
        ));
        assert!(!is_scaled_by_a_program(
            &object,
            &live(2, autoscaler, "scale")
        ));
        assert!(!is_scaled_by_a_program(
            &object,
            &live(5, "kubectl", "scale")
        ));
        assert!(!is_scaled_by_a_program(&object, &live(5, autoscaler, "")));
        assert!(!is_scaled_by_a_program(
            &json!({"spec": {}}),
            &live(5, autoscaler, "scale")
        ));
        assert_eq!(
            without_replicas(&object),
            json!({"spec": {"paused": false}})
        );
    }

    #[test]
    fn an_autoscaler_names_its_target() {
        let autoscaler = json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}});
        let id = |name: &str| ObjectId {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            namespace: None,
            name: name.into(),
        };
        assert!(targets(&autoscaler, &id("web")));
        assert!(!targets(&autoscaler, &id("other")));
    }
}
