//! The dependencies of a chart: the same lock and the same archives as Helm's.

use std::fs;

use anyhow::{Result, ensure};
use harness::chart_server::ChartServer;
use harness::cluster::Helm;
use harness::registry::{Demands, Registry};

use crate::home::Home;
use crate::oci::registry;

/// A repository and a registry with charts, and a home that knows the first.
struct Stage {
    home: Home,
    server: ChartServer,
    registry: Registry,
}

impl Stage {
    fn new() -> Result<Option<Self>> {
        let Some(registry) = registry(Demands::default())? else {
            return Ok(None);
        };
        let home = Home::new()?;
        home.pack_all("dist")?;
        home.run("repo index dist")?;
        home.pack("packed", "db", "2.1.0+x")?;
        home.pack("packed", "db", "2.0.0")?;
        for version in ["2.1.0+x", "2.0.0"] {
            home.run(&format!(
                "push packed/db-{version}.tgz {}",
                registry.url("ml")
            ))?;
        }
        let server = ChartServer::start(&home.path("dist"))?;
        home.run(&format!("repo add ours {}", server.url("")))?;
        Ok(Some(Self {
            home,
            server,
            registry,
        }))
    }

    /// Writes a chart with a dependency of every kind.
    fn chart(&self, name: &str, repository: &str, range: &str, is_v1: bool) -> Result<()> {
        let folder = self.home.path(name);
        fs::create_dir_all(folder.join("charts/vendored"))?;
        fs::write(
            folder.join("charts/vendored/Chart.yaml"),
            "apiVersion: v2\nname: vendored\nversion: 0.1.5\n",
        )?;
        fs::create_dir_all(self.home.path("beside"))?;
        fs::write(
            self.home.path("beside/Chart.yaml"),
            "apiVersion: v2\nname: beside\nversion: 3.1.0\n",
        )?;
        let dependencies = format!(
            "dependencies:\n- {{name: web, version: \"{range}\", repository: \"{repository}\", condition: web.enabled, tags: [a, b], import-values: [data]}}\n- {{name: db, version: \">=2 <3\", repository: \"{}\", alias: store}}\n- {{name: beside, version: \"*\", repository: \"file://../beside\"}}\n- {{name: vendored, version: \">=0.1\"}}\n",
            self.registry.url("ml")
        );
        let head = "name: parent\nversion: 0.1.0\n";
        if is_v1 {
            fs::write(folder.join("Chart.yaml"), format!("apiVersion: v1\n{head}"))?;
            fs::write(folder.join("requirements.yaml"), dependencies)?;
        } else {
            fs::write(
                folder.join("Chart.yaml"),
                format!("apiVersion: v2\n{head}{dependencies}"),
            )?;
        }
        Ok(())
    }

    /// Runs a command on `ours` and, as Helm, on `theirs`; both folders have to end alike.
    fn same(&self, helm: Helm, verb: &str, lock: &str) -> Result<bool> {
        let Some(theirs) = self
            .home
            .helm(helm, &format!("dependency {verb} theirs --plain-http"))?
        else {
            return Ok(false);
        };
        let theirs = theirs.run()?;
        let ours = self
            .home
            .deployer(&format!("dependency {verb} ours"))?
            .run()?;
        let both = format!("{}\n{}", ours.describe(), theirs.describe());
        ensure!(
            (ours.code() == Some(0)) == (theirs.code() == Some(0)),
            "{both}"
        );
        // Helm 4 tells what it pulls between the lines of progress.
        ensure!(helm == Helm::V4 || ours.stdout == theirs.stdout, "{both}");
        if let Some(error) = theirs
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("Error: "))
        {
            ensure!(ours.stderr.contains(&format!("error: {error}")), "{both}");
        }
        let moments = |name: &str| -> String {
            let text = self
                .home
                .read(&format!("{name}/{lock}"))
                .unwrap_or_default();
            text.lines()
                .filter(|line| !line.starts_with("generated:"))
                .collect()
        };
        ensure!(
            moments("ours") == moments("theirs"),
            "{both}\n{}\n{}",
            moments("ours"),
            moments("theirs")
        );
        let names = self.home.names("ours/charts")?;
        ensure!(
            names == self.home.names("theirs/charts")?,
            "{names:?}\n{both}"
        );
        ensure!(
            self.home.names("ours")? == self.home.names("theirs")?,
            "{both}"
        );
        for name in names.iter().filter(|name| name.ends_with(".tgz")) {
            // What is packed from a folder holds the moment of packing in Helm's archives.
            if !name.starts_with("beside-") {
                let read =
                    |folder: &str| fs::read(self.home.path(&format!("{folder}/charts/{name}")));
                ensure!(read("ours")? == read("theirs")?, "{name} differs");
            }
        }
        Ok(true)
    }
}

#[test]
fn update_and_build_leave_what_helm_leaves() -> Result<()> {
    let Some(stage) = Stage::new()? else {
        return Ok(());
    };
    let url = stage.server.url("");
    let slash = format!("{url}/");
    let unmanaged = stage.server.other_host("");
    let unmanaged = unmanaged.trim_end_matches('/');
    for (repository, is_v1) in [
        ("@ours", false),
        ("alias:ours", false),
        (url.as_str(), false),
        (slash.as_str(), true),
        (unmanaged, false),
    ] {
        let lock = if is_v1 {
            "requirements.lock"
        } else {
            "Chart.lock"
        };
        for folder in ["ours", "theirs"] {
            if stage.home.path(folder).exists() {
                fs::remove_dir_all(stage.home.path(folder))?;
            }
            stage.chart(folder, repository, "^0", is_v1)?;
        }
        if !stage.same(Helm::V3, "update", lock)? {
            return Ok(());
        }
        let first = stage.home.read(&format!("ours/{lock}"))?;
        stage.same(Helm::V3, "update", lock)?;
        ensure!(
            stage.home.read(&format!("ours/{lock}"))? == first,
            "an unchanged lock is written"
        );
        fs::remove_file(stage.home.path("ours/charts/web-0.2.0.tgz"))?;
        fs::remove_file(stage.home.path("theirs/charts/web-0.2.0.tgz"))?;
        // Each builds from the lock of the other.
        let theirs = stage.home.read(&format!("theirs/{lock}"))?;
        fs::write(stage.home.path(&format!("theirs/{lock}")), first)?;
        fs::write(stage.home.path(&format!("ours/{lock}")), theirs)?;
        stage.same(Helm::V3, "build", lock)?;
        stage.same(Helm::V4, "build --skip-refresh", lock)?;
        // The range has moved on: the lock is out of step until it is made again.
        for folder in ["ours", "theirs"] {
            stage.chart(folder, repository, "~0.1", is_v1)?;
        }
        stage.same(Helm::V3, "build", lock)?;
        stage.same(Helm::V3, "update", lock)?;
        for range in ["~9", "no range"] {
            for folder in ["ours", "theirs"] {
                stage.chart(folder, repository, range, is_v1)?;
            }
            stage.same(Helm::V3, "update", lock)?;
        }
    }
    Ok(())
}

#[test]
fn an_emptied_list_takes_out_what_it_had_brought() -> Result<()> {
    let Some(stage) = Stage::new()? else {
        return Ok(());
    };
    let (url, lock) = (stage.server.url(""), "Chart.lock");
    for folder in ["ours", "theirs"] {
        stage.chart(folder, &url, "^0", false)?;
    }
    if !stage.same(Helm::V3, "update", lock)? {
        return Ok(());
    }
    let rewrite = |list: &str| -> Result<()> {
        for folder in ["ours", "theirs"] {
            let text = format!("apiVersion: v2\nname: parent\nversion: 0.1.0\n{list}");
            fs::write(stage.home.path(&format!("{folder}/Chart.yaml")), text)?;
        }
        Ok(())
    };
    // Without a list Helm looks at nothing.
    for list in ["", "dependencies:\n", "dependencies: []\n"] {
        rewrite(list)?;
        stage.same(Helm::V3, "update", lock)?;
        stage.same(Helm::V3, "build", lock)?;
    }
    let left = stage.home.names("ours/charts")?;
    ensure!(left == ["vendored"], "{left:?}");
    Ok(())
}

#[test]
fn archives_are_checked_where_they_can_be() -> Result<()> {
    let Some(stage) = Stage::new()? else {
        return Ok(());
    };
    let (url, lock) = (stage.server.url(""), "Chart.lock");
    for folder in ["ours", "theirs"] {
        stage.chart(folder, &url, "^0", false)?;
    }
    // None of the charts is signed: those of the repository and of the registry are told alike.
    stage.same(Helm::V3, "update", lock)?;
    stage.same(Helm::V3, "build --verify", lock)?;
    let built = stage.home.run("dependency build ours --verify")?;
    let warned = built.stdout.matches("WARNING: Verification not found for ");
    ensure!(warned.count() == 2, "{}", built.describe());
    Ok(())
}

#[test]
fn the_listing_is_helms() -> Result<()> {
    let Some(stage) = Stage::new()? else {
        return Ok(());
    };
    let home = &stage.home;
    stage.chart("parent", "@ours", "^0", false)?;
    let same = |arguments: &str| -> Result<()> {
        let Some(theirs) = home.helm(Helm::V3, arguments)? else {
            return Ok(());
        };
        let (ours, theirs) = (home.run(arguments)?, theirs.expect(0)?);
        ensure!(
            ours.stdout == theirs.stdout,
            "{}\n{}",
            ours.describe(),
            theirs.describe()
        );
        Ok(())
    };
    same("dependency list parent")?;
    home.run("dependency update parent")?;
    same("dependency list parent")?;
    same("dep ls parent --max-col-width 10")?;
    same("dependency list beside")?;
    same("dependency list parent/charts/web-0.2.0.tgz")?;
    fs::copy(
        home.path("dist/web-0.1.0.tgz"),
        home.path("parent/charts/web-0.1.0.tgz"),
    )?;
    fs::remove_file(home.path("parent/charts/beside-3.1.0.tgz"))?;
    fs::rename(
        home.path("parent/charts/db-2.1.0+x.tgz"),
        home.path("parent/charts/web-9.tgz"),
    )?;
    fs::create_dir(home.path("parent/charts/empty"))?;
    same("dependency list parent")?;
    Ok(())
}

#[test]
fn a_failed_update_changes_nothing() -> Result<()> {
    let Some(stage) = Stage::new()? else {
        return Ok(());
    };
    let home = &stage.home;
    let broken = stage.server.url("truncated");
    stage.chart("parent", &stage.server.url(""), "^0", false)?;
    home.run("dependency update parent")?;
    let state = || {
        anyhow::Ok((
            home.names("parent")?,
            home.names("parent/charts")?,
            home.read("parent/Chart.lock")?,
        ))
    };
    let before = state()?;
    // The index is whole, its archives are not.
    home.run(&format!("repo index dist --url {broken}"))?;
    stage.chart("parent", &stage.server.url(""), ">=1.0.0", false)?;
    let failed = home.fails("dependency update parent")?;
    failed.says(&["failed to fetch", "web-1.0.0+b1.tgz"])?;
    ensure!(state()? == before, "{:?}", state()?);
    // What came is no chart.
    fs::write(home.path("dist/web-1.0.0+b1.tgz"), [0x1f, 0x8b, 8, 0, 0])?;
    home.run(&format!(
        "repo index dist --merge dist/index.yaml --url {}",
        stage.server.url("")
    ))?;
    let text = home.read("dist/index.yaml")?.replace("/truncated/", "/");
    fs::write(home.path("dist/index.yaml"), text)?;
    home.fails("dependency update parent")?
        .says(&["cannot be loaded"])?;
    ensure!(state()? == before, "{:?}", state()?);
    Ok(())
}

#[test]
fn missing_dependencies_are_fetched_on_demand() -> Result<()> {
    let Some(stage) = Stage::new()? else {
        return Ok(());
    };
    stage.chart("parent", "@ours", "^0", false)?;
    let home = &stage.home;
    home.fails("template parent")?
        .says(&["missing in charts/ directory: web, db, beside"])?;
    let output = home.run("template parent --dependency-update --set web.enabled=true")?;
    ensure!(
        output
            .stdout
            .contains("# Source: parent/charts/web/templates/configmap.yaml"),
        "{}",
        output.describe()
    );
    ensure!(!output.stdout.contains("Saving"), "{}", output.describe());
    ensure!(home.names("parent")?.contains(&"Chart.lock".to_owned()));
    Ok(())
}
