//! `validator sign` and `verify`: verdicts that others can rely on, without data or model.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use attest::{Condition, Demands, Envelope, PublicKey, Required, Statement, parse_age};
use chrono::Utc;
use verdict::exit::ExitCode;
use verdict::report::Report;

use super::arguments::{Asked, OutputForm};
use super::attestation::{public_keys, signer};
use super::check::print;
use super::start::printer;
use crate::error::GateError;
use crate::output::{Printer, Talk, Verification, render_error, render_verification, write_beside};

/// The most bytes of a report that is read.
const REPORT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What `validator verify` was asked for, still as texts.
#[derive(Debug)]
pub(super) struct VerifyRequest<'a> {
    pub(super) file: &'a Path,
    pub(super) keys: &'a [String],
    pub(super) max_age: Option<&'a str>,
    pub(super) model_sha256: Option<&'a str>,
    pub(super) dataset_digest: Option<&'a str>,
    pub(super) gate_digest: Option<&'a str>,
    pub(super) outcome: Required,
}

/// Verifies a signed verdict: pass when it is accepted, fail when it is refused.
pub(super) fn verify(asked: &Asked, request: &VerifyRequest<'_>) -> ExitCode {
    let printer = printer(asked);
    match verification(request) {
        Ok(verification) => {
            let text = match asked.arguments.output {
                OutputForm::Text => render_verification(&verification),
                OutputForm::Json => serde_json::to_string_pretty(&verification)
                    .map(|text| text + "\n")
                    .unwrap_or_default(),
            };
            match print(&printer, &text) {
                ExitCode::Pass if !verification.accepted => ExitCode::Fail,
                exit => exit,
            }
        }
        Err(error) => refuse(&printer, &error),
    }
}

fn verification(request: &VerifyRequest<'_>) -> Result<Verification, GateError> {
    let keys = public_keys(request.keys, "--key")?;
    let max_age = request.max_age.map(parse_age).transpose();
    let demands = Demands {
        outcome: request.outcome,
        model_sha256: request.model_sha256.map(str::to_owned),
        dataset_digest: request.dataset_digest.map(str::to_owned),
        gate_digest: request.gate_digest.map(str::to_owned),
        max_age: max_age.map_err(|source| GateError::Age {
            flag: "--max-age",
            source,
        })?,
    };
    let envelope = Envelope::find(&read(request.file)?).ok_or_else(|| GateError::Content {
        path: request.file.to_owned(),
        expected: "signed verdict",
    })?;
    Ok(judge(&envelope, &keys, &demands))
}

fn judge(envelope: &Envelope, keys: &[PublicKey], demands: &Demands) -> Verification {
    let condition = |met, detail| Condition {
        name: "signature",
        met,
        detail,
    };
    match attest::verify(envelope, keys) {
        Ok(verified) => {
            let mut conditions = vec![condition(true, format!("by key {}", verified.key_id))];
            conditions.extend(demands.judge(&verified.statement, Utc::now()));
            Verification::new(conditions, Some(verified.statement))
        }
        Err(error) => {
            let cause = std::error::Error::source(&error);
            let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
            Verification::new(vec![condition(false, format!("{error}{cause}"))], None)
        }
    }
}

/// Signs the report of a run that judged.
pub(super) fn sign(asked: &Asked, report: &Path, key: &str) -> ExitCode {
    let printer = printer(asked);
    let signed = signed(report, key).and_then(|envelope| {
        let text = envelope.to_json();
        let Some(path) = &asked.destinations.attestation else {
            return Ok(print(&printer, &text));
        };
        write_beside(path, &text)
            .map(|()| ExitCode::Pass)
            .map_err(|source| GateError::Write {
                outcome: "signed",
                path: path.clone(),
                source,
            })
    });
    signed.unwrap_or_else(|error| refuse(&printer, &error))
}

fn signed(path: &Path, key: &str) -> Result<Envelope, GateError> {
    let signer = signer(key, "--key")?;
    let report: Report = serde_json::from_str(&read(path)?).map_err(|_| GateError::Content {
        path: path.to_owned(),
        expected: "report",
    })?;
    let statement = Statement::of_report(&report).map_err(|source| GateError::Statement {
        path: path.to_owned(),
        source,
    })?;
    attest::sign(&statement, &signer).map_err(|source| GateError::Sign {
        outcome: report.brief.outcome.name(),
        source,
    })
}

/// Reads a file; `-` is stdin.
fn read(path: &Path) -> Result<String, GateError> {
    let mut text = String::new();
    let result = if path == Path::new("-") {
        std::io::stdin()
            .take(REPORT_BYTES_MAX)
            .read_to_string(&mut text)
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(REPORT_BYTES_MAX).read_to_string(&mut text))
    };
    result.map_err(|source| GateError::Read {
        path: PathBuf::from(path),
        source,
    })?;
    Ok(text)
}

fn refuse(printer: &Printer, error: &GateError) -> ExitCode {
    printer.talk(Talk::Plain, &render_error(&error.chain(), &error.hints()));
    error.exit_code()
}
