//! The one entry point: a chart and the user's values to everything that a release needs.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::Value as Json;
use template::{Map, Value, yaml::to_json};

use crate::{
    dependencies,
    model::{Chart, MissingDependencies},
    render::{RenderError, RenderOptions, Rendered, render, render_files},
    schema::{self, SchemaError},
    values::{Defaults, Mode, ValuesError, ValuesOptions, coalesce_with},
};

/// A chart that cannot become a release; nothing was changed anywhere.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{kind} charts are not installable")]
    NotInstallable { kind: String },
    #[error(transparent)]
    MissingDependencies(#[from] MissingDependencies),
    #[error(transparent)]
    Values(#[from] ValuesError),
    #[error("{0}")]
    Coalesce(String),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl Error {
    /// Tells whether Helm points to `--debug` for the rendered text behind this error.
    pub fn is_from_rendering(&self) -> bool {
        matches!(self, Self::Render(_))
    }
}

/// Renders a chart with the user's values: checks and processes dependencies, merges values,
/// validates them against the schemas, executes the templates and sorts what they give.
///
/// The chart is left as it is; [`Rendered::chart`] is the processed one. The function uses no
/// async runtime and is meant for a thread of its own (`spawn_blocking`); it may take as long as
/// `options.limits` allow.
///
/// # Errors
/// [`Error`] with Helm's wording.
pub fn template(
    chart: &Chart,
    values: &ValuesOptions,
    options: &RenderOptions,
) -> Result<Rendered, Error> {
    let mut warnings = Vec::new();
    let mut rendered = template_with_warnings(chart, values, options, &mut warnings)?;
    rendered.warnings = warnings;
    Ok(rendered)
}

/// As [`template`], with the warnings that came before an error.
///
/// # Errors
/// As [`template`].
pub fn template_with_warnings(
    chart: &Chart,
    values: &ValuesOptions,
    options: &RenderOptions,
    warnings: &mut Vec<String>,
) -> Result<Rendered, Error> {
    let Prepared {
        chart,
        values,
        config,
    } = prepare(chart, values, options, warnings)?;
    let mut rendered = render(&chart, &values, options, warnings)?;
    rendered.config = config;
    Ok(rendered)
}

/// Renders as [`template`], and returns the text of each template although it may be no YAML, which
/// `template --debug` shows.
///
/// # Errors
/// As [`template`], except for what only the result can be blamed for.
pub fn template_files(
    chart: &Chart,
    values: &ValuesOptions,
    options: &RenderOptions,
) -> Result<BTreeMap<String, String>, Error> {
    let prepared = prepare(chart, values, options, &mut Vec::new())?;
    let mut files =
        render_files(&prepared.chart, &prepared.values, options).map_err(RenderError::from)?;
    files.retain(|path, text| !path.ends_with("NOTES.txt") && !text.trim().is_empty());
    Ok(files)
}

/// What rendering starts from.
struct Prepared {
    chart: Chart,
    values: Map,
    config: Json,
}

fn prepare(
    chart: &Chart,
    values: &ValuesOptions,
    options: &RenderOptions,
    warnings: &mut Vec<String>,
) -> Result<Prepared, Error> {
    warnings.extend(chart.warnings.iter().cloned());
    let given = values.merge_with(warnings)?;
    let kind = &chart.metadata.chart_type;
    if !matches!(kind.as_str(), "" | "application") {
        return Err(Error::NotInstallable { kind: kind.clone() });
    }
    chart
        .check_dependencies()
        .map_err(|missing| MissingDependencies {
            compat: options.compat,
            ..missing
        })?;
    let config = to_json(&Value::Map(Rc::clone(&given)));
    let mut chart = chart.clone();
    let (defaults, compat) = (Defaults::default(), options.compat);
    dependencies::process_with(&defaults, &mut chart, &given, Mode::Merge, compat, warnings)
        .map_err(Error::Coalesce)?;
    let all = coalesce_with(&defaults, &chart, &given, Mode::Coalesce, compat, warnings)
        .map_err(Error::Coalesce)?;
    if !options.skip_schema_validation {
        schema::validate(&chart, &all)?;
    }
    Ok(Prepared {
        chart,
        values: all,
        config,
    })
}
