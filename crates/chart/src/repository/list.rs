//! `repositories.yaml`: the repositories that the user has added.
//!
//! Source: Helm 3.22 `pkg/repo/repo.go`.

use std::fmt;

use serde::Serialize;
use template::yaml::{self, Data, YamlError};

use crate::metadata::Fields;

/// The file of all repositories; Helm reads and writes the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RepositoryList {
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// RFC 3339; Helm sets it once and never again.
    pub generated: String,
    pub repositories: Vec<Repository>,
}

/// One repository, with what is needed to reach it.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct Repository {
    pub name: String,
    pub url: String,
    pub username: String,
    pub password: String,
    #[serde(rename = "certFile")]
    pub cert_file: String,
    #[serde(rename = "keyFile")]
    pub key_file: String,
    #[serde(rename = "caFile")]
    pub ca_file: String,
    pub insecure_skip_tls_verify: bool,
    pub pass_credentials_all: bool,
}

impl fmt::Debug for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Repository")
            .field("name", &self.name)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl RepositoryList {
    /// Reads the file.
    ///
    /// # Errors
    /// Text that is not YAML, or a field of the wrong kind.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        let data = yaml::parse_data(text)?;
        let mut list = Self::default();
        if data == Data::Null {
            return Ok(list);
        }
        let fields = Fields::of(&data, "File", "repo.File")?;
        fields.text("apiVersion", &mut list.api_version)?;
        fields.text("generated", &mut list.generated)?;
        fields.items(
            "repositories",
            &mut list.repositories,
            Repository::from_data,
        )?;
        Ok(list)
    }

    /// Returns the text of the file.
    pub fn to_yaml(&self) -> String {
        let mut list = self.clone();
        // Go's zero time: Helm adds to a file that it has not made without setting it.
        if list.generated.is_empty() {
            "0001-01-01T00:00:00Z".clone_into(&mut list.generated);
        }
        let json = serde_json::to_value(&list).unwrap_or_default();
        yaml::emit(&yaml::from_json(&json))
    }

    /// Returns the repository of a name.
    pub fn get(&self, name: &str) -> Option<&Repository> {
        self.repositories.iter().find(|entry| entry.name == name)
    }

    /// Replaces the repository of this name, or adds it.
    pub fn put(&mut self, repository: Repository) {
        let same = |entry: &&mut Repository| entry.name == repository.name;
        match self.repositories.iter_mut().find(same) {
            Some(entry) => *entry = repository,
            None => self.repositories.push(repository),
        }
    }

    /// Removes a repository; tells whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.repositories.len();
        self.repositories.retain(|entry| entry.name != name);
        self.repositories.len() != before
    }
}

impl Repository {
    fn from_data(data: &Data) -> Result<Self, YamlError> {
        let fields = Fields::of(data, "Entry", "repo.Entry")?;
        let mut entry = Self::default();
        fields.text("name", &mut entry.name)?;
        fields.text("url", &mut entry.url)?;
        fields.text("username", &mut entry.username)?;
        fields.text("password", &mut entry.password)?;
        fields.text("certFile", &mut entry.cert_file)?;
        fields.text("keyFile", &mut entry.key_file)?;
        fields.text("caFile", &mut entry.ca_file)?;
        fields.flag(
            "insecure_skip_tls_verify",
            &mut entry.insecure_skip_tls_verify,
        )?;
        fields.flag("pass_credentials_all", &mut entry.pass_credentials_all)?;
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_and_written_as_helm_does() {
        let text = "apiVersion: \"\"\ngenerated: \"0001-01-01T00:00:00Z\"\nrepositories:\n- caFile: \"\"\n  certFile: \"\"\n  insecure_skip_tls_verify: false\n  keyFile: \"\"\n  name: one\n  pass_credentials_all: false\n  password: secret\n  url: https://example.com\n  username: me\n";
        let mut list = RepositoryList::parse(text).unwrap();
        assert_eq!(list.to_yaml(), text);
        let entry = list.get("one").cloned().unwrap();
        assert!(!format!("{entry:?}").contains("secret"));
        list.put(Repository {
            url: "https://other".into(),
            ..entry
        });
        assert_eq!(list.repositories.len(), 1);
        assert!(list.remove("one") && !list.remove("one"));
        assert!(list.to_yaml().ends_with("repositories: []\n"));
    }
}
