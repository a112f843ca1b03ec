//! A dataset scored by an Indexed Job and judged by a second Job, as hooks of the chart validation-job.

use anyhow::{Context, Result};
use harness::cluster::demand;
use harness::release;
use serde_json::Value;

use crate::stage::{self, Stage};

/// Returns the verdict in brief that the revision's record keeps.
fn verdict(stage: &Stage, revision: u32) -> Result<Value> {
    let name = format!("sh.deployer.evidence.v1.judged.v{revision}");
    let evidence = stage.object("secret", &name)?;
    let data = evidence["data"]["evidence"]
        .as_str()
        .context("no evidence")?;
    release::decode_evidence(data)
}

#[test]
fn e2e_a_model_is_judged_in_shards_and_the_verdict_is_the_revisions() -> Result<()> {
    let Some(stage) = stage::set("shards")? else {
        return Ok(());
    };
    stage.server.bucket("ml-runs")?;
    stage
        .in_shards(stage.deployer()?, "install", "champion")?
        .expect(0)?;
    let passed = stage.object("configmap", "judged-validation-job")?;
    demand(
        passed["data"]["model"] == "s3://ml-models/fraud/champion.pt",
        || format!("{passed}"),
    )?;
    let shards = stage.object("job", "judged-validation-job-shards")?;
    demand(
        shards["status"]["completedIndexes"] == "0-2" && shards["status"]["succeeded"] == 3,
        || format!("{}", shards["status"]),
    )?;
    for index in 0..3 {
        let name = format!("{index:05}-of-00003.shard");
        let key = format!(
            "validation/{}/judged/revision-1-of-3/{name}",
            stage.namespace.name()
        );
        demand(stage.server.has("ml-runs", &key), || format!("no `{key}`"))?;
    }
    let text = verdict(&stage, 1)?.to_string();
    // All rows of the dataset, and the verdict of the merge alone.
    for part in ["validator/verdict", "pass", "6000", "latency_ms_p99"] {
        demand(text.contains(part), || format!("no `{part}` in {text}"))?;
    }

    stage
        .in_shards(stage.deployer()?, "upgrade", "degraded")?
        .arg("--atomic")
        .expect(3)?
        .says(&["rejected by hook", "auc", "revision 1 is still deployed"])?;
    let kept = stage.object("configmap", "judged-validation-job")?;
    demand(kept["data"] == passed["data"], || format!("{kept}"))?;
    let text = verdict(&stage, 2)?.to_string();
    demand(text.contains("fail") && text.contains("6000"), || {
        text.clone()
    })?;
    let statuses = stage.statuses("judged")?;
    demand(statuses == ["deployed", "failed"], || {
        format!("{statuses:?}")
    })
}

#[test]
fn e2e_a_shard_that_refuses_its_rows_ends_the_run_with_its_reason() -> Result<()> {
    let Some(stage) = stage::set("shards-bad")? else {
        return Ok(());
    };
    stage.server.bucket("ml-runs")?;
    // One file of three is cut off: two shards can do their work.
    let folder = harness::datasets::validation()?;
    let whole = std::fs::read(folder.join("part-0002.parquet"))?;
    stage.server.write(
        "ml-data",
        "validation/fraud/2026-01/part-0002.parquet",
        &whole[..whole.len() / 2],
    )?;
    stage
        .in_shards(stage.deployer()?, "install", "champion")?
        .expect(6)?
        .says(&["could not judge", "part-0002.parquet"])?;
    let merged = stage
        .namespace
        .get(&["job", "judged-validation-job-merge"])?;
    demand(merged.is_none(), || {
        "the merge ran without all shards".to_owned()
    })
}
