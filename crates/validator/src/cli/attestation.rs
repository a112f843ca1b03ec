//! Keys and kept verdicts of a run: what the flags name, made ready before anything starts.

use attest::{KeyPlace, PublicKey, Signer, parse_age};
use verdict::report::{Outcome, Report};

use super::arguments::Arguments;
use crate::dataset::Location;
use crate::error::GateError;
use crate::reuse::Store;

/// Who signs, and where verdicts are kept.
#[derive(Debug, Default)]
pub(super) struct Attestation {
    signer: Option<Signer>,
    pub(super) store: Option<Store>,
}

/// Reads the keys that the flags name; `is_wanted` tells whether a signed verdict is to be
/// written.
///
/// # Errors
/// [`GateError`] for the first that cannot be used; nothing was run.
pub(super) fn prepare(arguments: &Arguments, is_wanted: bool) -> Result<Attestation, GateError> {
    // A chart leaves a variable that nobody set empty.
    let named = |text: &&str| !text.is_empty();
    let signer = arguments
        .sign_key
        .as_deref()
        .filter(named)
        .map(|text| signer(text, "--sign-key"))
        .transpose()?;
    if is_wanted && signer.is_none() {
        return Err(GateError::NoSigningKey);
    }
    let store = match arguments.reuse_verdict.as_deref().filter(named) {
        None => None,
        Some(text) => {
            let place = Location::parse(text).map_err(GateError::ReusePlace)?;
            let mut keys = public_keys(&arguments.reuse_key, "--reuse-key")?;
            keys.extend(signer.iter().map(|signer| signer.public().clone()));
            let max_age = arguments
                .reuse_max_age
                .as_deref()
                .map(parse_age)
                .transpose();
            let max_age = max_age.map_err(|source| GateError::Age {
                flag: "--reuse-max-age",
                source,
            })?;
            Some(Store {
                place,
                keys,
                max_age,
            })
        }
    };
    Ok(Attestation { signer, store })
}

/// Reads a key that signs.
pub(super) fn signer(text: &str, flag: &'static str) -> Result<Signer, GateError> {
    KeyPlace::parse(text)
        .and_then(|place| place.signer())
        .map_err(|source| GateError::Key { flag, source })
}

/// Reads keys that check.
pub(super) fn public_keys(
    texts: &[String],
    flag: &'static str,
) -> Result<Vec<PublicKey>, GateError> {
    let keys = texts.iter().map(|text| {
        KeyPlace::parse(text)
            .and_then(|place| place.public_key())
            .map_err(|source| GateError::Key { flag, source })
    });
    keys.collect()
}

impl Attestation {
    /// Signs the verdict of a run that judged itself. A reused one carries its own signature,
    /// and its own times; an error is no verdict.
    ///
    /// # Errors
    /// [`GateError::Sign`]; the report is as it was.
    pub(super) fn sign(&self, report: &mut Report) -> Result<(), GateError> {
        let Some(signer) = &self.signer else {
            return Ok(());
        };
        if report.brief.outcome == Outcome::Error || report.brief.reused.is_some() {
            return Ok(());
        }
        let internal = |what: String| GateError::Internal { what };
        let statement =
            attest::Statement::of_report(report).map_err(|error| internal(error.to_string()))?;
        let envelope = attest::sign(&statement, signer).map_err(|source| GateError::Sign {
            outcome: report.brief.outcome.name(),
            source,
        })?;
        let packed = attest::pack(&envelope).map_err(|error| internal(error.to_string()))?;
        report.brief.attestation = Some(packed);
        Ok(())
    }
}
