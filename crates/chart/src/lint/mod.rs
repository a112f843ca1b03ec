//! What Helm's linter finds in a chart: each rule is a plain function, its findings are data.
//!
//! [`Sources::read`] does the reading, [`lint()`] judges. Nothing here prints.
//!
//! Source: Helm v3.22 pkg/lint and pkg/action/lint.go; Helm v4.3 pkg/chart/v2/lint where it differs.

mod addresses;
mod chart_file;
mod crds;
mod dependencies;
mod deprecations;
mod documents;
mod names;
mod sources;
mod strict;
mod templates;
mod values;

use std::fmt;

use template::{Compat, Limits, Map};

pub use sources::{ChartFile, Entry, LintError, Sources};

use crate::capabilities::KubeVersion;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Against convention, but it will likely work.
    Warning,
    /// It will likely not work.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        })
    }
}

/// One finding. `Display` is the line that Helm prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub severity: Severity,
    /// The file, relative to the chart; the chart's folder or nothing for the chart as a whole.
    pub path: String,
    pub text: String,
}

impl fmt::Display for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "[{}] {}: {}",
            self.severity, self.path, self.text
        )
    }
}

/// For what the chart is judged.
#[derive(Debug, Clone)]
pub struct LintOptions {
    /// `.Release.Namespace` of the templates.
    pub namespace: String,
    /// The Kubernetes that templates are told and whose deprecations count; without it the one
    /// that is assumed without a cluster.
    pub kube_version: Option<KubeVersion>,
    /// Values are not checked against schemas while templates are judged. (Those of the chart's
    /// own values.yaml are checked all the same by Helm v3.)
    pub skip_schema_validation: bool,
    pub limits: Limits,
    /// The version of Helm whose rules hold.
    pub compat: Compat,
}

/// Everything that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// In the order in which Helm prints them.
    pub messages: Vec<Message>,
    /// What Helm logs on the way.
    pub warnings: Vec<String>,
}

impl Findings {
    fn add(&mut self, severity: Severity, path: &str, text: impl Into<String>) {
        self.messages.push(Message {
            severity,
            path: path.to_owned(),
            text: text.into(),
        });
    }

    /// Adds what a rule says, and tells whether it had nothing to say.
    fn check(&mut self, severity: Severity, path: &str, result: Result<(), String>) -> bool {
        match result {
            Ok(()) => true,
            Err(text) => {
                self.add(severity, path, text);
                false
            }
        }
    }
}

/// Judges a chart with the user's values.
pub fn lint(sources: &Sources, values: &Map, options: &LintOptions) -> Findings {
    let mut findings = Findings::default();
    chart_file::check(&sources.chart_file, options.compat, &mut findings);
    values::check(sources, values, options, &mut findings);
    templates::check(sources, values, options, &mut findings);
    dependencies::check(sources, &mut findings);
    if options.compat == Compat::Helm4 {
        crds::check(sources, &mut findings);
        // Two of the Go types that errors name have other names there.
        for message in &mut findings.messages {
            for (helm3, helm4) in [
                ("K8sYamlStruct", "k8sYamlStruct"),
                ("type chart.Metadata", "type v2.Metadata"),
            ] {
                if message.text.contains(helm3) {
                    message.text = message.text.replace(helm3, helm4);
                }
            }
        }
    }
    findings
}
