//! No template hangs, overflows the stack or takes all memory: each of these ends with an error
//! that says why, or with its output, within the limits.

use std::{collections::BTreeMap, time::Duration};

use template::{Limits, Options, Templates, Value};

fn execute(text: &str) -> Result<String, String> {
    let limits = Limits {
        memory_bytes: 64 << 20,
        output_bytes: 16 << 20,
        steps: 3_000_000,
        ..Limits::default()
    };
    let mut templates = Templates::new(Options {
        limits,
        ..Options::default()
    });
    templates
        .parse("t", text)
        .map_err(|error| error.to_string())?;
    templates
        .execute("t", &Value::map(BTreeMap::new()))
        .map_err(|error| error.to_string())
}

#[test]
fn endless_recursion_ends() {
    for (text, expected) in [
        (
            "{{define \"a\"}}{{template \"a\" .}}{{end}}{{template \"a\" .}}",
            "exceeded maximum template depth",
        ),
        (
            "{{define \"a\"}}{{include \"a\" .}}{{end}}{{include \"a\" .}}",
            "nested reference name: a",
        ),
        (
            "{{$t := \"{{tpl .t .}}\"}}{{tpl $t (dict \"t\" $t)}}",
            "exceeded maximum template depth",
        ),
        (
            "{{define \"a\"}}{{include \"b\" .}}{{end}}{{define \"b\"}}{{include \"a\" .}}{{end}}{{include \"a\" .}}",
            "nested reference name",
        ),
    ] {
        let error = execute(text).unwrap_err();
        assert!(
            error.contains(expected),
            "{}",
            &error[error.len().saturating_sub(300)..]
        );
    }
}

#[test]
fn large_results_are_refused() {
    for text in [
        "{{repeat 2000000000 \"x\"}}",
        "{{until 2000000000}}",
        "{{untilStep 0 9223372036854775807 1}}",
        "{{seq 2000000000}}",
        "{{randAlphaNum 2000000000}}",
        "{{indent 2000000000 \"x\"}}",
        "{{$x := \"x\"}}{{range until 60}}{{$x = printf \"%s%s\" $x $x}}{{end}}",
        "{{$x := \"x\"}}{{range until 60}}{{$x = replace \"x\" \"xx\" $x}}{{end}}",
        "{{$x := list 1}}{{range until 60}}{{$x = concat $x $x}}{{end}}",
        "{{range 1000000000}}{{end}}",
        "{{range 1000000000}}xxxxxxxxxx{{end}}",
        "{{printf \"%*d\" 1000000000 1}}{{repeat 1000000000 \"\"}}{{range 100}}{{repeat 10000000 \"y\"}}{{end}}",
    ] {
        let error = execute(text).expect_err(text);
        assert!(error.contains("limit"), "{text}: {error}");
    }
}

#[test]
fn deep_and_cyclic_values_are_survived() {
    for text in [
        "{{$x := list}}{{range until 100000}}{{$x = list $x}}{{end}}{{$x}}",
        "{{$x := dict}}{{range until 100000}}{{$x = dict \"a\" $x}}{{end}}{{toYaml $x}}",
        "{{$d := dict}}{{$_ := set $d \"d\" $d}}{{deepCopy $d}}",
        "{{$d := dict}}{{$e := dict}}{{$_ := set $d \"d\" $d}}{{$_ := set $e \"d\" $e}}{{deepEqual $d $e}}",
    ] {
        let error = execute(text).expect_err(text);
        assert!(error.contains("nested more than"), "{text}: {error}");
    }
    let cyclic = "{{$d := dict}}{{$_ := set $d \"d\" $d}}";
    assert_eq!(
        execute(&format!("{cyclic}{{{{toJson $d}}}}{{{{toYaml $d}}}}")).as_deref(),
        Ok("")
    );
    assert!(execute(&format!("{cyclic}{{{{$d}}}}")).is_ok());
    assert!(
        execute(&format!(
            "{cyclic}{{{{merge (dict \"d\" (dict \"d\" (dict))) $d | len}}}}"
        ))
        .is_ok()
    );
}

#[test]
fn deep_templates_are_refused() {
    let parens = format!("{{{{{}1{}}}}}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(
        execute(&parens)
            .unwrap_err()
            .contains("max expression depth exceeded")
    );
    let blocks = format!(
        "{}{}",
        "{{if true}}".repeat(100_000),
        "{{end}}".repeat(100_000)
    );
    assert!(
        execute(&blocks)
            .unwrap_err()
            .contains("max block depth exceeded")
    );
    let chain = format!(
        "{{{{if false}}}}{}{{{{end}}}}",
        "{{else if false}}".repeat(100_000)
    );
    assert!(
        execute(&chain)
            .unwrap_err()
            .contains("max block depth exceeded")
    );
    let fits = format!(
        "{}x{}",
        "{{if true}}".repeat(1_500),
        "{{end}}".repeat(1_500)
    );
    assert_eq!(execute(&fits).as_deref(), Ok("x"));
    let json = format!("{{{{ fromJson `{}` }}}}", "[".repeat(100_000));
    assert!(execute(&json).is_ok_and(|output| output.contains("exceeded max depth")));
}

#[test]
fn products_of_texts_are_refused() {
    for text in [
        "{{$x := repeat 100000 \"x\"}}{{replace \"x\" $x $x}}",
        "{{$x := repeat 100000 \"x\"}}{{join $x (until 100000)}}",
        "{{$x := repeat 100000 \"x\"}}{{wrapWith 1 $x $x}}",
        "{{$x := repeat 100000 \"x\"}}{{regexReplaceAll \"x\" $x $x}}",
        "{{$x := repeat 100000 \"x\"}}{{regexReplaceAllLiteral \"\" $x $x}}",
        "{{$x := repeat 1000000 \"x\\n\"}}{{nindent 100000 $x}}",
        "{{$x := repeat 1000000 \"x\"}}{{range until 1000}}{{$x = quote $x}}{{end}}",
        "{{$x := repeat 1000000 \"\\\\\"}}{{range until 20}}{{$x = toJson $x}}{{end}}",
        "{{$d := dict}}{{range $i := until 40}}{{$d = dict \"a\" $d \"b\" $d}}{{end}}{{toJson $d}}",
        "{{$d := dict}}{{range $i := until 40}}{{$d = dict \"a\" $d \"b\" $d}}{{end}}{{toYaml $d}}",
        "{{$d := dict}}{{range $i := until 40}}{{$d = dict \"a\" $d \"b\" $d}}{{end}}{{$d}}",
        "{{$d := dict}}{{range $i := until 40}}{{$d = dict \"a\" $d \"b\" $d}}{{end}}{{deepCopy $d}}",
    ] {
        let start = std::time::Instant::now();
        let result = execute(text);
        let elapsed = start.elapsed();
        assert!(elapsed < Duration::from_secs(20), "{text}: {elapsed:?}");
        let error = result.expect_err(text);
        assert!(
            error.contains("limit") || error.contains("nested more"),
            "{text}: {error}"
        );
    }
}

#[test]
fn time_is_bounded() {
    let limits = Limits {
        time: Duration::from_millis(200),
        ..Limits::default()
    };
    let mut templates = Templates::new(Options {
        limits,
        ..Options::default()
    });
    templates
        .parse(
            "t",
            "{{range until 1000000}}{{range until 1000}}{{end}}{{end}}",
        )
        .expect("it parses");
    let start = std::time::Instant::now();
    let error = templates
        .execute("t", &Value::Nil)
        .expect_err("it takes too long");
    assert!(error.to_string().contains("time limit"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
}
