//! `upgrade`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::arguments::RecreatePodsArgs;
use super::change::{ChangeArgs, Upkeep};
use super::dry_run::dry_run_mode;
use super::error::CliError;
use super::global::OutputArgs;
use super::options::crd_policy;
use super::plan::read_plan;
use super::session::{Session, Work};
use crate::action::{Deployer, DryRunMode, UpgradeOptions, ValuesReuse, upgrade};
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
    pub(super) release: String,
    /// The chart: a folder, a .tgz file, oci://…, https://… or REPOSITORY/CHART; with --env the file names it
    pub(super) chart_reference: Option<String>,
    /// Install the release when there is none
    #[arg(short, long)]
    pub(super) install: bool,
    /// With --install, create the namespace when it does not exist
    #[arg(long)]
    pub(super) create_namespace: bool,
    /// Start from the chart's values, whatever the last revision was given
    #[arg(long)]
    pub(super) reset_values: bool,
    /// Keep the last revision's values and merge the given ones in
    #[arg(long)]
    pub(super) reuse_values: bool,
    /// Start from the chart's values, then the last revision's, then the given ones
    #[arg(long)]
    pub(super) reset_then_reuse_values: bool,
    /// Revisions to keep; 0 keeps all
    #[arg(
        long,
        env = "HELM_MAX_HISTORY",
        hide_env_values = true,
        default_value_t = 10,
        value_name = "COUNT"
    )]
    pub(super) history_max: u32,
    /// Delete what a failed upgrade created
    #[arg(long)]
    pub(super) cleanup_on_fail: bool,
    #[command(flatten)]
    pub(super) recreate_pods: RecreatePodsArgs,
    /// Take over a release that Helm left pending
    #[arg(long)]
    pub(super) recover: bool,
    #[command(flatten)]
    pub(super) args: ChangeArgs,
    /// Do what a plan of `deployer plan --save` says, or nothing if anything moved on since
    #[arg(long, value_name = "FILE")]
    pub(super) use_plan: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

impl UpgradeCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<(), CliError> {
        let dry_run = dry_run_mode(session, &self.args.dry_run)?;
        let (deployer, mut options) = self.prepared(session, dry_run).await?;
        if let Some(path) = &self.use_plan {
            options.change.expected = Some(Arc::new(read_plan(path)?));
        }
        let outcome = upgrade(&deployer, &options).await?;
        self.args
            .show(session, self.output.output.format(), &outcome)
    }

    /// Checks the flags, loads the chart and prepares the target.
    pub(super) async fn prepared(
        &self,
        session: &Session,
        dry_run: DryRunMode,
    ) -> Result<(Deployer, UpgradeOptions), CliError> {
        self.recreate_pods.check()?;
        let release = ReleaseName::new(self.release.as_str())?;
        let reference = self.chart_reference.as_deref();
        let given = &self.args;
        let mut inputs = session.inputs(&release, reference, &given.chart, &given.values)?;
        let upkeep = Upkeep {
            history_max: self.history_max,
            cleanup_on_fail: self.cleanup_on_fail,
            recover: self.recover,
        };
        let mut change = given.options(session, &inputs, dry_run, upkeep)?;
        let target = session.target().await?;
        let promotion = session
            .keep_promoted(&target, &release, &mut inputs)
            .await?;
        let chart = given.load(session, &inputs, &target, &change).await?;
        change.provenance = Some(session.provenance(&inputs.reference, &chart, promotion));
        let deployer = session.deployer(&target, &given.hooks, Work::Change)?;
        let options = UpgradeOptions {
            release,
            chart: Arc::new(chart),
            change,
            reuse: self.reuse(session),
            install: self.install,
            create_namespace: self.create_namespace || session.creates_namespace(),
            crds: crd_policy(&given.render),
        };
        Ok((deployer, options))
    }

    /// The strongest of the three flags wins, in Helm's order.
    fn reuse(&self, session: &Session) -> ValuesReuse {
        if self.reset_values {
            ValuesReuse::Reset
        } else if self.reuse_values {
            ValuesReuse::Reuse
        } else if self.reset_then_reuse_values {
            ValuesReuse::ResetThenReuse
        } else if session.chosen.is_some() {
            // The environment's files say everything, should they give no value at all.
            ValuesReuse::Reset
        } else {
            ValuesReuse::WhenNoneGiven
        }
    }
}
