//! The emitter behind `toYaml` and `toYamlPretty`.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use super::{
    error::YamlError,
    number::{float_json, float_shortest},
    order::sort_keys,
    scalar::{base64_standard, is_simple_key, write_text},
};
use crate::Value;

/// Deeper values are refused: they are cycles or attacks, and would exhaust the stack.
const DEPTH_MAX: usize = 500;
/// Lines of `toYaml` fold at the first lone space behind this column.
const WIDTH: usize = 80;
const INDENT: usize = 2;

/// Whose bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `toYaml`: through JSON, then go-yaml v2.
    Standard,
    /// `toYamlPretty`: go-yaml v3 with two spaces, without folding.
    Pretty,
}

/// Returns the YAML text of a value with its final newline, byte for byte as `sigs.k8s.io/yaml`
/// marshals it. A value that cannot be written (NaN, a cycle) gives an empty text, as `toYaml` does.
pub fn emit(value: &Value) -> String {
    try_emit(value).unwrap_or_default()
}

/// As [`emit`], with the reason where a value cannot be written.
///
/// # Errors
/// A number that JSON cannot hold, a character that YAML cannot, or nesting deeper than 500.
pub fn try_emit(value: &Value) -> Result<String, YamlError> {
    write_document(value, Dialect::Standard)
}

/// Returns the text of `toYamlPretty` with its final newline: sequences are indented, long lines
/// do not fold, large floats keep their exponent. Empty where the value cannot be written.
pub fn emit_pretty(value: &Value) -> String {
    write_document(value, Dialect::Pretty).unwrap_or_default()
}

fn write_document(value: &Value, dialect: Dialect) -> Result<String, YamlError> {
    let mut writer = Writer::new(dialect);
    write_node(&mut writer, value, Context::default())?;
    // The end of the document ends the last line.
    writer.indent = None;
    writer.write_indent();
    Ok(writer.text)
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, Default)]
struct Context {
    in_mapping: bool,
    depth: usize,
}

/// The output and the cursor's state, as libyaml's emitter keeps it.
pub(super) struct Writer {
    pub(super) dialect: Dialect,
    text: String,
    /// Characters since the last line break.
    column: usize,
    /// `None` before the first level.
    indent: Option<usize>,
    /// The last character written was white space.
    pub(super) whitespace: bool,
    /// Only indentation and indicators such as `-` were written on this line.
    pub(super) indention: bool,
}

impl Writer {
    fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            text: String::new(),
            column: 0,
            indent: None,
            whitespace: true,
            indention: true,
        }
    }

    pub(super) fn put(&mut self, character: char) {
        self.text.push(character);
        self.column += 1;
    }

    pub(super) fn put_break(&mut self, character: char) {
        self.text.push(character);
        self.column = 0;
    }

    pub(super) fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break('\n');
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    pub(super) fn indicator(
        &mut self,
        indicator: &str,
        need_whitespace: bool,
        is_whitespace: bool,
        is_indention: bool,
    ) {
        if need_whitespace {
            self.separate();
        }
        self.text.push_str(indicator);
        self.column += indicator.len();
        self.whitespace = is_whitespace;
        self.indention = self.indention && is_indention;
    }

    /// Writes a space unless white space was just written.
    pub(super) fn separate(&mut self) {
        if !self.whitespace {
            self.put(' ');
        }
    }

    pub(super) fn end_scalar(&mut self) {
        self.whitespace = false;
        self.indention = false;
    }

    pub(super) fn past_width(&self) -> bool {
        self.dialect == Dialect::Standard && self.column > WIDTH
    }

    /// Opens a level and returns the one to restore.
    fn increase_indent(&mut self, flow: bool, indentless: bool) -> Option<usize> {
        let outer = self.indent;
        self.indent = match outer {
            None => Some(if flow { INDENT } else { 0 }),
            Some(indent) if indentless => Some(indent),
            Some(indent) => Some(indent + INDENT),
        };
        outer
    }

    fn bare(&mut self, text: &str) {
        self.separate();
        for character in text.chars() {
            self.put(character);
        }
        self.end_scalar();
    }
}

fn write_node(writer: &mut Writer, value: &Value, context: Context) -> Result<(), YamlError> {
    if context.depth > DEPTH_MAX {
        return Err(YamlError::plain(format!(
            "the value is nested deeper than {DEPTH_MAX} levels"
        )));
    }
    match value {
        Value::List(items) => write_sequence(writer, &items.borrow(), context),
        Value::Map(entries) => write_mapping(writer, entries, context),
        Value::Object(object) => {
            let deeper = Context {
                depth: context.depth + 1,
                ..context
            };
            write_node(writer, &object.serialized(), deeper)
        }
        scalar => write_scalar(writer, scalar, false),
    }
}

fn write_scalar(writer: &mut Writer, value: &Value, is_key: bool) -> Result<(), YamlError> {
    let outer = writer.increase_indent(true, false);
    match value {
        Value::Bool(flag) => writer.bare(if *flag { "true" } else { "false" }),
        Value::Int(number) | Value::Int64(number) => writer.bare(&number.to_string()),
        Value::Uint(number) => writer.bare(&number.to_string()),
        Value::Float(number) => {
            let text = float_text(*number, writer.dialect)?;
            writer.bare(&text);
        }
        Value::Str(text) => {
            check_characters(text, writer.dialect)?;
            if writer.dialect == Dialect::Standard && text.contains(NEXT_LINE) {
                write_text(writer, &folded(text), is_key);
            } else {
                write_text(writer, text, is_key);
            }
        }
        Value::Bytes(bytes) => write_text(writer, &base64_standard(bytes), is_key),
        Value::Nil | Value::List(_) | Value::Map(_) | Value::Object(_) => writer.bare("null"),
    }
    writer.indent = outer;
    Ok(())
}

/// `toYaml` goes through JSON: the text of the number there is what YAML resolves again, so whole
/// numbers of up to 64 bits come out as integers.
fn float_text(number: f64, dialect: Dialect) -> Result<String, YamlError> {
    if dialect == Dialect::Pretty {
        return Ok(match float_shortest(number).as_str() {
            "+Inf" => ".inf".to_owned(),
            "-Inf" => "-.inf".to_owned(),
            "NaN" => ".nan".to_owned(),
            text => text.to_owned(),
        });
    }
    let Some(json) = float_json(number) else {
        let text = float_shortest(number);
        return Err(YamlError::plain(format!("json: unsupported value: {text}")));
    };
    if json == "-0" {
        return Ok("0".to_owned());
    }
    let is_integer = json.parse::<i64>().is_ok() || json.parse::<u64>().is_ok();
    Ok(if is_integer {
        json
    } else {
        float_shortest(number)
    })
}

/// The reader in the middle of `toYaml` refuses characters that JSON leaves unescaped.
fn check_characters(text: &str, dialect: Dialect) -> Result<(), YamlError> {
    let refused = |character: char| matches!(character, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if dialect == Dialect::Standard && text.chars().any(refused) {
        return Err(YamlError::syntax(
            None,
            "control characters are not allowed",
        ));
    }
    Ok(())
}

/// A line break of YAML that JSON leaves as it is.
const NEXT_LINE: char = '\u{85}';

/// What the reader in the middle of `toYaml` makes of line breaks within a quoted text: blanks
/// around them go, one becomes a space, and of several one is lost.
fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find([' ', NEXT_LINE]) {
        let (before, blanks) = rest.split_at(start);
        let end = blanks
            .find(|next| next != ' ' && next != NEXT_LINE)
            .unwrap_or(blanks.len());
        let (blanks, after) = blanks.split_at(end);
        out.push_str(before);
        match blanks.matches(NEXT_LINE).count() {
            0 => out.push_str(blanks),
            1 => out.push(' '),
            count => out.extend(std::iter::repeat_n('\n', count - 1)),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn write_sequence(writer: &mut Writer, items: &[Value], context: Context) -> Result<(), YamlError> {
    if items.is_empty() {
        writer.indicator("[", true, true, false);
        writer.indicator("]", false, false, false);
        return Ok(());
    }
    let indentless = writer.dialect == Dialect::Standard && context.in_mapping && !writer.indention;
    let outer = writer.increase_indent(false, indentless);
    let inner = Context {
        in_mapping: false,
        depth: context.depth + 1,
    };
    for item in items {
        writer.write_indent();
        writer.indicator("-", true, false, true);
        write_node(writer, item, inner)?;
    }
    writer.indent = outer;
    Ok(())
}

fn write_mapping(
    writer: &mut Writer,
    entries: &Rc<RefCell<BTreeMap<Rc<str>, Value>>>,
    context: Context,
) -> Result<(), YamlError> {
    let entries = entries.borrow();
    if entries.is_empty() {
        writer.indicator("{", true, true, false);
        writer.indicator("}", false, false, false);
        return Ok(());
    }
    let outer = writer.increase_indent(false, false);
    let inner = Context {
        in_mapping: true,
        depth: context.depth + 1,
    };
    let mut sorted: Vec<(&Rc<str>, &Value)> = entries.iter().collect();
    let v3_order = writer.dialect == Dialect::Pretty;
    sort_keys(&mut sorted, &|(key, _)| key.as_ref(), v3_order);
    for (key, value) in sorted {
        if writer.dialect == Dialect::Standard && key.contains(NEXT_LINE) {
            return Err(YamlError::syntax(None, "could not find expected ':'"));
        }
        writer.write_indent();
        let simple = is_simple_key(key);
        if !simple {
            writer.indicator("?", true, false, true);
        }
        write_scalar(writer, &Value::Str(Rc::clone(key)), simple)?;
        if simple {
            writer.indicator(":", false, false, false);
        } else {
            writer.write_indent();
            writer.indicator(":", true, false, true);
        }
        write_node(writer, value, inner)?;
    }
    writer.indent = outer;
    Ok(())
}
