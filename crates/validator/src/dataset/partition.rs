//! Which files of a dataset are read: wildcards in its place, and conditions on the `key=value`
//! folders that tables are partitioned by.

use std::collections::BTreeMap;

use super::Location;

/// The value that Hive writes for a null.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// Which files are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileFilter {
    /// A pattern that the name below the place must match.
    pub pattern: Option<String>,
    /// Conditions on partitions, by key; all must hold.
    pub conditions: BTreeMap<String, Vec<Comparison>>,
}

/// A condition on a partition's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// How it is compared.
    pub relation: Relation,
    /// With what.
    pub value: String,
}

/// How a partition's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Equal to this or to another of the same list.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    AtMost,
    /// Greater.
    Greater,
    /// Greater or equal.
    AtLeast,
}

impl Comparison {
    /// Reads a value, or a comparison with one: `>=2026-01-01`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (relation, value) = [
            ("<=", Relation::AtMost),
            (">=", Relation::AtLeast),
            ("!=", Relation::NotEqual),
            ("<", Relation::Less),
            (">", Relation::Greater),
        ]
        .into_iter()
        .find_map(|(sign, relation)| Some((relation, text.trim().strip_prefix(sign)?)))
        .unwrap_or((Relation::Equal, text));
        Self {
            relation,
            value: value.trim().to_owned(),
        }
    }

    fn holds(&self, found: &str) -> bool {
        use std::cmp::Ordering;
        // Numbers compare as numbers (9 before 10); dates as texts, whose order is theirs.
        let order = match (found.parse::<f64>(), self.value.parse::<f64>()) {
            (Ok(found), Ok(value)) => found.partial_cmp(&value),
            _ => Some(found.cmp(self.value.as_str())),
        };
        let Some(order) = order else { return false };
        match self.relation {
            Relation::Equal => order == Ordering::Equal,
            Relation::NotEqual => order != Ordering::Equal,
            Relation::Less => order == Ordering::Less,
            Relation::AtMost => order != Ordering::Greater,
            Relation::Greater => order == Ordering::Greater,
            Relation::AtLeast => order != Ordering::Less,
        }
    }
}

impl FileFilter {
    /// Tells whether a file of that name is read.
    #[must_use]
    pub fn admits(&self, name: &str) -> bool {
        if let Some(pattern) = &self.pattern
            && !matches(pattern, name)
        {
            return false;
        }
        let partitions = partitions(name);
        self.conditions.iter().all(|(key, comparisons)| {
            let found = partitions.iter().find(|(found, _)| found == key);
            let Some((_, Some(value))) = found else {
                return false;
            };
            let (equal, others): (Vec<_>, Vec<_>) = comparisons
                .iter()
                .partition(|comparison| comparison.relation == Relation::Equal);
            (equal.is_empty() || equal.iter().any(|comparison| comparison.holds(value)))
                && others.iter().all(|comparison| comparison.holds(value))
        })
    }
}

/// Returns the `key=value` folders of a relative name; nothing as the value of a null.
#[must_use]
pub(super) fn partitions(name: &str) -> Vec<(String, Option<String>)> {
    let mut components: Vec<&str> = name.split('/').collect();
    components.pop();
    components
        .into_iter()
        .filter_map(|component| component.split_once('='))
        .map(|(key, value)| {
            let value = (value != NULL_PARTITION).then(|| decoded(value));
            (decoded(key), value)
        })
        .collect()
}

/// Undoes the `%20` of names of folders.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = (first == b'%').then(|| after.get(..2)).flatten();
        let byte = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Splits a place with wildcards (`*`, `?`, `**`) into the folder or prefix to list and the
/// pattern of the names below it.
#[must_use]
pub fn split_pattern(location: &Location) -> (Location, Option<String>) {
    let split = |text: &str| {
        let first = text.find(['*', '?'])?;
        let folder_end = text[..first].rfind('/').map_or(0, |slash| slash + 1);
        let (folder, pattern) = text.split_at(folder_end);
        Some((folder.to_owned(), pattern.to_owned()))
    };
    match location {
        Location::S3 { bucket, key } => match split(key) {
            Some((key, pattern)) => {
                let bucket = bucket.clone();
                (Location::S3 { bucket, key }, Some(pattern))
            }
            None => (location.clone(), None),
        },
        // A file may bear such a name.
        Location::Local(path) if path.exists() => (location.clone(), None),
        Location::Local(path) => match path.to_str().and_then(split) {
            Some((folder, pattern)) => {
                let folder = if folder.is_empty() { "." } else { &folder };
                (Location::Local(folder.into()), Some(pattern))
            }
            None => (location.clone(), None),
        },
    }
}

/// Matches a name against a pattern: `*` and `?` stay within a component, `**` stands for any
/// number of them.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let name: Vec<&str> = name.split('/').collect();
    match_components(&pattern, &name)
}

fn match_components(pattern: &[&str], name: &[&str]) -> bool {
    // One row of the table of prefixes: `reached[j]` says that the pattern so far matches the
    // first j components. Linear in both, however many `**` there are.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for part in pattern {
        let mut next = vec![false; name.len() + 1];
        for length in 0..=name.len() {
            next[length] = if *part == "**" {
                reached[length] || (length > 0 && next[length - 1])
            } else {
                length > 0 && reached[length - 1] && match_component(part, name[length - 1])
            };
        }
        reached = next;
    }
    reached[name.len()]
}

fn match_component(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for part in pattern.chars() {
        let mut next = vec![false; name.len() + 1];
        for length in 0..=name.len() {
            next[length] = if part == '*' {
                reached[length] || (length > 0 && next[length - 1])
            } else {
                length > 0 && reached[length - 1] && (part == '?' || part == name[length - 1])
            };
        }
        reached = next;
    }
    reached[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stay_within_a_component_but_for_the_double_star() {
        for (pattern, name, expected) in [
            ("*.parquet", "a.parquet", true),
            ("*.parquet", "b/a.parquet", false),
            ("**/*.parquet", "b/c/a.parquet", true),
            ("**/*.parquet", "a.parquet", true),
            ("part-?.parquet", "part-1.parquet", true),
            ("part-?.parquet", "part-12.parquet", false),
            ("date=2026-*/x", "date=2026-01/x", true),
            ("date=2026-*/x", "date=2025-01/x", false),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXcYYb", false),
            ("**", "a/b/c", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
        // Patterns that take a naive matcher years.
        let pattern = "*a".repeat(40) + "b";
        assert!(!matches(&pattern, &"a".repeat(200)));
        let pattern = vec!["**"; 60].join("/") + "/z";
        assert!(!matches(&pattern, &vec!["a"; 60].join("/")));
    }

    #[test]
    fn a_place_is_split_before_its_first_wildcard() {
        let split = |text: &str| {
            let (location, pattern) = split_pattern(&Location::parse(text).expect("a place"));
            (location.to_string(), pattern)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            split("s3://b/data/date=*/part-?.parquet"),
            ("s3://b/data/".to_owned(), some("date=*/part-?.parquet"))
        );
        assert_eq!(split("s3://b/*"), ("s3://b/".to_owned(), some("*")));
        assert_eq!(split("s3://b/data/"), ("s3://b/data/".to_owned(), None));
        assert_eq!(
            split("/no/*.parquet"),
            ("/no/".to_owned(), some("*.parquet"))
        );
        assert_eq!(split("no*.parquet"), (".".to_owned(), some("no*.parquet")));
    }

    #[test]
    fn conditions_read_the_folders_of_partitions() {
        let filter = |conditions: &[(&str, &[&str])]| FileFilter {
            pattern: None,
            conditions: conditions
                .iter()
                .map(|(key, texts)| {
                    let comparisons = texts.iter().map(|text| Comparison::parse(text));
                    ((*key).to_owned(), comparisons.collect())
                })
                .collect(),
        };
        let name = "date=2026-01-09/hour=9/region=eu%20west/part.parquet";
        for (conditions, expected) in [
            (&[("date", &[">=2026-01-01"][..])][..], true),
            (&[("date", &[">2026-01-09"])], false),
            (&[("date", &[">=2026-01-01", "<2026-01-09"])], false),
            (&[("hour", &["<10"])], true),
            (&[("hour", &["09"])], true),
            (&[("hour", &["10", "9"])], true),
            (&[("region", &["eu west"])], true),
            (&[("region", &["!=eu west"])], false),
            (&[("date", &["2026-01-09"]), ("hour", &["8"])], false),
            (&[("country", &["DE"])], false),
            (&[], true),
        ] {
            assert_eq!(filter(conditions).admits(name), expected, "{conditions:?}");
        }
        let null = "date=__HIVE_DEFAULT_PARTITION__/part.parquet";
        assert!(!filter(&[("date", &["!=2026"])]).admits(null));
    }
}
