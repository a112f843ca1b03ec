use super::*;
use crate::plan::sensitive::MASKED;
use serde_json::json;

fn plain() -> CompareOptions {
    CompareOptions::default()
}

fn paths(differences: &[FieldDifference]) -> Vec<String> {
    differences
        .iter()
        .map(|difference| difference.path.to_string())
        .collect()
}

fn desired_deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}, "annotations": {}},
                "spec": {
                    "hostNetwork": false,
                    "nodeSelector": null,
                    "containers": [
                        {"name": "app", "image": "web:1",
                         "env": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}],
                         "ports": [{"containerPort": 8080, "name": "http"}],
                         "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}}},
                        {"name": "side", "image": "side:1"}
                    ],
                    "volumes": [{"name": "tmp", "emptyDir": {}}]
                }
            }
        }
    })
}

/// What a server makes of it: defaults, status, metadata, and a canonical spelling.
fn live_deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "prod", "uid": "u", "resourceVersion": "7", "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": "web"},
            "annotations": {"deployment.kubernetes.io/revision": "1"},
            "managedFields": [
                {"manager": "helm", "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": {
                    "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
                        "k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}}}
            ]},
        "spec": {
            "replicas": 2, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
                    "securityContext": {}, "terminationGracePeriodSeconds": 30,
                    "containers": [
                        {"name": "side", "image": "side:1", "imagePullPolicy": "IfNotPresent", "resources": {}},
                        {"name": "app", "image": "web:1", "imagePullPolicy": "IfNotPresent",
                         "env": [{"name": "B"}, {"name": "A", "value": "1"}],
                         "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
                         "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
                         "terminationMessagePath": "/dev/termination-log"}
                    ],
                    "volumes": [{"name": "tmp", "emptyDir": {}}]
                }
            }
        },
        "status": {"replicas": 2}
    })
}

#[test]
fn what_the_server_adds_and_rewrites_is_no_difference() {
    let desired = desired_deployment();
    let found = compare(&desired, Some(&desired), &live_deployment(), &plain());
    assert!(found.is_same(), "{:?}", paths(&found.differences));
    assert!(found.yielded.is_empty() && found.extra.is_empty());
    assert_eq!(found.before, found.after);
}

#[test]
fn each_difference_names_its_field_and_who_set_it() {
    let mut live = live_deployment();
    live["spec"]["template"]["spec"]["containers"][1]["image"] = "web:hotfix".into();
    live["spec"]["template"]["spec"]["containers"][1]["resources"]["requests"]["cpu"] = "2".into();
    let entries = live["metadata"]["managedFields"]
        .as_array_mut()
        .expect("a list");
    entries.push(json!({"manager": "kubectl-edit", "operation": "Update", "time": "2026-02-01T00:00:00Z",
        "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {"f:image": {}}}}}}}}));
    let found = compare(&desired_deployment(), None, &live, &plain());
    let image = &found.differences[0];
    assert_eq!(
        image.path.to_string(),
        "spec.template.spec.containers[name=app].image"
    );
    assert_eq!(image.change, FieldChange::Changed);
    assert_eq!(
        (image.before.clone(), image.after.clone()),
        (Some(json!("web:hotfix")), Some(json!("web:1")))
    );
    let owner = image.owner.as_ref().expect("known");
    assert_eq!(
        (owner.manager.as_str(), owner.time.as_deref()),
        ("kubectl-edit", Some("2026-02-01T00:00:00Z"))
    );
    assert_eq!(
        paths(&found.differences)[1],
        "spec.template.spec.containers[name=app].resources.requests.cpu"
    );
    assert_eq!(found.differences[1].owner, None);
}

#[test]
fn what_left_the_manifest_is_removed_and_what_others_added_stays_and_is_told() {
    let mut previous = desired_deployment();
    previous["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"name": "OLD", "value": "x"}));
    previous["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst".into();
    let mut live = live_deployment();
    let container = &mut live["spec"]["template"]["spec"]["containers"][1];
    container["env"] = json!([{"name": "A", "value": "1"}, {"name": "B"}, {"name": "OLD", "value": "x"}, {"name": "HAND", "value": "y"}]);
    let entries = live["metadata"]["managedFields"]
        .as_array_mut()
        .expect("a list");
    entries.push(json!({"manager": "kubectl-set", "operation": "Update", "fieldsV1": {"f:spec": {"f:template": {"f:spec":
        {"f:containers": {"k:{\"name\":\"app\"}": {"f:env": {"k:{\"name\":\"HAND\"}": {".": {}, "f:name": {}, "f:value": {}}}}}}}}}}));
    let found = compare(&desired_deployment(), Some(&previous), &live, &plain());
    assert_eq!(
        paths(&found.differences),
        ["spec.template.spec.containers[name=app].env[name=OLD]"]
    );
    assert_eq!(found.differences[0].change, FieldChange::Removed);
    assert_eq!(
        paths(&found.extra),
        ["spec.template.spec.containers[name=app].env[name=HAND]"]
    );
    assert_eq!(
        found.extra[0]
            .owner
            .as_ref()
            .map(|owner| owner.manager.as_str()),
        Some("kubectl-set")
    );
    let env = &found.after.expect("there")["spec"]["template"]["spec"]["containers"][1]["env"];
    assert_eq!(env.as_array().map(Vec::len), Some(3), "{env}");
}

#[test]
fn replicas_are_left_to_an_autoscaler_and_not_to_a_person() {
    let mut live = live_deployment();
    live["spec"]["replicas"] = 7.into();
    let scaled_by = |manager: &str, live: &Value| {
        let mut live = live.clone();
        let entry = json!({"manager": manager, "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:replicas": {}}}});
        live["metadata"]["managedFields"]
            .as_array_mut()
            .expect("a list")
            .push(entry);
        live
    };
    let found = compare(
        &desired_deployment(),
        None,
        &scaled_by("kube-controller-manager", &live),
        &plain(),
    );
    assert!(found.is_same());
    assert_eq!(paths(&found.yielded), ["spec.replicas"]);
    assert_eq!(found.before, found.after);
    let mut desired = desired_deployment();
    found.yielded[0].path.remove_from(&mut desired);
    assert_eq!(desired["spec"].get("replicas"), None);

    let found = compare(
        &desired_deployment(),
        None,
        &scaled_by("kubectl", &live),
        &plain(),
    );
    assert_eq!(paths(&found.differences), ["spec.replicas"]);
    let scaler = json!({"kind": "HorizontalPodAutoscaler", "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}});
    let options = CompareOptions {
        autoscaled: scale_targets([&scaler]),
        ..plain()
    };
    assert_eq!(
        paths(&compare(&desired_deployment(), None, &live, &options).yielded),
        ["spec.replicas"]
    );
}

#[test]
fn the_data_of_a_secret_is_said_to_differ_and_not_shown() {
    let live = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "s"},
        "data": {"same": "c2FtZS12YWx1ZQ==", "pin": "b2xkLXNlY3JldA=="}});
    let desired = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "stringData": {"same": "same-value", "pin": "new-secret", "more": "third-secret"}});
    let found = compare(&desired, None, &live, &plain());
    assert_eq!(paths(&found.differences), ["data.pin", "data.more"]);
    assert!(found.differences.iter().all(|difference| difference.masked
        && difference.before.is_none()
        && difference.after.is_none()));
    let told = format!("{found:?}{}", serde_json::to_string(&found).expect("JSON"));
    for secret in [
        "same-value",
        "old-secret",
        "new-secret",
        "c2FtZS12",
        "b2xkLX",
        "bmV3LX",
        "dGhpcmQ",
        "third-secret",
    ] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    let (before, after) = (found.before.expect("there"), found.after.expect("there"));
    assert_eq!(before["data"]["same"], MASKED);
    assert_ne!(before["data"]["pin"], after["data"]["pin"]);

    let options = CompareOptions {
        show_secrets: true,
        ..plain()
    };
    assert_eq!(
        compare(&desired, None, &live, &options).differences[0].before,
        Some(json!("b2xkLXNlY3JldA=="))
    );
    let removed = compare_removed(&live, &plain());
    assert!(!format!("{removed:?}").contains("b2xkLX"));
}

#[test]
fn values_known_or_named_as_secret_are_masked_in_every_kind() {
    let pod = |password: &str, url: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [
        {"name": "app", "args": [url], "env": [{"name": "DB_PASSWORD", "value": password}]}]}})
    };
    let mut sensitive = SensitiveValues::default();
    sensitive.add("hunter2");
    let options = CompareOptions {
        sensitive,
        ..plain()
    };
    let found = compare_manifests(
        &pod("first-one", "x://a@h"),
        &pod("second-one", "x://hunter2@h"),
        &options,
    );
    let told = format!("{found:?}");
    for secret in ["first-one", "second-one", "hunter2"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    assert_eq!(found.differences[0].after, Some(json!("x://(masked)@h")));
    assert!(found.differences[1].masked);
}

#[test]
fn manifests_are_compared_without_live_objects() {
    let service = |ports: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": ports}});
    let before =
        service(json!([{"port": 80, "targetPort": "8080", "protocol": "TCP"}, {"port": 9090}]));
    let after = service(json!([{"port": 80, "targetPort": 8080}]));
    let found = compare_manifests(&before, &after, &plain());
    assert_eq!(paths(&found.differences), ["spec.ports[port=9090]"]);
}

#[test]
fn lists_without_keys_are_told_item_by_item_around_what_is_alike() {
    let pod = |args: &[&str]| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "args": args}]}});
    let found = compare_manifests(
        &pod(&["a", "b", "d"]),
        &pod(&["a", "b", "c", "d"]),
        &plain(),
    );
    assert_eq!(
        paths(&found.differences),
        ["spec.containers[name=a].args[2]"]
    );
    assert_eq!(found.differences[0].change, FieldChange::Added);
    let found = compare_manifests(&pod(&["a", "x", "d"]), &pod(&["a", "d"]), &plain());
    assert_eq!(found.differences[0].change, FieldChange::Removed);
    assert_eq!(found.differences[0].before, Some(json!("x")));
    assert_eq!(found.differences.len(), 1);
    let found = compare_manifests(&pod(&["a", "b"]), &pod(&["a", "c"]), &plain());
    assert_eq!(found.differences[0].change, FieldChange::Changed);
}

#[test]
fn an_order_counts_where_it_has_a_meaning() {
    let pod = |list: &str, names: [&str; 2]| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {list: [{"name": names[0], "image": "i"}, {"name": names[1], "image": "i"}]}})
    };
    let (one, other) = (["a", "b"], ["b", "a"]);
    assert!(
        compare_manifests(&pod("containers", one), &pod("containers", other), &plain()).is_same()
    );
    let found = compare_manifests(
        &pod("initContainers", one),
        &pod("initContainers", other),
        &plain(),
    );
    assert_eq!(paths(&found.differences), ["spec.initContainers"]);
}

#[test]
fn an_empty_selector_is_not_an_absent_one_and_a_text_is_not_a_number() {
    let policy = |peer: Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "n"}, "spec": {"ingress": [{"from": [peer]}]}});
    let narrow = policy(json!({"podSelector": {}}));
    let wide = policy(json!({"podSelector": {}, "namespaceSelector": {}}));
    assert!(!compare_manifests(&narrow, &wide, &plain()).is_same());
    assert!(!compare_manifests(&wide, &narrow, &plain()).is_same());
    let config = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"limits": {"cpu": value}, "port": value}});
    assert_eq!(
        compare_manifests(&config("1000m"), &config("1"), &plain())
            .differences
            .len(),
        2
    );
}

#[test]
fn sets_are_paired_whatever_namespace_each_lives_in() {
    let set = |namespace: &str, names: &[&str]| -> Vec<ManifestObject> {
        let text: String = names
            .iter()
            .map(|name| format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{a: b}}\n"))
            .collect();
        crate::plan::read_manifest(&text).expect("valid")
    };
    let space = |name: &str| Namespace::new(name).expect("valid");
    let found = compare_sets(
        (&set("staging", &["both", "exporter"]), &space("staging")),
        (&set("prod", &["both", "new"]), &space("prod")),
        &plain(),
    );
    let told: Vec<(&str, Presence, bool)> = found
        .iter()
        .map(|one| (one.object.name.as_str(), one.presence, one.is_same()))
        .collect();
    assert_eq!(
        told,
        [
            ("both", Presence::Both, true),
            ("new", Presence::Added, false),
            ("exporter", Presence::Removed, false)
        ]
    );
}
