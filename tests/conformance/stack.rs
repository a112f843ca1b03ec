//! The umbrella chart: what it refuses, what one flag changes, and that its packed components are
//! those beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use harness::cluster::{Helm, demand};
use harness::command::Program;
use harness::{binaries, skip, workspace};

use crate::{Case, refuse};

const STACK: &str = "ml-serving-stack";

#[test]
fn the_stack_refuses_what_no_component_knows() -> Result<()> {
    for (flag, parts) in [
        ("--set=global.reddis.enabled=false", ["reddis", "schema"]),
        (
            "--set=global.environment=production",
            ["environment", "schema"],
        ),
        ("--set=fraudmodel.replicaCount=2", ["fraudmodel", "schema"]),
        ("--set=redis.maxMemory=lots", ["maxMemory", "schema"]),
        ("--set=redis.auth.password=hunter2", ["password", "schema"]),
        ("--set=result-queue.replicas=3", ["replicas", "schema"]),
        ("--set=preprocessing.features=null", ["features", "schema"]),
        (
            "--set=metrics-exporter.queue.stream=a",
            ["stream", "schema"],
        ),
        (
            "--set=feature-store-proxy.upstream=feature-store:80",
            ["upstream", "schema"],
        ),
        (
            "--set=fraud-model.gate.minimumauc=0.9",
            ["minimumauc", "schema"],
        ),
    ] {
        refuse(STACK, flag, &parts)?;
    }
    Ok(())
}

#[test]
fn the_stack_refuses_settings_that_do_not_fit_each_other() -> Result<()> {
    for (flag, parts) in [
        (
            "--set=global.environment=prod",
            ["without a password", "existingSecret"],
        ),
        (
            "--set=global.redis.auth.enabled=true",
            ["needs existingSecret", "auth"],
        ),
        (
            "--set=redis.auth.enabled=true",
            ["global.redis.auth.enabled is not", "clients"],
        ),
        (
            "--set=global.redis.enabled=false,global.resultQueue.enabled=false",
            ["nothing to scrape", "switch monitoring off"],
        ),
    ] {
        refuse(STACK, flag, &parts)?;
    }
    Ok(())
}

/// The stack's documents by kind and name.
fn documents(flags: Vec<&'static str>) -> Result<BTreeMap<String, String>> {
    let stack = workspace::chart(STACK);
    let case = Case {
        values: vec![stack.join("values-dev.yaml")],
        chart: stack,
        flags,
    };
    let rendered = case.render(Program::new(binaries::path("deployer")?).arg("template"))?;
    demand(rendered.code() == Some(0), || rendered.describe())?;
    let field = |document: &str, name: &str| {
        let line = document.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    Ok(rendered
        .stdout
        .split("\n---\n")
        .map(|text| {
            let name = format!("{} {}", field(text, "kind:"), field(text, "  name:"));
            (name, text.to_owned())
        })
        .collect())
}

#[test]
fn a_new_image_of_the_model_server_changes_nothing_else() -> Result<()> {
    let (before, after) = (
        documents(Vec::new())?,
        documents(vec!["--set=fraud-model.image.tag=v2.2.0"])?,
    );
    demand(before.keys().eq(after.keys()), || {
        format!("{:?}", after.keys())
    })?;
    let changed: Vec<&String> = before
        .iter()
        .filter(|(name, text)| after[*name] != **text)
        .map(|(name, _)| name)
        .collect();
    demand(
        changed.contains(&&"Deployment team-fraud-fraud-model".to_owned()),
        || format!("{changed:?}"),
    )?;
    demand(
        changed.iter().all(|name| name.ends_with("-fraud-model")),
        || format!("also changed: {changed:?}"),
    )
}

#[test]
fn a_component_that_is_off_is_gone_and_asked_by_nobody() -> Result<()> {
    let all: BTreeSet<String> = documents(Vec::new())?.into_keys().collect();
    for (switch, component) in [
        ("--set=global.redis.enabled=false", "team-fraud-redis"),
        (
            "--set=global.resultQueue.enabled=false",
            "team-fraud-result-queue",
        ),
        (
            "--set=global.featureStoreProxy.enabled=false",
            "team-fraud-feature-store-proxy",
        ),
        (
            "--set=global.monitoring.enabled=false",
            "team-fraud-metrics-exporter",
        ),
        (
            "--set=global.preprocessing.enabled=false",
            "team-fraud-preprocessing",
        ),
    ] {
        let rest = documents(vec![switch])?;
        demand(rest.len() < all.len(), || {
            format!("{switch} removes nothing")
        })?;
        let naming: Vec<&String> = rest
            .iter()
            .filter(|(_, text)| text.contains(component))
            .map(|(name, _)| name)
            .collect();
        demand(naming.is_empty(), || {
            format!("{switch}: {naming:?} still name it")
        })?;
    }
    Ok(())
}

#[test]
fn the_stack_is_clean_to_helms_strict_linter() -> Result<()> {
    let Some(helm) = Helm::V3.program() else {
        return skip::aloud("E2E_BIN has no `helm3`");
    };
    let stack = workspace::chart(STACK);
    for overlay in ["values-dev", "values-staging", "values-prod"] {
        let linted = helm
            .clone()
            .args(["lint", "--strict"])
            .arg(&stack)
            .arg("--values")
            .arg(stack.join(format!("{overlay}.yaml")))
            .expect(0)?;
        demand(linted.stdout.contains("0 chart(s) failed"), || {
            linted.describe()
        })?;
    }
    for component in components()? {
        let chart = workspace::chart(&component);
        let mut lint = helm.clone().args(["lint", "--strict"]).arg(&chart);
        // A chart whose values have no defaults (which model, which dataset) is linted with its example's.
        let example = chart.join("ci/values-example.yaml");
        if example.exists() {
            lint = lint.arg("--values").arg(example);
        }
        lint.expect(0)?;
    }
    Ok(())
}

/// Chart.lock was written by Helm for these very dependencies, and all of them are there, as Helm packs them and as we do.
#[test]
fn the_stacks_lock_is_the_one_that_helm_writes() -> Result<()> {
    let ours = Program::new(binaries::path("deployer")?);
    the_lock_serves(ours)?;
    match Helm::V3.program() {
        Some(helm) => the_lock_serves(helm),
        None => skip::aloud("E2E_BIN has no `helm3`"),
    }
}

fn the_lock_serves(program: Program) -> Result<()> {
    let copy = tempfile::tempdir()?;
    for chart in components()?.iter().map(String::as_str).chain([STACK]) {
        copy_folder(&workspace::chart(chart), &copy.path().join(chart))?;
    }
    let stack = copy.path().join(STACK);
    std::fs::remove_dir_all(stack.join("charts"))?;
    // Refuses a lock that is out of step with Chart.yaml.
    program
        .clone()
        .args(["dependency", "build", "--skip-refresh"])
        .arg(&stack)
        .expect(0)?;
    let names = |folder: &Path| -> Result<BTreeSet<String>> {
        let entries = std::fs::read_dir(folder.join("charts"))?;
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    let (built, committed) = (names(&stack)?, names(&workspace::chart(STACK))?);
    demand(built == committed, || {
        format!("packed are {built:?}, committed {committed:?}")
    })?;
    let listed = program.args(["dependency", "list"]).arg(&stack).expect(0)?;
    let well = listed.stdout.matches("\tok").count();
    demand(well == built.len(), || listed.describe())
}

#[test]
fn packed_components_are_those_beside_the_stack() -> Result<()> {
    for archive in std::fs::read_dir(workspace::chart(STACK).join("charts"))? {
        let archive = archive?.path();
        let mut packed = 0;
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&archive)?));
        for entry in tar.entries()? {
            let mut entry = entry?;
            let path = entry.path()?.into_owned();
            let mut content = String::new();
            entry.read_to_string(&mut content)?;
            // Helm writes Chart.yaml anew; the test of the lock compares what counts in it.
            if path.ends_with("Chart.yaml") {
                continue;
            }
            packed += 1;
            let source = workspace::root().join("charts").join(&path);
            let text = std::fs::read_to_string(&source)
                .with_context(|| format!("`{}` is packed only", path.display()))?;
            demand(text == content, || {
                format!(
                    "`{}` differs from its copy in `{}`: run `deployer dependency update charts/{STACK}`",
                    source.display(),
                    archive.display()
                )
            })?;
        }
        let name = archive.file_name().unwrap_or_default().to_string_lossy();
        let chart = name.rsplit_once('-').context("a version in the name")?.0;
        let templates = count(&workspace::chart(chart).join("templates"))?;
        demand(packed >= templates + 2, || {
            format!("{name} has {packed} files, but `{chart}` has {templates} templates alone")
        })?;
    }
    Ok(())
}

fn components() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(workspace::root().join("charts"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != STACK {
            names.push(name);
        }
    }
    Ok(names)
}

fn count(folder: &Path) -> Result<usize> {
    let mut files = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        files += if path.is_dir() { count(&path)? } else { 1 };
    }
    Ok(files)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().context("a name")?);
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
