//! Values as Go's `%v` prints them, for warnings.

use template::Value;

/// Returns the text of `fmt.Sprintf("%v", value)`.
pub(crate) fn go_text(value: &Value) -> String {
    match value {
        Value::Nil => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) | Value::Int64(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Float(number) => template::yaml::float_shortest(*number),
        Value::Str(text) => text.to_string(),
        Value::Bytes(bytes) => format!("{bytes:?}"),
        Value::List(items) => {
            let items: Vec<String> = items.borrow().iter().map(go_text).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Map(entries) => {
            let entries: Vec<String> = entries
                .borrow()
                .iter()
                .map(|(key, value)| format!("{key}:{}", go_text(value)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
        Value::Object(object) => object
            .text()
            .unwrap_or_else(|| go_text(&object.serialized())),
    }
}
