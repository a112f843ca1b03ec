//! `lint`

use std::path::{Path, PathBuf};

use chart::lint::{Findings, LintOptions, Severity, Sources, lint};
use clap::Args;

use super::arguments::{CompatArgs, ValueArgs};
use super::chart_source::values_options;
use super::error::CliError;
use super::session::Session;
use super::template::parse_kube_version;

/// Examine a chart for possible issues
///
/// Prints what will keep the chart from being installed as [ERROR], what is against convention as
/// [WARNING], and what is good to know as [INFO]. Fails on errors, with --strict on warnings too.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer lint ./charts/fraud-model --strict\n  deployer lint ./charts/fraud-model -f values-prod.yaml --kube-version 1.34.0\n  deployer lint ./charts/stack --with-subcharts --quiet"
)]
pub(crate) struct LintCommand {
    /// Folder or archive of a chart; several can be named
    #[arg(value_name = "CHART", default_value = ".")]
    charts: Vec<String>,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
    /// Examine the charts in charts/ too
    #[arg(long)]
    with_subcharts: bool,
    /// Print only warnings and errors
    #[arg(long)]
    quiet: bool,
    /// Do not check values against schemas while templates are rendered
    #[arg(long)]
    skip_schema_validation: bool,
    /// Version of Kubernetes that templates are told, and whose deprecations count
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    #[command(flatten)]
    compat: CompatArgs,
    #[command(flatten)]
    values: ValueArgs,
}

impl LintCommand {
    pub(crate) async fn run(&self, session: &Session) -> Result<(), CliError> {
        let compat = self.compat.get();
        let kube_version = match self.kube_version.as_deref() {
            None | Some("") => None,
            Some(text) => Some(parse_kube_version(text, compat)?),
        };
        let namespace = session.namespace_flag()?;
        let options = LintOptions {
            namespace: namespace.map_or_else(|| "default".to_owned(), |name| name.to_string()),
            kube_version,
            skip_schema_validation: self.skip_schema_validation,
            limits: chart::RenderOptions::default().limits,
            compat,
        };
        let values = values_options(&self.values, compat).await?;
        let mut charts = self.charts.clone();
        if self.with_subcharts {
            for chart in &self.charts {
                collect_subcharts(&Path::new(chart).join("charts"), &mut charts);
            }
        }
        let (mut failed, mut with_issues) = (0, 0);
        let mut report = String::new();
        for chart in &charts {
            // Every chart gets values of its own: judging one must not change them for the next.
            let merged = values
                .merge()
                .map_err(|error| CliError::usage(error.to_string()))?;
            let outcome = Sources::read(chart, compat)
                .map(|sources| lint(&sources, &merged, &options))
                .map_err(|error| error.to_string());
            let outcome = Outcome::of(outcome, self.strict);
            outcome
                .warnings
                .iter()
                .for_each(|warning| session.printer.say(warning));
            with_issues += usize::from(outcome.has_issues);
            failed += usize::from(outcome.has_failed);
            if !self.quiet || outcome.has_issues {
                report.push_str(&outcome.text(chart, self.quiet));
            }
        }
        session.printer.data(&report)?;
        let summary = format!("{} chart(s) linted, {failed} chart(s) failed", charts.len());
        if failed > 0 {
            return Err(CliError::Found { message: summary });
        }
        if !self.quiet || with_issues > 0 {
            session.printer.line(&summary)?;
        }
        Ok(())
    }
}

/// What became of one chart.
struct Outcome {
    lines: Vec<(Severity, String)>,
    warnings: Vec<String>,
    has_issues: bool,
    has_failed: bool,
}

impl Outcome {
    fn of(result: Result<Findings, String>, strict: bool) -> Self {
        let findings = match result {
            Ok(findings) => findings,
            Err(problem) => {
                return Self {
                    lines: vec![(Severity::Error, format!("Error {problem}"))],
                    warnings: Vec::new(),
                    has_issues: true,
                    has_failed: true,
                };
            }
        };
        let intolerable = if strict {
            Severity::Warning
        } else {
            Severity::Error
        };
        let worst = findings
            .messages
            .iter()
            .map(|message| message.severity)
            .max();
        Self {
            has_issues: worst > Some(Severity::Info),
            has_failed: worst >= Some(intolerable),
            lines: findings
                .messages
                .iter()
                .map(|message| (message.severity, message.to_string()))
                .collect(),
            warnings: findings.warnings,
        }
    }

    fn text(&self, chart: &str, quiet: bool) -> String {
        let mut text = format!("==> Linting {chart}\n");
        for (severity, line) in &self.lines {
            if !quiet || *severity > Severity::Info {
                text.push_str(line);
                text.push('\n');
            }
        }
        text.push('\n');
        text
    }
}

/// Adds every chart below a folder, in lexical order; what cannot be read is passed over.
fn collect_subcharts(folder: &Path, charts: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let shown = path.display().to_string();
        // A link is not followed, so that none can lead back up.
        let is_folder = path.symlink_metadata().is_ok_and(|data| data.is_dir());
        if path.file_name().is_some_and(|name| name == "Chart.yaml") {
            charts.push(folder.display().to_string());
        } else if shown.ends_with(".tgz") || shown.ends_with(".tar.gz") {
            charts.push(shown);
        }
        if is_folder {
            collect_subcharts(&path, charts);
        }
    }
}
