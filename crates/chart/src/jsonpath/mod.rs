//! JSONPath templates of kubectl's kind, as `show values --jsonpath` prints values by them.
//!
//! Source: k8s.io/client-go v0.37 util/jsonpath. Maps are walked in the order of their keys, where
//! Go's order is left to chance; numbers are compared by value, whatever their kind.

mod parse;

use std::cmp::Ordering;

use serde_json::Value as Json;
use template::yaml;

use crate::{go, model::Chart};
use parse::{Node, Slice, parse};

/// How deep ranges and lists may nest.
const DEPTH_MAX: usize = 64;

/// Why nothing can be printed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonPathError {
    /// The template is not well formed.
    #[error("{0}")]
    Parse(String),
    /// The values do not have what the template asks for.
    #[error("{0}")]
    Walk(String),
}

/// Prints the chart's own values by a template.
///
/// # Errors
/// [`JsonPathError`] tells a wrong template from values that lack what it names.
pub fn print(template: &str, chart: &Chart) -> Result<String, JsonPathError> {
    let values = chart.values.as_ref();
    let json = values.map_or(Json::Null, |values| yaml::to_json(&values.to_value()));
    print_json(template, &json)
}

fn print_json(template: &str, json: &Json) -> Result<String, JsonPathError> {
    let nodes = parse(template).map_err(JsonPathError::Parse)?;
    let mut text = String::new();
    run(&nodes, json, &mut text, 0).map_err(JsonPathError::Walk)?;
    Ok(text)
}

/// Runs the blocks of a template; a range runs those up to its end once for each element.
fn run(blocks: &[Vec<Node>], json: &Json, text: &mut String, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("ranges nest deeper than {DEPTH_MAX}"));
    }
    let mut at = 0;
    while let Some(block) = blocks.get(at) {
        at += 1;
        match block.as_slice() {
            [Node::Identifier(name), path @ ..] if name == "range" => {
                let end = end_of_range(&blocks[at..])
                    .map(|length| at + length)
                    .unwrap_or(blocks.len());
                for element in list(vec![json.clone()], path)? {
                    run(&blocks[at..end], &element, text, depth + 1)?;
                }
                at = end + 1;
            }
            [Node::Identifier(name), ..] if name == "end" => {
                return Err("not in range, nothing to end".to_owned());
            }
            nodes => {
                let found: Vec<String> = list(vec![json.clone()], nodes)?
                    .iter()
                    .map(printed)
                    .collect();
                text.push_str(&found.join(" "));
            }
        }
    }
    Ok(())
}

/// Returns how many blocks lie before the end of a range.
fn end_of_range(blocks: &[Vec<Node>]) -> Option<usize> {
    let mut depth = 0;
    for (at, block) in blocks.iter().enumerate() {
        if let Some(Node::Identifier(name)) = block.first() {
            match name.as_str() {
                "range" => depth += 1,
                "end" if depth == 0 => return Some(at),
                "end" => depth -= 1,
                _ => {}
            }
        }
    }
    None
}

fn list(mut input: Vec<Json>, nodes: &[Node]) -> Result<Vec<Json>, String> {
    for node in nodes {
        input = step(input, node)?;
    }
    Ok(input)
}

fn step(input: Vec<Json>, node: &Node) -> Result<Vec<Json>, String> {
    let each = |value: &Json| vec![value.clone(); input.len()];
    Ok(match node {
        Node::Text(text) => vec![Json::String(text.clone())],
        Node::Number(number) => each(number),
        Node::Bool(flag) => each(&Json::Bool(*flag)),
        Node::Field(name) => {
            let found: Vec<Json> = input
                .iter()
                .filter_map(|value| value.as_object()?.get(name).cloned())
                .collect();
            if found.is_empty() && !input.is_empty() {
                return Err(format!("{name} is not found"));
            }
            found
        }
        Node::Wildcard => input.iter().flat_map(children).collect(),
        Node::Recursive => {
            let mut all = Vec::new();
            input.iter().for_each(|value| descend(value, &mut all));
            all
        }
        Node::Slice(slice) => {
            let mut all = Vec::new();
            for value in input.iter().filter(|value| !value.is_null()) {
                let items = value
                    .as_array()
                    .ok_or_else(|| format!("{} is not array or slice", go_type(value)))?;
                all.extend(slice.of(items)?);
            }
            all
        }
        Node::Union(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(list(input.clone(), part)?);
            }
            all
        }
        Node::Filter {
            left,
            operator,
            right,
        } => filtered(&input, left, operator, right)?,
        Node::Identifier(name) => return Err(format!("unrecognized identifier {name}")),
    })
}

fn filtered(
    input: &[Json],
    left: &[Node],
    operator: &str,
    right: &[Node],
) -> Result<Vec<Json>, String> {
    let mut kept = Vec::new();
    for value in input {
        let items = value.as_array().ok_or_else(|| {
            format!(
                "{} is not array or slice and cannot be filtered",
                printed(value)
            )
        })?;
        for item in items {
            let lefts = list(vec![item.clone()], left);
            if operator == "exists" {
                if lefts.is_ok_and(|found| !found.is_empty()) {
                    kept.push(item.clone());
                }
                continue;
            }
            let (lefts, rights) = (lefts?, list(vec![item.clone()], right)?);
            match (lefts.as_slice(), rights.as_slice()) {
                ([], _) | (_, []) => {}
                ([left], [right]) => {
                    if passes(left, operator, right)? {
                        kept.push(item.clone());
                    }
                }
                _ => return Err("can only compare one element at a time".to_owned()),
            }
        }
    }
    Ok(kept)
}

fn passes(left: &Json, operator: &str, right: &Json) -> Result<bool, String> {
    let order = match (left, right) {
        (Json::Number(left), Json::Number(right)) => left.as_f64().partial_cmp(&right.as_f64()),
        (Json::String(left), Json::String(right)) => Some(left.cmp(right)),
        (Json::Bool(left), Json::Bool(right)) => Some(left.cmp(right)),
        _ => return Err("incompatible types for comparison".to_owned()),
    };
    Ok(match operator {
        "==" => order == Some(Ordering::Equal),
        "!=" => order != Some(Ordering::Equal),
        "<" => order == Some(Ordering::Less),
        ">" => order == Some(Ordering::Greater),
        "<=" => order.is_some_and(Ordering::is_le),
        ">=" => order.is_some_and(Ordering::is_ge),
        other => return Err(format!("unrecognized filter operator {other}")),
    })
}

impl Slice {
    fn of(&self, items: &[Json]) -> Result<Vec<Json>, String> {
        let length = i64::try_from(items.len()).map_err(|error| error.to_string())?;
        let from_end = |index: i64| if index < 0 { index + length } else { index };
        let start = from_end(self.start.unwrap_or(0));
        let end = match self.end {
            None => length,
            // The element before the first from the end is the last.
            Some(0) if self.is_index => length,
            Some(end) => from_end(end),
        };
        if start == end {
            return Ok(Vec::new());
        }
        let out_of_bounds = |index: i64| {
            Err(format!(
                "array index out of bounds: index {index}, length {length}"
            ))
        };
        if start < 0 || start >= length {
            return out_of_bounds(start);
        }
        if end < 0 || end > length {
            return out_of_bounds(end - 1);
        }
        if start > end {
            return Err(format!(
                "starting index {start} is greater than ending index {end}"
            ));
        }
        let step = self.step.unwrap_or(1);
        let step = usize::try_from(step)
            .ok()
            .filter(|step| *step > 0)
            .ok_or("step must be > 0")?;
        let range = usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
        Ok(items[range].iter().step_by(step).cloned().collect())
    }
}

fn children(value: &Json) -> Vec<Json> {
    match value {
        Json::Array(items) => items.clone(),
        Json::Object(entries) => entries.values().cloned().collect(),
        _ => Vec::new(),
    }
}

fn descend(value: &Json, all: &mut Vec<Json>) {
    let inner = children(value);
    if !inner.is_empty() {
        all.push(value.clone());
        inner.iter().for_each(|child| descend(child, all));
    }
}

/// A value as Go prints it: lists and maps as JSON, every number as a float.
fn printed(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::String(text) => text.clone(),
        Json::Number(number) => number
            .as_f64()
            .map_or_else(|| number.to_string(), yaml::float_shortest),
        Json::Bool(flag) => flag.to_string(),
        other => go::json(other),
    }
}

fn go_type(value: &Json) -> &'static str {
    match value {
        Json::Null => "<nil>",
        Json::Bool(_) => "bool",
        Json::Number(_) => "float64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values() -> Json {
        let values = json!({
            "image": {"tag": "v1", "port": 8080, "ratio": 0.5, "big": 1_000_000},
            "list": [{"name": "a", "n": 1}, {"name": "b", "n": 2}, {"name": "c"}],
            "a.b": "dotted",
            "none": null,
        });
        // As values come from YAML, their keys in order.
        yaml::to_json(&yaml::from_json(&values))
    }

    #[test]
    fn templates_print_what_kubectls_print() {
        for (template, expected) in [
            ("{.image.tag}", "v1"),
            ("tag={.image.tag}\n", "tag=v1\n"),
            (
                "{.image.port}/{.image.ratio}/{.image.big}",
                "8080/0.5/1e+06",
            ),
            (
                "{.image}",
                r#"{"big":1000000,"port":8080,"ratio":0.5,"tag":"v1"}"#,
            ),
            ("{.list[*].name}", "a b c"),
            ("{.list[0].name}{.list[-1].name}", "ac"),
            ("{.list[0:2].name}", "a b"),
            ("{.list[::2].name}", "a c"),
            ("{['image']['tag']}", "v1"),
            (r"{.a\.b}", "dotted"),
            ("{.list[0,2].name}", "a c"),
            ("{.list[0]['name','n']}", "a 1"),
            ("{..name}", "a b c"),
            ("{range .list[*]}{.name}{\"\\n\"}{end}.", "a\nb\nc\n."),
            ("{.list[?(@.name==\"c\")].name}", "c"),
            ("{.list[?(@.n)].name}", "a b"),
            ("{.none}", "null"),
            ("{$.image.tag} {@.image.tag}", "v1 v1"),
        ] {
            assert_eq!(
                print_json(template, &values()).as_deref(),
                Ok(expected),
                "{template}"
            );
        }
    }

    /// As seen with helm v3.22: a field that one item lacks ends the filter.
    #[test]
    fn filters_compare_as_kubectls_do() {
        let values = json!({"two": [{"name": "a", "m": 1}, {"name": "b", "m": 2}]});
        let values = yaml::to_json(&yaml::from_json(&values));
        let print = |template: &str| print_json(template, &values).ok();
        assert_eq!(print("{.two[?(@.m>1.0)].name}").as_deref(), Some("b"));
        assert_eq!(
            print_json("{.list[?(@.n>1.0)].name}", &self::values()).ok(),
            None
        );
    }

    #[test]
    fn a_wrong_template_and_missing_values_are_told_apart() {
        for template in ["{.a", "{[x]}", "{.list[?(@.n]}", "{#}"] {
            let error = print_json(template, &values()).unwrap_err();
            assert!(
                matches!(error, JsonPathError::Parse(_)),
                "{template}: {error}"
            );
        }
        for template in ["{.missing}", "{.list[7]}", "{.image[0]}", "{end}", "{foo}"] {
            let error = print_json(template, &values()).unwrap_err();
            assert!(
                matches!(error, JsonPathError::Walk(_)),
                "{template}: {error}"
            );
        }
    }
}
