//! The results that pROC publishes for the aSAH data set (`fixtures/asah.json`).

use serde_json::Value;
use verdict::auc::auc;
use verdict::interval::{IntervalMethod, Tails, bounds};
use verdict::paired::compare;
use verdict::rows::{Row, RowAccumulator};
use verdict::score::{ScoreAccumulator, ScoreSlice};

fn column(name: &str) -> Vec<f64> {
    let fixture: Value =
        serde_json::from_str(include_str!("fixtures/asah.json")).expect("the fixture is JSON");
    let names = fixture["columns"].as_array().expect("names");
    let at = names
        .iter()
        .position(|found| found == name)
        .expect("a column");
    let rows = fixture["rows"].as_array().expect("rows");
    let values: Vec<f64> = rows
        .iter()
        .map(|row| row[at].as_f64().expect("a number"))
        .collect();
    assert_eq!(values.len(), 113);
    values
}

fn labels() -> Vec<bool> {
    let outcomes = column("poor_outcome");
    outcomes.into_iter().map(|poor| poor == 1.0).collect()
}

#[track_caller]
fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn areas_and_variances_are_those_of_proc() {
    for (name, area, variance) in [
        ("wfns", 0.823_678_861_788_618, 0.001_469_914_708_823_63),
        ("ndka", 0.611_957_994_579_946, 0.003_190_810_549_391_3),
        ("s100b", 0.731_368_563_685_637, 0.002_668_682_457_172_44),
    ] {
        let mut gathered = ScoreAccumulator::new();
        gathered
            .extend(ScoreSlice::Double(&column(name)), &labels())
            .expect("no NaN");
        let found = auc(&gathered.finish()).expect("both classes");
        assert_close(found.value, area);
        assert!((found.variance.expect("rows") - variance).abs() < 1e-15);
        if name == "ndka" {
            let found = bounds(&found, 0.95, Tails::TwoSided, IntervalMethod::Wald);
            let found = found.expect("defined");
            assert_close(found.lower, 0.501_244_999_271_703);
            assert_close(found.upper, 0.722_670_989_888_189);
        }
    }
}

#[test]
fn paired_tests_are_those_of_proc() {
    for (first, second, z, p_value, lower, upper) in [
        (
            "wfns",
            "s100b",
            2.208_983_591_440_91,
            0.027_175_782_229_188_2,
            0.010_406_176_956_484_6,
            0.174_214_419_249_478,
        ),
        (
            "wfns",
            "ndka",
            2.797_775_918_689_04,
            0.005_145_579_706_910_98,
            0.063_401_170_933_987_6,
            0.360_040_563_483_356_6,
        ),
        (
            "ndka",
            "s100b",
            -1.390_770_025_735_58,
            0.164_295_175_223_054,
            -0.287_691_744_634_191_4,
            0.048_870_606_422_809_4,
        ),
    ] {
        let mut gathered = RowAccumulator::default();
        let scores = column(first).into_iter().zip(column(second));
        gathered.extend(scores.zip(labels()).map(|((first, second), positive)| Row {
            scores: [first, second],
            positive,
            weight: 1.0,
            cluster: None,
        }));
        let found = compare(&gathered.finish()).expect("both classes");
        if (first, second) == ("wfns", "s100b") {
            let covariance = found.covariance.expect("rows");
            assert!((covariance - 0.001_196_155_673_767_54).abs() < 1e-15);
        }
        // pROC subtracts the second from the first.
        let test = found.test().expect("defined");
        assert_close(-test.z, z);
        assert!((test.p_value - p_value).abs() < 1e-9);
        let (bounds, method) = found.bounds(0.95, Tails::TwoSided).expect("defined");
        assert_eq!(method, "delong-paired");
        assert_close(-bounds.upper, lower);
        assert_close(-bounds.lower, upper);
    }
}
