//! Makes manifests of different environments comparable: what they are named is no difference.

use serde_json::Value;

/// How an environment is called in its manifests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) environment: &'a str,
    pub(super) namespace: &'a str,
}

/// Returns an object with the names of its environment replaced in every text, and without its
/// namespace.
pub(super) fn neutral(object: &Value, names: Names<'_>) -> Value {
    let mut object = replaced(object, names);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("namespace");
    }
    object
}

fn replaced(value: &Value, names: Names<'_>) -> Value {
    match value {
        Value::String(text) => neutral_text(text, names).into(),
        Value::Array(items) => items.iter().map(|item| replaced(item, names)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), replaced(value, names)))
            .collect(),
        other => other.clone(),
    }
}

/// Replaces the names of namespace and environment where they stand as words of their own.
fn neutral_text(text: &str, names: Names<'_>) -> String {
    let text = replace_word(text, names.namespace, "{namespace}");
    replace_word(&text, names.environment, "{environment}")
}

fn replace_word(text: &str, word: &str, by: &str) -> String {
    if word.is_empty() || !text.contains(word) {
        return text.to_owned();
    }
    let is_part = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(at) = rest.find(word) {
        let (head, tail) = rest.split_at(at);
        let after = &tail[word.len()..];
        replaced.push_str(head);
        let left = head.chars().next_back().or(before);
        if is_part(left) || is_part(after.chars().next()) {
            replaced.push_str(word);
        } else {
            replaced.push_str(by);
        }
        before = word.chars().next_back();
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_where_they_are_words() {
        let names = Names {
            environment: "prod",
            namespace: "fraud-prod",
        };
        for (text, expected) in [
            ("redis.fraud-prod.svc", "redis.{namespace}.svc"),
            ("fraud-prod", "{namespace}"),
            ("redis-prod-svc", "redis-{environment}-svc"),
            ("product prod", "product {environment}"),
            ("xfraud-prod", "xfraud-{environment}"),
            ("prodprod", "prodprod"),
            ("staging", "staging"),
        ] {
            assert_eq!(neutral_text(text, names), expected);
        }
    }
}
