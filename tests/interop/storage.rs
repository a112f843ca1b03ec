//! Where records are stored, and how large they may be.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use harness::cluster::{Cluster, Helm, Namespace, demand};
use harness::command::Program;
use harness::workspace;

/// The most bytes that a Secret holds.
const LIMIT: usize = 1 << 20;

fn change(program: Program, command: &str, colour: &str) -> Program {
    program
        .args([command, "app"])
        .arg(workspace::test_chart("crash"))
        .arg(format!("--set=colour={colour}"))
}

#[test]
fn e2e_config_maps_are_shared_with_helm_in_both_directions() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    for helm in Helm::ALL {
        let namespace = cluster.namespace("configmap")?;
        let driver = |program: Program| program.env("HELM_DRIVER", "configmap");
        change(driver(namespace.deployer()?), "install", "green").expect(0)?;
        change(driver(namespace.helm(helm)?), "upgrade", "blue").expect(0)?;
        change(driver(namespace.deployer()?), "upgrade", "white").expect(0)?;
        driver(namespace.helm(helm)?)
            .args(["rollback", "app", "2"])
            .expect(0)?;
        let history = driver(namespace.deployer()?)
            .args(["history", "app"])
            .expect(0)?;
        demand(history.stdout.contains("Rollback to 2"), || {
            history.describe()
        })?;
        let selector = "--selector=owner=helm";
        let secrets = namespace.items(&["secrets", selector])?;
        let config_maps = namespace.items(&["configmaps", selector])?;
        demand(secrets.is_empty() && config_maps.len() == 4, || {
            format!(
                "{} Secrets, {} ConfigMaps",
                secrets.len(),
                config_maps.len()
            )
        })?;
        // What is in ConfigMaps is not in Secrets.
        let other = namespace.deployer()?.args(["history", "app"]).expect(1)?;
        other.says(&["not found"])?;
        driver(namespace.deployer()?)
            .args(["uninstall", "app"])
            .expect(0)?;
        let left = namespace.items(&["configmaps", "--selector=owner in (helm, deployer)"])?;
        demand(left.is_empty(), || format!("{left:?}"))?;
    }
    Ok(())
}

#[test]
fn e2e_memory_keeps_a_release_as_long_as_the_process() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    let namespace = cluster.namespace("memory")?;
    let memory = |program: Program| program.env("HELM_DRIVER", "memory");
    change(memory(namespace.deployer()?), "install", "green").expect(0)?;
    let list = memory(namespace.deployer()?)
        .args(["list", "--output=json"])
        .expect(0)?;
    demand(!list.stdout.contains("\"app\""), || list.describe())?;
    let records = "--selector=owner in (helm, deployer)";
    let stored = namespace.items(&["secrets,configmaps,leases", records])?;
    demand(stored.is_empty(), || format!("{stored:?}"))?;
    let unknown = namespace
        .deployer()?
        .env("HELM_DRIVER", "sql")
        .args(["list"])
        .expect(2)?;
    unknown.says(&["`sql` driver is not supported"])?;
    Ok(())
}

/// Writes a chart with a file of text that does not pack; `bytes` of it in the record.
fn heavy(folder: &Path, bytes: usize) -> Result<PathBuf> {
    let chart = folder.join(format!("heavy-{bytes}"));
    let source = workspace::test_chart("config-only");
    fs::create_dir_all(chart.join("templates"))?;
    for name in ["Chart.yaml", "values.yaml", "templates/configmap.yaml"] {
        fs::copy(source.join(name), chart.join(name))?;
    }
    fs::create_dir_all(chart.join("data"))?;
    // A record packs its JSON and writes it as base64: three bytes of noise become four.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(bytes / 4 * 3)
    .collect();
    fs::write(chart.join("data/weights.bin"), noise)?;
    Ok(chart)
}

fn records(namespace: &Namespace) -> Result<Vec<String>> {
    let selector = "--selector=owner in (helm, deployer)";
    let items = namespace.items(&["secrets,leases", selector])?;
    Ok(items
        .iter()
        .map(|item| {
            item["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect())
}

#[test]
fn e2e_a_record_near_the_limit_is_stored_and_one_over_it_changes_nothing() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    let namespace = cluster.namespace("heavy")?;
    let folder = tempfile::tempdir()?;
    let near = heavy(folder.path(), LIMIT / 100 * 95)?;
    let over = heavy(folder.path(), LIMIT / 100 * 103)?;

    let refused = namespace
        .deployer()?
        .args(["install", "app"])
        .arg(&over)
        .expect(2)?;
    refused.is_orderly()?.says(&[
        "is too large",
        "file `data/weights.bin` of the chart",
        "nothing was changed",
        ".helmignore",
    ])?;
    demand(records(&namespace)?.is_empty(), || {
        format!("{:?}", records(&namespace))
    })?;
    let objects = namespace.get(&["configmap", "app-config"])?;
    demand(objects.is_none(), || format!("{objects:?}"))?;
    // Helm finds out by the server's answer.
    namespace
        .helm(Helm::V4)?
        .args(["install", "app"])
        .arg(&over)
        .expect(1)?
        .says(&["Too long"])?;

    let stored = namespace
        .deployer()?
        .args(["install", "app"])
        .arg(&near)
        .expect(0)?;
    stored.says(&["of the 1048576 bytes that fit", "data/weights.bin"])?;
    for helm in Helm::ALL {
        let status = namespace.helm(helm)?.args(["status", "app"]).expect(0)?;
        demand(status.stdout.contains("deployed"), || status.describe())?;
    }
    let before = records(&namespace)?;
    for command in [
        vec!["upgrade", "app"],
        vec!["upgrade", "app", "--dry-run=server"],
    ] {
        namespace
            .deployer()?
            .args(command)
            .arg(&over)
            .expect(2)?
            .says(&["is too large", "nothing was changed"])?;
    }
    demand(records(&namespace)? == before, || {
        format!("{:?} instead of {before:?}", records(&namespace))
    })?;
    namespace.deployer()?.args(["uninstall", "app"]).expect(0)?;
    Ok(())
}
