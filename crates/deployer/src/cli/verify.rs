//! `verify`

use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::places::default_keyring;
use super::session::Session;
use crate::registry::verify_archive;

/// Verify that a chart has been signed and is what was signed
///
/// The signature stands in the file CHART.prov beside the archive, as `package --sign` makes it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer verify fraud-model-1.4.2.tgz --keyring ~/.gnupg/pubring.gpg"
)]
pub(crate) struct VerifyCommand {
    /// Archive of the chart
    #[arg(value_name = "CHART")]
    chart: PathBuf,
    /// File of public keys (default: $GNUPGHOME/pubring.gpg, then ~/.gnupg/pubring.gpg)
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
}

impl VerifyCommand {
    pub(crate) fn run(&self, session: &Session) -> Result<(), CliError> {
        let keyring = self.keyring.clone().unwrap_or_else(default_keyring);
        let verification = verify_archive(&self.chart, &keyring)?;
        for line in verification.lines() {
            session.printer.line(&line)?;
        }
        Ok(())
    }
}
