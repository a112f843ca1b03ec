//! A folder that is deployed to, and runs of the deployer on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::command::{Output, Program};
use harness::{binaries, datasets, workspace};
use serde_json::Value;
use tempfile::TempDir;

/// The namespace of all releases here.
pub(crate) const NAMESPACE: &str = "fraud";

/// A deployment target of one test.
pub(crate) struct Folder {
    folder: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
        })
    }

    /// Where the target lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("target")
    }

    /// A folder beside the target, for files that the test makes.
    pub(crate) fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// Describes a run of the deployer on this target.
    pub(crate) fn deployer(&self) -> Result<Program> {
        Ok(Program::new(binaries::path("deployer")?)
            .arg(format!("--target=dir:{}", self.path().display()))
            .arg(format!("--namespace={NAMESPACE}")))
    }

    /// Describes `install` or `upgrade` of the gated chart with a committed model.
    pub(crate) fn gated(&self, command: &str, model: &str) -> Result<Program> {
        let model = datasets::model(model)?;
        let dataset = datasets::validation()?;
        Ok(self
            .deployer()?
            .args([command, "fraud-model"])
            .arg(workspace::chart("fraud-model"))
            .arg("--values")
            .arg(workspace::chart("fraud-model").join("ci/values-small-node.yaml"))
            .arg(format!("--set=model.path={}", model.display()))
            .arg(format!("--set=gate.dataset={}", dataset.display()))
            .arg("--set-string=gate.minimumAuc=0.85")
            .arg("--set-string=gate.maximumP99LatencyMs=25")
            .arg("--set=gate.extraEnv.VALIDATOR_TIME_BUDGET=10"))
    }

    /// Runs a command of the deployer and demands its exit code.
    pub(crate) fn run(&self, code: i32, arguments: &[&str]) -> Result<Output> {
        self.deployer()?.args(arguments).expect(code)
    }

    /// Reads the history of a release, oldest revision first.
    pub(crate) fn history(&self, release: &str) -> Result<Vec<Value>> {
        let json = self
            .run(0, &["history", release, "--output=json"])?
            .json()?;
        let rows = rows(&json).with_context(|| format!("no revisions in {json}"))?;
        Ok(rows.clone())
    }

    /// Returns the status of each revision, oldest first.
    pub(crate) fn statuses(&self, release: &str) -> Result<Vec<String>> {
        let history = self.history(release)?;
        Ok(history
            .iter()
            .map(|revision| revision["status"].as_str().unwrap_or("none").to_owned())
            .collect())
    }

    /// Returns what was written below the target, but for the empty file that is locked.
    pub(crate) fn written(&self) -> Result<Vec<PathBuf>> {
        let files = self.files("")?;
        Ok(files
            .into_keys()
            .filter(|path| !path.ends_with(".lock"))
            .collect())
    }

    /// Reads every file below the target whose path contains `part`, by its path.
    pub(crate) fn files(&self, part: &str) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
        let mut files = BTreeMap::new();
        collect(&self.path(), part, &mut files)?;
        Ok(files)
    }
}

/// Returns the list in a reader's JSON: the value itself, or its only list.
pub(crate) fn rows(json: &Value) -> Option<&Vec<Value>> {
    match json {
        Value::Array(rows) => Some(rows),
        Value::Object(fields) => fields.values().find_map(Value::as_array),
        _ => None,
    }
}

/// Finds a check such as `auc` anywhere in a reader's JSON.
pub(crate) fn find_check<'a>(json: &'a Value, metric: &str) -> Option<&'a Value> {
    match json {
        Value::Object(fields) if fields.get("metric").is_some_and(|name| name == metric) => {
            Some(json)
        }
        Value::Object(fields) => fields.values().find_map(|value| find_check(value, metric)),
        Value::Array(values) => values.iter().find_map(|value| find_check(value, metric)),
        _ => None,
    }
}

fn collect(folder: &Path, part: &str, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, part, files)?;
        } else if path.to_string_lossy().contains(part) {
            files.insert(path.clone(), std::fs::read(&path)?);
        }
    }
    Ok(())
}
