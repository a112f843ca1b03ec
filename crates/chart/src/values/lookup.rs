//! Paths such as `global.redis.enabled` into values.

use std::rc::Rc;

use template::{Map, Value};

/// Returns the map at a dotted path.
///
/// # Errors
/// The part of the path that is missing or no map.
pub fn table(values: &Map, path: &str) -> Result<Map, String> {
    let mut current = Rc::clone(values);
    for name in path.split('.') {
        let next = match current.borrow().get(name) {
            Some(Value::Map(next)) => Rc::clone(next),
            _ => return Err(name.to_owned()),
        };
        current = next;
    }
    Ok(current)
}

/// Returns the value at a dotted path, or `None` when it is absent or a map.
pub fn path_value(values: &Map, path: &str) -> Option<Value> {
    let (parent, name) = match path.rsplit_once('.') {
        Some((parent, name)) => (table(values, parent).ok()?, name),
        None => (Rc::clone(values), path),
    };
    let found = parent.borrow().get(name).cloned();
    found.filter(|value| !matches!(value, Value::Map(_)))
}
