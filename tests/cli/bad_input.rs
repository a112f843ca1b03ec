//! What cannot be done: each with what, why, how to mend it and the state left behind.

use anyhow::Result;
use harness::binaries;
use harness::cluster::demand;
use harness::command::Program;
use harness::workspace;

use crate::folder::Folder;

fn config_only(
    folder: &Folder,
    command: &str,
    release: &str,
    code: i32,
) -> Result<harness::command::Output> {
    folder
        .deployer()?
        .args([command, release])
        .arg(workspace::test_chart("config-only"))
        .expect(code)
}

#[test]
fn a_chart_that_does_not_render_changes_nothing() -> Result<()> {
    let folder = Folder::new()?;
    for (chart, part) in [
        ("does-not-render", "owner is empty"),
        ("unknown-function", "noSuchFunction"),
        ("invalid-yaml", "configmap.yaml"),
        ("endless-include", "endless"),
    ] {
        let output = folder
            .deployer()?
            .args(["install", "broken"])
            .arg(workspace::test_chart(chart))
            .expect(2)?;
        output.is_orderly()?.says(&[part, "nothing was changed"])?;
    }
    let list = folder.run(0, &["list", "--all", "--output=json"])?;
    demand(!list.stdout.contains("broken"), || list.describe())
}

#[test]
fn an_unknown_value_is_refused_by_the_schema() -> Result<()> {
    let folder = Folder::new()?;
    let output = folder
        .gated("install", "champion")?
        .arg("--set=gate.minimumauc=0.9")
        .expect(2)?;
    output.is_orderly()?.says(&["minimumauc", "gate"])?;
    demand(folder.written()?.is_empty(), || {
        "something was written".to_owned()
    })
}

#[test]
fn a_chart_that_is_not_there_is_named() -> Result<()> {
    let folder = Folder::new()?;
    let output = folder
        .deployer()?
        .args(["install", "a", "./no-such-chart"])
        .run()?;
    output.is_orderly()?.says(&["no-such-chart"])?;
    demand(output.code() != Some(0), || output.describe())
}

#[test]
fn a_values_file_that_is_not_there_is_named() -> Result<()> {
    let folder = Folder::new()?;
    let output = folder
        .deployer()?
        .args(["install", "a"])
        .arg(workspace::test_chart("config-only"))
        .arg("--values=no-such-values.yaml")
        .run()?;
    output.is_orderly()?.says(&["no-such-values.yaml"])?;
    demand(output.code() == Some(2), || output.describe())
}

#[test]
fn a_name_that_is_taken_says_how_to_upgrade() -> Result<()> {
    let folder = Folder::new()?;
    config_only(&folder, "install", "colours", 0)?;
    config_only(&folder, "install", "colours", 1)?
        .is_orderly()?
        .says(&[
            "cannot reuse a name that is still in use",
            "deployer upgrade colours",
            "nothing was changed",
        ])?;
    Ok(())
}

#[test]
fn a_release_that_does_not_exist_is_named_by_every_command() -> Result<()> {
    let folder = Folder::new()?;
    for arguments in [
        vec!["status", "nobody"],
        vec!["history", "nobody"],
        vec!["get", "values", "nobody"],
        vec!["get", "manifest", "nobody"],
        vec!["rollback", "nobody", "1"],
        vec!["uninstall", "nobody"],
    ] {
        folder
            .run(1, &arguments)?
            .is_orderly()?
            .says(&["not found", "nobody"])?;
    }
    config_only(&folder, "upgrade", "nobody", 1)?
        .is_orderly()?
        .says(&["has no deployed releases", "--install"])?;
    Ok(())
}

#[test]
fn a_revision_that_does_not_exist_lists_those_that_do() -> Result<()> {
    let folder = Folder::new()?;
    config_only(&folder, "install", "colours", 0)?;
    config_only(&folder, "upgrade", "colours", 0)?;
    for arguments in [
        vec!["rollback", "colours", "9"],
        vec!["get", "manifest", "colours", "--revision=9"],
        vec!["status", "colours", "--revision=9"],
    ] {
        let output = folder.run(1, &arguments)?;
        output.is_orderly()?.says(&["9", "1, 2"])?;
    }
    Ok(())
}

#[test]
fn names_that_kubernetes_refuses_are_refused_at_once() -> Result<()> {
    let folder = Folder::new()?;
    for name in ["Colours", "a_b", "-a", &"a".repeat(54)] {
        let output = folder
            .deployer()?
            .args(["install", "--generate-name=false", "--", name])
            .arg(workspace::test_chart("config-only"))
            .run()?;
        output.is_orderly()?;
        demand(output.code() == Some(2), || output.describe())?;
    }
    Ok(())
}

#[test]
fn an_api_server_that_does_not_answer_is_named() -> Result<()> {
    let folder = Folder::new()?;
    let kubeconfig = folder.scratch().join("kubeconfig");
    std::fs::write(
        &kubeconfig,
        "apiVersion: v1\nkind: Config\ncurrent-context: gone\n\
         contexts: [{name: gone, context: {cluster: gone, user: nobody}}]\n\
         clusters: [{name: gone, cluster: {server: 'http://127.0.0.1:1'}}]\n\
         users: [{name: nobody, user: {}}]\n",
    )?;
    let output = Program::new(binaries::path("deployer")?)
        .env("KUBECONFIG", &kubeconfig)
        .args(["install", "colours"])
        .arg(workspace::test_chart("config-only"))
        .run()?;
    output.is_orderly()?.says(&["127.0.0.1:1"])?;
    demand(output.code() == Some(1), || output.describe())
}

#[test]
fn a_kubeconfig_that_is_not_there_is_named() -> Result<()> {
    let output = Program::new(binaries::path("deployer")?)
        .args(["list", "--target=kube", "--kubeconfig=/no/such/kubeconfig"])
        .run()?;
    output.is_orderly()?.says(&["/no/such/kubeconfig"])?;
    demand(output.code() != Some(0), || output.describe())
}

#[test]
fn usage_errors_have_their_own_exit_code() -> Result<()> {
    let folder = Folder::new()?;
    for arguments in [
        vec!["instal", "a", "b"],
        vec!["install", "a", "b", "--atomik"],
        vec!["install", "a", "b", "--timeout=5"],
        vec!["upgrade", "a", "b", "--dry-run=perhaps"],
        vec!["rollback", "a", "first"],
    ] {
        folder.run(2, &arguments)?.is_orderly()?;
    }
    Ok(())
}
