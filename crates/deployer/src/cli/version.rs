//! `version`

use clap::Args;

use super::error::CliError;
use super::session::Session;
use crate::output::version_by_template;

/// Print the version
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer version\n  deployer version --short\n  deployer version --template '{{.Version}}'"
)]
pub(crate) struct VersionCommand {
    /// Print the number alone
    #[arg(long)]
    short: bool,
    /// Print what a Go template makes of `.Version`
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    /// Print the client's version, the only one there is (accepted for Helm's sake)
    #[arg(short, long, hide = true)]
    client: bool,
}

impl VersionCommand {
    pub(crate) fn run(self, session: &Session) -> Result<(), CliError> {
        let version = concat!("v", env!("CARGO_PKG_VERSION"));
        if let Some(template) = self.template.filter(|template| !template.is_empty()) {
            let text = version_by_template(&template, version).map_err(CliError::usage)?;
            session.printer.data(&text)?;
        } else if self.short {
            session.printer.line(version)?;
        } else {
            session.printer.line(&format!("deployer {version}"))?;
        }
        Ok(())
    }
}
