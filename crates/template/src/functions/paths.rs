//! Slash-separated paths, as Go's `path` takes them apart; the `os` functions do the same on Unix.

use super::{Context, Function, Returned, Type::Str, arguments::string};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("base", &[Str], base),
    Function::new("osBase", &[Str], base),
    Function::new("dir", &[Str], directory),
    Function::new("osDir", &[Str], directory),
    Function::new("clean", &[Str], |_, arguments| {
        Ok(Value::string(clean(string(arguments, 0))))
    }),
    Function::new("osClean", &[Str], |_, arguments| {
        Ok(Value::string(clean(string(arguments, 0))))
    }),
    Function::new("ext", &[Str], extension),
    Function::new("osExt", &[Str], extension),
    Function::new("isAbs", &[Str], is_absolute),
    Function::new("osIsAbs", &[Str], is_absolute),
];

fn base(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let path = string(arguments, 0);
    if path.is_empty() {
        return Ok(Value::string("."));
    }
    let trimmed = path.trim_end_matches('/');
    let name = trimmed.rsplit('/').next().unwrap_or_default();
    Ok(Value::string(if name.is_empty() { "/" } else { name }))
}

fn directory(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let path = string(arguments, 0);
    let end = path.rfind('/').map_or(0, |slash| slash + 1);
    Ok(Value::string(clean(&path[..end])))
}

/// The shortest path that means the same, by its text alone.
fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            ".." if is_rooted => {}
            _ => kept.push(part),
        }
    }
    let joined = kept.join("/");
    match (is_rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

fn extension(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let name = string(arguments, 0).rsplit('/').next().unwrap_or_default();
    Ok(Value::string(
        name.rfind('.').map_or("", |dot| &name[dot..]),
    ))
}

fn is_absolute(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::Bool(string(arguments, 0).starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn paths_are_cleaned_as_by_go() {
        let cases = [
            ("", "."),
            ("a//b/./c/", "a/b/c"),
            ("a/../../b", "../b"),
            ("/../a", "/a"),
            ("/", "/"),
            ("a/..", "."),
            ("../../a", "../../a"),
        ];
        for (path, expected) in cases {
            assert_eq!(clean(path), expected);
        }
    }
}
