//! `--set` and its family, and the merging of values.

use std::rc::Rc;

use chart::{
    Chart, Compat, dependencies,
    values::{Mode, SetKind, coalesce_values, set},
};
use template::{
    Map, Value,
    yaml::{self, Data},
};

use crate::input::{parts, text};

pub(crate) const SET_WORDS: &[&str] = &[
    "a=1",
    "a.b=c",
    "a[0]=x",
    "a[0][1].b=",
    "a={1,2,3}",
    "a={}",
    "a=null",
    "\\,",
    "\\.",
    "\\[",
    "\\=",
    "[65536]",
    "[-1]",
    "[99999999999999999999]",
    "a=[1,{\"b\":2}]",
    "{\"a\":1}",
    "a=\"x\"",
    ",",
    "=",
    ".",
    "true",
    "0",
    "007",
    "1e5",
    "\n%%\n",
    "a[0]={x,y}",
];

pub(crate) const WORDS: &[&str] = &[
    "\n%%\n",
    "global:\n  ",
    "child:\n  ",
    "null",
    "{}",
    "[]",
    "enabled: false",
    "tags:\n  ",
    "a: 1\n",
    "exports:\n  data:\n    ",
    "  ",
    "- ",
    ": ",
];

/// The most bytes that an expression may grow to: `a[65536]=1` is a list with as many items.
const WRITTEN_BYTES_MAX: usize = 64 << 20;

/// Every kind of expression on values that are there already; an escaped key and text come back.
pub(crate) fn set_grammar(bytes: &[u8]) {
    let input = text(bytes);
    let [expression, start] = parts::<2>(&input);
    let read = |path: &str| Ok::<_, String>(format!("content of {path}"));
    for kind in [
        SetKind::Typed,
        SetKind::Text,
        SetKind::Json,
        SetKind::File(&read),
        SetKind::Literal,
    ] {
        let Ok(values) = yaml::parse_map(start) else {
            return;
        };
        let _ = set(expression, kind, &values);
        let written = yaml::emit(&Value::Map(values));
        assert!(
            written.len() <= WRITTEN_BYTES_MAX + input.len() * 8,
            "the values grew too large"
        );
    }
    let Some((key, value)) = expression.split_once('=') else {
        return;
    };
    // A list starts at a brace, and blanks before a value are Helm's to drop.
    if key.is_empty() || value.starts_with(['{', ' ', '\t', '\n']) || value.is_empty() {
        return;
    }
    let escaped = format!("{}={}", escape(key), escape(value));
    let values = Map::default();
    if set(&escaped, SetKind::Text, &values).is_ok() {
        let found = values.borrow().get(key).cloned();
        assert!(
            matches!(&found, Some(Value::Str(text)) if text.as_ref() == value),
            "{escaped:?} gave {found:?}"
        );
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if "\\.,=[]{}".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Merges the values of a user, a chart and its subchart; what the user set wins.
pub(crate) fn coalesce(bytes: &[u8]) {
    let input = text(bytes);
    let [user, own, below] = parts::<3>(&input);
    let (Ok(user), Ok(own), Ok(below)) = (
        yaml::parse_map(user),
        yaml::parse_data(own),
        yaml::parse_data(below),
    ) else {
        return;
    };
    let is_map = |data: &Data| matches!(data, Data::Map(_));
    if !is_map(&own) || !is_map(&below) {
        return;
    }
    let mut root = chart_of("root", own);
    root.dependencies.push(chart_of("child", below));
    let compats = [Compat::Helm3, Compat::Helm4];
    let modes = [Mode::Coalesce, Mode::Merge];
    for (mode, compat) in modes
        .into_iter()
        .flat_map(|mode| compats.map(|compat| (mode, compat)))
    {
        let mut warnings = Vec::new();
        let mut processed = root.clone();
        let _ = dependencies::process(&mut processed, &user, mode, compat, &mut warnings);
        if let Ok(merged) = coalesce_values(&root, &user, mode, compat, &mut warnings) {
            for (key, wanted) in user
                .borrow()
                .iter()
                .filter(|(key, _)| !matches!(key.as_ref(), "global" | "child"))
            {
                keeps(&merged, key, wanted);
            }
        }
    }
}

/// Panics unless a text, number, boolean or list that the user gave stands where it was given.
fn keeps(merged: &Map, key: &Rc<str>, wanted: &Value) {
    let found = merged.borrow().get(key).cloned();
    match (wanted, found) {
        (Value::Nil, _) => {}
        (Value::Map(wanted), Some(Value::Map(found))) => {
            for (key, wanted) in wanted.borrow().iter() {
                keeps(&found, key, wanted);
            }
        }
        (wanted, Some(found)) => assert_eq!(
            Data::from_value(wanted),
            Data::from_value(&found),
            "at {key:?}"
        ),
        (_, None) => panic!("the user's {key:?} is gone"),
    }
}

fn chart_of(name: &str, values: Data) -> Chart {
    let mut chart = Chart::default();
    chart.metadata.name = name.to_owned();
    chart.metadata.version = "1.0.0".to_owned();
    chart.values = Some(values.into());
    chart
}
