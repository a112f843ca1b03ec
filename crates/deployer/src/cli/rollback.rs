//! `rollback`

use clap::Args;

use super::arguments::{ApplyArgs, DryRunArgs, HookArgs, RecordArgs, RecreatePodsArgs, WaitArgs};
use super::dry_run::dry_run_mode;
use super::error::CliError;
use super::global::OutputFormat;
use super::options::{ChangeFlags, change_options, show_outcome};
use super::session::{Session, Work};
use crate::action::{DryRunMode, RollbackOptions, VerdictDemand, rollback};
use crate::environment::Asked;
use crate::release::{ReleaseName, Revision};

/// Roll a release back to an earlier revision
///
/// The objects become those of that revision again, under a new revision number. It is also the
/// way out of a release that something left half done.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer rollback fraud-model -n prod\n  deployer rollback fraud-model 3 -n prod --wait --timeout 2m0s\n  deployer rollback fraud-model --dry-run=server"
)]
pub(crate) struct RollbackCommand {
    /// Name of the release
    release: String,
    /// Revision to go back to; the newest before the last that was deployed where unset or 0
    revision: Option<Revision>,
    /// Revisions to keep; 0 keeps all
    #[arg(
        long,
        env = "HELM_MAX_HISTORY",
        hide_env_values = true,
        default_value_t = 10,
        value_name = "COUNT"
    )]
    history_max: u32,
    /// Delete what a failed rollback created
    #[arg(long)]
    cleanup_on_fail: bool,
    #[command(flatten)]
    recreate_pods: RecreatePodsArgs,
    #[command(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    hooks: HookArgs,
    #[command(flatten)]
    record: RecordArgs,
    #[command(flatten)]
    dry_run: DryRunArgs,
    /// Form of the output; without it one line says what was done
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(super) output: Option<OutputFormat>,
}

impl RollbackCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        self.recreate_pods.check()?;
        let mut change = change_options(&ChangeFlags {
            wait: &self.wait,
            apply: &self.apply,
            record: &self.record,
            dry_run: dry_run_mode(session, &self.dry_run)?,
            history_max: self.history_max,
            cleanup_on_fail: self.cleanup_on_fail,
            recover: true,
            show_secrets: self.dry_run.show_secrets,
        })?;
        session.apply_rules(&mut change);
        // No gate runs on the way back: the revision passed it once, and a way back must be open.
        change.verdict = VerdictDemand::None;
        session.check_demands(&Asked {
            timeout: Some(change.timeout),
            ..Asked::default()
        })?;
        let options = RollbackOptions {
            release: ReleaseName::new(self.release.as_str())?,
            revision: self.revision.filter(|revision| *revision != Revision(0)),
            change,
        };
        let target = session.target().await?;
        let deployer = session.deployer(&target, &self.hooks, Work::Change)?;
        let outcome = rollback(&deployer, &options).await?;
        match (self.output, outcome.dry_run) {
            (None, DryRunMode::Off) => {
                for warning in &outcome.warnings {
                    session.printer.warn(warning);
                }
                session.printer.line(&format!(
                    "Rollback was a success: release `{}` is at revision {}",
                    outcome.release.name, outcome.release.version
                ))?;
                Ok(())
            }
            (format, _) => {
                let format = format.unwrap_or(OutputFormat::Table).format();
                show_outcome(session, format, &outcome, false, self.dry_run.hide_secret)
            }
        }
    }
}
