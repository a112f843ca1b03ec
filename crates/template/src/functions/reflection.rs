//! Types, kinds and deep equality.

use std::rc::Rc;

use super::{
    Context, Function, Returned,
    Type::{Any, Str},
    arguments::string,
    dicts::DEPTH_MAX,
};
use crate::{
    stack,
    value::{Kind, Value},
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("typeOf", &[Any], |_, arguments| {
        Ok(Value::string(arguments[0].type_name()))
    }),
    Function::new("typeIs", &[Str, Any], |_, arguments| {
        Ok(Value::Bool(
            string(arguments, 0) == arguments[1].type_name(),
        ))
    }),
    Function::new("typeIsLike", &[Str, Any], type_is_like),
    Function::new("kindOf", &[Any], |_, arguments| {
        Ok(Value::string(arguments[0].kind().name()))
    }),
    Function::new("kindIs", &[Str, Any], |_, arguments| {
        Ok(Value::Bool(
            string(arguments, 0) == arguments[1].kind().name(),
        ))
    }),
    Function::new("deepEqual", &[Any, Any], |_, arguments| {
        Ok(Value::Bool(deep_equal(&arguments[0], &arguments[1])?))
    }),
];

fn type_is_like(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let wanted = string(arguments, 0);
    let actual = arguments[1].type_name();
    Ok(Value::Bool(
        wanted == actual
            || actual.strip_prefix('*') == Some(wanted)
            || format!("*{wanted}") == actual,
    ))
}

/// Go's `reflect.DeepEqual`: the types must be the same, so 1 and 1.0 differ.
///
/// # Errors
/// When the values nest too deeply.
pub(super) fn deep_equal(left: &Value, right: &Value) -> Result<bool, String> {
    equal(left, right, 0)
}

fn equal(left: &Value, right: &Value, depth: usize) -> Result<bool, String> {
    if depth > DEPTH_MAX {
        return Err(format!(
            "the values are nested more than {DEPTH_MAX} levels deep"
        ));
    }
    Ok(match (left, right) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) | (Value::Int64(left), Value::Int64(right)) => {
            left == right
        }
        (Value::Uint(left), Value::Uint(right)) => left == right,
        (Value::Float(left), Value::Float(right)) => left == right,
        (Value::Str(left), Value::Str(right)) => left == right,
        (Value::Bytes(left), Value::Bytes(right)) => left == right,
        (Value::List(one), Value::List(other)) => {
            Rc::ptr_eq(one, other) || stack::grown(|| equal_lists(left, right, depth))?
        }
        (Value::Map(one), Value::Map(other)) => {
            Rc::ptr_eq(one, other) || stack::grown(|| equal_maps(left, right, depth))?
        }
        (Value::Object(one), Value::Object(other)) => {
            if Rc::ptr_eq(one, other) {
                return Ok(true);
            }
            if one.type_name() != other.type_name() {
                return Ok(false);
            }
            match one.kind() {
                Kind::Slice => stack::grown(|| equal_lists(left, right, depth))?,
                Kind::Map => stack::grown(|| equal_maps(left, right, depth))?,
                _ if one.text().is_some() => one.text() == other.text(),
                _ => equal(&one.serialized(), &other.serialized(), depth + 1)?,
            }
        }
        _ => false,
    })
}

fn equal_lists(left: &Value, right: &Value, depth: usize) -> Result<bool, String> {
    let (Some(left), Some(right)) = (left.as_list(), right.as_list()) else {
        return Ok(false);
    };
    let (left, right) = (left.borrow(), right.borrow());
    if left.len() != right.len() {
        return Ok(false);
    }
    for (left, right) in left.iter().zip(right.iter()) {
        if !equal(left, right, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_maps(left: &Value, right: &Value, depth: usize) -> Result<bool, String> {
    let (Some(left), Some(right)) = (left.as_map(), right.as_map()) else {
        return Ok(false);
    };
    let (left, right) = (left.borrow(), right.borrow());
    if left.len() != right.len() {
        return Ok(false);
    }
    for (key, value) in left.iter() {
        let Some(other) = right.get(key) else {
            return Ok(false);
        };
        if !equal(value, other, depth + 1)? {
            return Ok(false);
        }
    }
    Ok(true)
}
