//! `deployer.yaml`: `init`, `apply`, `--env` on every command, and what an environment refuses.

use crate::harness::{Place, Run};

const FILE: &str = r#"
apiVersion: deployer/v1
kind: Environments
environments:
  dev: {target: "dir:deployed/dev", namespace: dev, create_namespace: true}
  prod:
    target: "dir:deployed/prod"
    namespace: prod
    demands: {atomic: true, timeout_max: 10m, gate: true, no_secret_values: true}
  locked:
    target: "dir:deployed/locked"
    namespace: locked
    demands: {chart_by_digest: true, promotion: true}
promotion: [dev, prod, locked]
releases:
  web:
    chart: ./chart
    values: [values.yaml]
    environments:
      dev: {set: {message: from the file}}
      locked: {absent: true}
"#;

/// A place with the file, and a gate that passes.
fn place() -> Place {
    let place = Place::new();
    place.write("deployer.yaml", FILE);
    place.write("values.yaml", "message: from values\n");
    place
}

fn run(place: &Place, gate: &str, arguments: &[&str]) -> Run {
    let command = format!("local/gate={gate}");
    let mut all = arguments.to_vec();
    if ["apply", "install", "upgrade"].contains(&arguments[0]) {
        all.extend(["--hook-command", &command]);
    }
    place.run(&all)
}

#[test]
fn apply_does_what_the_long_command_line_does() {
    let place = place();
    let gate = place.gate("pass", 0.95, 0);
    let applied = run(&place, &gate, &["apply", "--env", "dev"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    let command = format!("local/gate={gate}");
    let long = place.run(&[
        "upgrade",
        "--install",
        "web",
        "chart",
        "--target",
        "dir:long",
        "-n",
        "dev",
        "-f",
        "values.yaml",
        "--set",
        "message=from the file",
        "--hook-command",
        &command,
    ]);
    assert_eq!(long.code, 0, "{long:?}");
    let read = |path: &str| std::fs::read_to_string(place.path(path)).expect("a manifest");
    let manifest = "dev/web/manifests/configmap-web.yaml";
    assert_eq!(
        read(&format!("deployed/dev/{manifest}")),
        read(&format!("long/{manifest}"))
    );
    assert!(read(&format!("deployed/dev/{manifest}")).contains("from the file"));

    // The command line still has the last word, and the files come back with the next apply.
    let set = run(
        &place,
        &gate,
        &["apply", "web", "--env", "dev", "--set", "message=once"],
    );
    assert_eq!(set.code, 0, "{set:?}");
    assert!(read(&format!("deployed/dev/{manifest}")).contains("once"));
    let again = run(&place, &gate, &["apply", "--env", "dev"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(read(&format!("deployed/dev/{manifest}")).contains("from the file"));
}

#[test]
fn every_command_works_in_the_environment_that_it_names() {
    let place = place();
    let gate = place.gate("pass", 0.95, 0);
    for (arguments, words) in [
        (&["install", "web", "--env", "dev"][..], "STATUS: deployed"),
        (
            &["upgrade", "web", "--env", "dev", "--set", "message=two"],
            "REVISION: 2",
        ),
    ] {
        let done = run(&place, &gate, arguments);
        assert!(done.code == 0 && done.stdout.contains(words), "{done:?}");
    }
    for (arguments, words) in [
        (&["status", "web", "--env", "dev"][..], "NAMESPACE: dev"),
        (
            &["history", "web", "--env", "dev", "-o", "json"],
            "Upgrade complete",
        ),
        (&["list", "--env", "dev"], "web"),
        (&["get", "values", "web", "--env", "dev"], "message: two"),
        (&["template", "web", "--env", "dev"], "from the file"),
        (&["template", "web", "--env", "prod"], "from values"),
        (
            &["rollback", "web", "1", "--env", "dev"],
            "is at revision 3",
        ),
        (&["uninstall", "web", "--env", "dev"], "uninstalled"),
    ] {
        let done = place.run(arguments);
        assert!(
            done.code == 0 && done.stdout.contains(words),
            "{arguments:?}: {done:?}"
        );
    }
    // A variable of the shell has no say once an environment is named.
    let target = format!("dir:{}", place.path("elsewhere").display());
    let list = place.run_with(
        &["list", "--env", "dev", "-o", "json"],
        &[("DEPLOYER_TARGET", &target), ("HELM_NAMESPACE", "other")],
    );
    assert_eq!(list.stdout.trim(), "[]", "{list:?}");
}

#[test]
fn what_the_file_does_not_allow_is_refused_before_anything_is_changed() {
    let place = place();
    let gate = place.gate("pass", 0.95, 0);
    for (arguments, words) in [
        (
            &["apply"][..],
            &["environment is missing", "--env NAME"][..],
        ),
        (
            &["apply", "--env", "prd"],
            &["no environment `prd`", "did you mean `prod`?"],
        ),
        (
            &["apply", "wbe", "--env", "dev"],
            &["no release `wbe`", "did you mean `web`?"],
        ),
        (
            &["apply", "web", "--env", "locked"],
            &["not meant to be in environment `locked`"],
        ),
        (
            &["status", "web", "--env", "dev", "-n", "prod"],
            &["`--namespace` names another place"],
        ),
        (
            &["status", "web", "--env", "dev", "--target", "kube"],
            &["`--target` names another place"],
        ),
        (
            &["apply", "--env", "prod", "--no-hooks"],
            &["environment `prod` refuses", "a gate has to pass"],
        ),
        (
            &["apply", "--env", "prod", "--hooks", "skip"],
            &["a gate has to pass"],
        ),
        (
            &["apply", "--env", "prod", "--timeout", "1h"],
            &["at most 10m", "nothing was changed"],
        ),
        (
            &["apply", "--env", "prod", "--set", "db.password=hunter2"],
            &["`db.password` looks like a secret"],
        ),
        (
            &["upgrade", "web", "./chart", "--env", "locked", "--install"],
            &["not meant to be in environment"],
        ),
        (
            &[
                "upgrade",
                "other",
                "./chart",
                "--env",
                "locked",
                "--install",
            ],
            &["come from a registry by digest", "deployer promote"],
        ),
        (&["upgrade", "web"], &["the chart is missing"]),
    ] {
        let refused = run(&place, &gate, arguments);
        refused.fails_with(2, words);
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    }
    assert!(!place.path("deployed").exists(), "something was written");
    place.write("deployer.yaml", &FILE.replace("demands", "demand"));
    run(&place, &gate, &["apply", "--env", "dev"])
        .fails_with(2, &["environments.prod", "did you mean `demands`?"]);
}

#[test]
fn the_place_of_an_environment_with_demands_is_not_changed_behind_its_back() {
    let place = place();
    let gate = place.gate("pass", 0.95, 0);
    let first = run(&place, &gate, &["apply", "--env", "prod"]);
    assert_eq!(first.code, 0, "{first:?}");
    let target = ["--target", "dir:deployed/prod", "-n", "prod"];
    for command in ["install", "upgrade"] {
        let mut arguments = vec![command, "web", "./chart"];
        arguments.extend(target);
        run(&place, &gate, &arguments).fails_with(2, &["this is environment `prod`", "--env prod"]);
    }
    // Another place, and reading, are nobody's business.
    let other = [
        "upgrade",
        "--install",
        "web",
        "./chart",
        "--target",
        "dir:deployed/prod",
        "-n",
        "other",
    ];
    let done = run(&place, &gate, &other);
    assert_eq!(done.code, 0, "{done:?}");
    let mut status = vec!["status", "web"];
    status.extend(target);
    assert_eq!(place.run(&status).code, 0);
}

#[test]
fn a_chart_that_has_lost_its_gate_changes_nothing_where_one_is_demanded() {
    let place = place();
    let gate = place.gate("pass", 0.95, 0);
    let first = run(&place, &gate, &["apply", "--env", "prod"]);
    assert_eq!(first.code, 0, "{first:?}");
    std::fs::remove_file(place.path("chart/templates/gate.yaml")).expect("the gate");
    let stopped = run(
        &place,
        &gate,
        &["apply", "--env", "prod", "--set", "message=new"],
    );
    stopped.fails_with(
        6,
        &["no gate passed a model", "revision 1 is still deployed"],
    );
    let manifest = "deployed/prod/prod/web/manifests/configmap-web.yaml";
    let text = std::fs::read_to_string(place.path(manifest)).expect("a manifest");
    assert!(text.contains("from values"), "{text}");
    // Where no gate is demanded, a chart without one is fine.
    let free = run(&place, &gate, &["apply", "--env", "dev"]);
    assert_eq!(free.code, 0, "{free:?}");
}

#[test]
fn init_writes_a_file_that_changes_nothing_when_it_is_applied() {
    let place = Place::new();
    let gate = place.gate("pass", 0.95, 0);
    for (namespace, message) in [("dev", "one"), ("prod", "two")] {
        let set = format!("message={message}");
        let done = run(
            &place,
            &gate,
            &["install", "web", "./chart", "-n", namespace, "--set", &set],
        );
        assert_eq!(done.code, 0, "{done:?}");
    }
    let init = [
        "init",
        "--from",
        "dev=dev@dir:deployed",
        "--from",
        "prod=prod@dir:deployed",
    ];
    let written = place.run(&init);
    assert_eq!(written.code, 0, "{written:?}");
    assert!(
        written.stdout.contains("wrote environments/prod/web.yaml"),
        "{written:?}"
    );
    place
        .run(&init)
        .fails_with(2, &["exists already", "nothing was written"]);

    let manifest = place.path("deployed/prod/web/manifests/configmap-web.yaml");
    let before = std::fs::read_to_string(&manifest).expect("a manifest");
    let applied = run(&place, &gate, &["apply", "--env", "prod"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert_eq!(
        std::fs::read_to_string(&manifest).expect("a manifest"),
        before
    );

    let schema = place.run(&["init", "--schema"]);
    assert!(
        schema.json()["properties"]["releases"].is_object(),
        "{schema:?}"
    );
}

#[test]
fn the_evidence_keeps_where_a_revision_comes_from() {
    let place = place();
    let gate = place.gate("pass", 0.95, 0);
    run(&place, &gate, &["apply", "--env", "dev"]);
    let row = place
        .run(&["history", "web", "--env", "dev", "-o", "json"])
        .json()[0]
        .clone();
    assert_eq!(row["provenance"]["environment"], "dev", "{row}");
    assert_eq!(row["provenance"]["chart"], "./chart", "{row}");
    let digest = row["provenance"]["chart_digest"]
        .as_str()
        .expect("a digest");
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{row}");
}

#[test]
fn a_promotion_tells_the_demands_beside_its_other_conditions() {
    let place = place();
    let file = FILE.replace("      locked: {absent: true}\n", "").replace(
        "promotion: [dev, prod, locked]",
        "promotion: [dev, locked, prod]",
    );
    place.write("deployer.yaml", &file);
    let gate = place.gate("pass", 0.95, 0);
    let applied = run(&place, &gate, &["apply", "--env", "dev"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    let tried = place.run(&["promote", "web", "--to", "locked", "--dry-run"]);
    assert_eq!(tried.code, 1, "{tried:?}");
    for line in [
        "✓ locked comes after dev",
        "✗ locked demands: charts come from a registry by digest, and `./chart` does not",
    ] {
        assert!(tried.stdout.contains(line), "{line}: {tried:?}");
    }
    assert!(!place.path("deployed/locked/locked/web").exists());
    let kept = file.replace("chart_by_digest: true, ", "");
    place.write("deployer.yaml", &kept);
    let tried = place.run(&["promote", "web", "--to", "locked", "--dry-run"]);
    assert!(
        tried.stdout.contains("✓ what locked demands is kept"),
        "{tried:?}"
    );
}
