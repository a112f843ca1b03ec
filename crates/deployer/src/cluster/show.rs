//! Objects as people look at them: a table for each kind, with the columns that the target has for it.

use serde_json::Value;

use super::ObjectId;

/// Objects of one kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObjectTable {
    /// Version and kind, such as `v1/Deployment`: the group is left out, as in Helm.
    pub heading: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The cells of each object.
    pub rows: Vec<Vec<String>>,
    /// The objects themselves; of pods one list for each workload.
    pub objects: Vec<Value>,
}

impl ObjectTable {
    /// Makes a table of one object where there is no more to show than its name.
    pub(super) fn of_name(object: Value) -> Self {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        Self {
            columns: vec!["NAME".to_owned()],
            rows: vec![vec![name.to_owned()]],
            objects: vec![object],
            ..Self::default()
        }
    }
}

/// What a target shows of objects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shown {
    /// Kinds in the order of their first object, then the pods of workloads.
    pub tables: Vec<ObjectTable>,
    /// Which objects are not shown and why, a sentence each.
    pub unseen: Vec<String>,
}

impl Shown {
    /// Adds the rows of a table to those of its kind.
    pub(super) fn add(&mut self, heading: &str, table: ObjectTable) {
        let same = |one: &&mut ObjectTable| one.heading == heading && one.columns == table.columns;
        match self.tables.iter_mut().find(same) {
            Some(one) => {
                one.rows.extend(table.rows);
                one.objects.extend(table.objects);
            }
            None => self.tables.push(ObjectTable {
                heading: heading.to_owned(),
                ..table
            }),
        }
    }

    /// Adds what was read of an object of the manifest; `None` says that it is not there.
    pub(super) fn add_read(&mut self, id: &ObjectId, read: Option<ObjectTable>) {
        match read {
            Some(table) => self.add(&heading(id), table),
            None => self.unseen.push(format!("{id} does not exist")),
        }
    }
}

/// Source: `Client.Get` in `pkg/kube/client.go` of Helm 3.22.
fn heading(id: &ObjectId) -> String {
    let version = id.api_version.rsplit('/').next().unwrap_or_default();
    format!("{version}/{}", id.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_of_one_kind_and_the_same_columns_share_a_table() {
        let id = |api_version: &str, name: &str| ObjectId {
            api_version: api_version.to_owned(),
            kind: "Ingress".to_owned(),
            namespace: None,
            name: name.to_owned(),
        };
        let mut shown = Shown::default();
        for name in ["a", "b"] {
            let object = json!({"metadata": {"name": name}});
            shown.add_read(
                &id("networking.k8s.io/v1", name),
                Some(ObjectTable::of_name(object)),
            );
        }
        let other = ObjectTable {
            columns: vec!["HOST".to_owned()],
            ..ObjectTable::default()
        };
        shown.add_read(&id("example.org/v1", "c"), Some(other));
        shown.add_read(&id("example.org/v1", "d"), None);
        let tables: Vec<_> = shown
            .tables
            .iter()
            .map(|table| (table.heading.as_str(), table.rows.concat().join(" ")))
            .collect();
        assert_eq!(
            tables,
            [
                ("v1/Ingress", "a b".to_owned()),
                ("v1/Ingress", String::new())
            ]
        );
        assert_eq!(shown.unseen, ["Ingress `d` does not exist"]);
    }
}
