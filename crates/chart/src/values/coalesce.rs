//! How the values of the user, of a chart and of its subcharts become one map.
//!
//! Source: Helm v3 pkg/chartutil/coalesce.go, Helm v4 pkg/chart/common/util/coalesce.go. Maps are shared by reference on purpose: what a
//! subchart sees is the very map under its name in the parent's values.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use template::{Compat, Map, Value};

use super::{Defaults, deep_copy_map, go_text};
use crate::model::Chart;

const GLOBAL: &str = "global";

/// What becomes of nulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A null deletes the default below it.
    Coalesce,
    /// Nulls are kept for a later pass.
    Merge,
}

/// Returns the values of a chart and its subcharts, those in `values` winning; `values` itself is
/// left as it is. Warnings are appended in Helm's words.
///
/// # Errors
/// A value under a subchart's name that is no map.
pub fn coalesce_values(
    chart: &Chart,
    values: &Map,
    mode: Mode,
    compat: Compat,
    warnings: &mut Vec<String>,
) -> Result<Map, String> {
    coalesce_with(&Defaults::default(), chart, values, mode, compat, warnings)
}

/// As [`coalesce_values`], with what is known of the charts' defaults.
pub(crate) fn coalesce_with(
    defaults: &Defaults,
    chart: &Chart,
    values: &Map,
    mode: Mode,
    compat: Compat,
    warnings: &mut Vec<String>,
) -> Result<Map, String> {
    let destination = deep_copy_map(values);
    let mut coalescer = Coalescer {
        defaults,
        warnings,
        compat,
    };
    coalescer.chart(chart, &destination, "", mode)?;
    Ok(destination)
}

/// Merges `source` into `destination`, which wins; both are changed, as in Helm.
pub fn coalesce_tables(destination: &Map, source: &Map, mode: Mode, warnings: &mut Vec<String>) {
    // Where tables alone meet both versions of Helm do the same.
    let compat = Compat::default();
    let mut coalescer = Coalescer {
        defaults: &Defaults::default(),
        warnings,
        compat,
    };
    coalescer.tables(destination, source, "", mode);
}

struct Coalescer<'call> {
    defaults: &'call Defaults,
    warnings: &'call mut Vec<String>,
    /// Helm v4 lets no null of a chart's defaults through.
    compat: Compat,
}

impl Coalescer<'_> {
    fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }

    fn chart(
        &mut self,
        chart: &Chart,
        destination: &Map,
        prefix: &str,
        mode: Mode,
    ) -> Result<(), String> {
        self.own_values(chart, destination, prefix, mode);
        let prefix = join(prefix, chart.name());
        for child in &chart.dependencies {
            let existing = destination.borrow().get(child.name()).cloned();
            let table = match existing {
                None => Map::default(),
                Some(Value::Map(table)) => table,
                Some(other) => {
                    let found = go_bool_verb(&other);
                    return Err(format!("type mismatch on {}: {found}", child.name()));
                }
            };
            destination
                .borrow_mut()
                .insert(Rc::from(child.name()), Value::Map(Rc::clone(&table)));
            self.globals(&table, destination, &prefix);
            self.chart(child, &table, &prefix, mode)?;
        }
        Ok(())
    }

    /// Copies the globals of the parent into those of a subchart; the parent's win.
    fn globals(&mut self, destination: &Map, source: &Map, prefix: &str) {
        let table_of = |map: &Map| match map.borrow().get(GLOBAL) {
            None => Some(Map::default()),
            Some(Value::Map(table)) => Some(Rc::clone(table)),
            Some(_) => None,
        };
        let Some(below) = table_of(destination) else {
            return self.warn(format!(
                "warning: skipping globals because destination {GLOBAL} is not a table."
            ));
        };
        let Some(above) = table_of(source) else {
            return self.warn(format!(
                "warning: skipping globals because source {GLOBAL} is not a table."
            ));
        };
        for (key, value) in entries(&above) {
            let existing = below.borrow().get(&key).cloned();
            let replacement = match (&value, existing) {
                (Value::Map(table), Some(Value::Map(existing))) => {
                    let copy = shallow_copy(table);
                    self.tables(&copy, &existing, &join(prefix, &key), Mode::Merge);
                    Value::Map(copy)
                }
                (Value::Map(table), None) => Value::Map(shallow_copy(table)),
                (Value::Map(_), Some(_)) => {
                    self.warn(format!(
                        "Conflict: cannot merge map onto non-map for {key:?}. Skipping."
                    ));
                    continue;
                }
                (_, Some(Value::Map(_))) => {
                    self.warn(format!("key {key} is table. Skipping"));
                    continue;
                }
                _ => value,
            };
            below.borrow_mut().insert(key, replacement);
        }
        destination
            .borrow_mut()
            .insert(Rc::from(GLOBAL), Value::Map(below));
    }

    /// Fills in the defaults of one chart.
    fn own_values(&mut self, chart: &Chart, destination: &Map, prefix: &str, mode: Mode) {
        let known = chart.values.as_ref();
        let Some(defaults) = known.and_then(|values| self.defaults.of(values)) else {
            return;
        };
        let prefix = join(prefix, chart.name());
        let compat = self.compat;
        let drops_nulls = |mode| compat == Compat::Helm4 && mode == Mode::Coalesce;
        for (key, default) in entries(&defaults) {
            let existing = destination.borrow().get(&key).cloned();
            match existing {
                None if default.is_nil() && drops_nulls(mode) => {}
                None => {
                    if let (Value::Map(table), true) = (&default, drops_nulls(mode)) {
                        remove_nulls(table);
                    }
                    destination.borrow_mut().insert(key, default);
                }
                Some(Value::Nil) if mode == Mode::Coalesce => {
                    destination.borrow_mut().remove(&key);
                }
                Some(Value::Map(table)) => match default {
                    Value::Map(defaults) => {
                        let is_child = chart
                            .dependencies
                            .iter()
                            .any(|child| child.name() == key.as_ref());
                        let mode = if is_child { Mode::Merge } else { mode };
                        if drops_nulls(mode) {
                            remove_nulls(&defaults);
                        }
                        self.tables(&table, &defaults, &join(&prefix, &key), mode);
                    }
                    Value::Nil => {}
                    _ => self.warn(format!(
                        "warning: skipped value for {prefix}.{key}: Not a table."
                    )),
                },
                Some(_) => {}
            }
        }
    }

    fn tables(&mut self, destination: &Map, source: &Map, prefix: &str, mode: Mode) {
        if Rc::ptr_eq(destination, source) {
            return;
        }
        let defaults: BTreeSet<Rc<str>> = entries(source)
            .into_iter()
            .filter(|(_, value)| !value.is_nil())
            .map(|(key, _)| key)
            .collect();
        for (key, value) in entries(destination) {
            if value.is_nil() {
                source.borrow_mut().insert(key, Value::Nil);
            }
        }
        for (key, value) in entries(source) {
            let existing = destination.borrow().get(&key).cloned();
            match (existing, value) {
                (Some(Value::Nil), _) if mode == Mode::Coalesce && defaults.contains(&key) => {
                    destination.borrow_mut().remove(&key);
                }
                (None, value) => {
                    destination.borrow_mut().insert(key, value);
                }
                (Some(Value::Map(existing)), Value::Map(value)) => {
                    self.tables(&existing, &value, &join(prefix, &key), mode);
                }
                (Some(_), value @ Value::Map(_)) => self.warn(format!(
                    "warning: cannot overwrite table with non table for {} ({})",
                    join(prefix, &key),
                    go_text(&value)
                )),
                (Some(Value::Map(_)), value) if !value.is_nil() => self.warn(format!(
                    "warning: destination for {} is a table. Ignoring non-table value ({})",
                    join(prefix, &key),
                    go_text(&value)
                )),
                _ => {}
            }
        }
    }
}

/// Removes the nulls of a map and of the maps in it; lists keep theirs.
fn remove_nulls(map: &Map) {
    map.borrow_mut().retain(|_, value| {
        if let Value::Map(inner) = value {
            remove_nulls(inner);
        }
        !value.is_nil()
    });
}

/// The entries as they are now, so that the map may change while they are walked.
fn entries(map: &Map) -> Vec<(Rc<str>, Value)> {
    let map = map.borrow();
    map.iter()
        .map(|(key, value)| (Rc::clone(key), value.clone()))
        .collect()
}

fn shallow_copy(map: &Map) -> Map {
    Rc::new(RefCell::new(map.borrow().clone()))
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}

/// `%t` of a value that is mostly no boolean, as one of Helm's error texts prints it.
fn go_bool_verb(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Nil => "%!t(<nil>)".to_owned(),
        Value::List(items) => {
            let items: Vec<String> = items.borrow().iter().map(go_bool_verb).collect();
            format!("[{}]", items.join(" "))
        }
        other => format!("%!t({}={})", other.type_name(), go_text(other)),
    }
}
