//! Nodes to data: aliases, merges, keys and scalars, as go-yaml v2 composes them.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    data::Data,
    document::{DEPTH_MAX, Node, Stream, too_deep},
    error::YamlError,
    number::float_shortest_f32,
    resolve::{LONG_TAG, resolve_plain, resolve_tagged},
};

/// Returns the first document; a text without one is null. What follows it is not read.
pub(super) fn first_document(text: &str) -> Result<Data, YamlError> {
    match Stream::open(text)?.next_document()? {
        Some(root) => Decoder::default().document(&root),
        None => Ok(Data::Null),
    }
}

/// Returns every document of the stream.
pub(super) fn all_documents(text: &str) -> Result<Vec<Data>, YamlError> {
    let mut stream = Stream::open(text)?;
    let mut documents = Vec::new();
    while let Some(root) = stream.next_document()? {
        documents.push(Decoder::default().document(&root)?);
    }
    Ok(documents)
}

/// Turns nodes into data, counting so that aliases cannot multiply without bound.
#[derive(Default)]
struct Decoder {
    decoded: u64,
    decoded_in_aliases: u64,
    alias_depth: u64,
    depth: usize,
    /// A key that JSON cannot hold: Go notices it after everything else.
    bad_key: Option<YamlError>,
}

impl Decoder {
    fn document(mut self, root: &Node) -> Result<Data, YamlError> {
        let data = self.value(root)?;
        self.bad_key.map_or(Ok(data), Err)
    }

    fn value(&mut self, node: &Node) -> Result<Data, YamlError> {
        self.count()?;
        // Aliases nest deeper than the text does.
        if self.depth > DEPTH_MAX {
            return Err(too_deep());
        }
        self.depth += 1;
        let data = self.value_within(node);
        self.depth -= 1;
        data
    }

    fn value_within(&mut self, node: &Node) -> Result<Data, YamlError> {
        match node {
            Node::Scalar {
                text,
                tag,
                implicit,
            } => scalar(text, tag.as_deref(), *implicit),
            Node::Sequence(items) => {
                let items: Result<Vec<Data>, YamlError> =
                    items.iter().map(|item| self.value(item)).collect();
                items.map(Data::List)
            }
            Node::Mapping(entries) => {
                let mut map = BTreeMap::new();
                self.entries(entries, &mut map)?;
                Ok(Data::Map(map))
            }
            Node::Alias { target } => {
                self.alias_depth += 1;
                let data = self.value(target);
                self.alias_depth -= 1;
                data
            }
        }
    }

    fn entries(
        &mut self,
        entries: &[(Rc<Node>, Rc<Node>)],
        map: &mut BTreeMap<String, Data>,
    ) -> Result<(), YamlError> {
        let mut is_bad = false;
        for (key, value) in entries {
            if is_merge(key) {
                self.merge(value, map)?;
                continue;
            }
            let key = self.value(key)?;
            if matches!(key, Data::List(_) | Data::Map(_)) {
                let text = key.go_syntax();
                return Err(YamlError::syntax(None, &format!("invalid map key: {text}")));
            }
            let is_first = self.bad_key.is_none() || is_bad;
            let value = self.value(value)?;
            match key_text(&key, &value) {
                Ok(key) => {
                    map.insert(key, value);
                }
                // The outermost is the one that is told, and the last of its map.
                Err(error) if is_first => {
                    is_bad = true;
                    self.bad_key = Some(error);
                    map.insert("<nil>".to_owned(), value);
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Merges `<<`: what stands in the map already is overwritten, what follows overwrites.
    fn merge(&mut self, node: &Node, map: &mut BTreeMap<String, Data>) -> Result<(), YamlError> {
        let wrong = || {
            YamlError::syntax(
                None,
                "map merge requires map or sequence of maps as the value",
            )
        };
        match node {
            Node::Mapping(entries) => {
                self.count()?;
                self.entries(entries, map)
            }
            Node::Alias { target } => match target.as_ref() {
                Node::Mapping(entries) => {
                    self.alias_depth += 1;
                    self.count()?;
                    let merged = self.entries(entries, map);
                    self.alias_depth -= 1;
                    merged
                }
                _ => Err(wrong()),
            },
            Node::Sequence(items) => {
                // Earlier maps take precedence over later ones.
                for item in items.iter().rev() {
                    match item.as_ref() {
                        Node::Mapping(_) | Node::Alias { .. } => self.merge(item, map)?,
                        _ => return Err(wrong()),
                    }
                }
                Ok(())
            }
            Node::Scalar { .. } => Err(wrong()),
        }
    }

    /// Source: go-yaml v2 decode.go: at most 99 % of a small document and 10 % of a very large one
    /// may come out of aliases.
    #[expect(clippy::cast_precision_loss, reason = "a ratio of counts")]
    fn count(&mut self) -> Result<(), YamlError> {
        const LOW: f64 = 400_000.0;
        const HIGH: f64 = 4_000_000.0;
        self.decoded += 1;
        self.decoded_in_aliases += u64::from(self.alias_depth > 0);
        if self.decoded_in_aliases <= 100 || self.decoded <= 1000 {
            return Ok(());
        }
        let decoded = self.decoded as f64;
        let allowed = 0.99 - 0.89 * ((decoded - LOW) / (HIGH - LOW)).clamp(0.0, 1.0);
        if self.decoded_in_aliases as f64 / decoded > allowed {
            return Err(YamlError::syntax(
                None,
                "document contains excessive aliasing",
            ));
        }
        Ok(())
    }
}

fn scalar(text: &str, tag: Option<&str>, implicit: bool) -> Result<Data, YamlError> {
    match tag {
        None if implicit => Ok(resolve_plain(text).1),
        None => Ok(Data::Text(text.to_owned())),
        Some(tag) if tag.strip_prefix(LONG_TAG) == Some("binary") => binary(text),
        Some(tag) => resolve_tagged(tag, text),
    }
}

fn binary(text: &str) -> Result<Data, YamlError> {
    use base64::Engine;
    let packed: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(packed)
        .map_err(|_| YamlError::syntax(None, "!!binary value contains invalid base64 data"))?;
    let text = crate::bytes::text(&bytes);
    Ok(Data::Text(crate::bytes::readable(&text).into_owned()))
}

fn is_merge(node: &Node) -> bool {
    matches!(node, Node::Scalar { text, tag, implicit }
        if text == "<<" && (*implicit || tag.as_deref() == Some("tag:yaml.org,2002:merge")))
}

fn key_text(key: &Data, value: &Data) -> Result<String, YamlError> {
    match key {
        Data::Text(text) => Ok(text.clone()),
        Data::Bool(flag) => Ok(flag.to_string()),
        Data::Int(number) => Ok(number.to_string()),
        Data::Float(number) => Ok(match float_shortest_f32(*number).as_str() {
            "+Inf" => ".inf".to_owned(),
            "-Inf" => "-.inf".to_owned(),
            "NaN" => ".nan".to_owned(),
            text => text.to_owned(),
        }),
        Data::Null => Err(unsupported_key("%!s(<nil>)", "<nil>", value)),
        Data::Uint(number) => Err(unsupported_key("uint64", &format!("{number:#x}"), value)),
        Data::List(_) | Data::Map(_) => Err(YamlError::plain("invalid map key")),
    }
}

fn unsupported_key(kind: &str, key: &str, value: &Data) -> YamlError {
    let value = match value {
        Data::Null => "<nil>".to_owned(),
        other => other.go_syntax(),
    };
    YamlError::plain(format!(
        "unsupported map key of type: {kind}, key: {key}, value: {value}"
    ))
}
