//! The Role that `rbac` prints is enough, with real pods: nothing that a command asks is denied.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::cluster::demand;
use harness::command::Output;
use harness::workspace;
use serde_json::{Value, json};

use crate::room::{self, Room, SERVE, SUCCEED, config_map, hook};

const ACCOUNT: &str = "ci";

/// Gives the account the printed rights for a command with these flags of `rbac`, in place of those
/// that it had.
fn grant(room: &Room, command: &str, flags: &[&str], objects: &[Value]) -> Result<()> {
    let kubectl = || room.namespace.kubectl();
    kubectl()
        .args(["delete", "roles,rolebindings", "--all"])
        .expect(0)?;
    let values = room.folder().join("rbac.json");
    std::fs::write(&values, json!({ "objects": objects }).to_string())?;
    let printed = room
        .namespace
        .deployer()?
        .arg("rbac")
        .arg(workspace::test_chart("objects"))
        .args(["--command", command, "--release=web"])
        .arg(format!("--service-account={ACCOUNT}"))
        .args(flags)
        .arg("--values")
        .arg(&values)
        .expect(0)?;
    kubectl()
        .args(["apply", "--filename=-"])
        .input(printed.stdout)
        .expect(0)?;
    Ok(())
}

/// Writes a kubeconfig of the account.
fn kubeconfig(room: &Room) -> Result<PathBuf> {
    room.namespace
        .kubectl()
        .args(["create", "serviceaccount", ACCOUNT])
        .expect(0)?;
    let token = room
        .namespace
        .kubectl()
        .args(["create", "token", ACCOUNT, "--duration=1h"])
        .expect(0)?;
    let mut config = room
        .namespace
        .kubectl()
        .args(["config", "view", "--raw", "--minify", "--output=json"])
        .expect(0)?
        .json()?;
    let user = config
        .pointer_mut("/users/0/user")
        .context("a kubeconfig without a user")?;
    *user = json!({"token": token.stdout.trim()});
    let path = room.folder().join("account.kubeconfig");
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}

/// Runs a command as the account; nothing that it asks may be denied.
fn run(
    room: &Room,
    account: &Path,
    command: &str,
    objects: Option<&[Value]>,
    flags: &[&str],
    code: i32,
) -> Result<Output> {
    let program = room.namespace.deployer()?.env("KUBECONFIG", account);
    let program = match objects {
        Some(objects) => room.with(program, command, "web", objects)?,
        None => program.args([command, "web"]),
    };
    let output = program.args(flags).arg("--debug").expect(code)?;
    output.is_orderly()?;
    let denied = output.stderr.to_lowercase().contains("forbidden");
    demand(!denied, || output.describe())?;
    Ok(output)
}

#[test]
fn e2e_an_account_with_exactly_the_printed_role_can_do_each_command_and_nothing_is_denied()
-> Result<()> {
    let Some(room) = room::open("rights")? else {
        return Ok(());
    };
    let account = kubeconfig(&room)?;
    let events = "pre-install,pre-upgrade,pre-rollback,pre-delete,post-upgrade";
    let objects = |value: &str| {
        let web = room.deployment("web", &SERVE);
        let mut test = room.job("test", &SUCCEED);
        test["metadata"]["name"] = json!("try");
        vec![
            config_map("first", value),
            web,
            hook(room.job("gate", &SUCCEED), events),
            hook(test, "test"),
            // Runs once, and its Job goes with the release.
            hook(room.job("seed", &SUCCEED), "post-install"),
        ]
    };
    let wait = ["--wait", "--timeout=2m"];
    let atomic = ["--atomic", "--timeout=2m"];
    let first = objects("1");
    grant(&room, "install", &[], &first)?;
    let installed = run(&room, &account, "install", Some(&first), &wait, 0)?;
    installed.says(&["[gate] redis-cli"])?;

    let second = objects("2");
    grant(&room, "upgrade", &[], &second)?;
    run(&room, &account, "upgrade", Some(&second), &atomic, 0)?;
    // The evidence of a failure is read, and the way back is gone, with the same rights.
    let mut third = objects("3");
    third[1]["spec"]["template"]["spec"]["containers"][0]["image"] = json!(room.missing_image());
    let failed = run(&room, &account, "upgrade", Some(&third), &atomic, 4)?;
    failed.says(&["ErrImagePull", "everything is as in revision 2 again"])?;

    grant(&room, "rollback", &[], &second)?;
    let back = ["1", "--wait", "--timeout=2m"];
    run(&room, &account, "rollback", None, &back, 0)?;
    // With the rights for records and ConfigMaps alone no test is begun.
    grant(&room, "install", &[], &second[..1])?;
    refused(&room, &account, "test", "jobs.batch")?;
    // What may not be looked at does not hide the rest.
    let shown = room
        .namespace
        .deployer()?
        .env("KUBECONFIG", &account)
        .args(["status", "web", "--show-resources"])
        .expect(0)?;
    shown
        .is_orderly()?
        .says(&["not allowed to get Deployment `web`"])?;
    demand(shown.stdout.contains("==> v1/ConfigMap\n"), || {
        shown.describe()
    })?;
    grant(&room, "test", &[], &second)?;
    run(&room, &account, "test", None, &["--timeout=2m"], 0)?;
    refused(&room, &account, "uninstall", "deployments.apps")?;
    grant(&room, "uninstall", &[], &second)?;
    let gone = run(&room, &account, "uninstall", None, &["--wait"], 0)?;
    demand(!gone.stderr.contains("was not deleted"), || gone.describe())?;
    demand(
        room.namespace.get(&["deployment", "web"])?.is_none(),
        || "it is still there".to_owned(),
    )
}

/// Demands that a command is refused for want of a right, and that nothing is touched.
fn refused(room: &Room, account: &Path, command: &str, lacking: &str) -> Result<()> {
    let before = versions(room)?;
    let refused = room
        .namespace
        .deployer()?
        .env("KUBECONFIG", account)
        .args([command, "web"])
        .expect(1)?;
    let lacks = ["it lacks:", lacking, "nothing was changed"];
    refused.is_orderly()?.says(&lacks)?;
    demand(versions(room)? == before, || refused.describe())
}

/// Returns what must stay as it is where nothing is to be touched: versions of objects and records.
fn versions(room: &Room) -> Result<Vec<String>> {
    let kinds = "configmaps,deployments,jobs,secrets,leases";
    let items = room.namespace.items(&[kinds])?;
    let version = |item: &Value| {
        let metadata = &item["metadata"];
        // The server writes the status of what has a generation.
        let version = metadata.get("generation");
        let version = version.unwrap_or(&metadata["resourceVersion"]);
        format!("{} {version}", metadata["name"])
    };
    Ok(items.iter().map(version).collect())
}

#[test]
fn e2e_replacing_objects_whole_takes_the_rights_that_rbac_prints_for_it_and_no_less() -> Result<()>
{
    let Some(room) = room::open("replace-rights")? else {
        return Ok(());
    };
    let account = kubeconfig(&room)?;
    let objects = |value: &str| {
        let mut once = room.job("once", &SUCCEED);
        // Of a Job the template cannot be changed: it is deleted and created anew.
        once["spec"]["template"]["metadata"]["labels"] = json!({"round": value});
        vec![
            config_map("first", value),
            room.deployment("web", &SERVE),
            once,
        ]
    };
    room.deploy("install", "web", &objects("1"))?.expect(0)?;
    let foreign = ["patch", "configmap", "first", "--type=merge"];
    room.namespace
        .kubectl()
        .args(foreign)
        .arg("--patch={\"data\":{\"foreign\":\"1\"}}")
        .expect(0)?;

    let second = objects("2");
    let replace = ["--force-replace"];
    grant(&room, "upgrade", &["--no-wait"], &second)?;
    let before = versions(&room)?;
    let program = room.namespace.deployer()?.env("KUBECONFIG", &account);
    let refused = room
        .with(program, "upgrade", "web", &second)?
        .args(replace)
        .expect(1)?;
    refused.is_orderly()?.says(&[
        "it lacks:",
        "update configmaps in namespace",
        "nothing was changed",
        "deployer rbac CHART --command",
    ])?;
    demand(versions(&room)? == before, || {
        format!("{before:?} became {:?}", versions(&room))
    })?;

    grant(&room, "upgrade", &["--no-wait", "--force-replace"], &second)?;
    let replaced = run(&room, &account, "upgrade", Some(&second), &replace, 0)?;
    replaced.says(&["Job `once` deleted and created anew"])?;
    let map = room.object("configmap", "first")?;
    demand(map["data"] == json!({"key": "2"}), || map.to_string())
}

#[test]
fn e2e_rights_that_may_not_be_handed_out_stop_a_change_before_it_begins() -> Result<()> {
    let Some(room) = room::open("grants")? else {
        return Ok(());
    };
    let account = kubeconfig(&room)?;
    let group = "rbac.authorization.k8s.io";
    let reader = json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["endpoints"], "verbs": ["get"]}]});
    let objects = [config_map("first", "1"), reader];
    // All but the right to hand out what it has not got itself.
    let verbs = ["create", "delete", "get", "list", "patch", "update"];
    let role = json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": "weak"},
    "rules": [
        {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": verbs},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs},
        {"apiGroups": [group], "resources": ["roles"], "verbs": verbs},
    ]});
    let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": "weak"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "weak"},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": room.namespace.name()}]});
    let both = json!({"apiVersion": "v1", "kind": "List", "items": [role, binding]});
    room.namespace
        .kubectl()
        .args(["apply", "--filename=-"])
        .input(both.to_string())
        .expect(0)?;
    let program = room.namespace.deployer()?.env("KUBECONFIG", &account);
    room.with(program, "install", "web", &objects)?
        .expect(1)?
        .is_orderly()?
        .says(&[
            "may not hand out the rights",
            "Role `reader`",
            "nothing was changed",
            "`escalate`",
        ])?;
    let left = room.namespace.get(&["configmap", "first"])?;
    demand(left.is_none(), || "it was changed".to_owned())?;

    grant(&room, "install", &["--no-wait"], &objects)?;
    run(&room, &account, "install", Some(&objects), &[], 0)?;
    Ok(())
}
