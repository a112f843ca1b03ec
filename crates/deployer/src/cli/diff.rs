//! `diff`: what would change, or what did, in the words of helm-diff.

use clap::{Args, Subcommand, ValueEnum};

use super::arguments::{
    ApplyArgs, ChartArgs, DryRunArgs, DryRunChoice, HookArgs, RecordArgs, RecreatePodsArgs,
    RenderArgs, SensitiveChoice, ServerSideChoice, ValueArgs, WaitArgs,
};
use super::change::ChangeArgs;
use super::error::CliError;
use super::global::{OutputArgs, OutputFormat};
use super::options::{ChangeFlags, change_options};
use super::session::{Session, Work};
use super::signed::VerdictArgs;
use super::upgrade::UpgradeCommand;
use crate::action::{
    ActionError, Deployer, DryRunMode, Outcome, RollbackOptions, diff_baseline, get, rollback,
    upgrade,
};
use crate::output::{
    DiffEntry, DiffFormat, DiffView, Printer, entries_of_plan, entries_of_sets, print_diff,
};
use crate::plan::compare::CompareOptions;
use crate::plan::sensitive::SensitiveValues;
use crate::plan::{ManifestObject, read_manifest_of};
use crate::release::{HookEvent, Release, ReleaseName, Revision};

/// Show the differences that a change would make, or that one made
///
/// Compares objects field by field, without what the API server adds, and masks secrets. Upgrade
/// and rollback compare with what is live; revision and release compare records.
#[derive(Debug, Args)]
pub(crate) struct DiffCommand {
    #[command(subcommand)]
    what: DiffSubcommand,
}

#[derive(Debug, Subcommand)]
enum DiffSubcommand {
    Upgrade(Box<DiffUpgrade>),
    Rollback(DiffRollback),
    Revision(DiffRevision),
    Release(DiffRelease),
}

/// How differences are shown.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Differences")]
struct ShowArgs {
    /// Lines to show around each difference; -1 shows whole objects
    #[arg(
        short = 'C',
        long,
        default_value_t = 3,
        allow_negative_numbers = true,
        value_name = "LINES"
    )]
    context: i64,
    /// End with exit code 2 when there are differences
    #[arg(long)]
    detailed_exitcode: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "diff", value_name = "FORM")]
    output: FormChoice,
    /// Do not use colour; the same as --color=never
    #[arg(long)]
    no_color: bool,
    /// Show secrets readable; without it they are masked
    #[arg(long)]
    show_secrets: bool,
    /// Kinds that are left out; can be repeated
    #[arg(long, value_name = "KIND")]
    suppress: Vec<String>,
    /// Leave Secrets out altogether
    #[arg(long)]
    suppress_secrets: bool,
    /// Do not compare hooks
    #[arg(long)]
    no_hooks: bool,
    /// Compare the hooks of `test` too
    #[arg(long)]
    include_tests: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormChoice {
    /// Lines of YAML with signs
    #[value(alias = "table")]
    Diff,
    /// One line for each object
    Simple,
    /// JSON
    Json,
}

/// Show what an upgrade would change
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer diff upgrade fraud-model ./charts/fraud-model -n prod -f values-prod.yaml\n  deployer diff upgrade fraud-model ./charts/fraud-model --detailed-exitcode -C 5\n  deployer diff upgrade fraud-model ./charts/fraud-model --allow-unreleased -o json"
)]
struct DiffUpgrade {
    /// Name of the release
    release: String,
    /// The chart, as for `upgrade`
    chart_reference: Option<String>,
    /// Show everything as added when the release does not exist
    #[arg(long, alias = "install")]
    allow_unreleased: bool,
    /// Compare with what is live; `false` compares with the record of the last good revision
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set, value_name = "true|false")]
    three_way_merge: bool,
    /// Start from the chart's values, whatever the last revision was given
    #[arg(long)]
    reset_values: bool,
    /// Keep the last revision's values and merge the given ones in
    #[arg(long)]
    reuse_values: bool,
    /// Start from the chart's values, then the last revision's, then the given ones
    #[arg(long)]
    reset_then_reuse_values: bool,
    /// Adopt existing objects that belong to no release or to another
    #[arg(long)]
    take_ownership: bool,
    #[command(flatten)]
    chart: ChartArgs,
    #[command(flatten)]
    values: ValueArgs,
    #[command(flatten)]
    render: RenderArgs,
    #[command(flatten)]
    show: ShowArgs,
}

/// Show what a rollback would change
#[derive(Debug, Args)]
struct DiffRollback {
    /// Name of the release
    release: String,
    /// Revision to go back to; the one that `rollback` would choose where unset
    revision: Option<Revision>,
    #[command(flatten)]
    show: ShowArgs,
}

/// Show how two revisions of a release differ
#[derive(Debug, Args)]
struct DiffRevision {
    /// Name of the release
    release: String,
    /// The earlier revision
    revision: Revision,
    /// The later one; the last where unset
    other: Option<Revision>,
    #[command(flatten)]
    show: ShowArgs,
}

/// Show how two releases of the namespace differ
#[derive(Debug, Args)]
struct DiffRelease {
    /// The first release
    release: String,
    /// The second release
    other: String,
    #[command(flatten)]
    show: ShowArgs,
}

impl DiffCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        match self.what {
            DiffSubcommand::Upgrade(command) => command.run(session).await,
            DiffSubcommand::Rollback(command) => command.run(session).await,
            DiffSubcommand::Revision(command) => command.run(session).await,
            DiffSubcommand::Release(command) => command.run(session).await,
        }
    }
}

impl DiffUpgrade {
    async fn run(self, session: &Session) -> Result<(), CliError> {
        let (show, three_way) = (self.show.clone(), self.three_way_merge);
        let upgrading = self.into_upgrade();
        let (deployer, options) = upgrading.prepared(session, DryRunMode::Plan).await?;
        let history = deployer.store.history(&options.release).await?;
        let outcome = upgrade(&deployer, &options).await?;
        for warning in &outcome.warnings {
            session.printer.warn(warning);
        }
        let before = diff_baseline(&history);
        let entries = if three_way {
            show.of_plan(&outcome, before)?
        } else {
            show.of_records(before, &outcome.release)?
        };
        show.print(session, &deployer, entries)
    }

    fn into_upgrade(self) -> UpgradeCommand {
        UpgradeCommand {
            release: self.release,
            chart_reference: self.chart_reference,
            install: self.allow_unreleased,
            create_namespace: true,
            reset_values: self.reset_values,
            reuse_values: self.reuse_values,
            reset_then_reuse_values: self.reset_then_reuse_values,
            history_max: 0,
            cleanup_on_fail: false,
            recreate_pods: RecreatePodsArgs::default(),
            recover: false,
            args: ChangeArgs {
                chart: self.chart,
                // Nothing is stored.
                values: ValueArgs {
                    sensitive_values: SensitiveChoice::Allow,
                    ..self.values
                },
                render: self.render,
                apply: ApplyArgs {
                    take_ownership: self.take_ownership,
                    ..apply_flags()
                },
                wait: wait_flags(),
                hooks: HookArgs::default(),
                verdict: VerdictArgs::default(),
                record: record_flags(),
                dry_run: DryRunArgs {
                    dry_run: DryRunChoice::None,
                    hide_secret: false,
                    show_secrets: self.show.show_secrets,
                },
            },
            use_plan: None,
            output: OutputArgs {
                output: OutputFormat::Table,
            },
        }
    }
}

impl DiffRollback {
    async fn run(self, session: &Session) -> Result<(), CliError> {
        let release = ReleaseName::new(self.release.as_str())?;
        let change = change_options(&ChangeFlags {
            wait: &wait_flags(),
            apply: &apply_flags(),
            record: &record_flags(),
            dry_run: DryRunMode::Plan,
            history_max: 0,
            cleanup_on_fail: false,
            recover: true,
            show_secrets: self.show.show_secrets,
        })?;
        let target = session.target().await?;
        let deployer = session.deployer(&target, &HookArgs::default(), Work::Read)?;
        let history = deployer.store.history(&release).await?;
        let options = RollbackOptions {
            release,
            revision: self.revision.filter(|revision| *revision != Revision(0)),
            change,
        };
        let outcome = rollback(&deployer, &options).await?;
        let entries = self.show.of_plan(&outcome, diff_baseline(&history))?;
        self.show.print(session, &deployer, entries)
    }
}

impl DiffRevision {
    async fn run(self, session: &Session) -> Result<(), CliError> {
        let release = ReleaseName::new(self.release.as_str())?;
        let target = session.target().await?;
        let deployer = session.deployer(&target, &HookArgs::default(), Work::Read)?;
        let before = get(&deployer, &release, Some(self.revision)).await?;
        let after = get(&deployer, &release, self.other).await?;
        let entries = self.show.of_records(Some(&before), &after)?;
        self.show.print(session, &deployer, entries)
    }
}

impl DiffRelease {
    async fn run(self, session: &Session) -> Result<(), CliError> {
        let target = session.target().await?;
        let deployer = session.deployer(&target, &HookArgs::default(), Work::Read)?;
        let before = get(&deployer, &ReleaseName::new(self.release.as_str())?, None).await?;
        let after = get(&deployer, &ReleaseName::new(self.other.as_str())?, None).await?;
        let entries = self.show.of_records(Some(&before), &after)?;
        self.show.print(session, &deployer, entries)
    }
}

impl ShowArgs {
    fn options(&self, releases: &[&Release]) -> CompareOptions {
        let mut sensitive = SensitiveValues::default();
        for release in releases {
            sensitive.extend(&SensitiveValues::of_release(release));
        }
        CompareOptions {
            show_secrets: self.show_secrets,
            sensitive,
            ..CompareOptions::default()
        }
    }

    /// What a plan would change, and how the hooks differ from those of the last good revision.
    fn of_plan(
        &self,
        outcome: &Outcome,
        before: Option<&Release>,
    ) -> Result<Vec<DiffEntry>, CliError> {
        let after = &outcome.release;
        let both: Vec<&Release> = before.into_iter().chain([after]).collect();
        let options = self.options(&both);
        let mut entries = entries_of_plan(&outcome.plan, &options);
        entries.extend(self.hooks_of(before, after, &options)?);
        Ok(entries)
    }

    fn of_records(
        &self,
        before: Option<&Release>,
        after: &Release,
    ) -> Result<Vec<DiffEntry>, CliError> {
        let both: Vec<&Release> = before.into_iter().chain([after]).collect();
        let options = self.options(&both);
        let old = before.map_or_else(|| Ok(Vec::new()), |before| objects(&before.manifest))?;
        let new = objects(&after.manifest)?;
        let space = before.map_or(&after.namespace, |before| &before.namespace);
        let mut entries = entries_of_sets((&old, space), (&new, &after.namespace), &options);
        entries.extend(self.hooks_of(before, after, &options)?);
        Ok(entries)
    }

    fn hooks_of(
        &self,
        before: Option<&Release>,
        after: &Release,
        options: &CompareOptions,
    ) -> Result<Vec<DiffEntry>, CliError> {
        let hooks = |release: &Release| -> Result<Vec<ManifestObject>, CliError> {
            let mut all = Vec::new();
            for hook in &release.hooks {
                let is_test = hook.events.contains(&HookEvent::Test);
                if !self.no_hooks && (self.include_tests || !is_test) {
                    all.extend(objects(&hook.manifest)?);
                }
            }
            Ok(all)
        };
        let old = before.map_or_else(|| Ok(Vec::new()), hooks)?;
        let space = before.map_or(&after.namespace, |before| &before.namespace);
        let new = hooks(after)?;
        Ok(entries_of_sets(
            (&old, space),
            (&new, &after.namespace),
            options,
        ))
    }

    fn print(
        &self,
        session: &Session,
        deployer: &Deployer,
        mut entries: Vec<DiffEntry>,
    ) -> Result<(), CliError> {
        entries.retain(|entry| {
            let kind = &entry.comparison.object.kind;
            let suppressed = self
                .suppress
                .iter()
                .any(|other| other.eq_ignore_ascii_case(kind));
            !(suppressed || self.suppress_secrets && kind == "Secret")
        });
        let differs = !entries.is_empty();
        let view = DiffView {
            entries,
            namespace: &deployer.namespace,
            context: usize::try_from(self.context).ok(),
            format: match self.output {
                FormChoice::Diff => DiffFormat::Diff,
                FormChoice::Simple => DiffFormat::Simple,
                FormChoice::Json => DiffFormat::Json,
            },
        };
        if self.no_color {
            print_diff(&Printer::new(Some(false)), &view)?;
        } else {
            print_diff(&session.printer, &view)?;
        }
        if differs && self.detailed_exitcode {
            return Err(CliError::Differences);
        }
        Ok(())
    }
}

fn objects(manifest: &str) -> Result<Vec<ManifestObject>, ActionError> {
    Ok(read_manifest_of(manifest, "the manifest of a revision")?)
}

fn apply_flags() -> ApplyArgs {
    ApplyArgs {
        atomic: false,
        force_conflicts: false,
        force_replace: false,
        server_side: ServerSideChoice::Auto,
        take_ownership: false,
        no_hooks: false,
        disable_openapi_validation: false,
    }
}

fn wait_flags() -> WaitArgs {
    WaitArgs {
        wait: None,
        wait_for_jobs: false,
        timeout: std::time::Duration::from_secs(300),
        deadline: None,
    }
}

fn record_flags() -> RecordArgs {
    RecordArgs {
        description: None,
        labels: Vec::new(),
    }
}
