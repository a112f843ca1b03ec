//! What must hold of resampled intervals.

use verdict::auc::auc;
use verdict::bootstrap::{Question, Resampling, Sample, bootstrap};
use verdict::interval::{IntervalError, Tails};
use verdict::metric::{Groups, Metric, OutputKind, evaluate};
use verdict::paired::compare;
use verdict::random::Stream;
use verdict::rows::{OrderedRows, Row, RowAccumulator};
use verdict::score::{RankedScores, ScoreAccumulator, ScoreSlice};

fn question(metric: Metric) -> Question {
    Question {
        metric,
        outputs: [OutputKind::Logits; 2],
    }
}

/// Normal scores, the positives shifted by 1.3; two scores a row that correlate.
fn drawn(seed: u64, positives: usize, negatives: usize) -> Vec<(f64, f64, bool)> {
    let mut stream = Stream::new(seed, 0, 99);
    (0..positives + negatives)
        .map(|row| {
            let label = row < positives;
            let common = stream.normal() + if label { 1.3 } else { 0.0 };
            (
                common + 0.4 * stream.normal(),
                common + 0.4 * stream.normal(),
                label,
            )
        })
        .collect()
}

fn ranked(rows: &[(f64, f64, bool)]) -> RankedScores {
    let mut gathered = ScoreAccumulator::new();
    for &(score, _, label) in rows {
        gathered
            .extend(ScoreSlice::Double(&[score]), &[label])
            .expect("no NaN");
    }
    gathered.finish()
}

fn ordered<const MODELS: usize>(
    rows: impl IntoIterator<Item = Row<MODELS>>,
) -> OrderedRows<MODELS> {
    let mut gathered = RowAccumulator::default();
    gathered.extend(rows);
    gathered.finish()
}

/// Rows under two models, without weights and clusters.
fn pairs(rows: impl IntoIterator<Item = (f64, f64, bool)>) -> OrderedRows<2> {
    let mut gathered = RowAccumulator::default();
    let rows = rows.into_iter().map(|(first, second, positive)| Row {
        scores: [first, second],
        positive,
        weight: 1.0,
        cluster: None,
    });
    gathered.extend(rows);
    gathered.finish()
}

#[test]
fn threads_and_the_order_of_rows_change_no_bit() {
    let mut rows = drawn(1, 40, 120);
    let questions = [question(Metric::Auc), question(Metric::AveragePrecision)];
    let ask = |rows: &[(f64, f64, bool)], threads| {
        let resampling = Resampling {
            replicates: 101,
            threads,
            ..Resampling::default()
        };
        bootstrap(&Sample::of_scores(&ranked(rows)), &questions, &resampling).expect("defined")
    };
    let once = ask(&rows, 1);
    rows.reverse();
    for threads in [2, 3, 64] {
        assert_eq!(ask(&rows, threads), once);
    }
    let other_seed = Resampling {
        seed: 5,
        replicates: 101,
        threads: 1,
    };
    let other =
        bootstrap(&Sample::of_scores(&ranked(&rows)), &questions, &other_seed).expect("defined");
    assert_ne!(other, once);
}

#[test]
fn the_spread_of_resampled_areas_is_that_of_delong() {
    let rows = drawn(2, 150, 600);
    let scores = ranked(&rows);
    let area = auc(&scores).expect("both classes");
    let found = bootstrap(
        &Sample::of_scores(&scores),
        &[question(Metric::Auc)],
        &Resampling::default(),
    )
    .expect("defined");
    let replicates = &found.models[0][0];
    assert!((replicates.point - area.value).abs() < 1e-12);
    let expected = area.variance.expect("rows").sqrt();
    let ratio = replicates.standard_error().expect("many") / expected;
    assert!((0.93..1.07).contains(&ratio), "{ratio}");
    let bounds = replicates.bounds(0.95, Tails::TwoSided).expect("varies");
    assert!(bounds.lower < area.value && area.value < bounds.upper);
    let one_sided = replicates.bounds(0.95, Tails::OneSided).expect("varies");
    assert!(one_sided.lower > bounds.lower && one_sided.upper < bounds.upper);
}

#[test]
fn the_spread_of_resampled_differences_is_that_of_paired_delong() {
    let scores = pairs(drawn(3, 150, 600));
    let pair = compare(&scores).expect("both classes");
    let found = bootstrap(
        &Sample::of_rows(&scores),
        &[question(Metric::Auc), question(Metric::KolmogorovSmirnov)],
        &Resampling::default(),
    )
    .expect("defined");
    let difference = &found.differences[0];
    assert!((difference.point - pair.difference).abs() < 1e-12);
    let expected = pair.variance.expect("rows").sqrt();
    let ratio = difference.standard_error().expect("many") / expected;
    assert!((0.93..1.07).contains(&ratio), "{ratio}");
    assert_eq!((found.models.len(), found.differences.len()), (2, 2));
}

#[test]
fn clusters_of_repeated_rows_widen_the_interval_as_they_should() {
    let rows = drawn(4, 60, 240);
    // Every row three times, as one customer's: no information is added.
    let repeat = |clustered: bool| {
        let rows = rows
            .iter()
            .enumerate()
            .flat_map(|(index, &(score, _, positive))| {
                std::iter::repeat_n(
                    Row {
                        scores: [score],
                        positive,
                        weight: 1.0,
                        cluster: clustered.then_some(index as u64),
                    },
                    3,
                )
            });
        let found = bootstrap(
            &Sample::of_rows(&ordered(rows)),
            &[question(Metric::Auc)],
            &Resampling::default(),
        )
        .expect("defined");
        found.models[0][0].standard_error().expect("many")
    };
    let (naive, clustered) = (repeat(false), repeat(true));
    let expected = auc(&ranked(&rows))
        .expect("both")
        .variance
        .expect("rows")
        .sqrt();
    assert!(
        (0.9..1.1).contains(&(clustered / expected)),
        "{clustered} {expected}"
    );
    assert!(
        (clustered / naive - 3f64.sqrt()).abs() < 0.15,
        "{}",
        clustered / naive
    );
}

#[test]
fn clusters_widen_the_interval_of_a_difference_too() {
    let rows = drawn(8, 60, 240);
    let spread = |times: usize, clustered: bool| {
        let rows = rows.iter().enumerate().flat_map(|(index, &row)| {
            let (first, second, positive) = row;
            std::iter::repeat_n(
                Row {
                    scores: [first, second],
                    positive,
                    weight: 1.0,
                    cluster: clustered.then_some(index as u64),
                },
                times,
            )
        });
        let found = bootstrap(
            &Sample::of_rows(&ordered(rows)),
            &[question(Metric::Auc)],
            &Resampling::default(),
        )
        .expect("defined");
        found.differences[0].standard_error().expect("many")
    };
    let (once, naive, clustered) = (spread(1, false), spread(3, false), spread(3, true));
    assert!((clustered / once - 1.0).abs() < 0.1, "{clustered} {once}");
    assert!((once / naive - 3f64.sqrt()).abs() < 0.15, "{once} {naive}");
}

#[test]
fn weights_of_rows_are_kept_in_every_replicate() {
    let rows: Vec<Row> = drawn(5, 50, 150)
        .iter()
        .enumerate()
        .map(|(index, &(score, _, positive))| Row {
            scores: [score],
            positive,
            weight: 1.0 + (index % 3) as f64,
            cluster: None,
        })
        .collect();
    let mut reversed = rows.clone();
    reversed.reverse();
    let ask = |rows: Vec<Row>| {
        bootstrap(
            &Sample::of_rows(&ordered(rows)),
            &[question(Metric::AveragePrecision)],
            &Resampling::default(),
        )
        .expect("defined")
    };
    let found = ask(rows);
    assert_eq!(found, ask(reversed));
    let bounds = found.models[0][0]
        .bounds(0.95, Tails::OneSided)
        .expect("varies");
    let point = found.models[0][0].point;
    assert!(bounds.lower < point && point < bounds.upper);
}

#[test]
fn what_does_not_vary_or_is_often_undefined_has_no_bounds() {
    let perfect: Vec<_> = (0..20)
        .map(|row| (f64::from(row), 0.0, row >= 10))
        .collect();
    let ask = |rows: &[(f64, f64, bool)], metric| {
        let sample = Sample::of_scores(&ranked(rows));
        let found = bootstrap(&sample, &[question(metric)], &Resampling::default());
        found.expect("defined").models[0][0].bounds(0.95, Tails::OneSided)
    };
    assert_eq!(ask(&perfect, Metric::Auc), Err(IntervalError::ZeroVariance));
    // One row is predicted positive; a third of all draws leave it out.
    let rare = [
        (2.0, 0.0, true),
        (-1.0, 0.0, true),
        (-1.0, 0.0, false),
        (-2.0, 0.0, false),
    ];
    assert!(matches!(
        ask(&rare, Metric::Precision { at: 0.5 }),
        Err(IntervalError::Undefined { .. })
    ));
}

/// Rows between thresholds are joined, which must not change the spread; the other questions
/// keep rows apart.
#[test]
fn metrics_at_a_threshold_are_resampled_from_their_counts() {
    let rows = drawn(9, 200, 600);
    let scores = ranked(&rows);
    let metric = Metric::Recall { at: 0.6 };
    let ask = |questions: &[Question]| {
        let sample = Sample::of_scores(&scores);
        let found = bootstrap(&sample, questions, &Resampling::default()).expect("defined");
        found.models[0][0].clone()
    };
    let joined = ask(&[question(metric), question(Metric::F1 { at: 0.4 })]);
    let apart = ask(&[question(metric), question(Metric::Auc)]);
    assert_eq!(joined.point, apart.point);
    assert_eq!(
        evaluate(&metric, &scores, OutputKind::Logits),
        Ok(joined.point)
    );
    let share = joined.point;
    let expected = (share * (1.0 - share) / 200.0).sqrt();
    for found in [joined, apart] {
        let ratio = found.standard_error().expect("many") / expected;
        assert!((0.93..1.07).contains(&ratio), "{ratio}");
    }
}

#[test]
fn a_difference_at_a_threshold_keeps_the_pairs() {
    let rows = drawn(10, 200, 600);
    let metric = Metric::Accuracy { at: 0.6 };
    let sample = Sample::of_rows(&pairs(rows));
    let ask = |questions: &[Question]| {
        let found = bootstrap(&sample, questions, &Resampling::default()).expect("defined");
        found.differences[0].clone()
    };
    let joined = ask(&[question(metric)]);
    let apart = ask(&[question(metric), question(Metric::Auc)]);
    assert_eq!(joined.point, apart.point);
    let (left, right) = (joined.standard_error(), apart.standard_error());
    let ratio = left.expect("many") / right.expect("many");
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
}

#[test]
fn joined_groups_are_centred_on_the_exact_value() {
    let rows = drawn(6, 20_000, 180_000);
    let scores = ranked(&rows);
    let metric = Metric::AveragePrecision;
    let exact = evaluate(&metric, &scores, OutputKind::Logits).expect("defined");
    let resampling = Resampling {
        replicates: 40,
        threads: 2,
        ..Resampling::default()
    };
    let sample = Sample::of_scores(&scores);
    let found = bootstrap(&sample, &[question(metric)], &resampling).expect("defined");
    let replicates = found.models[0][0].clone();
    let standard_error = replicates.standard_error().expect("many");
    let shift = replicates.point - exact;
    assert!(
        shift.abs() < 0.1 * standard_error,
        "{shift} {standard_error}"
    );
    let centred = replicates.centred_on(exact);
    let bounds = centred.bounds(0.9, Tails::TwoSided).expect("varies");
    assert!(bounds.lower < exact && exact < bounds.upper);
}

/// More rows than are drawn one by one.
const MANY: (usize, usize) = (20_000, 120_000);

fn many(seed: u64) -> Vec<(f64, f64, bool)> {
    drawn(seed, MANY.0, MANY.1)
}

fn few_replicates() -> Resampling {
    Resampling {
        replicates: 400,
        threads: 2,
        ..Resampling::default()
    }
}

/// The standard error that the contribution of each row to a mean has, class by class.
fn standard_error_of_mean(rows: &[(f64, bool)]) -> f64 {
    let of_class = |class: bool| {
        let terms = rows.iter().filter(|row| row.1 == class).map(|row| row.0);
        let count = terms.clone().count() as f64;
        let mean = terms.clone().sum::<f64>() / count;
        terms.map(|term| (term - mean).powi(2)).sum::<f64>()
    };
    (of_class(true) + of_class(false)).sqrt() / rows.len() as f64
}

#[test]
fn many_pairs_are_dealt_to_bags_with_the_spread_of_single_rows() {
    let rows = many(11);
    let pairs = pairs(rows.iter().copied());
    let compared = compare(&pairs).expect("both classes");
    let questions = [question(Metric::Auc), question(Metric::Brier)];
    let found =
        bootstrap(&Sample::of_rows(&pairs), &questions, &few_replicates()).expect("defined");
    let loss = |score: f64, label: bool| (expit(score) - f64::from(label)).powi(2);
    let losses: Vec<_> = rows
        .iter()
        .map(|&(first, second, label)| (loss(second, label) - loss(first, label), label))
        .collect();
    let exact = losses.iter().map(|loss| loss.0).sum::<f64>() / losses.len() as f64;
    for (found, point, expected) in [
        (
            &found.differences[0],
            compared.difference,
            compared.variance.expect("rows").sqrt(),
        ),
        (
            &found.differences[1],
            exact,
            standard_error_of_mean(&losses),
        ),
    ] {
        let ratio = found.standard_error().expect("many") / expected;
        assert!((0.87..1.13).contains(&ratio), "{ratio}");
        let shift = (found.point - point) / expected;
        assert!(shift.abs() < 0.25, "{shift}");
    }
    // As one model ranks them, pairs are plain rows.
    assert_eq!(pairs.area(), Ok(compared.first.value));
    assert_eq!(pairs.totals(), ranked(&rows).totals());
}

fn expit(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

#[test]
fn many_weights_are_dealt_to_bags_with_the_spread_of_single_rows() {
    let weight = |index: usize| [0.25, 1.0, 4.0][index % 3];
    let rows = many(12);
    let weighted = rows.iter().enumerate().map(|(index, row)| Row {
        scores: [row.0],
        positive: row.2,
        weight: weight(index),
        cluster: None,
    });
    let ordered = ordered(weighted);
    let sample = Sample::of_rows(&ordered);
    let found = bootstrap(&sample, &[question(Metric::Brier)], &few_replicates()).expect("defined");
    let exact = evaluate(&Metric::Brier, &ordered, OutputKind::Logits).expect("defined");
    // The linearised contribution of a row to a ratio of weighted sums.
    let mass: f64 = (0..rows.len()).map(weight).sum();
    let loss = |row: &(f64, f64, bool)| (expit(row.0) - f64::from(row.2)).powi(2);
    let by_class = |class: bool| {
        let of_class = rows.iter().enumerate().filter(|(_, row)| row.2 == class);
        let mass: f64 = of_class.clone().map(|(index, _)| weight(index)).sum();
        let mean = of_class
            .clone()
            .map(|(index, row)| weight(index) * loss(row))
            .sum::<f64>()
            / mass;
        of_class
            .map(|(index, row)| (weight(index) * (loss(row) - mean)).powi(2))
            .sum::<f64>()
    };
    let expected = (by_class(true) + by_class(false)).sqrt() / mass;
    let replicates = &found.models[0][0];
    let ratio = replicates.standard_error().expect("many") / expected;
    assert!((0.87..1.13).contains(&ratio), "{ratio}");
    assert!((replicates.point - exact).abs() < 0.25 * expected);
}

#[test]
fn clusters_keep_together_in_bags() {
    let rows = drawn(13, 8_000, 48_000);
    let repeat = |clustered: bool| {
        let rows = rows
            .iter()
            .enumerate()
            .flat_map(|(index, &(score, other, positive))| {
                // Not quite the same rows, or they would be drawn one by one.
                (0..3).map(move |time| Row {
                    scores: [score + f64::from(time) * 1e-9, other],
                    positive,
                    weight: 1.0,
                    cluster: clustered.then_some(index as u64),
                })
            });
        let sample = Sample::of_rows(&ordered(rows));
        let found = bootstrap(&sample, &[question(Metric::Auc)], &few_replicates());
        let found = found.expect("defined");
        let spread = |replicates: &verdict::bootstrap::Replicates| {
            replicates.standard_error().expect("many")
        };
        (spread(&found.models[0][0]), spread(&found.differences[0]))
    };
    let (naive, clustered) = (repeat(false), repeat(true));
    let expected = auc(&ranked(&rows)).expect("both").variance.expect("rows");
    let ratio = clustered.0 / expected.sqrt();
    assert!((0.87..1.13).contains(&ratio), "{ratio}");
    for ratio in [clustered.0 / naive.0, clustered.1 / naive.1] {
        assert!((ratio / 3f64.sqrt() - 1.0).abs() < 0.16, "{ratio}");
    }
}

#[test]
fn the_order_of_many_rows_and_threads_change_no_bit() {
    let rows = many(14);
    let row = |(index, &(score, other, positive)): (usize, &(f64, f64, bool))| Row {
        scores: [score, other],
        positive,
        weight: [0.1, 0.7][index % 2],
        cluster: None,
    };
    let ask = |sample: &Sample, threads| {
        let resampling = Resampling {
            replicates: 20,
            threads,
            ..Resampling::default()
        };
        let questions = [question(Metric::LogLoss), question(Metric::F1 { at: 0.5 })];
        bootstrap(sample, &questions, &resampling).expect("defined")
    };
    let forwards = ask(
        &Sample::of_rows(&ordered(rows.iter().enumerate().map(row))),
        1,
    );
    let backwards = rows.iter().enumerate().rev().map(row);
    assert_eq!(ask(&Sample::of_rows(&ordered(backwards)), 3), forwards);
}
