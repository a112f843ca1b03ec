//! The right to write a release, held for as long as an action runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Deployer;
use super::retry::repeated;
use crate::release::ReleaseName;
use crate::storage::{Lease, LeaseRequest, StorageError};

/// Holds the lease of a release and prolongs it until it is given back or dropped.
pub(super) struct LeaseGuard {
    deployer: Deployer,
    lease: Arc<Mutex<Lease>>,
    lost: CancellationToken,
    heartbeat: JoinHandle<()>,
}

impl LeaseGuard {
    /// Takes the lease.
    ///
    /// # Errors
    /// [`StorageError::LeaseHeld`] when another process works on the release.
    pub(super) async fn take(
        deployer: &Deployer,
        name: &ReleaseName,
    ) -> Result<Self, StorageError> {
        let request = LeaseRequest {
            name: name.clone(),
            holder: deployer.operator.clone(),
            duration: deployer.lease_duration,
            now: deployer.clock.now(),
        };
        // Asking twice does no harm: what is ours already is taken again.
        let lease = repeated(|| deployer.store.acquire_lease(&request)).await?;
        let lease = Arc::new(Mutex::new(lease));
        let lost = CancellationToken::new();
        let heartbeat = tokio::spawn(beat(deployer.clone(), lease.clone(), lost.clone()));
        Ok(Self {
            deployer: deployer.clone(),
            lease,
            lost,
            heartbeat,
        })
    }

    /// Makes sure that the lease is still ours; to be called before every write.
    ///
    /// A process that slept past its lease finds out here, before it does harm.
    pub(super) async fn ensure(&self) -> Result<(), StorageError> {
        let held = lock(&self.lease).clone();
        if self.lost.is_cancelled() {
            return Err(StorageError::LeaseLost {
                name: held.name,
                holder: None,
            });
        }
        let now = self.deployer.clock.now();
        if held.is_expired(now) {
            let renewed = self.deployer.store.renew_lease(&held, now).await?;
            *lock(&self.lease) = renewed;
        }
        Ok(())
    }

    /// Gives the lease back; a failure is told, and the lease then ends by itself.
    pub(super) async fn release(self) {
        self.heartbeat.abort();
        let held = lock(&self.lease).clone();
        if let Err(error) = repeated(|| self.deployer.store.release_lease(&held)).await {
            tracing::warn!(release = %held.name, %error, "the lease was not given back and will expire");
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

async fn beat(deployer: Deployer, lease: Arc<Mutex<Lease>>, lost: CancellationToken) {
    let mut ticks = tokio::time::interval(deployer.lease_duration / 3);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let held = lock(&lease).clone();
        match deployer
            .store
            .renew_lease(&held, deployer.clock.now())
            .await
        {
            Ok(renewed) => *lock(&lease) = renewed,
            Err(StorageError::LeaseLost { name, holder }) => {
                tracing::error!(release = %name, ?holder, "the lease was lost");
                lost.cancel();
                return;
            }
            Err(error) => tracing::warn!(%error, "the lease was not prolonged; trying again"),
        }
    }
}

fn lock(lease: &Mutex<Lease>) -> MutexGuard<'_, Lease> {
    lease.lock().unwrap_or_else(PoisonError::into_inner)
}
