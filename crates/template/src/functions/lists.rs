//! Lists: making, taking apart, searching.

use super::{
    Context, Function, Returned,
    Type::{Any, Int},
    arguments::{NIL_POINTER, int, is_empty, items},
    math::to_int,
    reflection::deep_equal,
};
use std::rc::Rc;

use crate::value::{TypedList, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::variadic("list", &[Any], list),
    Function::variadic("tuple", &[Any], list),
    Function::new("append", &[Any, Any], append),
    Function::new("push", &[Any, Any], append),
    Function::new("mustAppend", &[Any, Any], append),
    Function::new("mustPush", &[Any, Any], append),
    Function::new("prepend", &[Any, Any], prepend),
    Function::new("mustPrepend", &[Any, Any], prepend),
    Function::new("first", &[Any], first),
    Function::new("mustFirst", &[Any], first),
    Function::new("rest", &[Any], rest),
    Function::new("mustRest", &[Any], rest),
    Function::new("last", &[Any], last),
    Function::new("mustLast", &[Any], last),
    Function::new("initial", &[Any], initial),
    Function::new("mustInitial", &[Any], initial),
    Function::new("reverse", &[Any], reverse),
    Function::new("mustReverse", &[Any], reverse),
    Function::new("uniq", &[Any], uniq),
    Function::new("mustUniq", &[Any], uniq),
    Function::variadic("without", &[Any, Any], without),
    Function::variadic("mustWithout", &[Any, Any], without),
    Function::new("has", &[Any, Any], has),
    Function::new("mustHas", &[Any, Any], has),
    Function::variadic("slice", &[Any, Any], slice),
    Function::variadic("mustSlice", &[Any, Any], slice),
    Function::variadic("concat", &[Any], concat),
    Function::new("chunk", &[Int, Any], chunk),
    Function::new("mustChunk", &[Int, Any], chunk),
    Function::new("compact", &[Any], compact),
    Function::new("mustCompact", &[Any], compact),
];

/// Returns a new list, counted against the limits.
fn made(context: &Context<'_>, items: Vec<Value>) -> Returned {
    context.charge(items.len().saturating_mul(size_of::<Value>()))?;
    context.check_nesting(&items)?;
    Ok(Value::list(items))
}

fn list(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    made(context, arguments.to_vec())
}

fn append(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut items = items(&arguments[0], "Cannot push on")?;
    items.push(arguments[1].clone());
    made(context, items)
}

fn prepend(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut items = items(&arguments[0], "Cannot prepend on")?;
    items.insert(0, arguments[1].clone());
    made(context, items)
}

fn first(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(items(&arguments[0], "Cannot find first on")?
        .into_iter()
        .next()
        .unwrap_or_default())
}

fn last(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(items(&arguments[0], "Cannot find last on")?
        .pop()
        .unwrap_or_default())
}

/// Go's nil slice, which some functions return for a list without items.
fn nothing() -> Returned {
    Ok(TypedList::nil("[]interface {}"))
}

fn rest(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let items = items(&arguments[0], "Cannot find rest on")?;
    if items.is_empty() {
        return nothing();
    }
    made(context, items[1..].to_vec())
}

fn initial(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut items = items(&arguments[0], "Cannot find initial on")?;
    if items.pop().is_none() {
        return nothing();
    }
    made(context, items)
}

fn reverse(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut items = items(&arguments[0], "Cannot find reverse on")?;
    items.reverse();
    made(context, items)
}

fn compact(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let items = items(&arguments[0], "Cannot compact on")?;
    made(
        context,
        items.into_iter().filter(|item| !is_empty(item)).collect(),
    )
}

fn contains(context: &Context<'_>, items: &[Value], wanted: &Value) -> Result<bool, String> {
    for item in items {
        context.runtime.budget.step()?;
        if deep_equal(wanted, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut kept = Vec::new();
    for item in items(&arguments[0], "Cannot find uniq on")? {
        if !contains(context, &kept, &item)? {
            kept.push(item);
        }
    }
    made(context, kept)
}

fn without(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut kept = Vec::new();
    for item in items(&arguments[0], "Cannot find without on")? {
        if !contains(context, &arguments[1..], &item)? {
            kept.push(item);
        }
    }
    made(context, kept)
}

fn has(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    if arguments[1].is_nil() {
        return Ok(Value::Bool(false));
    }
    let items = items(&arguments[1], "Cannot find has on")?;
    Ok(Value::Bool(contains(context, &items, &arguments[0])?))
}

fn slice(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let list = &arguments[0];
    let Some(items) = list.as_list() else {
        if list.is_nil() {
            return Err(NIL_POINTER.to_owned());
        }
        return Err(format!(
            "list should be type of slice or array but {}",
            list.kind().name()
        ));
    };
    let items = items.borrow();
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let start = arguments.get(1).map_or(0, to_int);
    let end = arguments.get(2).map_or(length, to_int);
    if start < 0 || end < start || end > length {
        return Err("reflect.Value.Slice: slice index out of bounds".to_owned());
    }
    let range = start as usize..end as usize;
    if let Value::Bytes(content) = list {
        return Ok(Value::Bytes(Rc::from(&content[range])));
    }
    let typed = match list {
        Value::Object(object) => object.as_any().downcast_ref::<TypedList>(),
        _ => None,
    };
    match typed {
        Some(typed) => Ok(typed.with(items[range].to_vec())),
        None => made(context, items[range].to_vec()),
    }
}

fn concat(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let mut joined = Vec::new();
    for argument in arguments {
        match argument.as_list() {
            Some(list) => joined.extend(list.borrow().iter().cloned()),
            None if argument.is_nil() => return Err(NIL_POINTER.to_owned()),
            None => {
                return Err(format!(
                    "Cannot concat type {} as list",
                    argument.kind().name()
                ));
            }
        }
    }
    if joined.is_empty() {
        return nothing();
    }
    made(context, joined)
}

fn chunk(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let items = items(&arguments[1], "Cannot chunk")?;
    let Some(size) = usize::try_from(int(arguments, 0))
        .ok()
        .filter(|size| *size > 0)
    else {
        // Go rounds the count of chunks of a negative size to none for most lists.
        if items.len() == 1 && int(arguments, 0) < -1 {
            return Ok(TypedList::value(
                "[][]interface {}",
                vec![Value::list(items)],
            ));
        }
        let (length, size) = (items.len() as f64, int(arguments, 0) as f64);
        if size < 0.0 && ((length - 1.0) / size).floor() == -1.0 {
            return Ok(TypedList::value("[][]interface {}", Vec::new()));
        }
        return Err("runtime error: makeslice: len out of range".to_owned());
    };
    context.charge(items.len().saturating_mul(2 * size_of::<Value>()))?;
    if items.is_empty() {
        return Ok(TypedList::value("[][]interface {}", Vec::new()));
    }
    let chunks = items
        .chunks(size)
        .map(|chunk| Value::list(chunk.to_vec()))
        .collect();
    Ok(TypedList::value("[][]interface {}", chunks))
}
