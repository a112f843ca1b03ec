//! A chart in memory, and the JSON that a release record keeps of it.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};
use template::{
    Compat,
    yaml::{self, Data},
};

use crate::metadata::{Lock, Metadata};

/// A file of a chart, its name relative to the chart and with `/` between its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub data: Arc<[u8]>,
}

impl File {
    /// The content as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }
}

/// A file of `crds/`, of the chart or of a subchart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomResource {
    /// The path within its own chart, `crds/thing.yaml`.
    pub name: String,
    /// The path from the root chart, `parent/charts/child/crds/thing.yaml`.
    pub path: String,
    pub text: String,
}

/// A chart with its subcharts.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    pub metadata: Metadata,
    pub lock: Option<Lock>,
    /// What stands under `templates/`.
    pub templates: Vec<File>,
    /// The chart's values.yaml; `None` where the chart has none.
    pub values: Option<Arc<Data>>,
    /// The bytes of values.schema.json.
    pub schema: Option<Arc<[u8]>>,
    /// Every other file, such as README.md and `crds/`.
    pub files: Vec<File>,
    /// The subcharts of `charts/`.
    pub dependencies: Vec<Chart>,
    /// Every file as it was read, which `show values` prints with its comments.
    pub raw: Vec<File>,
    /// What Helm logs while it loads the chart, in its words; a subchart's stand with its parent's.
    pub warnings: Vec<String>,
    /// The name before an alias, where Helm still derives the paths of subcharts from it.
    pub(crate) name_before_alias: Option<String>,
}

impl Chart {
    /// The chart's name, or its alias once dependencies are processed.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Returns the chart with other values in the place of its own; subcharts keep theirs.
    #[must_use]
    pub fn with_values(&self, values: &Json) -> Self {
        let values = yaml::Data::from_value(&yaml::from_json(values));
        Self {
            values: Some(Arc::new(values)),
            ..self.clone()
        }
    }

    /// Returns the warning that Helm prints before it uses a deprecated chart.
    pub fn deprecation_warning(&self, compat: Compat) -> Option<&'static str> {
        self.metadata.deprecated.then_some(match compat {
            Compat::Helm3 => "WARNING: This chart is deprecated",
            Compat::Helm4 => r#"level=WARN msg="this chart is deprecated""#,
        })
    }

    /// Returns the JSON of the chart in a release record: `metadata`, `lock`, `templates`, `values`,
    /// `schema`, `files`; subcharts are not part of it.
    pub fn to_release_json(&self) -> Json {
        let files = |files: &[File]| match files {
            [] => Json::Null,
            files => files.iter().map(file_json).collect(),
        };
        json!({
            "metadata": self.metadata,
            "lock": self.lock,
            "templates": files(&self.templates),
            "values": self.values.as_ref().map(|values| yaml::to_json(&values.to_value())),
            "schema": self.schema.as_ref().map(|schema| STANDARD.encode(schema)),
            "files": files(&self.files),
        })
    }

    /// Returns the custom resource definitions of the chart and then of its subcharts.
    pub fn custom_resources(&self) -> Vec<CustomResource> {
        let mut found = Vec::new();
        self.collect_custom_resources(self.name(), &mut found);
        found
    }

    fn collect_custom_resources(&self, path: &str, found: &mut Vec<CustomResource>) {
        let is_manifest = |name: &str| {
            let extension = name.rsplit_once('.').map(|(_, extension)| extension);
            extension.is_some_and(|extension| {
                ["yaml", "yml", "json"]
                    .iter()
                    .any(|known| extension.eq_ignore_ascii_case(known))
            })
        };
        for file in &self.files {
            if file.name.starts_with("crds/") && is_manifest(&file.name) {
                found.push(CustomResource {
                    name: file.name.clone(),
                    path: format!("{path}/{}", file.name),
                    text: file.text(),
                });
            }
        }
        for child in &self.dependencies {
            let path = self.child_path(path, child);
            child.collect_custom_resources(&path, found);
        }
    }

    /// Returns the path of a subchart from the root chart, given the path of this chart.
    pub(crate) fn child_path(&self, path: &str, child: &Self) -> String {
        match (&self.name_before_alias, path.rsplit_once('/')) {
            (Some(name), Some((parent, _))) => format!("{parent}/{name}/charts/{}", child.name()),
            (Some(name), None) => format!("{name}/charts/{}", child.name()),
            (None, _) => format!("{path}/charts/{}", child.name()),
        }
    }

    /// Names what Chart.yaml declares and `charts/` lacks.
    ///
    /// # Errors
    /// Helm's text with the names; the hint is the command that fetches them.
    pub fn check_dependencies(&self) -> Result<(), MissingDependencies> {
        let has = |name: &str| self.dependencies.iter().any(|child| child.name() == name);
        let missing: Vec<&str> = self
            .metadata
            .dependencies
            .iter()
            .map(|dependency| dependency.name.as_str())
            .filter(|name| !has(name))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(MissingDependencies {
            names: missing.join(", "),
            compat: Compat::default(),
        })
    }
}

fn file_json(file: &File) -> Json {
    json!({ "name": file.name, "data": STANDARD.encode(&file.data) })
}

/// Subcharts are declared but not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} error occurred while checking for chart dependencies. You may need to run {quote}helm dependency build{quote} to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {names}",
    if *.compat == Compat::Helm3 { "An" } else { "an" },
    quote = if *.compat == Compat::Helm3 { '`' } else { '\'' }
)]
pub struct MissingDependencies {
    /// The names, separated by commas.
    pub names: String,
    /// Whose words the text has.
    pub compat: Compat,
}
