//! The report as JUnit XML, which build servers show as tests: one case a check.

use std::fmt::Write as _;

use verdict::report::{Check, Outcome, Report};

use super::escape::xml;
use super::reason::sentence;
use super::text::title;

/// Renders a report, verdict or not.
#[must_use]
pub fn render_junit(report: &Report) -> String {
    let brief = &report.brief;
    let count = |wanted: &[Outcome]| {
        let found = brief.checks.iter();
        found
            .filter(|check| wanted.contains(&check.outcome))
            .count()
    };
    let failures = count(&[Outcome::Fail]);
    let broken = usize::from(report.error.is_some());
    let errors = count(&[Outcome::Inconclusive, Outcome::Error]) + broken;
    let tests = brief.checks.len() + broken;
    let counts = format!(
        "name=\"validator\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{:.3}\"",
        brief.duration_s
    );
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "<testsuites {counts}>");
    let _ = writeln!(
        text,
        "  <testsuite {counts} timestamp=\"{}\">",
        xml(&brief.started_at)
    );
    let _ = text.write_str(&properties(report));
    for check in &brief.checks {
        let _ = text.write_str(&case(check));
    }
    if report.error.is_some() {
        let reason = brief.reasons.first().map_or("", String::as_str);
        let _ = writeln!(
            text,
            "    <testcase classname=\"validator\" name=\"run\">\n      <error type=\"{}\" message=\"{}\"/>\n    </testcase>",
            xml(report.error.as_ref().map_or("", |error| &error.class)),
            attribute(reason)
        );
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// An attribute loses its line breaks when it is read.
fn attribute(text: &str) -> String {
    xml(&text.replace('\n', " "))
}

fn properties(report: &Report) -> String {
    let brief = &report.brief;
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let pairs = [
        ("outcome", Some(brief.outcome.name().to_owned())),
        ("exit_code", Some(brief.exit_code.to_string())),
        ("model", brief.model.uri.clone()),
        ("model_sha256", brief.model.sha256.clone()),
        ("dataset", brief.dataset.uri.clone()),
        ("dataset_digest", brief.dataset.digest.clone()),
        ("rows", number(brief.dataset.rows)),
        ("rows_dropped", number(brief.dataset.rows_dropped)),
    ];
    let mut text = String::from("    <properties>\n");
    for (name, value) in pairs {
        if let Some(value) = value {
            let value = attribute(&value);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "      <property name=\"{name}\" value=\"{value}\"/>");
        }
    }
    text + "    </properties>\n"
}

fn case(check: &Check) -> String {
    let name = attribute(&title(check));
    let open = format!("    <testcase classname=\"validator\" name=\"{name}\"");
    let because = attribute(&sentence(check));
    let (element, kind) = match check.outcome {
        Outcome::Pass => {
            return format!("{open}>\n      <system-out>{because}</system-out>\n    </testcase>\n");
        }
        Outcome::Fail => ("failure", "fail"),
        Outcome::Inconclusive => ("error", "inconclusive"),
        Outcome::Error => ("error", "error"),
    };
    format!("{open}>\n      <{element} type=\"{kind}\" message=\"{because}\"/>\n    </testcase>\n")
}
