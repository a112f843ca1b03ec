//! Fields of Chart.yaml that Helm does not know, of which only Helm v4 complains.
//!
//! Source: Helm v4.3 pkg/chart/v2/util/chartfile.go (StrictLoadChartfile), whose reader is that of
//! `encoding/json` with unknown fields refused.

use template::yaml::{Data, YamlError};

const METADATA: &[&str] = &[
    "name",
    "home",
    "sources",
    "version",
    "description",
    "keywords",
    "maintainers",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "deprecated",
    "annotations",
    "kubeVersion",
    "dependencies",
    "type",
];
const MAINTAINER: &[&str] = &["name", "email", "url"];
const DEPENDENCY: &[&str] = &[
    "name",
    "version",
    "repository",
    "condition",
    "tags",
    "enabled",
    "import-values",
    "alias",
];

/// Returns Helm's text for the first unknown field, in the order of the names.
pub(super) fn problem(data: &Data) -> Option<String> {
    let field = unknown(data, METADATA)?;
    Some(YamlError::unknown_field(&field).to_string())
}

fn unknown(data: &Data, known: &[&str]) -> Option<String> {
    let Data::Map(entries) = data else {
        return None;
    };
    entries.iter().find_map(|(key, value)| {
        // Go takes another case of the letters too.
        let Some(field) = known.iter().find(|name| name.eq_ignore_ascii_case(key)) else {
            return Some(key.clone());
        };
        let inner = match *field {
            "maintainers" => MAINTAINER,
            "dependencies" => DEPENDENCY,
            _ => return None,
        };
        match value {
            Data::List(items) => items.iter().find_map(|item| unknown(item, inner)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_unknown_field_is_named() {
        let of = |text: &str| problem(&template::yaml::parse_data(text).unwrap());
        assert_eq!(
            of("name: a\nVersion: 1.0.0\nmaintainers: [{name: x}]\n"),
            None
        );
        assert_eq!(
            of("name: a\nzone: b\nengine: gotpl\n").as_deref(),
            Some("error unmarshaling JSON: while decoding JSON: json: unknown field \"engine\"")
        );
        assert!(
            of("dependencies: [{name: a, repo: x}]\n")
                .is_some_and(|text| text.ends_with("\"repo\""))
        );
    }
}
