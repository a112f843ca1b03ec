//! Table tests of reading and writing; the recorded cases run in `tests/yaml_cases.rs`.

use super::*;

fn read(text: &str) -> String {
    to_json(&parse(text).unwrap()).to_string()
}

#[test]
fn scalars_resolve_as_yaml_1_1_in_go() {
    let table = [
        ("a: yes", r#"{"a":true}"#),
        ("a: off", r#"{"a":false}"#),
        ("a: 0777", r#"{"a":511}"#),
        ("a: 0o777", r#"{"a":511}"#),
        ("a: 08", r#"{"a":8}"#),
        ("a: 1_000", r#"{"a":1000}"#),
        ("a: 12:30", r#"{"a":"12:30"}"#),
        ("a: 1e3", r#"{"a":1000}"#),
        ("a: 1e999", r#"{"a":"1e999"}"#),
        ("a: -0x10", r#"{"a":-16}"#),
        ("a: ._5", r#"{"a":"._5"}"#),
        ("a: 1\na: 2", r#"{"a":2}"#),
        ("1.50: x", r#"{"1.5":"x"}"#),
        ("a: !!str 1", r#"{"a":"1"}"#),
        ("a: !!float 1", r#"{"a":1}"#),
        ("", "null"),
    ];
    for (text, expected) in table {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn a_merge_overwrites_what_stands_before_it_and_yields_to_what_follows() {
    let text = "base: &b {p: 1, q: 2, r: 3}\nuse:\n  p: 9\n  <<: *b\n  q: 8\n";
    let expected = r#"{"base":{"p":1,"q":2,"r":3},"use":{"p":1,"q":8,"r":3}}"#;
    assert_eq!(read(text), expected);
}

#[test]
fn errors_have_the_words_and_lines_of_helm() {
    let table = [
        (
            "a: 1\nb: [1",
            "error converting YAML to JSON: yaml: line 2: did not find expected ',' or ']'",
        ),
        (
            "a: *x",
            "error converting YAML to JSON: yaml: unknown anchor 'x' referenced",
        ),
        (
            "a: &x [*x]",
            "error converting YAML to JSON: yaml: anchor 'x' value contains itself",
        ),
        (
            "a: {{ .Values.x }}",
            r#"error converting YAML to JSON: yaml: invalid map key: map[interface {}]interface {}{".Values.x":interface {}(nil)}"#,
        ),
        (
            "a: .inf",
            "error converting YAML to JSON: json: unsupported value: +Inf",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text).err().unwrap().to_string(), expected, "{text}");
    }
}

#[test]
fn aliases_cannot_multiply_without_bound() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let below = level - 1;
        let aliases = vec![format!("*a{below}"); 9].join(",");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let error = parse(&text).err().unwrap().to_string();
    assert!(
        error.ends_with("document contains excessive aliasing"),
        "{error}"
    );
}

#[test]
fn nesting_is_bounded_in_reading_and_writing() {
    let error = parse(&"[".repeat(20_000)).err().unwrap().to_string();
    assert!(error.contains("max depth"), "{error}");
    let cycle = Value::list(vec![]);
    if let Value::List(items) = &cycle {
        items.borrow_mut().push(cycle.clone());
    }
    assert!(try_emit(&cycle).is_err());
    if let Value::List(items) = &cycle {
        items.borrow_mut().clear();
    }
}

#[test]
fn keys_are_written_in_natural_order() {
    let value = parse("{a10: 1, a9: 1, b: 1, A: 1, 1x: 1, a-: 1, a1: 1}").unwrap();
    assert_eq!(
        emit(&value),
        "1x: 1\nA: 1\na-: 1\na1: 1\na9: 1\na10: 1\nb: 1\n"
    );
}

#[test]
fn numbers_are_written_as_through_json() {
    let table = [
        (1e6, "1000000\n"),
        (1e20, "1e+20\n"),
        (1e21, "1e+21\n"),
        (1.8e19, "18000000000000000000\n"),
        (1e-7, "1e-07\n"),
        (0.25, "0.25\n"),
        (123_456_789.5, "1.234567895e+08\n"),
        (-0.0, "0\n"),
    ];
    for (number, expected) in table {
        assert_eq!(emit(&Value::Float(number)), expected);
    }
    assert_eq!(emit_pretty(&Value::Float(1e6)), "1e+06\n");
    assert_eq!(float_json(1e-7).unwrap(), "1e-7");
    assert_eq!(float_json(1e21).unwrap(), "1e+21");
}

#[test]
fn documents_of_a_stream_come_back_in_order() {
    let documents = parse_documents("a: 1\n---\n---\nb: 2\n").unwrap();
    let texts: Vec<String> = documents.iter().map(|d| to_json(d).to_string()).collect();
    assert_eq!(texts, [r#"{"a":1}"#, "null", r#"{"b":2}"#]);
}

#[test]
fn texts_that_break_other_parsers_are_read() {
    let table = [
        ("a: |\n  x", r#"{"a":"x"}"#),
        ("a: |\n  x\n", r#"{"a":"x\n"}"#),
        ("a: >-\n  x\n  y\n\n  z\n", r#"{"a":"x y\nz"}"#),
        ("a: |2\n    x\n", r#"{"a":"  x\n"}"#),
        ("a: \"x\\\n   y\\\n\n  z\"", r#"{"a":"xy\nz"}"#),
        ("[a: 1, b]", r#"[{"a":1},"b"]"#),
        ("a:\r\n- 1\r\n- 2\r\n", r#"{"a":[1,2]}"#),
        ("a: 'it''s'", r#"{"a":"it's"}"#),
        ("! a: 1", r#"{"a":1}"#),
        ("a: !!str", r#"{"a":""}"#),
        ("? [x]\n", ""),
        ("a: b: c", ""),
        ("\t- a", ""),
        ("a:\n\t- b", ""),
        ("%", ""),
        ("\"\\", ""),
        ("[!x, y]", r#"["y"]"#),
        ("- - - a\n  - b", r#"[[["a"],"b"]]"#),
    ];
    for (text, expected) in table {
        match parse(text) {
            Ok(value) => assert_eq!(to_json(&value).to_string(), expected, "{text:?}"),
            Err(error) => assert_eq!(expected, "", "{text:?}: {error}"),
        }
    }
}

#[test]
fn every_cut_of_a_text_ends_without_panic() {
    let text = "%YAML 1.1\n---\na: &x !!map {b: [c, \"d\\u00e9\\n\", 'e'], ? f : g}\nh: |+2\n   i\n\nj: >-\n  k\n<<: *x\n- !<tag:a,b> é\u{2028}z\n...\n# end\n";
    let bytes = text.as_bytes();
    for start in 0..bytes.len() {
        for end in start..bytes.len() {
            if let Ok(part) = std::str::from_utf8(&bytes[start..end]) {
                let _outcome = parse_documents(part);
            }
        }
    }
}
