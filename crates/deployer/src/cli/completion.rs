//! `completion`

use clap::builder::Resettable;
use clap::{Args, Command, CommandFactory};
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
    /// Leave out what commands and flags are for
    #[arg(long)]
    no_descriptions: bool,
}

impl CompletionCommand {
    pub(crate) fn run(self, session: &Session) -> Result<(), CliError> {
        let mut command = <Cli>::command();
        if self.no_descriptions {
            command = without_descriptions(command);
        }
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "deployer", &mut script);
        session.printer.data(&String::from_utf8_lossy(&script))?;
        Ok(())
    }
}

fn without_descriptions(command: Command) -> Command {
    let names = command
        .get_subcommands()
        .map(|one| one.get_name().to_owned());
    let names: Vec<String> = names.collect();
    let command = command
        .about(Resettable::Reset)
        .mut_args(|argument| argument.help(Resettable::Reset));
    names.iter().fold(command, |command, name| {
        command.mut_subcommand(name, without_descriptions)
    })
}
