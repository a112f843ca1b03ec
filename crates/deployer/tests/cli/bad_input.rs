//! Each wrong input: what is said, how to mend it, the state left behind, the exit code.

use super::harness::Place;

#[test]
fn a_chart_that_does_not_render_names_the_template() {
    let place = Place::new();
    place.write(
        "chart/templates/broken.yaml",
        "a: {{ .Values.message | nosuchfunction }}\n",
    );
    place
        .run(&["install", "web", "chart"])
        .fails_with(2, &["chart `web` cannot be rendered", "broken.yaml"]);
    place.write(
        "chart/templates/broken.yaml",
        "a: {{ fail \"not today\" }}\n",
    );
    place
        .run(&["install", "web", "chart"])
        .fails_with(2, &["not today"]);
    place.write("chart/templates/broken.yaml", "kind: ConfigMap\n  bad: [\n");
    place
        .run(&["install", "web", "chart"])
        .fails_with(2, &["broken.yaml"]);
    assert_eq!(place.run(&["list", "-a", "-q"]).stdout, "");
}

#[test]
fn recreating_pods_is_refused_with_other_ways_and_only_when_asked_for() {
    let place = Place::new();
    place.installed();
    for command in [
        &["upgrade", "web", "chart", "--no-hooks"][..],
        &["rollback", "web", "1"],
    ] {
        let run = |flag| place.run(&[command, &[flag]].concat());
        let hints = ["deletes all pods", "checksum", "kubectl rollout restart"];
        run("--recreate-pods").fails_with(2, &hints);
        assert_eq!(run("--recreate-pods=false").code, 0, "{command:?}");
    }
    let revisions = place.run(&["history", "web", "-o", "json"]).json();
    let count = revisions.as_array().map(Vec::len);
    assert_eq!(count, Some(3), "{revisions}");
}

#[test]
fn an_unknown_key_is_refused_by_the_schema() {
    let place = Place::new();
    place
        .run(&["install", "web", "chart", "--set", "mesage=typo"])
        .fails_with(
            2,
            &[
                "values don't meet the specifications of the schema",
                "mesage",
            ],
        );
}

#[test]
fn a_chart_that_is_not_there_is_named() {
    let place = Place::new();
    place
        .run(&["install", "web", "./nothing"])
        .fails_with(2, &["path \"./nothing\" not found", "nothing was changed"]);
    place.write("empty/readme", "");
    place
        .run(&["install", "web", "./empty"])
        .fails_with(2, &["chart `./empty` cannot be loaded", "Chart.yaml"]);
}

#[test]
fn a_values_file_that_is_not_there_or_not_yaml_is_named() {
    let place = Place::new();
    place
        .run(&["install", "web", "chart", "-f", "missing.yaml"])
        .fails_with(2, &["missing.yaml"]);
    place.write("bad.yaml", "a: [\n");
    place
        .run(&["install", "web", "chart", "-f", "bad.yaml"])
        .fails_with(2, &["bad.yaml"]);
    place
        .run(&["install", "web", "chart", "--set", "message"])
        .fails_with(2, &["--set"]);
}

#[test]
fn a_name_that_is_taken_is_refused_and_the_release_untouched() {
    let place = Place::new();
    place.installed();
    place.run(&["install", "web", "chart"]).fails_with(
        1,
        &[
            "cannot reuse a name that is still in use",
            "deployer upgrade web",
            "nothing was changed",
        ],
    );
    assert_eq!(
        place
            .run(&["history", "web", "-o", "json"])
            .json()
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}

#[test]
fn a_release_that_is_not_there_is_named_with_the_namespace() {
    let place = Place::new();
    for arguments in [
        &["status", "none"][..],
        &["history", "none"],
        &["get", "values", "none"],
        &["uninstall", "none"],
        &["rollback", "none"],
    ] {
        place.run(arguments).fails_with(1, &["not found", "none"]);
    }
    place
        .run(&["upgrade", "none", "chart"])
        .fails_with(1, &["\"none\" has no deployed releases", "--install"]);
    let ignored = place.run(&["uninstall", "none", "--ignore-not-found"]);
    assert_eq!(ignored.code, 0, "{ignored:#?}");
}

#[test]
fn a_revision_that_does_not_exist_is_refused_with_those_that_do() {
    let place = Place::new();
    place.installed();
    place.run(&["rollback", "web", "9"]).fails_with(
        1,
        &[
            "release `web` has no revision 9",
            "the revisions of `web` are: 1",
        ],
    );
    place
        .run(&["status", "web", "--revision", "9"])
        .fails_with(1, &["has no revision 9"]);
    place
        .run(&["get", "manifest", "web", "--revision", "9"])
        .fails_with(1, &["has no revision 9"]);
}

#[test]
fn an_api_server_that_cannot_be_reached_is_named_at_once() {
    let place = Place::new();
    place.write("kubeconfig", KUBECONFIG);
    let run = place.run_with(&["list", "--kubeconfig", "kubeconfig"], &[]);
    run.fails_with(
        1,
        &[
            "cannot reach the API server https://127.0.0.1:9",
            "connection refused",
            "hint: ",
        ],
    );
    let install = place.run_with(
        &["install", "web", "chart", "--kubeconfig", "kubeconfig"],
        &[],
    );
    install.fails_with(1, &["127.0.0.1:9", "connection refused"]);
}

#[test]
fn without_any_cluster_the_ways_out_are_named() {
    let place = Place::new();
    place.run_with(&["list"], &[]).fails_with(
        2,
        &[
            "no cluster is configured",
            "--kubeconfig",
            "--target dir:PATH",
        ],
    );
    place
        .run_with(&["list", "--kubeconfig", "missing"], &[])
        .fails_with(2, &["the kubeconfig cannot be used", "missing"]);
    let dry_run = place.run_with(&["install", "web", "chart", "--dry-run=client"], &[]);
    assert_eq!(
        dry_run.code, 0,
        "a client's dry run needs none: {dry_run:#?}"
    );
    assert!(dry_run.stdout.contains("kind: ConfigMap"), "{dry_run:#?}");
    place.write("kubeconfig", KUBECONFIG);
    place
        .run_with(
            &[
                "list",
                "--kubeconfig",
                "kubeconfig",
                "--kube-context",
                "other",
            ],
            &[],
        )
        .fails_with(2, &["context `other`"]);
}

#[test]
fn wrong_flags_are_refused_before_anything_starts() {
    let place = Place::new();
    for (arguments, words) in [
        (
            &["install", "web", "chart", "--timeout", "300"][..],
            "has no unit",
        ),
        (&["install", "web", "chart", "--wait=maybe"], "watcher"),
        (&["install", "web", "chart", "--dry-run=perhaps"], "none"),
        (
            &["install", "chart"],
            "must either provide a name or specify --generate-name",
        ),
        (
            &["install", "Not_A_Name", "chart"],
            "release name `Not_A_Name` is not valid",
        ),
        (
            &["install", "web", "chart", "-n", "Bad_Namespace"],
            "namespace `Bad_Namespace` is not valid",
        ),
        (
            &["install", "web", "chart", "--hooks", "cluster"],
            "needs a cluster",
        ),
        (&["list", "--filter", "("], "is not a regular expression"),
        (
            &["upgrade", "web", "chart", "--hide-secret"],
            "requires a dry-run mode",
        ),
        (
            &["list", "--target", "moon"],
            "expected `kube` or `dir:PATH`",
        ),
        (&["nonsense"], "unrecognized subcommand"),
    ] {
        place.run(arguments).fails_with(2, &[words]);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::{Command, Stdio};
    let place = Place::new();
    place.installed();
    let mut child = Command::new(env!("CARGO_BIN_EXE_deployer"))
        .args(["completion", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

const KUBECONFIG: &str = "apiVersion: v1
kind: Config
current-context: dead
clusters: [{name: dead, cluster: {server: \"https://127.0.0.1:9\", insecure-skip-tls-verify: true}}]
users: [{name: dead, user: {token: x}}]
contexts: [{name: dead, context: {cluster: dead, user: dead}}]
";

#[test]
fn replacing_whole_objects_and_server_side_apply_exclude_each_other() {
    let place = Place::new();
    for command in ["install", "upgrade"] {
        for flag in ["--force", "--force-replace"] {
            place
                .run(&[command, "web", "chart", flag, "--server-side=true"])
                .fails_with(2, &["exclude each other", "--force-conflicts"]);
        }
    }
    assert_eq!(place.run(&["list", "-a", "-q"]).stdout, "");
}
