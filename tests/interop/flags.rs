//! The flags of install, upgrade and uninstall: what each leaves behind is what Helm leaves.

use anyhow::Result;
use harness::cluster::{Cluster, demand};

use crate::tool::{Site, Tool, differences};

const GREEN: &[&str] = &["install", "app", "CHART", "--set=colour=green"];
const BROKEN: &[&str] = &[
    "upgrade",
    "app",
    "CHART",
    "--set=colour=blue,broken=true",
    "--timeout=3s",
];

/// Runs the steps with each program, and demands that all leave the same. A step that begins with
/// `!` has to fail.
fn same(purpose: &str, steps: &[Vec<&str>]) -> Result<()> {
    same_but(purpose, steps, |_, _| false)
}

fn same_but(
    purpose: &str,
    steps: &[Vec<&str>],
    is_known: impl Fn(Tool, &str) -> bool,
) -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    let sites = Site::for_all(&cluster, purpose)?;
    for site in &sites {
        for step in steps {
            let (fails, words) = match step.split_first() {
                Some((&"!", words)) => (true, words),
                _ => (false, step.as_slice()),
            };
            let output = site.run(words)?;
            demand((output.code() != Some(0)) == fails, || output.describe())?;
        }
    }
    let ours = sites[0].summary()?;
    for site in &sites[1..] {
        let mut found = differences(&ours, &site.summary()?);
        found.retain(|difference| !is_known(site.tool, difference));
        demand(found.is_empty(), || {
            format!(
                "{purpose}, ours | {}'s:\n{}",
                site.tool.name(),
                found.join("\n")
            )
        })?;
    }
    Ok(())
}

fn upgrade<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    let mut step = vec!["upgrade", "app", "CHART"];
    step.extend(flags);
    step
}

fn fails<'a>(step: &[&'a str], flags: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["!"];
    words.extend(step);
    words.extend(flags);
    words
}

#[test]
fn e2e_values_of_the_previous_revision_are_kept_dropped_and_merged_as_helm_does() -> Result<()> {
    let other = "--set=extra.a=1";
    for (purpose, flags) in [
        ("values-none", vec![]),
        ("values-given", vec![other]),
        ("reset", vec!["--reset-values"]),
        ("reset-given", vec!["--reset-values", other]),
        ("reuse", vec!["--reuse-values"]),
        ("reuse-given", vec!["--reuse-values", other]),
        ("reset-reuse", vec!["--reset-then-reuse-values"]),
        (
            "reset-reuse-given",
            vec!["--reset-then-reuse-values", other],
        ),
        ("all-three", vec!["--reset-values", "--reuse-values", other]),
    ] {
        let first = [GREEN, &["--set=extra.b=2"]].concat();
        same(purpose, &[first, upgrade(&flags)])?;
    }
    Ok(())
}

#[test]
fn e2e_a_chart_with_other_defaults_meets_the_values_of_the_previous_revision_as_in_helm()
-> Result<()> {
    let reuse = "--reuse-values";
    let reset_then_reuse = "--reset-then-reuse-values";
    let nulls = "--set=a=null,nested.x=null,list[0]=7";
    let object = "--set-json=nested={\"w\":null,\"deep\":{\"er\":true}}";
    for (purpose, flags) in [
        ("next", vec![]),
        ("next-reset", vec!["--reset-values"]),
        ("next-reuse", vec![reuse]),
        ("next-reuse-nulls", vec![reuse, nulls]),
        ("next-reuse-object", vec![reuse, object]),
        ("next-reuse-none", vec![reuse, "--set=nested=null"]),
        ("next-both", vec![reset_then_reuse]),
        ("next-both-nulls", vec![reset_then_reuse, nulls]),
        ("next-both-object", vec![reset_then_reuse, object]),
        ("next-given-nulls", vec![nulls]),
    ] {
        let first = vec!["install", "app", "VALUES", "--set=a=mine,nested.y=5"];
        let second = vec!["upgrade", "app", "VALUES", reuse, "--set=b=2,list={p,q}"];
        let mut third = vec!["upgrade", "app", "VALUES-NEXT"];
        third.extend(flags);
        // Helm writes given nulls into the earlier revision's values too, when it supersedes that one.
        same_but(purpose, &[first, second, third], |_, difference| {
            difference.starts_with("/revisions/1/values/")
        })?;
    }
    Ok(())
}

#[test]
fn e2e_history_max_keeps_as_many_revisions_as_helm() -> Result<()> {
    let again = upgrade(&["--history-max=2", "--reuse-values"]);
    same(
        "history-max",
        &[
            GREEN.to_vec(),
            again.clone(),
            again.clone(),
            again.clone(),
            again,
        ],
    )?;
    let unlimited = upgrade(&["--history-max=0", "--reuse-values"]);
    same(
        "history-all",
        &[
            GREEN.to_vec(),
            unlimited.clone(),
            unlimited.clone(),
            unlimited,
        ],
    )
}

#[test]
fn e2e_labels_and_descriptions_are_helms() -> Result<()> {
    same(
        "labels",
        &[
            [
                GREEN,
                &["--labels=team=risk,stage=dev", "--description=the first"],
            ]
            .concat(),
            upgrade(&["--labels=stage=prod,owner2=me", "--description=the second"]),
            upgrade(&["--labels=team=null", "--description="]),
            vec!["rollback", "app", "1"],
        ],
    )?;
    same("system-label", &[fails(GREEN, &["--labels=owner=me"])])?;
    same("no-label", &[fails(GREEN, &["--labels=te am=me"])])
}

#[test]
fn e2e_hooks_are_left_out_as_helm_leaves_them_out() -> Result<()> {
    same(
        "no-hooks",
        &[
            [GREEN, &["--no-hooks"]].concat(),
            upgrade(&["--set=colour=blue", "--no-hooks"]),
            vec!["rollback", "app", "1", "--no-hooks"],
        ],
    )
}

#[test]
fn e2e_a_failed_upgrade_leaves_what_helm_leaves() -> Result<()> {
    same("failed", &[GREEN.to_vec(), fails(BROKEN, &["--wait"])])?;
    // Helm forgets what a failed revision made, docs/adr/0013; the next one of ours removes it.
    same_but(
        "failed-again",
        &[
            GREEN.to_vec(),
            fails(BROKEN, &["--wait"]),
            upgrade(&["--set=colour=white"]),
        ],
        |_, difference| difference == "/live/ConfigMap app-blue: nothing | \"blue\"",
    )?;
    same(
        "cleanup",
        &[
            GREEN.to_vec(),
            fails(BROKEN, &["--wait", "--cleanup-on-fail"]),
        ],
    )
}

#[test]
fn e2e_a_failed_atomic_upgrade_is_rolled_back_as_helm_does() -> Result<()> {
    same("atomic", &[GREEN.to_vec(), fails(BROKEN, &["ATOMIC"])])?;
    same(
        "atomic-cleanup",
        &[
            GREEN.to_vec(),
            fails(BROKEN, &["ATOMIC", "--cleanup-on-fail"]),
        ],
    )
}

#[test]
fn e2e_a_failed_first_install_leaves_what_helm_leaves_and_our_history_says_why() -> Result<()> {
    let install = [
        "install",
        "app",
        "CHART",
        "--set=broken=true",
        "--timeout=3s",
    ];
    same("install-failed", &[fails(&install, &["--wait"])])?;
    same("install-atomic", &[fails(&install, &["ATOMIC"])])?;
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    let site = Site::of(&cluster, "why", Tool::Deployer)?;
    let output = site.run(&[&install[..], &["ATOMIC"]].concat())?;
    demand(output.code() == Some(4), || output.describe())?;
    demand(
        site.secrets()?.is_empty() && site.live()?.is_empty(),
        || "the install left something".to_owned(),
    )?;
    let history = site.does(&["history", "app", "--output=json"])?;
    for part in [
        "removed",
        "install failed",
        "Deployment `app`",
        "not ready after 3 s",
    ] {
        demand(history.stdout.contains(part), || history.describe())?;
    }
    Ok(())
}

#[test]
fn e2e_an_uninstall_leaves_what_helm_leaves() -> Result<()> {
    same("gone", &[GREEN.to_vec(), vec!["uninstall", "app"]])?;
    let kept = vec!["uninstall", "app", "--keep-history", "--description=moved"];
    same(
        "kept",
        &[
            GREEN.to_vec(),
            upgrade(&["--set=colour=blue"]),
            kept.clone(),
        ],
    )?;
    same(
        "kept-and-back",
        &[GREEN.to_vec(), kept.clone(), vec!["rollback", "app", "1"]],
    )?;
    // Helm calls the replaced revision superseded, as if it could be rolled back to without more
    // ado; ours stays what it was.
    same_but(
        "kept-and-replaced",
        &[GREEN.to_vec(), kept, [GREEN, &["--replace"]].concat()],
        |_, difference| difference.starts_with("/revisions/0/"),
    )?;
    Ok(())
}
