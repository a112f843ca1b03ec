use verdict::report::{Brief, Check, Outcome};

use super::*;
use crate::output::{render_junit, render_markdown, render_prometheus};

const HOSTILE: &str = "</td><script>alert(1)</script>\"'|`\n\u{1}";

fn check(metric: &str, outcome: Outcome, slice: Option<String>) -> Check {
    let estimate = verdict::decision::Estimate {
        value: 0.871_234,
        lower: Some(0.86),
        upper: Some(0.88),
        confidence: 0.95,
        samples: 48_213,
    };
    let limit = verdict::decision::Limit::AtLeast(0.9);
    let judged =
        verdict::decision::judge(metric, estimate, limit, verdict::decision::DecideOn::Point);
    Check {
        outcome,
        slice,
        ..judged
    }
}

fn report(checks: Vec<Check>) -> Report {
    let findings = crate::findings::Findings {
        checks,
        reasons: vec![HOSTILE.to_owned()],
        warnings: vec![HOSTILE.to_owned()],
        ..Default::default()
    };
    let frame = crate::findings::Frame {
        configuration: [(
            "model".to_owned(),
            verdict::report::ConfigurationEntry {
                value: format!("s3://models/{HOSTILE}").into(),
                source: verdict::report::ConfigurationSource::Flag,
            },
        )]
        .into(),
        started_at: chrono::DateTime::UNIX_EPOCH,
        duration: std::time::Duration::from_millis(1500),
        outcome: Ok(verdict::exit::ExitCode::Fail),
    };
    crate::findings::report(findings, frame)
}

#[test]
fn no_text_of_others_becomes_markup() {
    let report = report(vec![
        check(HOSTILE, Outcome::Fail, None),
        check("auc_by_x", Outcome::Pass, Some(HOSTILE.to_owned())),
    ]);
    for text in [
        render_html(&report),
        render_junit(&report),
        render_markdown(&report),
    ] {
        assert!(!text.contains("<script"), "{text}");
        assert!(!text.contains('\u{1}'), "{text}");
    }
    for line in render_prometheus(&report).lines() {
        assert!(
            line.starts_with('#') || line.starts_with("validator_"),
            "{line}"
        );
    }
}

#[test]
fn a_page_of_many_slices_stays_below_300_kilobytes() {
    let checks = (0..2000).map(|slice| {
        check(
            "auc_by_country",
            Outcome::Fail,
            Some(format!("country={slice:06}")),
        )
    });
    let page = render_html(&report(checks.collect()));
    assert!(page.len() < 300_000, "{}", page.len());
    assert!(page.contains("1500 more are in the full report"));
}

#[test]
fn an_error_is_an_error_in_every_form() {
    let error = crate::error::GateError::Internal {
        what: "a fault".to_owned(),
    };
    let frame = crate::findings::Frame {
        configuration: Default::default(),
        started_at: chrono::DateTime::UNIX_EPOCH,
        duration: std::time::Duration::ZERO,
        outcome: Err(&error),
    };
    let report = crate::findings::report(Default::default(), frame);
    assert!(render_html(&report).contains("internal error: a fault"));
    assert!(render_markdown(&report).starts_with("## Model gate: error"));
    let junit = render_junit(&report);
    assert!(
        junit.contains("tests=\"1\" failures=\"0\" errors=\"1\""),
        "{junit}"
    );
    assert!(render_prometheus(&report).contains("validator_exit_code 5"));
}

#[test]
fn each_check_is_a_test_case_and_a_series() {
    let report = report(vec![
        check("auc", Outcome::Fail, None),
        check("f1@0.5", Outcome::Inconclusive, None),
        check("ks", Outcome::Pass, None),
    ]);
    let junit = render_junit(&report);
    assert!(
        junit.contains("tests=\"3\" failures=\"1\" errors=\"1\""),
        "{junit}"
    );
    assert!(
        junit.contains("<failure type=\"fail\" message=\"auc 0.8712 is below the minimum 0.9000")
    );
    let series = render_prometheus(&report);
    for line in [
        "validator_check_passed{check=\"auc\",slice=\"\"} 0",
        "validator_check_passed{check=\"ks\",slice=\"\"} 1",
        "validator_check_limit{check=\"auc\",slice=\"\",kind=\"minimum\"} 0.9",
        "validator_check_bound{check=\"auc\",slice=\"\",bound=\"upper\"} 0.88",
        "validator_duration_seconds 1.5",
    ] {
        assert!(series.contains(line), "{line}: {series}");
    }
    let markdown = render_markdown(&report);
    assert!(markdown.contains("| AUC | 0.8712 |"), "{markdown}");
    let _: &Brief = &report.brief;
}
