//! `plan`, `diff`, dry runs and saved plans on a folder; and that no secret is printed by any of them.

use serde_json::Value;

use super::harness::{Place, Run};

/// Planted in the values; nothing may print it, in plain or in base64.
const PLANTED: &str = "hunter2-planted";
const PLANTED_NEXT: &str = "swordfish-planted";
/// Given to a revision before: neither the chart nor the change knows it.
const PLANTED_BEFORE: &str = "was-Given-Once-77";

const CHART: &str = "apiVersion: v2\nname: app\nversion: 1.0.0\n";

const OBJECTS: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-settings
data:
  colour: {{ .Values.colour | quote }}
  {{- range $key, $value := .Values.more }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-fixed
data:
  size: big
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}-login
stringData:
  password: {{ .Values.db.password | quote }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {app: x}
  template:
    metadata:
      labels: {app: x}
    spec:
      containers:
        - name: app
          image: app:{{ .Values.tag }}
          env:
            - name: DB_URL
              value: postgres://app:{{ .Values.db.password }}@db
"#;

const HOOK: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-check
  annotations:
    helm.sh/hook: pre-upgrade
spec:
  template:
    spec:
      containers:
        - name: check
          image: local/check
          env:
            - name: PASSWORD
              value: {{ .Values.db.password | quote }}
"#;

fn place() -> Place {
    let place = Place::new();
    place.write("app/Chart.yaml", CHART);
    place.write(
        "app/values.yaml",
        &format!("colour: red\ntag: one\nreplicas: 2\nmore: {{}}\ndb:\n  password: {PLANTED}\n"),
    );
    place.write("app/templates/objects.yaml", OBJECTS);
    place.write("app/templates/hook.yaml", HOOK);
    place.write(
        "app/templates/NOTES.txt",
        "The password is {{ .Values.db.password }}.\n",
    );
    place
}

fn installed() -> Place {
    let place = place();
    let run = place.run(&["install", "web", "app", "--hooks", "skip"]);
    assert_eq!(run.code, 0, "{run:?}");
    place
}

fn hides_secrets(run: &Run) {
    use base64::Engine as _;
    for secret in [PLANTED, PLANTED_BEFORE, PLANTED_NEXT] {
        let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
        for text in [secret, encoded.as_str()] {
            let all = format!("{}{}", run.stdout, run.stderr);
            assert!(!all.contains(text), "`{text}` is shown: {run:#?}");
        }
    }
}

#[test]
fn a_plan_names_each_step_its_fields_and_its_undo() {
    let place = installed();
    let run = place.run(&[
        "plan",
        "web",
        "app",
        "--set",
        "colour=blue",
        "--set",
        "replicas=3",
        "--hooks",
        "skip",
    ]);
    assert_eq!(run.code, 0, "{run:?}");
    for words in [
        "PLAN: upgrade `web` in namespace `default`",
        "revision 2, after revision 1 (deployed); chart app-1.0.0",
        "hook       pre-upgrade Job `web-check` (weight 0)",
        "patch      ConfigMap `web-settings`  (undo: restore)",
        "data.colour: \"red\" -> \"blue\"",
        "patch      Deployment `web`  (undo: restore)",
        "spec.replicas: 2 -> 3",
        "unchanged  2 objects",
        "Plan: 2 to patch, 2 unchanged.",
    ] {
        assert!(
            run.stdout.contains(words),
            "`{words}` is not said: {run:#?}"
        );
    }
    let json = place
        .run(&["plan", "web", "app", "--set", "colour=blue", "-o", "json"])
        .json();
    assert_eq!(json["kind"], "deployer/plan");
    assert_eq!(json["schema_version"], 1);
    let patched: Vec<&Value> = json["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter(|step| step["action"] == "patch")
        .collect();
    assert_eq!(
        patched[0]["differences"][0]["path"], "data.colour",
        "{json}"
    );
    assert_eq!(
        place.run(&["history", "web", "-o", "json"]).json()[1],
        Value::Null
    );
}

#[test]
fn a_no_op_upgrade_leaves_every_object_alone() {
    let place = installed();
    let run = place.run(&["upgrade", "web", "app", "--hooks", "skip"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stderr.matches(" unchanged").count(), 4, "{run:#?}");
    assert_eq!(place.run(&["diff", "upgrade", "web", "app"]).stdout, "");
}

#[test]
fn an_object_changed_by_hand_is_put_right_though_the_chart_says_the_same() {
    let place = installed();
    let file = "deployed/default/web/manifests/configmap-web-fixed.yaml";
    let text = std::fs::read_to_string(place.path(file)).expect("deployed");
    place.write(file, &text.replace("big", "small"));
    let run = place.run(&["diff", "upgrade", "web", "app", "--detailed-exitcode"]);
    assert_eq!(run.code, 2, "{run:#?}");
    assert!(
        run.stdout
            .contains("default, web-fixed, ConfigMap (v1) has changed:"),
        "{run:#?}"
    );
    assert!(
        run.stdout.contains("-   size: small\n+   size: big\n"),
        "{run:#?}"
    );
    let run = place.run(&[
        "diff",
        "upgrade",
        "web",
        "app",
        "--three-way-merge=false",
        "--detailed-exitcode",
    ]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:#?}");
    assert_eq!(
        place
            .run(&["upgrade", "web", "app", "--hooks", "skip"])
            .code,
        0
    );
    let text = std::fs::read_to_string(place.path(file)).expect("deployed");
    assert!(text.contains("size: big"), "{text}");
}

#[test]
fn differences_are_printed_in_the_forms_of_helm_diff() {
    let place = installed();
    let change = [
        "diff",
        "upgrade",
        "web",
        "app",
        "--set",
        "colour=blue,more.extra=yes",
    ];
    let with = |more: &[&str]| {
        let arguments: Vec<&str> = change.iter().chain(more).copied().collect();
        place.run(&arguments)
    };
    let run = with(&["-C", "0"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(!run.stdout.contains("kind: ConfigMap"), "{run:#?}");
    assert!(with(&["-C", "-1"]).stdout.contains("  kind: ConfigMap"));
    assert!(!run.stdout.contains('\u{1b}'), "{run:?}");
    let coloured = with(&["--color=always"]);
    assert!(coloured.stdout.contains("\u{1b}["), "{coloured:?}");
    assert!(
        !with(&["--color=always", "--no-color"])
            .stdout
            .contains('\u{1b}')
    );
    let simple = with(&["--output", "simple"]).stdout;
    assert_eq!(
        simple,
        "default, web-settings, ConfigMap (v1) to be changed.\nPlan: 0 to add, 1 to change, 0 to destroy, 0 to change ownership.\n"
    );
    let json = with(&["--output", "json"]).json();
    assert_eq!(json[0]["change"], "MODIFY");
    assert_eq!(json[0]["name"], "web-settings");
    assert_eq!(json[0]["schema_version"], 1);
    assert_eq!(json[0]["differences"][1]["path"], "data.extra", "{json}");
    let suppressed = with(&["--suppress", "configmap", "--detailed-exitcode"]);
    assert_eq!((suppressed.code, suppressed.stdout.as_str()), (0, ""));
    with(&["--output", "xml"]).fails_with(2, &["xml"]);
}

#[test]
fn revisions_and_releases_and_a_way_back_are_compared() {
    let place = installed();
    let run = place.run(&[
        "upgrade",
        "web",
        "app",
        "--hooks",
        "skip",
        "--set",
        "colour=blue",
    ]);
    assert_eq!(run.code, 0, "{run:?}");
    for arguments in [
        vec!["diff", "revision", "web", "1", "2"],
        vec!["diff", "revision", "web", "1"],
    ] {
        let run = place.run(&arguments);
        assert!(
            run.stdout.contains("-   colour: red\n+   colour: blue\n"),
            "{run:#?}"
        );
    }
    let back = place.run(&["diff", "rollback", "web"]);
    assert!(
        back.stdout.contains("-   colour: blue\n+   colour: red\n"),
        "{back:#?}"
    );
    let other = place.run(&[
        "install", "other", "app", "--hooks", "skip", "--set", "tag=two",
    ]);
    assert_eq!(other.code, 0, "{other:?}");
    let releases = place.run(&["diff", "release", "web", "other", "-o", "simple"]);
    assert!(
        releases
            .stdout
            .contains("other-settings, ConfigMap (v1) to be added"),
        "{releases:#?}"
    );
    place
        .run(&["diff", "revision", "web", "1", "9"])
        .fails_with(1, &["no revision 9"]);
    place
        .run(&["diff", "upgrade", "absent", "app"])
        .fails_with(1, &["no deployed releases"]);
    let added = place.run(&[
        "diff",
        "upgrade",
        "absent",
        "app",
        "--allow-unreleased",
        "-o",
        "simple",
    ]);
    assert!(added.stdout.contains("Plan: 5 to add"), "{added:#?}");
}

#[test]
fn a_saved_plan_is_done_as_it_is_and_refused_when_anything_moved_on() {
    let place = installed();
    let blue = ["--hooks", "skip", "--set", "colour=blue"];
    let saved = place.run(&[&["plan", "web", "app", "--save", "web.plan"], &blue[..]].concat());
    assert_eq!(saved.code, 0, "{saved:?}");
    let text = std::fs::read_to_string(place.path("web.plan")).expect("saved");
    assert!(!text.contains(PLANTED), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(place.path("web.plan"))
            .expect("saved")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let upgrade = |more: &[&str]| {
        place.run(&[&["upgrade", "web", "app", "--use-plan", "web.plan"], more].concat())
    };
    upgrade(&["--hooks", "skip", "--set", "colour=green"]).fails_with(
        1,
        &[
            "ConfigMap `web-settings` is rendered differently",
            "nothing was changed",
        ],
    );
    let secret = format!("db.password={PLANTED_NEXT}");
    upgrade(&[&blue[..], &["--set", &secret]].concat())
        .fails_with(1, &["Secret `web-login` was to be: unchanged; now: patch"]);
    let file = "deployed/default/web/manifests/configmap-web-fixed.yaml";
    let before = std::fs::read_to_string(place.path(file)).expect("deployed");
    place.write(file, &before.replace("big", "small"));
    upgrade(&blue).fails_with(1, &["ConfigMap `web-fixed` was changed since"]);
    place.write(file, &before);
    assert_eq!(upgrade(&blue).code, 0);
    upgrade(&blue).fails_with(
        1,
        &["the last revision was 1 (deployed) and is 2 (deployed)"],
    );
    place.write("web.plan", "kind: nonsense");
    upgrade(&blue).fails_with(2, &["`web.plan` is not a plan", "deployer plan --save"]);
    place
        .run(&["upgrade", "web", "app", "--use-plan", "absent.plan"])
        .fails_with(2, &["the plan `absent.plan` cannot be read"]);
}

#[test]
fn values_that_look_secret_are_warned_of_refused_or_allowed() {
    let place = installed();
    let secret = format!("db.password={PLANTED_NEXT}");
    let with = |more: &[&str]| {
        place.run(
            &[
                &["upgrade", "web", "app", "--hooks", "skip", "--set", &secret],
                more,
            ]
            .concat(),
        )
    };
    let refused = with(&["--sensitive-values=refuse"]);
    refused.fails_with(
        2,
        &[
            "`db.password` looks secret",
            "existingSecret",
            "nothing was changed",
        ],
    );
    hides_secrets(&refused);
    assert_eq!(
        place.run(&["history", "web", "-o", "json"]).json()[1],
        Value::Null
    );
    let warned = with(&[]);
    assert_eq!(warned.code, 0, "{warned:?}");
    assert!(
        warned
            .stderr
            .contains("the release record keeps it readable"),
        "{warned:#?}"
    );
    hides_secrets(&warned);
    let allowed = with(&["--sensitive-values=allow"]);
    assert!(!allowed.stderr.contains("looks secret"), "{allowed:#?}");
}

#[test]
fn the_secret_that_a_change_replaces_is_printed_no_more_than_the_new_one() {
    let place = installed();
    let upgrade = |secret: &str, arguments: &[&str]| {
        let set = format!("db.password={secret}");
        place.run(&[arguments, &["web", "app", "--hooks", "skip", "--set", &set]].concat())
    };
    let before = upgrade(PLANTED_BEFORE, &["upgrade"]);
    assert_eq!(before.code, 0, "{before:#?}");
    for arguments in [
        &["plan"][..],
        &["plan", "-o", "json"],
        &["plan", "--save", "saved.plan"],
        &["upgrade", "--dry-run=server", "-o", "json"],
        &["upgrade", "--dry-run=client"],
    ] {
        let run = upgrade(PLANTED_NEXT, arguments);
        assert_eq!(run.code, 0, "{run:#?}");
        hides_secrets(&run);
    }
    let set = format!("db.password={PLANTED_NEXT}");
    for form in ["diff", "json"] {
        let diff = [
            "diff", "upgrade", "web", "app", "-C", "-1", "-o", form, "--set", &set,
        ];
        let run = place.run(&diff);
        assert_eq!(run.code, 0, "{run:#?}");
        hides_secrets(&run);
    }
    let saved = std::fs::read_to_string(place.path("saved.plan")).expect("a plan");
    for secret in [PLANTED, PLANTED_BEFORE, PLANTED_NEXT] {
        assert!(!saved.contains(secret), "{saved}");
    }
    let back = place.run(&["diff", "rollback", "web", "1"]);
    hides_secrets(&back);
}

#[test]
fn no_secret_is_printed_by_a_plan_a_diff_a_dry_run_a_log_or_an_error() {
    let place = installed();
    let secret = format!("db.password={PLANTED_NEXT}");
    let set = ["--set", secret.as_str()];
    let fails = "#!/bin/sh\necho \"the password is $PASSWORD\"\nexit 1\n";
    place.write("check.sh", fails);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(place.path("check.sh"), mode).expect("permissions");
    }
    let run = |arguments: &[&str]| place.run(&[arguments, &set].concat());
    let change = ["web", "app"];
    let mut runs = Vec::new();
    for form in ["table", "json", "yaml"] {
        runs.push(run(&[&["plan", "-o", form], &change[..]].concat()));
        runs.push(run(&[
            &["upgrade", "--dry-run=server", "-o", form],
            &change[..],
        ]
        .concat()));
        runs.push(run(&[
            &["upgrade", "--dry-run=client", "-o", form],
            &change[..],
        ]
        .concat()));
    }
    for form in ["diff", "simple", "json"] {
        runs.push(run(&[
            &["diff", "upgrade", "-C", "-1", "-o", form],
            &change[..],
        ]
        .concat()));
    }
    runs.push(run(&[&["-vv", "plan"], &change[..]].concat()));
    for run in &runs {
        assert_eq!(run.code, 0, "{run:#?}");
        hides_secrets(run);
    }
    assert!(runs.iter().any(|run| run.stdout.contains("(masked)")));

    // A hook that prints it and fails: the log, the error and what is kept of them.
    let failed = place.run_with(
        &[
            "-vv",
            "upgrade",
            "web",
            "app",
            "--atomic",
            "--hook-command",
            "local/check=./check.sh",
            "--set",
            &secret,
            "--target",
            &format!("dir:{}", place.path("deployed").display()),
        ],
        &[],
    );
    assert_ne!(failed.code, 0, "{failed:#?}");
    assert!(
        failed.stderr.contains("the password is (masked)"),
        "{failed:#?}"
    );
    hides_secrets(&failed);
    for arguments in [
        vec!["history", "web"],
        vec!["history", "web", "--revision", "2"],
        vec!["status", "web"],
    ] {
        hides_secrets(&place.run(&arguments));
    }

    // Asked for, it is shown.
    let shown = run(&[
        &["diff", "upgrade", "--show-secrets", "-C", "-1"],
        &change[..],
    ]
    .concat());
    assert!(shown.stdout.contains(PLANTED_NEXT), "{shown:#?}");
}
