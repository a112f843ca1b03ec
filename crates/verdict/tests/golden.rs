//! Numbers against independent implementations.
//!
//! `fixtures/golden.json` is made by `fixtures/make_golden.py` (scikit-learn, scipy, and
//! DeLong's variance straight from its definition). A larger set is read from
//! `VERDICT_GOLDEN` where that names a file.

use std::path::PathBuf;

use serde_json::Value;
use verdict::auc::{Auc, MetricError, auc};
use verdict::interval::{IntervalMethod, Tails, bounds};
use verdict::latency::{
    QuantileQuestion, lower_bound_rank, nearest_rank, samples_minimum, upper_bound_rank,
};
use verdict::metric::{Binning, Groups, Metric, OutputSetting, decide_output, evaluate};
use verdict::score::{RankedScores, ScoreAccumulator, ScoreError, ScoreSlice};

fn numbers(value: &Value) -> Vec<f64> {
    let number = |value: &Value| match value.as_str() {
        Some("NaN") => f64::NAN,
        Some("Inf") => f64::INFINITY,
        Some("-Inf") => f64::NEG_INFINITY,
        _ => value.as_f64().expect("a number"),
    };
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(number)
        .collect()
}

fn labels(value: &Value) -> Vec<bool> {
    numbers(value)
        .into_iter()
        .map(|label| label > 0.5)
        .collect()
}

fn gather(scores: ScoreSlice<'_>, labels: &[bool]) -> Result<ScoreAccumulator, ScoreError> {
    let mut gathered = ScoreAccumulator::new();
    gathered.extend(scores, labels)?;
    Ok(gathered)
}

fn area_of(scores: &[f64], labels: &[bool]) -> Auc {
    let gathered = gather(ScoreSlice::Double(scores), labels).expect("no NaN");
    auc(&gathered.finish()).expect("both classes")
}

#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{what}: found {found}, expected {expected}"
    );
}

#[test]
fn areas_variances_and_intervals_agree_with_scikit_learn_and_the_definition() {
    let golden: Value =
        serde_json::from_str(include_str!("fixtures/golden.json")).expect("the fixture is JSON");
    for case in golden["areas"].as_array().expect("a list") {
        let name = case["name"].as_str().expect("a name");
        let (scores, labels) = (numbers(&case["scores"]), labels(&case["labels"]));
        let area = area_of(&scores, &labels);
        let narrow = gather(ScoreSlice::Widened(&scores), &labels).expect("no NaN");
        assert_eq!(auc(&narrow.finish()), Ok(area), "{name}: 32-bit keys");
        let number = |key: &str| case[key].as_f64().expect("a number");
        assert_close(area.value, number("auc"), 1e-12, name);
        let variance = area.variance.expect("two rows in each class");
        assert_close(variance, number("variance"), 1e-14, name);
        for (key, tails, method) in [
            (
                "logit_t_two_sided_95",
                Tails::TwoSided,
                IntervalMethod::LogitT,
            ),
            (
                "logit_t_one_sided_95",
                Tails::OneSided,
                IntervalMethod::LogitT,
            ),
            (
                "logit_normal_two_sided_95",
                Tails::TwoSided,
                IntervalMethod::LogitNormal,
            ),
        ] {
            let found = bounds(&area, 0.95, tails, method).expect("not degenerate");
            let expected = numbers(&case[key]);
            assert_close(found.lower, expected[0], 1e-9, name);
            assert_close(found.upper, expected[1], 1e-9, name);
        }
    }
}

#[test]
fn ranks_of_latency_bounds_agree_with_scipy() {
    let golden: Value =
        serde_json::from_str(include_str!("fixtures/golden.json")).expect("the fixture is JSON");
    for case in golden["ranks"].as_array().expect("a list") {
        let samples = case["samples"].as_u64().expect("a count");
        let question = QuantileQuestion {
            quantile: case["quantile"].as_f64().expect("a number"),
            confidence: case["confidence"].as_f64().expect("a number"),
        };
        assert_eq!(
            upper_bound_rank(samples, question),
            case["upper"].as_u64(),
            "{case}"
        );
        assert_eq!(
            lower_bound_rank(samples, question),
            case["lower"].as_u64(),
            "{case}"
        );
    }
}

/// The aSAH data set's published DeLong results need its rows; its summary statistics are
/// checked where the external set holds them. Absent, the test says so.
#[test]
fn the_external_golden_set_agrees_where_it_is_given() {
    let path = std::env::var_os("VERDICT_GOLDEN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/golden-dev.json"),
        PathBuf::from,
    );
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no external golden set; name one by VERDICT_GOLDEN");
        return;
    };
    let golden: Value = serde_json::from_str(&text).expect("the golden set is JSON");
    let mut judged = 0;
    for case in golden["binary"].as_array().expect("a list") {
        judge_external(case);
        judged += 1;
    }
    assert!(judged > 0, "the golden set holds no binary cases");
    judge_external_latency(&golden["latency"]);
}

fn judge_external(case: &Value) {
    let name = case["name"].as_str().expect("a name");
    let (scores, labels) = (numbers(&case["score"]), labels(&case["y"]));
    let gathered = gather(ScoreSlice::Double(&scores), &labels);
    let Some(expected) = case["auc"].as_f64() else {
        // Cases without an area are those that must be refused.
        let refused = match gathered {
            Err(ScoreError::NotANumber { index }) => scores[index].is_nan(),
            Err(ScoreError::Length { .. }) => false,
            Ok(gathered) => {
                matches!(
                    auc(&gathered.finish()),
                    Err(MetricError::SingleClass { .. })
                )
            }
        };
        assert!(refused, "{name} must be an error");
        return;
    };
    let ranked = gathered.expect("no NaN").finish();
    let area = auc(&ranked).expect("both classes");
    assert_close(area.value, expected, 1e-12, name);
    judge_external_metrics(case, &ranked);
    if let Some(variance) = case["delong_var"].as_f64() {
        assert_close(area.variance.expect("defined"), variance, 1e-14, name);
    }
    let interval = bounds(&area, 0.95, Tails::TwoSided, IntervalMethod::LogitNormal);
    match (interval, case["ci95_logit"].as_array()) {
        (Ok(found), Some(_)) => {
            let expected = numbers(&case["ci95_logit"]);
            assert_close(found.lower, expected[0], 1e-9, name);
            assert_close(found.upper, expected[1], 1e-9, name);
        }
        (Err(_), expected) => {
            // Ours refuses an interval of width zero.
            assert!(
                expected.is_none() || case["delong_var"].as_f64().is_none_or(|v| v == 0.0),
                "{name}"
            );
        }
        (Ok(_), None) => assert!(case["ci95_logit"].is_null(), "{name}"),
    }
}

fn judge_external_metrics(case: &Value, scores: &RankedScores) {
    let output = decide_output(OutputSetting::Auto, &scores.totals()).expect("rows");
    let width = |binning| Metric::CalibrationError { bins: 15, binning };
    let at = case["threshold"].as_f64().unwrap_or(0.5);
    for (key, metric) in [
        ("pr_auc_ap", Metric::AveragePrecision),
        ("ks", Metric::KolmogorovSmirnov),
        ("log_loss", Metric::LogLoss),
        ("brier", Metric::Brier),
        ("ece15_equal_width", width(Binning::EqualWidth)),
        ("ece15_equal_mass", width(Binning::EqualMass)),
        ("f1_ge_threshold", Metric::F1 { at }),
    ] {
        if let Some(expected) = case[key].as_f64() {
            let found = evaluate(&metric, scores, output.kind).expect("defined");
            assert_close(found, expected, 1e-9, &format!("{}: {key}", case["name"]));
        }
    }
}

fn judge_external_latency(latency: &Value) {
    for case in latency["order_stats"].as_array().expect("a list") {
        let samples = case["n"].as_u64().expect("a count");
        let quantile = case["q"].as_f64().expect("a number");
        let question = QuantileQuestion {
            quantile,
            confidence: 0.95,
        };
        assert_eq!(
            nearest_rank(samples, quantile),
            case["nearest_rank_index_1based"].as_u64(),
            "{case}"
        );
        assert_eq!(
            upper_bound_rank(samples, question),
            case["ucb95_index_1based"].as_u64(),
            "{case}"
        );
    }
    for (key, least) in latency["min_n_for_claim"].as_object().expect("an object") {
        let part = |name: &str| -> f64 {
            let assignment = key
                .split(',')
                .find_map(|part| part.strip_prefix(&format!("{name}=")));
            assignment
                .and_then(|text| text.parse().ok())
                .expect("a key such as q=0.9,c=0.95,t=0")
        };
        let question = QuantileQuestion {
            quantile: part("q"),
            confidence: part("c"),
        };
        let found = samples_minimum(question, part("t") as u64);
        assert_eq!(Some(found), least.as_u64(), "{key}");
    }
}
