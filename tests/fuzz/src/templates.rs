//! The template parser, and the executor with values.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use template::{Limits, Options, Templates, Value, yaml};

use crate::input::{parts, text};

pub(crate) const WORDS: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{/*",
    "*/}}",
    "\n%%\n",
    "{{define \"a\"}}",
    "{{end}}",
    "{{block \"b\" .}}",
    "{{template \"a\" .}}",
    "{{include \"a\" .}}",
    "{{tpl .Values.t .}}",
    "{{range $i, $x := .Values.list}}",
    "{{range 3}}",
    "{{break}}",
    "{{continue}}",
    "{{with .Values.map}}",
    "{{else}}",
    "{{else if ",
    "{{else with ",
    "{{if ",
    "$x := ",
    "$x = ",
    "| toYaml",
    "| nindent 2",
    "| quote",
    "| default ",
    "| trunc -3",
    "| b64enc",
    "| fromYaml",
    "| toJson",
    "| sha256sum",
    "| replace \"a\" \"b\"",
    "(dict \"a\" 1)",
    "(list 1 2)",
    "printf \"%*.*f %v %q %x\"",
    "regexReplaceAll \"a*(b)?\" ",
    "semverCompare \">=1.2-0\" ",
    "date \"2006-01-02\" ",
    "until 5",
    "seq 0 2 9",
    "index ",
    "slice ",
    "substr 0 3 ",
    "splitList \",\" ",
    "mergeOverwrite ",
    "deepCopy ",
    "set ",
    "unset ",
    "dig \"a\" \"b\" 0 ",
    "get ",
    "pluck ",
    "urlParse ",
    "durationRound ",
    "toToml ",
    "int64 ",
    "add 1 ",
    "mod ",
    "div ",
    "-9223372036854775808",
    "0x1p-3",
    "1_000",
    "'\\u00e9'",
    "\"\\x00\"",
    "`raw`",
    "1e309",
    "3i",
    "nil",
    "true",
    ".Values.a.b",
    "$",
    ".",
    "..",
    ",",
    "&&",
];

/// Functions that are slow on purpose (keys, passwords): the bound on time is not for them.
const SLOW: &[&str] = &[
    "gen",
    "derivePassword",
    "htpasswd",
    "bcrypt",
    "buildCustomCert",
];

const LIMITS: Limits = Limits {
    depth: 200,
    output_bytes: 1 << 20,
    memory_bytes: 16 << 20,
    steps: 100_000,
    time: Duration::from_secs(2),
};

/// Parses a template; what was parsed prints as a text that parses to the same again.
pub(crate) fn parse(bytes: &[u8]) {
    let mut templates = Templates::new(Options::default());
    if templates.parse("t", &text(bytes)).is_err() {
        return;
    }
    // Empty templates are not kept.
    let Some(printed) = templates.source("t") else {
        return;
    };
    let mut again = Templates::new(Options::default());
    if again.parse("t", &printed).is_ok() {
        let source = again.source("t").unwrap_or_default();
        assert_eq!(source, printed, "printing is not stable");
    }
}

/// Executes a template on values; it ends within its limits.
pub(crate) fn execute(bytes: &[u8]) {
    let input = text(bytes);
    let [source, values] = parts::<2>(&input);
    if SLOW.iter().any(|word| input.contains(word)) {
        return;
    }
    let Ok(values) = yaml::parse(values) else {
        return;
    };
    let mut templates = Templates::new(Options {
        limits: LIMITS,
        ..Options::default()
    });
    if templates.parse("t", source).is_err() {
        return;
    }
    let data = BTreeMap::from([(Rc::from("Values"), values)]);
    if let Ok(output) = templates.execute("t", &Value::map(data)) {
        assert!(
            output.len() <= LIMITS.output_bytes + source.len(),
            "the output is too long"
        );
    }
}
