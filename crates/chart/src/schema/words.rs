//! The words of github.com/santhosh-tekuri/jsonschema v6 for what does not fit.

use serde_json::{Number, Value as Json};
use template::yaml;

/// Quotes as that library does: single quotes around, `'` escaped, `"` not.
pub(super) fn quote(text: &str) -> String {
    let inner = format!("{text:?}");
    let inner = inner[1..inner.len() - 1]
        .replace("\\\"", "\"")
        .replace("\\'", "'")
        .replace('\'', "\\'");
    format!("'{inner}'")
}

pub(super) fn join_quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| quote(name)).collect();
    quoted.join(", ")
}

/// The JSON pointer of a place, quoted.
pub(super) fn pointer(place: &[String]) -> String {
    let mut text = String::new();
    for part in place {
        text.push('/');
        text.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    quote(&text)
}

/// The kind of a value, as in `got null, want string`.
pub(super) fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// A value in a list of allowed values.
pub(super) fn display(value: &Json) -> String {
    match value {
        Json::String(text) => quote(text),
        Json::Array(_) | Json::Object(_) => "value".to_owned(),
        Json::Null => "<nil>".to_owned(),
        Json::Number(number) => number.to_string(),
        Json::Bool(flag) => flag.to_string(),
    }
}

/// A count, with its thousands grouped: the library prints through a localizing printer.
pub(super) fn count(number: usize) -> String {
    group(&number.to_string())
}

/// A number, likewise.
pub(super) fn number(number: &Number) -> String {
    let value = number.as_f64().unwrap_or(f64::NAN);
    let text = yaml::float_json(value).unwrap_or_default();
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{}.{fraction}", group(whole)),
        None => group(&text),
    }
}

fn group(digits: &str) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return format!("{sign}{digits}");
    }
    let mut grouped = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
