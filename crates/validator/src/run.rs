//! The story of one run: model and dataset -> scores -> metrics -> latency -> checks -> verdict.
//!
//! Past one machine, [`score_shard`] tells the first half for a part of the dataset, and
//! [`judge_shards`] the second for all parts.

mod champion;
mod classes;
mod expect;
mod latency;
mod merge;
mod reused;
mod shard;

use std::sync::Arc;
use std::time::Instant;

use verdict::decision::verdict;
use verdict::exit::ExitCode;
use verdict::report::{DatasetSection, Environment};

use crate::dataset::{
    Dataset, DatasetError, Evidence, FileRead, LabelsSeen, ObjectSource, S3Client, Share,
    s3_identity, source_of,
};
use crate::error::GateError;
use crate::evaluate::{Evaluation, RowSample, Scorers, evaluate};
use crate::findings::{Findings, dataset_section, model_section};
use crate::gate;
use crate::judge::{GatherPlan, Gathered, judge};
use crate::manifest::{self, Contents};
use crate::model_file::{self, ModelFile};
use crate::output::progress::Progress;
use crate::output::reason;
use crate::reuse::Store;
use crate::scorer::{Scorer, ScorerError, ScorerProcess, SpawnOptions, StartedScorer, find_scorer};
use crate::settings::{MetricCheck, Settings};
use latency::Stop;

pub use merge::judge_shards;
pub use shard::{ShardWritten, score_shard};

/// Judges the model; `findings` holds what was found, however far it went.
///
/// # Errors
/// [`GateError`] when there is no verdict; the scorer's process has ended and fetched files
/// are gone.
pub async fn judge_model(
    settings: &Settings,
    store: Option<&Store>,
    progress: &Arc<Progress>,
    findings: &mut Findings,
) -> Result<ExitCode, GateError> {
    let mut client = None;
    let judged = judge_with(&mut client, settings, store, progress, findings).await;
    note_identity(client.as_ref(), findings).await;
    judged
}

/// Notes as whom S3 was asked, however the run has ended.
async fn note_identity(client: Option<&S3Client>, findings: &mut Findings) {
    if let Some(client) = client {
        findings.environment.s3 = s3_identity(client).await;
    }
}

async fn judge_with(
    client: &mut Option<S3Client>,
    settings: &Settings,
    store: Option<&Store>,
    progress: &Arc<Progress>,
    findings: &mut Findings,
) -> Result<ExitCode, GateError> {
    let loading = Instant::now();
    // A kept verdict needs no libtorch.
    let started = match store {
        Some(_) => None,
        None => Some(start(settings).await?),
    };
    progress.phase("fetching the model");
    let model_file = model_file::fetch(&settings.model, client).await?;
    let source = source_of(&settings.data.root, client).await;
    let mut listed = None;
    if let Some(store) = store {
        progress.phase("looking for a kept verdict");
        let dataset = open(settings, Arc::clone(&source)).await?;
        let looked = reused::look(settings, store, (&model_file, &dataset), client).await?;
        if let Some(verdict) = looked.verdict {
            *findings = verdict.0;
            return Ok(verdict.1);
        }
        findings.warnings.extend(looked.warning);
        listed = Some((dataset, looked.manifest_digest));
    }
    let opened = Opening {
        settings,
        model_file: &model_file,
        source,
        listed,
        loading,
        started,
    }
    .open(client, progress, findings)
    .await?;
    if let Some(classes) = &settings.classes {
        let Opened {
            scorer, dataset, ..
        } = opened;
        let (scorer, sample) =
            classes::judge(settings, classes, dataset, scorer, progress, findings).await?;
        return finish(settings, scorer, sample, progress, findings).await;
    }
    let checks = champion::judgeable(settings, opened.champion.is_some());
    let scored = score(settings, opened, None, progress, findings).await?;
    let Complete {
        scorer,
        gathered,
        sample,
    } = gathered(settings, scored, findings).await?;
    progress.phase("computing the metrics");
    judge_scores(settings, gathered, checks, findings).await?;

    finish(settings, scorer, sample, progress, findings).await
}

/// Measures latency, and says what all checks make together.
async fn finish(
    settings: &Settings,
    scorer: ScorerProcess,
    sample: RowSample,
    progress: &Arc<Progress>,
    findings: &mut Findings,
) -> Result<ExitCode, GateError> {
    if !settings.latency.is_empty() {
        progress.phase("measuring latency");
    }
    let sampled = latency::sample_all(settings, scorer, sample, Stop::Early, findings).await?;
    latency::judge_all(settings, sampled, findings);
    progress.finish();
    findings.reasons = reason::deciding(&findings.checks);
    Ok(verdict(&findings.checks))
}

/// What is needed to load the model and to open the dataset.
struct Opening<'a> {
    settings: &'a Settings,
    model_file: &'a ModelFile,
    source: Arc<dyn ObjectSource>,
    /// The dataset and the digest of its listing, where they are known already.
    listed: Option<(Dataset, Option<String>)>,
    loading: Instant,
    /// The scorer, where it was started while the model was fetched.
    started: Option<StartedScorer>,
}

/// A model and a dataset that are ready.
struct Opened {
    scorer: ScorerProcess,
    champion: Option<ScorerProcess>,
    dataset: Dataset,
}

impl Opening<'_> {
    /// Loads the model while the dataset is listed, and notes what both are.
    async fn open(
        self,
        client: &mut Option<S3Client>,
        progress: &Arc<Progress>,
        findings: &mut Findings,
    ) -> Result<Opened, GateError> {
        let settings = self.settings;
        progress.phase("loading the model and listing the dataset");
        let opened = async {
            match self.listed {
                Some(listed) => Ok(listed),
                None => {
                    let dataset = open(settings, self.source).await?;
                    let digest = manifest(settings, &dataset, Contents::Leave).await?;
                    Ok((dataset, digest))
                }
            }
        };
        let (scorer, dataset): (_, Result<_, GateError>) =
            tokio::join!(load(settings, self.model_file, self.started), opened);
        let scorer = scorer?;
        refuse_other_model(settings, &scorer)?;
        findings.timings.load_s = Some(self.loading.elapsed().as_secs_f64());
        findings.model = Some(model_section(scorer.model(), &settings.model.to_string()));
        findings.environment = environment(&scorer);
        for protection in scorer.model().sandbox.missing() {
            findings.warnings.push(format!(
                "the system lacks the protection `{protection}`: the model ran less confined"
            ));
        }
        let (dataset, manifest_digest) = dataset?;
        findings.dataset = Some(DatasetSection {
            manifest_digest,
            ..dataset_section(&dataset)
        });
        warn_of_skipped(&dataset, findings);
        let champion = champion::load(settings, client, findings).await?;
        let champion_sha256 = champion
            .as_ref()
            .map(|champion| champion.model().sha256.as_str());
        findings.gate_digest = Some(gate::digest(&settings.effective, champion_sha256));
        Ok(Opened {
            scorer,
            champion,
            dataset,
        })
    }
}

/// Starts the scorer, which loads libtorch while the model is fetched.
async fn start(settings: &Settings) -> Result<StartedScorer, GateError> {
    let given = settings.scorer.clone();
    let threads = settings.threads;
    let uri = settings.model.to_string();
    in_background(uri, move || {
        StartedScorer::start(&find_scorer(given.as_deref())?, threads)
    })
    .await
}

async fn load(
    settings: &Settings,
    model: &ModelFile,
    started: Option<StartedScorer>,
) -> Result<ScorerProcess, GateError> {
    load_from(settings, model, settings.model.to_string(), started).await
}

async fn load_from(
    settings: &Settings,
    model: &ModelFile,
    uri: String,
    started: Option<StartedScorer>,
) -> Result<ScorerProcess, GateError> {
    let scorer =
        find_scorer(settings.scorer.as_deref()).map_err(|source| GateError::LoadModel {
            uri: uri.clone(),
            source,
        })?;
    let mut options = SpawnOptions::new(scorer, model.path());
    options.threads = settings.threads;
    options.device = settings.device;
    options.denied.clone_from(&settings.denied);
    options.selection = settings.model_settings.selection.clone();
    in_background(uri, move || match started {
        Some(started) => ScorerProcess::spawn_into(started, options),
        None => ScorerProcess::spawn(options),
    })
    .await
}

/// Does what blocks for the model at `uri` away from the runtime.
async fn in_background<T: Send + 'static>(
    uri: String,
    work: impl FnOnce() -> Result<T, ScorerError> + Send + 'static,
) -> Result<T, GateError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| internal(&error))?
        .map_err(|source| GateError::LoadModel { uri, source })
}

/// Refuses a model whose digest is not the one that the gate file names.
fn refuse_other_model(settings: &Settings, scorer: &ScorerProcess) -> Result<(), GateError> {
    let found = &scorer.model().sha256;
    match &settings.model_settings.sha256 {
        Some(expected) if expected != found => Err(GateError::OtherModel {
            uri: settings.model.to_string(),
            expected: expected.clone(),
            found: found.clone(),
        }),
        _ => Ok(()),
    }
}

async fn open(settings: &Settings, source: Arc<dyn ObjectSource>) -> Result<Dataset, GateError> {
    Dataset::open(source, settings.selection.clone(), &settings.data.files)
        .await
        .map_err(|source| GateError::OpenDataset {
            uri: settings.dataset.to_string(),
            source,
        })
}

async fn manifest(
    settings: &Settings,
    dataset: &Dataset,
    contents: Contents,
) -> Result<Option<String>, GateError> {
    manifest::digest(dataset, contents)
        .await
        .map_err(|source| GateError::OpenDataset {
            uri: settings.dataset.to_string(),
            source: source.into(),
        })
}

fn internal(error: &tokio::task::JoinError) -> GateError {
    GateError::Internal {
        what: error.to_string(),
    }
}

/// What scoring the rows of a share left.
struct Scored {
    scorer: ScorerProcess,
    /// Nothing where the share has no rows.
    evaluation: Option<Evaluation>,
    evidence: Evidence,
    reads: Vec<FileRead>,
    labels_seen: LabelsSeen,
}

async fn score(
    settings: &Settings,
    opened: Opened,
    share: Option<Share>,
    progress: &Arc<Progress>,
    findings: &mut Findings,
) -> Result<Scored, GateError> {
    let started = Instant::now();
    progress.start_rows();
    let Opened {
        mut scorer,
        mut champion,
        dataset,
    } = opened;
    let unused = dataset.columns().unused.clone();
    let mut batches = match share {
        Some(share) => dataset.into_share(share),
        None => dataset.into_batches(),
    };
    let told = Arc::clone(progress);
    let plan = GatherPlan {
        with_champion: champion.is_some(),
        ..GatherPlan::of(settings)
    };
    let inputs = settings.model_settings.inputs.clone();
    // The champion's process ends with the last row: it must not disturb the latency.
    let (scorer, mut batches, outcome) = tokio::task::spawn_blocking(move || {
        let scorers = Scorers {
            model: &mut scorer,
            champion: champion
                .as_mut()
                .map(|champion| champion as &mut dyn Scorer),
            inputs: &inputs,
        };
        let outcome = evaluate(&mut batches, scorers, &plan, |rows| told.add_rows(rows));
        (scorer, batches, outcome)
    })
    .await
    .map_err(|error| internal(&error))?;
    findings.timings.score_s = Some(started.elapsed().as_secs_f64());
    let evaluation = outcome.map_err(|source| GateError::Evaluate {
        uri: settings.dataset.to_string(),
        unused,
        source,
    })?;
    let evidence = batches.evidence();
    findings.note_evidence(evidence.clone());
    if let Some(evaluation) = &evaluation {
        note_outputs(evaluation, &evidence, findings);
    }
    Ok(Scored {
        scorer,
        evaluation,
        evidence,
        reads: batches.take_reads(),
        labels_seen: batches.labels_seen(),
    })
}

/// What is left of an evaluation once the rows are gone.
struct Complete {
    scorer: ScorerProcess,
    gathered: Gathered,
    sample: RowSample,
}

/// Sorts all rows of a dataset, which must have some.
async fn gathered(
    settings: &Settings,
    scored: Scored,
    findings: &mut Findings,
) -> Result<Complete, GateError> {
    let uri = settings.dataset.to_string();
    let Scored {
        scorer,
        evaluation,
        evidence,
        ..
    } = scored;
    let Some(evaluation) = evaluation else {
        return Err(no_rows(&uri, &evidence));
    };
    let started = Instant::now();
    let Evaluation {
        gathered, sample, ..
    } = evaluation;
    let gathered = tokio::task::spawn_blocking(move || gathered.finish())
        .await
        .map_err(|error| internal(&error))?
        .map_err(|source| GateError::Judge {
            uri: uri.clone(),
            source: source.into(),
        })?;
    findings.timings.metrics_s = Some(started.elapsed().as_secs_f64());
    expect::refuse_unexpected(&settings.data.expect, &uri, &evidence, &gathered)?;
    warn_of_dropped(&evidence, findings);
    Ok(Complete {
        scorer,
        gathered,
        sample,
    })
}

/// Says that there is no row, or none without a null.
fn no_rows(uri: &str, evidence: &Evidence) -> GateError {
    let source = if evidence.dropped.is_none() {
        DatasetError::NoRows {
            uri: uri.to_owned(),
            files: evidence.files_total,
        }
    } else {
        DatasetError::NothingLeft {
            of: "rows".to_owned(),
            dropped: evidence.dropped.clone(),
        }
    };
    GateError::OpenDataset {
        uri: uri.to_owned(),
        source,
    }
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
    warn_of_infinite(evaluation.infinite, findings);
}

fn warn_of_infinite(infinite: u64, findings: &mut Findings) {
    if infinite > 0 {
        findings.warnings.push(format!(
            "{infinite} raw outputs are infinite; they rank at the ends"
        ));
    }
}

fn warn_of_dropped(evidence: &Evidence, findings: &mut Findings) {
    if !evidence.dropped.is_none() {
        findings.warnings.push(format!(
            "{}: the verdict says nothing of such rows",
            expect::dropped_text(evidence)
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

/// Judges the scores by every check.
async fn judge_scores(
    settings: &Settings,
    gathered: Gathered,
    checks: Vec<MetricCheck>,
    findings: &mut Findings,
) -> Result<(), GateError> {
    let started = Instant::now();
    let meaning = settings.model_settings.meaning;
    let infinite = findings.scores_infinite;
    let judged = tokio::task::spawn_blocking(move || judge(&gathered, infinite, meaning, &checks))
        .await
        .map_err(|error| internal(&error))?
        .map_err(|source| GateError::Judge {
            uri: settings.dataset.to_string(),
            source,
        })?;
    findings.metrics = Some(judged.section);
    findings.curves = Some(judged.curves);
    findings.checks.extend(judged.checks);
    findings.warnings.extend(judged.warnings);
    let spent = started.elapsed().as_secs_f64();
    *findings.timings.metrics_s.get_or_insert(0.0) += spent;
    Ok(())
}

fn environment(scorer: &ScorerProcess) -> Environment {
    Environment {
        validator_version: crate::VERSION.to_owned(),
        platform: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        processors: std::thread::available_parallelism()
            .ok()
            .map(|count| count.get() as u64),
        device: Some(scorer.model().device.to_string()),
        model_threads: Some(scorer.model().threads as u64),
        libtorch_version: Some(scorer.model().runtime.clone()),
        validator_resident_bytes_max: None,
        scorer_resident_bytes_max: None,
        s3: None,
    }
}
