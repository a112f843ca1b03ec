//! Trees of charts: conditions, tags, aliases, imports, globals, nulls, libraries, versions.

use crate::{case::Case, random::Random, values};

const NAMES: &[&str] = &["red", "green", "blue"];
const SHOW: &str = "show: {{ .Template.Name }}\nbase: {{ .Template.BasePath }}\nchart: {{ .Chart.Name }} {{ .Chart.Version }} {{ .Chart.IsRoot }} {{ .Chart.AppVersion }}\nsubcharts: {{ keys .Subcharts | sortAlpha | toJson }}\nnamed: {{ include \"named\" . }}\nvalues:\n{{ .Values | toYaml | indent 2 }}\n";

pub(crate) fn generate(random: &mut Random) -> Case {
    let mut case = Case::new();
    chart(random, &mut case, "chart", "root", 0);
    for number in 0..random.below(3) {
        let name = format!("values-{number}.yaml");
        let text = values::map(random, 3, &names());
        case.file(name.clone(), text);
        case.flag("-f", name);
    }
    for _ in 0..random.below(3) {
        let path = condition(random);
        let value = random.pick(&["true", "false", "null", "1", "text", "{a,b}"]);
        case.flag("--set", format!("{path}={value}"));
    }
    if random.chance(20) {
        case.arguments.push("--render-subchart-notes".to_owned());
    }
    if random.chance(20) {
        case.arguments.push("--include-crds".to_owned());
    }
    case
}

fn names() -> Vec<&'static str> {
    let mut names = NAMES.to_vec();
    names.extend(["alias", "tags", "exports", "data"]);
    names
}

fn condition(random: &mut Random) -> String {
    let name = random.pick(&["red", "green", "blue", "alias", "global", "tags", "image"]);
    let inner = random.pick(&[
        "enabled",
        "enabled",
        "a",
        "front",
        "b",
        "red.enabled",
        "global.a",
    ]);
    format!("{name}.{inner}")
}

fn chart(random: &mut Random, case: &mut Case, folder: &str, name: &str, depth: usize) {
    let v1 = random.chance(15);
    let version = random.pick(&["1.0.0", "1.2.3", "2.0.0-beta.1", "0.1.0", "v1.4.0"]);
    let mut about = format!("name: {name}\nversion: {version}\n");
    about.push_str(if v1 {
        "apiVersion: v1\n"
    } else {
        "apiVersion: v2\n"
    });
    if depth > 0 && random.chance(12) {
        about.push_str("type: library\n");
    }
    if random.chance(30) {
        about.push_str("appVersion: 1.10\n");
    }
    let mut declared = String::new();
    let mut present = Vec::new();
    if depth < 3 {
        for child in NAMES {
            let limit = [70, 45, 25][depth];
            if random.chance(limit) {
                present.push(*child);
            }
        }
    }
    for child in &present {
        if random.chance(80) {
            declared.push_str(&dependency(random, child));
        }
        if random.chance(12) {
            declared.push_str(&dependency(random, child));
        }
    }
    if random.chance(2) {
        declared.push_str("- {name: absent, version: '1.0'}\n");
    }
    if !declared.is_empty() {
        let block = format!("dependencies:\n{declared}");
        if v1 && random.chance(90) {
            case.file(format!("{folder}/requirements.yaml"), block);
        } else {
            about.push_str(&block);
        }
    } else if random.chance(10) {
        about.push_str("dependencies: []\n");
    }
    case.file(format!("{folder}/Chart.yaml"), about);
    if random.chance(92) {
        let mut extra = present.clone();
        extra.extend(["data", "exports"]);
        if depth == 0 {
            extra.push("tags");
        }
        case.file(
            format!("{folder}/values.yaml"),
            values::map(random, 3, &extra),
        );
    }
    case.file(format!("{folder}/templates/show.yaml"), SHOW);
    let helper = format!("{{{{ define \"named\" }}}}{name} {{{{ .Chart.Name }}}}{{{{ end }}}}");
    case.file(format!("{folder}/templates/_helpers.tpl"), helper);
    if random.chance(30) {
        let text = format!("notes of {name} {{{{ .Values.a }}}}");
        case.file(format!("{folder}/templates/NOTES.txt"), text);
    }
    if random.chance(20) {
        let text = format!("kind: CustomResourceDefinition\nmetadata: {{name: {name}}}\n");
        case.file(format!("{folder}/crds/{name}.yaml"), text);
    }
    for child in present {
        chart(
            random,
            case,
            &format!("{folder}/charts/{child}"),
            child,
            depth + 1,
        );
    }
}

fn dependency(random: &mut Random, name: &str) -> String {
    let version = random.pick(&[
        "*",
        "*",
        ">=0.0.0-0",
        "",
        "1.x",
        "~1.2",
        ">= 1.0.0, < 3",
        "^0.1",
        "1.0.0 || 2",
        "bad",
    ]);
    let mut text = format!("- name: {name}\n  version: \"{version}\"\n");
    if random.chance(35) {
        let several = if random.chance(30) {
            format!("{},{}", condition(random), condition(random))
        } else {
            condition(random)
        };
        text.push_str(&format!("  condition: {several}\n"));
    }
    if random.chance(25) {
        text.push_str(&format!(
            "  tags: [{}, {}]\n",
            random.pick(&["a", "front", "b"]),
            random.pick(&["c", "back", "enabled"])
        ));
    }
    if random.chance(15) {
        text.push_str(&format!(
            "  alias: {}\n",
            random.pick(&["alias", "Red-2", "green", "other"])
        ));
    }
    if random.chance(30) {
        text.push_str("  import-values:\n");
        for _ in 0..=random.below(2) {
            if random.chance(40) {
                text.push_str(&format!("  - {}\n", random.pick(&["data", "a", "image"])));
            } else {
                text.push_str(&format!(
                    "  - {{child: {}, parent: {}}}\n",
                    random.pick(&["data", "a", "exports.data", "image.a", "global", "default"]),
                    random.pick(&[".", "a", "imported.x", "image", "data", "global"])
                ));
            }
        }
    }
    text
}
