//! Dictionaries: reading, changing in place, picking, merging, copying.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    Context, Function, Returned,
    Type::{Any, Map, Str},
    arguments::{map, string},
    merge::merge,
};
use crate::{format::text_of, stack, value::Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("dict", &[Any], dict),
    Function::new("get", &[Map, Str], get),
    Function::new("set", &[Map, Str, Any], set),
    Function::new("unset", &[Map, Str], unset),
    Function::new("hasKey", &[Map, Str], has_key),
    Function::variadic("pluck", &[Str, Map], pluck),
    Function::variadic("keys", &[Map], keys),
    Function::new("values", &[Map], values),
    Function::variadic("pick", &[Map, Str], pick),
    Function::variadic("omit", &[Map, Str], omit),
    Function::variadic("merge", &[Map, Map], |context, arguments| {
        merged(context, arguments, false)
    }),
    Function::variadic("mustMerge", &[Map, Map], |context, arguments| {
        merged(context, arguments, false)
    }),
    Function::variadic("mergeOverwrite", &[Map, Map], |context, arguments| {
        merged(context, arguments, true)
    }),
    Function::variadic("mustMergeOverwrite", &[Map, Map], |context, arguments| {
        merged(context, arguments, true)
    }),
    Function::variadic("dig", &[Any], dig),
    Function::new("deepCopy", &[Any], deep_copy),
    Function::new("mustDeepCopy", &[Any], deep_copy),
];

/// A rough size of a map's entry, in bytes.
const ENTRY_BYTES: usize = 64;

/// The same map as a plain value, whatever host object it came in.
fn plain(arguments: &[Value], index: usize) -> Value {
    match arguments.get(index) {
        Some(Value::Nil) | None => Value::map(BTreeMap::new()),
        Some(value) => value.as_map().map_or(Value::Nil, Value::Map),
    }
}

fn dict(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    context.charge(arguments.len().saturating_mul(ENTRY_BYTES))?;
    context.check_nesting(arguments)?;
    let mut entries = BTreeMap::new();
    for pair in arguments.chunks(2) {
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::string(""));
        entries.insert(text_of(&pair[0]), value);
    }
    Ok(Value::map(entries))
}

fn get(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let found = map(arguments, 0)
        .borrow()
        .get(string(arguments, 1))
        .cloned();
    Ok(found.unwrap_or_else(|| Value::string("")))
}

fn set(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    if arguments[0].is_nil() {
        return Err("assignment to entry in nil map".to_owned());
    }
    context.charge(ENTRY_BYTES)?;
    context.check_nesting(&arguments[2..])?;
    map(arguments, 0)
        .borrow_mut()
        .insert(Rc::from(string(arguments, 1)), arguments[2].clone());
    Ok(plain(arguments, 0))
}

fn unset(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let removed = map(arguments, 0).borrow_mut().remove(string(arguments, 1));
    drop(removed);
    Ok(plain(arguments, 0))
}

fn has_key(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::Bool(
        map(arguments, 0)
            .borrow()
            .contains_key(string(arguments, 1)),
    ))
}

fn pluck(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let key = string(arguments, 0);
    let found =
        (1..arguments.len()).filter_map(|index| map(arguments, index).borrow().get(key).cloned());
    Ok(Value::list(found.collect()))
}

/// The keys in the order of the alphabet; Helm's come in any order.
fn keys(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut keys = Vec::new();
    for index in 0..arguments.len() {
        keys.extend(map(arguments, index).borrow().keys().cloned());
    }
    context.charge(keys.len().saturating_mul(size_of::<Value>()))?;
    Ok(Value::strings(keys))
}

fn values(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let map = map(arguments, 0);
    let map = map.borrow();
    context.charge(map.len().saturating_mul(size_of::<Value>()))?;
    Ok(Value::list(map.values().cloned().collect()))
}

fn pick(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let map = map(arguments, 0);
    let map = map.borrow();
    context.charge(arguments.len().saturating_mul(ENTRY_BYTES))?;
    let picked =
        (1..arguments.len()).filter_map(|index| map.get_key_value(string(arguments, index)));
    Ok(Value::map(
        picked
            .map(|(key, value)| (Rc::clone(key), value.clone()))
            .collect(),
    ))
}

fn omit(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let map = map(arguments, 0);
    let map = map.borrow();
    context.charge(map.len().saturating_mul(ENTRY_BYTES))?;
    let omitted: Vec<&str> = (1..arguments.len())
        .map(|index| string(arguments, index))
        .collect();
    let kept = map.iter().filter(|(key, _)| !omitted.contains(&&***key));
    Ok(Value::map(
        kept.map(|(key, value)| (Rc::clone(key), value.clone()))
            .collect(),
    ))
}

fn merged(context: &mut Context<'_>, arguments: &[Value], overwrite: bool) -> Returned {
    let target = plain(arguments, 0);
    if let Some(target) = target.as_map() {
        for index in 1..arguments.len() {
            context.check_nesting(&arguments[index..=index])?;
            merge(context, &target, &map(arguments, index), overwrite, 0)?;
        }
    }
    Ok(target)
}

fn dig(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let [path @ .., fallback, last] = arguments else {
        return Err("dig needs at least three arguments".to_owned());
    };
    if path.is_empty() {
        return Err("dig needs at least three arguments".to_owned());
    }
    let mut current = last.clone();
    if !matches!(current, Value::Map(_)) {
        return Err(conversion(&current, "map[string]interface {}"));
    }
    let keys = path.iter().map(|key| match key {
        Value::Str(key) => Ok(key),
        other => Err(conversion(other, "string")),
    });
    let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
    for key in keys {
        let Value::Map(map) = &current else {
            return Err(conversion(&current, "map[string]interface {}"));
        };
        let Some(next) = map.borrow().get(key).cloned() else {
            return Ok(fallback.clone());
        };
        current = next;
    }
    Ok(current)
}

/// What Go says of a failed type assertion.
fn conversion(value: &Value, wanted: &str) -> String {
    let got = if value.is_nil() {
        "nil"
    } else {
        value.type_name()
    };
    format!("interface conversion: interface {{}} is {got}, not {wanted}")
}

fn deep_copy(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    if arguments[0].is_nil() {
        return Err("reflect: call of reflect.Value.Type on zero Value".to_owned());
    }
    copied(context, &arguments[0], 0)
}

/// How deeply nested a value may be to be copied or merged.
pub(super) const DEPTH_MAX: usize = 10_000;

fn copied(context: &Context<'_>, value: &Value, depth: usize) -> Returned {
    if depth > DEPTH_MAX {
        return Err(format!(
            "the value is nested more than {DEPTH_MAX} levels deep"
        ));
    }
    match value {
        Value::List(list) => {
            let list = list.borrow();
            context.charge(list.len().saturating_mul(size_of::<Value>()))?;
            let items: Result<Vec<_>, _> = stack::grown(|| {
                list.iter()
                    .map(|item| copied(context, item, depth + 1))
                    .collect()
            });
            Ok(Value::list(items?))
        }
        Value::Map(map) => {
            let map = map.borrow();
            context.charge(map.len().saturating_mul(ENTRY_BYTES))?;
            let entries: Result<BTreeMap<_, _>, String> = stack::grown(|| {
                map.iter()
                    .map(|(key, value)| Ok((Rc::clone(key), copied(context, value, depth + 1)?)))
                    .collect()
            });
            Ok(Value::map(entries?))
        }
        other => Ok(other.clone()),
    }
}
