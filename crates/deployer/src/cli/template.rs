//! `template`

use std::collections::BTreeSet;
use std::io::Write;
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
    #[command(flatten)]
    unused: UnusedArgs,
    /// Leave the content of Secrets out
    #[arg(long)]
    hide_secret: bool,
}

/// Flags of an install that mean nothing to a rendering; Helm's `template` takes them too.
#[derive(Debug, Args)]
struct UnusedArgs {
    #[arg(long, hide = true)]
    create_namespace: bool,
    #[arg(long, hide = true)]
    replace: bool,
    #[arg(long, hide = true, value_name = "TEXT")]
    description: Option<String>,
    #[arg(short = 'l', long, hide = true, value_name = "KEY=VALUE")]
    labels: Vec<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "watcher")]
    wait: Option<String>,
    #[arg(long, hide = true)]
    wait_for_jobs: bool,
    #[arg(long, hide = true, value_name = "DURATION")]
    timeout: Option<String>,
}

impl TemplateCommand {
    /// Prints what Helm prints, errors included: a pipeline can swap the program and see no change.
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let compat = self.render.compat.get();
        self.print(session)
            .await
            .map_err(|error| error.into_helms_words(compat))
    }

    /// Whether a cluster is asked while templates render, which blocks a thread.
    pub(crate) fn needs_cluster(&self) -> bool {
        self.validate || self.dry_run.as_deref() == Some("server")
    }

    async fn print(self, session: &Session) -> Result<(), CliError> {
        let (release, reference) = match (self.names.as_slice(), &session.chosen) {
            ([name], Some(_)) if !self.generate_name && self.name_template.is_none() => {
                (ReleaseName::new(name.as_str())?, None)
            }
            _ => {
                let (release, reference) = self.name_and_chart()?;
                (release, Some(reference))
            }
        };
        let inputs = session.inputs(&release, reference.as_deref(), &self.chart, &self.values)?;
        let namespace = match session.namespace_flag()? {
            Some(namespace) => namespace,
            None => Namespace::new("default")?,
        };
        let needs_cluster = self.needs_cluster();
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
        let chart = LoadedChart::load(
            session,
            &inputs.reference,
            &inputs.chart,
            &inputs.values,
            &self.render,
        )
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
        let rendered = match chart.rendered(&options) {
            Ok(rendered) => rendered,
            Err(error) => {
                if session.global.debug {
                    // What is no YAML is shown all the same, for who has to mend it.
                    session.printer.data(&chart.broken_text(&options))?;
                }
                return Err(ActionError::from(error).into());
            }
        };
        for warning in &rendered.warnings {
            session.printer.warn(warning);
        }
        let written = match &self.output_dir {
            Some(folder) => Some(self.write_files(session, folder, &release, &rendered)?),
            None => None,
        };
        let mut manifest = match written {
            Some(()) => String::new(),
            None if self.hide_secret => without_secrets(&rendered).manifest_text(),
            None => rendered.manifest_text(),
        };
        if let Some(post_renderer) = chart.post_renderer().filter(|_| written.is_none()) {
            manifest = post_renderer
                .run(&manifest)
                .map_err(|error| CliError::usage(error.to_string()))?;
        }
        let with_hooks = !self.apply.no_hooks && written.is_none();
        let text = rendered.template_text(&manifest, with_hooks, !self.skip_tests);
        let text = if self.show_only.is_empty() {
            text
        } else {
            self.only_shown(&text)?
        };
        Ok(session.printer.data(&text)?)
    }

    /// Writes each manifest to the file of its template, and tells so.
    fn write_files(
        &self,
        session: &Session,
        folder: &Path,
        release: &ReleaseName,
        rendered: &chart::Rendered,
    ) -> Result<(), CliError> {
        let mut writer = Writer {
            session,
            written: BTreeSet::new(),
        };
        if self.include_crds {
            for resource in &rendered.crds {
                writer.write(folder, &resource.path, &resource.text)?;
            }
        }
        let folder = if self.release_name {
            folder.join(release.as_str())
        } else {
            folder.to_owned()
        };
        for manifest in &rendered.manifests {
            writer.write(&folder, &manifest.name, &manifest.content)?;
        }
        if self.apply.no_hooks {
            return Ok(());
        }
        for hook in &rendered.hooks {
            if !(self.skip_tests && hook.runs_at("test")) {
                writer.write(&folder, &hook.path, &hook.manifest)?;
            }
        }
        Ok(())
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
            capabilities.kube_version = parse_kube_version(version, self.render.compat.get())?;
        }
        capabilities
            .api_versions
            .extend(self.api_versions.iter().cloned());
        Ok(capabilities)
    }

    /// Keeps the documents of the wanted templates; one that gives none is an error.
    ///
    /// Source: Helm v3.22 cmd/helm/template.go.
    fn only_shown(&self, text: &str) -> Result<String, CliError> {
        let documents: Vec<(Option<String>, String)> =
            chart::manifest::split_manifests(text, self.render.compat.get())
                .into_iter()
                .map(|document| (path_in_chart(&document), document))
                .collect();
        let mut shown = String::new();
        for wanted in &self.show_only {
            let found: Vec<&String> = documents
                .iter()
                .filter(|(path, _)| {
                    path.as_deref()
                        .is_some_and(|path| matches_glob(wanted, path))
                })
                .map(|(_, document)| document)
                .collect();
            if found.is_empty() {
                return Err(
                    CliError::usage(format!("could not find template {wanted} in chart"))
                        .with_hint(
                            "paths are relative to the chart, as `templates/deployment.yaml`",
                        ),
                );
            }
            for document in found {
                shown.push_str(&format!("---\n{document}\n"));
            }
        }
        Ok(shown)
    }
}

/// Reads `--kube-version`.
pub(crate) fn parse_kube_version(
    text: &str,
    compat: chart::Compat,
) -> Result<chart::KubeVersion, CliError> {
    chart::KubeVersion::parse(text, compat).map_err(|problem| {
        CliError::usage(format!("invalid kube version '{text}': {problem}"))
            .with_hint("write it as `1.34.0`")
    })
}

/// Returns the template of a document, relative to the chart.
fn path_in_chart(document: &str) -> Option<String> {
    document.lines().find_map(|line| {
        let (_, source) = line.split_once("# Source: ")?;
        let (chart, path) = source.split_once('/')?;
        (!chart.is_empty() && !path.is_empty()).then(|| path.to_owned())
    })
}

/// Compares as shells and Go's `filepath.Match` do: `*` and `?` stand for anything but a slash,
/// brackets for one of their characters, a backslash takes the next one as it is. A pattern that is
/// not well formed matches nothing.
fn matches_glob(pattern: &str, text: &str) -> bool {
    glob(pattern).is_some_and(|expression| expression.is_match(text))
}

fn glob(pattern: &str) -> Option<regex::Regex> {
    let mut expression = String::from("(?s)^");
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            '\\' => expression.push_str(&regex::escape(&characters.next()?.to_string())),
            '[' => {
                expression.push('[');
                let mut is_first = true;
                loop {
                    match characters.next()? {
                        '^' if is_first => expression.push('^'),
                        ']' => break,
                        '-' => expression.push('-'),
                        '\\' => {
                            expression.push_str(&regex::escape(&characters.next()?.to_string()));
                        }
                        other => expression.push_str(&regex::escape(&other.to_string())),
                    }
                    is_first = false;
                }
                expression.push(']');
            }
            literal => expression.push_str(&regex::escape(&literal.to_string())),
        }
    }
    expression.push('$');
    regex::Regex::new(&expression).ok()
}

/// Replaces the content of Secrets by a remark.
fn without_secrets(rendered: &chart::Rendered) -> chart::Rendered {
    let mut rendered = rendered.clone();
    for manifest in &mut rendered.manifests {
        if manifest.kind == "Secret" && manifest.api_version == "v1" {
            "# HIDDEN: The Secret output has been suppressed".clone_into(&mut manifest.content);
        }
    }
    rendered
}

/// Writes manifests to files; several of one template share its file.
struct Writer<'session> {
    session: &'session Session,
    written: BTreeSet<PathBuf>,
}

impl Writer<'_> {
    fn write(&mut self, folder: &Path, name: &str, content: &str) -> Result<(), CliError> {
        let file = folder.join(name);
        // Template paths come from the chart: they must not lead out of the folder.
        if name.split('/').any(|part| part == ".." || part.is_empty()) {
            return Err(CliError::usage(format!(
                "template `{name}` would be written outside of the folder"
            )));
        }
        let failed = |source| CliError::File {
            doing: format!("cannot write `{}`", file.display()),
            source,
        };
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let is_new = self.written.insert(file.clone());
        let mut target = std::fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(is_new)
            .append(!is_new)
            .open(&file)
            .map_err(failed)?;
        target
            .write_all(format!("---\n# Source: {name}\n{content}\n").as_bytes())
            .map_err(failed)?;
        let told = format!("wrote {}", file.display());
        Ok(self.session.printer.line(&told)?)
    }
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
    fn brackets_and_escapes_are_those_of_go() {
        for (pattern, text, expected) in [
            ("templates/[a-c]?.yaml", "templates/b1.yaml", true),
            ("templates/[^a-c].yaml", "templates/b.yaml", false),
            ("templates/\\*.yaml", "templates/*.yaml", true),
            ("templates/[", "templates/[", false),
        ] {
            assert_eq!(matches_glob(pattern, text), expected, "{pattern}");
        }
    }

    #[test]
    fn documents_are_told_apart_by_their_source() {
        assert_eq!(
            path_in_chart("# Source: c/templates/a.yaml\na: 1").as_deref(),
            Some("templates/a.yaml")
        );
        assert_eq!(path_in_chart("a: 1"), None);
    }
}
