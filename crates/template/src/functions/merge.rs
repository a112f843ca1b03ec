//! Merging of dictionaries by the rules of `dario.cat/mergo` 1.0, which Sprig uses.

use std::rc::Rc;

use super::{Context, arguments::is_empty, dicts::DEPTH_MAX};
use crate::{
    stack,
    value::{Kind, Map, Value},
};

/// Merges `source` into `target`, in place.
///
/// Maps merge key by key; elsewhere the target's value is kept unless it is missing or empty (`""`,
/// 0, `false`, an empty list) or `overwrite` is set. Values taken over are shared, not copied.
///
/// # Errors
/// When the maps nest too deeply or the limits are reached.
pub(super) fn merge(
    context: &Context<'_>,
    target: &Map,
    source: &Map,
    overwrite: bool,
    depth: usize,
) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!(
            "the maps are nested more than {DEPTH_MAX} levels deep"
        ));
    }
    if Rc::ptr_eq(target, source) {
        return Ok(());
    }
    let entries: Vec<(Rc<str>, Value)> = source
        .borrow()
        .iter()
        .map(|(key, value)| (Rc::clone(key), value.clone()))
        .collect();
    for (key, value) in entries {
        context.runtime.budget.step()?;
        let held = target.borrow().get(&key).cloned();
        if value.is_nil() {
            if overwrite {
                target.borrow_mut().insert(key, value);
            }
            continue;
        }
        if let (Some(held), Kind::Map) = (&held, value.kind())
            && let (Some(inner), Some(source)) = (held.as_map(), value.as_map())
        {
            stack::grown(|| merge(context, &inner, &source, overwrite, depth + 1))?;
            if !inner.borrow().is_empty() {
                continue;
            }
        }
        let replace = match &held {
            None => true,
            Some(held) => overwrite || is_empty(held),
        };
        if replace {
            context.charge(size_of::<Value>() + key.len())?;
            target.borrow_mut().insert(key, value);
        }
    }
    Ok(())
}
