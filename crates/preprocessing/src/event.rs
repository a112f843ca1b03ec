//! From a raw event and stored features to the model's row: plain functions.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Longest name of an entity.
const ENTITY_BYTES_MAX: usize = 128;

/// Values by the feature's name.
pub(crate) type Features = BTreeMap<String, f64>;

/// A raw event.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    /// Whom the event is about: the feature store's key.
    pub(crate) entity: String,
    /// What the event itself knows.
    #[serde(default)]
    pub(crate) features: Features,
}

/// Why an event has no row.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum EventError {
    #[error("the body is no event: {0}")]
    Body(String),
    #[error("the entity has to be 1 to {ENTITY_BYTES_MAX} letters, digits, `.`, `_` or `-`")]
    Entity,
    #[error("the model has no feature `{0}`")]
    Unknown(String),
    #[error("feature `{0}` is no number that the model can take")]
    NotFinite(String),
    #[error("neither the event nor the feature store has {}", .0.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))]
    Missing(Vec<String>),
}

/// Reads an event about the model with the columns `names`.
///
/// # Errors
/// When the body is none, the entity is no plain name, or a feature is not the model's.
pub(crate) fn parse(body: &[u8], names: &[String]) -> Result<Event, EventError> {
    let event: Event =
        serde_json::from_slice(body).map_err(|error| EventError::Body(error.to_string()))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    // Part of a path: neither `..` nor anything that would have to be escaped.
    if event.entity.is_empty()
        || event.entity.len() > ENTITY_BYTES_MAX
        || !event.entity.bytes().all(plain)
        || event.entity.bytes().all(|byte| byte == b'.')
    {
        return Err(EventError::Entity);
    }
    match event.features.keys().find(|name| !names.contains(name)) {
        Some(name) => Err(EventError::Unknown(name.clone())),
        None => Ok(event),
    }
}

/// Tells whether the event has every feature itself.
pub(crate) fn is_complete(event: &Event, names: &[String]) -> bool {
    names.iter().all(|name| event.features.contains_key(name))
}

/// Puts features into the model's order; the event's own values win over stored ones.
///
/// # Errors
/// Names the features that nobody has, or one that is no number in f32.
pub(crate) fn row(
    names: &[String],
    event: &Event,
    stored: &Features,
) -> Result<Vec<f32>, EventError> {
    let value = |name: &String| event.features.get(name).or_else(|| stored.get(name));
    let missing: Vec<String> = names
        .iter()
        .filter(|name| value(name).is_none())
        .cloned()
        .collect();
    if !missing.is_empty() {
        return Err(EventError::Missing(missing));
    }
    names
        .iter()
        .filter_map(|name| Some((name, *value(name)? as f32)))
        .map(|(name, value)| {
            if value.is_finite() {
                Ok(value)
            } else {
                Err(EventError::NotFinite(name.clone()))
            }
        })
        .collect()
}

/// Returns the cache's key of a row under a model; another model or threshold has other keys.
pub(crate) fn cache_key(sha256: &str, decision_threshold: f64, row: &[f32]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(sha256);
    hasher.update(decision_threshold.to_bits().to_le_bytes());
    for value in row {
        hasher.update(value.to_bits().to_le_bytes());
    }
    format!("prediction:{}", hex::encode(hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["a", "b"].map(str::to_owned).to_vec()
    }

    #[test]
    fn rows_have_the_models_order_and_the_event_wins() {
        let event = parse(br#"{"entity":"e-1","features":{"b":2}}"#, &names()).unwrap();
        assert!(!is_complete(&event, &names()));
        let stored = Features::from([("a".into(), 1.0), ("b".into(), 9.0), ("c".into(), 3.0)]);
        assert_eq!(row(&names(), &event, &stored), Ok(vec![1.0, 2.0]));
        assert_eq!(
            row(&names(), &event, &Features::new()),
            Err(EventError::Missing(vec!["a".into()]))
        );
        let huge = Features::from([("a".into(), 1e300)]);
        assert_eq!(
            row(&names(), &event, &huge),
            Err(EventError::NotFinite("a".into()))
        );
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for body in [
            r#""#,
            r#"[]"#,
            r#"{"features":{}}"#,
            r#"{"entity":""}"#,
            r#"{"entity":".."}"#,
            r#"{"entity":"a/b"}"#,
            r#"{"entity":"a%2e"}"#,
            r#"{"entity":"a","features":{"z":1}}"#,
            r#"{"entity":"a","features":{"a":"1"}}"#,
            r#"{"entity":"a","features":{"a":null}}"#,
            r#"{"entity":"a","x":1}"#,
        ] {
            assert!(parse(body.as_bytes(), &names()).is_err(), "{body}");
        }
        let long = format!(r#"{{"entity":"{}"}}"#, "e".repeat(129));
        assert_eq!(parse(long.as_bytes(), &names()), Err(EventError::Entity));
    }

    #[test]
    fn keys_tell_models_thresholds_and_rows_apart() {
        let keys = [
            cache_key("m", 0.5, &[1.0, 2.0]),
            cache_key("n", 0.5, &[1.0, 2.0]),
            cache_key("m", 0.6, &[1.0, 2.0]),
            cache_key("m", 0.5, &[2.0, 1.0]),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key));
        }
    }
}
