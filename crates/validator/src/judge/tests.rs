use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use verdict::report::{Check, Outcome};

use super::*;
use crate::gate::file::OutputMeaning;
use crate::settings::{Given, MetricCheck, Request, Settings};

fn checks(text: &str) -> Vec<MetricCheck> {
    settings(&format!("latency: []\nchecks: {text}")).checks
}

fn settings(text: &str) -> Settings {
    let given = |text: &str| {
        Some(Given {
            text: text.to_owned(),
            source: verdict::report::ConfigurationSource::Flag,
            name: "flag".to_owned(),
        })
    };
    let request = Request {
        model: given("model.pt"),
        dataset: given("data"),
        ..Request::default()
    };
    let text = format!("apiVersion: validator/v1\nkind: ModelGate\n{text}");
    let file = crate::gate::parse("gate.yaml", &text, &|_| None).expect("a gate file");
    Settings::resolve(&request, Some(&file)).expect("makes sense")
}

/// Rows whose scores are made by a fixed rule: positives lie higher, more so where `gap` is
/// larger.
fn scores(rows: usize, gap: f64) -> (Vec<f64>, Vec<bool>) {
    let labels: Vec<bool> = (0..rows).map(|row| row % 4 == 0).collect();
    let scores = labels.iter().enumerate().map(|(row, &label)| {
        let noise = (row * 7919 % 997) as f64 / 997.0;
        noise + if label { gap } else { 0.0 }
    });
    (scores.collect(), labels)
}

fn gathered(
    plan: GatherPlan,
    (scores, labels): &(Vec<f64>, Vec<bool>),
    champion: Option<&[f64]>,
    along: &[(String, ArrayRef)],
) -> Result<Gathered, GatherError> {
    let mut gatherer = Gatherer::new(plan);
    gatherer.take(ScoredRows {
        scores,
        exact_in_f32: false,
        champion,
        labels,
        along,
    })?;
    gatherer.finish()
}

fn along(name: &str, array: impl arrow::array::Array + 'static) -> (String, ArrayRef) {
    (name.to_owned(), Arc::new(array))
}

fn judged(gathered: &Gathered, checks: &[MetricCheck]) -> (Vec<Check>, Vec<String>) {
    let judged = judge(gathered, 0, OutputMeaning::Logits, checks).expect("judges");
    (judged.checks, judged.warnings)
}

#[test]
fn every_metric_has_a_value_and_bounds_around_it() {
    let checks = checks(
        "[{metric: auc, min: 0.5}, {metric: pr_auc, min: 0.1}, {metric: f1, at: 0.6, min: 0.1}, \
          {metric: precision, at: 0.6, min: 0.1}, {metric: recall, at: 0.6, min: 0.1}, \
          {metric: specificity, at: 0.6, min: 0.1}, {metric: accuracy, at: 0.6, min: 0.1}, \
          {metric: recall_at_precision, at: 0.6, min: 0.1}, {metric: precision_at_recall, at: 0.6, min: 0.1}, \
          {metric: log_loss, max: 5}, {metric: brier, max: 1}, {metric: ece, max: 1}, \
          {metric: ece_equal_mass, max: 1}, {metric: ks, min: 0.1}]",
    );
    let gathered = gathered(GatherPlan::default(), &scores(2000, 0.4), None, &[]).expect("gathers");
    let (judged, _) = judged(&gathered, &checks);
    assert_eq!(judged.len(), 14);
    for check in &judged {
        let (value, lower, upper) = (check.value, check.lower_bound, check.upper_bound);
        assert_eq!(check.outcome, Outcome::Pass, "{check:?}");
        assert!(
            lower.is_some() && lower <= value && value <= upper,
            "{check:?}"
        );
        assert_eq!(check.samples, 2000);
    }
}

#[test]
fn a_slice_that_falls_off_fails_alone_and_small_ones_are_told() {
    let checks = checks("[{metric: auc, min: 0.7, slice: {by: country, min_rows: 200}}]");
    let (mut values, labels) = scores(3000, 0.5);
    let countries: Vec<Option<&str>> = (0..3000)
        .map(|row| match row {
            0..1000 => Some("DE"),
            1000..2000 => Some("FR"),
            2000..2990 => None,
            _ => Some("LI"),
        })
        .collect();
    // In FR the model is turned round.
    values[1000..2000]
        .iter_mut()
        .for_each(|value| *value = -*value);
    let plan = GatherPlan {
        slices: vec![("country".to_owned(), vec![])],
        ..GatherPlan::default()
    };
    let country = along("country", StringArray::from(countries));
    let gathered = gathered(plan, &(values, labels), None, &[country]).expect("gathers");
    let (judged, warnings) = judged(&gathered, &checks);
    let found: Vec<_> = judged
        .iter()
        .map(|check| (check.slice.as_deref().unwrap_or_default(), check.outcome))
        .collect();
    assert_eq!(
        found,
        [
            ("country=DE", Outcome::Pass),
            ("country=FR", Outcome::Fail),
            ("country=null", Outcome::Pass),
        ]
    );
    assert!(judged.iter().all(|check| check.metric == "auc_by_country"));
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("country=LI (10 rows")),
        "{warnings:?}"
    );
}

#[test]
fn a_check_whose_every_slice_is_too_small_is_no_pass() {
    let checks =
        checks("[{metric: auc, min: 0.1, on_inconclusive: pass, slice: {by: c, min_rows: 5000}}]");
    let plan = GatherPlan {
        slices: vec![("c".to_owned(), vec![])],
        ..GatherPlan::default()
    };
    let column = along("c", Int64Array::from(vec![1; 1000]));
    let gathered = gathered(plan, &scores(1000, 0.5), None, &[column]).expect("gathers");
    let (judged, _) = judged(&gathered, &checks);
    assert_eq!(
        (judged.len(), judged[0].outcome),
        (1, Outcome::Inconclusive)
    );
}

#[test]
fn edges_cut_a_numeric_column_and_a_part_holds_its_lower_edge() {
    let plan = GatherPlan {
        slices: vec![("amount".to_owned(), vec![10.0, 20.0])],
        ..GatherPlan::default()
    };
    let amounts = (0..400).map(|row| match row % 4 {
        0 => Some(9.5),
        1 => Some(10.0),
        2 => Some(20.0),
        _ => None,
    });
    let amount = along("amount", amounts.collect::<Float64Array>());
    let rows = (vec![0.5; 400], (0..400).map(|row| row % 8 < 4).collect());
    let gathered = gathered(plan, &rows, None, &[amount]).expect("gathers");
    let names: Vec<_> = gathered.slices[0]
        .1
        .iter()
        .map(|part| part.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["amount<10", "10<=amount<20", "amount>=20", "amount=missing"]
    );
}

#[test]
fn a_champion_is_compared_on_the_same_rows_and_in_slices() {
    let settings = settings(
        "champion: {model: old.pt}\nlatency: []\nchecks: [\
         {metric: auc, non_inferiority_margin: 0.01}, \
         {metric: auc, min_change: 0.05, decide_on: lower_bound, name: better}, \
         {metric: brier, non_inferiority_margin: 0.2}, \
         {metric: auc, non_inferiority_margin: 0.01, slice: {by: c}}]",
    );
    let plan = GatherPlan::of(&settings);
    assert!(plan.with_champion);
    let model = scores(3000, 0.5);
    let (champion, _) = scores(3000, 0.45);
    let column = along(
        "c",
        Int64Array::from_iter_values((0..3000).map(|row| row / 4 % 2)),
    );
    let gathered = gathered(plan, &model, Some(&champion), &[column]).expect("gathers");
    let (judged, _) = judged(&gathered, &settings.checks);
    let of = |name: &str| {
        judged
            .iter()
            .filter(|check| check.metric == name)
            .collect::<Vec<_>>()
    };
    let margin = of("auc_vs_champion")[0];
    assert_eq!(
        (margin.outcome, margin.minimum),
        (Outcome::Pass, Some(-0.01))
    );
    assert_eq!(margin.compared_with.as_deref(), Some("champion"));
    assert_eq!(margin.method.as_deref(), Some("delong-paired"));
    assert_eq!(of("better")[0].outcome, Outcome::Fail, "{:?}", of("better"));
    assert_eq!(of("brier_vs_champion")[0].outcome, Outcome::Pass);
    assert_eq!(of("auc_vs_champion_by_c").len(), 2);
}

#[test]
fn a_model_compared_with_itself_is_not_inferior_and_not_better() {
    let settings = settings(
        "champion: {model: old.pt}\nlatency: []\nchecks: [\
         {metric: auc, non_inferiority_margin: 0}, \
         {metric: brier, non_inferiority_margin: 0}, \
         {metric: auc, min_change: 0.001, decide_on: lower_bound, name: better}]",
    );
    let model = scores(1000, 0.5);
    let gathered =
        gathered(GatherPlan::of(&settings), &model, Some(&model.0), &[]).expect("gathers");
    let (judged, _) = judged(&gathered, &settings.checks);
    let outcomes: Vec<_> = judged.iter().map(|check| check.outcome).collect();
    assert_eq!(outcomes, [Outcome::Pass, Outcome::Pass, Outcome::Fail]);
}

#[test]
fn groups_of_equal_rows_widen_the_interval() {
    let checks = checks("[{metric: auc, min: 0.5, decide_on: lower_bound}]");
    let rows = scores(200, 0.3);
    let repeated = |values: &[f64]| {
        values
            .iter()
            .flat_map(|value| [*value; 5])
            .collect::<Vec<_>>()
    };
    let labels: Vec<bool> = rows.1.iter().flat_map(|label| [*label; 5]).collect();
    let many = (repeated(&rows.0), labels);
    let plain = gathered(GatherPlan::default(), &many, None, &[]).expect("gathers");
    let plan = GatherPlan {
        group: Some("customer".to_owned()),
        ..GatherPlan::default()
    };
    let customer = along(
        "customer",
        Int64Array::from_iter_values((0..1000).map(|row| row / 5)),
    );
    let grouped = gathered(plan, &many, None, &[customer]).expect("gathers");
    let width = |gathered: &Gathered| {
        let check = &judged(gathered, &checks).0[0];
        check.upper_bound.expect("a bound") - check.lower_bound.expect("a bound")
    };
    let (alone, together) = (width(&plain), width(&grouped));
    assert!(together > 1.7 * alone, "{alone} and {together}");
}

#[test]
fn weights_count_rows_several_times() {
    let checks = checks("[{metric: auc, min: 0.1}, {metric: f1, at: 0.6, min: 0}]");
    let rows = scores(300, 0.3);
    let plan = GatherPlan {
        weight: Some("w".to_owned()),
        ..GatherPlan::default()
    };
    let weights: Vec<f64> = (0..300).map(|row| f64::from(1 + row % 3)).collect();
    let column = along("w", Float64Array::from(weights.clone()));
    let weighted = gathered(plan, &rows, None, &[column]).expect("gathers");
    let times = |row: usize| weights[row] as usize;
    let repeated = (
        (0..300)
            .flat_map(|row| vec![rows.0[row]; times(row)])
            .collect(),
        (0..300)
            .flat_map(|row| vec![rows.1[row]; times(row)])
            .collect(),
    );
    let plain = gathered(GatherPlan::default(), &repeated, None, &[]).expect("gathers");
    for (left, right) in judged(&weighted, &checks)
        .0
        .iter()
        .zip(judged(&plain, &checks).0)
    {
        let (left, right) = (left.value.expect("defined"), right.value.expect("defined"));
        assert!((left - right).abs() < 1e-12, "{left} and {right}");
    }
}

#[test]
fn rows_that_cannot_be_gathered_are_refused() {
    let rows = scores(4, 0.5);
    let take = |plan: GatherPlan, column| gathered(plan, &rows, None, &[column]).map(|_| ());
    let named = |name: &str| Some(name.to_owned());
    let by_weight = || GatherPlan {
        weight: named("w"),
        ..GatherPlan::default()
    };
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let found = take(
            by_weight(),
            along("w", Float64Array::from(vec![1.0, bad, 1.0, 1.0])),
        );
        assert!(
            matches!(found, Err(GatherError::Weight { row: 1, .. })),
            "{found:?}"
        );
    }
    let by_id = GatherPlan {
        id: named("i"),
        ..GatherPlan::default()
    };
    let found = take(by_id, along("i", Int64Array::from(vec![1, 2, 2, 3])));
    assert_eq!(
        found,
        Err(GatherError::Duplicates {
            column: "i".to_owned(),
            count: 1
        })
    );
    let by_group = GatherPlan {
        group: named("g"),
        ..GatherPlan::default()
    };
    let found = take(
        by_group,
        along("g", StringArray::from(vec![Some("a"), None, None, None])),
    );
    assert!(
        matches!(found, Err(GatherError::Null { row: 1, .. })),
        "{found:?}"
    );
    let many = scores(300, 0.5);
    let by_value = GatherPlan {
        slices: vec![("s".to_owned(), vec![])],
        ..GatherPlan::default()
    };
    let column = along("s", Int64Array::from_iter_values(0..300));
    let found = gathered(by_value, &many, None, &[column]).map(|_| ());
    assert!(
        matches!(found, Err(GatherError::TooManyParts { .. })),
        "{found:?}"
    );
}

#[test]
fn a_plan_says_how_much_each_check_needs() {
    let settings = settings(
        "champion: {model: old.pt}\nchecks: [\
         {metric: auc, min: 0.9}, \
         {metric: auc, min: 0.9, decide_on: lower_bound, name: proven}, \
         {metric: recall, at: 0.5, min: 0.7, decide_on: lower_bound}, \
         {metric: f1, at: 0.5, min: 0.7, decide_on: lower_bound}, \
         {metric: auc, non_inferiority_margin: 0.01}]",
    );
    let needs = plan(&settings, Expected::default());
    let of = |name: &str| {
        let need = needs
            .iter()
            .find(|need| need.check == name)
            .expect("planned");
        *need.amount.as_ref().expect("decidable")
    };
    assert_eq!(of("auc"), Amount::Any);
    let Amount::Rows(proven) = of("proven") else {
        panic!("rows");
    };
    assert!((100..5000).contains(&proven.positives), "{proven:?}");
    assert!(matches!(of("recall@0.5"), Amount::Counted(rows) if rows > 1000));
    assert_eq!(of("f1@0.5"), Amount::Unknown);
    assert!(matches!(of("auc_vs_champion"), Amount::Rows(_)));
    assert_eq!(
        of("latency_ms_p99"),
        Amount::Calls {
            calls: 299,
            exceeding: 0
        }
    );
    let senseless = Expected {
        power: 1.5,
        ..Expected::default()
    };
    assert!(
        plan(&settings, senseless)
            .iter()
            .any(|need| need.amount.is_err())
    );
}

#[test]
fn groups_widen_the_change_from_a_champion_too() {
    let text = "champion: {model: old.pt}\nlatency: []\nchecks: [{metric: auc, non_inferiority_margin: 0.1}]";
    let settings = settings(text);
    let (rows, champion) = (scores(200, 0.3), scores(200, 0.25).0);
    let five = |values: &[f64]| {
        values
            .iter()
            .flat_map(|value| [*value; 5])
            .collect::<Vec<_>>()
    };
    let labels: Vec<bool> = rows.1.iter().flat_map(|label| [*label; 5]).collect();
    // The champion ranks some rows otherwise.
    let champion: Vec<f64> = champion
        .iter()
        .enumerate()
        .map(|(row, score)| score + if row % 7 == 0 { 0.2 } else { 0.0 })
        .collect();
    let (many, champion) = ((five(&rows.0), labels), five(&champion));
    let plan = GatherPlan::of(&settings);
    let plain = gathered(plan.clone(), &many, Some(&champion), &[]).expect("gathers");
    let grouped = GatherPlan {
        group: Some("customer".to_owned()),
        ..plan
    };
    let customer = along(
        "customer",
        Int64Array::from_iter_values((0..1000).map(|row| row / 5)),
    );
    let grouped = gathered(grouped, &many, Some(&champion), &[customer]).expect("gathers");
    let of = |gathered: &Gathered| judged(gathered, &settings.checks).0.remove(0);
    let (alone, together) = (of(&plain), of(&grouped));
    let width =
        |check: &Check| check.upper_bound.expect("a bound") - check.lower_bound.expect("a bound");
    assert!((alone.value.expect("defined") - together.value.expect("defined")).abs() < 1e-9);
    assert!(
        width(&together) > 1.7 * width(&alone),
        "{alone:?} {together:?}"
    );
}

/// Takes rows of two cuts, with weights, groups, names and a champion's outputs, in batches.
fn take_rows(gatherer: &mut Gatherer, rows: usize, with_champion: bool, batch: usize) {
    let (scores, labels) = scores(rows, 0.4);
    let champion: Vec<f64> = (scores.iter().enumerate())
        .map(|(row, score)| score + (row % 7) as f64 / 10.0)
        .collect();
    for start in (0..rows).step_by(batch) {
        let here = start..rows.min(start + batch);
        let texts = |of: fn(usize) -> String| StringArray::from_iter_values(here.clone().map(of));
        let numbers = |of: fn(usize) -> f64| Float64Array::from_iter_values(here.clone().map(of));
        gatherer
            .take(ScoredRows {
                scores: &scores[here.clone()],
                exact_in_f32: false,
                champion: with_champion.then_some(&champion[here.clone()]),
                labels: &labels[here.clone()],
                along: &[
                    along("country", texts(|row| format!("c{}", row % 3))),
                    along("amount", numbers(|row| (row % 100) as f64)),
                    along("w", numbers(|row| [0.5, 1.0, 3.1][row % 3])),
                    along("customer", texts(|row| format!("customer {}", row % 211))),
                    along("id", texts(|row| row.to_string())),
                ],
            })
            .expect("takes");
    }
}

/// Gathers rows in small batches, spilled to disk after so many scores.
fn spilled(plan: &GatherPlan, rows: usize, beyond: u64) -> Gatherer {
    let mut gatherer = Gatherer::new(plan.clone()).spilling_beyond(beyond);
    take_rows(&mut gatherer, rows, plan.with_champion, 64);
    gatherer
}

fn of_two_cuts(weight: Option<&str>) -> (Vec<MetricCheck>, GatherPlan) {
    let checks = checks(
        "[{metric: auc, min: 0.5}, {metric: f1, at: 0.6, min: 0.1, decide_on: lower_bound}, \
          {metric: log_loss, max: 5}, {metric: auc, min: 0.5, slice: {by: country}}, \
          {metric: recall, at: 0.6, min: 0.1, slice: {by: amount, edges: [30, 60]}}]",
    );
    let plan = GatherPlan {
        slices: vec![
            ("country".to_owned(), vec![]),
            ("amount".to_owned(), vec![30.0, 60.0]),
        ],
        weight: weight.map(str::to_owned),
        ..GatherPlan::default()
    };
    (checks, plan)
}

#[test]
fn rows_that_were_spilled_to_disk_give_the_same_bits() {
    let (checks_of_all, plain) = of_two_cuts(None);
    let name = |column: &str| Some(column.to_owned());
    let plans = [
        plain.clone(),
        GatherPlan {
            weight: name("w"),
            ..plain.clone()
        },
        GatherPlan {
            group: name("customer"),
            id: name("id"),
            ..plain.clone()
        },
        GatherPlan {
            with_champion: true,
            ..plain.clone()
        },
        GatherPlan {
            with_champion: true,
            weight: name("w"),
            group: name("customer"),
            ..plain
        },
    ];
    for plan in plans {
        let mut checks = checks_of_all.clone();
        if plan.with_champion {
            checks.extend(
                settings(
                    "champion: {model: old.pt}\nlatency: []\nchecks: [\
                     {metric: auc, non_inferiority_margin: 0.1}, \
                     {metric: brier, non_inferiority_margin: 0.1}, \
                     {metric: auc, non_inferiority_margin: 0.1, slice: {by: country}}]",
                )
                .checks,
            );
        }
        let in_memory = spilled(&plan, 3000, u64::MAX).finish().expect("gathers");
        let expected = judge(&in_memory, 0, OutputMeaning::Logits, &checks).expect("judges");
        for beyond in [0, 100, 5000] {
            let on_disk = spilled(&plan, 3000, beyond).finish().expect("gathers");
            let found = judge(&on_disk, 0, OutputMeaning::Logits, &checks).expect("judges");
            assert_eq!(found.checks, expected.checks, "{plan:?} beyond {beyond}");
            assert_eq!(found.section, expected.section, "{plan:?} beyond {beyond}");
            assert_eq!(found.curves, expected.curves, "{plan:?} beyond {beyond}");
        }
    }
}

#[test]
fn runs_of_several_gatherers_merge_to_the_rows_of_one() {
    for weight in [None, Some("w")] {
        let (checks, plan) = of_two_cuts(weight);
        // Twice the same rows: every count doubles, and every group exists in both.
        let both = || {
            let runs = [spilled(&plan, 1000, 70), spilled(&plan, 1000, u64::MAX)];
            runs.into_iter()
                .flat_map(|gatherer| gatherer.into_runs().expect("runs"))
                .collect()
        };
        let merged = Gathered::of_runs(&plan, both()).expect("merges");
        let mut one = spilled(&plan, 1000, u64::MAX);
        take_rows(&mut one, 1000, false, 1000);
        let expected = judge(
            &one.finish().expect("gathers"),
            0,
            OutputMeaning::Logits,
            &checks,
        )
        .expect("judges");
        let found = judge(&merged, 0, OutputMeaning::Logits, &checks).expect("judges");
        assert_eq!(found.checks, expected.checks, "weight {weight:?}");
        assert_eq!(found.section, expected.section);
        assert_eq!(found.curves, expected.curves);
    }
}
