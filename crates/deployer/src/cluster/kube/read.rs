//! Reading many objects at once: few of a kind one by one, many by listing their collection.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::stream::FuturesUnordered;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use tracing::debug;

use super::error::KubeError;
use super::rest::escape;
use super::session::KubeCluster;
use crate::cluster::{Cluster as _, ClusterError, ObjectId};

/// Objects wanted of one collection from which it is listed.
const LIST_FROM: usize = 6;
/// Objects on a page of a list.
const PAGE: usize = 500;
/// How many times the wanted objects a list may hold before the rest is read one by one.
const FOREIGN_FACTOR: usize = 4;
/// Of Secrets, records and evidence are left out: they are large, and no manifest holds them.
const NO_RECORDS: &str = "type!=helm.sh/release.v1,type!=deployer/evidence.v1";

/// What is wanted of one collection.
struct Group<'a> {
    is_secret: bool,
    /// Positions in the question, by name.
    wanted: HashMap<&'a str, Vec<usize>>,
}

/// What a list showed of the wanted objects.
struct Listed {
    found: Vec<(usize, Value)>,
    /// Whether the list was read to its end: what was not found is not there.
    is_whole: bool,
}

impl KubeCluster {
    /// Returns many objects, in the order of `ids`; what is read is remembered for the apply.
    pub(super) async fn read_many(
        &self,
        ids: &[ObjectId],
    ) -> Result<Vec<Option<Arc<Value>>>, ClusterError> {
        let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
        for (index, id) in ids.iter().enumerate() {
            let kind = self
                .kind(&id.api_version, &id.kind)
                .await
                .map_err(|error| self.explain(error, id, "get"))?;
            let group = groups
                .entry(kind.collection(self.namespace_of(id)))
                .or_insert_with(|| Group {
                    is_secret: id.api_version == "v1" && id.kind == "Secret",
                    wanted: HashMap::new(),
                });
            group.wanted.entry(&id.name).or_default().push(index);
        }
        let reads: FuturesUnordered<_> = groups
            .iter()
            .map(|(path, group)| self.read_group(ids, path, group))
            .collect();
        let found: Vec<Vec<(usize, Value)>> = reads.try_collect().await?;
        let mut objects = vec![None; ids.len()];
        for (index, object) in found.into_iter().flatten() {
            objects[index] = Some(Arc::new(object));
        }
        let mut seen = self.seen.lock().await;
        for (id, object) in ids.iter().zip(&objects) {
            seen.insert(id.clone(), object.clone());
        }
        drop(seen);
        Ok(objects)
    }

    async fn read_group(
        &self,
        ids: &[ObjectId],
        path: &str,
        group: &Group<'_>,
    ) -> Result<Vec<(usize, Value)>, ClusterError> {
        let mut found = Vec::new();
        let mut missing: Vec<usize> = group.wanted.values().flatten().copied().collect();
        if group.wanted.len() >= LIST_FROM {
            let listed = self.list_group(ids, path, group).await?;
            found = listed.found;
            if listed.is_whole {
                return Ok(found);
            }
            let have: std::collections::HashSet<usize> =
                found.iter().map(|(index, _)| *index).collect();
            missing.retain(|index| !have.contains(index));
        }
        // The connection bounds how many are under way.
        let mut reads: FuturesUnordered<_> = missing
            .into_iter()
            .map(|index| async move { (index, self.get(&ids[index]).await) })
            .collect();
        while let Some((index, object)) = reads.next().await {
            found.extend(object?.map(|object| (index, object)));
        }
        Ok(found)
    }

    /// Lists a collection and keeps what is wanted; stops when all is found, or when so much of
    /// others is in between that reading one by one costs less.
    async fn list_group(
        &self,
        ids: &[ObjectId],
        path: &str,
        group: &Group<'_>,
    ) -> Result<Listed, ClusterError> {
        let pages_max = group.wanted.len() * FOREIGN_FACTOR / PAGE + 2;
        let mut listed = Listed {
            found: Vec::new(),
            is_whole: false,
        };
        let mut names_left = group.wanted.len();
        let mut token = String::new();
        for _ in 0..pages_max {
            let mut address = format!("{path}?limit={PAGE}");
            if group.is_secret {
                address.push_str("&fieldSelector=");
                address.push_str(&escape(NO_RECORDS));
            }
            if !token.is_empty() {
                address.push_str("&continue=");
                address.push_str(&escape(&token));
            }
            let mut page = match self.rest.get(&address).await {
                Ok(page) => page,
                // Whoever may read single objects only, and a list that is too old to go on with.
                Err(error) if is_no_obstacle(&error) => {
                    debug!(path, %error, "cannot be listed; reading one by one");
                    return Ok(listed);
                }
                Err(error) => {
                    let first = group.wanted.values().flatten().min();
                    return Err(match first {
                        Some(index) => self.explain(error, &ids[*index], "list"),
                        None => self.explain_any(error, "listing objects"),
                    });
                }
            };
            token = page["metadata"]["continue"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            for mut item in page["items"]
                .as_array_mut()
                .into_iter()
                .flat_map(std::mem::take)
            {
                let name = item["metadata"]["name"].as_str().unwrap_or_default();
                let Some(indexes) = group.wanted.get(name) else {
                    continue;
                };
                names_left -= 1;
                // Items of a list lack what the list says for all.
                let id = &ids[indexes[0]];
                item["apiVersion"] = Value::from(id.api_version.as_str());
                item["kind"] = Value::from(id.kind.as_str());
                for index in &indexes[1..] {
                    listed.found.push((*index, item.clone()));
                }
                listed.found.push((indexes[0], item));
            }
            if token.is_empty() || names_left == 0 {
                listed.is_whole = true;
                return Ok(listed);
            }
        }
        Ok(listed)
    }
}

fn is_no_obstacle(error: &KubeError) -> bool {
    error.is_forbidden()
        || error.is_expired()
        || error.is_not_found()
        || matches!(error, KubeError::Api { code: 405, .. })
}
