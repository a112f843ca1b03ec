//! Hands the same expressions to Helm v3 and to this crate, and compares results and error texts.
//!
//! Helm is the program that `HELM3` names, else `helm3` in the project's cache folder or `helm` on
//! `PATH`. Without one nothing is compared, and the test says so aloud.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use template::{Options, Templates, Value, yaml};

const VALUES: &str = "int: 3\nfloat: 1.5\nbig: 1234567890\nstr: text\nnul: null\nlist: [1, two, 3.5]\n\
                      map: {a: 1, b: {c: deep}}\n";
const HELPERS: &str = "{{- define \"helper\" -}}helped {{ .Values.int }}{{- end -}}\n\
                       {{- define \"recursive\" -}}{{ include \"recursive\" . }}{{- end -}}\n";
const EXPRESSIONS: &str = include_str!("expressions.txt");

/// Differences that stay, each with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        ".Capabilities.Nope",
        "the objects of a release belong to the crate `chart`",
    ),
    (
        "toToml .Values",
        "Helm keeps a null of the default values that this test's data lack",
    ),
];

fn helm() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("HELM3") {
        return Some(PathBuf::from(path));
    }
    let home = std::env::var_os("HOME").map(PathBuf::from)?;
    let cache =
        std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from);
    let built = cache.join("ml-deployer/bin-pre/helm3");
    if built.exists() {
        return Some(built);
    }
    let found = Command::new("helm")
        .arg("version")
        .output()
        .is_ok_and(|output| output.status.success());
    found.then(|| PathBuf::from("helm"))
}

fn chart(folder: &Path, template: &str) {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a chart's file has a folder"))
            .expect("a writable folder");
        std::fs::write(path, text).expect("a writable folder");
    };
    write("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n");
    write("values.yaml", VALUES);
    write("templates/_helpers.tpl", HELPERS);
    write("templates/x.yaml", template);
}

fn run_helm(helm: &Path, folder: &Path, template: &str) -> Result<String, String> {
    chart(folder, template);
    let output = Command::new(helm)
        .args(["template", "r"])
        .arg(folder)
        .env("TZ", "UTC")
        .output()
        .expect("helm runs");
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.split("Error: ").nth(1).unwrap_or_default();
    Err(text
        .split("\n\nUse --debug")
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_owned())
}

fn run_here(template: &str) -> Result<String, String> {
    let mut templates = Templates::new(Options::default());
    templates
        .parse("c/templates/x.yaml", template)
        .map_err(|error| error.to_string())?;
    templates
        .parse("c/templates/_helpers.tpl", HELPERS)
        .map_err(|error| error.to_string())?;
    let values = yaml::parse(VALUES).expect("the values are YAML");
    let data = Value::map(BTreeMap::from([
        (Rc::from("Values"), values),
        (Rc::from("Capabilities"), Value::map(BTreeMap::new())),
    ]));
    templates
        .execute("c/templates/x.yaml", &data)
        .map(|output| output.replace("<no value>", ""))
        .map_err(|error| error.to_string().trim_end().to_owned())
}

/// The decoded results by the number of the expression.
fn results(output: &str) -> BTreeMap<usize, String> {
    let pair = |line: &str| {
        let (number, encoded) = line.strip_prefix('k')?.split_once(": \"")?;
        let content = STANDARD.decode(encoded.strip_suffix('"')?).ok()?;
        Some((
            number.parse().ok()?,
            String::from_utf8_lossy(&content).into_owned(),
        ))
    };
    output.lines().filter_map(pair).collect()
}

#[test]
fn functions_answer_as_in_helm() {
    let Some(helm) = helm() else {
        println!("NOT RUN: differential: no helm v3; set HELM3 to one");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lines = EXPRESSIONS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (failing, working): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with('!'));
    let total = failing.len() + working.len();
    let mut differences = Vec::new();
    let template: String = working
        .iter()
        .enumerate()
        .map(|(number, expression)| {
            format!("k{number}: \"{{{{ printf \"%v\" ({expression}) | b64enc }}}}\"\n")
        })
        .collect();
    let theirs =
        results(&run_helm(&helm, folder.path(), &template).expect("Helm renders the expressions"));
    let ours = results(&run_here(&template).unwrap_or_else(|error| panic!("{error}")));
    for (number, expression) in working.iter().enumerate() {
        if theirs.get(&number) != ours.get(&number) {
            let (theirs, ours) = (theirs.get(&number), ours.get(&number));
            differences.push((*expression, format!("\n  helm {theirs:?}\n  here {ours:?}")));
        }
    }
    for line in failing {
        let expression = line[1..].trim();
        let template = format!("a: 1\nb: {{{{ {expression} }}}}\n");
        let (theirs, ours) = (
            run_helm(&helm, folder.path(), &template),
            run_here(&template),
        );
        if theirs != ours || theirs.is_ok() {
            differences.push((expression, format!("\n  helm {theirs:?}\n  here {ours:?}")));
        }
    }
    differences.retain(|(expression, _)| {
        match EXCEPTIONS.iter().find(|(known, _)| known == expression) {
            Some((_, reason)) => {
                println!("exception {expression}: {reason}");
                false
            }
            None => true,
        }
    });
    println!(
        "differential: {} of {total} alike",
        total - differences.len()
    );
    let shown: Vec<String> = differences
        .iter()
        .map(|(expression, difference)| format!("{expression}{difference}"))
        .collect();
    assert!(
        shown.is_empty(),
        "{} differ:\n{}",
        shown.len(),
        shown.join("\n")
    );
}
