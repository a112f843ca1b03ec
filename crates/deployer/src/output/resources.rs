//! The objects of a release as they are in the cluster.

use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr as _;

use crate::cluster::{ObjectTable, Shown};

/// Spaces between two columns, and the least width of one with them, as in kubectl.
const GAP: usize = 3;
const COLUMN_MIN: usize = 6;

/// Words objects in tables as Helm's `status --show-resources` does, a kind's rows in one.
pub(super) fn resources_text(shown: &Shown) -> String {
    let tables = shown.tables.iter().filter(|table| !table.rows.is_empty());
    let tables = tables.map(|table| format!("==> {}\n{}\n", table.heading, aligned(table)));
    match tables.collect::<String>() {
        text if text.is_empty() => text,
        text => format!("RESOURCES:\n{text}\n"),
    }
}

/// Returns objects by kind, as Helm's `info.resources`.
pub(super) fn resources_json(shown: &Shown) -> Value {
    let mut kinds = Map::new();
    for table in &shown.tables {
        let kind = kinds
            .entry(table.heading.clone())
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(objects) = kind {
            objects.extend(table.objects.iter().cloned());
        }
    }
    Value::Object(kinds)
}

fn aligned(table: &ObjectTable) -> String {
    let rows = || std::iter::once(&table.columns).chain(&table.rows);
    let width = |column: usize| {
        let widths = rows().map(|row| row.get(column).map_or(0, |cell| cell.width()));
        (widths.max().unwrap_or_default() + GAP).max(COLUMN_MIN)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let mut text = String::new();
    for row in rows() {
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text.push_str(cell);
            if index + 1 < row.len() {
                text.push_str(&" ".repeat(width.saturating_sub(cell.width())));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown() -> Shown {
        let table = |heading: &str, columns: &[&str], rows: &[&[&str]]| ObjectTable {
            heading: heading.to_owned(),
            columns: columns.iter().map(ToString::to_string).collect(),
            rows: rows
                .iter()
                .map(|row| row.iter().map(ToString::to_string).collect())
                .collect(),
            objects: rows
                .iter()
                .map(|row| json!({"metadata": {"name": row[0]}}))
                .collect(),
        };
        Shown {
            tables: vec![
                table(
                    "v1/ConfigMap",
                    &["NAME", "DATA", "AGE"],
                    &[&["web", "1", "5s"], &["web-second", "12", "5s"]],
                ),
                table("v1/Ingress", &["NAME"], &[&["a"]]),
                table("v1/Ingress", &["HOST"], &[&["b"]]),
            ],
            unseen: Vec::new(),
        }
    }

    #[test]
    fn rows_of_a_kind_stand_below_each_other() {
        assert_eq!(
            resources_text(&shown()),
            "RESOURCES:\n==> v1/ConfigMap\nNAME         DATA   AGE\nweb          1      5s\nweb-second   12     5s\n\n\
             ==> v1/Ingress\nNAME\na\n\n==> v1/Ingress\nHOST\nb\n\n\n"
        );
        assert_eq!(resources_text(&Shown::default()), "");
    }

    #[test]
    fn programs_get_the_objects_by_kind() {
        let json = resources_json(&shown());
        assert_eq!(json["v1/ConfigMap"][1]["metadata"]["name"], "web-second");
        assert_eq!(json["v1/Ingress"].as_array().map(Vec::len), Some(2));
    }
}
