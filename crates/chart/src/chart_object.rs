//! `.Chart` as templates see it: the fields of Chart.yaml under their Go names.

use std::{any::Any, rc::Rc};

use template::{Compat, Map, Object, StringMap, TypedList, Value, yaml};

use crate::{
    capabilities::printed,
    metadata::{Dependency, Maintainer},
    model::Chart,
};

const FIELDS: &[&str] = &[
    "Name",
    "Home",
    "Sources",
    "Version",
    "Description",
    "Keywords",
    "Maintainers",
    "Icon",
    "APIVersion",
    "Condition",
    "Tags",
    "AppVersion",
    "Deprecated",
    "Annotations",
    "KubeVersion",
    "Dependencies",
    "Type",
];

/// Returns `.Chart`: a struct in Helm v3, a map of the same fields in Helm v4.
pub(crate) fn chart_value(chart: &Chart, is_root: bool, compat: Compat) -> Value {
    let object = ChartObject::value(chart, is_root);
    match compat {
        Compat::Helm3 => object,
        Compat::Helm4 => {
            let metadata = match &object {
                Value::Object(object) => object.field("Metadata").unwrap_or(Value::Nil),
                _ => Value::Nil,
            };
            let fields = as_map(&metadata);
            if let Value::Map(fields) = &fields {
                let mut fields = fields.borrow_mut();
                fields.insert(Rc::from("IsRoot"), Value::Bool(is_root));
                if !chart.metadata.lists_annotations {
                    fields.insert(Rc::from("Annotations"), StringMap::nil());
                }
            }
            fields
        }
    }
}

/// Turns structs into maps, those in lists too.
///
/// Source: Helm v4 pkg/chart/common.go (`structToMap`).
fn as_map(value: &Value) -> Value {
    let Value::Object(object) = value else {
        return value.clone();
    };
    if let Some(items) = object.as_list() {
        return Value::list(items.borrow().iter().map(as_map).collect());
    }
    if object.as_map().is_some() {
        return value.clone();
    }
    Value::map(
        object
            .printed_fields()
            .iter()
            .map(|(name, field)| (Rc::from(name.as_str()), as_map(field)))
            .collect(),
    )
}

/// The metadata of a chart and whether it is the root.
#[derive(Debug)]
struct ChartObject {
    metadata: crate::metadata::Metadata,
    is_root: bool,
}

impl ChartObject {
    fn value(chart: &Chart, is_root: bool) -> Value {
        Value::Object(Rc::new(Self {
            metadata: chart.metadata.clone(),
            is_root,
        }))
    }
}

/// Returns the metadata of a chart as Go's templates see it, `chart.Metadata`.
pub fn metadata_value(metadata: &crate::metadata::Metadata) -> Value {
    Value::Object(Rc::new(MetadataObject(ChartObject {
        metadata: metadata.clone(),
        is_root: true,
    })))
}

fn text(text: &str) -> Value {
    Value::string(text)
}

impl Object for ChartObject {
    fn type_name(&self) -> &'static str {
        "struct { chart.Metadata; IsRoot bool }"
    }
    fn field(&self, name: &str) -> Option<Value> {
        let metadata = &self.metadata;
        Some(match name {
            "Name" => text(&metadata.name),
            "Home" => text(&metadata.home),
            "Sources" => Value::strings(metadata.sources.iter().map(String::as_str)),
            "Version" => text(&metadata.version),
            "Description" => text(&metadata.description),
            "Keywords" => Value::strings(metadata.keywords.iter().map(String::as_str)),
            "Maintainers" => TypedList::value(
                "[]*chart.Maintainer",
                metadata
                    .maintainers
                    .iter()
                    .map(MaintainerObject::value)
                    .collect(),
            ),
            "Icon" => text(&metadata.icon),
            "APIVersion" => text(&metadata.api_version),
            "Condition" => text(&metadata.condition),
            "Tags" => text(&metadata.tags),
            "AppVersion" => text(&metadata.app_version),
            "Deprecated" => Value::Bool(metadata.deprecated),
            "Annotations" => StringMap::value(
                metadata
                    .annotations
                    .iter()
                    .map(|(key, value)| (Rc::from(key.as_str()), text(value)))
                    .collect(),
            ),
            "KubeVersion" => text(&metadata.kube_version),
            "Dependencies" => TypedList::value(
                "[]*chart.Dependency",
                metadata
                    .dependencies
                    .iter()
                    .map(DependencyObject::value)
                    .collect(),
            ),
            "Type" => text(&metadata.chart_type),
            "IsRoot" => Value::Bool(self.is_root),
            "Metadata" => Value::Object(Rc::new(MetadataObject(Self {
                metadata: metadata.clone(),
                is_root: self.is_root,
            }))),
            _ => return None,
        })
    }
    fn call(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn printed_fields(&self) -> Vec<(String, Value)> {
        printed(self, &["Metadata", "IsRoot"])
    }
    fn serialized(&self) -> Value {
        let map = json_map(&self.metadata);
        map.borrow_mut()
            .insert(Rc::from("IsRoot"), Value::Bool(self.is_root));
        Value::Map(map)
    }
    fn json_fields(&self) -> Vec<(String, Value)> {
        let mut fields = self.json_fields_of_metadata();
        fields.push(("IsRoot".to_owned(), Value::Bool(self.is_root)));
        fields
    }
}

impl ChartObject {
    fn json_fields_of_metadata(&self) -> Vec<(String, Value)> {
        let mut fields = json_fields(&self.metadata);
        for (name, value) in &mut fields {
            let typed = match name.as_str() {
                "dependencies" => self.field("Dependencies"),
                "maintainers" => self.field("Maintainers"),
                _ => None,
            };
            if let Some(typed) = typed {
                *value = typed;
            }
        }
        fields
    }
}

/// `.Chart.Metadata`, which Go embeds in `.Chart`.
#[derive(Debug)]
struct MetadataObject(ChartObject);

impl Object for MetadataObject {
    fn type_name(&self) -> &'static str {
        "chart.Metadata"
    }
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "IsRoot" | "Metadata" => None,
            name => self.0.field(name),
        }
    }
    fn call(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn printed_fields(&self) -> Vec<(String, Value)> {
        printed(self, FIELDS)
    }
    fn serialized(&self) -> Value {
        Value::Map(json_map(&self.0.metadata))
    }
    fn json_fields(&self) -> Vec<(String, Value)> {
        self.0.json_fields_of_metadata()
    }
}

fn json_map(item: &impl serde::Serialize) -> Map {
    let json = serde_json::to_value(item).unwrap_or_default();
    yaml::from_json(&json).as_map().unwrap_or_default()
}

/// The fields in the order of the struct, which is that of Go's.
fn json_fields(item: &impl serde::Serialize) -> Vec<(String, Value)> {
    match serde_json::to_value(item) {
        Ok(serde_json::Value::Object(fields)) => fields
            .into_iter()
            .map(|(name, value)| (name, yaml::from_json(&value)))
            .collect(),
        _ => Vec::new(),
    }
}

#[derive(Debug)]
struct MaintainerObject(Maintainer);

impl MaintainerObject {
    fn value(maintainer: &Maintainer) -> Value {
        Value::Object(Rc::new(Self(maintainer.clone())))
    }
}

impl Object for MaintainerObject {
    fn type_name(&self) -> &'static str {
        "*chart.Maintainer"
    }
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Name" => Some(text(&self.0.name)),
            "Email" => Some(text(&self.0.email)),
            "URL" => Some(text(&self.0.url)),
            _ => None,
        }
    }
    fn call(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn printed_fields(&self) -> Vec<(String, Value)> {
        printed(self, &["Name", "Email", "URL"])
    }
    fn serialized(&self) -> Value {
        Value::Map(json_map(&self.0))
    }
    fn json_fields(&self) -> Vec<(String, Value)> {
        json_fields(&self.0)
    }
}

#[derive(Debug)]
struct DependencyObject(Dependency);

impl DependencyObject {
    fn value(dependency: &Dependency) -> Value {
        Value::Object(Rc::new(Self(dependency.clone())))
    }
}

impl Object for DependencyObject {
    fn type_name(&self) -> &'static str {
        "*chart.Dependency"
    }
    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "Name" => text(&self.0.name),
            "Version" => text(&self.0.version),
            "Repository" => text(&self.0.repository),
            "Condition" => text(&self.0.condition),
            "Tags" => Value::strings(self.0.tags.iter().map(String::as_str)),
            "Enabled" => Value::Bool(self.0.enabled),
            "ImportValues" => {
                Value::list(self.0.import_values.iter().map(yaml::from_json).collect())
            }
            "Alias" => text(&self.0.alias),
            _ => return None,
        })
    }
    fn call(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn printed_fields(&self) -> Vec<(String, Value)> {
        printed(
            self,
            &[
                "Name",
                "Version",
                "Repository",
                "Condition",
                "Tags",
                "Enabled",
                "ImportValues",
                "Alias",
            ],
        )
    }
    fn serialized(&self) -> Value {
        Value::Map(json_map(&self.0))
    }
    fn json_fields(&self) -> Vec<(String, Value)> {
        json_fields(&self.0)
    }
}
