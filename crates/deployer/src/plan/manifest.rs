//! Reads the YAML of a manifest, rendered just now or kept in a record, into objects.

use serde_json::Value;
use template::yaml::{self, Data};
use thiserror::Error;

use super::PlanError;
use crate::cluster::{ObjectId, object_id};

/// One object of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestObject {
    /// Which object it is.
    pub id: ObjectId,
    /// The object as the chart describes it.
    pub value: Value,
    /// The template that it came from, by its `# Source:` comment.
    pub source: Option<String>,
}

/// Why a manifest cannot be read.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// A document is not YAML.
    #[error("document {number}{} is not valid YAML: {message}", from_template(.template.as_deref()))]
    Yaml {
        number: usize,
        template: Option<String>,
        message: String,
    },
    /// A document has no kind, version or name.
    #[error("document {number}{} is not an object: `apiVersion`, `kind` and `metadata.name` must be set", from_template(.template.as_deref()))]
    NotAnObject {
        number: usize,
        template: Option<String>,
    },
}

fn from_template(template: Option<&str>) -> String {
    template
        .map(|template| format!(" (from `{template}`)"))
        .unwrap_or_default()
}

/// Reads every object of a YAML stream as [`read_manifest`] does; an error calls the stream `what`.
///
/// # Errors
/// [`PlanError::Manifest`].
pub fn read_manifest_of(text: &str, what: &str) -> Result<Vec<ManifestObject>, PlanError> {
    read_manifest(text).map_err(|source| PlanError::Manifest {
        what: what.to_owned(),
        source,
    })
}

/// Reads every object of a YAML stream, in order; lists are taken apart, empty documents skipped.
///
/// # Errors
/// Names the document and its template.
pub fn read_manifest(text: &str) -> Result<Vec<ManifestObject>, ManifestError> {
    let mut objects = Vec::new();
    for (index, document) in split_documents(text).into_iter().enumerate() {
        let number = index + 1;
        let template = document
            .lines()
            .find_map(|line| line.strip_prefix("# Source: "))
            .map(|line| line.trim().to_owned());
        let value = read_yaml(document).map_err(|message| ManifestError::Yaml {
            number,
            template: template.clone(),
            message,
        })?;
        if value.is_null() {
            continue;
        }
        for value in flatten_list(value) {
            let id = object_id(&value).ok_or_else(|| ManifestError::NotAnObject {
                number,
                template: template.clone(),
            })?;
            objects.push(ManifestObject {
                id,
                value,
                source: template.clone(),
            });
        }
    }
    Ok(objects)
}

/// Splits at lines that begin with `---`; what follows on such a line but a comment stays.
fn split_documents(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut position = 0;
    for line in text.split_inclusive('\n') {
        let rest = line.trim_end();
        if rest == "---" || rest.starts_with("--- ") {
            documents.push(&text[start..position]);
            start = position + 3;
        }
        position += line.len();
    }
    documents.push(&text[start..]);
    documents.retain(|document| !document.trim().is_empty());
    documents
}

fn flatten_list(value: Value) -> Vec<Value> {
    let is_list = value
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    match value {
        Value::Object(mut fields)
            if is_list && fields.get("items").is_some_and(Value::is_array) =>
        {
            match fields.remove("items") {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            }
        }
        other => vec![other],
    }
}

/// Reads one YAML document as Helm reads it (YAML 1.1); an empty one is null.
///
/// # Errors
/// The parser's own words, with the line.
pub fn read_yaml(text: &str) -> Result<Value, String> {
    yaml::parse_data(text)
        .map(json)
        .map_err(|error| error.to_string())
}

/// Writes a value as YAML, as Helm writes it: keys sorted.
pub fn write_yaml(value: &Value) -> String {
    yaml::emit(&yaml::from_json(value))
}

fn json(data: Data) -> Value {
    match data {
        Data::Null => Value::Null,
        Data::Bool(flag) => flag.into(),
        Data::Int(number) => number.into(),
        Data::Uint(number) => number.into(),
        Data::Float(number) => number.into(),
        Data::Text(text) => text.into(),
        Data::List(items) => items.into_iter().map(json).collect(),
        Data::Map(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, json(value)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_taken_apart_with_the_template_of_each_object() {
        let text = "---\n# Source: web/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n\
                    data:\n  text: |\n    --- not a separator\n---\n# only a comment\n---\napiVersion: v1\nkind: List\nitems:\n\
                    - {apiVersion: v1, kind: Secret, metadata: {name: b}}\n- {apiVersion: v1, kind: Secret, metadata: {name: c, namespace: x}}\n";
        let objects = read_manifest(text).unwrap();
        let names: Vec<_> = objects
            .iter()
            .map(|object| (object.id.kind.as_str(), object.id.name.as_str()))
            .collect();
        assert_eq!(
            names,
            [("ConfigMap", "a"), ("Secret", "b"), ("Secret", "c")]
        );
        assert_eq!(objects[0].source.as_deref(), Some("web/templates/a.yaml"));
        assert_eq!(objects[0].value["data"]["text"], "--- not a separator\n");
        assert_eq!(objects[2].id.namespace.as_deref(), Some("x"));
    }

    #[test]
    fn a_document_without_a_name_is_an_error_that_names_its_template() {
        let error =
            read_manifest("# Source: web/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\n")
                .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("document 1 (from `web/templates/a.yaml`)"),
            "{error}"
        );
    }
}
