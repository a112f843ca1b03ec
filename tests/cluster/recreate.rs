//! Changes that the server refuses in place: named with the flag that makes them, planned as a step
//! of their own, and taken back.

use anyhow::{Context, Result};
use harness::cluster::demand;
use serde_json::{Value, json};

use crate::room::{self, Room, SERVE, SUCCEED};

const OBJECTS: [(&str, &str, &str); 4] = [
    ("deployment", "Deployment", "web"),
    ("statefulset", "StatefulSet", "set"),
    ("service", "Service", "door"),
    ("job", "Job", "once"),
];

/// Returns objects that differ in what cannot be changed, by the label.
fn objects(room: &Room, label: &str) -> Vec<Value> {
    let labelled = |mut object: Value, kind: &str| {
        object["kind"] = json!(kind);
        object["spec"]["selector"]["matchLabels"] = json!({"app": label});
        object["spec"]["template"]["metadata"]["labels"] = json!({"app": label});
        object
    };
    let web = labelled(room.deployment("web", &SERVE), "Deployment");
    let mut set = room.deployment("set", &SERVE);
    set["kind"] = json!("StatefulSet");
    set["spec"]["serviceName"] = json!(label);
    let mut door = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "door"},
        "spec": {"selector": {"app": label}, "ports": [{"port": 6379}]}});
    if label == "second" {
        door["spec"]["clusterIP"] = json!("None");
    }
    let mut once = room.job("once", &SUCCEED);
    once["spec"]["template"]["metadata"]["labels"] = json!({"app": label});
    vec![web, set, door, once]
}

fn identities(room: &Room) -> Result<Vec<String>> {
    OBJECTS
        .iter()
        .map(|(kind, _, name)| {
            let object = room.object(kind, name)?;
            let uid = object["metadata"]["uid"].as_str().context("no UID")?;
            Ok(uid.to_owned())
        })
        .collect()
}

#[test]
fn e2e_what_cannot_be_changed_is_recreated_when_asked_for_and_brought_back_when_it_fails()
-> Result<()> {
    let Some(room) = room::open("recreate")? else {
        return Ok(());
    };
    room.deploy("install", "web", &objects(&room, "first"))?
        .args(["--wait", "--timeout=2m"])
        .expect(0)?;
    let before = identities(&room)?;

    // Without the flag, the field and the flag are named, as Helm names the field alone.
    let second = objects(&room, "second");
    let refused = room.deploy("upgrade", "web", &second)?.expect(1)?;
    refused.is_orderly()?.says(&[
        "Deployment `web`: `spec.selector",
        "StatefulSet `set`: `spec.serviceName`",
        "Service `door`: `spec.clusterIP",
        "Job `once`: `spec.template",
        "cannot be changed in place",
        "may not change once set",
        "hint: `--force-replace` deletes the object and creates it anew",
    ])?;
    demand(identities(&room)? == before, || "it was deleted".to_owned())?;

    // The plan shows it as a step with its undo.
    let dry = room
        .deploy("upgrade", "web", &second)?
        .args(["--force-replace", "--dry-run=server"])
        .expect(0)?;
    for (_, kind, name) in OBJECTS {
        let line = format!("recreate   {kind} `{name}`");
        let found = dry
            .stdout
            .lines()
            .find(|text| text.contains(&line))
            .with_context(|| format!("no `{line}`\n{}", dry.describe()))?;
        demand(found.contains("(undo: recreate)"), || found.to_owned())?;
    }
    demand(dry.stdout.contains("4 to delete and create anew"), || {
        dry.describe()
    })?;
    demand(identities(&room)? == before, || "it was deleted".to_owned())?;

    room.deploy("upgrade", "web", &second)?
        .args(["--force-replace", "--wait", "--timeout=2m"])
        .expect(0)?
        .says(&["Deployment `web` deleted and created anew"])?;
    let after = identities(&room)?;
    demand(
        after.iter().zip(&before).all(|(new, old)| new != old),
        || format!("{before:?} {after:?}"),
    )?;

    // What undoes it has to recreate, too.
    let mut third = objects(&room, "third");
    third[0]["spec"]["template"]["spec"]["containers"][0]["image"] = json!(room.missing_image());
    room.deploy("upgrade", "web", &third)?
        .args(["--force-replace", "--atomic", "--timeout=2m"])
        .expect(4)?
        .is_orderly()?
        .says(&["everything is as in revision 3 again"])?;
    let web = room.object("deployment", "web")?;
    demand(
        web["spec"]["selector"]["matchLabels"]["app"] == "second",
        || web.to_string(),
    )?;
    let statuses = room.statuses("web")?;
    demand(
        statuses == ["superseded", "failed", "superseded", "failed", "deployed"],
        || format!("{statuses:?}"),
    )
}
