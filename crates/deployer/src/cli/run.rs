//! From the command line to the exit code.

use std::process::ExitCode as ProcessExitCode;
use std::sync::Arc;

use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use super::error::CliError;
use super::global::{ColorChoice, GlobalArgs, LogFormat};
use super::session::Session;
use super::{Cli, Command};
use crate::action::ExitCode;
use crate::output::{ConsoleProgress, Printer};

/// Runs the command that the process was started with.
pub fn main() -> ProcessExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let colour = match cli.global.color {
        ColorChoice::Auto => None,
        ColorChoice::Always => Some(true),
        ColorChoice::Never => Some(false),
    };
    let printer = Arc::new(Printer::new(colour).with_place_flags(cli.global.place_flags()));
    start_logging(&cli.global, printer.paints_errors());
    let progress = Arc::new(ConsoleProgress::new(Arc::clone(&printer), true));
    let session = Session::new(cli.global, Arc::clone(&printer), Arc::clone(&progress));
    let code = match dispatch(&session, cli.command) {
        Ok(()) => ExitCode::Done,
        Err(error) => {
            error.report(&printer, progress.hook_logs_were_shown());
            error.exit_code()
        }
    };
    ProcessExitCode::from(u8::from(code))
}

/// Prints help or what is wrong with the flags; clap chooses stdout or stderr.
fn refuse(error: &clap::Error) -> ProcessExitCode {
    // A closed pipe while printing help is a quiet end.
    let _ = error.print();
    let code = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::Done,
        _ => ExitCode::Usage,
    };
    ProcessExitCode::from(u8::from(code))
}

fn start_logging(global: &GlobalArgs, colour: bool) {
    let level = match (global.verbose, global.debug) {
        (0, false) => "deployer=error",
        (0 | 1, _) => "deployer=debug,warn",
        _ => "deployer=trace,kube=debug,warn",
    };
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::new(filter),
        _ => EnvFilter::new(level),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colour)
        .with_writer(std::io::stderr);
    let started = match global.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // Only a second subscriber can fail here, and then the first one logs.
    drop(started);
}

fn dispatch(session: &Session, command: Command) -> Result<(), CliError> {
    match command {
        Command::Completion(command) => return command.run(session),
        Command::Version(command) => return command.run(session),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| CliError::File {
            doing: "cannot start the threads of the program".to_owned(),
            source,
        })?;
    let result = runtime.block_on(async {
        match command {
            Command::Install(command) => command.run(session).await,
            Command::Upgrade(command) => command.run(session).await,
            Command::Rollback(command) => command.run(session).await,
            Command::Uninstall(command) => command.run(session).await,
            Command::History(command) => command.run(session).await,
            Command::Status(command) => command.run(session).await,
            Command::List(command) => command.run(session).await,
            Command::Get(command) => command.run(session).await,
            Command::Template(command) => command.run(session).await,
            Command::Recover(command) => command.run(session).await,
            Command::Repo(command) => command.run(session).await,
            Command::Search(command) => command.run(session),
            Command::Pull(command) => command.run(session).await,
            Command::Push(command) => command.run(session).await,
            Command::Dependency(command) => command.run(session).await,
            Command::Registry(command) => command.run(session).await,
            Command::Completion(_) | Command::Version(_) => Ok(()),
        }
    });
    // A read of stdin or of a log that still blocks must not hold the process.
    runtime.shutdown_background();
    result
}
