//! `plan`, and the file that it saves.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::error::CliError;
use super::session::Session;
use super::upgrade::UpgradeCommand;
use crate::action::{DryRunMode, upgrade};
use crate::output::print_plan;
use crate::plan::SavedPlan;

/// The largest plan that is read, in bytes.
const PLAN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Show what an upgrade would do, step by step
///
/// Renders the chart and compares it with what is live: which objects are created, patched (and in
/// which fields), deleted or left as they are, which hooks run, and what undoes each step. Nothing
/// is changed. With --save the plan is kept in a file, and `deployer upgrade --use-plan FILE` does
/// that and nothing else: it refuses when the record, the live objects, the chart or the values
/// moved on. The file holds no manifest and no secret, and only you may read it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer plan fraud-model ./charts/fraud-model -n prod -f values-prod.yaml\n  deployer plan fraud-model ./charts/fraud-model --install --save fraud-model.plan\n  deployer upgrade fraud-model ./charts/fraud-model --install --use-plan fraud-model.plan"
)]
pub(crate) struct PlanCommand {
    #[command(flatten)]
    upgrade: UpgradeCommand,
    /// Keep the plan in a file, for `upgrade --use-plan`
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

impl PlanCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        if self.upgrade.use_plan.is_some() {
            return Err(CliError::usage(
                "`--use-plan` is for `upgrade`; `plan` makes a new one",
            ));
        }
        let (deployer, options) = self.upgrade.prepared(session, DryRunMode::Plan).await?;
        let outcome = upgrade(&deployer, &options).await?;
        for warning in &outcome.warnings {
            session.printer.warn(warning);
        }
        // A plan is what a dry run makes.
        let Some(plan) = &outcome.shown else {
            return Ok(());
        };
        print_plan(&session.printer, self.upgrade.output.output.format(), plan)?;
        if let Some(path) = &self.save {
            save_plan(path, plan)?;
            session.printer.say(&format!(
                "saved to `{}`, readable by you alone; it holds no secret",
                path.display()
            ));
            if !outcome.made_anew.is_empty() {
                session.printer.warn(&format!(
                    "`upgrade --use-plan` will refuse this plan, since the next rendering makes other values: {}; give them as values, or keep them in a Secret that exists, to plan ahead",
                    outcome.made_anew.join(", ")
                ));
            }
        }
        Ok(())
    }
}

/// Writes a plan beside its place and renames it there, so that it is whole or not there at all.
fn save_plan(path: &Path, plan: &SavedPlan) -> Result<(), CliError> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let save = || {
        let text = serde_json::to_string_pretty(plan)?;
        // Made readable by its owner alone.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    save().map_err(|source: std::io::Error| CliError::File {
        doing: format!("the plan cannot be saved to `{}`", path.display()),
        source,
    })
}

/// Reads a plan that was saved.
///
/// # Errors
/// Says what the file is when it is none.
pub(super) fn read_plan(path: &Path) -> Result<SavedPlan, CliError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(PLAN_BYTES_MAX).read_to_string(&mut text))
        .map_err(|source| CliError::File {
            doing: format!("the plan `{}` cannot be read", path.display()),
            source,
        })?;
    let wrong = |problem: String| {
        CliError::usage(format!("`{}` is not a plan: {problem}", path.display()))
            .with_hint("nothing was changed")
            .with_hint("make one with `deployer plan --save FILE`")
    };
    let plan: SavedPlan = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    plan.check_form().map_err(wrong)?;
    Ok(plan)
}
