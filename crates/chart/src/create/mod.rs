//! A new chart: the starter that comes with this crate, or one of the user's.
//!
//! Source: Helm v3.22 pkg/chartutil/create.go. Where Helm writes a web server, this writes a model
//! server behind a gate.

use std::path::Path;

use template::yaml;

use crate::{
    load::{self, LoadError},
    metadata::Metadata,
    model::File,
    package::{self, PackageError},
};

/// What a starter writes where the chart's name belongs.
const PLACEHOLDER: &str = "<CHARTNAME>";
/// The most letters of a chart's name: every object's name has to have room for it.
const NAME_LETTERS_MAX: usize = 250;

macro_rules! starter {
    ($($name:literal = $source:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("starter/", $source)))),*]
    };
}

const STARTER: &[(&str, &str)] = starter![
    ".helmignore" = "helmignore",
    "Chart.yaml" = "Chart.yaml",
    "README.md" = "README.md",
    "templates/NOTES.txt" = "templates/NOTES.txt",
    "templates/_helpers.tpl" = "templates/_helpers.tpl",
    "templates/deployment.yaml" = "templates/deployment.yaml",
    "templates/gate-job.yaml" = "templates/gate-job.yaml",
    "templates/gate-serviceaccount.yaml" = "templates/gate-serviceaccount.yaml",
    "templates/service.yaml" = "templates/service.yaml",
    "templates/serviceaccount.yaml" = "templates/serviceaccount.yaml",
    "templates/tests/test-ready.yaml" = "templates/tests/test-ready.yaml",
    "values.schema.json" = "values.schema.json",
    "values.yaml" = "values.yaml",
];

/// A chart that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("chart name must be between 1 and {NAME_LETTERS_MAX} characters")]
    NameLength,
    #[error("chart name must match the regular expression \"^[a-zA-Z0-9._-]+$\"")]
    NameLetters,
    #[error("could not load {path}: {source}")]
    Starter {
        path: String,
        source: Box<LoadError>,
    },
    #[error(transparent)]
    Package(#[from] PackageError),
}

/// Returns the files of a new chart of that name, relative to its folder.
///
/// # Errors
/// A name that no chart may have.
pub fn create(name: &str) -> Result<Vec<File>, CreateError> {
    check_name(name)?;
    let file = |(path, text): &(&str, &str)| File {
        name: (*path).to_owned(),
        data: text.replace(PLACEHOLDER, name).into_bytes().into(),
    };
    Ok(STARTER.iter().map(file).collect())
}

/// Returns the files of a chart of that name made from a starter of the user's: its templates and
/// its values with the name in place of `<CHARTNAME>`, a new Chart.yaml, all else as it is.
///
/// # Errors
/// A name that no chart may have, or a starter that is no chart.
pub fn create_from(name: &str, starter: &Path) -> Result<Vec<File>, CreateError> {
    check_name(name)?;
    let chart = load::load(starter).map_err(|source| CreateError::Starter {
        path: starter.display().to_string(),
        source: Box::new(source),
    })?;
    let metadata = Metadata {
        name: name.to_owned(),
        description: "A Helm chart for Kubernetes".to_owned(),
        chart_type: "application".to_owned(),
        version: "0.1.0".to_owned(),
        app_version: "0.1.0".to_owned(),
        api_version: "v2".to_owned(),
        ..Metadata::default()
    };
    let named = |file: &File| File {
        name: file.name.clone(),
        data: file.text().replace(PLACEHOLDER, name).into_bytes().into(),
    };
    let json = serde_json::to_value(&metadata).unwrap_or_default();
    let mut files = vec![File {
        name: "Chart.yaml".to_owned(),
        data: yaml::emit(&yaml::from_json(&json)).into_bytes().into(),
    }];
    files.extend(
        chart
            .raw
            .iter()
            .filter(|file| file.name == "values.yaml")
            .map(named),
    );
    files.extend(chart.schema.iter().map(|schema| File {
        name: "values.schema.json".to_owned(),
        data: schema.clone(),
    }));
    files.extend(chart.templates.iter().map(named));
    files.extend(chart.files.iter().cloned());
    for child in &chart.dependencies {
        let packed = package::package(child, &package::PackageOptions::default())?;
        files.push(File {
            name: format!("charts/{}", packed.file_name),
            data: packed.bytes.into(),
        });
    }
    Ok(files)
}

fn check_name(name: &str) -> Result<(), CreateError> {
    if name.is_empty() || name.len() > NAME_LETTERS_MAX {
        return Err(CreateError::NameLength);
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name == "." || name == ".." || !name.chars().all(is_allowed) {
        return Err(CreateError::NameLetters);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint;
    use template::{Compat, Map};

    fn written(files: &[File], name: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(name).join(&file.name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &file.data).unwrap();
        }
        folder
    }

    #[test]
    fn a_new_chart_has_nothing_to_warn_about() {
        let name = "credit-risk";
        let folder = written(&create(name).unwrap(), name);
        let path = folder.path().join(name).display().to_string();
        for compat in [Compat::Helm3, Compat::Helm4] {
            let sources = lint::Sources::read(&path, compat).unwrap();
            let options = lint::LintOptions {
                namespace: "default".into(),
                kube_version: None,
                skip_schema_validation: false,
                limits: template::Limits::default(),
                compat,
            };
            let findings = lint::lint(&sources, &Map::default(), &options);
            let lines: Vec<String> = findings.messages.iter().map(ToString::to_string).collect();
            assert_eq!(lines, ["[INFO] Chart.yaml: icon is recommended"]);
        }
    }

    #[test]
    fn a_starter_lends_its_templates_and_values_under_the_new_name() {
        let starter = [
            (
                "Chart.yaml",
                "apiVersion: v2\nname: starter\nversion: 1.0.0\n",
            ),
            ("values.yaml", "name: <CHARTNAME> # kept\n"),
            ("templates/a.yaml", "name: <CHARTNAME>\n"),
            ("README.md", "about <CHARTNAME>\n"),
            (
                "charts/child/Chart.yaml",
                "apiVersion: v2\nname: child\nversion: 0.1.0\n",
            ),
        ]
        .map(|(name, text)| File {
            name: name.into(),
            data: text.as_bytes().into(),
        });
        let folder = written(&starter, "starter");
        let files = create_from("mine", &folder.path().join("starter")).unwrap();
        let texts: Vec<(&str, String)> = files
            .iter()
            .take(4)
            .map(|file| (file.name.as_str(), file.text()))
            .collect();
        assert_eq!(
            texts,
            [
                (
                    "Chart.yaml",
                    "apiVersion: v2\nappVersion: 0.1.0\ndescription: A Helm chart for Kubernetes\nname: mine\ntype: application\nversion: 0.1.0\n".to_owned()
                ),
                ("values.yaml", "name: mine # kept\n".to_owned()),
                ("templates/a.yaml", "name: mine\n".to_owned()),
                ("README.md", "about <CHARTNAME>\n".to_owned()),
            ]
        );
        assert_eq!(files[4].name, "charts/child-0.1.0.tgz");
    }

    #[test]
    fn names_that_no_chart_may_have_are_refused() {
        for name in ["", "a/b", "..", "a b", &"x".repeat(251)] {
            assert!(create(name).is_err(), "{name}");
        }
    }
}
