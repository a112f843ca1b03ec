//! Takes arguments apart; the executor has checked their types.

use crate::value::{List, Map, Value};

/// What Go's runtime says where nil was not expected.
pub(super) const NIL_POINTER: &str =
    "runtime error: invalid memory address or nil pointer dereference";

/// The string at `index`.
pub(super) fn string(arguments: &[Value], index: usize) -> &str {
    arguments
        .get(index)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The `int` at `index`.
pub(super) fn int(arguments: &[Value], index: usize) -> i64 {
    match arguments.get(index) {
        Some(Value::Int(number) | Value::Int64(number)) => *number,
        Some(Value::Uint(number)) => i64::try_from(*number).unwrap_or(i64::MAX),
        _ => 0,
    }
}

/// The map at `index`; a nil map reads as an empty one.
pub(super) fn map(arguments: &[Value], index: usize) -> Map {
    arguments
        .get(index)
        .and_then(Value::as_map)
        .unwrap_or_default()
}

/// The items of the list at `index`, if it is one.
pub(super) fn list(arguments: &[Value], index: usize) -> Option<List> {
    arguments.get(index).and_then(Value::as_list)
}

/// The items of a list that a function of Sprig takes.
///
/// # Errors
/// Its text for other kinds, which `action` begins: `Cannot reverse on type map`.
pub(super) fn items(value: &Value, action: &str) -> Result<Vec<Value>, String> {
    match value.as_list() {
        Some(list) => Ok(list.borrow().clone()),
        None if value.is_nil() => Err(NIL_POINTER.to_owned()),
        None => Err(format!("{action} type {}", value.kind().name())),
    }
}

/// Whether Sprig holds the value to be empty.
pub(super) fn is_empty(value: &Value) -> bool {
    !value.is_true()
}
