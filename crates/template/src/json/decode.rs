//! Reads JSON with the error texts of Go's scanner.

use std::{collections::BTreeMap, rc::Rc};

use crate::{bytes, quote, stack, value::Value};

/// The Go type that the text is to be read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Any,
    Map,
    List,
}

/// Go's limit on nesting.
const DEPTH_MAX: usize = 10_000;
/// Our own, which keeps values small enough to be dropped.
const DEPTH_HELD: usize = 2_000;

/// Reads one JSON value. `null` is nil, whatever is wanted.
///
/// # Errors
/// Go's text: of the first bad character, else of the first value that does not fit.
pub(crate) fn decode(text: &str, wanted: Wanted) -> Result<Value, String> {
    let mut decoder = Decoder {
        text,
        position: 0,
        depth: 0,
        mismatch: None,
    };
    decoder.space();
    let value = decoder.value()?;
    decoder.space();
    if let Some(next) = decoder.peek() {
        return Err(invalid(next, "after top-level value"));
    }
    let fits = match (&value, wanted) {
        (_, Wanted::Any) | (Value::Nil, _) => true,
        (Value::Map(_), Wanted::Map) | (Value::List(_), Wanted::List) => true,
        (_, Wanted::Map | Wanted::List) => false,
    };
    if fits {
        return decoder.mismatch.map_or(Ok(value), Err);
    }
    let got = match &value {
        Value::Map(_) => "object",
        Value::List(_) => "array",
        Value::Str(_) => "string",
        Value::Bool(_) => "bool",
        _ => "number",
    };
    let target = if wanted == Wanted::Map {
        "map[string]interface {}"
    } else {
        "[]interface {}"
    };
    Err(format!(
        "json: cannot unmarshal {got} into Go value of type {target}"
    ))
}

/// Go's scanner goes by bytes and shows the first of a character as if it were one.
fn invalid(character: char, context: &str) -> String {
    let mut buffer = [0; 4];
    let first = bytes::carried(character)
        .unwrap_or_else(|| character.encode_utf8(&mut buffer).as_bytes()[0]);
    let character = char::from(first);
    let shown = match character {
        '\'' => r"'\''".to_owned(),
        '"' => "'\"'".to_owned(),
        other => {
            let quoted = quote::quoted(&other.to_string());
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    };
    format!("invalid character {shown} {context}")
}

const END: &str = "unexpected end of JSON input";

struct Decoder<'t> {
    text: &'t str,
    position: usize,
    depth: usize,
    /// The first number that no float can hold.
    mismatch: Option<String>,
}

impl Decoder<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.position..].chars().next()
    }

    fn next(&mut self) -> Result<char, String> {
        let next = self.peek().ok_or(END)?;
        self.position += next.len_utf8();
        Ok(next)
    }

    /// Within a word or number Go's scanner takes the end of the text for a space.
    fn next_within(&mut self) -> char {
        self.next().unwrap_or(' ')
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\r' | '\n')) {
            self.position += 1;
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.peek().ok_or(END)? {
            '{' => self.nested(Self::object),
            '[' => self.nested(Self::array),
            '"' => {
                self.position += 1;
                Ok(Value::string(self.string()?))
            }
            't' => self.literal("true", Value::Bool(true)),
            'f' => self.literal("false", Value::Bool(false)),
            'n' => self.literal("null", Value::Nil),
            '-' | '0'..='9' => self.number(),
            other => Err(invalid(other, "looking for beginning of value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, String>) -> Result<Value, String> {
        if self.depth >= DEPTH_HELD.min(DEPTH_MAX) {
            return Err("exceeded max depth".to_owned());
        }
        self.depth += 1;
        self.position += 1;
        let value = stack::grown(|| read(self));
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, String> {
        let mut entries = BTreeMap::new();
        self.space();
        if self.peek() == Some('}') {
            self.position += 1;
            return Ok(Value::map(entries));
        }
        loop {
            self.space();
            match self.next()? {
                '"' => {}
                other => return Err(invalid(other, "looking for beginning of object key string")),
            }
            let key: Rc<str> = Rc::from(self.string()?);
            self.space();
            match self.next()? {
                ':' => {}
                other => return Err(invalid(other, "after object key")),
            }
            self.space();
            let value = self.value()?;
            entries.insert(key, value);
            self.space();
            match self.next()? {
                ',' => {}
                '}' => return Ok(Value::map(entries)),
                other => return Err(invalid(other, "after object key:value pair")),
            }
        }
    }

    fn array(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(']') {
            self.position += 1;
            return Ok(Value::list(items));
        }
        loop {
            self.space();
            items.push(self.value()?);
            self.space();
            match self.next()? {
                ',' => {}
                ']' => return Ok(Value::list(items)),
                other => return Err(invalid(other, "after array element")),
            }
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, String> {
        for expected in word.chars() {
            let next = self.next_within();
            if next != expected {
                return Err(invalid(
                    next,
                    &format!("in literal {word} (expecting '{expected}')"),
                ));
            }
        }
        Ok(value)
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|next| next.is_ascii_digit()) {
            self.position += 1;
        }
    }

    fn digit(&mut self, context: &str) -> Result<(), String> {
        match self.next_within() {
            '0'..='9' => Ok(()),
            other => Err(invalid(other, context)),
        }
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.position;
        if self.peek() == Some('-') {
            self.position += 1;
        }
        match self.peek() {
            Some('0') => self.position += 1,
            _ => {
                self.digit("in numeric literal")?;
                self.digits();
            }
        }
        if self.peek() == Some('.') {
            self.position += 1;
            self.digit("after decimal point in numeric literal")?;
            self.digits();
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.position += 1;
            if matches!(self.peek(), Some('+' | '-')) {
                self.position += 1;
            }
            self.digit("in exponent of numeric literal")?;
            self.digits();
        }
        let text = &self.text[start..self.position];
        match crate::strconv::parse_float(text) {
            Some(number) => Ok(Value::Float(number)),
            None => {
                let message =
                    format!("json: cannot unmarshal number {text} into Go value of type float64");
                self.mismatch.get_or_insert(message);
                Ok(Value::Nil)
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let mut out = String::new();
        loop {
            match self.next()? {
                '"' => return Ok(out),
                '\\' => match self.next_within() {
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    'n' => out.push('\n'),
                    'r' => out.push('\r'),
                    't' => out.push('\t'),
                    same @ ('"' | '\\' | '/') => out.push(same),
                    'u' => {
                        let character = self.unicode_escape()?;
                        out.push(character);
                    }
                    other => return Err(invalid(other, "in string escape code")),
                },
                control @ '\0'..='\u{1f}' => return Err(invalid(control, "in string literal")),
                other => out.push(other),
            }
        }
    }

    fn four_digits(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            let next = self.next_within();
            let digit = next
                .to_digit(16)
                .ok_or_else(|| invalid(next, "in \\u hexadecimal character escape"))?;
            code = code * 16 + digit;
        }
        Ok(code)
    }

    /// Half of a pair of surrogates without the other becomes the replacement character.
    fn unicode_escape(&mut self) -> Result<char, String> {
        let code = self.four_digits()?;
        if (0xd800..0xdc00).contains(&code) && self.text[self.position..].starts_with("\\u") {
            let back = self.position;
            self.position += 2;
            let low = self.four_digits()?;
            if (0xdc00..0xe000).contains(&low) {
                let combined = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(combined).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.position = back;
        }
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

#[cfg(test)]
mod tests {
    use super::{Wanted, decode};

    #[test]
    fn errors_are_go_s() {
        let cases = [
            ("", "unexpected end of JSON input"),
            (
                "hello",
                "invalid character 'h' looking for beginning of value",
            ),
            (
                "{a",
                "invalid character 'a' looking for beginning of object key string",
            ),
            ("{\"a\" 1", "invalid character '1' after object key"),
            ("[1 2]", "invalid character '2' after array element"),
            (
                "{\"a\":1]",
                "invalid character ']' after object key:value pair",
            ),
            ("{} x", "invalid character 'x' after top-level value"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            (
                "nul!",
                "invalid character '!' in literal null (expecting 'l')",
            ),
            (
                "1.x",
                "invalid character 'x' after decimal point in numeric literal",
            ),
            (
                "1e400",
                "json: cannot unmarshal number 1e400 into Go value of type float64",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(text, Wanted::Any).map(|_| ()).unwrap_err(), expected);
        }
        assert_eq!(
            decode("[1]", Wanted::Map).map(|_| ()).unwrap_err(),
            "json: cannot unmarshal array into Go value of type map[string]interface {}"
        );
    }
}
