//! From the text of `deployer.yaml` to checked types: what serde cannot say about names that refer
//! to each other.

use std::path::{Path, PathBuf};

use attest::parse_age;
use config_file::{FileError, closest};
use thiserror::Error;

use super::file::{EnvironmentsFile, ReleasePart};
use super::glob::FieldGlob;
use crate::release::{NameError, Namespace, ReleaseName};

const FILE: config_file::Kind = config_file::Kind {
    name: "environments file",
    schema_command: "deployer init --schema",
};

/// The values that a promotion takes along unless the file names others.
pub const PROMOTED_VALUES: [&str; 2] = ["image.**", "model.path"];

/// A file that was read, with the folder that its paths are relative to.
#[derive(Debug, Clone, PartialEq)]
pub struct Environments {
    /// The path of the file.
    pub path: PathBuf,
    /// What it says.
    pub file: EnvironmentsFile,
}

/// Why an environments file cannot be used.
#[derive(Debug, Error)]
pub enum EnvironmentError {
    /// The file cannot be read, or has a key or value that has no place there.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something in it makes no sense.
    #[error("`{file}`: `{key}`: {message}")]
    Content {
        file: String,
        key: String,
        message: String,
        hint: Option<String>,
    },
    /// There is no such environment.
    #[error("`{file}` has no environment `{name}`")]
    NoEnvironment {
        file: String,
        name: String,
        known: Vec<String>,
    },
    /// There is no such release.
    #[error("`{file}` has no release `{name}`")]
    NoRelease {
        file: String,
        name: String,
        known: Vec<String>,
    },
}

impl EnvironmentError {
    /// Returns what a person can do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::File(error) => error.hint().into_iter().collect(),
            Self::Content { hint, .. } => hint.iter().cloned().collect(),
            Self::NoEnvironment { name, known, .. } | Self::NoRelease { name, known, .. } => {
                match closest(name, known.iter().map(String::as_str)) {
                    Some(word) => vec![format!("did you mean `{word}`?")],
                    None => vec![format!("there are: {}", known.join(", "))],
                }
            }
        }
    }
}

impl Environments {
    /// Reads and checks a file, with variables from the environment expanded.
    ///
    /// # Errors
    /// [`EnvironmentError`] for the first thing that makes no sense.
    pub fn read(path: &Path) -> Result<Self, EnvironmentError> {
        let file = FILE.read(path)?;
        Self {
            path: path.to_owned(),
            file,
        }
        .checked()
    }

    /// Reads and checks a text; `lookup` returns the value of a variable.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(
        path: &Path,
        text: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, EnvironmentError> {
        let file = FILE.parse(&path.display().to_string(), text, lookup)?;
        Self {
            path: path.to_owned(),
            file,
        }
        .checked()
    }

    /// Returns the names of the environments: in order of promotion, then the others by name.
    pub fn names(&self) -> Vec<&str> {
        let promotion = self.file.promotion.iter().map(String::as_str);
        let others = self.file.environments.keys().map(String::as_str);
        let others = others.filter(|name| !self.file.promotion.iter().any(|known| known == name));
        promotion.chain(others).collect()
    }

    /// Returns a release.
    ///
    /// # Errors
    /// [`EnvironmentError::NoRelease`].
    pub fn release(&self, name: &str) -> Result<&ReleasePart, EnvironmentError> {
        let found = self.file.releases.get(name);
        found.ok_or_else(|| EnvironmentError::NoRelease {
            file: self.path.display().to_string(),
            name: name.to_owned(),
            known: self.file.releases.keys().cloned().collect(),
        })
    }

    /// Returns the environment from which a release moves on to this one.
    pub fn before(&self, environment: &str) -> Option<&str> {
        let order = &self.file.promotion;
        let at = order.iter().position(|name| name == environment)?;
        at.checked_sub(1).map(|before| order[before].as_str())
    }

    /// Makes the error about an environment that is not there.
    pub(super) fn no_environment(&self, name: &str) -> EnvironmentError {
        EnvironmentError::NoEnvironment {
            file: self.path.display().to_string(),
            name: name.to_owned(),
            known: self.names().into_iter().map(str::to_owned).collect(),
        }
    }

    fn checked(self) -> Result<Self, EnvironmentError> {
        self.check_environments()?;
        self.check_promotion()?;
        self.check_releases()?;
        let allowed = &self.file.allowed_differences;
        for (key, globs) in [
            ("between_environments", &allowed.between_environments),
            ("live", &allowed.live),
        ] {
            self.check_globs(&format!("allowed_differences.{key}"), globs)?;
        }
        Ok(self)
    }

    fn wrong(&self, key: String, message: impl Into<String>) -> EnvironmentError {
        EnvironmentError::Content {
            file: self.path.display().to_string(),
            key,
            message: message.into(),
            hint: None,
        }
    }

    fn check_environments(&self) -> Result<(), EnvironmentError> {
        if self.file.environments.is_empty() {
            return Err(self.wrong("environments".into(), "names no environment"));
        }
        for (name, part) in &self.file.environments {
            let key = |field: &str| format!("environments.{name}.{field}");
            // The name is a heading, a label of metrics and a word on command lines.
            if Namespace::new(name.as_str()).is_err() {
                return Err(self.wrong(
                    format!("environments.{name}"),
                    "a name has lower-case letters, digits and `-`",
                ));
            }
            let name_error = |error: NameError| self.wrong(key("namespace"), error.to_string());
            Namespace::new(part.namespace.as_str()).map_err(name_error)?;
            let target = part.target.as_deref().unwrap_or("kube");
            let folder = target.strip_prefix("dir:");
            if target != "kube" && folder.is_none_or(str::is_empty) {
                return Err(self.wrong(key("target"), "expected `kube` or `dir:PATH`"));
            }
            if folder.is_some() && (part.context.is_some() || part.kubeconfig.is_some()) {
                return Err(self.wrong(
                    key("target"),
                    "a folder has no `context` and no `kubeconfig`",
                ));
            }
            for (field, duration) in [
                ("timeout", &part.timeout),
                ("demands.timeout_max", &part.demands.timeout_max),
            ] {
                if let Some(text) = duration {
                    crate::duration::parse_timeout(text)
                        .map_err(|error| self.wrong(key(field), error.to_string()))?;
                }
            }
            let signed = part.demands.signed_verdict.as_ref();
            if signed.is_some_and(|signed| signed.keys.is_empty()) {
                return Err(self.wrong(key("demands.signed_verdict.keys"), "names no key"));
            }
            if let Some(text) = signed.and_then(|signed| signed.age_max.as_deref()) {
                parse_age(text).map_err(|error| {
                    self.wrong(key("demands.signed_verdict.age_max"), error.to_string())
                })?;
            }
        }
        Ok(())
    }

    fn check_promotion(&self) -> Result<(), EnvironmentError> {
        let order = &self.file.promotion;
        for (index, name) in order.iter().enumerate() {
            let key = format!("promotion[{index}]");
            if !self.file.environments.contains_key(name) {
                return Err(self.unknown_environment(key, name));
            }
            if order[..index].contains(name) {
                return Err(self.wrong(key, format!("`{name}` is there already")));
            }
        }
        for (name, part) in &self.file.environments {
            if part.demands.promotion && self.before(name).is_none() {
                return Err(self.wrong(
                    format!("environments.{name}.demands.promotion"),
                    "`promotion` names no environment before this one",
                ));
            }
        }
        Ok(())
    }

    fn unknown_environment(&self, key: String, name: &str) -> EnvironmentError {
        EnvironmentError::Content {
            file: self.path.display().to_string(),
            key,
            message: format!("there is no environment `{name}`"),
            hint: closest(name, self.file.environments.keys().map(String::as_str))
                .map(|word| format!("did you mean `{word}`?")),
        }
    }

    fn check_releases(&self) -> Result<(), EnvironmentError> {
        for (name, part) in &self.file.releases {
            let key = |field: &str| format!("releases.{name}.{field}");
            ReleaseName::new(name.as_str())
                .map_err(|error| self.wrong(format!("releases.{name}"), error.to_string()))?;
            if part.chart.trim().is_empty() {
                return Err(self.wrong(key("chart"), "names no chart"));
            }
            self.check_digest(&key("digest"), part.digest.as_deref())?;
            let globs = part.promoted_values.as_deref().unwrap_or_default();
            self.check_globs(&key("promoted_values"), globs)?;
            for (environment, own) in &part.environments {
                let key =
                    |field: &str| format!("releases.{name}.environments.{environment}{field}");
                if !self.file.environments.contains_key(environment) {
                    return Err(self.unknown_environment(key(""), environment));
                }
                self.check_digest(&key(".digest"), own.digest.as_deref())?;
                let Some(verdict) = &own.verdict else {
                    continue;
                };
                if let Some(text) = &verdict.age_max {
                    parse_age(text)
                        .map_err(|error| self.wrong(key(".verdict.age_max"), error.to_string()))?;
                }
                self.check_digest(
                    &key(".verdict.dataset_digest"),
                    verdict.dataset_digest.as_deref(),
                )?;
                let model = verdict.model_sha256.as_deref();
                if model.is_some_and(|digest| !is_sha256(digest)) {
                    return Err(self.wrong(
                        key(".verdict.model_sha256"),
                        "expected 64 hexadecimal digits",
                    ));
                }
            }
        }
        Ok(())
    }

    fn check_digest(&self, key: &str, digest: Option<&str>) -> Result<(), EnvironmentError> {
        let is_digest = |text: &str| text.strip_prefix("sha256:").is_some_and(is_sha256);
        match digest {
            Some(text) if !is_digest(text) => Err(self.wrong(
                key.to_owned(),
                "expected `sha256:` and 64 hexadecimal digits",
            )),
            _ => Ok(()),
        }
    }

    fn check_globs(&self, key: &str, globs: &[String]) -> Result<(), EnvironmentError> {
        for (index, text) in globs.iter().enumerate() {
            FieldGlob::parse(text).map_err(|problem| {
                self.wrong(format!("{key}[{index}]"), format!("`{text}` {problem}"))
            })?;
        }
        Ok(())
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
