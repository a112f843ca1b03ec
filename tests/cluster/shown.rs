//! `status --show-resources`: what is there, and what is not.

use anyhow::Result;
use harness::cluster::demand;

use crate::room::{self, SERVE, SUCCEED, config_map};

#[test]
fn e2e_status_shows_pods_of_deployments_and_jobs_and_names_what_is_gone() -> Result<()> {
    let Some(room) = room::open("shown")? else {
        return Ok(());
    };
    let objects = [
        config_map("first", "1"),
        config_map("second", "1"),
        room.deployment("web", &SERVE),
        room.job("once", &SUCCEED),
    ];
    room.deploy("install", "web", &objects)?
        .args(["--wait", "--wait-for-jobs", "--timeout=2m"])
        .expect(0)?;
    room.namespace
        .kubectl()
        .args(["delete", "configmap", "first"])
        .expect(0)?;
    let shown = room
        .namespace
        .deployer()?
        .args(["status", "web", "--show-resources"])
        .expect(0)?;
    shown.is_orderly()?;
    let told = "ConfigMap `first` does not exist";
    demand(shown.stderr.contains(told), || shown.describe())?;
    let rows: Vec<Vec<&str>> = shown
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let has = |begin: &[&str]| rows.iter().any(|row| row.starts_with(begin));
    let pod = |name: &str, state: &str| {
        let mut pods = rows.iter().filter(|row| row.len() >= 3);
        pods.any(|row| row[0].starts_with(name) && row[2] == state)
    };
    demand(
        has(&["second", "1"])
            && has(&["web", "1/1", "1", "1"])
            && has(&["once", "Complete", "1/1"])
            && !has(&["first"])
            && pod("web-", "Running")
            && pod("once-", "Completed"),
        || shown.describe(),
    )
}
