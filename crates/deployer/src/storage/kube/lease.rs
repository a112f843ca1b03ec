//! One writer at a time: a `Lease` object for each release that is being worked on.
//!
//! It is made when work begins and deleted when it ends, so nothing is left behind. The fencing
//! token grows with every holder: it is the time of taking in microseconds, or one more than the
//! token before, whichever is greater.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::KubeStore;
use crate::cluster::kube::KubeError;
use crate::release::ReleaseName;
use crate::storage::{Lease, LeaseRequest, StorageError};

/// The annotation that holds the fencing token.
const TOKEN: &str = "deployer/fencing-token";

fn name_of(release: &ReleaseName) -> String {
    format!("deployer.{release}")
}

fn collection(store: &KubeStore) -> String {
    format!(
        "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
        store.namespace
    )
}

fn path(store: &KubeStore, release: &ReleaseName) -> String {
    format!("{}/{}", collection(store), name_of(release))
}

fn to_object(lease: &Lease, version: Option<&Value>) -> Value {
    let moment = lease
        .renewed_at
        .to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut object = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name_of(&lease.name),
            "labels": {"owner": "deployer", "name": lease.name.as_str()},
            "annotations": {TOKEN: lease.transitions.to_string()},
        },
        "spec": {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": lease.duration.as_secs().max(1),
            "renewTime": moment,
        },
    });
    if let Some(version) = version {
        object["metadata"]["resourceVersion"] = version.clone();
    }
    object
}

fn from_object(release: &ReleaseName, object: &Value) -> Option<Lease> {
    let spec = &object["spec"];
    let holder = spec["holderIdentity"]
        .as_str()
        .filter(|holder| !holder.is_empty())?;
    let renewed_at = DateTime::parse_from_rfc3339(spec["renewTime"].as_str()?).ok()?;
    Some(Lease {
        name: release.clone(),
        holder: holder.to_owned(),
        duration: std::time::Duration::from_secs(
            spec["leaseDurationSeconds"].as_u64().unwrap_or(1),
        ),
        renewed_at: renewed_at.with_timezone(&Utc),
        transitions: object["metadata"]["annotations"][TOKEN]
            .as_str()
            .and_then(|token| token.parse().ok())
            .unwrap_or_default(),
    })
}

fn explain(store: &KubeStore, error: KubeError, verb: &str, release: &ReleaseName) -> StorageError {
    match error {
        KubeError::Api { code: 403, .. } => StorageError::Forbidden {
            verb: verb.to_owned(),
            resource: format!("leases.coordination.k8s.io -n {}", store.namespace),
            source: Box::new(error),
        },
        other => store.explain(
            other,
            verb,
            &format!("taking the lease of release `{release}`"),
        ),
    }
}

async fn read(store: &KubeStore, release: &ReleaseName) -> Result<Option<Value>, StorageError> {
    match store.lease_rest.get(&path(store, release)).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(explain(store, error, "get", release)),
    }
}

fn held(lease: Lease) -> StorageError {
    StorageError::LeaseHeld {
        lease: Box::new(lease),
    }
}

pub(super) async fn look(
    store: &KubeStore,
    release: &ReleaseName,
) -> Result<Option<Lease>, StorageError> {
    let object = read(store, release).await?;
    Ok(object.and_then(|object| from_object(release, &object)))
}

pub(super) async fn acquire(
    store: &KubeStore,
    request: &LeaseRequest,
) -> Result<Lease, StorageError> {
    // Every round ends in a lease, in another's lease, or in a change by another; a few suffice.
    for _ in 0..4 {
        let live = read(store, &request.name).await?;
        let present = live
            .as_ref()
            .and_then(|object| from_object(&request.name, object));
        if let Some(present) = &present
            && present.holder != request.holder
            && request.dead.as_ref() != Some(present)
        {
            return Err(held(present.clone()));
        }
        let last_token = present.as_ref().map_or(0, |lease| lease.transitions);
        let is_ours = present
            .as_ref()
            .is_some_and(|lease| lease.holder == request.holder);
        let fresh = u64::try_from(request.now.timestamp_micros()).unwrap_or_default();
        let lease = Lease {
            name: request.name.clone(),
            holder: request.holder.clone(),
            duration: request.duration,
            renewed_at: request.now,
            transitions: if is_ours {
                last_token
            } else {
                fresh.max(last_token + 1)
            },
        };
        let version = live
            .as_ref()
            .map(|object| &object["metadata"]["resourceVersion"]);
        let object = to_object(&lease, version);
        let result = match version {
            None => store.lease_rest.post(&collection(store), &object).await,
            Some(_) => {
                store
                    .lease_rest
                    .put(&path(store, &request.name), &object)
                    .await
            }
        };
        match result {
            Ok(_) => return Ok(lease),
            Err(error) if error.is_conflict() || error.is_already_exists() => {}
            // The holder before gave it back between our two requests.
            Err(error) if error.is_not_found() && version.is_some() => {}
            Err(error) => return Err(explain(store, error, "create", &request.name)),
        }
    }
    match look(store, &request.name).await? {
        Some(present) => Err(held(present)),
        None => Err(StorageError::LeaseLost {
            name: request.name.clone(),
            holder: None,
        }),
    }
}

pub(super) async fn renew(
    store: &KubeStore,
    lease: &Lease,
    now: DateTime<Utc>,
) -> Result<Lease, StorageError> {
    let lost = |holder: Option<String>| StorageError::LeaseLost {
        name: lease.name.clone(),
        holder,
    };
    for _ in 0..3 {
        let Some(live) = read(store, &lease.name).await? else {
            return Err(lost(None));
        };
        match from_object(&lease.name, &live) {
            // A slow server may have written what it said it had not.
            Some(present) if is_same(&present, lease) && present.renewed_at >= now => {
                return Ok(present);
            }
            Some(present) if is_same(&present, lease) => {}
            other => return Err(lost(other.map(|present| present.holder))),
        }
        let renewed = Lease {
            renewed_at: now,
            ..lease.clone()
        };
        let object = to_object(&renewed, Some(&live["metadata"]["resourceVersion"]));
        match store
            .lease_rest
            .put(&path(store, &lease.name), &object)
            .await
        {
            Ok(_) => return Ok(renewed),
            Err(error) if error.is_conflict() || error.is_not_found() => {}
            Err(error) => return Err(explain(store, error, "update", &lease.name)),
        }
    }
    match look(store, &lease.name).await? {
        // What was in the way were prolongations of our own.
        Some(present) if is_same(&present, lease) => Ok(present),
        other => Err(lost(other.map(|present| present.holder))),
    }
}

fn is_same(present: &Lease, ours: &Lease) -> bool {
    present.holder == ours.holder && present.transitions == ours.transitions
}

pub(super) async fn give_back(store: &KubeStore, lease: &Lease) -> Result<(), StorageError> {
    // A last prolongation of ours may still be on its way.
    for _ in 0..3 {
        let Some(live) = read(store, &lease.name).await? else {
            return Ok(());
        };
        if from_object(&lease.name, &live).is_none_or(|present| !is_same(&present, lease)) {
            return Ok(());
        }
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {
            "uid": live["metadata"]["uid"], "resourceVersion": live["metadata"]["resourceVersion"]}});
        let result = store
            .lease_rest
            .delete(&path(store, &lease.name), &options)
            .await;
        match result {
            Ok(_) => return Ok(()),
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(explain(store, error, "delete", &lease.name)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_lease_survives_the_way_through_the_api() {
        let lease = Lease {
            name: ReleaseName::new("web").expect("a name"),
            holder: "alice@laptop/1/2".to_owned(),
            duration: Duration::from_secs(30),
            renewed_at: DateTime::from_timestamp_micros(1_700_000_000_123_456).expect("a moment"),
            transitions: 7,
        };
        let object = to_object(&lease, None);
        assert_eq!(object["spec"]["renewTime"], "2023-11-14T22:13:20.123456Z");
        assert_eq!(from_object(&lease.name, &object), Some(lease));
    }

    #[test]
    fn a_lease_without_a_holder_is_free() {
        let name = ReleaseName::new("web").expect("a name");
        assert_eq!(
            from_object(&name, &json!({"spec": {"holderIdentity": ""}})),
            None
        );
        assert_eq!(from_object(&name, &json!({})), None);
    }
}
