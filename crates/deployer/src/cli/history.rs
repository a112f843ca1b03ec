//! `history`

use clap::Args;

use super::arguments::HookArgs;
use super::error::CliError;
use super::global::OutputArgs;
use super::session::{Session, Work};
use crate::action::{ActionError, history};
use crate::output::{RevisionLogs, history_rows, print_history, print_logs};
use crate::release::{ReleaseName, Revision};

/// Show the revisions of a release, with the verdict of each
///
/// Also shows installs that failed and were removed again, and why. With --revision it prints the
/// logs, the verdict and the journal that were kept with that revision.
#[derive(Debug, Args)]
#[command(
    visible_alias = "hist",
    after_help = "Examples:\n  deployer history fraud-model -n prod\n  deployer history fraud-model -n prod --revision 4\n  deployer history fraud-model -o json | jq '.[].verdict.outcome'"
)]
pub(crate) struct HistoryCommand {
    /// Name of the release
    release: String,
    /// Most revisions to show, the newest
    #[arg(long, default_value_t = 256, value_name = "COUNT")]
    max: usize,
    /// Show a column with the revisions that were rolled back to
    #[arg(long)]
    show_rollback_revision: bool,
    /// Show what was kept with one revision: logs, verdict, journal
    #[arg(long, value_name = "REVISION")]
    revision: Option<Revision>,
    #[command(flatten)]
    output: OutputArgs,
}

impl HistoryCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let release = ReleaseName::new(self.release.as_str())?;
        let target = session.target().await?;
        let deployer = session.deployer(&target, &HookArgs::default(), Work::Read)?;
        let reports = history(&deployer, &release).await?;
        let format = self.output.output.format();
        let Some(revision) = self.revision else {
            let rows = history_rows(&reports, self.max);
            print_history(&session.printer, format, &rows, self.show_rollback_revision)?;
            return Ok(());
        };
        let report = reports.iter().find(|report| report.revision() == revision);
        let Some(report) = report else {
            return Err(CliError::Action(ActionError::RevisionNotFound {
                name: release,
                revision,
                known: reports.iter().map(|report| report.revision()).collect(),
            }));
        };
        print_logs(&session.printer, format, &RevisionLogs::new(report))?;
        Ok(())
    }
}
