//! The umbrella chart on real pods: one request through all of its components, upgrades that touch
//! what they name and nothing else, and its end.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use harness::cluster::{Helm, demand};
use harness::command::Program;
use harness::features::FeatureStore;
use harness::parquet_files::Table;
use harness::workspace;
use serde_json::{Value, json};

use crate::stage::{self, Stage};

const RELEASE: &str = "team-fraud-stack";
const PASSWORDS: &str = "stack-passwords";
/// What a password may hold that a shell, a YAML file or an address would stumble over.
const PASSWORD: &str = "p a\"s$s:@--#'x";
const ENTITY: &str = "shower-1";

/// A stage with a feature store outside the cluster, and one real row split between the two.
struct Play {
    stage: Stage,
    store: FeatureStore,
    row: Vec<f64>,
    event: Value,
}

impl Play {
    fn set() -> Result<Option<Self>> {
        let Some(stage) = stage::set("stack")? else {
            return Ok(None);
        };
        stage
            .namespace
            .kubectl()
            .args(["create", "secret", "generic", PASSWORDS])
            .arg(format!("--from-literal=redis-password={PASSWORD}"))
            .expect(0)?;
        let store = FeatureStore::start(stage.namespace.cluster().host_address())?;
        let table = Table::validation(1)?;
        let row = table.feature_rows()?.pop().context("no row")?;
        let named: Vec<(String, f64)> = table.features().into_iter().zip(row.clone()).collect();
        let object = |part: &[(String, f64)]| -> Value {
            part.iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect()
        };
        store.put(ENTITY, object(&named[5..]));
        let event = json!({ "entity": ENTITY, "features": object(&named[..5]) });
        Ok(Some(Self {
            stage,
            store,
            row,
            event,
        }))
    }

    /// Adds chart and values of the stack with one of the models.
    fn stack(&self, command: &str, model: &str) -> Result<Program> {
        let chart = workspace::chart("ml-serving-stack");
        let mut program = self
            .stage
            .deployer()?
            .args([command, RELEASE])
            .arg(&chart)
            .args(["--atomic", "--timeout=3m"])
            .arg("--values")
            .arg(chart.join("values-dev.yaml"))
            .arg("--values")
            .arg(chart.join("ci/values-small-node.yaml"))
            .arg(format!(
                "--set=fraud-model.model.path=s3://ml-models/fraud/{model}.pt"
            ))
            .arg("--set=fraud-model.gate.dataset=s3://ml-data/validation/fraud/2026-01/")
            .arg("--set-string=fraud-model.gate.minimumAuc=0.85")
            .arg("--set=fraud-model.gate.extraEnv.VALIDATOR_TIME_BUDGET=3")
            .arg("--set=fraud-model.objectStore.region=us-east-1")
            .arg(format!(
                "--set=fraud-model.objectStore.endpointUrl={}",
                self.stage.server.endpoint_for_pods()
            ))
            .arg("--set=fraud-model.objectStore.credentialsSecret=object-store")
            .arg(format!(
                "--set=feature-store-proxy.upstream={}",
                self.store.url()
            ))
            // Fresh for the whole test: what the store is asked can be counted.
            .arg("--set=feature-store-proxy.cache.ttlSeconds=600");
        for component in ["redis", "resultQueue"] {
            program = program.arg(format!(
                "--set=global.{component}.auth.enabled=true,global.{component}.auth.existingSecret={PASSWORDS}"
            ));
        }
        for (key, image) in [
            ("fraud-model.image", "model-server"),
            ("fraud-model.gate.image", "validator"),
            ("feature-store-proxy.image", "nginx"),
            ("redis.image", "redis"),
            ("preprocessing.image", "preprocessing"),
            ("result-queue.image", "redis"),
            ("metrics-exporter.image", "redis-exporter"),
        ] {
            let (repository, tag) = self.stage.namespace.cluster().image(image)?;
            let (registry, repository) = repository.split_once('/').context("no registry")?;
            program = program.arg(format!(
                "--set=global.imageRegistry={registry},{key}.repository={repository},{key}.tag={tag}"
            ));
        }
        Ok(program)
    }

    fn predict(&self) -> Result<Value> {
        let service = format!("{RELEASE}-preprocessing");
        self.stage
            .namespace
            .ask(&service, "/predict", Some(&self.event))?
            .json()
    }

    /// Asks until the answer is as wanted.
    fn predict_until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        self.stage.namespace.wait_until(what, || {
            let answer = self.predict()?;
            Ok(is_so(&answer).then_some(answer))
        })
    }

    /// Runs Redis's own client in the queue's pod.
    fn queue(&self, command: &[&str]) -> Result<String> {
        let output = self
            .stage
            .namespace
            .kubectl()
            .args([
                "exec",
                &format!("statefulset/{RELEASE}-result-queue"),
                "--",
                "redis-cli",
            ])
            .args(command)
            .expect(0)?;
        Ok(output.stdout)
    }

    /// The UIDs of the stack's pods that are not about to end, by component; gates left out.
    fn pods(&self) -> Result<BTreeMap<String, Vec<String>>> {
        let selector = format!("--selector=app.kubernetes.io/instance={RELEASE}");
        let mut pods: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pod in self.stage.namespace.items(&["pods", &selector])? {
            let name = pod["metadata"]["labels"]["app.kubernetes.io/name"].as_str();
            let name = name.unwrap_or_default().to_owned();
            let is_server = !name.ends_with("-gate") && !name.ends_with("-check");
            if is_server && pod["metadata"]["deletionTimestamp"].is_null() {
                let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
                pods.entry(name).or_default().push(uid.to_owned());
            }
        }
        Ok(pods)
    }

    /// Waits until each component has its one pod.
    fn settled_pods(&self) -> Result<BTreeMap<String, Vec<String>>> {
        self.stage.namespace.wait_until("one pod a component", || {
            let pods = self.pods()?;
            let is_settled = pods.values().all(|uids| uids.len() == 1);
            Ok(is_settled.then_some(pods))
        })
    }
}

/// Returns the value of a metric without its labels.
fn metric(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with([' ', '{']))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn e2e_the_stack_serves_upgrades_one_component_and_leaves_nothing() -> Result<()> {
    let Some(play) = Play::set()? else {
        return Ok(());
    };
    the_api_accepts_every_environment(&play)?;
    play.stack("install", "champion")?.expect(0)?.is_orderly()?;
    let champion = a_request_goes_through_every_component(&play)?;
    helm_asks_the_components(&play)?;
    let before = play.settled_pods()?;
    demand(before.len() == 6, || format!("{before:?}"))?;

    a_new_model_changes_the_model_server_alone(&play, &champion, &before)?;
    a_bad_model_changes_nothing(&play)?;
    monitoring_is_switched_off(&play)?;
    helm_reads_the_release(&play)?;
    nothing_is_left(&play)
}

/// Autoscalers, disruption budgets and network policies, which development does without, are as Kubernetes takes them.
fn the_api_accepts_every_environment(play: &Play) -> Result<()> {
    let chart = workspace::chart("ml-serving-stack");
    for environment in ["dev", "staging", "prod"] {
        let rendered = play
            .stage
            .deployer()?
            .args(["template", RELEASE])
            .arg(&chart)
            .arg("--values")
            .arg(chart.join(format!("values-{environment}.yaml")))
            .arg("--set=metrics-exporter.networkPolicy.enabled=true")
            .expect(0)?;
        let applied = play
            .stage
            .namespace
            .kubectl()
            .args(["apply", "--dry-run=server", "--filename=-"])
            .input(rendered.stdout)
            .expect(0)?;
        demand(applied.stderr.is_empty(), || applied.describe())?;
    }
    Ok(())
}

/// Raw event -> features through nginx -> model -> cache, the second time -> queue -> metrics.
fn a_request_goes_through_every_component(play: &Play) -> Result<Value> {
    let first = play.predict()?;
    let direct = play
        .stage
        .namespace
        .ask(
            &format!("{RELEASE}-fraud-model"),
            "/predict",
            Some(&json!({ "instances": [play.row] })),
        )?
        .json()?;
    demand(
        first["prediction"] == direct["predictions"][0] && first["entity"] == ENTITY,
        || format!("{first}\nbut the model says {direct}"),
    )?;
    let second = play.predict_until("a prediction from the cache", |answer| {
        answer["cache"] == "hit"
    })?;
    demand(second["prediction"] == first["prediction"], || {
        format!("{first}\n{second}")
    })?;

    // One question of the readiness check, one for the entity: the rest came from the proxy.
    let asked = play.store.requests();
    demand(asked == 2, || {
        format!("the feature store was asked {asked} times")
    })?;
    play.store.fail(true);
    play.predict()?;
    play.store.fail(false);

    play.queue(&["XGROUP", "CREATE", "predictions", "readers", "0"])?;
    let read = play.queue(&[
        "--json",
        "XREADGROUP",
        "GROUP",
        "readers",
        "reader-1",
        "COUNT",
        "1",
        "STREAMS",
        "predictions",
        ">",
    ])?;
    let id = first["id"].as_str().context("the answer has no id")?;
    let prediction = first["prediction"].to_string();
    demand(read.contains(id) && read.contains(&prediction), || {
        format!("the queue gives {read}\nthe answer was {first}")
    })?;
    let acknowledged = play.queue(&["XACK", "predictions", "readers", id])?;
    demand(acknowledged.trim() == "1", || acknowledged.clone())?;

    let exporter = format!("{RELEASE}-metrics-exporter");
    let scrape = |service: &str, port: &str| -> Result<String> {
        let output = play.stage.namespace.ask_port(service, port, "/metrics")?;
        Ok(output.stdout)
    };
    let (cache, queue) = (scrape(&exporter, "cache")?, scrape(&exporter, "queue")?);
    let length = play.queue(&["XLEN", "predictions"])?;
    demand(
        metric(&cache, "redis_up") == Some(1.0)
            && metric(&cache, "redis_keyspace_hits_total") >= Some(1.0),
        || cache.clone(),
    )?;
    demand(
        metric(&queue, "redis_up") == Some(1.0)
            && metric(&queue, "redis_stream_length") == length.trim().parse().ok()
            && metric(&queue, "redis_stream_groups") == Some(1.0),
        || format!("length {length}\n{queue}"),
    )?;
    let own = scrape(&format!("{RELEASE}-preprocessing"), "http")?;
    demand(
        metric(&own, "preprocessing_results_published_total") == length.trim().parse().ok()
            // On a busy machine a cache that takes too long is passed by.
            && metric(&own, "preprocessing_cache_hits_total") >= Some(1.0),
        || own.clone(),
    )?;
    let model = scrape(&format!("{RELEASE}-fraud-model"), "http")?;
    // Ours and the direct one: the rest was answered from the cache, but for those before the model was known.
    demand(
        metric(&model, "model_server_rows_total") >= Some(2.0),
        || model.clone(),
    )?;
    Ok(first)
}

fn helm_asks_the_components(play: &Play) -> Result<()> {
    let tested = play
        .stage
        .helm(Helm::V3)?
        .args(["test", RELEASE, "--logs"])
        .expect(0)?;
    for peer in [
        "model server   ok",
        "feature store  ok",
        "cache          ok",
        "result queue   ok",
    ] {
        demand(tested.stdout.contains(peer), || tested.describe())?;
    }
    Ok(())
}

fn a_new_model_changes_the_model_server_alone(
    play: &Play,
    champion: &Value,
    before: &BTreeMap<String, Vec<String>>,
) -> Result<()> {
    // The same image under another name, as a new build would have.
    play.stack("upgrade", "better")?
        .arg("--set=fraud-model.image.tag=dev")
        .expect(0)?
        .is_orderly()?;
    let after = play.settled_pods()?;
    for (component, uids) in before {
        let is_same = after.get(component) == Some(uids);
        demand(is_same == (component != "fraud-model"), || {
            format!("{component}: before {uids:?}, after {after:?}")
        })?;
    }
    let old = &champion["model"]["sha256"];
    let answer = play.predict_until("the new model's answer", |answer| {
        &answer["model"]["sha256"] != old
    })?;
    demand(answer["prediction"] != champion["prediction"], || {
        format!("{champion}\n{answer}")
    })?;
    let deployment = play
        .stage
        .object("deployment", &format!("{RELEASE}-fraud-model"))?;
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    demand(
        image.as_str().is_some_and(|image| image.ends_with(":dev")),
        || image.to_string(),
    )
}

fn a_bad_model_changes_nothing(play: &Play) -> Result<()> {
    let before = play.settled_pods()?;
    let refused = play
        .stack("upgrade", "degraded")?
        .arg("--set=fraud-model.image.tag=dev,redis.maxMemory=24mb")
        .expect(3)?;
    refused
        .is_orderly()?
        .says(&["rejected by hook", "0.85", "revision 2 is still deployed"])?;
    let after = play.settled_pods()?;
    demand(before == after, || {
        format!("before {before:?}\nafter {after:?}")
    })?;
    let config = play
        .stage
        .object("configmap", &format!("{RELEASE}-redis"))?;
    demand(!config.to_string().contains("24mb"), || config.to_string())
}

fn monitoring_is_switched_off(play: &Play) -> Result<()> {
    let mut before = play.settled_pods()?;
    play.stack("upgrade", "better")?
        .arg("--set=fraud-model.image.tag=dev,global.monitoring.enabled=false")
        .expect(0)?;
    before.remove("metrics-exporter");
    let after = play.settled_pods()?;
    demand(before == after, || {
        format!("before {before:?}\nafter {after:?}")
    })?;
    for kind in ["deployment", "service"] {
        let left = play
            .stage
            .namespace
            .get(&[kind, &format!("{RELEASE}-metrics-exporter")])?;
        demand(left.is_none(), || format!("{left:?}"))?;
    }
    Ok(())
}

fn helm_reads_the_release(play: &Play) -> Result<()> {
    for helm in Helm::ALL {
        let history = play
            .stage
            .helm(helm)?
            .args(["history", RELEASE, "--output=json"])
            .expect(0)?
            .json()?;
        let statuses: Vec<&str> = history
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|revision| revision["status"].as_str())
            .collect();
        demand(
            statuses == ["superseded", "superseded", "failed", "deployed"],
            || format!("{helm:?}: {history}"),
        )?;
        let values = play
            .stage
            .helm(helm)?
            .args(["get", "values", RELEASE])
            .expect(0)?;
        demand(
            values.stdout.contains(PASSWORDS) && !values.stdout.contains(PASSWORD),
            || values.describe(),
        )?;
    }
    Ok(())
}

fn nothing_is_left(play: &Play) -> Result<()> {
    play.stage
        .deployer()?
        .args(["uninstall", RELEASE, "--wait"])
        .expect(0)?;
    let selector = format!("--selector=app.kubernetes.io/instance={RELEASE}");
    let kinds =
        "deployments,statefulsets,replicasets,services,configmaps,persistentvolumeclaims,pods";
    play.stage
        .namespace
        .wait_until("nothing of the stack", || {
            let left = play.stage.namespace.items(&[kinds, &selector])?;
            // The gate's last Job and its pod stay for their log, as with Helm.
            let is_gate = |object: &Value| {
                let name = &object["metadata"]["labels"]["app.kubernetes.io/name"];
                name.as_str()
                    .is_some_and(|name| name.ends_with("-gate") || name.ends_with("-check"))
            };
            Ok(left.iter().all(is_gate).then_some(()))
        })?;
    let records = play
        .stage
        .namespace
        .items(&["secrets", "--selector=owner=helm"])?;
    demand(records.is_empty(), || {
        format!("{} records are left", records.len())
    })
}
