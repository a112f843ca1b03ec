//! The commands around charts, through us and through Helm 3: the same words on stdout, the same
//! success, the same files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use harness::cluster::{Helm, demand};
use harness::command::{Output, Program};
use harness::{binaries, skip, workspace};
use tempfile::TempDir;

use crate::first_difference;
use crate::lint_charts::lay_out;

/// A folder of its own for each test, in which both programs run.
pub(crate) struct Bench {
    pub(crate) helm: Program,
    compat: &'static str,
    folder: TempDir,
}

impl Bench {
    /// `None` where there is no Helm, which is said aloud.
    fn new() -> Result<Option<Self>> {
        Self::beside(Helm::V3)
    }

    /// As [`Self::new`], with ours in the ways of that Helm.
    pub(crate) fn beside(version: Helm) -> Result<Option<Self>> {
        let Some(helm) = version.program() else {
            skip::aloud(&format!("E2E_BIN has no `{}`", version.name()))?;
            return Ok(None);
        };
        Ok(Some(Self {
            helm,
            compat: if version == Helm::V4 {
                "helm4"
            } else {
                "helm3"
            },
            folder: tempfile::tempdir()?,
        }))
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn ours(&self) -> Result<Program> {
        let program = Program::new(binaries::path("deployer")?);
        Ok(program.env("DEPLOYER_COMPAT", self.compat))
    }

    pub(crate) fn run<A: AsRef<str>>(&self, program: Program, arguments: &[A]) -> Result<Output> {
        program
            .args(arguments.iter().map(AsRef::as_ref))
            .folder(self.path())
            .time_limit(Duration::from_secs(60))
            .run()
    }

    /// Runs one command line in both; returns how they differ.
    fn difference<A: AsRef<str>>(&self, arguments: &[A]) -> Result<Option<String>> {
        let theirs = self.run(self.helm.clone(), arguments)?;
        let ours = self.run(self.ours()?, arguments)?;
        ours.is_orderly()?;
        let line = arguments
            .iter()
            .map(AsRef::as_ref)
            .collect::<Vec<_>>()
            .join(" ");
        if ours.stdout != theirs.stdout {
            let difference = first_difference(&ours.stdout, &theirs.stdout);
            return Ok(Some(format!("{line}\n{difference}\n{}", ours.stderr)));
        }
        let succeeded = |output: &Output| output.code() == Some(0);
        if succeeded(&ours) != succeeded(&theirs) {
            let (ours, theirs) = (ours.describe(), theirs.describe());
            return Ok(Some(format!("{line}\nours:\n{ours}\ntheirs:\n{theirs}")));
        }
        Ok(None)
    }

    fn compare(&self, lines: &[Vec<String>]) -> Result<()> {
        let mut differences = Vec::new();
        for line in lines {
            differences.extend(self.difference(line)?);
        }
        demand(differences.is_empty(), || {
            format!(
                "{} of {} command lines differ:\n{}",
                differences.len(),
                lines.len(),
                differences.join("\n\n")
            )
        })
    }
}

/// Splits a command line at its spaces; `CHART` and `STACK` stand for charts of this repository.
fn words(line: &str) -> Vec<String> {
    let chart = workspace::chart("fraud-model").display().to_string();
    line.split(' ')
        .map(|word| word.replace("CHART", &chart))
        .collect()
}

/// Every file below a folder, by its path.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
                found.insert(path.strip_prefix(folder)?.to_owned(), text);
            }
        }
    }
    Ok(found)
}

/// A chart with a subchart, hooks, tests, CRDs, notes and flags that change what is rendered.
fn busy_chart(folder: &Path) -> Result<()> {
    for (name, text) in [
        (
            "Chart.yaml",
            "apiVersion: v2\nname: busy\nversion: 1.2.3\nappVersion: \"9\"\nkeywords: [b, a]\ndependencies:\n- name: inner\n  version: 0.1.0\n  condition: inner.enabled\n",
        ),
        (
            "values.yaml",
            "# kept\nname: x # and this\ninner:\n  enabled: true\nlist:\n- {n: 1, name: a}\n- {n: 2, name: b}\nbig: 1000000\n",
        ),
        ("README.md", "# Busy\n\nwords\n"),
        (
            "crds/a.yaml",
            "kind: CustomResourceDefinition\nmetadata: {name: a}\n",
        ),
        (
            "crds/sub/b.yaml",
            "---\nkind: CustomResourceDefinition\nmetadata: {name: b}\n",
        ),
        (
            "templates/_p.tpl",
            "{{ define \"n\" }}{{ .Release.Name }}{{ end }}",
        ),
        (
            "templates/config.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include \"n\" . }}\n  namespace: {{ .Release.Namespace }}\ndata:\n  name: {{ .Values.name | quote }}\n  upgrade: \"{{ .Release.IsUpgrade }} {{ .Release.IsInstall }} {{ .Release.Revision }}\"\n  kube: {{ .Capabilities.KubeVersion.Version }}\n  api: \"{{ .Capabilities.APIVersions.Has \"x.io/v1\" }}\"\n",
        ),
        (
            "templates/two.yaml",
            "kind: Service\napiVersion: v1\nmetadata: {name: two}\n---\nkind: Secret\napiVersion: v1\nmetadata: {name: two}\n",
        ),
        (
            "templates/sub/deep.yaml",
            "kind: Service\napiVersion: v1\nmetadata: {name: deep}\n",
        ),
        (
            "templates/hook.yaml",
            "kind: Job\napiVersion: batch/v1\nmetadata:\n  name: hook\n  annotations: {\"helm.sh/hook\": pre-install}\n",
        ),
        (
            "templates/tests/t.yaml",
            "kind: Pod\napiVersion: v1\nmetadata:\n  name: t\n  annotations: {\"helm.sh/hook\": test}\n",
        ),
        ("templates/NOTES.txt", "Notes of {{ .Release.Name }}\n"),
        (
            "charts/inner/Chart.yaml",
            "apiVersion: v2\nname: inner\nversion: 0.1.0\n",
        ),
        ("charts/inner/values.yaml", "enabled: true\ncolour: red\n"),
        (
            "charts/inner/templates/i.yaml",
            "kind: ConfigMap\napiVersion: v1\nmetadata: {name: i}\ndata: {colour: {{ .Values.colour | quote }}}\n",
        ),
        ("charts/inner/templates/NOTES.txt", "Inner notes\n"),
    ] {
        let path = folder.join("busy").join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    std::fs::write(folder.join("more.yaml"), "name: from-file\n")?;
    std::fs::write(folder.join("content.txt"), "line, with = all\n")?;
    Ok(())
}

#[test]
fn lint_says_of_good_and_broken_charts_what_helm_3_says() -> Result<()> {
    lint_as(Helm::V3)
}

#[test]
fn lint_says_of_good_and_broken_charts_what_helm_4_says() -> Result<()> {
    lint_as(Helm::V4)
}

fn lint_as(version: Helm) -> Result<()> {
    let Some(bench) = Bench::beside(version)? else {
        return Ok(());
    };
    let names = lay_out(bench.path())?;
    let mut lines: Vec<Vec<String>> = names
        .iter()
        .map(|name| words(&format!("lint {name} --kube-version=1.34.0")))
        .collect();
    lines.extend(
        [
            "lint deprecated --kube-version=1.21.0",
            "lint deprecated --kube-version=1.13.0 --strict",
            "lint good no-icon --strict --kube-version=1.34.0",
            "lint no-icon --quiet --kube-version=1.34.0",
            "lint good no-name no-values --quiet --kube-version=1.34.0",
            "lint names --strict --quiet --kube-version=1.34.0",
            "lint ./good/ no/such --kube-version=1.34.0",
            "lint no-such.tgz",
            "lint dependency-undeclared --with-subcharts --kube-version=1.34.0",
            "lint schema-violated --set=age=3,name=x --kube-version=1.34.0",
            "lint schema-violated --skip-schema-validation --kube-version=1.34.0",
            "lint good --set=a --kube-version=1.34.0",
            "lint good --kube-version=nonsense",
            "lint template-required --set=none=a --kube-version=1.34.0",
            "lint CHART --strict --kube-version=1.34.0",
        ]
        .map(words),
    );
    bench.compare(&lines)
}

#[test]
fn show_prints_what_helm_3_prints() -> Result<()> {
    let Some(bench) = Bench::new()? else {
        return Ok(());
    };
    busy_chart(bench.path())?;
    lay_out(bench.path())?;
    let mut lines = Vec::new();
    for chart in [
        "busy",
        "CHART",
        "no-values",
        "good",
        "values-not-yaml",
        "missing",
    ] {
        for part in ["all", "chart", "values", "readme", "crds"] {
            lines.push(words(&format!("show {part} {chart}")));
        }
    }
    lines.push(words("inspect values busy"));
    for template in [
        "{.name}",
        "{.list[*].name}",
        "{.list[0]}",
        "{.inner.enabled}",
        "{.missing}",
        "{.list[?(@.name==\"b\")].n}",
        "{range .list[*]}{.name}{\"\\n\"}{end}",
        "{.big}",
    ] {
        let mut line = words("show values busy --jsonpath");
        line.push(template.to_owned());
        lines.push(line);
    }
    bench.compare(&lines)
}

#[test]
fn template_answers_to_its_flags_as_helm_3_does() -> Result<()> {
    let Some(bench) = Bench::new()? else {
        return Ok(());
    };
    busy_chart(bench.path())?;
    lay_out(bench.path())?;
    let flags = [
        "",
        "--include-crds",
        "--skip-crds",
        "--include-crds --skip-crds",
        "--skip-tests",
        "--no-hooks",
        "--is-upgrade",
        "--namespace=other",
        "--kube-version=1.30.1",
        "--api-versions=x.io/v1",
        "-a=y.io/v1,x.io/v1",
        "--show-only=templates/config.yaml",
        "-s=templates/two.yaml -s=templates/config.yaml",
        "--show-only=templates/*.yaml",
        "--show-only=templates/sub/*",
        "--show-only=templates/[ct]*.yaml",
        "--show-only=charts/inner/templates/i.yaml",
        "--show-only=templates/hook.yaml",
        "--show-only=templates/hook.yaml --no-hooks",
        "--show-only=templates/tests/t.yaml --skip-tests",
        "--show-only=crds/a.yaml --include-crds",
        "--show-only=templates/none.yaml",
        "--show-only=templates/NOTES.txt",
        "--set=inner.enabled=false",
        "--set=name=a,inner.colour=blue",
        "--set-string=name=1",
        "--set-json=name=\"j\"",
        "--set-literal=name=a,b",
        "--set-file=name=content.txt",
        "--set-file=name=none.txt",
        "-f=more.yaml --set=inner.colour=green",
        "--values=more.yaml,none.yaml",
        "--hide-notes",
        "--render-subchart-notes",
        "--skip-schema-validation",
        "--disable-openapi-validation",
        "--post-renderer=cat",
        "--post-renderer=sed --post-renderer-args=s/ConfigMap/Changed/",
        "--post-renderer=false",
        "--dry-run",
        "--dry-run=client",
        "--description=text --wait --atomic --timeout=3s --replace --create-namespace",
        "--kube-version=x",
        "--version=1.0.0",
        "--devel",
        "--dependency-update",
    ];
    let with_version = |line: String| {
        let line = if line.contains("--kube-version") {
            line
        } else {
            format!("{line} --kube-version=1.33.0")
        };
        words(line.trim_end())
    };
    let mut lines: Vec<Vec<String>> = flags
        .iter()
        .map(|flags| with_version(format!("template name busy {flags}").trim_end().to_owned()))
        .collect();
    lines.extend(
        [
            "template busy",
            "template busy --name-template=fixed",
            "template name busy --name-template=fixed",
            "template name busy --generate-name",
            "template busy --release-name",
            "template Bad_Name busy",
            "template name no/such/chart",
            "template name library",
            "template name dependency-missing",
            "template name schema-violated",
            "template name schema-violated --skip-schema-validation",
            "template name template-no-yaml",
            "template name template-fails",
            "template name kube-version",
            "template",
        ]
        .map(|line| with_version(line.to_owned())),
    );
    bench.compare(&lines)
}

#[test]
fn template_shows_what_is_no_yaml_when_asked_to_debug() -> Result<()> {
    let Some(bench) = Bench::new()? else {
        return Ok(());
    };
    // One template alone: Helm prints several in an order of its own.
    let templates = bench.path().join("one/templates");
    std::fs::create_dir_all(&templates)?;
    std::fs::write(
        bench.path().join("one/Chart.yaml"),
        "apiVersion: v2\nname: one\nversion: 0.1.0\n",
    )?;
    std::fs::write(templates.join("bad.yaml"), "a: b: {{ .Release.Name }}\n")?;
    bench.compare(&["template name one --debug", "template name one"].map(words))
}

#[test]
fn template_writes_the_files_that_helm_3_writes() -> Result<()> {
    let Some(bench) = Bench::new()? else {
        return Ok(());
    };
    busy_chart(bench.path())?;
    for (number, flags) in [
        "",
        "--release-name",
        "--include-crds",
        "--no-hooks",
        "--skip-tests",
    ]
    .iter()
    .enumerate()
    {
        let line = |who: &str| {
            let line = format!(
                "template name busy --kube-version=1.33.0 --output-dir={who}{number} {flags}"
            );
            words(line.trim_end())
        };
        let theirs = bench.run(bench.helm.clone(), &line("theirs"))?;
        let ours = bench.run(bench.ours()?, &line("ours"))?;
        demand(ours.code() == Some(0) && theirs.code() == Some(0), || {
            format!("{}\n{}", ours.describe(), theirs.describe())
        })?;
        let (our_files, their_files) = (
            files(&bench.path().join(format!("ours{number}")))?,
            files(&bench.path().join(format!("theirs{number}")))?,
        );
        demand(our_files == their_files, || {
            format!("{flags}: {our_files:#?}\nis not\n{their_files:#?}")
        })?;
        let told = ours.stdout.replace(&format!("ours{number}"), "");
        let told_by_helm = theirs.stdout.replace(&format!("theirs{number}"), "");
        demand(told == told_by_helm, || {
            first_difference(&told, &told_by_helm)
        })?;
    }
    Ok(())
}

#[test]
fn an_archive_of_ours_is_to_helm_3_the_chart_that_it_is_to_us() -> Result<()> {
    let Some(bench) = Bench::new()? else {
        return Ok(());
    };
    busy_chart(bench.path())?;
    std::fs::write(bench.path().join("busy/.helmignore"), "*.bak\n")?;
    std::fs::write(bench.path().join("busy/templates/x.yaml.bak"), "{{")?;
    let pack = |program: Program, folder: &str, flags: &str| {
        let line = format!("package busy -d {folder} {flags}");
        bench.run(program, &words(line.trim_end()))
    };
    let ours = pack(bench.ours()?, "ours", "--version 2.0.0 --app-version 7")?;
    let theirs = pack(
        bench.helm.clone(),
        "theirs",
        "--version 2.0.0 --app-version 7",
    )?;
    demand(
        ours.stdout == "Successfully packaged chart and saved it to: ours/busy-2.0.0.tgz\n",
        || ours.describe(),
    )?;
    demand(
        theirs.stdout.replace("theirs/", "ours/") == ours.stdout,
        || theirs.describe(),
    )?;
    let again = pack(bench.ours()?, "again", "--version 2.0.0 --app-version 7")?;
    demand(again.code() == Some(0), || again.describe())?;
    let read = |folder: &str| std::fs::read(bench.path().join(folder).join("busy-2.0.0.tgz"));
    demand(read("ours")? == read("again")?, || {
        "the same chart gave other bytes".to_owned()
    })?;
    for line in [
        "show all",
        "show crds",
        "lint --kube-version=1.33.0",
        "template name --kube-version=1.33.0",
    ] {
        let of = |program: Program, archive: &str| {
            bench.run(program, &words(&format!("{line} {archive}/busy-2.0.0.tgz")))
        };
        let plain = |output: Output| output.stdout.replace("theirs/", "ours/");
        let of_ours = plain(of(bench.helm.clone(), "ours")?);
        demand(of_ours == plain(of(bench.helm.clone(), "theirs")?), || {
            format!("helm reads another chart from our archive: {line}\n{of_ours}")
        })?;
        let read_by_us = plain(of(bench.ours()?, "ours")?);
        demand(of_ours == read_by_us, || {
            format!("{line}: {}", first_difference(&read_by_us, &of_ours))
        })?;
    }
    bench.compare(
        &[
            "package busy --version no",
            "package no/such",
            "package busy --sign",
        ]
        .map(words),
    )
}

#[test]
fn a_created_chart_is_clean_and_renders_alike() -> Result<()> {
    let Some(bench) = Bench::new()? else {
        return Ok(());
    };
    let made = bench.run(bench.ours()?, &["create", "credit-risk"])?;
    demand(made.stdout == "Creating credit-risk\n", || made.describe())?;
    bench.compare(
        &[
            "lint credit-risk --strict --kube-version=1.34.0",
            "template name credit-risk --kube-version=1.34.0",
            "template name credit-risk --kube-version=1.34.0 --set=gate.enabled=false",
            "template name credit-risk --kube-version=1.34.0 --set=modle.path=x",
            "show all credit-risk",
        ]
        .map(words),
    )?;
    let strict = bench.run(bench.ours()?, &["lint", "credit-risk", "--strict"])?;
    demand(strict.code() == Some(0), || strict.describe())?;
    let again = bench.run(bench.ours()?, &["create", "credit-risk"])?;
    demand(
        again
            .stdout
            .contains("credit-risk/values.yaml\" already exists. Overwriting."),
        || again.describe(),
    )
}

#[test]
fn a_starter_gives_the_files_that_it_gives_to_helm_3() -> Result<()> {
    let Some(bench) = Bench::new()? else {
        return Ok(());
    };
    busy_chart(bench.path())?;
    let starter = bench.path().join("busy");
    std::fs::write(starter.join("templates/named.yaml"), "name: <CHARTNAME>\n")?;
    std::fs::write(starter.join("values.yaml"), "name: <CHARTNAME> # kept\n")?;
    let starter = starter.display().to_string();
    for (program, folder) in [(bench.helm.clone(), "theirs"), (bench.ours()?, "ours")] {
        let name = format!("{folder}/mine");
        let made = bench.run(program, &["create", name.as_str(), "-p", starter.as_str()])?;
        demand(made.stdout == format!("Creating {folder}/mine\n"), || {
            made.describe()
        })?;
    }
    let texts = |folder: &str| -> Result<BTreeMap<PathBuf, String>> {
        let mut found = files(&bench.path().join(folder).join("mine"))?;
        // Helm stamps its archives with the time.
        found.retain(|path, _| path.extension().is_none_or(|extension| extension != "tgz"));
        Ok(found)
    };
    let (ours, theirs) = (texts("ours")?, texts("theirs")?);
    demand(ours == theirs, || format!("{ours:#?}\nis not\n{theirs:#?}"))?;
    bench.compare(&[words("template name ours/mine --kube-version=1.34.0")])
}
