//! `uninstall`

use std::time::Duration;

use chrono::Utc;
use clap::{Args, ValueEnum};

use super::arguments::{HookArgs, WaitChoice};
use super::duration::parse_timeout;
use super::error::CliError;
use super::options::wait_strategy;
use super::session::{Session, Work};
use crate::action::{DryRunMode, UninstallOptions, uninstall};
use crate::cluster::Propagation;
use crate::output::{Format, print_plan};
use crate::plan::SavedPlan;
use crate::plan::sensitive::SensitiveValues;
use crate::release::ReleaseName;

/// Remove releases and their objects
///
/// Objects whose resource policy says `keep` stay. The records go too, unless --keep-history.
#[derive(Debug, Args)]
#[command(
    visible_aliases = ["delete", "del", "un"],
    after_help = "Examples:\n  deployer uninstall fraud-model -n prod\n  deployer uninstall fraud-model -n prod --keep-history --wait\n  deployer uninstall fraud-model --dry-run"
)]
pub(crate) struct UninstallCommand {
    /// Names of the releases
    #[arg(required = true, value_name = "RELEASE")]
    releases: Vec<String>,
    /// Keep the records, so that the release can be rolled back to life
    #[arg(long)]
    keep_history: bool,
    /// A release that is not there is no error
    #[arg(long)]
    ignore_not_found: bool,
    /// Wait until the objects are gone
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "watcher", value_parser = super::arguments::parse_wait, value_name = "STRATEGY")]
    wait: Option<WaitChoice>,
    /// Time for any single hook or wait, as in 5m0s
    #[arg(long, default_value = "5m0s", value_parser = parse_timeout, value_name = "DURATION")]
    timeout: Duration,
    /// Do not run hooks
    #[arg(long)]
    no_hooks: bool,
    /// Show what would be removed
    #[arg(long)]
    dry_run: bool,
    /// What becomes of the objects that the release's objects own
    #[arg(long, value_enum, default_value_t = Cascade::Background)]
    cascade: Cascade,
    /// Description to keep with the record
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    hooks: HookArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cascade {
    /// They are deleted afterwards.
    Background,
    /// They are deleted first.
    Foreground,
    /// They stay.
    Orphan,
}

impl UninstallCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let releases = self
            .releases
            .iter()
            .map(|name| ReleaseName::new(name.as_str()))
            .collect::<Result<Vec<_>, _>>()?;
        let target = session.target().await?;
        let deployer = session.deployer(&target, &self.hooks, Work::Change)?;
        for release in releases {
            let options = self.options(release.clone());
            match uninstall(&deployer, &options).await? {
                None => session.printer.line(&format!(
                    "release \"{release}\" is not there: nothing to uninstall"
                ))?,
                Some(done) => {
                    for warning in &done.warnings {
                        session.printer.warn(warning);
                    }
                    if !done.kept.is_empty() {
                        session
                            .printer
                            .line("These resources were kept due to the resource policy:")?;
                        for object in &done.kept {
                            session
                                .printer
                                .line(&format!("[{}] {}", object.kind, object.name))?;
                        }
                    }
                    if self.dry_run {
                        let plan = SavedPlan::of(
                            &done.plan,
                            &done.release,
                            Some(&done.release),
                            &target.cluster.describe(),
                            Utc::now(),
                            "",
                            SensitiveValues::of_release(&done.release),
                        );
                        print_plan(&session.printer, Format::Table, &plan)?;
                    }
                    let verb = if self.dry_run {
                        "would be uninstalled"
                    } else {
                        "uninstalled"
                    };
                    session
                        .printer
                        .line(&format!("release \"{release}\" {verb}"))?;
                }
            }
        }
        Ok(())
    }

    fn options(&self, release: ReleaseName) -> UninstallOptions {
        UninstallOptions {
            release,
            keep_history: self.keep_history,
            ignore_not_found: self.ignore_not_found,
            wait: wait_strategy(self.wait),
            timeout: self.timeout,
            run_hooks: !self.no_hooks,
            dry_run: if self.dry_run {
                DryRunMode::Client
            } else {
                DryRunMode::Off
            },
            propagation: match self.cascade {
                Cascade::Background => Propagation::Background,
                Cascade::Foreground => Propagation::Foreground,
                Cascade::Orphan => Propagation::Orphan,
            },
            description: self.description.clone().filter(|text| !text.is_empty()),
        }
    }
}
