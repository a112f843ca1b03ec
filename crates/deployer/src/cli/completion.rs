//! `completion`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::error::CliError;
use super::session::Session;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  source <(deployer completion bash)\n  deployer completion zsh > \"${fpath[1]}/_deployer\"\n  deployer completion fish > ~/.config/fish/completions/deployer.fish"
)]
pub(crate) struct CompletionCommand {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionCommand {
    pub(crate) fn run(self, session: &Session) -> Result<(), CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut <Cli>::command(), "deployer", &mut script);
        session.printer.data(&String::from_utf8_lossy(&script))?;
        Ok(())
    }
}
