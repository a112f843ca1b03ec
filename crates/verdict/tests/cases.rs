//! Two thousand random cases against scikit-learn and scipy.
//!
//! `fixtures/cases.bin` holds the expected values, made by `fixtures/make_cases.py`; the
//! inputs are drawn here as they are there.

use verdict::auc::auc;
use verdict::metric::multiclass::MulticlassAccumulator;
use verdict::metric::{
    Binning, Groups, Metric, MetricError, OutputKind, OutputSetting, decide_output, evaluate,
    evaluate_all,
};
use verdict::paired::compare;
use verdict::rows::{Row, RowAccumulator};
use verdict::score::{RankedScores, ScoreAccumulator, ScoreSlice};

const CASES: u64 = 2000;
const MULTICLASS: u64 = 300;
const VALUES: usize = 20;
const TOLERANCE: f64 = 1e-12;
const SPECIAL: [f64; 12] = [
    f64::NEG_INFINITY,
    f64::INFINITY,
    -0.0,
    0.0,
    5e-324,
    -5e-324,
    1e-310,
    -1e-310,
    1e308,
    -1e308,
    1.0,
    2.0,
];

struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * 2f64.powi(-53)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

struct Case {
    kind: u64,
    scores: Vec<f64>,
    others: Vec<f64>,
    labels: Vec<bool>,
    weights: Vec<f64>,
}

fn draw(number: u64) -> Case {
    let mut random = SplitMix(number);
    let kind = number % 5;
    let rows = 4 + random.below(120);
    let (mut scores, mut others) = (Vec::new(), Vec::new());
    let (mut labels, mut weights) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let unit = random.unit();
        scores.push(match kind {
            0 => unit,
            1 => (unit * 11.0).floor() / 10.0,
            2 => (unit * 7.0).floor() - 3.0,
            3 => 8.0 * (unit - 0.5),
            _ => SPECIAL[(unit * SPECIAL.len() as f64) as usize],
        });
        let other = 0.5 * unit + 0.5 * random.unit();
        others.push(if number % 2 == 1 {
            other
        } else {
            (other * 6.0).floor()
        });
        labels.push(row == 0 || (row > 1 && random.unit() < 0.1 + 0.7 * unit));
        weights.push(0.1 + 3.0 * random.unit());
    }
    Case {
        kind,
        scores,
        others,
        labels,
        weights,
    }
}

fn fixture() -> Vec<f64> {
    include_bytes!("fixtures/cases.bin")
        .chunks_exact(8)
        .map(|bytes| f64::from_le_bytes(bytes.try_into().expect("eight bytes")))
        .collect()
}

fn ranked(scores: &[f64], labels: &[bool]) -> RankedScores {
    let mut gathered = ScoreAccumulator::new();
    gathered
        .extend(ScoreSlice::Double(scores), labels)
        .expect("no NaN");
    gathered.finish()
}

/// NaN in the fixture is "not compared" or, where ours is an error, "undefined".
#[track_caller]
fn assert_agrees(
    found: Result<f64, MetricError>,
    expected: f64,
    tolerance: f64,
    what: impl std::fmt::Display,
) {
    match found {
        Ok(found) => assert!(
            expected.is_nan() || (found - expected).abs() <= tolerance,
            "{what}: found {found}, expected {expected}"
        ),
        Err(error) => assert!(expected.is_nan(), "{what}: {error}, expected {expected}"),
    }
}

const METRICS: [Metric; 12] = [
    Metric::AveragePrecision,
    Metric::KolmogorovSmirnov,
    Metric::RecallAtPrecision { precision: 0.6 },
    Metric::PrecisionAtRecall { recall: 0.5 },
    Metric::F1 { at: 0.5 },
    Metric::Precision { at: 0.5 },
    Metric::Recall { at: 0.5 },
    Metric::Specificity { at: 0.5 },
    Metric::Accuracy { at: 0.5 },
    Metric::LogLoss,
    Metric::Brier,
    Metric::CalibrationError {
        bins: 15,
        binning: Binning::EqualWidth,
    },
];

#[test]
fn binary_metrics_agree_with_scikit_learn() {
    let expected = fixture();
    let compared = expected.iter().filter(|value| !value.is_nan()).count();
    assert!(
        compared > 35_000,
        "the fixture compares only {compared} values"
    );
    for number in 0..CASES {
        let case = draw(number);
        let expected = &expected[number as usize * VALUES..][..VALUES];
        let scores = ranked(&case.scores, &case.labels);
        let area = auc(&scores).expect("both classes");
        let name = |metric: &str| format!("case {number}, {metric}");
        assert_agrees(Ok(area.value), expected[0], TOLERANCE, name("auc"));
        if let Some(variance) = area.variance {
            assert_agrees(Ok(variance), expected[1], 1e-14, name("variance"));
        }
        let mut pairs = RowAccumulator::default();
        pairs.extend((0..case.labels.len()).map(|row| Row {
            scores: [case.scores[row], case.others[row]],
            positive: case.labels[row],
            weight: 1.0,
            cluster: None,
        }));
        let pair = compare(&pairs.finish()).expect("both classes");
        assert_eq!(pair.first, area);
        if let Some(covariance) = pair.covariance {
            assert_agrees(Ok(covariance), expected[2], 1e-14, name("covariance"));
        }
        let setting = match case.kind {
            0 | 1 => OutputSetting::Probabilities,
            _ => OutputSetting::Logits,
        };
        let output = decide_output(setting, &scores.totals()).expect("in range");
        let all = evaluate_all(&METRICS, &scores, output.kind);
        for ((metric, found), expected) in METRICS.iter().zip(all).zip(&expected[3..15]) {
            if case.kind == 4 && metric.needs_probabilities() {
                continue;
            }
            assert_eq!(found, evaluate(metric, &scores, output.kind));
            assert_agrees(found, *expected, TOLERANCE, name(metric.name()));
        }
        let rows = case.scores.iter().zip(&case.labels).zip(&case.weights);
        let mut weighted = RowAccumulator::default();
        weighted.extend(rows.map(|((&score, &positive), &weight)| Row {
            scores: [score],
            positive,
            weight,
            cluster: None,
        }));
        let weighted = weighted.finish();
        for (metric, expected) in [
            Metric::Auc,
            Metric::AveragePrecision,
            Metric::F1 { at: 0.5 },
            Metric::LogLoss,
            Metric::Brier,
        ]
        .into_iter()
        .zip(&expected[15..])
        {
            if case.kind == 4 && metric.needs_probabilities() {
                continue;
            }
            let found = evaluate(&metric, &weighted, output.kind);
            assert_agrees(found, *expected, TOLERANCE, name(metric.name()));
        }
    }
}

#[test]
fn multiclass_metrics_agree_with_scikit_learn() {
    let expected = fixture();
    let expected = &expected[CASES as usize * VALUES..];
    assert_eq!(expected.len(), MULTICLASS as usize * 6);
    for number in 0..MULTICLASS {
        let mut random = SplitMix(1_000_000 + number);
        let classes = 3 + random.below(3);
        let rows = 12 + random.below(60);
        let (mut outputs, mut logits, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..rows {
            let mut parts: Vec<u64> = (0..classes).map(|_| 1 + random.below(9)).collect();
            let label = if row < classes {
                row % classes
            } else {
                random.below(classes)
            };
            parts[label as usize] += random.below(9);
            let sum = parts.iter().sum::<u64>() as f64;
            outputs.extend(parts.iter().map(|&part| part as f64 / sum));
            logits.extend(parts.iter().map(|&part| (part as f64).ln() + 3.0));
            labels.push(label as u32);
        }
        let gather = |output, values: &[f64]| {
            let mut gathered = MulticlassAccumulator::new(classes as usize, output);
            gathered.extend(values, &labels).expect("in range");
            gathered.finish().expect("every class")
        };
        let found = gather(OutputKind::Probabilities, &outputs);
        let expected = &expected[number as usize * 6..][..6];
        for (found, expected) in [
            Ok(found.auc_ovr_macro),
            Ok(found.auc_ovr_weighted),
            Ok(found.auc_ovo_macro),
            Ok(found.auc_ovo_weighted),
            found.log_loss,
            Ok(found.accuracy),
        ]
        .into_iter()
        .zip(expected)
        {
            assert_agrees(found, *expected, TOLERANCE, number);
        }
        // The same rows as logits: the log loss agrees; areas may differ only by ties that
        // rounding breaks.
        let from_logits = gather(OutputKind::Logits, &logits);
        assert_agrees(from_logits.log_loss, expected[4], TOLERANCE, number);
    }
}
