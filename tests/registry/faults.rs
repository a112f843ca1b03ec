//! Servers that fail: each way is a clear error, and leaves nothing half-written behind.

use std::fs;

use anyhow::{Result, ensure};
use harness::chart_server::ChartServer;
use harness::registry::Demands;

use crate::home::Home;
use crate::oci::{digest, registry};

#[test]
fn a_repository_that_fails_is_not_added_and_the_old_index_stays() -> Result<()> {
    let home = Home::new()?;
    home.pack_all("dist")?;
    home.run("repo index dist")?;
    let server = ChartServer::start(&home.path("dist"))?;
    for (way, said) in [
        ("truncated", "failed to fetch"),
        ("broken", "500 Internal Server Error"),
        ("huge", "holds more than"),
        ("private", "401 Unauthorized"),
        ("nowhere", "404 Not Found"),
    ] {
        let output = home.fails(&format!("repo add bad {}", server.url(way)))?;
        output.says(&["is not a valid chart repository or cannot be reached", said])?;
    }
    ensure!(!home.path("config/repositories.yaml").exists());
    ensure!(home.names("cache/repository")?.is_empty());
    home.run(&format!("repo add gzip {}", server.url("gzip")))?;
    home.run(&format!("repo add moved {}", server.url("moved")))?;
    ensure!(home.read("cache/repository/gzip-index.yaml")? == home.read("dist/index.yaml")?);
    let before = home.read("cache/repository/moved-index.yaml")?;
    for text in [
        "<html>maintenance</html>",
        "",
        "entries: {}\n",
        "apiVersion: v1\nentries: {web: 1}\n",
    ] {
        fs::write(home.path("dist/index.yaml"), text)?;
        let output = home.run("repo update moved")?;
        ensure!(
            output
                .stdout
                .contains("...Unable to get an update from the \"moved\""),
            "{}",
            output.describe()
        );
        home.fails("repo update moved --fail-on-repo-update-fail")?
            .says(&["Failed to update the following repositories"])?;
        ensure!(
            home.read("cache/repository/moved-index.yaml")? == before,
            "{text}"
        );
    }
    drop(server);
    let output = home.run("repo update")?;
    ensure!(
        output.stdout.contains("onnection refused"),
        "{}",
        output.describe()
    );
    home.run("search repo web")?;
    Ok(())
}

#[test]
fn bad_entries_of_an_index_are_passed_over_aloud() -> Result<()> {
    let home = Home::new()?;
    home.pack("dist", "web", "0.1.0")?;
    home.run("repo index dist")?;
    let text = home.read("dist/index.yaml")?.replace(
        "  web:\n",
        "  web:\n  - null\n  - {name: web, version: not.one}\n  - {version: 1.0.0}\n",
    );
    fs::write(home.path("dist/index.yaml"), text)?;
    let server = ChartServer::start(&home.path("dist"))?;
    let added = home.run(&format!("repo add ours {}", server.url("")))?;
    added.says(&[
        "empty entry",
        "chart.metadata.version \"not.one\" is invalid",
        "chart.metadata.name is required",
    ])?;
    home.run("pull ours/web -d out")?;
    Ok(())
}

#[test]
fn an_archive_that_does_not_come_whole_is_not_kept() -> Result<()> {
    let home = Home::new()?;
    home.pack("dist", "web", "0.1.0")?;
    fs::write(
        home.path("dist/page-1.0.0.tgz"),
        "<html>log in first</html>",
    )?;
    let server = ChartServer::start(&home.path("dist"))?;
    for (path, said) in [
        ("truncated/web-0.1.0.tgz", "failed to fetch"),
        ("huge/web-0.1.0.tgz", "holds more than"),
        ("broken/web-0.1.0.tgz", "500 Internal Server Error"),
        ("nix-0.1.0.tgz", "404 Not Found"),
        ("private/web-0.1.0.tgz", "401 Unauthorized"),
        ("page-1.0.0.tgz", "is not a chart archive"),
    ] {
        for command in ["pull -d out", "pull -d out --untar", "template"] {
            let output = home.fails(&format!("{command} {}", server.url(path)))?;
            output.says(&[said])?;
            ensure!(
                home.names("out")?.is_empty(),
                "{command} {path}: {:?}",
                home.names("out")?
            );
            ensure!(
                home.names("cache/repository")?.is_empty(),
                "{command} {path}"
            );
        }
    }
    // It is an archive and no chart: the passing place where it was unpacked is nobody's affair.
    fs::write(home.path("dist/odd-1.0.0.tgz"), [0x1f, 0x8b, 8, 0, 0])?;
    let url = server.url("odd-1.0.0.tgz");
    let output = home.fails(&format!("pull {url} -d out --untar"))?;
    output.says(&[&format!("`{url}` is not a chart")])?;
    ensure!(!output.stderr.contains("/tmp/."), "{}", output.describe());
    ensure!(home.names("out")?.is_empty());
    Ok(())
}

#[test]
fn a_registry_that_sends_other_bytes_or_nothing_is_told() -> Result<()> {
    let Some(registry) = registry(Demands::default())? else {
        return Ok(());
    };
    let home = Home::new()?;
    let archive = home.pack("dist", "web", "0.1.0")?;
    let pushed = home.run(&format!("push dist/web-0.1.0.tgz {}", registry.url("ml")))?;
    let pull = format!("pull {} --version 0.1.0 -d out", registry.url("ml/web"));
    home.run(&format!("{pull}/good"))?;
    let sum = harness::registry::sha256(&fs::read(&archive)?);
    registry.spoil(&sum)?;
    home.fails(&pull)?.says(&["does not have its digest"])?;
    home.fails(&format!("{pull} --untar"))?
        .says(&["does not have its digest"])?;
    registry.spoil(&sum)?;
    registry.spoil(&digest(&pushed)?)?;
    home.fails(&pull)?;
    ensure!(home.names("out")? == ["good"]);
    let host = registry.host().to_owned();
    drop(registry);
    home.fails(&pull)?
        .says(&["failed to fetch oci://", "Connection refused"])?;
    home.fails(&format!("push dist/web-0.1.0.tgz oci://{host}/ml"))?
        .says(&["Connection refused"])?;
    home.deployer(&format!("registry login {host} -u ci --password-stdin"))?
        .input("word")
        .run()?
        .says(&["Connection refused"])?;
    ensure!(home.names("config")?.is_empty());
    Ok(())
}

#[test]
fn a_server_that_is_no_registry_is_told() -> Result<()> {
    let home = Home::new()?;
    home.pack("dist", "web", "0.1.0")?;
    let server = ChartServer::start(&home.path("dist"))?;
    let host = server.url("").replace("http://", "");
    for command in ["pull", "template"] {
        let output = home.fails(&format!("{command} oci://{host}/ml/web --version 0.1.0"))?;
        output.says(&["not found"])?;
    }
    home.fails(&format!("push dist/web-0.1.0.tgz oci://{host}/ml"))?;
    home.deployer(&format!("registry login {host} -u ci --password-stdin"))?
        .input("word")
        .run()?
        .says(&["404"])?;
    ensure!(home.names("config")?.is_empty());
    Ok(())
}
