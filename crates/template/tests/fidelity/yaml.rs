//! Generated YAML documents and values, read and written as Helm does.

use std::{collections::BTreeMap, rc::Rc};

use template::{Compat, Value};

use crate::{
    oracle::{Oracle, Request, compare},
    random::{Random, seeds},
};

const SCALARS: &[&str] = &[
    "a",
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "n",
    "true",
    "True",
    "FALSE",
    "null",
    "~",
    "Null",
    "",
    "0",
    "1",
    "-1",
    "+1",
    "007",
    "0777",
    "08",
    "0o17",
    "0x1F",
    "-0x1f",
    "0b101",
    "1_000",
    "1.5",
    "-.5",
    ".5",
    "5.",
    "1e3",
    "1E+3",
    "1e-7",
    ".inf",
    "-.Inf",
    ".nan",
    ".NaN",
    "12:30",
    "12:30:45",
    "190:20:30",
    "2024-01-02",
    "2024-01-02T03:04:05Z",
    "2024-01-02 03:04:05",
    "=",
    "<<",
    "1.2.3",
    "1e400",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "123456789012345678901234567890",
    "hello world",
    "a: b",
    "a #b",
    "a#b",
    "#c",
    "- x",
    "-x",
    "?x",
    "? x",
    ":x",
    "x:",
    "@at",
    "`tick",
    "%pct",
    "!tag",
    "!!str",
    "&a",
    "*a",
    "&",
    "*",
    "|",
    ">",
    "[",
    "]",
    "{",
    "}",
    ",",
    "a, b",
    "[a]",
    "{a: b}",
    "'q'",
    "\"dq\"",
    "'",
    "\"",
    "it's",
    "a'b\"c",
    " lead",
    "trail ",
    "two  spaces",
    "tab\there",
    "\ttab",
    "line\nbreak",
    "\nlead",
    "trail\n",
    "trail\n\n",
    "a\n\nb",
    "  a\nb",
    "é",
    "日本語",
    "😀",
    "\u{7f}",
    "\u{1}",
    "\u{85}",
    "\u{a0}",
    "\u{feff}",
    "\u{2028}",
    "\u{200b}",
    "\r\n",
    "a\rb",
    "\\n",
    "\\",
    "---",
    "...",
    "--- a",
    "- ",
    "-",
    "--",
    "?",
    ":",
    "::",
    "a:b",
    "a :b",
    "http://x.y/z?q=1#f",
    "key: |",
    "{{ x }}",
    "0.1",
    "1.0",
    "100000",
    "1000000",
    "1e21",
    "0x",
    "0b",
    "+",
    "-.",
    ".",
    "..",
    "1__0",
    "_1",
    "1_",
    "+.inf",
    "0.",
    "-0",
    "0e0",
    "0x7FFFFFFFFFFFFFFFF",
    "1,000",
    "0o8",
    "0b2",
    "1:2",
    "1:60",
    "TRUE",
    "nULL",
    "Y",
    "N",
    "oN",
    "!",
    "%",
    "@",
    "foo bar baz foo bar baz foo bar baz foo bar baz foo bar baz foo bar baz foo bar",
    "http://averylongaddress.example.com/with/a/very/long/path/that/goes/on/and/on/and/on/and/on?and=more word",
    "first line that is rather long and goes on and on so that folding happens somewhere in here\nsecond line",
    "x\n  y\n z\n",
    "\n\n",
    " ",
    "  ",
    "\n",
    " \n x",
    "a\tb\n",
    "é\nü\n",
];

fn scalar(random: &mut Random) -> String {
    match random.below(8) {
        0 => format!("{}{}", random.pick(SCALARS), random.pick(SCALARS)),
        1 => format!("{} {}", random.pick(SCALARS), random.pick(SCALARS)),
        _ => random.pick(SCALARS).to_owned(),
    }
}

fn value(random: &mut Random, depth: usize) -> Value {
    let kind = if depth == 0 {
        2 + random.below(10)
    } else {
        random.below(12)
    };
    match kind {
        0 => Value::list(
            (0..random.below(4))
                .map(|_| value(random, depth - 1))
                .collect(),
        ),
        1 => {
            // Keys with longer numbers are sorted by chance: go-yaml's order has circles there.
            let has_long_number = |key: &str| {
                key.split(|next: char| !next.is_ascii_digit())
                    .any(|run| run.len() > 18)
            };
            let entries = (0..random.below(4)).map(|_| (scalar(random), value(random, depth - 1)));
            let entries = entries
                .filter(|(key, _)| !has_long_number(key))
                .map(|(key, value)| (Rc::from(key), value));
            Value::map(entries.collect::<BTreeMap<_, _>>())
        }
        2 => Value::Nil,
        3 => Value::Bool(random.one_in(2)),
        4 => Value::Int(random.next() as i64 >> random.below(64)),
        5 => {
            let number = f64::from_bits(random.next());
            Value::Float(if number.is_finite() { number } else { 0.5 })
        }
        6 => Value::Float(
            (random.next() as i64 >> random.below(64)) as f64
                / [1.0, 10.0, 1000.0][random.below(3)],
        ),
        _ => Value::string(scalar(random)),
    }
}

#[test]
fn values_are_written_as_in_helm() {
    let Some(oracle) = Oracle::find(Compat::Helm3) else {
        return;
    };
    let requests: Vec<Request> = seeds(1_500)
        .map(|seed| {
            let value = value(&mut Random::new(seed), 3);
            Request::new("{{ toYaml .Values }}\n=====\n{{ toYamlPretty .Values }}\n=====\n{{ toJson .Values }}\n{{ .Values }}", &value)
        })
        .collect();
    compare("values written as YAML", &oracle, &requests, |_, _, _| None);
}

/// A piece of a document; the pieces fit together often enough, and fail often enough.
fn piece(random: &mut Random, depth: usize) -> String {
    let key = [
        "a", "b", "key", "'q'", "\"d\"", "1", "true", "~", "? k", "<<", "a b", "!!str x", "&m k",
        "1.5",
    ];
    let mark = [
        "&x ",
        "&y ",
        "!!str ",
        "!!int ",
        "!!float ",
        "!!bool ",
        "!!null ",
        "!!binary ",
        "!local ",
        "!!map ",
        "!!seq ",
        "!<tag:yaml.org,2002:str> ",
        "! ",
    ];
    let flow = [
        "[a, b]",
        "{a: 1, b: [2]}",
        "[",
        "{",
        "[a, {b: c}, ]",
        "{a, b: }",
        "[a: b]",
        "{? a : b}",
        "[,]",
        "{a: b}}",
        "[\n a,\n b]",
        "{\"a\":1}",
        "['x','y']",
        "[*x, *y]",
    ];
    let block = [
        "|\n", "|-\n", "|+\n", ">\n", ">-\n", ">+\n", "|2\n", ">1-\n", "| # c\n", "|0\n", "|x\n",
    ];
    let quoted = [
        "\"a\\tb\"",
        "\"\\u00e9\"",
        "\"\\x41\"",
        "\"bad \\q\"",
        "\"open",
        "'it''s'",
        "'open",
        "\"multi\n  line\"",
        "'multi\n\n  line'",
        "\"\\\n  x\"",
        "\"\\U0001F600\"",
        "\"\\ud800\"",
    ];
    let indent = " ".repeat([2, 2, 2, 1, 4, 0][random.below(6)]);
    let nested = |random: &mut Random| -> String {
        let inner = piece(random, depth - 1);
        inner
            .lines()
            .map(|line| format!("{indent}{line}\n"))
            .collect()
    };
    match if depth == 0 {
        4 + random.below(9)
    } else {
        random.below(15)
    } {
        0 | 1 => format!("{}:\n{}", random.pick(&key), nested(random)),
        2 => format!("-\n{}", nested(random)),
        3 => format!(
            "- {}{}",
            piece(random, depth - 1).trim_start(),
            piece(random, depth - 1)
        ),
        4 | 5 => format!("{}: {}\n", random.pick(&key), scalar(random)),
        6 => format!(
            "{}: {}{}\n",
            random.pick(&key),
            random.pick(&mark),
            scalar(random)
        ),
        7 => format!("{}: {}\n", random.pick(&key), random.pick(&flow)),
        8 => format!(
            "{}: {}{indent}{}\n{indent} more\n\n{indent}last\n\n",
            random.pick(&key),
            random.pick(&block),
            scalar(random)
        ),
        9 => format!("{}: {}\n", random.pick(&key), random.pick(&quoted)),
        10 => format!("- {}\n", scalar(random)),
        11 => random
            .pick(&[
                "# comment\n",
                "---\n",
                "...\n",
                "\t\n",
                "%YAML 1.1\n",
                "%TAG ! x\n",
                "\u{feff}",
                "--- a\n",
                "<<: *x\n",
                "<<: [*x, *y]\n",
                "*x : 1\n",
                "a: *x\n",
                "b: *z\n",
                "? a\n: b\n",
                "?\n",
                ": x\n",
                "&x\n",
                "a: &x {k: v, l: w}\n",
                "- &y\n",
                "a: b\r\n",
                "\r",
            ])
            .to_owned(),
        12 => format!("{}\n", scalar(random)),
        _ => format!("{}{}", piece(random, depth - 1), piece(random, depth - 1)),
    }
}

#[test]
fn documents_are_read_as_in_helm() {
    let Some(oracle) = Oracle::find(Compat::Helm3) else {
        return;
    };
    let requests: Vec<Request> = seeds(3_000)
        .map(|seed| {
            let mut random = Random::new(seed);
            let mut text = piece(&mut random, 3);
            if random.one_in(10) {
                let at = text
                    .char_indices()
                    .nth(random.below(text.chars().count().max(1)));
                if let Some((at, _)) = at {
                    text.insert_str(
                        at,
                        random.pick(&[" ", "\n", ":", "-", "\t", "\"", "'", "]", "\u{0}", "#"]),
                    );
                }
            }
            Request::new(
                "{{ fromYaml .Values | toJson }}\n{{ fromYamlArray .Values | toJson }}",
                &Value::string(text),
            )
        })
        .collect();
    let text_of = |request: &Request| -> String {
        let values = request.values.as_map().expect("values are a map");
        let text = values
            .borrow()
            .get("Values")
            .and_then(|text| text.as_str().map(str::to_owned));
        text.unwrap_or_default()
    };
    let theirs = oracle.ask(&requests);
    let (mut differences, mut excepted) = (Vec::new(), 0);
    for (request, theirs) in requests.iter().zip(&theirs) {
        let ours = oracle.here(request);
        // Go prints the keys of such a map with their types and in an order of its own.
        let shows_map = |answer: &crate::oracle::Answer| {
            let text = crate::oracle::shown(answer);
            text.contains("map key") && text.contains("map[interface")
        };
        if ours != *theirs && shows_map(theirs) && shows_map(&ours) {
            excepted += 1;
        } else if ours != *theirs {
            differences.push(format!(
                "{:?}\n  helm {}\n  here {}",
                text_of(request),
                crate::oracle::shown(theirs),
                crate::oracle::shown(&ours)
            ));
        }
    }
    println!(
        "documents read as YAML: {} of {} alike, {excepted} excepted (Go prints the keys of a map in an error in an order of its own)",
        requests.len() - differences.len() - excepted,
        requests.len()
    );
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
