//! A verdict in words: one cell, one line, or a block.

use super::printer::Style;
use crate::release::{GateCheck, GateOutcome, GateVerdict};

/// The metrics that have columns of their own in a history.
const AREA: &str = "auc";
const LATENCY: &str = "latency_ms_p99";

/// Returns the word for an outcome, and how it is painted.
pub(crate) fn outcome_word(outcome: GateOutcome) -> (&'static str, Style) {
    match outcome {
        GateOutcome::Pass => ("pass", Style::Good),
        GateOutcome::Fail => ("fail", Style::Bad),
        GateOutcome::Inconclusive => ("inconclusive", Style::Warning),
        GateOutcome::Error => ("error", Style::Warning),
    }
}

/// Returns the cells VERDICT, AUC and P99 of a history.
pub(crate) fn verdict_cells(verdict: Option<&GateVerdict>) -> [(String, Option<Style>); 3] {
    let none = || ("-".to_owned(), None);
    let Some(verdict) = verdict else {
        return [none(), none(), none()];
    };
    let (word, style) = outcome_word(verdict.outcome());
    let cell = |metric: &str, format: fn(f64) -> String| match verdict.check(metric) {
        Some(GateCheck {
            value: Some(value),
            outcome,
            ..
        }) => {
            let style = (outcome == "fail").then_some(Style::Bad);
            (format(value), style)
        }
        _ => none(),
    };
    [
        (word.to_owned(), Some(style)),
        cell(AREA, |value| format!("{value:.4}")),
        cell(LATENCY, |value| format!("{value:.2} ms")),
    ]
}

/// Returns a verdict on one line: `pass: auc 0.9312 >= 0.9 (n=4,000); p99 1.2 ms <= 200 ms`.
pub fn verdict_line(verdict: &GateVerdict) -> String {
    let checks: Vec<String> = verdict.checks().iter().map(check_text).collect();
    let (word, _) = outcome_word(verdict.outcome());
    if checks.is_empty() {
        let reasons = verdict.reasons().join("; ");
        return if reasons.is_empty() {
            word.to_owned()
        } else {
            format!("{word}: {reasons}")
        };
    }
    format!("{word}: {}", checks.join("; "))
}

/// Returns a verdict as a block: a line for each check, then the digests.
pub fn verdict_lines(paint: &dyn Fn(Style, &str) -> String, verdict: &GateVerdict) -> Vec<String> {
    verdict_block(paint, verdict, usize::MAX)
}

/// Returns a verdict as a block with so many of its checks; those that did not pass come first where
/// some are left out.
pub(super) fn verdict_block(
    paint: &dyn Fn(Style, &str) -> String,
    verdict: &GateVerdict,
    checks_max: usize,
) -> Vec<String> {
    let (word, style) = outcome_word(verdict.outcome());
    let mut lines = vec![format!("VERDICT: {}", paint(style, &word.to_uppercase()))];
    let mut checks = verdict.checks();
    let left_out = checks.len().saturating_sub(checks_max);
    if left_out > 0 {
        checks.sort_by_key(|check| check.outcome == "pass");
    }
    let shown = checks.iter().take(checks_max);
    lines.extend(shown.map(|check| {
        let text = check_text(check);
        let is_bad = verdict.outcome() == GateOutcome::Fail && check.outcome == "fail";
        match is_bad {
            true => format!("  {}", paint(Style::Bad, &text)),
            false => format!("  {text}"),
        }
    }));
    if left_out > 0 {
        lines.push(format!("  … and {left_out} more checks"));
    }
    // A failed check says it by itself; what could not be judged needs its reason.
    let told_by_checks = matches!(verdict.outcome(), GateOutcome::Pass | GateOutcome::Fail);
    if !told_by_checks || verdict.checks().is_empty() {
        lines.extend(
            verdict
                .reasons()
                .iter()
                .map(|reason| format!("  reason: {reason}")),
        );
    }
    let json = verdict.as_json();
    for (what, digest, uri) in [
        ("model", verdict.model_digest(), json.pointer("/model/uri")),
        (
            "dataset",
            verdict.dataset_digest(),
            json.pointer("/dataset/uri"),
        ),
    ] {
        let uri = uri.and_then(serde_json::Value::as_str).unwrap_or_default();
        if let Some(digest) = digest {
            let short = digest.trim_start_matches("sha256:");
            let short = short.get(..12).unwrap_or(short);
            lines.push(format!("  {what}: {uri} (sha256:{short})"));
        } else if !uri.is_empty() {
            lines.push(format!("  {what}: {uri}"));
        }
    }
    lines
}

fn check_text(check: &GateCheck) -> String {
    let (name, unit, digits) = match check.metric.as_str() {
        AREA => ("auc", "", 4),
        LATENCY => ("p99", " ms", 2),
        other => (other, "", 4),
    };
    let name = match &check.slice {
        Some(slice) => format!("{name} [{slice}]"),
        None => name.to_owned(),
    };
    let number = |value: f64| format!("{value:.digits$}{unit}");
    let mut text = match check.value {
        Some(value) => format!("{name} {}", number(value)),
        None => format!("{name} not measured"),
    };
    if let (Some(lower), Some(upper)) = (check.lower_bound, check.upper_bound) {
        text.push_str(&format!(" ({lower:.digits$} to {upper:.digits$})"));
    }
    let is_good = check.outcome == "pass";
    if let Some(minimum) = check.minimum {
        text.push_str(&format!(
            " {} {minimum}{unit}",
            if is_good { ">=" } else { "not >=" }
        ));
    }
    if let Some(maximum) = check.maximum {
        text.push_str(&format!(
            " {} {maximum}{unit}",
            if is_good { "<=" } else { "not <=" }
        ));
    }
    if let Some(samples) = check.samples {
        text.push_str(&format!(" (n={})", thousands(samples)));
    }
    text
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict() -> GateVerdict {
        GateVerdict::parse(
            r#"{"kind":"validator/verdict","schema_version":1,"outcome":"fail","reasons":["auc is below"],
            "checks":[{"metric":"auc","outcome":"fail","value":0.871,"minimum":0.9,"maximum":null,"lower_bound":0.86,"upper_bound":0.88,"samples":48213},
                      {"metric":"latency_ms_p99","outcome":"pass","value":1.204,"minimum":null,"maximum":200.0,"lower_bound":1.1,"upper_bound":1.3,"samples":2000}],
            "model":{"uri":"m.pt","sha256":"abcdef0123456789"},"dataset":{"uri":"d","digest":"sha256:0123456789abcdef"}}"#,
        )
        .expect("a verdict")
    }

    #[test]
    fn a_verdict_says_values_bounds_limits_and_samples() {
        assert_eq!(
            verdict_line(&verdict()),
            "fail: auc 0.8710 (0.8600 to 0.8800) not >= 0.9 (n=48,213); p99 1.20 ms (1.10 to 1.30) <= 200 ms (n=2,000)"
        );
        let lines = verdict_lines(&|_, text| text.to_owned(), &verdict());
        assert_eq!(lines[0], "VERDICT: FAIL");
        assert!(
            lines.contains(&"  model: m.pt (sha256:abcdef012345)".to_owned()),
            "{lines:?}"
        );
    }

    #[test]
    fn a_check_of_a_slice_names_the_slice() {
        let verdict = GateVerdict::parse(
            r#"{"kind":"validator/verdict","schema_version":1,"outcome":"fail","reasons":["x"],
            "checks":[{"metric":"auc_by_country","outcome":"fail","value":0.8,"minimum":0.9,"slice":"country=DE","samples":500}]}"#,
        )
        .expect("a verdict");
        assert_eq!(
            verdict_line(&verdict),
            "fail: auc_by_country [country=DE] 0.8000 not >= 0.9 (n=500)"
        );
    }

    #[test]
    fn a_revision_without_a_verdict_has_dashes() {
        assert!(verdict_cells(None).iter().all(|(text, _)| text == "-"));
        assert_eq!(verdict_cells(Some(&verdict()))[2].0, "1.20 ms");
    }
}
