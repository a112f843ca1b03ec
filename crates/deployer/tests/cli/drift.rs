//! `drift` on folders: what is found, in each form, and how the command ends.

use crate::harness::{Place, Run};

const FILE: &str = r#"
apiVersion: deployer/v1
kind: Environments
environments:
  dev: {target: "dir:deployed/dev", namespace: team-dev}
  staging: {target: "dir:deployed/staging", namespace: team-staging}
  prod: {target: "dir:deployed/prod", namespace: team-prod}
promotion: [dev, staging, prod]
releases:
  web: {chart: ./chart, set: {message: first}}
allowed_differences:
  between_environments: ["ConfigMap:data.size"]
"#;

/// Three environments in which everything agrees.
fn three() -> (Place, String) {
    let place = Place::new();
    place.write("deployer.yaml", FILE);
    let gate = format!("local/gate={}", place.gate("pass", 0.95, 0));
    for environment in ["dev", "staging", "prod"] {
        let done = place.run(&["apply", "--env", environment, "--hook-command", &gate]);
        assert_eq!(done.code, 0, "{done:?}");
    }
    (place, gate)
}

fn drift(place: &Place, arguments: &[&str]) -> Run {
    let mut all = vec!["drift"];
    all.extend(arguments);
    place.run(&all)
}

#[test]
fn nothing_drifts_where_everything_was_applied() {
    let (place, _) = three();
    let found = drift(&place, &["--exit-code"]);
    assert_eq!(found.code, 0, "{found:?}");
    assert!(found.stdout.contains("no drift"), "{found:?}");
    let json = drift(&place, &["-o", "json"]).json();
    assert_eq!(
        (&json["is_drift"], &json["schema_version"]),
        (&false.into(), &1.into()),
        "{json}"
    );
    assert_eq!(json["components"][0]["cells"][2]["state"], "same", "{json}");
}

#[test]
fn a_forgotten_deployment_a_hand_edit_and_a_mend_in_one_place_are_told_apart() {
    let (place, gate) = three();
    let mended = place.run(&[
        "apply",
        "--env",
        "staging",
        "--set",
        "message=mended",
        "--hook-command",
        &gate,
    ]);
    assert_eq!(mended.code, 0, "{mended:?}");
    let manifest = "deployed/prod/team-prod/web/manifests/configmap-web.yaml";
    let text = std::fs::read_to_string(place.path(manifest)).expect("a manifest");
    place.write(manifest, &text.replace("first", "by hand"));

    let found = drift(&place, &["--exit-code"]);
    assert_eq!(found.code, 10, "{found:?}");
    for words in [
        "edited 1",
        "behind 1, differs 1",
        "record: first  live: by hand",
        "files: first  record: mended",
        "dev: first  staging: mended  prod: first",
        "changed in staging (revision 2)",
        "prod behind for",
    ] {
        assert!(
            found.stdout.contains(words),
            "`{words}` is not in\n{}",
            found.stdout
        );
    }
    let json = drift(&place, &["-o", "json"]).json();
    let kinds: Vec<&str> = json["differences"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|difference| difference["comparison"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "files-against-record",
            "live-against-record",
            "between-environments"
        ],
        "{json}"
    );
    // One environment alone has nothing to be compared with, but itself.
    let staging = drift(&place, &["--env", "staging", "--exit-code"]);
    assert!(
        staging.code == 10 && !staging.stdout.contains("prod"),
        "{staging:?}"
    );
}

#[test]
fn every_form_tells_the_same() {
    let (place, gate) = three();
    place.run(&[
        "apply",
        "--env",
        "prod",
        "--set",
        "message=<b>|other",
        "--hook-command",
        &gate,
    ]);
    let markdown = drift(&place, &["-o", "markdown"]);
    assert!(markdown.stdout.contains("| web | "), "{markdown:?}");
    assert!(markdown.stdout.contains("&lt;b>\\|other"), "{markdown:?}");
    let html = drift(&place, &["-o", "html"]);
    assert!(html.stdout.starts_with("<!doctype html>"), "{html:?}");
    assert!(
        html.stdout.contains("&lt;b&gt;|other") && !html.stdout.contains("<b>|"),
        "{html:?}"
    );
    let yaml = drift(&place, &["-o", "yaml"]);
    assert!(yaml.stdout.contains("is_drift: true"), "{yaml:?}");
    let file = place.path("drift.prom");
    let written = drift(&place, &["--prometheus", &file.display().to_string()]);
    assert_eq!(written.code, 0, "{written:?}");
    let metrics = std::fs::read_to_string(&file).expect("metrics");
    for line in [
        "deployer_drift_differences{environment=\"prod\",release=\"web\",component=\"\",comparison=\"between-environments\"} 1",
        "deployer_drift_environment_reachable{environment=\"dev\"} 1",
        "deployer_drift_last_run_timestamp_seconds ",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[test]
fn an_environment_that_does_not_answer_is_a_row_and_the_others_are_told() {
    let (place, _) = three();
    let file = FILE.replace(
        "prod: {target: \"dir:deployed/prod\", namespace: team-prod}",
        "prod: {kubeconfig: nowhere.kubeconfig, context: prod, namespace: team-prod}",
    );
    place.write("deployer.yaml", &file);
    // A port on loopback that nobody listens on.
    place.write(
        "nowhere.kubeconfig",
        "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: u, user: {}}]\ncontexts: [{name: prod, context: {cluster: c, user: u}}]\n",
    );
    let found = drift(&place, &["--exit-code", "--timeout", "5s"]);
    assert_eq!(found.code, 10, "{found:?}");
    assert!(found.stdout.contains("unreachable prod"), "{found:?}");
    let json = drift(&place, &["-o", "json", "--timeout", "5s"]).json();
    let states: Vec<&serde_json::Value> = (0..3)
        .map(|index| &json["components"][0]["cells"][index]["state"])
        .collect();
    assert_eq!(states, ["same", "same", "unreachable"], "{json}");
}

#[test]
fn what_cannot_be_asked_for_is_refused() {
    let (place, _) = three();
    drift(&place, &["wbe"]).fails_with(2, &["no release `wbe`", "did you mean `web`?"]);
    drift(&place, &["--environments", "prd"]).fails_with(2, &["no environment `prd`"]);
    drift(&place, &["--env", "dev", "--environments", "prod"]).fails_with(2, &["both"]);
    std::fs::remove_file(place.path("deployer.yaml")).expect("the file");
    drift(&place, &[]).fails_with(2, &["no `deployer.yaml`", "deployer init"]);
}

/// Runs the very command that the chart's CronJob runs, with its mounts as folders here.
#[test]
fn the_watching_charts_command_line_works() {
    let (place, _) = three();
    let chart = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/drift-watch");
    let chart = chart.display().to_string();
    let linted = place.run(&[
        "lint",
        &chart,
        "--strict",
        "--set-file",
        "files.inline.deployer\\.yaml=deployer.yaml",
    ]);
    assert_eq!(linted.code, 0, "{linted:?}");
    place
        .run(&["template", "watch", &chart])
        .fails_with(2, &["files.inline needs `deployer.yaml`"]);
    let textfile = "metrics.textfile.hostPath=/collector";
    let file = "files.inline.deployer\\.yaml=deployer.yaml";
    place
        .run(&[
            "template",
            "watch",
            &chart,
            "--set-file",
            file,
            "--set",
            textfile,
        ])
        .fails_with(2, &["needs nodeSelector"]);
    let rendered = place.run(&[
        "template",
        "watch",
        &chart,
        "--set-file",
        file,
        "--set",
        textfile,
        "--set",
        "nodeSelector.a=b",
        "--set",
        "rbac.namespaces={team-dev,team-prod}",
        "--set",
        "failOnDrift=true",
    ]);
    assert_eq!(rendered.code, 0, "{rendered:?}");
    let objects = deployer::plan::read_manifest(&rendered.stdout).expect("manifests");
    let kinds: Vec<&str> = objects
        .iter()
        .map(|object| object.id.kind.as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "ServiceAccount",
            "ConfigMap",
            "Role",
            "Role",
            "RoleBinding",
            "RoleBinding",
            "CronJob"
        ]
    );
    assert_eq!(objects[1].value["data"]["deployer.yaml"], FILE);
    let arguments = objects[6]
        .value
        .pointer("/spec/jobTemplate/spec/template/spec/containers/0/args");
    let metrics = place.path("metrics");
    std::fs::create_dir(&metrics).expect("a folder");
    let arguments: Vec<String> = arguments
        .and_then(serde_json::Value::as_array)
        .expect("arguments")
        .iter()
        .filter_map(serde_json::Value::as_str)
        .map(|argument| {
            argument
                .replace("/environments/", "")
                .replace("/metrics/", "metrics/")
        })
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let watched = place.run(&arguments);
    assert_eq!(watched.code, 0, "{arguments:?}: {watched:?}");
    assert!(
        metrics.join("watch-drift-watch.prom").is_file(),
        "{arguments:?}"
    );
}

/// A watching process; ended when dropped.
struct Watching {
    child: std::process::Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Watching {
    fn start(place: &Place) -> Self {
        use std::io::BufRead;
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_deployer"))
            .args(["drift", "--watch=50ms"])
            .current_dir(place.path(""))
            .env("NO_COLOR", "1")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the binary runs");
        let out = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = std::sync::mpsc::channel();
        // Ends with the pipe, and so with the process.
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Waits for a line with these words, and returns those before it.
    #[track_caller]
    fn until(&self, words: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let line = self.lines.recv_timeout(std::time::Duration::from_secs(60));
            let line = line.unwrap_or_else(|error| panic!("no `{words}`: {error}: {before:#?}"));
            if line.contains(words) {
                return before;
            }
            before.push(line);
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // One that has ended already is fine.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn watching_tells_again_only_when_something_else_is_to_be_told() {
    let (place, _) = three();
    let watching = Watching::start(&place);
    watching.until("no drift");
    let manifest = "deployed/prod/team-prod/web/manifests/configmap-web.yaml";
    let text = std::fs::read_to_string(place.path(manifest)).expect("a manifest");
    place.write(manifest, &text.replace("first", "by hand"));
    let between = watching.until("record: first  live: by hand");
    assert!(
        !between.iter().any(|line| line == "no drift"),
        "{between:#?}"
    );
    place.write(manifest, &text);
    watching.until("no drift");
}

/// A chart that makes a password, a name and a time anew at each rendering.
const RANDOM: &str = "apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}-db
data:
  user: {{ .Values.message | b64enc }}
  password: {{ randAlphaNum 12 | b64enc }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-migrate-{{ randAlphaNum 5 | lower }}
  annotations:
    made-on: {{ now | date \"2006-01-02\" | quote }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-made
data:
  day: {{ now | date \"2006-01-02\" | quote }}
  fixed: {{ .Values.message | quote }}
";

#[test]
fn what_is_random_at_each_rendering_is_no_drift_and_is_told_before_an_upgrade() {
    let place = Place::new();
    place.write("deployer.yaml", FILE);
    place.write("chart/templates/random.yaml", RANDOM);
    let gate = format!("local/gate={}", place.gate("pass", 0.95, 0));
    for environment in ["dev", "staging", "prod"] {
        let done = place.run(&["apply", "--env", environment, "--hook-command", &gate]);
        assert_eq!(done.code, 0, "{done:?}");
    }
    let found = drift(&place, &["--exit-code"]);
    assert_eq!(found.code, 0, "{found:?}");
    assert!(
        found.stdout.contains("random at each rendering") && found.stdout.contains("no drift"),
        "{found:?}"
    );
    let json = drift(&place, &["-o", "json"]).json();
    let random = json["random"].as_array().expect("a list").clone();
    let has = |comparison: &str, kind: &str, field: &str| {
        random.iter().any(|one| {
            one["comparison"] == comparison
                && one["kind"] == kind
                && one["field"].as_str().unwrap_or_default() == field
        })
    };
    for comparison in ["files-against-record", "between-environments"] {
        assert!(has(comparison, "Secret", "data.password"), "{json:#}");
        assert!(has(comparison, "Job", ""), "{json:#}");
    }
    let shown = drift(&place, &["--show-allowed"]);
    assert!(
        shown
            .stdout
            .contains("Random at each rendering (no deployment would bring them together)"),
        "{shown:?}"
    );

    // What is not random is found beside it.
    place.write("deployer.yaml", &FILE.replace("first", "second"));
    let found = drift(&place, &["--exit-code"]);
    assert_eq!(found.code, 10, "{found:?}");
    let json = drift(&place, &["--env", "dev", "-o", "json"]).json();
    let fields: Vec<&str> = json["differences"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["field"].as_str())
        .collect();
    assert_eq!(
        fields,
        ["data.user", "data.message", "data.fixed"],
        "{json:#}"
    );

    // An upgrade changes it all the same, as with Helm; whoever looks is told.
    for arguments in [
        &["diff", "upgrade", "web"][..],
        &["plan", "web"],
        &["upgrade", "web", "--dry-run"],
    ] {
        let told = place.run(&[arguments, &["--env", "dev"]].concat());
        assert!(
            told.stderr.contains("every upgrade changes it")
                && told.stderr.contains("Secret web-db data.password")
                && told.stderr.contains("ConfigMap web-made data.day")
                && told.stderr.contains("Job web-migrate-…"),
            "{told:?}"
        );
    }
}
