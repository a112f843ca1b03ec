//! A chart with its values to text: the order of templates, what each one sees, what becomes of it.
//!
//! Source: Helm v3 pkg/engine/engine.go and pkg/action/action.go.

use std::{collections::BTreeMap, fmt, rc::Rc, sync::Arc};

use serde_json::Value as Json;
use template::{Compat, Limits, Map, Options, Templates, Value, yaml};

use crate::{
    capabilities::{Capabilities, CapabilitiesObject},
    chart_object::chart_value,
    files::FilesObject,
    manifest::{Hook, Manifest, SortError, install_order, sort_manifests},
    model::{Chart, CustomResource},
    values::table,
    version::is_compatible,
};

const NOTES: &str = "NOTES.txt";

/// Finds an object of the cluster for `lookup`: API version, kind, namespace, name.
pub type Lookup = Arc<dyn Fn(&str, &str, &str, &str) -> Result<Json, String> + Send + Sync>;

/// What templates are told, and how strict rendering is.
#[derive(Clone)]
pub struct RenderOptions {
    pub release_name: String,
    pub namespace: String,
    pub revision: u32,
    pub is_install: bool,
    pub is_upgrade: bool,
    pub capabilities: Capabilities,
    /// Answers `lookup`; without it nothing is found.
    pub lookup: Option<Lookup>,
    /// A missing value is an error (`lint --strict`).
    pub strict: bool,
    /// `required` and `fail` do not fail.
    pub lint: bool,
    pub enable_dns: bool,
    /// How far the clock of `now` is ahead: what is rendered at another time.
    pub clock_ahead: std::time::Duration,
    /// Adds the notes of subcharts to those of the chart.
    pub subchart_notes: bool,
    /// Puts `crds/` before the manifests of [`Rendered::manifest_text`].
    pub include_crds: bool,
    pub skip_schema_validation: bool,
    /// The version of Helm whose ways are kept.
    pub compat: Compat,
    pub limits: Limits,
}

impl Default for RenderOptions {
    /// A first install of `release-name` in `default`, without a cluster.
    fn default() -> Self {
        Self {
            release_name: "release-name".to_owned(),
            namespace: "default".to_owned(),
            revision: 1,
            is_install: true,
            is_upgrade: false,
            capabilities: Capabilities::default(),
            lookup: None,
            strict: false,
            lint: false,
            enable_dns: false,
            clock_ahead: std::time::Duration::ZERO,
            subchart_notes: false,
            include_crds: false,
            skip_schema_validation: false,
            compat: Compat::default(),
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for RenderOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RenderOptions")
            .field("release_name", &self.release_name)
            .field("namespace", &self.namespace)
            .field("revision", &self.revision)
            .field("is_upgrade", &self.is_upgrade)
            .finish_non_exhaustive()
    }
}

/// A chart that cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {found}")]
    KubeVersion { wanted: String, found: String },
    #[error(transparent)]
    Template(#[from] template::Error),
    #[error(transparent)]
    Manifest(#[from] SortError),
}

/// The result of rendering a chart; all of it is plain text.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// In the order of installation.
    pub manifests: Vec<Manifest>,
    /// Sorted by kind; who runs them sorts by weight and name, stably.
    pub hooks: Vec<Hook>,
    /// The text of NOTES.txt.
    pub notes: String,
    /// What stands in `crds/` of the chart and its subcharts.
    pub crds: Vec<CustomResource>,
    /// What Helm logs while it renders, in its words.
    pub warnings: Vec<String>,
    /// Whether `crds` are part of [`Self::manifest_text`].
    pub include_crds: bool,
    /// The values that the user gave: `config` of a release record.
    pub config: Json,
    /// The chart after dependencies were processed, as a release record keeps it.
    pub chart: Chart,
}

impl Rendered {
    /// Returns the manifests as one text: the `manifest` of a release record.
    pub fn manifest_text(&self) -> String {
        let mut text = String::new();
        let mut add = |path: &str, content: &str| {
            text.push_str("---\n# Source: ");
            text.push_str(path);
            text.push('\n');
            text.push_str(content);
            text.push('\n');
        };
        if self.include_crds {
            for resource in &self.crds {
                add(&resource.path, &resource.text);
            }
        }
        for manifest in &self.manifests {
            add(&manifest.name, &manifest.content);
        }
        text
    }

    /// Returns what the `template` command prints: the trimmed manifests, then the hooks.
    ///
    /// `manifest` is [`Self::manifest_text`], or what a post-renderer made of it.
    pub fn template_text(&self, manifest: &str, with_hooks: bool, with_tests: bool) -> String {
        let mut text = format!("{}\n", manifest.trim());
        let shown = |hook: &&Hook| with_tests || !hook.runs_at("test");
        for hook in self.hooks.iter().filter(|_| with_hooks).filter(shown) {
            text.push_str(&format!(
                "---\n# Source: {}\n{}\n",
                hook.path, hook.manifest
            ));
        }
        text
    }
}

/// Renders a chart whose dependencies are processed, with values that are coalesced.
///
/// # Errors
/// [`RenderError`] in Helm's words: the cluster's version, a template, or a result that is not YAML.
pub fn render(
    chart: &Chart,
    values: &Map,
    options: &RenderOptions,
    warnings: &mut Vec<String>,
) -> Result<Rendered, RenderError> {
    let wanted = &chart.metadata.kube_version;
    let found = &options.capabilities.kube_version;
    if !wanted.is_empty() && !is_compatible(wanted, found.normalized()) {
        return Err(RenderError::KubeVersion {
            wanted: wanted.clone(),
            found: found.version.clone(),
        });
    }
    let mut files = render_files(chart, values, options)?;
    let notes = take_notes(chart, &mut files, options.subchart_notes);
    let compat = options.compat;
    let (hooks, manifests) = sort_manifests(&files, install_order(compat), compat, warnings)?;
    Ok(Rendered {
        manifests,
        hooks,
        notes,
        crds: chart.custom_resources(),
        warnings: Vec::new(),
        include_crds: options.include_crds,
        config: Json::Null,
        chart: chart.clone(),
    })
}

/// Renders every template that is no partial; returns the text by the template's path.
///
/// # Errors
/// The first template that cannot be parsed or executed.
pub fn render_files(
    chart: &Chart,
    values: &Map,
    options: &RenderOptions,
) -> Result<BTreeMap<String, String>, template::Error> {
    let mut sources = Vec::new();
    let shared = Shared::new(options);
    shared.collect(chart, chart.name(), values, true, &mut sources);
    // Deeper paths come first, then names from the end of the alphabet: what stands higher in the
    // tree is parsed later and wins where two files define one template.
    sources.sort_by(|left, right| right.sort_key().cmp(&left.sort_key()));
    let mut templates = Templates::new(template_options(options));
    for source in &sources {
        templates.parse(&source.path, &source.text)?;
    }
    let mut rendered = BTreeMap::new();
    for source in &sources {
        let name = source.path.rsplit('/').next().unwrap_or(&source.path);
        if name.starts_with('_') {
            continue;
        }
        let about = [
            (Rc::from("Name"), Value::string(source.path.as_str())),
            (
                Rc::from("BasePath"),
                Value::string(source.base_path.as_str()),
            ),
        ];
        source
            .data
            .borrow_mut()
            .insert(Rc::from("Template"), Value::map(about.into()));
        let text = templates.execute(&source.path, &Value::Map(Rc::clone(&source.data)))?;
        let text = if text.contains("<no value>") {
            text.replace("<no value>", "")
        } else {
            text
        };
        rendered.insert(source.path.clone(), text);
    }
    Ok(rendered)
}

fn template_options(options: &RenderOptions) -> Options {
    let lookup = options.lookup.clone().map(|lookup| {
        let answer = move |api: &str, kind: &str, namespace: &str, name: &str| {
            lookup(api, kind, namespace, name).map(|json| yaml::from_json(&json))
        };
        Rc::new(answer) as template::Lookup
    });
    Options {
        strict: options.strict,
        lint: options.lint,
        limits: options.limits,
        lookup,
        enable_dns: options.enable_dns,
        clock_ahead: options.clock_ahead,
        compat: options.compat,
        ..Options::default()
    }
}

/// One template file with what it sees.
struct Source {
    path: String,
    text: String,
    base_path: String,
    data: Map,
}

impl Source {
    fn sort_key(&self) -> (usize, &str) {
        (self.path.matches('/').count(), &self.path)
    }
}

/// What every template of a release sees alike.
struct Shared {
    release: Value,
    capabilities: Value,
    compat: Compat,
}

impl Shared {
    fn new(options: &RenderOptions) -> Self {
        let release = [
            (
                Rc::from("Name"),
                Value::string(options.release_name.as_str()),
            ),
            (
                Rc::from("Namespace"),
                Value::string(options.namespace.as_str()),
            ),
            (Rc::from("IsUpgrade"), Value::Bool(options.is_upgrade)),
            (Rc::from("IsInstall"), Value::Bool(options.is_install)),
            (
                Rc::from("Revision"),
                Value::Int(i64::from(options.revision)),
            ),
            (Rc::from("Service"), Value::string("Helm")),
        ];
        Self {
            release: Value::map(release.into()),
            capabilities: CapabilitiesObject::value(&options.capabilities, options.compat),
            compat: options.compat,
        }
    }

    /// Collects the templates of a chart and its subcharts; returns what those of the chart see.
    fn collect(
        &self,
        chart: &Chart,
        path: &str,
        values: &Map,
        is_root: bool,
        sources: &mut Vec<Source>,
    ) -> Map {
        let subcharts = Map::default();
        let data = [
            (Rc::from("Chart"), chart_value(chart, is_root, self.compat)),
            (Rc::from("Files"), FilesObject::value(&chart.files)),
            (Rc::from("Release"), self.release.clone()),
            (Rc::from("Capabilities"), self.capabilities.clone()),
            (Rc::from("Values"), Value::Map(Rc::clone(values))),
            (Rc::from("Subcharts"), Value::Map(Rc::clone(&subcharts))),
        ];
        let data: Map = Rc::new(std::cell::RefCell::new(data.into()));
        for child in &chart.dependencies {
            let values = table(values, child.name()).unwrap_or_default();
            let path = chart.child_path(path, child);
            let inner = self.collect(child, &path, &values, false, sources);
            subcharts
                .borrow_mut()
                .insert(Rc::from(child.name()), Value::Map(inner));
        }
        for file in &chart.templates {
            let name = file.name.rsplit('/').next().unwrap_or(&file.name);
            if chart.metadata.is_library() && !name.starts_with('_') {
                continue;
            }
            sources.push(Source {
                path: format!("{path}/{}", file.name),
                text: file.text(),
                base_path: format!("{path}/templates"),
                data: Rc::clone(&data),
            });
        }
        data
    }
}

/// Removes the notes from the rendered files and joins those that are wanted.
fn take_notes(chart: &Chart, files: &mut BTreeMap<String, String>, subchart_notes: bool) -> String {
    let own = format!("{}/templates/{NOTES}", chart.name());
    let mut notes = String::new();
    files.retain(|path, text| {
        if !path.ends_with(NOTES) {
            return true;
        }
        if subchart_notes || *path == own {
            if !notes.is_empty() {
                notes.push('\n');
            }
            notes.push_str(text);
        }
        false
    });
    notes
}
