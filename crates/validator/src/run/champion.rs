//! The model that serves now: fetched and loaded, or found missing.

use crate::dataset::{S3Client, SourceError};
use crate::error::GateError;
use crate::findings::{Findings, model_section};
use crate::gate::file::IfMissingName;
use crate::model_file;
use crate::scorer::{Scorer, ScorerProcess};
use crate::settings::{MetricCheck, Settings, Subject};

/// Loads the champion; nothing where the gate names none, or where it is missing and may be.
///
/// # Errors
/// [`GateError::Champion`] around what happened.
pub(super) async fn load(
    settings: &Settings,
    client: &mut Option<S3Client>,
    findings: &mut Findings,
) -> Result<Option<ScorerProcess>, GateError> {
    let Some(champion) = &settings.champion else {
        return Ok(None);
    };
    let Some(location) = &champion.location else {
        findings.warnings.push(skipped("the gate file names none"));
        return Ok(None);
    };
    let uri = location.to_string();
    let file = match model_file::fetch(location, client).await {
        Ok(file) => file,
        Err(GateError::FetchModel {
            source: SourceError::NotFound { .. },
            ..
        }) if champion.if_missing == IfMissingName::Skip => {
            findings
                .warnings
                .push(skipped(&format!("`{uri}` does not exist")));
            return Ok(None);
        }
        Err(error) => return Err(GateError::Champion(Box::new(error))),
    };
    if champion.if_missing == IfMissingName::Skip && !file.path().exists() {
        findings
            .warnings
            .push(skipped(&format!("`{uri}` does not exist")));
        return Ok(None);
    }
    let scorer = super::load_from(settings, &file, uri.clone(), None)
        .await
        .map_err(|error| GateError::Champion(Box::new(error)))?;
    findings.champion = Some(model_section(scorer.model(), &uri));
    Ok(Some(scorer))
}

fn skipped(why: &str) -> String {
    format!("there is no champion ({why}): checks against it are left out")
}

/// Returns the checks that can be judged with or without a champion.
pub(super) fn judgeable(settings: &Settings, with_champion: bool) -> Vec<MetricCheck> {
    settings
        .checks
        .iter()
        .filter(|check| with_champion || check.subject == Subject::Model)
        .cloned()
        .collect()
}
