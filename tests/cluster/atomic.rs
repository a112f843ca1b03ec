//! What is half done is undone: pods that never get ready, and Ctrl-C.

use std::time::Duration;

use anyhow::Result;
use harness::cluster::demand;
use rustix::process::Signal;

use crate::stage::{self, Stage};

/// Installs the server without its gate, which is not what is tested here.
fn install(stage: &Stage) -> Result<Vec<String>> {
    stage
        .gated(stage.deployer()?, "install", "champion")?
        .args(["--set=gate.enabled=false", "--atomic", "--timeout=2m"])
        .expect(0)?;
    stage.settled_pods()
}

/// Demands that the first revision serves, by the same pod, and that nothing is pending.
fn is_back(stage: &Stage, pods: &[String]) -> Result<()> {
    let deployment = stage.object("deployment", "fraud-model")?;
    demand(deployment.to_string().contains("fraud/champion.pt"), || {
        format!("{deployment}")
    })?;
    let remaining = stage.settled_pods()?;
    demand(remaining == pods, || {
        format!("{remaining:?} instead of {pods:?}")
    })?;
    let statuses = stage.statuses("fraud-model")?;
    demand(
        statuses.iter().all(|status| !status.starts_with("pending")),
        || format!("{statuses:?}"),
    )?;
    let deployed = statuses
        .iter()
        .filter(|status| *status == "deployed")
        .count();
    demand(deployed == 1, || format!("{statuses:?}"))
}

#[test]
fn e2e_pods_that_never_get_ready_are_rolled_back() -> Result<()> {
    let Some(stage) = stage::set("unready")? else {
        return Ok(());
    };
    let pods = install(&stage)?;
    let failed = stage
        .gated(stage.deployer()?, "upgrade", "better")?
        .args(["--set=gate.enabled=false", "--atomic", "--timeout=15s"])
        .arg("--set=model.path=s3://ml-models/fraud/no-such-model.pt")
        .expect(4)?;
    failed.is_orderly()?.says(&[
        "has been rolled back",
        "as in revision 1 again",
        "no-such-model.pt",
    ])?;
    is_back(&stage, &pods)
}

#[test]
fn e2e_a_first_install_that_never_gets_ready_is_removed() -> Result<()> {
    let Some(stage) = stage::set("removed")? else {
        return Ok(());
    };
    let failed = stage
        .gated(stage.deployer()?, "install", "champion")?
        .args(["--set=gate.enabled=false", "--atomic", "--timeout=15s"])
        .arg("--set=model.path=s3://ml-models/fraud/no-such-model.pt")
        .expect(4)?;
    failed
        .is_orderly()?
        .says(&["uninstalled", "nothing is deployed"])?;
    demand(
        stage
            .namespace
            .get(&["deployment", "fraud-model"])?
            .is_none(),
        || "the Deployment is still there".to_owned(),
    )?;
    demand(stage.records("fraud-model")?.is_empty(), || {
        "a record is still there".to_owned()
    })
}

#[test]
fn e2e_ctrl_c_during_an_atomic_upgrade_ends_in_the_last_good_revision() -> Result<()> {
    let Some(stage) = stage::set("interrupt")? else {
        return Ok(());
    };
    let pods = install(&stage)?;
    let running = stage
        .gated(stage.deployer()?, "upgrade", "better")?
        .args(["--set=gate.enabled=false", "--atomic", "--timeout=3m"])
        .arg("--set=model.path=s3://ml-models/fraud/no-such-model.pt")
        .time_limit(Duration::from_secs(120))
        .start()?;
    stage.namespace.wait_until("the new revision's pod", || {
        Ok((stage.pods()?.len() == 2).then_some(()))
    })?;
    running.signal(Signal::INT)?;
    let output = running.wait()?;
    output.is_orderly()?.says(&["as in revision 1 again"])?;
    demand(output.code() == Some(4), || output.describe())?;
    is_back(&stage, &pods)
}

#[test]
fn e2e_ctrl_c_during_the_gate_stops_its_job_and_changes_nothing() -> Result<()> {
    let Some(stage) = stage::set("interrupt-gate")? else {
        return Ok(());
    };
    let pods = install(&stage)?;
    let running = stage
        .gated(stage.deployer()?, "upgrade", "slow")?
        .args(["--atomic", "--timeout=3m"])
        .time_limit(Duration::from_secs(120))
        .start()?;
    let gate =
        "--selector=app.kubernetes.io/component=gate,app.kubernetes.io/name=fraud-model-gate";
    stage.namespace.wait_until("the gate's pod to run", || {
        let pods = stage.namespace.items(&["pods", gate])?;
        Ok(pods
            .iter()
            .any(|pod| pod["status"]["phase"] == "Running")
            .then_some(()))
    })?;
    running.signal(Signal::INT)?;
    let output = running.wait()?;
    output
        .is_orderly()?
        .says(&["revision 1 is still deployed"])?;
    demand(output.code() != Some(0), || output.describe())?;
    stage.namespace.wait_until("the gate's pod to end", || {
        let pods = stage.namespace.items(&["pods", gate])?;
        Ok((!pods.iter().any(|pod| pod["status"]["phase"] == "Running")).then_some(()))
    })?;
    is_back(&stage, &pods)
}
