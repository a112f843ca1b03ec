//! A schema document: its draft, its subschemas and where references lead.
//!
//! Source: github.com/santhosh-tekuri/jsonschema v6.0.3 root.go and compiler.go. References into
//! other documents are refused, so that nothing is fetched; those of the metaschemas are known.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::{
    compare::{find_anchor, lookup},
    meta,
    place::{Key, Location},
};

/// The address under which Helm compiles values.schema.json.
const URL: &str = "file:///values.schema.json#";

/// A schema within a document.
#[derive(Debug, Clone)]
pub(super) struct Schema<'schema> {
    pub(super) json: &'schema Json,
    /// The document that `#` means.
    pub(super) root: &'schema Json,
    pub(super) location: Location<'schema>,
}

impl<'schema> Schema<'schema> {
    fn below(&self, json: &'schema Json, keyword: &'static str, key: Key<'schema>) -> Self {
        Self {
            json,
            root: self.root,
            location: self.location.below(keyword, key),
        }
    }

    fn get(&self, keyword: &str) -> Option<&'schema Json> {
        lookup(self.json.as_object()?, keyword)
    }

    /// The schema under a keyword.
    pub(super) fn keyword(&self, name: &'static str) -> Option<Self> {
        let json = self.get(name)?;
        Some(self.below(json, name, Key::None))
    }

    /// The schemas of a list under a keyword.
    pub(super) fn list(&self, name: &'static str) -> Vec<Self> {
        let items = self.get(name).and_then(Json::as_array);
        let items = items.into_iter().flatten().enumerate();
        items
            .map(|(index, json)| self.below(json, name, Key::Index(index)))
            .collect()
    }

    /// The schemas of a map under a keyword.
    pub(super) fn map(&self, name: &'static str) -> Vec<(&'schema str, Self)> {
        let entries = self.get(name).and_then(Json::as_object);
        let entries = entries.into_iter().flatten();
        entries
            .map(|(key, json)| (key.as_str(), self.below(json, name, Key::Name(key))))
            .collect()
    }

    /// The schema under one name of a map under a keyword.
    pub(super) fn entry(&self, keyword: &'static str, name: &str) -> Option<Self> {
        let entries = self.get(keyword).and_then(Json::as_object)?;
        let (key, json) = entries.get_key_value(name)?;
        Some(self.below(json, keyword, Key::Name(key)))
    }
}

/// A document and how it is read.
#[derive(Debug)]
pub(super) struct Document<'schema> {
    pub(super) root: &'schema Json,
    pub(super) draft: u32,
    /// Whether the document is a metaschema, whose formats hold in every draft.
    pub(super) is_meta: bool,
}

impl<'schema> Document<'schema> {
    pub(super) fn new(root: &'schema Json) -> Self {
        Self {
            root,
            draft: meta::draft_of(root),
            is_meta: false,
        }
    }

    pub(super) fn meta(draft: u32) -> Document<'static> {
        Document {
            root: meta::root(draft),
            draft,
            is_meta: true,
        }
    }

    pub(super) fn top(&self) -> Schema<'schema> {
        Schema {
            json: self.root,
            root: self.root,
            location: Location::top(),
        }
    }

    /// The address of a place in the document.
    pub(super) fn url(&self, location: &Location<'_>) -> String {
        format!("{URL}{}", location.text())
    }

    /// Finds the target of a reference.
    pub(super) fn resolve(&self, from: &Schema<'schema>, to: &str) -> Option<Schema<'schema>> {
        self.find(from, to).ok()
    }

    fn find(&self, from: &Schema<'schema>, to: &str) -> Result<Schema<'schema>, String> {
        let (address, fragment) = to.split_once('#').unwrap_or((to, ""));
        let root = if address.is_empty() {
            from.root
        } else if self.is_meta {
            meta::named(self.draft, address).unwrap_or(from.root)
        } else {
            resource(self.root, address, self.draft)
                .ok_or_else(|| format!("failing loading {address:?}: not fetched"))?
        };
        let fragment = decode(fragment);
        let missing = || format!("json-pointer in \"{URL}{}\" not found", encode(&fragment));
        if fragment.is_empty() || fragment.starts_with('/') {
            return Ok(Schema {
                json: root.pointer(&fragment).ok_or_else(missing)?,
                root,
                location: Location::At(encode(&fragment).into()),
            });
        }
        let json = find_anchor(root, &fragment, self.draft, 0).ok_or_else(|| {
            format!(
                "anchor in \"{URL}{fragment}\" not found in schema \"{}\"",
                URL.trim_end_matches('#')
            )
        })?;
        Ok(Schema {
            json,
            root,
            location: Location::At(format!("/{fragment}").into()),
        })
    }

    /// As [`Self::resolve`], of `$recursiveRef` and `$dynamicRef`: metaschemas mean their whole.
    pub(super) fn resolve_dynamic(
        &self,
        from: &Schema<'schema>,
        to: &str,
    ) -> Option<Schema<'schema>> {
        if self.is_meta {
            return Some(self.top());
        }
        self.resolve(from, to)
    }

    /// Follows every reference that validation could follow.
    ///
    /// # Errors
    /// The first that leads nowhere, in the library's words.
    pub(super) fn check_references(&self) -> Result<(), String> {
        let mut seen = HashSet::new();
        let mut queue = vec![self.top()];
        let mut next = 0;
        while let Some(schema) = queue.get(next).cloned() {
            next += 1;
            if !seen.insert(std::ptr::from_ref(schema.json)) {
                continue;
            }
            for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
                let known = match keyword {
                    "$dynamicRef" => self.draft >= 2020,
                    "$recursiveRef" => self.draft == 2019,
                    _ => true,
                };
                if let (true, Some(to)) = (known, schema.get(keyword).and_then(Json::as_str)) {
                    queue.push(self.find(&schema, to)?);
                }
            }
            if self.draft < 2019 && schema.get("$ref").is_some_and(Json::is_string) {
                continue;
            }
            queue.extend(self.subschemas(&schema));
        }
        Ok(())
    }

    fn subschemas(&self, schema: &Schema<'schema>) -> Vec<Schema<'schema>> {
        let draft = self.draft;
        let since = |names: &[(&'static str, u32)]| -> Vec<&'static str> {
            let known = names.iter().filter(|(_, first)| draft >= *first);
            known.map(|(name, _)| *name).collect()
        };
        let mut found = Vec::new();
        let single = since(&[
            ("not", 4),
            ("additionalProperties", 4),
            ("contains", 6),
            ("propertyNames", 6),
            ("if", 7),
            ("unevaluatedItems", 2019),
            ("unevaluatedProperties", 2019),
        ]);
        found.extend(single.iter().filter_map(|name| schema.keyword(name)));
        if draft >= 7 && schema.get("if").is_some() {
            found.extend(
                ["then", "else"]
                    .iter()
                    .filter_map(|name| schema.keyword(name)),
            );
        }
        for name in since(&[
            ("allOf", 4),
            ("anyOf", 4),
            ("oneOf", 4),
            ("prefixItems", 2020),
        ]) {
            found.extend(schema.list(name));
        }
        match schema.get("items") {
            Some(Json::Array(_)) if draft < 2020 => {
                found.extend(schema.list("items"));
                found.extend(schema.keyword("additionalItems"));
            }
            _ => found.extend(schema.keyword("items")),
        }
        for name in since(&[
            ("properties", 4),
            ("patternProperties", 4),
            ("dependencies", 4),
            ("dependentSchemas", 2019),
        ]) {
            found.extend(schema.map(name).into_iter().map(|(_, schema)| schema));
        }
        found
    }
}

/// Finds an embedded schema by its `$id`, which references name in whole or by its last part.
fn resource<'schema>(schema: &'schema Json, address: &str, draft: u32) -> Option<&'schema Json> {
    match schema {
        Json::Object(entries) => {
            let id = entries.get(if draft == 4 { "id" } else { "$id" });
            let id = id.and_then(Json::as_str).map(|id| id.trim_end_matches('#'));
            let is_it = |id: &str| id == address || id.ends_with(&format!("/{address}"));
            if id.is_some_and(is_it) {
                return Some(schema);
            }
            entries
                .values()
                .find_map(|inner| resource(inner, address, draft))
        }
        Json::Array(items) => items
            .iter()
            .find_map(|inner| resource(inner, address, draft)),
        _ => None,
    }
}

fn decode(fragment: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = fragment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Tells whether a byte stands for itself in a JSON pointer within the fragment of an address.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!$&'()*+,:;=?@".contains(&byte)
}

/// Escapes what Go escapes in the fragment of an address.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if is_plain(byte) || matches!(byte, b'~' | b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
