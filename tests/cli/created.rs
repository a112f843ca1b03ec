//! A chart that `create` made gates its models as it stands.

use anyhow::Result;
use harness::cluster::demand;
use harness::datasets;

use crate::folder::Folder;

#[test]
fn a_created_chart_gates_its_models_at_once() -> Result<()> {
    let folder = Folder::new()?;
    let chart = folder.scratch().join("credit-risk");
    let made = folder.deployer()?.arg("create").arg(&chart).run()?;
    demand(made.code() == Some(0), || made.describe())?;
    let run = |command: &str, model: &str| {
        Ok::<_, anyhow::Error>(
            folder
                .deployer()?
                .args([command, "credit-risk"])
                .arg(&chart)
                .args(["--atomic", "--hooks=local"])
                .arg(format!(
                    "--set=model.path={}",
                    datasets::model(model)?.display()
                ))
                .arg(format!(
                    "--set=gate.dataset={}",
                    datasets::validation()?.display()
                ))
                .arg("--set=gate.extraEnv.VALIDATOR_TIME_BUDGET=10"),
        )
    };
    run("install", "champion")?.expect(0)?;
    let refused = run("upgrade", "degraded")?.expect(3)?;
    refused.is_orderly()?.says(&[
        "rejected by hook",
        "auc",
        "0.85",
        "revision 1 is still deployed",
    ])?;
    run("upgrade", "better")?.expect(0)?;
    let statuses = folder.statuses("credit-risk")?;
    demand(statuses == ["superseded", "failed", "deployed"], || {
        format!("{statuses:?}")
    })
}
