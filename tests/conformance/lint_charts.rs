//! Charts for the linter, good and broken, written down here and laid out in a folder.

use std::path::Path;

use anyhow::Result;

const CHART: &str = "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: \"1.0\"\nicon: https://example.com/icon.png\n";
const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: demo\n";

/// A chart that differs from a good one in the files that are named; an empty text removes a file.
type Variant = (&'static str, &'static [(&'static str, &'static str)]);

/// What is wrong, and the files that make it so.
const VARIANTS: &[Variant] = &[
    ("good", &[]),
    (
        "no-icon",
        &[("Chart.yaml", "apiVersion: v2\nname: demo\nversion: 0.1.0\n")],
    ),
    ("no-values", &[("values.yaml", "")]),
    ("no-templates", &[("templates/config.yaml", "")]),
    (
        "unknown-field",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\nzone: a\nengine: gotpl\n",
        )],
    ),
    (
        "version-short",
        &[("Chart.yaml", "apiVersion: v2\nname: demo\nversion: v1.2\n")],
    ),
    ("crds-a-file", &[("crds", "x\n")]),
    ("crds-not-yaml", &[("crds/a.yaml", "a: {{ .Values.a }}\n")]),
    (
        "crds-of-other-kinds",
        &[(
            "crds/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n",
        )],
    ),
    (
        "template-yml",
        &[("templates/bad.yml", "apiVersion: v1\nkind: Deployment\n")],
    ),
    ("no-chart-file", &[("Chart.yaml", "")]),
    ("chart-not-yaml", &[("Chart.yaml", "name: demo\n bad: [\n")]),
    ("chart-is-a-list", &[("Chart.yaml", "- name: demo\n")]),
    (
        "chart-wrong-field",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: [demo]\nversion: 0.1.0\n",
        )],
    ),
    ("chart-is-empty", &[("Chart.yaml", "# nothing\n")]),
    (
        "no-name",
        &[("Chart.yaml", "apiVersion: v2\nversion: 0.1.0\n")],
    ),
    (
        "name-with-slash",
        &[("Chart.yaml", "apiVersion: v2\nname: a/b\nversion: 0.1.0\n")],
    ),
    (
        "name-is-dots",
        &[("Chart.yaml", "apiVersion: v2\nname: ..\nversion: 0.1.0\n")],
    ),
    (
        "no-api-version",
        &[(
            "Chart.yaml",
            "name: demo\nversion: 0.1.0\nicon: https://e.com/i\n",
        )],
    ),
    (
        "api-version-v3",
        &[("Chart.yaml", "apiVersion: v3\nname: demo\nversion: 0.1.0\n")],
    ),
    (
        "no-version",
        &[("Chart.yaml", "apiVersion: v2\nname: demo\n")],
    ),
    (
        "version-no-semver",
        &[("Chart.yaml", "apiVersion: v2\nname: demo\nversion: one\n")],
    ),
    (
        "version-lowest",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.0.0-0\n",
        )],
    ),
    (
        "version-zero",
        &[("Chart.yaml", "apiVersion: v2\nname: demo\nversion: 0.0.0\n")],
    ),
    (
        "version-number",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 1.1\nappVersion: 1.10\n",
        )],
    ),
    (
        "version-odd-types",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: null\n",
        )],
    ),
    (
        "app-version-bool",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: true\n",
        )],
    ),
    (
        "maintainers",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\nmaintainers:\n- name: A\n  email: nobody\n",
        )],
    ),
    (
        "maintainer-url",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\nmaintainers:\n- name: A\n  email: a@b.co\n  url: not a url\n",
        )],
    ),
    (
        "maintainer-no-name",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\nmaintainers:\n- email: a@b.co\n",
        )],
    ),
    (
        "maintainer-null",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\nmaintainers:\n- null\n",
        )],
    ),
    (
        "sources",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\nsources:\n- https://ok.example/x\n- RiverRun\n",
        )],
    ),
    (
        "icon-wrong",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\nicon: RiverRun\n",
        )],
    ),
    (
        "type-in-v1",
        &[(
            "Chart.yaml",
            "apiVersion: v1\nname: demo\nversion: 0.1.0\ntype: application\n",
        )],
    ),
    (
        "type-wrong",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\ntype: app\n",
        )],
    ),
    (
        "dependencies-in-v1",
        &[(
            "Chart.yaml",
            "apiVersion: v1\nname: demo\nversion: 0.1.0\ndependencies:\n- name: x\n  version: 1.0.0\n  repository: https://e.com\n",
        )],
    ),
    (
        "dependency-missing",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\ndependencies:\n- name: x\n  version: 1.0.0\n  repository: https://e.com\n- name: y\n  version: 1.0.0\n",
        )],
    ),
    (
        "dependency-twice",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\ndependencies:\n- name: x\n  version: 1.0.0\n- name: x\n  version: 1.0.0\n",
        )],
    ),
    (
        "dependency-null",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\ndependencies:\n- null\n",
        )],
    ),
    (
        "dependency-undeclared",
        &[
            (
                "charts/child/Chart.yaml",
                "apiVersion: v2\nname: child\nversion: 0.1.0\n",
            ),
            ("charts/child/templates/c.yaml", "kind: X\napiVersion: v1\n"),
        ],
    ),
    (
        "subchart-broken",
        &[(
            "charts/child/Chart.yaml",
            "apiVersion: v2\nversion: 0.1.0\n",
        )],
    ),
    ("values-not-yaml", &[("values.yaml", "a: [\n")]),
    ("values-a-list", &[("values.yaml", "- a\n")]),
    (
        "schema-violated",
        &[
            ("values.yaml", "age: -5\n"),
            (
                "values.schema.json",
                r#"{"type":"object","properties":{"age":{"type":"integer","minimum":0}},"required":["name"]}"#,
            ),
        ],
    ),
    ("schema-not-json", &[("values.schema.json", "{")]),
    (
        "template-not-parsed",
        &[("templates/bad.yaml", "{{ if }}\n")],
    ),
    (
        "template-fails",
        &[("templates/bad.yaml", "a: {{ include \"none\" . }}\n")],
    ),
    (
        "template-required",
        &[(
            "templates/bad.yaml",
            "apiVersion: v1\nkind: X\nmetadata:\n  name: {{ required \"give it\" .Values.none | default \"x\" }}\n",
        )],
    ),
    ("template-no-yaml", &[("templates/bad.yaml", "a: b: c\n")]),
    (
        "template-indent",
        &[("templates/bad.yaml", "\n\n  kind: ConfigMap\n")],
    ),
    (
        "template-extension",
        &[("templates/note.md", "# hi\n"), ("templates/plain", "x\n")],
    ),
    (
        "template-is-a-list",
        &[("templates/bad.yaml", "- kind: X\n")],
    ),
    ("template-a-text", &[("templates/bad.yaml", "just text\n")]),
    (
        "template-separator",
        &[(
            "templates/bad.yaml",
            "kind: A\nmetadata: {name: a}\n---- \nkind: B\n",
        )],
    ),
    (
        "template-several",
        &[(
            "templates/two.yaml",
            "# c\n---\nkind: A\nmetadata:\n  name: a_b\n--- # again\n\n---\nkind: B\nmetadata:\n  name: B\n",
        )],
    ),
    (
        "template-json",
        &[(
            "templates/j.yaml",
            "{\"kind\":\"A\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"Bad\"}}\n",
        )],
    ),
    (
        "template-flow",
        &[(
            "templates/j.yaml",
            "{kind: A, apiVersion: v1, metadata: {name: Bad}}\n",
        )],
    ),
    (
        "template-metadata-text",
        &[("templates/bad.yaml", "kind: A\nmetadata: text\n")],
    ),
    (
        "template-name-list",
        &[("templates/bad.yaml", "kind: A\nmetadata:\n  name: [a]\n")],
    ),
    (
        "template-number-name",
        &[("templates/bad.yaml", "kind: A\nmetadata:\n  name: 12\n")],
    ),
    (
        "crd-hook",
        &[(
            "templates/crd.yaml",
            "kind: A\nmetadata:\n  name: a\n  annotations:\n    \"helm.sh/hook\": crd-install\n",
        )],
    ),
    (
        "release-time",
        &[("templates/t.txt", "{{/* .Release.Time */}}\n")],
    ),
    (
        "no-selector",
        &[(
            "templates/d.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d\nspec: {}\n",
        )],
    ),
    (
        "selector",
        &[(
            "templates/d.yaml",
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: d\nspec:\n  selector:\n    matchLabels: {}\n",
        )],
    ),
    (
        "list-policy",
        &[(
            "templates/l.yaml",
            "apiVersion: v1\nkind: List\nmetadata:\n  name: l\nitems:\n- metadata:\n    annotations:\n      helm.sh/resource-policy: keep\n",
        )],
    ),
    (
        "names",
        &[
            (
                "templates/a.yaml",
                "kind: Service\nmetadata:\n  name: 1abc\n---\nkind: Namespace\nmetadata:\n  name: a.b\n---\nkind: Namespace\nmetadata:\n  name: A_b\n",
            ),
            (
                "templates/b.yaml",
                "kind: Role\nmetadata:\n  name: a:b%c/d\n---\nkind: ClusterRole\nmetadata:\n  name: ..\n---\nkind: CertificateSigningRequest\nmetadata:\n  name: '&&'\n",
            ),
            (
                "templates/c.yaml",
                "kind: Secret\nmetadata:\n  name: abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij_\n",
            ),
        ],
    ),
    (
        "deprecated",
        &[
            (
                "templates/a.yaml",
                "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata:\n  name: a\n---\napiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata:\n  name: b\n",
            ),
            (
                "templates/b.yaml",
                "apiVersion: v1\nkind: Endpoints\nmetadata:\n  name: a\n---\napiVersion: autoscaling/v2beta1\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: b\n---\napiVersion: a/b/c\nkind: X\nmetadata:\n  name: b\n",
            ),
        ],
    ),
    (
        "ignored",
        &[
            (".helmignore", "*.bak\n"),
            ("templates/x.yaml.bak", "a: b: c\n"),
        ],
    ),
    (
        "library",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\ntype: library\n",
        )],
    ),
    (
        "kube-version",
        &[(
            "Chart.yaml",
            "apiVersion: v2\nname: demo\nversion: 0.1.0\nkubeVersion: '>=99'\n",
        )],
    ),
    (
        "import-values-wrong",
        &[
            (
                "Chart.yaml",
                "apiVersion: v2\nname: demo\nversion: 0.1.0\ndependencies:\n- name: child\n  version: 0.1.0\n",
            ),
            ("values.yaml", "child: text\n"),
            (
                "charts/child/Chart.yaml",
                "apiVersion: v2\nname: child\nversion: 0.1.0\n",
            ),
        ],
    ),
];

/// Lays the charts out below a folder; returns their names.
pub(crate) fn lay_out(folder: &Path) -> Result<Vec<&'static str>> {
    for (name, changes) in VARIANTS {
        let base = [
            ("Chart.yaml", CHART),
            ("values.yaml", "a: 1\n"),
            ("templates/config.yaml", CONFIG),
        ];
        let files = base
            .iter()
            .filter(|(file, _)| !changes.iter().any(|(changed, _)| changed == file))
            .chain(changes.iter());
        for (file, text) in files {
            if text.is_empty() {
                continue;
            }
            let path = folder.join(name).join(file);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, text)?;
        }
    }
    Ok(VARIANTS.iter().map(|(name, _)| *name).collect())
}
