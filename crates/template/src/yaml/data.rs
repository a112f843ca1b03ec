//! Plain data between YAML, JSON and template values.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::{Map as JsonMap, Number, Value as Json};

use super::error::YamlError;
use crate::{Value, quote::quoted};

/// A document with its numbers told apart; maps have text keys and are sorted by them.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Data {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number above the range of `Int`.
    Uint(u64),
    Float(f64),
    Text(String),
    List(Vec<Data>),
    Map(BTreeMap<String, Data>),
}

impl Data {
    /// Returns the template value; every number becomes a `Float`, as Helm's values have them.
    #[expect(clippy::cast_precision_loss, reason = "Go rounds the same way")]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Nil,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Int(number) => Value::Float(*number as f64),
            Self::Uint(number) => Value::Float(*number as f64),
            Self::Float(number) => Value::Float(*number),
            Self::Text(text) => Value::string(text.as_str()),
            Self::List(items) => Value::list(items.iter().map(Self::to_value).collect()),
            Self::Map(entries) => Value::map(
                entries
                    .iter()
                    .map(|(key, value)| (Rc::from(key.as_str()), value.to_value()))
                    .collect(),
            ),
        }
    }

    /// Returns the plain data of a template value; host objects become what they serialize to.
    pub fn from_value(value: &Value) -> Self {
        match value {
            Value::Nil => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(number) | Value::Int64(number) => Self::Int(*number),
            Value::Uint(number) => Self::Uint(*number),
            Value::Float(number) => Self::Float(*number),
            Value::Str(text) => Self::Text(text.to_string()),
            Value::Bytes(bytes) => Self::Text(super::scalar::base64_standard(bytes)),
            Value::List(items) => Self::List(items.borrow().iter().map(Self::from_value).collect()),
            Value::Map(entries) => Self::Map(
                entries
                    .borrow()
                    .iter()
                    .map(|(key, value)| (key.to_string(), Self::from_value(value)))
                    .collect(),
            ),
            Value::Object(object) => Self::from_value(&object.serialized()),
        }
    }

    /// Returns the text that a Go field of type `string` gets from this scalar: numbers and
    /// booleans are printed, a null is empty. `None` for lists and maps.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Null => Some(String::new()),
            Self::Bool(flag) => Some(flag.to_string()),
            Self::Int(number) => Some(number.to_string()),
            Self::Uint(number) => Some(number.to_string()),
            Self::Float(number) => Some(super::float_shortest_f32(*number)),
            Self::Text(text) => Some(text.clone()),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Returns the entry of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.get(key),
            _ => None,
        }
    }

    /// The kind as Go's JSON errors name it.
    pub fn json_kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Uint(_) | Self::Float(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "object",
        }
    }

    /// Refuses infinities and NaN, which have no JSON form.
    pub(super) fn check_finite(&self) -> Result<(), YamlError> {
        match self {
            Self::Float(number) if !number.is_finite() => {
                let text = super::float_shortest(*number);
                Err(YamlError::plain(format!("json: unsupported value: {text}")))
            }
            Self::List(items) => items.iter().try_for_each(Self::check_finite),
            Self::Map(entries) => entries.values().try_for_each(Self::check_finite),
            _ => Ok(()),
        }
    }

    /// The value as Go's `%#v` prints it, which some error texts show.
    pub(super) fn go_syntax(&self) -> String {
        match self {
            Self::Null => "interface {}(nil)".to_owned(),
            Self::Bool(flag) => flag.to_string(),
            Self::Int(number) => number.to_string(),
            Self::Uint(number) => format!("{number:#x}"),
            Self::Float(number) => super::float_shortest(*number),
            Self::Text(text) => quoted(text),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::go_syntax).collect();
                format!("[]interface {{}}{{{}}}", items.join(", "))
            }
            Self::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{}:{}", quoted(key), value.go_syntax()))
                    .collect();
                format!(
                    "map[interface {{}}]interface {{}}{{{}}}",
                    entries.join(", ")
                )
            }
        }
    }
}

/// Returns the JSON form of a template value, keys sorted; whole floats become integers, as Go's
/// encoder prints them. What JSON cannot hold (NaN) becomes null.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Nil => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) | Value::Int64(number) => Json::from(*number),
        Value::Uint(number) => Json::from(*number),
        Value::Float(number) => float_to_json(*number),
        Value::Str(text) => Json::from(text.as_ref()),
        Value::Bytes(bytes) => Json::from(super::scalar::base64_standard(bytes)),
        Value::List(items) => Json::Array(items.borrow().iter().map(to_json).collect()),
        Value::Map(entries) => map_to_json(&entries.borrow()),
        Value::Object(object) => to_json(&object.serialized()),
    }
}

fn map_to_json(entries: &BTreeMap<Rc<str>, Value>) -> Json {
    let mut map = JsonMap::new();
    for (key, value) in entries {
        map.insert(key.to_string(), to_json(value));
    }
    Json::Object(map)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the ranges are checked before each cast"
)]
fn float_to_json(number: f64) -> Json {
    let whole = number.fract() == 0.0 && !(number == 0.0 && number.is_sign_negative());
    if whole && (-9.2e18..9.2e18).contains(&number) {
        Json::from(number as i64)
    } else if whole && (0.0..1.8e19).contains(&number) {
        Json::from(number as u64)
    } else {
        Number::from_f64(number).map_or(Json::Null, Json::Number)
    }
}

/// Returns the template value of a JSON value; every number becomes a `Float`, as in Go.
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::string(text.as_str()),
        Json::Array(items) => Value::list(items.iter().map(from_json).collect()),
        Json::Object(entries) => Value::map(
            entries
                .iter()
                .map(|(key, value)| (Rc::from(key.as_str()), from_json(value)))
                .collect(),
        ),
    }
}
