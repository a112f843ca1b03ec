//! Prints values as Go's `fmt` does: `%v` and its kin for `printf`, `print` and output.
//!
//! Source: `fmt/print.go` and `fmt/format.go` of Go 1.26.

use std::{any::Any, rc::Rc};

use crate::{
    bytes, quote, stack,
    strconv::format_float,
    value::{Kind, Object, Value},
};

mod verbs;

pub(crate) use verbs::sprintf;

/// How deeply nested a value may be to be printed; deeper ones are cut with `...`.
const DEPTH_MAX: usize = 10_000;

/// Go's `complex128`.
#[derive(Debug)]
pub(crate) struct Complex {
    real: f64,
    imaginary: f64,
}

/// Returns a value of the Go type `complex128`.
pub(crate) fn complex(real: f64, imaginary: f64) -> Value {
    Value::Object(Rc::new(Complex { real, imaginary }))
}

impl Object for Complex {
    fn type_name(&self) -> &'static str {
        "complex128"
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn kind(&self) -> Kind {
        Kind::Complex128
    }
    fn text(&self) -> Option<String> {
        let imaginary = format_float(self.imaginary, 'g', None);
        let sign = if imaginary.starts_with(['-', '+']) {
            ""
        } else {
            "+"
        };
        Some(format!(
            "({}{sign}{imaginary}i)",
            format_float(self.real, 'g', None)
        ))
    }
}

/// Writes what an action outputs for its value.
pub(crate) fn print_value(out: &mut String, value: &Value) {
    match value {
        Value::Nil => out.push_str("<no value>"),
        // An action prints what a pointer points to.
        Value::Object(object) if object.kind() == Kind::Pointer && object.text().is_none() => {
            stack::grown(|| write_fields(out, object.as_ref(), 0));
        }
        _ => plain(out, value),
    }
}

/// Go's `%v` of an argument: nil is `<nil>`.
pub(crate) fn plain(out: &mut String, value: &Value) {
    write_plain(out, value, 0);
}

/// Go's `%v` as a new string.
pub(crate) fn plain_text(value: &Value) -> String {
    let mut out = String::new();
    plain(&mut out, value);
    out
}

/// The text of a value as Sprig's `strval` takes it: strings and bytes as they are, else `%v`.
pub(crate) fn text_of(value: &Value) -> Rc<str> {
    match value {
        Value::Str(text) => Rc::clone(text),
        Value::Bytes(content) => Rc::from(bytes::text(content)),
        _ => Rc::from(plain_text(value)),
    }
}

fn write_plain(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Nil => out.push_str("<nil>"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) | Value::Int64(number) => out.push_str(&number.to_string()),
        Value::Uint(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&format_float(*number, 'g', None)),
        Value::Str(text) => out.push_str(text),
        _ if depth > DEPTH_MAX => out.push_str("..."),
        _ => stack::grown(|| write_composite(out, value, depth)),
    }
}

fn write_composite(out: &mut String, value: &Value, depth: usize) {
    if let Value::Object(object) = value {
        if let Some(text) = object.text() {
            out.push_str(&text);
            return;
        }
        if matches!(object.kind(), Kind::Struct | Kind::Pointer) {
            return write_struct(out, object.as_ref(), depth);
        }
    }
    if let Some(map) = value.as_map() {
        out.push_str("map[");
        for (index, (key, element)) in map.borrow().iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            out.push_str(key);
            out.push(':');
            write_plain(out, element, depth + 1);
        }
        out.push(']');
    } else if let Some(list) = value.as_list() {
        out.push('[');
        for (index, element) in list.borrow().iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            write_plain(out, element, depth + 1);
        }
        out.push(']');
    }
}

fn write_struct(out: &mut String, object: &dyn Object, depth: usize) {
    if object.kind() == Kind::Pointer {
        out.push('&');
    }
    write_fields(out, object, depth);
}

fn write_fields(out: &mut String, object: &dyn Object, depth: usize) {
    out.push('{');
    for (index, (_, element)) in object.printed_fields().iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        write_plain(out, element, depth + 1);
    }
    out.push('}');
}

/// Go's `Sprint`: a space between operands where neither is a string.
pub(crate) fn sprint(arguments: &[Value]) -> String {
    let mut out = String::new();
    let mut previous_is_string = false;
    for (index, argument) in arguments.iter().enumerate() {
        let is_string = matches!(argument, Value::Str(_));
        if index > 0 && !is_string && !previous_is_string {
            out.push(' ');
        }
        plain(&mut out, argument);
        previous_is_string = is_string;
    }
    out
}

/// Go's `Sprintln`: spaces between all operands and a line end.
pub(crate) fn sprintln(arguments: &[Value]) -> String {
    let mut out = String::new();
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        plain(&mut out, argument);
    }
    out.push('\n');
    out
}

/// Go's `%#v`.
pub(crate) fn syntax(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Nil if depth > 0 => out.push_str("interface {}(nil)"),
        Value::Str(text) => out.push_str(&quote::quoted(text)),
        Value::Uint(number) => out.push_str(&format!("{number:#x}")),
        Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Int64(_) | Value::Float(_) => {
            write_plain(out, value, depth);
        }
        _ if depth > DEPTH_MAX => out.push_str("..."),
        _ => stack::grown(|| composite_syntax(out, value, depth)),
    }
}

fn composite_syntax(out: &mut String, value: &Value, depth: usize) {
    let type_name = if matches!(value, Value::Bytes(_)) {
        "[]byte"
    } else {
        value.type_name()
    };
    out.push_str(type_name);
    out.push('{');
    if let Some(map) = value.as_map() {
        for (index, (key, element)) in map.borrow().iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            out.push_str(&quote::quoted(key));
            out.push(':');
            syntax(out, element, depth + 1);
        }
    } else if let Some(list) = value.as_list() {
        for (index, element) in list.borrow().iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            syntax(out, element, depth + 1);
        }
    } else if let Value::Object(object) = value {
        for (index, (name, element)) in object.printed_fields().iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            out.push_str(name);
            out.push(':');
            syntax(out, element, depth + 1);
        }
    }
    out.push('}');
}
