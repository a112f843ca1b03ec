//! Chart.yaml with odd fields, and what the chart's templates see of it; versions of Kubernetes.

use crate::{case::Case, random::Random};

const SHOW: &str = "chart: {{ .Chart | toJson | quote }}\nplain: {{ if not (or .Chart.Maintainers .Chart.Dependencies) }}{{ .Chart | toString | quote }}{{ end }}\nname: {{ printf \"%v %v %v %v %v\" .Chart.Name .Chart.Keywords .Chart.Deprecated .Chart.Annotations .Chart.Type | quote }}\nkube: {{ .Capabilities.KubeVersion }} {{ .Capabilities.KubeVersion.Major }}.{{ .Capabilities.KubeVersion.Minor }} {{ .Capabilities.KubeVersion.GitVersion }}\nhas: {{ .Capabilities.APIVersions.Has \"apps/v1\" }} {{ .Capabilities.APIVersions.Has \"apps/v1/Deployment\" }} {{ .Capabilities.APIVersions.Has \"x.io/v1\" }} {{ .Capabilities.APIVersions.Has \"x.io/v1/Kind\" }}\nrelease: {{ .Release | toJson }}\nfiles: {{ .Files.Get \"README.md\" | toJson }}\nvalues: {{ .Values | toJson | quote }}\npretty: {{ .Chart | toPrettyJson | quote }}\nkube-json: {{ .Capabilities.KubeVersion | toJson }}\nyaml: {{ .Chart | toYaml | quote }}\nsyntax: {{ printf \"%#v\" .Capabilities.KubeVersion | quote }}\n";

pub(crate) fn generate(random: &mut Random) -> Case {
    let mut case = Case::new();
    let mut about = String::new();
    let name = if random.chance(94) {
        "root"
    } else {
        random.pick(&[
            "",
            ".",
            "..",
            "a/b",
            "Root",
            "a b",
            "\"a\\tb\"",
            "null",
            "5",
            "[a]",
            "\"é\"",
            "\"a\\u200bb\"",
            "a.b",
            "true",
        ])
    };
    if random.chance(96) {
        about.push_str(&format!("name: {name}\n"));
    }
    let version = if random.chance(90) {
        "1.0.0"
    } else {
        random.pick(&[
            "\"\"",
            "1",
            "1.2",
            "v1.2.3",
            "1.2.3.4",
            "latest",
            "01.2.3",
            "1.2.3-",
            "1.2.3+build.5",
            "1.2.3-01",
            "{a: 1}",
            "1.0",
            "\" 1.2.3\"",
            "1.2.3-alpha.1",
            "0x10",
            "1e3",
            "\"1.2.3-a_b\"",
        ])
    };
    if random.chance(96) {
        about.push_str(&format!("version: {version}\n"));
    }
    if random.chance(90) {
        about.push_str(&format!(
            "apiVersion: {}\n",
            random.pick(&["v2", "v2", "v2", "v1", "v3", "\"\"", "2", "null"])
        ));
    }
    for _ in 0..random.below(3) {
        about.push_str(random.pick(&[
            "type: application\n",
            "type: library\n",
            "type: other\n",
            "type: null\n",
            "type: Library\n",
            "appVersion: 1.20\n",
            "appVersion: \"1.20\"\n",
            "appVersion: 2024-01-01\n",
            "appVersion: 1e6\n",
            "appVersion: true\n",
            "appVersion: 0777\n",
            "appVersion: [1]\n",
            "deprecated: true\n",
            "deprecated: \"true\"\n",
            "deprecated: yes\n",
            "keywords: [a, 1, null]\n",
            "keywords: a\n",
            "keywords: []\n",
            "maintainers: [{name: a, email: b, url: c}]\n",
            "maintainers: [null]\n",
            "maintainers: [a]\n",
            "maintainers: {name: a}\n",
            "sources: [a, \"b\\nc\"]\n",
            "home: \"a\\tb\"\n",
            "icon: 5\n",
            "annotations: {a: b, c: 1}\n",
            "annotations: {a: {b: c}}\n",
            "annotations: [a]\n",
            "annotations: {a: null}\n",
            "description: \"x\\u0007y\"\n",
            "description: |\n  two\n  lines\n",
            "unknown: {a: 1}\n",
            "Home: x\n",
            "condition: a\n",
            "tags: a\n",
            "engine: gotpl\n",
            "tillerVersion: x\n",
            "dependencies: [{name: child}]\n",
            "dependencies: [{name: child, alias: \"a b\"}]\n",
            "dependencies: [{name: child}, {name: child}]\n",
            "dependencies: [null]\n",
            "dependencies: {}\n",
            "dependencies: [{name: child, version: [1]}]\n",
            "dependencies: [{name: child, enabled: \"x\"}]\n",
            "dependencies: [{name: child, tags: a}]\n",
            "dependencies: [{name: child, import-values: a}]\n",
            "dependencies: [{name: child, import-values: [5, [a], null]}]\n",
            "dependencies: [{name: child, alias: x}, {name: x}]\n",
            "---\nname: second\n",
            "\tbad\n",
            "a: b: c\n",
            "- x\n",
        ]));
    }
    if random.chance(30) {
        about.push_str(&format!(
            "kubeVersion: \"{}\"\n",
            random.pick(&[
                ">=1.20.0",
                ">=1.20.0-0",
                "^1.20",
                "1.33",
                "~1.33.0",
                "<1.30",
                ">= 1.20.0 < 1.32.0",
                ">=1.34",
                "bad",
                "1.33.x",
                "*",
                "1.20 - 1.40",
                "!=1.33.0",
                "1.33.0 || 1.34",
                ">=1.20.0,<2",
                "=1.33.0",
                "v1.33.0",
                "",
                ">1.33.0-0",
                " >= 1.20 ",
            ])
        ));
    }
    let prefix = if random.chance(5) { "\u{feff}" } else { "" };
    let about = if random.chance(5) {
        about.replace('\n', "\r\n")
    } else {
        about
    };
    if random.chance(98) {
        case.file("chart/Chart.yaml", format!("{prefix}{about}"));
    }
    case.file("chart/templates/show.yaml", SHOW);
    case.file("chart/README.md", "read\r\nme\n");
    if random.chance(30) {
        case.file(
            "chart/charts/child/Chart.yaml",
            "name: child\nversion: 1.0.0\napiVersion: v2\n",
        );
    }
    if random.chance(10) {
        case.file(
            "chart/requirements.yaml",
            "dependencies:\n- {name: child, version: '*'}\n",
        );
    }
    if random.chance(10) {
        let name = random.pick(&["chart/requirements.lock", "chart/Chart.lock"]);
        let text = random.pick(&[
            "dependencies: []\ndigest: sha256:0\ngenerated: \"2020-01-01T00:00:00Z\"\n",
            "- a\n",
            "",
            "digest: 5\n",
        ]);
        case.file(name, text);
    }
    if random.chance(25) {
        case.file(
            "chart/values.yaml",
            random.pick(&[
                "",
                "null\n",
                "- a\n",
                "text\n",
                "a: b: c\n",
                "a: 1\na: 2\n",
                "\u{feff}a: 1\n",
                "a: 1\r\nb: 2\r\n",
                "# only\n",
                "a: *x\n",
                "a: &x [1]\nb: *x\n",
                "<<: {a: 1}\n",
                "a:\n  <<: {b: 1}\n  c: 2\n",
                "null: 1\n",
                "1: a\n",
                "true: b\n",
                "a: !!binary aGk=\n",
                "a: 2001-01-01\n",
                "---\na: 1\n---\nb: 2\n",
                "a: .inf\n",
                "a: .nan\n",
                "[a]: b\n",
                "{a: 1}: b\n",
                "1.5: b\n",
                "a: \"\\x\"\n",
                "%YAML 1.2\n---\na: 1\n",
                "a: !custom x\n",
            ]),
        );
    }
    if random.chance(15) {
        case.flag(
            "--kube-version",
            random.pick(&[
                "1.33.0",
                "v1.30",
                "1.28.5-gke.1",
                "bad",
                "1",
                "1.33.0+k3s1",
                "1.33.0-0",
                "v1.33.1-eks-abc",
                "01.2.3",
                "1.2.3.4",
            ]),
        );
    }
    if random.chance(15) {
        case.flag(
            "--api-versions",
            random.pick(&["x.io/v1", "x.io/v1/Kind", "x.io/v1,x.io/v1/Kind", ""]),
        );
    }
    case
}
