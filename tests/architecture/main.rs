//! Guards the direction of dependencies that ARCHITECTURE.md states, over `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Which members each member may depend on. Absent here means absent in ARCHITECTURE.md.
const MEMBERS: [(&str, &[&str]); 12] = [
    ("template", &[]),
    ("chart", &["template"]),
    ("verdict", &[]),
    ("attest", &["verdict"]),
    ("config-file", &[]),
    ("validator", &["attest", "config-file", "verdict"]),
    ("model-server", &["validator"]),
    ("preprocessing", &[]),
    (
        "deployer",
        &["attest", "chart", "config-file", "template", "verdict"],
    ),
    ("xtask", &[]),
    ("fuzz", &["chart", "template"]),
    ("e2e", &["deployer", "validator", "verdict"]),
];

/// What the pure crates must stay free of, directly and through others.
const IMPURE: [&str; 8] = [
    "aws-sdk-s3",
    "hyper",
    "kube",
    "mio",
    "reqwest",
    "tch",
    "tokio",
    "torch-sys",
];

/// The packages that a package depends on (development ones left out), by package name.
struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    /// Reads what was built for this platform, so that nothing has to be downloaded.
    fn read() -> Result<Self> {
        let version = String::from_utf8(run("rustc", &["-vV"])?)?;
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("`rustc -vV` names no host")?;
        let json = run(
            env!("CARGO"),
            &[
                "metadata",
                "--format-version=1",
                "--locked",
                "--offline",
                "--filter-platform",
                host,
            ],
        )?;
        let metadata: Value = serde_json::from_slice(&json)?;
        let names: BTreeMap<&str, &str> = list(&metadata["packages"])
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let edges = list(&metadata["resolve"]["nodes"]).map(|node| {
            let needed = list(&node["deps"])
                .filter(|edge| list(&edge["dep_kinds"]).any(|kind| kind["kind"].is_null()))
                .map(|edge| names[text(&edge["pkg"])].to_owned());
            (names[text(&node["id"])].to_owned(), needed.collect())
        });
        Ok(Self(edges.collect()))
    }

    fn direct(&self, package: &str) -> Result<&BTreeSet<String>> {
        self.0
            .get(package)
            .with_context(|| format!("no package `{package}` in the workspace"))
    }

    fn reachable(&self, package: &str) -> Result<BTreeSet<String>> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&String> = self.direct(package)?.iter().collect();
        while let Some(next) = open.pop() {
            if seen.insert(next.clone()) {
                open.extend(self.direct(next)?);
            }
        }
        Ok(seen)
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .with_context(|| format!("running `{program}`"))?;
    ensure!(
        output.status.success(),
        "`{program}` failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn members_depend_on_each_other_in_one_direction() -> Result<()> {
    let graph = Graph::read()?;
    let members: BTreeSet<&str> = MEMBERS.iter().map(|(name, _)| *name).collect();
    for (member, allowed) in MEMBERS {
        for needed in graph.direct(member)? {
            ensure!(
                !members.contains(needed.as_str()) || allowed.contains(&needed.as_str()),
                "`{member}` depends on `{needed}`, which ARCHITECTURE.md does not allow"
            );
        }
    }
    Ok(())
}

#[test]
fn the_pure_crates_reach_no_network_and_no_libtorch() -> Result<()> {
    let graph = Graph::read()?;
    for member in ["template", "chart", "verdict", "attest"] {
        let reachable = graph.reachable(member)?;
        for impure in IMPURE {
            ensure!(
                !reachable.contains(impure),
                "`{member}` reaches `{impure}`, and is to stay pure"
            );
        }
    }
    Ok(())
}

#[test]
fn the_deployer_links_no_libtorch_and_one_tls_stack_serves_all() -> Result<()> {
    let graph = Graph::read()?;
    let deployer = graph.reachable("deployer")?;
    ensure!(!deployer.contains("tch") && !deployer.contains("aws-sdk-s3"));
    for member in ["deployer", "validator", "model-server"] {
        let reachable = graph.reachable(member)?;
        for other in ["aws-lc-rs", "native-tls", "openssl"] {
            ensure!(!reachable.contains(other), "`{member}` reaches `{other}`");
        }
    }
    Ok(())
}
