//! The commands that only read, and those that need no release.

use super::harness::Place;

#[test]
fn list_prints_helms_columns_and_field_names() {
    let place = Place::new();
    place.installed();
    let table = place.run(&["list"]);
    let mut lines = table.stdout.lines();
    let heading: Vec<&str> = lines
        .next()
        .expect("a heading")
        .split('\t')
        .map(str::trim)
        .collect();
    assert_eq!(
        heading,
        [
            "NAME",
            "NAMESPACE",
            "REVISION",
            "UPDATED",
            "STATUS",
            "CHART",
            "APP VERSION"
        ]
    );
    let row: Vec<&str> = lines
        .next()
        .expect("a row")
        .split('\t')
        .map(str::trim)
        .collect();
    assert_eq!(
        (row[0], row[1], row[2], row[4], row[5], row[6]),
        ("web", "default", "1", "deployed", "web-1.2.3", "4.5")
    );
    let json = place.run(&["ls", "-A", "-o", "json"]).json();
    for (field, value) in [
        ("name", "web"),
        ("revision", "1"),
        ("status", "deployed"),
        ("chart", "web-1.2.3"),
        ("app_version", "4.5"),
    ] {
        assert_eq!(json[0][field], value, "{json}");
    }
    assert_eq!(
        place
            .run(&["list", "--filter", "^nothing"])
            .stdout
            .lines()
            .count(),
        1
    );
    let bare = place.run(&["list", "--no-headers"]).stdout;
    let cells: Vec<&str> = bare.trim_end().split('\t').map(str::trim).collect();
    assert_eq!(cells, row);
    assert_eq!(place.run(&["list", "-q", "--failed"]).stdout, "");
    assert_eq!(
        place.run(&["list", "-o", "json", "-n", "elsewhere"]).json(),
        serde_json::json!([])
    );
}

#[test]
fn history_has_columns_for_verdict_area_and_latency() {
    let place = Place::new();
    place.installed();
    let run = place.run(&["hist", "web"]);
    let heading: Vec<&str> = run
        .stdout
        .lines()
        .next()
        .expect("a heading")
        .split('\t')
        .map(str::trim)
        .collect();
    assert_eq!(
        heading,
        [
            "REVISION",
            "UPDATED",
            "STATUS",
            "CHART",
            "APP VERSION",
            "VERDICT",
            "AUC",
            "P99",
            "DESCRIPTION"
        ]
    );
    assert!(
        run.stdout.contains("0.9500") && run.stdout.contains("1.50 ms"),
        "{run:#?}"
    );
    let logs = place.run(&["history", "web", "--revision", "1"]);
    assert!(logs.stdout.contains("judging the model"), "{logs:#?}");
}

#[test]
fn history_shows_what_was_rolled_back_to_in_a_column_when_asked() {
    let place = Place::new();
    place.installed();
    let upgrade = place.run(&["upgrade", "web", "chart", "--no-hooks"]);
    assert_eq!(upgrade.code, 0, "{upgrade:#?}");
    place.run(&["rollback", "web", "1"]);
    let rows = |flags: &[&str]| -> Vec<Vec<String>> {
        let run = place.run(&[&["history", "web"], flags].concat());
        let cells = |line: &str| {
            line.split('\t')
                .map(|cell| cell.trim().to_owned())
                .collect()
        };
        run.stdout.lines().map(cells).collect()
    };
    let plain = rows(&[]);
    assert!(!plain[0].contains(&"ROLLBACK".to_owned()), "{plain:?}");
    let shown = rows(&["--show-rollback-revision"]);
    // As in Helm 4, behind the columns that were there before it.
    let column: Vec<&str> = shown.iter().map(|row| row[5].as_str()).collect();
    assert_eq!(column, ["ROLLBACK", "", "", "1"]);
    let json = place.run(&["history", "web", "-o", "json"]).json();
    assert_eq!(json[2]["rollback_revision"], 1, "{json}");
    assert_eq!(json[1].get("rollback_revision"), None, "{json}");
}

#[test]
fn flags_that_change_nothing_here_are_taken_for_helms_sake() {
    let place = Place::new();
    place.installed();
    let status = place.run(&["status", "web"]);
    assert!(
        status.stdout.contains("DESCRIPTION: Install complete\n"),
        "{status:#?}"
    );
    let described = place.run(&["status", "web", "--show-desc"]);
    assert_eq!(described.stdout, status.stdout);
    let cached = place.run(&["status", "web", "--content-cache", "elsewhere"]);
    assert_eq!(cached.stdout, status.stdout);
    let tested = place.run(&["test", "web", "--hide-notes"]);
    assert_eq!(tested.code, 0, "{tested:#?}");
    assert!(!tested.stdout.contains("NOTES:"), "{tested:#?}");
    assert_eq!(place.run(&["test", "web"]).stdout, tested.stdout);
}

#[test]
fn notes_are_hidden_when_asked_and_kept_all_the_same() {
    let place = Place::new();
    let install = |flags: &[&str]| {
        let command = ["upgrade", "--install", "web", "chart", "--no-hooks"];
        place.run(&[&command[..], flags].concat())
    };
    let hidden = install(&["--hide-notes"]);
    assert_eq!(hidden.code, 0, "{hidden:#?}");
    assert!(!hidden.stdout.contains("NOTES:"), "{hidden:#?}");
    let notes = "NOTES:\nDeployed web.\n";
    assert!(place.run(&["status", "web"]).stdout.contains(notes));
    assert!(install(&[]).stdout.contains(notes));
}

#[test]
fn status_prints_the_verdict_and_yaml_has_the_same_fields_as_json() {
    let place = Place::new();
    place.installed();
    let table = place.run(&["status", "web"]);
    assert!(table.stdout.contains("VERDICT: PASS"), "{table:#?}");
    let json = place.run(&["status", "web", "-o", "json"]).json();
    assert_eq!(json["verdict"]["checks"][0]["metric"], "auc");
    assert_eq!(json["name"], "web");
    let yaml = place.run(&["status", "web", "-o", "yaml"]);
    assert!(yaml.stdout.contains("schema_version: 1"), "{yaml:#?}");
}

#[test]
fn get_prints_each_part() {
    let place = Place::new();
    let gate = format!("local/gate={}", place.gate("pass", 0.95, 0));
    let run = place.run(&[
        "install",
        "web",
        "chart",
        "--set",
        "message=given",
        "--labels",
        "team=risk",
        "--hook-command",
        &gate,
    ]);
    assert_eq!(run.code, 0, "{run:#?}");
    let values = place.run(&["get", "values", "web"]);
    assert_eq!(values.stdout, "USER-SUPPLIED VALUES:\nmessage: given\n");
    let all = place
        .run(&["get", "values", "web", "--all", "-o", "json"])
        .json();
    assert_eq!(
        all,
        serde_json::json!({"message": "given", "gate": "./gate"})
    );
    assert!(
        place
            .run(&["get", "manifest", "web"])
            .stdout
            .starts_with("---\n# Source: web/templates/app.yaml\n")
    );
    assert!(
        place
            .run(&["get", "hooks", "web"])
            .stdout
            .contains("kind: Job")
    );
    assert_eq!(
        place.run(&["get", "notes", "web"]).stdout.trim(),
        "NOTES:\nDeployed web."
    );
    let metadata = place.run(&["get", "metadata", "web", "-o", "json"]).json();
    assert_eq!(
        (metadata["chart"].as_str(), metadata["appVersion"].as_str()),
        (Some("web"), Some("4.5"))
    );
    assert_eq!(metadata["labels"]["team"], "risk");
    let everything = place.run(&["get", "all", "web"]).stdout;
    for words in [
        "CHART: web",
        "USER-SUPPLIED VALUES:",
        "COMPUTED VALUES:",
        "HOOKS:",
        "MANIFEST:",
        "NOTES:",
    ] {
        assert!(everything.contains(words), "`{words}`: {everything}");
    }
}

#[test]
fn get_all_and_version_print_what_a_go_template_makes_of_them() {
    let place = Place::new();
    place.installed();
    let template = "{{.Release.Name}} {{.Release.Info.Status}} {{.Release.Chart.Metadata.Version}}";
    let run = place.run(&["get", "all", "web", "--template", template]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "web deployed 1.2.3"));
    let none = place.run(&["get", "all", "web", "--template", ""]).stdout;
    assert!(none.starts_with("NAME: web\n"), "{none}");
    let wrong = place.run(&["get", "all", "web", "--template", "{{.Release.Nope}}"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (2, ""), "{wrong:#?}");
    assert!(
        wrong
            .stderr
            .contains("can't evaluate field Nope in type interface {}"),
        "{wrong:#?}"
    );
    let version = |flags: &[&str]| place.run_with(&[&["version"], flags].concat(), &[]).stdout;
    let number = version(&["--short"]);
    assert_eq!(
        version(&["-c", "--template", "Version: {{.Version}}\n"]),
        format!("Version: {number}")
    );
}

#[test]
fn status_shows_the_objects_as_they_are_now_when_asked() {
    let place = Place::new();
    place.installed();
    let plain = place.run(&["status", "web"]);
    assert!(!plain.stdout.contains("RESOURCES:"), "{plain:#?}");
    let shown = place.run(&["status", "web", "--show-resources"]);
    let resources = "RESOURCES:\n==> v1/ConfigMap\nNAME\n";
    assert!(shown.stdout.contains(resources), "{shown:#?}");
    let json = place
        .run(&["status", "web", "--show-resources", "-o", "json"])
        .json();
    let objects = &json["info"]["resources"]["v1/ConfigMap"];
    assert_eq!(objects[0]["data"]["message"], "hello", "{json}");
}

#[test]
fn template_renders_without_any_target() {
    let place = Place::new();
    let run = place.run_with(&["template", "web", "chart", "--set", "message=x"], &[]);
    assert_eq!(run.code, 0, "{run:#?}");
    assert!(
        run.stdout.contains("message: \"x\"") && run.stdout.contains("kind: Job"),
        "{run:#?}"
    );
    let only = place.run_with(
        &["template", "chart", "--show-only", "templates/app.yaml"],
        &[],
    );
    assert!(
        only.stdout.contains("kind: ConfigMap") && !only.stdout.contains("kind: Job"),
        "{only:#?}"
    );
    assert!(only.stdout.contains("name: release-name"), "{only:#?}");
}

#[test]
fn every_help_has_examples_and_ends_well() {
    let place = Place::new();
    for command in [
        "install",
        "upgrade",
        "rollback",
        "uninstall",
        "history",
        "status",
        "list",
        "get",
        "template",
        "completion",
        "version",
        "recover",
    ] {
        let run = place.run_with(&[command, "--help"], &[]);
        assert_eq!(run.code, 0, "{run:#?}");
        assert!(run.stdout.contains("Examples:\n  "), "{command}: {run:#?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let run = place.run_with(&["completion", shell], &[]);
        assert!(run.stdout.contains("deployer") && run.code == 0, "{shell}");
        let bare = place.run_with(&["completion", shell, "--no-descriptions"], &[]);
        let purpose = "Upgrade a release to a chart";
        assert!(bare.stdout.contains("rollback") && !bare.stdout.contains(purpose));
        assert_eq!(run.stdout.contains(purpose), shell != "bash", "{shell}");
    }
    assert!(
        place
            .run_with(&["version"], &[])
            .stdout
            .starts_with("deployer v")
    );
}

#[test]
fn recover_says_that_nothing_is_needed() {
    let place = Place::new();
    place.installed();
    let run = place.run(&["recover", "web"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "release `web` needs nothing\n"),
        "{run:#?}"
    );
}

#[test]
fn output_is_coloured_only_when_asked() {
    let place = Place::new();
    place.installed();
    assert!(!place.run(&["list"]).stdout.contains('\u{1b}'));
    assert!(
        place
            .run(&["list", "--color", "always"])
            .stdout
            .contains('\u{1b}')
    );
}
