//! How objects are applied: flags, field managers, and hand-overs to and from Helm.

use std::path::PathBuf;

use anyhow::{Context, Result};
use harness::cluster::{Helm, demand};
use serde_json::{Value, json};

use crate::room::{self, Room, SERVE, config_map};

#[test]
fn e2e_force_replace_puts_the_manifest_in_the_place_of_what_others_have_set() -> Result<()> {
    let Some(room) = room::open("replace")? else {
        return Ok(());
    };
    room.deploy("install", "web", &[config_map("first", "1")])?
        .expect(0)?;
    room.namespace
        .kubectl()
        .args(["patch", "configmap", "first", "--type=merge"])
        .arg("--patch={\"data\":{\"foreign\":\"1\"}}")
        .expect(0)?;
    room.deploy("upgrade", "web", &[config_map("first", "2")])?
        .expect(0)?;
    let map = room.object("configmap", "first")?;
    demand(map["data"] == json!({"key": "2", "foreign": "1"}), || {
        map.to_string()
    })?;
    room.deploy("upgrade", "web", &[config_map("first", "3")])?
        .arg("--force-replace")
        .expect(0)?;
    let map = room.object("configmap", "first")?;
    demand(map["data"] == json!({"key": "3"}), || map.to_string())
}

/// Writes a chart with a definition whose column tells its version.
fn chart_with_definition(room: &Room, group: &str, column: &str) -> Result<PathBuf> {
    let chart = room.folder().join("with-crds");
    std::fs::create_dir_all(chart.join("crds"))?;
    std::fs::create_dir_all(chart.join("templates"))?;
    std::fs::write(
        chart.join("Chart.yaml"),
        "apiVersion: v2\nname: with-crds\nversion: 0.1.0\n",
    )?;
    std::fs::write(
        chart.join("templates/map.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: first}\n",
    )?;
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}")},
        "spec": {"group": group, "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things", "singular": "thing"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                "additionalPrinterColumns": [{"name": column, "type": "string", "jsonPath": ".spec.size"}]}]},
    });
    std::fs::write(chart.join("crds/thing.yaml"), definition.to_string())?;
    Ok(chart)
}

#[test]
fn e2e_definitions_are_upgraded_only_when_asked_for() -> Result<()> {
    let Some(room) = room::open("crds")? else {
        return Ok(());
    };
    let group = format!("{}.example.com", room.namespace.name());
    let name = format!("things.{group}");
    let column = || -> Result<Value> {
        let definition = room.object("customresourcedefinition", &name)?;
        Ok(definition["spec"]["versions"][0]["additionalPrinterColumns"][0]["name"].clone())
    };
    let chart = chart_with_definition(&room, &group, "Size")?;
    let run = |command: &str, flags: &[&str]| -> Result<_> {
        room.namespace
            .deployer()?
            .args([command, "web"])
            .arg(&chart)
            .args(flags)
            .expect(0)
    };
    run("install", &[])?;
    demand(column()? == "Size", || "not created".to_owned())?;
    chart_with_definition(&room, &group, "Weight")?;
    run("upgrade", &[])?;
    demand(column()? == "Size", || "upgraded unasked".to_owned())?;
    run("upgrade", &["--upgrade-crds"])?;
    let after = column()?;
    room.namespace
        .kubectl()
        .args(["delete", "customresourcedefinition", &name, "--wait=false"])
        .expect(0)?;
    demand(after == "Weight", || "not upgraded".to_owned())
}

/// Returns operation and manager of each entry that ours or Helm's hands wrote.
fn managers(object: &Value) -> Vec<(String, String)> {
    let entries = object["metadata"]["managedFields"].as_array();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = entries
        .into_iter()
        .flatten()
        .map(|entry| (text(&entry["operation"]), text(&entry["manager"])))
        .collect();
    found.sort();
    found
}

fn live_map(room: &Room) -> Result<Value> {
    room.namespace
        .get(&["configmap", "first", "--show-managed-fields"])?
        .context("no configmap")
}

fn method(room: &Room) -> Result<Value> {
    let secrets = room
        .namespace
        .items(&["secrets", "--selector=owner=helm,name=web"])?;
    let newest = secrets.iter().max_by_key(|secret| {
        let version = &secret["metadata"]["labels"]["version"];
        version.as_str().and_then(|text| text.parse::<u64>().ok())
    });
    let data = newest.context("no record")?["data"]["release"]
        .as_str()
        .context("no data")?;
    Ok(harness::release::decode_record(data)?["apply_method"].clone())
}

fn two_keys(value: &str, other: Option<&str>) -> Value {
    let mut map = config_map("first", value);
    if let Some(other) = other {
        map["data"]["other"] = json!(other);
    }
    map
}

#[test]
fn e2e_a_release_changes_hands_between_client_side_and_server_side_and_loses_no_field() -> Result<()>
{
    for helm in Helm::ALL {
        let Some(room) = room::open(&format!("hands-{}", helm.name()))? else {
            return Ok(());
        };
        let helm_run = |command: &str, object: Value, flags: &[&str]| -> Result<_> {
            room.with(room.namespace.helm(helm)?, command, "web", &[object])?
                .args(flags)
                .expect(0)
        };
        let ours = |object: Value, flag: &str| -> Result<_> {
            room.deploy("upgrade", "web", &[object])?
                .arg(flag)
                .expect(0)
        };
        // Helm 3 knows client-side merges alone.
        let client_side: &[&str] = match helm {
            Helm::V3 => &[],
            Helm::V4 => &["--server-side=false"],
        };
        helm_run("install", two_keys("1", Some("1")), client_side)?;
        // Server-side: what left the chart goes, though it was written by an update.
        ours(two_keys("2", None), "--server-side=true")?;
        let map = live_map(&room)?;
        demand(map["data"] == json!({"key": "2"}), || map.to_string())?;
        demand(
            managers(&map) == [("Apply".to_owned(), "helm".to_owned())],
            || format!("{:?}", managers(&map)),
        )?;
        demand(method(&room)? == "ssa", || format!("{:?}", method(&room)))?;
        // And back.
        ours(two_keys("3", Some("3")), "--server-side=false")?;
        demand(method(&room)? == "csa", || format!("{:?}", method(&room)))?;
        ours(two_keys("4", None), "--server-side=false")?;
        let map = live_map(&room)?;
        demand(map["data"] == json!({"key": "4"}), || map.to_string())?;
        // Helm goes on with it, and we with what it made.
        helm_run("upgrade", two_keys("5", Some("5")), &[])?;
        ours(two_keys("6", None), "--server-side=auto")?;
        let map = live_map(&room)?;
        demand(map["data"] == json!({"key": "6"}), || map.to_string())?;
        helm_run("upgrade", two_keys("7", None), &[])?;
        let map = live_map(&room)?;
        demand(map["data"] == json!({"key": "7"}), || map.to_string())?;
    }
    Ok(())
}

#[test]
fn e2e_replicas_that_an_autoscaler_set_stay() -> Result<()> {
    let Some(room) = room::open("scaled")? else {
        return Ok(());
    };
    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2, "maxReplicas": 3,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}});
    let objects = |label: &str| {
        let mut web = room.deployment("web", &SERVE);
        web["spec"]["replicas"] = json!(1);
        web["metadata"]["labels"] = json!({"round": label});
        web["spec"]["template"]["spec"]["containers"][0]["resources"] =
            json!({"requests": {"cpu": "1m"}});
        [web, scaler.clone()]
    };
    let replicas =
        || -> Result<Value> { Ok(room.object("deployment", "web")?["spec"]["replicas"].clone()) };
    room.deploy("install", "web", &objects("1"))?.expect(0)?;
    room.namespace.wait_until("the autoscaler to scale", || {
        Ok((replicas()? == 2).then_some(()))
    })?;
    for (round, method) in [("2", "true"), ("3", "false")] {
        let output = room
            .deploy("upgrade", "web", &objects(round))?
            .arg(format!("--server-side={method}"))
            .expect(0)?;
        output.says(&["keeps its spec.replicas: an autoscaler sets it"])?;
        let web = room.object("deployment", "web")?;
        demand(
            web["spec"]["replicas"] == 2 && web["metadata"]["labels"]["round"] == round,
            || web.to_string(),
        )?;
    }
    Ok(())
}

#[test]
fn e2e_what_is_to_be_kept_survives_an_upgrade_without_it_and_the_uninstall() -> Result<()> {
    let Some(room) = room::open("keep")? else {
        return Ok(());
    };
    let kept = |name: &str| {
        let mut map = config_map(name, "1");
        map["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
        map
    };
    let all = [config_map("gone", "1"), kept("dropped"), kept("last")];
    room.deploy("install", "web", &all)?.expect(0)?;
    let output = room.deploy("upgrade", "web", &[kept("last")])?.expect(0)?;
    output.says(&["ConfigMap `dropped`", "was kept due to the resource policy"])?;
    room.object("configmap", "dropped")?;
    demand(
        room.namespace.get(&["configmap", "gone"])?.is_none(),
        || "it is still there".to_owned(),
    )?;
    let output = room
        .namespace
        .deployer()?
        .args(["uninstall", "web"])
        .expect(0)?;
    demand(
        output.stdout.contains("kept due to the resource policy")
            && output.stdout.contains("[ConfigMap] last"),
        || output.describe(),
    )?;
    room.object("configmap", "last")?;
    // Whoever keeps it may have it again.
    room.deploy("install", "web", &[kept("last")])?.expect(0)?;
    Ok(())
}
