//! Whole charts through the one entry point: what the recorded cases do not cover.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use chart::{Chart, File, RenderOptions, Rendered, ValuesOptions, load::from_files};

fn chart(files: &[(&str, &str)]) -> Chart {
    let files = files
        .iter()
        .map(|(name, text)| File {
            name: (*name).to_owned(),
            data: text.as_bytes().into(),
        })
        .collect();
    from_files(files).unwrap()
}

fn values(text: &str) -> ValuesOptions {
    ValuesOptions {
        files: vec![("values.yaml".to_owned(), text.to_owned())],
        ..ValuesOptions::default()
    }
}

fn render(chart: &Chart, text: &str) -> Result<Rendered, chart::Error> {
    chart::template(chart, &values(text), &RenderOptions::default())
}

const META: &str = "apiVersion: v2\nname: demo\nversion: 1.2.3\n";

#[test]
fn manifests_hooks_and_notes_come_apart() {
    let demo = chart(&[
        ("Chart.yaml", META),
        ("values.yaml", "greeting: hello\nunset: 1\n"),
        (
            "templates/_helpers.tpl",
            "{{ define \"x\" }}{{ .Release.Name }}-{{ .Chart.Version }}{{ end }}",
        ),
        (
            "templates/NOTES.txt",
            "{{ .Values.greeting }} {{ .Release.Revision }}",
        ),
        (
            "templates/all.yaml",
            "kind: Service\nmetadata: {name: {{ include \"x\" . }}}\n---\nkind: ConfigMap\nmetadata: {name: c}\nunset: {{ .Values.unset }}\n",
        ),
        (
            "templates/hook.yaml",
            "kind: Job\nmetadata:\n  name: gate\n  annotations:\n    helm.sh/hook: pre-install, Pre-Upgrade\n    helm.sh/hook-weight: \"-5\"\n    helm.sh/hook-delete-policy: before-hook-creation\n",
        ),
        ("crds/thing.yaml", "kind: CustomResourceDefinition\n"),
    ]);
    let rendered = render(&demo, "unset: null\n").unwrap();
    assert_eq!(rendered.notes, "hello 1");
    assert_eq!(
        rendered.manifest_text(),
        "---\n# Source: demo/templates/all.yaml\nkind: ConfigMap\nmetadata: {name: c}\nunset:\n---\n# Source: demo/templates/all.yaml\nkind: Service\nmetadata: {name: release-name-1.2.3}\n"
    );
    let hook = &rendered.hooks[0];
    assert_eq!(hook.events, ["pre-install", "pre-upgrade"]);
    assert_eq!(
        (hook.weight, hook.delete_policies.as_slice()),
        (-5, &["before-hook-creation".to_owned()][..])
    );
    assert_eq!(rendered.crds[0].path, "demo/crds/thing.yaml");
    assert_eq!(rendered.config.to_string(), r#"{"unset":null}"#);
}

#[test]
fn subcharts_see_their_values_globals_and_aliases() {
    let parent = format!(
        "{META}dependencies:\n- {{name: child, version: \">=0.1.0\", alias: first, condition: first.enabled}}\n- {{name: child, version: \"*\", alias: second, condition: second.enabled, import-values: [shared]}}\n"
    );
    let demo = chart(&[
        ("Chart.yaml", &parent),
        (
            "values.yaml",
            "global: {env: prod}\nfirst: {enabled: true, color: red}\nsecond: {enabled: true}\n",
        ),
        (
            "templates/own.yaml",
            "kind: Own\nimported: {{ .Values.imported }}\n",
        ),
        ("charts/child/Chart.yaml", "name: child\nversion: 0.1.5\n"),
        (
            "charts/child/values.yaml",
            "color: blue\nexports: {shared: {imported: yes-it-is}}\n",
        ),
        (
            "charts/child/templates/a.yaml",
            "kind: {{ .Chart.Name | title }}\ncolor: {{ .Values.color }}\nenv: {{ .Values.global.env }}\npath: {{ .Template.Name }}\n",
        ),
    ]);
    let text = render(&demo, "").unwrap().manifest_text();
    assert!(
        text.contains(
            "kind: First\ncolor: red\nenv: prod\npath: demo/charts/first/templates/a.yaml"
        ),
        "{text}"
    );
    assert!(
        text.contains("kind: Second\ncolor: blue\nenv: prod"),
        "{text}"
    );
    assert!(text.contains("imported: yes-it-is"), "{text}");
    let text = render(&demo, "second: {enabled: false}")
        .unwrap()
        .manifest_text();
    assert!(!text.contains("kind: Second"), "{text}");
}

#[test]
fn what_helm_refuses_is_refused_in_its_words() {
    let missing = format!(
        "{META}dependencies:\n- {{name: redis, version: 1.x.x, repository: \"https://example.com\"}}\n"
    );
    let old = format!("{META}kubeVersion: \">=1.90.0\"\n");
    let library = format!("{META}type: library\n");
    let schema = r#"{"type":"object","properties":{"port":{"type":"integer","minimum":1}}}"#;
    let table = [
        (
            chart(&[("Chart.yaml", &missing)]),
            "",
            "An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: redis",
        ),
        (
            chart(&[("Chart.yaml", &old)]),
            "",
            "chart requires kubeVersion: >=1.90.0 which is incompatible with Kubernetes v1.34.0",
        ),
        (
            chart(&[("Chart.yaml", &library)]),
            "",
            "library charts are not installable",
        ),
        (
            chart(&[("Chart.yaml", META), ("values.schema.json", schema)]),
            "port: 0",
            "values don't meet the specifications of the schema(s) in the following chart(s):\ndemo:\n- at '/port': minimum: got 0, want 1\n",
        ),
        (
            chart(&[
                ("Chart.yaml", META),
                ("templates/a.yaml", "{{ required \"need it\" .Values.x }}"),
            ]),
            "",
            "execution error at (demo/templates/a.yaml:1:3): need it",
        ),
        (
            chart(&[("Chart.yaml", META), ("templates/a.yaml", "a: b: c\n")]),
            "",
            "YAML parse error on demo/templates/a.yaml: error converting YAML to JSON: yaml: mapping values are not allowed in this context",
        ),
    ];
    for (demo, text, expected) in table {
        assert_eq!(render(&demo, text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn lookup_is_answered_by_the_host_on_another_thread() {
    let demo = chart(&[
        ("Chart.yaml", META),
        (
            "templates/a.yaml",
            "found: {{ (lookup \"v1\" \"Secret\" \"ns\" \"s\").data.key }}\n",
        ),
    ]);
    let options = RenderOptions {
        lookup: Some(Arc::new(|api, kind, namespace, name| {
            assert_eq!((api, kind, namespace, name), ("v1", "Secret", "ns", "s"));
            Ok(serde_json::json!({"data": {"key": "value"}}))
        })),
        ..RenderOptions::default()
    };
    let work = move || chart::template(&demo, &ValuesOptions::default(), &options);
    let rendered = std::thread::spawn(work).join().unwrap().unwrap();
    assert_eq!(rendered.manifests[0].content, "found: value");
}
