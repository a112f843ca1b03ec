//! From flags that several commands share to the typed options of the actions, and back from an
//! outcome to what is printed.

use super::arguments::{ApplyArgs, RecordArgs, RenderArgs, ServerSideChoice, WaitArgs, WaitChoice};
use super::error::CliError;
use super::session::{Session, Target};
use crate::action::{ChangeOptions, CrdPolicy, DryRunMode, Outcome, ServerSide, VerdictDemand};
use crate::cluster::WaitStrategy;
use crate::cluster::kube::KubeCluster;
use crate::output::{Format, ReleaseView, print_release};
use crate::plan::read_manifest;
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
    pub(crate) show_secrets: bool,
}

pub(crate) fn change_options(flags: &ChangeFlags<'_>) -> Result<ChangeOptions, CliError> {
    if flags.apply.force_replace && flags.apply.server_side == ServerSideChoice::True {
        return Err(CliError::usage(
            "`--force-replace` and `--server-side=true` exclude each other",
        )
        .with_hint("take fields over from others with `--force-conflicts`"));
    }
    let now = tokio::time::Instant::now();
    Ok(ChangeOptions {
        wait: wait_strategy(flags.wait.wait),
        wait_for_jobs: flags.wait.wait_for_jobs,
        timeout: flags.wait.timeout,
        atomic: flags.apply.atomic,
        cleanup_on_fail: flags.cleanup_on_fail,
        dry_run: flags.dry_run,
        run_hooks: !flags.apply.no_hooks,
        force_conflicts: flags.apply.force_conflicts,
        force_replace: flags.apply.force_replace,
        deadline: flags.wait.deadline.map(|deadline| now + deadline),
        take_ownership: flags.apply.take_ownership,
        server_side: match flags.apply.server_side {
            ServerSideChoice::Auto => ServerSide::Auto,
            ServerSideChoice::True => ServerSide::On,
            ServerSideChoice::False => ServerSide::Off,
        },
        // An empty one is none, as for Helm.
        description: flags
            .record
            .description
            .clone()
            .filter(|text| !text.is_empty()),
        labels: flags.record.labels.iter().cloned().collect(),
        history_max: flags.history_max,
        recover: flags.recover,
        show_secrets: flags.show_secrets,
        expected: None,
        verdict: VerdictDemand::None,
        provenance: None,
    })
}

/// Reads what is to become of the chart's CRDs.
pub(crate) fn crd_policy(flags: &RenderArgs) -> CrdPolicy {
    match (flags.skip_crds, flags.upgrade_crds) {
        (true, _) => CrdPolicy::Skip,
        (false, true) => CrdPolicy::Upgrade,
        (false, false) => CrdPolicy::Create,
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
        DryRunMode::Off | DryRunMode::Plan | DryRunMode::Server => target.kube.as_ref(),
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
        plan: outcome.shown.as_ref(),
        ..ReleaseView::new(&release, outcome.evidence.as_ref())
    };
    print_release(&session.printer, format, &view)?;
    Ok(())
}

/// Replaces Secrets, of hooks too, in what is shown; nothing that is stored or applied changes.
fn without_secrets(release: &Release) -> Release {
    let mut shown = release.clone();
    shown.manifest = documents(&release.manifest)
        .into_iter()
        .map(|document| hidden(document).unwrap_or_else(|| document.to_owned()))
        .collect();
    for hook in &mut shown.hooks {
        if let Some(text) = hidden(&hook.manifest) {
            hook.manifest = text;
        }
    }
    shown
}

/// Splits a YAML stream before each separator; put together again, the parts are the stream.
fn documents(text: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let mut position = 0;
    for line in text.split_inclusive('\n') {
        if position > 0 && (line.trim_end() == "---" || line.starts_with("--- ")) {
            starts.push(position);
        }
        position += line.len();
    }
    starts.push(text.len());
    starts
        .windows(2)
        .map(|range| &text[range[0]..range[1]])
        .collect()
}

/// Returns what is shown instead of a document with a Secret; none when there is none in it. What
/// cannot be read is hidden if it only mentions one.
fn hidden(document: &str) -> Option<String> {
    let has_secret = match read_manifest(document) {
        Ok(objects) => objects.iter().any(|object| object.id.kind == "Secret"),
        Err(_) => document.contains("Secret"),
    };
    let kept = document
        .lines()
        .filter(|line| line.starts_with("---") || line.starts_with("# Source:"));
    has_secret.then(|| {
        kept.chain(["# HIDDEN: The Secret output has been suppressed"])
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_can_be_left_out_of_a_dry_run() {
        let ways = [
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: c2VjcmV0}\n",
            "apiVersion: v1\nkind: \"Secret\" # quoted\nmetadata: {name: a}\ndata: {a: c2VjcmV0}\n",
            "{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {a: c2VjcmV0}}\n",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  a: |\n    ---\n    c2VjcmV0\n",
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: a}, data: {a: c2VjcmV0}}\n",
            "kind: Secret\ndata: {a: c2VjcmV0}\nbroken: [\n",
        ];
        for way in ways {
            let manifest = format!(
                "---\n# Source: c/s.yaml\n{way}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: b}}\n"
            );
            let release: Release =
                serde_json::from_value(json!({"name": "web", "namespace": "prod",
                "manifest": manifest, "hooks": [{"name": "a", "kind": "Secret", "manifest": way}]}))
                .expect("a release");
            let shown = without_secrets(&release);
            let text = serde_json::to_string(&shown).expect("text");
            assert!(!text.contains("c2VjcmV0"), "{text}");
            assert!(
                shown
                    .manifest
                    .starts_with("---\n# Source: c/s.yaml\n# HIDDEN")
            );
            assert!(
                shown
                    .manifest
                    .ends_with("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")
            );
        }
    }
}
