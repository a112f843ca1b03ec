//! Expressions written by hand, each for something that once differed or easily could.

use template::{Compat, yaml};

use crate::oracle::{Oracle, Request, compare};

const VALUES: &str = "int: 3\nfloat: 1.5\nbig: 1234567890\nstr: text\nnul: null\nlist: [1, two, 3.5]\n\
                      map: {a: 1, b: {c: deep}}\n";
const HELPERS: &str = "{{- define \"helper\" -}}helped {{ .Values.int }}{{- end -}}\n\
                       {{- define \"recursive\" -}}{{ include \"recursive\" . }}{{- end -}}\n";
const EXPRESSIONS: &str = include_str!("expressions.txt");

#[test]
fn expressions_answer_as_in_helm() {
    let Some(oracle) = Oracle::find(Compat::Helm3) else {
        return;
    };
    let values = yaml::parse(VALUES).expect("the values are YAML");
    let lines = EXPRESSIONS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let request = |line: &str| {
        let text = match line.strip_prefix('!') {
            Some(failing) => format!("a: 1\nb: {{{{ {} }}}}\n", failing.trim()),
            None => format!("{{{{ printf \"%v\" ({line}) }}}}"),
        };
        let mut request = Request::new(text, &values);
        request.helpers = HELPERS;
        request
    };
    let requests: Vec<Request> = lines.map(request).collect();
    compare("expressions by hand", &oracle, &requests, |_, _, _| None);
}
