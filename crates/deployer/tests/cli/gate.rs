//! Install, upgrade and rollback with a gate that says yes, no, or nothing.

use super::harness::{Place, Run};

fn command(place: &Place, outcome: &str, area: f64, code: u8) -> String {
    format!("local/gate={}", place.gate(outcome, area, code))
}

#[test]
fn a_gated_install_prints_the_verdict_and_the_notes() {
    let place = Place::new();
    let gate = command(&place, "pass", 0.95, 0);
    let run = place.run(&["install", "web", "chart", "--hook-command", &gate]);
    assert_eq!(run.code, 0, "{run:#?}");
    for words in [
        "NAME: web\n",
        "STATUS: deployed\n",
        "REVISION: 1\n",
        "VERDICT: PASS\n",
        "auc 0.9500",
        "NOTES:\nDeployed web.\n",
    ] {
        assert!(run.stdout.contains(words), "`{words}`: {run:#?}");
    }
    assert!(
        run.stderr.contains("[web-validate] judging the model"),
        "{run:#?}"
    );
}

#[test]
fn a_refused_upgrade_changes_nothing_exits_3_and_the_next_good_one_passes() {
    let place = Place::new();
    place.installed();
    let bad = command(&place, "fail", 0.85, 1);
    let refused = place.run(&[
        "upgrade",
        "web",
        "chart",
        "--atomic",
        "--set",
        "message=worse",
        "--hook-command",
        &bad,
    ]);
    refused.fails_with(
        3,
        &[
            "rejected by hook `web-validate`",
            "VERDICT: FAIL",
            "auc 0.8500",
            "state: nothing was changed; revision 1 is still deployed",
        ],
    );
    let manifest = place.run(&["get", "manifest", "web"]);
    assert!(
        place
            .run(&["status", "web", "--revision", "1"])
            .stdout
            .contains("STATUS: deployed")
    );
    assert!(
        manifest.stdout.contains("worse"),
        "the failed revision keeps its manifest: {manifest:#?}"
    );
    let good = command(&place, "pass", 0.96, 0);
    let passed = place.run(&[
        "upgrade",
        "web",
        "chart",
        "--atomic",
        "--set",
        "message=better",
        "--hook-command",
        &good,
    ]);
    assert_eq!(passed.code, 0, "{passed:#?}");
    let rows = place.run(&["history", "web", "-o", "json"]).json();
    let summary: Vec<_> = rows
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            (
                row["revision"].as_u64(),
                row["status"].as_str(),
                row["verdict"]["outcome"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        summary,
        [
            (Some(1), Some("superseded"), Some("pass")),
            (Some(2), Some("failed"), Some("fail")),
            (Some(3), Some("deployed"), Some("pass")),
        ]
    );
}

#[test]
fn a_gate_that_cannot_judge_exits_6() {
    let place = Place::new();
    place.installed();
    let unsure = command(&place, "error", 0.5, 5);
    let run = place.run(&["upgrade", "web", "chart", "--hook-command", &unsure]);
    run.fails_with(6, &["could not judge", "revision 1 is still deployed"]);
}

#[test]
fn a_failed_atomic_first_install_leaves_no_release_and_its_reason_in_history() {
    let place = Place::new();
    let bad = command(&place, "fail", 0.85, 1);
    let run = place.run(&[
        "install",
        "web",
        "chart",
        "--atomic",
        "--hook-command",
        &bad,
    ]);
    run.fails_with(3, &["rejected by hook `web-validate`"]);
    let list = place.run(&["list", "-a", "-q"]);
    assert_eq!(list.stdout, "", "{list:#?}");
    let history = place.run(&["history", "web"]);
    assert!(
        history.stdout.contains("fail") && history.stdout.contains("0.8500"),
        "{history:#?}"
    );
}

#[test]
fn a_rollback_brings_the_old_manifest_back() {
    let place = Place::new();
    place.installed();
    let good = command(&place, "pass", 0.96, 0);
    let upgraded = place.run(&[
        "upgrade",
        "web",
        "chart",
        "--set",
        "message=second",
        "--hook-command",
        &good,
    ]);
    assert_eq!(upgraded.code, 0, "{upgraded:#?}");
    let run = place.run(&["rollback", "web", "1"]);
    assert_eq!(run.code, 0, "{run:#?}");
    let manifest = place.run(&["get", "manifest", "web"]);
    assert!(manifest.stdout.contains("hello"), "{manifest:#?}");
    let uninstalled = place.run(&["uninstall", "web"]);
    assert!(
        uninstalled.stdout.contains("release \"web\" uninstalled"),
        "{uninstalled:#?}"
    );
    place
        .run(&["status", "web"])
        .fails_with(1, &["release: not found"]);
}

#[test]
fn a_dry_run_shows_the_manifest_and_writes_nothing() {
    let place = Place::new();
    let run = place.run(&["install", "web", "chart", "--dry-run"]);
    assert_eq!(run.code, 0, "{run:#?}");
    assert!(
        run.stdout.contains("MANIFEST:") && run.stdout.contains("kind: ConfigMap"),
        "{run:#?}"
    );
    assert!(
        run.stdout.contains("HOOKS:") && run.stdout.contains("kind: Job"),
        "{run:#?}"
    );
    assert_eq!(place.run(&["list", "-q"]).stdout, "");
}

#[test]
fn upgrade_with_install_installs_what_is_not_there() {
    let place = Place::new();
    let good = command(&place, "pass", 0.96, 0);
    let run = place.run(&[
        "upgrade",
        "--install",
        "web",
        "chart",
        "--hook-command",
        &good,
        "-o",
        "json",
    ]);
    let release = run.json();
    assert_eq!(release["version"], 1);
    assert_eq!(release["info"]["status"], "deployed");
    assert_eq!(release["verdict"]["outcome"], "pass");
    assert_eq!(release["schema_version"], 1);
    assert!(
        release.get("chart").is_none(),
        "the chart is left out as Helm does"
    );
}

#[test]
fn a_hint_after_a_refusal_names_the_folder_unless_the_environment_does() {
    let place = Place::new();
    let bad = command(&place, "fail", 0.85, 1);
    let target = format!("dir:{}", place.path("deployed").display());
    let install = ["install", "web", "chart", "--hook-command", &bad];
    let by_flag = place.run_with(&[&install[..], &["--target", &target]].concat(), &[]);
    let kept = "`deployer history web --revision 1 -n default";
    by_flag.fails_with(3, &[&format!("{kept} --target {target}`")]);
    let other = Place::new();
    let by_environment = other.run(&install);
    by_environment.fails_with(3, &[&format!("{kept}`")]);
}

#[test]
fn a_failed_revision_says_its_failure_once() {
    let place = Place::new();
    place.installed();
    let bad = command(&place, "fail", 0.85, 1);
    let refused = place.run(&["upgrade", "web", "chart", "--hook-command", &bad]);
    assert_eq!(refused.code, 3, "{refused:#?}");
    let status = place.run(&["status", "web"]);
    let said = status.stdout.matches("pre-upgrade hooks failed").count();
    assert_eq!(said, 1, "{status:#?}");
}

#[test]
fn reused_values_are_recorded_without_the_charts_defaults() {
    let place = Place::new();
    place.installed();
    let good = command(&place, "pass", 0.96, 0);
    let upgrade = |flags: &[&str]| {
        let all = [
            &["upgrade", "web", "chart", "--hook-command", &good][..],
            flags,
        ]
        .concat();
        let run = place.run(&all);
        assert_eq!(run.code, 0, "{run:#?}");
    };
    upgrade(&["--set", "message=second"]);
    place.write(
        "chart/values.yaml",
        "message: hello\ngate: ./another-default\n",
    );
    upgrade(&["--reuse-values"]);
    let given = place.run(&["get", "values", "web", "-o", "json"]).json();
    assert_eq!(given, serde_json::json!({"message": "second"}));
    let all = place
        .run(&["get", "values", "web", "--all", "-o", "json"])
        .json();
    assert_eq!(all["gate"], "./gate", "the old default stays");
}

#[test]
fn a_failure_is_a_document_where_one_is_asked_for() {
    let place = Place::new();
    place.installed();
    let bad = command(&place, "fail", 0.85, 1);
    let refused = place.run(&[
        "upgrade",
        "web",
        "chart",
        "--hook-command",
        &bad,
        "--output=json",
    ]);
    refused.fails_with(3, &["rejected by hook `web-validate`", "VERDICT: FAIL"]);
    let document = |run: &Run| -> serde_json::Value {
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:#?}"))
    };
    let json = document(&refused);
    assert_eq!(json["schema_version"], 1);
    let failure = &json["failure"];
    assert_eq!(failure["exit_code"], 3);
    assert_eq!(failure["operation"], "upgrade");
    assert_eq!(failure["release"], "web");
    assert_eq!(failure["revision"], 2);
    assert_eq!(
        failure["state"],
        serde_json::json!(["nothing was changed; revision 1 is still deployed"])
    );
    assert_eq!(failure["verdict"]["outcome"], "fail");
    assert!(
        failure["causes"][0]
            .as_str()
            .is_some_and(|cause| cause.contains("auc 0.85"))
    );
    assert!(
        failure["hints"][0]
            .as_str()
            .is_some_and(|hint| hint.contains("deployer history web"))
    );

    let unknown = place.run(&["upgrade", "other", "chart", "--output=json"]);
    assert_ne!(unknown.code, 0);
    assert_eq!(document(&unknown)["failure"]["exit_code"], unknown.code);
}
