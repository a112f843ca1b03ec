//! `template`

use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::{ApplyArgs, ChartArgs, HookArgs, RenderArgs, ValueArgs};
use super::chart_source::LoadedChart;
use super::error::CliError;
use super::session::Session;
use crate::action::{ActionError, RenderRequest, ValuesReuse};
use crate::release::{Namespace, ReleaseName, Revision};

/// Render a chart and print its manifests
///
/// Asks no cluster unless --validate is given.
#[derive(Debug, Args)]
#[command(
    override_usage = "deployer template [NAME] <CHART> [OPTIONS]",
    after_help = "Examples:\n  deployer template fraud-model ./charts/fraud-model -f values-prod.yaml\n  deployer template ./charts/fraud-model --show-only templates/deployment.yaml\n  deployer template fraud-model ./charts/fraud-model --kube-version 1.34.0 --api-versions monitoring.coreos.com/v1"
)]
pub(crate) struct TemplateCommand {
    /// Name of the release, then the chart; the chart alone renders as `release-name`
    #[arg(value_name = "NAME CHART", required = true, num_args = 1..=2)]
    names: Vec<String>,
    /// Make a name up from the chart's and the time
    #[arg(short, long)]
    generate_name: bool,
    /// Template of the release's name
    #[arg(long, value_name = "TEMPLATE")]
    name_template: Option<String>,
    /// Print only what this template of the chart renders to; can be repeated
    #[arg(short, long, value_name = "PATH")]
    show_only: Vec<String>,
    /// Write the manifests into files below this folder
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// With --output-dir, put the files below a folder named after the release
    #[arg(long)]
    release_name: bool,
    /// Print the chart's CRDs too
    #[arg(long)]
    include_crds: bool,
    /// Leave the chart's tests out
    #[arg(long)]
    skip_tests: bool,
    /// Render as for an upgrade
    #[arg(long)]
    is_upgrade: bool,
    /// Version of Kubernetes that templates are told
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// API versions that templates are told, besides the usual ones; can be repeated
    #[arg(short, long, value_delimiter = ',', value_name = "GROUP/VERSION")]
    api_versions: Vec<String>,
    /// Ask the cluster for its version, its API versions and what templates look up
    #[arg(long)]
    validate: bool,
    /// Accepted for Helm's sake
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: Option<String>,
    #[command(flatten)]
    chart: ChartArgs,
    #[command(flatten)]
    values: ValueArgs,
    #[command(flatten)]
    render: RenderArgs,
    #[command(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    hooks: HookArgs,
}

impl TemplateCommand {
    /// Prints what Helm prints, errors included: a pipeline can swap the program and see no change.
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        self.print(session)
            .await
            .map_err(CliError::into_helms_words)
    }

    async fn print(self, session: &Session) -> Result<(), CliError> {
        let (release, reference) = self.name_and_chart()?;
        let namespace = match session.namespace_flag()? {
            Some(namespace) => namespace,
            None => Namespace::new("default")?,
        };
        let needs_cluster = self.validate || self.dry_run.as_deref() == Some("server");
        let target = if needs_cluster {
            Some(session.target().await?)
        } else {
            None
        };
        let cluster = match &target {
            Some(target) => Some(
                target
                    .cluster
                    .capabilities()
                    .await
                    .map_err(ActionError::from)?,
            ),
            None => None,
        };
        let capabilities = if needs_cluster {
            None
        } else {
            Some(self.capabilities()?)
        };
        let chart = LoadedChart::load(session, &reference, &self.chart, &self.values, &self.render)
            .await?
            .with_lookup(target.as_ref().and_then(|target| target.kube.as_ref()))
            .for_template(self.include_crds, capabilities);
        let request = RenderRequest {
            release: &release,
            namespace: &namespace,
            revision: Revision::FIRST,
            is_upgrade: self.is_upgrade,
            capabilities: cluster.as_ref(),
            previous: None,
            reuse: ValuesReuse::WhenNoneGiven,
        };
        let options = chart.options(&request).map_err(ActionError::from)?;
        let rendered = chart.rendered(&options).map_err(ActionError::from)?;
        for warning in &rendered.warnings {
            session.printer.warn(warning);
        }
        let mut manifest = rendered.manifest_text();
        if let Some(post_renderer) = chart.post_renderer() {
            manifest = post_renderer
                .run(&manifest)
                .map_err(|error| CliError::usage(error.to_string()))?;
        }
        let text = rendered.template_text(&manifest, !self.apply.no_hooks, !self.skip_tests);
        let text = if self.show_only.is_empty() {
            text
        } else {
            self.only_shown(&text)?
        };
        match &self.output_dir {
            Some(folder) => {
                let folder = if self.release_name {
                    folder.join(release.as_str())
                } else {
                    folder.clone()
                };
                write_files(session, &folder, &text)
            }
            None => Ok(session.printer.data(&text)?),
        }
    }

    fn name_and_chart(&self) -> Result<(ReleaseName, String), CliError> {
        match self.names.as_slice() {
            [chart] if !self.generate_name && self.name_template.is_none() => {
                Ok((ReleaseName::new("release-name")?, chart.clone()))
            }
            names => super::install::name_and_chart(
                names,
                self.generate_name,
                self.name_template.as_deref(),
            ),
        }
    }

    fn capabilities(&self) -> Result<chart::Capabilities, CliError> {
        let mut capabilities = chart::Capabilities::default();
        if let Some(version) = &self.kube_version {
            capabilities.kube_version =
                chart::KubeVersion::parse(version, self.render.compat.into()).map_err(
                    |problem| {
                        CliError::usage(format!("invalid kube version `{version}`: {problem}"))
                            .with_hint("write it as `1.34.0`")
                    },
                )?;
        }
        capabilities
            .api_versions
            .extend(self.api_versions.iter().cloned());
        Ok(capabilities)
    }

    /// Keeps the documents of the wanted templates; one that gives none is an error.
    fn only_shown(&self, text: &str) -> Result<String, CliError> {
        let documents = documents(text);
        let mut shown = String::new();
        for wanted in &self.show_only {
            let is_wanted = |path: &str| {
                let inner = path.split_once('/').map_or(path, |(_, inner)| inner);
                matches_glob(wanted, inner)
            };
            let mut found = false;
            for (path, document) in &documents {
                if is_wanted(path) {
                    found = true;
                    shown.push_str("---\n");
                    shown.push_str(document);
                }
            }
            if !found {
                return Err(
                    CliError::usage(format!("could not find template {wanted} in chart"))
                        .with_hint(
                            "paths are relative to the chart, as `templates/deployment.yaml`",
                        ),
                );
            }
        }
        Ok(shown)
    }
}

/// Returns each document with the path of its template, without the separator.
fn documents(text: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            all.push((String::new(), String::new()));
            continue;
        }
        if let Some((path, document)) = all.last_mut() {
            if path.is_empty()
                && let Some(source) = line.strip_prefix("# Source: ")
            {
                source.trim().clone_into(path);
            }
            document.push_str(line);
        }
    }
    all
}

/// Compares as shells do: a star stands for anything but a slash.
fn matches_glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let end = rest.find('/').unwrap_or(rest.len());
            (0..=end)
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| matches_glob(after, &rest[at..]))
        }),
    }
}

fn write_files(session: &Session, folder: &Path, text: &str) -> Result<(), CliError> {
    let mut written: Vec<String> = Vec::new();
    for (path, document) in documents(text) {
        // Template paths come from the chart: they must not lead out of the folder.
        if path.is_empty() || path.split('/').any(|part| part == ".." || part.is_empty()) {
            continue;
        }
        let file = folder.join(&path);
        let failed = |source| CliError::File {
            doing: format!("cannot write `{}`", file.display()),
            source,
        };
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut content = if written.contains(&path) {
            std::fs::read_to_string(&file).map_err(failed)?
        } else {
            session.printer.line(&format!("wrote {}", file.display()))?;
            String::new()
        };
        content.push_str(&format!("---\n{document}"));
        std::fs::write(&file, content).map_err(failed)?;
        written.push(path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_but_a_slash() {
        assert!(matches_glob("templates/*.yaml", "templates/a.yaml"));
        assert!(!matches_glob("templates/*.yaml", "templates/x/a.yaml"));
        assert!(!matches_glob("templates/a.yaml", "templates/b.yaml"));
    }

    #[test]
    fn documents_are_told_apart_by_their_source() {
        let text =
            "---\n# Source: c/templates/a.yaml\na: 1\n---\n# Source: c/templates/b.yaml\nb: 1\n";
        let paths: Vec<String> = documents(text).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["c/templates/a.yaml", "c/templates/b.yaml"]);
    }
}
