use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch};
use ndarray::ArrayView2;
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;
use verdict::auc::{Auc, auc};
use verdict::exit::ExitCode;

use super::{Difference, EvaluateError, Evaluation, Scorers, compare_alone, evaluate};
use crate::dataset::{
    ColumnSelection, Dataset, Evidence, FeatureSelection, FileFilter, LocalSource,
};
use crate::judge::GatherPlan;
use crate::scorer::{
    ElementType, LatencyPlan, LatencySamples, ModelInfo, OutputKind, RawScores, SandboxReport,
    Scorer, ScorerError,
};

type Row = (f32, i64);
type Script = Box<dyn FnMut(ArrayView2<'_, f32>) -> Result<Vec<f64>, ScorerError> + Send>;

/// Returns for each row what a function makes of its first feature.
struct Scripted {
    model: ModelInfo,
    script: Script,
}

impl Scripted {
    fn new(
        script: impl FnMut(ArrayView2<'_, f32>) -> Result<Vec<f64>, ScorerError> + Send + 'static,
    ) -> Self {
        let model = ModelInfo {
            path: "scripted".into(),
            sha256: String::new(),
            bytes: 0,
            expected_width: None,
            element_type: ElementType::F32,
            parameters: 0,
            load: Duration::ZERO,
            spawn: Duration::ZERO,
            threads: 1,
            runtime: String::new(),
            sandbox: SandboxReport::default(),
            device: crate::scorer::Device::Cpu,
        };
        Self {
            model,
            script: Box::new(script),
        }
    }

    fn of_first_feature(function: impl Fn(f32) -> f64 + Send + 'static) -> Self {
        Self::new(move |rows| {
            Ok(rows
                .column(0)
                .iter()
                .map(|&value| function(value))
                .collect())
        })
    }
}

impl Scorer for Scripted {
    fn model(&self) -> &ModelInfo {
        &self.model
    }

    fn score(&mut self, batch: ArrayView2<'_, f32>) -> Result<RawScores, ScorerError> {
        Ok(RawScores {
            values: (self.script)(batch)?,
            columns: 1,
            element_type: ElementType::F32,
            kind: OutputKind::Single,
        })
    }

    fn set_inputs(&mut self, _inputs: &[crate::scorer::ModelInput]) -> Result<(), ScorerError> {
        Ok(())
    }

    fn measure(
        &mut self,
        _rows: ArrayView2<'_, f32>,
        _plan: &LatencyPlan,
    ) -> Result<LatencySamples, ScorerError> {
        Err(ScorerError::Plan {
            what: "scripted scorers are not timed".to_owned(),
        })
    }
}

/// Writes `rows` as one file of two features (the second is always 1) and a label.
fn write(path: &Path, rows: &[Row], row_group: usize) {
    let features: ArrayRef = Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.0)));
    let ones: ArrayRef = Arc::new(Float32Array::from(vec![1.0; rows.len()]));
    let labels: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)));
    let batch = RecordBatch::try_from_iter([("x", features), ("one", ones), ("label", labels)])
        .expect("a batch");
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    for start in (0..rows.len()).step_by(row_group) {
        let length = row_group.min(rows.len() - start);
        writer.write(&batch.slice(start, length)).expect("writes");
        writer.flush().expect("ends the row group");
    }
    writer.close().expect("closes");
}

fn judge(
    folder: &TempDir,
    mut scorer: Scripted,
) -> Result<(Option<Evaluation>, Evidence), EvaluateError> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let selection = ColumnSelection::new("label", FeatureSelection::AllBut(vec![]));
    let source = Arc::new(LocalSource::new(folder.path()));
    let dataset = runtime.block_on(Dataset::open(source, selection, &FileFilter::default()))?;
    let _within = runtime.enter();
    let mut batches = dataset.into_batches();
    let evaluation = evaluate(
        &mut batches,
        Scorers {
            model: &mut scorer,
            inputs: &[],
            champion: None,
        },
        &GatherPlan::default(),
        |_| {},
    )?;
    Ok((evaluation, batches.evidence()))
}

fn rows(count: usize) -> Vec<Row> {
    (0..count)
        .map(|row| ((row * 37 % 101) as f32 - 50.0, i64::from(row % 3 == 0)))
        .collect()
}

fn area(folder: &TempDir) -> (Auc, Evidence) {
    let (evaluation, evidence) =
        judge(folder, Scripted::of_first_feature(f64::from)).expect("judges");
    let scores = evaluation
        .expect("rows")
        .gathered
        .finish()
        .expect("gathered")
        .whole
        .scores;
    (auc(&scores).expect("both classes"), evidence)
}

#[test]
fn files_row_groups_and_their_order_do_not_change_the_area_by_a_bit() {
    let rows = rows(1000);
    let whole = tempfile::tempdir().expect("a folder");
    write(&whole.path().join("all.parquet"), &rows, 1000);
    let parts = tempfile::tempdir().expect("a folder");
    for (index, part) in rows.chunks(90).rev().enumerate() {
        write(&parts.path().join(format!("{index:02}.parquet")), part, 7);
    }
    let (of_whole, evidence) = area(&whole);
    let (of_parts, other_evidence) = area(&parts);
    assert_eq!(of_whole, of_parts);
    assert_eq!(
        (evidence.rows_total, other_evidence.rows_total),
        (1000, 1000)
    );
    assert_eq!((evidence.files_total, other_evidence.files_total), (1, 12));
}

#[test]
fn the_digest_follows_the_content_and_not_its_encoding() {
    let digest = |change: &dyn Fn(&mut Vec<Row>)| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut rows = rows(300);
        change(&mut rows);
        write(&folder.path().join("a.parquet"), &rows, 300);
        area(&folder).1.digest
    };
    let same = digest(&|_| {});
    assert_eq!(same, digest(&|_| {}));
    assert_ne!(same, digest(&|rows| rows[123].0 += 1.0));
    assert_ne!(same, digest(&|rows| rows[123].1 = 1 - rows[123].1));
    assert_ne!(same, digest(&|rows| rows.swap(1, 2)));
}

#[test]
fn a_nan_score_is_the_models_fault_and_names_file_and_row() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("a.parquet"), &rows(50), 50);
    write(
        &folder.path().join("b.parquet"),
        &[(1.0, 0), (7777.0, 1), (2.0, 0)],
        1,
    );
    let scorer = Scripted::of_first_feature(|x| if x == 7777.0 { f64::NAN } else { f64::from(x) });
    let error = judge(&folder, scorer).expect_err("NaN");
    assert_eq!(error.exit_code(), ExitCode::Model);
    assert!(
        matches!(&error, EvaluateError::NanScore { file, row: 1, .. } if file.ends_with("b.parquet")),
        "{error}"
    );
}

#[test]
fn a_nan_score_from_infinite_features_is_the_datas_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    write(
        &folder.path().join("a.parquet"),
        &[(1.0, 0), (f32::INFINITY, 1)],
        2,
    );
    let scorer = Scripted::of_first_feature(|x| f64::from(x - x));
    let error = judge(&folder, scorer).expect_err("NaN");
    assert_eq!(error.exit_code(), ExitCode::Data);
    assert!(
        matches!(error, EvaluateError::NanFromInfiniteFeatures { row: 1, .. }),
        "{error}"
    );
}

#[test]
fn infinite_scores_rank_at_the_ends_and_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    write(
        &folder.path().join("a.parquet"),
        &[(0.0, 0), (1.0, 1), (2.0, 1)],
        3,
    );
    let scorer = Scripted::of_first_feature(|x| if x == 0.0 { f64::NEG_INFINITY } else { 1.0 });
    let evaluation = judge(&folder, scorer).expect("judges").0.expect("rows");
    assert_eq!(evaluation.infinite, 1);
    assert_eq!(
        auc(&evaluation.gathered.finish().expect("gathered").whole.scores)
            .expect("both classes")
            .value,
        1.0
    );
}

#[test]
fn a_model_that_answers_for_fewer_rows_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("a.parquet"), &rows(10), 10);
    let error = judge(&folder, Scripted::new(|_| Ok(vec![0.5]))).expect_err("one score");
    assert!(
        matches!(
            error,
            EvaluateError::Shape {
                values: 1,
                rows: 10,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.exit_code(), ExitCode::Model);
}

#[test]
fn a_model_that_raises_is_reported_with_the_rows_that_it_was_given() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("a.parquet"), &rows(10), 10);
    let scorer = Scripted::new(|rows| {
        Err(ScorerError::Raised {
            rows: rows.nrows(),
            width: rows.ncols(),
            message: "no".to_owned(),
        })
    });
    let error = judge(&folder, scorer).expect_err("raises");
    assert_eq!(error.exit_code(), ExitCode::Model);
    assert!(
        matches!(
            &error,
            EvaluateError::Scoring {
                first_row: 0,
                last_row: 9,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_width_that_the_model_is_known_not_to_take_is_refused_before_any_call() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("a.parquet"), &rows(10), 10);
    let mut scorer = Scripted::new(|_| unreachable!("the model must not be called"));
    scorer.model.expected_width = Some(3);
    let error = judge(&folder, scorer).expect_err("width");
    assert_eq!(error.exit_code(), ExitCode::Data);
    assert!(
        matches!(
            error,
            EvaluateError::Width {
                given: 2,
                expected: Some(3),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn mixed_conventions_of_labels_in_two_files_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("a.parquet"), &[(1.0, 0), (2.0, 1)], 2);
    write(&folder.path().join("b.parquet"), &[(1.0, -1), (2.0, 1)], 2);
    let error = judge(&folder, Scripted::of_first_feature(f64::from)).expect_err("mixed");
    assert_eq!(error.exit_code(), ExitCode::Data);
    assert!(format!("{error:?}").contains("MixedLabels"), "{error:?}");
}

#[test]
fn files_without_a_row_give_no_evaluation() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("a.parquet"), &[], 1);
    let (evaluation, evidence) =
        judge(&folder, Scripted::of_first_feature(f64::from)).expect("reads");
    assert!(evaluation.is_none());
    assert_eq!((evidence.files_total, evidence.rows_total), (1, 0));
}

/// Seventy rows of one feature, more than a comparison takes.
fn many_rows() -> ndarray::Array2<f32> {
    ndarray::Array2::from_shape_fn((70, 1), |(row, _)| row as f32)
}

#[test]
fn a_model_that_takes_each_row_for_itself_differs_by_rounding_only() {
    let mut rounding = Scripted::new(|rows| {
        let nudge = 1e-9 * rows.nrows() as f64;
        Ok(rows.iter().map(|&x| f64::from(x) + nudge).collect())
    });
    assert_eq!(
        compare_alone(&mut rounding, many_rows().view()).expect("scores"),
        None
    );
    let mut infinite = Scripted::of_first_feature(|_| f64::INFINITY);
    assert_eq!(
        compare_alone(&mut infinite, many_rows().view()).expect("scores"),
        None
    );
}

#[test]
fn a_model_that_mixes_the_rows_of_a_batch_is_noticed() {
    let mut mixing = Scripted::new(|rows| {
        let mean = rows.mean().unwrap_or_default();
        Ok(rows.iter().map(|&x| f64::from(x - mean)).collect())
    });
    let difference = compare_alone(&mut mixing, many_rows().view()).expect("scores");
    let expected = Difference {
        alone: 0.0,
        in_batch: -31.5,
    };
    assert_eq!(difference, Some(expected));
}

#[test]
fn a_model_without_a_score_for_a_single_row_is_refused() {
    let mut deviation_of_one = Scripted::new(|rows| {
        let score = |x: f32| {
            if rows.nrows() == 1 {
                f64::NAN
            } else {
                f64::from(x)
            }
        };
        Ok(rows.iter().map(|&x| score(x)).collect())
    });
    let error = compare_alone(&mut deviation_of_one, many_rows().view()).expect_err("NaN");
    assert!(
        error.to_string().contains("NaN for a single row"),
        "{error}"
    );
}
