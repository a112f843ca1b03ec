//! What is kept of a gate: verdict and log, with the revision, collected with its record.

use anyhow::{Context, Result};
use harness::cluster::{Cluster, demand};
use harness::{release, workspace};
use rustix::process::Signal;

use crate::stage;

#[test]
fn e2e_evidence_belongs_to_its_record_and_goes_with_it() -> Result<()> {
    let Some(stage) = stage::set("evidence")? else {
        return Ok(());
    };
    stage
        .gated(stage.deployer()?, "install", "champion")?
        .expect(0)?;
    stage
        .gated(stage.deployer()?, "upgrade", "degraded")?
        .expect(3)?;
    for (revision, outcome) in [(1, "pass"), (2, "fail")] {
        let record = stage.object(
            "secret",
            &format!("sh.helm.release.v1.fraud-model.v{revision}"),
        )?;
        let evidence = stage.object(
            "secret",
            &format!("sh.deployer.evidence.v1.fraud-model.v{revision}"),
        )?;
        let owner = &evidence["metadata"]["ownerReferences"][0];
        demand(
            owner["uid"] == record["metadata"]["uid"] && owner["kind"] == "Secret",
            || format!("evidence of revision {revision} is owned by {owner}"),
        )?;
        demand(evidence["type"] == "deployer/evidence.v1", || {
            format!("{evidence}")
        })?;
        let data = evidence["data"]["evidence"]
            .as_str()
            .context("no evidence")?;
        let text = release::decode_evidence(data)?.to_string();
        for part in ["validator/verdict", outcome, "latency_ms_p99"] {
            demand(text.contains(part), || format!("no `{part}` in {text}"))?;
        }
        demand(
            !text.contains(&stage.server.credentials().secret_key),
            || "the secret is in the evidence".to_owned(),
        )?;
    }
    stage
        .deployer()?
        .args(["uninstall", "fraud-model"])
        .expect(0)?;
    stage.namespace.wait_until("the evidence to go", || {
        let left = stage
            .namespace
            .items(&["secrets", "--selector=owner=deployer"])?;
        Ok(left.is_empty().then_some(()))
    })
}

#[test]
fn e2e_evidence_of_a_refused_first_install_is_kept_and_shown() -> Result<()> {
    let Some(stage) = stage::set("first")? else {
        return Ok(());
    };
    stage
        .gated(stage.deployer()?, "install", "degraded")?
        .arg("--atomic")
        .expect(3)?
        .says(&["nothing is deployed"])?;
    let history = stage.deployer()?.args(["history", "fraud-model"]).run()?;
    demand(history.stdout.to_lowercase().contains("fail"), || {
        history.describe()
    })?;
    stage
        .gated(stage.deployer()?, "install", "champion")?
        .arg("--atomic")
        .expect(0)?;
    Ok(())
}

#[test]
fn e2e_what_a_gate_said_is_kept_when_its_deployer_is_killed() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    let namespace = cluster.namespace("killed-gate")?;
    let (repository, tag) = cluster.image("redis")?;
    let running = namespace
        .deployer()?
        .args(["install", "endless"])
        .arg(workspace::test_chart("endless-gate"))
        .arg(format!("--set=image={repository}:{tag}"))
        .start()?;
    let ready = "Ready to accept connections";
    namespace.wait_until("the gate to say something", || {
        let log = namespace
            .kubectl()
            .args(["logs", "--selector=gate=endless"])
            .run()?;
        Ok(log.stdout.contains(ready).then_some(()))
    })?;
    running.signal(Signal::KILL)?;
    running.wait()?;

    namespace
        .deployer()?
        .args(["recover", "endless"])
        .expect(0)?;
    let history = namespace
        .deployer()?
        .args(["history", "endless", "--output=json"])
        .expect(0)?;
    for part in ["removed", "interrupted: the process of "] {
        demand(history.stdout.contains(part), || history.describe())?;
    }
    let shown = namespace
        .deployer()?
        .args(["history", "endless", "--revision=1"])
        .expect(0)?;
    for part in ["hook endless-gate", ready] {
        demand(shown.stdout.contains(part), || shown.describe())?;
    }
    namespace.wait_until("the gate to be gone", || {
        let left = namespace.items(&["jobs,pods", "--selector=job-name=endless-gate"])?;
        Ok(left.is_empty().then_some(()))
    })
}
