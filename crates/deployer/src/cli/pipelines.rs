//! The pipelines and guides of the documentation say what the programs take.

use std::path::PathBuf;

use clap::CommandFactory;
use serde_json::Value;

use super::Cli;
use crate::plan::read_yaml;

fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the words of each line that runs the deployer, without redirections and prompts.
fn commands(text: &str) -> Vec<Vec<String>> {
    let whole = text.replace("\\\n", " ");
    let expression = regex::Regex::new(r"\$\{\{.*?\}\}").expect("an expression");
    let whole = expression.replace_all(&whole, "X");
    let lines = whole.lines().map(|line| {
        line.trim()
            .trim_start_matches("$ ")
            .trim_start_matches("- ")
    });
    let lines = lines.map(|line| line.trim_start_matches("run: "));
    let lines = lines.filter(|line| line.starts_with("deployer ") && !line.contains('…'));
    lines
        .map(|line| {
            let words = shlex::split(line).unwrap_or_else(|| panic!("no shell words: {line}"));
            let end = words
                .iter()
                .position(|word| matches!(word.as_str(), ">" | ">>" | "|" | "&&" | ";"));
            words[..end.unwrap_or(words.len())].to_vec()
        })
        .collect()
}

#[test]
fn every_command_line_of_the_pipelines_and_guides_is_one_that_the_deployer_takes() {
    let mut count = 0;
    for path in [
        "docs/guides/ci/github-actions.yaml",
        "docs/guides/ci/gitlab-ci.yaml",
        "docs/guides/environments.md",
        "charts/drift-watch/README.md",
    ] {
        for words in commands(&file(path)) {
            if let Err(error) = <Cli>::command().try_get_matches_from(&words) {
                panic!("{path}: {words:?}: {error}");
            }
            count += 1;
        }
    }
    assert!(count >= 15, "only {count} command lines were found");
    let wrong = commands("deployer promote web --to prod --maximum-age 1d > x");
    assert!(<Cli>::command().try_get_matches_from(&wrong[0]).is_err());
}

fn yaml(path: &str) -> Value {
    read_yaml(&file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn keys(value: &Value, allowed: &[&str], place: &str) {
    for key in value
        .as_object()
        .unwrap_or_else(|| panic!("{place} is no map"))
        .keys()
    {
        assert!(allowed.contains(&key.as_str()), "{place} has `{key}`");
    }
}

/// Source: GitHub's "Workflow syntax for GitHub Actions".
#[test]
fn the_github_workflow_has_the_shape_of_one() {
    let workflow = yaml("docs/guides/ci/github-actions.yaml");
    // `on` is a truth value of YAML 1.1, which manifests are read by.
    keys(
        &workflow,
        &[
            "name",
            "on",
            "true",
            "permissions",
            "concurrency",
            "env",
            "jobs",
        ],
        "the workflow",
    );
    let jobs = workflow["jobs"].as_object().expect("jobs");
    for (name, job) in jobs {
        let known = [
            "if",
            "needs",
            "runs-on",
            "environment",
            "timeout-minutes",
            "steps",
        ];
        keys(job, &known, name);
        assert!(
            job["runs-on"].is_string() && job["timeout-minutes"].is_number(),
            "{name}"
        );
        if let Some(needed) = job["needs"].as_str() {
            assert!(jobs.contains_key(needed), "{name} needs {needed}");
        }
        for step in job["steps"].as_array().expect("steps") {
            keys(step, &["name", "if", "uses", "with", "run", "env"], name);
            assert_ne!(
                step["uses"].is_string(),
                step["run"].is_string(),
                "{name}: {step}"
            );
            assert!(
                step["uses"].as_str().is_none_or(|uses| uses.contains('@')),
                "{name}: {step}"
            );
            assert!(
                step["run"].is_string() || step["name"].is_null() || step["with"].is_object(),
                "{name}: {step}"
            );
        }
    }
}

/// Source: GitLab's "CI/CD YAML syntax reference".
#[test]
fn the_gitlab_pipeline_has_the_shape_of_one() {
    let pipeline = yaml("docs/guides/ci/gitlab-ci.yaml");
    let stages = pipeline["stages"].as_array().expect("stages");
    let map = pipeline.as_object().expect("a map");
    let jobs = map
        .iter()
        .filter(|(name, _)| !["stages", "default", "variables"].contains(&name.as_str()));
    for (name, job) in jobs {
        let known = [
            "stage",
            "extends",
            "before_script",
            "script",
            "rules",
            "artifacts",
            "retry",
            "environment",
            "resource_group",
        ];
        keys(job, &known, name);
        if name.starts_with('.') {
            continue;
        }
        assert!(stages.contains(&job["stage"]), "{name} has no stage");
        let extends = job["extends"].as_str().expect("extends");
        assert!(map.contains_key(extends), "{name} extends {extends}");
        let script = job["script"].as_array().expect("a script");
        assert!(
            !script.is_empty() && script.iter().all(Value::is_string),
            "{name}"
        );
    }
}
