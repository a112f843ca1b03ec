//! The values of a release: files, `--set` and its family, and how they meet those of the charts.

mod coalesce;
mod defaults;
mod documents;
mod lookup;
mod recorded;
mod set;
mod text;

use std::{collections::BTreeMap, rc::Rc};

use serde_json::Value as Json;
use template::{Compat, Map, Value, yaml};

pub(crate) use coalesce::coalesce_with;
pub use coalesce::{Mode, coalesce_tables, coalesce_values};
pub(crate) use defaults::Defaults;
pub(crate) use documents::parse_documents;
pub use lookup::{path_value, table};
pub use recorded::recorded_values;
pub use set::{SetError, SetKind, set, set_as};
pub(crate) use text::go_text;

/// Where the values of a release come from, each kind in the order in which it was given.
///
/// Later kinds override earlier ones, in the order of the fields.
#[derive(Debug, Clone, Default)]
pub struct ValuesOptions {
    /// Values of the revision before, which stand below all others and whose defaults they are: a null
    /// in the others takes one away, and a list is never changed at an index.
    pub base: Option<Json>,
    /// `-f`: the name, for error texts, and the YAML text.
    pub files: Vec<(String, String)>,
    /// `--set-json`: `key=json,key=json`.
    pub set_json: Vec<String>,
    /// `--set`: `key=value,key[0].key=value`.
    pub set: Vec<String>,
    /// `--set-string`: as `--set`, but every value is text.
    pub set_string: Vec<String>,
    /// `--set-file`: the expression with paths, and the content of each path that it names.
    pub set_file: Vec<SetFile>,
    /// `--set-literal`: `key=value` where the value is taken as it is.
    pub set_literal: Vec<String>,
    /// Helm v4 merges every document of a file, and takes an object as `--set-json`.
    pub compat: Compat,
}

/// One `--set-file`, with the files already read.
#[derive(Debug, Clone, Default)]
pub struct SetFile {
    /// `key=path,key=path`.
    pub expression: String,
    /// The content by path; see [`read_set_file`].
    pub contents: BTreeMap<String, String>,
}

/// Values that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    #[error("failed to parse {name}: {problem}")]
    File { name: String, problem: String },
    #[error("failed parsing {flag} data: {source}")]
    Set {
        flag: &'static str,
        source: SetError,
    },
    #[error("failed parsing --set-json data {expression}")]
    SetJson {
        expression: String,
        #[source]
        source: SetError,
    },
    #[error("failed parsing --set-json data JSON: {expression}")]
    SetJsonObject { expression: String },
    #[error("{name}: {problem}")]
    Read { name: String, problem: String },
}

impl ValuesOptions {
    /// Merges everything into the values that the user gave, without those of the charts.
    ///
    /// # Errors
    /// [`ValuesError`] with Helm's wording; nothing is left half done.
    pub fn merge(&self) -> Result<Map, ValuesError> {
        self.merge_with(&mut Vec::new())
    }

    /// As [`Self::merge`]; what of the revision before does not fit is told of in Helm's words.
    ///
    /// # Errors
    /// As [`Self::merge`].
    pub(crate) fn merge_with(&self, warnings: &mut Vec<String>) -> Result<Map, ValuesError> {
        let values = self.given()?;
        if let Some(base) = &self.base {
            // Source: `reuseValues` in pkg/action/upgrade.go of both Helms.
            let base = yaml::from_json(base).as_map().unwrap_or_default();
            coalesce_tables(&values, &base, Mode::Coalesce, warnings);
        }
        Ok(values)
    }

    fn given(&self) -> Result<Map, ValuesError> {
        let mut values = Map::default();
        for (name, text) in &self.files {
            let file = match self.compat {
                Compat::Helm3 => yaml::parse_map(text).map_err(|error| error.to_string()),
                Compat::Helm4 => parse_documents(text),
            };
            let file = file.map_err(|problem| ValuesError::File {
                name: name.clone(),
                problem,
            })?;
            values = merge_maps(&values, &file);
        }
        for expression in &self.set_json {
            if self.compat == Compat::Helm4 && expression.trim().starts_with('{') {
                let object: Json =
                    serde_json::from_str(expression).map_err(|_| ValuesError::SetJsonObject {
                        expression: expression.clone(),
                    })?;
                let object = yaml::from_json(&object).as_map().unwrap_or_default();
                values = merge_maps(&values, &object);
                continue;
            }
            set_as(expression, SetKind::Json, &values, self.compat).map_err(|source| {
                ValuesError::SetJson {
                    expression: expression.clone(),
                    source,
                }
            })?;
        }
        let apply = |flag, expressions: &[String], kind: SetKind<'_>| {
            expressions.iter().try_for_each(|expression| {
                set_as(expression, kind, &values, self.compat)
                    .map_err(|source| ValuesError::Set { flag, source })
            })
        };
        apply("--set", &self.set, SetKind::Typed)?;
        apply("--set-string", &self.set_string, SetKind::Text)?;
        for file in &self.set_file {
            let read = |path: &str| match file.contents.get(path) {
                Some(content) => Ok(content.clone()),
                None => Err(format!("open {path}: no such file or directory")),
            };
            set_as(&file.expression, SetKind::File(&read), &values, self.compat).map_err(
                |source| ValuesError::Set {
                    flag: "--set-file",
                    source,
                },
            )?;
        }
        apply("--set-literal", &self.set_literal, SetKind::Literal)?;
        Ok(values)
    }

    /// As [`Self::merge`], as the JSON that a release record keeps in `config`.
    ///
    /// # Errors
    /// As [`Self::merge`].
    pub fn to_json(&self) -> Result<Json, ValuesError> {
        Ok(yaml::to_json(&Value::Map(self.merge()?)))
    }
}

/// Reads a values file; `-` is standard input.
///
/// # Errors
/// [`ValuesError::Read`] in the words of Helm.
pub fn read(name: &str) -> Result<String, ValuesError> {
    let bytes = if name.trim() == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map(|_| bytes)
    } else {
        std::fs::read(name)
    };
    let bytes = bytes.map_err(|error| {
        let problem = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
            _ => error.to_string(),
        };
        // Go opens a folder, and fails when it reads it.
        let doing = match error.kind() {
            std::io::ErrorKind::IsADirectory => "read",
            _ => "open",
        };
        ValuesError::Read {
            name: format!("{doing} {name}"),
            problem,
        }
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads, by `read`, what a `--set-file` expression names: files, or what addresses name.
///
/// # Errors
/// [`ValuesError`] for a file that cannot be read, or an expression that is not well formed.
pub fn read_set_file(
    expression: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<SetFile, ValuesError> {
    let contents = std::cell::RefCell::new(BTreeMap::new());
    let load = |path: &str| {
        contents.borrow_mut().insert(path.to_owned(), read(path)?);
        Ok(String::new())
    };
    // Whether an index that is not closed is an error depends on the version of Helm: `merge` tells.
    set_as(
        expression,
        SetKind::File(&load),
        &Map::default(),
        Compat::Helm4,
    )
    .map_err(|source| ValuesError::Set {
        flag: "--set-file",
        source,
    })?;
    Ok(SetFile {
        expression: expression.to_owned(),
        contents: contents.into_inner(),
    })
}

/// Merges two maps; where both have a map the entries are merged, else the second wins.
pub(crate) fn merge_maps(first: &Map, second: &Map) -> Map {
    let mut merged = first.borrow().clone();
    for (key, value) in second.borrow().iter() {
        let value = match (merged.get(key), value) {
            (Some(Value::Map(below)), Value::Map(above)) => Value::Map(merge_maps(below, above)),
            _ => value.clone(),
        };
        merged.insert(Rc::clone(key), value);
    }
    Rc::new(std::cell::RefCell::new(merged))
}

/// Returns a copy that shares no map or list with the original.
pub(crate) fn deep_copy(value: &Value) -> Value {
    match value {
        Value::Map(map) => Value::Map(deep_copy_map(map)),
        Value::List(list) => Value::list(list.borrow().iter().map(deep_copy).collect()),
        other => other.clone(),
    }
}

/// As [`deep_copy`], of a map.
pub(crate) fn deep_copy_map(map: &Map) -> Map {
    let mut copy = map.borrow().clone();
    for value in copy.values_mut() {
        if matches!(value, Value::Map(_) | Value::List(_)) {
            *value = deep_copy(value);
        }
    }
    Rc::new(std::cell::RefCell::new(copy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds_of_values_override_each_other_in_helms_order() {
        let options = ValuesOptions {
            base: None,
            files: vec![
                ("a.yaml".into(), "a: {x: 1, w: 1}\nl: [1, 2]\n".into()),
                ("b.yaml".into(), "a: {w: 2}\nl: [3]\n".into()),
            ],
            set_json: vec!["j={\"k\":[1,null]},a.x=5".into()],
            set: vec!["a.z=7,n=null,l[1]=x".into()],
            set_string: vec!["s=1".into()],
            set_file: vec![],
            set_literal: vec!["t=a,b=c".into()],
            ..ValuesOptions::default()
        };
        let expected = r#"{"a":{"w":2,"x":5,"z":7},"j":{"k":[1,null]},"l":[3,"x"],"n":null,"s":"1","t":"a,b=c"}"#;
        assert_eq!(options.to_json().unwrap().to_string(), expected);
    }

    #[test]
    fn values_of_the_revision_before_stand_below_as_defaults_do() {
        let with = |set: &str, file: &str| {
            let base = json!({"a": "mine", "l": [1, 2], "n": {"q": null, "y": 5}});
            let options = ValuesOptions {
                base: Some(base),
                files: vec![("v.yaml".into(), file.into())],
                set: vec![set.into()],
                ..ValuesOptions::default()
            };
            options.to_json().expect("valid").to_string()
        };
        // What both Helms record for the same.
        for (set, file, expected) in [
            ("", "", r#"{"a":"mine","l":[1,2],"n":{"q":null,"y":5}}"#),
            (
                "a=null,n.x=null,l[0]=7",
                "",
                r#"{"l":[7],"n":{"q":null,"x":null,"y":5}}"#,
            ),
            (
                "b=2",
                r#"{"n": {"w": 1, "y": null}}"#,
                r#"{"a":"mine","b":2,"l":[1,2],"n":{"q":null,"w":1}}"#,
            ),
            ("n=null", "", r#"{"a":"mine","l":[1,2]}"#),
        ] {
            assert_eq!(with(set, file), expected, "{set} {file}");
        }
    }

    #[test]
    fn errors_are_worded_as_helm_words_them() {
        let options = |set: &str, json: &str, file: &str| ValuesOptions {
            files: vec![("v.yaml".into(), file.into())],
            set: vec![set.into()],
            set_json: vec![json.into()],
            ..ValuesOptions::default()
        };
        let table = [
            (
                options("a", "", ""),
                "failed parsing --set data: key \"a\" has no value",
            ),
            (options("", "a={", ""), "failed parsing --set-json data a={"),
            (
                options("", "", "- 1"),
                "failed to parse v.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
        ];
        for (options, expected) in table {
            assert_eq!(options.merge().unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn set_file_reads_the_files_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cert.pem");
        std::fs::write(&path, "line, with = all\n").unwrap();
        let options = ValuesOptions {
            set_file: vec![
                read_set_file(&format!("tls.cert={}", path.display()), &|path| {
                    read(path).map_err(|error| error.to_string())
                })
                .unwrap(),
            ],
            ..ValuesOptions::default()
        };
        let expected = r#"{"tls":{"cert":"line, with = all\n"}}"#;
        assert_eq!(options.to_json().unwrap().to_string(), expected);
        assert!(
            read_set_file("a=/does/not/exist", &|path| read(path)
                .map_err(|error| error.to_string()))
            .is_err()
        );
    }
}
