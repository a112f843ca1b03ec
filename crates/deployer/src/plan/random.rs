//! What a chart renders anew each time: random passwords, certificates, the time of day.
//!
//! Found by rendering twice, the second time with the clock ahead. No deployment brings files and record
//! together there, and every upgrade changes it (pure).

use std::collections::{BTreeMap, BTreeSet};

use super::compare::{CompareOptions, FieldChange, Presence, compare_sets};
use super::manifest::ManifestObject;
use crate::release::Namespace;

/// How many parts a warning names.
const DESCRIBED_MAX: usize = 6;

/// The fields and names that differ between two renderings of the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RandomParts {
    /// Kind, name and field.
    fields: BTreeSet<(String, String, String)>,
    /// Names that are made up.
    names: Vec<MadeUpName>,
}

/// The name of an object of which a part is made up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MadeUpName {
    kind: String,
    beginning: String,
    end: String,
    characters: usize,
}

impl RandomParts {
    /// Compares two renderings.
    pub fn of(once: &[ManifestObject], again: &[ManifestObject], namespace: &Namespace) -> Self {
        let mut parts = Self::default();
        let mut made_up: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
        let options = CompareOptions::default();
        for comparison in compare_sets((once, namespace), (again, namespace), &options) {
            let (kind, name) = (comparison.object.kind, comparison.object.name);
            match comparison.presence {
                Presence::Removed => made_up.entry(kind).or_default().0.push(name),
                Presence::Added => made_up.entry(kind).or_default().1.push(name),
                Presence::Both => {
                    let fields = comparison.differences.into_iter();
                    parts.fields.extend(
                        fields
                            .filter(|field| field.change == FieldChange::Changed)
                            .map(|field| (kind.clone(), name.clone(), field.path.to_string())),
                    );
                }
            }
        }
        for (kind, (once, again)) in made_up {
            // What comes and goes is no name that is made up.
            if once.len() == again.len() {
                let pairs = once.iter().zip(&again);
                let names = pairs.map(|(one, other)| MadeUpName::of(&kind, one, other));
                parts.names.extend(names);
            }
        }
        parts
    }

    /// Tells whether nothing is made anew.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// Returns what is made anew, in words: the object, and the field where it is about one.
    pub fn described(&self) -> Vec<String> {
        let fields = self.fields.iter();
        let fields = fields.map(|(kind, name, field)| format!("{kind} {name} {field}"));
        let names = self.names.iter();
        let names = names.map(|made| format!("{} {}…{}", made.kind, made.beginning, made.end));
        fields.chain(names).collect()
    }

    /// Returns what to say before an upgrade; nothing where nothing is made anew.
    pub fn warning(&self) -> Option<String> {
        let mut all = self.described();
        let more = all.len().saturating_sub(DESCRIBED_MAX);
        all.truncate(DESCRIBED_MAX);
        let more = match more {
            0 => String::new(),
            count => format!(", and {count} more"),
        };
        (!self.is_empty()).then(|| {
            format!(
                "the chart makes this anew at each rendering (random, or of the moment), so that every upgrade changes it, to other values than these: {}{more}",
                all.join(", ")
            )
        })
    }

    /// Tells whether a field is made anew.
    pub fn has_field(&self, kind: &str, name: &str, field: &str) -> bool {
        let field = (kind.to_owned(), name.to_owned(), field.to_owned());
        self.fields.contains(&field)
    }

    /// Tells whether a name is one that is made up.
    pub fn has_name(&self, kind: &str, name: &str) -> bool {
        self.names.iter().any(|made| made.fits(kind, name))
    }
}

impl MadeUpName {
    fn of(kind: &str, one: &str, other: &str) -> Self {
        // Made up parts may begin or end alike by chance: what stays goes to a separator.
        let is_separator = |character: char| !character.is_alphanumeric();
        let alike = one.chars().zip(other.chars());
        let alike: usize = alike
            .take_while(|(one, other)| one == other)
            .map(|(character, _)| character.len_utf8())
            .sum();
        let beginning = one[..alike]
            .rfind(is_separator)
            .map_or("", |at| &one[..=at]);
        let rest = &one[beginning.len()..];
        let alike = rest.chars().rev().zip(other.chars().rev());
        let alike: usize = alike
            .take_while(|(one, other)| one == other)
            .map(|(character, _)| character.len_utf8())
            .sum();
        let tail = &rest[rest.len() - alike..];
        let end = tail.find(is_separator).map_or("", |at| &tail[at..]);
        Self {
            kind: kind.to_owned(),
            beginning: beginning.to_owned(),
            end: end.to_owned(),
            characters: one.chars().count(),
        }
    }

    /// Whether a name is made in the same way.
    fn fits(&self, kind: &str, name: &str) -> bool {
        self.kind == kind
            && !(self.beginning.is_empty() && self.end.is_empty())
            && name.chars().count() == self.characters
            && name.starts_with(&self.beginning)
            && name.ends_with(&self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_manifest;
    use super::*;

    fn parts(one: &str, other: &str) -> RandomParts {
        let objects = |text: &str| read_manifest(text).expect("a manifest");
        let namespace = Namespace::new("web").expect("a name");
        RandomParts::of(&objects(one), &objects(other), &namespace)
    }

    fn job(name: &str) -> String {
        format!("---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}}}\n")
    }

    #[test]
    fn what_two_renderings_have_otherwise_is_made_anew() {
        let secret = |password: &str| {
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\ndata: {{user: YQ==, password: {password}}}\n"
            )
        };
        let found = parts(&secret("YWFh"), &secret("YmJi"));
        assert!(
            found.has_field("Secret", "db", "data.password"),
            "{found:?}"
        );
        assert!(!found.has_field("Secret", "db", "data.user"));
        assert!(!found.has_field("Secret", "other", "data.password"));
        assert_eq!(found.described(), ["Secret db data.password"]);
        assert!(parts(&secret("YWFh"), &secret("YWFh")).is_empty());
    }

    #[test]
    fn a_made_up_name_is_known_by_what_stays_and_by_its_length() {
        let found = parts(&job("web-migrate-ab12c"), &job("web-migrate-x9y8z"));
        assert!(found.has_name("Job", "web-migrate-qqqqq"));
        for (kind, name) in [
            ("Pod", "web-migrate-qqqqq"),
            ("Job", "web-migrate"),
            ("Job", "web-cleanup-qqqqq"),
            ("Job", "web-migrate-qqqqqq"),
        ] {
            assert!(!found.has_name(kind, name), "{kind} {name}");
        }
        assert_eq!(found.described(), ["Job web-migrate-…"]);
        // A job that one rendering alone has is no made up name.
        assert!(parts(&job("a"), "").is_empty());
        // Parts that are made up begin or end alike now and then.
        for (one, other) in [
            ("a1b2c-web", "a9y8c-web"),
            ("web-a1b2c", "web-a9y8c"),
            ("web-a1b2c-run", "web-a9y8c-run"),
        ] {
            let found = parts(&job(one), &job(other));
            let third = one.replace("a1b2c", "zzzzz");
            assert!(found.has_name("Job", &third), "{found:?}");
        }
    }
}
