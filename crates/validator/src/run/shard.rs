//! One shard: its part of the dataset is scored and written down, and not judged.

use std::sync::Arc;
use std::time::Instant;

use super::latency::{self, Sampled, Stop};
use super::{Opening, internal, note_identity, score, start};
use crate::dataset::{Location, S3Client, Share, source_of};
use crate::error::GateError;
use crate::evaluate::Evaluation;
use crate::findings::Findings;
use crate::manifest;
use crate::model_file;
use crate::output::progress::Progress;
use crate::settings::Settings;
use crate::shard::{Facts, Identity, LatencyOfShard, keep, refuse_unmergeable};

/// What a shard has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardWritten {
    /// Where its summary lies.
    pub uri: String,
    /// The summary's size.
    pub bytes: u64,
    /// Rows that were scored.
    pub rows: u64,
    /// Rows that were left out for nulls.
    pub rows_dropped: u64,
    /// Row groups that they came from.
    pub row_groups: u64,
    /// Files that were opened for them.
    pub files: u64,
}

/// Scores one shard of the dataset and writes its summary to `place`.
///
/// # Errors
/// [`GateError`] when there is no summary; an older one of the same shard may still lie there.
pub async fn score_shard(
    settings: &Settings,
    share: Share,
    place: &Location,
    progress: &Arc<Progress>,
    findings: &mut Findings,
) -> Result<ShardWritten, GateError> {
    refuse_unmergeable(settings)?;
    let mut client = None;
    let written = score_with(&mut client, settings, share, place, progress, findings).await;
    note_identity(client.as_ref(), findings).await;
    written
}

async fn score_with(
    client: &mut Option<S3Client>,
    settings: &Settings,
    share: Share,
    place: &Location,
    progress: &Arc<Progress>,
    findings: &mut Findings,
) -> Result<ShardWritten, GateError> {
    let loading = Instant::now();
    let started = start(settings).await?;
    progress.phase("fetching the model");
    let model_file = model_file::fetch(&settings.model, client).await?;
    let source = source_of(&settings.data.root, client).await;
    let opened = Opening {
        settings,
        model_file: &model_file,
        source,
        listed: None,
        loading,
        started: Some(started),
    }
    .open(client, progress, findings)
    .await?;
    let listing_digest = manifest::listing(&opened.dataset);
    let files_total = opened.dataset.files_total() as u64;
    let scored = score(settings, opened, Some(share), progress, findings).await?;
    let (mut runs, mut sampled, mut infinite, mut width) = (Vec::new(), Vec::new(), 0, 0);
    if let Some(evaluation) = scored.evaluation {
        let Evaluation {
            gathered, sample, ..
        } = evaluation;
        (infinite, width) = (evaluation.infinite, evaluation.width as u64);
        runs = tokio::task::spawn_blocking(move || gathered.into_runs())
            .await
            .map_err(|error| internal(&error))?
            .map_err(|source| GateError::Judge {
                uri: settings.dataset.to_string(),
                source: source.into(),
            })?;
        if !settings.latency.is_empty() {
            progress.phase("measuring latency");
        }
        sampled =
            latency::sample_all(settings, scored.scorer, sample, Stop::Late, findings).await?;
    }
    progress.phase("writing the summary");
    let row_groups: usize = scored.reads.iter().map(|file| file.read.len()).sum();
    let (model, dataset, gate_digest) = findings
        .model
        .clone()
        .zip(findings.dataset.clone())
        .zip(findings.gate_digest.clone())
        .map(|((model, dataset), digest)| (model, dataset, digest))
        .ok_or_else(|| GateError::Internal {
            what: "a dataset was scored before it was described".to_owned(),
        })?;
    let written = ShardWritten {
        uri: String::new(),
        bytes: 0,
        rows: scored.evidence.rows_total,
        rows_dropped: scored.evidence.dropped.rows,
        row_groups: row_groups as u64,
        files: scored.reads.len() as u64,
    };
    let facts = Facts {
        identity: Identity {
            validator_version: crate::VERSION.to_owned(),
            gate_digest,
            model_sha256: model.sha256.clone(),
            listing_digest,
            files_total,
            shards: share.of,
        },
        shard: share.index,
        rows: scored.evidence.rows_total,
        width,
        infinite,
        labels_zero: scored.labels_seen.zero,
        labels_minus_one: scored.labels_seen.minus_one,
        configuration: settings.effective.clone(),
        model,
        dataset,
        files: scored.reads,
        populations: Vec::new(),
        latency: sampled.into_iter().flat_map(of_shard).collect(),
        environment: findings.environment.clone(),
        timings: findings.timings.clone(),
        warnings: findings.warnings.clone(),
    };
    let kept = keep(place, facts, runs, client).await;
    let (uri, bytes) = kept.map_err(|source| GateError::KeepSummary {
        place: place.to_string(),
        source,
    })?;
    progress.finish();
    Ok(ShardWritten {
        uri,
        bytes,
        ..written
    })
}

fn of_shard(sampled: Sampled) -> impl Iterator<Item = LatencyOfShard> {
    let Sampled {
        check,
        distinct_rows,
        of_shards,
    } = sampled;
    of_shards.into_iter().map(move |samples| LatencyOfShard {
        name: check.name.clone(),
        distinct_rows: distinct_rows as u64,
        samples,
    })
}
