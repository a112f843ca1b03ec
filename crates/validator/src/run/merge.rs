//! All shards: their summaries are merged and judged as the rows of one machine are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use verdict::decision::verdict;
use verdict::exit::ExitCode;
use verdict::metric::RankedRows;
use verdict::report::{ConfigurationEntry, Environment};

use super::latency::{self, Sampled};
use super::{
    expect, internal, judge_scores, no_rows, note_identity, warn_of_dropped, warn_of_infinite,
};
use crate::dataset::{DatasetError, Evidence, LabelsSeen, Location, ValueError, joined};
use crate::error::GateError;
use crate::findings::Findings;
use crate::gate;
use crate::judge::{GatherPlan, Gathered};
use crate::output::progress::Progress;
use crate::output::reason;
use crate::settings::{LATER, Settings};
use crate::shard::{ShardFile, ShardsError, check, fetch_all, refuse_unmergeable};

/// Judges what all shards have found. Neither the model nor the dataset is read.
///
/// # Errors
/// [`GateError`] when there is no verdict, such as for a shard that is missing.
pub async fn judge_shards(
    settings: &Settings,
    place: &Location,
    progress: &Arc<Progress>,
    findings: &mut Findings,
) -> Result<ExitCode, GateError> {
    refuse_unmergeable(settings)?;
    progress.phase("fetching the summaries of shards");
    let started = Instant::now();
    let mut client = None;
    let fetched = fetch_all(place, &mut client).await;
    note_identity(client.as_ref(), findings).await;
    let shards = fetched.map_err(|source| GateError::Shards {
        place: place.to_string(),
        source,
    })?;
    let wrong = |source: ShardsError| GateError::Shards {
        place: place.to_string(),
        source: source.into(),
    };
    let gate_digest = gate::digest(&settings.effective, None);
    check(&shards, &gate_digest).map_err(wrong)?;
    findings.places = places(settings, &shards).map_err(wrong)?;
    findings.gate_digest = Some(gate_digest);
    findings.timings.load_s = Some(started.elapsed().as_secs_f64());
    progress.phase("merging the shards");
    let started = Instant::now();
    let evidence = describe(settings, &shards, findings)?.map_err(|source| wrong(source.into()))?;
    let runs = shards
        .iter()
        .map(ShardFile::runs)
        .collect::<Result<Vec<_>, _>>()
        .map_err(wrong)?;
    let plan = GatherPlan::of(settings);
    let uri = uri(settings, findings);
    let merged = tokio::task::spawn_blocking(move || {
        Gathered::of_runs(&plan, runs.into_iter().flatten().collect())
    })
    .await
    .map_err(|error| internal(&error))?;
    let gathered = match merged {
        Ok(gathered) => gathered,
        Err(source) => {
            // A merge does not know whose run has failed it.
            shards
                .iter()
                .try_for_each(ShardFile::verify)
                .map_err(wrong)?;
            return Err(GateError::Judge {
                uri,
                source: source.into(),
            });
        }
    };
    findings.timings.metrics_s = Some(started.elapsed().as_secs_f64());
    let scores = &gathered.whole.scores;
    if scores.positives() + scores.negatives() != evidence.rows_total {
        return Err(wrong(ShardsError::Damaged {
            name: place.to_string(),
            what: format!(
                "its runs hold {} rows, and {} were read",
                scores.positives() + scores.negatives(),
                evidence.rows_total
            ),
        }));
    }
    expect::refuse_unexpected(&settings.data.expect, &uri, &evidence, &gathered)?;
    warn_of_dropped(&evidence, findings);
    progress.phase("computing the metrics");
    judge_scores(settings, gathered, settings.checks.clone(), findings).await?;
    latency::judge_all(settings, sampled(settings, &shards)?, findings);
    progress.finish();
    findings.reasons = reason::deciding(&findings.checks);
    Ok(verdict(&findings.checks))
}

/// Returns where the dataset lies, as far as it is known.
fn uri(settings: &Settings, findings: &Findings) -> String {
    findings.dataset.as_ref().map_or_else(
        || settings.dataset.to_string(),
        |dataset| dataset.uri.clone(),
    )
}

/// Returns the places that the shards read and this run does not name; refuses others.
fn places(
    settings: &Settings,
    shards: &[ShardFile],
) -> Result<BTreeMap<String, ConfigurationEntry>, ShardsError> {
    let mut places = BTreeMap::new();
    for (what, own) in [
        ("model", settings.model.to_string()),
        ("dataset", settings.dataset.to_string()),
    ] {
        for shard in shards {
            let Some(entry) = shard.facts.configuration.get(what) else {
                continue;
            };
            let found = entry.value.as_str().unwrap_or_default();
            if own != LATER && own != found {
                return Err(ShardsError::OtherPlace {
                    what,
                    found: found.to_owned(),
                    expected: own,
                });
            }
            places.insert(what.to_owned(), entry.clone());
        }
    }
    Ok(places)
}

/// Notes what the shards say of model, dataset and machines, and returns what they have read.
fn describe(
    settings: &Settings,
    shards: &[ShardFile],
    findings: &mut Findings,
) -> Result<Result<Evidence, crate::dataset::CoverageError>, GateError> {
    let facts = || shards.iter().map(|shard| &shard.facts);
    // Each shard with rows tells what the model's outputs are.
    let telling = facts().find(|facts| facts.rows > 0);
    let Some(telling) = telling.or_else(|| facts().next()) else {
        return Ok(Ok(Evidence::default()));
    };
    findings.model = Some(telling.model.clone());
    findings.dataset = Some(telling.dataset.clone());
    let uri = uri(settings, findings);
    findings.environment = Environment {
        model_threads: telling.environment.model_threads,
        processors: telling.environment.processors,
        platform: telling.environment.platform.clone(),
        libtorch_version: telling.environment.libtorch_version.clone(),
        s3: findings.environment.s3.take(),
        ..Environment::default()
    };
    findings.shards = Some(shards.len() as u64);
    findings.scores_infinite = facts().map(|facts| facts.infinite).sum();
    for warning in facts().flat_map(|facts| &facts.warnings) {
        // Each shard counts its own; the sum follows.
        let is_count = warning.ends_with("raw outputs are infinite; they rank at the ends");
        if !is_count && !findings.warnings.contains(warning) {
            findings.warnings.push(warning.clone());
        }
    }
    warn_of_infinite(findings.scores_infinite, findings);
    let longest = |of: fn(&verdict::report::Timings) -> Option<f64>| {
        facts()
            .filter_map(|facts| of(&facts.timings))
            .reduce(f64::max)
    };
    findings.timings.score_s = longest(|timings| timings.score_s);
    findings.timings.latency_s = longest(|timings| timings.latency_s);
    let values = |source| GateError::OpenDataset {
        uri: uri.clone(),
        source: DatasetError::Values {
            file: uri.clone(),
            source,
        },
    };
    let mut seen = LabelsSeen::default();
    for facts in facts() {
        let other = LabelsSeen {
            zero: facts.labels_zero,
            minus_one: facts.labels_minus_one,
        };
        seen.merge(other, &telling.dataset.label).map_err(values)?;
        if facts.rows > 0 && facts.width != telling.width {
            return Err(values(ValueError::VectorWidth {
                column: telling.dataset.features.join(","),
                row: 0,
                found: facts.width as usize,
                expected: telling.width as usize,
            }));
        }
    }
    let files_total = telling.identity.files_total;
    let evidence = joined(facts().map(|facts| facts.files.clone()), files_total);
    if let Ok(evidence) = &evidence {
        findings.note_evidence(evidence.clone());
        if evidence.rows_total == 0 {
            return Err(no_rows(&uri, evidence));
        }
    }
    Ok(evidence)
}

/// Returns the timed calls of each check by shard.
fn sampled(settings: &Settings, shards: &[ShardFile]) -> Result<Vec<Sampled>, GateError> {
    let of_check = |check: &crate::settings::LatencyCheck| {
        let entries: Vec<_> = shards
            .iter()
            .flat_map(|shard| &shard.facts.latency)
            .filter(|entry| entry.name == check.name)
            .collect();
        if entries.is_empty() {
            return Err(GateError::Internal {
                what: format!("no shard has timed `{}`", check.name),
            });
        }
        Ok(Sampled {
            check: check.clone(),
            distinct_rows: entries
                .iter()
                .map(|entry| entry.distinct_rows as usize)
                .sum(),
            of_shards: entries.iter().map(|entry| entry.samples.clone()).collect(),
        })
    };
    settings.latency.iter().map(of_check).collect()
}
