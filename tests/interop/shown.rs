//! What is shown of a release beside its record: its objects as they are, and what a Go template makes of it.

use std::collections::BTreeMap;

use anyhow::Result;
use harness::cluster::{Cluster, Helm, demand};
use harness::command::Output;
use serde_json::Value;

use crate::tool::{Site, Tool};

/// The first column and the headings of each table below `RESOURCES:`; ages and states move on.
fn tables(status: &str) -> BTreeMap<String, Vec<String>> {
    let resources = status
        .split_once("RESOURCES:\n")
        .map_or("", |(_, after)| after);
    let mut tables = BTreeMap::new();
    for table in resources.split("==> ").skip(1) {
        let mut lines = table.lines().take_while(|line| !line.is_empty());
        let kind = lines.next().unwrap_or_default().to_owned();
        let heading = lines.next().unwrap_or_default().to_owned();
        let names = lines.filter_map(|row| row.split_whitespace().next());
        let columns = heading.split_whitespace().map(str::to_owned).collect();
        let mut rows: Vec<String> = columns;
        rows.extend(names.map(str::to_owned));
        tables.insert(kind, rows);
    }
    tables
}

/// Names of the objects of each kind; of pods those in the lists.
fn objects(status: &Value) -> BTreeMap<String, Vec<String>> {
    let kinds = status["info"]["resources"]
        .as_object()
        .into_iter()
        .flatten();
    let names = |objects: &Value| -> Vec<String> {
        let objects = objects.as_array().into_iter().flatten();
        objects
            .flat_map(|object| match object["items"].as_array() {
                Some(items) => items.iter().map(|item| (&object["kind"], item)).collect(),
                None => vec![(&object["kind"], object)],
            })
            .map(|(kind, object)| format!("{kind} {}", object["metadata"]["name"]))
            .collect()
    };
    kinds
        .map(|(kind, objects)| (kind.clone(), names(objects)))
        .collect()
}

#[test]
fn e2e_status_shows_the_objects_of_a_release_and_their_pods_as_helm_does() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    let site = Site::of(&cluster, "resources", Tool::Deployer)?;
    // A Deployment of one pod, which never starts.
    site.does(&["install", "app", "CHART", "--set=broken=true"])?;
    site.namespace.wait_until("a pod", || {
        let pods = site.namespace.items(&["pods"])?;
        Ok((!pods.is_empty()).then_some(()))
    })?;
    let command = ["status", "app", "--show-resources"];
    let json = [&command[..], &["--output=json"]].concat();
    let ours = site.does(&command)?;
    let our_objects = objects(&site.does(&json)?.json()?);
    demand(tables(&ours.stdout).len() == 4, || ours.describe())?;
    for helm in Helm::ALL {
        // Helm 4 has no flag for it and always shows them.
        let flags = match helm {
            Helm::V3 => 3,
            Helm::V4 => 2,
        };
        let theirs = site.does_as(Tool::Helm(helm), &command[..flags])?;
        demand(tables(&ours.stdout) == tables(&theirs.stdout), || {
            format!("{}\n{}", ours.describe(), theirs.describe())
        })?;
        let json = [&command[..flags], &["--output=json"]].concat();
        let theirs = objects(&site.does_as(Tool::Helm(helm), &json)?.json()?);
        demand(our_objects == theirs, || {
            format!("{our_objects:?}\n{theirs:?}")
        })?;
    }
    Ok(())
}

#[test]
fn e2e_a_go_template_makes_of_a_release_what_it_makes_in_helm() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    for maker in Tool::ALL {
        let site = Site::of(&cluster, "templated", maker)?;
        site.does(&["install", "app", "CHART", "--set=colour=green"])?;
        for template in [
            "{{.Release.Name}} {{.Release.Namespace}} {{.Release.Version}}\n",
            "{{.Release.Info}}",
            "{{.Release.Info.Status}} {{eq .Release.Info.Status \"deployed\"}} {{.Release.Info.Deleted}}",
            "{{.Release.Info.LastDeployed.Format \"2006-01-02T15:04:05\"}} {{.Release.Info.FirstDeployed.Unix}}",
            "{{.Release.Chart.Name}} {{.Release.Chart.Metadata}} {{.Release.Chart.AppVersion}} {{.Release.Chart.IsRoot}}",
            "{{range .Release.Chart.Templates}}{{.Name}} {{printf \"%s\" .Data}}{{end}}",
            "{{.Release.Config}} {{.Release.Chart.Values}} {{.Release.Config.none}}",
            "{{range .Release.Hooks}}{{.Name}} {{.Kind}} {{.Path}} {{.Events}} {{.DeletePolicies}} {{.LastRun}} {{.Weight}} {{.Manifest}}{{end}}",
            "{{.Release.Manifest}}",
            "{{.Release.Nope}}",
            "{{.Release.Chart.Nope.More}}",
            "{{toYaml .Release}}",
            "{{ if }}",
        ] {
            let command = ["get", "all", "app", "--template", template];
            let ours = site.run_as(Tool::Deployer, &command)?;
            for helm in Helm::ALL {
                let theirs = site.run_as(Tool::Helm(helm), &command)?;
                // Helm 4 has a counter of generations in `Info`, and other names of packages.
                let is_known = helm == Helm::V4
                    && (template == "{{.Release.Info}}" || theirs.stderr.contains("in type *v2."));
                let is_same = ours.stdout == theirs.stdout
                    && (ours.code() == Some(0)) == (theirs.code() == Some(0))
                    && first_error(&ours.stderr) == first_error(&theirs.stderr);
                demand(is_same || is_known, || {
                    format!("{}\n{}", ours.describe(), theirs.describe())
                })?;
            }
        }
    }
    Ok(())
}

#[test]
fn e2e_history_shows_what_was_rolled_back_to_as_helm_4_does() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    let helm = Tool::Helm(Helm::V4);
    for maker in [Tool::Deployer, helm] {
        let site = Site::of(&cluster, "rolled-back", maker)?;
        site.does(&["install", "app", "CHART", "--set=colour=green"])?;
        site.does(&["upgrade", "app", "CHART", "--set=colour=blue"])?;
        site.does(&["rollback", "app", "1"])?;
        // Our verdicts stand between Helm's columns and the description.
        let columns = |output: Output| -> Vec<Vec<String>> {
            let cells = |line: &str| {
                line.split('\t')
                    .map(|cell| cell.trim().to_owned())
                    .take(6)
                    .collect()
            };
            output.stdout.lines().map(cells).collect()
        };
        let command = ["history", "app", "--show-rollback-revision"];
        let ours = columns(site.does_as(Tool::Deployer, &command)?);
        let theirs = columns(site.does_as(helm, &command)?);
        demand(ours == theirs && ours[3][5] == "1", || {
            format!("{ours:?}\n{theirs:?}")
        })?;
    }
    Ok(())
}

fn first_error(stderr: &str) -> Option<String> {
    let line = stderr.lines().find(|line| line.contains("template: _"))?;
    line.split_once(": ").map(|(_, error)| error.to_owned())
}
