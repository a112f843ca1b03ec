//! Charts in a registry: what we push Helm pulls, byte for byte, and the other way round.

use anyhow::{Context, Result, ensure};
use harness::chart_server::ChartServer;
use harness::cluster::Helm;
use harness::command::Output;
use harness::registry::{Demands, Registry};
use harness::{skip, workspace};

use crate::home::Home;

/// Starts a registry, or says aloud that there is none.
pub(crate) fn registry(demands: Demands<'_>) -> Result<Option<Registry>> {
    let registry = Registry::start(demands)?;
    if registry.is_none() {
        skip::aloud("docker-registry is not installed")?;
    }
    Ok(registry)
}

/// Returns the digest that push and pull tell; Helm 4 tells it on stdout.
pub(crate) fn digest(output: &Output) -> Result<String> {
    let mut lines = output.stderr.lines().chain(output.stdout.lines());
    let line = lines.find_map(|line| line.strip_prefix("Digest: "));
    Ok(line.with_context(|| output.describe())?.to_owned())
}

#[test]
fn what_one_pushes_the_other_pulls_and_all_give_it_the_same_digest() -> Result<()> {
    let Some(registry) = registry(Demands::default())? else {
        return Ok(());
    };
    let home = Home::new()?;
    for archive in home.pack_all("dist")? {
        let name = archive
            .file_name()
            .context("a name")?
            .to_string_lossy()
            .into_owned();
        let pushed = home.run(&format!("push dist/{name} {}", registry.url("ours")))?;
        ensure!(pushed.stdout.is_empty(), "{}", pushed.describe());
        let version = name.trim_start_matches("web-").trim_end_matches(".tgz");
        let tag = version.replace('+', "_");
        pushed.says(&[&format!("Pushed: {}/ours/web:{tag}\n", registry.host())])?;
        let before = std::fs::read(&archive)?;
        for helm in Helm::ALL {
            let folder = helm.name();
            let push = format!("push dist/{name} {} --plain-http", registry.url(folder));
            let Some(push) = home.helm(helm, &push)? else {
                continue;
            };
            ensure!(
                digest(&push.expect(0)?)? == digest(&pushed)?,
                "{name}: another digest"
            );
            let theirs = format!("{}/web", registry.url("ours"));
            let pull = format!("pull {theirs} --version {version} --plain-http -d by-{folder}");
            std::fs::create_dir_all(home.path(&format!("by-{folder}")))?;
            let Some(pull) = home.helm(helm, &pull)? else {
                continue;
            };
            pull.expect(0)?;
            ensure!(std::fs::read(home.path(&format!("by-{folder}/{name}")))? == before);
            let ours = format!("{}/web", registry.url(folder));
            let pulled = home.run(&format!(
                "pull {ours} --version {version} -d ours-of-{folder}"
            ))?;
            ensure!(digest(&pulled)? == digest(&pushed)?);
            ensure!(std::fs::read(home.path(&format!("ours-of-{folder}/{name}")))? == before);
        }
    }
    Ok(())
}

#[test]
fn a_range_takes_the_newest_tag_and_a_digest_the_chart_itself() -> Result<()> {
    let Some(registry) = registry(Demands::default())? else {
        return Ok(());
    };
    let home = Home::new()?;
    let mut digests = Vec::new();
    for archive in home.pack_all("dist")? {
        let push = format!("push {} {}", archive.display(), registry.url("ml"));
        digests.push(digest(&home.run(&push)?)?);
    }
    let chart = registry.url("ml/web");
    for (flags, expected) in [
        ("", "1.0.0+b1"),
        ("--version <1", "0.2.0"),
        ("--version ~0.1", "0.1.0"),
        ("--version 0.1.0", "0.1.0"),
        ("--devel", "1.1.0-rc.1"),
    ] {
        let output = home.run(&format!("template {chart} {flags}"))?;
        let line = format!("version: \"{expected}\"");
        ensure!(
            output.stdout.contains(&line),
            "{flags}: {}",
            output.describe()
        );
    }
    let tagged = home.run(&format!("template {chart}:0.2.0"))?;
    ensure!(tagged.stdout.contains("\"0.2.0\""), "{}", tagged.describe());
    let pinned = home.run(&format!("template {chart}@{}", digests[0]))?;
    ensure!(pinned.stdout.contains("\"0.1.0\""), "{}", pinned.describe());
    for (arguments, said) in [
        (
            format!("{chart}@{} --version 0.2.0", digests[0]),
            "digest mismatch",
        ),
        (
            format!("{chart}:0.2.0 --version 0.1.0"),
            "0.1.0 is not 0.2.0",
        ),
        (format!("{chart} --version ^7"), "^7"),
        (format!("{chart} --version 7.0.0"), "not found"),
        (registry.url("ml/nix"), "not found"),
        (registry.url(""), "names no repository"),
    ] {
        home.fails(&format!("template {arguments}"))?
            .says(&[said])?;
    }
    Ok(())
}

#[test]
fn a_chart_is_unpacked_whole_and_over_nothing() -> Result<()> {
    let Some(registry) = registry(Demands::default())? else {
        return Ok(());
    };
    let home = Home::new()?;
    home.pack("dist", "web", "0.1.0")?;
    home.run(&format!("push dist/web-0.1.0.tgz {}", registry.url("ml")))?;
    let pull = format!(
        "pull {} --untar -d out --untardir in",
        registry.url("ml/web")
    );
    home.run(&pull)?;
    ensure!(home.names("out/in")? == ["web"]);
    ensure!(home.names("out/in/web")? == ["Chart.yaml", "templates", "values.yaml"]);
    home.fails(&pull)?.says(&["already exists"])?;
    ensure!(home.names("out/in")? == ["web"]);
    for (arguments, said) in [
        (
            "push out/in/web oci://127.0.0.1:1/x",
            "cannot push directory",
        ),
        ("push nix.tgz oci://127.0.0.1:1/x", "nix.tgz: no such file"),
        (
            "push dist/web-0.1.0.tgz 127.0.0.1:1/x",
            "scheme prefix missing",
        ),
        (
            "push dist/web-0.1.0.tgz https://127.0.0.1:1/x",
            "scheme \"https\" not supported",
        ),
    ] {
        home.fails(arguments)?.says(&[said])?;
    }
    Ok(())
}

#[test]
fn a_provenance_travels_with_its_chart() -> Result<()> {
    let Some(registry) = registry(Demands::default())? else {
        return Ok(());
    };
    let home = Home::new()?;
    home.pack("dist", "web", "0.1.0")?;
    // Nobody checks it on this way, so that any text does.
    std::fs::write(
        home.path("dist/web-0.1.0.tgz.prov"),
        "signed, so to speak\n",
    )?;
    let pushed = home.run(&format!("push dist/web-0.1.0.tgz {}", registry.url("ml")))?;
    home.run(&format!("pull {} --prov -d out", registry.url("ml/web")))?;
    ensure!(home.names("out")? == ["web-0.1.0.tgz", "web-0.1.0.tgz.prov"]);
    ensure!(home.read("out/web-0.1.0.tgz.prov")? == "signed, so to speak\n");
    for helm in Helm::ALL {
        let push = format!(
            "push dist/web-0.1.0.tgz {} --plain-http",
            registry.url(helm.name())
        );
        if let Some(push) = home.helm(helm, &push)? {
            ensure!(digest(&push.expect(0)?)? == digest(&pushed)?);
        }
    }
    Ok(())
}

#[test]
fn a_signature_is_checked_wherever_the_chart_comes_from() -> Result<()> {
    let Some(registry) = registry(Demands::default())? else {
        return Ok(());
    };
    let home = Home::new()?;
    let key = |name: &str| {
        let path = workspace::root().join("tests/keys").join(name);
        path.display().to_string()
    };
    home.run("create web")?;
    let package = format!(
        "package web -d dist --sign --keyring {}",
        key("secring.gpg")
    );
    home.deployer(&package)?
        .args(["--key", "Chart Signer"])
        .expect(0)?;
    home.run(&format!("push dist/web-0.1.0.tgz {}", registry.url("ml")))?;
    home.run("repo index dist")?;
    let server = ChartServer::start(&home.path("dist"))?;
    home.run(&format!("repo add ours {}", server.url("")))?;
    for chart in [
        format!("{} --plain-http", registry.url("ml/web")),
        "ours/web".to_owned(),
        server.url("web-0.1.0.tgz"),
    ] {
        let verify = format!("--verify --keyring {}", key("pubring.gpg"));
        let pull = format!("pull {chart} -d out {verify}");
        let pulled = home.run(&pull)?;
        ensure!(
            pulled.stdout.starts_with("Signed by: Chart Signer"),
            "{}",
            pulled.describe()
        );
        if let Some(theirs) = home.helm(Helm::V3, &pull)? {
            ensure!(theirs.expect(0)?.stdout == pulled.stdout, "{chart}");
        }
        home.run(&format!(
            "template {chart} {verify} --set model.path=m,gate.dataset=d"
        ))?;
        let other = format!("--verify --keyring {}", key("other.gpg"));
        home.fails(&format!("pull {chart} -d none {other}"))?;
        ensure!(home.names("none")?.is_empty(), "{chart}");
    }
    let archive = home.pack("dist", "web", "0.2.0")?;
    home.run(&format!(
        "push {} {}",
        archive.display(),
        registry.url("ml")
    ))?;
    for chart in [registry.url("ml/web"), server.url("web-0.2.0.tgz")] {
        let unsigned = format!(
            "pull {chart} -d none --verify --keyring {}",
            key("pubring.gpg")
        );
        home.fails(&unsigned)?
            .says(&["failed to fetch provenance"])?;
        ensure!(home.names("none")?.is_empty(), "{chart}");
    }
    Ok(())
}
