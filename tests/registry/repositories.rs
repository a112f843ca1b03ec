//! Chart repositories: one list and one cache for us and for Helm, and the same outputs.

use std::fs;

use anyhow::{Result, ensure};
use harness::chart_server::{ChartServer, PASSWORD, USER};
use harness::cluster::Helm;

use crate::home::Home;

/// Runs the same command as Helm and demands the same of stdout.
fn same_output(home: &Home, helm: Helm, arguments: &str) -> Result<()> {
    let Some(theirs) = home.helm(helm, arguments)? else {
        return Ok(());
    };
    let theirs = theirs.expect(0)?;
    let ours = home.run(arguments)?;
    ensure!(
        ours.stdout == theirs.stdout,
        "`{arguments}` differs\n{}\n{}",
        ours.describe(),
        theirs.describe()
    );
    Ok(())
}

/// Leaves out the moments, which differ from run to run.
fn without_times(text: &str) -> String {
    let timed = ["generated", "created"];
    text.lines()
        .filter(|line| {
            !timed
                .iter()
                .any(|word| line.trim().trim_matches('"').starts_with(word))
        })
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn an_index_is_helms_byte_for_byte_but_for_the_moments() -> Result<()> {
    for flags in [
        "",
        "--url https://charts.example.com/ml",
        "--json",
        "--merge old.yaml",
    ] {
        let home = Home::new()?;
        for folder in ["ours", "theirs"] {
            home.pack_all(folder)?;
            home.pack(&format!("{folder}/more"), "db", "2.0.0")?;
            fs::write(home.path(&format!("{folder}/none.tgz")), "no archive")?;
        }
        home.pack("old", "web", "0.0.9")?;
        home.run("repo index old --url https://old.example.com")?;
        fs::rename(home.path("old/index.yaml"), home.path("old.yaml"))?;
        home.run(&format!("repo index ours {flags}"))?;
        let Some(helm) = home.helm(Helm::V3, &format!("repo index theirs {flags}"))? else {
            return Ok(());
        };
        helm.expect(0)?;
        let (ours, theirs) = (
            home.read("ours/index.yaml")?,
            home.read("theirs/index.yaml")?,
        );
        ensure!(
            without_times(&ours) == without_times(&theirs),
            "{flags}:\n{ours}\n{theirs}"
        );
        ensure!(ours.lines().count() == theirs.lines().count());
    }
    Ok(())
}

#[test]
fn repositories_are_shared_with_helm_and_searched_alike() -> Result<()> {
    let home = Home::new()?;
    home.pack_all("dist")?;
    home.pack("dist", "database-with-a-long-name", "3.0.0")?;
    home.run("repo index dist")?;
    let server = ChartServer::start(&home.path("dist"))?;
    let url = server.url("");
    let added = home.run(&format!("repo add ours {url}"))?;
    ensure!(added.stdout == "\"ours\" has been added to your repositories\n");
    let again = home.run(&format!("repo add ours {url}"))?;
    ensure!(again.stdout == "\"ours\" already exists with the same configuration, skipping\n");
    home.fails(&format!("repo add ours {url}/"))?
        .says(&["already exists"])?;
    for helm in Helm::ALL {
        let alone = Home::new()?;
        let Some(add) = alone.helm(helm, &format!("repo add ours {url}"))? else {
            continue;
        };
        add.expect(0)?;
        for file in [
            "config/repositories.yaml",
            "cache/repository/ours-index.yaml",
            "cache/repository/ours-charts.txt",
        ] {
            let mut theirs: Vec<String> = alone.read(file)?.lines().map(str::to_owned).collect();
            let mut ours: Vec<String> = home.read(file)?.lines().map(str::to_owned).collect();
            if file.ends_with(".txt") {
                // Helm writes the names in no order.
                theirs.sort();
                ours.sort();
            }
            ensure!(ours == theirs, "{file}");
        }
        for arguments in [
            "repo list",
            "repo list -o json",
            "repo list -o yaml",
            "search repo",
            "search repo web -l",
            "search repo WEB --devel",
            "search repo web --version <1 -l",
            "search repo web -o json",
            "search repo web -l -o yaml",
            "search repo server --max-col-width 12",
            "search repo --max-col-width 0",
            "search repo -r w.b$",
            r"search repo -r \Qweb\E\z",
            "search repo nothing-like-it",
        ] {
            same_output(&home, helm, arguments)?;
        }
        if helm == Helm::V4 {
            same_output(&home, helm, "repo list --no-headers")?;
        }
        let Some(add) = home.helm(helm, &format!("repo add {} {url}", helm.name()))? else {
            continue;
        };
        add.expect(0)?;
        let listed = home.run("repo list")?;
        ensure!(listed.stdout.contains(helm.name()), "{}", listed.describe());
        home.run(&format!("repo remove {}", helm.name()))?;
    }
    let updated = home.run("repo update")?;
    ensure!(
        updated.stdout
            == "Hang tight while we grab the latest from your chart repositories...\n...Successfully got an update from the \"ours\" chart repository\nUpdate Complete. ⎈Happy Helming!⎈\n"
    );
    home.fails("search repo nothing-like-it --fail-on-no-result")?
        .says(&["no results found"])?;
    home.fails("repo update nix")?
        .says(&["no repositories found matching 'nix'"])?;
    let removed = home.run("repo remove ours")?;
    ensure!(removed.stdout == "\"ours\" has been removed from your repositories\n");
    ensure!(
        !home
            .names("cache/repository")?
            .iter()
            .any(|name| name.starts_with("ours-"))
    );
    for (arguments, said) in [
        ("repo remove ours", "no repositories configured"),
        ("repo update", "You must add one before updating"),
        ("repo list", "no repositories to show"),
        ("search repo", "no repositories configured"),
    ] {
        home.fails(arguments)?.says(&[said])?;
    }
    Ok(())
}

#[test]
fn every_command_takes_a_chart_from_a_repository() -> Result<()> {
    let home = Home::new()?;
    let archives = home.pack_all("dist")?;
    home.run("repo index dist")?;
    let server = ChartServer::start(&home.path("dist"))?;
    let url = server.url("");
    home.run(&format!("repo add ours {url}"))?;
    for (chart, version) in [
        ("ours/web".to_owned(), "1.0.0+b1"),
        ("ours/web --version ^0".to_owned(), "0.2.0"),
        ("ours/web --devel".to_owned(), "1.1.0-rc.1"),
        (format!("web --repo {url} --version 0.1.0"), "0.1.0"),
        (format!("{url}/web-0.2.0.tgz"), "0.2.0"),
        (format!("{}/web-0.2.0.tgz", server.url("moved")), "0.2.0"),
    ] {
        let output = home.run(&format!("template {chart}"))?;
        let line = format!("version: \"{version}\"");
        ensure!(
            output.stdout.contains(&line),
            "{chart}: {}",
            output.describe()
        );
    }
    home.run("install web ours/web --version 0.1.0 --target dir:deployed")?;
    home.run(&format!(
        "upgrade web web --repo {url} --target dir:deployed"
    ))?;
    let listed = home.run("list --target dir:deployed")?;
    ensure!(
        listed.stdout.contains("web-1.0.0+b1"),
        "{}",
        listed.describe()
    );
    home.run("pull ours/web --version 0.2.0 -d out")?;
    ensure!(fs::read(home.path("out/web-0.2.0.tgz"))? == fs::read(&archives[1])?);
    for (chart, said) in [
        ("nix/web", "repo nix not found"),
        ("ours/nix", "no chart name found"),
        ("ours/web --version 9", "no chart version found for web-9"),
        ("nix", "REPOSITORY/CHART"),
        ("./nix", "path \"./nix\" not found"),
        (
            "web --repo http://127.0.0.1:1",
            "is not a valid chart repository or cannot be reached",
        ),
    ] {
        home.fails(&format!("template {chart}"))?.says(&[said])?;
    }
    Ok(())
}

#[test]
fn credentials_go_to_their_repository_and_nowhere_else() -> Result<()> {
    let home = Home::new()?;
    home.pack("dist", "web", "0.1.0")?;
    home.run("repo index dist")?;
    let server = ChartServer::start(&home.path("dist"))?;
    let private = server.url("private");
    home.fails(&format!("repo add mine {private}"))?
        .says(&["401"])?;
    let add = format!("repo add mine {private} --username {USER} --password-stdin -vv");
    let added = home
        .deployer(&add)?
        .input(format!("{PASSWORD}\n"))
        .expect(0)?;
    ensure!(
        !added.describe().contains(PASSWORD),
        "the password is shown"
    );
    home.run("pull mine/web -d out")?;
    for helm in Helm::ALL {
        if let Some(pull) = home.helm(helm, "pull mine/web -d out")? {
            pull.expect(0)?;
        }
    }
    // Charts of the same repository on another host are fetched without them.
    home.run(&format!("repo index dist --url {}", server.other_host("")))?;
    home.run("repo update")?;
    for (flags, expected) in [("", false), ("--pass-credentials", true)] {
        let add = format!(
            "repo add mine {private} --username {USER} --password-stdin --force-update {flags}"
        );
        home.deployer(&add)?.input(PASSWORD).expect(0)?;
        server.requests();
        home.run("pull mine/web -d out")?;
        let asked = server.requests();
        ensure!(
            asked.len() == 1 && asked[0].has_credentials == expected,
            "{flags}: {asked:?}"
        );
    }
    Ok(())
}

#[test]
fn values_come_from_an_address_as_with_helm() -> Result<()> {
    let home = Home::new()?;
    fs::create_dir_all(home.path("web/templates"))?;
    fs::write(
        home.path("web/Chart.yaml"),
        "apiVersion: v2\nname: web\nversion: 0.1.0\n",
    )?;
    fs::write(
        home.path("web/templates/t.yaml"),
        "v: {{ .Values | toYaml | nindent 2 }}\n",
    )?;
    fs::create_dir_all(home.path("served"))?;
    fs::write(home.path("served/values.yaml"), "colour: red\nsize: 1\n")?;
    fs::write(home.path("served/motd"), "two\nlines\n")?;
    let server = ChartServer::start(&home.path("served"))?;
    let line = format!(
        "template web web --kube-version=1.34.0 -f {} --set-file motd={} --set size=2",
        server.url("values.yaml"),
        server.url("motd"),
    );
    for helm in [Helm::V3, Helm::V4] {
        same_output(&home, helm, &line)?;
    }
    let output = home.run(&line)?;
    ensure!(
        output.stdout.contains("colour: red"),
        "{}",
        output.describe()
    );
    for (way, said) in [
        ("nowhere", "404 Not Found"),
        ("huge/values.yaml", "holds more than"),
    ] {
        home.fails(&format!("template web web -f {}", server.url(way)))?
            .says(&["failed to fetch", said])?;
        home.fails(&format!("lint web -f {}", server.url(way)))?
            .says(&["failed to fetch", said])?;
    }
    Ok(())
}
