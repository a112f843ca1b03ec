//! Values in the notation of the oracle, which keeps their Go types.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};
use template::Value;

/// The bytes that Go would hold: one that is not UTF-8 is carried as U+10FF00 plus the byte.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for character in text.chars() {
        match (character as u32).checked_sub(0x0010_FF00) {
            Some(byte @ 0x80..=0xff) => bytes.push(byte as u8),
            _ => bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    bytes
}

pub(crate) fn encoded(text: &str) -> Json {
    Json::String(STANDARD.encode(bytes(text)))
}

/// A value with its Go type.
pub(crate) fn typed(value: &Value) -> Json {
    let items = |value: &Value| -> Json {
        let list = value.as_list().expect("it is a list");
        list.borrow().iter().map(typed).collect()
    };
    let entries = |value: &Value| -> Json {
        let map = value.as_map().expect("it is a map");
        let pair = |(key, item): (&std::rc::Rc<str>, &Value)| json!([encoded(key), typed(item)]);
        map.borrow().iter().map(pair).collect()
    };
    let (name, content) = match value {
        Value::Nil => ("nil", Json::Null),
        Value::Bool(truth) => ("bool", json!(truth.to_string())),
        Value::Int(number) => ("int", json!(number.to_string())),
        Value::Int64(number) => ("int64", json!(number.to_string())),
        Value::Uint(number) => ("uint64", json!(number.to_string())),
        Value::Float(number) => ("float", json!(number.to_bits().to_string())),
        Value::Str(text) => ("string", encoded(text)),
        Value::Bytes(content) => ("bytes", json!(STANDARD.encode(content))),
        Value::List(_) => ("list", items(value)),
        Value::Map(_) => ("map", entries(value)),
        Value::Object(object) => match object.type_name() {
            "[]string" => ("strings", items(value)),
            "map[string]string" => ("stringmap", entries(value)),
            other => panic!("{other} has no notation"),
        },
    };
    json!({"t": name, "v": content})
}
