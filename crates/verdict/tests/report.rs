//! The published versions of the report go on to be read.

use serde_json::Value;
use verdict::report::{Brief, Outcome, Report};

/// Tells whether everything of `old` stands unchanged in `new`, which may hold more.
#[track_caller]
fn assert_kept(old: &Value, new: &Value, path: &str) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in old {
                let found = new.get(key);
                let path = format!("{path}.{key}");
                assert!(found.is_some(), "{path} is gone");
                assert_kept(value, found.unwrap_or(&Value::Null), &path);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            assert_eq!(old.len(), new.len(), "{path}");
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                assert_kept(old, new, &format!("{path}[{index}]"));
            }
        }
        _ => assert_eq!(old, new, "{path}"),
    }
}

#[test]
fn the_first_published_report_reads_and_keeps_every_field() {
    let published = include_str!("fixtures/report-v1.json");
    let report: Report = serde_json::from_str(published).expect("version 1 reads");
    assert_eq!(report.brief.outcome, Outcome::Pass);
    let old: Value = serde_json::from_str(published).expect("JSON");
    let new = serde_json::to_value(&report).expect("serialises");
    assert_kept(&old, &new, "report");
}

#[test]
fn the_first_published_brief_keeps_every_field() {
    let published = include_str!("fixtures/brief-v1.json");
    let old: Value = serde_json::from_str(published).expect("JSON");
    let brief = Brief::parse(published).expect("version 1 reads");
    let new = serde_json::to_value(&brief).expect("serialises");
    assert_kept(&old, &new, "brief");
    // What a gate file adds is absent where it does not apply, so that old readers see what
    // they know.
    assert_eq!(old["checks"], new["checks"]);
}
