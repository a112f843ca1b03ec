//! A namespace with an S3 server that its pods reach, filled with the committed models and data.

use anyhow::{Context, Result};
use harness::cluster::{Cluster, Helm, Namespace};
use harness::command::Program;
use harness::s3::Server;
use harness::{datasets, release, workspace};
use serde_json::Value;
use tempfile::TempDir;

/// The Secret with the credentials for S3.
const CREDENTIALS: &str = "object-store";

/// Where one test plays.
pub(crate) struct Stage {
    pub(crate) namespace: Namespace,
    pub(crate) server: Server,
    _folder: TempDir,
}

/// Sets the stage, or says aloud that there is no cluster.
pub(crate) fn set(purpose: &str) -> Result<Option<Stage>> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(None);
    };
    let folder = tempfile::tempdir()?;
    let server = Server::start_for_pods(folder.path(), cluster.host_address())?;
    for model in ["champion", "better", "degraded", "slow"] {
        let key = format!("fraud/{model}.pt");
        server.put("ml-models", &key, &datasets::model(model)?)?;
    }
    server.put(
        "ml-data",
        "validation/fraud/2026-01",
        &datasets::validation()?,
    )?;
    let namespace = cluster.namespace(purpose)?;
    namespace.create_credentials(CREDENTIALS, server.credentials())?;
    Ok(Some(Stage {
        namespace,
        server,
        _folder: folder,
    }))
}

impl Stage {
    /// Adds chart and values of the gated chart with one of the models.
    pub(crate) fn gated(&self, program: Program, command: &str, model: &str) -> Result<Program> {
        let chart = workspace::chart("fraud-model");
        let mut program = program
            .args([command, "fraud-model"])
            .arg(&chart)
            .arg("--values")
            .arg(chart.join("ci/values-small-node.yaml"))
            .arg(format!("--set=model.path=s3://ml-models/fraud/{model}.pt"))
            .arg("--set=gate.dataset=s3://ml-data/validation/fraud/2026-01/")
            .arg("--set-string=gate.minimumAuc=0.85")
            .arg("--set-string=gate.maximumP99LatencyMs=25")
            // A slow model is refused within seconds instead of a minute.
            .arg("--set=gate.extraEnv.VALIDATOR_TIME_BUDGET=10")
            .arg("--set=objectStore.region=us-east-1")
            .arg(format!(
                "--set=objectStore.endpointUrl={}",
                self.server.endpoint_for_pods()
            ))
            .arg(format!("--set=objectStore.credentialsSecret={CREDENTIALS}"));
        for (key, image) in [("image", "model-server"), ("gate.image", "validator")] {
            let (repository, tag) = self.namespace.cluster().image(image)?;
            program = program.arg(format!(
                "--set={key}.repository={repository},{key}.tag={tag}"
            ));
        }
        Ok(program)
    }

    /// Adds chart and values of the classic gate with one of the models.
    pub(crate) fn classic(&self, program: Program, command: &str, model: &str) -> Result<Program> {
        let (repository, tag) = self.namespace.cluster().image("validator")?;
        Ok(program
            .args([command, "classic"])
            .arg(workspace::test_chart("classic-gate"))
            .arg(format!("--set=image={repository}:{tag}"))
            .arg(format!("--set=modelPath=s3://ml-models/fraud/{model}.pt"))
            .arg("--set=dataset=s3://ml-data/validation/fraud/2026-01/")
            .arg("--set-string=minimumAuc=0.85")
            .arg(format!(
                "--set=endpointUrl={}",
                self.server.endpoint_for_pods()
            ))
            .arg(format!("--set=credentialsSecret={CREDENTIALS}")))
    }

    /// Adds chart and values of the gate in shards with one of the models.
    pub(crate) fn in_shards(
        &self,
        program: Program,
        command: &str,
        model: &str,
    ) -> Result<Program> {
        let chart = workspace::chart("validation-job");
        let (repository, tag) = self.namespace.cluster().image("validator")?;
        Ok(program
            .args([command, "judged"])
            .arg(&chart)
            .arg("--values")
            .arg(chart.join("ci/values-example.yaml"))
            .arg(format!(
                "--set=image.repository={repository},image.tag={tag}"
            ))
            .arg(format!("--set=model.path=s3://ml-models/fraud/{model}.pt"))
            .arg("--set=dataset=s3://ml-data/validation/fraud/2026-01/")
            .arg("--set=summaries=s3://ml-runs/validation/")
            .arg("--set-string=minimumAuc=0.85")
            .arg("--set=extraEnv.VALIDATOR_TIME_BUDGET=10")
            .arg("--set=objectStore.region=us-east-1")
            .arg(format!(
                "--set=objectStore.endpointUrl={}",
                self.server.endpoint_for_pods()
            ))
            .arg(format!("--set=objectStore.credentialsSecret={CREDENTIALS}")))
    }

    /// Describes a run of our deployer.
    pub(crate) fn deployer(&self) -> Result<Program> {
        self.namespace.deployer()
    }

    /// Describes a run of Helm.
    pub(crate) fn helm(&self, version: Helm) -> Result<Program> {
        self.namespace.helm(version)
    }

    /// Reads the release's history by our own command, oldest revision first.
    pub(crate) fn history(&self, release: &str) -> Result<Vec<Value>> {
        let json = self
            .deployer()?
            .args(["history", release, "--output=json"])
            .expect(0)?
            .json()?;
        let rows = match &json {
            Value::Array(rows) => Some(rows),
            Value::Object(fields) => fields.values().find_map(Value::as_array),
            _ => None,
        };
        Ok(rows
            .with_context(|| format!("no revisions in {json}"))?
            .clone())
    }

    /// Returns the status of each revision as the Secrets' labels tell it, oldest first.
    pub(crate) fn statuses(&self, release: &str) -> Result<Vec<String>> {
        let records = self.records(release)?;
        Ok(records
            .iter()
            .map(|record| {
                record["info"]["status"]
                    .as_str()
                    .unwrap_or("none")
                    .to_owned()
            })
            .collect())
    }

    /// Decodes the release's records, oldest revision first.
    pub(crate) fn records(&self, release: &str) -> Result<Vec<Value>> {
        let selector = format!("--selector=owner=helm,name={release}");
        let secrets = self.namespace.items(&["secrets", &selector])?;
        let mut records = secrets
            .iter()
            .map(|secret| {
                let data = secret["data"]["release"]
                    .as_str()
                    .context("a record without data")?;
                release::decode_record(data)
            })
            .collect::<Result<Vec<_>>>()?;
        records.sort_by_key(|record| record["version"].as_u64());
        Ok(records)
    }

    /// Returns the UIDs of the server's pods that are not about to end, in order.
    pub(crate) fn pods(&self) -> Result<Vec<String>> {
        let pods = self
            .namespace
            .items(&["pods", "--selector=app.kubernetes.io/name=fraud-model"])?;
        let mut uids: Vec<String> = pods
            .iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .map(|pod| {
                pod["metadata"]["uid"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        uids.sort();
        Ok(uids)
    }

    /// Waits until the server's old pods are gone, and returns those that stay.
    pub(crate) fn settled_pods(&self) -> Result<Vec<String>> {
        self.namespace.wait_until("one pod that serves", || {
            let pods = self.pods()?;
            Ok((pods.len() == 1).then_some(pods))
        })
    }

    /// Returns a field that must be there.
    pub(crate) fn object(&self, kind: &str, name: &str) -> Result<Value> {
        self.namespace
            .get(&[kind, name])?
            .with_context(|| format!("no {kind} `{name}`\n{}", self.namespace.describe()))
    }
}
