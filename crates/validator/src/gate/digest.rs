//! The digest of what is asked of a model: equal digests judge the same way.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use verdict::report::ConfigurationEntry;

/// Settings that name places. What lies there has digests of its own.
const PLACES: [&str; 3] = ["dataset", "model", "scorer"];
/// The same within a gate file, and where results go.
const PLACES_IN_FILE: [&str; 5] = [
    "/champion/model",
    "/dataset/uri",
    "/model/path",
    "/model/sha256",
    "/report",
];

/// Returns `sha256:` and the digest of all settings that can change a verdict, and of the
/// model that it is compared with.
#[must_use]
pub fn digest(
    settings: &BTreeMap<String, ConfigurationEntry>,
    champion_sha256: Option<&str>,
) -> String {
    let asked: Map<String, Value> = settings
        .iter()
        .filter(|(key, _)| !PLACES.contains(&key.as_str()))
        .map(|(key, entry)| {
            let mut value = entry.value.clone();
            if key == "gate_file" {
                PLACES_IN_FILE
                    .iter()
                    .for_each(|path| forget(&mut value, path));
            }
            (key.clone(), value)
        })
        .collect();
    let mut text = String::new();
    canonical(
        &json!({"settings": asked, "champion_sha256": champion_sha256}),
        &mut text,
    );
    format!("sha256:{}", hex::encode(Sha256::digest(text)))
}

fn forget(value: &mut Value, path: &str) {
    let (parent, key) = path.rsplit_once('/').unwrap_or(("", path));
    if let Some(Value::Object(fields)) = value.pointer_mut(parent) {
        fields.remove(key);
    }
}

/// Writes JSON without white space, the keys of each object in ascending order.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            text.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                canonical(value, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use verdict::report::ConfigurationSource;

    fn settings(values: &[(&str, Value)]) -> BTreeMap<String, ConfigurationEntry> {
        let entry = |value: &Value| ConfigurationEntry {
            value: value.clone(),
            source: ConfigurationSource::Flag,
        };
        values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), entry(value)))
            .collect()
    }

    #[test]
    fn only_what_can_change_the_verdict_changes_the_digest() {
        let of = |model: &str, limit: f64, file: Value| {
            digest(
                &settings(&[
                    ("model", model.into()),
                    ("minimum_auc", limit.into()),
                    ("gate_file", file),
                ]),
                None,
            )
        };
        let file = json!({"model": {"path": "a.pt", "output": "auto"}, "report": {"html": "a"}});
        let moved = json!({"report": {"html": "b"}, "model": {"output": "auto", "path": "b.pt"}});
        let first = of("a.pt", 0.9, file.clone());
        assert_eq!(first, of("b.pt", 0.9, json!({"model": {"output": "auto"}})));
        assert_eq!(first, of("b.pt", 0.9, moved));
        assert_ne!(first, of("a.pt", 0.91, file));
        assert_ne!(
            first,
            of("a.pt", 0.9, json!({"model": {"output": "logits"}}))
        );
        assert_ne!(
            digest(&settings(&[]), None),
            digest(&settings(&[]), Some("00"))
        );
    }
}
