//! Objects and their pods as the API server's own tables, which know the columns of every kind.

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::rest::escape;
use super::session::KubeCluster;
use super::target::READS_AT_ONCE;
use super::wait::PodQueries;
use crate::cluster::{ClusterError, ObjectId, ObjectTable, Shown};

/// A server that has no tables for a kind answers with the object.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
/// The heading of the pods of workloads, as in Helm.
const PODS: &str = "v1/Pod(related)";

impl KubeCluster {
    /// Reads tables of objects, and of the pods that belong to them.
    ///
    /// Source: `Client.Get` in `pkg/kube/client.go` of Helm 3.22. Selectors are those of the live
    /// objects, so that pods of Jobs, which the server gives their selector, are found too.
    pub(super) async fn show_objects(&self, ids: &[ObjectId]) -> Result<Shown, ClusterError> {
        let reads: Vec<_> = ids.iter().map(|id| self.table_of(id)).collect();
        let reads: Vec<_> = stream::iter(reads).buffered(READS_AT_ONCE).collect().await;
        let mut shown = Shown::default();
        for (id, read) in ids.iter().zip(reads) {
            match read {
                Ok(read) => shown.add_read(id, read),
                // What else there is can be looked at all the same.
                Err(
                    error @ (ClusterError::Forbidden { .. } | ClusterError::UnknownKind { .. }),
                ) => shown.unseen.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        let objects = shown.tables.iter().flat_map(|table| &table.objects);
        let mut pods: Vec<String> = Vec::new();
        for queries in objects.filter_map(PodQueries::of) {
            let labels = escape(&queries.pods.labels);
            let path = format!(
                "{}?labelSelector={labels}&includeObject=Object",
                queries.pods.path
            );
            // Workloads may share their pods.
            if !pods.contains(&path) {
                pods.push(path);
            }
        }
        let reads: Vec<_> = pods
            .iter()
            .map(|path| self.rest.get_as(path, TABLE))
            .collect();
        let mut reads = stream::iter(reads).buffered(READS_AT_ONCE);
        while let Some(read) = reads.next().await {
            match read {
                Ok(answer) => shown.add(PODS, pods_table(answer)),
                Err(error) => shown.unseen.push(format!("pods are not shown: {error}")),
            }
        }
        Ok(shown)
    }

    async fn table_of(&self, id: &ObjectId) -> Result<Option<ObjectTable>, ClusterError> {
        let explained = |error| self.explain(error, id, "get");
        let path = self.path(id).await.map_err(explained)?;
        let path = format!("{path}?includeObject=Object");
        match self.rest.get_as(&path, TABLE).await {
            Ok(answer) => Ok(Some(table(answer))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.explain(error, id, "get")),
        }
    }
}

/// Reads a table of pods, which programs get as a list for each workload, as from Helm.
fn pods_table(answer: Value) -> ObjectTable {
    let metadata = answer["metadata"].clone();
    let mut table = table(answer);
    let pods = std::mem::take(&mut table.objects);
    table.objects =
        vec![json!({"apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": pods})];
    table
}

/// Reads a table of the server's; of its columns those that are always shown.
fn table(mut answer: Value) -> ObjectTable {
    if answer["kind"] != "Table" {
        return ObjectTable::of_name(answer);
    }
    let definitions = answer["columnDefinitions"].as_array();
    let columns: Vec<(usize, String)> = definitions
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, column)| column["priority"].as_i64().unwrap_or_default() == 0)
        .map(|(index, column)| {
            let name = column["name"].as_str().unwrap_or_default();
            (index, name.to_uppercase())
        })
        .collect();
    let mut table = ObjectTable::default();
    let rows = answer["rows"].as_array_mut().map(std::mem::take);
    for mut row in rows.unwrap_or_default() {
        let cells = columns.iter().map(|(index, _)| cell(&row["cells"][index]));
        table.rows.push(cells.collect());
        table.objects.push(row["object"].take());
    }
    table.columns = columns.into_iter().map(|(_, name)| name).collect();
    table
}

/// A cell as kubectl prints it: of several lines the first.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => match text.split_once(['\n', '\r', '\u{c}']) {
            Some((first, _)) => format!("{first}..."),
            None => text.clone(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_the_columns_that_are_always_shown() {
        let table = table(json!({
            "kind": "Table",
            "columnDefinitions": [
                {"name": "Name", "priority": 0},
                {"name": "Up-to-date", "priority": 0},
                {"name": "Images", "priority": 1},
                {"name": "Note"},
                {"name": "Host"},
            ],
            "rows": [{"cells": ["web", 2, "nginx", "one\ntwo", null], "object": {"kind": "Deployment"}}],
        }));
        assert_eq!(table.columns, ["NAME", "UP-TO-DATE", "NOTE", "HOST"]);
        assert_eq!(table.rows, [["web", "2", "one...", ""]]);
        assert_eq!(table.objects, [json!({"kind": "Deployment"})]);
    }

    #[test]
    fn without_a_table_the_name_is_shown() {
        let table = table(json!({"kind": "Widget", "metadata": {"name": "w"}}));
        assert_eq!(table.columns, ["NAME"]);
        assert_eq!(table.rows, [["w"]]);
    }
}
