//! Helm's side: its binary, where this machine has one.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::case::{Case, Outcome};

/// Finds the binary: `HELM3`, else the folder of the cluster's tools that `E2E_BIN` names.
pub(crate) fn find(variable: &str, name: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let tool = std::env::var_os("E2E_BIN").map(|folder| PathBuf::from(folder).join(name));
    let cached = std::env::var_os("HOME").map(|home| {
        PathBuf::from(home)
            .join(".cache/ml-deployer/cluster/1.34.4/bin")
            .join(name)
    });
    [named, tool, cached]
        .into_iter()
        .flatten()
        .find(|path| path.is_file())
}

pub(crate) fn run(helm: &Path, case: &Case, folder: &Path) -> Outcome {
    let mut arguments = vec!["template", "rel"];
    arguments.extend(case.arguments.iter().map(String::as_str));
    arguments.extend(["-n", "ns"]);
    if !arguments.contains(&"--kube-version") {
        arguments.extend(["--kube-version", "1.33.0"]);
    }
    let output = Command::new(helm)
        .args(&arguments)
        .current_dir(folder)
        .env("KUBECONFIG", "/dev/null")
        .env("GOMAXPROCS", "1")
        .env("HELM_CACHE_HOME", folder.join(".helm"))
        .env("HELM_CONFIG_HOME", folder.join(".helm"))
        .env("HELM_DATA_HOME", folder.join(".helm"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let (talk, error) = match stderr.find("Error: ") {
        Some(at) if !output.status.success() => stderr.split_at(at),
        _ => (stderr.as_ref(), ""),
    };
    let mut warnings: Vec<String> = talk.lines().map(without_place).collect();
    warnings.sort();
    let result = if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(error.to_owned())
    };
    Outcome { result, warnings }
}

/// Cuts `coalesce.go:298: ` and, in v4, the form of a structured log line.
fn without_place(line: &str) -> String {
    match line.split_once(".go:") {
        Some((file, rest)) if !file.contains(' ') => rest
            .split_once(": ")
            .map_or(line, |(_, text)| text)
            .to_owned(),
        _ => line.to_owned(),
    }
}
