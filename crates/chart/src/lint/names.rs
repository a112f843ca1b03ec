//! Whether an object's name is one that Kubernetes takes, by kind.
//!
//! Source: Helm v3.22 pkg/lint/rules/template.go; the texts are those of k8s.io/apimachinery v0.37.

use std::sync::LazyLock;

use regex::Regex;
use template::quoted;

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const OLD_LABEL: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const LABEL_BYTES_MAX: usize = 63;
const SUBDOMAIN_BYTES_MAX: usize = 253;

fn whole(expression: &str) -> Regex {
    Regex::new(&format!("^{expression}$")).expect("the expression is a constant of this module")
}

static IS_LABEL: LazyLock<Regex> = LazyLock::new(|| whole(LABEL));
static IS_SUBDOMAIN: LazyLock<Regex> = LazyLock::new(|| whole(SUBDOMAIN));
static IS_OLD_LABEL: LazyLock<Regex> = LazyLock::new(|| whole(OLD_LABEL));

/// Checks `metadata.name` of an object of a kind.
///
/// # Errors
/// Kubernetes' text with each mistake.
pub(super) fn check(kind: &str, name: &str) -> Result<(), String> {
    let mistakes = match kind.to_lowercase().as_str() {
        "certificatesigningrequest" => Vec::new(),
        "service" => old_label(name),
        "namespace" => label(name),
        "role" | "clusterrole" | "rolebinding" | "clusterrolebinding" => path_segment(name),
        _ => subdomain(name),
    };
    let shown: Vec<String> = mistakes
        .iter()
        .map(|mistake| format!("metadata.name: Invalid value: {}: {mistake}", quoted(name)))
        .collect();
    let all = match shown.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    Err(format!(
        "object name does not conform to Kubernetes naming requirements: {}: {all}",
        quoted(name)
    ))
}

fn too_long(name: &str, bytes_max: usize) -> Vec<String> {
    if name.len() <= bytes_max {
        return Vec::new();
    }
    vec![format!("must be no more than {bytes_max} characters")]
}

fn explained(text: &str, examples: &str, expression: &str) -> String {
    format!("{text} (e.g. {examples}, regex used for validation is '{expression}')")
}

fn subdomain(name: &str) -> Vec<String> {
    let mut mistakes = too_long(name, SUBDOMAIN_BYTES_MAX);
    if !IS_SUBDOMAIN.is_match(name) {
        mistakes.push(explained(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            "'example.com'",
            SUBDOMAIN,
        ));
    }
    mistakes
}

fn label(name: &str) -> Vec<String> {
    let mut mistakes = too_long(name, LABEL_BYTES_MAX);
    if IS_LABEL.is_match(name) {
        return mistakes;
    }
    mistakes.push(if IS_SUBDOMAIN.is_match(name) {
        "must not contain dots".to_owned()
    } else {
        explained(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
            "'my-name',  or '123-abc'",
            LABEL,
        )
    });
    mistakes
}

fn old_label(name: &str) -> Vec<String> {
    let mut mistakes = too_long(name, LABEL_BYTES_MAX);
    if !IS_OLD_LABEL.is_match(name) {
        mistakes.push(explained(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            "'my-name',  or 'abc-123'",
            OLD_LABEL,
        ));
    }
    mistakes
}

fn path_segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    ["/", "%"]
        .iter()
        .filter(|part| name.contains(*part))
        .map(|part| format!("may not contain '{part}'"))
        .collect()
}
