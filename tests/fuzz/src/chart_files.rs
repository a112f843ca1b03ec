//! Chart.yaml, index.yaml, schemas, manifests, versions and .helmignore.

use std::collections::BTreeMap;

use chart::{
    Compat, Metadata,
    load::IgnoreRules,
    manifest::{Head, INSTALL_ORDER, sort_manifests, split_manifests},
    metadata::Lock,
    repository::Index,
    schema::validate_one,
    version::is_compatible,
};
use template::{
    semver::{Constraint, Version},
    yaml,
};

use crate::input::{parts, text};

pub(crate) const METADATA_WORDS: &[&str] = &[
    "apiVersion: v2\n",
    "apiVersion: v1\n",
    "name: a\n",
    "version: 1.0.0\n",
    "type: library\n",
    "dependencies:\n- name: b\n  version: ~1\n  alias: c\n",
    "  condition: a.b,c\n",
    "  import-values:\n  - data\n",
    "maintainers:\n- name: x\n",
    "annotations:\n  a: b\n",
    "kubeVersion: '>=1.2'\n",
    "entries:\n  a:\n  - name: a\n    version: 1.0.0\n    urls: [x]\n",
    "generated: 2020-01-01T00:00:00Z\n",
    "digest: sha256:00\n",
    "keywords: [a]\n",
    "deprecated: true\n",
    "null",
    "- ",
];
pub(crate) const SCHEMA_WORDS: &[&str] = &[
    "\n%%\n",
    "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}",
    "\"type\":\"object\"",
    "\"properties\":{\"a\":{}}",
    "\"$ref\":\"#\"",
    "\"$ref\":\"http://127.0.0.1:1/x\"",
    "\"$ref\":\"file:///etc/passwd\"",
    "\"required\":[\"a\"]",
    "\"pattern\":\"^(a+)+$\"",
    "\"enum\":[1]",
    "\"oneOf\":[{},{}]",
    "\"additionalProperties\":false",
    "\"$defs\":{\"x\":{}}",
    "\"if\":{}",
    "\"minimum\":1e400",
    "\"multipleOf\":0",
    "\"format\":\"ipv4\"",
    ",",
    "{",
    "}",
];
pub(crate) const MANIFEST_WORDS: &[&str] = &[
    "---\n",
    "\n---\n",
    "--- ",
    "kind: Service\n",
    "apiVersion: v1\n",
    "metadata:\n  name: a\n  annotations:\n    ",
    "helm.sh/hook: pre-install,test\n",
    "helm.sh/hook-weight: \"-1\"\n",
    "# Source: a\n",
    "\r\n",
    "...\n",
    "\n%%\n",
];
pub(crate) const VERSION_WORDS: &[&str] = &[
    "\n%%\n",
    "1.2.3",
    "v1",
    "-rc.1",
    "+build",
    ">=",
    "~>",
    "^0",
    " - ",
    " || ",
    ", ",
    "1.x",
    "*",
    "!=",
    "99999999999999999999",
    "-0",
    "**/",
    "!",
    "[a-z]",
    "?",
    "\\",
];

/// Chart.yaml, Chart.lock and index.yaml: an index that was read whole is written and read as the same.
pub(crate) fn metadata(bytes: &[u8]) {
    let text = text(bytes);
    let mut metadata = Metadata::default();
    if metadata.apply(&text).is_ok() {
        let _ = metadata.validate();
    }
    let _ = Lock::parse(&text);
    let Ok(parsed) = Index::parse(&text, "index.yaml") else {
        return;
    };
    let mut index = parsed.index;
    index.sort();
    let written = index.to_yaml();
    match Index::parse(&written, "index.yaml") {
        Ok(again) => assert_eq!(again.index, index, "written as:\n{written}"),
        Err(error) => panic!("our own index cannot be read: {error}\n{written}"),
    }
}

/// A schema and the values that it judges.
pub(crate) fn schema(bytes: &[u8]) {
    let input = text(bytes);
    let [schema, values] = parts::<2>(&input);
    let Ok(values) = yaml::parse(values) else {
        return;
    };
    let _ = validate_one(schema.as_bytes(), &yaml::to_json(&values));
}

/// Rendered text: its documents are parts of it in their order, and sorting loses none.
pub(crate) fn manifest(bytes: &[u8]) {
    let input = text(bytes);
    for compat in [Compat::Helm3, Compat::Helm4] {
        split_and_sort(&input, compat);
    }
}

fn split_and_sort(input: &str, compat: Compat) {
    let mut rest = input;
    for document in split_manifests(input, compat) {
        assert!(!document.trim().is_empty(), "an empty document");
        let at = rest.find(document.as_str());
        let at = at.expect("a document stands in the text, behind the one before");
        rest = &rest[at + document.len()..];
        let _ = Head::parse(&document);
    }
    let [first, second] = parts::<2>(input);
    let files = BTreeMap::from([
        ("c/templates/a.yaml".to_owned(), first.to_owned()),
        ("c/templates/b.yaml".to_owned(), second.to_owned()),
    ]);
    let documents = |text: &String| split_manifests(text, compat).len();
    let count: usize = files.values().map(documents).sum();
    let mut warnings = Vec::new();
    if let Ok((hooks, manifests)) = sort_manifests(&files, INSTALL_ORDER, compat, &mut warnings) {
        assert!(
            hooks.len() + manifests.len() <= count,
            "sorting made documents"
        );
    }
}

/// Versions and ranges: what was parsed prints as what parses to an equal version; and .helmignore.
pub(crate) fn versions(bytes: &[u8]) {
    let input = text(bytes);
    let [range, version] = parts::<2>(&input);
    if let Ok(version) = Version::parse(version) {
        let printed = version.to_string();
        match Version::parse(&printed) {
            Ok(again) => assert!(
                version.compare(&again).is_eq(),
                "{printed:?} is another version"
            ),
            Err(error) => panic!("{printed:?} cannot be read: {error}"),
        }
        if let Ok(range) = Constraint::parse(range) {
            let _ = range.check(&version);
        }
    }
    let _ = is_compatible(range, version);
    if let Ok(rules) = IgnoreRules::parse(range) {
        let _ = rules.ignores(version, false);
        let _ = rules.ignores(version, true);
    }
}
