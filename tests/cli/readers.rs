//! The commands that only read: `get`, `status`, `list`, `template`, `completion`, `--help`.

use anyhow::Result;
use harness::cluster::demand;
use harness::workspace;

use crate::folder::{Folder, NAMESPACE, rows};

fn config_only(folder: &Folder, command: &str, colour: &str) -> Result<()> {
    folder
        .deployer()?
        .args([command, "colours"])
        .arg(workspace::test_chart("config-only"))
        .arg(format!("--set=colour={colour}"))
        .expect(0)?;
    Ok(())
}

fn two_revisions() -> Result<Folder> {
    let folder = Folder::new()?;
    config_only(&folder, "install", "green")?;
    config_only(&folder, "upgrade", "blue")?;
    Ok(folder)
}

#[test]
fn get_shows_each_part_of_each_revision() -> Result<()> {
    let folder = two_revisions()?;
    for (arguments, part) in [
        (vec!["get", "values", "colours"], "colour: blue"),
        (
            vec!["get", "values", "colours", "--revision=1"],
            "colour: green",
        ),
        (vec!["get", "values", "colours", "--all"], "colour: blue"),
        (vec!["get", "manifest", "colours"], "colour: \"blue\""),
        (
            vec!["get", "manifest", "colours", "--revision=1"],
            "colour: \"green\"",
        ),
        (vec!["get", "notes", "colours"], "Colour blue, revision 2."),
        (vec!["get", "all", "colours"], "Colour blue, revision 2."),
    ] {
        let output = folder.run(0, &arguments)?;
        demand(output.stdout.contains(part), || output.describe())?;
    }
    folder.run(0, &["get", "hooks", "colours"])?;
    Ok(())
}

#[test]
fn list_and_status_know_the_release() -> Result<()> {
    let folder = two_revisions()?;
    for arguments in [
        vec!["list", "--output=json"],
        vec!["list", "-A", "--output=json"],
    ] {
        let json = folder.run(0, &arguments)?.json()?;
        let empty = Vec::new();
        let releases = rows(&json).unwrap_or(&empty);
        demand(
            releases.len() == 1
                && releases[0]["name"] == "colours"
                && releases[0]["namespace"] == NAMESPACE
                && releases[0]["status"] == "deployed",
            || format!("{json}"),
        )?;
    }
    let table = folder.run(0, &["list"])?.stdout;
    demand(table.contains("NAME") && table.contains("colours"), || {
        table.clone()
    })?;
    let status = folder.run(0, &["status", "colours"])?.stdout;
    demand(
        status.contains("deployed") && status.contains("colours"),
        || status.clone(),
    )?;
    let json = folder
        .run(0, &["status", "colours", "--output=json"])?
        .json()?;
    demand(json.to_string().contains("deployed"), || format!("{json}"))
}

#[test]
fn every_reader_speaks_yaml_too() -> Result<()> {
    let folder = two_revisions()?;
    for command in [
        vec!["list"],
        vec!["status", "colours"],
        vec!["history", "colours"],
    ] {
        let mut arguments = command.clone();
        arguments.push("--output=yaml");
        let output = folder.run(0, &arguments)?;
        demand(output.stdout.contains("deployed"), || output.describe())?;
    }
    Ok(())
}

#[test]
fn every_command_has_help_with_an_example() -> Result<()> {
    let folder = Folder::new()?;
    let mut lacking = Vec::new();
    for command in [
        "install",
        "upgrade",
        "rollback",
        "uninstall",
        "history",
        "status",
        "list",
        "get values",
        "get manifest",
        "get hooks",
        "get notes",
        "get all",
        "template",
        "completion",
    ] {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.push("--help");
        let help = folder.run(0, &arguments)?.stdout;
        if !help.contains("Example") {
            lacking.push(command);
        }
    }
    demand(lacking.is_empty(), || {
        format!("no example in the help of {lacking:?}")
    })
}

#[test]
fn completion_is_written_for_the_shells() -> Result<()> {
    let folder = Folder::new()?;
    for shell in ["bash", "zsh", "fish"] {
        let output = folder.run(0, &["completion", shell])?;
        demand(output.stdout.contains("deployer"), || output.describe())?;
    }
    Ok(())
}

#[test]
fn a_closed_pipe_is_a_quiet_end() -> Result<()> {
    let folder = two_revisions()?;
    let deployer = harness::binaries::path("deployer")?;
    let script = format!(
        "'{}' --target=dir:'{}' --namespace={NAMESPACE} get all colours | head -n 1",
        deployer.display(),
        folder.path().display()
    );
    let output = harness::command::Program::new("/bin/sh")
        .args(["-c", &script])
        .expect(0)?;
    demand(output.stderr.is_empty(), || output.describe())
}
