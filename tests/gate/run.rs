//! One run of the validator, and what it left behind.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use harness::command::{Output, Program};
use harness::{binaries, datasets};
use serde_json::Value;
use tempfile::TempDir;

/// One gate at a time: latency is measured, and two cores are few.
static ALONE: Mutex<()> = Mutex::new(());

/// A run to be made.
pub(crate) struct Gate {
    program: Program,
    folder: TempDir,
}

/// A run that has ended.
pub(crate) struct Finished {
    pub(crate) output: Output,
    /// The full report, where one was written.
    pub(crate) report: Option<Value>,
    /// The brief verdict from the termination message, where one was written.
    pub(crate) brief: Option<Value>,
}

impl Gate {
    /// Describes a run that gets its settings from arguments added later.
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let program = Program::new(binaries::path("validator")?)
            .arg("--report")
            .arg(folder.path().join("report.json"))
            .arg("--termination-message")
            .arg(folder.path().join("termination-message"));
        Ok(Self { program, folder })
    }

    /// Describes a run of a committed model on the committed validation set, with a bound on
    /// latency that only the slow model breaks.
    pub(crate) fn of(model: &str) -> Result<Self> {
        Ok(Self::new()?
            .model(&datasets::model(model)?)
            .dataset(&datasets::validation()?))
    }

    pub(crate) fn model(self, path: &Path) -> Self {
        self.with(|program| program.env("MODEL_PATH", path))
    }

    pub(crate) fn dataset(self, path: &Path) -> Self {
        self.with(|program| program.env("VALIDATION_DATASET", path))
    }

    pub(crate) fn env(self, name: &str, value: &str) -> Self {
        self.with(|program| program.env(name, value))
    }

    /// Changes the program in any other way.
    pub(crate) fn with(mut self, change: impl FnOnce(Program) -> Program) -> Self {
        self.program = change(self.program);
        self
    }

    /// A folder of this run for files that the test makes.
    pub(crate) fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the validator to its end; a panic or a signal fails the test.
    pub(crate) fn run(self) -> Result<Finished> {
        let output = {
            let _alone: MutexGuard<'_, ()> = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
            self.program.run()?
        };
        output.is_orderly()?;
        Ok(Finished {
            report: read_json(&self.folder.path().join("report.json"), &output)?,
            brief: read_json(&self.folder.path().join("termination-message"), &output)?,
            output,
        })
    }

    /// Runs the validator and demands an exit code that the brief verdict repeats.
    pub(crate) fn expect(self, code: i32) -> Result<Finished> {
        let finished = self.run()?;
        if finished.output.code() != Some(code) {
            bail!("expected exit code {code}\n{}", finished.output.describe());
        }
        let brief = finished.brief()?;
        if brief["exit_code"] != code {
            bail!("the termination message says another exit code: {brief}");
        }
        Ok(finished)
    }

    /// Runs the validator, demands an exit code, and that the reason on stderr and in the
    /// termination message names each of `parts`.
    pub(crate) fn refuses(self, code: i32, parts: &[&str]) -> Result<Finished> {
        let finished = self.expect(code)?;
        finished.output.says(parts)?;
        let brief = finished.brief()?;
        let reasons = brief["reasons"].to_string();
        if brief["outcome"] != "error" || brief["reasons"].as_array().is_none_or(Vec::is_empty) {
            bail!("an error without a reason: {brief}");
        }
        if !parts.iter().any(|part| reasons.contains(part)) {
            bail!("the reasons name none of {parts:?}: {reasons}");
        }
        Ok(finished)
    }
}

impl Finished {
    /// Returns the brief verdict.
    pub(crate) fn brief(&self) -> Result<&Value> {
        self.brief
            .as_ref()
            .with_context(|| format!("no termination message\n{}", self.output.describe()))
    }

    /// Returns one check of the brief verdict, such as `auc`.
    pub(crate) fn check(&self, metric: &str) -> Result<&Value> {
        let brief = self.brief()?;
        brief["checks"]
            .as_array()
            .and_then(|checks| checks.iter().find(|check| check["metric"] == metric))
            .with_context(|| format!("the verdict has no check `{metric}`: {brief}"))
    }

    /// Returns the measured value of one check.
    pub(crate) fn value(&self, metric: &str) -> Result<f64> {
        let check = self.check(metric)?;
        check["value"]
            .as_f64()
            .with_context(|| format!("check `{metric}` has no value: {check}"))
    }
}

fn read_json(path: &Path, output: &Output) -> Result<Option<Value>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path)?;
    let value = serde_json::from_str(&text).with_context(|| {
        format!(
            "`{}` is no JSON: {text}\n{}",
            path.display(),
            output.describe()
        )
    })?;
    Ok(Some(value))
}
