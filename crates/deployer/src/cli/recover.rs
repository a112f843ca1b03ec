//! `recover`

use clap::Args;

use super::arguments::HookArgs;
use super::error::CliError;
use super::session::{Session, Work};
use crate::action::recover;
use crate::release::ReleaseName;

/// End what a process that died left unfinished
///
/// Every command that changes a release does this first by itself. Afterwards the release is
/// deployed, failed or gone, and its objects are those of the deployed revision.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer recover -n prod\n  deployer recover fraud-model -n prod\n  deployer recover fraud-model -n prod --takeover"
)]
pub(crate) struct RecoverCommand {
    /// Name of the release; all of the namespace where unset
    release: Option<String>,
    /// Also take over what Helm left pending; only when nothing works on it any more
    #[arg(long, alias = "recover")]
    takeover: bool,
    #[command(flatten)]
    hooks: HookArgs,
}

impl RecoverCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let name = self.release.map(ReleaseName::new).transpose()?;
        let target = session.target().await?;
        let deployer = session.deployer(&target, &self.hooks, Work::Change)?;
        let reports = recover(&deployer, name.as_ref(), self.takeover).await?;
        if reports.is_empty() {
            session
                .printer
                .line(&format!("no releases in namespace `{}`", target.namespace))?;
        }
        for report in reports {
            let line = match report.done {
                Some(done) => format!("release `{}` recovered: {done}", report.release),
                None => format!("release `{}` needs nothing", report.release),
            };
            session.printer.line(&line)?;
        }
        Ok(())
    }
}
