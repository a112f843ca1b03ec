//! The contract of a store, run on Secrets and ConfigMaps of a real API server.
//!
//! Needs a cluster: `KUBECONFIG_E2E` names its kubeconfig. Without it the tests say so and pass.

#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deployer::cluster::Cluster as _;
use deployer::cluster::kube::{Connection, KubeCluster};
use deployer::release::{Evidence, Info, Namespace, Release, ReleaseName, Revision, Status};
use deployer::storage::kube::{KubeStore, RecordKind};
use deployer::storage::{LeaseRequest, ListScope, ReleaseStore, StorageError};
use serde_json::json;

fn now() -> DateTime<Utc> {
    "2026-03-01T10:00:00Z".parse().expect("a moment")
}

fn name() -> ReleaseName {
    ReleaseName::new("web").expect("a name")
}

fn release(namespace: &Namespace, revision: u32, status: Status) -> Release {
    let mut release: Release = serde_json::from_value(json!({
        "name": "web", "namespace": namespace.as_str(), "version": revision,
        "chart": {"metadata": {"name": "web"}}, "manifest": "---\nkind: none\n",
    }))
    .expect("a release");
    release.info = Info {
        status,
        ..Info::default()
    };
    release.labels.insert("team".to_owned(), "risk".to_owned());
    release
}

/// Makes stores in namespaces of their own; none without a cluster.
async fn stores(test: &str) -> Vec<(Namespace, KubeStore)> {
    let Some(kubeconfig) = std::env::var_os("KUBECONFIG_E2E") else {
        eprintln!("skipped: KUBECONFIG_E2E names no cluster");
        return Vec::new();
    };
    let connection = Connection {
        kubeconfig: Some(PathBuf::from(kubeconfig)),
        ..Connection::default()
    };
    let mut stores = Vec::new();
    for (kind, word) in [
        (RecordKind::Secret, "secret"),
        (RecordKind::ConfigMap, "configmap"),
    ] {
        let unique = format!("store-{test}-{word}-{}", std::process::id());
        let namespace = Namespace::new(unique).expect("a namespace");
        let cluster = KubeCluster::connect(&connection, Some(namespace.clone()))
            .await
            .expect("a cluster");
        cluster
            .ensure_namespace()
            .await
            .expect("the namespace is made");
        stores.push((
            namespace.clone(),
            KubeStore::new(cluster.rest(), kind, namespace),
        ));
    }
    stores
}

#[tokio::test]
async fn e2e_a_record_is_created_once_and_updated_only_at_its_version() {
    for (namespace, store) in stores("records").await {
        let first = release(&namespace, 1, Status::PendingInstall);
        assert!(matches!(
            store.get(&name(), Revision(1)).await,
            Err(StorageError::NotFound { .. })
        ));
        let made = store.create(&first, now()).await.expect("created");
        assert_eq!(made.labels["createdAt"], "1772359200");
        assert!(matches!(
            store.create(&first, now()).await,
            Err(StorageError::AlreadyExists { .. })
        ));
        let deployed = release(&namespace, 1, Status::Deployed);
        let updated = store
            .update(&deployed, &made.resource_version, now())
            .await
            .expect("updated");
        assert_eq!(updated.labels["status"], "deployed");
        assert_eq!(updated.labels["team"], "risk");
        let stale = store.update(&first, &made.resource_version, now()).await;
        assert!(
            matches!(stale, Err(StorageError::Conflict { .. })),
            "{stale:?}"
        );
        store
            .create(&release(&namespace, 10, Status::Failed), now())
            .await
            .expect("created");
        store
            .create(&release(&namespace, 2, Status::Superseded), now())
            .await
            .expect("created");
        let absent = store
            .update(
                &release(&namespace, 3, Status::Failed),
                &made.resource_version,
                now(),
            )
            .await;
        assert!(
            matches!(absent, Err(StorageError::NotFound { .. })),
            "revision 3 is nowhere: {absent:?}"
        );
        let history = store.history(&name()).await.expect("a history");
        let revisions: Vec<u32> = history
            .iter()
            .map(|stored| stored.release.version.0)
            .collect();
        assert_eq!(revisions, [1, 2, 10]);
        assert_eq!(history[0].release, deployed);
        assert_eq!(
            store.list(ListScope::Namespace).await.expect("a list"),
            history
        );
    }
}

#[tokio::test]
async fn e2e_evidence_goes_with_the_record_that_owns_it_and_stays_when_alone() {
    for (namespace, store) in stores("evidence").await {
        let mut versions = Vec::new();
        for revision in [1, 2] {
            let made = store
                .create(&release(&namespace, revision, Status::Failed), now())
                .await
                .expect("created");
            versions.push(made.resource_version);
            let evidence = Evidence::begin(name(), Revision(revision), "install", "me", now());
            store.put_evidence(&evidence).await.expect("written");
        }
        store
            .adopt_evidence(&name(), Revision(2))
            .await
            .expect("adopted");
        let mut again = Evidence::begin(name(), Revision(2), "install", "me", now());
        again.failure = Some("auc is below".to_owned());
        store.put_evidence(&again).await.expect("written again");
        let owned: Vec<bool> = store
            .list_evidence(&name())
            .await
            .expect("evidence")
            .iter()
            .map(|record| record.owned)
            .collect();
        assert_eq!(owned, [false, true]);
        let later = now() + chrono::TimeDelta::seconds(60);
        let other = Evidence::begin(name(), Revision(2), "install", "me", later);
        store.put_evidence(&other).await.expect("written");
        let record = store.evidence(&name(), Revision(2)).await.expect("read");
        assert!(
            record.is_some_and(|record| !record.owned),
            "the owner of an earlier attempt would take the evidence along"
        );
        store
            .adopt_evidence(&name(), Revision(2))
            .await
            .expect("adopted");
        for revision in [1, 2] {
            store
                .delete(
                    &name(),
                    Revision(revision),
                    &versions[revision as usize - 1],
                )
                .await
                .expect("deleted");
        }
        let left = store.list_evidence(&name()).await.expect("evidence");
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(left[0].evidence.revision, Revision(1));
        store
            .delete_evidence(&name(), Revision(1))
            .await
            .expect("deleted");
        store
            .delete_evidence(&name(), Revision(1))
            .await
            .expect("nothing is no error");
    }
}

#[tokio::test]
async fn e2e_one_holder_at_a_time_and_one_that_was_found_dead_finds_out() {
    for (_, store) in stores("lease").await {
        let ask = |holder: &str, seconds: i64, dead| LeaseRequest {
            name: name(),
            holder: holder.to_owned(),
            duration: Duration::from_secs(30),
            now: now() + chrono::Duration::seconds(seconds),
            dead,
        };
        let first = store
            .acquire_lease(&ask("alice", 0, None))
            .await
            .expect("free");
        let refused = store.acquire_lease(&ask("bob", 10, None)).await;
        assert!(
            matches!(refused, Err(StorageError::LeaseHeld { ref lease }) if lease.holder == "alice"),
            "{refused:?}"
        );
        let earlier = store.lease(&name()).await.expect("read");
        let first = store
            .renew_lease(&first, now() + chrono::Duration::seconds(20))
            .await
            .expect("still ours");
        assert!(
            store
                .acquire_lease(&ask("bob", 9_000, earlier))
                .await
                .is_err()
        );
        let seen = store.lease(&name()).await.expect("read");
        let second = store
            .acquire_lease(&ask("bob", 60, seen))
            .await
            .expect("dead");
        assert!(second.transitions > first.transitions);
        let lost = store.renew_lease(&first, now()).await;
        assert!(
            matches!(lost, Err(StorageError::LeaseLost { ref holder, .. }) if holder.as_deref() == Some("bob")),
            "{lost:?}"
        );
        store
            .release_lease(&first)
            .await
            .expect("another's is left alone");
        assert_eq!(
            store
                .lease(&name())
                .await
                .expect("read")
                .map(|lease| lease.holder)
                .as_deref(),
            Some("bob")
        );
        store.release_lease(&second).await.expect("given back");
        assert_eq!(store.lease(&name()).await.expect("read"), None);
    }
}
