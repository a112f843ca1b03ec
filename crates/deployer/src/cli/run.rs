//! From the command line to the exit code.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode as ProcessExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, FromArgMatches};
use tracing_subscriber::EnvFilter;

use super::environment::{Given, choose, guard};
use super::error::CliError;
use super::global::{ColorChoice, GlobalArgs, LogFormat};
use super::session::Session;
use super::{Cli, Command, Frequent};
use crate::action::ExitCode;
use crate::output::{ConsoleProgress, Format, Printer, ProgressStyle};

/// Runs the command that the process was started with.
pub fn main() -> ProcessExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let parsed = parse_frequent(&arguments).map_or_else(|| parse(arguments), Ok);
    let (given, mut cli) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error.format(&mut <Cli>::command())),
    };
    let colour = match cli.global.color {
        ColorChoice::Auto => None,
        ColorChoice::Always => Some(true),
        ColorChoice::Never => Some(false),
    };
    let printer = Arc::new(Printer::new(colour).with_place_flags(cli.global.place_flags()));
    start_logging(&cli.global, &printer);
    let format = cli.command.output();
    let style = match format {
        Format::Table => ProgressStyle::Block,
        Format::Json | Format::Yaml => ProgressStyle::Lines,
    };
    let progress = Arc::new(ConsoleProgress::new(Arc::clone(&printer), true, style));
    let guarded = match (&cli.global.env, &cli.command) {
        (None, Command::Install(_) | Command::Upgrade(_)) => guard(&cli.global),
        _ => Ok(()),
    };
    let chosen = match guarded.and_then(|()| choose(&mut cli.global, given)) {
        Ok(chosen) => chosen,
        Err(error) => {
            error.report(&printer, false);
            return ProcessExitCode::from(u8::from(error.exit_code()));
        }
    };
    let (shown, told) = (Arc::clone(&printer), Arc::clone(&progress));
    let session = Session::new(cli.global, shown, told, chosen);
    let result = dispatch(&session, cli.command);
    progress.finish();
    let code = match result {
        Ok(()) => ExitCode::Done,
        Err(error) => {
            error.report(&printer, progress.hook_logs_were_shown());
            // A reader of stdout that has gone changes nothing of how the command ended.
            let _gone = error.report_data(&printer, format);
            error.exit_code()
        }
    };
    ProcessExitCode::from(u8::from(code))
}

/// Reads a command line of one of the frequent commands; none where it is another, or is not well
/// formed, which the whole parser then tells.
fn parse_frequent(arguments: &[OsString]) -> Option<(Given, Cli)> {
    if !arguments
        .iter()
        .any(|word| word == "template" || word == "version")
    {
        return None;
    }
    // What parses with fewer commands parses the same with more: a word that names another command
    // is refused here.
    let parser = Cli::<Frequent>::command();
    let matches = parser.try_get_matches_from(arguments).ok()?;
    let Cli { global, command } = Cli::<Frequent>::from_arg_matches(&matches).ok()?;
    let command = command.into();
    Some((Given::of(&matches), Cli { global, command }))
}

fn parse(mut arguments: Vec<OsString>) -> Result<(Given, Cli), clap::Error> {
    let has_value = |argument: &OsString| argument.as_encoded_bytes().contains(&b'=');
    if arguments.iter().any(has_value) {
        let flags = switches(&<Cli>::command());
        arguments = arguments
            .into_iter()
            .filter_map(|argument| plain_switch(argument, &flags))
            .collect();
    }
    let matches = <Cli>::command().try_get_matches_from(arguments)?;
    Ok((Given::of(&matches), Cli::from_arg_matches(&matches)?))
}

/// Returns the names of all flags that stand alone.
fn switches(command: &clap::Command) -> BTreeSet<String> {
    let own = command
        .get_arguments()
        .filter(|argument| matches!(argument.get_action(), ArgAction::SetTrue))
        .filter_map(|argument| argument.get_long().map(str::to_owned));
    own.chain(command.get_subcommands().flat_map(switches))
        .collect()
}

/// Takes `--flag=true` for `--flag` and drops `--flag=false`, which Go's flags allow.
fn plain_switch(argument: OsString, switches: &BTreeSet<String>) -> Option<OsString> {
    let text = argument.to_str().and_then(|text| text.strip_prefix("--"));
    let Some((name, value)) = text.and_then(|text| text.split_once('=')) else {
        return Some(argument);
    };
    if !switches.contains(name) {
        return Some(argument);
    }
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(format!("--{name}").into()),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => None,
        _ => Some(argument),
    }
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

fn start_logging(global: &GlobalArgs, printer: &Arc<Printer>) {
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
        .with_ansi(printer.paints_errors())
        .with_writer({
            let printer = Arc::clone(printer);
            move || MaskedLog(Arc::clone(&printer))
        });
    let started = match global.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // Only a second subscriber can fail here, and then the first one logs.
    drop(started);
}

/// Log lines on stderr, without what is hidden; the subscriber writes each in one piece.
struct MaskedLog(Arc<Printer>);

impl io::Write for MaskedLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        io::stderr().write_all(self.0.masked(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn dispatch(session: &Session, command: Command) -> Result<(), CliError> {
    match command {
        Command::Completion(command) => return command.run(session),
        Command::Version(command) => return command.run(session),
        _ => {}
    }
    let mut builder = match &command {
        Command::Template(command) if !command.needs_cluster() => {
            tokio::runtime::Builder::new_current_thread()
        }
        _ => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(2);
            builder
        }
    };
    let runtime = builder
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
            Command::Plan(command) => command.run(session).await,
            Command::Diff(command) => command.run(session).await,
            Command::Rollback(command) => command.run(session).await,
            Command::Uninstall(command) => command.run(session).await,
            Command::Apply(command) => command.run(session).await,
            Command::Init(command) => command.run(session).await,
            Command::Drift(command) => command.run(session).await,
            Command::Promote(command) => command.run(session).await,
            Command::History(command) => command.run(session).await,
            Command::Status(command) => command.run(session).await,
            Command::List(command) => command.run(session).await,
            Command::Get(command) => command.run(session).await,
            Command::Template(command) => command.run(session).await,
            Command::Lint(command) => command.run(session).await,
            Command::Show(command) => command.run(session).await,
            Command::Create(command) => command.run(session),
            Command::Package(command) => command.run(session).await,
            Command::Verify(command) => command.run(session),
            Command::Rbac(command) => command.run(session).await,
            Command::Recover(command) => command.run(session).await,
            Command::Test(command) => command.run(session).await,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frequent_command_is_read_as_among_all_others() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for line in [
            "deployer template rel ./chart -f a.yaml --set a=b,c=d -n prod --include-crds",
            "deployer -n prod template ./chart --kube-version 1.34.0 -vv",
            "deployer version",
        ] {
            let (_, frequent) = parse_frequent(&words(line)).expect(line);
            let (_, among_all) = parse(words(line)).expect(line);
            assert_eq!(format!("{frequent:?}"), format!("{among_all:?}"));
        }
        for line in [
            "deployer -n template install ./chart",
            "deployer install template ./chart",
            "deployer template --help",
            "deployer template rel ./chart --validate=true",
        ] {
            assert!(parse_frequent(&words(line)).is_none(), "{line}");
        }
    }

    #[test]
    fn a_switch_may_be_given_as_go_gives_it() {
        let switches = switches(&<Cli>::command());
        let plain = |text: &str| plain_switch(text.into(), &switches);
        assert_eq!(plain("--strict=true"), Some("--strict".into()));
        assert_eq!(plain("--create-namespace=false"), None);
        assert_eq!(plain("--strict=maybe"), Some("--strict=maybe".into()));
        assert_eq!(plain("--set=a=true"), Some("--set=a=true".into()));
        assert_eq!(plain("strict=true"), Some("strict=true".into()));
    }
}
