//! The walk through three objects at once: what is wanted, what was wanted before, what is live.

use serde_json::{Map, Value};

use super::keys::{is_ordered, item_keys};
use super::normal::{is_as_if_absent, is_default, is_same_scalar, is_server_set};
use super::owners::owners;
use super::path::{FieldPath, Segment};
use super::{CompareOptions, FieldChange, FieldDifference, FieldOwner, ScaleTarget};
use crate::plan::sensitive::{MASKED, looks_sensitive};

/// A hidden value before and after it changed.
const MASKED_BEFORE: &str = "-------- (masked)";
const MASKED_AFTER: &str = "++++++++ (masked)";

/// A field as it is and as it will be, both fit to be shown; absent where it is not there.
#[derive(Default)]
pub(super) struct Pair {
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

pub(super) struct Walk<'a> {
    pub(super) options: &'a CompareOptions,
    /// The whole live object.
    pub(super) live: &'a Value,
    pub(super) built_in: bool,
    pub(super) path: FieldPath,
    pub(super) differences: Vec<FieldDifference>,
    pub(super) yielded: Vec<FieldDifference>,
    pub(super) extra: Vec<FieldDifference>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(options: &'a CompareOptions, live: &'a Value, built_in: bool) -> Self {
        Self {
            options,
            live,
            built_in,
            path: FieldPath::default(),
            differences: Vec::new(),
            yielded: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// Compares a field that is wanted and live.
    pub(super) fn value(
        &mut self,
        desired: &Value,
        previous: Option<&Value>,
        live: &Value,
    ) -> Pair {
        match (desired, live) {
            (Value::Object(desired), Value::Object(live)) => {
                self.map(desired, previous.and_then(Value::as_object), live)
            }
            (Value::Array(desired), Value::Array(live)) => {
                self.list(desired, previous.and_then(Value::as_array), live)
            }
            _ if is_same_scalar(&self.path, desired, live) => self.same(live),
            _ => self.differ(Some(live), Some(desired)),
        }
    }

    fn map(
        &mut self,
        desired: &Map<String, Value>,
        previous: Option<&Map<String, Value>>,
        live: &Map<String, Value>,
    ) -> Pair {
        let (mut before, mut after) = (Map::new(), Map::new());
        for (key, present) in live {
            if is_server_set(&self.path, key) {
                continue;
            }
            let was = previous.and_then(|map| map.get(key));
            self.path.push(Segment::Field(key.clone()));
            let pair = match desired.get(key) {
                Some(wanted) if !wanted.is_null() => self.value(wanted, was, present),
                wanted => {
                    let leaves = wanted.is_some() || was.is_some_and(|was| !was.is_null());
                    self.unwanted(key, leaves, present)
                }
            };
            self.path.pop();
            if let Some(value) = pair.before {
                before.insert(key.clone(), value);
            }
            if let Some(value) = pair.after {
                after.insert(key.clone(), value);
            }
        }
        for (key, wanted) in desired {
            let is_there = live.contains_key(key);
            if is_there
                || is_server_set(&self.path, key)
                || is_as_if_absent(key, wanted, self.built_in)
            {
                continue;
            }
            self.path.push(Segment::Field(key.clone()));
            if let Some(value) = self.differ(None, Some(wanted)).after {
                after.insert(key.clone(), value);
            }
            self.path.pop();
        }
        Pair {
            before: Some(before.into()),
            after: Some(after.into()),
        }
    }

    /// Judges a live field that is not wanted: it `leaves` when it was wanted before.
    fn unwanted(&mut self, key: &str, leaves: bool, live: &Value) -> Pair {
        let stays =
            is_as_if_absent(key, live, self.built_in) || (self.built_in && is_default(key, live));
        if leaves && !stays {
            return self.differ(Some(live), None);
        }
        if !stays {
            self.note_extra(live);
        }
        self.same(live)
    }

    fn list(&mut self, desired: &[Value], previous: Option<&Vec<Value>>, live: &[Value]) -> Pair {
        let name = match self.path.segments().last() {
            Some(Segment::Field(name)) => name.clone(),
            _ => String::new(),
        };
        let previous = previous.map(Vec::as_slice).unwrap_or_default();
        let keys = item_keys(&name, desired).zip(item_keys(&name, live));
        match keys {
            // Whether the lists of a custom resource are merged is not known: its items are told
            // apart by their names only while these stand in the same order.
            Some((desired_keys, live_keys))
                if self.built_in || is_same_order(&desired_keys, &live_keys) =>
            {
                let previous_keys = item_keys(&name, previous).unwrap_or_default();
                self.keyed_list(
                    (desired, &desired_keys),
                    (previous, &previous_keys),
                    (live, &live_keys),
                    is_ordered(&name),
                )
            }
            _ => self.plain_list(desired, previous, live),
        }
    }

    fn keyed_list(
        &mut self,
        (desired, desired_keys): (&[Value], &[String]),
        (previous, previous_keys): (&[Value], &[String]),
        (live, live_keys): (&[Value], &[String]),
        ordered: bool,
    ) -> Pair {
        let find = |keys: &[String], key: &String| keys.iter().position(|other| other == key);
        if ordered && !is_same_order(desired_keys, live_keys) {
            let names = |keys: &[String]| Value::from(keys.to_vec());
            return self.differ_shown(
                Pair {
                    before: Some(live.into()),
                    after: Some(desired.into()),
                },
                Pair {
                    before: Some(names(live_keys)),
                    after: Some(names(desired_keys)),
                },
            );
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (index, key) in live_keys.iter().enumerate() {
            self.path.push(Segment::Key {
                key: key.clone(),
                live: Some(index),
            });
            let was = find(previous_keys, key).and_then(|at| previous.get(at));
            let pair = match find(desired_keys, key) {
                Some(at) => self.value(&desired[at], was, &live[index]),
                // Without merge keys at the server the whole list is replaced.
                None if was.is_some() || !self.built_in => self.differ(Some(&live[index]), None),
                None => {
                    self.note_extra(&live[index]);
                    self.same(&live[index])
                }
            };
            self.path.pop();
            before.extend(pair.before);
            after.extend(pair.after);
        }
        for (index, key) in desired_keys.iter().enumerate() {
            if find(live_keys, key).is_none() {
                self.path.push(Segment::Key {
                    key: key.clone(),
                    live: None,
                });
                after.extend(self.differ(None, Some(&desired[index])).after);
                self.path.pop();
            }
        }
        Pair {
            before: Some(before.into()),
            after: Some(after.into()),
        }
    }

    /// Compares lists that are one value: what is alike at both ends is passed over, and the middle
    /// told item by item.
    fn plain_list(&mut self, desired: &[Value], previous: &[Value], live: &[Value]) -> Pair {
        let shorter = desired.len().min(live.len());
        let is_alike = |walk: &Self, wanted: usize, present: usize| {
            walk.is_alike(&desired[wanted], previous.get(present), &live[present])
        };
        let mut head = 0;
        let mut tail = 0;
        if desired.len() != live.len() {
            while head < shorter && is_alike(self, head, head) {
                head += 1;
            }
            while tail < shorter - head
                && is_alike(self, desired.len() - 1 - tail, live.len() - 1 - tail)
            {
                tail += 1;
            }
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let middle = (desired.len() - head - tail).max(live.len() - head - tail);
        for place in 0..head + middle + tail {
            // Counted from the front up to the middle's end, from the back after it.
            let at = |length: usize| match place < head + middle {
                true => (place < length - tail).then_some(place),
                false => Some(length - (head + middle + tail - place)),
            };
            let (wanted, present) = (at(desired.len()), at(live.len()));
            let index = wanted.or(present).unwrap_or(place);
            self.path.push(Segment::Index {
                index,
                live: present,
            });
            let pair = match (wanted, present) {
                (Some(wanted), Some(present)) => {
                    self.value(&desired[wanted], previous.get(present), &live[present])
                }
                (wanted, present) => self.differ(
                    present.map(|present| &live[present]),
                    wanted.map(|wanted| &desired[wanted]),
                ),
            };
            self.path.pop();
            before.extend(pair.before);
            after.extend(pair.after);
        }
        Pair {
            before: Some(before.into()),
            after: Some(after.into()),
        }
    }

    fn is_alike(&self, desired: &Value, previous: Option<&Value>, live: &Value) -> bool {
        let mut probe = Walk::new(self.options, self.live, self.built_in);
        probe.path = self.path.clone();
        probe.value(desired, previous, live);
        probe.differences.is_empty() && probe.yielded.is_empty()
    }

    fn same(&self, live: &Value) -> Pair {
        let shown = self.shown(live);
        Pair {
            before: Some(shown.clone()),
            after: Some(shown),
        }
    }

    fn differ(&mut self, before: Option<&Value>, after: Option<&Value>) -> Pair {
        let pair = Pair {
            before: before.cloned(),
            after: after.map(without_nulls),
        };
        let shown = Pair {
            before: pair.before.clone(),
            after: pair.after.clone(),
        };
        self.differ_shown(pair, shown)
    }

    /// Records a difference; `told` is what the list of differences says of it.
    fn differ_shown(&mut self, pair: Pair, told: Pair) -> Pair {
        let owners = owners(self.live, &self.path);
        if pair.after.is_some() && pair.before.is_some() && self.is_yielded(&owners) {
            let owner = owners.into_iter().find(FieldOwner::is_autoscaler);
            let difference = self.difference(&told, owner);
            self.yielded.push(difference.0);
            let shown = pair.before.as_ref().map(|live| self.shown(live));
            return Pair {
                before: shown.clone(),
                after: shown,
            };
        }
        // Who made the difference is more telling than that we once set the field.
        let owner = owners
            .iter()
            .find(|owner| !owner.is_ours())
            .or(owners.first())
            .cloned();
        let (difference, masked) = self.difference(&told, owner);
        self.differences.push(difference);
        if masked {
            return Pair {
                before: pair.before.map(|_| MASKED_BEFORE.into()),
                after: pair.after.map(|_| MASKED_AFTER.into()),
            };
        }
        Pair {
            before: pair.before.map(|value| self.shown(&value)),
            after: pair.after.map(|value| self.shown(&value)),
        }
    }

    fn difference(&self, told: &Pair, owner: Option<FieldOwner>) -> (FieldDifference, bool) {
        let change = match (&told.before, &told.after) {
            (None, _) => FieldChange::Added,
            (_, None) => FieldChange::Removed,
            _ => FieldChange::Changed,
        };
        let before = told.before.as_ref().map(|value| self.shown(value));
        let after = told.after.as_ref().map(|value| self.shown(value));
        let is_hidden = |value: &Option<Value>| value.as_ref().is_some_and(|value| value == MASKED);
        // Alike only because of what is masked inside.
        let masked = is_hidden(&before) || is_hidden(&after) || before == after;
        let difference = FieldDifference {
            path: self.path.clone(),
            change,
            before: before.filter(|_| !masked),
            after: after.filter(|_| !masked),
            masked,
            owner,
        };
        (difference, masked)
    }

    fn is_yielded(&self, owners: &[FieldOwner]) -> bool {
        let is_replicas = self
            .path
            .fields()
            .is_some_and(|fields| fields == ["spec", "replicas"]);
        if is_replicas
            && self
                .options
                .autoscaled
                .contains(&ScaleTarget::of(self.live))
        {
            return true;
        }
        owners.iter().any(FieldOwner::is_autoscaler)
            && !self
                .path
                .segments()
                .iter()
                .any(|segment| matches!(segment, Segment::Field(name) if name == "metadata"))
    }

    /// Notes what only the live object has when somebody other than us and Kubernetes set it.
    fn note_extra(&mut self, live: &Value) {
        if let Value::Object(map) = live
            && !map.is_empty()
            && !matches!(
                self.path.segments().last(),
                Some(Segment::Key { .. } | Segment::Index { .. })
            )
        {
            for (key, value) in map {
                if is_server_set(&self.path, key) || is_default(key, value) {
                    continue;
                }
                self.path.push(Segment::Field(key.clone()));
                self.note_extra(value);
                self.path.pop();
            }
            return;
        }
        let owners = owners(self.live, &self.path);
        let is_known = |owner: &FieldOwner| {
            owner.is_ours() || owner.is_control_plane() || owner.is_autoscaler()
        };
        if owners.is_empty() || owners.iter().any(is_known) {
            return;
        }
        let told = Pair {
            before: Some(live.clone()),
            after: None,
        };
        let difference = self.difference(&told, owners.into_iter().next());
        self.extra.push(difference.0);
    }

    /// Returns a value with what must not be seen masked, whole where its key says so.
    pub(super) fn shown(&self, value: &Value) -> Value {
        if self.options.show_secrets {
            return value.clone();
        }
        let mut path = self.path.clone();
        self.shown_at(&mut path, value)
    }

    fn shown_at(&self, path: &mut FieldPath, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut shown = Map::new();
                for (key, value) in map {
                    path.push(Segment::Field(key.clone()));
                    shown.insert(key.clone(), self.shown_at(path, value));
                    path.pop();
                }
                // The items of `env` say by their names what their values are.
                let is_env = map
                    .get("name")
                    .and_then(Value::as_str)
                    .is_some_and(looks_sensitive);
                if is_env && map.get("value").is_some_and(Value::is_string) {
                    shown.insert("value".into(), MASKED.into());
                }
                Value::Object(shown)
            }
            Value::Array(items) => {
                let list = path.clone();
                let shown = items.iter().enumerate().map(|(index, item)| {
                    let mut path = list.clone();
                    path.push(Segment::Index { index, live: None });
                    self.shown_at(&mut path, item)
                });
                shown.collect()
            }
            Value::String(_) | Value::Number(_) if self.is_secret_place(path, value) => {
                MASKED.into()
            }
            Value::String(text) => self.options.sensitive.mask(text).into(),
            other => other.clone(),
        }
    }

    fn is_secret_place(&self, path: &FieldPath, value: &Value) -> bool {
        let segments = path.segments();
        let is_secret = self.live["kind"] == "Secret" && self.live["apiVersion"] == "v1";
        if is_secret
            && matches!(segments, [Segment::Field(section), ..] if section == "data" || section == "stringData")
        {
            return true;
        }
        match segments {
            [.., Segment::Key { key, .. }, Segment::Field(last)] if last == "value" => {
                looks_sensitive(key.strip_prefix("name=").unwrap_or(key))
            }
            // Only texts: `spec.tokenReviews: 3` is no secret. Metadata names things.
            [.., Segment::Field(last)] => {
                value.is_string()
                    && looks_sensitive(last)
                    && !matches!(segments, [Segment::Field(first), ..] if first == "metadata")
            }
            _ => false,
        }
    }
}

fn is_same_order(left: &[String], right: &[String]) -> bool {
    let common = |keys: &[String], others: &[String]| -> Vec<String> {
        keys.iter()
            .filter(|key| others.contains(key))
            .cloned()
            .collect()
    };
    common(left, right) == common(right, left)
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        other => other.clone(),
    }
}
