//! Regular expressions with RE2's syntax and Go's replacement templates.

mod translate;

use std::{cell::RefCell, rc::Rc, thread::LocalKey};

use regex::{Captures, Regex, RegexBuilder};
use regex_automata::meta::{Config as MatcherConfig, Regex as Matcher};

use super::{
    Context, Function, Returned,
    Type::{Int, Str},
    arguments::{int, string},
};
use crate::{
    bytes,
    hash::HashMap,
    quote::{can_backquote, quoted},
    value::{TypedList, Value},
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("regexMatch", &[Str, Str], |_, arguments| {
        let matches =
            compiled(string(arguments, 0)).is_ok_and(|regex| regex.is_match(string(arguments, 1)));
        Ok(Value::Bool(matches))
    }),
    Function::new("mustRegexMatch", &[Str, Str], |_, arguments| {
        Ok(Value::Bool(
            compiled(string(arguments, 0))?.is_match(string(arguments, 1)),
        ))
    }),
    Function::new("regexFindAll", &[Str, Str, Int], |context, arguments| {
        find_all(context, arguments, panicking)
    }),
    Function::new(
        "mustRegexFindAll",
        &[Str, Str, Int],
        |context, arguments| find_all(context, arguments, compiled),
    ),
    Function::new("regexFind", &[Str, Str], |_, arguments| {
        find(arguments, panicking)
    }),
    Function::new("mustRegexFind", &[Str, Str], |_, arguments| {
        find(arguments, compiled)
    }),
    Function::new("regexReplaceAll", &[Str, Str, Str], |context, arguments| {
        replace_all(context, arguments, panicking, false)
    }),
    Function::new(
        "mustRegexReplaceAll",
        &[Str, Str, Str],
        |context, arguments| replace_all(context, arguments, compiled, false),
    ),
    Function::new(
        "regexReplaceAllLiteral",
        &[Str, Str, Str],
        |context, arguments| replace_all(context, arguments, panicking, true),
    ),
    Function::new(
        "mustRegexReplaceAllLiteral",
        &[Str, Str, Str],
        |context, arguments| replace_all(context, arguments, compiled, true),
    ),
    Function::new("regexSplit", &[Str, Str, Int], |context, arguments| {
        split(context, arguments, panicking)
    }),
    Function::new("mustRegexSplit", &[Str, Str, Int], |context, arguments| {
        split(context, arguments, compiled)
    }),
    Function::new("regexQuoteMeta", &[Str], |_, arguments| {
        Ok(Value::string(quote_meta(string(arguments, 0))))
    }),
];

/// Compiles a Go regular expression.
///
/// # Errors
/// Go's text for an expression that is not well formed.
pub fn expression(text: &str) -> Result<Regex, String> {
    compiled(text).map(|regex| (*regex).clone())
}

type Compile = fn(&str) -> Result<Rc<Regex>, String>;

/// How many expressions are remembered in compiled form.
const CACHE_MAX: usize = 512;
/// How large a compiled expression may become, in bytes.
const SIZE_MAX: usize = 8 << 20;

type Cache<T> = RefCell<HashMap<String, Rc<T>>>;

thread_local! {
    static CACHE: Cache<Regex> = RefCell::default();
    static MATCHERS: Cache<Matcher> = RefCell::default();
}

/// Compiles an expression; the text of an error is Go's.
fn compiled(expression: &str) -> Result<Rc<Regex>, String> {
    cached(&CACHE, expression, |translated| {
        let mut builder = RegexBuilder::new(translated);
        builder.size_limit(SIZE_MAX).build().ok()
    })
}

/// Remembers what `build` makes of an expression in the syntax of the crate `regex`.
fn cached<T>(
    cache: &'static LocalKey<Cache<T>>,
    expression: &str,
    build: impl FnOnce(&str) -> Option<T>,
) -> Result<Rc<T>, String> {
    if let Some(regex) = cache.with_borrow(|cache| cache.get(expression).cloned()) {
        return Ok(regex);
    }
    if let Some(start) = expression.find(|next| bytes::carried(next).is_some()) {
        let rest = &expression[start..];
        return Err(format!("error parsing regexp: invalid UTF-8: `{rest}`"));
    }
    let translated = translate::translate(expression)
        .map_err(|message| format!("error parsing regexp: {message}"))?;
    let regex = build(&translated)
        .ok_or_else(|| format!("error parsing regexp: expression too large: `{expression}`"))?;
    let regex = Rc::new(regex);
    cache.with_borrow_mut(|cache| {
        if cache.len() >= CACHE_MAX {
            cache.clear();
        }
        cache.insert(expression.to_owned(), Rc::clone(&regex));
    });
    Ok(regex)
}

/// Tells whether a text holds a match of a Go regular expression.
///
/// # Errors
/// Go's text for an expression that is not well formed.
pub fn regex_matches(expression: &str, text: &str) -> Result<bool, String> {
    let matcher = cached(&MATCHERS, expression, |translated| {
        // For a match or two the tables that make long searches fast take longer than they save.
        let config = MatcherConfig::new()
            .dfa(false)
            .onepass(false)
            .nfa_size_limit(Some(SIZE_MAX));
        let mut builder = Matcher::builder();
        builder.configure(config).build(translated).ok()
    })?;
    Ok(matcher.is_match(text))
}

/// As [`compiled`], with what Go says where it panics.
fn panicking(expression: &str) -> Result<Rc<Regex>, String> {
    compiled(expression).map_err(|message| {
        let shown = if can_backquote(expression) {
            format!("`{expression}`")
        } else {
            quoted(expression)
        };
        format!("regexp: Compile({shown}): {message}")
    })
}

fn find(arguments: &[Value], compile: Compile) -> Returned {
    let regex = compile(string(arguments, 0))?;
    Ok(Value::string(
        regex
            .find(string(arguments, 1))
            .map_or("", |found| found.as_str()),
    ))
}

fn limit(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn find_all(context: &mut Context<'_>, arguments: &[Value], compile: Compile) -> Returned {
    let regex = compile(string(arguments, 0))?;
    let text = string(arguments, 1);
    let found: Vec<&str> = regex
        .find_iter(text)
        .take(limit(int(arguments, 2)))
        .map(|found| found.as_str())
        .collect();
    context.charge(
        text.len()
            .saturating_add(found.len().saturating_mul(size_of::<Value>())),
    )?;
    if found.is_empty() {
        return Ok(TypedList::nil("[]string"));
    }
    Ok(Value::strings(found))
}

fn replace_all(
    context: &mut Context<'_>,
    arguments: &[Value],
    compile: Compile,
    literal: bool,
) -> Returned {
    let regex = compile(string(arguments, 0))?;
    let (text, replacement) = (string(arguments, 1), string(arguments, 2));
    let mut out = String::new();
    let mut end = 0;
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else {
            continue;
        };
        out.push_str(&text[end..whole.start()]);
        let start = out.len();
        if literal {
            out.push_str(replacement);
        } else {
            expand(&mut out, replacement, &captures);
        }
        context.charge(out.len() - start)?;
        end = whole.end();
    }
    out.push_str(&text[end..]);
    context.charge(text.len())?;
    Ok(Value::string(out))
}

/// Writes a replacement with `$1`, `${1}` and `$name` filled in.
fn expand(out: &mut String, mut template: &str, captures: &Captures<'_>) {
    while let Some((before, after)) = template.split_once('$') {
        out.push_str(before);
        template = after;
        if let Some(rest) = template.strip_prefix('$') {
            out.push('$');
            template = rest;
            continue;
        }
        let Some((name, rest)) = reference(template) else {
            out.push('$');
            continue;
        };
        template = rest;
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit())
            && (name.len() == 1 || !name.starts_with('0'));
        let group = if is_number {
            name.parse()
                .ok()
                .and_then(|index: usize| captures.get(index))
        } else {
            captures.name(name)
        };
        out.push_str(group.map_or("", |group| group.as_str()));
    }
    out.push_str(template);
}

/// Takes the longest name, braces or not, off the start.
fn reference(template: &str) -> Option<(&str, &str)> {
    let (body, braced) = match template.strip_prefix('{') {
        Some(body) => (body, true),
        None => (template, false),
    };
    let is_part = |next: char| next.is_alphanumeric() || next == '_';
    let end = body.find(|next| !is_part(next)).unwrap_or(body.len());
    if end == 0 {
        return None;
    }
    let (name, rest) = body.split_at(end);
    if braced {
        rest.strip_prefix('}').map(|rest| (name, rest))
    } else {
        Some((name, rest))
    }
}

fn split(context: &mut Context<'_>, arguments: &[Value], compile: Compile) -> Returned {
    let regex = compile(string(arguments, 0))?;
    let (text, count) = (string(arguments, 1), int(arguments, 2));
    context.charge(text.len().saturating_mul(2))?;
    if count == 0 {
        return Ok(TypedList::nil("[]string"));
    }
    if text.is_empty() && !string(arguments, 0).is_empty() {
        return Ok(Value::strings([""]));
    }
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for found in regex.find_iter(text).take(limit(count)) {
        if count > 0 && parts.len() + 1 >= limit(count) {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(&text[begin..end]);
        }
        begin = found.end();
    }
    if end != text.len() {
        parts.push(&text[begin..]);
    }
    Ok(Value::strings(parts))
}

fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for next in text.chars() {
        if r"\.+*?()|[]{}^$".contains(next) {
            out.push('\\');
        }
        out.push(next);
    }
    out
}
