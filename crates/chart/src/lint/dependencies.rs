//! The rules for what Chart.yaml declares and `charts/` holds.
//!
//! Source: Helm v3.22 pkg/lint/rules/dependencies.go.

use std::collections::BTreeSet;

use super::{Findings, Severity, Sources};
use crate::model::Chart;

pub(super) fn check(sources: &Sources, findings: &mut Findings) {
    let chart = match &sources.chart {
        Ok(chart) => chart,
        Err(problem) => {
            let text = format!("unable to load chart\n\t{problem}");
            findings.add(Severity::Error, "", text);
            return;
        }
    };
    let path = sources.folder.as_str();
    findings.check(Severity::Error, path, are_declared(chart));
    findings.check(Severity::Error, path, are_unique(chart));
    findings.check(Severity::Warning, path, are_there(chart));
}

fn unless_empty(names: &[&str], text: &str) -> Result<(), String> {
    if names.is_empty() {
        return Ok(());
    }
    Err(format!("{text}: {}", names.join(",")))
}

fn are_there(chart: &Chart) -> Result<(), String> {
    let found: BTreeSet<&str> = chart.dependencies.iter().map(Chart::name).collect();
    let missing: Vec<&str> = chart
        .metadata
        .dependencies
        .iter()
        .map(|dependency| dependency.name.as_str())
        .filter(|name| !found.contains(name))
        .collect();
    unless_empty(&missing, "chart directory is missing these dependencies")
}

fn are_declared(chart: &Chart) -> Result<(), String> {
    let declared: BTreeSet<&str> = chart
        .metadata
        .dependencies
        .iter()
        .map(|dependency| dependency.name.as_str())
        .collect();
    let missing: Vec<&str> = chart
        .dependencies
        .iter()
        .map(Chart::name)
        .filter(|name| !declared.contains(name))
        .collect();
    unless_empty(&missing, "chart metadata is missing these dependencies")
}

fn are_unique(chart: &Chart) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let shadowing: Vec<&str> = chart
        .metadata
        .dependencies
        .iter()
        .map(crate::metadata::Dependency::effective_name)
        .filter(|name| !seen.insert(*name))
        .collect();
    unless_empty(&shadowing, "multiple dependencies with name or alias")
}
