//! Small charts and command lines off the beaten track, through us and through both Helms: the same
//! bytes on stdout, and where they fail the same words on stderr.

use std::path::Path;

use anyhow::Result;
use harness::cluster::{Helm, demand};
use harness::command::Output;
use harness::skip;

use crate::commands::Bench;
use crate::first_difference;

/// A chart `c` by its files, and what is rendered of it.
struct Odd {
    files: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
}

const CHART: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n");
const ALL: (&str, &str) = (
    "templates/t.yaml",
    "v: {{ .Values | toYaml | nindent 2 }}\nc: {{ .Chart | toYaml | nindent 2 }}\n",
);

const fn plain(arguments: &'static [&'static str]) -> Odd {
    Odd {
        files: &[CHART, ALL, ("values.yaml", "l: [1]\nm: {k: 1}\n")],
        arguments,
    }
}

const fn chart(files: &'static [(&'static str, &'static str)]) -> Odd {
    Odd {
        files,
        arguments: &[],
    }
}

const ODD: &[Odd] = &[
    plain(&[]),
    // The end within an index is an error of v3 and none of v4.
    plain(&["--set", "a[0"]),
    plain(&["--set-string", "a[0].b[1"]),
    plain(&["--set-json", "l[0"]),
    plain(&["--set-literal", "l[0"]),
    plain(&["--set-file", "l[0"]),
    // A folder, and no name at all.
    plain(&["--values", "c"]),
    plain(&["--set-file", "a=c"]),
    plain(&["--values", ""]),
    // What is no kind of chart, and fields of another kind.
    chart(&[
        ("Chart.yaml", "apiVersion: v3\nname: c\nversion: 0.1.0\n"),
        ALL,
    ]),
    chart(&[
        ("Chart.yaml", "apiVersion: 2\nname: c\nversion: 0.1.0\n"),
        ALL,
    ]),
    chart(&[("Chart.yaml", "- a\n"), ALL]),
    chart(&[
        (
            "Chart.yaml",
            "apiVersion: v2\nname: c\nversion: 0.1.0\nmaintainers: x\n",
        ),
        ALL,
    ]),
    chart(&[
        (
            "Chart.yaml",
            "apiVersion: v2\nname: c\nversion: 0.1.0\nannotations: {}\n",
        ),
        ALL,
    ]),
    // Manifests that are no objects.
    chart(&[CHART, ("templates/t.yaml", "[1, 2]\n")]),
    chart(&[CHART, ("templates/t.yaml", "text\n")]),
    // A chart under two names, with a subchart that nothing declares.
    chart(&[
        (
            "Chart.yaml",
            "apiVersion: v2\nname: c\nversion: 0.1.0\ndependencies:\n- {name: s, version: 0.1.0, alias: a}\n- {name: s, version: 0.1.0, alias: b}\n",
        ),
        (
            "charts/s/Chart.yaml",
            "apiVersion: v2\nname: s\nversion: 0.1.0\n",
        ),
        ("charts/s/templates/t.yaml", "s: {{ .Template.Name }}\n"),
        (
            "charts/s/charts/inner/Chart.yaml",
            "apiVersion: v2\nname: inner\nversion: 0.1.0\n",
        ),
        (
            "charts/s/charts/inner/templates/t.yaml",
            "inner: {{ .Template.Name }}\n",
        ),
    ]),
    // Schemas: the keywords of their own draft alone, formats in the library's words.
    chart(&[
        CHART,
        ALL,
        (
            "values.schema.json",
            r##"{"$schema":"http://json-schema.org/draft-07/schema#","$anchor":"q","properties":{"a":{"$ref":"#q"}}}"##,
        ),
    ]),
    chart(&[CHART, ALL, ("values.schema.json", r#"{"$schema":""}"#)]),
    chart(&[
        CHART,
        ALL,
        ("values.yaml", "a: P1\n"),
        (
            "values.schema.json",
            r#"{"properties":{"a":{"format":"duration"}}}"#,
        ),
    ]),
    chart(&[
        CHART,
        ALL,
        ("values.yaml", "a: \"P1M2Y\"\n"),
        (
            "values.schema.json",
            r#"{"properties":{"a":{"format":"duration"}}}"#,
        ),
    ]),
    chart(&[
        CHART,
        ALL,
        ("values.yaml", "a: tomorrow\n"),
        (
            "values.schema.json",
            r#"{"properties":{"a":{"format":"date-time"}}}"#,
        ),
    ]),
    chart(&[
        CHART,
        ALL,
        ("values.yaml", "a: \"2026-13-01T00:00:00Z\"\n"),
        (
            "values.schema.json",
            r#"{"properties":{"a":{"format":"date-time"}}}"#,
        ),
    ]),
    chart(&[
        CHART,
        ALL,
        ("values.yaml", "a: \"10:00:60Z\"\n"),
        (
            "values.schema.json",
            r#"{"properties":{"a":{"format":"time"}}}"#,
        ),
    ]),
    chart(&[
        CHART,
        ALL,
        ("values.yaml", "a: \":x\"\n"),
        (
            "values.schema.json",
            r#"{"properties":{"a":{"format":"uri"}}}"#,
        ),
    ]),
];

/// Charts are named before their flags: `template NAME c FLAGS`.
const NAMES: &[&str] = &[
    "R",
    "r_x",
    "",
    "a-name-that-is-longer-than-what-helm-takes-for-a-release",
];

#[test]
fn odd_charts_print_as_with_helm_3() -> Result<()> {
    compare(Helm::V3)
}

#[test]
fn odd_charts_print_as_with_helm_4() -> Result<()> {
    compare(Helm::V4)
}

fn compare(version: Helm) -> Result<()> {
    let mut differences = Vec::new();
    let mut count = 0;
    for odd in ODD {
        let Some(bench) = Bench::beside(version)? else {
            return Ok(());
        };
        lay(bench.path(), odd.files)?;
        differences.extend(difference(&bench, "r", odd.arguments)?);
        count += 1;
    }
    for name in NAMES {
        let Some(bench) = Bench::beside(version)? else {
            return Ok(());
        };
        lay(bench.path(), plain(&[]).files)?;
        differences.extend(difference(&bench, name, &[])?);
        count += 1;
    }
    let same = count - differences.len();
    skip::note(&format!("odd charts: {same} of {count} are the same"));
    demand(differences.is_empty(), || differences.join("\n\n"))
}

fn lay(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (name, text) in files {
        let path = folder.join("c").join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

fn difference(bench: &Bench, name: &str, arguments: &[&str]) -> Result<Option<String>> {
    let mut line = vec!["template", name, "c", "--kube-version=1.33.0"];
    line.extend(arguments);
    let theirs = bench.run(bench.helm.clone(), &line)?;
    let ours = bench.run(bench.ours()?, &line)?;
    ours.is_orderly()?;
    let told = |output: &Output| match output.code() {
        Some(0) => output.stdout.clone(),
        _ => error_alone(&output.stderr),
    };
    let (ours, theirs) = (told(&ours), told(&theirs));
    Ok((ours != theirs)
        .then(|| format!("{}\n{}", line.join(" "), first_difference(&ours, &theirs))))
}

/// What was said from the error on: Helm v4 logs some errors before it tells them.
fn error_alone(stderr: &str) -> String {
    let at = stderr.find("Error: ").unwrap_or_default();
    stderr[at..].to_owned()
}
