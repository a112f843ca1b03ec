//! What the account that we work with may do, by the server's own reviews.
//!
//! One SelfSubjectRulesReview tells of a whole namespace; what it does not cover, because the rules
//! are incomplete or the right is about the whole cluster, is asked for one by one.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::error::KubeError;
use super::session::KubeCluster;
use crate::cluster::ObjectId;
use crate::plan::rights::{KindNames, KindTable, Right};

/// Reviews that are under way at once.
const REVIEWS_AT_ONCE: usize = 16;
const REVIEWS: &str = "/apis/authorization.k8s.io/v1";

impl KubeCluster {
    pub(super) async fn rights_missing(&self, rights: &[Right]) -> Result<Vec<Right>, KubeError> {
        let mut by_namespace: BTreeMap<Option<&str>, Vec<&Right>> = BTreeMap::new();
        for right in rights {
            let place = right.namespace.as_deref();
            by_namespace.entry(place).or_default().push(right);
        }
        let mut unclear: Vec<&Right> = Vec::new();
        for (namespace, wanted) in by_namespace {
            let Some(namespace) = namespace else {
                unclear.extend(wanted);
                continue;
            };
            let review = json!({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
                "spec": {"namespace": namespace}
            });
            let path = format!("{REVIEWS}/selfsubjectrulesreviews");
            let status = self.rest.post(&path, &review).await?["status"].take();
            unclear.extend(wanted.into_iter().filter(|right| !allows(&status, right)));
        }
        // A list of rules may leave out what another authorizer allows: only its "yes" counts.
        let asked: Vec<_> = unclear
            .into_iter()
            .map(|right| self.is_missing(right))
            .collect();
        stream::iter(asked)
            .buffered(REVIEWS_AT_ONCE)
            .try_filter_map(|missing| async move { Ok(missing) })
            .try_collect()
            .await
    }

    async fn is_missing(&self, right: &Right) -> Result<Option<Right>, KubeError> {
        let (resource, subresource) = right
            .resource
            .split_once('/')
            .unwrap_or((&right.resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "namespace": right.namespace.as_deref().unwrap_or_default(),
                "group": right.group, "resource": resource, "subresource": subresource,
                "verb": right.verb, "name": right.name.as_deref().unwrap_or_default()
            }}
        });
        let path = format!("{REVIEWS}/selfsubjectaccessreviews");
        let answer = self.rest.post(&path, &review).await?;
        let allowed = answer["status"]["allowed"] == true;
        Ok((!allowed).then(|| right.clone()))
    }

    pub(super) async fn names_of_kinds(&self, ids: &[ObjectId]) -> KindTable {
        let mut names = KindTable::new();
        for id in ids {
            let key = (id.group().to_owned(), id.kind.clone());
            if names.contains_key(&key) {
                continue;
            }
            // A kind that is not served yet is named as its definition, or the convention, has it.
            if let Ok(kind) = self.kind(&id.api_version, &id.kind).await {
                let found = KindNames {
                    plural: kind.plural,
                    is_namespaced: kind.namespaced,
                };
                names.insert(key, found);
            }
        }
        names
    }
}

/// Tells whether one of the rules allows it.
fn allows(status: &Value, right: &Right) -> bool {
    let has = |rule: &Value, list: &str, wanted: &str| {
        let all = rule[list].as_array().into_iter().flatten();
        all.filter_map(Value::as_str)
            .any(|one| one == "*" || one == wanted)
    };
    let names = |rule: &Value| match rule["resourceNames"].as_array() {
        Some(names) if !names.is_empty() => right
            .name
            .as_deref()
            .is_some_and(|name| names.iter().any(|one| one == name)),
        _ => true,
    };
    status["resourceRules"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|rule| {
            has(rule, "apiGroups", &right.group)
                && has(rule, "resources", &right.resource)
                && has(rule, "verbs", right.verb)
                && names(rule)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_allow_by_group_resource_verb_and_name() {
        let status = json!({"resourceRules": [
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["mine"]},
            {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"]}
        ]});
        let right = |group: &str, resource: &str, verb: &'static str, name: Option<&str>| Right {
            namespace: Some("prod".to_owned()),
            group: group.to_owned(),
            resource: resource.to_owned(),
            verb,
            name: name.map(str::to_owned),
        };
        assert!(allows(
            &status,
            &right("apps", "deployments", "patch", None)
        ));
        assert!(allows(&status, &right("", "secrets", "get", Some("mine"))));
        assert!(!allows(&status, &right("", "secrets", "get", None)));
        assert!(!allows(
            &status,
            &right("", "secrets", "list", Some("mine"))
        ));
        assert!(!allows(&status, &right("batch", "jobs", "get", None)));
    }
}
