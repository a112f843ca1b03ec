//! What is read of a manifest before it is applied.

use std::collections::BTreeMap;

use template::yaml::{self, Data, YamlError};

/// The identity and the annotations of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub namespace: String,
    pub annotations: BTreeMap<String, String>,
}

impl Head {
    /// Reads the head of one YAML document; what is absent is empty.
    ///
    /// # Errors
    /// Text that is not YAML, or a field of another kind, in Go's words.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        let data = yaml::parse_data(text)?;
        let mut head = Self::default();
        match &data {
            Data::Null => return Ok(head),
            Data::Map(_) => {}
            other => {
                return Err(YamlError::wrong_kind(
                    other.json_kind(),
                    "releaseutil.SimpleHead",
                ));
            }
        }
        head.api_version = text_of(field(&data, "apiVersion"), "SimpleHead.apiVersion")?;
        head.kind = text_of(field(&data, "kind"), "SimpleHead.kind")?;
        match field(&data, "metadata") {
            None | Some(Data::Null) => {}
            Some(metadata @ Data::Map(_)) => head.apply_metadata(metadata)?,
            Some(other) => {
                return Err(YamlError::wrong_field(
                    other.json_kind(),
                    "SimpleHead.metadata",
                    "struct { Name string \"json:\\\"name\\\"\"; Annotations map[string]string \"json:\\\"annotations\\\"\" }",
                ));
            }
        }
        Ok(head)
    }

    fn apply_metadata(&mut self, metadata: &Data) -> Result<(), YamlError> {
        match field(metadata, "annotations") {
            None | Some(Data::Null) => {}
            Some(Data::Map(entries)) => {
                for (key, value) in entries {
                    let text = text_of(Some(value), ".metadata.annotations")?;
                    self.annotations.insert(key.clone(), text);
                }
            }
            Some(other) => {
                return Err(YamlError::wrong_field(
                    other.json_kind(),
                    ".metadata.annotations",
                    "map[string]string",
                ));
            }
        }
        self.name = text_of(field(metadata, "name"), ".metadata.name")?;
        self.namespace = metadata
            .get("namespace")
            .and_then(Data::to_text)
            .unwrap_or_default();
        Ok(())
    }
}

/// The field of that name, else one whose name differs in the case of its letters, as Go takes it.
fn field<'data>(data: &'data Data, name: &str) -> Option<&'data Data> {
    data.get(name).or_else(|| match data {
        Data::Map(entries) => entries
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value),
        _ => None,
    })
}

fn text_of(data: Option<&Data>, field: &str) -> Result<String, YamlError> {
    match data {
        None => Ok(String::new()),
        Some(data) => data
            .to_text()
            .ok_or_else(|| YamlError::wrong_field(data.json_kind(), field, "string")),
    }
}
