//! Writes that survive a lost answer: every one is tried again after looking at what is there.

use std::time::Duration;

use super::Deployer;
use crate::release::Release;
use crate::storage::{StorageError, Stored};

const ATTEMPTS_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// Repeats an idempotent call while the backend fails.
pub(super) async fn repeated<T, F>(mut call: impl FnMut() -> F) -> Result<T, StorageError>
where
    F: Future<Output = Result<T, StorageError>>,
{
    let mut attempt = 1;
    loop {
        match call().await {
            Err(StorageError::Backend { doing, source }) if attempt < ATTEMPTS_MAX => {
                tracing::warn!(doing, error = %source, attempt, "trying again");
                tokio::time::sleep(PAUSE * attempt).await;
                attempt += 1;
            }
            other => return other,
        }
    }
}

/// Creates a record; when the answer is lost, the record that is there by then counts if it is
/// exactly ours.
pub(super) async fn create(deployer: &Deployer, release: &Release) -> Result<Stored, StorageError> {
    let mut attempt = 1;
    loop {
        let error = match deployer.store.create(release, deployer.clock.now()).await {
            Ok(stored) => return Ok(stored),
            Err(error @ (StorageError::Backend { .. } | StorageError::AlreadyExists { .. })) => {
                error
            }
            Err(error) => return Err(error),
        };
        if attempt > 1 || matches!(error, StorageError::Backend { .. }) {
            let present = repeated(|| deployer.store.get(&release.name, release.version)).await;
            if let Ok(present) = present
                && is_same(&present.release, release)
            {
                return Ok(present);
            }
        }
        if attempt == ATTEMPTS_MAX || matches!(error, StorageError::AlreadyExists { .. }) {
            return Err(error);
        }
        tokio::time::sleep(PAUSE * attempt).await;
        attempt += 1;
    }
}

/// Rewrites a record from `before` to `after`; a conflict counts only when the record is neither.
pub(super) async fn update(
    deployer: &Deployer,
    before: &Stored,
    after: &Release,
) -> Result<Stored, StorageError> {
    let mut version = before.resource_version.clone();
    let mut attempt = 1;
    loop {
        let error = match deployer
            .store
            .update(after, &version, deployer.clock.now())
            .await
        {
            Ok(stored) => return Ok(stored),
            Err(error @ (StorageError::Backend { .. } | StorageError::Conflict { .. })) => error,
            Err(error) => return Err(error),
        };
        let present = repeated(|| deployer.store.get(&after.name, after.version)).await?;
        if is_same(&present.release, after) {
            return Ok(present);
        }
        if attempt == ATTEMPTS_MAX || !is_same(&present.release, &before.release) {
            return Err(error);
        }
        version = present.resource_version;
        tokio::time::sleep(PAUSE * attempt).await;
        attempt += 1;
    }
}

/// Compares records as they are stored: times lose what RFC 3339 does not carry.
fn is_same(left: &Release, right: &Release) -> bool {
    left.labels == right.labels
        && serde_json::to_value(left).ok() == serde_json::to_value(right).ok()
}
