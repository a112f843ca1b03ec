//! TOML, written as `BurntSushi/toml` 1.x does.

use std::{collections::BTreeMap, rc::Rc};

use toml_edit::{Datetime, Document, Item, Offset, Value as Toml};

use super::{
    Context, Function, Returned,
    Type::{Any, Str},
    arguments::string,
    dates::{TomlZone, days_of, moment_value},
    encoding::serialized,
};
use crate::{stack, strconv::format_float, value::Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("toToml", &[Any], to_toml),
    Function::new("fromToml", &[Str], from_toml),
];

/// What only Helm v4 has.
pub(super) const HELM4_FUNCTIONS: &[Function] =
    &[Function::new("mustToToml", &[Any], |context, arguments| {
        let text = encoded(&arguments[0])??;
        context.charge(text.len())?;
        Ok(Value::string(text))
    })];

fn to_toml(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = encoded(&arguments[0])?.unwrap_or_else(|message| message);
    context.charge(text.len())?;
    Ok(Value::string(text))
}

/// The text, or what the encoder says; where it panics, the text of the panic as the outer error.
fn encoded(value: &Value) -> Result<Result<String, String>, String> {
    if value.is_nil() {
        return Err("reflect: call of reflect.Value.Type on zero Value".to_owned());
    }
    let mut encoder = Encoder { out: String::new() };
    let encoded = serialized(value, 0).and_then(|value| encoder.encode(&[], &value));
    Ok(encoded.map(|()| encoder.out))
}

struct Encoder {
    out: String,
}

type Key<'k> = [&'k str];

fn key_text(key: &str) -> String {
    let is_bare = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_bare { key.to_owned() } else { quoted(key) }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for next in text.chars() {
        match next {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}' => out.push_str(&format!("\\u{:04x}", next as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn indent(key: &Key<'_>) -> String {
    "  ".repeat(key.len().saturating_sub(1))
}

fn full_name(key: &Key<'_>) -> String {
    key.iter()
        .map(|part| key_text(part))
        .collect::<Vec<_>>()
        .join(".")
}

/// Whether a value is written as a table or as an array of tables.
fn is_table(value: &Value) -> Result<bool, String> {
    Ok(matches!(value, Value::Map(_)) || is_table_array(value)?)
}

fn is_table_array(value: &Value) -> Result<bool, String> {
    let Value::List(list) = value else {
        return Ok(false);
    };
    let list = list.borrow();
    if list.iter().any(Value::is_nil) {
        return Err("toml: cannot encode array with nil element".to_owned());
    }
    Ok(!list.is_empty() && list.iter().all(|item| matches!(item, Value::Map(_))))
}

impl Encoder {
    fn new_line(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn encode(&mut self, key: &Key<'_>, value: &Value) -> Result<(), String> {
        match value {
            Value::Nil => Ok(()),
            Value::Map(_) => {
                if key.len() == 1 {
                    self.new_line();
                }
                if !key.is_empty() {
                    self.out
                        .push_str(&format!("{}[{}]", indent(key), full_name(key)));
                    self.new_line();
                }
                stack::grown(|| self.table(key, value))
            }
            Value::List(list) if is_table_array(value)? => {
                if key.is_empty() {
                    return Err("toml: top-level values must be Go maps or structs".to_owned());
                }
                let items = list.borrow().clone();
                for item in &items {
                    self.new_line();
                    self.out
                        .push_str(&format!("{}[[{}]]", indent(key), full_name(key)));
                    self.new_line();
                    stack::grown(|| self.table(key, item))?;
                }
                Ok(())
            }
            _ => self.key_value(key, value, false),
        }
    }

    fn key_value(&mut self, key: &Key<'_>, value: &Value, inline: bool) -> Result<(), String> {
        let Some(last) = key.last() else {
            return self.element(value);
        };
        self.out
            .push_str(&format!("{}{} = ", indent(key), key_text(last)));
        self.element(value)?;
        if !inline {
            self.new_line();
        }
        Ok(())
    }

    /// Writes what is no table first, then the tables.
    fn table(&mut self, key: &Key<'_>, value: &Value) -> Result<(), String> {
        let Value::Map(map) = value else {
            return Ok(());
        };
        let map = map.borrow();
        for tables in [false, true] {
            for (name, item) in map.iter() {
                if is_table(item)? == tables {
                    let path: Vec<&str> = key.iter().copied().chain([name.as_ref()]).collect();
                    self.encode(&path, item)?;
                }
            }
        }
        Ok(())
    }

    fn element(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::Str(text) => self.out.push_str(&quoted(text)),
            Value::Bool(truth) => self.out.push_str(&truth.to_string()),
            Value::Int(number) | Value::Int64(number) => self.out.push_str(&number.to_string()),
            Value::Uint(number) => self.out.push_str(&number.to_string()),
            Value::Float(number) => self.out.push_str(&float(*number)),
            Value::List(list) => {
                let items = list.borrow().clone();
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push_str(", ");
                    }
                    stack::grown(|| self.element(item))?;
                }
                self.out.push(']');
            }
            Value::Map(_) => stack::grown(|| self.inline_table(value))?,
            _ => return Err("toml: cannot encode array with nil element".to_owned()),
        }
        Ok(())
    }

    fn inline_table(&mut self, value: &Value) -> Result<(), String> {
        let Value::Map(map) = value else {
            return Ok(());
        };
        let map = map.borrow();
        let mut written = 0;
        self.out.push('{');
        for tables in [false, true] {
            for (name, item) in map.iter() {
                if is_table(item)? != tables || item.is_nil() {
                    continue;
                }
                if written > 0 {
                    self.out.push_str(", ");
                }
                written += 1;
                self.key_value(&[name], item, true)?;
            }
        }
        self.out.push('}');
        Ok(())
    }
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let text = format_float(number, 'g', None);
    if text.contains(['e', '.']) {
        text
    } else {
        format!("{text}.0")
    }
}

fn from_toml(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = string(arguments, 0);
    context.charge(text.len().saturating_mul(4))?;
    Ok(match Document::parse(text) {
        Ok(document) => item(document.as_item()),
        Err(error) => {
            let position = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = 1 + text.as_bytes()[..position]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            let message = format!("toml: line {line}: {}", error.message());
            Value::map(BTreeMap::from([(
                Rc::from("Error"),
                Value::string(message),
            )]))
        }
    })
}

fn item(item: &Item) -> Value {
    match item {
        Item::None => Value::Nil,
        Item::Value(value) => plain(value),
        Item::Table(table) => Value::map(
            table
                .iter()
                .map(|(key, child)| (Rc::from(key), self::item(child)))
                .collect::<BTreeMap<_, _>>(),
        ),
        Item::ArrayOfTables(tables) => Value::list(
            tables
                .iter()
                .map(|table| {
                    Value::map(
                        table
                            .iter()
                            .map(|(key, child)| (Rc::from(key), self::item(child)))
                            .collect(),
                    )
                })
                .collect(),
        ),
    }
}

fn plain(value: &Toml) -> Value {
    match value {
        Toml::String(text) => Value::string(text.value().as_str()),
        Toml::Integer(number) => Value::Int64(*number.value()),
        Toml::Float(number) => Value::Float(*number.value()),
        Toml::Boolean(truth) => Value::Bool(*truth.value()),
        Toml::Datetime(moment) => date_or_time(moment.value()),
        Toml::Array(items) => Value::list(items.iter().map(plain).collect()),
        Toml::InlineTable(table) => Value::map(
            table
                .iter()
                .map(|(key, child)| (Rc::from(key), plain(child)))
                .collect(),
        ),
    }
}

fn date_or_time(moment: &Datetime) -> Value {
    let days = moment.date.map_or_else(
        || days_of(0, 1, 1),
        |date| {
            days_of(
                i64::from(date.year),
                u32::from(date.month),
                u32::from(date.day),
            )
        },
    );
    let (mut seconds, mut nanoseconds) = (days * 86_400, 0);
    if let Some(time) = moment.time {
        let second = time.second.unwrap_or(0);
        seconds += i64::from(time.hour) * 3_600 + i64::from(time.minute) * 60 + i64::from(second);
        nanoseconds = time.nanosecond.unwrap_or(0);
    }
    let zone = match (moment.offset, moment.date, moment.time) {
        (Some(Offset::Z), ..) => TomlZone::Offset(0),
        (Some(Offset::Custom { minutes }), ..) => TomlZone::Offset(i64::from(minutes) * 60),
        (None, Some(_), Some(_)) => TomlZone::None("datetime-local"),
        (None, Some(_), None) => TomlZone::None("date-local"),
        (None, None, _) => TomlZone::None("time-local"),
    };
    moment_value(seconds, nanoseconds, zone)
}

#[cfg(test)]
mod tests {
    use super::Encoder;
    use crate::yaml;

    #[test]
    fn tables_follow_plain_values() {
        let value =
            yaml::parse("a: 1\nb: {c: x, d: {e: [1, two]}}\nf: [{g: true}]\n\"h i\": 1.5\n")
                .unwrap();
        let mut encoder = Encoder { out: String::new() };
        encoder.encode(&[], &value).unwrap();
        assert_eq!(
            encoder.out,
            "a = 1.0\n\"h i\" = 1.5\n\n[b]\n  c = \"x\"\n  [b.d]\n    e = [1.0, \"two\"]\n\n[[f]]\n  g = true\n"
        );
    }
}
