//! Hooks on the cluster: their needs, tests, and rollbacks whose hooks fail.

use anyhow::Result;
use harness::cluster::demand;
use serde_json::{Value, json};

use crate::room::{self, FAIL, SUCCEED, config_map, hook};

#[test]
fn e2e_a_hook_that_needs_what_is_made_only_later_is_refused_before_it_runs() -> Result<()> {
    let Some(room) = room::open("needs")? else {
        return Ok(());
    };
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "runner"}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"a": "b"}});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}});
    let map = config_map("settings", "1");
    let job = |change: &dyn Fn(&mut Value)| {
        let mut job = room.job("gate", &SUCCEED);
        change(&mut job["spec"]["template"]["spec"]);
        hook(job, "pre-install")
    };
    let cases: [(&str, Value, Value); 4] = [
        (
            "ServiceAccount `runner`",
            account.clone(),
            job(&|pod| pod["serviceAccountName"] = json!("runner")),
        ),
        (
            "ConfigMap `settings`",
            map,
            job(&|pod| {
                pod["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
            }),
        ),
        (
            "Secret `key`",
            secret,
            job(&|pod| {
                pod["volumes"] = json!([{"name": "v", "secret": {"secretName": "key"}}]);
                pod["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
            }),
        ),
        (
            "PersistentVolumeClaim `disk`",
            claim,
            job(&|pod| {
                pod["volumes"] =
                    json!([{"name": "v", "persistentVolumeClaim": {"claimName": "disk"}}]);
                pod["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
            }),
        ),
    ];
    for (need, object, job) in &cases {
        let output = room
            .deploy("install", "web", &[object.clone(), job.clone()])?
            .expect(2)?;
        output.is_orderly()?.says(&[
            need,
            "nothing was changed",
            "helm.sh/hook: pre-install",
            "helm.sh/hook-weight: \"-1\"",
        ])?;
        let secrets = room
            .namespace
            .items(&["secrets", "--selector=owner=helm"])?;
        demand(secrets.is_empty(), || format!("{need}: {secrets:?}"))?;
    }
    // The mend that was named helps.
    let mut first = hook(account, "pre-install");
    first["metadata"]["annotations"]["helm.sh/hook-weight"] = json!("-1");
    let (_, _, job) = &cases[0];
    room.deploy("install", "web", &[first, job.clone()])?
        .expect(0)?;
    Ok(())
}

fn test_pod(room: &room::Room, name: &str, command: &[&str]) -> Value {
    let mut spec = room.template(name, command)["spec"].clone();
    spec["restartPolicy"] = json!("Never");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
    hook(pod, "test")
}

#[test]
fn e2e_tests_of_a_release_run_are_chosen_by_name_and_their_logs_are_printed() -> Result<()> {
    let Some(room) = room::open("tests")? else {
        return Ok(());
    };
    let objects = [
        config_map("first", "1"),
        test_pod(&room, "smoke", &SUCCEED),
        test_pod(&room, "broken", &FAIL),
    ];
    room.deploy("install", "web", &objects)?.expect(0)?;
    let test = |flags: &[&str], code: i32| -> Result<_> {
        room.namespace
            .deployer()?
            .args(["test", "web", "--timeout=2m"])
            .args(flags)
            .expect(code)
    };
    let smoke = test(&["--filter=name=smoke", "--logs"], 0)?;
    demand(
        smoke.stdout.contains("POD LOGS: smoke") && smoke.stdout.contains("redis-cli "),
        || smoke.describe(),
    )?;
    demand(room.namespace.get(&["pod", "broken"])?.is_none(), || {
        "the other test ran".to_owned()
    })?;
    let broken = test(&["--filter=!name=smoke", "--logs"], 1)?;
    broken.is_orderly()?.says(&["broken"])?;
    demand(
        broken.stdout.contains("POD LOGS: broken") && broken.stdout.contains("no-such-option"),
        || broken.describe(),
    )?;
    // A failed test changes nothing of the release.
    let statuses = room.statuses("web")?;
    demand(statuses == ["deployed"], || format!("{statuses:?}"))
}

#[test]
fn e2e_a_rollback_whose_hook_fails_is_recorded_as_failed_and_nothing_stays_pending() -> Result<()> {
    for event in ["pre-rollback", "post-rollback"] {
        let Some(room) = room::open(event)? else {
            return Ok(());
        };
        let objects = |value: &str| {
            [
                config_map("first", value),
                hook(room.job("hook", &FAIL), event),
            ]
        };
        room.deploy("install", "web", &objects("1"))?.expect(0)?;
        room.deploy("upgrade", "web", &objects("2"))?.expect(0)?;
        let output = room
            .namespace
            .deployer()?
            .args(["rollback", "web", "1", "--timeout=2m"])
            .expect(1)?;
        output.is_orderly()?.says(&[
            &format!("{event} hooks failed"),
            "no-such-option",
            "state: ",
        ])?;
        let statuses = room.statuses("web")?;
        demand(statuses == ["superseded", "deployed", "failed"], || {
            format!("{event}: {statuses:?}")
        })?;
        room.deploy("upgrade", "web", &objects("3"))?.expect(0)?;
    }
    Ok(())
}

#[test]
fn e2e_a_definition_that_is_a_hook_is_served_before_the_next_hook_needs_it() -> Result<()> {
    let Some(room) = room::open("definition")? else {
        return Ok(());
    };
    let group = format!("{}.example.com", room.namespace.name());
    let name = format!("things.{group}");
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}]},
    });
    let thing =
        json!({"apiVersion": format!("{group}/v1"), "kind": "Thing", "metadata": {"name": "one"}});
    let objects = [
        config_map("first", "1"),
        hook(definition, "pre-install"),
        hook(thing, "post-install"),
    ];
    let outcome = room.deploy("install", "web", &objects)?.run()?;
    let made = room.namespace.get(&[&name, "one"]);
    room.namespace
        .kubectl()
        .args(["delete", "customresourcedefinition", &name, "--wait=false"])
        .expect(0)?;
    demand(outcome.code() == Some(0), || outcome.describe())?;
    demand(made?.is_some(), || "the thing is not there".to_owned())
}
