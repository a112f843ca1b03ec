//! Which subcharts take part, under which names, and what they lend their parents.
//!
//! Source: Helm v3 pkg/chartutil/dependencies.go.

use std::rc::Rc;

use serde_json::{Value as Json, json};
use template::{Compat, Map, Value};

use crate::{
    model::Chart,
    values::{Defaults, Mode, coalesce_tables, coalesce_with, deep_copy_map, path_value, table},
    version::is_compatible,
};

/// Applies aliases, tags, conditions and import-values to a chart and all below it.
///
/// `mode` is [`Mode::Merge`] for installs, upgrades and `template`; [`Mode::Coalesce`] drops nulls
/// while values are imported.
///
/// # Errors
/// A value under a subchart's name that is no map.
pub fn process(
    chart: &mut Chart,
    values: &Map,
    mode: Mode,
    compat: Compat,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    process_with(&Defaults::default(), chart, values, mode, compat, warnings)
}

/// As [`process`], with what is known of the charts' defaults.
pub(crate) fn process_with(
    defaults: &Defaults,
    chart: &mut Chart,
    values: &Map,
    mode: Mode,
    compat: Compat,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    enable(defaults, chart, values, "", compat, warnings)?;
    import(defaults, chart, mode, compat, warnings)
}

fn enable(
    defaults: &Defaults,
    chart: &mut Chart,
    values: &Map,
    path: &str,
    compat: Compat,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    if !chart.metadata.lists_dependencies {
        return Ok(());
    }
    chart.dependencies = declared_and_others(chart, compat);
    for dependency in &mut chart.metadata.dependencies {
        if !dependency.alias.is_empty() {
            dependency.name.clone_from(&dependency.alias);
        }
        dependency.enabled = true;
    }
    let all = coalesce_with(defaults, chart, values, Mode::Coalesce, compat, warnings)?;
    apply_tags(chart, &all, warnings);
    apply_conditions(chart, &all, path, warnings);
    let disabled: Vec<String> = chart
        .metadata
        .dependencies
        .iter()
        .filter(|dependency| !dependency.enabled)
        .map(|dependency| dependency.name.clone())
        .collect();
    let is_enabled = |name: &str| !disabled.iter().any(|disabled| disabled == name);
    chart.dependencies.retain(|child| is_enabled(child.name()));
    chart
        .metadata
        .dependencies
        .retain(|dependency| is_enabled(&dependency.name));
    chart.metadata.lists_dependencies = !chart.metadata.dependencies.is_empty();
    for child in &mut chart.dependencies {
        let path = format!("{path}{}.", child.name());
        enable(defaults, child, &all, &path, compat, warnings)?;
    }
    Ok(())
}

/// Subcharts that nothing declares come first, then one for each declaration, under its alias.
fn declared_and_others(chart: &Chart, compat: Compat) -> Vec<Chart> {
    let fits = |dependency: &crate::metadata::Dependency, child: &Chart| {
        child.name() == dependency.name
            && is_compatible(&dependency.version, &child.metadata.version)
    };
    let declared = &chart.metadata.dependencies;
    let mut children: Vec<Chart> = chart
        .dependencies
        .iter()
        .filter(|child| !declared.iter().any(|dependency| fits(dependency, child)))
        .cloned()
        .collect();
    for dependency in declared {
        let Some(child) = chart
            .dependencies
            .iter()
            .find(|child| fits(dependency, child))
        else {
            continue;
        };
        let mut child = child.clone();
        if !dependency.alias.is_empty() {
            // In Helm v3 the child's subcharts keep the paths that they had, unless it has a list of its
            // own, even an empty one; Helm v4 copies them.
            if !child.metadata.lists_dependencies && compat == Compat::Helm3 {
                child.name_before_alias = Some(child.metadata.name.clone());
            }
            child.metadata.name.clone_from(&dependency.alias);
        }
        children.push(child);
    }
    children
}

fn apply_tags(chart: &mut Chart, values: &Map, warnings: &mut Vec<String>) {
    let Ok(tags) = table(values, "tags") else {
        return;
    };
    for dependency in &mut chart.metadata.dependencies {
        let (mut any_true, mut any_false) = (false, false);
        for tag in &dependency.tags {
            match tags.borrow().get(tag.as_str()) {
                Some(Value::Bool(true)) => any_true = true,
                Some(Value::Bool(false)) => any_false = true,
                Some(_) => warnings.push(format!(
                    "Warning: Tag '{tag}' for chart {} returned non-bool value",
                    dependency.name
                )),
                None => {}
            }
        }
        dependency.enabled = any_true || !any_false;
    }
}

fn apply_conditions(chart: &mut Chart, values: &Map, path: &str, warnings: &mut Vec<String>) {
    for dependency in &mut chart.metadata.dependencies {
        for condition in dependency.condition.trim().split(',') {
            if condition.is_empty() {
                continue;
            }
            match path_value(values, &format!("{path}{condition}")) {
                Some(Value::Bool(enabled)) => {
                    dependency.enabled = enabled;
                    break;
                }
                Some(_) => warnings.push(format!(
                    "Warning: Condition path '{condition}' for chart {} returned non-bool value",
                    dependency.name
                )),
                None => {}
            }
        }
    }
}

/// Imports values from subcharts into their parents, the deepest first.
fn import(
    defaults: &Defaults,
    chart: &mut Chart,
    mode: Mode,
    compat: Compat,
    warnings: &mut Vec<String>,
) -> Result<(), String> {
    for child in &mut chart.dependencies {
        import(defaults, child, mode, compat, warnings)?;
    }
    if !chart.metadata.lists_dependencies {
        return Ok(());
    }
    let all = coalesce_with(defaults, chart, &Map::default(), mode, compat, warnings)?;
    let imported = Map::default();
    for dependency in &mut chart.metadata.dependencies {
        let name = dependency.name.clone();
        let mut seen = Vec::new();
        for item in std::mem::take(&mut dependency.import_values) {
            let Some(source) = Source::of(&item) else {
                continue;
            };
            seen.push(json!({ "child": source.child, "parent": source.parent }));
            match table(&all, &format!("{name}.{}", source.child)) {
                Ok(found) => {
                    let nested = nest(&source.parent, &found);
                    coalesce_tables(&imported, &nested, mode, warnings);
                }
                Err(missing) if source.is_export => warnings.push(format!(
                    "Warning: ImportValues missing table: {missing:?} is not a table"
                )),
                Err(missing) => warnings.push(format!(
                    "Warning: ImportValues missing table from chart {name}: {missing:?} is not a table"
                )),
            }
        }
        dependency.import_values = seen;
    }
    // The parent's own values win over what it imports.
    let own = match mode {
        Mode::Merge => deep_copy_map(&all),
        Mode::Coalesce => without_nulls(&all),
    };
    coalesce_tables(&own, &imported, mode, warnings);
    chart.values = Some(defaults.keep(own));
    Ok(())
}

/// One entry of import-values.
struct Source {
    child: String,
    parent: String,
    is_export: bool,
}

impl Source {
    fn of(item: &Json) -> Option<Self> {
        match item {
            Json::String(name) => Some(Self {
                child: format!("exports.{name}"),
                parent: ".".to_owned(),
                is_export: true,
            }),
            Json::Object(entry) => {
                let text = |key: &str| match entry.get(key) {
                    None | Some(Json::Null) => "<nil>".to_owned(),
                    Some(Json::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                };
                Some(Self {
                    child: text("child"),
                    parent: text("parent"),
                    is_export: false,
                })
            }
            _ => None,
        }
    }
}

/// Puts a map below a dotted path; `.` is the root.
fn nest(path: &str, map: &Map) -> Map {
    if path == "." {
        return Rc::clone(map);
    }
    path.rsplit('.').fold(Rc::clone(map), |inner, name| {
        let outer = Map::default();
        outer.borrow_mut().insert(Rc::from(name), Value::Map(inner));
        outer
    })
}

fn without_nulls(map: &Map) -> Map {
    let kept = Map::default();
    for (key, value) in map.borrow().iter() {
        let value = match value {
            Value::Nil => continue,
            Value::Map(inner) => Value::Map(without_nulls(inner)),
            other => crate::values::deep_copy(other),
        };
        kept.borrow_mut().insert(Rc::clone(key), value);
    }
    kept
}
