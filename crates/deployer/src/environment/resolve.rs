//! What `deployer.yaml` says about one release in one environment, paths made whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use attest::parse_age;
use serde_json::{Map, Value};

use super::file::{DemandsPart, HooksName, VerdictPart};
use super::glob::FieldGlob;
use super::read::{EnvironmentError, Environments, PROMOTED_VALUES};
use crate::duration::parse_timeout;
use crate::release::{Namespace, ReleaseName};

/// Where an environment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The environment's name.
    pub environment: String,
    /// A cluster or a folder.
    pub target: PlaceTarget,
    /// The namespace of its releases.
    pub namespace: Namespace,
}

/// A cluster or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceTarget {
    /// A cluster, by what a kubeconfig says.
    Kube {
        /// The file; as usual where unset.
        kubeconfig: Option<PathBuf>,
        /// The context; the current one where unset.
        context: Option<String>,
    },
    /// A folder of manifests and records.
    Directory(PathBuf),
}

/// How changes of an environment are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Whether the namespace is made.
    pub create_namespace: bool,
    /// Where hooks run, when the file says so.
    pub hooks: Option<HooksName>,
    /// How long a hook or wait may take, when the file says so.
    pub timeout: Option<Duration>,
    /// What every change has to keep to.
    pub demands: DemandsPart,
    /// Where the public keys lie whose signature counts: `file:PATH` or `env:NAME`.
    pub verdict_keys: Vec<String>,
    /// How old what they signed may be, when the file says so.
    pub signed_age_max: Option<Duration>,
}

/// A release in an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The release.
    pub release: ReleaseName,
    /// Where.
    pub place: Place,
    /// How.
    pub rules: Rules,
    /// The chart, with its digest where the file names one.
    pub chart: String,
    /// Version or range.
    pub version: Option<String>,
    /// Chart repository.
    pub repository: Option<String>,
    /// Values files, lowest first.
    pub values: Vec<PathBuf>,
    /// Values above the files, as one map.
    pub set: Map<String, Value>,
    /// Values that a promotion takes along.
    pub promoted_values: Vec<FieldGlob>,
    /// What the verdict of a promotion out of here has to be about.
    pub verdict: VerdictPart,
    /// How old that verdict may be, where the file says so.
    pub verdict_age_max: Option<Duration>,
}

impl Environments {
    /// Returns where an environment is.
    ///
    /// # Errors
    /// [`EnvironmentError::NoEnvironment`].
    pub fn place(&self, name: &str) -> Result<Place, EnvironmentError> {
        let part = self
            .file
            .environments
            .get(name)
            .ok_or_else(|| self.no_environment(name))?;
        let target = match part
            .target
            .as_deref()
            .and_then(|text| text.strip_prefix("dir:"))
        {
            Some(folder) => PlaceTarget::Directory(self.beside(folder)),
            None => PlaceTarget::Kube {
                kubeconfig: part.kubeconfig.as_deref().map(|path| self.beside(path)),
                context: part.context.clone(),
            },
        };
        Ok(Place {
            environment: name.to_owned(),
            target,
            namespace: self.namespace(&part.namespace)?,
        })
    }

    /// Returns how changes of an environment are made.
    ///
    /// # Errors
    /// [`EnvironmentError::NoEnvironment`].
    pub fn rules(&self, name: &str) -> Result<Rules, EnvironmentError> {
        let part = self
            .file
            .environments
            .get(name)
            .ok_or_else(|| self.no_environment(name))?;
        let keys = part
            .demands
            .signed_verdict
            .iter()
            .flat_map(|signed| &signed.keys);
        Ok(Rules {
            create_namespace: part.create_namespace,
            hooks: part.hooks,
            timeout: part
                .timeout
                .as_deref()
                .and_then(|text| parse_timeout(text).ok()),
            demands: part.demands.clone(),
            verdict_keys: keys.map(|key| self.key(key)).collect(),
            signed_age_max: part
                .demands
                .signed_verdict
                .as_ref()
                .and_then(|signed| parse_age(signed.age_max.as_deref()?).ok()),
        })
    }

    /// Returns a release in an environment; none where it is not meant to be.
    ///
    /// # Errors
    /// [`EnvironmentError`] for a name that the file does not have.
    pub fn resolve(
        &self,
        release: &str,
        environment: &str,
    ) -> Result<Option<Resolved>, EnvironmentError> {
        let place = self.place(environment)?;
        let part = self.release(release)?;
        let everywhere = &self.file.environments[environment];
        let own = part
            .environments
            .get(environment)
            .cloned()
            .unwrap_or_default();
        if own.absent {
            return Ok(None);
        }
        let reference = own.chart.as_ref().unwrap_or(&part.chart);
        let digest = own.digest.as_ref().or(part.digest.as_ref());
        let files = part
            .values
            .iter()
            .chain(&everywhere.values)
            .chain(&own.values);
        let mut set = Map::new();
        for values in [&part.set, &everywhere.set, &own.set] {
            merge(&mut set, nested(values));
        }
        let globs = part.promoted_values.clone();
        let globs = globs.unwrap_or_else(|| PROMOTED_VALUES.map(str::to_owned).to_vec());
        let verdict = own.verdict.unwrap_or_default();
        Ok(Some(Resolved {
            release: ReleaseName::new(release).map_err(|error| self.content("releases", error))?,
            rules: self.rules(environment)?,
            chart: match digest {
                Some(digest) if !reference.contains('@') => {
                    format!("{}@{digest}", self.chart(reference))
                }
                _ => self.chart(reference),
            },
            version: own.version.or_else(|| part.version.clone()),
            repository: part.repository.clone(),
            values: files.map(|path| self.beside(path)).collect(),
            set,
            promoted_values: globs
                .iter()
                .filter_map(|text| FieldGlob::parse(text).ok())
                .collect(),
            verdict_age_max: verdict
                .age_max
                .as_deref()
                .and_then(|text| parse_age(text).ok()),
            verdict,
            place,
        }))
    }

    /// Makes a path whole: what the file names lies beside it.
    fn beside(&self, path: &str) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        if folder == Path::new("") {
            return PathBuf::from(path);
        }
        folder.join(path)
    }

    /// A key in a file lies beside this one.
    fn key(&self, text: &str) -> String {
        if text.starts_with("env:") {
            return text.to_owned();
        }
        let path = text.strip_prefix("file:").unwrap_or(text);
        format!("file:{}", self.beside(path).display())
    }

    /// A chart is a path where there is one of that name beside the file.
    fn chart(&self, reference: &str) -> String {
        let path = self.beside(reference);
        let is_path = !reference.contains("://") && (reference.starts_with('.') || path.exists());
        if is_path {
            return path.display().to_string();
        }
        reference.to_owned()
    }

    fn namespace(&self, name: &str) -> Result<Namespace, EnvironmentError> {
        Namespace::new(name).map_err(|error| self.content("namespace", error))
    }

    fn content(&self, key: &str, error: crate::release::NameError) -> EnvironmentError {
        EnvironmentError::Content {
            file: self.path.display().to_string(),
            key: key.to_owned(),
            message: error.to_string(),
            hint: None,
        }
    }
}

impl Resolved {
    /// Returns the values above the files as the text of one more file, where there are any.
    pub fn set_text(&self) -> Option<String> {
        (!self.set.is_empty()).then(|| Value::Object(self.set.clone()).to_string())
    }
}

/// Takes `image.tag: v2` for `image: {tag: v2}`; `\.` is a dot within a key.
fn nested(values: &Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for (key, value) in values {
        let value = match value {
            Value::Object(below) => Value::Object(nested(below)),
            other => other.clone(),
        };
        let mut parts = key_parts(key);
        let last = parts.pop().unwrap_or_default();
        let mut below = Map::from_iter([(last, value)]);
        for part in parts.into_iter().rev() {
            below = Map::from_iter([(part, Value::Object(below))]);
        }
        merge(&mut all, below);
    }
    all
}

fn key_parts(key: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = key.chars();
    while let Some(character) = characters.next() {
        let last = parts.len() - 1;
        match character {
            '\\' => parts[last].extend(characters.next()),
            '.' => parts.push(String::new()),
            other => parts[last].push(other),
        }
    }
    parts
}

/// Puts values over others, map by map.
pub(super) fn merge(below: &mut Map<String, Value>, above: Map<String, Value>) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}
