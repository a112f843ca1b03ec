//! `dependency update` and `dependency build`

use std::path::{Path, PathBuf};

use clap::Args;

use super::super::arguments::AccessArgs;
use super::super::error::CliError;
use super::super::places::now;
use super::super::session::Session;
use super::super::signature::signature_check;
use crate::output::Printer;
use crate::registry::{DependencyManager, Registries, Verify};

/// Flags of both commands.
#[derive(Debug, Args)]
struct ManagerArgs {
    /// Folder of the chart
    #[arg(default_value = ".", value_name = "CHART")]
    chart: PathBuf,
    /// Use the repositories' indexes as they were kept
    #[arg(long)]
    skip_refresh: bool,
    /// Check the signatures of the charts
    #[arg(long)]
    verify: bool,
    /// File of public keys (default: $GNUPGHOME/pubring.gpg, then ~/.gnupg/pubring.gpg)
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
    #[command(flatten)]
    access: AccessArgs,
}

/// Fetch the newest charts in the ranges of Chart.yaml, and lock them
///
/// Nothing in charts/ changes unless every chart was fetched.
#[derive(Debug, Args)]
#[command(
    visible_alias = "up",
    after_help = "Examples:\n  deployer dependency update charts/ml-serving-stack\n  deployer dependency update --skip-refresh"
)]
pub(crate) struct UpdateCommand {
    #[command(flatten)]
    manager: ManagerArgs,
}

impl UpdateCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let arguments = self.manager;
        let verify = if arguments.verify {
            Verify::Always
        } else {
            Verify::Never
        };
        let say = |line: &str| on_stdout(&session.printer, line);
        manage(session, &arguments, verify, Work::Update, &say).await
    }
}

/// Fetch the charts that Chart.lock names
///
/// Without a lock, as `dependency update`.
#[derive(Debug, Args)]
pub(crate) struct BuildCommand {
    #[command(flatten)]
    manager: ManagerArgs,
}

impl BuildCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let arguments = self.manager;
        let verify = if arguments.verify {
            Verify::IfPossible
        } else {
            Verify::Never
        };
        let say = |line: &str| on_stdout(&session.printer, line);
        manage(session, &arguments, verify, Work::Build, &say).await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Update,
    Build,
}

/// Helm's progress is data here: scripts read it.
fn on_stdout(printer: &Printer, line: &str) {
    // The work goes on when nobody reads.
    let _ = printer.line(line);
}

/// Updates the dependencies of a chart for a command whose stdout is something else.
pub(crate) async fn update_dependencies(
    session: &Session,
    chart: &Path,
    keyring: Option<&Path>,
    access: &AccessArgs,
) -> Result<(), CliError> {
    let arguments = ManagerArgs {
        chart: chart.to_owned(),
        skip_refresh: false,
        verify: false,
        keyring: keyring.map(Path::to_owned),
        access: access.clone(),
    };
    let say = |line: &str| session.printer.say(line);
    manage(session, &arguments, Verify::Never, Work::Update, &say).await
}

async fn manage(
    session: &Session,
    arguments: &ManagerArgs,
    verify: Verify,
    work: Work,
    say: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), CliError> {
    let places = session.global.places();
    let access = arguments.access.access();
    let registries = Registries::new(access.clone(), places.clone());
    let signature = signature_check(arguments.keyring.as_deref());
    let note = |line: &str| session.printer.say(line);
    let manager = DependencyManager {
        chart: &arguments.chart,
        places: &places,
        access: &access,
        registries: &registries,
        verify,
        signature: &signature,
        skip_refresh: arguments.skip_refresh,
        now: &now(),
        say,
        note: &note,
    };
    match work {
        Work::Update => manager.update().await?,
        Work::Build => manager.build().await?,
    }
    Ok(())
}
