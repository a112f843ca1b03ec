//! A namespace, and a chart that renders whatever objects a test wants there.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use harness::cluster::{Cluster, Namespace};
use harness::command::Program;
use harness::workspace;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Where one test plays.
pub(crate) struct Room {
    pub(crate) namespace: Namespace,
    image: String,
    folder: TempDir,
}

/// Opens a room, or says aloud that there is no cluster.
pub(crate) fn open(purpose: &str) -> Result<Option<Room>> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(None);
    };
    let (repository, tag) = cluster.image("redis")?;
    let image = format!("{repository}:{tag}");
    let namespace = cluster.namespace(purpose)?;
    Ok(Some(Room {
        namespace,
        image,
        folder: tempfile::tempdir()?,
    }))
}

impl Room {
    /// Describes a command on a release with these objects as its manifests and hooks.
    pub(crate) fn with(
        &self,
        program: Program,
        command: &str,
        release: &str,
        objects: &[Value],
    ) -> Result<Program> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let values = self.folder.path().join(format!("values-{count}.json"));
        std::fs::write(&values, json!({ "objects": objects }).to_string())?;
        Ok(program
            .args([command, release])
            .arg(workspace::test_chart("objects"))
            .arg("--values")
            .arg(values))
    }

    /// Describes a run of our deployer on a release with these objects.
    pub(crate) fn deploy(
        &self,
        command: &str,
        release: &str,
        objects: &[Value],
    ) -> Result<Program> {
        self.with(self.namespace.deployer()?, command, release, objects)
    }

    /// Returns a folder for what the test writes.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Returns an image that its registry does not have.
    pub(crate) fn missing_image(&self) -> String {
        let (repository, _) = self.image.rsplit_once(':').unwrap_or((&self.image, ""));
        format!("{repository}-no-such-image:1")
    }

    /// Returns a pod's template that runs one command of the image.
    pub(crate) fn template(&self, app: &str, command: &[&str]) -> Value {
        json!({
            "metadata": {"labels": {"app": app}},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "main", "image": self.image, "command": command}],
            },
        })
    }

    /// Returns a Deployment of one pod that runs `command`.
    pub(crate) fn deployment(&self, name: &str, command: &[&str]) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": self.template(name, command),
            },
        })
    }

    /// Returns a Job that runs `command` once.
    pub(crate) fn job(&self, name: &str, command: &[&str]) -> Value {
        let mut template = self.template(name, command);
        template["spec"]["restartPolicy"] = json!("Never");
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": template},
        })
    }

    /// Reads an object that must be there.
    pub(crate) fn object(&self, kind: &str, name: &str) -> Result<Value> {
        self.namespace
            .get(&[kind, name])?
            .with_context(|| format!("no {kind} `{name}`\n{}", self.namespace.describe()))
    }

    /// Returns the status of each revision, oldest first.
    pub(crate) fn statuses(&self, release: &str) -> Result<Vec<String>> {
        let rows = self
            .namespace
            .deployer()?
            .args(["history", release, "--output=json"])
            .expect(0)?
            .json()?;
        let rows = rows.as_array().context("no list of revisions")?.clone();
        Ok(rows
            .iter()
            .map(|row| row["status"].as_str().unwrap_or_default().to_owned())
            .collect())
    }
}

/// Makes an object a hook.
pub(crate) fn hook(mut object: Value, event: &str) -> Value {
    object["metadata"]["annotations"]["helm.sh/hook"] = json!(event);
    object
}

/// Returns a ConfigMap with one entry.
pub(crate) fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}})
}

/// Runs until it is stopped.
pub(crate) const SERVE: [&str; 3] = ["redis-server", "--save", ""];
/// Ends well at once.
pub(crate) const SUCCEED: [&str; 2] = ["redis-cli", "--version"];
/// Says why, and ends badly at once.
pub(crate) const FAIL: [&str; 3] = ["redis-server", "--no-such-option", "1"];
