use super::*;
use crate::dataset::NullPolicy;

fn given(name: &str, text: &str) -> Option<Given> {
    Some(Given {
        text: text.to_owned(),
        source: ConfigurationSource::Environment,
        name: name.to_owned(),
    })
}

fn request() -> Request {
    Request {
        model: given("MODEL_PATH", "s3://models/model.pt"),
        dataset: given("VALIDATION_DATASET", "/data"),
        ..Request::default()
    }
}

#[test]
fn two_places_suffice_and_defaults_are_those_of_the_chart() {
    let settings = Settings::resolve(&request(), None).expect("makes sense");
    assert_eq!(settings.checks[0].bar, Bar::Min(0.90));
    assert_eq!(settings.latency[0].max_ms, 200.0);
    assert_eq!(settings.selection.label, "label");
    let entry = &settings.effective["minimum_auc"];
    assert_eq!(entry.source, ConfigurationSource::Default);
    assert_eq!(
        settings.effective["model"].source,
        ConfigurationSource::Environment
    );
}

#[test]
fn a_threshold_that_is_none_is_refused_under_its_own_name() {
    let request = Request {
        minimum_auc: given("MINIMUM_AUC", "nan"),
        ..request()
    };
    let error = Settings::resolve(&request, None).expect_err("NaN");
    assert!(
        error.to_string().contains("`MINIMUM_AUC` is `nan`"),
        "{error}"
    );
    assert!(error.to_string().contains("such as 0.92"), "{error}");
    assert_eq!(error.hint(), None, "what is expected is said once");
}

#[test]
fn places_counts_and_lists_that_make_no_sense_are_refused() {
    for broken in [
        Request {
            model: None,
            ..request()
        },
        Request {
            dataset: None,
            ..request()
        },
        Request {
            model: given("MODEL_PATH", ""),
            ..request()
        },
        Request {
            dataset: given("--dataset", "gs://b/k"),
            ..request()
        },
        Request {
            threads: given("--threads", "0"),
            ..request()
        },
        Request {
            time_budget: given("--time-budget", "soon"),
            ..request()
        },
        Request {
            label: given("--label", " "),
            ..request()
        },
        Request {
            features: given("--features", "a,,b"),
            ..request()
        },
        Request {
            features: given("--features", "a"),
            ignore_columns: given("--ignore-columns", "b"),
            ..request()
        },
    ] {
        assert!(Settings::resolve(&broken, None).is_err(), "{broken:?}");
    }
}

fn file(text: &str) -> GateFile {
    let text = format!("apiVersion: validator/v1\nkind: ModelGate\n{text}");
    crate::gate::parse("gate.yaml", &text, &|_| None).expect("a gate file")
}

fn resolved(text: &str) -> Result<Settings, SettingsError> {
    Settings::resolve(&request(), Some(&file(text)))
}

#[test]
fn flags_and_variables_win_over_the_file_and_the_file_over_defaults() {
    let gate = file(
        "model: {path: /file/model.pt, threads: 3}\ndataset: {uri: /file/data, label: is_fraud}",
    );
    let settings = Settings::resolve(&Request::default(), Some(&gate)).expect("makes sense");
    assert_eq!(settings.model.to_string(), "/file/model.pt");
    assert_eq!(
        (settings.threads, settings.selection.label.as_str()),
        (3, "is_fraud")
    );
    assert_eq!(
        settings.effective["label"].source,
        ConfigurationSource::File
    );
    let request = Request {
        label: given("VALIDATOR_LABEL", "y"),
        threads: given("--threads", "1"),
        ..request()
    };
    let settings = Settings::resolve(&request, Some(&gate)).expect("makes sense");
    assert_eq!(settings.model.to_string(), "s3://models/model.pt");
    assert_eq!(
        (settings.threads, settings.selection.label.as_str()),
        (1, "y")
    );
    assert_eq!(
        settings.effective["label"].source,
        ConfigurationSource::Environment
    );
}

#[test]
fn rows_with_nulls_are_refused_unless_somebody_says_drop() {
    let policy = |text: &str, given: Option<Given>| {
        let request = Request {
            nulls: given,
            ..request()
        };
        Settings::resolve(&request, Some(&file(text)))
    };
    let settings = policy("", None).expect("makes sense");
    assert_eq!(settings.selection.nulls, NullPolicy::Refuse);
    assert!(
        !settings.effective.contains_key("nulls"),
        "gates without a word on nulls keep their digest"
    );
    let in_file = "dataset: {nulls: drop, weight: w, group: g, expect: {max_null_fraction: 0.01}}
checks: [{metric: auc, min: 0.5, slice: {by: country}}]";
    let settings = policy(in_file, None).expect("makes sense");
    assert_eq!(settings.selection.nulls, NullPolicy::Drop);
    assert_eq!(settings.selection.needed, ["w", "g"]);
    assert_eq!(settings.selection.along, ["country", "g", "w"]);
    assert_eq!(settings.data.expect.max_null_fraction, Some(0.01));
    assert_eq!(
        settings.effective["nulls"].source,
        ConfigurationSource::File
    );
    let refused = policy(in_file, given("VALIDATOR_NULLS", "refuse")).expect_err("no bound");
    assert!(
        refused.to_string().contains("the first null ends the run"),
        "{refused}"
    );
    let unbounded = in_file.replace("0.01", "0");
    let settings = policy(&unbounded, given("--nulls", "refuse")).expect("says the same twice");
    assert_eq!(settings.selection.nulls, NullPolicy::Refuse);
    let wrong = policy("", given("--nulls", "skip")).expect_err("no policy");
    assert!(
        wrong.to_string().contains("expected `refuse` or `drop`"),
        "{wrong}"
    );
}

#[test]
fn a_file_without_checks_asks_for_what_the_variables_do() {
    let settings = resolved("").expect("makes sense");
    assert_eq!(settings.checks.len(), 1);
    assert_eq!(settings.checks[0].bar, Bar::Min(0.9));
    assert_eq!(settings.latency[0].name, "latency_ms_p99");
    let none = resolved("checks: []\nlatency: []").expect_err("asks for nothing");
    assert!(none.to_string().contains("nothing is asked"), "{none}");
}

#[test]
fn the_variable_means_the_check_on_auc_over_the_whole_dataset() {
    let with_minimum = || Request {
        minimum_auc: given("MINIMUM_AUC", "0.95"),
        ..request()
    };
    let gate = file(
        "checks: [{metric: f1, at: 0.5, min: 0.6}, {metric: auc, min: 0.8, slice: {by: c}}, {metric: auc, min: 0.9}]",
    );
    let settings = Settings::resolve(&with_minimum(), Some(&gate)).expect("one is meant");
    let bars: Vec<_> = settings.checks.iter().map(|check| check.bar).collect();
    assert_eq!(bars, [Bar::Min(0.6), Bar::Min(0.8), Bar::Min(0.95)]);
    assert_eq!(
        settings.effective["minimum_auc"].source,
        ConfigurationSource::Environment
    );
    let gate = file("checks: [{metric: f1, at: 0.5, min: 0.6}]");
    let settings = Settings::resolve(&with_minimum(), Some(&gate)).expect("one is added");
    assert_eq!(settings.checks[0].name, "auc");
    let gate = file("checks: [{metric: auc, min: 0.9}, {metric: auc, min: 0.8, name: floor}]");
    let error = Settings::resolve(&with_minimum(), Some(&gate)).expect_err("which one?");
    assert!(error.to_string().contains("MINIMUM_AUC is set"), "{error}");
    assert!(Settings::resolve(&request(), Some(&gate)).is_ok());
}

#[test]
fn checks_that_make_no_sense_are_refused_by_their_place() {
    for (text, expected) in [
        (
            "checks: [{metric: auc}]",
            "`checks[0]` of the gate file: there is no limit",
        ),
        (
            "checks: [{metric: auc, min: 0.9, max: 1}]",
            "`min` and `max` stand together",
        ),
        (
            "checks: [{metric: auc, min: 92}]",
            "`min` is 92; expected a number from 0 to 1",
        ),
        ("checks: [{metric: f1, min: 0.5}]", "`f1` needs `at`"),
        ("checks: [{metric: f1, at: 1, min: 0.5}]", "`at` is 1"),
        (
            "checks: [{metric: auc, at: 0.5, min: 0.5}]",
            "`auc` takes no `at`",
        ),
        (
            "checks: [{metric: auc, bins: 5, min: 0.5}]",
            "`auc` takes no `bins`",
        ),
        ("checks: [{metric: ece, bins: 0, max: 0.5}]", "`bins` is 0"),
        ("checks: [{metric: log_loss, max: -1}]", "at least 0"),
        (
            "checks: [{metric: auc, min: 0.9, confidence: 95}]",
            "`confidence` is 95",
        ),
        (
            "checks: [{metric: auc, min: 0.9}, {metric: auc, min: 0.8}]",
            "two checks are called `auc`",
        ),
        (
            "checks: [{metric: auc, min: 0.9, correction: holm}]",
            "there is no `slice`",
        ),
        (
            "checks: [{metric: auc, min: 0.9, slice: {by: a, edges: [2, 1]}}]",
            "do not ascend",
        ),
        (
            "checks: [{metric: auc, non_inferiority_margin: 0.01}]",
            "none is named",
        ),
        ("champion: {model: m.pt}", "no check compares with it"),
        (
            "champion: {model: ''}\nchecks: [{metric: auc, min_change: 0}]",
            "`if_missing: skip`",
        ),
        ("latency: [{percentile: 99}]", "`max_ms` is missing"),
        (
            "latency: [{percentile: 100, max_ms: 5}]",
            "`percentile` is 100",
        ),
        (
            "latency: [{max_ms: 5, rate_per_s: 10}]",
            "belong to `scenario: open`",
        ),
        (
            "latency: [{scenario: open, max_ms: 5}]",
            "needs `rate_per_s`",
        ),
        ("latency: [{max_ms: 5}, {max_ms: 6}]", "measure the same"),
        (
            "latency: []\nresources: {max_cold_start_ms: 5}",
            "add an entry to `latency`",
        ),
        ("model: {sha256: abc}", "64 hexadecimal digits"),
        ("dataset: {expect: {digest: abc}}", "is no digest"),
        (
            "dataset: {nulls: drop, expect: {max_null_fraction: 5}}",
            "`5` is no share",
        ),
        (
            "dataset: {expect: {max_null_fraction: 0.01}}",
            "write `dataset.nulls: drop`, too",
        ),
        (
            "dataset: {features: {columns: [a], exclude: [b]}}",
            "exclude each other",
        ),
    ] {
        let error = resolved(text).expect_err(text);
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_margin_is_judged_on_the_cautious_bound_of_the_change() {
    let settings = resolved(
        "champion: {model: old.pt}\nchecks: [{metric: auc, non_inferiority_margin: 0.002}, {metric: brier, non_inferiority_margin: 0.01}]",
    )
    .expect("makes sense");
    let [auc, brier] = &settings.checks[..] else {
        panic!("two checks");
    };
    assert_eq!(
        (auc.name.as_str(), auc.bar),
        ("auc_vs_champion", Bar::Min(-0.002))
    );
    assert_eq!(auc.decide_on, crate::gate::file::DecideOnName::LowerBound);
    assert_eq!(
        (brier.bar, brier.decide_on),
        (Bar::Max(0.01), crate::gate::file::DecideOnName::UpperBound)
    );
}
