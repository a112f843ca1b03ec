//! Signed verdicts, where an environment demands them: its keys, and files that bring one along.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use attest::{Demands, Envelope, KeyPlace, PlaceError, PublicKey, Verified, verify};
use chrono::Utc;
use clap::Args;

use super::error::CliError;
use super::session::Session;
use crate::environment::VERDICT_AGE_MAX;
use crate::release::SignatureDemand;
use crate::words::chain;

/// The largest report that is read, in bytes.
const REPORT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Signed verdicts that come along.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Verdict")]
pub(crate) struct VerdictArgs {
    /// Verdict signed elsewhere, for the model, dataset and gate that are judged here; can be repeated
    ///
    /// For environments that demand a signed verdict, where the gate does not sign itself. What
    /// `validator --attestation` wrote, or a report or a brief that carries it.
    #[arg(long = "verdict", value_name = "FILE")]
    pub(crate) verdicts: Vec<PathBuf>,
}

impl VerdictArgs {
    /// Returns what the session's environment demands of signatures, with the files read and their
    /// signatures checked; nothing where it demands none.
    ///
    /// # Errors
    /// When a key or file cannot be read, a file is not signed by one of the keys, is no pass or
    /// too old, or files are given where nobody asks for them.
    pub(crate) fn demand(&self, session: &Session) -> Result<Option<SignatureDemand>, CliError> {
        let rules = session.chosen.as_ref().map(|chosen| &chosen.rules);
        let Some(rules) = rules.filter(|rules| rules.demands.signed_verdict.is_some()) else {
            return match self.verdicts.first() {
                None => Ok(None),
                Some(_) => Err(CliError::usage(
                    "`--verdict` is given, and no signed verdict is demanded here",
                )
                .with_hint("name an environment with `demands.signed_verdict`: `--env NAME`")
                .with_hint("look at a signed verdict with `validator verify FILE --key KEY`")),
            };
        };
        let key = |text: &String| KeyPlace::parse(text)?.public_key();
        let keys: Result<Vec<PublicKey>, PlaceError> = rules.verdict_keys.iter().map(key).collect();
        let keys = keys.map_err(|error| {
            let message = format!("no signature can be checked: {}", chain(&error));
            let usage = CliError::usage(message).with_hint("nothing was changed");
            match error.hint() {
                Some(hint) => usage.with_hint(hint),
                None => usage,
            }
        })?;
        let mut demand = SignatureDemand {
            keys,
            age_max: rules.signed_age_max.unwrap_or(VERDICT_AGE_MAX),
            given: Vec::new(),
        };
        for path in &self.verdicts {
            let verified = read(path, &demand)?;
            demand.given.push((path.display().to_string(), verified));
        }
        Ok(Some(demand))
    }
}

/// Reads a signed verdict and checks what can be known of it before a gate ran.
fn read(path: &Path, demand: &SignatureDemand) -> Result<Verified, CliError> {
    let refused = |problem: String| {
        CliError::usage(format!(
            "the verdict `{}` does not do: {problem}",
            path.display()
        ))
        .with_hint("nothing was changed")
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(REPORT_BYTES_MAX).read_to_string(&mut text))
        .map_err(|source| CliError::File {
            doing: format!("the verdict `{}` cannot be read", path.display()),
            source,
        })?;
    let envelope = Envelope::find(&text).ok_or_else(|| {
        refused("no signed verdict is in it".to_owned())
            .with_hint("write one with `validator --sign-key KEY --attestation FILE`")
    })?;
    let verified = verify(&envelope, &demand.keys).map_err(|error| refused(chain(&error)))?;
    let demands = Demands {
        max_age: Some(demand.age_max),
        ..Demands::default()
    };
    let conditions = demands.judge(&verified.statement, Utc::now());
    match conditions.into_iter().find(|condition| !condition.met) {
        Some(unmet) => Err(refused(unmet.detail)),
        None => Ok(verified),
    }
}
