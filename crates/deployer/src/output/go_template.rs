//! Go templates of `get all` and `version`, and a release as they see it: Helm's own structs.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;
use serde_json::Value as Json;
use template::{
    FunctionSet, Kind, MissingKey, Object, Options, StringMap, Templates, TypedList, Value,
    time_value, yaml,
};

use crate::release::{Hook, RecordTime, Release, user_labels};

/// The name that Helm gives such a template, which Go's error texts show.
const NAME: &str = "_";

/// Executes a template on a release, as `.Release`.
///
/// # Errors
/// Go's text, which says where in the template it failed.
pub fn release_by_template(template: &str, release: &Release) -> Result<String, String> {
    let data = [(Rc::from("Release"), release_value(release))];
    execute(template, &Value::map(data.into()))
}

/// Executes a template on the version of the program.
///
/// Source: `internal/version/version.go` of Helm 4.3. What describes a build of Go is empty.
///
/// # Errors
/// As [`release_by_template`].
pub fn version_by_template(template: &str, version: &str) -> Result<String, String> {
    let info = Struct::value(
        "version.BuildInfo",
        vec![
            ("Version", text(version)),
            ("GitCommit", text("")),
            ("GitTreeState", text("")),
            ("GoVersion", text("")),
            ("KubeClientVersion", text("")),
        ],
    );
    execute(template, &info)
}

/// Source: `pkg/cmd/printer.go` of Helm 4.3: nothing but Go's own functions.
fn execute(template: &str, data: &Value) -> Result<String, String> {
    let mut templates = Templates::new(Options {
        missing_key: MissingKey::Invalid,
        functions: FunctionSet::Go,
        ..Options::default()
    });
    templates
        .parse(NAME, template)
        .and_then(|()| templates.execute(NAME, data))
        .map_err(|error| error.raw())
}

/// A struct of Go, by its fields; a pointer to one where the name of the type begins with `*`.
#[derive(Debug)]
struct Struct {
    type_name: &'static str,
    fields: Vec<(&'static str, Value)>,
}

impl Struct {
    fn value(type_name: &'static str, fields: Vec<(&'static str, Value)>) -> Value {
        Value::Object(Rc::new(Self { type_name, fields }))
    }
}

impl Object for Struct {
    fn type_name(&self) -> &str {
        self.type_name
    }
    fn field(&self, name: &str) -> Option<Value> {
        let field = self.fields.iter().find(|(field, _)| *field == name);
        field.map(|(_, value)| value.clone())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn kind(&self) -> Kind {
        if self.type_name.starts_with('*') {
            Kind::Pointer
        } else {
            Kind::Struct
        }
    }
    fn printed_fields(&self) -> Vec<(String, Value)> {
        let fields = self.fields.iter();
        fields
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }
}

fn text(text: &str) -> Value {
    Value::string(text)
}

/// Returns what a record has for an item of a set of words.
fn word(item: impl Serialize) -> String {
    match serde_json::to_value(item) {
        Ok(Json::String(word)) => word,
        _ => String::new(),
    }
}

fn words<T: Serialize>(type_name: &'static str, items: &[T]) -> Value {
    let items = items.iter().map(|item| Value::string(word(item))).collect();
    TypedList::value(type_name, items)
}

fn time(time: RecordTime) -> Value {
    let text = match time.is_never() {
        // Go's zero time.
        true => "0001-01-01T00:00:00Z".to_owned(),
        false => word(time),
    };
    time_value(&text).unwrap_or_default()
}

/// Source: `pkg/release/v1/release.go` of Helm 4.3, of which Helm 3's is a subset.
fn release_value(release: &Release) -> Value {
    let info = &release.info;
    let info = Struct::value(
        "*release.Info",
        vec![
            ("FirstDeployed", time(info.first_deployed)),
            ("LastDeployed", time(info.last_deployed)),
            ("Deleted", time(info.deleted)),
            ("Description", text(&info.description)),
            ("Status", text(info.status.as_str())),
            ("Notes", text(&info.notes)),
            // Objects of the cluster are asked for by `status` alone.
            ("Resources", Value::map(BTreeMap::new())),
        ],
    );
    let labels = user_labels(&release.labels);
    let labels = labels
        .iter()
        .map(|(name, value)| (Rc::from(name.as_str()), text(value)));
    Struct::value(
        "*release.Release",
        vec![
            ("Name", text(release.name.as_str())),
            ("Info", info),
            ("Chart", chart_value(&release.chart)),
            (
                "Config",
                yaml::from_json(&Json::Object(release.config.clone())),
            ),
            ("Manifest", text(&release.manifest)),
            (
                "Hooks",
                TypedList::value(
                    "[]*release.Hook",
                    release.hooks.iter().map(hook_value).collect(),
                ),
            ),
            ("Version", Value::Int(i64::from(release.version.0))),
            ("Namespace", text(release.namespace.as_str())),
            ("Labels", StringMap::value(labels.collect())),
            ("ApplyMethod", text(&word(release.apply_method))),
        ],
    )
}

fn hook_value(hook: &Hook) -> Value {
    let last_run = Struct::value(
        "release.HookExecution",
        vec![
            ("StartedAt", time(hook.last_run.started_at)),
            ("CompletedAt", time(hook.last_run.completed_at)),
            ("Phase", text(&word(hook.last_run.phase))),
        ],
    );
    Struct::value(
        "*release.Hook",
        vec![
            ("Name", text(&hook.name)),
            ("Kind", text(&hook.kind)),
            ("Path", text(&hook.path)),
            ("Manifest", text(&hook.manifest)),
            ("Events", words("[]release.HookEvent", &hook.events)),
            ("LastRun", last_run),
            ("Weight", Value::Int(hook.weight)),
            (
                "DeletePolicies",
                words("[]release.HookDeletePolicy", &hook.delete_policies),
            ),
            (
                "OutputLogPolicies",
                words("[]release.HookOutputLogPolicy", &hook.output_log_policies),
            ),
        ],
    )
}

/// Source: `pkg/chart/chart.go` of Helm 3.22. Its methods without arguments stand with the fields.
fn chart_value(chart: &Json) -> Value {
    let mut metadata = chart::Metadata::default();
    let name = chart["metadata"]["name"].as_str().unwrap_or_default();
    let app_version = chart["metadata"]["appVersion"].as_str().unwrap_or_default();
    if let Err(error) = metadata.apply(&chart["metadata"].to_string()) {
        tracing::debug!(%error, "the chart's metadata cannot be shown");
    }
    Struct::value(
        "*chart.Chart",
        vec![
            ("Metadata", chart::metadata_value(&metadata)),
            ("Name", text(name)),
            ("AppVersion", text(app_version)),
            ("IsRoot", Value::Bool(true)),
            ("ChartPath", text(name)),
            ("ChartFullPath", text(name)),
            ("Lock", lock_value(&chart["lock"])),
            ("Templates", files_value(&chart["templates"])),
            ("Values", yaml::from_json(&chart["values"])),
            ("Schema", bytes(&chart["schema"])),
            ("Files", files_value(&chart["files"])),
        ],
    )
}

fn lock_value(lock: &Json) -> Value {
    if lock.is_null() {
        return Value::Nil;
    }
    let dependencies = lock["dependencies"].as_array().into_iter().flatten();
    let dependencies = dependencies.map(|dependency| {
        let field = |name: &str| text(dependency[name].as_str().unwrap_or_default());
        Struct::value(
            "*chart.Dependency",
            vec![
                ("Name", field("name")),
                ("Version", field("version")),
                ("Repository", field("repository")),
            ],
        )
    });
    let generated = lock["generated"].as_str().and_then(time_value);
    Struct::value(
        "*chart.Lock",
        vec![
            ("Generated", generated.unwrap_or_default()),
            ("Digest", text(lock["digest"].as_str().unwrap_or_default())),
            (
                "Dependencies",
                TypedList::value("[]*chart.Dependency", dependencies.collect()),
            ),
        ],
    )
}

fn files_value(files: &Json) -> Value {
    let files = files.as_array().into_iter().flatten();
    let files = files.map(|file| {
        let name = file["name"].as_str().unwrap_or_default();
        Struct::value(
            "*chart.File",
            vec![("Name", text(name)), ("Data", bytes(&file["data"]))],
        )
    });
    TypedList::value("[]*chart.File", files.collect())
}

/// Bytes as Go's JSON has them.
fn bytes(encoded: &Json) -> Value {
    use base64::Engine as _;
    let encoded = encoded.as_str().unwrap_or_default();
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded);
    Value::Bytes(Rc::from(decoded.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn release() -> Release {
        serde_json::from_value(json!({
            "name": "web", "namespace": "prod", "version": 3, "apply_method": "ssa", "manifest": "---\n",
            "info": {"status": "deployed", "description": "Upgrade complete", "notes": "hello",
                "first_deployed": "2026-01-02T03:04:05Z", "last_deployed": "2026-01-03T03:04:05.5Z"},
            "chart": {"metadata": {"name": "web", "version": "1.2.3", "appVersion": "4.5", "apiVersion": "v2",
                    "dependencies": [{"name": "db", "version": "1.x"}]},
                "lock": {"generated": "2026-01-01T00:00:00Z", "digest": "sha256:1", "dependencies": [{"name": "db", "version": "1.4.0"}]},
                "values": {"replicas": 2}, "templates": [{"name": "templates/a.yaml", "data": "YTogMQ=="}]},
            "config": {"image": {"tag": "v1"}},
            "hooks": [{"name": "gate", "kind": "Job", "events": ["pre-upgrade", "test"], "weight": -5,
                "last_run": {"phase": "Succeeded"}, "delete_policies": ["hook-succeeded"]}],
        }))
        .expect("a release")
    }

    fn shown(template: &str) -> String {
        release_by_template(template, &release()).expect("a template")
    }

    #[test]
    fn a_template_sees_the_record_by_helms_names() {
        for (template, wanted) in [
            (
                "{{.Release.Name}}/{{.Release.Namespace}} {{.Release.Version}}",
                "web/prod 3",
            ),
            (
                "{{.Release.Info.Status}} {{eq .Release.Info.Status \"deployed\"}}",
                "deployed true",
            ),
            (
                "{{.Release.Info.LastDeployed}}",
                "2026-01-03 03:04:05.5 +0000 UTC",
            ),
            (
                "{{.Release.Info.FirstDeployed.Format \"2006-01-02\"}}",
                "2026-01-02",
            ),
            (
                "{{.Release.Info.Deleted.IsZero}} {{.Release.Info.Notes}}",
                "true hello",
            ),
            (
                "{{.Release.Chart.Metadata.Version}} {{.Release.Chart.Name}} {{.Release.Chart.AppVersion}}",
                "1.2.3 web 4.5",
            ),
            (
                "{{range .Release.Chart.Metadata.Dependencies}}{{.Name}} {{.Version}}{{end}}",
                "db 1.x",
            ),
            (
                "{{.Release.Chart.Values.replicas}} {{.Release.Config.image.tag}} {{.Release.Config.none}}",
                "2 v1 <no value>",
            ),
            (
                "{{range .Release.Chart.Templates}}{{.Name}}: {{printf \"%s\" .Data}}{{end}}",
                "templates/a.yaml: a: 1",
            ),
            (
                "{{range .Release.Hooks}}{{.Name}} {{.Kind}} {{.Events}} {{.Weight}} {{.LastRun.Phase}} {{.DeletePolicies}}{{end}}",
                "gate Job [pre-upgrade test] -5 Succeeded [hook-succeeded]",
            ),
            (
                "{{with .Release.Chart.Lock}}{{.Generated}} {{.Digest}} {{range .Dependencies}}{{.Version}}{{end}}{{end}}",
                "2026-01-01 00:00:00 +0000 UTC sha256:1 1.4.0",
            ),
            (
                "{{.Release.ApplyMethod}} {{len .Release.Labels}} {{len .Release.Hooks}}",
                "ssa 0 1",
            ),
        ] {
            assert_eq!(shown(template), wanted, "{template}");
        }
    }

    #[test]
    fn errors_are_gos_and_only_gos_functions_are_there() {
        for (template, wanted) in [
            (
                "{{.Release.Nope}}",
                "template: _:1:10: executing \"_\" at <.Release.Nope>: can't evaluate field Nope in type interface {}",
            ),
            (
                "{{toYaml .Release}}",
                "template: _:1: function \"toYaml\" not defined",
            ),
            ("{{", "template: _:1: unclosed action"),
        ] {
            assert_eq!(
                release_by_template(template, &release()),
                Err(wanted.to_owned()),
                "{template}"
            );
        }
    }

    #[test]
    fn a_template_sees_the_version() {
        let shown = version_by_template(
            "Version: {{.Version}}{{.GitCommit}}{{.GoVersion}}",
            "v1.2.3",
        );
        assert_eq!(shown, Ok("Version: v1.2.3".to_owned()));
    }
}
