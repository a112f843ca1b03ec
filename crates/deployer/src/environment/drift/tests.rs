use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::*;
use crate::environment::file::AllowedPart;
use crate::plan::{ManifestObject, RandomParts, read_manifest};
use crate::release::{Namespace, Revision, Status};

fn day(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(day * 86_400, 0).expect("a moment")
}

/// The stack: a server and, unless told otherwise, an exporter as a subchart.
fn stack(environment: &str, image: &str, exporter: bool) -> String {
    let mut text = format!(
        "---\n# Source: stack/charts/server/templates/deployment.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: server\n  namespace: fraud-{environment}\nspec:\n  replicas: 1\n  template:\n    spec:\n      containers:\n      - name: app\n        image: \"r/server:{image}\"\n        env:\n        - {{name: REDIS, value: redis.fraud-{environment}.svc}}\n        - {{name: STAGE, value: {environment}}}\n"
    );
    if exporter {
        text.push_str("---\n# Source: stack/charts/exporter/templates/service.yaml\napiVersion: v1\nkind: Service\nmetadata: {name: exporter}\nspec: {ports: [{port: 9121}]}\n");
    }
    text
}

fn objects(manifest: &str) -> Vec<ManifestObject> {
    read_manifest(manifest).expect("a manifest")
}

/// An environment whose files, record and live objects agree; `history` is oldest first.
fn environment(name: &str, history: &[(i64, String)]) -> EnvironmentState {
    let history: Vec<Recorded> = history
        .iter()
        .enumerate()
        .map(|(index, (at, manifest))| Recorded {
            revision: Revision(u32::try_from(index).expect("few") + 1),
            at: Some(day(*at)),
            manifest: manifest.clone(),
        })
        .collect();
    let record = objects(&history.last().expect("a revision").manifest);
    let live = record
        .iter()
        .map(|object| (object.id.clone(), object.value.clone()));
    EnvironmentState {
        name: name.to_owned(),
        target: "cluster".to_owned(),
        namespace: Namespace::new(format!("fraud-{name}")).expect("a name"),
        releases: Ok(vec![ReleaseState {
            name: "stack".to_owned(),
            desired: Desired::Objects(record.clone()),
            random: RandomParts::default(),
            deployed: history.last().cloned(),
            live: live.map(|(id, live)| (id, live.into())).collect(),
            record,
            last: None,
            history,
        }]),
    }
}

fn release(environment: &mut EnvironmentState) -> &mut ReleaseState {
    &mut environment.releases.as_mut().expect("reachable")[0]
}

fn three() -> [EnvironmentState; 3] {
    ["dev", "staging", "prod"].map(|name| environment(name, &[(1, stack(name, "v1", true))]))
}

fn run(environments: &[EnvironmentState]) -> Drift {
    compare(environments, &AllowedPart::default(), day(20))
}

fn cells(drift: &Drift, component: &str) -> Vec<CellState> {
    let row = drift
        .components
        .iter()
        .find(|row| row.component.as_deref() == Some(component));
    row.expect("a row")
        .cells
        .iter()
        .map(|cell| cell.state)
        .collect()
}

#[test]
fn environments_that_differ_in_their_names_alone_do_not_drift() {
    let drift = run(&three());
    assert!(!drift.is_drift(), "{:#?}", drift.differences);
    assert_eq!(cells(&drift, "server"), [CellState::Same; 3]);
}

#[test]
fn a_word_that_is_a_namespace_somewhere_and_written_alike_everywhere_does_not_differ() {
    let all = ["dev", "prod"].map(|name| {
        let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: model}\ndata: {path: s3://models/fraud/m.pt}\n";
        let mut environment = environment(name, &[(1, manifest.to_owned())]);
        if name == "prod" {
            environment.namespace = Namespace::new("fraud").expect("a name");
        }
        environment
    });
    let drift = run(&all);
    assert!(!drift.is_drift(), "{:#?}", drift.differences);
}

#[test]
fn a_mend_in_staging_alone_is_found_with_its_age() {
    let mut all = three();
    all[1] = environment(
        "staging",
        &[
            (1, stack("staging", "v1", true)),
            (9, stack("staging", "v1.1", true)),
        ],
    );
    let drift = run(&all);
    let [found] = drift.differences.as_slice() else {
        panic!("{:#?}", drift.differences);
    };
    assert_eq!(found.comparison, View::BetweenEnvironments);
    assert_eq!(found.subject(), "Deployment server");
    assert_eq!(
        found.field.as_deref(),
        Some("spec.template.spec.containers[name=app].image")
    );
    assert_eq!(found.concerns(), ["staging"]);
    assert_eq!(found.changed_in.as_deref(), Some("staging"));
    assert_eq!(
        (found.since, found.revision),
        (Some(day(9)), Some(Revision(2)))
    );
    assert_eq!(
        cells(&drift, "server"),
        [CellState::Same, CellState::Differs, CellState::Same]
    );
}

#[test]
fn a_component_that_was_never_added_in_one_environment_is_one_difference() {
    let mut all = three();
    all[0] = environment("dev", &[(1, stack("dev", "v1", false))]);
    all[1] = environment(
        "staging",
        &[
            (1, stack("staging", "v1", false)),
            (5, stack("staging", "v1", true)),
        ],
    );
    all[2] = environment("prod", &[(2, stack("prod", "v1", true))]);
    let drift = run(&all);
    let [found] = drift.differences.as_slice() else {
        panic!("{:#?}", drift.differences);
    };
    assert_eq!(found.subject(), "component exporter");
    assert_eq!(found.concerns(), ["dev"]);
    assert_eq!(found.since, Some(day(2)), "prod had it first");
    assert_eq!(
        cells(&drift, "exporter"),
        [CellState::Missing, CellState::Same, CellState::Same]
    );
    let allowed = AllowedPart {
        between_environments: vec!["component/exporter:**".into()],
        ..AllowedPart::default()
    };
    let drift = compare(&all, &allowed, day(20));
    assert_eq!((drift.differences.len(), drift.allowed.len()), (0, 1));
    assert_eq!(cells(&drift, "exporter")[0], CellState::Absent);
}

/// A live object with a field that a manager set.
fn edited(object: &ManifestObject, value: Value, manager: &str, fields: Value) -> Value {
    let mut live = object.value.clone();
    live["spec"]["template"]["spec"]["containers"][0]["image"] = value;
    live["metadata"]["managedFields"] = json!([
        {"manager": "helm", "operation": "Apply", "time": "1970-01-02T00:00:00Z",
         "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": manager, "operation": "Update", "time": "1970-01-11T00:00:00Z", "fieldsV1": fields},
    ]);
    live
}

#[test]
fn a_hand_edit_is_found_with_who_and_when() {
    let mut all = three();
    let prod = release(&mut all[2]);
    let object = prod.record[0].clone();
    let fields = json!({"f:spec": {"f:template": {"f:spec": {"f:containers":
        {"k:{\"name\":\"app\"}": {"f:image": {}}}}}}});
    let live = edited(&object, json!("r/server:debug"), "kubectl-edit", fields);
    prod.live.insert(object.id.clone(), live.into());
    let drift = run(&all);
    let [found] = drift.differences.as_slice() else {
        panic!("{:#?}", drift.differences);
    };
    assert_eq!(found.comparison, View::LiveAgainstRecord);
    assert_eq!(found.environment.as_deref(), Some("prod"));
    assert_eq!(found.changed_by.as_deref(), Some("kubectl-edit"));
    assert_eq!(found.since, Some(day(10)));
    assert_eq!(cells(&drift, "server")[2], CellState::Edited);
    let shown = serde_json::to_value(&found.values[1].1).expect("JSON");
    assert_eq!(shown, "r/server:debug");
}

#[test]
fn what_the_server_an_autoscaler_or_a_controller_sets_is_no_drift() {
    let mut all = three();
    let prod = release(&mut all[2]);
    let object = prod.record[0].clone();
    let mut live = object.value.clone();
    live["spec"]["replicas"] = json!(7);
    live["spec"]["progressDeadlineSeconds"] = json!(600);
    live["metadata"]["uid"] = json!("1-2-3");
    live["status"] = json!({"replicas": 7});
    live["metadata"]["managedFields"] = json!([
        {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale",
         "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
    prod.live.insert(object.id.clone(), live.into());
    let drift = run(&all);
    assert!(!drift.is_drift(), "{:#?}", drift.differences);
}

#[test]
fn what_was_deleted_by_hand_and_what_was_not_deployed_are_told_apart() {
    let mut all = three();
    let exporter = release(&mut all[0]).record[1].id.clone();
    release(&mut all[0]).live.remove(&exporter);
    release(&mut all[1]).desired = Desired::Objects(objects(&stack("staging", "v2", true)));
    let drift = run(&all);
    let text: Vec<String> = drift
        .differences
        .iter()
        .map(|found| {
            format!(
                "{:?} {} {}",
                found.comparison,
                found.environment.as_deref().unwrap_or("-"),
                found.subject()
            )
        })
        .collect();
    assert_eq!(
        text,
        [
            "LiveAgainstRecord dev Service exporter",
            "FilesAgainstRecord staging Deployment server"
        ]
    );
    assert_eq!(cells(&drift, "exporter")[0], CellState::Edited);
    assert_eq!(cells(&drift, "server")[1], CellState::Behind);
    assert_eq!(drift.of("stack", "staging").count(), 1);
}

#[test]
fn an_environment_that_cannot_be_asked_is_a_row_and_hides_nothing_of_the_others() {
    let mut all = three();
    all[1].releases = Err("connection refused".to_owned());
    all[2] = environment("prod", &[(1, stack("prod", "v2", true))]);
    let drift = run(&all);
    assert!(drift.is_drift());
    assert_eq!(
        drift.environments[1].unreachable.as_deref(),
        Some("connection refused")
    );
    assert_eq!(cells(&drift, "server")[1], CellState::Unreachable);
    assert_eq!(drift.differences.len(), 1, "{:#?}", drift.differences);
}

#[test]
fn a_release_that_is_not_there_is_missing_and_one_that_is_half_done_a_problem() {
    let mut all = three();
    let dev = release(&mut all[0]);
    dev.deployed = None;
    dev.record = Vec::new();
    dev.history = Vec::new();
    dev.live = HashMap::new();
    dev.last = Some((Revision(1), Status::PendingInstall));
    let drift = run(&all);
    assert_eq!(cells(&drift, "server")[0], CellState::Missing);
    assert!(
        drift.environments[0].problems[0].contains("pending-install"),
        "{:?}",
        drift.environments[0]
    );
}

#[test]
fn secrets_are_not_shown() {
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{password: {value}}}\n"
        )
    };
    let all = [
        environment("dev", &[(1, secret("hunter2"))]),
        environment("prod", &[(1, secret("hunter3"))]),
    ];
    let drift = run(&all);
    let text = serde_json::to_string(&drift).expect("JSON");
    assert_eq!(drift.differences.len(), 1, "{text}");
    assert!(
        !text.contains("hunter") && !text.contains("aHVudGVy"),
        "{text}"
    );
}
