//! Writes JSON: sorted keys, Go's floats, HTML escaped unless raw.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{bytes, stack, strconv::format_float, value::Value};

/// How JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Compact,
    /// Two spaces a level.
    Pretty,
    /// Compact, with `<`, `>` and `&` as they are.
    Raw,
}

/// Go notices a value within itself at this depth; ours stops at any value that deep.
const DEPTH_MAX: usize = 1_000;

/// Returns the JSON of a value.
///
/// # Errors
/// Go's text for what JSON cannot hold: NaN, infinities, a value within itself.
pub(crate) fn encode(value: &Value, style: Style) -> Result<String, String> {
    let mut encoder = Encoder {
        out: String::new(),
        style,
        depth: 0,
    };
    encoder.value(value)?;
    Ok(encoder.out)
}

struct Encoder {
    out: String,
    style: Style,
    depth: usize,
}

impl Encoder {
    fn value(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(truth) => self.out.push_str(if *truth { "true" } else { "false" }),
            Value::Int(number) | Value::Int64(number) => self.out.push_str(&number.to_string()),
            Value::Uint(number) => self.out.push_str(&number.to_string()),
            Value::Float(number) => self.out.push_str(&float(*number)?),
            Value::Str(text) => self.string(text),
            Value::Bytes(content) => {
                self.out.push('"');
                self.out.push_str(&STANDARD.encode(content));
                self.out.push('"');
            }
            Value::Object(object) => {
                match object.text().filter(|_| object.type_name() == "time.Time") {
                    Some(_) => self.value(&object.serialized())?,
                    None => {
                        let fields = object.json_fields();
                        if fields.is_empty() {
                            self.nested(&object.serialized())?;
                        } else {
                            self.depth += 1;
                            self.entries(fields.iter().map(|(key, item)| (key.as_str(), item)))?;
                            self.depth -= 1;
                        }
                    }
                }
            }
            Value::List(_) | Value::Map(_) => self.nested(value)?,
        }
        Ok(())
    }

    fn nested(&mut self, value: &Value) -> Result<(), String> {
        if self.depth >= DEPTH_MAX {
            return Err(format!(
                "json: unsupported value: encountered a cycle via {}",
                value.type_name()
            ));
        }
        self.depth += 1;
        let encoded = stack::grown(|| self.composite(value));
        self.depth -= 1;
        encoded
    }

    fn composite(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::List(list) => {
                let list = list.borrow();
                self.out.push('[');
                for (index, item) in list.iter().enumerate() {
                    self.separator(index);
                    self.value(item)?;
                }
                self.end(list.is_empty(), ']');
            }
            Value::Map(map) => {
                let map = map.borrow();
                self.entries(map.iter().map(|(key, item)| (key.as_ref(), item)))?;
            }
            other => self.value(other)?,
        }
        Ok(())
    }

    fn entries<'value>(
        &mut self,
        entries: impl Iterator<Item = (&'value str, &'value Value)>,
    ) -> Result<(), String> {
        self.out.push('{');
        let mut is_empty = true;
        for (index, (key, item)) in entries.enumerate() {
            is_empty = false;
            self.separator(index);
            self.string(key);
            self.out.push_str(if self.style == Style::Pretty {
                ": "
            } else {
                ":"
            });
            self.value(item)?;
        }
        self.end(is_empty, '}');
        Ok(())
    }

    fn separator(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
        self.new_line(self.depth);
    }

    fn end(&mut self, is_empty: bool, close: char) {
        if !is_empty {
            self.new_line(self.depth - 1);
        }
        self.out.push(close);
    }

    fn new_line(&mut self, depth: usize) {
        if self.style == Style::Pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                carried if bytes::carried(carried).is_some() => self.out.push_str("\\ufffd"),
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                '<' | '>' | '&' if self.style != Style::Raw => self.escaped(character),
                '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => self.escaped(character),
                other => self.out.push(other),
            }
        }
        self.out.push('"');
    }

    fn escaped(&mut self, character: char) {
        self.out.push_str(&format!("\\u{:04x}", character as u32));
    }
}

/// Go's form of a float in JSON: an exponent only below 1e-6 and from 1e21 on.
pub(crate) fn float(number: f64) -> Result<String, String> {
    if !number.is_finite() {
        return Err(format!(
            "json: unsupported value: {}",
            format_float(number, 'g', None)
        ));
    }
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return Ok(format_float(number, 'f', None));
    }
    let text = format_float(number, 'e', None);
    // `e-09` is written `e-9`.
    Ok(match text.rsplit_once("e-0") {
        Some((mantissa, digit)) => format!("{mantissa}e-{digit}"),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::{Style, encode, float};
    use crate::value::Value;

    #[test]
    fn json_is_written_as_by_go() {
        let map = [
            ("b", Value::Float(1e6)),
            (
                "a",
                Value::list(vec![Value::Nil, Value::string("<é\u{1}\">")]),
            ),
        ];
        let value = Value::map(
            map.into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
        );
        assert_eq!(
            encode(&value, Style::Compact).unwrap(),
            "{\"a\":[null,\"\\u003cé\\u0001\\\"\\u003e\"],\"b\":1000000}"
        );
        assert_eq!(
            encode(&value, Style::Pretty).unwrap(),
            "{\n  \"a\": [\n    null,\n    \"\\u003cé\\u0001\\\"\\u003e\"\n  ],\n  \"b\": 1000000\n}"
        );
        assert_eq!(encode(&Value::string("<"), Style::Raw).unwrap(), "\"<\"");
    }

    #[test]
    fn floats_have_go_s_exponents() {
        for (number, expected) in [
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-7, "1e-7"),
            (0.1, "0.1"),
        ] {
            assert_eq!(float(number).unwrap(), expected);
        }
        assert!(float(f64::NAN).is_err());
    }
}
