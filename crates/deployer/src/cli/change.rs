//! What `install` and `upgrade` have in common: their flags, and the way from these to a chart.

use std::sync::Arc;

use clap::Args;

use super::arguments::{
    ApplyArgs, ChartArgs, DryRunArgs, HookArgs, RecordArgs, RenderArgs, ValueArgs, WaitArgs,
};
use super::chart_source::LoadedChart;
use super::environment::{Inputs, assignments};
use super::error::CliError;
use super::options::{ChangeFlags, change_options, chart_lookup, show_outcome};
use super::session::{Session, Target};
use super::signed::VerdictArgs;
use crate::action::{ChangeOptions, DryRunMode, Outcome, VerdictDemand};
use crate::environment::Asked;
use crate::output::Format;

/// The flags of a change that is made with a chart.
#[derive(Debug, Clone, Args)]
pub(super) struct ChangeArgs {
    #[command(flatten)]
    pub(super) chart: ChartArgs,
    #[command(flatten)]
    pub(super) values: ValueArgs,
    #[command(flatten)]
    pub(super) render: RenderArgs,
    #[command(flatten)]
    pub(super) apply: ApplyArgs,
    #[command(flatten)]
    pub(super) wait: WaitArgs,
    #[command(flatten)]
    pub(super) hooks: HookArgs,
    #[command(flatten)]
    pub(super) verdict: VerdictArgs,
    #[command(flatten)]
    pub(super) record: RecordArgs,
    #[command(flatten)]
    pub(super) dry_run: DryRunArgs,
}

/// What only an upgrade is told; an install of nothing before it keeps all and takes nothing over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Upkeep {
    /// Revisions to keep; 0 keeps all.
    pub(super) history_max: u32,
    pub(super) cleanup_on_fail: bool,
    pub(super) recover: bool,
}

impl ChangeArgs {
    /// Reads the options, with the rules of the environment above them.
    ///
    /// # Errors
    /// When flags exclude each other, or the change breaks a demand of the environment.
    pub(super) fn options(
        &self,
        session: &Session,
        inputs: &Inputs,
        dry_run: DryRunMode,
        upkeep: Upkeep,
    ) -> Result<ChangeOptions, CliError> {
        let mut change = change_options(&ChangeFlags {
            wait: &self.wait,
            apply: &self.apply,
            record: &self.record,
            dry_run,
            history_max: upkeep.history_max,
            cleanup_on_fail: upkeep.cleanup_on_fail,
            recover: upkeep.recover,
            show_secrets: self.dry_run.show_secrets,
        })?;
        session.apply_rules(&mut change);
        session.check_demands(&Asked {
            chart: Some(&inputs.reference),
            timeout: Some(change.timeout),
            skips_hooks: session.skips_hooks(&change, &self.hooks),
            assignments: assignments(&inputs.values),
            is_promotion: false,
        })?;
        // What is only looked at runs no gate, whose verdict could be asked for.
        if dry_run != DryRunMode::Plan
            && let Some(demand) = self.verdict.demand(session)?
        {
            change.verdict = VerdictDemand::Signed(Arc::new(demand));
        }
        Ok(change)
    }

    /// Loads the chart, and looks for values that look secret.
    ///
    /// # Errors
    /// When the chart or a file of values cannot be read, or such values are refused.
    pub(super) async fn load(
        &self,
        session: &Session,
        inputs: &Inputs,
        target: &Target,
        change: &ChangeOptions,
    ) -> Result<LoadedChart, CliError> {
        let chart = LoadedChart::load(
            session,
            &inputs.reference,
            &inputs.chart,
            &inputs.values,
            &self.render,
        )
        .await?
        .with_lookup(chart_lookup(target, change.dry_run));
        chart.guard_values(
            session,
            self.values.sensitive_values,
            change.show_secrets && change.dry_run != DryRunMode::Off,
        )?;
        Ok(chart)
    }

    /// Prints what the change did, or would do.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub(super) fn show(
        &self,
        session: &Session,
        format: Format,
        outcome: &Outcome,
    ) -> Result<(), CliError> {
        show_outcome(
            session,
            format,
            outcome,
            self.render.hide_notes,
            self.dry_run.hide_secret,
        )
    }
}
