//! Environment against environment: what is deployed in each, compared by component and field.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::age::{Course, differing_since};
use super::component::component;
use super::difference::{Difference, Shown, View};
use super::fields::{Names, neutral};
use super::state::{EnvironmentState, ReleaseState};
use crate::plan::compare::{CompareOptions, FieldPath, compare_manifests};
use crate::plan::{ManifestObject, read_manifest};

/// An object by what it is called in every environment: kind and name.
type Key = (String, String);

/// An environment that has a release deployed.
struct Side<'a> {
    environment: &'a EnvironmentState,
    release: &'a ReleaseState,
    /// The objects by component; the release as a whole is the empty name.
    components: BTreeMap<String, BTreeMap<Key, &'a ManifestObject>>,
    /// Earlier revisions, read when a difference asks for its age.
    earlier: OnceCell<Vec<(usize, Vec<ManifestObject>)>>,
}

/// Compares every release among the environments that have it.
pub(super) fn between(environments: &[EnvironmentState]) -> Vec<Difference> {
    let releases = environments
        .iter()
        .flat_map(|environment| environment.releases.iter().flatten());
    let names: BTreeSet<&str> = releases.map(|release| release.name.as_str()).collect();
    let mut found = Vec::new();
    for name in names {
        let sides: Vec<Side<'_>> = environments
            .iter()
            .filter_map(|environment| Side::of(environment, name))
            .collect();
        if sides.len() > 1 {
            components(name, &sides, &mut found);
        }
    }
    found
}

impl<'a> Side<'a> {
    fn of(environment: &'a EnvironmentState, name: &str) -> Option<Self> {
        let releases = environment.releases.as_ref().ok()?;
        let release = releases.iter().find(|release| release.name == name)?;
        release.deployed.as_ref()?;
        let mut components: BTreeMap<String, BTreeMap<Key, &ManifestObject>> = BTreeMap::new();
        for object in &release.record {
            let component = component(object).unwrap_or_default();
            let key = key(object, environment.namespace.as_str());
            components.entry(component).or_default().insert(key, object);
        }
        Some(Self {
            environment,
            release,
            components,
            earlier: OnceCell::new(),
        })
    }

    fn names(&self) -> Names<'_> {
        Names {
            environment: &self.environment.name,
            namespace: self.environment.namespace.as_str(),
        }
    }

    fn value(&self, component: &str, key: &Key) -> &Value {
        &self.components[component][key].value
    }

    fn label(&self) -> String {
        self.environment.name.clone()
    }

    fn find<'b>(&self, objects: &'b [ManifestObject], wanted: &Key) -> Option<&'b ManifestObject> {
        let namespace = self.environment.namespace.as_str();
        objects
            .iter()
            .find(|object| key(object, namespace) == *wanted)
    }

    /// Returns what each revision had, from when on.
    fn course<T: PartialEq>(&self, read: impl Fn(&[ManifestObject]) -> T) -> Course<T> {
        let revisions = self.earlier.get_or_init(|| {
            let history = self.release.history.iter().enumerate();
            history
                .filter_map(|(index, recorded)| {
                    Some((index, read_manifest(&recorded.manifest).ok()?))
                })
                .collect()
        });
        let mut steps: Vec<(chrono::DateTime<chrono::Utc>, T)> = Vec::new();
        for (index, objects) in revisions {
            let Some(at) = self.release.history[*index].at else {
                continue;
            };
            let value = read(objects);
            if steps.last().is_none_or(|(_, last)| *last != value) {
                steps.push((at, value));
            }
        }
        let first = self.release.history.first();
        Course {
            steps,
            is_whole: first.is_some_and(|first| first.revision.0 == 1),
        }
    }
}

/// Names an object without the namespace of its release.
fn key(object: &ManifestObject, namespace: &str) -> Key {
    let name = &object.id.name;
    let elsewhere = object.id.namespace.as_deref();
    let name = match elsewhere.filter(|own| *own != namespace) {
        Some(own) => format!("{own}/{name}"),
        None => name.clone(),
    };
    (object.id.kind.clone(), name)
}

fn components(release: &str, sides: &[Side<'_>], found: &mut Vec<Difference>) {
    let names: BTreeSet<&String> = sides
        .iter()
        .flat_map(|side| side.components.keys())
        .collect();
    for name in names {
        let has_it = |side: &&Side<'_>| side.components.contains_key(name);
        let there: Vec<&Side<'_>> = sides.iter().filter(has_it).collect();
        if !name.is_empty() && there.len() < sides.len() {
            let all: Vec<&Side<'_>> = sides.iter().collect();
            let is_part =
                |object: &ManifestObject| component(object).as_deref() == Some(name.as_str());
            let mut difference = Difference::new(View::BetweenEnvironments, release, name);
            presence(&mut difference, &all, has_it, |_, objects| {
                objects.iter().any(is_part)
            });
            found.push(difference);
        }
        objects(release, name, &there, found);
    }
}

/// Says where something is, and since when not everywhere.
fn presence<'a>(
    difference: &mut Difference,
    sides: &[&'a Side<'a>],
    has_it: impl Fn(&&Side<'a>) -> bool,
    had_it: impl Fn(&Side<'a>, &[ManifestObject]) -> bool,
) {
    difference.values = sides
        .iter()
        .map(|side| {
            let shown = if has_it(side) {
                Shown::There
            } else {
                Shown::Absent
            };
            (side.label(), shown)
        })
        .collect();
    let courses: Vec<Course<bool>> = sides
        .iter()
        .map(|side| side.course(|objects| had_it(side, objects)))
        .collect();
    date(difference, &courses, sides);
}

fn objects(release: &str, component: &str, sides: &[&Side<'_>], found: &mut Vec<Difference>) {
    let keys: BTreeSet<&Key> = sides
        .iter()
        .flat_map(|side| side.components[component].keys())
        .collect();
    for key in keys {
        let has_it = |side: &&Side<'_>| side.components[component].contains_key(key);
        let there: Vec<&Side<'_>> = sides.iter().copied().filter(has_it).collect();
        if there.len() < sides.len() {
            let mut difference = Difference::new(View::BetweenEnvironments, release, component);
            difference.about(&key.0, &key.1, None);
            presence(&mut difference, sides, has_it, |side, objects| {
                side.find(objects, key).is_some()
            });
            found.push(difference);
        }
        fields(release, component, key, &there, found);
    }
}

fn fields(
    release: &str,
    component: &str,
    key: &Key,
    sides: &[&Side<'_>],
    found: &mut Vec<Difference>,
) {
    let Some((first, others)) = sides.split_first() else {
        return;
    };
    let reference = neutral(first.value(component, key), first.names());
    let options = CompareOptions::default();
    // Every path at which some environment differs from the first, and whether it is a secret.
    let mut paths: BTreeMap<String, (FieldPath, bool)> = BTreeMap::new();
    for other in others {
        let other = neutral(other.value(component, key), other.names());
        for difference in compare_manifests(&reference, &other, &options).differences {
            let entry = (difference.path.clone(), difference.masked);
            paths.entry(difference.path.to_string()).or_insert(entry);
        }
    }
    for (text, (path, is_masked)) in paths {
        // A name of one environment that is a word of all is written alike everywhere.
        let mut as_written = sides
            .iter()
            .map(|side| path.find(side.value(component, key)));
        let first = as_written.next().flatten();
        if first.is_some() && as_written.all(|value| value == first) {
            continue;
        }
        let mut difference = Difference::new(View::BetweenEnvironments, release, component);
        difference.about(&key.0, &key.1, Some(text));
        difference.values = sides
            .iter()
            .map(|side| {
                (
                    side.label(),
                    Shown::of(path.find(side.value(component, key)), is_masked),
                )
            })
            .collect();
        let courses: Vec<Course<Option<Value>>> = sides
            .iter()
            .map(|side| {
                side.course(|objects| {
                    let object = side.find(objects, key)?;
                    path.find(&neutral(&object.value, side.names())).cloned()
                })
            })
            .collect();
        date(&mut difference, &courses, sides);
        found.push(difference);
    }
}

/// Says since when they differ, and where the change was made.
fn date<T: PartialEq>(difference: &mut Difference, courses: &[Course<T>], sides: &[&Side<'_>]) {
    let Some(since) = differing_since(courses) else {
        return;
    };
    let side = sides[since.changed];
    let history = &side.release.history;
    let of = history
        .iter()
        .find(|recorded| recorded.at == Some(since.at));
    difference.since = Some(since.at);
    difference.or_longer = since.or_longer;
    difference.changed_in = Some(side.label());
    difference.revision = of.map(|recorded| recorded.revision);
}
