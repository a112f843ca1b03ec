//! The three programs under comparison, and what they leave of a release.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use harness::cluster::{Cluster, Helm, Namespace};
use harness::command::{Output, Program};
use harness::release::decode_record;
use harness::workspace;
use serde_json::{Value, json};

/// A program that works on releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Deployer,
    Helm(Helm),
}

impl Tool {
    pub(crate) const ALL: [Self; 3] = [Self::Deployer, Self::Helm(Helm::V3), Self::Helm(Helm::V4)];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Deployer => "deployer",
            Self::Helm(helm) => helm.name(),
        }
    }

    /// The flag that undoes a failure.
    pub(crate) fn atomic(self) -> &'static str {
        match self {
            Self::Helm(Helm::V4) => "--rollback-on-failure",
            _ => "--atomic",
        }
    }
}

/// A namespace in which one program works on the release `app`.
pub(crate) struct Site {
    pub(crate) tool: Tool,
    pub(crate) namespace: Namespace,
    /// In the ways of which Helm the deployer renders here.
    pub(crate) ways: Helm,
}

impl Site {
    /// Makes a namespace for each program.
    pub(crate) fn for_all(cluster: &Cluster, purpose: &str) -> Result<Vec<Self>> {
        Tool::ALL
            .into_iter()
            .map(|tool| Self::of(cluster, purpose, tool))
            .collect()
    }

    pub(crate) fn of(cluster: &Cluster, purpose: &str, tool: Tool) -> Result<Self> {
        let namespace = cluster.namespace(&format!("{purpose}-{}", tool.name()))?;
        Ok(Self {
            tool,
            namespace,
            ways: Helm::V3,
        })
    }

    /// Describes a run of a program here.
    pub(crate) fn program(&self, tool: Tool) -> Result<Program> {
        match tool {
            Tool::Deployer => {
                let deployer = self.namespace.deployer()?;
                Ok(deployer.env("DEPLOYER_COMPAT", self.ways.name()))
            }
            Tool::Helm(helm) => self.namespace.helm(helm),
        }
    }

    /// Runs this site's program; `CHART` stands for the test chart, `VALUES` for one that shows its values and
    /// `VALUES-NEXT` for its next version with other defaults, `ATOMIC` for the flag that undoes a failure.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Output> {
        self.run_as(self.tool, arguments)
    }

    /// Runs another program here.
    pub(crate) fn run_as(&self, tool: Tool, arguments: &[&str]) -> Result<Output> {
        let chart = workspace::test_chart("crash");
        let program = self.program(tool)?;
        let program = arguments
            .iter()
            .fold(program, |program, argument| match *argument {
                "CHART" => program.arg(&chart),
                "VALUES" => program.arg(workspace::test_chart("values")),
                "VALUES-NEXT" => program.arg(workspace::test_chart("values-next")),
                "ATOMIC" => program.arg(tool.atomic()),
                other => program.arg(other),
            });
        program.run()
    }

    /// Runs this site's program and demands that it succeeds.
    pub(crate) fn does(&self, arguments: &[&str]) -> Result<Output> {
        self.does_as(self.tool, arguments)
    }

    /// Runs another program here and demands that it succeeds.
    pub(crate) fn does_as(&self, tool: Tool, arguments: &[&str]) -> Result<Output> {
        let output = self.run_as(tool, arguments)?;
        harness::cluster::demand(output.code() == Some(0), || output.describe())?;
        Ok(output)
    }

    /// Returns the Secrets of the release, oldest revision first, each with its decoded record.
    pub(crate) fn secrets(&self) -> Result<Vec<(Value, Value)>> {
        let selector = "--selector=owner=helm,name=app";
        let mut secrets = Vec::new();
        for secret in self.namespace.items(&["secrets", selector])? {
            let data = secret["data"]["release"].as_str().context("no record")?;
            let record = decode_record(data)?;
            secrets.push((secret, record));
        }
        secrets.sort_by_key(|(_, record)| record["version"].as_u64());
        Ok(secrets)
    }

    /// Says what is live of the release: names, with the colour where there is one.
    pub(crate) fn live(&self) -> Result<BTreeMap<String, Value>> {
        let kinds = "configmaps,services,deployments";
        let mut live = BTreeMap::new();
        for object in self.namespace.items(&[kinds])? {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            if name != "app" && !name.starts_with("app-") {
                continue;
            }
            let env = object.pointer("/spec/template/spec/containers/0/env/0/value");
            let colour = object.pointer("/data/colour").or(env).cloned();
            let kind = object["kind"].as_str().unwrap_or_default();
            live.insert(format!("{kind} {name}"), colour.unwrap_or_default());
        }
        Ok(live)
    }

    /// Sums up what the program left: revisions with state and description, values, labels, hooks
    /// and live objects. What differs by nature (times, the text of an error) is left out.
    pub(crate) fn summary(&self) -> Result<Value> {
        let mut revisions = Vec::new();
        for (secret, record) in self.secrets()? {
            let own = [
                "name",
                "owner",
                "status",
                "version",
                "createdAt",
                "modifiedAt",
            ];
            let labels: BTreeMap<&String, &Value> = secret["metadata"]["labels"]
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(label, _)| !own.contains(&label.as_str()))
                .collect();
            let hooks = record["hooks"].as_array().into_iter().flatten();
            let description = record["info"]["description"].as_str().unwrap_or_default();
            let description = match description.split_once("failed: ") {
                Some((before, _)) => format!("{before}failed: …"),
                None => description.to_owned(),
            };
            revisions.push(json!({
                "revision": record["version"],
                "status": record["info"]["status"],
                "description": description,
                "values": record["config"],
                "defaults": record["chart"]["values"],
                "labels": labels,
                "hooks": hooks.map(|hook| hook["last_run"]["phase"].clone()).collect::<Vec<_>>(),
            }));
        }
        Ok(json!({"revisions": revisions, "live": self.live()?}))
    }
}

/// Lists the places at which two values differ, as `pointer: left | right`.
pub(crate) fn differences(left: &Value, right: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", left, right, &mut found);
    found
}

fn compare(place: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> =
                one.keys().chain(other.keys()).collect();
            for key in keys {
                let at = format!("{place}/{key}");
                match (one.get(key), other.get(key)) {
                    (Some(one), Some(other)) => compare(&at, one, other, found),
                    (Some(one), None) => found.push(format!("{at}: {one} | nothing")),
                    (None, Some(other)) => found.push(format!("{at}: nothing | {other}")),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{place}/{index}"), one, other, found);
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{place}: {left} | {right}")),
    }
}
