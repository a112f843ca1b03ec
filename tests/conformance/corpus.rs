//! Real charts of others through our own program and through Helm: what is printed, on success and
//! on failure, is the same to the byte.
//!
//! The corpus lies at `HELM_CORPUS` (default `../shared/corpus`): one folder for each chart, with
//! its values files, its command lines in `cases.json` and what Helm v3 printed for them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use harness::cluster::{Helm, demand};
use harness::command::{Output, Program};
use harness::{binaries, skip, workspace};
use serde_json::Value as Json;

/// One command line on one chart of the corpus.
struct Case {
    folder: PathBuf,
    json: Json,
}

impl Case {
    fn name(&self) -> &str {
        self.json["case"].as_str().unwrap_or_default()
    }

    fn texts(&self, key: &str) -> Vec<&str> {
        let items = self.json[key].as_array().into_iter().flatten();
        items.filter_map(Json::as_str).collect()
    }

    fn render(&self, program: Program) -> Result<Output> {
        let values = self.texts("values");
        let values = values.iter().flat_map(|file| ["--values", file]);
        program
            .args(["template", "rel", "chart", "--namespace", "ns"])
            .args(self.texts("extra"))
            .args(values)
            .folder(&self.folder)
            .time_limit(Duration::from_secs(120))
            .run()
    }

    fn ours(&self, compat: &str) -> Result<Output> {
        let program = Program::new(binaries::path("deployer")?);
        self.render(program.env("DEPLOYER_COMPAT", compat))
    }

    /// What Helm v3 printed when the corpus was made, and the lines of it that are random.
    fn recorded(&self) -> Result<(Printed, Vec<usize>)> {
        if self.json["kind"] == "error" {
            let stderr = self.json["stderr"].as_str().unwrap_or_default().to_owned();
            return Ok((Printed::Error(stderr), Vec::new()));
        }
        let number = self.name().rsplit('/').next().unwrap_or_default();
        let path = self.folder.join(format!("expected/{number}.yaml"));
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("failed to read `{}`", path.display()))?;
        let masked = self.json["mask_lines"].as_array().into_iter().flatten();
        let masked = masked.filter_map(|line| usize::try_from(line.as_u64()?).ok());
        Ok((Printed::Text(text), masked.collect()))
    }
}

/// What a run is judged by: its manifests, or how it complained.
#[derive(Debug, PartialEq)]
enum Printed {
    Text(String),
    Error(String),
}

impl Printed {
    fn of(output: Output) -> Self {
        match output.code() {
            Some(0) => Self::Text(output.stdout),
            _ => Self::Error(output.stderr),
        }
    }

    /// The first line that differs, those in `masked` (from 0) left out.
    fn difference(&self, expected: &Self, masked: &[usize]) -> Option<String> {
        let (Self::Text(ours), Self::Text(theirs)) = (self, expected) else {
            return (self != expected).then(|| format!("ours {self:?}\ntheirs {expected:?}"));
        };
        let mut ours = ours.split('\n');
        let mut theirs = theirs.split('\n');
        for number in 0.. {
            match (ours.next(), theirs.next()) {
                (None, None) => break,
                (ours, theirs) if ours == theirs || masked.contains(&number) => {}
                (ours, theirs) => {
                    let line = number + 1;
                    return Some(format!(
                        "line {line}\n  ours   {ours:?}\n  theirs {theirs:?}"
                    ));
                }
            }
        }
        None
    }
}

/// The lines in which two runs of the same command differ.
fn random_lines(first: &Printed, second: &Printed) -> Vec<usize> {
    let (Printed::Text(first), Printed::Text(second)) = (first, second) else {
        return Vec::new();
    };
    let lines = first.split('\n').zip(second.split('\n')).enumerate();
    lines
        .filter(|(_, (first, second))| first != second)
        .map(|(number, _)| number)
        .collect()
}

fn cases() -> Result<Option<Vec<Case>>> {
    let folder = std::env::var_os("HELM_CORPUS")
        .map_or_else(|| workspace::root().join("../shared/corpus"), PathBuf::from)
        .join("dev");
    if !folder.is_dir() {
        // The corpus is no part of the repository; who names one means it.
        demand(std::env::var_os("HELM_CORPUS").is_none(), || {
            format!("HELM_CORPUS names no corpus: {}", folder.display())
        })?;
        let place = folder.display();
        skip::note(&format!("SKIPPED: no corpus at {place} (set HELM_CORPUS)"));
        return Ok(None);
    }
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        cases.extend(cases_of(&entry?.path())?);
    }
    cases.sort_by(|left, right| left.name().cmp(right.name()));
    Ok(Some(cases))
}

fn cases_of(folder: &Path) -> Result<Vec<Case>> {
    let path = folder.join("cases.json");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let cases: Vec<Json> = serde_json::from_slice(&std::fs::read(&path)?)
        .with_context(|| format!("failed to read `{}`", path.display()))?;
    let case = |json| Case {
        folder: folder.to_owned(),
        json,
    };
    Ok(cases.into_iter().map(case).collect())
}

/// Says how many cases are the same and fails unless all are.
fn report(what: &str, total: usize, differences: &[String]) -> Result<()> {
    let same = total - differences.len();
    skip::note(&format!(
        "{what}: {same} of {total} cases are the same to the byte"
    ));
    demand(differences.is_empty() && total > 0, || {
        differences.join("\n\n")
    })
}

#[test]
fn the_corpus_prints_as_recorded_from_helm_3() -> Result<()> {
    let Some(cases) = cases()? else {
        return Ok(());
    };
    let mut differences = Vec::new();
    for case in &cases {
        let (expected, masked) = case.recorded()?;
        let ours = Printed::of(case.ours("helm3")?);
        let difference = ours.difference(&expected, &masked);
        differences.extend(difference.map(|line| format!("{}: {line}", case.name())));
    }
    report("corpus against helm 3", cases.len(), &differences)
}

#[test]
fn the_corpus_prints_as_with_helm_4() -> Result<()> {
    let Some(cases) = cases()? else {
        return Ok(());
    };
    let Some(helm) = Helm::V4.program() else {
        return skip::aloud("E2E_BIN has no `helm4`");
    };
    let mut differences = Vec::new();
    for case in &cases {
        let theirs = Printed::of(case.render(helm.clone())?);
        let masked = match case.json["kind"] == "nondet" {
            true => random_lines(&theirs, &Printed::of(case.render(helm.clone())?)),
            false => Vec::new(),
        };
        let ours = Printed::of(case.ours("helm4")?);
        let difference = ours.difference(&theirs, &masked);
        differences.extend(difference.map(|line| format!("{}: {line}", case.name())));
    }
    report("corpus against helm 4", cases.len(), &differences)
}
