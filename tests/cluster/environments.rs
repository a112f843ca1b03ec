//! Three environments from one chart: what went wrong in each is found by name, a good model goes
//! from the first to the last, and a bad one is stopped at each place where it can be stopped.
//!
//! Gates run as processes of this machine and workloads have no pods, so that the story plays on a
//! cluster without nodes, too. docs/guides/environments.md tells it with its output.

use anyhow::{Context, Result};
use harness::cluster::{Cluster, Namespace, demand};
use harness::command::{Output, Program};
use harness::{binaries, datasets, workspace};
use serde_json::Value;
use tempfile::TempDir;

const RELEASE: &str = "line";
const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];

/// Three namespaces and the folder with their file.
struct Play {
    cluster: Cluster,
    namespaces: Vec<Namespace>,
    folder: TempDir,
}

impl Play {
    /// Sets the stage, or says aloud that there is no cluster.
    fn set() -> Result<Option<Self>> {
        let Some(cluster) = Cluster::from_environment()? else {
            return Ok(None);
        };
        let namespaces = ENVIRONMENTS
            .iter()
            .map(|name| cluster.namespace(name))
            .collect::<Result<_>>()?;
        let play = Self {
            cluster,
            namespaces,
            folder: tempfile::tempdir()?,
        };
        for model in ["champion", "better", "degraded"] {
            std::fs::copy(datasets::model(model)?, play.model(model))?;
        }
        for (name, key) in [("gate.pem", "ed25519.pem"), ("gate.pub", "ed25519.pub")] {
            let keys = workspace::root().join("crates/attest/tests/keys");
            std::fs::copy(keys.join(key), play.folder.path().join(name))?;
        }
        play.write_file("dev: {set: {exporter.enabled: false}}")?;
        play.write("values.yaml", &play.values("champion")?)?;
        Ok(Some(play))
    }

    fn namespace(&self, environment: &str) -> Result<&Namespace> {
        let index = ENVIRONMENTS.iter().position(|name| *name == environment);
        index
            .and_then(|index| self.namespaces.get(index))
            .with_context(|| format!("no environment {environment}"))
    }

    fn model(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("{name}.pt"))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        std::fs::write(self.folder.path().join(name), text)
            .with_context(|| format!("failed to write `{name}`"))
    }

    /// The values of every environment, as they are committed beside the file.
    fn values(&self, model: &str) -> Result<String> {
        Ok(format!(
            "model: {{path: \"{}\"}}\ngate: {{dataset: \"{}\", signKey: \"file:{}\"}}\n",
            self.model(model).display(),
            datasets::validation()?.display(),
            self.folder.path().join("gate.pem").display()
        ))
    }

    /// Writes deployer.yaml; `own` is what the release has differently in its environments.
    fn write_file(&self, own: &str) -> Result<()> {
        let mut environments = String::new();
        for (name, namespace) in ENVIRONMENTS.iter().zip(&self.namespaces) {
            environments.push_str(&format!(
                "  {name}: {{namespace: {}, hooks: local, timeout: 2m",
                namespace.name()
            ));
            if *name == "prod" {
                environments.push_str(
                    ", demands: {atomic: true, gate: true, promotion: true, no_secret_values: true, signed_verdict: {keys: [gate.pub]}}",
                );
            }
            environments.push_str("}\n");
        }
        let chart = workspace::test_chart("line");
        self.write(
            "deployer.yaml",
            &format!(
                "apiVersion: deployer/v1\nkind: Environments\nenvironments:\n{environments}promotion: [dev, staging, prod]\n\
                 releases:\n  {RELEASE}:\n    chart: {}\n    values: [values.yaml]\n    environments:\n      {}\n      prod: {{set: {{server.memory: 256Mi, gate.minimumAuc: \"0.92\"}}}}\n\
                 allowed_differences:\n  between_environments: [\"resources.**\"]\n",
                chart.display(),
                own.replace('\n', "\n      ")
            ),
        )
    }

    fn deployer(&self, arguments: &[&str]) -> Result<Program> {
        Ok(Program::new(binaries::path("deployer")?)
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .folder(self.folder.path())
            .args(arguments))
    }

    fn run(&self, code: i32, arguments: &[&str]) -> Result<Output> {
        self.deployer(arguments)?.expect(code)
    }

    fn drift(&self) -> Result<Value> {
        self.run(0, &["drift", "--output=json"])?.json()
    }

    fn image(&self, environment: &str) -> Result<String> {
        let found = self
            .namespace(environment)?
            .get(&["deployment", "line-server"])?;
        let deployment = found.with_context(|| format!("no server in {environment}"))?;
        let image = deployment.pointer("/spec/template/spec/containers/0/image");
        Ok(image.and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// Returns the revisions that say how often something was changed.
    fn revisions(&self, environment: &str) -> Result<usize> {
        let selector = format!("--selector=owner=helm,name={RELEASE}");
        Ok(self
            .namespace(environment)?
            .items(&["secrets", &selector])?
            .len())
    }
}

/// Returns the differences of a comparison in one form: where, what, which field.
fn found(drift: &Value, comparison: &str) -> Vec<String> {
    let all = drift["differences"].as_array().cloned().unwrap_or_default();
    let text = |difference: &Value, key: &str| difference[key].as_str().unwrap_or("-").to_owned();
    all.iter()
        .filter(|difference| difference["comparison"] == comparison)
        .map(|difference| {
            let subject = match difference["kind"].as_str() {
                Some(kind) => format!("{kind}/{}", text(difference, "name")),
                None => format!("component/{}", text(difference, "component")),
            };
            format!(
                "{} {subject} {}",
                text(difference, "environment"),
                text(difference, "field")
            )
        })
        .collect()
}

fn state(drift: &Value, component: &str, environment: usize) -> String {
    let rows = drift["components"].as_array().cloned().unwrap_or_default();
    let row = rows.iter().find(|row| row["component"] == component);
    row.and_then(|row| row["cells"][environment]["state"].as_str())
        .unwrap_or("no row")
        .to_owned()
}

fn expect_found(drift: &Value, comparison: &str, expected: &[&str]) -> Result<()> {
    let found = found(drift, comparison);
    demand(found == expected, || {
        format!("{comparison}: {found:?}\n{drift:#}")
    })
}

const IMAGE: &str = "spec.template.spec.containers[name=server].image";

#[test]
fn e2e_incidents_of_three_environments_are_found_by_name_and_only_good_models_reach_prod()
-> Result<()> {
    let Some(play) = Play::set()? else {
        return Ok(());
    };
    a_good_model_goes_from_dev_to_prod(&play)?;
    incidents_are_found_by_name(&play)?;
    a_drifting_staging_promotes_nothing(&play)?;
    a_bad_model_is_stopped_at_each_place(&play)?;
    helm_reads_who_promoted_what(&play)
}

fn a_good_model_goes_from_dev_to_prod(play: &Play) -> Result<()> {
    play.run(0, &["apply", "--env", "dev"])?.is_orderly()?;
    // Staging's gate asks for 0.90 and gets 0.918; prod's asks for 0.92, which only the better model has.
    play.run(0, &["promote", RELEASE, "--to", "staging"])?
        .is_orderly()?;
    let refused = play.run(3, &["promote", RELEASE, "--to", "prod"])?;
    refused.says(&["rejected by hook", "0.92"])?;
    play.write("values.yaml", &play.values("better")?)?;
    play.run(0, &["apply", "--env", "dev"])?;
    for to in ["staging", "prod"] {
        let dry = play.run(0, &["promote", RELEASE, "--to", to, "--dry-run"])?;
        demand(
            dry.stdout.contains("✓") && !dry.stdout.contains("✗"),
            || dry.describe(),
        )?;
        play.run(0, &["promote", RELEASE, "--to", to])?
            .is_orderly()?;
    }
    let drift = play.drift()?;
    for comparison in ["live-against-record", "files-against-record"] {
        expect_found(&drift, comparison, &[])?;
    }
    // Prod has more memory, as it may.
    demand(
        drift["allowed"]
            .as_array()
            .is_some_and(|allowed| allowed.len() == 1),
        || format!("{drift:#}"),
    )
}

/// A mend in staging only, an exporter that dev never had, a hand edit in prod.
fn incidents_are_found_by_name(play: &Play) -> Result<()> {
    play.run(
        0,
        &[
            "apply",
            "--env",
            "staging",
            "--set",
            "server.image.tag=v1.0.1",
        ],
    )?;
    play.namespace("prod")?
        .kubectl()
        .args([
            "set",
            "image",
            "deployment/line-server",
            "server=registry.example.com/ml/model-server:debug",
        ])
        .expect(0)?;
    let drift = play.drift()?;
    expect_found(
        &drift,
        "live-against-record",
        &[&format!("prod Deployment/line-server {IMAGE}")],
    )?;
    expect_found(
        &drift,
        "files-against-record",
        &[&format!("staging Deployment/line-server {IMAGE}")],
    )?;
    expect_found(
        &drift,
        "between-environments",
        &[
            "- component/exporter -",
            &format!("- Deployment/line-server {IMAGE}"),
        ],
    )?;
    let states = (
        state(&drift, "exporter", 0),
        state(&drift, "server", 1),
        state(&drift, "server", 2),
    );
    demand(
        states == ("missing".into(), "behind".into(), "edited".into()),
        || format!("{states:?}\n{drift:#}"),
    )?;
    let table = play.run(10, &["drift", "--exit-code"])?;
    for words in [
        "missing",
        "changed by kubectl-set",
        "record: registry.example.com/ml/model-server:v1.0.0",
    ] {
        demand(table.stdout.contains(words), || {
            format!("no `{words}`\n{}", table.describe())
        })?;
    }
    // Mended the way it should be: in the file, and by taking the edited field over.
    play.write_file("dev: {}")?;
    play.run(0, &["apply", "--env", "dev"])?;
    play.run(0, &["apply", "--env", "staging"])?;
    play.run(1, &["promote", RELEASE, "--to", "prod"])?
        .says(&["conflict with \"kubectl-set\"", "--force-conflicts"])?;
    play.run(
        0,
        &["promote", RELEASE, "--to", "prod", "--force-conflicts"],
    )?;
    let drift = play.drift()?;
    demand(drift["is_drift"] == false, || format!("{drift:#}"))
}

fn a_drifting_staging_promotes_nothing(play: &Play) -> Result<()> {
    let staging = play.namespace("staging")?;
    let scale = |count: &str| {
        staging
            .kubectl()
            .args(["scale", "deployment/line-exporter", count])
            .expect(0)
    };
    let before = play.revisions("prod")?;
    scale("--replicas=1")?;
    let refused = play.run(1, &["promote", RELEASE, "--to", "prod"])?;
    demand(
        refused
            .stdout
            .contains("✗ staging drifts: Deployment line-exporter spec.replicas"),
        || refused.describe(),
    )?;
    scale("--replicas=0")?;
    demand(play.revisions("prod")? == before, || {
        "a refused promotion left a revision".to_owned()
    })
}

fn a_bad_model_is_stopped_at_each_place(play: &Play) -> Result<()> {
    let image = play.image("prod")?;
    // Dev's gate.
    play.write("values.yaml", &play.values("degraded")?)?;
    play.run(3, &["apply", "--env", "dev"])?
        .says(&["rejected by hook"])?;
    // Past the gate in dev: no verdict, no promotion.
    play.run(0, &["apply", "--env", "dev", "--no-hooks"])?;
    let refused = play.run(3, &["promote", RELEASE, "--to", "staging"])?;
    demand(
        refused.stdout.contains("has no verdict: no gate ran"),
        || refused.describe(),
    )?;
    // A good verdict on a file that was replaced since.
    play.write("values.yaml", &play.values("champion")?)?;
    play.run(0, &["apply", "--env", "dev"])?;
    let champion = std::fs::read(play.model("champion"))?;
    std::fs::copy(play.model("degraded"), play.model("champion"))?;
    let refused = play.run(1, &["promote", RELEASE, "--to", "staging"])?;
    demand(
        refused.stdout.contains("✗ the verdict is about model"),
        || refused.describe(),
    )?;
    std::fs::write(play.model("champion"), champion)?;
    // Too old a verdict.
    let refused = play.run(
        1,
        &["promote", RELEASE, "--to", "staging", "--max-age", "0s"],
    )?;
    demand(refused.stdout.contains("at most 0 s is allowed"), || {
        refused.describe()
    })?;
    // Not signed, where prod demands it.
    let unsigned = play.values("champion")?.replace("signKey", "note");
    play.write("values.yaml", &unsigned)?;
    play.run(0, &["apply", "--env", "dev"])?;
    play.run(0, &["promote", RELEASE, "--to", "staging"])?;
    let refused = play.run(1, &["promote", RELEASE, "--to", "prod"])?;
    demand(
        refused.stdout.contains("✗ the verdict is not signed"),
        || refused.describe(),
    )?;
    play.write("values.yaml", &play.values("champion")?)?;
    play.run(0, &["apply", "--env", "dev"])?;
    // Good enough for staging, not for prod's own gate; and around it there is no way.
    play.run(0, &["promote", RELEASE, "--to", "staging"])?;
    let refused = play.run(3, &["promote", RELEASE, "--to", "prod"])?;
    refused.says(&["rejected by hook"])?;
    play.run(2, &["apply", "--env", "prod"])?
        .says(&["by `deployer promote`"])?;
    demand(play.image("prod")? == image, || {
        "prod was changed".to_owned()
    })?;
    let map = play.namespace("prod")?.get(&["configmap", "line-model"])?;
    let path = map.unwrap_or_default()["data"]["path"].to_string();
    demand(path.contains("better.pt"), || format!("prod serves {path}"))
}

fn helm_reads_who_promoted_what(play: &Play) -> Result<()> {
    let helm = play.namespace("prod")?.helm(harness::cluster::Helm::V4)?;
    let history = helm.args(["history", RELEASE]).expect(0)?;
    demand(
        history.stdout.contains("Promoted from staging (revision"),
        || history.describe(),
    )?;
    let rows = play
        .run(0, &["history", RELEASE, "--env", "prod", "-o", "json"])?
        .json()?;
    let row = &rows[0]["provenance"]["promotion"];
    demand(
        row["from"] == "staging"
            && row["signed"] == true
            && row["values"].to_string().contains("better.pt")
            && row["model_sha256"].is_string(),
        || format!("{rows:#}"),
    )
}
