//! What must hold of a release when nothing works on it any more.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use harness::api_proxy::PlainApi;
use harness::release::decode_record;
use serde_json::Value;

/// Where a release lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) api: &'a PlainApi,
    pub(crate) namespace: &'a str,
    pub(crate) release: &'a str,
}

impl Place<'_> {
    /// Decodes the records, oldest first.
    pub(crate) fn records(&self) -> Result<Vec<Value>> {
        let path = format!(
            "/api/v1/namespaces/{}/secrets?labelSelector=owner%3Dhelm,name%3D{}",
            self.namespace, self.release
        );
        let mut records = Vec::new();
        for secret in self.api.items(&path)? {
            let data = secret["data"]["release"].as_str().context("no record")?;
            records.push(decode_record(data)?);
        }
        records.sort_by_key(|record| record["version"].as_u64());
        Ok(records)
    }

    /// Returns revision and status of each record.
    pub(crate) fn statuses(&self) -> Result<Vec<String>> {
        let records = self.records()?;
        let word = |record: &Value| {
            let status = record["info"]["status"].as_str().unwrap_or("none");
            format!("{} {status}", record["version"])
        };
        Ok(records.iter().map(word).collect())
    }

    /// Says what is live of the release: each object with what tells its colour.
    pub(crate) fn live(&self) -> Result<BTreeMap<String, String>> {
        let mut live = BTreeMap::new();
        for (api, kind, pointer) in [
            ("api/v1", "configmaps", "/data/colour"),
            ("api/v1", "services", "/spec/ports/0/port"),
            (
                "apis/apps/v1",
                "deployments",
                "/spec/template/spec/containers/0/env/0/value",
            ),
        ] {
            let path = format!(
                "/{api}/namespaces/{}/{kind}?labelSelector=app.kubernetes.io%2Fmanaged-by%3DHelm",
                self.namespace
            );
            for object in self.api.items(&path)? {
                let metadata = &object["metadata"];
                let owner = &metadata["annotations"]["meta.helm.sh/release-name"];
                if owner != self.release {
                    continue;
                }
                let name = metadata["name"].as_str().unwrap_or_default();
                let told = object.pointer(pointer).map(ToString::to_string);
                live.insert(format!("{kind} {name}"), told.unwrap_or_default());
            }
        }
        Ok(live)
    }

    /// What must be live of a colour.
    pub(crate) fn expected(&self, colour: Option<&str>) -> BTreeMap<String, String> {
        let Some(colour) = colour else {
            return BTreeMap::new();
        };
        let told = format!("\"{colour}\"");
        let name = self.release;
        let mut objects: BTreeMap<String, String> = ["first", "second", "third", colour]
            .iter()
            .map(|part| (format!("configmaps {name}-{part}"), told.clone()))
            .collect();
        objects.insert(format!("configmaps {name}-same"), String::new());
        objects.insert(format!("services {name}"), "80".to_owned());
        objects.insert(format!("deployments {name}"), told);
        objects
    }

    /// Says what does not hold of the records: nothing pending, at most one deployed, no lease.
    pub(crate) fn broken_records(&self) -> Result<Vec<String>> {
        let statuses = self.statuses()?;
        let mut broken: Vec<String> = statuses
            .iter()
            .filter(|status| status.contains("pending") || status.contains("uninstalling"))
            .map(|status| format!("revision {status}"))
            .collect();
        let deployed = statuses
            .iter()
            .filter(|status| status.ends_with(" deployed"));
        let deployed = deployed.count();
        if deployed > 1 {
            broken.push(format!("{deployed} revisions are deployed"));
        }
        let lease = format!(
            "/apis/coordination.k8s.io/v1/namespaces/{}/leases/deployer.{}",
            self.namespace, self.release
        );
        if let Some(lease) = self.api.get(&lease)? {
            broken.push(format!("the lease is still there: {}", lease["spec"]));
        }
        Ok(broken)
    }

    /// Says what does not hold at all: that of the records, and that the live objects are those of
    /// the deployed revision.
    pub(crate) fn broken(&self) -> Result<Vec<String>> {
        let mut broken = self.broken_records()?;
        let records = self.records()?;
        let deployed = records
            .iter()
            .find(|record| record["info"]["status"] == "deployed");
        let colour = deployed.and_then(|record| record["config"]["colour"].as_str());
        let (live, expected) = (self.live()?, self.expected(colour));
        if live != expected {
            broken.push(format!("live is {live:?}, deployed {expected:?}"));
        }
        Ok(broken)
    }
}
