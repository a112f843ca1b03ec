//! Verdicts that are kept for runs that would judge the same again.
//!
//! A verdict is found by the digests of model, dataset and gate and by the validator's version.
//! Where keys are known it counts only when one of them has signed it. What cannot be used is
//! told and judged afresh; nothing here fails a run.

use std::time::Duration;

use attest::{Demands, PublicKey, Required, Statement, unpack, verify};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use verdict::exit::ExitCode;
use verdict::report::{Outcome, Report, Reused};

use crate::dataset::{Location, ObjectSource, S3Client, S3Source, SourceError, put};
use crate::output::write_beside;

/// The most bytes of a kept verdict.
const REPORT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Where verdicts are kept, and which of them count.
#[derive(Clone, Debug)]
pub struct Store {
    /// A folder or prefix.
    pub place: Location,
    /// Keys of which one has to have signed; where there are none, the place is trusted.
    pub keys: Vec<PublicKey>,
    /// How old a verdict may be.
    pub max_age: Option<Duration>,
}

/// What a verdict is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The model's SHA-256, in hexadecimal.
    pub model_sha256: String,
    /// The digest of the dataset's listing.
    pub manifest_digest: String,
    /// The digest of the gate.
    pub gate_digest: String,
}

impl Subject {
    /// Reads what a report is about; nothing where it tells not all of it.
    #[must_use]
    pub fn of(report: &Report) -> Option<Self> {
        Some(Self {
            model_sha256: report.brief.model.sha256.clone()?,
            manifest_digest: report.brief.dataset.manifest_digest.clone()?,
            gate_digest: report.brief.gate.clone()?.digest,
        })
    }

    /// Returns the file that holds the verdict.
    fn file_name(&self) -> String {
        let mut digest = Sha256::new();
        for text in [
            &self.model_sha256,
            &self.manifest_digest,
            &self.gate_digest,
            crate::VERSION,
        ] {
            digest.update(text);
            digest.update("\n");
        }
        format!("{}.json", hex::encode(digest.finalize()))
    }
}

/// What looking for a verdict came to.
#[derive(Debug)]
pub enum Found {
    /// A verdict that counts.
    Verdict {
        /// The report of the run that judged.
        report: Box<Report>,
        /// Where it comes from.
        reused: Reused,
        /// How that run ended.
        exit: ExitCode,
    },
    /// None is kept.
    Nothing,
    /// One is kept and does not count, for this reason.
    Unusable(String),
}

/// Looks for a verdict on the same model, dataset and gate.
pub async fn find(
    store: &Store,
    subject: &Subject,
    client: &mut Option<S3Client>,
    now: DateTime<Utc>,
) -> Found {
    let name = subject.file_name();
    let bytes = match read(&store.place, &name, client).await {
        Ok(bytes) => bytes,
        Err(SourceError::NotFound { .. }) => return Found::Nothing,
        Err(error) => return Found::Unusable(chain(&error)),
    };
    match accept(store, subject, &bytes, now) {
        Ok((report, key_id, exit)) => {
            let reused = Reused {
                from: format!("{}/{name}", store.place.to_string().trim_end_matches('/')),
                started_at: report.brief.started_at.clone(),
                duration_s: report.brief.duration_s,
                key_id,
            };
            Found::Verdict {
                report: Box::new(report),
                reused,
                exit,
            }
        }
        Err(why) => Found::Unusable(why),
    }
}

/// Decides whether what is kept counts.
fn accept(
    store: &Store,
    subject: &Subject,
    bytes: &[u8],
    now: DateTime<Utc>,
) -> Result<(Report, Option<String>, ExitCode), String> {
    let report: Report =
        serde_json::from_slice(bytes).map_err(|error| format!("it is no report: {error}"))?;
    let brief = &report.brief;
    let exit = ExitCode::from_code(brief.exit_code)
        .filter(|exit| exit.outcome() == brief.outcome && brief.outcome != Outcome::Error);
    let exit = exit.ok_or("it holds no verdict")?;
    if Subject::of(&report).as_ref() != Some(subject) {
        return Err("it is about another model, dataset or gate than its name says".to_owned());
    }
    let statement = Statement::of_report(&report).map_err(|error| chain(&error))?;
    let mut key_id = None;
    if !store.keys.is_empty() {
        let packed = brief.attestation.as_deref().ok_or("it is not signed")?;
        let envelope = unpack(packed).map_err(|error| chain(&error))?;
        let verified = verify(&envelope, &store.keys).map_err(|error| chain(&error))?;
        if verified.statement != statement {
            return Err("its numbers are not those that were signed".to_owned());
        }
        key_id = Some(verified.key_id);
    }
    let demands = Demands {
        outcome: Required::Any,
        max_age: store.max_age,
        ..Demands::default()
    };
    let conditions = demands.judge(&statement, now);
    if let Some(unmet) = conditions.iter().find(|condition| !condition.met) {
        return Err(unmet.detail.clone());
    }
    Ok((report, key_id, exit))
}

/// Keeps the verdict of a run that judged itself; tells whether there was one to keep.
///
/// # Errors
/// [`SourceError`]; the verdict of the run stands.
pub async fn keep(
    store: &Store,
    report: &Report,
    client: &mut Option<S3Client>,
) -> Result<bool, SourceError> {
    let is_own = report.brief.outcome != Outcome::Error && report.brief.reused.is_none();
    let Some(subject) = Subject::of(report).filter(|_| is_own) else {
        return Ok(false);
    };
    // Plain values with text keys cannot fail to become JSON.
    let text = serde_json::to_string(report).unwrap_or_default();
    let name = subject.file_name();
    match &store.place {
        Location::Local(folder) => std::fs::create_dir_all(folder)
            .and_then(|()| write_beside(&folder.join(&name), &text))
            .map_err(|source| SourceError::Failed {
                uri: folder.display().to_string(),
                source: source.into(),
            })?,
        Location::S3 { bucket, key } => {
            let client = client_of(client).await;
            put(&client, bucket, &below(key, &name), text.into_bytes()).await?;
        }
    }
    Ok(true)
}

async fn read(
    place: &Location,
    name: &str,
    client: &mut Option<S3Client>,
) -> Result<Vec<u8>, SourceError> {
    match place {
        Location::Local(folder) => {
            let path = folder.join(name);
            let uri = path.display().to_string();
            std::fs::read(&path).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => SourceError::NotFound { uri },
                _ => SourceError::Failed {
                    uri,
                    source: error.into(),
                },
            })
        }
        Location::S3 { bucket, key } => {
            let source = S3Source::new(client_of(client).await, bucket, below(key, name));
            let object = source.object().await?;
            let end = object.bytes.min(REPORT_BYTES_MAX);
            let parts = source
                .read(&object, std::slice::from_ref(&(0..end)))
                .await?;
            Ok(parts.concat())
        }
    }
}

async fn client_of(client: &mut Option<S3Client>) -> S3Client {
    match client {
        Some(client) => client.clone(),
        None => client.insert(S3Client::from_environment().await).clone(),
    }
}

fn below(prefix: &str, name: &str) -> String {
    match prefix.trim_end_matches('/') {
        "" => name.to_owned(),
        prefix => format!("{prefix}/{name}"),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
