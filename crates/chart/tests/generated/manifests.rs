//! What templates give: separators, hooks, kinds, white space, texts that are not YAML.

use crate::{case::Case, random::Random};

pub(crate) fn generate(random: &mut Random) -> Case {
    let mut case = Case::new();
    case.file(
        "chart/Chart.yaml",
        "name: root\nversion: 1.0.0\napiVersion: v2\n",
    );
    for number in 0..=random.below(4) {
        let name = random.pick(&[
            "a",
            "b",
            "sub/c",
            "sub/deep/d",
            "_partial",
            "Z",
            "e.yml",
            "f.json",
            "tests/t",
        ]);
        let extension = if name.contains('.') {
            ""
        } else {
            random.pick(&[".yaml", ".yaml", ".yml", ".txt", ".tpl", ""])
        };
        let text = file(random);
        case.file(format!("chart/templates/{name}{number}{extension}"), text);
    }
    for name in ["crds/a.yaml", "crds/b.json", "crds/c.txt", "crds/sub/d.YML"] {
        if random.chance(30) {
            let text = file(random);
            case.file(format!("chart/{name}"), text);
        }
    }
    if random.chance(40) {
        case.file(
            "chart/charts/child/Chart.yaml",
            "name: child\nversion: 1.0.0\napiVersion: v2\n",
        );
        let text = file(random);
        case.file("chart/charts/child/templates/a.yaml", text);
        let text = file(random);
        case.file("chart/charts/child/crds/a.yaml", text);
    }
    for flag in [
        "--include-crds",
        "--no-hooks",
        "--skip-tests",
        "--is-upgrade",
    ] {
        if random.chance(20) {
            case.arguments.push(flag.to_owned());
        }
    }
    case
}

fn file(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(4) {
        text.push_str(random.pick(&[
            "",
            "---\n",
            "\n---\n",
            "--- \n",
            "---\n---\n",
            "---\r\n",
            "--- # c\n",
            "\t---\n",
            "----\n",
            "---\n\n---\n",
            "...\n",
            "\u{feff}---\n",
            "---  \n  \n",
            "{{ \"---\" }}\n",
            "--- a: 1\n",
            "\u{a0}\n---\n",
        ]));
        text.push_str(&document(random));
    }
    if random.chance(20) {
        text.push_str(random.pick(&["---", "---\n", "\n\n", "   ", "# end\n", "---\n# end"]));
    }
    text
}

fn document(random: &mut Random) -> String {
    if random.chance(15) {
        return random
            .pick(&[
                "",
                "# comment\n",
                "\n",
                "text\n",
                "- a\n- b\n",
                "1\n",
                "{}\n",
                "null\n",
                "a: b: c\n",
                "a: [1\n",
                "{{ fail \"no\" }}\n",
                "\"x\n",
                "a: *b\n",
                "kind: 5\n",
                "kind: [a]\n",
                "metadata: text\n",
                "metadata: {name: 5}\n",
                "metadata: {name: [a]}\n",
                "metadata: {annotations: [a]}\n",
                "metadata: {annotations: {a: 1}}\n",
                "metadata: {annotations: {a: true}}\n",
                "metadata: {annotations: {a: {b: c}}}\n",
                "metadata: {annotations: null}\n",
                "apiVersion: 1\n",
                "? a\n: b\n",
                "a: 1\na: 2\n",
                "\ta: 1\n",
                "a:\n\tb: 1\n",
                "%YAML 1.1\n",
                "a: !!str\n",
                "a: 'x\n",
                "KIND: Pod\nMetadata: {Name: x, annotations: {\"helm.sh/hook\": test}}\n",
                "a: <no value>\n",
                "{{ .Values.none }}\n",
                "x: {{ .Values.none }}\n",
                "a: \u{1}\n",
            ])
            .to_owned();
    }
    let kind = random.pick(&[
        "Pod",
        "Service",
        "Deployment",
        "Namespace",
        "CustomResourceDefinition",
        "Widget",
        "Alpha",
        "Secret",
        "ClusterRole",
        "Ingress",
        "pod",
        "ValidatingWebhookConfiguration",
    ]);
    let mut text = format!(
        "apiVersion: v1\nkind: {kind}\nmetadata:\n  name: n{}\n",
        random.below(9)
    );
    if random.chance(50) {
        text.push_str("  annotations:\n");
        text.push_str(&format!(
            "    helm.sh/hook: {}\n",
            random.pick(&[
                "pre-install",
                "post-install,pre-upgrade",
                "test",
                "test-success",
                "\"pre-install, test\"",
                "PRE-INSTALL",
                "unknown",
                "\"pre-install,unknown\"",
                "\"\"",
                "crd-install",
                "test-failure",
                "pre-rollback",
                "\" test \"",
                "null",
                "5",
            ])
        ));
        if random.chance(50) {
            text.push_str(&format!(
                "    helm.sh/hook-weight: {}\n",
                random.pick(&[
                    "\"5\"",
                    "\"-5\"",
                    "\"+3\"",
                    "\"a\"",
                    "5",
                    "\" 1\"",
                    "\"0x1\"",
                    "\"\"",
                    "null",
                    "1.5",
                    "\"99999999999999999999\"",
                ])
            ));
        }
        if random.chance(30) {
            text.push_str("    helm.sh/hook-delete-policy: before-hook-creation,HOOK-succeeded\n");
        }
    }
    if random.chance(30) {
        text.push_str(random.pick(&[
            "data:\n  x: |\n    a\n    ---\n    b\n",
            "data:\n  x: |\n---\n    b\n",
            "spec: {}   \n",
            "\n\n",
            "# tail\n",
            "  \n",
            "data: |+\n  x\n\n\n",
        ]));
    }
    text
}
