//! What is measured: charts of this repository, generated ones, and the corpus of public charts.

use super::charts;
use super::measure::Call;
use crate::output::say;
use crate::places::Places;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The Kubernetes that templates see; programs differ in their default.
const KUBE_VERSION: &str = "1.33.0";
const SUBCHARTS: usize = 50;
const TPL_TEMPLATES: usize = 1000;
const TPL_CALLS: usize = 10;

/// Calls that every program makes.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) calls: Vec<Call>,
    pub(super) is_corpus: bool,
    /// Whether the programs are to print the same.
    pub(super) is_compared: bool,
}

/// One case of the corpus, as its `cases.json` describes it.
#[derive(Debug, Deserialize)]
struct Case {
    values: Vec<String>,
    extra: Vec<String>,
}

/// Returns every subject; generated charts are written below `scratch`. Says aloud when there is no corpus.
///
/// # Errors
/// When a chart cannot be written or the corpus cannot be read.
pub(super) fn all(places: &Places, scratch: &Path) -> Result<Vec<Subject>> {
    let charts = places.root.join("charts");
    let umbrella = scratch.join("umbrella");
    let tpl = scratch.join("tpl");
    charts::write(&umbrella, &charts::umbrella(SUBCHARTS))?;
    charts::write(&tpl, &charts::tpl(TPL_TEMPLATES, TPL_CALLS))?;
    let mut subjects = vec![
        Subject {
            name: "start-up (`version`)".to_owned(),
            calls: vec![Call {
                folder: scratch.to_owned(),
                arguments: vec!["version".into()],
            }],
            is_corpus: false,
            is_compared: false,
        },
        rendered("fraud-model", &charts.join("fraud-model")),
        rendered("ml-serving-stack", &charts.join("ml-serving-stack")),
        rendered(&format!("umbrella of {SUBCHARTS} subcharts"), &umbrella),
        rendered(
            &format!("{TPL_TEMPLATES} templates, {TPL_CALLS} calls of tpl each"),
            &tpl,
        ),
    ];
    let corpus = std::env::var_os("HELM_CORPUS")
        .map_or_else(|| places.root.join("../shared/corpus"), PathBuf::from)
        .join("dev");
    if corpus.is_dir() {
        subjects.push(corpus_subject(&corpus)?);
    } else {
        say(format_args!(
            "NOTE: the corpus is left out: there is none in `{}` (set HELM_CORPUS)",
            corpus.display()
        ));
    }
    Ok(subjects)
}

fn rendered(name: &str, chart: &Path) -> Subject {
    Subject {
        name: name.to_owned(),
        calls: vec![call(
            chart,
            ".",
            &[],
            &words(&["--kube-version", KUBE_VERSION]),
        )],
        is_corpus: false,
        is_compared: true,
    }
}

fn call(folder: &Path, chart: &str, values: &[String], extra: &[String]) -> Call {
    let mut arguments: Vec<OsString> = ["template", "rel", chart, "-n", "ns"]
        .map(OsString::from)
        .to_vec();
    arguments.extend(extra.iter().map(OsString::from));
    for file in values {
        arguments.extend(["-f".into(), file.into()]);
    }
    Call {
        folder: folder.to_owned(),
        arguments,
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Reads the corpus: one folder for each chart, with `cases.json` beside it.
fn corpus_subject(corpus: &Path) -> Result<Subject> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(corpus)? {
        folders.push(entry?.path());
    }
    folders.sort();
    folders.retain(|folder| folder.join("cases.json").is_file());
    let mut calls = Vec::new();
    for folder in &folders {
        let path = folder.join("cases.json");
        let cases: Vec<Case> = serde_json::from_slice(&fs::read(&path)?)
            .with_context(|| format!("failed to read `{}`", path.display()))?;
        calls.extend(
            cases
                .iter()
                .map(|case| call(folder, "chart", &case.values, &case.extra)),
        );
    }
    Ok(Subject {
        name: format!("corpus: {} charts, {} calls", folders.len(), calls.len()),
        calls,
        is_corpus: true,
        is_compared: true,
    })
}
