//! Expands `${NAME}` and `${NAME:-default}` within the texts of a parsed file.
//!
//! Values are expanded after the YAML is parsed, so that no variable's content can add a key.

use serde_json::Value;

/// Why a variable cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// Neither a value nor a default.
    #[error("the variable `{name}` is not set and has no default")]
    Unset {
        /// The variable.
        name: String,
    },
    /// `${` without its end.
    #[error("`{text}` opens a variable with `${{` and does not close it")]
    Unclosed {
        /// The text.
        text: String,
    },
    /// A name that no variable has.
    #[error("`{name}` is no name of a variable")]
    Name {
        /// What stands between the braces.
        name: String,
    },
}

impl ExpandError {
    /// Returns what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Unset { name } => {
                format!("set `{name}`, or give a default: `${{{name}:-VALUE}}`")
            }
            Self::Unclosed { .. } | Self::Name { .. } => {
                "write `${NAME}` or `${NAME:-default}`; a dollar sign before a brace is written `$${`".into()
            }
        }
    }
}

/// Expands every text below `value`; the error carries the path of the text.
pub(crate) fn expand(
    value: &mut Value,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<(), (String, ExpandError)> {
    walk(value, String::new(), lookup)
}

fn walk(
    value: &mut Value,
    path: String,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<(), (String, ExpandError)> {
    match value {
        Value::String(text) => match expand_text(text, lookup) {
            Ok(expanded) => {
                *text = expanded;
                Ok(())
            }
            Err(error) => Err((path, error)),
        },
        Value::Array(items) => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(index, item)| walk(item, format!("{path}[{index}]"), lookup)),
        Value::Object(entries) => entries.iter_mut().try_for_each(|(key, item)| {
            let below = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            walk(item, below, lookup)
        }),
        _ => Ok(()),
    }
}

/// Expands one text. A variable that is set and empty counts as unset, as in `:-` of shells.
fn expand_text(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find("${") {
        let (before, from) = rest.split_at(position);
        if let Some(kept) = before.strip_suffix('$') {
            expanded.push_str(kept);
            expanded.push_str("${");
            rest = &from[2..];
            continue;
        }
        expanded.push_str(before);
        let Some((inside, after)) = from[2..].split_once('}') else {
            return Err(ExpandError::Unclosed {
                text: text.to_owned(),
            });
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_name(name) {
            return Err(ExpandError::Name {
                name: name.to_owned(),
            });
        }
        match lookup(name).filter(|value| !value.is_empty()) {
            Some(value) => expanded.push_str(&value),
            None => expanded.push_str(default.ok_or_else(|| ExpandError::Unset {
                name: name.to_owned(),
            })?),
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first == '_' || first.is_ascii_alphabetic())
        && characters.all(|next| next == '_' || next.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Result<String, ExpandError> {
        expand_text(text, &|name| match name {
            "SET" => Some("value".to_owned()),
            "NESTED" => Some("${SET}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_and_defaults_are_expanded_once() {
        for (written, expected) in [
            ("plain $ {x}", "plain $ {x}"),
            ("${SET}", "value"),
            ("a/${SET}/${ABSENT:-b}/c", "a/value/b/c"),
            ("${EMPTY:-default}", "default"),
            ("${ABSENT:-}", ""),
            ("${NESTED}", "${SET}"),
            ("$${SET} costs", "${SET} costs"),
        ] {
            assert_eq!(text(written).as_deref(), Ok(expected), "{written}");
        }
    }

    #[test]
    fn what_cannot_be_expanded_is_refused() {
        assert!(matches!(text("${ABSENT}"), Err(ExpandError::Unset { name }) if name == "ABSENT"));
        assert!(matches!(text("${EMPTY}"), Err(ExpandError::Unset { .. })));
        assert!(matches!(text("${SET"), Err(ExpandError::Unclosed { .. })));
        assert!(matches!(text("${a b}"), Err(ExpandError::Name { .. })));
        assert!(matches!(text("${}"), Err(ExpandError::Name { .. })));
    }

    #[test]
    fn a_refusal_names_the_key() {
        let mut value = serde_json::json!({"checks": [{"metric": "auc"}, {"min": "${ABSENT}"}]});
        let (path, _) = expand(&mut value, &|_| None).expect_err("unset");
        assert_eq!(path, "checks[1].min");
    }
}
