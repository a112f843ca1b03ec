//! A gate that runs on this machine while the release lives in the cluster.

use anyhow::Result;
use harness::cluster::demand;
use harness::datasets;

use crate::stage::{self, Stage};

fn locally_gated(stage: &Stage, command: &str, model: &str) -> Result<harness::command::Program> {
    let program = stage
        .gated(stage.deployer()?, command, model)?
        .args(["--hooks=local", "--timeout=2m"])
        .arg(format!(
            "--set=gate.dataset={}",
            datasets::validation()?.display()
        ))
        .arg("--set=objectStore.endpointUrl=")
        .arg("--set=objectStore.credentialsSecret=")
        .arg("--set=serviceAccount.create=false,gate.serviceAccount.create=false,replicaCount=0");
    Ok(program.arg(format!(
        "--set=model.path={}",
        datasets::model(model)?.display()
    )))
}

#[test]
fn e2e_hooks_run_locally_against_a_release_in_the_cluster() -> Result<()> {
    let Some(stage) = stage::set("local")? else {
        return Ok(());
    };
    locally_gated(&stage, "install", "champion")?.expect(0)?;
    locally_gated(&stage, "upgrade", "degraded")?
        .arg("--atomic")
        .expect(3)?
        .says(&["rejected by hook", "revision 1 is still deployed"])?;
    let jobs = stage.namespace.items(&["jobs"])?;
    demand(jobs.is_empty(), || {
        "a local hook made a Job in the cluster".to_owned()
    })?;
    let history = stage.history("fraud-model")?;
    demand(
        history
            .iter()
            .all(|revision| revision.to_string().contains("auc")),
        || format!("{history:?}"),
    )
}
