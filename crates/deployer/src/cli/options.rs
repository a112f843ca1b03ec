//! From flags that several commands share to the typed options of the actions, and back from an
//! outcome to what is printed.

use super::arguments::{ApplyArgs, RecordArgs, ServerSideChoice, WaitArgs, WaitChoice};
use super::error::CliError;
use super::session::{Session, Target};
use crate::action::{ChangeOptions, DryRunMode, Outcome, ServerSide};
use crate::cluster::WaitStrategy;
use crate::cluster::kube::KubeCluster;
use crate::output::{Format, ReleaseView, print_release};
use crate::release::Release;

/// The flags that make up [`ChangeOptions`].
pub(crate) struct ChangeFlags<'a> {
    pub(crate) wait: &'a WaitArgs,
    pub(crate) apply: &'a ApplyArgs,
    pub(crate) record: &'a RecordArgs,
    pub(crate) dry_run: DryRunMode,
    pub(crate) history_max: u32,
    pub(crate) cleanup_on_fail: bool,
    pub(crate) recover: bool,
}

pub(crate) fn change_options(flags: &ChangeFlags<'_>) -> ChangeOptions {
    ChangeOptions {
        wait: wait_strategy(flags.wait.wait),
        wait_for_jobs: flags.wait.wait_for_jobs,
        timeout: flags.wait.timeout,
        atomic: flags.apply.atomic,
        cleanup_on_fail: flags.cleanup_on_fail,
        dry_run: flags.dry_run,
        run_hooks: !flags.apply.no_hooks,
        force_conflicts: flags.apply.force_conflicts,
        take_ownership: flags.apply.take_ownership,
        server_side: match flags.apply.server_side {
            ServerSideChoice::Auto => ServerSide::Auto,
            ServerSideChoice::True => ServerSide::On,
            ServerSideChoice::False => ServerSide::Off,
        },
        description: flags.record.description.clone(),
        labels: flags.record.labels.iter().cloned().collect(),
        history_max: flags.history_max,
        recover: flags.recover,
    }
}

/// Without the flag only hooks are waited for, as in Helm 4.
pub(crate) fn wait_strategy(choice: Option<WaitChoice>) -> WaitStrategy {
    match choice {
        Some(WaitChoice::Watcher) => WaitStrategy::Watcher,
        Some(WaitChoice::Legacy) => WaitStrategy::Legacy,
        Some(WaitChoice::HookOnly) | None => WaitStrategy::HookOnly,
    }
}

/// Templates may look objects up, unless the run is to do without the cluster.
pub(crate) fn chart_lookup(target: &Target, dry_run: DryRunMode) -> Option<&KubeCluster> {
    match dry_run {
        DryRunMode::Client => None,
        DryRunMode::Off | DryRunMode::Server => target.kube.as_ref(),
    }
}

/// Prints what a change did, or would do.
pub(crate) fn show_outcome(
    session: &Session,
    format: Format,
    outcome: &Outcome,
    hide_notes: bool,
    hide_secret: bool,
) -> Result<(), CliError> {
    for warning in &outcome.warnings {
        session.printer.warn(warning);
    }
    let is_dry = outcome.dry_run != DryRunMode::Off;
    let release = if hide_secret && is_dry {
        without_secrets(&outcome.release)
    } else {
        outcome.release.clone()
    };
    let view = ReleaseView {
        notes: !hide_notes,
        manifests: is_dry,
        ..ReleaseView::new(&release, outcome.evidence.as_ref())
    };
    print_release(&session.printer, format, &view)?;
    Ok(())
}

/// Replaces Secrets in what is shown; nothing that is stored or applied changes.
fn without_secrets(release: &Release) -> Release {
    let mut shown = release.clone();
    shown.manifest = release
        .manifest
        .split("---\n")
        .map(|document| {
            if document
                .lines()
                .any(|line| line.trim_end() == "kind: Secret")
            {
                let source: String = document
                    .lines()
                    .filter(|line| line.starts_with("# Source:"))
                    .map(|line| format!("{line}\n"))
                    .collect();
                format!("{source}# HIDDEN: The Secret output has been suppressed\n")
            } else {
                document.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join("---\n");
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_can_be_left_out_of_a_dry_run() {
        let release: Release = serde_json::from_value(json!({"name": "web", "namespace": "prod",
            "manifest": "---\n# Source: c/s.yaml\napiVersion: v1\nkind: Secret\ndata: {a: c2VjcmV0}\n---\nkind: ConfigMap\n"}))
        .expect("a release");
        let shown = without_secrets(&release).manifest;
        assert!(!shown.contains("c2VjcmV0"), "{shown}");
        assert!(shown.contains("# Source: c/s.yaml") && shown.contains("kind: ConfigMap"));
    }
}
