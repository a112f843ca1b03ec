//! The rules for values.yaml.
//!
//! Source: Helm v3.22 pkg/lint/rules/values.go.

use template::{
    Compat, Map, Value,
    yaml::{self, Data, YamlError},
};

use super::{Findings, LintOptions, Severity, Sources};
use crate::{
    schema,
    values::{Mode, coalesce_tables, deep_copy_map},
};

const PATH: &str = "values.yaml";

pub(super) fn check(
    sources: &Sources,
    overrides: &Map,
    options: &LintOptions,
    findings: &mut Findings,
) {
    let Some(file) = &sources.values else {
        findings.add(Severity::Info, PATH, "file does not exist");
        return;
    };
    let mut warnings = Vec::new();
    let result = fits(sources, file, overrides, options, &mut warnings);
    findings.warnings.append(&mut warnings);
    findings.check(Severity::Error, PATH, result);
}

/// Only the chart's own values are held against its schema: those of subcharts are not.
fn fits(
    sources: &Sources,
    file: &Result<String, String>,
    overrides: &Map,
    options: &LintOptions,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    let unreadable = |problem: &str| format!("unable to parse YAML: {problem}");
    let is_helm4 = options.compat == Compat::Helm4;
    let go_type = if is_helm4 {
        "common.Values"
    } else {
        "chartutil.Values"
    };
    let text = file.as_ref().map_err(|problem| unreadable(problem))?;
    let defaults = match yaml::parse_data(text) {
        Ok(Data::Null) => Map::default(),
        Ok(data @ Data::Map(_)) => data.to_value().as_map().unwrap_or_default(),
        Ok(other) => {
            let error = YamlError::wrong_kind(other.json_kind(), go_type);
            return Err(unreadable(&error.to_string()));
        }
        Err(error) => return Err(unreadable(&error.to_string())),
    };
    let Some(schema) = sources.schema.as_ref().filter(|schema| !schema.is_empty()) else {
        return Ok(());
    };
    let all = deep_copy_map(overrides);
    coalesce_tables(&all, &defaults, Mode::Coalesce, warnings);
    if is_helm4 && options.skip_schema_validation {
        return Ok(());
    }
    schema::validate_one(schema, &yaml::to_json(&Value::Map(all)))
}
