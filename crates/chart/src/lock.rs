//! `Chart.lock`: the digest that ties it to `Chart.yaml`, and its text.
//!
//! Source: Helm 3.22 `internal/resolver/resolver.go` (HashReq, HashV2Req) and
//! `pkg/downloader/manager.go` (writeLock).

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use template::yaml;

use crate::go;
use crate::metadata::{Dependency, Lock};

/// Returns the digest of what a chart asks for and what it is given; a list that is not there is
/// another than an empty one.
pub fn digest(wanted: Option<&[Dependency]>, locked: Option<&[Dependency]>) -> String {
    sha256(&go::json(&(wanted, locked)))
}

/// Returns the digest that Helm 2 wrote into a `requirements.lock`.
pub fn digest_of_helm2(wanted: Option<&[Dependency]>) -> String {
    sha256(&go::json(&BTreeMap::from([("dependencies", wanted)])))
}

/// Returns the text of the lock file.
pub fn to_yaml(lock: &Lock) -> String {
    let json = serde_json::to_value(lock).unwrap_or_default();
    yaml::emit(&yaml::from_json(&json))
}

fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(name: &str, version: &str, repository: &str) -> Dependency {
        Dependency {
            name: name.into(),
            version: version.into(),
            repository: repository.into(),
            ..Dependency::default()
        }
    }

    /// From Helm 3.22 `internal/resolver/resolver_test.go`, TestHashReq.
    #[test]
    fn digests_are_those_of_helm() {
        let expected = "sha256:fb239e836325c5fa14b29d1540a13b7d3ba13151b67fe719f820e0ef6d66aaaf";
        let locked = [dependency(
            "alpine",
            "0.1.0",
            "http://localhost:8879/charts",
        )];
        let wanted = [dependency(
            "alpine",
            "0.1.0",
            "http://localhost:8879/charts",
        )];
        assert_eq!(digest(Some(&wanted), Some(&locked)), expected);
        let other = [dependency(
            "alpine",
            "0.1.1",
            "http://localhost:8879/charts",
        )];
        assert_ne!(digest(Some(&other), Some(&locked)), expected);
        assert_eq!(
            go::json(&[dependency("a", ">=1", "")]),
            r#"[{"name":"a","version":"\u003e=1","repository":""}]"#
        );
    }

    /// What Helm v3.22.0 and v4.3.1 say of these locks.
    #[test]
    fn a_lock_whose_time_is_none_is_refused_in_helms_words() {
        const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
        let cut = |text: &str, rest: &str, part: &str| {
            format!("parsing time {text:?} as {LAYOUT:?}: cannot parse {rest:?} as {part:?}")
        };
        let no_text = || "Time.UnmarshalJSON: input is not a JSON string".to_owned();
        for (text, expected) in [
            ("2026-01-02T03:04:05Z", None),
            ("\"2026-01-02T03:04:05.123456789+02:00\"", None),
            ("null", None),
            ("\"bad time\"", Some(cut("bad time", "bad time", "2006"))),
            ("\"\"", Some(cut("", "", "2006"))),
            ("\"2026-01-02\"", Some(cut("2026-01-02", "", "T"))),
            (
                "2026-01-02 03:04:05",
                Some(cut("2026-01-02 03:04:05", " 03:04:05", "T")),
            ),
            (
                "\"2026-13-02T03:04:05Z\"",
                Some("parsing time \"2026-13-02T03:04:05Z\": month out of range".to_owned()),
            ),
            (
                "\"2026-01-02T03:04:05Zx\"",
                Some("parsing time \"2026-01-02T03:04:05Zx\": extra text: \"x\"".to_owned()),
            ),
            ("5", Some(no_text())),
            ("true", Some(no_text())),
            ("{a: 1}", Some(no_text())),
        ] {
            let lock = format!("dependencies: []\ndigest: sha256:x\ngenerated: {text}\n");
            let found = Lock::parse(&lock).err().map(|error| error.to_string());
            let expected = expected
                .map(|words| format!("error unmarshaling JSON: while decoding JSON: {words}"));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_lock_is_written_with_its_keys_in_order() {
        let lock = Lock {
            generated: "2026-01-02T03:04:05.6Z".into(),
            digest: "sha256:00".into(),
            dependencies: Some(vec![dependency("a", "1.0.0", "https://example.com")]),
        };
        assert_eq!(
            to_yaml(&lock),
            "dependencies:\n- name: a\n  repository: https://example.com\n  version: 1.0.0\ndigest: sha256:00\ngenerated: \"2026-01-02T03:04:05.6Z\"\n"
        );
    }
}
