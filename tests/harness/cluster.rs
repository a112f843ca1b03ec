//! The test cluster: its settings from the environment, its tools, and a namespace per test.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{Output, Program};
use crate::{binaries, poll, s3, skip};

/// How long a namespace may take to show what a test waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Kubernetes cluster that the suite may fill with namespaces of its own.
#[derive(Debug, Clone)]
pub struct Cluster {
    kubeconfig: PathBuf,
    tools: PathBuf,
    host_address: IpAddr,
    images: BTreeMap<String, String>,
}

/// A version of Helm to compare and to cooperate with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helm {
    /// Helm 3.
    V3,
    /// Helm 4.
    V4,
}

impl Helm {
    /// Both versions.
    pub const ALL: [Self; 2] = [Self::V3, Self::V4];

    /// Returns the name of the executable in the tools' folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::V3 => "helm3",
            Self::V4 => "helm4",
        }
    }

    /// Describes a run of this Helm, where the tools' folder has it, away from the user's settings.
    pub fn program(self) -> Option<Program> {
        let path = tools_folder()?.join(self.name());
        let settings =
            std::env::temp_dir().join(format!("e2e-{}-{}", self.name(), std::process::id()));
        path.is_file().then(|| {
            Program::new(path)
                .env("HELM_CACHE_HOME", settings.join("cache"))
                .env("HELM_CONFIG_HOME", settings.join("config"))
                .env("HELM_DATA_HOME", settings.join("data"))
        })
    }
}

/// A namespace of one test; deleted when dropped.
#[derive(Debug)]
pub struct Namespace {
    cluster: Cluster,
    name: String,
}

fn tools_folder() -> Option<PathBuf> {
    std::env::var_os("E2E_BIN").map(PathBuf::from)
}

impl Cluster {
    /// Returns the cluster that the environment names, or says aloud that there is none.
    ///
    /// `KUBECONFIG_E2E`, `E2E_HOST_ADDRESS`, `E2E_BIN` and `E2E_IMAGES` are described in
    /// `tests/README.md`; `cargo xtask cluster env` prints them.
    ///
    /// # Errors
    /// Fails when a setting is there but makes no sense, and when nothing may be skipped.
    pub fn from_environment() -> Result<Option<Self>> {
        let Some(kubeconfig) = std::env::var_os("KUBECONFIG_E2E") else {
            skip::aloud("KUBECONFIG_E2E names no cluster; `cargo xtask cluster up` makes one")?;
            return Ok(None);
        };
        let tools =
            tools_folder().context("E2E_BIN is not set: it is the folder of kubectl and helm")?;
        let host_address = std::env::var("E2E_HOST_ADDRESS")
            .context("E2E_HOST_ADDRESS is not set: pods reach the S3 server there")?
            .parse()
            .context("E2E_HOST_ADDRESS is no IP address")?;
        // The light cluster runs no containers, and has no images.
        let images = match std::env::var("E2E_IMAGES") {
            Ok(file) => std::fs::read(&file)
                .with_context(|| format!("failed to read E2E_IMAGES, `{file}`"))?,
            Err(_) => b"{}".to_vec(),
        };
        Ok(Some(Self {
            kubeconfig: PathBuf::from(kubeconfig),
            tools,
            host_address,
            images: serde_json::from_slice(&images).context("E2E_IMAGES holds no map of names")?,
        }))
    }

    /// Returns the address at which pods reach this machine.
    pub fn host_address(&self) -> IpAddr {
        self.host_address
    }

    /// Returns an image's repository and tag.
    ///
    /// # Errors
    /// Fails when `E2E_IMAGES` does not have the image.
    pub fn image(&self, name: &str) -> Result<(&str, &str)> {
        let image = self
            .images
            .get(name)
            .with_context(|| format!("E2E_IMAGES is not set, or has no image `{name}`"))?;
        image
            .rsplit_once(':')
            .with_context(|| format!("image `{image}` has no tag"))
    }

    /// Makes a namespace for one test, with a name that no other run uses.
    ///
    /// # Errors
    /// Fails when the API server refuses.
    pub fn namespace(&self, purpose: &str) -> Result<Namespace> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let moment = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() % 100_000_000;
        let name = format!("e2e-{purpose}-{moment}-{}-{count}", std::process::id());
        self.kubectl()
            .args(["create", "namespace", &name])
            .expect(0)?;
        Ok(Namespace {
            cluster: self.clone(),
            name,
        })
    }

    /// Describes a run of kubectl.
    pub fn kubectl(&self) -> Program {
        Program::new(self.tools.join("kubectl")).env("KUBECONFIG", &self.kubeconfig)
    }

    /// Returns the kubeconfig's path.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

impl Namespace {
    /// Returns the namespace's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Describes a run of kubectl in this namespace.
    pub fn kubectl(&self) -> Program {
        self.cluster.kubectl().args(["--namespace", &self.name])
    }

    /// Describes a run of our deployer on this namespace.
    ///
    /// # Errors
    /// Fails when the deployer is not built.
    pub fn deployer(&self) -> Result<Program> {
        Ok(Program::new(binaries::path("deployer")?)
            .env("KUBECONFIG", &self.cluster.kubeconfig)
            .env("HELM_NAMESPACE", &self.name))
    }

    /// Describes a run of Helm on this namespace.
    ///
    /// # Errors
    /// Fails when `E2E_BIN` does not have that Helm: with a cluster, Helm is a prerequisite.
    pub fn helm(&self, version: Helm) -> Result<Program> {
        let program = version
            .program()
            .with_context(|| format!("E2E_BIN has no `{}`", version.name()))?;
        Ok(program
            .env("KUBECONFIG", &self.cluster.kubeconfig)
            .args(["--namespace", &self.name]))
    }

    /// Reads an object, or a list of a kind, as JSON; none when it does not exist.
    ///
    /// # Errors
    /// Fails when kubectl fails for another reason than absence.
    pub fn get(&self, arguments: &[&str]) -> Result<Option<Value>> {
        let output = self
            .kubectl()
            .arg("get")
            .args(arguments)
            .args(["--output", "json", "--ignore-not-found"])
            .expect(0)?;
        if output.stdout.trim().is_empty() {
            return Ok(None);
        }
        Ok(Some(output.json()?))
    }

    /// Reads the items of a list.
    ///
    /// # Errors
    /// Fails when kubectl fails.
    pub fn items(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let list = self.get(arguments)?.unwrap_or_default();
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until `probe` answers.
    ///
    /// # Errors
    /// Fails with the namespace's pods and events when it does not in time.
    pub fn wait_until<T>(&self, what: &str, probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        poll::until(what, PATIENCE, probe).with_context(|| self.describe())
    }

    /// Creates the Secret by which pods reach the S3 server.
    ///
    /// # Errors
    /// Fails when kubectl fails.
    pub fn create_credentials(&self, name: &str, credentials: &s3::Credentials) -> Result<()> {
        self.kubectl()
            .args(["create", "secret", "generic", name])
            .arg(format!(
                "--from-literal=AWS_ACCESS_KEY_ID={}",
                credentials.access_key
            ))
            .arg(format!(
                "--from-literal=AWS_SECRET_ACCESS_KEY={}",
                credentials.secret_key
            ))
            .expect(0)?;
        Ok(())
    }

    /// Asks a service over HTTP through the API server: `GET`, or `POST` when there is a body.
    ///
    /// # Errors
    /// Fails when the service answers with an error, or not at all.
    pub fn ask(&self, service: &str, path: &str, body: Option<&Value>) -> Result<Output> {
        let url = format!(
            "/api/v1/namespaces/{}/services/{service}:http/proxy{path}",
            self.name
        );
        match body {
            None => self.kubectl().args(["get", "--raw", &url]).expect(0),
            Some(body) => self
                .kubectl()
                .args(["create", "--raw", &url, "--filename", "-"])
                .input(body.to_string())
                .expect(0),
        }
    }

    /// Asks a port of a service by its name over HTTP, through the API server.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn ask_port(&self, service: &str, port: &str, path: &str) -> Result<Output> {
        let url = format!(
            "/api/v1/namespaces/{}/services/{service}:{port}/proxy{path}",
            self.name
        );
        self.kubectl().args(["get", "--raw", &url]).expect(0)
    }

    /// Describes the namespace's pods and events, for failure messages.
    pub fn describe(&self) -> String {
        let mut text = format!("namespace {}\n", self.name);
        for arguments in [
            ["get", "pods,jobs,deployments", "--output=wide"],
            ["get", "events", "--sort-by=.lastTimestamp"],
        ] {
            match self.kubectl().args(arguments).run() {
                Ok(output) => text.push_str(&output.stdout),
                Err(error) => text.push_str(&format!("{error:#}\n")),
            }
        }
        text
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::env::var_os("E2E_KEEP").is_some() {
            return;
        }
        // What cannot be deleted goes with the cluster.
        let _left_behind = self
            .cluster
            .kubectl()
            .args([
                "delete",
                "namespace",
                &self.name,
                "--wait=false",
                "--ignore-not-found",
            ])
            .run();
    }
}

/// Splits the message of a failed expectation from its cause: fails unless `condition` holds.
///
/// # Errors
/// The message, when the condition does not hold.
pub fn demand(condition: bool, message: impl FnOnce() -> String) -> Result<()> {
    if condition {
        return Ok(());
    }
    bail!(message())
}
