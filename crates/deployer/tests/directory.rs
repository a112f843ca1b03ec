//! Releases in a folder with hooks as local processes, from the first install to the last file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deployer::action::{self, ActionError, Aftermath, Deployer, ExitCode};
use deployer::clock::{Clock, ManualClock, SystemClock};
use deployer::cluster::{DirectoryCluster, Fault, FaultPlan, FaultyCluster};
use deployer::hook::{LocalHooks, LocalOptions};
use deployer::progress::SilentProgress;
use deployer::release::{HookPhase, Revision, Status};
use deployer::storage::{DirectoryStore, FaultyStore};
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

/// Every process that works on the folder of a world, with faults.
fn faulty(folder: &Path, clock: &Arc<ManualClock>, plan: &FaultPlan) -> Deployer {
    let cluster = DirectoryCluster::new(folder, namespace());
    let store = DirectoryStore::new(folder, namespace());
    Deployer {
        cluster: Arc::new(FaultyCluster::new(cluster, plan.clone())),
        store: Arc::new(FaultyStore::new(store, plan.clone())),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        cancel: plan.cancel(),
        operator: format!("process {}", plan.calls()),
        ..process(folder)
    }
}

/// Breaks one operation at one call; returns whether it made that many calls.
async fn survives(operation: &str, fault: Fault, at: u64) -> bool {
    let of = |content| ScriptedChart::of(&[("settings", content)]);
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-03-01T10:00:00Z".parse().unwrap()));
    let mut healthy = faulty(folder.path(), &clock, &FaultPlan::new(0, Fault::Reset));
    healthy.operator = "healthy".into();
    if operation != "install" {
        let first = install(of("one"), false);
        action::install(&healthy, &first).await.unwrap();
    }
    if operation == "rollback" {
        let second = upgrade(of("two"), false);
        action::upgrade(&healthy, &second).await.unwrap();
    }
    let plan = FaultPlan::new(at, fault);
    let deployer = faulty(folder.path(), &clock, &plan);
    let outcome = match operation {
        "install" => action::install(&deployer, &install(of("one"), true))
            .await
            .map(drop),
        "upgrade" => action::upgrade(&deployer, &upgrade(of("two"), true))
            .await
            .map(drop),
        "rollback" => action::rollback(&deployer, &support::rollback(1))
            .await
            .map(drop),
        _ => action::uninstall(&deployer, &uninstall(false))
            .await
            .map(drop),
    };
    if plan.calls() < at {
        return false;
    }
    action::recover(&healthy, Some(&name()), false)
        .await
        .unwrap();
    let records = healthy.store.history(&name()).await.unwrap();
    let pending = |status: Status| status.is_pending() || status == Status::Uninstalling;
    let is_settled = !records
        .iter()
        .any(|record| pending(record.release.info.status));
    let good: Vec<_> = records
        .iter()
        .filter(|record| record.release.info.status == Status::Deployed)
        .map(|record| &record.release.manifest)
        .collect();
    let live = deployed(folder.path());
    let is_live = match (good.as_slice(), &live) {
        ([manifest], Some(live)) => manifest.contains(&live.to_string()),
        ([], None) => true,
        // A failure that is survived and not undone leaves what it did, as with Helm.
        ([], Some(_)) => {
            operation == "uninstall" && matches!(fault, Fault::Reset | Fault::AnswerLost)
        }
        _ => false,
    };
    assert!(
        is_settled && is_live,
        "{operation} {fault:?} at call {at}: {outcome:?}, live {live:?}, {records:?}"
    );
    true
}

#[tokio::test(start_paused = true)]
async fn a_folder_survives_every_fault_at_every_call() {
    let mut points = 0;
    for operation in ["install", "upgrade", "rollback", "uninstall"] {
        for fault in [
            Fault::DiesBefore,
            Fault::DiesAfter,
            Fault::AnswerLost,
            Fault::Interrupts,
        ] {
            let mut at = 1;
            while survives(operation, fault, at).await {
                points += 1;
                at += 1;
            }
        }
    }
    assert!(points > 200, "only {points} faults were injected");
}

fn action_text(failure: &action::OperationFailure) -> String {
    format!("{failure}: {}", failure.cause)
}
