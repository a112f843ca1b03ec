//! `.Files` as templates see it.
//!
//! Source: Helm v3 pkg/engine/files.go; its globs are those of github.com/gobwas/glob.

use std::{any::Any, collections::BTreeMap, rc::Rc, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use template::{Kind, Map, Object, Value, yaml};

use crate::{
    capabilities::{wrong_count, wrong_type},
    model::File,
};

/// The files of a chart, or those that a glob chose.
#[derive(Debug)]
pub(crate) struct FilesObject {
    files: BTreeMap<Rc<str>, Arc<[u8]>>,
}

impl FilesObject {
    pub(crate) fn value(files: &[File]) -> Value {
        let files = files
            .iter()
            .map(|file| (Rc::from(file.name.as_str()), Arc::clone(&file.data)))
            .collect();
        Value::Object(Rc::new(Self { files }))
    }

    fn get(&self, name: &str) -> &[u8] {
        self.files.get(name).map_or(&[], |data| data)
    }

    fn glob(&self, pattern: &str) -> Self {
        let matcher = glob_expression(pattern);
        let chosen = |name: &str| matcher.as_ref().is_none_or(|glob| glob.is_match(name));
        Self {
            files: self
                .files
                .iter()
                .filter(|(name, _)| chosen(name))
                .map(|(name, data)| (Rc::clone(name), Arc::clone(data)))
                .collect(),
        }
    }

    /// The YAML of a map from file names, without folders, to what `content` makes of the bytes.
    fn as_yaml(&self, content: impl Fn(&[u8]) -> String) -> Value {
        let entries = self
            .files
            .iter()
            .map(|(name, data)| {
                let base = name.rsplit('/').next().unwrap_or(name);
                (Rc::from(base), Value::string(content(data)))
            })
            .collect();
        let text = yaml::emit(&Value::map(entries));
        Value::string(text.strip_suffix('\n').unwrap_or(&text))
    }

    fn lines(&self, name: &str) -> Value {
        let data = self.get(name);
        if data.is_empty() {
            return Value::strings(Vec::<String>::new());
        }
        let text = String::from_utf8_lossy(data).into_owned();
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Value::strings(text.split('\n').map(str::to_owned).collect::<Vec<_>>())
    }
}

impl Object for FilesObject {
    fn type_name(&self) -> &'static str {
        "engine.files"
    }
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }
    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        if matches!(name, "AsConfig" | "AsSecrets") {
            if !arguments.is_empty() {
                return Some(Err(wrong_count(name, 0, arguments.len())));
            }
            return Some(Ok(match name {
                "AsConfig" => self.as_yaml(|data| String::from_utf8_lossy(data).into_owned()),
                _ => self.as_yaml(|data| STANDARD.encode(data)),
            }));
        }
        if !matches!(name, "Get" | "GetBytes" | "Glob" | "Lines") {
            return None;
        }
        let argument = match arguments {
            [Value::Str(text)] => text,
            [other] => return Some(Err(wrong_type(other))),
            _ => return Some(Err(wrong_count(name, 1, arguments.len()))),
        };
        Some(Ok(match name {
            "Get" => Value::string(String::from_utf8_lossy(self.get(argument)).into_owned()),
            "GetBytes" => Value::Bytes(Rc::from(self.get(argument))),
            "Glob" => Value::Object(Rc::new(self.glob(argument))),
            _ => self.lines(argument),
        }))
    }
    /// Without making the map.
    fn kind(&self) -> Kind {
        Kind::Map
    }
    fn as_map(&self) -> Option<Map> {
        let entries = self
            .files
            .iter()
            .map(|(name, data)| (Rc::clone(name), Value::Bytes(Rc::from(data.as_ref()))))
            .collect();
        Some(Rc::new(std::cell::RefCell::new(entries)))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn has_typed_elements(&self) -> bool {
        true
    }
    fn zero_element(&self) -> Value {
        Value::Bytes(Rc::from([].as_slice()))
    }
}

/// Turns a glob into an expression: `*` and `?` stop at `/`, `**` does not, `[a-z]` and `[!a-z]` are
/// classes, `{a,b}` are alternatives, `\` escapes. `None`, which matches everything, when the glob is
/// not well formed.
fn glob_expression(pattern: &str) -> Option<regex::Regex> {
    let mut expression = String::from("(?s)^");
    let mut characters = pattern.chars().peekable();
    let mut depth = 0;
    while let Some(character) = characters.next() {
        match character {
            '*' if characters.next_if_eq(&'*').is_some() => expression.push_str(".*"),
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            '\\' => expression.push_str(&regex::escape(&characters.next()?.to_string())),
            '{' => {
                depth += 1;
                expression.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                expression.push(')');
            }
            ',' if depth > 0 => expression.push('|'),
            '[' => {
                expression.push('[');
                if characters.next_if_eq(&'!').is_some() {
                    expression.push('^');
                }
                loop {
                    match characters.next()? {
                        ']' => break,
                        '-' => expression.push('-'),
                        '\\' => {
                            expression.push_str(&regex::escape(&characters.next()?.to_string()))
                        }
                        other => expression.push_str(&regex::escape(&other.to_string())),
                    }
                }
                expression.push(']');
            }
            literal => expression.push_str(&regex::escape(&literal.to_string())),
        }
    }
    if depth > 0 {
        return None;
    }
    expression.push('$');
    regex::Regex::new(&expression).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_choose_files_as_gobwas_does() {
        let table = [
            ("config/*", "config/a.txt", true),
            ("config/*", "config/sub/a.txt", false),
            ("config/**", "config/sub/a.txt", true),
            ("**.yaml", "a/b.yaml", true),
            ("{a,b}.txt", "b.txt", true),
            ("[!a].txt", "b.txt", true),
            ("a?c", "a/c", false),
            ("a\\*", "a*", true),
            ("[", "anything", true),
        ];
        for (pattern, name, expected) in table {
            let matcher = glob_expression(pattern);
            let found = matcher.is_none_or(|glob| glob.is_match(name));
            assert_eq!(found, expected, "{pattern} {name}");
        }
    }

    #[test]
    fn files_are_offered_as_text_maps_and_lines() {
        let file = |name: &str, text: &str| File {
            name: name.into(),
            data: text.as_bytes().into(),
        };
        let Value::Object(files) =
            FilesObject::value(&[file("conf/a.ini", "x\ny\n"), file("b", "z")])
        else {
            panic!("files are an object");
        };
        let call = |name: &str, arguments: &[Value]| files.call(name, arguments).unwrap().unwrap();
        assert_eq!(call("Get", &["b".into_value()]).as_str(), Some("z"));
        assert_eq!(call("Get", &["none".into_value()]).as_str(), Some(""));
        assert_eq!(
            call("AsConfig", &[]).as_str(),
            Some("a.ini: |\n  x\n  y\nb: z")
        );
        assert_eq!(
            call("AsSecrets", &[]).as_str(),
            Some("a.ini: eAp5Cg==\nb: eg==")
        );
        let lines = call("Lines", &["conf/a.ini".into_value()]);
        assert_eq!(lines.as_list().unwrap().borrow().len(), 2);
    }

    trait IntoValue {
        fn into_value(self) -> Value;
    }

    impl IntoValue for &str {
        fn into_value(self) -> Value {
            Value::string(self)
        }
    }
}
