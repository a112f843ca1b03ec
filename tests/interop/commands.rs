//! For each command both directions: we on Helm's releases, Helm on ours.

use anyhow::Result;
use harness::cluster::{Cluster, Helm, demand};
use serde_json::Value;

use crate::tool::{Site, Tool, differences};

/// The labels that Helm sets itself.
const SYSTEM_LABELS: [&str; 6] = [
    "name",
    "owner",
    "status",
    "version",
    "createdAt",
    "modifiedAt",
];

/// Who makes the release, and who then works on it.
fn pairs() -> Vec<(Tool, Tool)> {
    Helm::ALL
        .into_iter()
        .flat_map(|helm| {
            let helm = Tool::Helm(helm);
            [(Tool::Deployer, helm), (helm, Tool::Deployer)]
        })
        .collect()
}

fn made_by(cluster: &Cluster, purpose: &str, maker: Tool) -> Result<Site> {
    let site = Site::of(cluster, purpose, maker)?;
    site.does(&["install", "app", "CHART", "--set=colour=green"])?;
    site.does(&["upgrade", "app", "CHART", "--set=colour=blue"])?;
    Ok(site)
}

#[test]
fn e2e_values_are_shown_as_helm_shows_them_also_where_none_were_given() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    for maker in Tool::ALL {
        let site = Site::of(&cluster, "shown", maker)?;
        site.does(&["install", "app", "VALUES"])?;
        let nulls = "--set=z=1,a=2,nested.x=null,nested.none=null";
        site.does(&["upgrade", "app", "VALUES", nulls])?;
        for reader in Helm::ALL {
            for revision in ["--revision=1", "--revision=2"] {
                for flags in [
                    &[][..],
                    &["--output=json"],
                    &["--output=yaml"],
                    &["--all"],
                    &["--all", "--output=json"],
                    &["--all", "--output=yaml"],
                ] {
                    let command = [&["get", "values", "app", revision], flags].concat();
                    let ours = site.does_as(Tool::Deployer, &command)?;
                    let theirs = site.does_as(Tool::Helm(reader), &command)?;
                    demand(ours.stdout.trim() == theirs.stdout.trim(), || {
                        format!("{}\n{}", ours.describe(), theirs.describe())
                    })?;
                }
            }
        }
    }
    Ok(())
}

fn has_colour(site: &Site, colour: Option<&str>) -> Result<()> {
    let live = site.live()?;
    let first = live.get("ConfigMap app-first").and_then(Value::as_str);
    demand(first == colour, || {
        format!("{live:?} instead of {colour:?}")
    })
}

#[test]
fn e2e_each_reads_the_others_releases_as_its_own() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    for maker in Tool::ALL {
        let site = made_by(&cluster, "read", maker)?;
        for reader in [Tool::Helm(Helm::V3), Tool::Helm(Helm::V4)] {
            for command in [
                &["get", "manifest", "app"][..],
                &["get", "manifest", "app", "--revision=1"],
                &["get", "hooks", "app"],
                &["get", "values", "app"],
                &["get", "values", "app", "--all", "--output=yaml"],
                &["list", "--superseded", "--no-headers"],
                &["list", "--time-format=2006-01-02 15:04:05"],
                &["list", "--selector=status in (deployed,failed),!absent"],
            ] {
                let ours = site.does_as(Tool::Deployer, command)?;
                let theirs = site.does_as(reader, command)?;
                demand(ours.stdout.trim() == theirs.stdout.trim(), || {
                    format!("{}\n{}", ours.describe(), theirs.describe())
                })?;
            }
            for command in [
                &["list", "--output=json"][..],
                &["history", "app", "--output=json"],
                &["status", "app", "--output=json"],
                &["get", "values", "app", "--output=json"],
                &["get", "metadata", "app", "--output=json"],
            ] {
                let ours = site.does_as(Tool::Deployer, command)?;
                let theirs = site.does_as(reader, command)?;
                let found = lacking(&ours.json()?, &theirs.json()?);
                demand(found.is_empty(), || {
                    format!(
                        "{command:?} of a release of {}, ours | {}'s:\n{}",
                        maker.name(),
                        reader.name(),
                        found.join("\n")
                    )
                })?;
            }
        }
    }
    Ok(())
}

/// What ours lacks or says otherwise; more than Helm says it may say.
fn lacking(ours: &Value, theirs: &Value) -> Vec<String> {
    let rows = match (ours, theirs) {
        // A list of ours stands below a name, with the version of the format beside it.
        (Value::Object(fields), Value::Array(_)) => fields.values().find(|value| value.is_array()),
        _ => None,
    };
    let mut found = differences(rows.unwrap_or(ours), theirs);
    found.retain(|difference| !difference.ends_with("| nothing"));
    // Helm 3 writes a time that never was as an empty text; Helm's `status` adds the objects as they
    // are in the cluster; Helm 4's `get metadata` adds the labels that it sets itself.
    let is_known = |difference: &String| {
        difference.ends_with("nothing | \"\"")
            || difference.starts_with("/info/resources:")
            || SYSTEM_LABELS
                .iter()
                .any(|label| difference.starts_with(&format!("/labels/{label}:")))
    };
    found.retain(|difference| !is_known(difference));
    found
}

#[test]
fn e2e_each_upgrades_rolls_back_and_uninstalls_the_others_releases() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    for (maker, other) in pairs() {
        let site = made_by(&cluster, "change", maker)?;
        site.does_as(other, &["upgrade", "app", "CHART", "--set=colour=white"])?;
        has_colour(&site, Some("white"))?;
        site.does(&["upgrade", "app", "CHART", "--set=colour=black"])?;
        has_colour(&site, Some("black"))?;
        site.does_as(other, &["rollback", "app", "1"])?;
        has_colour(&site, Some("green"))?;
        site.does(&["rollback", "app", "3"])?;
        has_colour(&site, Some("white"))?;
        let statuses: Vec<String> = site
            .secrets()?
            .iter()
            .map(|(_, record)| {
                record["info"]["status"]
                    .as_str()
                    .unwrap_or("none")
                    .to_owned()
            })
            .collect();
        let (last, before) = statuses
            .split_last()
            .map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
        demand(
            last == "deployed" && before.iter().all(|status| status == "superseded"),
            || format!("{} then {}: {statuses:?}", maker.name(), other.name()),
        )?;
        site.does_as(other, &["uninstall", "app"])?;
        demand(
            site.secrets()?.is_empty() && site.live()?.is_empty(),
            || format!("{} left something of {}", other.name(), maker.name()),
        )?;
    }
    Ok(())
}

#[test]
fn e2e_what_helm_left_pending_is_refused_and_recovered_when_told_to() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    for helm in Helm::ALL {
        let site = made_by(&cluster, "pending", Tool::Helm(helm))?;
        // Helm is killed while it waits.
        let program = site.program(Tool::Helm(helm))?;
        let chart = harness::workspace::test_chart("crash");
        let running = program
            .args(["upgrade", "app"])
            .arg(&chart)
            .args(["--set=colour=white,broken=true", "--wait", "--timeout=5m"])
            .start()?;
        site.namespace
            .wait_until("Helm to have changed something", || {
                Ok(has_colour(&site, Some("white")).ok())
            })?;
        running.signal(rustix::process::Signal::KILL)?;
        running.wait()?;

        let upgrade = ["upgrade", "app", "CHART", "--set=colour=black"];
        let refused = site.run_as(Tool::Deployer, &upgrade)?;
        demand(refused.code() == Some(1), || refused.describe())?;
        refused.says(&["another operation", "pending-upgrade", "--takeover"])?;
        let taken = site.run_as(Tool::Deployer, &[&upgrade[..], &["--recover"]].concat())?;
        demand(taken.code() == Some(0), || taken.describe())?;
        has_colour(&site, Some("black"))?;
        let history = site.does_as(Tool::Helm(helm), &["history", "app", "--output=json"])?;
        let pending = history.stdout.contains("pending");
        demand(!pending, || history.describe())?;
        site.does_as(Tool::Helm(helm), &["upgrade", "app", "CHART"])?;
    }
    Ok(())
}
