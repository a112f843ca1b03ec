//! A first `deployer.yaml` from what is deployed (pure).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::demands::looks_secret;
use super::resolve::{Place, PlaceTarget};
use crate::plan::write_yaml;
use crate::release::Release;

/// An environment with what is deployed there.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where.
    pub place: Place,
    /// The deployed revisions, each with its chart's reference where the evidence tells it.
    pub releases: Vec<(Release, Option<String>)>,
}

/// A first file, with the values files that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The text of the file.
    pub text: String,
    /// Path relative to the file, and text.
    pub values: Vec<(String, String)>,
    /// What a person has to look at.
    pub notes: Vec<String>,
}

/// Writes the file for environments in their order of promotion.
pub fn draft(found: &[Found], charts: &BTreeMap<String, String>) -> Draft {
    let mut notes = Vec::new();
    let mut values = Vec::new();
    let environments: Map<String, Value> = found
        .iter()
        .map(|found| (found.place.environment.clone(), environment(&found.place)))
        .collect();
    let mut names: Vec<&str> = found
        .iter()
        .flat_map(|found| &found.releases)
        .map(|(release, _)| release.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut releases = Map::new();
    for name in names {
        let part = release(name, found, charts, &mut values, &mut notes);
        releases.insert(name.to_owned(), part);
    }
    let order: Vec<&str> = found
        .iter()
        .map(|found| found.place.environment.as_str())
        .collect();
    let mut text = String::from(
        "# Releases and environments; the keys: `deployer init --schema`.\napiVersion: deployer/v1\nkind: Environments\n",
    );
    for (key, value) in [
        ("environments", Value::Object(environments)),
        ("promotion", json!(order)),
        ("releases", Value::Object(releases)),
        (
            "allowed_differences",
            json!({"between_environments": ["spec.replicas", "resources.**"]}),
        ),
    ] {
        text.push('\n');
        text.push_str(write_yaml(&json!({ key: value })).trim_end());
        text.push('\n');
    }
    Draft {
        text,
        values,
        notes,
    }
}

fn environment(place: &Place) -> Value {
    let mut part = Map::new();
    match &place.target {
        PlaceTarget::Directory(path) => {
            part.insert("target".into(), format!("dir:{}", path.display()).into());
        }
        PlaceTarget::Kube { context, .. } => {
            part.extend(
                context
                    .iter()
                    .map(|context| ("context".to_owned(), context.as_str().into())),
            );
        }
    }
    part.insert("namespace".into(), place.namespace.as_str().into());
    Value::Object(part)
}

fn release(
    name: &str,
    found: &[Found],
    charts: &BTreeMap<String, String>,
    files: &mut Vec<(String, String)>,
    notes: &mut Vec<String>,
) -> Value {
    let mut part = Map::new();
    let mut environments = Map::new();
    let mut versions: Vec<&str> = Vec::new();
    let mut reference = charts.get(name).cloned();
    for place in found {
        let environment = &place.place.environment;
        let here = place
            .releases
            .iter()
            .find(|(release, _)| release.name.as_str() == name);
        let Some((release, known)) = here else {
            environments.insert(environment.clone(), json!({"absent": true}));
            continue;
        };
        reference = reference.or_else(|| known.clone());
        versions.push(release.chart_version());
        let mut config = release.config.clone();
        let mut left_out = Vec::new();
        without_secrets(&mut config, "", &mut left_out);
        for key in left_out {
            notes.push(format!(
                "`{key}` of release `{name}` in `{environment}` looks like a secret and was left out of its values file"
            ));
        }
        if !config.is_empty() {
            let path = format!("environments/{environment}/{name}.yaml");
            files.push((
                path.clone(),
                format!("{}\n", write_yaml(&Value::Object(config)).trim_end()),
            ));
            environments.insert(environment.clone(), json!({"values": [path]}));
        }
    }
    let chart_name = found.iter().flat_map(|found| &found.releases);
    let chart_name = chart_name
        .filter(|(release, _)| release.name.as_str() == name)
        .map(|(release, _)| release.chart_name())
        .next()
        .unwrap_or(name);
    let reference = reference.unwrap_or_else(|| {
        notes.push(format!(
            "no record tells where the chart of release `{name}` comes from: put its place after `chart:`, or name it with `--chart {name}=REFERENCE`"
        ));
        chart_name.to_owned()
    });
    let is_remote = reference.contains("://") && !reference.contains('@');
    part.insert("chart".into(), reference.into());
    versions.dedup();
    if let (true, [version]) = (is_remote, versions.as_slice()) {
        part.insert("version".into(), (*version).into());
    }
    if !environments.is_empty() {
        part.insert("environments".into(), Value::Object(environments));
    }
    Value::Object(part)
}

/// Takes out what looks like a secret; the keys are told.
fn without_secrets(values: &mut Map<String, Value>, path: &str, left_out: &mut Vec<String>) {
    values.retain(|key, value| {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match value {
            Value::Object(below) => {
                without_secrets(below, &path, left_out);
                true
            }
            Value::String(text) if looks_secret(&path, text) => {
                left_out.push(path);
                false
            }
            _ => true,
        }
    });
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::environment::Environments;
    use crate::release::Namespace;

    fn found(environment: &str, releases: &[(&str, Value)]) -> Found {
        let release = |(name, config): &(&str, Value)| -> (Release, Option<String>) {
            let record = json!({"name": name, "namespace": "fraud", "config": config,
                "chart": {"metadata": {"name": "web", "version": "1.2.3"}}});
            (serde_json::from_value(record).expect("a record"), None)
        };
        Found {
            place: Place {
                environment: environment.to_owned(),
                target: PlaceTarget::Kube {
                    kubeconfig: None,
                    context: Some(format!("{environment}-cluster")),
                },
                namespace: Namespace::new("fraud").expect("a name"),
            },
            releases: releases.iter().map(release).collect(),
        }
    }

    #[test]
    fn the_draft_is_a_file_that_reads_and_keeps_no_secret() {
        let values = json!({"image": {"tag": "v1"}, "db": {"password": "hunter2", "user": "me"}});
        let found = [
            found("dev", &[("web", values)]),
            found(
                "prod",
                &[("web", json!({})), ("exporter", json!({"port": 1}))],
            ),
        ];
        let charts = BTreeMap::from([("web".to_owned(), "oci://r.example.com/ml/web".to_owned())]);
        let draft = draft(&found, &charts);
        let file = Environments::parse(Path::new("deployer.yaml"), &draft.text, &|_| None)
            .unwrap_or_else(|error| panic!("{error}\n{}", draft.text));
        assert_eq!(file.names(), ["dev", "prod"]);
        let web = file.resolve("web", "dev").expect("known").expect("there");
        assert_eq!(web.version.as_deref(), Some("1.2.3"));
        assert_eq!(web.values, [Path::new("environments/dev/web.yaml")]);
        assert_eq!(file.resolve("exporter", "dev").expect("known"), None);
        let all = format!("{draft:?}");
        assert!(!all.contains("hunter2"), "{all}");
        assert_eq!(draft.notes.len(), 2, "{:#?}", draft.notes);
        assert!(
            draft
                .values
                .iter()
                .any(|(_, text)| text.contains("user: me"))
        );
    }
}
