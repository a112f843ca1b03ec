//! What must never be taken away, taken over or taken for a pass.

mod support;

use std::sync::Arc;

use deployer::action::{
    self, ActionError, ChartSource, Deployer, RenderError, RenderRequest, RenderedChart,
};
use deployer::release::{HookEvent, HookPhase, Info, RecordTime, Release, Revision, Status};
use deployer::storage::ReleaseStore;
use serde_json::json;
use support::{ScriptedChart, World, install, name, namespace, uninstall, upgrade};

fn good() -> ScriptedChart {
    ScriptedChart::of(&[("settings", "one")])
}

/// A record as Helm writes it.
fn of_helm(world: &World, revision: u32, status: Status, after_s: i64) -> Release {
    use deployer::clock::Clock;
    let made = world.clock.now() + chrono::TimeDelta::seconds(after_s);
    Release {
        name: name(),
        info: Info {
            status,
            first_deployed: RecordTime::from(made),
            last_deployed: RecordTime::from(made),
            ..Info::default()
        },
        chart: json!({"metadata": {"name": "web", "version": "1.0.0"}}),
        config: serde_json::Map::new(),
        manifest: String::new(),
        hooks: Vec::new(),
        version: Revision(revision),
        namespace: namespace(),
        apply_method: None,
        labels: std::collections::BTreeMap::new(),
        other: serde_json::Map::new(),
    }
}

#[tokio::test]
async fn replacing_a_name_whose_earlier_revision_is_deployed_is_refused() {
    let world = World::new();
    let process = world.healthy();
    action::install(&process, &install(good(), false))
        .await
        .unwrap();
    let refused = action::upgrade(&process, &upgrade(good().gated("fail"), false)).await;
    assert!(matches!(refused, Err(ActionError::Operation(_))));
    let live = world.live();

    let mut replace = install(good().gated("fail"), true);
    replace.replace = true;
    let error = action::install(&process, &replace).await.unwrap_err();
    assert!(
        matches!(
            error,
            ActionError::NameInUse {
                status: Status::Deployed,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(world.live(), live);
    assert_eq!(
        world.statuses().await,
        [(1, Status::Deployed), (2, Status::Failed)]
    );
}

#[tokio::test]
async fn a_refused_replacement_leaves_what_the_failed_install_had_made() {
    let world = World::new();
    let process = world.healthy();
    let mut failing = good();
    failing.never_ready = true;
    let mut first = install(failing, false);
    first.change.wait = deployer::cluster::WaitStrategy::Watcher;
    first.change.timeout = std::time::Duration::from_millis(10);
    action::install(&process, &first).await.unwrap_err();
    let live = world.live();
    assert_eq!(live.len(), 1);

    let mut replace = install(good().gated("fail"), true);
    replace.replace = true;
    action::install(&process, &replace).await.unwrap_err();
    assert_eq!(
        world.live(),
        live,
        "a gate that refused has nothing to undo"
    );
    assert_eq!(world.statuses().await, [(1, Status::Failed)]);
}

/// Writes another status into the first revision, as Helm leaves it.
async fn leave_as_helm_does(world: &World, process: &Deployer, status: Status) {
    let last = world
        .store
        .get(&name(), Revision(1))
        .await
        .expect("a record");
    let mut by_helm = last.release.clone();
    by_helm.info.status = status;
    world
        .store
        .update(&by_helm, &last.resource_version, process.clock.now())
        .await
        .expect("an update");
}

#[tokio::test]
async fn history_that_helm_kept_when_it_uninstalled_is_not_purged() {
    let world = World::new();
    let process = world.healthy();
    action::install(&process, &install(good(), false))
        .await
        .unwrap();
    leave_as_helm_does(&world, &process, Status::Uninstalled).await;

    action::recover(&process, Some(&name()), false)
        .await
        .unwrap();
    assert_eq!(world.statuses().await, [(1, Status::Uninstalled)]);
}

#[tokio::test]
async fn what_we_were_to_purge_is_purged() {
    let world = World::new();
    let process = world.healthy();
    action::install(&process, &install(good(), false))
        .await
        .unwrap();
    action::uninstall(&process, &uninstall(true)).await.unwrap();
    assert_eq!(world.statuses().await, [(1, Status::Uninstalled)]);
    action::recover(&process, Some(&name()), false)
        .await
        .unwrap();
    assert_eq!(world.statuses().await, [(1, Status::Uninstalled)]);
    action::uninstall(&process, &uninstall(false))
        .await
        .unwrap();
    assert_eq!(world.statuses().await, []);
}

#[tokio::test]
async fn evidence_of_a_removed_install_says_nothing_about_a_later_one_of_helm() {
    for status in [Status::PendingInstall, Status::Failed, Status::Deployed] {
        let world = World::new();
        let process = world.healthy();
        action::install(&process, &install(good().gated("fail"), true))
            .await
            .unwrap_err();
        assert_eq!(world.statuses().await, []);
        let record = of_helm(&world, 1, status, 60);
        world
            .store
            .create(&record, process.clock.now())
            .await
            .unwrap();

        let recovered = action::recover(&process, Some(&name()), false).await;
        if status == Status::PendingInstall {
            let error = recovered.unwrap_err();
            assert!(
                matches!(error, ActionError::PendingElsewhere { .. }),
                "{error}"
            );
            let hints = error.hints().join("\n");
            assert!(
                hints.contains("`deployer recover web -n prod --takeover`"),
                "{hints}"
            );
        }
        assert_eq!(world.statuses().await, [(1, status)]);
        let shown = action::status(&process, &name(), None).await.unwrap();
        assert_eq!(shown.report.evidence, None, "{status}");
        let history = action::history(&process, &name()).await.unwrap();
        assert_eq!(history.len(), 2);
        assert!(
            history
                .iter()
                .all(|report| report.release.is_none() || report.evidence.is_none())
        );
    }
}

/// A chart that never renders.
struct Broken;

impl ChartSource for Broken {
    fn render(&self, _request: &RenderRequest<'_>) -> Result<RenderedChart, RenderError> {
        Err(RenderError::Chart {
            chart: "web".into(),
            source: "no such value".into(),
        })
    }
}

#[tokio::test]
async fn a_chart_that_does_not_render_leaves_no_namespace_behind() {
    let world = World::new();
    let plan = deployer::cluster::FaultPlan::new(0, deployer::cluster::Fault::Reset);
    let mut process = world.process("alice", &plan);
    let cluster = deployer::cluster::MemoryCluster::without_namespace(namespace());
    process.cluster = Arc::new(cluster.clone());
    let mut options = install(good(), false);
    options.chart = Arc::new(Broken);
    options.create_namespace = true;
    let error = action::install(&process, &options).await.unwrap_err();
    assert!(matches!(error, ActionError::Render(_)), "{error}");
    assert!(
        !deployer::cluster::Cluster::namespace_exists(&cluster)
            .await
            .unwrap()
    );

    options.chart = Arc::new(good());
    action::install(&process, &options).await.unwrap();
    assert!(
        deployer::cluster::Cluster::namespace_exists(&cluster)
            .await
            .unwrap()
    );
}

/// A chart with a resource of a kind that may vanish.
struct Widgets(&'static [&'static str]);

impl ChartSource for Widgets {
    fn render(&self, _request: &RenderRequest<'_>) -> Result<RenderedChart, RenderError> {
        let object = |kind: &&str| {
            format!("---\napiVersion: example.com/v1\nkind: {kind}\nmetadata: {{name: one}}\n")
        };
        Ok(RenderedChart {
            chart: json!({"metadata": {"name": "web", "version": "1.0.0"}}),
            manifest: self.0.iter().map(object).collect(),
            ..RenderedChart::default()
        })
    }
}

#[tokio::test]
async fn a_release_is_not_stuck_when_a_kind_of_an_earlier_revision_is_gone() {
    let world = World::new();
    let process = world.healthy();
    let chart = |kinds: &'static [&'static str]| {
        let mut options = upgrade(good(), false);
        options.install = true;
        options.chart = Arc::new(Widgets(kinds));
        options
    };
    let both = chart(&["Widget", "Gadget"]);
    action::upgrade(&process, &both).await.unwrap();
    world.cluster.forget_kind("Widget");

    let error = action::upgrade(&process, &both).await.unwrap_err();
    assert!(matches!(error, ActionError::Cluster(_)), "{error}");
    assert_eq!(world.statuses().await, [(1, Status::Deployed)]);

    let upgraded = action::upgrade(&process, &chart(&["Gadget"])).await;
    assert_eq!(upgraded.unwrap().release.version, Revision(2));
    action::uninstall(&process, &uninstall(false))
        .await
        .unwrap();
    assert!(world.cluster.objects().is_empty());
}

#[tokio::test]
async fn a_local_hook_object_that_was_kept_is_brought_up_to_date() {
    use deployer::hook::{HookContext, HookRunner, LocalHooks, LocalOptions};
    use deployer::release::{Hook, HookDeletePolicy, HookEvent};
    let world = World::new();
    let process = world.healthy();
    let hooks = LocalHooks::new(
        LocalOptions::default(),
        Arc::new(world.cluster.clone()),
        world.clock.clone(),
    );
    let (name, namespace) = (name(), namespace());
    let context = HookContext {
        release: &name,
        namespace: &namespace,
        revision: Revision(2),
        event: HookEvent::PreUpgrade,
        timeout: std::time::Duration::from_secs(1),
        progress: &*process.progress,
        cancel: &process.cancel,
    };
    for content in ["one", "two"] {
        let hook = Hook {
            name: "input".into(),
            kind: "ConfigMap".into(),
            manifest: format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: input}}\ndata: {{x: {content}}}\n"
            ),
            delete_policies: vec![HookDeletePolicy::HookFailed],
            ..Hook::default()
        };
        hooks.run(&hook, &context).await.unwrap();
        let live = world.cluster.objects();
        let live: Vec<_> = live.values().map(|object| &object["data"]["x"]).collect();
        assert_eq!(live, [content]);
    }
}

#[tokio::test]
async fn a_rollback_without_a_number_does_not_bring_in_what_the_gate_refused() {
    let world = World::new();
    let process = world.healthy();
    let of = |content| ScriptedChart::of(&[("settings", content)]);
    action::install(&process, &install(of("one"), false))
        .await
        .unwrap();
    action::upgrade(&process, &upgrade(of("refused").gated("fail"), false))
        .await
        .unwrap_err();
    action::upgrade(&process, &upgrade(of("three"), false))
        .await
        .unwrap();

    let mut options = support::rollback(1);
    options.revision = None;
    action::rollback(&process, &options).await.unwrap();
    assert_eq!(world.live()["settings"], json!({"content": "one"}));
}

#[tokio::test]
async fn a_dry_run_says_that_the_namespace_would_be_created_and_makes_none() {
    let world = World::new();
    let mut process = world.healthy();
    let cluster = deployer::cluster::MemoryCluster::without_namespace(namespace());
    process.cluster = Arc::new(cluster.clone());
    let mut options = install(good(), false);
    options.change.dry_run = action::DryRunMode::Server;
    let error = action::install(&process, &options).await.unwrap_err();
    assert!(
        matches!(error, ActionError::NamespaceNotFound { .. }),
        "{error}"
    );

    options.create_namespace = true;
    let outcome = action::install(&process, &options).await.unwrap();
    assert_eq!(outcome.plan.applies.len(), 1);
    assert!(
        !deployer::cluster::Cluster::namespace_exists(&cluster)
            .await
            .unwrap()
    );
    assert!(cluster.objects().is_empty());
}

#[tokio::test]
async fn the_commands_that_a_failure_names_reach_the_release() {
    let world = World::new();
    let process = world.healthy();
    action::install(&process, &install(good(), false))
        .await
        .unwrap();
    let refused = action::upgrade(&process, &upgrade(good().gated("fail"), false)).await;
    let hints = refused.unwrap_err().hints();
    for hint in hints.iter().filter(|hint| hint.contains("`deployer ")) {
        assert!(hint.contains(" -n prod`"), "{hint}");
    }
    assert!(
        hints
            .iter()
            .any(|hint| hint.contains("`deployer history web --revision 2 -n prod`"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_first_install_is_told_to_be_removed_and_not_to_be_rolled_back() {
    let world = World::new();
    let process = world.healthy();
    let never_ready = ScriptedChart {
        never_ready: true,
        ..good()
    };
    let mut options = install(never_ready, false);
    options.change.wait = deployer::cluster::WaitStrategy::Watcher;
    let failed = action::install(&process, &options).await.unwrap_err();
    let hints = failed.hints().join("\n");
    assert!(
        hints.contains("`deployer uninstall web -n prod`"),
        "{hints}"
    );
    assert!(!hints.contains("rollback"), "{hints}");
    action::uninstall(&process, &uninstall(false))
        .await
        .unwrap();
    assert!(world.live().is_empty());
}

#[tokio::test]
async fn a_rollback_to_an_uninstalled_revision_is_not_marked_as_deleted() {
    let world = World::new();
    let process = world.healthy();
    action::install(&process, &install(good(), false))
        .await
        .unwrap();
    action::uninstall(&process, &uninstall(true)).await.unwrap();
    let outcome = action::rollback(&process, &support::rollback(1))
        .await
        .unwrap();
    let info = &outcome.release.info;
    assert_eq!(info.status, Status::Deployed);
    assert!(info.deleted.is_never(), "{info:?}");
    assert_eq!(info.other["rollback_revision"], 1);
    assert_eq!(world.live()["settings"], json!({"content": "one"}));
}

#[tokio::test(start_paused = true)]
async fn an_uninstall_leaves_dependents_alone_when_told_to_even_after_it_was_killed() {
    use deployer::cluster::{Fault, FaultPlan, Propagation};
    let mut orphan = uninstall(false);
    orphan.propagation = Propagation::Orphan;
    for at in 1..40 {
        let world = World::new();
        action::install(&world.healthy(), &install(good(), false))
            .await
            .unwrap();
        let plan = FaultPlan::new(at, Fault::DiesBefore);
        let process = world.process("dies", &plan);
        let ended = action::uninstall(&process, &orphan).await.is_ok() && !plan.is_dead();
        action::recover(&world.healthy(), Some(&name()), false)
            .await
            .unwrap();
        for (id, propagation) in world.cluster.deletions() {
            assert_eq!(
                propagation,
                Propagation::Orphan,
                "{id}, killed at call {at}"
            );
        }
        if ended {
            assert!(!world.cluster.deletions().is_empty());
            return;
        }
    }
    panic!("the uninstall never came to its end");
}

/// A chart with a hook that fails on an event.
fn failing_on(event: HookEvent) -> ScriptedChart {
    ScriptedChart {
        hook_on: Some((event, "fail")),
        ..good()
    }
}

/// Uninstalls, and returns how that failed.
async fn uninstall_fails(process: &Deployer) -> Box<action::OperationFailure> {
    match action::uninstall(process, &uninstall(false)).await {
        Err(ActionError::Operation(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_uninstall_that_a_hook_forbids_leaves_the_release_deployed() {
    let world = World::new();
    let process = world.healthy();
    action::install(&process, &install(failing_on(HookEvent::PreDelete), false))
        .await
        .unwrap();
    let failure = uninstall_fails(&process).await;
    let state = ["nothing was changed; revision 1 is still deployed"];
    assert_eq!(failure.state(), state);
    assert_eq!(world.broken_invariants().await, Vec::<String>::new());
    let record = world.store.history(&name()).await.unwrap().remove(0);
    let info = &record.release.info;
    assert_eq!(info.description, "Install complete");
    assert!(info.deleted.is_never(), "{info:?}");
    assert_eq!(record.release.hooks[0].last_run.phase, HookPhase::Failed);

    // It is a release like any other: an upgrade does not go on uninstalling it.
    action::upgrade(&process, &upgrade(good(), false))
        .await
        .unwrap();
    assert_eq!(world.live().len(), 1);
    action::uninstall(&process, &uninstall(false))
        .await
        .unwrap();
    assert!(world.statuses().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_hooks_of_an_uninstall_that_was_killed_before_it_deleted_anything_are_stopped() {
    use deployer::cluster::{Fault, FaultPlan};
    let mut stopped = 0;
    for at in 1..40 {
        let world = World::new();
        let chart = ScriptedChart {
            hook_on: Some((HookEvent::PreDelete, "pass")),
            ..good()
        };
        action::install(&world.healthy(), &install(chart, false))
            .await
            .unwrap();
        let plan = FaultPlan::new(at, Fault::DiesAfter);
        let process = world.process("dies", &plan);
        let ended = action::uninstall(&process, &uninstall(false)).await;
        let has_hook = !world.hook_objects.lock().unwrap().is_empty();
        let is_deployed = world.statuses().await == [(1, Status::Deployed)];
        let recovered = action::recover(&world.healthy(), Some(&name()), false).await;
        if has_hook && is_deployed {
            recovered.unwrap();
            assert!(world.hook_objects.lock().unwrap().is_empty(), "{at}");
            assert_eq!(world.statuses().await, [(1, Status::Deployed)]);
            assert_eq!(world.live().len(), 1);
            stopped += 1;
        }
        if ended.is_ok() && !plan.is_dead() {
            break;
        }
    }
    assert!(stopped > 0);
}

#[tokio::test]
async fn an_uninstall_whose_last_hook_fails_can_be_carried_to_its_end() {
    let world = World::new();
    let process = world.healthy();
    action::install(&process, &install(failing_on(HookEvent::PostDelete), false))
        .await
        .unwrap();
    let failure = uninstall_fails(&process).await;
    assert_eq!(failure.exit_code(), action::ExitCode::Failed);
    assert!(failure.state()[0].contains("recorded as uninstalling"));
    assert!(failure.next_steps()[0].contains("`deployer uninstall web -n prod`; `--no-hooks`"));
    assert_eq!(world.statuses().await, [(1, Status::Uninstalling)]);
    assert!(world.live().is_empty());
    let mut without_hooks = uninstall(false);
    without_hooks.run_hooks = false;
    action::uninstall(&process, &without_hooks).await.unwrap();
    assert!(world.statuses().await.is_empty());
}

#[tokio::test]
async fn an_atomic_upgrade_that_others_fields_stop_is_rolled_back_around_them() {
    let world = World::new();
    let process = world.healthy();
    let of = |content| ScriptedChart::of(&[("a-settings", content), ("theirs", content)]);
    action::install(&process, &install(of("one"), false))
        .await
        .unwrap();
    world.cluster.claim("theirs");
    let refused = action::upgrade(&process, &upgrade(of("two"), true)).await;
    let Err(ActionError::Operation(failure)) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        matches!(failure.after, action::Aftermath::RolledBack { .. }),
        "{failure:?}"
    );
    assert_eq!(failure.exit_code(), action::ExitCode::RolledBack);
    assert_eq!(world.live()["a-settings"], json!({"content": "one"}));
    assert!(
        failure
            .also
            .iter()
            .any(|also| also.contains("`theirs` was left"))
    );
}

#[tokio::test]
async fn others_fields_in_several_waves_do_not_stop_the_way_back() {
    let world = World::new();
    let process = world.healthy();
    // More objects than are under way at once: some are refused, others never begun.
    const NAMES: [&str; 40] = [
        "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b0", "b1", "b2", "b3", "b4",
        "b5", "b6", "b7", "b8", "b9", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9",
        "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9",
    ];
    let of = |content| {
        let objects: Vec<_> = NAMES.iter().map(|name| (*name, content)).collect();
        ScriptedChart::of(&objects)
    };
    action::install(&process, &install(of("one"), false))
        .await
        .unwrap();
    for name in ["a1", "a9", "d5", "d9"] {
        world.cluster.claim(name);
    }
    let refused = action::upgrade(&process, &upgrade(of("two"), true)).await;
    let Err(ActionError::Operation(failure)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        failure.exit_code(),
        action::ExitCode::RolledBack,
        "{failure:?}"
    );
    for data in world.live().values() {
        assert_eq!(data, &json!({"content": "one"}));
    }
}

#[tokio::test]
async fn revisions_that_helm_left_pending_behind_a_later_one_are_settled() {
    let world = World::new();
    let process = world.healthy();
    for (revision, status) in [
        (1, Status::Superseded),
        (2, Status::PendingUpgrade),
        (3, Status::PendingRollback),
        (4, Status::Deployed),
    ] {
        let record = of_helm(&world, revision, status, 60);
        world
            .store
            .create(&record, process.clock.now())
            .await
            .unwrap();
    }
    action::recover(&process, Some(&name()), false)
        .await
        .unwrap();
    assert_eq!(
        world.statuses().await,
        [
            (1, Status::Superseded),
            (2, Status::Failed),
            (3, Status::Failed),
            (4, Status::Deployed)
        ]
    );
}

#[tokio::test]
async fn an_uninstall_that_helm_left_is_ended_only_when_told_to() {
    let world = World::new();
    let process = world.healthy();
    action::install(&process, &install(good(), false))
        .await
        .unwrap();
    leave_as_helm_does(&world, &process, Status::Uninstalling).await;
    let error = action::upgrade(&process, &upgrade(good(), false))
        .await
        .unwrap_err();
    assert!(
        error
            .hints()
            .join("\n")
            .contains("`deployer uninstall web`"),
        "{error}"
    );
    action::recover(&process, Some(&name()), true)
        .await
        .unwrap();
    assert_eq!(world.statuses().await, []);
    assert!(world.live().is_empty());
}

#[tokio::test]
async fn failed_upgrades_do_not_outgrow_the_history_nor_prune_what_is_deployed() {
    let world = World::new();
    let process = world.healthy();
    action::install(&process, &install(good(), false))
        .await
        .unwrap();
    let mut failing = upgrade(good().gated("fail"), false);
    failing.change.history_max = 3;
    for _ in 0..6 {
        action::upgrade(&process, &failing).await.unwrap_err();
    }
    assert_eq!(
        world.statuses().await,
        [
            (1, Status::Deployed),
            (6, Status::Failed),
            (7, Status::Failed)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_log_and_the_verdict_of_a_gate_outlive_the_death_of_the_deployer_at_any_call() {
    use deployer::cluster::{Fault, FaultPlan};
    for outcome in ["pass", "fail"] {
        let mut kept = 0;
        for at in 1..60 {
            let world = World::new();
            action::install(&world.healthy(), &install(good(), false))
                .await
                .unwrap();
            let plan = FaultPlan::new(at, Fault::DiesAfter);
            let process = world.process("dies", &plan);
            let gated = upgrade(good().gated(outcome), false);
            drop(action::upgrade(&process, &gated).await);
            let was_judged = world.hook_objects.lock().unwrap().contains_key("gate");
            action::recover(&world.healthy(), Some(&name()), false)
                .await
                .unwrap();
            if !was_judged {
                continue;
            }
            let evidence = world.store.evidence(&name(), Revision(2)).await.unwrap();
            let evidence = evidence.unwrap().evidence;
            assert_eq!(
                evidence.logs[0].text,
                format!("the gate says {outcome}"),
                "call {at}"
            );
            assert_eq!(evidence.verdicts.len(), 1, "call {at}");
            kept += 1;
        }
        assert!(kept > 3, "only {kept} deaths came after the gate");
    }
}
