//! The grammar of `--set` and its family.
//!
//! Source: Helm v3 pkg/strvals, whose results and error texts are kept; the depth and the amount
//! of padding in lists are bounded in addition.

use std::rc::Rc;

use template::{Compat, List, Map, Value, yaml};

/// Lists may not be longer.
const INDEX_MAX: i64 = 65_536;
/// Names may not nest deeper.
const NAME_DEPTH_MAX: usize = 30;
/// Names and indexes together may not nest deeper.
const DEPTH_MAX: usize = 100;
/// Elements that indexes beyond the end of lists may add in one expression.
const PADDING_MAX: usize = 1_000_000;

/// How the value behind `=` is read.
#[derive(Clone, Copy)]
pub enum SetKind<'read> {
    /// `--set`: booleans, null, integers and text; `{a,b}` is a list.
    Typed,
    /// `--set-string`: text; `{a,b}` is a list of texts.
    Text,
    /// `--set-json`.
    Json,
    /// `--set-file`: the content that the function returns for a path.
    File(&'read dyn Fn(&str) -> Result<String, String>),
    /// `--set-literal`: everything behind `=`, without escapes and lists.
    Literal,
}

/// An expression that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SetError(String);

/// Applies an expression to `values`; what stands there is overwritten.
///
/// # Errors
/// [`SetError`] with Helm's text; what came before the mistake has been applied.
pub fn set(expression: &str, kind: SetKind<'_>, values: &Map) -> Result<(), SetError> {
    set_as(expression, kind, values, Compat::Helm3)
}

/// As [`set`], in the ways of a version of Helm: v4 takes the end within an index for a good end.
///
/// # Errors
/// As [`set`].
pub fn set_as(
    expression: &str,
    kind: SetKind<'_>,
    values: &Map,
    compat: Compat,
) -> Result<(), SetError> {
    let mut parser = Parser {
        text: expression.chars().collect(),
        position: 0,
        kind,
        depth: 0,
        padding: 0,
    };
    loop {
        match parser.key(values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::IndexEnds) if compat == Compat::Helm4 => return Ok(()),
            Err(Stop::IndexEnds) => return Err(SetError("error parsing index: EOF".to_owned())),
            Err(Stop::Error(error)) => return Err(SetError(error)),
        }
    }
}

/// Why a step of the parser did not finish.
enum Stop {
    /// The text ended, which is how parsing ends well.
    End,
    /// The text ended within an index: an error for Helm v3, an end for v4.
    IndexEnds,
    Error(String),
}

type Step<T> = Result<T, Stop>;

fn fail<T>(message: impl Into<String>) -> Step<T> {
    Err(Stop::Error(message.into()))
}

struct Parser<'read> {
    text: Vec<char>,
    position: usize,
    kind: SetKind<'read>,
    depth: usize,
    padding: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<char> {
        let character = self.text.get(self.position).copied();
        self.position += usize::from(character.is_some());
        character
    }

    /// Reads up to one of `stops`, which is consumed; the second is `None` at the end of the text.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut read = String::new();
        while let Some(character) = self.next() {
            if stops.contains(&character) {
                return (read, Some(character));
            }
            if character == '\\' && !matches!(self.kind, SetKind::Literal) {
                match self.next() {
                    Some(escaped) => read.push(escaped),
                    None => return (read, None),
                }
            } else {
                read.push(character);
            }
        }
        (read, None)
    }

    /// Reads one `key=value` into `data`.
    fn key(&mut self, data: &Map, name_depth: usize) -> Step<()> {
        self.enter()?;
        let result = self.key_within(data, name_depth);
        self.depth -= 1;
        result
    }

    fn key_within(&mut self, data: &Map, name_depth: usize) -> Step<()> {
        let stops: &[char] = match self.kind {
            SetKind::Literal => &['=', '[', '.'],
            _ => &['=', '[', ',', '.'],
        };
        let (key, stop) = self.until(stops);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => fail(format!("key {key:?} has no value")),
            Some('=') => self.value(|value| insert(data, &key, value)),
            Some('[') => {
                let index = self.index()?;
                let list = match data.borrow().get(key.as_str()) {
                    None => List::default(),
                    Some(Value::List(list)) => Rc::clone(list),
                    Some(other) => return conversion(other, "[]interface {}"),
                };
                let result = self.item(&list, index, name_depth);
                insert(data, &key, Value::List(list));
                result
            }
            Some(',') => {
                insert(data, &key, Value::string(""));
                fail(format!("key {key:?} has no value (cannot end with ,)"))
            }
            Some(_) => self.nested(data, &key, name_depth + 1),
        }
    }

    /// Reads what follows `key.`.
    fn nested(&mut self, data: &Map, key: &str, name_depth: usize) -> Step<()> {
        if name_depth > NAME_DEPTH_MAX {
            return fail(format!(
                "value name nested level is greater than maximum supported nested level of {NAME_DEPTH_MAX}"
            ));
        }
        let inner = match data.borrow().get(key) {
            None => Map::default(),
            Some(Value::Map(inner)) => Rc::clone(inner),
            Some(other) => return conversion(other, "map[string]interface {}"),
        };
        let result = self.key(&inner, name_depth);
        let is_empty = inner.borrow().is_empty();
        if result.is_ok() && is_empty {
            return fail(format!("key map {key:?} has no value"));
        }
        if !is_empty {
            insert(data, key, Value::Map(inner));
        }
        result
    }

    fn index(&mut self) -> Step<i64> {
        let (text, stop) = self.until(&[']']);
        if stop.is_none() {
            return Err(Stop::IndexEnds);
        }
        text.parse().or_else(|error: std::num::ParseIntError| {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let problem = match error.kind() {
                PosOverflow | NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            fail(format!(
                "error parsing index: strconv.Atoi: parsing {text:?}: {problem}"
            ))
        })
    }

    /// Reads what follows `[index]` into the list.
    fn item(&mut self, list: &List, index: i64, name_depth: usize) -> Step<()> {
        self.enter()?;
        let result = self.item_within(list, index, name_depth);
        self.depth -= 1;
        result
    }

    fn item_within(&mut self, list: &List, index: i64, name_depth: usize) -> Step<()> {
        if index < 0 {
            return fail(format!("negative {index} index not allowed"));
        }
        let (text, stop) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            let runes: Vec<String> = text.chars().map(|c| format!("'{c}'")).collect();
            return fail(format!(
                "unexpected data at end of array index: [{}]",
                runes.join(" ")
            ));
        }
        let existing = usize::try_from(index)
            .ok()
            .and_then(|index| list.borrow().get(index).cloned());
        match stop {
            None => Err(Stop::End),
            Some('=') => {
                let mut read = Value::Nil;
                match self.value(|value| read = value) {
                    Ok(()) | Err(Stop::End) => self.set_index(list, index, read),
                    Err(error) => Err(error),
                }
            }
            Some('[') => {
                let next = self.index()?;
                let inner = match existing {
                    None | Some(Value::Nil) => List::default(),
                    Some(Value::List(inner)) => inner,
                    Some(other) => return conversion(&other, "[]interface {}"),
                };
                self.item(&inner, next, name_depth)?;
                self.set_index(list, index, Value::List(inner))
            }
            Some(_) => {
                let inner = match existing {
                    None => Map::default(),
                    Some(Value::Map(inner)) => inner,
                    Some(_) => {
                        let inner = Map::default();
                        self.set_index(list, index, Value::Map(Rc::clone(&inner)))?;
                        inner
                    }
                };
                self.key(&inner, name_depth)?;
                self.set_index(list, index, Value::Map(inner))
            }
        }
    }

    fn set_index(&mut self, list: &List, index: i64, value: Value) -> Step<()> {
        if index > INDEX_MAX {
            return fail(format!(
                "index of {index} is greater than maximum supported index of {INDEX_MAX}"
            ));
        }
        let index = usize::try_from(index).unwrap_or_default();
        let mut items = list.borrow_mut();
        if index >= items.len() {
            self.padding += index + 1 - items.len();
            if self.padding > PADDING_MAX {
                return fail(format!(
                    "indexes add more than {PADDING_MAX} elements to lists"
                ));
            }
            items.resize(index + 1, Value::Nil);
        }
        items[index] = value;
        Ok(())
    }

    /// Reads the value behind `=` and hands it to `store`.
    fn value(&mut self, store: impl FnOnce(Value)) -> Step<()> {
        match self.kind {
            SetKind::Json => self.json_value(store),
            SetKind::Literal => {
                store(Value::string(self.rest()));
                self.position = self.text.len();
                Ok(())
            }
            _ if self.position == self.text.len() => {
                store(Value::string(""));
                Err(Stop::End)
            }
            _ if self.text[self.position] == '{' => {
                self.position += 1;
                store(self.list()?);
                Ok(())
            }
            _ => {
                let (text, _) = self.until(&[',']);
                store(self.scalar(&text)?);
                Ok(())
            }
        }
    }

    fn rest(&self) -> String {
        self.text[self.position..].iter().collect()
    }

    fn list(&mut self) -> Step<Value> {
        let mut items = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            match stop {
                None => return fail("list must terminate with '}'"),
                Some('}') => {
                    if self.text.get(self.position) == Some(&',') {
                        self.position += 1;
                    }
                    items.push(self.scalar(&text)?);
                    return Ok(Value::list(items));
                }
                Some(_) => items.push(self.scalar(&text)?),
            }
        }
    }

    fn scalar(&self, text: &str) -> Step<Value> {
        match self.kind {
            SetKind::Typed => Ok(typed(text)),
            SetKind::File(read) => match read(text) {
                Ok(content) => Ok(Value::string(content)),
                Err(error) => fail(error),
            },
            _ => Ok(Value::string(text)),
        }
    }

    fn json_value(&mut self, store: impl FnOnce(Value)) -> Step<()> {
        if self.skip_blanks() {
            store(Value::Nil);
            return Ok(());
        }
        let rest = self.rest();
        let mut stream = serde_json::Deserializer::from_str(&rest).into_iter::<serde_json::Value>();
        match stream.next() {
            Some(Ok(json)) => store(yaml::from_json(&json)),
            Some(Err(error)) => return fail(error.to_string()),
            None => return fail("EOF"),
        }
        self.position += rest[..stream.byte_offset()].chars().count();
        self.skip_blanks();
        Ok(())
    }

    /// Skips white space and one comma; tells whether there was no value before it.
    fn skip_blanks(&mut self) -> bool {
        while let Some(character) = self.next() {
            if character == ',' {
                return true;
            }
            if !character.is_whitespace() {
                self.position -= 1;
                return false;
            }
        }
        true
    }

    fn enter(&mut self) -> Step<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return fail(format!(
                "names and indexes nest deeper than {DEPTH_MAX} levels"
            ));
        }
        Ok(())
    }
}

fn insert(data: &Map, key: &str, value: Value) {
    if !key.is_empty() {
        data.borrow_mut().insert(Rc::from(key), value);
    }
}

fn conversion<T>(found: &Value, wanted: &str) -> Step<T> {
    let found = match found {
        Value::Nil => "nil",
        other => other.type_name(),
    };
    fail(format!(
        "unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}"
    ))
}

/// Gives a text of `--set` its type; a leading zero keeps a number text.
fn typed(text: &str) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Nil;
    }
    if text == "0" {
        return Value::Int64(0);
    }
    match text.parse() {
        Ok(number) if !text.starts_with('0') => Value::Int64(number),
        _ => Value::string(text),
    }
}
