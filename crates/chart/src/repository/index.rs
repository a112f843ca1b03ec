//! `index.yaml`: the charts of a repository with their versions.
//!
//! Source: Helm 3.22 `pkg/repo/index.go`. What differs: a field that Helm does not know is passed
//! over instead of making the whole index unusable.

use std::collections::BTreeMap;

use serde::Serialize;
use template::semver::{Constraint, ConstraintError, Version};
use template::yaml::{self, Data, YamlError};

use super::urls;
use crate::go::{self, shorten_fraction};
use crate::metadata::{Fields, Metadata};

/// An index, the newest version of each chart first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    pub api_version: String,
    /// RFC 3339.
    pub generated: String,
    pub entries: BTreeMap<String, Vec<ChartVersion>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// One version of a chart, and where its archive is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ChartVersion {
    #[serde(flatten)]
    pub metadata: Metadata,
    pub urls: Vec<String>,
    /// RFC 3339.
    pub created: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// SHA-256 of the archive, in hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

/// An index as it was read, with what was left out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedIndex {
    pub index: Index,
    /// One text for each entry that cannot be used.
    pub skipped: Vec<String>,
}

/// Why a text is no index; the wording is Helm's.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("empty index.yaml file")]
    Empty,
    #[error("no API version specified")]
    NoApiVersion,
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A chart cannot be added to the index.
    #[error("validate failed for {file}: {problem}")]
    Chart { file: String, problem: String },
}

/// Why an index has no such chart; the wording is Helm's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    #[error("no chart name found")]
    Name,
    #[error("no chart version found")]
    NoVersions,
    #[error("no chart version found for {name}-{version}")]
    Version { name: String, version: String },
    #[error(transparent)]
    Range(#[from] ConstraintError),
}

impl Index {
    /// Begins an index; `generated` is now, in RFC 3339.
    pub fn new(generated: &str) -> Self {
        Self {
            api_version: "v1".to_owned(),
            generated: generated.to_owned(),
            entries: BTreeMap::new(),
            public_keys: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// Reads an index; entries that Helm would skip are left out and told.
    ///
    /// `source` names the index in these texts.
    ///
    /// # Errors
    /// [`IndexError`]: nothing in it, not YAML or JSON, or without an API version.
    pub fn parse(text: &str, source: &str) -> Result<ParsedIndex, IndexError> {
        if text.is_empty() {
            return Err(IndexError::Empty);
        }
        let data = yaml::parse_data(text)?;
        if data == Data::Null {
            return Err(IndexError::NoApiVersion);
        }
        let fields = Fields::of(&data, "IndexFile", "repo.IndexFile")?;
        let mut index = Self::new("0001-01-01T00:00:00Z");
        index.api_version.clear();
        fields.text("apiVersion", &mut index.api_version)?;
        fields.text("generated", &mut index.generated)?;
        index.generated = shorten_fraction(&index.generated);
        fields.texts("publicKeys", &mut index.public_keys)?;
        fields.text_map("annotations", &mut index.annotations)?;
        let mut skipped = Vec::new();
        match fields.get("entries") {
            None => {}
            Some(Data::Map(charts)) => {
                for (name, versions) in charts {
                    let read = read_versions(name, versions, source, &mut skipped)?;
                    index.entries.insert(name.clone(), read);
                }
            }
            Some(other) => {
                return Err(wrong_entries(other).into());
            }
        }
        index.sort();
        if index.api_version.is_empty() {
            return Err(IndexError::NoApiVersion);
        }
        Ok(ParsedIndex { index, skipped })
    }

    /// Puts the newest version of each chart first; what is no version goes last.
    pub fn sort(&mut self) {
        for versions in self.entries.values_mut() {
            let mut keyed: Vec<(Option<Version>, ChartVersion)> = std::mem::take(versions)
                .into_iter()
                .map(|entry| (Version::parse(&entry.metadata.version).ok(), entry))
                .collect();
            keyed.sort_by(|(one, _), (other, _)| match (one, other) {
                (Some(one), Some(other)) => other.compare(one),
                (one, other) => other.is_some().cmp(&one.is_some()),
            });
            *versions = keyed.into_iter().map(|(_, entry)| entry).collect();
        }
    }

    /// Returns the newest version in a range; the text itself is looked for first.
    ///
    /// Without a range, prereleases do not count.
    ///
    /// # Errors
    /// [`NotFound`]: no such chart, none in the range, or a range that cannot be read.
    pub fn get(&self, name: &str, range: &str) -> Result<&ChartVersion, NotFound> {
        let versions = self.entries.get(name).ok_or(NotFound::Name)?;
        if versions.is_empty() {
            return Err(NotFound::NoVersions);
        }
        let constraint = Constraint::parse(if range.is_empty() { "*" } else { range })?;
        let exact = versions
            .iter()
            .find(|entry| !range.is_empty() && entry.metadata.version == range);
        let in_range = |entry: &&ChartVersion| {
            Version::parse(&entry.metadata.version).is_ok_and(|version| constraint.check(&version))
        };
        exact
            .or_else(|| versions.iter().find(in_range))
            .ok_or_else(|| NotFound::Version {
                name: name.to_owned(),
                version: range.to_owned(),
            })
    }

    /// Adds a chart whose archive is `file`, below `base_url` where that is not empty.
    ///
    /// # Errors
    /// A chart that Helm refuses.
    pub fn add(
        &mut self,
        mut metadata: Metadata,
        file: &str,
        base_url: &str,
        digest: String,
        created: &str,
    ) -> Result<(), IndexError> {
        if metadata.api_version.is_empty() {
            "v1".clone_into(&mut metadata.api_version);
        }
        metadata.validate().map_err(|problem| IndexError::Chart {
            file: file.to_owned(),
            problem,
        })?;
        let url = if base_url.is_empty() {
            file.to_owned()
        } else {
            urls::join(base_url, &[file.rsplit('/').next().unwrap_or(file)])
        };
        let entries = self.entries.entry(metadata.name.clone()).or_default();
        entries.push(ChartVersion {
            metadata,
            urls: vec![url],
            created: created.to_owned(),
            removed: false,
            digest,
        });
        Ok(())
    }

    /// Adds what another index has and this one lacks.
    pub fn merge(&mut self, other: Self) {
        for entry in other.entries.into_values().flatten() {
            let metadata = &entry.metadata;
            if self.get(&metadata.name, &metadata.version).is_err() {
                let name = metadata.name.clone();
                self.entries.entry(name).or_default().push(entry);
            }
        }
    }

    /// Returns the text of index.yaml.
    pub fn to_yaml(&self) -> String {
        let json = serde_json::to_value(self).unwrap_or_default();
        yaml::emit(&yaml::from_json(&json))
    }

    /// Returns the index as JSON, in Helm's order of keys.
    pub fn to_json(&self) -> String {
        go::json_indented(self)
    }
}

fn wrong_entries(data: &Data) -> YamlError {
    YamlError::wrong_field(
        data.json_kind(),
        "IndexFile.entries",
        "map[string]repo.ChartVersions",
    )
}

fn read_versions(
    name: &str,
    data: &Data,
    source: &str,
    skipped: &mut Vec<String>,
) -> Result<Vec<ChartVersion>, YamlError> {
    let items = match data {
        Data::Null => return Ok(Vec::new()),
        Data::List(items) => items,
        other => return Err(wrong_entries(other)),
    };
    let mut versions = Vec::with_capacity(items.len());
    for item in items {
        if *item == Data::Null {
            skipped.push(format!(
                "skipping loading invalid entry for chart {name:?} from {source}: empty entry"
            ));
            continue;
        }
        let mut version = ChartVersion::from_data(item)?;
        match version.metadata.validate() {
            Err(problem) if !is_harmless(&problem) => skipped.push(format!(
                "skipping loading invalid entry for chart {name:?} {:?} from {source}: {problem}",
                version.metadata.version
            )),
            _ => versions.push(version),
        }
    }
    Ok(versions)
}

/// Some servers strip the aliases of dependencies, and Helm puts up with that.
fn is_harmless(problem: &str) -> bool {
    problem.starts_with("validation: more than one dependency with name or alias")
}

impl ChartVersion {
    fn from_data(data: &Data) -> Result<Self, YamlError> {
        let fields = Fields::of(data, "ChartVersion", "repo.ChartVersion")?;
        let mut version = Self {
            created: "0001-01-01T00:00:00Z".to_owned(),
            ..Self::default()
        };
        version.metadata.apply_data(data)?;
        if version.metadata.api_version.is_empty() {
            "v1".clone_into(&mut version.metadata.api_version);
        }
        fields.texts("urls", &mut version.urls)?;
        fields.text("created", &mut version.created)?;
        version.created = shorten_fraction(&version.created);
        fields.flag("removed", &mut version.removed)?;
        fields.text("digest", &mut version.digest)?;
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "apiVersion: v1\nentries:\n  web:\n  - {name: web, version: 0.9.0, urls: [web-0.9.0.tgz]}\n  - {name: web, version: 1.2.0-rc.1, urls: [web-1.2.0-rc.1.tgz]}\n  - {name: web, version: 1.1.0, urls: [web-1.1.0.tgz], digest: aa, created: '2026-01-02T03:04:05.600Z'}\n  - null\n  - {version: 1.0.0}\n  - {name: web, version: not.a.version}\n  empty: []\n";

    fn index() -> ParsedIndex {
        Index::parse(TEXT, "somewhere").unwrap()
    }

    #[test]
    fn the_newest_version_comes_first_and_bad_entries_are_told() {
        let ParsedIndex { index, skipped } = index();
        let versions: Vec<&str> = index.entries["web"]
            .iter()
            .map(|entry| entry.metadata.version.as_str())
            .collect();
        assert_eq!(versions, ["1.2.0-rc.1", "1.1.0", "0.9.0"]);
        assert_eq!(
            skipped,
            [
                "skipping loading invalid entry for chart \"web\" from somewhere: empty entry",
                "skipping loading invalid entry for chart \"web\" \"1.0.0\" from somewhere: validation: chart.metadata.name is required",
                "skipping loading invalid entry for chart \"web\" \"not.a.version\" from somewhere: validation: chart.metadata.version \"not.a.version\" is invalid",
            ]
        );
    }

    #[test]
    fn a_range_gives_its_newest_version_and_no_range_no_prerelease() {
        let ParsedIndex { index, .. } = index();
        let version = |range: &str| {
            index
                .get("web", range)
                .map(|entry| entry.metadata.version.clone())
        };
        assert_eq!(version("").as_deref(), Ok("1.1.0"));
        assert_eq!(version("<1").as_deref(), Ok("0.9.0"));
        assert_eq!(version(">0.0.0-0").as_deref(), Ok("1.2.0-rc.1"));
        assert_eq!(version("1.2.0-rc.1").as_deref(), Ok("1.2.0-rc.1"));
        assert_eq!(
            version("3.0.0").unwrap_err().to_string(),
            "no chart version found for web-3.0.0"
        );
        assert_eq!(index.get("other", ""), Err(NotFound::Name));
        assert_eq!(index.get("empty", ""), Err(NotFound::NoVersions));
    }

    #[test]
    fn what_is_no_index_is_refused_in_helms_words() {
        let text = |text: &str| Index::parse(text, "x").unwrap_err().to_string();
        assert_eq!(text(""), "empty index.yaml file");
        assert_eq!(text("entries: {}\n"), "no API version specified");
        assert!(Index::parse("<html></html>", "x").is_err());
        assert!(Index::parse("apiVersion: v1\nentries: [1]\n", "x").is_err());
    }

    #[test]
    fn an_index_that_was_read_is_written_again() {
        let mut mine = Index::new("2026-01-01T00:00:00Z");
        let metadata = Metadata {
            name: "web".into(),
            version: "2.0.0".into(),
            api_version: "v2".into(),
            description: "<b>".into(),
            ..Metadata::default()
        };
        mine.add(
            metadata,
            "web-2.0.0.tgz",
            "https://h/c",
            "dd".into(),
            "2026-01-01T00:00:00Z",
        )
        .unwrap();
        mine.merge(index().index);
        mine.sort();
        let again = Index::parse(&mine.to_yaml(), "x").unwrap();
        assert_eq!(again.index, mine);
        assert_eq!(Index::parse(&mine.to_json(), "x").unwrap().index, mine);
        assert_eq!(mine.entries["web"][0].urls, ["https://h/c/web-2.0.0.tgz"]);
        assert!(mine.to_json().contains("\\u003cb\\u003e"));
    }
}
