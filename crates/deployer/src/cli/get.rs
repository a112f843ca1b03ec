//! `get values|manifest|hooks|notes|metadata|all`

use clap::{Args, Subcommand};
use serde_json::Value;

use super::arguments::HookArgs;
use super::chart_source::computed_values;
use super::error::CliError;
use super::global::OutputArgs;
use super::session::{Session, Work};
use crate::action::{get, status};
use crate::output::{
    ReleaseView, given_values, print_all, print_hooks, print_metadata, print_values,
    release_by_template,
};
use crate::release::{Release, ReleaseName, Revision};

/// Print parts of a release
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer get values fraud-model -n prod -o yaml\n  deployer get manifest fraud-model -n prod --revision 3\n  deployer get all fraud-model -n prod"
)]
pub(crate) struct GetCommand {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Print the values that the user gave, or all of them
    #[command(
        after_help = "Examples:\n  deployer get values fraud-model -n prod\n  deployer get values fraud-model --all -o json"
    )]
    Values {
        #[command(flatten)]
        which: Which,
        /// Print the chart's own values too
        #[arg(short, long)]
        all: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Print the manifests as applied
    #[command(
        after_help = "Examples:\n  deployer get manifest fraud-model -n prod > deployed.yaml"
    )]
    Manifest {
        #[command(flatten)]
        which: Which,
    },
    /// Print the hooks
    #[command(after_help = "Examples:\n  deployer get hooks fraud-model -n prod")]
    Hooks {
        #[command(flatten)]
        which: Which,
    },
    /// Print the notes
    #[command(after_help = "Examples:\n  deployer get notes fraud-model -n prod")]
    Notes {
        #[command(flatten)]
        which: Which,
    },
    /// Print name, chart, versions and state
    #[command(after_help = "Examples:\n  deployer get metadata fraud-model -n prod -o json")]
    Metadata {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Print everything
    #[command(
        after_help = "Examples:\n  deployer get all fraud-model -n prod\n  deployer get all fraud-model --template '{{.Release.Info.Status}} {{.Release.Chart.Metadata.Version}}'"
    )]
    All {
        #[command(flatten)]
        which: Which,
        /// Print what a Go template makes of `.Release`
        #[arg(long, value_name = "TEMPLATE")]
        template: Option<String>,
    },
}

/// Which revision of which release.
#[derive(Debug, Args)]
struct Which {
    /// Name of the release
    release: String,
    /// Revision to read; the last where unset
    #[arg(long, value_name = "REVISION")]
    revision: Option<Revision>,
}

impl GetCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let printer = &session.printer;
        match self.part {
            Part::Values { which, all, output } => {
                let release = which.read(session).await?;
                let format = output.output.format();
                if all {
                    print_values(
                        printer,
                        format,
                        &Value::Object(computed_values(&release)),
                        "COMPUTED VALUES:",
                    )?;
                } else {
                    let values = given_values(&release);
                    print_values(printer, format, &values, "USER-SUPPLIED VALUES:")?;
                }
            }
            Part::Manifest { which } => printer.line(&which.read(session).await?.manifest)?,
            Part::Hooks { which } => print_hooks(printer, &which.read(session).await?)?,
            Part::Notes { which } => {
                let release = which.read(session).await?;
                if !release.info.notes.is_empty() {
                    printer.line(&format!("NOTES:\n{}", release.info.notes))?;
                }
            }
            Part::Metadata { which, output } => {
                print_metadata(printer, output.output.format(), &which.read(session).await?)?;
            }
            Part::All {
                which,
                template: Some(template),
            } if !template.is_empty() => {
                let release = which.read(session).await?;
                let text = release_by_template(&template, &release).map_err(CliError::usage)?;
                printer.data(&text)?;
            }
            Part::All { which, .. } => {
                let target = session.target().await?;
                let deployer = session.deployer(&target, &HookArgs::default(), Work::Read)?;
                let found =
                    status(&deployer, &ReleaseName::new(which.release)?, which.revision).await?;
                if let Some(release) = &found.report.release {
                    let view = ReleaseView::new(release, found.report.evidence.as_ref());
                    print_all(printer, &view, &Value::Object(computed_values(release)))?;
                }
            }
        }
        Ok(())
    }
}

impl Which {
    async fn read(&self, session: &Session) -> Result<Release, CliError> {
        let name = ReleaseName::new(self.release.as_str())?;
        let target = session.target().await?;
        let deployer = session.deployer(&target, &HookArgs::default(), Work::Read)?;
        Ok(get(&deployer, &name, self.revision).await?)
    }
}
