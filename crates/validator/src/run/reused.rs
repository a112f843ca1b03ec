//! Looks for the verdict of an earlier run on the same model, dataset and gate.

use std::io::Read as _;
use std::path::Path;

use sha2::{Digest, Sha256};
use verdict::exit::ExitCode;
use verdict::report::{Environment, Report, Reused};

use crate::dataset::{Dataset, S3Client};
use crate::error::GateError;
use crate::findings::Findings;
use crate::gate;
use crate::manifest::Contents;
use crate::model_file::{self, ModelFile};
use crate::reuse::{Found, Store, Subject, find};
use crate::settings::Settings;

/// What looking came to.
pub(super) struct Looked {
    /// What the earlier run found, and how it ended.
    pub(super) verdict: Option<(Findings, ExitCode)>,
    /// Why a kept verdict does not count.
    pub(super) warning: Option<String>,
    /// The digest of the dataset's listing.
    pub(super) manifest_digest: Option<String>,
}

/// Looks for a kept verdict; the model is read for its digest and is not loaded.
///
/// # Errors
/// [`GateError`] when the dataset's files cannot be read.
pub(super) async fn look(
    settings: &Settings,
    store: &Store,
    (model, dataset): (&ModelFile, &Dataset),
    client: &mut Option<S3Client>,
) -> Result<Looked, GateError> {
    let manifest_digest = super::manifest(settings, dataset, Contents::Read).await?;
    let without = |manifest_digest, warning| Looked {
        verdict: None,
        warning,
        manifest_digest,
    };
    // A model that cannot be read is told by the scorer, with all that belongs to it.
    let Some(model_sha256) = sha256_of(model.path()).await else {
        return Ok(without(manifest_digest, None));
    };
    let pinned = settings.model_settings.sha256.as_ref();
    if pinned.is_some_and(|pinned| *pinned != model_sha256) {
        return Ok(without(manifest_digest, None));
    }
    let Some(digest) = &manifest_digest else {
        return Ok(without(None, None));
    };
    let champion_sha256 = champion_sha256(settings, client).await;
    let subject = Subject {
        model_sha256,
        manifest_digest: digest.clone(),
        gate_digest: gate::digest(&settings.effective, champion_sha256.as_deref()),
    };
    Ok(
        match find(store, &subject, client, chrono::Utc::now()).await {
            Found::Nothing => without(manifest_digest, None),
            Found::Unusable(why) => without(
                manifest_digest,
                Some(format!(
                    "the verdict kept in `{}` does not count: {why}",
                    store.place
                )),
            ),
            Found::Verdict {
                report,
                reused,
                exit,
            } => {
                let note = note(&report, &reused);
                let mut findings = Findings::reused(*report, reused);
                findings.warnings.insert(0, note);
                Looked {
                    verdict: Some((findings, exit)),
                    warning: None,
                    manifest_digest,
                }
            }
        },
    )
}

/// Returns the digest of the champion, where there is one that can be had.
async fn champion_sha256(settings: &Settings, client: &mut Option<S3Client>) -> Option<String> {
    let location = settings.champion.as_ref()?.location.as_ref()?;
    let file = model_file::fetch(location, client).await.ok()?;
    sha256_of(file.path()).await
}

async fn sha256_of(path: &Path) -> Option<String> {
    let path = path.to_owned();
    let digest = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(path)?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 1024 * 1024];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                return Ok::<_, std::io::Error>(hex::encode(digest.finalize()));
            }
            digest.update(&buffer[..read]);
        }
    });
    digest.await.ok()?.ok()
}

/// Says what a reused verdict means, above all for latency, which is a machine's as well.
fn note(report: &Report, reused: &Reused) -> String {
    let Environment {
        platform,
        processors,
        ..
    } = &report.environment;
    let processors_of =
        |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
    let here = std::thread::available_parallelism().ok();
    let latency = if report.latency.is_some() {
        format!(
            "; its latency was measured then, on {platform} with {} processors (here: {}/{} with {})",
            processors_of(*processors),
            std::env::consts::OS,
            std::env::consts::ARCH,
            processors_of(here.map(|count| count.get() as u64)),
        )
    } else {
        String::new()
    };
    format!(
        "the verdict is reused from the run of {}: no row was scored and no call timed now{latency}",
        reused.started_at
    )
}
