//! Who may read: registries with users and with certificates, and where the logins are kept.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use harness::cluster::Helm;
use harness::registry::Demands;

use crate::home::Home;
use crate::oci::registry;

const WORD: &str = "a:secret word";

#[test]
fn a_login_of_one_program_serves_the_others_and_no_password_is_shown() -> Result<()> {
    let user = Some(("ci", WORD));
    let Some(registry) = registry(Demands { user, tls: false })? else {
        return Ok(());
    };
    let home = Home::new()?;
    home.pack("dist", "web", "0.1.0")?;
    let push = format!("push dist/web-0.1.0.tgz {} -vv", registry.url("ml"));
    let login = format!(
        "registry login {} -u ci --password-stdin -vv",
        registry.host()
    );
    home.fails(&push)?.says(&[
        "asks for a login",
        &format!(
            "hint: log in with `deployer registry login {}`",
            registry.host()
        ),
    ])?;
    let refused = home.deployer(&login)?.input("wrong").run()?;
    refused.says(&["refused the credentials of `ci`"])?;
    ensure!(!home.path("config/registry/config.json").exists());
    let entered = home
        .deployer(&login)?
        .input(format!("{WORD}\n"))
        .expect(0)?;
    entered.says(&["Login Succeeded"])?;
    ensure!(!entered.describe().contains(WORD), "the password is shown");
    let pushed = home.run(&push)?;
    ensure!(!pushed.stderr.contains(WORD), "the password is shown");
    let stored = home.path("config/registry/config.json");
    ensure!(std::fs::metadata(&stored)?.permissions().mode() & 0o777 == 0o600);
    let ours = home.read("config/registry/config.json")?;
    for helm in Helm::ALL {
        let pull = format!("pull {} --plain-http -d by-helm", registry.url("ml/web"));
        std::fs::create_dir_all(home.path("by-helm"))?;
        if let Some(pull) = home.helm(helm, &pull)? {
            pull.expect(0)?;
        }
        let other = Home::new()?;
        let login = format!(
            "registry login {} -u ci --password-stdin --plain-http",
            registry.host()
        );
        let Some(login) = other.helm(helm, &login)? else {
            continue;
        };
        login.input(WORD).expect(0)?;
        ensure!(
            other.read("config/registry/config.json")? == ours,
            "stored otherwise"
        );
        other.run(&format!("pull {} -d out", registry.url("ml/web")))?;
    }
    home.run(&format!("registry logout {}", registry.host()))?;
    ensure!(!home.read("config/registry/config.json")?.contains("auth\""));
    home.fails(&push)?.says(&["asks for a login"])?;
    let with_flags = format!(
        "pull {} -d out --username ci --password",
        registry.url("ml/web")
    );
    home.deployer(&with_flags)?.arg(WORD).expect(0)?;
    let refused = home.deployer(&with_flags)?.arg("wrong").run()?;
    refused.says(&["refused the credentials of `ci`"])?;
    Ok(())
}

#[test]
fn dockers_file_and_a_credential_helper_are_asked() -> Result<()> {
    let user = Some(("ci", WORD));
    let Some(registry) = registry(Demands { user, tls: false })? else {
        return Ok(());
    };
    let home = Home::new()?;
    home.pack("dist", "web", "0.1.0")?;
    let host = registry.host();
    // A helper as Docker's are: one program, a verb, JSON on stdin and stdout.
    let bin = home.path("bin");
    std::fs::create_dir_all(&bin)?;
    let helper = bin.join("docker-credential-test");
    std::fs::write(
        &helper,
        "#!/bin/sh\nfile=\"$HOME/kept\"\ncase $1 in\nstore) cat > \"$file\" ;;\nget) read -r host; if [ -s \"$file\" ]; then cat \"$file\"; else echo 'credentials not found in native keychain'; exit 1; fi ;;\nerase) cat > /dev/null; rm -f \"$file\" ;;\nesac\n",
    )?;
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755))?;
    let path = std::env::var("PATH").context("a PATH")?;
    let path = format!("{}:{path}", bin.display());
    let run = |arguments: &str| anyhow::Ok(home.deployer(arguments)?.env("PATH", &path));
    std::fs::create_dir_all(home.path("config/registry"))?;
    let config = serde_json::json!({"credHelpers": {host: "test"}});
    std::fs::write(home.path("config/registry/config.json"), config.to_string())?;
    let push = format!("push dist/web-0.1.0.tgz {}", registry.url("ml"));
    run(&push)?.run()?.says(&["asks for a login"])?;
    run(&format!("registry login {host} -u ci --password-stdin"))?
        .input(WORD)
        .expect(0)?;
    ensure!(
        home.read("kept")?.contains("\"Username\":\"ci\""),
        "not in the helper"
    );
    ensure!(!home.read("config/registry/config.json")?.contains("auths"));
    run(&push)?.expect(0)?;
    run(&format!("registry logout {host}"))?.expect(0)?;
    ensure!(!home.path("kept").exists());
    // Docker's own file comes after Helm's.
    std::fs::create_dir_all(home.path("docker"))?;
    let auth = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("ci:{WORD}"),
    );
    let docker = serde_json::json!({"auths": {host: {"auth": auth}}});
    std::fs::write(home.path("docker/config.json"), docker.to_string())?;
    run(&push)?.expect(0)?;
    // A helper that is not there is named.
    let config = serde_json::json!({"credsStore": "nowhere"});
    std::fs::write(home.path("config/registry/config.json"), config.to_string())?;
    home.fails(&push)?
        .says(&["credential helper", "cannot be run"])?;
    Ok(())
}

#[test]
fn a_certificate_is_checked_unless_the_user_says_otherwise() -> Result<()> {
    let demands = Demands {
        user: None,
        tls: true,
    };
    let Some(registry) = registry(demands)? else {
        return Ok(());
    };
    let home = Home::new()?;
    home.pack("dist", "web", "0.1.0")?;
    let authorities = registry.authorities().context("an authority")?.display();
    let push = format!("push dist/web-0.1.0.tgz {}", registry.url("ml"));
    home.fails(&push)?.says(&["certificate"])?;
    home.run(&format!("{push} --ca-file {authorities}"))?;
    let pull = format!("pull {} -d out", registry.url("ml/web"));
    home.run(&format!("{pull} --insecure-skip-tls-verify"))?;
    ensure!(home.names("out")? == ["web-0.1.0.tgz"]);
    home.fails(&format!("{pull} --ca-file dist/web-0.1.0.tgz"))?;
    home.fails(&format!("{pull} --ca-file nix.pem"))?
        .says(&["cannot read `nix.pem`"])?;
    Ok(())
}
