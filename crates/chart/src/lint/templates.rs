//! The rules for templates: they are rendered, and what they give is looked at.
//!
//! Source: Helm v3.22 pkg/lint/rules/template.go, Helm v4.3 pkg/chart/v2/lint/rules/template.go.

use std::sync::LazyLock;

use regex::Regex;
use template::{
    Compat, Map, quoted,
    yaml::{self, Data},
};

use super::{
    Entry, Findings, LintOptions, Severity, Sources, deprecations,
    documents::{Documents, Head},
    names,
};
use crate::{
    capabilities::{Capabilities, KubeVersion},
    dependencies,
    metadata::Fields,
    render::{RenderOptions, render_files},
    schema,
    values::{Mode, coalesce_values},
};

const FOLDER: &str = "templates/";
/// The most bytes of a line that Go's scanner reads.
const LINE_BYTES_MAX: usize = 64 * 1024;

static CRD_HOOK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("\"?helm\\.sh/hook\"?:[\\t\\n\\x0c\\r ]+crd-install")
        .expect("the expression is a constant of this module")
});

pub(super) fn check(
    sources: &Sources,
    values: &Map,
    options: &LintOptions,
    findings: &mut Findings,
) {
    let compat = options.compat;
    let is_helm4 = compat == Compat::Helm4;
    match sources.templates {
        Entry::Missing if is_helm4 => {
            findings.add(Severity::Warning, FOLDER, "directory does not exist");
            return;
        }
        Entry::File => {
            let severity = if is_helm4 {
                Severity::Error
            } else {
                Severity::Warning
            };
            findings.add(severity, FOLDER, "not a directory");
            return;
        }
        Entry::Missing | Entry::Folder => {}
    }
    let mut chart = match &sources.chart {
        Ok(chart) => chart.clone(),
        Err(problem) => {
            findings.add(Severity::Error, FOLDER, problem.as_str());
            return;
        }
    };
    // What these two refuse, Helm's linter passes over in silence.
    let warnings = &mut findings.warnings;
    let mode = if is_helm4 {
        Mode::Coalesce
    } else {
        Mode::Merge
    };
    if dependencies::process(&mut chart, values, mode, compat, warnings).is_err() {
        return;
    }
    let Ok(once) = coalesce_values(&chart, values, Mode::Coalesce, compat, warnings) else {
        return;
    };
    // Helm's linter does it twice, and the second time drops what the chart itself sets to null.
    let all = match coalesce_values(&chart, &once, Mode::Coalesce, compat, warnings) {
        Ok(all) => all,
        Err(problem) => {
            findings.add(Severity::Error, FOLDER, problem);
            return;
        }
    };
    let mut capabilities = Capabilities::default();
    if let Some(version) = &options.kube_version {
        capabilities.kube_version = version.clone();
    }
    let kube_version = capabilities.kube_version.clone();
    if !options.skip_schema_validation
        && let Err(error) = schema::validate(&chart, &all)
    {
        findings.add(Severity::Error, FOLDER, error.to_string());
        return;
    }
    let render = RenderOptions {
        release_name: "test-release".to_owned(),
        namespace: options.namespace.clone(),
        revision: 0,
        is_install: false,
        is_upgrade: false,
        capabilities,
        lint: true,
        limits: options.limits,
        compat,
        ..RenderOptions::default()
    };
    let rendered = match render_files(&chart, &all, &render) {
        Ok(rendered) => rendered,
        Err(error) => {
            findings.add(Severity::Error, FOLDER, error.to_string());
            return;
        }
    };
    for file in &chart.templates {
        let path = file.name.as_str();
        findings.check(Severity::Error, path, extension(path));
        if !is_helm4 {
            let source = file.text();
            findings.check(Severity::Warning, path, no_crd_hook(&source));
            findings.check(Severity::Error, path, no_release_time(&source));
        }
        if !is_yaml(path, compat) {
            continue;
        }
        let text = rendered.get(&format!("{}/{path}", chart.name()));
        let text = text.map_or("", String::as_str);
        if text.trim().is_empty() {
            continue;
        }
        findings.check(Severity::Warning, path, top_indent(text));
        if !objects(path, text, &kube_version, options, findings) {
            // Helm ends here: what follows is not looked at before this is mended.
            return;
        }
    }
}

/// Checks every object of a rendered template; tells whether all could be read.
fn objects(
    path: &str,
    text: &str,
    kube: &KubeVersion,
    options: &LintOptions,
    findings: &mut Findings,
) -> bool {
    for document in Documents::of(text) {
        let head = match document {
            Ok(Some(head)) => head,
            Ok(None) => continue,
            Err(problem) => {
                findings.add(Severity::Error, path, unparsable(&problem));
                return false;
            }
        };
        findings.check(
            Severity::Warning,
            path,
            names::check(&head.kind, &head.name),
        );
        if !head.api_version.is_empty() && !head.kind.is_empty() {
            let result = deprecations::check(&head.api_version, &head.kind, kube);
            findings.check(Severity::Warning, path, result);
        }
        findings.check(Severity::Error, path, selector(&head, text));
        findings.check(
            Severity::Error,
            path,
            list_annotations(&head, text, options.compat),
        );
    }
    true
}

pub(super) fn unparsable(problem: &str) -> String {
    format!("unable to parse YAML: {problem}")
}

/// The last part of a file's name, with its dot.
fn go_extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').map_or("", |at| &name[at..])
}

/// Whether what a template gives is looked at.
fn is_yaml(path: &str, compat: Compat) -> bool {
    let extension = go_extension(path);
    match compat {
        Compat::Helm3 => extension == ".yaml",
        Compat::Helm4 => matches!(extension.to_lowercase().as_str(), ".yaml" | ".yml"),
    }
}

fn extension(path: &str) -> Result<(), String> {
    match go_extension(path) {
        ".yaml" | ".yml" | ".tpl" | ".txt" => Ok(()),
        other => Err(format!(
            "file extension '{other}' not valid. Valid extensions are .yaml, .yml, .tpl, or .txt"
        )),
    }
}

fn no_crd_hook(source: &str) -> Result<(), String> {
    if CRD_HOOK.is_match(source) {
        return Err("manifest is a crd-install hook. This hook is no longer supported in v3 and all CRDs should also exist the crds/ directory at the top level of the chart".to_owned());
    }
    Ok(())
}

fn no_release_time(source: &str) -> Result<(), String> {
    if source.contains(".Release.Time") {
        return Err(".Release.Time has been removed in v3, please replace with the `now` function in your templates".to_owned());
    }
    Ok(())
}

/// The first line with content must not be indented: a template has let a space slip in there.
fn top_indent(text: &str) -> Result<(), String> {
    for line in text.lines() {
        if line.len() > LINE_BYTES_MAX {
            return Err("bufio.Scanner: token too long".to_owned());
        }
        if line.trim().is_empty() {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            return Err(format!(
                "document starts with an illegal indent: {}, which may cause parsing problems",
                quoted(line)
            ));
        }
        return Ok(());
    }
    Ok(())
}

fn selector(head: &Head, text: &str) -> Result<(), String> {
    let needs_one = matches!(
        head.kind.as_str(),
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet"
    );
    if !needs_one || text.contains("matchLabels") || text.contains("matchExpressions") {
        return Ok(());
    }
    Err(format!(
        "a {} must contain matchLabels or matchExpressions, and {} does not",
        head.kind,
        quoted(&head.name)
    ))
}

fn list_annotations(head: &Head, text: &str, compat: Compat) -> Result<(), String> {
    if head.kind != "List" {
        return Ok(());
    }
    let data = yaml::parse_data(text).map_err(|error| unparsable(&error.to_string()))?;
    let items = Fields::of(&data, "", "struct").ok();
    let items = items.and_then(|fields| fields.get("Items").cloned());
    let Some(Data::List(items)) = items else {
        return Ok(());
    };
    let has_policy = |item: &Data| {
        let metadata = Fields::of(item, "", "").ok()?.get("Metadata")?.clone();
        let annotations = Fields::of(&metadata, "", "")
            .ok()?
            .get("Annotations")?
            .clone();
        annotations.get("helm.sh/resource-policy").map(|_| ())
    };
    if items.iter().any(|item| has_policy(item).is_some()) {
        let word = match compat {
            Compat::Helm3 => "Annotation",
            Compat::Helm4 => "annotation",
        };
        return Err(format!(
            "{word} 'helm.sh/resource-policy' within List objects are ignored"
        ));
    }
    Ok(())
}
