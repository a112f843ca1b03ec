//! `Chart.yaml` and `Chart.lock`: their fields, how YAML becomes them, and what Helm refuses.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;
use template::yaml::{self, Data, YamlError};

/// The fields of a Chart.yaml, in the order and with the omissions of Helm's release records.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Maintainer>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    #[serde(skip_serializing_if = "is_false")]
    pub deprecated: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub chart_type: String,
    /// Whether Chart.yaml has the list of dependencies, even an empty one, which Go tells apart.
    #[serde(skip)]
    pub lists_dependencies: bool,
    /// Whether Chart.yaml has annotations, even none, which Go tells apart.
    #[serde(skip)]
    pub lists_annotations: bool,
    /// A null stands among the dependencies, which validation refuses.
    #[serde(skip)]
    pub has_null_dependency: bool,
    /// A null stands among the maintainers, which validation refuses.
    #[serde(skip)]
    pub has_null_maintainer: bool,
}

/// A person or team that keeps a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Maintainer {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// A subchart that a chart declares.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Dependency {
    pub name: String,
    /// A version or a range of versions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    pub repository: String,
    /// Comma-separated paths into the values; the first that holds a boolean decides.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub enabled: bool,
    /// Texts (names under `exports`) or `{child, parent}` pairs.
    #[serde(rename = "import-values", skip_serializing_if = "Vec::is_empty")]
    pub import_values: Vec<Json>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

/// The versions that `dependency update` settled on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lock {
    /// RFC 3339.
    pub generated: String,
    pub digest: String,
    /// `null` in the record when the file names none.
    pub dependencies: Option<Vec<Dependency>>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Metadata {
    /// Applies a Chart.yaml or a requirements.yaml; fields that the text lacks are kept.
    ///
    /// # Errors
    /// Text that is not YAML, or a field of the wrong kind, in Go's words.
    pub fn apply(&mut self, text: &str) -> Result<(), YamlError> {
        let data = yaml::parse_data(text)?;
        if data == Data::Null {
            return Ok(());
        }
        self.apply_data(&data)
    }

    /// Reads the kind of chart alone, as Helm v4 does before it chooses how to load it.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub(crate) fn kind(text: &str) -> Result<String, YamlError> {
        let data = yaml::parse_data(text)?;
        let mut kind = String::new();
        if data != Data::Null {
            Fields::of(&data, "chartBase", "loader.chartBase")?.text("apiVersion", &mut kind)?;
        }
        Ok(kind)
    }

    /// Applies fields that were read already, such as those of an entry of an index.
    ///
    /// # Errors
    /// A field of the wrong kind, in Go's words.
    pub(crate) fn apply_data(&mut self, data: &Data) -> Result<(), YamlError> {
        // Go reports the first mistake in the order of the JSON, whose keys are sorted.
        let fields = Fields::of(data, "Metadata", "chart.Metadata")?;
        self.lists_annotations |= fields.text_map("annotations", &mut self.annotations)?;
        fields.text("apiVersion", &mut self.api_version)?;
        fields.text("appVersion", &mut self.app_version)?;
        fields.text("condition", &mut self.condition)?;
        if let Some(dependencies) = fields.structs("dependencies", "Dependency")? {
            self.lists_dependencies = true;
            self.has_null_dependency = dependencies.iter().any(Option::is_none);
            let read = dependencies.iter().flatten().map(Dependency::from_fields);
            self.dependencies = read.collect::<Result<_, _>>()?;
        }
        fields.flag("deprecated", &mut self.deprecated)?;
        fields.text("description", &mut self.description)?;
        fields.text("home", &mut self.home)?;
        fields.text("icon", &mut self.icon)?;
        fields.texts("keywords", &mut self.keywords)?;
        fields.text("kubeVersion", &mut self.kube_version)?;
        if let Some(maintainers) = fields.structs("maintainers", "Maintainer")? {
            self.has_null_maintainer = maintainers.iter().any(Option::is_none);
            let read = maintainers.iter().flatten().map(Maintainer::from_fields);
            self.maintainers = read.collect::<Result<_, _>>()?;
        }
        fields.text("name", &mut self.name)?;
        fields.texts("sources", &mut self.sources)?;
        fields.text("tags", &mut self.tags)?;
        fields.text("type", &mut self.chart_type)?;
        fields.text("version", &mut self.version)
    }

    /// Cleans the texts and refuses what Helm refuses.
    ///
    /// # Errors
    /// Helm's text, `validation: chart.metadata.name is required` and its like.
    pub fn validate(&mut self) -> Result<(), String> {
        for text in [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ] {
            sanitize(text);
        }
        self.sources.iter_mut().for_each(sanitize);
        self.keywords.iter_mut().for_each(sanitize);
        self.validate_identity()?;
        if self.has_null_maintainer {
            return invalid("maintainers must not contain empty or null nodes");
        }
        if self.has_null_dependency {
            return invalid("dependencies must not contain empty or null nodes");
        }
        for maintainer in &mut self.maintainers {
            sanitize(&mut maintainer.name);
            sanitize(&mut maintainer.email);
            sanitize(&mut maintainer.url);
        }
        let mut names = std::collections::BTreeSet::new();
        for dependency in &mut self.dependencies {
            dependency.validate()?;
            let name = dependency.effective_name();
            if !names.insert(name.to_owned()) {
                return invalid(&format!(
                    "more than one dependency with name or alias {name:?}"
                ));
            }
        }
        Ok(())
    }

    fn validate_identity(&self) -> Result<(), String> {
        if self.api_version.is_empty() {
            return invalid("chart.metadata.apiVersion is required");
        }
        if self.name.is_empty() {
            return invalid("chart.metadata.name is required");
        }
        if self.name == "." || self.name == ".." {
            return invalid(&format!(
                "chart.metadata.name {:?} is not allowed",
                self.name
            ));
        }
        if self.name.contains('/') {
            return invalid(&format!("chart.metadata.name {:?} is invalid", self.name));
        }
        if self.version.is_empty() {
            return invalid("chart.metadata.version is required");
        }
        if !crate::version::is_valid(&self.version) {
            return invalid(&format!(
                "chart.metadata.version {:?} is invalid",
                self.version
            ));
        }
        if !matches!(self.chart_type.as_str(), "" | "application" | "library") {
            return invalid("chart.metadata.type must be application or library");
        }
        Ok(())
    }

    /// Tells whether the chart only lends definitions to others.
    pub fn is_library(&self) -> bool {
        self.chart_type.eq_ignore_ascii_case("library")
    }
}

fn invalid(message: &str) -> Result<(), String> {
    Err(format!("validation: {message}"))
}

impl Maintainer {
    fn from_fields(fields: &Fields<'_>) -> Result<Self, YamlError> {
        let mut maintainer = Self::default();
        fields.text("email", &mut maintainer.email)?;
        fields.text("name", &mut maintainer.name)?;
        fields.text("url", &mut maintainer.url)?;
        Ok(maintainer)
    }
}

impl Dependency {
    fn from_fields(fields: &Fields<'_>) -> Result<Self, YamlError> {
        let mut dependency = Self::default();
        fields.text("alias", &mut dependency.alias)?;
        fields.text("condition", &mut dependency.condition)?;
        fields.flag("enabled", &mut dependency.enabled)?;
        if let Some(items) = fields.list("import-values", "[]interface {}")? {
            let to_json = |item: &Data| yaml::to_json(&item.to_value());
            dependency.import_values = items.iter().map(to_json).collect();
        }
        fields.text("name", &mut dependency.name)?;
        fields.text("repository", &mut dependency.repository)?;
        fields.texts("tags", &mut dependency.tags)?;
        fields.text("version", &mut dependency.version)?;
        Ok(dependency)
    }

    /// The name under which the parent sees the subchart.
    pub fn effective_name(&self) -> &str {
        if self.alias.is_empty() {
            &self.name
        } else {
            &self.alias
        }
    }

    fn validate(&mut self) -> Result<(), String> {
        for text in [
            &mut self.name,
            &mut self.version,
            &mut self.repository,
            &mut self.condition,
        ] {
            sanitize(text);
        }
        self.tags.iter_mut().for_each(sanitize);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if self.alias.chars().all(allowed) {
            return Ok(());
        }
        invalid(&format!(
            "dependency {:?} has disallowed characters in the alias",
            self.name
        ))
    }
}

impl Lock {
    /// Reads a Chart.lock or requirements.lock.
    ///
    /// # Errors
    /// As [`Metadata::apply`].
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        let data = yaml::parse_data(text)?;
        let mut lock = Self {
            generated: "0001-01-01T00:00:00Z".to_owned(),
            digest: String::new(),
            dependencies: None,
        };
        if data == Data::Null {
            return Ok(lock);
        }
        let fields = Fields::of(&data, "Lock", "chart.Lock")?;
        if let Some(dependencies) = fields.structs("dependencies", "Dependency")? {
            let read = dependencies.iter().flatten().map(Dependency::from_fields);
            lock.dependencies = Some(read.collect::<Result<_, _>>()?);
        }
        fields.text("digest", &mut lock.digest)?;
        if let Some(data) = fields.get("generated") {
            let Data::Text(text) = data else {
                let message = "Time.UnmarshalJSON: input is not a JSON string";
                return Err(YamlError::refused_by_type(message.to_owned()));
            };
            template::check_time(text).map_err(YamlError::refused_by_type)?;
            lock.generated.clone_from(text);
        }
        lock.generated = shorten_fraction(&lock.generated);
        Ok(lock)
    }
}

/// Go prints a time without the trailing zeros of its fraction. What is no time stays as it is.
pub fn shorten_fraction(time: &str) -> String {
    let Some((seconds, rest)) = time.split_once('.') else {
        return time.to_owned();
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let fraction = rest[..digits].trim_end_matches('0');
    let zone = &rest[digits..];
    if !zone.starts_with(['Z', '+', '-']) || zone.contains('.') {
        return time.to_owned();
    }
    if fraction.is_empty() {
        format!("{seconds}{zone}")
    } else {
        format!("{seconds}.{fraction}{zone}")
    }
}

/// Replaces white space by spaces and drops what cannot be printed.
fn sanitize(text: &mut String) {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control()) {
        return;
    }
    *text = text
        .chars()
        .filter_map(|character| match character {
            character if character.is_whitespace() => Some(' '),
            character => template::is_printable(character).then_some(character),
        })
        .collect();
}

/// A mapping that is read into a struct, with the names that Go's error texts have for it.
pub(crate) struct Fields<'data> {
    data: &'data Data,
    /// The struct, then the fields that lead to it: `Dependency.dependencies`.
    go_path: String,
}

impl<'data> Fields<'data> {
    pub(crate) fn of(data: &'data Data, go_name: &str, go_type: &str) -> Result<Self, YamlError> {
        match data {
            Data::Map(_) => Ok(Self {
                data,
                go_path: go_name.to_owned(),
            }),
            other => Err(YamlError::wrong_kind(other.json_kind(), go_type)),
        }
    }

    /// The field of that name; Go takes another case of the letters where the name itself is absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'data Data> {
        let found = self.data.get(name).or_else(|| match self.data {
            Data::Map(entries) => entries
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value),
            _ => None,
        });
        found.filter(|data| **data != Data::Null)
    }

    pub(crate) fn wrong(&self, name: &str, data: &Data, go_type: &str) -> YamlError {
        let field = format!("{}.{name}", self.go_path);
        YamlError::wrong_field(data.json_kind(), &field, go_type)
    }

    pub(crate) fn text(&self, name: &str, target: &mut String) -> Result<(), YamlError> {
        if let Some(data) = self.get(name) {
            *target = data
                .to_text()
                .ok_or_else(|| self.wrong(name, data, "string"))?;
        }
        Ok(())
    }

    pub(crate) fn flag(&self, name: &str, target: &mut bool) -> Result<(), YamlError> {
        match self.get(name) {
            None => Ok(()),
            Some(Data::Bool(flag)) => {
                *target = *flag;
                Ok(())
            }
            Some(other) => Err(self.wrong(name, other, "bool")),
        }
    }

    pub(crate) fn texts(&self, name: &str, target: &mut Vec<String>) -> Result<(), YamlError> {
        if let Some(items) = self.list(name, "[]string")? {
            let text = |data: &Data| {
                data.to_text()
                    .ok_or_else(|| self.wrong(name, data, "string"))
            };
            *target = items.iter().map(text).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    fn list(&self, name: &str, go_type: &str) -> Result<Option<&'data [Data]>, YamlError> {
        match self.get(name) {
            None => Ok(None),
            Some(Data::List(items)) => Ok(Some(items)),
            Some(other) => Err(self.wrong(name, other, go_type)),
        }
    }

    /// The items of a list, each read by `read`.
    pub(crate) fn items<T>(
        &self,
        name: &str,
        target: &mut Vec<T>,
        read: impl Fn(&Data) -> Result<T, YamlError>,
    ) -> Result<(), YamlError> {
        if let Some(items) = self.list(name, "[]interface {}")? {
            *target = items.iter().map(read).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    /// The items of a list of structs; `None` for a null among them.
    fn structs(
        &self,
        name: &str,
        go_name: &str,
    ) -> Result<Option<Vec<Option<Fields<'data>>>>, YamlError> {
        let Some(items) = self.list(name, &format!("[]*chart.{go_name}"))? else {
            return Ok(None);
        };
        let read = |item: &'data Data| match item {
            Data::Null => Ok(None),
            Data::Map(_) => Ok(Some(Fields {
                data: item,
                go_path: format!("{go_name}.{name}"),
            })),
            other => Err(self.wrong(name, other, &format!("chart.{go_name}"))),
        };
        items.iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// Tells whether the map is there.
    pub(crate) fn text_map(
        &self,
        name: &str,
        target: &mut BTreeMap<String, String>,
    ) -> Result<bool, YamlError> {
        match self.get(name) {
            None => Ok(false),
            Some(Data::Map(entries)) => {
                for (key, value) in entries {
                    let text = value
                        .to_text()
                        .ok_or_else(|| self.wrong(name, value, "string"))?;
                    target.insert(key.clone(), text);
                }
                Ok(true)
            }
            Some(other) => Err(self.wrong(name, other, "map[string]string")),
        }
    }
}
