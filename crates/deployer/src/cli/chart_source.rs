//! The chart and the values that the command line names, as something that can be rendered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chart::values::{ValuesOptions, read, read_set_file, recorded_values};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::arguments::{ChartArgs, RenderArgs, SensitiveChoice, ValueArgs};
use super::dependency::update_dependencies;
use super::error::CliError;
use super::locate::locate_chart;
use super::package::check_dependencies;
use super::post_render::PostRenderer;
use super::session::Session;
use crate::action::{ChartSource, RenderError, RenderRequest, RenderedChart, ValuesReuse};
use crate::cluster::kube::KubeCluster;
use crate::plan::sensitive::{SensitiveValues, sensitive_entries};
use crate::registry::{Access, get};
use crate::release::{Hook, Release};

/// A chart that was loaded, with the values of the command line.
#[derive(Clone)]
pub(crate) struct LoadedChart {
    chart: chart::Chart,
    values: ValuesOptions,
    compat: chart::Compat,
    skip_schema_validation: bool,
    subchart_notes: bool,
    enable_dns: bool,
    clock_ahead: Duration,
    include_crds: bool,
    /// Capabilities that `--kube-version` and `--api-versions` set.
    capabilities: Option<chart::Capabilities>,
    lookup: Option<chart::render::Lookup>,
    post_renderer: Option<PostRenderer>,
}

impl LoadedChart {
    /// Loads the chart and reads every file that the flags name.
    pub(crate) async fn load(
        session: &Session,
        reference: &str,
        chart: &ChartArgs,
        values: &ValueArgs,
        render: &RenderArgs,
    ) -> Result<Self, CliError> {
        let path = locate_chart(session, reference, &chart.origin).await?;
        let compat = render.compat.get();
        // Helm reads the values before the chart, and complains of them first.
        let values = values_options(values, compat).await?;
        let load = || {
            chart::load::load_to_render(&path, compat).map_err(|source| match values.merge() {
                Ok(_) => CliError::Chart {
                    reference: reference.to_owned(),
                    source,
                },
                Err(error) => wrong_values(&error),
            })
        };
        let mut loaded = load()?;
        if chart.dependency_update && loaded.check_dependencies().is_err() {
            let origin = &chart.origin;
            update_dependencies(session, &path, origin.keyring.as_deref(), &origin.access).await?;
            loaded = load()?;
        }
        if let Some(warning) = loaded.deprecation_warning(compat) {
            session.printer.say(warning);
        }
        // Wrong values, and a chart of a kind that cannot be installed, are told first, as by Helm.
        let is_installable = matches!(loaded.metadata.chart_type.as_str(), "" | "application");
        if is_installable && values.merge().is_ok() {
            check_dependencies(&loaded, &path, compat)?;
        }
        Ok(Self {
            chart: loaded,
            values,
            compat,
            skip_schema_validation: render.skip_schema_validation,
            subchart_notes: render.render_subchart_notes,
            enable_dns: render.enable_dns,
            clock_ahead: Duration::ZERO,
            include_crds: false,
            capabilities: None,
            lookup: None,
            post_renderer: PostRenderer::from_flags(render),
        })
    }

    /// Returns the digest over the chart's content: the same for a folder and for its archive.
    pub(crate) fn digest(&self) -> String {
        format!(
            "sha256:{}",
            hex::encode(Sha256::digest(content(&self.chart).to_string()))
        )
    }

    /// Lets templates look objects up in the cluster.
    pub(crate) fn with_lookup(mut self, cluster: Option<&KubeCluster>) -> Self {
        self.lookup = cluster.cloned().map(|cluster| -> chart::render::Lookup {
            Arc::new(move |api_version, kind, namespace, name| {
                // Rendering is synchronous and runs on a thread of the runtime.
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current()
                        .block_on(cluster.lookup(api_version, kind, namespace, name))
                        .map_err(|error| error.to_string())
                })
            })
        });
        self
    }

    /// Looks for values that look secret: they are hidden from here on unless they are to be
    /// `shown`, and told or refused as `choice` says.
    ///
    /// # Errors
    /// When there is one and none is allowed.
    pub(crate) fn guard_values(
        &self,
        session: &Session,
        choice: SensitiveChoice,
        shown: bool,
    ) -> Result<(), CliError> {
        // Wrong values are told by what merges them.
        let Ok(given) = self.values.to_json() else {
            return Ok(());
        };
        if !shown {
            session.printer.hide(&SensitiveValues::of_values(&given));
        }
        let keys: Vec<String> = sensitive_entries(&given)
            .into_iter()
            .map(|(path, _)| format!("`{path}`"))
            .collect();
        if keys.is_empty() || choice == SensitiveChoice::Allow {
            return Ok(());
        }
        let (noun, verb, them) = match keys.len() {
            1 => ("value", "looks", "it"),
            _ => ("values", "look", "them"),
        };
        let message = format!(
            "the {noun} {} {verb} secret, and the release record keeps {them} readable for whoever may read it",
            keys.join(", ")
        );
        let instead = "keep it in a Secret of its own and give the chart that Secret's name (often `existingSecret`), or let External Secrets or Sealed Secrets make one";
        if choice == SensitiveChoice::Refuse {
            return Err(CliError::usage(message)
                .with_hint("nothing was changed")
                .with_hint(instead)
                .with_hint("to store it all the same, pass `--sensitive-values=allow`"));
        }
        session.printer.warn(&format!(
            "{message}; {instead}; `--sensitive-values=allow` silences this"
        ));
        Ok(())
    }

    /// Puts `crds/` in front of the manifests, and replaces what is known of the cluster.
    pub(crate) fn for_template(
        mut self,
        include_crds: bool,
        capabilities: Option<chart::Capabilities>,
    ) -> Self {
        self.include_crds = include_crds;
        self.capabilities = capabilities;
        self
    }

    /// Renders without a release, as `template` does.
    pub(crate) fn rendered(
        &self,
        options: &chart::RenderOptions,
    ) -> Result<chart::Rendered, RenderError> {
        chart::template(&self.chart, &self.values, options).map_err(|error| self.explain(error))
    }

    /// Returns what the templates give although it is no YAML; nothing but a line where they fail.
    pub(crate) fn broken_text(&self, options: &chart::RenderOptions) -> String {
        let files = chart::template_files(&self.chart, &self.values, options).unwrap_or_default();
        let mut text = String::new();
        for (path, content) in files {
            text.push_str(&format!("---\n# Source: {path}\n{content}\n"));
        }
        format!("{}\n", text.trim())
    }

    pub(crate) fn post_renderer(&self) -> Option<&PostRenderer> {
        self.post_renderer.as_ref()
    }

    /// Returns the options for one release.
    pub(crate) fn options(
        &self,
        request: &RenderRequest<'_>,
    ) -> Result<chart::RenderOptions, RenderError> {
        let capabilities = match (&self.capabilities, request.capabilities) {
            (Some(given), _) => given.clone(),
            (None, Some(cluster)) => self.capabilities_of(cluster)?,
            (None, None) => chart::Capabilities::default(),
        };
        Ok(chart::RenderOptions {
            release_name: request.release.to_string(),
            namespace: request.namespace.to_string(),
            revision: request.revision.0,
            is_install: !request.is_upgrade,
            is_upgrade: request.is_upgrade,
            capabilities,
            lookup: self.lookup.clone(),
            enable_dns: self.enable_dns,
            clock_ahead: self.clock_ahead,
            subchart_notes: self.subchart_notes,
            include_crds: self.include_crds,
            skip_schema_validation: self.skip_schema_validation,
            compat: self.compat,
            ..chart::RenderOptions::default()
        })
    }

    fn capabilities_of(
        &self,
        cluster: &crate::cluster::Capabilities,
    ) -> Result<chart::Capabilities, RenderError> {
        let defaults = chart::Capabilities::default();
        let mut kube_version = defaults.kube_version;
        if !cluster.kube_version.is_empty() {
            let parsed = chart::KubeVersion::parse(&cluster.kube_version, self.compat)
                .map_err(|problem| self.explain(Problem(problem)))?;
            // Helm shows the whole version of a cluster, suffix included.
            kube_version = chart::KubeVersion {
                version: cluster.kube_version.clone(),
                ..parsed
            };
        }
        let api_versions = if cluster.api_versions.is_empty() {
            defaults.api_versions
        } else {
            cluster.api_versions.clone()
        };
        Ok(chart::Capabilities {
            kube_version,
            api_versions,
        })
    }

    fn explain(&self, error: impl std::error::Error + Send + Sync + 'static) -> RenderError {
        RenderError::Chart {
            chart: self.chart.name().to_owned(),
            source: Box::new(error),
        }
    }

    /// Merges what the revision before was given, as the flags about reuse say. The second are values
    /// that stand in the place of the chart's own: `--reuse-values` knows no new defaults.
    fn values_for(
        &self,
        request: &RenderRequest<'_>,
    ) -> Result<(ValuesOptions, Option<Value>), RenderError> {
        let mut values = self.values.clone();
        let Some(previous) = request.previous else {
            return Ok((values, None));
        };
        let old = || Value::Object(previous.config.clone());
        let mut old_values = None;
        match request.reuse {
            ValuesReuse::Reset => {}
            ValuesReuse::ResetThenReuse => values.base = Some(old()),
            ValuesReuse::Reuse => {
                values.base = Some(old());
                old_values = Some(self.recorded(previous));
            }
            ValuesReuse::WhenNoneGiven => {
                if self.gives_nothing()? {
                    values.base = Some(old());
                }
            }
        }
        Ok((values, old_values))
    }

    fn recorded(&self, previous: &Release) -> Value {
        let (recorded, warnings) = recorded(previous, self.compat);
        for warning in warnings {
            tracing::warn!(chart = self.chart.name(), "{warning}");
        }
        recorded
    }

    fn gives_nothing(&self) -> Result<bool, RenderError> {
        let given = self.values.to_json().map_err(|error| self.explain(error))?;
        Ok(given.as_object().is_none_or(Map::is_empty))
    }
}

/// What of a chart can have an effect, subcharts included.
fn content(chart: &chart::Chart) -> Value {
    let mut below: Vec<(&str, Value)> = chart
        .dependencies
        .iter()
        .map(|child| (child.name(), content(child)))
        .collect();
    below.sort_by_key(|(name, _)| *name);
    let below: Vec<Value> = below.into_iter().map(|(_, content)| content).collect();
    serde_json::json!({"chart": chart.to_release_json(), "dependencies": below})
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Problem(String);

/// So far ahead that year, month, day, weekday, hour, minute and second are others.
const ANOTHER_TIME: Duration = Duration::from_secs(400 * 86_400 + 3_661);

impl ChartSource for LoadedChart {
    fn at_another_time(&self) -> Option<Arc<dyn ChartSource>> {
        Some(Arc::new(Self {
            clock_ahead: ANOTHER_TIME,
            ..self.clone()
        }))
    }

    fn render(&self, request: &RenderRequest<'_>) -> Result<RenderedChart, RenderError> {
        let options = self.options(request)?;
        let (values, old_values) = self.values_for(request)?;
        let with_old = old_values.map(|old| self.chart.with_values(&old));
        let chart = with_old.as_ref().unwrap_or(&self.chart);
        let rendered =
            chart::template(chart, &values, &options).map_err(|error| self.explain(error))?;
        let chart = rendered.chart.to_release_json();
        for warning in &rendered.warnings {
            tracing::warn!(chart = self.chart.name(), "{warning}");
        }
        let mut manifest = rendered.manifest_text();
        if let Some(post_renderer) = &self.post_renderer {
            manifest = post_renderer
                .run(&manifest)
                .map_err(|error| self.explain(error))?;
        }
        Ok(RenderedChart {
            chart,
            config: rendered.config.as_object().cloned().unwrap_or_default(),
            manifest,
            hooks: rendered.hooks.iter().filter_map(to_hook).collect(),
            notes: rendered.notes,
            crds: rendered
                .crds
                .into_iter()
                .map(|resource| resource.text)
                .collect(),
        })
    }
}

/// The field names of both are those of a release record.
fn to_hook(hook: &chart::Hook) -> Option<Hook> {
    serde_json::from_value(serde_json::to_value(hook).ok()?).ok()
}

/// Returns every computed value of a recorded revision: the chart's defaults below the user's.
pub(crate) fn computed_values(release: &Release) -> Map<String, Value> {
    match recorded(release, chart::Compat::default()).0 {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn recorded(release: &Release, compat: chart::Compat) -> (Value, Vec<String>) {
    let mut warnings = Vec::new();
    let values = recorded_values(
        release
            .chart
            .get("values")
            .filter(|values| values.is_object()),
        &Value::Object(release.config.clone()),
        compat,
        &mut warnings,
    );
    (values, warnings)
}

fn is_address(name: &str) -> bool {
    name.starts_with("https://") || name.starts_with("http://")
}

async fn fetch_values(address: &str) -> Result<String, CliError> {
    let bytes_max = chart::load::FILE_BYTES_MAX;
    let data = get(address, address, &Access::default(), bytes_max).await?;
    Ok(String::from_utf8_lossy(&data).into_owned())
}

fn wrong_values(error: &chart::values::ValuesError) -> CliError {
    CliError::usage(error.to_string()).with_hint("nothing was changed")
}

/// Reads what the flags name: files, standard input, and addresses as Helm does.
pub(crate) async fn values_options(
    arguments: &ValueArgs,
    compat: chart::Compat,
) -> Result<ValuesOptions, CliError> {
    let usage = |error| wrong_values(&error);
    let mut files = arguments.below.clone();
    // An empty name is none, as of a variable that is not set.
    for name in arguments.values.iter().filter(|name| !name.is_empty()) {
        let text = match is_address(name) {
            true => fetch_values(name).await?,
            false => read(name).map_err(usage)?,
        };
        files.push((name.clone(), text));
    }
    let mut set_file = Vec::new();
    for expression in &arguments.set_file {
        let named = read_set_file(expression, &|_| Ok(String::new())).map_err(usage)?;
        let mut fetched = BTreeMap::new();
        for address in named.contents.keys().filter(|name| is_address(name)) {
            fetched.insert(address.clone(), fetch_values(address).await?);
        }
        let found = read_set_file(expression, &|name| match fetched.get(name) {
            Some(text) => Ok(text.clone()),
            None => read(name).map_err(|error| error.to_string()),
        });
        set_file.push(found.map_err(usage)?);
    }
    Ok(ValuesOptions {
        files,
        set: arguments.set.clone(),
        set_string: arguments.set_string.clone(),
        set_file,
        set_json: arguments.set_json.clone(),
        set_literal: arguments.set_literal.clone(),
        compat,
        ..ValuesOptions::default()
    })
}
