//! Text: trimming, cutting, joining, padding, quoting.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    Context, Function, Returned,
    Type::{Any, Int, Str},
    arguments::{int, string},
};
use crate::{
    bytes,
    format::{plain_text, text_of},
    quote::quoted,
    strconv::parse_decimal,
    value::{StringMap, Value},
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("abbrev", &[Int, Str], abbrev),
    Function::new("abbrevboth", &[Int, Int, Str], abbrev_both),
    Function::new("trunc", &[Int, Str], trunc),
    Function::new("trim", &[Str], |_, arguments| {
        text(string(arguments, 0).trim())
    }),
    Function::new("substr", &[Int, Int, Str], substring),
    Function::new("repeat", &[Int, Str], repeat),
    Function::new("trimall", &[Str, Str], trim_all),
    Function::new("trimAll", &[Str, Str], trim_all),
    Function::new("trimSuffix", &[Str, Str], trim_suffix),
    Function::new("trimPrefix", &[Str, Str], trim_prefix),
    Function::new("contains", &[Str, Str], |_, arguments| {
        Ok(Value::Bool(
            string(arguments, 1).contains(string(arguments, 0)),
        ))
    }),
    Function::new("hasPrefix", &[Str, Str], |_, arguments| {
        Ok(Value::Bool(
            string(arguments, 1).starts_with(string(arguments, 0)),
        ))
    }),
    Function::new("hasSuffix", &[Str, Str], |_, arguments| {
        Ok(Value::Bool(
            string(arguments, 1).ends_with(string(arguments, 0)),
        ))
    }),
    Function::variadic("quote", &[Any], quote),
    Function::variadic("squote", &[Any], single_quote),
    Function::variadic("cat", &[Any], cat),
    Function::new("indent", &[Int, Str], indent),
    Function::new("nindent", &[Int, Str], new_line_indent),
    Function::new("replace", &[Str, Str, Str], replace),
    Function::new("plural", &[Str, Str, Int], plural),
    Function::new("toString", &[Any], |_, arguments| {
        Ok(Value::Str(text_of(&arguments[0])))
    }),
    Function::new("atoi", &[Str], |_, arguments| {
        Ok(Value::Int(atoi(string(arguments, 0))))
    }),
    Function::new("split", &[Str, Str], split),
    Function::new("splitList", &[Str, Str], split_list),
    Function::new("splitn", &[Str, Int, Str], split_n),
    Function::new("toStrings", &[Any], |_, arguments| {
        Ok(Value::strings(strings_of(&arguments[0])))
    }),
    Function::new("join", &[Str, Any], join),
    Function::new("sortAlpha", &[Any], sort_alpha),
];

/// A number that is too large is the largest one; what is no number is 0.
fn atoi(text: &str) -> i64 {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match parse_decimal(text) {
        Some(number) => number,
        None if is_number && text.starts_with('-') => i64::MIN,
        None if is_number => i64::MAX,
        None => 0,
    }
}

fn text(text: &str) -> Returned {
    Ok(Value::string(text))
}

/// Returns text after it was counted against the limits.
fn produced(context: &Context<'_>, text: String) -> Returned {
    context.charge(text.len())?;
    Ok(Value::string(text))
}

/// The text of a piece of a Go string.
fn piece(content: &[u8]) -> Value {
    Value::string(bytes::text(content))
}

/// Source: `AbbreviateFull` of `Masterminds/goutils` 1.1.1.
fn abbreviated(content: &[u8], offset: usize, width: usize) -> Vec<u8> {
    const MARKER: &[u8] = b"...";
    let length = content.len();
    if length <= width {
        return content.to_vec();
    }
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return [&content[..width - 3], MARKER].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + width - 3 < length {
        return [MARKER, &abbreviated(&content[offset..], 0, width - 3)].concat();
    }
    [MARKER, &content[length - (width - 3)..]].concat()
}

fn abbrev(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let content = string(arguments, 1);
    match usize::try_from(int(arguments, 0)) {
        Ok(width) if width >= 4 => Ok(piece(&abbreviated(&bytes::of(content), 0, width))),
        _ => text(content),
    }
}

fn abbrev_both(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let (left, right) = (int(arguments, 0), int(arguments, 1));
    let content = string(arguments, 2);
    if right < 4 || left > 0 && right < 7 {
        return text(content);
    }
    let left = usize::try_from(left).unwrap_or(0);
    let right = usize::try_from(right).unwrap_or(usize::MAX);
    Ok(piece(&abbreviated(&bytes::of(content), left, right)))
}

fn trunc(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let count = int(arguments, 0);
    let Value::Str(whole) = &arguments[1] else {
        return Ok(Value::Nil);
    };
    let content = bytes::of(whole);
    let length = i64::try_from(content.len()).unwrap_or(i64::MAX);
    if count < 0 && length.saturating_add(count) > 0 {
        return Ok(piece(&content[(length + count) as usize..]));
    }
    if count >= 0 && length > count {
        return Ok(piece(&content[..count as usize]));
    }
    Ok(Value::Str(Rc::clone(whole)))
}

fn substring(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let (start, end) = (int(arguments, 0), int(arguments, 1));
    let content = bytes::of(string(arguments, 2));
    let length = i64::try_from(content.len()).unwrap_or(i64::MAX);
    let out_of_range =
        |range: String| Err(format!("runtime error: slice bounds out of range {range}"));
    if start < 0 {
        return match end {
            _ if end < 0 => out_of_range(format!("[:{end}]")),
            _ if end > length => out_of_range(format!("[:{end}] with length {length}")),
            _ => Ok(piece(&content[..end as usize])),
        };
    }
    if end < 0 || end > length {
        return if start > length {
            out_of_range(format!("[{start}:{length}]"))
        } else {
            Ok(piece(&content[start as usize..]))
        };
    }
    if start > end {
        return out_of_range(format!("[{start}:{end}]"));
    }
    Ok(piece(&content[start as usize..end as usize]))
}

/// Repeats text, within the limits.
fn repeated(context: &Context<'_>, text: &str, count: i64) -> Result<String, String> {
    let count = usize::try_from(count).map_err(|_| "strings: negative Repeat count".to_owned())?;
    context.charge(text.len().saturating_mul(count))?;
    Ok(text.repeat(count))
}

fn repeat(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::string(repeated(
        context,
        string(arguments, 1),
        int(arguments, 0),
    )?))
}

fn trim_all(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let cut = string(arguments, 0);
    text(string(arguments, 1).trim_matches(|next| cut.contains(next)))
}

fn trim_suffix(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let whole = string(arguments, 1);
    text(whole.strip_suffix(string(arguments, 0)).unwrap_or(whole))
}

fn trim_prefix(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let whole = string(arguments, 1);
    text(whole.strip_prefix(string(arguments, 0)).unwrap_or(whole))
}

fn quote(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let parts: Vec<String> = arguments
        .iter()
        .filter(|value| !value.is_nil())
        .map(|value| quoted(&text_of(value)))
        .collect();
    produced(context, parts.join(" "))
}

fn single_quote(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let parts: Vec<String> = arguments
        .iter()
        .filter(|value| !value.is_nil())
        .map(|value| format!("'{}'", plain_text(value)))
        .collect();
    produced(context, parts.join(" "))
}

fn cat(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let parts: Vec<String> = arguments
        .iter()
        .filter(|value| !value.is_nil())
        .map(plain_text)
        .collect();
    produced(context, parts.join(" "))
}

fn indented(context: &Context<'_>, arguments: &[Value], start: &str) -> Returned {
    let pad = repeated(context, " ", int(arguments, 0))?;
    let whole = string(arguments, 1);
    let lines = whole.bytes().filter(|byte| *byte == b'\n').count() + 1;
    context.charge(pad.len().saturating_mul(lines).saturating_add(whole.len()))?;
    let mut out = String::with_capacity(start.len() + whole.len() + pad.len() * lines);
    out.push_str(start);
    for (index, line) in whole.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        out.push_str(&pad);
        out.push_str(line);
    }
    Ok(Value::string(out))
}

fn indent(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    indented(context, arguments, "")
}

fn new_line_indent(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    indented(context, arguments, "\n")
}

fn replace(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let (old, new, whole) = (
        string(arguments, 0),
        string(arguments, 1),
        string(arguments, 2),
    );
    let count = if old.is_empty() {
        whole.len() + 1
    } else {
        whole.len() / old.len()
    };
    context.charge(whole.len().saturating_add(count.saturating_mul(new.len())))?;
    text(&whole.replace(old, new))
}

fn plural(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(arguments[if int(arguments, 2) == 1 { 0 } else { 1 }].clone())
}

/// Go's `strings.SplitN`; an empty separator splits into characters.
fn pieces<'t>(whole: &'t str, separator: &str, limit: Option<usize>) -> Vec<&'t str> {
    let limit = limit.unwrap_or(usize::MAX);
    if limit == 0 {
        return Vec::new();
    }
    if !separator.is_empty() {
        return whole.splitn(limit, separator).collect();
    }
    let mut parts = Vec::new();
    let mut rest = whole;
    while let Some(first) = rest.chars().next() {
        if parts.len() + 1 == limit {
            parts.push(rest);
            break;
        }
        let (head, tail) = rest.split_at(first.len_utf8());
        parts.push(head);
        rest = tail;
    }
    parts
}

fn numbered(parts: Vec<&str>) -> Value {
    let entries: BTreeMap<Rc<str>, Value> = parts
        .into_iter()
        .enumerate()
        .map(|(index, part)| (Rc::from(format!("_{index}")), Value::string(part)))
        .collect();
    StringMap::value(entries)
}

fn split(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let whole = string(arguments, 1);
    context.charge(whole.len())?;
    Ok(numbered(pieces(whole, string(arguments, 0), None)))
}

fn split_n(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let whole = string(arguments, 2);
    context.charge(whole.len())?;
    let limit = usize::try_from(int(arguments, 1)).ok();
    Ok(numbered(pieces(whole, string(arguments, 0), limit)))
}

fn split_list(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let whole = string(arguments, 1);
    context.charge(whole.len())?;
    Ok(Value::strings(pieces(whole, string(arguments, 0), None)))
}

/// The texts of a list's elements, nil left out; another value is a list of itself.
pub(super) fn strings_of(value: &Value) -> Vec<Rc<str>> {
    match value.as_list() {
        Some(list) => list
            .borrow()
            .iter()
            .filter(|item| !item.is_nil())
            .map(text_of)
            .collect(),
        None if value.is_nil() => Vec::new(),
        None => vec![text_of(value)],
    }
}

fn join(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let (separator, strings) = (string(arguments, 0), strings_of(&arguments[1]));
    let held: usize = strings.iter().map(|text| text.len()).sum();
    let between = separator.len().saturating_mul(strings.len());
    context.charge(held.saturating_add(between))?;
    Ok(Value::string(strings.join(separator)))
}

fn sort_alpha(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let value = &arguments[0];
    if value.as_list().is_none() {
        return Ok(Value::strings([text_of(value)]));
    }
    let mut strings = strings_of(value);
    strings.sort_unstable();
    Ok(Value::strings(strings))
}
