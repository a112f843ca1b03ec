//! Helm 3 and 4 on our releases, and we on theirs.

use anyhow::Result;
use harness::cluster::{Helm, demand};
use harness::command::Program;
use harness::workspace;

use crate::stage::{self, Stage};

fn change(program: Program, command: &str, colour: &str) -> Program {
    program
        .args([command, "colours"])
        .arg(workspace::test_chart("config-only"))
        .arg(format!("--set=colour={colour}"))
}

fn has_colour(stage: &Stage, colour: &str) -> Result<()> {
    let live = stage.object("configmap", "colours-config")?;
    demand(live["data"]["colour"] == colour, || format!("{live}"))
}

#[test]
fn e2e_helm_operates_on_our_releases() -> Result<()> {
    for helm in Helm::ALL {
        let Some(stage) = stage::set(&format!("ours-{}", helm.name()))? else {
            return Ok(());
        };
        change(stage.deployer()?, "install", "green").expect(0)?;
        change(stage.deployer()?, "upgrade", "blue").expect(0)?;
        let history = stage
            .helm(helm)?
            .args(["history", "colours", "--output=json"])
            .expect(0)?
            .json()?;
        demand(
            history[0]["status"] == "superseded"
                && history[1]["status"] == "deployed"
                && history[1]["description"] == "Upgrade complete",
            || format!("{history}"),
        )?;
        for arguments in [
            vec!["status", "colours"],
            vec!["list"],
            vec!["get", "all", "colours"],
        ] {
            let output = stage.helm(helm)?.args(arguments).expect(0)?;
            demand(output.stdout.contains("colours"), || output.describe())?;
        }
        let values = stage
            .helm(helm)?
            .args(["get", "values", "colours"])
            .expect(0)?;
        demand(values.stdout.contains("colour: blue"), || values.describe())?;
        stage
            .helm(helm)?
            .args(["rollback", "colours", "1"])
            .expect(0)?;
        has_colour(&stage, "green")?;
        change(stage.helm(helm)?, "upgrade", "white").expect(0)?;
        has_colour(&stage, "white")?;
        let statuses = stage.statuses("colours")?;
        demand(
            statuses == ["superseded", "superseded", "superseded", "deployed"],
            || format!("{statuses:?}"),
        )?;
        stage.helm(helm)?.args(["uninstall", "colours"]).expect(0)?;
        demand(
            stage
                .namespace
                .get(&["configmap", "colours-config"])?
                .is_none(),
            || format!("{} left the ConfigMap", helm.name()),
        )?;
    }
    Ok(())
}

#[test]
fn e2e_we_operate_on_releases_of_helm() -> Result<()> {
    for helm in Helm::ALL {
        let Some(stage) = stage::set(&format!("theirs-{}", helm.name()))? else {
            return Ok(());
        };
        change(stage.helm(helm)?, "install", "green").expect(0)?;
        change(stage.helm(helm)?, "upgrade", "blue").expect(0)?;
        let history = stage.history("colours")?;
        demand(
            history.len() == 2 && history[1]["status"] == "deployed",
            || format!("{history:?}"),
        )?;
        for arguments in [
            vec!["status", "colours"],
            vec!["list"],
            vec!["get", "all", "colours"],
        ] {
            let output = stage.deployer()?.args(arguments).expect(0)?;
            demand(output.stdout.contains("colours"), || output.describe())?;
        }
        stage
            .deployer()?
            .args(["rollback", "colours", "1"])
            .expect(0)?;
        has_colour(&stage, "green")?;
        change(stage.deployer()?, "upgrade", "white").expect(0)?;
        has_colour(&stage, "white")?;
        change(stage.helm(helm)?, "upgrade", "black").expect(0)?;
        has_colour(&stage, "black")?;
        stage.deployer()?.args(["uninstall", "colours"]).expect(0)?;
        demand(
            stage
                .namespace
                .get(&["configmap", "colours-config"])?
                .is_none(),
            || "we left the ConfigMap".to_owned(),
        )?;
        demand(stage.records("colours")?.is_empty(), || {
            "we left a record".to_owned()
        })?;
    }
    Ok(())
}

#[test]
fn e2e_helm_upgrades_what_we_gated_and_reads_its_history() -> Result<()> {
    let Some(stage) = stage::set("gated-interop")? else {
        return Ok(());
    };
    stage
        .gated(stage.deployer()?, "install", "champion")?
        .expect(0)?;
    for helm in Helm::ALL {
        stage
            .gated(stage.helm(helm)?, "upgrade", "champion")?
            .arg("--timeout=3m")
            .expect(0)?;
    }
    stage
        .gated(stage.deployer()?, "upgrade", "degraded")?
        .arg("--atomic")
        .expect(3)?
        .says(&["revision 3 is still deployed"])?;
    for helm in Helm::ALL {
        let history = stage
            .helm(helm)?
            .args(["history", "fraud-model", "--output=json"])
            .expect(0)?
            .json()?;
        demand(
            history[2]["status"] == "deployed" && history[3]["status"] == "failed",
            || format!("{history}"),
        )?;
    }
    Ok(())
}

#[test]
fn e2e_what_another_owns_is_not_taken() -> Result<()> {
    let Some(stage) = stage::set("foreign")? else {
        return Ok(());
    };
    stage
        .namespace
        .kubectl()
        .args([
            "create",
            "configmap",
            "colours-config",
            "--from-literal=colour=theirs",
        ])
        .expect(0)?;
    change(stage.deployer()?, "install", "green")
        .expect(2)?
        .is_orderly()?
        .says(&[
            "colours-config",
            "invalid ownership metadata",
            "--take-ownership",
        ])?;
    has_colour(&stage, "theirs")?;
    change(stage.deployer()?, "install", "green")
        .args(["--take-ownership", "--force-conflicts"])
        .expect(0)?;
    has_colour(&stage, "green")
}
