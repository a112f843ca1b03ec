//! Expressions of `--set` and its family, well formed or nearly so.

use crate::{case::Case, random::Random};

pub(crate) fn generate(random: &mut Random) -> Case {
    let mut case = Case::new();
    case.file(
        "chart/Chart.yaml",
        "name: root\nversion: 1.0.0\napiVersion: v2\n",
    );
    case.file(
        "chart/values.yaml",
        "a: {b: {c: 1}, l: [1, 2], n: null}\nl: [{x: 1}, [1, 2], text]\ns: text\ni: 5\nm: {}\n",
    );
    case.file(
        "chart/templates/show.yaml",
        "kinds: |\n  {{ range $key, $value := .Values }}{{ $key | quote }} {{ kindOf $value }} {{ printf \"%T\" $value }}; {{ end }}\nvalues:\n  {{ .Values | toYaml | nindent 2 }}\njson: |-\n  {{ .Values | toJson }}\nplain: |-\n  {{ .Values }}",
    );
    if random.chance(30) {
        case.file("v.yaml", "l: [0, {x: {y: 2}}]\na: {l: null}\nkept: 1.0\n");
        case.flag("-f", "v.yaml");
    }
    for _ in 0..=random.below(2) {
        let flag = random.pick(&[
            "--set",
            "--set",
            "--set-string",
            "--set-json",
            "--set-literal",
        ]);
        let expression = expression(random, flag);
        case.flag(flag, expression);
    }
    case
}

fn expression(random: &mut Random, flag: &str) -> String {
    let mut pairs = Vec::new();
    for _ in 0..=random.below(2) {
        let value = if flag == "--set-json" {
            json(random)
        } else {
            text(random)
        };
        pairs.push(format!("{}={value}", path(random)));
    }
    let mut expression = pairs.join(random.pick(&[",", ",", ",", ", ", ",,"]));
    if random.chance(15) {
        let at = random.below(expression.chars().count() + 1);
        let noise = random.pick(&[
            "[", "]", ".", "=", ",", "{", "}", "\\", " ", "-1", "\"", "é", "[0]", "\n", "0",
        ]);
        let split = expression
            .char_indices()
            .nth(at)
            .map_or(expression.len(), |(at, _)| at);
        expression.insert_str(split, noise);
    }
    if random.chance(8) {
        let at = random.below(expression.chars().count() + 1);
        expression = expression.chars().take(at).collect();
    }
    expression
}

fn path(random: &mut Random) -> String {
    let mut path = random
        .pick(&[
            "a", "l", "s", "i", "m", "new", "a\\.b", "A", "ü", "global", "",
        ])
        .to_owned();
    for _ in 0..random.below(4) {
        match random.below(5) {
            0 | 1 => {
                path.push('.');
                path.push_str(random.pick(&["b", "c", "l", "x", "y", "b\\,c", "n"]));
            }
            2 | 3 => path.push_str(random.pick(&["[0]", "[1]", "[2]", "[5]", "[0][1]", "[1][0]"])),
            _ => path.push_str(random.pick(&[
                "[]",
                "[-1]",
                "[a]",
                "[65537]",
                "[ 1 ]",
                "[01]",
                "[99999999999999999999]",
                "[+1]",
                "..",
                "[0]x",
            ])),
        }
    }
    path
}

fn text(random: &mut Random) -> String {
    random
        .pick(&[
            "1",
            "0",
            "01",
            "-5",
            "1.5",
            "true",
            "TRUE",
            "False",
            "null",
            "NULL",
            "",
            "text",
            "{a,b}",
            "{1,true,null}",
            "{}",
            "{a",
            "{a}b",
            "a\\,b",
            "a\\=b",
            "a=b",
            "\\{a\\}",
            "1e3",
            "+1",
            "9223372036854775807",
            "9223372036854775808",
            "a b",
            " x",
            "\"q\"",
            "é",
            "{a\\,b,c}",
            "-0",
            "1_000",
            "{,}",
        ])
        .to_owned()
}

fn json(random: &mut Random) -> String {
    random
        .pick(&[
            "1",
            "1.5",
            "\"a\"",
            "null",
            "true",
            "{}",
            "[]",
            "{\"k\": [1, null]}",
            "[1,{\"x\":2}]",
            "",
            " ",
            "{",
            "[1,",
            "tru",
            "\"a",
            "1e400",
            "01",
            "1.0",
            "1e3",
            "{\"a\":1,\"a\":2}",
            "\"\\u00e9\\ud83d\\ude00\"",
            "nul",
            "{'a':1}",
            "12345678901234567890",
            "-",
            "[1] ",
            "\"a\"b",
            "+1",
            "\"\\x\"",
            "{\"a\" 1}",
            "[1 2]",
            "\u{1}",
        ])
        .to_owned()
}
