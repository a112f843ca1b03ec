//! Command lines recorded from Helm's own tests, with what Helm printed: the same through us.
//!
//! The cases lie in the folder that `HELM_CASES` names, by default `../shared/cases`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use harness::cluster::demand;
use harness::command::{Output, Program};
use harness::{binaries, skip, workspace};
use serde_json::Value;

/// One recorded command line.
struct Case {
    line: String,
    printed: String,
    fails: bool,
    starts_from_releases: bool,
    portable: bool,
}

/// How much of a recording says something about us.
enum Measure {
    /// What is printed.
    Output,
    /// Whether it fails, and Helm's text for it.
    Success,
    /// Nothing, for this reason.
    Nothing(&'static str),
}

impl Case {
    fn read(json: &Value) -> Self {
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        Self {
            line: text("cmd"),
            printed: text("out"),
            fails: json["want_error"] == true,
            starts_from_releases: !json["releases"].is_null(),
            portable: json["portable"] == true,
        }
    }

    fn measure(&self, words: &[String]) -> Measure {
        let has = |wanted: &str| words.iter().any(|word| word == wanted);
        if has("__complete") {
            return Measure::Nothing("the protocol of Helm's shell completion");
        }
        if !self.portable {
            return Measure::Nothing("names a temporary folder or server of the recording");
        }
        if self.starts_from_releases {
            return Measure::Nothing("starts from releases that only the recording's memory held");
        }
        match words.first().map(String::as_str) {
            Some("list" | "status" | "rollback" | "uninstall" | "get" | "history") => {
                Measure::Nothing("a usage text, or a release of the recording's memory")
            }
            // A dry run: the recording's cluster was a fake that accepts everything.
            Some("install" | "upgrade") => Measure::Success,
            _ if self.fails => Measure::Success,
            _ => Measure::Output,
        }
    }

    /// The words for our binary: no cluster, and the Kubernetes that the recording assumed.
    fn words(&self) -> Vec<String> {
        let mut words = split(&self.line);
        match words.first().map(String::as_str) {
            Some("install") => words.push("--dry-run=client".to_owned()),
            Some("upgrade") => words.push("--target=dir:deployed".to_owned()),
            Some("template" | "lint") if !self.line.contains("--kube-version") => {
                words.push("--kube-version=1.20.0".to_owned());
            }
            _ => {}
        }
        words
    }

    fn mistake(&self, output: &Output, measure: &Measure) -> Option<String> {
        let succeeded = output.code() == Some(0);
        if succeeded == self.fails {
            return Some(format!("fails: {}\n{}", self.fails, output.describe()));
        }
        if self.fails {
            let missing = expected_lines(&self.printed)
                .into_iter()
                .find(|line| !output.stderr.contains(line.as_str()));
            return missing.map(|line| format!("does not say {line:?}\n{}", output.describe()));
        }
        let differs = matches!(measure, Measure::Output) && output.stdout != self.printed;
        differs.then(|| crate::first_difference(&output.stdout, &self.printed))
    }
}

/// The lines of Helm's error, without the words around them that differ from ours.
fn expected_lines(printed: &str) -> Vec<String> {
    let start = printed.find("Error: ").map_or(0, |at| at + "Error: ".len());
    let text = &printed[start..];
    let text = ["INSTALLATION FAILED: ", "UPGRADE FAILED: "]
        .iter()
        .fold(text, |text, prefix| {
            text.strip_prefix(prefix).unwrap_or(text)
        });
    text.lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty() && !line.starts_with("Use --debug"))
        .collect()
}

/// Splits as a shell does, quotes heeded.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in line.chars() {
        match (quote, character) {
            (Some(open), character) if character == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, character) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

fn cases_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("HELM_CASES")
        .map_or_else(|| workspace::root().join("../shared/cases"), PathBuf::from);
    folder.is_dir().then_some(folder)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

fn replay(version: &str, compat: &str) -> Result<()> {
    let Some(cases) = cases_folder() else {
        return skip::aloud("no recorded command lines (set HELM_CASES)");
    };
    let file = cases.join(format!("cmd_helm{version}.json"));
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let folder = tempfile::tempdir()?;
    copy(
        &cases.join(format!("testdata_helm{version}")),
        &folder.path().join("testdata"),
    )?;
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut count, mut mistakes) = (0, Vec::new());
    for json in serde_json::from_str::<Vec<Value>>(&text)? {
        let case = Case::read(&json);
        let words = case.words();
        let measure = case.measure(&words);
        if let Measure::Nothing(reason) = measure {
            *left_out.entry(reason).or_default() += 1;
            continue;
        }
        count += 1;
        let settings = folder.path().join("settings");
        let output = Program::new(binaries::path("deployer")?)
            .args(&words)
            .env("DEPLOYER_COMPAT", compat)
            .env("HELM_CONFIG_HOME", settings.join("config"))
            .env("HELM_CACHE_HOME", settings.join("cache"))
            .env("HELM_DATA_HOME", settings.join("data"))
            .env("KUBECONFIG", "/dev/null")
            .folder(folder.path())
            .time_limit(Duration::from_secs(60))
            .run()?;
        output.is_orderly()?;
        if let Some(mistake) = case.mistake(&output, &measure) {
            mistakes.push(format!("{}\n{mistake}", case.line));
        }
    }
    let mut report = format!(
        "helm {version}: {count} recorded command lines, {} differ\n",
        mistakes.len()
    );
    for (reason, count) in left_out {
        report.push_str(&format!("  {count} left out: {reason}\n"));
    }
    // Straight to stderr, past the test runner's capture: it shows although the test passes.
    std::io::stderr().write_all(report.as_bytes())?;
    demand(count > 0 && mistakes.is_empty(), || mistakes.join("\n\n"))
}

#[test]
fn command_lines_recorded_from_helm_3_do_the_same() -> Result<()> {
    replay("3", "helm3")
}

#[test]
fn command_lines_recorded_from_helm_4_do_the_same() -> Result<()> {
    replay("4", "helm4")
}

#[test]
fn command_lines_are_split_as_a_shell_splits_them() {
    assert_eq!(
        split("template 'a b' --x='c \"d\" e' f"),
        ["template", "a b", "--x=c \"d\" e", "f"]
    );
}
