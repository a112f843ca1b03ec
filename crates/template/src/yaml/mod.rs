//! YAML as Helm reads and writes it: YAML 1.1 words and numbers in, `toYaml`'s bytes out.
//!
//! Reading follows `sigs.k8s.io/yaml` over `go.yaml.in/yaml/v2`: `scanner` turns text into tokens,
//! `document` tokens into nodes, `compose` nodes into data. Writing is `emit`. All of it is our own,
//! because Helm's bytes and error texts are those of that library and of its libyaml heritage: no
//! crate resolves YAML 1.1 scalars, merges and duplicate keys so, and the one port of libyaml to
//! safe Rust panics on texts as common as a block scalar without a final line break.
//! Nothing here knows of charts; nothing here does I/O.

mod compose;
mod cursor;
mod data;
mod document;
mod emit;
mod error;
mod number;
mod order;
mod resolve;
mod scalar;
mod scan_scalar;
mod scan_tag;
mod scanner;
mod token;

pub use data::{Data, from_json, to_json};
pub use emit::{emit, emit_pretty, try_emit};
pub use error::YamlError;
pub(crate) use number::shortest;
pub use number::{float_json, float_shortest, float_shortest_f32};
pub use order::natural_order;

use crate::{List, Map, Value};

/// Returns the first document of `text` as a template value; every number is a `Float`.
///
/// An empty text or one with comments only is `Nil`. Duplicate keys: the last wins.
///
/// # Errors
/// [`YamlError`] with the wording of Helm, such as `error converting YAML to JSON: yaml: line 2: …`.
pub fn parse(text: &str) -> Result<Value, YamlError> {
    parse_data(text).map(|data| data.to_value())
}

/// Returns the first document of `text` with integers and floats apart, as needed where a number
/// must become text (`version: 1.0` in a Chart.yaml is `"1"`).
///
/// # Errors
/// As [`parse`].
pub fn parse_data(text: &str) -> Result<Data, YamlError> {
    let document = compose::first_document(text).map_err(YamlError::converting)?;
    document.check_finite().map_err(YamlError::converting)?;
    Ok(document)
}

/// Returns every document of a stream, in order; documents that are empty come back as `Nil`.
///
/// # Errors
/// As [`parse`].
pub fn parse_documents(text: &str) -> Result<Vec<Value>, YamlError> {
    let documents = compose::all_documents(text).map_err(YamlError::converting)?;
    documents
        .iter()
        .map(|document| {
            document.check_finite().map_err(YamlError::converting)?;
            Ok(document.to_value())
        })
        .collect()
}

/// Returns a document whose root must be a mapping; a null document is an empty map.
///
/// # Errors
/// As [`parse`], and Go's text for a root of another kind.
pub fn parse_map(text: &str) -> Result<Map, YamlError> {
    match parse(text)? {
        Value::Map(map) => Ok(map),
        Value::Nil => Ok(Map::default()),
        other => Err(YamlError::wrong_kind(
            json_kind(&other),
            "map[string]interface {}",
        )),
    }
}

/// Returns a document whose root must be a sequence; a null document is an empty list.
///
/// # Errors
/// As [`parse`], and Go's text for a root of another kind.
pub fn parse_list(text: &str) -> Result<List, YamlError> {
    match parse(text)? {
        Value::List(list) => Ok(list),
        Value::Nil => Ok(List::default()),
        other => Err(YamlError::wrong_kind(json_kind(&other), "[]interface {}")),
    }
}

/// The kind of a value as Go's JSON errors name it.
fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "null",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::Int64(_) | Value::Uint(_) | Value::Float(_) => "number",
        Value::Str(_) | Value::Bytes(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) | Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests;
