//! Releases in a folder with hooks as local processes, from the first install to the last file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deployer::action::{self, ActionError, Aftermath, Deployer, ExitCode};
use deployer::clock::SystemClock;
use deployer::cluster::DirectoryCluster;
use deployer::hook::{LocalHooks, LocalOptions};
use deployer::progress::SilentProgress;
use deployer::release::{HookPhase, Revision, Status};
use deployer::storage::DirectoryStore;
use serde_json::{Value, json};
use support::{ScriptedChart, install, name, namespace, uninstall, upgrade};
use tokio_util::sync::CancellationToken;

/// A chart whose gate is a shell command.
struct ShellGated {
    content: &'static str,
    script: String,
}

impl action::ChartSource for ShellGated {
    fn render(
        &self,
        request: &action::RenderRequest<'_>,
    ) -> Result<action::RenderedChart, action::RenderError> {
        let mut rendered = ScriptedChart::of(&[("settings", self.content)])
            .gated("pass")
            .render(request)?;
        let container = json!({
            "name": "gate", "image": "example/gate:1", "command": ["sh", "-c"], "args": [self.script],
            "env": [{"name": "LIMIT", "value": "0.9"}]
        });
        rendered.hooks[0].manifest = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "gate"},
            "spec": {"template": {"spec": {"containers": [container]}}}
        })
        .to_string();
        Ok(rendered)
    }
}

fn process(folder: &Path) -> Deployer {
    let cluster = Arc::new(DirectoryCluster::new(folder, namespace()));
    Deployer {
        hooks: Arc::new(LocalHooks::new(
            LocalOptions::default(),
            cluster.clone(),
            Arc::new(SystemClock),
        )),
        cluster,
        store: Arc::new(DirectoryStore::new(folder, namespace())),
        clock: Arc::new(SystemClock),
        progress: Arc::new(SilentProgress),
        cancel: CancellationToken::new(),
        namespace: namespace(),
        operator: "test".into(),
        lease_duration: Duration::from_secs(30),
    }
}

fn verdict(outcome: &str, code: u8) -> String {
    let brief = json!({"kind": "validator/verdict", "schema_version": 1, "outcome": outcome, "reasons": [outcome]});
    format!("echo limit $LIMIT; echo '{brief}' > $VALIDATOR_TERMINATION_MESSAGE; exit {code}")
}

fn gated(content: &'static str, script: String) -> action::UpgradeOptions {
    let mut options = upgrade(ScriptedChart::default(), true);
    options.install = true;
    options.chart = Arc::new(ShellGated { content, script });
    options
}

fn deployed(folder: &Path) -> Option<Value> {
    let text =
        fs::read_to_string(folder.join("prod/web/manifests/configmap-settings.yaml")).ok()?;
    Some(deployer::plan::read_yaml(&text).unwrap()["data"]["content"].clone())
}

async fn failed(
    deployer: &Deployer,
    options: &action::UpgradeOptions,
) -> Box<action::OperationFailure> {
    match action::upgrade(deployer, options).await {
        Err(ActionError::Operation(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_refused_gate_changes_nothing_and_the_next_good_one_passes() {
    let folder = tempfile::tempdir().unwrap();
    let deployer = process(folder.path());
    action::upgrade(&deployer, &gated("one", verdict("pass", 0)))
        .await
        .unwrap();
    assert_eq!(deployed(folder.path()), Some(json!("one")));

    let refused = failed(&deployer, &gated("two", verdict("fail", 1))).await;
    assert_eq!(refused.exit_code(), ExitCode::GateRefused);
    assert!(
        matches!(
            refused.after,
            Aftermath::Untouched {
                deployed: Some(Revision(1))
            }
        ),
        "{refused:?}"
    );
    assert!(
        refused.evidence.logs[0].text.contains("limit 0.9"),
        "{refused:?}"
    );
    assert_eq!(deployed(folder.path()), Some(json!("one")));

    let unjudged = failed(&deployer, &gated("two", verdict("error", 3))).await;
    assert_eq!(unjudged.exit_code(), ExitCode::GateCouldNotJudge);

    // A verdict of no counts even when the process forgot to say so by its exit code.
    let lenient = failed(&deployer, &gated("two", verdict("fail", 0))).await;
    assert_eq!(lenient.exit_code(), ExitCode::GateRefused);

    let passed = action::upgrade(&deployer, &gated("three", verdict("pass", 0)))
        .await
        .unwrap();
    assert_eq!(
        (
            passed.release.version,
            passed.release.hooks[0].last_run.phase
        ),
        (Revision(5), HookPhase::Succeeded)
    );
    assert_eq!(deployed(folder.path()), Some(json!("three")));
    let history = action::history(&deployer, &name()).await.unwrap();
    let statuses: Vec<Status> = history
        .iter()
        .filter_map(|report| Some(report.release.as_ref()?.info.status))
        .collect();
    assert_eq!(
        statuses,
        [
            Status::Superseded,
            Status::Failed,
            Status::Failed,
            Status::Failed,
            Status::Deployed
        ]
    );
    assert!(history.iter().all(|report| {
        report
            .evidence
            .as_ref()
            .is_some_and(|evidence| evidence.verdicts.len() == 1)
    }));

    action::uninstall(&deployer, &uninstall(false))
        .await
        .unwrap();
    assert_eq!(deployed(folder.path()), None);
    assert!(matches!(
        action::history(&deployer, &name()).await,
        Err(ActionError::NotFound { .. })
    ));
}

#[tokio::test]
async fn a_refused_first_install_leaves_no_record_but_its_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let deployer = process(folder.path());
    let refused = failed(&deployer, &gated("one", verdict("fail", 1))).await;
    assert_eq!(refused.exit_code(), ExitCode::GateRefused);
    let history = action::history(&deployer, &name()).await.unwrap();
    assert!(
        history.len() == 1 && history[0].release.is_none(),
        "{history:?}"
    );
    assert!(
        history[0]
            .evidence
            .as_ref()
            .unwrap()
            .failure
            .as_ref()
            .unwrap()
            .contains("fail")
    );
    action::upgrade(&deployer, &gated("one", verdict("pass", 0)))
        .await
        .unwrap();
    assert_eq!(action::history(&deployer, &name()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_gate_that_runs_out_of_time_is_stopped_with_all_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let deployer = process(folder.path());
    let marker = folder.path().join("alive");
    let script = format!("(sleep 8; touch {}) & echo started; wait", marker.display());
    let mut options = gated("one", script);
    options.change.timeout = Duration::from_secs(1);
    let begun = Instant::now();
    let stopped = failed(&deployer, &options).await;
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        action_text(&stopped).contains("did not end within 1 s"),
        "{stopped:?}"
    );
    assert_eq!(stopped.exit_code(), ExitCode::Failed);
    assert!(stopped.evidence.logs[0].text.contains("started"));
    assert!(!marker.exists());
}

#[tokio::test]
async fn cancelling_during_the_gate_stops_it_and_leaves_the_good_revision() {
    let folder = tempfile::tempdir().unwrap();
    action::upgrade(&process(folder.path()), &gated("one", verdict("pass", 0)))
        .await
        .unwrap();
    let deployer = process(folder.path());
    let cancel = deployer.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    });
    let cancelled = failed(&deployer, &gated("two", "sleep 60".into())).await;
    assert!(
        matches!(cancelled.cause, action::Cause::Cancelled),
        "{cancelled:?}"
    );
    assert_eq!(deployed(folder.path()), Some(json!("one")));
    let status = action::status(&deployer, &name(), None).await.unwrap();
    assert!(status.lease.is_none());
}

#[tokio::test]
async fn a_name_that_is_taken_and_one_that_is_not_there_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let deployer = process(folder.path());
    let missing = action::upgrade(&deployer, &upgrade(ScriptedChart::of(&[("a", "1")]), false))
        .await
        .unwrap_err();
    assert_eq!(missing.to_string(), "\"web\" has no deployed releases");
    action::install(&deployer, &install(ScriptedChart::of(&[("a", "1")]), false))
        .await
        .unwrap();
    let taken = action::install(&deployer, &install(ScriptedChart::of(&[("a", "1")]), false))
        .await
        .unwrap_err();
    assert!(
        taken
            .to_string()
            .starts_with("cannot reuse a name that is still in use"),
        "{taken}"
    );
    let unknown = action::rollback(&deployer, &support::rollback(7))
        .await
        .unwrap_err();
    assert!(
        unknown.hints()[0].contains("are: 1"),
        "{:?}",
        unknown.hints()
    );
}

fn action_text(failure: &action::OperationFailure) -> String {
    format!("{failure}: {}", failure.cause)
}
