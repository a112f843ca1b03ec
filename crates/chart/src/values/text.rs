//! Values as Go's `%v` prints them, for warnings.

use template::Value;

/// Returns the text of `fmt.Sprintf("%v", value)`.
pub(crate) fn go_text(value: &Value) -> String {
    match value {
        Value::Nil => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) | Value::Int64(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Float(number) => float_text(*number),
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

/// `%v` of a float: as JSON writes it up to 1e21, but with an exponent below 1e-4.
fn float_text(number: f64) -> String {
    let shortest = template::yaml::float_shortest(number);
    if number.abs() >= 1e21 || number.abs() < 1e-4 || !number.is_finite() {
        return shortest;
    }
    template::yaml::float_json(number).unwrap_or(shortest)
}
