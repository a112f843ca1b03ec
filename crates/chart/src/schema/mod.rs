//! values.schema.json: whether values fit it, and Helm's text when they do not.
//!
//! Validation follows Helm's own library, whose texts name each mistake in its order; the crate
//! `jsonschema` answers for formats, patterns and divisors. Nothing is fetched from the network.

mod compare;
mod document;
mod formats;
mod keywords;
mod meta;
mod mistake;
mod place;
mod validate;
mod words;

use serde_json::Value as Json;
use template::{Map, Value, yaml};

use self::document::Document;
use crate::model::Chart;

/// Values that do not fit the schema of a chart or of a subchart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "values don't meet the specifications of the schema(s) in the following chart(s):\n{report}"
)]
pub struct SchemaError {
    /// For each chart its name, a colon, and one line for each mistake.
    pub report: String,
}

/// Validates coalesced values against the schemas of a chart and its subcharts.
///
/// # Errors
/// [`SchemaError`] in Helm's words; a schema that is itself wrong is reported the same way.
pub fn validate(chart: &Chart, values: &Map) -> Result<(), SchemaError> {
    let mut report = String::new();
    collect(chart, values, &mut report);
    if report.is_empty() {
        Ok(())
    } else {
        Err(SchemaError { report })
    }
}

fn collect(chart: &Chart, values: &Map, report: &mut String) {
    if let Some(schema) = &chart.schema {
        let json = yaml::to_json(&Value::Map(values.clone()));
        if let Err(problem) = validate_one(schema, &json) {
            report.push_str(&format!("{}:\n{problem}", chart.name()));
        }
    }
    for child in &chart.dependencies {
        let inner = values.borrow().get(child.name()).cloned();
        match inner {
            None | Some(Value::Nil) => {}
            Some(Value::Map(inner)) => collect(child, &inner, report),
            Some(other) => report.push_str(&format!(
                "{}:\ninvalid type for values: expected object (map), got {}\n",
                child.name(),
                other.type_name()
            )),
        }
    }
}

/// Validates values against the text of one schema.
///
/// # Errors
/// One line for each mistake, such as `- at '/age': minimum: got -5, want 0`; or what is wrong with
/// the schema itself.
pub fn validate_one(schema: &[u8], values: &Json) -> Result<(), String> {
    let schema: Json = serde_json::from_slice(schema).map_err(|error| {
        let go = template::json_error(&String::from_utf8_lossy(schema));
        match go.as_deref() {
            // Go reads schemas from a stream, where the end has another name.
            Some("unexpected end of JSON input") if schema.trim_ascii().is_empty() => "EOF".into(),
            Some("unexpected end of JSON input") => "unexpected EOF".into(),
            _ => go.unwrap_or_else(|| error.to_string()),
        }
    })?;
    if let Some(problem) = meta::unknown(&schema) {
        return Err(problem);
    }
    let document = Document::new(&schema);
    let meta = Document::meta(document.draft);
    validate::validate(&meta, meta.top(), &schema).map_err(|mistake| {
        format!(
            "\"file:///values.schema.json#\" is not valid against metaschema: jsonschema validation failed with '{}'\n{}",
            meta::url(document.draft),
            mistake.report()
        )
    })?;
    document.check_references()?;
    validate::validate(&document, document.top(), values)
        .map_err(|mistake| format!("{}\n", mistake.report()))
}
