//! Generated templates: the whole grammar, mistakes included.

use template::Compat;

use crate::{
    oracle::{Answer, Oracle, Request, compare},
    pools,
    random::{Random, seeds},
};

const HELPERS: &str = "{{ define \"h\" }}[{{ . }}]{{ end }}{{ define \"deep\" -}} {{ .a.b.c.d }} {{- end }}\
    {{ define \"again\" }}{{ if gt (int .) 0 }}{{ . }}{{ template \"again\" (sub (int .) 1) }}{{ end }}{{ end }}";

/// What may stand where a value is wanted.
fn operand(random: &mut Random, depth: usize) -> String {
    let plain = [
        ".",
        "$",
        "$x",
        "$y",
        "$i",
        ".a",
        ".Values",
        ".Values.map.b.c",
        ".Values.list",
        ".Values.map",
        "$.Values.text",
        ".Values.nul.x",
        ".Values.missing",
        ".Values.missing.x",
        "1",
        "-2",
        "0",
        "1.5",
        "'c'",
        "\"s\"",
        "`raw`",
        "true",
        "false",
        "nil",
        "0x1f",
        "1e2",
        "1i",
        "$.Values.map.key",
        ".Values.int",
        ".Values.strings",
        "$x.a",
        "$.Values.int",
        ".Values.whole",
        "0b11",
        "1_0",
        "0o7",
        "'\\n'",
        "\"\\x41\\u00e9\"",
    ];
    if depth == 0 || random.below(3) > 0 {
        return random.pick(&plain).to_owned();
    }
    match random.below(6) {
        0 => format!("({})", pipeline(random, depth - 1)),
        1 => format!("({}).a", pipeline(random, depth - 1)),
        2 => format!("({}).b.c", pipeline(random, depth - 1)),
        3 => format!(
            "(index {} {})",
            operand(random, depth - 1),
            operand(random, 0)
        ),
        4 => format!("(dict \"a\" {})", operand(random, depth - 1)),
        _ => format!(
            "(list {} {})",
            operand(random, depth - 1),
            operand(random, 0)
        ),
    }
}

fn command(random: &mut Random, depth: usize) -> String {
    let one = [
        "not",
        "len",
        "toJson",
        "quote",
        "upper",
        "default 3",
        "int",
        "keys",
        "first",
        "printf \"%v\"",
        "print",
        "html",
        "typeOf",
        "kindOf",
        "list",
        "nope",
        "include \"h\"",
        "tpl \"{{ . }}\"",
        "required \"r\"",
        "toYaml | indent 2",
        "fail",
    ];
    let two = [
        "eq",
        "ne",
        "lt",
        "and",
        "or",
        "add",
        "index",
        "has",
        "hasKey",
        "printf \"%v-%v\"",
        "coalesce",
        "slice",
        "ge",
        "set",
        "get",
        "ternary 1",
    ];
    match random.below(7) {
        0 | 1 => format!("{} {}", random.pick(&one), operand(random, depth)),
        2 => format!(
            "{} {} {}",
            random.pick(&two),
            operand(random, depth),
            operand(random, depth)
        ),
        3 if random.one_in(4) => format!("{} {}", operand(random, 0), operand(random, 0)),
        4 => random
            .pick(&["until 3", "dict", "list", "hello", "now.Year.Foo", "printf"])
            .to_owned(),
        _ => operand(random, depth),
    }
}

fn pipeline(random: &mut Random, depth: usize) -> String {
    let mut text = command(random, depth);
    while random.one_in(4) {
        let next = [
            "toJson",
            "quote",
            "len",
            "printf \"%v\"",
            "default 1",
            "not",
            "toString",
            "upper",
            "eq 1",
            "first",
            "1",
            ".a",
            "list",
            "int",
            "typeOf",
            "and true",
        ];
        text = format!("{text} | {}", random.pick(&next));
    }
    text
}

fn open(random: &mut Random) -> &'static str {
    random.pick(&["{{", "{{ ", "{{- ", "{{ ", "{{\n", "{{-\t"])
}

fn close(random: &mut Random) -> &'static str {
    random.pick(&["}}", " }}", " -}}", " }}", "\n}}", " -}}\n"])
}

fn action(random: &mut Random, body: &str) -> String {
    format!("{}{body}{}", open(random), close(random))
}

fn node(random: &mut Random, depth: usize, in_range: bool) -> String {
    let text = [
        "text",
        " ",
        "\n",
        "  indented\n",
        "a: b\n",
        "é",
        "}",
        "{",
        "\n\n  ",
        "x }} y",
        "\"q\"",
    ];
    let flow = if depth == 0 {
        random.below(6)
    } else {
        random.below(16)
    };
    match flow {
        0 => random.pick(&text).to_owned(),
        1..=3 => {
            let body = pipeline(random, 2);
            action(random, &body)
        }
        4 => {
            let sign = random.pick(&[":=", "=", ":=", " := "]);
            let name = random.pick(&["$x", "$y", "$z"]);
            let body = format!("{name} {sign} {}", pipeline(random, 1));
            action(random, &body)
        }
        5 => random
            .pick(&[
                "{{/* c */}}",
                "{{- /* c\n */ -}}",
                "{{ /* bad */ }}",
                "{{}}",
                "{{ break }}",
                "{{ continue }}",
                "{{ end }}",
                "{{ else }}",
                "{{ template \"h\" }}",
                "{{",
                "{{/* open",
                "{{ \"open }}",
                "{{ 'x }}",
                "{{ `open }}",
                "{{ $ }}",
                "{{ .. }}",
                "{{ .a.1 }}",
                "{{ ( }}",
                "{{ ) }}",
                "{{ | }}",
                "{{ 1 | }}",
                "{{ $u }}",
                "{{ 08 }}",
                "{{ a.b }}",
                "{{ .a,b }}",
                "{{ nil }}",
                "{{ nil.x }}",
                "{{ end x }}",
                "{{ if }}",
                "{{ range $a, $b, $c := . }}",
                "{{ $x, $y := 1 }}",
                "{{ template }}",
                "{{ block \"x\" }}",
                "{{ 1.x }}",
                "{{ \"a\".b }}",
                "{{- 3}}",
                "{{-3}}",
                "{{ . -}}",
                "{{ .a -}} x",
                "{{ $x.y.z }}",
                "{{ @ }}",
                "{{ \u{e9} }}",
                "{{ define \"in\" }}{{ end }}",
            ])
            .to_owned(),
        6 | 7 => format!(
            "{}{}{}{}{}",
            head(random, "if"),
            nodes(random, depth - 1, in_range),
            otherwise(random, "if", depth, in_range),
            action(random, "end"),
            ""
        ),
        8 => format!(
            "{}{}{}{}",
            head(random, "with"),
            nodes(random, depth - 1, in_range),
            otherwise(random, "with", depth, in_range),
            action(random, "end")
        ),
        9..=11 => format!(
            "{}{}{}{}",
            head(random, "range"),
            nodes(random, depth - 1, true),
            otherwise(random, "range", depth, in_range),
            action(random, "end")
        ),
        12 => {
            let name = random.pick(&["h", "deep", "again", "missing", "own"]);
            let body = format!("template \"{name}\" {}", pipeline(random, 1));
            action(random, &body)
        }
        13 => {
            let head = format!("block \"own\" {}", pipeline(random, 1));
            format!(
                "{}{}{}",
                action(random, &head),
                nodes(random, depth - 1, false),
                action(random, "end")
            )
        }
        14 if in_range => {
            let body = random.pick(&["break", "continue"]);
            format!(
                "{{{{ if {} }}}}{}{{{{ end }}}}",
                pipeline(random, 1),
                action(random, body)
            )
        }
        _ => nodes(random, depth - 1, in_range),
    }
}

fn head(random: &mut Random, keyword: &str) -> String {
    let variables = match (keyword, random.below(4)) {
        ("range", 0) => "$i, $x := ",
        ("range", 1) => "$x := ",
        ("range", 2) if random.one_in(3) => "$i, $x = ",
        (_, 0) if keyword != "range" => "$x := ",
        _ => "",
    };
    let over = if keyword == "range" && random.one_in(2) {
        random
            .pick(&[
                "until 3",
                "3",
                ".Values.list",
                ".Values.map",
                "list 1 2",
                "dict \"a\" 1",
                ".Values.strings",
                "(list)",
                "1.5",
                "\"ab\"",
                "nil",
                ".Values.int",
                ".Values.whole",
                "$.Values.u64 | int",
            ])
            .to_owned()
    } else {
        pipeline(random, 2)
    };
    action(random, &format!("{keyword} {variables}{over}"))
}

fn otherwise(random: &mut Random, keyword: &str, depth: usize, in_range: bool) -> String {
    match random.below(4) {
        0 => format!(
            "{}{}",
            action(random, "else"),
            nodes(random, depth - 1, in_range)
        ),
        1 if keyword != "range" => {
            let head = format!("else {keyword} {}", pipeline(random, 1));
            format!(
                "{}{}",
                action(random, &head),
                nodes(random, depth - 1, in_range)
            )
        }
        _ => String::new(),
    }
}

fn nodes(random: &mut Random, depth: usize, in_range: bool) -> String {
    (0..1 + random.below(3))
        .map(|_| node(random, depth, in_range))
        .collect()
}

fn programs(default: usize) -> Vec<Request> {
    seeds(default)
        .map(|seed| {
            let mut random = Random::new(seed);
            let start = random.pick(&[
                "",
                "{{ $x := 1 }}{{ $y := .Values.map }}{{ $i := 0 }}",
                "{{- $x := dict \"a\" 1 -}}{{ $y := 2 }}{{ $i := \"\" }}\n",
            ]);
            let end = random.pick(&["", "\n", "{{ define \"own\" }}own {{ . }}{{ end }}"]);
            let text = format!("{start}{}{end}", nodes(&mut random, 3, false));
            let mut request = Request::new(text, &pools::values());
            request.helpers = HELPERS;
            request.strict = random.one_in(8);
            request.lint = random.one_in(8);
            request
        })
        .collect()
}

fn bytes_are_numbers(_request: &Request, theirs: &Answer, ours: &Answer) -> Option<&'static str> {
    let text = |answer: &Answer| {
        String::from_utf8_lossy(answer.as_ref().unwrap_or_else(|error| error)).into_owned()
    };
    (text(theirs).replace("uint8", "uint64") == text(ours))
        .then_some("a byte of a string is of the kind uint64, not uint8")
}

#[test]
fn programs_run_as_in_helm_3() {
    if let Some(oracle) = Oracle::find(Compat::Helm3) {
        compare(
            "generated templates, Helm v3",
            &oracle,
            &programs(6_000),
            bytes_are_numbers,
        );
    }
}

#[test]
fn programs_run_as_in_helm_4() {
    if let Some(oracle) = Oracle::find(Compat::Helm4) {
        compare(
            "generated templates, Helm v4",
            &oracle,
            &programs(2_000),
            bytes_are_numbers,
        );
    }
}
