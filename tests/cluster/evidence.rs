//! What is kept of a gate: verdict and log, with the revision, collected with its record.

use anyhow::{Context, Result};
use harness::cluster::demand;
use harness::release;

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
