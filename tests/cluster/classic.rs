//! The gate as most charts write it: after one refusal Helm needs a person, we do not.

use anyhow::{Context, Result};
use harness::cluster::{Helm, demand};

use crate::stage;

const JOB: &str = "classic-pre-upgrade-validate";

#[test]
fn e2e_after_a_refusal_the_next_good_upgrade_of_the_classic_chart_passes() -> Result<()> {
    let Some(stage) = stage::set("classic")? else {
        return Ok(());
    };
    stage
        .classic(stage.deployer()?, "install", "champion")?
        .expect(0)?;
    stage
        .classic(stage.deployer()?, "upgrade", "degraded")?
        .arg("--atomic")
        .expect(3)?
        .says(&["revision 1 is still deployed"])?;
    stage
        .classic(stage.deployer()?, "upgrade", "better")?
        .arg("--atomic")
        .expect(0)?;
    let served = stage.object("configmap", "classic-served")?;
    demand(
        served["data"]["modelPath"] == "s3://ml-models/fraud/better.pt",
        || format!("{served}"),
    )?;
    let statuses = stage.statuses("classic")?;
    demand(statuses == ["superseded", "failed", "deployed"], || {
        format!("{statuses:?}")
    })
}

#[test]
fn e2e_a_job_that_helm_left_failed_does_not_stop_us() -> Result<()> {
    for helm in Helm::ALL {
        let Some(stage) = stage::set(&format!("wedged-{}", helm.name()))? else {
            return Ok(());
        };
        stage
            .classic(stage.helm(helm)?, "install", "champion")?
            .expect(0)?;
        stage
            .classic(stage.helm(helm)?, "upgrade", "degraded")?
            .expect(1)?;
        // Proves that the wedge is there, so that the test cannot pass for want of it.
        stage
            .classic(stage.helm(helm)?, "upgrade", "better")?
            .expect(1)?;
        let wedged = stage.object("job", JOB)?;
        stage
            .classic(stage.deployer()?, "upgrade", "better")?
            .expect(0)?;
        let served = stage.object("configmap", "classic-served")?;
        demand(
            served["data"]["modelPath"] == "s3://ml-models/fraud/better.pt",
            || format!("{served}"),
        )?;
        let left = stage.namespace.get(&["job", JOB])?;
        demand(
            left.is_none_or(|job| job["metadata"]["uid"] != wedged["metadata"]["uid"]),
            || "the old Job is still there".to_owned(),
        )?;
    }
    Ok(())
}

#[test]
fn e2e_a_completed_job_of_an_earlier_revision_never_counts() -> Result<()> {
    let Some(stage) = stage::set("stale")? else {
        return Ok(());
    };
    stage
        .gated(stage.deployer()?, "install", "champion")?
        .expect(0)?;
    let first = stage.object("job", "fraud-model-validate")?;
    // The same path, another model behind it: the Job's spec does not change.
    let degraded = harness::datasets::model("degraded")?;
    stage
        .server
        .put("ml-models", "fraud/champion.pt", &degraded)?;
    stage
        .gated(stage.deployer()?, "upgrade", "champion")?
        .expect(3)?
        .says(&["rejected by hook"])?;
    let second = stage.object("job", "fraud-model-validate")?;
    let uid = second["metadata"]["uid"]
        .as_str()
        .context("a Job without UID")?;
    demand(first["metadata"]["uid"] != uid, || {
        "the old Job was taken for a new one".to_owned()
    })
}
