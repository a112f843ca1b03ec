//! The command line: one file for each command, with its clap struct and a thin `run` that checks
//! the flags, calls the action and prints the result.
//!
//! Only this folder knows of flags, environment variables and exit codes; nothing here speaks to a
//! cluster itself.

mod apply;
mod arguments;
mod change;
mod chart_source;
mod completion;
mod create;
mod dependency;
mod diff;
mod drift;
mod dry_run;
mod environment;
mod error;
mod gather;
mod get;
mod global;
mod history;
mod init;
mod install;
mod lint;
mod list;
mod locate;
mod options;
mod package;
mod password;
#[cfg(test)]
mod pipelines;
mod places;
mod plan;
mod post_render;
mod promote;
mod pull;
mod push;
mod rbac;
mod recover;
mod registry;
mod repo;
mod rollback;
mod run;
mod search;
mod session;
mod show;
mod signal;
mod signature;
mod signed;
mod status;
mod template;
mod test;
mod uninstall;
mod upgrade;
mod verify;
mod version;

use clap::{Parser, Subcommand};

use crate::duration;
pub use crate::duration::{DurationError, parse_duration, parse_timeout};
use crate::output::Format;
pub use run::main;

/// Deploy Helm charts, gated by a verdict
///
/// Works on Helm's charts and Helm's release records: what Helm deployed can be upgraded here and
/// the other way round. A hook that qualifies a model decides whether a deployment goes on; its
/// verdict is kept with the revision.
#[derive(Debug, Parser)]
#[command(
    name = "deployer",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    after_help = "Examples:\n  deployer upgrade --install fraud-model ./charts/fraud-model -n prod --atomic -f values-prod.yaml\n  deployer history fraud-model -n prod\n  deployer upgrade fraud-model ./charts/fraud-model --target dir:./deployed --hooks local"
)]
pub(crate) struct Cli<C: Subcommand = Command> {
    #[command(flatten)]
    pub(crate) global: global::GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: C,
}

/// The commands that scripts run over and over. Describing all the others to the parser of the
/// command line takes as long as a small chart takes to render.
#[derive(Debug, Subcommand)]
pub(crate) enum Frequent {
    Template(Box<template::TemplateCommand>),
    Version(version::VersionCommand),
}

impl From<Frequent> for Command {
    fn from(command: Frequent) -> Self {
        match command {
            Frequent::Template(command) => Self::Template(command),
            Frequent::Version(command) => Self::Version(command),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Install(Box<install::InstallCommand>),
    Upgrade(Box<upgrade::UpgradeCommand>),
    Apply(Box<apply::ApplyCommand>),
    Init(init::InitCommand),
    Drift(Box<drift::DriftCommand>),
    Promote(Box<promote::PromoteCommand>),
    Plan(Box<plan::PlanCommand>),
    Diff(diff::DiffCommand),
    Rollback(rollback::RollbackCommand),
    Uninstall(uninstall::UninstallCommand),
    History(history::HistoryCommand),
    Status(status::StatusCommand),
    List(list::ListCommand),
    Get(get::GetCommand),
    Template(Box<template::TemplateCommand>),
    Lint(Box<lint::LintCommand>),
    Show(Box<show::ShowCommand>),
    Create(create::CreateCommand),
    Package(Box<package::PackageCommand>),
    Verify(verify::VerifyCommand),
    Rbac(Box<rbac::RbacCommand>),
    Recover(recover::RecoverCommand),
    Test(test::TestCommand),
    Repo(repo::RepoCommand),
    Search(search::SearchCommand),
    Pull(Box<pull::PullCommand>),
    Push(Box<push::PushCommand>),
    Dependency(dependency::DependencyCommand),
    Registry(registry::RegistryCommand),
    Completion(completion::CompletionCommand),
    Version(version::VersionCommand),
}

impl Command {
    /// Returns in which form a command that changes a release prints what it did.
    fn output(&self) -> Format {
        match self {
            Self::Install(command) => command.output.output.format(),
            Self::Upgrade(command) => command.output.output.format(),
            Self::Apply(command) => command.output.output.format(),
            Self::Promote(command) => command.output.output.format(),
            Self::Test(command) => command.output.output.format(),
            Self::Rollback(command) => command.output.map_or(Format::Table, |form| form.format()),
            _ => Format::Table,
        }
    }
}
