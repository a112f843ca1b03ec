//! Where in an object a field stands, in a notation that a changed order of a list does not change.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::keys::item_key;

/// The way from an object to one of its fields, such as
/// `spec.template.spec.containers[name=app].image`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldPath(Vec<Segment>);

/// One step of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// A key of a map.
    Field(String),
    /// An item of a list by its merge key, with its place in the live list.
    Key { key: String, live: Option<usize> },
    /// An item of a list by its place.
    Index { index: usize, live: Option<usize> },
}

impl FieldPath {
    pub(super) fn of_fields(fields: &[&str]) -> Self {
        let field = |name: &&str| Segment::Field((*name).to_owned());
        Self(fields.iter().map(field).collect())
    }

    pub(super) fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Returns the keys of a path that leads through maps alone.
    pub(in crate::plan) fn fields(&self) -> Option<Vec<&str>> {
        self.0
            .iter()
            .map(|segment| match segment {
                Segment::Field(name) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }

    /// Returns the field of an object; none when it is not there.
    pub fn find<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        let mut place = object;
        let mut list = "";
        for segment in &self.0 {
            place = match segment {
                Segment::Field(name) => {
                    list = name;
                    place.get(name)?
                }
                Segment::Key { key, .. } => {
                    let mut items = place.as_array()?.iter();
                    items.find(|item| item_key(list, item).as_ref() == Some(key))?
                }
                Segment::Index { index, .. } => place.get(*index)?,
            };
        }
        Some(place)
    }

    /// Takes the field out of an object; nothing happens when it is not there.
    pub fn remove_from(&self, object: &mut Value) {
        let Some((Segment::Field(last), way)) = self.0.split_last() else {
            return;
        };
        let mut place = object;
        let mut list = String::new();
        for segment in way {
            let next = match segment {
                Segment::Field(name) => {
                    list.clone_from(name);
                    place.get_mut(name)
                }
                Segment::Key { key, .. } => place.as_array_mut().and_then(|items| {
                    items
                        .iter_mut()
                        .find(|item| item_key(&list, item).as_ref() == Some(key))
                }),
                Segment::Index { index, .. } => place.get_mut(*index),
            };
            let Some(next) = next else { return };
            place = next;
        }
        if let Some(map) = place.as_object_mut() {
            map.shift_remove(last);
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.0.iter().enumerate() {
            match segment {
                // Keys such as `app.kubernetes.io/name` would read as several.
                Segment::Field(name) if name.contains(['.', '[', '/']) => {
                    write!(formatter, "[{name}]")?;
                }
                Segment::Field(name) => {
                    let dot = if place == 0 { "" } else { "." };
                    write!(formatter, "{dot}{name}")?;
                }
                Segment::Key { key, .. } => write!(formatter, "[{key}]")?,
                Segment::Index { index, .. } => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for FieldPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
