//! What is stored, field by field.

use anyhow::Result;
use harness::cluster::{Cluster, Helm, demand};
use serde_json::Value;

use crate::tool::{Site, Tool, differences};

/// A life of a release: every state that a record may get into by itself.
const LIFE: [&[&str]; 6] = [
    &[
        "install",
        "app",
        "CHART",
        "--set=colour=green",
        "--labels=team=risk",
    ],
    &[
        "upgrade",
        "app",
        "CHART",
        "--set=colour=blue",
        "--description=blue at last",
    ],
    &[
        "upgrade",
        "app",
        "CHART",
        "--set=colour=white,broken=true",
        "ATOMIC",
        "--timeout=3s",
    ],
    &["rollback", "app", "1"],
    &["upgrade", "app", "CHART", "--reuse-values"],
    &["uninstall", "app", "--keep-history"],
];

#[test]
fn e2e_our_secrets_are_helms_field_by_field() -> Result<()> {
    let Some(cluster) = Cluster::from_environment()? else {
        return Ok(());
    };
    for helm in Helm::ALL {
        let mut ours = Site::of(&cluster, "records-ours", Tool::Deployer)?;
        ours.ways = helm;
        let theirs = Site::of(&cluster, "records", Tool::Helm(helm))?;
        for step in LIFE {
            for site in [&ours, &theirs] {
                let output = site.run(step)?;
                let fails = step.contains(&"ATOMIC");
                demand((output.code() == Some(0)) != fails, || output.describe())?;
            }
            let mut found = differences(&normalised(&ours)?, &normalised(&theirs)?);
            found.retain(|difference| !is_known(helm, difference));
            demand(found.is_empty(), || {
                let found = found.join("\n");
                format!("after {step:?}, ours | {}'s:\n{found}", helm.name())
            })?;
        }
    }
    Ok(())
}

/// What differs on purpose: the times of the chart's files, which Helm 4 keeps and which say
/// nothing of the release; what Helm 4 added to Helm 3's record; and times of "never", which Helm
/// 3 writes as an empty text.
fn is_known(helm: Helm, difference: &str) -> bool {
    let of_files = difference.contains("modtime: nothing");
    let added = ["/apply_method:", "/rollback_revision:"];
    let is_added = added.iter().any(|field| difference.contains(field));
    let never = difference.ends_with("nothing | \"\"");
    of_files || (helm == Helm::V3 && (is_added || never))
}

/// Returns every Secret with its record decoded, without what differs by nature.
fn normalised(site: &Site) -> Result<Value> {
    let mut all = Vec::new();
    for (mut secret, record) in site.secrets()? {
        secret["data"]["release"] = record;
        if let Some(metadata) = secret["metadata"].as_object_mut() {
            for field in [
                "uid",
                "resourceVersion",
                "creationTimestamp",
                "managedFields",
            ] {
                metadata.remove(field);
            }
        }
        all.push(secret);
    }
    let text = Value::Array(all)
        .to_string()
        .replace(site.namespace.name(), "NAMESPACE");
    let mut value = serde_json::from_str(&text)?;
    blank_times(&mut value);
    Ok(value)
}

fn blank_times(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(key, field)| {
            match field {
                // The description of a failure has the program's own words for it.
                Value::String(text) if key == "description" && text.contains("failed: ") => {
                    text.truncate(text.find("failed: ").unwrap_or_default());
                }
                Value::String(text) if key == "createdAt" || key == "modifiedAt" => {
                    demand_seconds(text);
                    *text = "SECONDS".to_owned();
                }
                other => blank_times(other),
            }
        }),
        Value::Array(items) => items.iter_mut().for_each(blank_times),
        Value::String(text) if is_time(text) => *text = "TIME".to_owned(),
        _ => {}
    }
}

fn demand_seconds(text: &str) {
    assert!(
        text.parse::<u64>().is_ok(),
        "`{text}` is no time in seconds"
    );
}

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20
        && bytes.len() <= 40
        && bytes[4] == b'-'
        && bytes[10] == b'T'
        && bytes[13] == b':'
        && bytes[..4].iter().all(u8::is_ascii_digit)
}
