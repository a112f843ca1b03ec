//! `promote` on folders: the good model that goes on, and each place where a bad one is stopped.

use serde_json::Value;

use crate::harness::{Place, Run};

const FILE: &str = r#"
apiVersion: deployer/v1
kind: Environments
environments:
  dev: {target: "dir:deployed/dev", namespace: team-dev}
  staging: {target: "dir:deployed/staging", namespace: team-staging}
  prod: {target: "dir:deployed/prod", namespace: team-prod, demands: {promotion: true, gate: true}}
promotion: [dev, staging, prod]
releases:
  web:
    chart: ./chart
    set: {message: same}
    environments:
      prod: {set: {message: prod}}
    promoted_values: [image.**]
"#;

/// The chart of the harness, with an image, and a model that the gate is told.
fn place() -> Place {
    let place = Place::new();
    place.write("deployer.yaml", FILE);
    place.write(
        "chart/values.yaml",
        "message: hello\ngate: ./gate\nimage: {tag: v1}\n",
    );
    place.write("chart/values.schema.json", "{\"type\": \"object\"}");
    let app = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  message: {{ .Values.message | quote }}\n  image: {{ .Values.image.tag | quote }}\n";
    place.write("chart/templates/app.yaml", app);
    place
}

fn run(place: &Place, gate: &str, arguments: &[&str]) -> Run {
    let command = format!("local/gate={gate}");
    let mut all = arguments.to_vec();
    all.extend(["--hook-command", &command]);
    place.run(&all)
}

fn promote(place: &Place, gate: &str, to: &str, more: &[&str]) -> Run {
    let mut arguments = vec!["promote", "web", "--to", to];
    arguments.extend(more);
    run(place, gate, &arguments)
}

/// A gate whose verdict is of now, on the model that the chart names.
fn fresh(place: &Place, outcome: &str, code: u8, model: &str) -> String {
    let path = place.gate(outcome, 0.95, code);
    let text = std::fs::read_to_string(&path).expect("the gate");
    let text = text
        .replace(
            "2026-01-01T00:00:00Z",
            "'\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"'",
        )
        .replace("aaaabbbbccccdddd", model);
    std::fs::write(&path, text).expect("the gate");
    path
}

fn deployed(place: &Place, environment: &str) -> String {
    let path =
        format!("deployed/{environment}/team-{environment}/web/manifests/configmap-web.yaml");
    std::fs::read_to_string(place.path(&path)).unwrap_or_default()
}

fn unmet(run: &Run) -> Vec<String> {
    let json: Value =
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:#?}"));
    let conditions = json["conditions"].as_array().expect("conditions");
    conditions
        .iter()
        .filter(|condition| condition["met"] == false)
        .map(|condition| condition["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn a_good_model_goes_from_dev_to_prod_with_its_image_and_is_kept_there() {
    let place = place();
    let gate = fresh(&place, "pass", 0, "ab12");
    let applied = run(
        &place,
        &gate,
        &["apply", "--env", "dev", "--set", "image.tag=v2"],
    );
    assert_eq!(applied.code, 0, "{applied:?}");
    // What was tried by hand is not what the files say: dev drifts until they do.
    let early = promote(&place, &gate, "staging", &["-o", "json"]);
    assert_eq!(
        (early.code, unmet(&early)),
        (1, vec!["drift".to_owned()]),
        "{early:?}"
    );
    place.write(
        "deployer.yaml",
        &FILE.replace(
            "set: {message: same}",
            "set: {message: same, image.tag: v2}",
        ),
    );

    let looked = promote(&place, &gate, "staging", &["--dry-run"]);
    assert_eq!(looked.code, 0, "{looked:?}");
    for words in [
        "✓ staging comes after dev",
        "✓ dev does not drift",
        "image.tag=v2",
        "PLAN: install `web`",
        "create     ConfigMap `web`",
    ] {
        assert!(looked.stdout.contains(words), "{words}: {looked:?}");
    }
    assert_eq!(deployed(&place, "staging"), "");
    for (to, message) in [("staging", "same"), ("prod", "prod")] {
        let done = promote(&place, &gate, to, &["-o", "json"]);
        assert_eq!(done.code, 0, "{done:?}");
        let text = deployed(&place, to);
        assert!(
            text.contains("image: v2") && text.contains(&format!("message: {message}")),
            "{text}"
        );
    }
    let status = place.run(&["status", "web", "--env", "prod"]);
    assert!(
        status
            .stdout
            .contains("PROMOTED: from staging (revision 1 in namespace team-staging)"),
        "{status:?}"
    );
    let row = place
        .run(&["history", "web", "--env", "prod", "-o", "json"])
        .json()[0]
        .clone();
    assert_eq!(
        row["provenance"]["promotion"]["model_sha256"], "ab12",
        "{row}"
    );
    assert!(
        row["description"]
            .as_str()
            .is_some_and(|text| text.starts_with("Promoted from staging")),
        "{row}"
    );

    // The files of prod do not name the image, and neither a rollback nor drift loses it.
    let drift = place.run(&["drift", "--env", "prod", "--exit-code"]);
    assert_eq!(drift.code, 0, "{drift:?}");
    let again = promote(&place, &gate, "prod", &[]);
    assert_eq!(again.code, 0, "{again:?}");
    place.run(&["rollback", "web", "1", "--env", "prod"]);
    let drift = place.run(&["drift", "--env", "prod", "--exit-code"]);
    assert_eq!(drift.code, 0, "{drift:?}");
}

#[test]
fn a_bad_candidate_is_stopped_at_each_place_and_changes_nothing() {
    let place = place();
    let gate = fresh(&place, "pass", 0, "ab12");
    let refused = |run: &Run, code: i32, names: &[&str]| {
        assert_eq!(
            (run.code, unmet(run)),
            (code, names.iter().map(|name| (*name).to_owned()).collect()),
            "{run:?}"
        );
        assert!(run.stderr.contains("nothing was changed"), "{run:?}");
        assert_eq!(deployed(&place, "prod"), "");
    };
    // Nothing there; the wrong order.
    refused(
        &promote(&place, &gate, "prod", &["-o", "json"]),
        1,
        &["deployed"],
    );
    run(&place, &gate, &["apply", "--env", "staging"]);
    refused(
        &promote(&place, &gate, "prod", &["--from", "dev", "-o", "json"]),
        1,
        &["order", "deployed"],
    );
    // No verdict: somebody went past the gate.
    place.run(&["apply", "--env", "staging", "--no-hooks"]);
    refused(
        &promote(&place, &gate, "prod", &["-o", "json"]),
        3,
        &["verdict"],
    );
    run(&place, &gate, &["apply", "--env", "staging"]);
    // Too old.
    let stale = promote(&place, &gate, "prod", &["--max-age", "0s", "-o", "json"]);
    refused(&stale, 1, &["age"]);
    // A chart that moved on since.
    let app = place.path("chart/templates/app.yaml");
    let text = std::fs::read_to_string(&app).expect("a template");
    place.write("chart/templates/app.yaml", &format!("{text}  new: \"1\"\n"));
    refused(
        &promote(&place, &gate, "prod", &["-o", "json"]),
        1,
        &["drift", "chart"],
    );
    place.write("chart/templates/app.yaml", &text);
    // Another model or dataset than the file wants.
    let pinned = format!(
        "releases:\n  web:\n    chart: ./chart\n    set: {{message: same}}\n    environments:\n      staging: {{verdict: {{model_sha256: {}, dataset_digest: \"sha256:{}\"}}}}\n",
        "c".repeat(64),
        "d".repeat(64)
    );
    let file = FILE
        .split("releases:")
        .next()
        .unwrap_or_default()
        .to_owned()
        + &pinned;
    place.write("deployer.yaml", &file);
    refused(
        &promote(&place, &gate, "prod", &["-o", "json"]),
        1,
        &["model", "dataset"],
    );
    place.write("deployer.yaml", FILE);
    // A hand edit.
    let manifest = "deployed/staging/team-staging/web/manifests/configmap-web.yaml";
    let good = std::fs::read_to_string(place.path(manifest)).expect("a manifest");
    place.write(manifest, &good.replace("same", "by hand"));
    refused(
        &promote(&place, &gate, "prod", &["-o", "json"]),
        1,
        &["drift"],
    );
    place.write(manifest, &good);

    // Prod's own gate: it refuses, it cannot judge, or it judges another model.
    let fails = fresh(&place, "fail", 1, "ab12");
    let run = promote(&place, &fails, "prod", &[]);
    run.fails_with(3, &["rejected by hook"]);
    let other = fresh(&place, "pass", 0, "ffff");
    let run = promote(&place, &other, "prod", &[]);
    run.fails_with(3, &["the gate judged model sha256:ffff", "sha256:ab12"]);
    assert_eq!(deployed(&place, "prod"), "");

    // And no way around: prod takes promotions alone.
    let around = place.run(&["apply", "--env", "prod"]);
    around.fails_with(2, &["by `deployer promote`, and no other way"]);
}
