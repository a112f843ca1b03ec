//! The middle of a run for a model that tells several classes apart: from rows to checks.

use std::sync::Arc;
use std::time::Instant;

use super::{expect, internal, no_rows, warn_of_dropped};
use crate::dataset::Dataset;
use crate::error::GateError;
use crate::evaluate::{ClassEvaluation, RowSample, evaluate_classes};
use crate::findings::Findings;
use crate::output::progress::Progress;
use crate::scorer::ScorerProcess;
use crate::settings::{ClassSettings, Settings};

/// Scores all rows and judges them; returns what the latency is measured with.
pub(super) async fn judge(
    settings: &Settings,
    classes: &ClassSettings,
    dataset: Dataset,
    mut scorer: ScorerProcess,
    progress: &Arc<Progress>,
    findings: &mut Findings,
) -> Result<(ScorerProcess, RowSample), GateError> {
    let started = Instant::now();
    let uri = settings.dataset.to_string();
    progress.start_rows();
    let unused = dataset.columns().unused.clone();
    let mut batches = dataset.into_batches();
    let told = Arc::clone(progress);
    let inputs = settings.model_settings.inputs.clone();
    let id = settings.data.id.clone();
    let count = classes.count as usize;
    let (scorer, evidence, outcome) = tokio::task::spawn_blocking(move || {
        let add = |rows| told.add_rows(rows);
        let outcome = evaluate_classes(
            &mut batches,
            &mut scorer,
            &inputs,
            count,
            id.as_deref(),
            add,
        );
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
        return Err(no_rows(&uri, &evidence));
    };
    let ClassEvaluation {
        gathered,
        sample,
        width,
        element_type,
    } = evaluation;
    if let Some(dataset) = &mut findings.dataset {
        dataset.width = width as u64;
    }
    if let Some(model) = &mut findings.model {
        model.output_type = Some(element_type.to_string());
        model.output_kind = Some("all_columns".to_owned());
    }
    let expect = &settings.data.expect;
    let of_classes = gathered.rows_by_class().into_iter().enumerate();
    let of_classes = of_classes.map(|(class, rows)| (format!("class {class}"), rows));
    expect::refuse_dropped(expect, &uri, &evidence, of_classes)?;
    expect::refuse_few_rows(expect, &uri, gathered.rows())?;
    expect::refuse_other_digest(expect, &uri, &evidence)?;
    warn_of_dropped(&evidence, findings);
    progress.phase("computing the metrics");
    let started = Instant::now();
    let meaning = settings.model_settings.meaning;
    let checks = classes.checks.clone();
    let judged = tokio::task::spawn_blocking(move || gathered.judge(meaning, &checks))
        .await
        .map_err(|error| internal(&error))?
        .map_err(|source| GateError::Judge { uri, source })?;
    findings.timings.metrics_s = Some(started.elapsed().as_secs_f64());
    findings.multiclass = Some(judged.section);
    findings.checks.extend(judged.checks);
    findings.warnings.extend(judged.warnings);
    Ok((scorer, sample))
}
