//! `upgrade`

use std::sync::Arc;

use clap::Args;

use super::arguments::{
    ApplyArgs, ChartArgs, DryRunArgs, HookArgs, RecordArgs, RenderArgs, ValueArgs, WaitArgs,
};
use super::chart_source::LoadedChart;
use super::dry_run::dry_run_mode;
use super::error::CliError;
use super::global::OutputArgs;
use super::options::{ChangeFlags, change_options, chart_lookup, show_outcome};
use super::session::{Session, Work};
use crate::action::{UpgradeOptions, ValuesReuse, upgrade};
use crate::release::ReleaseName;

/// Upgrade a release to a chart
///
/// Renders the chart, runs its pre-upgrade hooks (the gate), changes the objects, waits for them
/// if asked to, and records the revision as Helm does. When the gate says no, nothing was changed
/// and the previous revision stays deployed. With --atomic any failure ends in the last good
/// revision.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  deployer upgrade fraud-model ./charts/fraud-model -n prod --atomic --timeout 10m0s -f values-prod.yaml\n  deployer upgrade --install fraud-model ./charts/fraud-model -n staging --create-namespace\n  deployer upgrade fraud-model ./charts/fraud-model --reuse-values --set model.path=s3://models/better.pt\n  deployer upgrade fraud-model ./charts/fraud-model --dry-run=server"
)]
pub(crate) struct UpgradeCommand {
    /// Name of the release
    release: String,
    /// The chart: a folder, a .tgz file, oci://…, https://… or REPOSITORY/CHART
    chart_reference: String,
    /// Install the release when there is none
    #[arg(short, long)]
    install: bool,
    /// With --install, create the namespace when it does not exist
    #[arg(long)]
    create_namespace: bool,
    /// Start from the chart's values, whatever the last revision was given
    #[arg(long)]
    reset_values: bool,
    /// Keep the last revision's values and merge the given ones in
    #[arg(long)]
    reuse_values: bool,
    /// Start from the chart's values, then the last revision's, then the given ones
    #[arg(long)]
    reset_then_reuse_values: bool,
    /// Revisions to keep; 0 keeps all
    #[arg(
        long,
        env = "HELM_MAX_HISTORY",
        hide_env_values = true,
        default_value_t = 10,
        value_name = "COUNT"
    )]
    history_max: u32,
    /// Delete what a failed upgrade created
    #[arg(long)]
    cleanup_on_fail: bool,
    /// Take over a release that Helm left pending
    #[arg(long)]
    recover: bool,
    #[command(flatten)]
    chart: ChartArgs,
    #[command(flatten)]
    values: ValueArgs,
    #[command(flatten)]
    render: RenderArgs,
    #[command(flatten)]
    apply: ApplyArgs,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    hooks: HookArgs,
    #[command(flatten)]
    record: RecordArgs,
    #[command(flatten)]
    dry_run: DryRunArgs,
    #[command(flatten)]
    output: OutputArgs,
}

impl UpgradeCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let release = ReleaseName::new(self.release.as_str())?;
        let dry_run = dry_run_mode(session, &self.dry_run)?;
        let target = session.target().await?;
        let chart = LoadedChart::load(
            session,
            &self.chart_reference,
            &self.chart,
            &self.values,
            &self.render,
        )
        .await?
        .with_lookup(chart_lookup(&target, dry_run));
        let change = change_options(&ChangeFlags {
            wait: &self.wait,
            apply: &self.apply,
            record: &self.record,
            dry_run,
            history_max: self.history_max,
            cleanup_on_fail: self.cleanup_on_fail,
            recover: self.recover,
        })?;
        let deployer = session.deployer(&target, &self.hooks, Work::Change)?;
        let options = UpgradeOptions {
            release,
            chart: Arc::new(chart),
            change,
            reuse: self.reuse(),
            install: self.install,
            create_namespace: self.create_namespace,
            skip_crds: self.render.skip_crds,
        };
        let outcome = upgrade(&deployer, &options).await?;
        show_outcome(
            session,
            self.output.output.format(),
            &outcome,
            self.render.hide_notes,
            self.dry_run.hide_secret,
        )
    }

    /// The strongest of the three flags wins, in Helm's order.
    fn reuse(&self) -> ValuesReuse {
        if self.reset_values {
            ValuesReuse::Reset
        } else if self.reuse_values {
            ValuesReuse::Reuse
        } else if self.reset_then_reuse_values {
            ValuesReuse::ResetThenReuse
        } else {
            ValuesReuse::WhenNoneGiven
        }
    }
}
