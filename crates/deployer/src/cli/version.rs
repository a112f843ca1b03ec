//! `version`

use clap::Args;

use super::error::CliError;
use super::session::Session;

/// Print the version
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  deployer version\n  deployer version --short")]
pub(crate) struct VersionCommand {
    /// Print the number alone
    #[arg(long)]
    short: bool,
}

impl VersionCommand {
    pub(crate) fn run(self, session: &Session) -> Result<(), CliError> {
        let version = env!("CARGO_PKG_VERSION");
        session.printer.line(&if self.short {
            format!("v{version}")
        } else {
            format!("deployer v{version}")
        })?;
        Ok(())
    }
}
