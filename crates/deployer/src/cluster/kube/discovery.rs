//! Which kinds the cluster serves, under which paths: asked once a run, by two requests.
//!
//! Also gives `.Capabilities` as Helm computes it: the server's version, every
//! `group/version` and every `group/version/Kind`.

use std::collections::{BTreeSet, HashMap};

use kube::core::discovery::v2::ACCEPT_AGGREGATED_DISCOVERY_V2;
use serde_json::Value;

use super::error::KubeError;
use super::rest::Rest;

/// Where objects of one kind live in the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKind {
    /// Group and version, as `apps/v1` or `v1`.
    pub api_version: String,
    /// The kind, as `Deployment`.
    pub kind: String,
    /// The path segment, as `deployments`.
    pub plural: String,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// What may be done with it, as `get` and `watch`.
    pub verbs: Vec<String>,
}

impl ApiKind {
    /// Returns the path of the collection, in `namespace` where the kind has one.
    pub fn collection(&self, namespace: &str) -> String {
        let root = if self.api_version.contains('/') {
            format!("/apis/{}", self.api_version)
        } else {
            format!("/api/{}", self.api_version)
        };
        if self.namespaced && !namespace.is_empty() {
            format!("{root}/namespaces/{namespace}/{}", self.plural)
        } else {
            format!("{root}/{}", self.plural)
        }
    }

    /// Returns the path of one object.
    pub fn object(&self, namespace: &str, name: &str) -> String {
        format!(
            "{}/{}",
            self.collection(namespace),
            super::rest::escape(name)
        )
    }
}

/// What the cluster serves.
#[derive(Debug, Default)]
pub struct Discovery {
    kinds: HashMap<(String, String), ApiKind>,
    versions: BTreeSet<String>,
}

impl Discovery {
    /// Asks the server for everything that it serves.
    ///
    /// # Errors
    /// [`KubeError`] when the server cannot be asked; a single broken aggregated API is no error.
    pub async fn load(rest: &Rest) -> Result<Self, KubeError> {
        let (core, groups) = tokio::try_join!(
            rest.get_as("/api", ACCEPT_AGGREGATED_DISCOVERY_V2),
            rest.get_as("/apis", ACCEPT_AGGREGATED_DISCOVERY_V2),
        )?;
        let mut discovery = Self::default();
        for list in [&core, &groups] {
            if list["kind"] == "APIGroupDiscoveryList" {
                discovery.read_aggregated(list);
            } else {
                discovery.read_each(rest, list).await?;
            }
        }
        Ok(discovery)
    }

    fn read_aggregated(&mut self, list: &Value) {
        for group in items(list, "items") {
            let name = text(&group["metadata"], "name");
            for version in items(group, "versions") {
                let api_version = join(name, text(version, "version"));
                self.versions.insert(api_version.clone());
                for resource in items(version, "resources") {
                    let kind = text(&resource["responseKind"], "kind");
                    self.insert(ApiKind {
                        api_version: api_version.clone(),
                        kind: kind.to_owned(),
                        plural: text(resource, "resource").to_owned(),
                        namespaced: text(resource, "scope") == "Namespaced",
                        verbs: strings(resource, "verbs"),
                    });
                }
            }
        }
    }

    /// Reads the old form, a request for each group and version, from servers before 1.27.
    async fn read_each(&mut self, rest: &Rest, list: &Value) -> Result<(), KubeError> {
        let mut api_versions: Vec<String> = strings(list, "versions");
        for group in items(list, "groups") {
            for version in items(group, "versions") {
                api_versions.push(text(version, "groupVersion").to_owned());
            }
        }
        for api_version in api_versions {
            let path = if api_version.contains('/') {
                format!("/apis/{api_version}")
            } else {
                format!("/api/{api_version}")
            };
            self.versions.insert(api_version.clone());
            let resources = match rest.get(&path).await {
                Ok(resources) => resources,
                // One aggregated API that is down must not stop everything else.
                Err(KubeError::Api {
                    code: 404 | 500.., ..
                }) => continue,
                Err(error) => return Err(error),
            };
            for resource in items(&resources, "resources") {
                if text(resource, "name").contains('/') {
                    continue;
                }
                self.insert(ApiKind {
                    api_version: api_version.clone(),
                    kind: text(resource, "kind").to_owned(),
                    plural: text(resource, "name").to_owned(),
                    namespaced: resource["namespaced"].as_bool().unwrap_or_default(),
                    verbs: strings(resource, "verbs"),
                });
            }
        }
        Ok(())
    }

    fn insert(&mut self, kind: ApiKind) {
        let key = (kind.api_version.clone(), kind.kind.clone());
        // The first is the object's own collection; later ones are odd subresources.
        self.kinds.entry(key).or_insert(kind);
    }

    /// Returns where objects of this kind live.
    ///
    /// # Errors
    /// [`KubeError::UnknownKind`] when the cluster serves no such kind.
    pub fn find(&self, api_version: &str, kind: &str) -> Result<&ApiKind, KubeError> {
        self.kinds
            .get(&(api_version.to_owned(), kind.to_owned()))
            .ok_or_else(|| KubeError::UnknownKind {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
            })
    }

    /// Returns `.Capabilities.APIVersions`: every `group/version` and `group/version/Kind`.
    ///
    /// Source: Helm v4 `pkg/action/action.go`, `GetVersionSet`.
    pub fn capability_versions(&self) -> Vec<String> {
        let mut all: BTreeSet<String> = self.versions.clone();
        all.extend(
            self.kinds
                .keys()
                .map(|(api_version, kind)| format!("{api_version}/{kind}")),
        );
        all.into_iter().collect()
    }
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value[key].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn strings(value: &Value, key: &str) -> Vec<String> {
    items(value, key)
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn join(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregated_discovery_gives_paths_and_capabilities() {
        let list = serde_json::json!({"kind": "APIGroupDiscoveryList", "items": [
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [
                {"resource": "deployments", "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"}, "scope": "Namespaced", "verbs": ["get"]}]}]},
            {"metadata": {"name": ""}, "versions": [{"version": "v1", "resources": [
                {"resource": "namespaces", "responseKind": {"group": "", "version": "v1", "kind": "Namespace"}, "scope": "Cluster", "verbs": ["get"]}]}]}]});
        let mut discovery = Discovery::default();
        discovery.read_aggregated(&list);
        let deployment = discovery.find("apps/v1", "Deployment").expect("served");
        assert_eq!(
            deployment.object("prod", "web"),
            "/apis/apps/v1/namespaces/prod/deployments/web"
        );
        let namespace = discovery.find("v1", "Namespace").expect("served");
        assert_eq!(namespace.object("prod", "prod"), "/api/v1/namespaces/prod");
        assert_eq!(
            discovery.capability_versions(),
            ["apps/v1", "apps/v1/Deployment", "v1", "v1/Namespace"]
        );
        assert!(matches!(
            discovery.find("batch/v1", "Job"),
            Err(KubeError::UnknownKind { .. })
        ));
    }
}
