//! Rendering from within a template, failing, looking up, and choosing between values.

use std::{net::ToSocketAddrs, rc::Rc};

use super::{
    Context, Function, Returned,
    Type::{Any, Bool, Str},
    arguments::{is_empty, string},
};
use crate::{
    error::{WARNING_END, WARNING_START},
    quote::quoted,
    templates::ROOT_NAME,
    value::Value,
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("include", &[Str, Any], include),
    Function::new("tpl", &[Str, Any], tpl),
    Function::new("required", &[Str, Any], required),
    Function::new("fail", &[Str], fail),
    Function::new("lookup", &[Str, Str, Str, Str], lookup),
    Function::variadic("default", &[Any, Any], default),
    Function::new("empty", &[Any], empty),
    Function::variadic("coalesce", &[Any], coalesce),
    Function::variadic("all", &[Any], all),
    Function::variadic("any", &[Any], any),
    Function::new("ternary", &[Any, Any, Bool], ternary),
    Function::new("getHostByName", &[Str], host_by_name),
    Function::new("hello", &[], hello),
];

/// How often one template may be included within itself.
///
/// Source: `recursionMaxNums` in Helm's `pkg/engine/engine.go`.
const RECURSION_MAX: usize = 1000;

fn include(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let name = string(arguments, 0);
    let runtime = context.runtime;
    let count = runtime.included.borrow().get(name).copied().unwrap_or(0);
    if count > RECURSION_MAX {
        return Err(format!(
            "rendering template has a nested reference name: {name}: unable to execute template"
        ));
    }
    let Some(tree) = context.scope.find(name) else {
        return Err(format!(
            "template: no template {} associated with template {}",
            quoted(name),
            quoted(ROOT_NAME)
        ));
    };
    let tree = Rc::clone(tree);
    runtime
        .included
        .borrow_mut()
        .insert(Rc::clone(&tree.name), count + 1);
    let output = runtime.execute(context.scope, &tree, &arguments[1]);
    runtime
        .included
        .borrow_mut()
        .insert(Rc::clone(&tree.name), count);
    let output = output?;
    context.charge(output.len())?;
    Ok(Value::string(output))
}

fn tpl(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = string(arguments, 0);
    let (scope, tree) = context
        .runtime
        .templates
        .overlay(context.scope, text)
        .map_err(|message| format!("cannot parse template {}: {message}", quoted(text)))?;
    let output = context
        .runtime
        .execute(&scope, &tree, &arguments[1])
        .map_err(|message| {
            format!(
                "error during tpl function execution for {}: {message}",
                quoted(text)
            )
        })?;
    context.charge(output.len())?;
    Ok(Value::string(if output.contains("<no value>") {
        output.replace("<no value>", "")
    } else {
        output
    }))
}

/// The text of `required` and `fail`, marked so that it is shown alone.
fn warning(text: &str) -> String {
    format!("{WARNING_START}{text}{WARNING_END}")
}

fn required(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let value = &arguments[1];
    let is_missing = value.is_nil() || value.as_str() == Some("");
    match (is_missing, context.runtime.templates.options().lint) {
        (false, _) => Ok(value.clone()),
        (true, true) => Ok(Value::string("")),
        (true, false) => Err(warning(string(arguments, 0))),
    }
}

fn fail(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    if context.runtime.templates.options().lint {
        return Ok(Value::string(""));
    }
    Err(warning(string(arguments, 0)))
}

fn lookup(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let options = context.runtime.templates.options();
    match &options.lookup {
        Some(lookup) if !options.lint => lookup(
            string(arguments, 0),
            string(arguments, 1),
            string(arguments, 2),
            string(arguments, 3),
        ),
        _ => Ok(Value::map(std::collections::BTreeMap::new())),
    }
}

fn default(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(match arguments {
        [_, given, ..] if !is_empty(given) => given.clone(),
        [fallback, ..] => fallback.clone(),
        [] => Value::Nil,
    })
}

fn empty(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::Bool(is_empty(&arguments[0])))
}

fn coalesce(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(arguments
        .iter()
        .find(|value| !is_empty(value))
        .cloned()
        .unwrap_or_default())
}

fn all(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::Bool(!arguments.iter().any(is_empty)))
}

fn any(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::Bool(!arguments.iter().all(is_empty)))
}

fn ternary(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(if arguments[2].is_true() {
        arguments[0].clone()
    } else {
        arguments[1].clone()
    })
}

/// Asks the name server where that is allowed; Helm answers with nothing where it is not.
fn host_by_name(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    if !context.runtime.templates.options().enable_dns {
        return Ok(Value::string(""));
    }
    let name = string(arguments, 0);
    let addresses = (name, 0)
        .to_socket_addrs()
        .map_err(|error| format!("lookup {name}: {error}"))?;
    let address = addresses.into_iter().next();
    address
        .map(|address| Value::string(address.ip().to_string()))
        .ok_or_else(|| format!("lookup {name}: no such host"))
}

fn hello(_context: &mut Context<'_>, _arguments: &[Value]) -> Returned {
    Ok(Value::string("Hello!"))
}
