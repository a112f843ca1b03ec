//! values.schema.json: whether values fit it, and Helm's text when they do not.
//!
//! The crate `jsonschema` decides; `explain` then finds the words that Helm's own library has for it,
//! walking the schema in that library's order. Nothing is fetched from the network.

mod compare;
mod explain;
mod words;

use serde_json::Value as Json;
use template::{Map, Value, yaml};

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
/// One line for each mistake, such as `- at '/age': minimum: got -5, want 0`.
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
    let validator = jsonschema::options().build(&schema).map_err(|error| {
        format!("\"file:///values.schema.json#\" is not valid against metaschema: {error}\n")
    })?;
    if validator.is_valid(values) {
        return Ok(());
    }
    if let Some(text) = explain::explain(&schema, values) {
        return Err(format!("{text}\n"));
    }
    // A keyword that `explain` does not know: the crate's own words, one line for each mistake.
    let lines: Vec<String> = validator
        .iter_errors(values)
        .map(|error| format!("- at '{}': {error}", error.instance_path()))
        .collect();
    Err(format!("{}\n", lines.join("\n")))
}
