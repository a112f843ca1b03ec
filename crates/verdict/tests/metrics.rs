//! What must hold of every metric, whatever the numbers are.

use proptest::prelude::*;
use verdict::metric::{
    Binning, Groups, Mass, Metric, MetricError, OutputKind, OutputSetting, Totals, calibration,
    confusion, decide_output, evaluate, precision_recall_curve, roc_curve,
};
use verdict::rows::{Row, RowAccumulator};
use verdict::score::{RankedScores, ScoreAccumulator, ScoreSlice};

const ALL: [Metric; 13] = [
    Metric::Auc,
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
        bins: 7,
        binning: Binning::EqualMass,
    },
];

fn ranked(rows: &[(f64, bool)]) -> RankedScores {
    let (scores, labels): (Vec<f64>, Vec<bool>) = rows.iter().copied().unzip();
    let mut gathered = ScoreAccumulator::new();
    gathered
        .extend(ScoreSlice::Double(&scores), &labels)
        .expect("no NaN");
    gathered.finish()
}

fn rows() -> impl Strategy<Value = Vec<(f64, bool)>> {
    prop::collection::vec(
        ((-8i32..8).prop_map(|s| f64::from(s) / 2.0), any::<bool>()),
        2..80,
    )
    .prop_filter("both classes", |rows| {
        rows.iter().any(|row| row.1) && rows.iter().any(|row| !row.1)
    })
}

#[test]
fn nothing_is_not_a_number() {
    let empty = ranked(&[]);
    for metric in ALL {
        let found = evaluate(&metric, &empty, OutputKind::Logits);
        assert!(found.is_err(), "{metric}: {found:?}");
    }
    let one_class = ranked(&[(0.2, true), (0.7, true)]);
    for metric in ALL {
        match evaluate(&metric, &one_class, OutputKind::Probabilities) {
            Ok(found) => assert!(found.is_finite(), "{metric}"),
            Err(error) => assert_ne!(error, MetricError::Empty, "{metric}"),
        }
    }
    for metric in &ALL[..5] {
        assert!(evaluate(metric, &one_class, OutputKind::Probabilities).is_err());
    }
}

#[test]
fn ratios_without_a_denominator_are_named() {
    let rows = ranked(&[(0.1, true), (0.2, false)]);
    let at = |at| confusion(&rows, OutputKind::Probabilities, at).expect("rows");
    let error = at(0.9)
        .precision()
        .expect_err("nothing is predicted positive");
    assert_eq!(
        error.to_string(),
        "precision is undefined at threshold 0.9: no row is predicted positive"
    );
    assert_eq!(at(0.9).f1(), Ok(0.0));
    assert_eq!(at(0.2).precision(), Ok(0.0));
    assert!(confusion(&rows, OutputKind::Probabilities, f64::NAN).is_err());
}

#[test]
fn the_threshold_itself_is_predicted_positive() {
    let rows = ranked(&[(0.75, true), (0.5, false)]);
    let found = confusion(&rows, OutputKind::Probabilities, 0.75).expect("rows");
    assert_eq!((found.true_positive, found.true_negative), (1.0, 1.0));
}

#[test]
fn infinite_logits_rank_and_make_the_log_loss_infinite_only_on_the_wrong_side() {
    let right = ranked(&[(f64::INFINITY, true), (f64::NEG_INFINITY, false)]);
    assert_eq!(evaluate(&Metric::Auc, &right, OutputKind::Logits), Ok(1.0));
    assert_eq!(
        evaluate(&Metric::LogLoss, &right, OutputKind::Logits),
        Ok(0.0)
    );
    assert_eq!(
        evaluate(&Metric::Brier, &right, OutputKind::Logits),
        Ok(0.0)
    );
    let wrong = ranked(&[(f64::INFINITY, false), (0.0, true), (1.0, false)]);
    assert_eq!(
        evaluate(&Metric::LogLoss, &wrong, OutputKind::Logits),
        Err(MetricError::Infinite {
            metric: "log_loss",
            rows: 1
        })
    );
}

#[test]
fn huge_logits_lose_nothing() {
    let rows = ranked(&[(800.0, false), (-800.0, false), (40.0, true)]);
    let found = evaluate(&Metric::LogLoss, &rows, OutputKind::Logits).expect("finite");
    assert!((found - 800.0 / 3.0).abs() < 1e-12);
}

#[test]
fn one_output_outside_the_unit_interval_anywhere_makes_logits_of_all() {
    let totals = |minimum, maximum| Totals {
        positive: 1.0,
        negative: 1.0,
        minimum,
        maximum,
        counts: true,
    };
    let decide = |setting, minimum, maximum| {
        decide_output(setting, &totals(minimum, maximum)).map(|decision| decision.kind)
    };
    assert_eq!(
        decide(OutputSetting::Auto, 0.0, 1.0),
        Ok(OutputKind::Probabilities)
    );
    assert_eq!(
        decide(OutputSetting::Auto, -1e-9, 1.0),
        Ok(OutputKind::Logits)
    );
    assert_eq!(
        decide(OutputSetting::Auto, 0.5, 1.5),
        Ok(OutputKind::Logits)
    );
    assert_eq!(
        decide(OutputSetting::Logits, 0.5, 0.6),
        Ok(OutputKind::Logits)
    );
    assert_eq!(
        decide(OutputSetting::Probabilities, 0.5, 1.5),
        Err(MetricError::NotProbabilities {
            minimum: 0.5,
            maximum: 1.5
        })
    );
    assert_eq!(
        decide(OutputSetting::Auto, f64::NAN, f64::NAN),
        Err(MetricError::Empty)
    );
}

#[test]
fn tied_rows_are_dealt_evenly_to_bins_of_equal_mass() {
    let rows: Vec<(f64, bool)> = (0..1000).map(|row| (0.5, row % 2 == 0)).collect();
    let found = calibration(
        &ranked(&rows),
        OutputKind::Probabilities,
        Binning::EqualMass,
        15,
    )
    .expect("rows");
    assert!(found.error < 0.01, "{}", found.error);
    let masses: Vec<f64> = found.bins.iter().map(|bin| bin.mass).collect();
    assert_eq!(masses[..10], [67.0; 10]);
    assert_eq!(masses[10..], [66.0; 5]);
}

#[test]
fn bins_of_equal_width_hold_their_upper_border() {
    let rows: Vec<(f64, bool)> = (0..=10)
        .map(|tenth| (f64::from(tenth) / 10.0, true))
        .collect();
    let found = calibration(
        &ranked(&rows),
        OutputKind::Probabilities,
        Binning::EqualWidth,
        10,
    )
    .expect("rows");
    let masses: Vec<f64> = found.bins.iter().map(|bin| bin.mass).collect();
    assert_eq!(masses, [2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
}

fn masses(groups: &impl Groups) -> Vec<Mass> {
    let mut masses = Vec::new();
    groups.for_each_mass(|mass| masses.push(mass));
    masses
}

#[test]
fn curves_of_many_points_stay_within_their_bound_and_their_error() {
    let mut state = 7u32;
    let rows: Vec<(f64, bool)> = (0..50_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let unit = f64::from(state >> 8) / f64::from(1 << 24);
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (
                unit,
                f64::from(state >> 8) / f64::from(1 << 24) < unit * 0.2,
            )
        })
        .collect();
    let scores = ranked(&rows);
    let full = roc_curve(&scores, 1_000_000).expect("both classes");
    for (curve, whole) in [
        (roc_curve(&scores, 200), Some(full)),
        (precision_recall_curve(&scores, 200), None),
    ] {
        let curve = curve.expect("both classes");
        assert!(curve.points.len() <= 200, "{}", curve.points.len());
        assert!(curve.points.windows(2).all(|pair| pair[0].x <= pair[1].x));
        assert!((curve.points.last().expect("points").x - 1.0).abs() < 1e-12);
        assert!(curve.error < 0.5, "{}", curve.error);
        let Some(whole) = whole else { continue };
        assert!(curve.error < 0.03, "{}", curve.error);
        for vertex in whole.points {
            let after = curve.points.partition_point(|point| point.x < vertex.x);
            let (low, high) = (&curve.points[after.max(1) - 1], &curve.points[after]);
            let span = (high.x - low.x).max(1e-12);
            let height = low.y + (high.y - low.y) * ((vertex.x - low.x) / span).min(1.0);
            // A vertical step holds every height between its ends.
            let within = (low.y.min(height)..=high.y.max(height)).contains(&vertex.y);
            assert!(within || (height - vertex.y).abs() <= curve.error + 1e-9);
        }
    }
}

proptest! {
    #[test]
    fn every_metric_is_a_number_in_its_range_or_an_error(rows in rows()) {
        let scores = ranked(&rows);
        for metric in ALL {
            if let Ok(found) = evaluate(&metric, &scores, OutputKind::Logits) {
                prop_assert!(found >= 0.0 && found.is_finite(), "{}: {}", metric, found);
                prop_assert!(!metric.is_share() || found <= 1.0, "{}: {}", metric, found);
            }
        }
    }

    #[test]
    fn any_order_of_rows_gives_the_same_bits(rows in rows(), turn in 0usize..80) {
        let mut turned = rows.clone();
        turned.reverse();
        let middle = turn % rows.len();
        turned.rotate_left(middle);
        let (left, right) = (ranked(&rows), ranked(&turned));
        for metric in ALL {
            prop_assert_eq!(
                evaluate(&metric, &left, OutputKind::Logits),
                evaluate(&metric, &right, OutputKind::Logits)
            );
        }
    }

    #[test]
    fn an_increasing_map_changes_no_metric_of_ranks(rows in rows()) {
        let mapped: Vec<_> = rows.iter().map(|(s, l)| ((s * 0.3).exp() - 4.0, *l)).collect();
        let (left, right) = (ranked(&rows), ranked(&mapped));
        for metric in ALL.iter().filter(|metric| !metric.needs_probabilities()) {
            prop_assert_eq!(
                evaluate(metric, &left, OutputKind::Logits),
                evaluate(metric, &right, OutputKind::Logits)
            );
        }
    }

    #[test]
    fn weights_of_one_count_rows_and_whole_weights_repeat_them(
        rows in rows(),
        weights in prop::collection::vec(0u8..4, 80),
    ) {
        let gather = |weights: &[f64]| {
            let rows = rows.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
            let mut gathered = RowAccumulator::default();
            gathered.extend(rows.map(|(&(score, positive), &weight)| Row {
                scores: [score],
                positive,
                weight,
                cluster: None,
            }));
            gathered.finish()
        };
        let repeated: Vec<_> = rows.iter().zip(&weights)
            .flat_map(|(row, &times)| std::iter::repeat_n(*row, usize::from(times)))
            .collect();
        let weights: Vec<f64> = weights.iter().take(rows.len()).map(|&w| f64::from(w)).collect();
        for (weighted, plain) in [
            (gather(&vec![1.0; rows.len()]), ranked(&rows)),
            (gather(&weights), ranked(&repeated)),
        ] {
            prop_assert_eq!(masses(&weighted), masses(&plain));
            for metric in ALL.iter().filter(|m| !matches!(m, Metric::CalibrationError { .. })) {
                let pair = (
                    evaluate(metric, &weighted, OutputKind::Logits),
                    evaluate(metric, &plain, OutputKind::Logits),
                );
                match pair {
                    (Ok(left), Ok(right)) => prop_assert!((left - right).abs() < 1e-12),
                    (left, right) => prop_assert_eq!(left, right),
                }
            }
        }
        prop_assert!(gather(&weights).totals().mass() >= 0.0);
    }
}
