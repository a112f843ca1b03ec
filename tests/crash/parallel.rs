//! Many deployers at once: on one release, and each on its own.

use anyhow::Result;
use harness::api_proxy::PlainApi;
use harness::cluster::{Cluster, demand};
use harness::skip;

use crate::scenario::change;
use crate::state::Place;

const RIVALS: usize = 20;
const RELEASES: usize = 50;

#[test]
fn e2e_of_twenty_deployers_one_changes_the_release_and_the_others_say_who() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    let api = PlainApi::start(&cluster)?;
    let namespace = cluster.namespace("rivals")?;
    // The winner waits for a claim that is never bound, as long as the others need to come.
    let rivals: Vec<_> = (0..RIVALS)
        .map(|number| {
            change(namespace.deployer()?, "install", "one", "green")
                .args(["--set=waits=true", "--atomic", "--timeout=45s"])
                .env("USER", format!("rival{number}"))
                .start()
        })
        .collect::<Result<_>>()?;
    let outputs: Vec<_> = rivals
        .into_iter()
        .map(|rival| rival.wait())
        .collect::<Result<_>>()?;
    let (winners, losers): (Vec<_>, Vec<_>) = outputs
        .iter()
        .partition(|output| !output.stderr.contains("another operation"));
    demand(winners.len() == 1, || {
        let all: Vec<_> = winners.iter().map(|winner| winner.describe()).collect();
        format!("{} won:\n{}", winners.len(), all.join("\n"))
    })?;
    demand(winners[0].code() == Some(4), || winners[0].describe())?;
    let mut holders = Vec::new();
    for loser in &losers {
        loser.is_orderly()?;
        demand(loser.code() == Some(1), || loser.describe())?;
        let error = loser
            .stderr
            .lines()
            .find(|line| line.contains("another operation"));
        let holder = error.and_then(|line| Some(line.split_once('`')?.1.split_once('`')?.0));
        holders.extend(holder.map(str::to_owned));
    }
    holders.sort();
    holders.dedup();
    demand(
        holders.len() == 1 && holders[0].starts_with("rival"),
        || format!("the others name {holders:?}"),
    )?;
    let place = Place {
        api: &api,
        namespace: namespace.name(),
        release: "one",
    };
    let broken = place.broken()?;
    demand(broken.is_empty(), || format!("{broken:?}"))?;
    skip::note(&format!(
        "{RIVALS} deployers on one release: 1 went on, {} named `{}`",
        losers.len(),
        holders[0]
    ));
    Ok(())
}

#[test]
fn e2e_fifty_releases_are_installed_and_upgraded_in_parallel() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    let api = PlainApi::start(&cluster)?;
    let namespace = cluster.namespace("many")?;
    for colour in ["green", "blue"] {
        let running: Vec<_> = (0..RELEASES)
            .map(|number| {
                let release = format!("many{number}");
                change(namespace.deployer()?, "upgrade", &release, colour)
                    .args(["--install", "--wait"])
                    .start()
            })
            .collect::<Result<_>>()?;
        for deployer in running {
            let output = deployer.wait()?;
            demand(output.code() == Some(0), || output.describe())?;
        }
    }
    for number in 0..RELEASES {
        let release = format!("many{number}");
        let place = Place {
            api: &api,
            namespace: namespace.name(),
            release: &release,
        };
        let mut broken = place.broken()?;
        if place.live()? != place.expected(Some("blue")) {
            broken.push(format!("live is {:?}", place.live()?));
        }
        demand(broken.is_empty(), || format!("{release}: {broken:?}"))?;
    }
    skip::note(&format!(
        "{RELEASES} releases installed and upgraded in parallel"
    ));
    Ok(())
}
