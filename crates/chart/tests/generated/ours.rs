//! Our side: the command line of a case as calls of the crate.

use std::path::Path;

use chart::{Capabilities, KubeVersion, RenderOptions, ValuesOptions};

use template::Compat;

use crate::case::{Case, Outcome};

pub(crate) fn run(case: &Case, folder: &Path) -> Outcome {
    let mut warnings = Vec::new();
    let result = template(case, folder, &mut warnings);
    warnings.sort();
    Outcome { result, warnings }
}

fn template(case: &Case, folder: &Path, warnings: &mut Vec<String>) -> Result<String, String> {
    let mut values = ValuesOptions::default();
    let mut options = RenderOptions {
        release_name: "rel".to_owned(),
        namespace: "ns".to_owned(),
        capabilities: Capabilities {
            kube_version: KubeVersion::parse("1.33.0", Compat::Helm3).unwrap(),
            ..Capabilities::default()
        },
        ..RenderOptions::default()
    };
    let (mut with_hooks, mut with_tests) = (true, true);
    let mut arguments = case.arguments[1..].iter();
    while let Some(flag) = arguments.next() {
        let mut argument = || arguments.next().unwrap().clone();
        match flag.as_str() {
            "-f" => {
                let name = argument();
                let text = std::fs::read_to_string(folder.join(&name)).unwrap();
                values.files.push((name, text));
            }
            "--set" => values.set.push(argument()),
            "--set-string" => values.set_string.push(argument()),
            "--set-json" => values.set_json.push(argument()),
            "--set-literal" => values.set_literal.push(argument()),
            "--api-versions" => {
                let versions = argument();
                let versions = versions.split(',').map(str::to_owned);
                options.capabilities.api_versions.extend(versions);
            }
            "--kube-version" => {
                let given = argument();
                options.capabilities.kube_version = KubeVersion::parse(&given, Compat::Helm3)
                    .map_err(|error| format!("Error: invalid kube version '{given}': {error}\n"))?;
            }
            "--include-crds" => options.include_crds = true,
            "--render-subchart-notes" => options.subchart_notes = true,
            "--is-upgrade" => (options.is_upgrade, options.is_install) = (true, false),
            "--skip-tests" => with_tests = false,
            "--no-hooks" => with_hooks = false,
            "--skip-schema-validation" => options.skip_schema_validation = true,
            other => panic!("unknown flag {other}"),
        }
    }
    values
        .merge()
        .map_err(|error| format!("Error: {error}\n"))?;
    let path = folder.join(&case.arguments[0]);
    let chart = chart::load(&path).map_err(|error| format!("Error: {error}\n"))?;
    warnings.extend(chart.deprecation_warning(Compat::Helm3).map(str::to_owned));
    match chart::template_with_warnings(&chart, &values, &options, warnings) {
        Ok(rendered) => {
            Ok(rendered.template_text(&rendered.manifest_text(), with_hooks, with_tests))
        }
        Err(error) => {
            let hint = if error.is_from_rendering() {
                "\n\nUse --debug flag to render out invalid YAML"
            } else {
                ""
            };
            Err(format!("Error: {error}{hint}\n"))
        }
    }
}
