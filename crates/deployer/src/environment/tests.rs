use std::path::Path;

use serde_json::json;

use super::*;
use crate::release::Namespace;

const WHOLE: &str = r#"
apiVersion: deployer/v1
kind: Environments
environments:
  dev: {target: "dir:deployed/dev", namespace: fraud-dev, create_namespace: true}
  staging:
    context: staging
    namespace: fraud-staging
    timeout: 5m
    set: {image.pullPolicy: Always}
  prod:
    context: "${PROD_CONTEXT:-prod}"
    kubeconfig: prod.kubeconfig
    namespace: fraud
    demands:
      atomic: true
      timeout_max: 10m
      gate: true
      signed_verdict: {keys: [keys/gate.pub]}
      no_secret_values: true
      promotion: true
promotion: [dev, staging, prod]
releases:
  fraud-model:
    chart: oci://registry.example.com/ml/fraud-model
    version: 1.4.3
    values: [values.yaml]
    set: {gate: {minimumAuc: "0.90"}}
    environments:
      dev: {chart: ./charts/fraud-model}
      staging: {values: [values-staging.yaml], set: {gate.minimumAuc: "0.91"}}
      prod:
        digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        verdict: {age_max: 7d}
  exporter:
    chart: ./charts/metrics-exporter
    environments: {dev: {absent: true}}
allowed_differences:
  between_environments: [spec.replicas, "resources.**", "Ingress:host"]
"#;

fn parsed(text: &str) -> Result<Environments, EnvironmentError> {
    Environments::parse(Path::new("repo/deployer.yaml"), text, &|_| None)
}

#[test]
fn a_release_in_an_environment_has_the_values_of_all_levels() {
    let file = parsed(WHOLE).expect("a file");
    assert_eq!(file.names(), ["dev", "staging", "prod"]);
    assert_eq!(file.before("prod"), Some("staging"));
    assert_eq!(file.before("dev"), None);

    let staging = file
        .resolve("fraud-model", "staging")
        .expect("known")
        .expect("there");
    assert_eq!(staging.chart, "oci://registry.example.com/ml/fraud-model");
    assert_eq!(staging.version.as_deref(), Some("1.4.3"));
    assert_eq!(
        staging.values,
        ["repo/values.yaml", "repo/values-staging.yaml"].map(std::path::PathBuf::from)
    );
    assert_eq!(
        json!(staging.set),
        json!({"gate": {"minimumAuc": "0.91"}, "image": {"pullPolicy": "Always"}})
    );
    assert_eq!(
        staging.rules.timeout,
        Some(std::time::Duration::from_secs(300))
    );

    let prod = file
        .resolve("fraud-model", "prod")
        .expect("known")
        .expect("there");
    assert!(
        prod.chart
            .ends_with(&format!("fraud-model@sha256:{}", "a".repeat(64)))
    );
    assert_eq!(prod.rules.verdict_keys, ["file:repo/keys/gate.pub"]);
    assert_eq!(
        prod.place,
        Place {
            environment: "prod".into(),
            target: PlaceTarget::Kube {
                kubeconfig: Some("repo/prod.kubeconfig".into()),
                context: Some("prod".into()),
            },
            namespace: Namespace::new("fraud").expect("a name"),
        }
    );

    let dev = file
        .resolve("fraud-model", "dev")
        .expect("known")
        .expect("there");
    assert_eq!(dev.chart, "repo/./charts/fraud-model");
    assert_eq!(
        dev.place.target,
        PlaceTarget::Directory("repo/deployed/dev".into())
    );
    assert_eq!(file.resolve("exporter", "dev").expect("known"), None);
}

/// Replaces one piece of the whole file.
fn with(from: &str, to: &str) -> String {
    assert!(WHOLE.contains(from), "{from}");
    WHOLE.replacen(from, to, 1)
}

#[test]
fn what_makes_no_sense_is_refused_with_its_key_and_what_was_meant() {
    for (text, key, hint) in [
        (
            with("create_namespace", "create_namespaces"),
            "environments.dev",
            "`create_namespace`",
        ),
        (
            with("timeout_max", "timeout-max"),
            "environments.prod.demands",
            "`timeout_max`",
        ),
        (
            with("namespace: fraud-dev", "namespace: Fraud"),
            "environments.dev.namespace",
            "",
        ),
        (
            with("dir:deployed/dev", "folder:x"),
            "environments.dev.target",
            "",
        ),
        (
            with("timeout: 5m", "timeout: 5"),
            "environments.staging.timeout",
            "",
        ),
        (
            with("[dev, staging, prod]", "[dev, stagin, prod]"),
            "promotion[1]",
            "`staging`",
        ),
        (
            with("[dev, staging, prod]", "[dev, dev, prod]"),
            "promotion[1]",
            "",
        ),
        (
            with("[dev, staging, prod]", "[prod, dev]"),
            "environments.prod.demands.promotion",
            "",
        ),
        (
            with("dev: {absent: true}", "dve: {absent: true}"),
            "releases.exporter.environments.dve",
            "`dev`",
        ),
        (
            with("sha256:aaaa", "sha256:zzzz"),
            "releases.fraud-model.environments.prod.digest",
            "",
        ),
        (with("age_max: 7d", "age_max: week"), "verdict.age_max", ""),
        (
            with("keys: [keys/gate.pub]", "keys: []"),
            "signed_verdict.keys",
            "",
        ),
        (
            with("\"Ingress:host\"", "\"a[]\""),
            "allowed_differences.between_environments[2]",
            "",
        ),
        (
            with("kind: Environments", "kind: Environment"),
            "kind",
            "`Environments`",
        ),
    ] {
        let error = parsed(&text).expect_err(key);
        assert!(error.to_string().contains(key), "{error}, not {key}");
        let hints = error.hints().join(" ");
        assert!(hints.contains(hint), "{key}: {hints}");
    }
}

#[test]
fn a_name_that_is_not_there_is_answered_with_the_closest() {
    let file = parsed(WHOLE).expect("a file");
    let error = file.place("prd").expect_err("unknown");
    assert_eq!(error.hints(), ["did you mean `prod`?"]);
    let error = file.resolve("fraud-modle", "dev").expect_err("unknown");
    assert_eq!(error.hints(), ["did you mean `fraud-model`?"]);
}

/// Reads the file as an editor does, which knows the schema alone.
fn schema_takes(text: &str) -> bool {
    let value = crate::plan::read_yaml(text).expect("YAML");
    let validator = jsonschema::validator_for(&schema()).expect("a schema");
    validator.is_valid(&value)
}

#[test]
fn the_schema_takes_and_refuses_what_the_parser_does() {
    assert!(schema_takes(WHOLE));
    for (from, to) in [
        ("create_namespace", "create_namespaces"),
        ("timeout_max", "timeout-max"),
        ("kind: Environments", "kind: Environment"),
        ("promotion: [dev, staging, prod]", "promotion: dev"),
        (
            "chart: ./charts/metrics-exporter",
            "charts: ./charts/metrics-exporter",
        ),
        ("absent: true", "absent: 1"),
    ] {
        let text = with(from, to);
        assert!(!schema_takes(&text), "{to}");
        assert!(parsed(&text).is_err(), "{to}");
    }
}

#[test]
fn the_published_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deployer.schema.json");
    let current = serde_json::to_string_pretty(&schema()).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).expect("written");
    }
    let published = std::fs::read_to_string(&path).expect("docs/deployer.schema.json");
    assert!(
        published == current,
        "docs/deployer.schema.json is not current; write `deployer init --schema` to it"
    );
}
