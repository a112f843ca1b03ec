//! The functions of Go's `text/template`.
//!
//! Source: `text/template/funcs.go` of Go 1.26.

use std::{cmp::Ordering, fmt::Write as _, rc::Rc};

use super::{
    Context, Function, Returned, Special,
    Type::{Any, Reflect, Str},
    arguments::string,
    urls,
};
use crate::{
    bytes, format, quote,
    value::{Kind, Value},
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("and", &[Reflect, Reflect], nothing).special(Special::And),
    Function::variadic("or", &[Reflect, Reflect], nothing).special(Special::Or),
    Function::new("not", &[Reflect], not),
    Function::variadic("call", &[Reflect, Reflect], nothing).special(Special::Call),
    Function::variadic("html", &[Any], html),
    Function::variadic("js", &[Any], js),
    Function::variadic("urlquery", &[Any], url_query),
    Function::variadic("index", &[Reflect, Reflect], index),
    Function::variadic("slice", &[Reflect, Reflect], slice),
    Function::new("len", &[Reflect], len).special(Special::Len),
    Function::variadic("print", &[Any], print),
    Function::variadic("printf", &[Str, Any], printf),
    Function::variadic("println", &[Any], println),
    Function::variadic("eq", &[Reflect, Reflect], eq),
    Function::new("ne", &[Reflect, Reflect], ne),
    Function::new("lt", &[Reflect, Reflect], lt),
    Function::new("le", &[Reflect, Reflect], le),
    Function::new("gt", &[Reflect, Reflect], gt),
    Function::new("ge", &[Reflect, Reflect], ge),
];

/// `and`, `or` and `call` are the executor's own affair.
fn nothing(_context: &mut Context<'_>, _arguments: &[Value]) -> Returned {
    Ok(Value::Nil)
}

fn not(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::Bool(!arguments[0].is_true()))
}

fn printed(context: &Context<'_>, text: String) -> Returned {
    context.charge(text.len())?;
    Ok(Value::string(text))
}

fn print(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    printed(context, format::sprint(arguments))
}

fn println(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    printed(context, format::sprintln(arguments))
}

fn printf(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    printed(
        context,
        format::sprintf(string(arguments, 0), &arguments[1..]),
    )
}

/// The text of the arguments as `html` and its kin see it.
fn joined(arguments: &[Value]) -> Rc<str> {
    if let [Value::Str(text)] = arguments {
        return Rc::clone(text);
    }
    Rc::from(format::sprint(&printable(arguments)))
}

fn printable(arguments: &[Value]) -> Vec<Value> {
    arguments
        .iter()
        .map(|argument| {
            if argument.is_nil() {
                Value::string("<no value>")
            } else {
                argument.clone()
            }
        })
        .collect()
}

fn html(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = joined(arguments);
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
    printed(context, out)
}

fn js(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = joined(arguments);
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str(r"\\"),
            '\'' => out.push_str(r"\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04X}", character as u32);
            }
            _ if character.is_ascii()
                || quote::is_printable(character)
                || bytes::carried(character).is_some() =>
            {
                out.push(character);
            }
            _ => {
                let _ = write!(out, "\\u{:04X}", character as u32);
            }
        }
    }
    printed(context, out)
}

fn url_query(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    printed(context, urls::query_escaped(&joined(arguments)))
}

fn len(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let length = match &arguments[0] {
        Value::Nil => return Err("len of nil pointer".to_owned()),
        Value::Str(text) => bytes::length(text),
        other => match (other.as_map(), other.as_list()) {
            (Some(map), _) => map.borrow().len(),
            (None, Some(list)) => list.borrow().len(),
            (None, None) => return Err(format!("len of type {}", other.type_name())),
        },
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// An index into a list or string of `length` elements; `length` itself is allowed.
fn position(index: &Value, length: usize) -> Result<usize, String> {
    let number = match index {
        Value::Int(number) | Value::Int64(number) => *number,
        Value::Uint(number) => *number as i64,
        Value::Nil => return Err("cannot index slice/array with nil".to_owned()),
        other => {
            return Err(format!(
                "cannot index slice/array with type {}",
                other.type_name()
            ));
        }
    };
    usize::try_from(number)
        .ok()
        .filter(|position| *position <= length)
        .ok_or_else(|| format!("index out of range: {number}"))
}

fn index(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut item = arguments[0].clone();
    if item.is_nil() {
        return Err("index of untyped nil".to_owned());
    }
    for index in &arguments[1..] {
        item = match item.kind() {
            Kind::Invalid => return Err("index of nil pointer".to_owned()),
            Kind::String => {
                let content = bytes::of(item.as_str().unwrap_or_default());
                let position = position(index, content.len())?;
                let byte = content
                    .get(position)
                    .ok_or_else(|| string_out_of_range(position, content.len()))?;
                Value::Uint(u64::from(*byte))
            }
            Kind::Slice => {
                let list = item.as_list().unwrap_or_default();
                let list = list.borrow();
                let position = position(index, list.len())?;
                list.get(position)
                    .cloned()
                    .ok_or("reflect: slice index out of range")?
            }
            Kind::Map => indexed_map(&item, index)?,
            _ => return Err(format!("can't index item of type {}", item.type_name())),
        };
    }
    Ok(item)
}

fn string_out_of_range(_position: usize, _length: usize) -> String {
    "reflect: string index out of range".to_owned()
}

fn indexed_map(map: &Value, index: &Value) -> Returned {
    let Some(entries) = map.as_map() else {
        return Ok(Value::Nil);
    };
    match index {
        Value::Str(key) => Ok(entries
            .borrow()
            .get(key)
            .cloned()
            .unwrap_or_else(|| match map {
                Value::Object(object) => object.zero_element(),
                _ => Value::Nil,
            })),
        Value::Nil => Err("value is nil; should be of type string".to_owned()),
        other => Err(format!(
            "value has type {}; should be string",
            other.type_name()
        )),
    }
}

fn slice(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let item = &arguments[0];
    let indexes = &arguments[1..];
    if item.is_nil() {
        return Err("slice of untyped nil".to_owned());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let text = item.as_str().map(bytes::of);
    let list = item.as_list();
    let length = match (&text, &list) {
        (Some(_), _) if indexes.len() == 3 => {
            return Err("cannot 3-index slice a string".to_owned());
        }
        (Some(text), _) => text.len(),
        (None, Some(list)) => list.borrow().len(),
        (None, None) => return Err(format!("can't slice item of type {}", item.type_name())),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, length)?;
    }
    for pair in [(0, 1), (1, 2)].iter().take(indexes.len().max(2) - 1) {
        if bounds[pair.0] > bounds[pair.1] {
            return Err(format!(
                "invalid slice index: {} > {}",
                bounds[pair.0], bounds[pair.1]
            ));
        }
    }
    let range = bounds[0]..bounds[1];
    Ok(match (text, list) {
        (Some(text), _) => Value::string(bytes::text(&text[range])),
        (None, Some(list)) => Value::list(list.borrow()[range].to_vec()),
        (None, None) => Value::Nil,
    })
}

/// The kinds that Go compares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    Bool,
    Int,
    Float,
    String,
    Uint,
    Complex,
}

fn basic(value: &Value) -> Option<Basic> {
    match value.kind() {
        Kind::Bool => Some(Basic::Bool),
        Kind::Int | Kind::Int64 => Some(Basic::Int),
        Kind::Uint64 => Some(Basic::Uint),
        Kind::Float64 => Some(Basic::Float),
        Kind::String => Some(Basic::String),
        Kind::Complex128 => Some(Basic::Complex),
        _ => None,
    }
}

/// Compares two values of the same kind, or integers of different sign.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Int(left) | Value::Int64(left), Value::Int(right) | Value::Int64(right)) => {
            Some(left.cmp(right))
        }
        (Value::Uint(left), Value::Uint(right)) => Some(left.cmp(right)),
        (Value::Int(left) | Value::Int64(left), Value::Uint(right)) => {
            Some(i128::from(*left).cmp(&i128::from(*right)))
        }
        (Value::Uint(left), Value::Int(right) | Value::Int64(right)) => {
            Some(i128::from(*left).cmp(&i128::from(*right)))
        }
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Str(left), Value::Str(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn incompatible(left: &Value, right: &Value) -> String {
    format!(
        "incompatible types for comparison: {} and {}",
        left.type_name(),
        right.type_name()
    )
}

fn are_integers(left: Option<Basic>, right: Option<Basic>) -> bool {
    matches!(
        (left, right),
        (Some(Basic::Int), Some(Basic::Uint)) | (Some(Basic::Uint), Some(Basic::Int))
    )
}

fn equal(left: &Value, right: &Value) -> Result<bool, String> {
    let (left_kind, right_kind) = (basic(left), basic(right));
    if left_kind != right_kind {
        if are_integers(left_kind, right_kind) {
            return Ok(compare(left, right) == Some(Ordering::Equal));
        }
        if !left.is_nil() && !right.is_nil() {
            return Err(incompatible(left, right));
        }
        return Ok(false);
    }
    match left_kind {
        Some(Basic::Complex) => Ok(format::plain_text(left) == format::plain_text(right)),
        Some(_) => Ok(compare(left, right) == Some(Ordering::Equal)),
        None => equal_others(left, right),
    }
}

/// Nil, lists, maps and objects, of which Go compares few.
fn equal_others(left: &Value, right: &Value) -> Result<bool, String> {
    if left.is_nil() || right.is_nil() {
        return Ok(left.is_nil() && right.is_nil());
    }
    if left.kind() != right.kind() {
        return Err(format!(
            "non-comparable types {}: {}, {}: {}",
            format::sprintf("%s", std::slice::from_ref(left)),
            left.type_name(),
            right.type_name(),
            format::plain_text(right)
        ));
    }
    match (left, right) {
        (Value::Object(left), Value::Object(right))
            if !matches!(left.kind(), Kind::Slice | Kind::Map) =>
        {
            Ok(Rc::ptr_eq(left, right) || left.text().is_some() && left.text() == right.text())
        }
        _ => Err(format!(
            "non-comparable type {}: {}",
            format::sprintf("%s", std::slice::from_ref(right)),
            right.type_name()
        )),
    }
}

fn eq(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let Some((left, others)) = arguments.split_first() else {
        return Err("missing argument for comparison".to_owned());
    };
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for right in others {
        if equal(left, right)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn ne(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::Bool(!equal(&arguments[0], &arguments[1])?))
}

fn less(left: &Value, right: &Value) -> Result<bool, String> {
    let bad = || "invalid type for comparison".to_owned();
    let left_kind = basic(left).ok_or_else(bad)?;
    let right_kind = basic(right).ok_or_else(bad)?;
    if left_kind != right_kind && !are_integers(Some(left_kind), Some(right_kind)) {
        return Err(incompatible(left, right));
    }
    if matches!(left_kind, Basic::Bool | Basic::Complex) {
        return Err(bad());
    }
    Ok(compare(left, right) == Some(Ordering::Less))
}

fn less_or_equal(left: &Value, right: &Value) -> Result<bool, String> {
    Ok(less(left, right)? || equal(left, right)?)
}

fn lt(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::Bool(less(&arguments[0], &arguments[1])?))
}

fn le(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::Bool(less_or_equal(&arguments[0], &arguments[1])?))
}

fn gt(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::Bool(!less_or_equal(&arguments[0], &arguments[1])?))
}

fn ge(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::Bool(!less(&arguments[0], &arguments[1])?))
}
