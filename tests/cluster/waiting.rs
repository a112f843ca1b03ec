//! What is waited for, and that nothing is waited for which cannot come.

use std::time::Duration;

use anyhow::Result;
use harness::cluster::demand;
use serde_json::{Value, json};

use crate::room::{self, FAIL, SERVE, SUCCEED, hook};

/// Far more than any of these failures takes, and far less than the timeout that they are given.
const SECONDS_MAX: u64 = 100;

#[test]
fn e2e_what_cannot_heal_ends_a_wait_long_before_its_timeout() -> Result<()> {
    let Some(room) = room::open("heal")? else {
        return Ok(());
    };
    let mut missing = room.deployment("missing", &SERVE);
    missing["spec"]["template"]["spec"]["containers"][0]["image"] = json!(room.missing_image());
    let mut nowhere = room.deployment("nowhere", &SERVE);
    nowhere["spec"]["template"]["spec"]["nodeSelector"] = json!({"no-such": "node"});
    let mut crash = room.deployment("crash", &FAIL);
    // A pod that has just started is ready; one that crashes does not stay so.
    crash["spec"]["minReadySeconds"] = json!(5);
    // What is said, and the evidence that is kept.
    let cases: [(&str, Value, &[&str], &str); 4] = [
        (
            "missing",
            missing,
            &["no-such-image", "Image"],
            "ErrImagePull",
        ),
        (
            "crash",
            crash,
            &["CrashLoopBackOff", "exited with code 1", "no-such-option"],
            "no-such-option",
        ),
        (
            "failed",
            room.job("failed", &FAIL),
            &["BackoffLimitExceeded", "no-such-option"],
            "no-such-option",
        ),
        ("nowhere", nowhere, &["Unschedulable"], "FailedScheduling"),
    ];
    let started = cases
        .iter()
        .map(|(name, object, ..)| {
            room.deploy("install", name, std::slice::from_ref(object))?
                .args(["--wait", "--wait-for-jobs", "--timeout=10m"])
                .start()
        })
        .collect::<Result<Vec<_>>>()?;
    for (running, (name, _, words, evidence)) in started.into_iter().zip(&cases) {
        let output = running.wait()?;
        demand(output.code() == Some(1), || output.describe())?;
        output.is_orderly()?.says(words)?.says(&[
            "cannot become ready",
            "state: what revision 1 changed stays as it is",
            &format!("deployer history {name} --revision 1"),
        ])?;
        demand(output.duration < Duration::from_secs(SECONDS_MAX), || {
            output.describe()
        })?;
        let lines = output
            .stderr
            .split_once("error: ")
            .map_or(0, |(_, screen)| screen.lines().count());
        demand((1..=24).contains(&lines), || {
            format!("{lines} lines\n{}", output.describe())
        })?;
        let kept = room
            .namespace
            .deployer()?
            .args(["history", name, "--revision=1"])
            .expect(0)?;
        demand(kept.stdout.contains(evidence), || kept.describe())?;
    }
    Ok(())
}

#[test]
fn e2e_pods_that_a_quota_refuses_end_a_wait_at_once() -> Result<()> {
    let Some(room) = room::open("quota")? else {
        return Ok(());
    };
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
        "spec": {"hard": {"pods": "0"}}});
    room.namespace
        .kubectl()
        .args(["apply", "--filename=-"])
        .input(quota.to_string())
        .expect(0)?;
    room.namespace.wait_until("the quota to count", || {
        Ok(
            room.object("resourcequota", "none")?["status"]["hard"]["pods"]
                .is_string()
                .then_some(()),
        )
    })?;
    let mut set = room.deployment("set", &SERVE);
    set["kind"] = json!("StatefulSet");
    set["spec"]["serviceName"] = json!("set");
    let hook_job = hook(room.job("gate", &SUCCEED), "pre-install");
    let cases: [(&str, Value); 3] = [
        ("deployment", room.deployment("web", &SERVE)),
        ("stateful", set),
        ("hook", hook_job),
    ];
    let started = cases
        .iter()
        .map(|(name, object)| {
            room.deploy("install", name, std::slice::from_ref(object))?
                .args(["--wait", "--timeout=10m"])
                .start()
        })
        .collect::<Result<Vec<_>>>()?;
    for running in started {
        let output = running.wait()?;
        demand(output.code() == Some(1), || output.describe())?;
        output.is_orderly()?.says(&["exceeded quota: none"])?;
        demand(output.duration < Duration::from_secs(60), || {
            output.describe()
        })?;
    }
    Ok(())
}

#[test]
fn e2e_each_way_to_wait_waits_for_what_helm_waits_for() -> Result<()> {
    let Some(room) = room::open("ways")? else {
        return Ok(());
    };
    let install = |name: &str, object: &Value, flags: &[&str]| -> Result<_> {
        room.deploy("install", name, std::slice::from_ref(object))?
            .args(flags)
            .start()
    };
    let mut never = room.deployment("never", &SERVE);
    never["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] =
        json!({"tcpSocket": {"port": 1}, "periodSeconds": 1});
    let mut other = never.clone();
    other["metadata"]["name"] = json!("other");
    let mut third = never.clone();
    third["metadata"]["name"] = json!("third");
    let endless = room.job("endless", &SERVE);
    let mut endless_too = endless.clone();
    endless_too["metadata"]["name"] = json!("endless-too");
    let running = [
        (
            0,
            install("hooks", &never, &["--wait=hookOnly", "--timeout=8s"])?,
        ),
        (
            1,
            install("watcher", &other, &["--wait=watcher", "--timeout=8s"])?,
        ),
        (
            1,
            install("legacy", &third, &["--wait=legacy", "--timeout=8s"])?,
        ),
        (
            0,
            install("jobs-not", &endless, &["--wait", "--timeout=8s"])?,
        ),
        (
            1,
            install(
                "jobs",
                &endless_too,
                &["--wait", "--wait-for-jobs", "--timeout=8s"],
            )?,
        ),
        (
            0,
            install(
                "jobs-done",
                &room.job("done", &SUCCEED),
                &["--wait=legacy", "--wait-for-jobs", "--timeout=2m"],
            )?,
        ),
    ];
    for (code, running) in running {
        let output = running.wait()?;
        demand(output.code() == Some(code), || output.describe())?;
        if code != 0 {
            output.says(&["timed out waiting for the condition", "not ready after 8 s"])?;
        }
    }
    let done = room.object("job", "done")?;
    demand(done["status"]["succeeded"] == 1, || done.to_string())
}

#[test]
fn e2e_a_deadline_ends_the_whole_operation_and_what_undoes_it_is_not_cut_short() -> Result<()> {
    let Some(room) = room::open("deadline")? else {
        return Ok(());
    };
    room.deploy("install", "web", &[room::config_map("first", "1")])?
        .expect(0)?;
    let slow = hook(room.job("slow", &SERVE), "post-upgrade");
    let output = room
        .deploy("upgrade", "web", &[room::config_map("first", "2"), slow])?
        .args(["--atomic", "--deadline=6s", "--timeout=5m"])
        .expect(4)?;
    output
        .is_orderly()?
        .says(&["`--deadline`", "everything is as in revision 1 again"])?;
    demand(output.duration < Duration::from_secs(40), || {
        output.describe()
    })?;
    let map = room.object("configmap", "first")?;
    demand(map["data"]["key"] == "1", || map.to_string())?;
    room.namespace.wait_until("the hook's pod to end", || {
        Ok(room
            .namespace
            .items(&["pods", "--selector=app=slow"])?
            .is_empty()
            .then_some(()))
    })?;
    let statuses = room.statuses("web")?;
    demand(statuses == ["superseded", "failed", "deployed"], || {
        format!("{statuses:?}")
    })
}
