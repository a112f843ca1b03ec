//! A store whose calls fail by a plan, for tests; see [`crate::cluster::FaultPlan`].

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    EvidenceRecord, Lease, LeaseRequest, ListScope, ReleaseStore, ResourceVersion, StorageError,
    Stored,
};
use crate::cluster::FaultPlan;
use crate::cluster::fault::{CallKind, storage_fault};
use crate::release::{Evidence, Release, ReleaseName, Revision};

/// A store whose calls fail by a plan.
#[derive(Debug, Clone)]
pub struct FaultyStore<S> {
    inner: S,
    plan: FaultPlan,
}

impl<S: ReleaseStore> FaultyStore<S> {
    /// Wraps a store.
    pub fn new(inner: S, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }

    async fn call<T>(
        &self,
        what: &str,
        written: Option<(&ReleaseName, Revision)>,
        call: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let fail = |broken| storage_fault(what, written, broken);
        self.plan.call(CallKind::Request, call, fail).await
    }
}

#[async_trait]
impl<S: ReleaseStore> ReleaseStore for FaultyStore<S> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn record_bytes_max(&self) -> Option<usize> {
        self.inner.record_bytes_max()
    }

    async fn get(&self, name: &ReleaseName, revision: Revision) -> Result<Stored, StorageError> {
        self.call("get", None, self.inner.get(name, revision)).await
    }

    async fn history(&self, name: &ReleaseName) -> Result<Vec<Stored>, StorageError> {
        self.call("history", None, self.inner.history(name)).await
    }

    async fn list(&self, scope: ListScope) -> Result<Vec<Stored>, StorageError> {
        self.call("list", None, self.inner.list(scope)).await
    }

    async fn create(&self, release: &Release, now: DateTime<Utc>) -> Result<Stored, StorageError> {
        self.call("create", None, self.inner.create(release, now))
            .await
    }

    async fn update(
        &self,
        release: &Release,
        expected: &ResourceVersion,
        now: DateTime<Utc>,
    ) -> Result<Stored, StorageError> {
        let written = Some((&release.name, release.version));
        self.call("update", written, self.inner.update(release, expected, now))
            .await
    }

    async fn delete(
        &self,
        name: &ReleaseName,
        revision: Revision,
        expected: &ResourceVersion,
    ) -> Result<(), StorageError> {
        let written = Some((name, revision));
        self.call(
            "delete",
            written,
            self.inner.delete(name, revision, expected),
        )
        .await
    }

    async fn put_evidence(&self, evidence: &Evidence) -> Result<(), StorageError> {
        self.call("put_evidence", None, self.inner.put_evidence(evidence))
            .await
    }

    async fn evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<Option<EvidenceRecord>, StorageError> {
        self.call("evidence", None, self.inner.evidence(name, revision))
            .await
    }

    async fn list_evidence(&self, name: &ReleaseName) -> Result<Vec<EvidenceRecord>, StorageError> {
        self.call("list_evidence", None, self.inner.list_evidence(name))
            .await
    }

    async fn adopt_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<(), StorageError> {
        self.call(
            "adopt_evidence",
            None,
            self.inner.adopt_evidence(name, revision),
        )
        .await
    }

    async fn delete_evidence(
        &self,
        name: &ReleaseName,
        revision: Revision,
    ) -> Result<(), StorageError> {
        self.call(
            "delete_evidence",
            None,
            self.inner.delete_evidence(name, revision),
        )
        .await
    }

    async fn acquire_lease(&self, request: &LeaseRequest) -> Result<Lease, StorageError> {
        self.call("acquire_lease", None, self.inner.acquire_lease(request))
            .await
    }

    async fn renew_lease(&self, lease: &Lease, now: DateTime<Utc>) -> Result<Lease, StorageError> {
        self.call("renew_lease", None, self.inner.renew_lease(lease, now))
            .await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), StorageError> {
        self.call("release_lease", None, self.inner.release_lease(lease))
            .await
    }

    async fn lease(&self, name: &ReleaseName) -> Result<Option<Lease>, StorageError> {
        self.call("lease", None, self.inner.lease(name)).await
    }
}
