//! The story of one run: model and dataset -> scores -> metrics -> latency -> checks -> verdict.

use std::sync::Arc;
use std::time::{Duration, Instant};

use verdict::auc::{Auc, auc};
use verdict::decision::{DecideOn, Estimate, Limit, judge, verdict};
use verdict::exit::ExitCode;
use verdict::interval::{IntervalMethod, Tails, bounds};
use verdict::latency::QuantileQuestion;
use verdict::report::{AucSection, Check, Environment, MetricsSection, Outcome};
use verdict::score::RankedScores;

use crate::bench;
use crate::dataset::{Dataset, Evidence, ObjectSource, source_of};
use crate::error::GateError;
use crate::evaluate::{Difference, Evaluation, compare_alone, evaluate};
use crate::findings::{Findings, dataset_section, model_section};
use crate::model_file::{self, ModelFile};
use crate::output::progress::Progress;
use crate::output::reason;
use crate::scorer::{Scorer, ScorerProcess, SpawnOptions, find_scorer};
use crate::settings::{CONFIDENCE, Settings};

/// Below this many rows in a class, the interval of the area is rough.
const CLASS_ROWS_FIRM: u64 = 100;
/// From this autocorrelation on, latency bounds are too narrow to go without a word.
const AUTOCORRELATION_NOTABLE: f64 = 0.3;

/// Judges the model; `findings` holds what was found, however far it went.
///
/// # Errors
/// [`GateError`] when there is no verdict; the scorer's process has ended and fetched files
/// are gone.
pub async fn judge_model(
    settings: &Settings,
    progress: &Arc<Progress>,
    findings: &mut Findings,
) -> Result<ExitCode, GateError> {
    let mut client = None;
    let loading = Instant::now();
    progress.phase("fetching the model");
    let model_file = model_file::fetch(&settings.model, &mut client).await?;
    let source = source_of(&settings.dataset, &mut client).await;
    progress.phase("loading the model and listing the dataset");
    let (scorer, dataset) = tokio::join!(load(settings, &model_file), open(settings, source));
    let scorer = scorer?;
    findings.timings.load_s = Some(loading.elapsed().as_secs_f64());
    findings.model = Some(model_section(scorer.model(), &settings.model.to_string()));
    findings.environment = environment(&scorer);
    for protection in scorer.model().sandbox.missing() {
        findings.warnings.push(format!(
            "the system lacks the protection `{protection}`: the model ran less confined"
        ));
    }
    let dataset = dataset?;
    findings.dataset = Some(dataset_section(&dataset));
    warn_of_skipped(&dataset, findings);

    let (scorer, evaluation) = score_all(settings, dataset, scorer, progress, findings).await?;
    progress.phase("computing the metrics");
    let area = compute_metrics(settings, &evaluation.scores, findings)?;
    let auc_check = check_auc(settings, findings, area);
    findings.checks.push(auc_check);

    progress.phase("measuring latency");
    let p99 = measure_latency(settings, scorer, evaluation.sample, findings).await?;
    findings.checks.push(p99);
    progress.finish();
    findings.reasons = reason::deciding(&findings.checks);
    Ok(verdict(&findings.checks))
}

async fn load(settings: &Settings, model: &ModelFile) -> Result<ScorerProcess, GateError> {
    let uri = settings.model.to_string();
    let load_error = |source| GateError::LoadModel {
        uri: uri.clone(),
        source,
    };
    let scorer = find_scorer(settings.scorer.as_deref()).map_err(load_error)?;
    let mut options = SpawnOptions::new(scorer, model.path());
    options.threads = settings.threads;
    let spawned = tokio::task::spawn_blocking(move || ScorerProcess::spawn(options)).await;
    spawned
        .map_err(|error| internal(&error))?
        .map_err(load_error)
}

async fn open(settings: &Settings, source: Arc<dyn ObjectSource>) -> Result<Dataset, GateError> {
    Dataset::open(source, settings.selection.clone())
        .await
        .map_err(|source| GateError::OpenDataset {
            uri: settings.dataset.to_string(),
            source,
        })
}

fn internal(error: &tokio::task::JoinError) -> GateError {
    GateError::Internal {
        what: error.to_string(),
    }
}

/// What is left of an evaluation once the rows are gone.
struct Scored {
    scores: RankedScores,
    sample: crate::evaluate::RowSample,
}

async fn score_all(
    settings: &Settings,
    dataset: Dataset,
    mut scorer: ScorerProcess,
    progress: &Arc<Progress>,
    findings: &mut Findings,
) -> Result<(ScorerProcess, Scored), GateError> {
    let started = Instant::now();
    let uri = settings.dataset.to_string();
    let files = dataset.files_total() as u64;
    progress.start_rows();
    let unused = dataset.columns().unused.clone();
    let mut batches = dataset.into_batches();
    let told = Arc::clone(progress);
    let (scorer, evidence, outcome) = tokio::task::spawn_blocking(move || {
        let outcome = evaluate(&mut batches, &mut scorer, |rows| told.add_rows(rows));
        (scorer, batches.evidence(), outcome)
    })
    .await
    .map_err(|error| internal(&error))?;
    findings.timings.score_s = Some(started.elapsed().as_secs_f64());
    let evaluation = outcome.map_err(|source| GateError::Evaluate {
        uri: uri.clone(),
        unused,
        source,
    })?;
    findings.note_evidence(evidence.clone());
    let Some(evaluation) = evaluation else {
        let source = crate::dataset::DatasetError::NoRows {
            uri: uri.clone(),
            files,
        };
        return Err(GateError::OpenDataset { uri, source });
    };
    note_outputs(&evaluation, &evidence, findings);
    let started = Instant::now();
    let Evaluation { scores, sample, .. } = evaluation;
    let scores = tokio::task::spawn_blocking(move || scores.finish())
        .await
        .map_err(|error| internal(&error))?;
    findings.timings.metrics_s = Some(started.elapsed().as_secs_f64());
    Ok((scorer, Scored { scores, sample }))
}

fn note_outputs(evaluation: &Evaluation, evidence: &Evidence, findings: &mut Findings) {
    debug_assert_eq!(evaluation.rows, evidence.rows_total);
    if let Some(dataset) = &mut findings.dataset {
        dataset.width = evaluation.width as u64;
    }
    if let Some(model) = &mut findings.model {
        model.output_type = Some(evaluation.element_type.to_string());
        model.output_kind = serde_json::to_value(evaluation.kind)
            .ok()
            .and_then(|kind| kind.as_str().map(str::to_owned));
    }
    findings.scores_infinite = evaluation.infinite;
    if evaluation.infinite > 0 {
        findings.warnings.push(format!(
            "{} raw outputs are infinite; they rank at the ends",
            evaluation.infinite
        ));
    }
}

fn warn_of_skipped(dataset: &Dataset, findings: &mut Findings) {
    let skipped = dataset.skipped();
    if let Some(first) = skipped.first() {
        findings.warnings.push(format!(
            "{} files below `{}` are not read since their names do not end in .parquet, such as `{first}`",
            skipped.len(),
            dataset.uri()
        ));
    }
}

fn compute_metrics(
    settings: &Settings,
    scores: &RankedScores,
    findings: &mut Findings,
) -> Result<Auc, GateError> {
    let started = Instant::now();
    let area = auc(scores).map_err(|source| GateError::Metrics {
        uri: settings.dataset.to_string(),
        source,
    })?;
    let one_sided = bounds(&area, CONFIDENCE, Tails::OneSided, IntervalMethod::LogitT);
    let two_sided = bounds(&area, CONFIDENCE, Tails::TwoSided, IntervalMethod::LogitT);
    let (minimum, maximum) = scores.range().unwrap_or((f64::NAN, f64::NAN));
    let finite = |value: f64| value.is_finite().then_some(value);
    findings.metrics = Some(MetricsSection {
        rows: area.positives + area.negatives,
        positives: area.positives,
        negatives: area.negatives,
        auc: AucSection {
            value: area.value,
            variance: area.variance,
            lower_bound: one_sided.ok().map(|bounds| bounds.lower),
            upper_bound: one_sided.ok().map(|bounds| bounds.upper),
            interval: two_sided.ok().map(|bounds| [bounds.lower, bounds.upper]),
            confidence: CONFIDENCE,
            method: IntervalMethod::LogitT.name().to_owned(),
            degenerate: one_sided.err().map(|error| error.to_string()),
            distinct_scores: area.distinct_scores,
        },
        score_minimum: finite(minimum),
        score_maximum: finite(maximum),
        scores_infinite: findings.scores_infinite,
    });
    let spent = started.elapsed().as_secs_f64();
    *findings.timings.metrics_s.get_or_insert(0.0) += spent;
    Ok(area)
}

fn check_auc(settings: &Settings, findings: &mut Findings, area: Auc) -> Check {
    let section = findings.metrics.as_ref().map(|metrics| &metrics.auc);
    let estimate = Estimate {
        value: area.value,
        lower: section.and_then(|section| section.lower_bound),
        upper: section.and_then(|section| section.upper_bound),
        confidence: CONFIDENCE,
        samples: area.positives + area.negatives,
    };
    let degenerate = section.and_then(|section| section.degenerate.clone());
    let limit = Limit::AtLeast(settings.minimum_auc);
    let check = judge("auc", estimate, limit, DecideOn::Point);
    let fewest = area.positives.min(area.negatives);
    if let Some(degenerate) = degenerate {
        findings
            .warnings
            .push(format!("auc has no confidence interval: {degenerate}"));
    } else if fewest < CLASS_ROWS_FIRM {
        findings.warnings.push(format!(
            "the smaller class has only {fewest} rows; below {CLASS_ROWS_FIRM} the interval of auc is rough"
        ));
    }
    if check.outcome == Outcome::Pass
        && estimate
            .lower
            .is_some_and(|lower| lower < settings.minimum_auc)
    {
        findings.warnings.push(format!(
            "auc passes on its point estimate; its lower 95% bound is below the minimum {}, so more rows could turn the verdict",
            settings.minimum_auc
        ));
    }
    if estimate.upper.is_some_and(|upper| upper < 0.5) {
        findings.warnings.push(
            "auc is below 0.5: the labels or the sign of the outputs may be turned round".into(),
        );
    }
    check
}

async fn measure_latency(
    settings: &Settings,
    mut scorer: ScorerProcess,
    sample: crate::evaluate::RowSample,
    findings: &mut Findings,
) -> Result<Check, GateError> {
    let started = Instant::now();
    let question = QuantileQuestion {
        confidence: CONFIDENCE,
        ..QuantileQuestion::P99
    };
    let maximum =
        Duration::try_from_secs_f64(settings.maximum_p99_latency_ms / 1e3).unwrap_or(Duration::MAX);
    let plan = bench::plan(settings.threads, settings.time_budget, maximum, question);
    let uri = settings.model.to_string();
    let (difference, measured) = tokio::task::spawn_blocking(move || {
        let rows = sample.into_rows();
        let difference =
            compare_alone(&mut scorer, rows.view()).map_err(|source| GateError::SingleRow {
                uri: uri.clone(),
                source,
            })?;
        let measured = bench::measure(&mut scorer, rows.view(), &plan, CONFIDENCE)
            .map_err(|source| GateError::Latency { uri, source })?;
        Ok::<_, GateError>((difference, measured))
    })
    .await
    .map_err(|error| internal(&error))??;
    if let Some(Difference { alone, in_batch }) = difference {
        findings.warnings.push(format!(
            "a row scores {alone} by itself and {in_batch} among others: the model mixes the rows of a batch or is random, so a service that asks for single rows may rank worse than auc says"
        ));
    }
    findings.timings.latency_s = Some(started.elapsed().as_secs_f64());
    findings.environment.scorer_resident_bytes_max = measured.scorer_resident_bytes_max;
    warn_of_timings(&measured, findings);
    findings.latency = Some(measured.section);
    let estimate = measured.p99.unwrap_or(Estimate {
        value: f64::NAN,
        lower: None,
        upper: None,
        confidence: CONFIDENCE,
        samples: 0,
    });
    let limit = Limit::AtMost(settings.maximum_p99_latency_ms);
    Ok(judge(
        "latency_ms_p99",
        estimate,
        limit,
        DecideOn::CautiousBound,
    ))
}

fn warn_of_timings(measured: &bench::Measurement, findings: &mut Findings) {
    let section = &measured.section;
    if measured.budget_exhausted {
        findings.warnings.push(format!(
            "the time budget ended the latency measurement after {} calls",
            section.samples
        ));
    }
    if !section.warm_up_stable {
        findings.warnings.push(format!(
            "latency had not settled after {} warm-up calls",
            section.warm_up_calls
        ));
    }
    if let Some(periods) = section
        .throttling
        .throttled_periods
        .filter(|&periods| periods > 0)
    {
        findings.warnings.push(format!(
            "the container's processor quota throttled {periods} periods while latency was measured: raise the limit or read p99 with care"
        ));
    }
    if let Some(correlation) = section
        .autocorrelation
        .filter(|&found| found > AUTOCORRELATION_NOTABLE)
    {
        findings.warnings.push(format!(
            "slow calls came in runs (autocorrelation {correlation:.2}): the bounds of p99 may be too narrow"
        ));
    }
}

fn environment(scorer: &ScorerProcess) -> Environment {
    Environment {
        validator_version: crate::VERSION.to_owned(),
        platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        processors: std::thread::available_parallelism()
            .ok()
            .map(|count| count.get() as u64),
        model_threads: Some(scorer.model().threads as u64),
        libtorch_version: Some(scorer.model().runtime.clone()),
        validator_resident_bytes_max: None,
        scorer_resident_bytes_max: None,
    }
}
