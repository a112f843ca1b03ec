//! Install, gated upgrade, refusals and the next good upgrade, on S3 and with real pods.

use anyhow::{Context, Result};
use harness::cluster::demand;
use harness::parquet_files::Table;
use serde_json::{Value, json};

use crate::stage::{self, Stage};

/// Asks the server for the scores of some real rows, and demands that `model` answers.
fn scores(stage: &Stage, model: &str) -> Result<Value> {
    let rows = Table::validation(3)?.feature_rows()?;
    let answer = stage
        .namespace
        .ask(
            "fraud-model",
            "/predict",
            Some(&json!({ "instances": rows })),
        )?
        .json()?;
    let path = format!("s3://ml-models/fraud/{model}.pt");
    demand(answer["model"]["path"] == path.as_str(), || {
        format!("{answer}")
    })?;
    let count = answer["scores"].as_array().map(Vec::len);
    demand(count == Some(rows.len()), || format!("{answer}"))?;
    Ok(answer["scores"].clone())
}

#[test]
fn e2e_a_model_is_gated_and_served_and_bad_ones_change_nothing() -> Result<()> {
    let Some(stage) = stage::set("chain")? else {
        return Ok(());
    };
    let deployer = || stage.deployer();

    let installed = stage
        .gated(deployer()?, "install", "champion")?
        .args(["--atomic", "--timeout=3m"])
        .expect(0)?;
    installed.is_orderly()?;
    let champion_scores = scores(&stage, "champion")?;

    stage
        .gated(deployer()?, "upgrade", "better")?
        .args(["--atomic", "--timeout=3m"])
        .expect(0)?;
    let pods = stage.settled_pods()?;
    let better_scores = scores(&stage, "better")?;
    demand(better_scores != champion_scores, || {
        format!("after the upgrade the old model still answers: {better_scores}")
    })?;
    let generation = stage.object("deployment", "fraud-model")?["metadata"]["generation"].clone();

    let refused = stage
        .gated(deployer()?, "upgrade", "degraded")?
        .args(["--atomic", "--timeout=3m"])
        .expect(3)?;
    refused.is_orderly()?.says(&[
        "[fraud-model-validate] FAIL",
        "rejected by hook",
        "0.85",
        "revision 2 is still deployed",
    ])?;
    let refused = stage
        .gated(deployer()?, "upgrade", "slow")?
        .args(["--atomic", "--timeout=3m"])
        .expect(3)?;
    refused
        .is_orderly()?
        .says(&["rejected by hook", "p99", "revision 2 is still deployed"])?;
    demand(stage.pods()? == pods, || {
        "a refused upgrade replaced pods".to_owned()
    })?;
    let now = stage.object("deployment", "fraud-model")?["metadata"]["generation"].clone();
    demand(now == generation, || {
        format!("a refused upgrade changed the Deployment: generation {generation}, now {now}")
    })?;
    demand(scores(&stage, "better")? == better_scores, || {
        "another model answers".to_owned()
    })?;
    let statuses = stage.statuses("fraud-model")?;
    demand(
        statuses == ["superseded", "deployed", "failed", "failed"],
        || format!("{statuses:?}"),
    )?;

    stage
        .gated(deployer()?, "upgrade", "champion")?
        .args(["--atomic", "--timeout=3m"])
        .expect(0)?;
    stage.settled_pods()?;
    demand(scores(&stage, "champion")? == champion_scores, || {
        "the old model still answers".to_owned()
    })?;
    let statuses = stage.statuses("fraud-model")?;
    demand(
        statuses == ["superseded", "superseded", "failed", "failed", "deployed"],
        || format!("{statuses:?}"),
    )?;
    history_has_verdicts(&stage)
}

fn history_has_verdicts(stage: &Stage) -> Result<()> {
    for revision in stage.history("fraud-model")? {
        let text = revision.to_string();
        for part in ["auc", "latency_ms_p99", "sha256"] {
            demand(text.contains(part), || format!("no `{part}` in {text}"))?;
        }
    }
    let table = stage
        .deployer()?
        .args(["history", "fraud-model"])
        .expect(0)?
        .stdout;
    demand(table.to_uppercase().contains("AUC"), || table.clone())?;
    let status = stage
        .deployer()?
        .args(["status", "fraud-model", "--output=json"])
        .expect(0)?;
    demand(status.stdout.contains("latency_ms_p99"), || {
        status.describe()
    })
}

#[test]
fn e2e_a_gate_that_cannot_judge_prints_its_log_and_changes_nothing() -> Result<()> {
    let Some(stage) = stage::set("nodata")? else {
        return Ok(());
    };
    let stopped = stage
        .gated(stage.deployer()?, "install", "champion")?
        .args(["--atomic", "--timeout=2m"])
        .arg("--set=gate.dataset=s3://no-such-bucket/validation/")
        .expect(6)?;
    stopped
        .is_orderly()?
        .says(&["could not judge", "no-such-bucket", "nothing is deployed"])?;
    demand(stage.pods()?.is_empty(), || {
        "pods of a refused install".to_owned()
    })?;
    demand(
        stage
            .namespace
            .get(&["deployment", "fraud-model"])?
            .is_none(),
        || "the Deployment of a refused install".to_owned(),
    )
}

#[test]
fn e2e_a_server_dry_run_changes_nothing() -> Result<()> {
    let Some(stage) = stage::set("dry")? else {
        return Ok(());
    };
    let shown = stage
        .gated(stage.deployer()?, "install", "champion")?
        .arg("--dry-run=server")
        .expect(0)?;
    demand(shown.stdout.contains("kind: Deployment"), || {
        shown.describe()
    })?;
    demand(stage.records("fraud-model")?.is_empty(), || {
        "a record was written".to_owned()
    })?;
    demand(
        stage
            .namespace
            .get(&["deployment", "fraud-model"])?
            .is_none(),
        || "the dry run made the Deployment".to_owned(),
    )?;
    let jobs = stage.namespace.items(&["jobs"])?;
    demand(jobs.is_empty(), || "the dry run ran the gate".to_owned())
}

#[test]
fn e2e_the_namespace_is_made_on_request_only() -> Result<()> {
    let Some(stage) = stage::set("namespace")? else {
        return Ok(());
    };
    let name = format!("{}-made", stage.namespace.name());
    let install = |extra: &[&str]| -> Result<_> {
        Ok(stage
            .deployer()?
            .env("HELM_NAMESPACE", &name)
            .args(["install", "colours"])
            .arg(harness::workspace::test_chart("config-only"))
            .args(extra))
    };
    install(&[])?
        .expect(1)?
        .is_orderly()?
        .says(&[&name, "--create-namespace"])?;
    install(&["--create-namespace"])?.expect(0)?;
    let deleted = stage
        .namespace
        .cluster()
        .kubectl()
        .args(["delete", "namespace", &name, "--wait=false"])
        .run()?;
    deleted.code().context("kubectl was killed")?;
    Ok(())
}
