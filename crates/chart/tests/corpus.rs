//! Real charts, rendered in this process and compared with Helm's own output byte for byte.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use chart::{Capabilities, KubeVersion, RenderOptions, ValuesOptions};
use serde_json::Value as Json;

/// Cases that must not fall below this number, once they passed.
const FLOOR: usize = 98;

fn options(extra: &[&str], values: &mut ValuesOptions) -> Result<(RenderOptions, bool), String> {
    let mut options = RenderOptions {
        release_name: "rel".to_owned(),
        namespace: "ns".to_owned(),
        capabilities: Capabilities::default(),
        ..RenderOptions::default()
    };
    let mut with_tests = true;
    let mut extra = extra.iter();
    while let Some(flag) = extra.next() {
        let mut argument = || extra.next().copied().ok_or("a flag lacks its value");
        match *flag {
            "--kube-version" => {
                options.capabilities.kube_version =
                    KubeVersion::parse(argument()?, chart::Compat::Helm3)?
            }
            "--api-versions" | "-a" => {
                let versions = argument()?.split(',').map(str::to_owned);
                options.capabilities.api_versions.extend(versions);
            }
            "--set" => values.set.push(argument()?.to_owned()),
            "--set-string" => values.set_string.push(argument()?.to_owned()),
            "--include-crds" => options.include_crds = true,
            "--is-upgrade" => (options.is_upgrade, options.is_install) = (true, false),
            "--skip-tests" => with_tests = false,
            other => return Err(format!("unknown flag {other}")),
        }
    }
    Ok((options, with_tests))
}

fn run(folder: &Path, case: &Json) -> Result<String, String> {
    let texts = |key: &str| -> Vec<&str> {
        let items = case[key].as_array().into_iter().flatten();
        items.filter_map(Json::as_str).collect()
    };
    let mut values = ValuesOptions::default();
    for name in texts("values") {
        let text = std::fs::read_to_string(folder.join(name)).map_err(|error| error.to_string())?;
        values.files.push((name.to_owned(), text));
    }
    let (options, with_tests) = options(&texts("extra"), &mut values)?;
    let chart = chart::load(&folder.join("chart")).map_err(|error| format!("Error: {error}\n"))?;
    let warning = chart
        .deprecation_warning(chart::Compat::Helm3)
        .map_or_else(String::new, |warning| format!("{warning}\n"));
    match chart::template(&chart, &values, &options) {
        Ok(rendered) => Ok(rendered.template_text(&rendered.manifest_text(), true, with_tests)),
        Err(error) => {
            let hint = if error.is_from_rendering() {
                "\n\nUse --debug flag to render out invalid YAML"
            } else {
                ""
            };
            Err(format!("{warning}Error: {error}{hint}\n"))
        }
    }
}

/// Tells whether the texts are equal but for lines that are random.
fn same(found: &str, wanted: &str, masked: &[u64]) -> Option<String> {
    let (found_lines, wanted_lines): (Vec<&str>, Vec<&str>) =
        (found.split('\n').collect(), wanted.split('\n').collect());
    let longest = found_lines.len().max(wanted_lines.len());
    (0..longest)
        .find(|line| {
            !masked.contains(&(*line as u64)) && found_lines.get(*line) != wanted_lines.get(*line)
        })
        .map(|line| {
            format!(
                "line {}: found {:?}, expected {:?}",
                line + 1,
                found_lines.get(line),
                wanted_lines.get(line)
            )
        })
}

fn check(folder: &Path, case: &Json) -> Option<String> {
    let result = run(folder, case);
    if case["kind"] == "error" {
        let wanted = case["stderr"].as_str().unwrap();
        return match result {
            Ok(_) => Some(format!("rendered, but Helm fails with {wanted:?}")),
            Err(found) if found == wanted => None,
            Err(found) => Some(format!("found {found:?}, expected {wanted:?}")),
        };
    }
    let name = case["case"].as_str().unwrap().rsplit('/').next().unwrap();
    let wanted = std::fs::read(folder.join(format!("expected/{name}.yaml"))).unwrap();
    let masked: Vec<u64> = case["mask_lines"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_u64)
        .collect();
    match result {
        Ok(found) => same(&found, &String::from_utf8_lossy(&wanted), &masked),
        Err(error) => Some(error),
    }
}

#[test]
fn real_charts_render_as_helm_renders_them() {
    let folder = std::env::var_os("HELM_CORPUS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/corpus"
            ))
        },
        PathBuf::from,
    );
    let Ok(entries) = std::fs::read_dir(folder.join("dev")) else {
        println!(
            "SKIPPED: no charts at {} (set HELM_CORPUS)",
            folder.display()
        );
        return;
    };
    let only = std::env::var("CORPUS_ONLY").unwrap_or_default();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let (mut passed, mut total) = (0, 0);
    for folder in folders
        .iter()
        .filter(|f| f.to_string_lossy().contains(&only))
    {
        let text = std::fs::read_to_string(folder.join("cases.json")).unwrap();
        let cases: Vec<Json> = serde_json::from_str(&text).unwrap();
        for case in &cases {
            total += 1;
            match check(folder, case) {
                None => passed += 1,
                Some(difference) => println!("FAIL {}: {difference}", case["case"]),
            }
        }
    }
    println!("corpus: {passed}/{total} byte-exact");
    assert!(
        !only.is_empty() || passed >= FLOOR,
        "{passed} cases pass, fewer than {FLOOR}"
    );
}
