//! Values files with several documents, as Helm v4 reads them.
//!
//! Source: Helm v4 pkg/chart/v2/loader/load.go (`LoadValues`) and the reader of
//! k8s.io/apimachinery pkg/util/yaml/decoder.go.

use template::{Map, yaml};

use super::merge_maps;

const SEPARATOR: &str = "---";

/// Merges every document of `text`, the later ones winning.
///
/// # Errors
/// Helm v4's text: a document that is no map, or something but a comment behind a separator.
pub(crate) fn parse_documents(text: &str) -> Result<Map, String> {
    let mut values = Map::default();
    for document in split(text)? {
        let map = yaml::parse_map(&document)
            .map_err(|error| format!("cannot unmarshal yaml document: {error}"))?;
        values = merge_maps(&values, &map);
    }
    Ok(values)
}

/// Splits at the lines that start with a separator; each document but the first keeps none.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut documents = Vec::new();
    let mut document = String::new();
    for line in text.split_inclusive('\n') {
        if let Some(behind) = line.strip_prefix(SEPARATOR) {
            let behind = behind.trim();
            if !behind.is_empty() && !behind.starts_with('#') {
                return Err(format!(
                    "error reading yaml document: invalid Yaml document separator: {behind}"
                ));
            }
            if !document.is_empty() {
                documents.push(std::mem::take(&mut document));
                continue;
            }
        }
        document.push_str(line);
    }
    if !document.is_empty() {
        documents.push(document);
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use template::{Value, yaml::to_json};

    use super::*;

    fn parsed(text: &str) -> Result<String, String> {
        parse_documents(text).map(|map| to_json(&Value::Map(map)).to_string())
    }

    #[test]
    fn later_documents_win_and_maps_are_merged() {
        assert_eq!(
            parsed("---\na: {x: 1, w: 2}\n--- # more\na: {w: 3}\nb: 1\n---\n").as_deref(),
            Ok(r#"{"a":{"w":3,"x":1},"b":1}"#)
        );
        assert_eq!(parsed("").as_deref(), Ok("{}"));
    }

    #[test]
    fn a_separator_with_content_behind_it_is_refused() {
        assert_eq!(
            parsed("a: 1\n--- b: 2\n"),
            Err("error reading yaml document: invalid Yaml document separator: b: 2".to_owned())
        );
    }
}
