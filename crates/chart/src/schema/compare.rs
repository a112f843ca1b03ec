//! Comparing JSON values as JSON Schema means it.

use serde_json::{Map as JsonMap, Value as Json};

use super::words::kind_of;

/// Searches for anchors end here.
const DEPTH_MAX: usize = 100;

/// Looks a keyword up: most schemas have so few that to compare them is faster than to hash one.
pub(super) fn lookup<'json>(
    entries: &'json JsonMap<String, Json>,
    name: &str,
) -> Option<&'json Json> {
    const FEW: usize = 8;
    if entries.len() > FEW {
        return entries.get(name);
    }
    let mut entries = entries.iter();
    entries
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

pub(super) fn missing(required: &[Json], object: &JsonMap<String, Json>) -> Vec<String> {
    let names = required.iter().filter_map(Json::as_str);
    names
        .filter(|name| !object.contains_key(*name))
        .map(str::to_owned)
        .collect()
}

pub(super) fn has_type(value: &Json, wanted: &str) -> bool {
    match (wanted, value) {
        ("integer", Json::Number(number)) => {
            number.as_f64().is_some_and(|value| value.fract() == 0.0)
        }
        (wanted, value) => kind_of(value) == wanted,
    }
}

/// Numbers are equal by value: 1 and 1.0 are one.
pub(super) fn equal(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| equal(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        (left, right) => left == right,
    }
}

pub(super) fn duplicates(items: &[Json]) -> Option<(usize, usize)> {
    (1..items.len()).find_map(|second| {
        let first = items[..second]
            .iter()
            .position(|item| equal(item, &items[second]))?;
        Some((first, second))
    })
}

/// Patterns are Go's; what is not well formed was refused with the schema.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    template::regex_matches(pattern, text).unwrap_or_default()
}

pub(super) fn find_anchor<'schema>(
    schema: &'schema Json,
    name: &str,
    draft: u32,
    depth: usize,
) -> Option<&'schema Json> {
    if depth > DEPTH_MAX {
        return None;
    }
    match schema {
        Json::Object(entries) => {
            let is_it =
                |key: &str, wanted: &str| entries.get(key).and_then(Json::as_str) == Some(wanted);
            let is_named = match draft {
                4 => is_it("id", &format!("#{name}")),
                6 | 7 => is_it("$id", &format!("#{name}")),
                2019 => is_it("$anchor", name),
                _ => is_it("$anchor", name) || is_it("$dynamicAnchor", name),
            };
            if is_named {
                return Some(schema);
            }
            entries
                .values()
                .find_map(|inner| find_anchor(inner, name, draft, depth + 1))
        }
        Json::Array(items) => items
            .iter()
            .find_map(|inner| find_anchor(inner, name, draft, depth + 1)),
        _ => None,
    }
}
