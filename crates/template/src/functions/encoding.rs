//! YAML, JSON, TOML, base64 and base32.

use std::{collections::BTreeMap, rc::Rc};

use base64::{Engine as _, engine::general_purpose};

use super::{
    Context, Function, Returned,
    Type::{Any, Str},
    arguments::string,
};
use crate::{
    bytes,
    json::{self, Style, Wanted},
    value::{TypedList, Value},
    yaml,
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("toYaml", &[Any], to_yaml),
    Function::new("toYamlPretty", &[Any], to_yaml_pretty),
    Function::new("fromYaml", &[Str], from_yaml),
    Function::new("fromYamlArray", &[Str], from_yaml_array),
    Function::new("toJson", &[Any], |context, arguments| {
        swallowed(context, arguments, Style::Compact)
    }),
    Function::new("toPrettyJson", &[Any], |context, arguments| {
        swallowed(context, arguments, Style::Pretty)
    }),
    Function::new("toRawJson", &[Any], |context, arguments| {
        to_json(context, arguments, Style::Raw)
    }),
    Function::new("mustToJson", &[Any], |context, arguments| {
        to_json(context, arguments, Style::Compact)
    }),
    Function::new("mustToPrettyJson", &[Any], |context, arguments| {
        to_json(context, arguments, Style::Pretty)
    }),
    Function::new("mustToRawJson", &[Any], |context, arguments| {
        to_json(context, arguments, Style::Raw)
    }),
    Function::new("fromJson", &[Str], from_json),
    Function::new("fromJsonArray", &[Str], from_json_array),
    Function::new("mustFromJson", &[Str], must_from_json),
    Function::new("b64enc", &[Str], base64_encode),
    Function::new("b64dec", &[Str], base64_decode),
    Function::new("b32enc", &[Str], base32_encode),
    Function::new("b32dec", &[Str], base32_decode),
];

/// What only Helm v4 has.
pub(super) const HELM4_FUNCTIONS: &[Function] =
    &[Function::new("mustToYaml", &[Any], must_to_yaml)];

/// Text is never longer than this many times the text that it was made from, by far.
fn produced(context: &Context<'_>, text: String) -> Returned {
    context.charge(text.len())?;
    Ok(Value::string(text))
}

/// Helm shows nothing where JSON cannot be written.
fn swallowed(context: &Context<'_>, arguments: &[Value], style: Style) -> Returned {
    let text = json::encode(&arguments[0], style).unwrap_or_default();
    produced(context, text)
}

/// The value with host objects replaced by what Go's encoders see of them.
pub(super) fn serialized(value: &Value, depth: usize) -> Result<Value, String> {
    const DEPTH_MAX: usize = 1_000;
    if depth > DEPTH_MAX {
        return Err(format!(
            "json: unsupported value: encountered a cycle via {}",
            value.type_name()
        ));
    }
    match value {
        Value::Object(object) => serialized(&object.serialized(), depth + 1),
        Value::Bytes(content) => Ok(Value::string(general_purpose::STANDARD.encode(content))),
        Value::List(list) => {
            let items: Result<Vec<_>, _> = crate::stack::grown(|| {
                list.borrow()
                    .iter()
                    .map(|item| serialized(item, depth + 1))
                    .collect()
            });
            Ok(Value::list(items?))
        }
        Value::Map(map) => {
            let entries: Result<BTreeMap<_, _>, String> = crate::stack::grown(|| {
                let map = map.borrow();
                map.iter()
                    .map(|(key, item)| Ok((Rc::clone(key), serialized(item, depth + 1)?)))
                    .collect()
            });
            Ok(Value::map(entries?))
        }
        Value::Str(text) => Ok(Value::string(bytes::readable(text).as_ref())),
        other => Ok(other.clone()),
    }
}

fn to_yaml(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = yaml_text(&arguments[0]).unwrap_or_default();
    produced(context, text)
}

fn must_to_yaml(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = yaml_text(&arguments[0])
        .map_err(|message| format!("error marshaling into JSON: {message}"))?;
    produced(context, text)
}

fn yaml_text(value: &Value) -> Result<String, String> {
    let value = serialized(value, 0)?;
    let mut text = yaml::try_emit(&value).map_err(|error| error.to_string())?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

fn to_yaml_pretty(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    // This encoder does not go through JSON, so that bytes are numbers.
    let bytes = match &arguments[0] {
        Value::Bytes(_) => arguments[0].as_list().map(Value::List),
        _ => None,
    };
    let Ok(value) = serialized(bytes.as_ref().unwrap_or(&arguments[0]), 0) else {
        return Ok(Value::string(""));
    };
    let mut text = yaml::emit_pretty(&value);
    if text.ends_with('\n') {
        text.pop();
    }
    produced(context, text)
}

/// A dictionary that holds an error where Helm puts it.
fn error_map(message: String) -> Value {
    Value::map(BTreeMap::from([(
        Rc::from("Error"),
        Value::string(message),
    )]))
}

/// What Go says where a value is not of the wanted type.
fn mismatch(value: &Value, wanted: &str) -> String {
    let got = match value {
        Value::Map(_) => "object",
        Value::List(_) => "array",
        Value::Str(_) => "string",
        Value::Bool(_) => "bool",
        _ => "number",
    };
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {got} into Go value of type {wanted}"
    )
}

fn from_yaml(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = string(arguments, 0);
    context.charge(text.len().saturating_mul(4))?;
    Ok(match yaml::parse(text) {
        Ok(value @ Value::Map(_)) => value,
        Ok(Value::Nil) => Value::map(BTreeMap::new()),
        Ok(other) => error_map(mismatch(&other, "map[string]interface {}")),
        Err(error) => error_map(error.to_string()),
    })
}

fn from_yaml_array(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = string(arguments, 0);
    context.charge(text.len().saturating_mul(4))?;
    Ok(match yaml::parse(text) {
        Ok(value @ Value::List(_)) => value,
        Ok(Value::Nil) => Value::list(Vec::new()),
        Ok(other) => Value::list(vec![Value::string(mismatch(&other, "[]interface {}"))]),
        Err(error) => Value::list(vec![Value::string(error.to_string())]),
    })
}

fn to_json(context: &mut Context<'_>, arguments: &[Value], style: Style) -> Returned {
    produced(context, json::encode(&arguments[0], style)?)
}

fn from_json(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = string(arguments, 0);
    context.charge(text.len().saturating_mul(4))?;
    Ok(match json::decode(text, Wanted::Map) {
        Ok(Value::Nil) => Value::map(BTreeMap::new()),
        Ok(value) => value,
        Err(message) => error_map(message),
    })
}

fn from_json_array(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = string(arguments, 0);
    context.charge(text.len().saturating_mul(4))?;
    Ok(match json::decode(text, Wanted::List) {
        Ok(Value::Nil) => TypedList::nil("[]interface {}"),
        Ok(value) => value,
        Err(message) => Value::list(vec![Value::string(message)]),
    })
}

fn must_from_json(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = string(arguments, 0);
    context.charge(text.len().saturating_mul(4))?;
    json::decode(text, Wanted::Any)
}

fn base64_encode(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let content = bytes::of(string(arguments, 0));
    context.charge(content.len().saturating_mul(2))?;
    Ok(Value::string(general_purpose::STANDARD.encode(&content)))
}

/// Decodes standard base64 as Go does: line ends are skipped.
///
/// # Errors
/// Go's text, `illegal base64 data at input byte 4`.
pub(super) fn base64_bytes(text: &str) -> Result<Vec<u8>, String> {
    let content = bytes::of(text);
    let mut out = Vec::with_capacity(content.len() / 4 * 3);
    let mut group = Vec::with_capacity(4);
    let mut positions = content
        .iter()
        .enumerate()
        .filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    let illegal = |position: usize| Err(format!("illegal base64 data at input byte {position}"));
    while let Some((position, &byte)) = positions.next() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if group.len() >= 2 => {
                if group.len() == 2 {
                    match positions.next() {
                        Some((_, b'=')) => {}
                        Some((next, _)) => return illegal(next),
                        None => return illegal(content.len()),
                    }
                }
                push_group(&mut out, &group);
                return match positions.next() {
                    Some((next, _)) => illegal(next),
                    None => Ok(out),
                };
            }
            _ => return illegal(position),
        };
        group.push(digit);
        if group.len() == 4 {
            push_group(&mut out, &group);
            group.clear();
        }
    }
    if group.is_empty() {
        Ok(out)
    } else {
        illegal(content.len() - group.len())
    }
}

fn push_group(out: &mut Vec<u8>, group: &[u8]) {
    let bits = group
        .iter()
        .fold(0u32, |bits, digit| bits << 6 | u32::from(*digit))
        << (6 * (4 - group.len()));
    out.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
}

fn base64_decode(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = string(arguments, 0);
    context.charge(text.len())?;
    Ok(Value::string(match base64_bytes(text) {
        Ok(content) => bytes::text(&content),
        Err(message) => message,
    }))
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32_encode(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let content = bytes::of(string(arguments, 0));
    context.charge(content.len().saturating_mul(2))?;
    let mut out = String::with_capacity(content.len().div_ceil(5) * 8);
    for chunk in content.chunks(5) {
        let mut padded = [0; 8];
        padded[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(padded);
        let digits = (chunk.len() * 8).div_ceil(5);
        for index in 0..8 {
            let digit = BASE32[(bits >> (35 - 5 * index) & 31) as usize];
            out.push(if index < digits {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    Ok(Value::string(out))
}

fn base32_decode(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = string(arguments, 0);
    context.charge(text.len())?;
    Ok(Value::string(match base32_bytes(&bytes::of(text)) {
        Ok(content) => bytes::text(&content),
        Err(message) => message,
    }))
}

/// Decodes padded base32 as Go does; positions in errors count what is left without line ends.
fn base32_bytes(content: &[u8]) -> Result<Vec<u8>, String> {
    let illegal = |position: usize| format!("illegal base32 data at input byte {position}");
    let kept: Vec<u8> = content
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let mut out = Vec::with_capacity(kept.len() * 5 / 8);
    for (start, group) in kept
        .chunks(8)
        .enumerate()
        .map(|(at, group)| (at * 8, group))
    {
        let mut bits = 0u64;
        let mut digits = 0;
        while digits < 8 {
            let Some(&byte) = group.get(digits) else {
                return Err(illegal(start));
            };
            let left = kept.len() - (start + digits + 1);
            if byte == b'=' && digits >= 2 && left < 8 {
                if left + digits < 7 {
                    return Err(illegal(kept.len()));
                }
                let padding = &group[digits + 1..];
                if let Some(wrong) = padding.iter().position(|byte| *byte != b'=') {
                    return Err(illegal(start + digits + wrong));
                }
                if matches!(digits, 1 | 3 | 6) {
                    return Err(illegal(start + digits));
                }
                break;
            }
            let digit = BASE32
                .iter()
                .position(|known| *known == byte)
                .ok_or_else(|| illegal(start + digits))?;
            bits = bits << 5 | digit as u64;
            digits += 1;
        }
        bits <<= 5 * (8 - digits);
        out.extend_from_slice(&bits.to_be_bytes()[3..3 + digits * 5 / 8]);
        if digits < 8 {
            break;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{base32_bytes, base64_bytes};

    #[test]
    fn base64_is_read_as_by_go() {
        assert_eq!(base64_bytes("aGVsbG8=").as_deref(), Ok(&b"hello"[..]));
        assert_eq!(base64_bytes("aGVs\nbG8=\n").as_deref(), Ok(&b"hello"[..]));
        assert_eq!(
            base64_bytes("aGV!").unwrap_err(),
            "illegal base64 data at input byte 3"
        );
        assert_eq!(
            base64_bytes("aGVsbG8").unwrap_err(),
            "illegal base64 data at input byte 4"
        );
    }

    #[test]
    fn base32_is_read_back() {
        assert_eq!(base32_bytes(b"NBSWY3DP").as_deref(), Ok(&b"hello"[..]));
        assert_eq!(base32_bytes(b"NBSQ====").as_deref(), Ok(&b"he"[..]));
        assert!(base32_bytes(b"NBSWY3D1").is_err());
    }
}
