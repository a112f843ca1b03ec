//! `status`

use clap::Args;

use super::arguments::HookArgs;
use super::error::CliError;
use super::global::{OutputArgs, OutputFormat};
use super::session::{Session, Work};
use crate::action::{resources, status};
use crate::output::{ReleaseView, print_release};
use crate::plan::sensitive::SensitiveValues;
use crate::release::{ReleaseName, Revision};

/// Show the state of a release, with its verdict and notes
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer status fraud-model -n prod\n  deployer status fraud-model -n prod --revision 3\n  deployer status fraud-model -n prod --show-resources\n  deployer status fraud-model -o json | jq .verdict"
)]
pub(crate) struct StatusCommand {
    /// Name of the release
    release: String,
    /// Revision to show; the last where unset
    #[arg(long, value_name = "REVISION")]
    revision: Option<Revision>,
    /// Show the objects of the release as they are in the cluster now, with their pods
    #[arg(long)]
    show_resources: bool,
    /// Show the description, which is always shown (accepted for Helm's sake)
    #[arg(long, hide = true)]
    show_desc: bool,
    #[command(flatten)]
    output: OutputArgs,
}

impl StatusCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let name = ReleaseName::new(self.release.as_str())?;
        let target = session.target().await?;
        let deployer = session.deployer(&target, &HookArgs::default(), Work::Read)?;
        let found = status(&deployer, &name, self.revision).await?;
        if let Some(lease) = &found.lease {
            session.printer.warn(&format!(
                "`{}` holds release `{name}`, and was last heard of at {}",
                lease.holder,
                lease
                    .renewed_at
                    .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
            ));
        }
        if let Some(release) = &found.report.release {
            // People look at this over shoulders and in logs; programs get the record as it is.
            if self.output.output == OutputFormat::Table {
                let hidden = SensitiveValues::of_release(release);
                session.printer.hide(&hidden);
            }
            let shown = if self.show_resources {
                Some(resources(&deployer, release).await?)
            } else {
                None
            };
            for unseen in shown.iter().flat_map(|shown| &shown.unseen) {
                session.printer.warn(unseen);
            }
            let view = ReleaseView {
                resources: shown.as_ref(),
                ..ReleaseView::new(release, found.report.evidence.as_ref())
            };
            print_release(&session.printer, self.output.output.format(), &view)?;
        }
        Ok(())
    }
}
