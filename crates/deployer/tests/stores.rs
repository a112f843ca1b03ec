//! The contract of a store, run on every implementation that needs no cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deployer::release::{Evidence, Info, Release, ReleaseName, Revision, Status};
use deployer::storage::{
    DirectoryStore, LeaseRequest, ListScope, MemoryStore, ReleaseStore, StorageError,
};
use serde_json::json;
use support::{name, namespace};

fn now() -> DateTime<Utc> {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

fn release(revision: u32, status: Status) -> Release {
    Release {
        name: name(),
        info: Info {
            status,
            ..Info::default()
        },
        chart: json!({"metadata": {"name": "web"}}),
        config: serde_json::Map::new(),
        manifest: "---\nkind: none\n".into(),
        hooks: Vec::new(),
        version: Revision(revision),
        namespace: namespace(),
        apply_method: None,
        labels: [("team".to_owned(), "risk".to_owned())].into(),
        other: serde_json::Map::new(),
    }
}

fn stores() -> (tempfile::TempDir, Vec<Arc<dyn ReleaseStore>>) {
    let folder = tempfile::tempdir().unwrap();
    let directory = DirectoryStore::new(folder.path(), namespace());
    (
        folder,
        vec![Arc::new(MemoryStore::new(namespace())), Arc::new(directory)],
    )
}

#[tokio::test]
async fn a_record_is_created_once_and_found_again_with_its_labels() {
    let (_folder, stores) = stores();
    for store in stores {
        assert!(matches!(
            store.get(&name(), Revision(1)).await,
            Err(StorageError::NotFound { .. })
        ));
        let made = store
            .create(&release(1, Status::Deployed), now())
            .await
            .unwrap();
        assert_eq!(made.labels["owner"], "helm");
        assert_eq!(made.labels["createdAt"], "1772359200");
        assert!(matches!(
            store.create(&release(1, Status::Failed), now()).await,
            Err(StorageError::AlreadyExists { .. })
        ));
        store
            .create(&release(10, Status::Failed), now())
            .await
            .unwrap();
        store
            .create(&release(2, Status::Superseded), now())
            .await
            .unwrap();
        let history = store.history(&name()).await.unwrap();
        let revisions: Vec<u32> = history
            .iter()
            .map(|stored| stored.release.version.0)
            .collect();
        assert_eq!(revisions, [1, 2, 10], "{store:?}");
        assert_eq!(history[0].release, release(1, Status::Deployed));
        assert_eq!(store.list(ListScope::AllNamespaces).await.unwrap(), history);
        assert_eq!(store.get(&name(), Revision(1)).await.unwrap(), made);
    }
}

#[tokio::test]
async fn a_list_is_by_name_and_then_by_the_number_of_the_revision() {
    let (_folder, stores) = stores();
    for store in stores {
        for (name, revision) in [("b", 2), ("a", 10), ("b", 1), ("a", 9)] {
            let mut record = release(revision, Status::Superseded);
            record.name = ReleaseName::new(name).unwrap();
            store.create(&record, now()).await.unwrap();
        }
        for scope in [ListScope::Namespace, ListScope::AllNamespaces] {
            let listed = store.list(scope).await.unwrap();
            let listed: Vec<(&str, u32)> = listed
                .iter()
                .map(|stored| (stored.release.name.as_str(), stored.release.version.0))
                .collect();
            assert_eq!(
                listed,
                [("a", 9), ("a", 10), ("b", 1), ("b", 2)],
                "{store:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_write_on_an_old_version_is_a_conflict_and_changes_nothing() {
    let (_folder, stores) = stores();
    for store in stores {
        let first = store
            .create(&release(1, Status::PendingInstall), now())
            .await
            .unwrap();
        let second = store
            .update(
                &release(1, Status::Deployed),
                &first.resource_version,
                now(),
            )
            .await
            .unwrap();
        assert!(
            second.labels.contains_key("modifiedAt") && !second.labels.contains_key("createdAt")
        );
        let late = store
            .update(&release(1, Status::Failed), &first.resource_version, now())
            .await;
        assert!(
            matches!(late, Err(StorageError::Conflict { .. })),
            "{late:?}"
        );
        assert_eq!(
            store
                .get(&name(), Revision(1))
                .await
                .unwrap()
                .release
                .info
                .status,
            Status::Deployed
        );
        let absent = store
            .update(&release(2, Status::Failed), &second.resource_version, now())
            .await;
        assert!(
            matches!(absent, Err(StorageError::NotFound { .. })),
            "{absent:?}"
        );
    }
}

#[tokio::test]
async fn evidence_goes_with_the_record_that_owns_it_and_stays_when_alone() {
    let (_folder, stores) = stores();
    for store in stores {
        let mut evidence = Evidence::begin(name(), Revision(1), "install", "alice", now());
        store.put_evidence(&evidence).await.unwrap();
        let made = store
            .create(&release(1, Status::Failed), now())
            .await
            .unwrap();
        let version = &made.resource_version;
        store.delete(&name(), Revision(1), version).await.unwrap();
        let alone = store.evidence(&name(), Revision(1)).await.unwrap().unwrap();
        assert!(!alone.owned && alone.evidence == evidence, "{alone:?}");
        let made = store
            .create(&release(1, Status::Failed), now())
            .await
            .unwrap();
        store.adopt_evidence(&name(), Revision(1)).await.unwrap();
        evidence.failure = Some("because".into());
        store.put_evidence(&evidence).await.unwrap();
        let all = store.list_evidence(&name()).await.unwrap();
        assert!(
            all.len() == 1 && all[0].owned && all[0].evidence == evidence,
            "{all:?}"
        );
        let later = now() + chrono::TimeDelta::seconds(60);
        let other = Evidence::begin(name(), Revision(1), "install", "bob", later);
        store.put_evidence(&other).await.unwrap();
        let record = store.evidence(&name(), Revision(1)).await.unwrap();
        assert!(record.is_some_and(|record| !record.owned));
        store.adopt_evidence(&name(), Revision(1)).await.unwrap();
        let written = store
            .update(&release(1, Status::Deployed), &made.resource_version, now())
            .await
            .unwrap();
        let stale = store
            .delete(&name(), Revision(1), &made.resource_version)
            .await;
        assert!(
            matches!(stale, Err(StorageError::Conflict { .. })),
            "{stale:?}"
        );
        store
            .delete(&name(), Revision(1), &written.resource_version)
            .await
            .unwrap();
        assert_eq!(store.evidence(&name(), Revision(1)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn one_holder_at_a_time_and_one_that_was_found_dead_finds_out() {
    let (_folder, stores) = stores();
    for store in stores {
        let ask = |holder: &str, now, dead| LeaseRequest {
            name: name(),
            holder: holder.into(),
            duration: Duration::from_secs(30),
            now,
            dead,
        };
        let first = store
            .acquire_lease(&ask("alice", now(), None))
            .await
            .unwrap();
        let refused = store
            .acquire_lease(&ask("bob", now(), None))
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("`alice` holds"), "{refused}");
        let later = now() + chrono::Duration::seconds(20);
        let held = store.renew_lease(&first, later).await.unwrap();
        // Whatever the clocks say: what was seen to change is alive.
        let expired = now() + chrono::Duration::days(1);
        for dead in [None, Some(first)] {
            assert!(
                store
                    .acquire_lease(&ask("bob", expired, dead))
                    .await
                    .is_err()
            );
        }
        let seen = store.lease(&name()).await.unwrap();
        assert_eq!(seen.as_ref(), Some(&held));
        let taken = store
            .acquire_lease(&ask("bob", expired, seen))
            .await
            .unwrap();
        assert!(taken.transitions > held.transitions);
        assert!(matches!(
            store.renew_lease(&held, expired).await,
            Err(StorageError::LeaseLost { .. })
        ));
        store.release_lease(&held).await.unwrap();
        assert_eq!(
            store
                .lease(&name())
                .await
                .unwrap()
                .map(|lease| lease.holder),
            Some("bob".to_owned())
        );
        store.release_lease(&taken).await.unwrap();
        assert_eq!(store.lease(&name()).await.unwrap(), None);
    }
}
