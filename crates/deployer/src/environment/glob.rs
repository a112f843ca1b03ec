//! Globs over paths of fields: which differences are allowed, which values a promotion takes along.
//!
//! A path is a list of parts: `spec`, `containers`, `app`, `resources`. A pattern fits the *end* of
//! a path, so that `resources.**` needs no count of the levels above.

use serde_json::{Map, Value};

/// One part of a path, as a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Any number of parts, none included.
    Any,
    /// One part, with `*` for any characters.
    Text(String),
}

/// A pattern of field paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldGlob {
    kind: Option<String>,
    name: Option<String>,
    parts: Vec<Part>,
    text: String,
}

impl FieldGlob {
    /// Reads `[KIND[/NAME]:]FIELD`.
    ///
    /// # Errors
    /// What is wrong, in a sentence without its subject.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (object, field) = match text.split_once(':') {
            // A colon may also be part of a field, in brackets.
            Some((object, field)) if is_object(object) => (Some(object), field),
            _ => (None, text),
        };
        let (kind, name) = match object {
            None => (None, None),
            Some(object) => match object.split_once('/') {
                Some((kind, name)) => (Some(kind.to_owned()), Some(name.to_owned())),
                None => (Some(object.to_owned()), None),
            },
        };
        let parts = split(field)?;
        if parts.is_empty() {
            return Err("names no field".to_owned());
        }
        let parts = parts
            .into_iter()
            .map(|part| match part.as_str() {
                "**" => Part::Any,
                _ => Part::Text(part),
            })
            .collect();
        Ok(Self {
            kind: kind.filter(|kind| kind != "*"),
            name: name.filter(|name| name != "*"),
            parts,
            text: text.to_owned(),
        })
    }

    /// Returns the pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells whether it fits a field of an object.
    pub fn fits(&self, kind: &str, name: &str, path: &[String]) -> bool {
        let object = self.kind.as_deref().is_none_or(|wanted| like(wanted, kind))
            && self.name.as_deref().is_none_or(|wanted| like(wanted, name));
        object && self.fits_path(path)
    }

    /// Tells whether it fits the end of a path.
    pub fn fits_path(&self, path: &[String]) -> bool {
        (0..=path.len()).any(|start| fits_whole(&self.parts, &path[start..]))
    }
}

/// Tells whether this may be `KIND` or `KIND/NAME`: a field before a colon has dots or brackets.
fn is_object(text: &str) -> bool {
    let kind = text.split('/').next().unwrap_or_default();
    !kind.is_empty() && !kind.contains('.') && !text.contains('[')
}

fn fits_whole(pattern: &[Part], path: &[String]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((Part::Any, rest)), _) => {
            (0..=path.len()).any(|taken| fits_whole(rest, &path[taken..]))
        }
        (Some((Part::Text(wanted), rest)), Some((part, below))) => {
            like(wanted, part) && fits_whole(rest, below)
        }
        _ => false,
    }
}

/// Compares with `*` standing for any characters.
fn like(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Splits `a.b[0].c["d.e"]` into its parts; a bracket holds an index, a name or `*`.
///
/// # Errors
/// What is wrong, in a sentence without its subject.
pub fn split(path: &str) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        match character {
            '.' => push(&mut parts, &mut part),
            '[' => {
                push(&mut parts, &mut part);
                let inside: String = characters
                    .by_ref()
                    .take_while(|next| *next != ']')
                    .collect();
                let inside = inside.trim_matches(['"', '\'']);
                if inside.is_empty() {
                    return Err("has empty brackets".to_owned());
                }
                parts.push(inside.to_owned());
            }
            '\\' => part.extend(characters.next()),
            other => part.push(other),
        }
    }
    push(&mut parts, &mut part);
    Ok(parts)
}

fn push(parts: &mut Vec<String>, part: &mut String) {
    if !part.is_empty() {
        parts.push(std::mem::take(part));
    }
}

/// Keeps the values whose keys a glob fits, and the maps above them.
pub fn pick(values: &Map<String, Value>, globs: &[FieldGlob]) -> Map<String, Value> {
    picked(values, globs, &mut Vec::new())
}

fn picked(
    values: &Map<String, Value>,
    globs: &[FieldGlob],
    path: &mut Vec<String>,
) -> Map<String, Value> {
    let mut kept = Map::new();
    for (key, value) in values {
        path.push(key.clone());
        match value {
            Value::Object(below) if !below.is_empty() => {
                let below = picked(below, globs, path);
                if !below.is_empty() {
                    kept.insert(key.clone(), Value::Object(below));
                }
            }
            _ if globs.iter().any(|glob| glob.fits_path(path)) => {
                kept.insert(key.clone(), value.clone());
            }
            _ => {}
        }
        path.pop();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fits(pattern: &str, path: &str) -> bool {
        let glob = FieldGlob::parse(pattern).expect("a pattern");
        glob.fits("Deployment", "web", &split(path).expect("a path"))
    }

    #[test]
    fn a_pattern_fits_the_end_of_a_path() {
        for (pattern, path, expected) in [
            ("spec.replicas", "spec.replicas", true),
            ("spec.replicas", "spec.replicas.x", false),
            (
                "resources.**",
                "spec.template.spec.containers[app].resources.limits.cpu",
                true,
            ),
            (
                "resources.**",
                "spec.template.spec.containers[app].resources",
                true,
            ),
            (
                "resources.*",
                "spec.containers[app].resources.limits.cpu",
                false,
            ),
            ("host", "spec.rules[0].host", true),
            (
                "containers[*].image",
                "spec.template.spec.containers[app].image",
                true,
            ),
            (
                "containers[app].image",
                "spec.template.spec.containers[other].image",
                false,
            ),
            (
                "metadata.annotations[\"a.b/c\"]",
                "metadata.annotations[\"a.b/c\"]",
                true,
            ),
            ("metadata.labels.app*", "metadata.labels.app-name", true),
            ("**", "", true),
            ("Deployment:spec.replicas", "spec.replicas", true),
            ("StatefulSet:spec.replicas", "spec.replicas", false),
            ("Deployment/web:spec.replicas", "spec.replicas", true),
            ("Deployment/other:spec.replicas", "spec.replicas", false),
            ("*/we*:spec.replicas", "spec.replicas", true),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} on {path}");
        }
        assert!(FieldGlob::parse("").is_err());
        assert!(FieldGlob::parse("a[]").is_err());
    }

    #[test]
    fn values_are_picked_with_the_maps_above_them() {
        let values = json!({"image": {"tag": "v2", "digest": ""}, "replicas": 3,
            "web": {"image": {"tag": "v1"}, "model": {"path": "s3://m", "threshold": 1}}});
        let globs: Vec<FieldGlob> = ["image.**", "model.path"]
            .iter()
            .map(|text| FieldGlob::parse(text).expect("a pattern"))
            .collect();
        let kept = pick(values.as_object().expect("a map"), &globs);
        assert_eq!(
            Value::Object(kept),
            json!({"image": {"tag": "v2", "digest": ""},
                "web": {"image": {"tag": "v1"}, "model": {"path": "s3://m"}}})
        );
    }
}
