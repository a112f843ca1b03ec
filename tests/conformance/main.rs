//! The same chart through us and through Helm, compared byte for byte.

mod corpus;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use harness::cluster::{Helm, demand};
use harness::command::{Output, Program};
use harness::{binaries, skip, workspace};

mod commands;
mod flags;
mod lint_charts;
mod odd_charts;
mod provenance;
mod recorded;
mod stack;

/// Helm built from source claims an ancient Kubernetes unless told.
const KUBERNETES: &str = "1.34.4";

/// One rendering: a chart with some values files and flags.
struct Case {
    chart: PathBuf,
    values: Vec<PathBuf>,
    flags: Vec<&'static str>,
}

impl Case {
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "team-fraud".to_owned(),
            self.chart.display().to_string(),
            "--namespace=fraud".to_owned(),
            format!("--kube-version={KUBERNETES}"),
        ];
        let values = self
            .values
            .iter()
            .map(|file| format!("--values={}", file.display()));
        arguments.extend(values);
        arguments.extend(self.flags.iter().map(|flag| (*flag).to_owned()));
        arguments
    }

    /// Whether the chart demands values that this case does not give.
    fn needs_values(&self) -> bool {
        let demanding = ["drift-watch", "validation-job"];
        demanding.iter().any(|chart| self.chart.ends_with(chart)) && self.values.is_empty()
    }

    fn render(&self, program: Program) -> Result<Output> {
        program
            .args(self.arguments())
            .time_limit(Duration::from_secs(60))
            .run()
    }
}

/// Every committed chart with each of its overlays, and the switches that change the shape.
fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for chart in charts()? {
        let overlays = overlays(&chart)?;
        let values = std::iter::once(Vec::new()).chain(overlays.into_iter().map(|file| vec![file]));
        cases.extend(values.map(|values| Case {
            chart: chart.clone(),
            values,
            flags: Vec::new(),
        }));
    }
    let fraud_model = workspace::chart("fraud-model");
    for flags in [
        vec!["--set=gate.enabled=false"],
        vec!["--set=fullnameOverride=other,serviceAccount.create=false"],
        vec!["--set-json=gate.extraArgs=[\"--log-format\",\"json\"]"],
        vec!["--set=gate.extraEnv.RUST_LOG=debug,gate.extraEnv.OMP_NUM_THREADS=1"],
        vec!["--set=model.volume.hostPath=/srv/models,objectStore.region=eu-west-1"],
        vec![
            "--set=objectStore.endpointUrl=http://s3.internal:9000,objectStore.credentialsSecret=s3",
        ],
        vec![
            "--set-string=gate.serviceAccount.annotations.eks\\.amazonaws\\.com/role-arn=arn:aws:iam::1:role/gate",
        ],
        vec![
            "--set-json=gate.file={\"checks\":[{\"metric\":\"f1\",\"at\":0.75,\"min\":0.6},{\"metric\":\"auc\",\"min\":0.85,\"slice\":{\"by\":\"country\"}}]}",
        ],
        vec!["--is-upgrade", "--set=redis.enabled=true"],
        vec!["--no-hooks"],
        vec!["--show-only=templates/gate-job.yaml"],
    ] {
        cases.push(Case {
            chart: fraud_model.clone(),
            values: vec![fraud_model.join("ci/values-small-node.yaml")],
            flags,
        });
    }
    let stack = workspace::chart("ml-serving-stack");
    for flags in [
        vec!["--set=global.redis.enabled=false"],
        vec!["--set=global.monitoring.enabled=false,global.resultQueue.enabled=false"],
        vec!["--set=global.featureStoreProxy.enabled=false,global.preprocessing.enabled=false"],
        vec!["--set=global.imageRegistry=127.0.0.1:5000,global.labels.team=fraud"],
        vec!["--set-json=global.imagePullSecrets=[{\"name\":\"registry\"}]"],
        vec![
            "--set=global.redis.auth.enabled=true,global.redis.auth.existingSecret=r,global.redis.auth.secretKey=k",
        ],
        vec!["--set=fraud-model.image.tag=v9,metrics-exporter.serviceMonitor.enabled=true"],
        vec!["--set=fraud-model.fullnameOverride=m,preprocessing.modelServer.url=http://m"],
        vec!["--set=feature-store-proxy.upstream=https://features.example.com/v1/"],
        vec!["--show-only=charts/preprocessing/templates/deployment.yaml"],
    ] {
        cases.push(Case {
            chart: stack.clone(),
            values: vec![stack.join("values-dev.yaml")],
            flags,
        });
    }
    let validation_job = workspace::chart("validation-job");
    for flags in [
        vec![
            "--set-json=gateFile={\"checks\":[{\"metric\":\"auc\",\"min\":0.85,\"slice\":{\"by\":\"country\"}}]}",
        ],
        vec!["--set=signing.secret=gate-key,objectStore.credentialsSecret=s3,shards=2"],
        vec!["--set=serviceAccount.create=false,fullnameOverride=judged,image.tag=v9"],
        vec![
            "--is-upgrade",
            "--set=summaries=s3://runs,extraEnv.VALIDATOR_LABEL=fraud",
        ],
    ] {
        cases.push(Case {
            chart: validation_job.clone(),
            values: vec![validation_job.join("ci/values-example.yaml")],
            flags,
        });
    }
    Ok(cases)
}

fn charts() -> Result<Vec<PathBuf>> {
    let mut charts = vec![
        workspace::test_chart("classic-gate"),
        workspace::test_chart("config-only"),
    ];
    for entry in std::fs::read_dir(workspace::root().join("charts"))? {
        let folder = entry?.path();
        if folder.join("Chart.yaml").is_file() {
            charts.push(folder);
        }
    }
    charts.sort();
    Ok(charts)
}

fn overlays(chart: &Path) -> Result<Vec<PathBuf>> {
    let mut overlays = Vec::new();
    for folder in [chart.to_path_buf(), chart.join("ci")] {
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with("values-") && name.ends_with(".yaml") {
                overlays.push(path);
            }
        }
    }
    overlays.sort();
    Ok(overlays)
}

fn compare_with(helm: Helm) -> Result<()> {
    let Some(program) = helm.program() else {
        return skip::aloud(&format!("E2E_BIN has no `{}`", helm.name()));
    };
    let mut differences = Vec::new();
    for case in cases()? {
        let theirs = case.render(program.clone().arg("template"))?;
        let refused = theirs.code() != Some(0);
        demand(!refused || case.needs_values(), || theirs.describe())?;
        let compat = format!("--compat={}", compat_of(helm));
        let ours =
            case.render(Program::new(binaries::path("deployer")?).args(["template", &compat]))?;
        if refused {
            // Helm's sentence stands in ours, which says more around it.
            let reason = theirs.stderr.lines().next().unwrap_or_default();
            let reason = reason.trim_start_matches("Error: ");
            if ours.code() == Some(0) || !ours.stderr.contains(reason) {
                differences.push(ours.describe());
            }
            continue;
        }
        if ours.code() != Some(0) {
            differences.push(ours.describe());
            continue;
        }
        if ours.stdout != theirs.stdout {
            let line = first_difference(&ours.stdout, &theirs.stdout);
            differences.push(format!("{}\n{line}", ours.command));
        }
    }
    demand(differences.is_empty(), || {
        format!(
            "{} renderings differ:\n{}",
            differences.len(),
            differences.join("\n\n")
        )
    })
}

fn compat_of(helm: Helm) -> &'static str {
    match helm {
        Helm::V3 => "helm3",
        Helm::V4 => "helm4",
    }
}

fn first_difference(ours: &str, theirs: &str) -> String {
    let mut theirs_lines = theirs.lines();
    for (number, our_line) in ours.lines().enumerate() {
        let their_line = theirs_lines.next();
        if their_line != Some(our_line) {
            let number = number + 1;
            return format!("line {number}\n  ours   {our_line:?}\n  theirs {their_line:?}");
        }
    }
    format!("ours ends before {:?}", theirs_lines.next())
}

#[test]
fn charts_render_as_in_helm_3() -> Result<()> {
    compare_with(Helm::V3)
}

#[test]
fn charts_render_as_in_helm_4() -> Result<()> {
    compare_with(Helm::V4)
}

#[test]
fn what_helm_refuses_to_render_we_refuse() -> Result<()> {
    let refused = [
        ("does-not-render", "owner is empty"),
        ("unknown-function", "noSuchFunction"),
        ("invalid-yaml", "YAML parse error"),
        ("endless-include", "endless"),
        ("alias-bomb", "alias"),
    ];
    for (chart, part) in refused {
        let case = Case {
            chart: workspace::test_chart(chart),
            values: Vec::new(),
            flags: Vec::new(),
        };
        let ours = case
            .render(Program::new(binaries::path("deployer")?).arg("template"))
            .with_context(|| format!("chart `{chart}`"))?;
        ours.is_orderly()?.says(&[part])?;
        demand(ours.code() == Some(2), || ours.describe())?;
        demand(ours.stdout.is_empty(), || ours.describe())?;
        if let Some(helm) = Helm::V3.program() {
            let theirs = case.render(helm.arg("template"))?;
            demand(theirs.code() != Some(0), || theirs.describe())?;
        }
    }
    Ok(())
}

#[test]
fn the_packaged_schema_refuses_unknown_and_senseless_values() -> Result<()> {
    for (flag, part) in [
        ("--set=gate.minimumauc=0.9", "minimumauc"),
        ("--set-string=gate.minimumAuc=nan", "minimumAuc"),
        ("--set=gate.maximumP99LatencyMs=0", "maximumP99LatencyMs"),
        ("--set=replicaCount=two", "replicaCount"),
        ("--set=modle.path=/models/model.pt", "modle"),
    ] {
        refuse("fraud-model", flag, &[part, "schema"])?;
    }
    Ok(())
}

/// Demands that a chart is refused with a flag, by us and by Helm.
fn refuse(chart: &str, flag: &'static str, parts: &[&str]) -> Result<()> {
    let case = Case {
        chart: workspace::chart(chart),
        values: Vec::new(),
        flags: vec![flag],
    };
    let ours = case.render(Program::new(binaries::path("deployer")?).arg("template"))?;
    ours.is_orderly()?.says(parts)?;
    demand(ours.code() == Some(2), || ours.describe())?;
    if let Some(helm) = Helm::V3.program() {
        let theirs = case.render(helm.arg("template"))?;
        demand(theirs.code() != Some(0), || theirs.describe())?;
    }
    Ok(())
}
