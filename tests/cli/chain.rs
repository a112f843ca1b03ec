//! Install, gated upgrade, refusals and the next good upgrade.

use anyhow::{Context, Result};
use harness::cluster::demand;

use crate::folder::{Folder, find_check};

#[test]
fn a_model_is_gated_and_deployed_and_bad_ones_change_nothing() -> Result<()> {
    let folder = Folder::new()?;
    folder
        .gated("install", "champion")?
        .arg("--atomic")
        .expect(0)?;
    folder
        .gated("upgrade", "better")?
        .arg("--atomic")
        .expect(0)?;
    let served = folder.run(0, &["get", "manifest", "fraud-model"])?.stdout;
    demand(served.contains("better.pt"), || served.clone())?;
    let applied = folder.files("deployment")?;
    demand(!applied.is_empty(), || {
        "the target holds no Deployment".to_owned()
    })?;

    let refused = folder
        .gated("upgrade", "degraded")?
        .arg("--atomic")
        .expect(3)?;
    refused
        .is_orderly()?
        .says(&["rejected by hook", "0.85", "revision 2 is still deployed"])?;
    demand(refused.stderr.to_lowercase().contains("auc"), || {
        refused.describe()
    })?;
    let refused = folder.gated("upgrade", "slow")?.arg("--atomic").expect(3)?;
    refused
        .is_orderly()?
        .says(&["rejected by hook", "p99", "revision 2 is still deployed"])?;
    demand(folder.files("deployment")? == applied, || {
        "a refused upgrade changed the applied manifests".to_owned()
    })?;
    let manifest = folder.run(0, &["get", "manifest", "fraud-model"])?.stdout;
    demand(
        folder
            .statuses("fraud-model")?
            .iter()
            .filter(|status| *status == "deployed")
            .count()
            == 1,
        || manifest.clone(),
    )?;

    folder
        .gated("upgrade", "champion")?
        .arg("--atomic")
        .expect(0)?;
    let statuses = folder.statuses("fraud-model")?;
    demand(
        statuses == ["superseded", "superseded", "failed", "failed", "deployed"],
        || format!("{statuses:?}"),
    )
}

#[test]
fn history_tells_auc_and_p99_of_every_revision() -> Result<()> {
    let folder = Folder::new()?;
    folder.gated("install", "champion")?.expect(0)?;
    folder.gated("upgrade", "degraded")?.expect(3)?;
    folder.gated("upgrade", "better")?.expect(0)?;
    let history = folder.history("fraud-model")?;
    let mut areas = Vec::new();
    for revision in &history {
        let auc = find_check(revision, "auc").with_context(|| format!("no AUC in {revision}"))?;
        let p99 = find_check(revision, "latency_ms_p99")
            .with_context(|| format!("no p99 in {revision}"))?;
        demand(
            p99["value"].as_f64().is_some_and(|value| value > 0.0),
            || format!("{revision}"),
        )?;
        demand(auc["minimum"] == 0.85, || format!("{revision}"))?;
        let digest = revision.to_string();
        demand(digest.contains("sha256"), || {
            format!("no digest in {revision}")
        })?;
        areas.push(auc["value"].as_f64().context("an AUC is no number")?);
    }
    demand(
        areas.len() == 3 && areas[1] < areas[0] && areas[0] < areas[2],
        || format!("{areas:?}"),
    )?;
    let table = folder.run(0, &["history", "fraud-model"])?.stdout;
    for part in ["REVISION", "STATUS", "AUC", "P99"] {
        demand(table.to_uppercase().contains(part), || {
            format!("no column {part}:\n{table}")
        })?;
    }
    for area in areas {
        let text = format!("{area:.4}");
        demand(table.contains(&text), || {
            format!("AUC {text} is not in\n{table}")
        })?;
    }
    Ok(())
}

#[test]
fn a_refused_first_install_leaves_nothing_deployed_and_the_name_free() -> Result<()> {
    let folder = Folder::new()?;
    let refused = folder
        .gated("install", "degraded")?
        .arg("--atomic")
        .expect(3)?;
    refused.is_orderly()?.says(&["nothing is deployed"])?;
    demand(folder.files("deployment")?.is_empty(), || {
        "a refused install applied the Deployment".to_owned()
    })?;
    folder
        .gated("install", "champion")?
        .arg("--atomic")
        .expect(0)?;
    Ok(())
}

#[test]
fn a_gate_that_cannot_judge_is_no_refusal() -> Result<()> {
    let folder = Folder::new()?;
    folder.gated("install", "champion")?.expect(0)?;
    let stopped = folder
        .gated("upgrade", "champion")?
        .arg("--set=gate.dataset=/no/such/folder")
        .expect(6)?;
    stopped.is_orderly()?.says(&[
        "could not judge",
        "/no/such/folder",
        "revision 1 is still deployed",
    ])?;
    Ok(())
}

#[test]
fn rollback_returns_to_the_earlier_model_as_a_new_revision() -> Result<()> {
    let folder = Folder::new()?;
    folder.gated("install", "champion")?.expect(0)?;
    folder.gated("upgrade", "better")?.expect(0)?;
    folder.run(0, &["rollback", "fraud-model", "1"])?;
    let manifest = folder.run(0, &["get", "manifest", "fraud-model"])?.stdout;
    demand(manifest.contains("champion.pt"), || manifest.clone())?;
    let statuses = folder.statuses("fraud-model")?;
    demand(statuses == ["superseded", "superseded", "deployed"], || {
        format!("{statuses:?}")
    })?;
    let applied = folder.files("deployment")?;
    demand(
        applied
            .values()
            .all(|bytes| String::from_utf8_lossy(bytes).contains("champion.pt")),
        || "the applied Deployment still names the other model".to_owned(),
    )
}

#[test]
fn uninstall_leaves_no_manifest_behind() -> Result<()> {
    let folder = Folder::new()?;
    folder.gated("install", "champion")?.expect(0)?;
    folder.run(0, &["uninstall", "fraud-model"])?;
    demand(folder.files("deployment")?.is_empty(), || {
        "the Deployment is still there".to_owned()
    })?;
    folder
        .run(1, &["status", "fraud-model"])?
        .says(&["not found"])?;
    Ok(())
}

#[test]
fn a_dry_run_shows_the_manifests_and_changes_nothing() -> Result<()> {
    let folder = Folder::new()?;
    let shown = folder
        .gated("install", "champion")?
        .arg("--dry-run=client")
        .expect(0)?;
    demand(shown.stdout.contains("kind: Deployment"), || {
        shown.describe()
    })?;
    demand(folder.written()?.is_empty(), || {
        "the dry run wrote files".to_owned()
    })
}

/// The chart mounts the file from a ConfigMap, an earlier hook; a local process gets the folder
/// that is named for the volume.
#[test]
fn a_gate_file_in_the_charts_values_adds_its_checks_and_slices() -> Result<()> {
    let folder = Folder::new()?;
    let mount = folder.scratch().join("gate-file");
    std::fs::create_dir(&mount)?;
    let checks = "checks:\n- {metric: f1, at: 0.5, min: 0.8}\n- {metric: auc, min: 0.85, slice: {by: length_mm, edges: [30, 60]}}\n";
    let gate = format!("apiVersion: validator/v1\nkind: ModelGate\n{checks}");
    std::fs::write(mount.join("gate.yaml"), gate)?;
    let indented = checks.replace('\n', "\n    ");
    let values = folder.scratch().join("values.yaml");
    std::fs::write(
        &values,
        format!("gate:\n  file:\n    {}\n", indented.trim_end()),
    )?;
    let refused = folder
        .gated("install", "better")?
        .arg("--values")
        .arg(&values)
        .arg(format!("--hook-mount=gate-file={}", mount.display()))
        .arg("--hooks=local")
        .expect(3)?;
    refused
        .is_orderly()?
        .says(&["rejected by hook", "length_mm<30", "f1@0.5"])
        .map(|_| ())
}
