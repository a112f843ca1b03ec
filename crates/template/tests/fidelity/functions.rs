//! Generated calls of every function, compared with Helm's.

use template::{Compat, Value};

use crate::{
    oracle::{Answer, Oracle, Request, compare},
    pools::{self, pool},
    random::{Random, seeds},
};

const HELM3: &str = include_str!("functions.txt");
const HELM4: &str = include_str!("helm4_functions.txt");
const HELPERS: &str = "{{ define \"helped\" }}helped {{ . }}{{ end }}\n\
    {{ define \"fails\" }}\n  {{ .a.b.c }}{{ index . 7 }}{{ end }}\n\
    {{ define \"sets\" }}{{ $_ := set . \"s\" 1 }}{{ .s }}{{ end }}";

/// How many calls of one function a seed makes.
const ROWS: usize = 24;

/// A function of the list: its name, what makes its result fit to compare, and its pools.
struct Entry {
    name: &'static str,
    filter: Option<&'static str>,
    pools: Vec<(Vec<&'static str>, bool)>,
}

fn entries(list: &'static str) -> Vec<Entry> {
    let lines = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &'static str| {
        let mut words = line.split(' ');
        let first = words.next().unwrap_or_default();
        let (name, filter) = first
            .split_once('|')
            .map_or((first, None), |(name, filter)| (name, Some(filter)));
        let pools = words.map(|word| match word.strip_suffix('*') {
            Some(name) => (pool(name), true),
            None => (pool(word), false),
        });
        Entry {
            name,
            filter,
            pools: pools.collect(),
        }
    };
    lines.map(entry).collect()
}

/// A call with arguments from its pools; now and then one too many, too few, or of another kind.
fn call(entry: &Entry, random: &mut Random, any: &[&'static str]) -> String {
    let mut arguments = Vec::new();
    for (pool, repeats) in &entry.pools {
        let count = if *repeats { random.below(4) } else { 1 };
        for _ in 0..count {
            let from = if random.one_in(12) && entry.filter != Some("exact") {
                any
            } else {
                pool.as_slice()
            };
            arguments.push(random.pick(from));
        }
    }
    if random.one_in(30) {
        arguments.pop();
    }
    if random.one_in(40) {
        arguments.push(random.pick(any));
    }
    match arguments.split_last() {
        Some((last, others)) if random.one_in(6) && *last != "nil" => {
            let others: String = others.iter().map(|text| format!(" {text}")).collect();
            format!("{last} | {}{others}", entry.name)
        }
        _ => {
            let all: String = arguments.iter().map(|text| format!(" {text}")).collect();
            format!("{}{all}", entry.name)
        }
    }
}

fn request(entry: &Entry, call: &str, values: &Value) -> Request {
    let shown = match entry.filter {
        Some("sort") => "{{ $r | sortAlpha | toJson }}",
        Some("length") => "{{ len $r }}",
        _ => "{{ typeOf $r }}|{{ $r }}|{{ toJson $r }}|{{ .Values.map }}",
    };
    let mut request = Request::new(format!("{{{{ $r := {call} }}}}{shown}"), values);
    request.helpers = HELPERS;
    request
}

fn requests(list: &'static str, default_seeds: usize) -> Vec<Request> {
    let any = pool("any");
    let mut all = Vec::new();
    for seed in seeds(default_seeds) {
        let mut random = Random::new(seed);
        for entry in entries(list) {
            for _ in 0..ROWS {
                let call = call(&entry, &mut random, &any);
                all.push(request(&entry, &call, &pools::values()));
            }
        }
    }
    all
}

/// Differences that stay, each with the reason.
fn excepted(request: &Request, theirs: &Answer, ours: &Answer) -> Option<&'static str> {
    let is_error_of_toml = |answer: &Answer| {
        answer
            .as_ref()
            .is_ok_and(|text| String::from_utf8_lossy(text).contains("map[Error:toml: "))
    };
    if is_error_of_toml(theirs) && is_error_of_toml(ours) {
        return Some(
            "the words of `fromToml` for text that is no TOML are those of another parser",
        );
    }
    if request.text.contains("fromJson \"null\"") || request.text.contains("\"null\" | fromJson") {
        return Some("a nil dictionary is written as `null` by Go and as `{}` here");
    }
    if request.text.contains("merge") && request.text.contains("nil") {
        return Some("a nil dictionary is written as `null` by Go and as `{}` here");
    }
    if request.text.contains("{\\\"a\\\": 1e400}") {
        return Some("Go keeps what it read before a number that is too large");
    }
    let shows = |answer: &Answer, text: &str| {
        let content = answer.as_ref().unwrap_or_else(|error| error);
        String::from_utf8_lossy(content).contains(text)
    };
    if shows(theirs, "uint8") && shows(ours, "uint64") {
        return Some("a byte of a string is of the kind uint64, not uint8");
    }
    let has_bytes = request.text.contains(".Values.raw");
    if has_bytes
        && ["fromYaml", "kebabcase", "snakecase", "ToToml", "toToml"]
            .iter()
            .any(|name| request.text.contains(name))
    {
        return Some(
            "text that is not UTF-8 is parted into words, and written as TOML, in another way",
        );
    }
    None
}

#[test]
fn functions_answer_as_in_helm_3() {
    let Some(oracle) = Oracle::find(Compat::Helm3) else {
        return;
    };
    compare(
        "functions of Helm v3",
        &oracle,
        &requests(HELM3, 1),
        excepted,
    );
}

#[test]
fn functions_answer_as_in_helm_4() {
    let Some(oracle) = Oracle::find(Compat::Helm4) else {
        return;
    };
    let mut all = requests(HELM4, 2);
    all.extend(requests(HELM3, 1).into_iter().step_by(7));
    compare("functions of Helm v4", &oracle, &all, excepted);
}
