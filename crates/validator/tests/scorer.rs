//! The real scorer on real models: every good one scores, every hostile one ends in the right
//! error within bounded time, and nothing of the machine is left in reach of a model.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Int64Type};
use ndarray::{Array2, ArrayView2, s};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use validator::scorer::{
    Arrivals, ColumnChoice, ElementType, LatencyPlan, MemoryLimit, OutputKind, OutputSelection,
    Scorer, ScorerError, ScorerProcess, SpawnOptions, StartedScorer, StopAfter, UnloadableReason,
};

fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets")
}

fn options(model: &str) -> SpawnOptions {
    let mut options = SpawnOptions::new(
        env!("CARGO_BIN_EXE_validator-scorer"),
        datasets().join(model),
    );
    options.call_timeout = Duration::from_secs(30);
    options
}

fn spawn(model: &str) -> ScorerProcess {
    ScorerProcess::spawn(options(model)).unwrap_or_else(|error| panic!("{model}: {error}"))
}

/// Reads a folder of scalar feature columns and the label.
fn rows(folder: &str) -> (Array2<f32>, Vec<i64>) {
    let mut files: Vec<_> = std::fs::read_dir(datasets().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let batches: Vec<RecordBatch> = files
        .iter()
        .flat_map(|path| {
            let file = std::fs::File::open(path).unwrap();
            ParquetRecordBatchReaderBuilder::try_new(file)
                .unwrap()
                .build()
                .unwrap()
        })
        .map(|batch| batch.unwrap())
        .collect();
    let mut labels = Vec::new();
    let mut values = Vec::new();
    for batch in &batches {
        labels.extend(batch["label"].as_primitive::<Int64Type>().values());
        if let Some(vectors) = batch.column_by_name("features") {
            values.extend(
                vectors
                    .as_fixed_size_list()
                    .values()
                    .as_primitive::<Float32Type>()
                    .values(),
            );
            continue;
        }
        let columns: Vec<_> = (0..batch.num_columns() - 1)
            .map(|index| batch.column(index).as_primitive::<Float32Type>().values())
            .collect();
        values.extend(
            (0..batch.num_rows()).flat_map(|row| columns.iter().map(move |column| column[row])),
        );
    }
    let width = values.len() / labels.len();
    (
        Array2::from_shape_vec((labels.len(), width), values).unwrap(),
        labels,
    )
}

fn area(scores: &[f64], labels: &[i64]) -> f64 {
    let (mut wins, mut pairs) = (0.0, 0.0);
    for (positive, _) in scores.iter().zip(labels).filter(|(_, label)| **label == 1) {
        for (negative, _) in scores.iter().zip(labels).filter(|(_, label)| **label == 0) {
            pairs += 1.0;
            wins += if positive > negative {
                1.0
            } else if positive == negative {
                0.5
            } else {
                0.0
            };
        }
    }
    wins / pairs
}

fn score(model: &str, rows: ArrayView2<'_, f32>) -> Vec<f64> {
    spawn(model)
        .score(rows)
        .unwrap_or_else(|error| panic!("{model}: {error}"))
        .values
}

fn quick_plan() -> LatencyPlan {
    LatencyPlan {
        calls_target: 400,
        calls_max: 400,
        ..LatencyPlan::default()
    }
}

#[test]
fn the_models_reach_the_areas_that_scikit_learn_found() {
    let facts = std::fs::read_to_string(datasets().join("facts.json")).unwrap();
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    let (features, labels) = rows("validation");
    for model in ["champion", "better", "degraded"] {
        let found = area(&score(&format!("{model}.pt"), features.view()), &labels);
        let expected = facts["auc"][model].as_f64().unwrap();
        assert!(
            (found - expected).abs() < 1e-5,
            "{model}: {found}, not {expected}"
        );
    }
    let (features, labels) = rows("wide512/validation");
    let found = area(&score("wide512.pt", features.view()), &labels);
    let expected = facts["auc"]["wide512"].as_f64().unwrap();
    assert!(
        (found - expected).abs() < 1e-5,
        "wide512: {found}, not {expected}"
    );
}

#[test]
fn a_loaded_model_is_described_and_the_whole_sandbox_holds() {
    let mut scorer = spawn("champion.pt");
    let (features, _) = rows("validation");
    assert_eq!(scorer.model().expected_width, None);
    scorer.score(features.slice(s![..5, ..])).unwrap();
    let model = scorer.model();
    assert_eq!(model.expected_width, Some(10));
    assert_eq!(model.element_type, ElementType::F32);
    assert_eq!(model.parameters, 20 * 32 + 32 + 32 * 16 + 16 + 16 + 1);
    assert_eq!(model.sha256.len(), 64);
    assert!(model.load > Duration::ZERO && model.spawn > model.load);
    assert!(model.runtime.contains("2.13"), "{}", model.runtime);
    assert!(model.sandbox.complete(), "{:?}", model.sandbox);
    assert!(scorer.is_alive());
}

#[test]
fn batches_of_any_size_and_layout_give_the_same_scores() {
    let (features, _) = rows("validation");
    let mut scorer = spawn("champion.pt");
    let whole = scorer.score(features.view()).unwrap();
    assert_eq!((whole.columns, whole.kind), (1, OutputKind::Single));
    assert!(whole.exact_in_f32());
    assert!(
        whole
            .values
            .iter()
            .all(|value| *value == f64::from(*value as f32))
    );
    let by_columns = features
        .t()
        .as_standard_layout()
        .into_owned()
        .reversed_axes();
    assert!(!by_columns.is_standard_layout());
    assert_eq!(scorer.score(by_columns.view()).unwrap(), whole);
    let mut parts = Vec::new();
    for rows in features.axis_chunks_iter(ndarray::Axis(0), 999) {
        parts.extend(scorer.score(rows).unwrap().values);
    }
    let difference = whole
        .values
        .iter()
        .zip(&parts)
        .map(|(one, other)| (one - other).abs());
    assert!(difference.fold(0.0, f64::max) < 1e-4);
}

#[test]
fn every_form_of_output_becomes_the_champions_ranking() {
    let (features, labels) = rows("validation");
    let features = features.slice(s![..1000, ..]);
    let labels = &labels[..1000];
    let expected = score("champion.pt", features);
    let expected_area = area(&expected, labels);
    let forms = [
        ("column", OutputKind::Single, ElementType::F32, 1e-6),
        (
            "pair_of_logits",
            OutputKind::LogitDifference,
            ElementType::F32,
            1e-3,
        ),
        (
            "pair_of_probabilities",
            OutputKind::PairOfProbabilities,
            ElementType::F32,
            1.0,
        ),
        ("tuple", OutputKind::Single, ElementType::F32, 1e-6),
        ("f64", OutputKind::Single, ElementType::F64, 1e-3),
        ("f64_frozen", OutputKind::Single, ElementType::F64, 1e-3),
        ("f16", OutputKind::Single, ElementType::F16, 0.5),
        ("bf16", OutputKind::Single, ElementType::Bf16, 2.0),
    ];
    for (name, kind, element_type, tolerance) in forms {
        let mut scorer = spawn(&format!("outputs/{name}.pt"));
        let scores = scorer
            .score(features)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (scores.kind, scores.element_type),
            (kind, element_type),
            "{name}"
        );
        if tolerance < 1.0 {
            let close = scores
                .values
                .iter()
                .zip(&expected)
                .all(|(one, other)| (one - other).abs() < tolerance);
            assert!(close, "{name}");
        }
        let difference = (area(&scores.values, labels) - expected_area).abs();
        assert!(difference < 0.01, "{name}: area differs by {difference}");
    }
}

#[test]
fn a_dictionary_needs_the_name_of_its_entry() {
    let (features, _) = rows("validation");
    let features = features.slice(s![..20, ..]);
    let mut scorer = spawn("outputs/dictionary.pt");
    let Err(ScorerError::UnsupportedOutput { what }) = scorer.score(features) else {
        panic!("two entries and no choice")
    };
    assert!(
        what.contains("`logits`") && what.contains("`features`"),
        "{what}"
    );
    assert!(
        what.contains("name the entry by `model.output_key`"),
        "{what}"
    );
    let mut options = options("outputs/dictionary.pt");
    options.selection = OutputSelection {
        key: Some("logits".into()),
        ..OutputSelection::default()
    };
    let scores = ScorerProcess::spawn(options.clone())
        .unwrap()
        .score(features)
        .unwrap();
    assert_eq!(scores.values, score("champion.pt", features));
    options.selection = OutputSelection {
        key: Some("features".into()),
        column: ColumnChoice::All,
        ..OutputSelection::default()
    };
    let scores = ScorerProcess::spawn(options)
        .unwrap()
        .score(features)
        .unwrap();
    assert_eq!((scores.columns, scores.values.len()), (10, 200));
}

#[test]
fn outputs_that_are_no_scores_are_refused_by_name_and_the_scorer_lives_on() {
    let (features, _) = rows("validation");
    let features = features.slice(s![..20, ..]);
    for (name, word) in [("classes", "int64"), ("one_for_all", "[]")] {
        let mut scorer = spawn(&format!("outputs/{name}.pt"));
        for _ in 0..2 {
            let Err(ScorerError::UnsupportedOutput { what }) = scorer.score(features) else {
                panic!("{name} has no scores")
            };
            assert!(what.contains(word), "{name}: {what}");
        }
        assert!(scorer.is_alive());
    }
}

#[test]
fn files_that_are_no_models_are_named_for_what_they_are() {
    type Check = fn(&UnloadableReason) -> bool;
    let cases: [(&str, Check); 7] = [
        ("corrupt.pt", |reason| {
            matches!(reason, UnloadableReason::DamagedArchive { .. })
        }),
        ("empty.pt", |reason| *reason == UnloadableReason::Empty),
        ("state_dict.pt", |reason| {
            *reason == UnloadableReason::StateDict
        }),
        ("exported.pt2", |reason| {
            *reason == UnloadableReason::ExportedProgram
        }),
        ("pointer.pt", |reason| {
            matches!(
                reason,
                UnloadableReason::NotAnArchive {
                    looks_like: Some(_)
                }
            )
        }),
        ("bad_pickle.pt", |reason| {
            matches!(reason, UnloadableReason::Runtime { .. })
        }),
        ("../data/truncated.parquet", |reason| {
            matches!(
                reason,
                UnloadableReason::NotAnArchive {
                    looks_like: Some(_)
                }
            )
        }),
    ];
    for (name, check) in cases {
        match ScorerProcess::spawn(options(&format!("hostile/models/{name}"))) {
            Err(ScorerError::DoesNotLoad { reason, .. }) => {
                assert!(check(&reason), "{name}: {reason:?}")
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_missing_model_a_folder_and_a_missing_scorer_are_told_apart() {
    let absent = ScorerProcess::spawn(options("absent.pt")).unwrap_err();
    assert!(
        matches!(absent, ScorerError::ModelUnreadable { .. }),
        "{absent}"
    );
    let folder = ScorerProcess::spawn(options("validation")).unwrap_err();
    assert!(
        matches!(folder, ScorerError::ModelUnreadable { .. }),
        "{folder}"
    );
    let mut wrong = options("champion.pt");
    wrong.scorer = PathBuf::from("/absent/validator-scorer");
    let missing = ScorerProcess::spawn(wrong.clone()).unwrap_err();
    assert!(
        matches!(missing, ScorerError::ScorerMissing { .. }),
        "{missing}"
    );
    wrong.scorer = PathBuf::from("/bin/false");
    let other = ScorerProcess::spawn(wrong).unwrap_err();
    assert!(matches!(other, ScorerError::DidNotStart { .. }), "{other}");
}

#[test]
fn a_scorer_started_before_its_model_is_there_scores_the_same_or_says_what_is_wrong() {
    let start = |scorer: &Path| StartedScorer::start(scorer, 1);
    let scorer = &options("champion.pt").scorer;
    let (features, _) = rows("validation");
    let scores = |mut process: ScorerProcess| process.score(features.view()).unwrap().values;
    let early = ScorerProcess::spawn_into(start(scorer).unwrap(), options("champion.pt")).unwrap();
    assert_eq!(scores(early), scores(spawn("champion.pt")));

    let absent = ScorerProcess::spawn_into(start(scorer).unwrap(), options("absent.pt"));
    assert!(
        matches!(absent, Err(ScorerError::ModelUnreadable { .. })),
        "{absent:?}"
    );
    let missing = start(Path::new("/absent/validator-scorer"));
    assert!(
        matches!(missing, Err(ScorerError::ScorerMissing { .. })),
        "{missing:?}"
    );
    // It speaks no protocol, and that shows once it is spoken to.
    let other = start(Path::new("/bin/false")).unwrap();
    let other = ScorerProcess::spawn_into(other, options("champion.pt"));
    assert!(
        matches!(other, Err(ScorerError::DidNotStart { .. })),
        "{other:?}"
    );
}

#[test]
fn a_model_that_raises_is_reported_in_its_own_words_and_lives_on() {
    let (features, _) = rows("validation");
    let mut scorer = spawn("hostile/models/raises.pt");
    for _ in 0..2 {
        match scorer.score(features.slice(s![..7, ..])) {
            Err(ScorerError::Raised {
                rows: 7,
                width: 10,
                message,
            }) => {
                assert!(
                    message.contains("negative amounts are not supported"),
                    "{message}"
                );
                assert!(!message.contains("frame #"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    let error = scorer.measure(features.view(), &quick_plan()).unwrap_err();
    assert!(matches!(error, ScorerError::Raised { .. }), "{error}");
}

#[test]
fn a_wrong_width_is_reported_with_the_right_one() {
    let (features, _) = rows("validation");
    let (wide, _) = rows("wide512/validation");
    let cases = [
        ("champion.pt", features.slice(s![..9, ..9]), 10),
        ("degraded.pt", features.slice(s![..9, ..7]), 10),
        ("champion.pt", features.slice(s![..9, ..1]), 10),
        ("degraded.pt", features.slice(s![..9, ..1]), 10),
        ("champion.pt", wide.slice(s![..9, ..]), 10),
        ("wide512.pt", features.slice(s![..9, ..]), 512),
        ("slow.pt", features.slice(s![..9, ..9]), 10),
    ];
    for (model, batch, right) in cases {
        let mut scorer = spawn(model);
        match scorer.score(batch) {
            Err(ScorerError::WrongWidth {
                given, expected, ..
            }) => {
                assert_eq!((given, expected), (batch.ncols(), Some(right)), "{model}");
            }
            other => panic!("{model}: {other:?}"),
        }
        assert!(scorer.is_alive());
    }
}

#[test]
fn not_a_number_is_handed_on_for_the_gate_to_judge() {
    let (features, _) = rows("validation");
    let scores = score("hostile/models/nan.pt", features.slice(s![..5, ..]));
    assert!(scores[0].is_nan() && scores[1..].iter().all(|value| value.is_finite()));
}

#[test]
fn a_crash_ends_in_an_error_with_its_signal() {
    let (features, _) = rows("validation");
    let mut scorer = spawn("hostile/models/crash.pt");
    match scorer.score(features.slice(s![..5, ..])) {
        Err(ScorerError::Crashed {
            signal: Some(libc::SIGSEGV),
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
    assert!(!scorer.is_alive());
    let after = scorer.score(features.slice(s![..5, ..])).unwrap_err();
    assert!(matches!(after, ScorerError::Gone { .. }), "{after}");
}

#[test]
fn a_hang_is_ended_at_its_timeout() {
    let (features, _) = rows("validation");
    let mut options = options("hostile/models/hang.pt");
    options.call_timeout = Duration::from_millis(700);
    let mut scorer = ScorerProcess::spawn(options).unwrap();
    let process_id = scorer.process_id();
    let started = Instant::now();
    let error = scorer.score(features.slice(s![..5, ..])).unwrap_err();
    assert!(matches!(error, ScorerError::Hang { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(!Path::new(&format!("/proc/{process_id}")).exists());
}

#[test]
fn a_model_that_takes_too_much_memory_at_once_or_bit_by_bit_is_stopped() {
    let (features, _) = rows("validation");
    for name in ["memory_hog", "memory_leak"] {
        let mut options = options(&format!("hostile/models/{name}.pt"));
        options.memory_limit = MemoryLimit::Bytes(1 << 30);
        let mut scorer = ScorerProcess::spawn(options).unwrap();
        match scorer.score(features.slice(s![..5, ..])) {
            Err(ScorerError::OutOfMemory {
                limit_bytes: Some(limit),
                ..
            }) => assert_eq!(limit, 1 << 30),
            other => panic!("{name}: {other:?}"),
        }
        assert!(scorer.peak_memory_bytes().is_none_or(|peak| peak < 2 << 30));
    }
}

#[test]
fn a_child_killed_from_outside_is_noticed() {
    let (features, _) = rows("validation");
    let mut scorer = spawn("champion.pt");
    let process = rustix::process::Pid::from_raw(scorer.process_id().cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    match scorer.score(features.view()) {
        Err(ScorerError::Crashed {
            signal: Some(9), ..
        }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_model_reaches_no_file_of_the_machine() {
    let (features, _) = rows("validation");
    let written = Path::new("/tmp/written-by-a-model");
    for name in ["reads_file", "writes_file"] {
        let mut scorer = spawn(&format!("hostile/models/{name}.pt"));
        let error = scorer.score(features.slice(s![..5, ..])).unwrap_err();
        assert!(
            matches!(error, ScorerError::Raised { .. }),
            "{name}: {error}"
        );
    }
    assert!(!written.exists(), "a model has written a file");
    let mut options = options("hostile/models/reads_file.pt");
    options.sandbox = false;
    let mut scorer = ScorerProcess::spawn(options).unwrap();
    assert!(scorer.model().sandbox.protections.is_empty());
    assert!(
        scorer.score(features.slice(s![..5, ..])).is_ok(),
        "the attack works without the sandbox"
    );
}

#[test]
fn the_childs_environment_holds_nothing_of_the_parents() {
    let scorer = spawn("champion.pt");
    let path = format!("/proc/{}/environ", scorer.process_id());
    let environment = std::fs::read(path).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    let names: Vec<_> = environment
        .split('\0')
        .filter_map(|entry| Some(entry.split_once('=')?.0))
        .filter(|name| *name != "LD_LIBRARY_PATH")
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(
        names.iter().all(|name| name.ends_with("_NUM_THREADS")),
        "{names:?}"
    );
}

#[test]
fn latency_is_measured_on_real_rows_after_a_warm_up() {
    let (features, _) = rows("validation");
    let mut scorer = spawn("champion.pt");
    let samples = scorer
        .measure(features.slice(s![..500, ..]), &quick_plan())
        .unwrap();
    assert_eq!(samples.nanoseconds.len(), 400);
    assert!(samples.warm_up_calls >= 20);
    assert!(samples.nanoseconds.iter().all(|sample| *sample > 0));
    assert_eq!(samples.first_call_rows, 1);
    assert!(samples.first_call > Duration::ZERO && samples.load > Duration::ZERO);
    assert!(
        samples.overhead_ns > 0.0 && samples.overhead_ns < 10_000.0,
        "{}",
        samples.overhead_ns
    );
    assert!(samples.peak_memory_bytes.unwrap() > 10 << 20);
    assert!(!samples.budget_exhausted && !samples.stopped_early);
    // A model that changes its input must not disturb the scorer.
    let mut scorer = spawn("outputs/in_place.pt");
    scorer
        .measure(features.slice(s![..500, ..]), &quick_plan())
        .unwrap();
    let scores = scorer.score(features.slice(s![..50, ..])).unwrap();
    assert_eq!(
        scores.values,
        score("champion.pt", features.slice(s![..50, ..]))
    );
}

#[test]
fn the_budget_and_the_early_stop_bound_a_slow_models_measurement() {
    let (features, _) = rows("validation");
    let mut scorer = spawn("slow.pt");
    let mut plan = LatencyPlan {
        warm_up_budget: Duration::from_millis(500),
        budget: Duration::from_secs(1),
        ..LatencyPlan::default()
    };
    let samples = scorer.measure(features.view(), &plan).unwrap();
    assert!(samples.budget_exhausted && samples.nanoseconds.len() < 2_000);
    plan.budget = Duration::from_secs(60);
    plan.stop_after = Some(StopAfter {
        limit: Duration::from_millis(2),
        calls: 5,
    });
    let samples = scorer.measure(features.view(), &plan).unwrap();
    assert!(samples.stopped_early && samples.nanoseconds.len() < 10);
}

#[test]
fn an_open_loop_counts_the_wait_of_calls_that_are_late() {
    let (features, _) = rows("validation");
    let mut scorer = spawn("slow.pt");
    let plan = LatencyPlan {
        warm_up_budget: Duration::from_millis(200),
        calls_target: 1_000,
        calls_max: 1_000,
        budget: Duration::from_secs(2),
        arrivals: Arrivals::Constant {
            calls_per_s: 1_000.0,
        },
        ..LatencyPlan::default()
    };
    let samples = scorer.measure(features.view(), &plan).unwrap();
    let last = *samples.nanoseconds.last().unwrap();
    assert!(
        last > 1_000_000_000,
        "the last call was due long before it ended: {last} ns"
    );
    assert!(samples.backlog > 0);
}

#[test]
fn rows_that_do_not_fill_a_call_are_refused() {
    let (features, _) = rows("validation");
    let mut scorer = spawn("champion.pt");
    let plan = LatencyPlan {
        batch: 64,
        ..LatencyPlan::default()
    };
    let error = scorer
        .measure(features.slice(s![..63, ..]), &plan)
        .unwrap_err();
    assert!(matches!(error, ScorerError::Plan { .. }), "{error}");
    let error = scorer.score(features.slice(s![..0, ..])).unwrap_err();
    assert!(matches!(error, ScorerError::Plan { .. }), "{error}");
    assert!(scorer.is_alive());
}
